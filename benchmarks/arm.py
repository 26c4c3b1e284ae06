"""Does the code for ARM compute what it should? An ARM processor is emulated to see.

    python benchmarks/arm.py FOLDER

On a Debian system for x86 with `qemu-user-static` (and `dpkg --add-architecture arm64`), this gets
an ARM Python, NumPy and llvmlite into the folder and runs itself there. Compared are:

- a layer's forward pass in machine code, with the cell's rule in NumPy;
- its backward pass, with the same code made for x86, which the tests hold to PyTorch's gradients;
- Muon's steps, with the same code made for x86, which the tests hold to PyTorch's operations;
- texts written in machine code, with what the model in NumPy finds each character's probability.

Emulation says nothing about speed.
"""

from __future__ import annotations

import ctypes
import os
import subprocess
import sys
from importlib.metadata import version
from pathlib import Path

import numpy as np
from safetensors.numpy import load_file, save_file

from charrnn.arrays import Floats
from charrnn.cells.gradients import RULES
from charrnn.cells.heads import shapes_of
from charrnn.cells.rules import CELLS
from charrnn.config import CellName, ModelConfig
from charrnn.models.model import Model
from charrnn.native import processor
from charrnn.native.code import machine
from charrnn.native.code.machine import THREAD_COUNT, THREAD_NUMBER, add_symbol
from charrnn.native.muon_code import ARGUMENTS, ROWS, muon_address, room_size
from charrnn.native.processor import Target, panel_blocks, vector_width
from charrnn.native.training_code import (
    BACKWARD,
    FORWARD,
    LayerShape,
    backward_address,
    forward_address,
)
from charrnn.text.tokenizer import CharTokenizer

PACKAGES = (
    *("python3.11-minimal", "libpython3.11-minimal", "libpython3.11-stdlib", "libc6", "libgcc-s1"),
    *("libstdc++6", "zlib1g", "libexpat1", "libffi8", "libssl3", "libbz2-1.0", "liblzma5"),
    "libuuid1",
)
WHEELS = ("numpy", "llvmlite", "msgspec", "safetensors", "platformdirs")
T, B, H, V = 5, 7, 48, 11
MUON = 0.9, (3.4445, -4.7750, 2.0315), 2, 1e-20  # as in `learning.muon`, which needs PyTorch
TOLERANCE = 2e-5  # of the largest value: sums in another order
BYTE_TOLERANCE = 0.05  # nats, for weights rounded to bytes in a model of random weights

Number = ctypes.CFUNCTYPE(ctypes.c_int)
ALONE = Number(lambda: 0), Number(lambda: 1)  # a thread's number, and how many there are


def packed(weights: Floats, gates: int) -> Floats:
    """Weights (K, G·N) as the code reads them: see `network.stack.cpu.packing`."""
    width = panel_blocks(gates, weights.shape[1] // gates) * vector_width()
    split = weights.reshape(len(weights), gates, -1, width)
    return np.ascontiguousarray(split.transpose(2, 0, 1, 3))


def call(address: int, names: tuple[str, ...], values: dict[str, object]) -> None:
    """Run compiled code on arrays and numbers."""
    given = [values.get(name, 0) for name in names]
    numbers = [v.ctypes.data if isinstance(v, np.ndarray) else v for v in given]
    machine.run(address, numbers)


def layer(cell: CellName) -> dict[str, Floats]:
    """A layer's outputs and gradients by machine code, for random weights, and its inputs."""
    random = np.random.default_rng(3)
    gates, rule, states = CELLS[cell].gates, RULES[cell], len(CELLS[cell].state)
    shapes = {"gx": (T, B, gates * H), "w_hh": (H, gates * H), "d_out": (T, B, H)}
    shapes |= {"b_ih": (gates * H,), "b_hh": (gates * H,), "start": (states, B, H)}
    a = {k: random.normal(0, 0.4, s).astype(np.float32) for k, s in shapes.items()}
    hs = np.zeros((T + 1, B, H), np.float32)
    hs[0] = a["start"][0]
    memory = hs
    if rule.memory:
        memory = np.zeros_like(hs)
        memory[0] = a["start"][-1]
    kept = np.zeros((T, B, max(rule.kept, 1) * H), np.float32)
    values: dict[str, object] = {"T": T, "B": B, "hs": hs, "memory": memory, "kept": kept}
    weights = packed(a["w_hh"], gates)
    forward = values | {"weights": weights, **{k: a[k] for k in ("gx", "b_ih", "b_hh")}}
    shape = LayerShape(cell, H, "fp32", by_id=False, blocks=panel_blocks(gates, H))
    call(forward_address(shape), FORWARD, forward)
    d = {"dhs": (T, B, gates * H), "d_h": (B, H), "d_memory": (B, H)}
    d |= {"d_rows": (1, gates * H), "db_hh": (gates * H,)}
    slopes = {name: np.zeros(shape, np.float32) for name, shape in d.items()}
    slopes["dxs"] = np.zeros_like(slopes["dhs"]) if rule.split else slopes["dhs"]
    transposed = packed(np.ascontiguousarray(a["w_hh"].T), 1)
    back = values | slopes | {"weights": transposed, "d_out": a["d_out"], "V": 1}
    shape = shape._replace(blocks=panel_blocks(1, H))
    call(backward_address(shape), BACKWARD, back)
    return a | slopes | {"hs": hs, "memory": memory.copy()}


def by_rule(cell: CellName, a: dict[str, Floats]) -> Floats:
    """The outputs (T, B, H) by the cell's rule."""
    state, outputs = tuple(a["start"]), []
    for t in range(T):
        gh = state[0] @ a["w_hh"] + a["b_hh"]
        output, state = CELLS[cell].combine(a["gx"][t] + a["b_ih"], gh, state)
        outputs.append(output)
    return np.stack(outputs)


def step() -> dict[str, Floats]:
    """A matrix and its average of gradients, as machine code changes them in a step of Muon."""
    random = np.random.default_rng(5)
    height, width = 2 * ROWS, 3 * ROWS
    a = {
        name: random.normal(0, 0.4, (height, width)).astype(np.float32)
        for name in ("weights", "means", "gradients")
    }
    room, numbers = np.zeros(room_size(width), np.float32), np.array([0.5, 0.9, 0.1], np.float32)
    values = {"B": height // ROWS, "C": width, "room": room, "numbers": numbers, **a}
    call(muon_address(*MUON), ARGUMENTS, values)
    return {name: a[name] for name in ("weights", "means")}


def error(one: Floats, other: Floats) -> float:
    """The largest difference, as a share of the largest value."""
    return float(np.abs(one - other).max() / max(np.abs(other).max(), 1e-6))


def sampled(cell: CellName) -> float:
    """How far log-probabilities in machine code are from the model's in NumPy, in nats."""
    config = ModelConfig(
        cell=cell, vocab_size=V, embed_size=H, hidden_size=H, num_layers=2, skip=True
    )
    random = np.random.default_rng(4)
    weights = {
        name: random.normal(0, 0.1, shape).astype(np.float32)
        for name, shape in shapes_of(config).items()
    }
    model = Model(config, CharTokenizer("".join(map(chr, range(97, 97 + V)))), weights)
    worst = 0.0
    for batch in (1, 9):  # two threads share the units, or the sequences
        state = model.start(batch)
        sampler = model.sampler(state, None)
        assert sampler is not None, "the processor multiplies bytes"
        ids = np.arange(batch, dtype=np.int32) % V
        drawn, found = sampler.draw(ids, random.random((40, batch)), np.ones(40), np.zeros(V))
        read = np.vstack([ids, drawn]).T  # (B, N+1)
        worst = max(worst, float(np.abs(model.token_log_probs(read) - found.T).max()))
    return worst


def inside(folder: Path) -> None:
    """Compare, on an ARM processor."""
    processor.target = lambda: Target(4, 32, False, "sdot", "+neon,+dotprod")  # type: ignore[assignment]
    for cell in CELLS:
        ours, reference = layer(cell), load_file(folder / f"{cell}.safetensors")
        forward = error(ours["hs"][1:], by_rule(cell, ours))
        backward = max(error(ours[k], reference[k]) for k in ("dhs", "dxs", "d_h", "d_rows"))
        nats = sampled(cell)
        print(
            f"{cell}: forward {forward:.1e} from the rule, backward {backward:.1e} from x86, "
            f"log-probabilities {nats:.4f} nats from NumPy",
            flush=True,
        )
        assert max(forward, backward) < TOLERANCE
        assert nats < BYTE_TOLERANCE
    ours, reference = step(), load_file(folder / "muon.safetensors")
    muon = max(error(ours[name], reference[name]) for name in reference)
    print(f"Muon: {muon:.1e} from x86", flush=True)
    assert muon < TOLERANCE


def main(folder: Path) -> None:
    """Get what is missing, and run this file on the emulated processor."""
    root, site, downloads = folder / "root", folder / "site", folder / "downloads"
    if not site.exists():
        downloads.mkdir(parents=True, exist_ok=True)
        names = [f"{name}:arm64" for name in PACKAGES]
        subprocess.run(["apt-get", "download", *names], cwd=downloads, check=True)
        for package in downloads.glob("*.deb"):
            subprocess.run(["dpkg-deb", "-x", package, root], check=True)
        kinds = ("manylinux_2_28_aarch64", "manylinux_2_27_aarch64", "manylinux2014_aarch64")
        platforms = [f"--platform={kind}" for kind in kinds]
        wheels = [f"{name}=={version(name)}" for name in WHEELS]
        options = ["--no-deps", "--only-binary=:all:", "--python-version=3.11", f"--target={site}"]
        pip = [sys.executable, "-m", "pip", "install", "--quiet"]
        subprocess.run([*pip, *options, *platforms, *wheels], check=True)
    for cell in CELLS:
        save_file(layer(cell), folder / f"{cell}.safetensors")
    save_file(step(), folder / "muon.safetensors")
    paths = [str(site), str(Path(__file__).parent.parent)]
    environment = os.environ | {"PYTHONHOME": str(root / "usr"), "PYTHONPATH": ":".join(paths)}
    environment |= {"XDG_CACHE_HOME": str(folder / "caches")}
    command = ["qemu-aarch64-static", "-L", root, root / "usr" / "bin" / "python3.11"]
    subprocess.run([*command, __file__, folder, "inside"], env=environment, check=True)


if __name__ == "__main__":
    for name, answer in zip((THREAD_NUMBER, THREAD_COUNT), ALONE, strict=True):
        add_symbol(name, ctypes.cast(answer, ctypes.c_void_p).value)
    (inside if "inside" in sys.argv else main)(Path(sys.argv[1]).absolute())
