"""The threads that kernels run in: PyTorch's, and our own where it brings none that can be lent."""

from __future__ import annotations

import os
import subprocess
import sys

import pytest
import torch

from charrnn.cells.rules import CELLS
from charrnn.network.stack.cpu import kernels, team
from tests.commands import run_code

needs_openmp = pytest.mark.skipif(team.openmp() is None, reason="PyTorch brings no GNU OpenMP")

ONE_UPDATE = """
import sys, torch
from charrnn.config import ModelConfig
from charrnn.network.stack.cpu import team
from charrnn.network.stack.recurrent import Recurrent

if sys.argv[1] == "own":
    team.openmp = lambda: None
torch.set_num_threads(int(sys.argv[2]))
for cell in sys.argv[3:]:
    torch.manual_seed(0)
    config = ModelConfig(cell=cell, vocab_size=2, embed_size=6, hidden_size=32, num_layers=2)
    stack = Recurrent(config)
    assert stack.engine == "auto"
    output, _ = stack(torch.randn(5, 11, 6))
    output.square().sum().backward()
    print(cell, output.flatten().tolist(), [w.grad.flatten().tolist() for w in stack.parameters()])
"""


@pytest.mark.skipif(not kernels.available(32, torch.float32), reason="there are no kernels here")
def test_own_threads_compute_the_same_bits() -> None:
    def update(threads: str, count: int) -> list[str]:
        return run_code(ONE_UPDATE, threads, count, *CELLS).splitlines()

    own, openmp = update("own", 3), update("openmp", 3)
    assert [line.split()[0] for line in own] == list(CELLS)
    assert own == openmp


SHARED = """
import ctypes, functools, os, sys, torch
from charrnn.native.code import intrinsics
from charrnn.native.code.machine import Code, thread_count, thread_number
from charrnn.network.stack.cpu import team

ITEMS = 50
if sys.argv[1] == "own":
    team.openmp = lambda: None
code = Code("shared", ["items", "done", "size"])
thread, threads = thread_number(code), thread_count(code)
intrinsics.store_integer(code, code["size"] + thread * 8, threads)
begin, end = code.share(code["items"], 1, thread, threads)
with code.loop(begin, end) as k:
    place = code["done"] + k * 8
    intrinsics.store_integer(code, place, code.integer(place) + 1)
address = functools.cache(code.compile)

def divide(wished):
    done, size = torch.zeros(ITEMS, dtype=torch.int64), torch.zeros(wished, dtype=torch.int64)
    team.run(address, [ITEMS, done.data_ptr(), size.data_ptr()], wished)
    assert (done == 1).all()
    assert (size > 0).sum() == size[0]
    os.write(1, b"%d\\n" % size[0])  # in one piece: two threads may say it at once

divide(1)
divide(4)
if sys.argv[1] != "own":
    team.openmp().omp_set_nested(sys.argv[1] == "nested")
    inside = ctypes.CFUNCTYPE(None, ctypes.c_void_p)(lambda _: divide(3))
    team.openmp().GOMP_parallel(inside, None, 2, 0)
"""


@pytest.mark.skipif(not kernels.available(32, torch.float32), reason="there are no kernels here")
@pytest.mark.parametrize(
    ("threads", "sizes"),
    [
        ("own", [1, 4]),
        pytest.param("openmp", [1, 4, 1, 1], marks=needs_openmp),
        pytest.param("nested", [1, 4, 3, 3], marks=needs_openmp),
    ],
)
def test_threads_divide_all_work_among_those_that_there_are(threads: str, sizes: list[int]) -> None:
    """They may be fewer than wished inside other threads."""
    assert [int(size) for size in run_code(SHARED, threads).split()] == sizes


@pytest.mark.skipif(not kernels.available(32, torch.float32), reason="there are no kernels here")
@needs_openmp
def test_threads_that_a_limit_leaves_divide_all_work() -> None:
    done = subprocess.run(
        [sys.executable, "-c", SHARED, "openmp"],
        env=os.environ | {"OMP_THREAD_LIMIT": "3"},
        capture_output=True,
        text=True,
        check=True,
        timeout=120,
    )
    assert [int(size) for size in done.stdout.split()] == [1, 3, 1, 1]
