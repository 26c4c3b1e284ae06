"""Layers that read pieces side by side read the same sequence."""

from __future__ import annotations

import pytest
import torch

from charrnn.config import CellName
from charrnn.network.recurrent import Recurrent
from tests.conftest import B, E, H, T

DEVICES = ["cpu", *(["cuda"] if torch.cuda.is_available() else [])]


@pytest.mark.parametrize("device", DEVICES)
@pytest.mark.parametrize("steps", [1, 3, 7, 100])
@pytest.mark.parametrize("skip", [False, True])
def test_pieces_are_the_whole(cell: CellName, device: str, steps: int, skip: bool) -> None:
    """Output, state, and every gradient; pieces of which the last is shorter."""
    stack = Recurrent(cell, E, H, 3, skip=skip).to(device)
    x = torch.randn(T, B, E, device=device, requires_grad=True)
    before = tuple(
        torch.randn(3, B, H, device=device, requires_grad=True) for _ in stack.cell.state
    )
    slope = torch.randn(T, B, H, device=device)
    found = []
    for stack.piece_steps in (0, steps):
        output, after = stack(x, before)
        loss = (output * slope).sum() + sum((part**2).sum() for part in after)
        inputs = (x, *before, *stack.parameters())
        found.append((output, *after, *torch.autograd.grad(loss, inputs)))
    for piecewise, whole in zip(found[1], found[0], strict=True):
        torch.testing.assert_close(piecewise, whole, rtol=2e-4, atol=2e-5)


def test_what_is_dropped_is_dropped_in_every_piece(cell: CellName) -> None:
    """A unit is dropped at every step of a sequence, or at none."""
    stack = Recurrent(cell, E, 40, 2, dropout=0.5)
    stack.piece_steps = 2
    output, _ = stack(torch.randn(T, B, E), None)
    dropped = output == 0
    assert (dropped.all(0) == dropped.any(0)).all()
    assert 0.3 < dropped.float().mean() < 0.7
