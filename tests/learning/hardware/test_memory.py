"""Large pieces of memory that are freed and asked for again, again and again."""

from __future__ import annotations

import platform
import subprocess
import sys

import pytest

needs_glibc = pytest.mark.skipif(
    platform.libc_ver()[0] != "glibc", reason="only glibc is asked to keep memory"
)
# Each filling of a piece that the system has lent anew finds its pages missing.
PROGRAM = """
import ctypes, resource
from pathlib import Path
import torch
from charrnn.learning.hardware.memory import kept_memory

ctypes.CDLL(None).prctl(41, 1, 0, 0, 0)  # PR_SET_THP_DISABLE: huge pages would be few

def faults():
    for _ in range(12):  # until places that fit have been found
        torch.ones(12 << 20)  # larger than any piece that glibc keeps by itself
    before = resource.getrusage(resource.RUSAGE_SELF).ru_minflt
    for _ in range(3):
        torch.ones(12 << 20)
    return resource.getrusage(resource.RUSAGE_SELF).ru_minflt - before

def pages():
    return int(Path("/proc/self/statm").read_text().split()[1])

usual, before = faults(), pages()
with kept_memory():
    with kept_memory():
        pass  # another run in this process ends
    inside, kept = faults(), pages()
print(usual, inside, before, kept, pages())
"""


def measured(**settings: str) -> list[int]:
    """Faults outside and inside; pages that are held before, inside and after."""
    done = subprocess.run(
        [sys.executable, "-c", PROGRAM],
        capture_output=True,
        text=True,
        check=True,
        env={"PATH": "", **settings},
    )
    return [int(number) for number in done.stdout.split()]


@needs_glibc
def test_what_is_freed_is_used_again_inside_and_given_back_after() -> None:
    usual, inside, before, kept, after = measured()
    assert 3 * inside < usual
    assert after - before < (kept - before) / 4


@needs_glibc
def test_what_the_user_has_set_stays() -> None:
    usual, inside, *_ = measured(MALLOC_TRIM_THRESHOLD_="100000")
    assert 2 * inside > usual > 0
