"""In how many threads PyTorch computes."""

from __future__ import annotations

import os
import subprocess
import sys

import pytest

from charrnn.network.stack.cpu import team
from tests.commands import run_code

PROGRAM = """
import sys, torch
from charrnn.learning.hardware import threads
from charrnn.learning.hardware.threads import in_threads, max_threads

threads.processor_quota = lambda: float(sys.argv[1])
torch.set_num_threads(3)
a, b = torch.randn(2, 384, 384)
with in_threads(max_threads()):
    error = (a.bfloat16() @ b.bfloat16()).float() - a @ b
print(max_threads(), float(error.abs().max()) < 2)
"""


needs_openmp = pytest.mark.skipif(
    team.openmp() is None, reason="PyTorch has not brought GNU's OpenMP"
)


@needs_openmp
@pytest.mark.parametrize(("quota", "threads"), [("inf", 3), ("2.5", 2), ("0.5", 1)])
def test_no_more_threads_are_counted_on_than_a_quota_allows(quota: str, threads: int) -> None:
    """As containers have, of which PyTorch knows nothing."""
    assert run_code(PROGRAM, quota).split() == [str(threads), "True"]


@needs_openmp
@pytest.mark.parametrize(
    ("limits", "threads"),
    [({"OMP_THREAD_LIMIT": "1"}, 1), ({"OMP_THREAD_LIMIT": "2"}, 2), ({"OMP_DYNAMIC": "true"}, 3)],
)
def test_no_more_threads_are_counted_on_than_there_are(
    limits: dict[str, str], threads: int
) -> None:
    """PyTorch counts on as many as it was told, and multiplies wrongly where there are fewer."""
    done = subprocess.run(
        [sys.executable, "-c", PROGRAM, "inf"],
        env=os.environ | limits,
        capture_output=True,
        text=True,
        check=True,
        timeout=120,
    )
    assert done.stdout.split() == [str(threads), "True"]
