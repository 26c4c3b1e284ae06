"""Kernels of a GPU, run on a CPU: the same source, compiled by g++ with `emulated.h`."""

from __future__ import annotations

import ctypes
import subprocess
import tempfile
from functools import cache
from pathlib import Path

from charrnn.network.stack.gpu.layout import Layout
from charrnn.network.stack.gpu.source import defines, source

HEADER = Path(__file__).with_name("emulated.h")
ENTRY = """
extern "C" void run(int blocks, int threads, int shared_bytes, unsigned seed, int steps,
                    int batch, void **arguments) {
  emulate_with(layer, blocks, threads, shared_bytes, seed, steps, batch, arguments);
}
"""


def launch(layout: Layout, steps: int, batch: int, addresses: list[int], seed: int = 1) -> None:
    """As `engine.launch`, but here, and until it is done."""
    code, blocks = _compiled(layout), layout.blocks(batch)
    places = (ctypes.c_void_p * len(addresses))(*addresses)
    code.run(blocks, layout.threads, layout.shared_bytes, seed, steps, batch, places)


# Some systems' compilers check each jump against the one stack that a program usually has.
OPTIONS = ("-O1", "-U_FORTIFY_SOURCE")


@cache
def _compiled(layout: Layout) -> ctypes.CDLL:
    with tempfile.TemporaryDirectory() as folder:
        written, library = Path(folder, "layers.cpp"), Path(folder, "layers.so")
        written.write_text(source(layout.cell, layout.way) + ENTRY, "utf-8")
        constants = [f"-D{define}" for define in defines(layout)]
        common = ["-std=c++17", "-w", "-shared", "-fPIC", "-include", str(HEADER)]
        command = ["g++", *OPTIONS, *common, *constants, "-o", str(library), str(written)]
        subprocess.run(command, check=True)
        return ctypes.CDLL(str(library))
