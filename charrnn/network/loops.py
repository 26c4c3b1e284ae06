"""A layer over a whole sequence in PyTorch's own operations: the contract of `kernels`, anywhere.

The reader's version of these, and what runs where there are no kernels: other widths, other
number types, processors or systems without llvmlite.
"""

from __future__ import annotations

import torch
from torch import Tensor

from charrnn.cells.gradients import RULES
from charrnn.cells.rules import CELLS
from charrnn.config import CellName

__all__ = ["backward", "forward"]


def forward(
    cell: CellName,
    gx: Tensor,
    hs: Tensor,
    memory: Tensor,
    kept: Tensor,
    w_hh: Tensor,
    biases: tuple[Tensor, Tensor],
    ids: Tensor | None,
) -> None:
    """See `kernels.forward`."""
    rule, gates, full = RULES[cell], CELLS[cell].gates, w_hh.dtype
    b_ih, b_hh = biases
    weights = w_hh.to(hs.dtype).t()  # (H, G·H)
    for t in range(len(hs) - 1):
        xs = gx[t if ids is None else ids[t]].to(full) + b_ih  # (B, G·H)
        products = (hs[t] @ weights).to(full) + b_hh  # (B, G·H)
        before = _state(cell, hs[t], memory[t])
        values, after = rule.forward(xs.chunk(gates, -1), products.chunk(gates, -1), before)
        if values:
            kept[t] = torch.cat(values, -1)
        hs[t + 1] = after[0]
        if rule.memory:
            memory[t + 1] = after[-1]


def backward(
    cell: CellName,
    d_out: Tensor,
    hs: Tensor,
    memory: Tensor,
    kept: Tensor,
    w_hh: Tensor,
    d_h: Tensor,
    d_memory: Tensor,
    ids: Tensor | None,
    rows: int | None,
) -> tuple[Tensor, Tensor, Tensor, Tensor | None]:
    """See `kernels.backward`."""
    rule, full = RULES[cell], w_hh.dtype
    weights = w_hh.to(hs.dtype)  # (G·H, H)
    dxs = d_out.new_empty(*d_out.shape[:2], len(w_hh))
    dhs = torch.empty_like(dxs) if rule.split else dxs
    parts = len(CELLS[cell].state)
    for t in reversed(range(len(d_out))):
        values = kept[t].to(full).chunk(rule.kept, -1) if rule.kept else ()
        before = _state(cell, hs[t], memory[t])
        after = _state(cell, hs[t + 1], memory[t + 1])
        dh = d_out[t] + d_h
        d_after = (dh, d_memory) if parts > 1 else (dh + d_memory,)
        by_x, by_h, d_before = rule.backward(values, before, after, d_after)
        dxs[t] = torch.cat(tuple(by_x), -1)
        if rule.split:
            dhs[t] = torch.cat(tuple(by_h), -1)
        d_h.copy_(dhs[t] @ weights)
        if rule.memory:
            d_memory.copy_(d_before[-1])
    if ids is None:
        d_rows = dxs.sum((0, 1), dtype=full)[None]
    else:
        d_rows = w_hh.new_zeros(rows or 1, len(w_hh))
        d_rows.index_add_(0, ids.flatten(), dxs.flatten(0, 1).to(full))
    return dxs, dhs, d_rows, dhs.sum((0, 1), dtype=full) if rule.split else None


def _state(cell: CellName, h: Tensor, memory: Tensor) -> tuple[Tensor, ...]:
    """The state (B, H) in full precision, as `RULES` take it."""
    state = [h.to(memory.dtype) for _ in CELLS[cell].state]
    if RULES[cell].memory:
        state[-1] = memory
    return tuple(state)
