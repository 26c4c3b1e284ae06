"""The threads that kernels run in: PyTorch's, and our own where it brings none that can be lent."""

from __future__ import annotations

import os
import subprocess
import sys

import pytest
import torch

from charrnn.cells.rules import CELLS
from charrnn.native.writing.sampling_code import THREADS_CAN_WAIT
from charrnn.network.stack.cpu import kernels, team

needs_openmp = pytest.mark.skipif(team.openmp() is None, reason="PyTorch brings no GNU OpenMP")

ONE_UPDATE = """
import sys, torch
from charrnn.network.stack.cpu import team
from charrnn.network.stack.recurrent import Recurrent

if sys.argv[1] == "own":
    team.openmp = lambda: None
torch.set_num_threads(int(sys.argv[2]))
for cell in sys.argv[3:]:
    torch.manual_seed(0)
    stack = Recurrent(cell, 6, 32, 2)
    assert stack.engine == "auto"
    output, _ = stack(torch.randn(5, 11, 6))
    output.square().sum().backward()
    print(cell, output.flatten().tolist(), [w.grad.flatten().tolist() for w in stack.parameters()])
"""


@pytest.mark.skipif(not kernels.available(32, torch.float32), reason="there are no kernels here")
def test_own_threads_compute_the_same_bits() -> None:
    def update(threads: str, count: int) -> list[str]:
        command = [sys.executable, "-c", ONE_UPDATE, threads, str(count), *CELLS]
        done = subprocess.run(command, capture_output=True, text=True, check=True)
        return done.stdout.splitlines()

    own, openmp = update("own", 3), update("openmp", 3)
    assert [line.split()[0] for line in own] == list(CELLS)
    assert own == openmp


MEETING = """
import ctypes, functools, os, sys, torch
from charrnn.native.code import intrinsics
from charrnn.native.code.machine import Code, thread_count, thread_number
from charrnn.network.stack.cpu import team

ROUNDS, THREADS = 50, 4
if sys.argv[1] == "own":
    team.openmp = lambda: None
code = Code("meeting", ["sync", "left", "found", "size"])
thread, threads = thread_number(code), thread_count(code)
intrinsics.store_integer(code, code["size"], threads)
other = thread + 1 - (thread + 1) // threads * threads
with code.loop(0, ROUNDS) as k:
    intrinsics.store_integer(code, code["left"] + (k * THREADS + thread) * 8, k + 1)
    intrinsics.barrier(code, code["sync"], threads)
    seen = code.integer(code["left"] + (k * THREADS + other) * 8)
    intrinsics.store_integer(code, code["found"] + (k * THREADS + thread) * 8, seen)
address = functools.cache(code.compile)

def meet(wished):
    seen = ROUNDS * THREADS
    arrays = [torch.zeros(size, dtype=torch.int64) for size in (8, seen, seen, 1)]
    team.run(address, [array.data_ptr() for array in arrays], wished, they_wait=True)
    size = int(arrays[3])
    found = arrays[2].view(ROUNDS, THREADS)[:, :size]
    assert (found == torch.arange(1, ROUNDS + 1)[:, None]).all()
    os.write(1, b"%d\\n" % size)  # in one piece: two threads may say it at once

meet(1)
meet(4)
if sys.argv[1] != "own":
    team.openmp().omp_set_nested(sys.argv[1] == "nested")
    inside = ctypes.CFUNCTYPE(None, ctypes.c_void_p)(lambda _: meet(3))
    team.openmp().GOMP_parallel(inside, None, 2, 0)
"""


@pytest.mark.skipif(not THREADS_CAN_WAIT, reason="no thread waits for another here")
@pytest.mark.parametrize(
    ("threads", "limits", "sizes"),
    [
        ("own", {}, [1, 1]),
        pytest.param("openmp", {}, [1, 4, 1, 1], marks=needs_openmp),
        pytest.param("openmp", {"OMP_THREAD_LIMIT": "3"}, [1, 3, 1, 1], marks=needs_openmp),
        pytest.param("nested", {}, [1, 4, 3, 3], marks=needs_openmp),
    ],
)
def test_threads_that_wait_for_each_other_are_all_there(
    threads: str, limits: dict[str, str], sizes: list[int]
) -> None:
    """Or know that they are fewer: by the limit, or inside other threads."""
    done = subprocess.run(
        [sys.executable, "-c", MEETING, threads],
        env=os.environ | limits,
        capture_output=True,
        text=True,
        check=True,
        timeout=120,
    )
    assert [int(size) for size in done.stdout.split()] == sizes
