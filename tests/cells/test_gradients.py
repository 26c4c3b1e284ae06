"""Each cell's rules for gradients are the derivatives of the cell."""

from __future__ import annotations

import torch

from charrnn.cells.gradients import RULES
from charrnn.cells.rules import CELLS
from charrnn.config import CellName


def test_the_rules_forward_are_the_cells(cell: CellName) -> None:
    rule, gates = RULES[cell], CELLS[cell].gates
    gx, gh = torch.randn(2, 3, gates * 4).double()
    before = tuple(torch.randn(3, 4).double() for _ in CELLS[cell].state)
    kept, after = rule.forward(gx.chunk(gates, -1), gh.chunk(gates, -1), before)
    output, expected = CELLS[cell].combine(gx, gh, before)
    assert len(kept) == rule.kept
    torch.testing.assert_close(after, expected)
    torch.testing.assert_close(after[0], output)


def test_the_rules_backward_are_the_derivatives_of_the_cells(cell: CellName) -> None:
    rule, gates = RULES[cell], CELLS[cell].gates
    gx, gh = (torch.randn(3, gates * 4).double().requires_grad_() for _ in range(2))
    before = tuple(torch.randn(3, 4).double().requires_grad_() for _ in CELLS[cell].state)
    kept, after = rule.forward(gx.chunk(gates, -1), gh.chunk(gates, -1), before)
    d_after = tuple(torch.randn_like(part) for part in after)
    dxs, dhs, d_before = rule.backward(kept, before, after, d_after)
    expected = torch.autograd.grad(
        CELLS[cell].combine(gx, gh, before)[1], (gx, gh, *before), d_after, materialize_grads=True
    )
    torch.testing.assert_close(torch.cat(tuple(dxs), -1), expected[0])
    torch.testing.assert_close(torch.cat(tuple(dhs), -1), expected[1])
    for one, other in zip(d_before, expected[2:], strict=True):
        torch.testing.assert_close(torch.zeros_like(other) if one is None else one, other)
    assert rule.split is not torch.equal(expected[0], expected[1])
    assert rule.memory is (d_before[-1] is not None)
