"""How many processors this process may use and others do, and how its threads leave them."""

from __future__ import annotations

import functools
import math
import os
from pathlib import Path

__all__ = [
    "busy_seconds",
    "processor_quota",
    "processors",
    "share_processors",
    "usable_processors",
    "waiting_seconds",
]

MEMBERSHIP, CONTROL_GROUPS = Path("/proc/self/cgroup"), Path("/sys/fs/cgroup")
USED_TIME, OWN_THREADS = Path("/proc/stat"), Path("/proc/self/task")
BUSY = 1, 2, 3, 6, 7  # its columns of time in programs, niced ones, the system and interrupts
# How long waiting threads look for work before they sleep, see NOTES.md: PyTorch's in times that
# they look again, NumPy's in ticks of the processor's clock, as a power of two.
OPENMP_SPINS, BLAS_TICKS = 8000, 20
# The same for LLVM's and Intel's OpenMP, as PyTorch has them on Macs and Windows; not measured yet.
# By itself it is 200 on most machines.
OPENMP_MILLISECONDS = 1


def usable_processors() -> int:
    """How many processors this process may use: its affinity, quota and `OMP_NUM_THREADS` allow.

    A quota, as containers have, is a share of time: threads beyond it would wait for each other.
    """
    count = max(1, int(min(len(processors()), processor_quota())))
    limit = os.environ.get("OMP_NUM_THREADS", "").partition(",")[0].strip()
    return min(count, max(int(limit), 1)) if limit.isdecimal() else count


def share_processors() -> None:
    """Make the threads of PyTorch and NumPy good neighbours; to be called before these are loaded.

    PyTorch's are no more than a quota allows, of which PyTorch, that counts cores, knows nothing.
    None keep a processor busy while they wait: by default PyTorch's do so for milliseconds and
    NumPy's for a tenth of a second, in which others could have worked. Processes that torchrun
    starts on one machine divide its processors; it sets one thread each where the user has set
    nothing. What the user has set in the environment stays, but for a 1 under torchrun, which may
    be torchrun's own.
    """
    beside = os.environ.get("LOCAL_WORLD_SIZE", "")
    if beside.isdecimal() and int(beside) > 1 and os.environ.get("OMP_NUM_THREADS") == "1":
        del os.environ["OMP_NUM_THREADS"]
        os.environ["OMP_NUM_THREADS"] = str(max(1, usable_processors() // int(beside)))
    if processor_quota() < len(processors()):
        os.environ.setdefault("OMP_NUM_THREADS", str(usable_processors()))
    if "OMP_WAIT_POLICY" not in os.environ:
        os.environ.setdefault("GOMP_SPINCOUNT", str(OPENMP_SPINS))
        os.environ.setdefault("KMP_BLOCKTIME", str(OPENMP_MILLISECONDS))
    os.environ.setdefault("OPENBLAS_THREAD_TIMEOUT", str(BLAS_TICKS))


def processors() -> set[int]:
    """The processors that this process may run on, by number."""
    found = getattr(os, "sched_getaffinity", None)
    return found(0) if found else set(range(os.cpu_count() or 1))


def busy_seconds() -> float | None:
    """How long `processors` have worked since the machine started, whoever used them.

    None where that is not told, as outside Linux.
    """
    mine = {f"cpu{number}" for number in processors()}
    rows = [row for row in map(str.split, _text(USED_TIME).splitlines()) if row and row[0] in mine]
    if not rows:
        return None
    return sum(int(row[column]) for row in rows for column in BUSY) / os.sysconf("SC_CLK_TCK")


def waiting_seconds() -> dict[str, float]:
    """How long each thread of this process that could work had no processor to, by its number.

    Empty where that is not told, as outside Linux.
    """
    rows = {path.name: _text(path / "schedstat").split() for path in OWN_THREADS.glob("*")}
    return {number: int(row[1]) / 1e9 for number, row in rows.items() if row}


@functools.cache  # takes milliseconds, and threads are counted at every call of compiled code
def processor_quota() -> float:
    """How many processors' time the control groups of this process allow, on Linux."""
    limits = [math.inf]
    for line in _text(MEMBERSHIP).splitlines():
        _, controllers, path = line.split(":", 2)
        # The second version has one tree, the first one for each controller.
        for tree in [CONTROL_GROUPS, *(CONTROL_GROUPS / name for name in controllers.split(","))]:
            group = tree / path.strip("/")
            limits += [_limit(folder) for folder in (group, *group.parents)]
    return min(limits)


def _limit(group: Path) -> float:
    """How many processors' time one control group allows; infinity for a folder that is none."""
    second, first = ("cpu.max",), ("cpu.cfs_quota_us", "cpu.cfs_period_us")
    for names in (second, first):
        words = " ".join(_text(group / name) for name in names).split()
        if len(words) == 2 and all(word.isdecimal() for word in words):  # not "max" or -1
            return int(words[0]) / max(int(words[1]), 1)
    return math.inf


def _text(path: Path) -> str:
    try:
        return path.read_text()
    except OSError:
        return ""
