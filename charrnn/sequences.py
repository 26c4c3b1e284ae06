"""A recurrent layer over a whole sequence, with its own way back.

    output, *after = sequence("gru", numbers, x, weights, before)    # (T, B, I) → (T, B, H)

The input product is one product for all steps, and the gradients of the weights are one product
each after the last step; what stands between, step by step, is done by `kernels` where there are
any, else by `loops`.
"""

from __future__ import annotations

from collections.abc import Sequence
from typing import Any

import torch
from torch import Tensor
from torch.autograd import Function

from charrnn import kernels, loops
from charrnn.cells import CELLS
from charrnn.config import CellName
from charrnn.gradients import RULES

__all__ = ["sequence"]


def sequence(
    cell: CellName,
    dtype: torch.dtype,
    x: Tensor,
    weights: Sequence[Tensor],
    before: Sequence[Tensor],
) -> tuple[Tensor, ...]:
    """Run a layer over a sequence, on the CPU.

    Args:
        cell: its cell.
        dtype: what numbers are multiplied in: bfloat16, or the weights' own kind.
        x: (T, B, I).
        weights: w_ih (G·H, I), w_hh (G·H, H), b_ih (G·H,), b_hh (G·H,).
        before: the parts of the state, (B, H) each.

    Returns:
        output: (T, B, H), of `dtype`.
        after: the parts of the state after the last step, (B, H) each, of the weights' kind.
    """
    return tuple(_Sequence.apply(cell, dtype, x, *weights, *before))  # type: ignore[no-untyped-call]


def _engine(hidden_size: int, dtype: torch.dtype, weight: Tensor) -> Any:
    """The module that runs the steps."""
    plain = weight.dtype != torch.float32 or not kernels.available(hidden_size, dtype)
    return loops if plain else kernels


class _Sequence(Function):
    """See `sequence`."""

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
        rule, full = RULES[cell], w_hh.dtype
        x, w_x = x.to(dtype), w_ih.to(dtype)
        (steps, batch, _), hidden_size = x.shape, w_hh.shape[1]
        gx = (x.flatten(0, 1) @ w_x.t()).view(steps, batch, -1)  # (T, B, G·H)
        hs = x.new_empty(steps + 1, batch, hidden_size)
        hs[0] = before[0]
        memory = hs
        if rule.memory:
            memory = w_hh.new_empty(hs.shape)
            memory[0] = before[-1]
        in_place = rule.kept == CELLS[cell].gates
        kept = gx if in_place else gx.new_empty(steps, batch, rule.kept * hidden_size)
        engine = _engine(hidden_size, dtype, w_hh)
        engine.forward(cell, gx, hs, memory, kept, w_hh.detach(), (b_ih, b_hh))
        ctx.save_for_backward(x, w_x, w_hh, hs, memory, kept)
        ctx.cell, ctx.engine = cell, engine
        # Copies, lest the state that goes to the next batch keeps all of this one in memory.
        after = [hs[-1].to(full, copy=True) for _ in before]
        if rule.memory:
            after[-1] = memory[-1].clone()
        return hs[1:], *after

    @staticmethod
    def backward(ctx: Any, d_out: Tensor, *d_after: Tensor) -> tuple[Tensor | None, ...]:
        x, w_x, w_hh, hs, memory, kept = ctx.saved_tensors
        # The derivative by the state goes two ways from step to step: by the product, and past it.
        d_h = d_after[0].to(w_hh.dtype, copy=True).contiguous()
        d_memory = torch.zeros_like(d_h)
        if len(d_after) > 1:
            d_memory = d_after[1].to(w_hh.dtype, copy=True).contiguous()
        d_out = d_out.to(hs.dtype).contiguous()
        dxs, dhs, db_ih, db_hh = ctx.engine.backward(
            ctx.cell, d_out, hs, memory, kept, w_hh.detach(), d_h, d_memory
        )
        dxs, dhs = dxs.flatten(0, 1), dhs.flatten(0, 1)  # (T·B, G·H)
        dx = (dxs @ w_x).view(x.shape) if ctx.needs_input_grad[2] else None
        dw_ih = (dxs.t() @ x.flatten(0, 1)).to(w_hh.dtype)
        dw_hh = (dhs.t() @ hs[:-1].flatten(0, 1)).to(w_hh.dtype)
        d_before = (d_h, d_memory) if len(d_after) > 1 else (d_h + d_memory,)
        return None, None, dx, dw_ih, dw_hh, db_ih, db_hh, *d_before
