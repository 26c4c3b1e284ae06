"""A recurrent layer over a whole sequence as one function with its own way back.

    output, after = sequence("gru", x, before, weights, torch.bfloat16)    # (T, B, I) → (T, B, H)

The input product is one product for all steps, each step has one recurrent product, and the
gradients of the weights are one product each after the last step.
"""

from __future__ import annotations

from typing import Any

import torch
from torch import Tensor
from torch.autograd import Function

from charrnn import kernels
from charrnn.cells import CELLS, State
from charrnn.config import CellName
from charrnn.gradients import RULES

__all__ = ["sequence"]


class Fused(Function):
    """By the kernels for this processor."""

    @staticmethod
    def forward(
        ctx: Any,
        cell: CellName,
        dtype: torch.dtype,
        x: Tensor,
        w_ih: Tensor,
        w_hh: Tensor,
        b_ih: Tensor,
        b_hh: Tensor,
        *before: Tensor,
    ) -> tuple[Tensor, ...]:
        rule = RULES[cell]
        x, w_x = x.to(dtype), w_ih.to(dtype)
        (steps, batch, _), hidden_size = x.shape, w_hh.shape[1]
        gx = (x.flatten(0, 1) @ w_x.t()).view(steps, batch, -1)  # (T, B, G·H)
        hs = x.new_empty(steps + 1, batch, hidden_size)
        hs[0] = before[0]
        memory = hs
        if rule.memory and not (dtype == torch.float32 and len(before) == 1):
            memory = w_hh.new_empty(hs.shape)
            memory[0] = before[-1]
        kept = gx
        if rule.kept != CELLS[cell].gates:
            kept = gx.new_empty(steps, batch, rule.kept * hidden_size)
        kernels.forward(cell, gx, hs, memory, kept, w_hh, (b_ih, b_hh))
        ctx.save_for_backward(x, w_x, w_hh, hs, memory, kept)
        ctx.cell = cell
        # Not a view of what is kept for the way back: the next batch would keep it all alive.
        after = [hs[-1].float()] if len(before) > 1 or not rule.memory else []
        after += [memory[-1].clone()] if rule.memory else []
        return hs[1:], *after

    @staticmethod
    def backward(ctx: Any, d_out: Tensor, *d_after: Tensor) -> tuple[Tensor | None, ...]:
        x, w_x, w_hh, hs, memory, kept = ctx.saved_tensors
        rule = RULES[ctx.cell]
        parts = len(d_after)
        d_state = [d.to(w_hh.dtype, copy=True).contiguous() for d in d_after]
        zeros = torch.zeros_like(d_state[0])
        d_h, d_memory = d_state if parts > 1 else (zeros, d_state[0]) if rule.memory else (
            d_state[0], zeros
        )
        d_out = d_out.to(hs.dtype).contiguous()
        dxs, dhs, db_ih, db_hh = kernels.backward(
            ctx.cell, d_out, hs, memory, kept, w_hh, d_h, d_memory
        )
        dxs, dhs = dxs.flatten(0, 1), dhs.flatten(0, 1)  # (T·B, G·H)
        d_before = (d_h, d_memory) if parts > 1 else (d_h + d_memory,)
        dx = (dxs @ w_x).view(x.shape) if ctx.needs_input_grad[2] else None
        dw_ih = (dxs.t() @ x.flatten(0, 1)).to(w_hh.dtype)
        dw_hh = (dhs.t() @ hs[:-1].flatten(0, 1)).to(w_hh.dtype)
        return None, None, dx, dw_ih, dw_hh, db_ih, db_hh, *d_before
