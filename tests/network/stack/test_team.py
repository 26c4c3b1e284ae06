"""Kernels in threads of our own, where PyTorch brings none that can be lent."""

from __future__ import annotations

import subprocess
import sys

import pytest
import torch

from charrnn.cells.rules import CELLS
from charrnn.network.stack import kernels

ONE_UPDATE = """
import sys, torch
from charrnn.network.stack import team
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
