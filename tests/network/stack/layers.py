"""Recurrent layers with random weights, run by any engine."""

from __future__ import annotations

import torch
from torch import Tensor

from charrnn.cells.rules import CELLS
from charrnn.config import CellName
from charrnn.network.stack.choice import STEP_ENGINES
from charrnn.network.stack.engine import Engine
from charrnn.network.stack.sequences import sequence

__all__ = ["run", "table", "tensors"]


def tensors(cell: CellName, shape: tuple[int, ...], full: torch.dtype) -> list[Tensor]:
    """x, four weights and the parts of a state, all of which want a gradient."""
    steps, batch, inputs, hidden = shape
    rows, parts = CELLS[cell].gates * hidden, len(CELLS[cell].state)
    x = torch.randn(steps, batch, inputs, dtype=full)
    weights = [
        torch.randn(size, dtype=full) / hidden**0.5
        for size in ((rows, inputs), (rows, hidden), (rows,), (rows,))
    ]
    state = [torch.randn(batch, hidden, dtype=full) for _ in range(parts)]
    return [leaf.requires_grad_() for leaf in (x, *weights, *state)]


def table(leaves: list[Tensor], rows: int = 7) -> tuple[Tensor, list[Tensor]]:
    """Ids (T, B), all but one of a table's rows, and leaves of which the first is the table."""
    (steps, batch, inputs), full = leaves[0].shape, leaves[0].dtype
    ids = torch.arange(steps * batch).view(steps, batch) * 3 % rows
    ids[ids == rows - 2] = 0  # a row that is never read has no gradient
    return ids, [torch.randn(rows, inputs, dtype=full, requires_grad=True), *leaves[1:]]


def first_engine(leaves: list[Tensor], dtype: torch.dtype) -> Engine:
    """The first that can, whatever PyTorch has."""
    width, full = leaves[2].shape[1], leaves[2].dtype
    return next(engine for engine in STEP_ENGINES.values() if engine.supports(width, dtype, full))


def run(
    cell: CellName,
    dtype: torch.dtype,
    leaves: list[Tensor],
    ids: Tensor | None = None,
    engine: Engine | None = None,
) -> tuple[Tensor, ...]:
    """Outputs, final state, and all gradients of a random sum of these."""
    engine = engine or first_engine(leaves, dtype)
    results = sequence(cell, dtype, leaves[0], leaves[1:5], leaves[5:], ids, engine)
    torch.manual_seed(1)
    loss = sum((result * torch.randn(result.shape, dtype=torch.double)).sum() for result in results)
    assert isinstance(loss, Tensor)
    return (*(result.detach() for result in results), *torch.autograd.grad(loss, leaves))
