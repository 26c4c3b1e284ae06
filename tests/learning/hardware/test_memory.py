"""Large pieces of memory that are freed and asked for again, again and again."""

from __future__ import annotations

import subprocess
import sys

import pytest

# Each filling of a piece that the system has lent anew finds its pages missing.
PROGRAM = """
import resource
from contextlib import nullcontext
import torch
from charrnn.learning.hardware.memory import kept_memory

def faults():
    for _ in range(12):  # until places that fit have been found
        torch.ones(12 << 20)  # larger than any piece that glibc keeps by itself
    before = resource.getrusage(resource.RUSAGE_SELF).ru_minflt
    for _ in range(3):
        torch.ones(12 << 20)
    return resource.getrusage(resource.RUSAGE_SELF).ru_minflt - before

found = []
for context in (nullcontext, kept_memory, nullcontext):
    with context():
        found.append(faults())
print(*found)
"""


def faults(**settings: str) -> list[int]:
    """Of pages: before, inside and after."""
    done = subprocess.run(
        [sys.executable, "-c", PROGRAM],
        capture_output=True,
        text=True,
        check=True,
        env={"PATH": "", **settings},
    )
    return [int(number) for number in done.stdout.split()]


@pytest.mark.skipif(sys.platform != "linux", reason="only glibc is asked to keep memory")
def test_what_is_freed_is_used_again_inside_and_given_back_after() -> None:
    before, inside, after = faults()
    assert 3 * inside < min(before, after)


@pytest.mark.skipif(sys.platform != "linux", reason="only glibc is asked to keep memory")
def test_what_the_user_has_set_stays() -> None:
    before, inside, _ = faults(MALLOC_TRIM_THRESHOLD_="100000")
    assert 2 * inside > before
