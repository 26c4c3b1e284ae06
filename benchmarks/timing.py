"""What the benchmarks share: commands, rates of contestants that take turns, facts, and results."""

from __future__ import annotations

import json
import os
import platform
import statistics
import subprocess
import sys
import time
from collections.abc import Callable, Mapping
from pathlib import Path
from typing import Any

import torch
from torch import nn

from charrnn.native import tiles

RESULTS = Path(__file__).parent / "results"
PEERS = Path(__file__).parents[1] / ".venv-peers" / "bin" / "python"  # see `make bench-peers`
MODULES: dict[str, Any] = {"rnn": nn.RNN, "lstm": nn.LSTM, "gru": nn.GRU}
Step = Callable[[], object]


def charrnn(*arguments: object) -> dict[str, Any]:
    """What a command prints with `--json`; its progress is shown."""
    command = [sys.executable, "-m", "charrnn", *map(str, arguments), "--json"]
    done = subprocess.run(command, check=True, stdout=subprocess.PIPE, text=True)
    found: dict[str, Any] = json.loads(done.stdout)
    return found


def rates(steps: Mapping[str, Step], work: float, rounds: int, seconds: float) -> dict[str, float]:
    """The median rate of each contestant over `rounds` alternating repeats.

    Args:
        steps: each call does `work` units of work; the first call is not counted.
        work: units of work per call; the rates are in these units per second.
        rounds: how often each is measured.
        seconds: how long each time, at least; there is at least one call.
    """
    for step in steps.values():
        step()
    measured: dict[str, list[float]] = {name: [] for name in steps}
    for _ in range(rounds):
        for name, step in steps.items():
            begin, calls = time.perf_counter(), 0
            while (elapsed := time.perf_counter() - begin) < seconds or not calls:
                step()
                calls += 1
            measured[name].append(work * calls / elapsed)
    return {name: statistics.median(values) for name, values in measured.items()}


def product_peak(dtype: torch.dtype, rounds: int = 5) -> float:
    """The fastest of several matrix products, in operations per second."""
    found = []
    for rows, inner, columns in ((1024,) * 3, (2048,) * 3, (4096, 512, 2048), (8192, 256, 1024)):
        a = torch.randn(rows, inner).to(dtype)
        b = torch.randn(inner, columns).to(dtype)
        operations = 2.0 * rows * inner * columns
        found.append(rates({"mm": lambda a=a, b=b: a @ b}, operations, rounds, 0.3)["mm"])
    return max(found)


def emulates_bfloat16() -> bool:
    """Whether products in bfloat16 are so slow here that nobody would choose them."""
    a = torch.randn(256, 256)
    b = a.bfloat16()
    speeds = rates({"fp32": lambda: a @ a, "bf16": lambda: b @ b}, 1, 3, 0.05)
    return speeds["bf16"] < speeds["fp32"] / 4


def processor() -> str:
    """The name of the processor, as far as the system tells it."""
    about = Path("/proc/cpuinfo")
    if about.exists():
        fields = dict(
            line.split("\t", 1) for line in about.read_text().splitlines() if "\t" in line
        )
        names = ("model name", "cpu family", "model")
        return ", ".join(fields[n].strip(": \t") for n in names if n in fields)
    return platform.processor() or platform.machine()


def capabilities() -> list[str]:
    """What the processor can do beyond the rest of its kind, in PyTorch's names."""
    return sorted(name for name, there in torch.cpu.get_capabilities().items() if there is True)


def title() -> str:
    """The processor in a line, with what of it matters most here."""
    first = ("avx2", "avx512_f", "avx_vnni", "avx512_vnni", "avx512_bf16", "amx_int8", "amx_bf16")
    features = [name for name in first if name in capabilities()]
    lent = f"{os.cpu_count()} cores, {torch.get_num_threads()} threads"
    tiled = "multiplies in tiles" if tiles.available() else "no tiles"
    return f"{processor()}; {lent}; {', '.join(features) or 'nothing special'}; {tiled}"


def machine() -> dict[str, object]:
    """What the figures depend on."""
    facts: dict[str, object] = {
        "processor": processor(),
        "cores": os.cpu_count(),
        "threads": torch.get_num_threads(),
        "capabilities": capabilities(),
        "torch": str(torch.__version__),
        "python": platform.python_version(),
    }
    if torch.cuda.is_available():
        facts |= {"gpu": torch.cuda.get_device_name(), "cuda": torch.version.cuda}
    return facts


def keep(name: str, **found: object) -> None:
    """Write what was found, and on which machine, to `results/NAME.json`."""
    text = json.dumps({"machine": machine()} | found, indent=2)
    (RESULTS / f"{name}.json").write_text(f"{text}\n")
