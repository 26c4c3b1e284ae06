"""Tiles on a processor that has none: `amx.c` carries out their instructions, see there."""

from __future__ import annotations

import ctypes
import functools
import shutil
import subprocess
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path
from tempfile import TemporaryDirectory
from typing import Any

import pytest

from charrnn.native import processor

HERE = processor.target()
WITH_TILES = HERE and HERE._replace(features=f"{HERE.features},+amx-tile,+amx-bf16,+amx-int8")


class Emulator:
    """What the emulator has seen."""

    def __init__(self, library: Any) -> None:
        self.library = library

    def counts(self) -> tuple[int, int, int]:
        """How often tiles were given their sizes, were given back, and were multiplied."""
        configured, released, multiplied = self.library.counted()[:3]
        return configured, released, multiplied

    def moved(self, *tiles: int) -> tuple[int, int]:
        """The first byte that these were loaded from or stored to, and the one behind the last."""
        ends = [self.library.moved(tile)[:2] for tile in tiles]
        return min(begin for begin, _ in ends), max(end for _, end in ends)

    def configuration(self) -> bytes:
        """The last that tiles got their sizes from."""
        return bytes(self.library.configuration()[:64])


@contextmanager
def emulated(*, wrong: bool = False) -> Iterator[Emulator]:
    """Instructions of tiles are carried out inside; if `wrong`, products are off by one.

    Raises:
        AssertionError: at the end, if a processor would have refused one of them.
    """
    if not (HERE and HERE.bf16):
        pytest.skip("the processor has no bfloat16")
    if HERE.has_tiles:
        pytest.skip("the processor has tiles of its own")
    library = _library()
    library.begin(wrong)
    try:
        yield Emulator(library)
    finally:
        library.end()
    assert library.violation() is None, library.violation().decode()


@functools.cache
def _library() -> Any:
    if not shutil.which("cc"):
        pytest.skip("there is no C compiler")
    with TemporaryDirectory() as folder:
        library = Path(folder) / "amx.so"
        options = ["-O3", "-mavx2", "-mfma", "-shared", "-fPIC"]
        source = Path(__file__).with_suffix(".c")
        subprocess.run(["cc", *options, "-o", library, source], check=True)
        found = ctypes.CDLL(str(library))
    found.violation.restype = ctypes.c_char_p
    found.counted.restype = ctypes.POINTER(ctypes.c_long)
    found.moved.restype = ctypes.POINTER(ctypes.c_uint64)
    found.configuration.restype = ctypes.POINTER(ctypes.c_uint8)
    return found
