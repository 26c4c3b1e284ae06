"""The steps of a layer in PyTorch's own operations, anywhere.

The reader's version of `kernels`, and what runs where there are none: for other widths, other
number types, processors or systems without llvmlite.
"""

from __future__ import annotations

import torch
from torch import Tensor

from charrnn.cells.gradients import RULES
from charrnn.cells.rules import CELLS
from charrnn.network.stack.engine import Engine, Gradients, Unrolled

__all__ = ["LOOPS"]


def forward(layer: Unrolled, gx: Tensor, b_ih: Tensor, b_hh: Tensor) -> None:
    """See `Engine.forward`."""
    rule, gates, full = RULES[layer.cell], CELLS[layer.cell].gates, layer.w_hh.dtype
    hs, memory, ids = layer.hs, layer.memory, layer.ids
    weights = layer.w_hh.to(hs.dtype).t()  # (H, G·H)
    for t in range(len(hs) - 1):
        xs = gx[t if ids is None else ids[t]].to(full) + b_ih  # (B, G·H)
        products = (hs[t] @ weights).to(full) + b_hh  # (B, G·H)
        before = _state(layer, t)
        values, after = rule.forward(xs.chunk(gates, -1), products.chunk(gates, -1), before)
        if values:
            layer.kept[t] = torch.cat(values, -1)
        hs[t + 1] = after[0]
        if rule.memory:
            memory[t + 1] = after[-1]


def backward(layer: Unrolled, d_out: Tensor, d_h: Tensor, d_memory: Tensor) -> Gradients:
    """See `Engine.backward`."""
    rule, w_hh = RULES[layer.cell], layer.w_hh
    full, parts = w_hh.dtype, len(CELLS[layer.cell].state)
    weights = w_hh.to(layer.hs.dtype)  # (G·H, H)
    dxs = d_out.new_empty(*d_out.shape[:2], len(w_hh))
    dhs = torch.empty_like(dxs) if rule.split else dxs
    for t in reversed(range(len(d_out))):
        values = layer.kept[t].to(full).chunk(rule.kept, -1) if rule.kept else ()
        dh = d_out[t] + d_h
        d_after = (dh, d_memory) if parts > 1 else (dh + d_memory,)
        by_x, by_h, d_before = rule.backward(
            values, _state(layer, t), _state(layer, t + 1), d_after
        )
        dxs[t] = torch.cat(tuple(by_x), -1)
        if rule.split:
            dhs[t] = torch.cat(tuple(by_h), -1)
        d_h.copy_(dhs[t] @ weights)
        if rule.memory:
            d_memory.copy_(d_before[-1])
    if layer.ids is None:
        d_rows = dxs.sum((0, 1), dtype=full)[None]
    else:
        d_rows = w_hh.new_zeros(layer.rows, len(w_hh))
        d_rows.index_add_(0, layer.ids.flatten(), dxs.flatten(0, 1).to(full))
    return Gradients(dxs, dhs, d_rows, dhs.sum((0, 1), dtype=full) if rule.split else None)


def _state(layer: Unrolled, t: int) -> tuple[Tensor, ...]:
    """The state (B, H) before step t in full precision, as `RULES` take it."""
    state = [layer.hs[t].to(layer.memory.dtype) for _ in CELLS[layer.cell].state]
    if RULES[layer.cell].memory:
        state[-1] = layer.memory[t]
    return tuple(state)


LOOPS = Engine("loops", lambda *_: True, forward, backward)
