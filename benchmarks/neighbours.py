"""How training shares a machine: alone, two side by side, beside a busy loop, under a quota.

    make bench-neighbours

Each is measured with the threads as PyTorch makes them, and as the command line has them: as many
as the quota allows, sleeping soon while they wait, and in a run of so many minutes no more than
there are processors that others leave. Rates are of LSTM 2×256 with 32 lanes of 64 steps, in
thousands of characters per second.
"""

from __future__ import annotations

import os
import statistics
import subprocess
import sys
from collections.abc import Iterator
from contextlib import contextmanager, suppress
from pathlib import Path

from timing import keep, processor

from charrnn.threads.quota import OPENMP_SPINS, usable_processors

HERE = Path(__file__).parent
GROUP = Path("/sys/fs/cgroup/cpu/charrnn-benchmark")
SECONDS, SETTLING, ROUNDS = 6.0, 2.5, 3
TRAIN = """
import sys, time, msgspec, torch, training
from charrnn.config import Threads
from charrnn.training.pace.neighbours import Neighbours, usage
seconds, settling, shares = float(sys.argv[1]), float(sys.argv[2]), sys.argv[3] == "shares"
ours = training.learner("lstm", 256, 32, 64, "auto")
for _ in range(3): ours.update()
print("ready", flush=True)
sys.stdin.readline()
available = torch.get_num_threads()
neighbours = Neighbours(available, available, usage())
def updates(seconds):
    begin, calls = time.perf_counter(), 0
    while time.perf_counter() - begin < seconds:
        ours.update()
        calls += 1
        if shares and neighbours.adapt(usage()):  # as `training.loop` does
            change = Threads(step=ours.step, count=neighbours.threads)
            ours.config = msgspec.structs.replace(ours.config, threads=(change,))
    return calls * 32 * 64 / (time.perf_counter() - begin) / 1e3
updates(settling)
print(updates(seconds))
"""
WAYS: dict[str, dict[str, str]] = {
    "as PyTorch makes them": {},
    "as the command line has them": {"GOMP_SPINCOUNT": str(OPENMP_SPINS)},
}


def trained(count: int, environment: dict[str, str], group: Path | None = None) -> float:
    """Characters per second of several trainings together."""
    processes, shares = [], "shares" if environment else "no"
    for _ in range(count):
        process = subprocess.Popen(
            [sys.executable, "-c", TRAIN, str(SECONDS), str(SETTLING), shares],
            cwd=HERE,
            env=os.environ | environment,
            stdin=subprocess.PIPE,
            stdout=subprocess.PIPE,
            text=True,
        )
        if group is not None:
            (group / "cgroup.procs").write_text(str(process.pid))
        processes.append(process)
    for process in processes:
        assert process.stdout is not None
        assert process.stdout.readline() == "ready\n"
    for process in processes:
        assert process.stdin is not None
        process.stdin.write("go\n")
        process.stdin.flush()
    return sum(float(process.communicate()[0]) for process in processes)


@contextmanager
def busy() -> Iterator[None]:
    """One process that never rests."""
    process = subprocess.Popen([sys.executable, "-c", "while True: pass"])
    try:
        yield
    finally:
        process.kill()
        process.wait()


@contextmanager
def half_a_processor() -> Iterator[Path]:
    """A control group with half a processor's time."""
    GROUP.mkdir(exist_ok=True)
    try:
        (GROUP / "cpu.cfs_period_us").write_text("100000")
        (GROUP / "cpu.cfs_quota_us").write_text("50000")
        yield GROUP
    finally:
        GROUP.rmdir()


def once(environment: dict[str, str]) -> dict[str, float]:
    """All situations in turn."""
    found = {"alone": trained(1, environment), "two together": trained(2, environment)}
    with busy():
        found["beside a busy loop"] = trained(1, environment)
    with suppress(OSError), half_a_processor() as group:  # where there are such groups
        threads = {"OMP_NUM_THREADS": "1"} if environment else {}
        found["half a processor"] = trained(1, environment | threads, group)
    return found


def main() -> None:
    """Measure, print, write."""
    print(f"{processor()}, {usable_processors()} processors")
    rounds = [{way: once(environment) for way, environment in WAYS.items()} for _ in range(ROUNDS)]
    rows = {
        way: {
            name: statistics.median(each[way][name] for each in rounds) for name in rounds[0][way]
        }
        for way in WAYS
    }
    for way, rates in rows.items():
        print(f"{way}: " + ", ".join(f"{name} {rate:.1f}k" for name, rate in rates.items()))
    keep("neighbours", rates=rows)


if __name__ == "__main__":
    main()
