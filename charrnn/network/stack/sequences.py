"""A recurrent layer over a whole sequence, with its own backward pass.

    output, *after = sequence("gru", dtype, x, weights, before, ids, engine)    # → (T, B, H)

The input product is one product for all steps, and the gradients of the weights are one product
each after the last step. The steps between are run by an engine. Where the inputs are rows of a
short table, the table is multiplied instead of the inputs: its product is a table, too.
"""

from __future__ import annotations

from collections.abc import Sequence
from typing import Any

import torch
from torch import Tensor
from torch.autograd import Function

from charrnn.cells.gradients import RULES
from charrnn.cells.rules import CELLS
from charrnn.config import CellName
from charrnn.errors import UsageError
from charrnn.network.stack.engine import Engine, Unrolled
from charrnn.network.stack.products import multiplied

__all__ = ["sequence"]

TORCH = 'call network.compute("torch") before'  # what to do where engines can't compute


def sequence(
    cell: CellName,
    dtype: torch.dtype,
    x: Tensor,
    weights: Sequence[Tensor],
    before: Sequence[Tensor],
    ids: Tensor | None,
    engine: Engine,
) -> tuple[Tensor, ...]:
    """Run a layer over a sequence.

    Args:
        cell: its cell.
        dtype: of the products: bfloat16, or that of the weights.
        x: (T, B, I); with ids a table (V, I).
        weights: w_ih (G·H, I), w_hh (G·H, H), b_ih (G·H,), b_hh (G·H,).
        before: the parts of the state before the first step, (B, H) each.
        ids: (T, B) int64, the row of the table that each step reads.
        engine: what runs the steps.

    Returns:
        output: (T, B, H), of `dtype`.
        after: the parts of the state after the last step, (B, H) each, of the weights' dtype.

    Raises:
        IndexError: if there is no such row.
        UsageError: in the backward pass, if that is to have derivatives itself; inside a transform
            of `torch.func`.
    """
    weights = [weight.contiguous() for weight in weights]  # as engines read them
    try:
        return tuple(_Sequence.apply(engine, cell, dtype, ids, x, *weights, *before))  # type: ignore[no-untyped-call]
    except RuntimeError as error:
        if "functorch" not in str(error):  # the transforms' own name in what PyTorch says
            raise
        found = f"{engine.name} can't compute inside a transform of torch.func"
        raise UsageError(found, f"{TORCH}, which takes grad but not vmap") from None


class _Sequence(Function):
    """See `sequence`."""

    @staticmethod
    def forward(
        ctx: Any,
        engine: Engine,
        cell: CellName,
        dtype: torch.dtype,
        ids: Tensor | None,
        x: Tensor,
        w_ih: Tensor,
        w_hh: Tensor,
        b_ih: Tensor,
        b_hh: Tensor,
        *before: Tensor,
    ) -> tuple[Tensor, ...]:
        if ids is not None and not 0 <= int(ids.min()) <= int(ids.max()) < len(x):
            raise IndexError(f"ids from {int(ids.min())} to {int(ids.max())}, of {len(x)} rows")
        rule = RULES[cell]
        full = w_hh.dtype
        steps, batch = (x if ids is None else ids).shape[:2]
        hidden_size = w_hh.shape[1]
        if ids is None:
            x, w_ih = x.to(dtype), w_ih.to(dtype)
        with torch.autocast(x.device.type, enabled=False):  # a table is multiplied in full
            gx = multiplied(x.flatten(0, -2), w_ih.t(), dtype).view(*x.shape[:-1], -1)
        hs = gx.new_empty(steps + 1, batch, hidden_size)
        hs[0] = before[0]
        memory = hs
        if rule.memory:
            memory = w_hh.new_empty(hs.shape)
            memory[0] = before[-1]
        in_place = ids is None and rule.kept == CELLS[cell].gates
        kept = gx if in_place else gx.new_empty(steps, batch, rule.kept * hidden_size)
        rows = 1 if ids is None else len(x)
        layer = Unrolled(cell, w_hh.detach(), hs, memory, kept, ids, rows)
        engine.forward(layer, gx, b_ih, b_hh)
        ctx.save_for_backward(ids, x, w_ih, w_hh, hs, memory, kept)
        ctx.cell, ctx.engine = cell, engine
        ctx.set_materialize_grads(False)  # most often nothing depends on the state after
        # Copies, so that the state for the next batch does not keep all of this one in memory.
        last = [hs[-1], memory[-1]] if len(before) > 1 else [memory[-1]]
        return hs[1:], *(part.to(full, copy=True) for part in last)

    @staticmethod
    def backward(ctx: Any, d_out: Tensor | None, *d_after: Tensor | None) -> tuple[Any, ...]:
        if torch.is_grad_enabled():  # what engines compute has no graph of its own
            found = f"{ctx.engine.name} has no second derivatives, which create_graph asks for"
            raise UsageError(found, TORCH)
        ids, x, w_ih, w_hh, hs, memory, kept = ctx.saved_tensors
        full = w_hh.dtype
        # From step to step, gradients reach the state before in two ways: through the product (d_h)
        # and past it (d_memory).
        given = (*d_after, None)[:2]
        d_h, d_memory = (
            zeros if d is None else d.to(full, copy=True).contiguous()
            for d, zeros in zip(given, w_hh.new_zeros(2, *hs.shape[1:]), strict=True)
        )
        d_out = torch.zeros_like(hs[1:]) if d_out is None else d_out.to(hs.dtype).contiguous()
        rows = 1 if ids is None else len(x)
        layer = Unrolled(ctx.cell, w_hh.detach(), hs, memory, kept, ids, rows)
        found = ctx.engine.backward(layer, d_out, d_h, d_memory)
        dhs = found.dhs.flatten(0, 1)  # (T·B, G·H)
        by_row = found.dxs.flatten(0, 1) if ids is None else found.d_rows  # as many rows as x has
        dx = None
        if ctx.needs_input_grad[4]:
            dx = multiplied(by_row, w_ih, by_row.dtype).view(x.shape)
        dw_ih = multiplied(by_row.t(), x.flatten(0, -2), full)
        dw_hh = multiplied(dhs.t(), hs[:-1].flatten(0, 1), full)
        d_before: tuple[Tensor | None, ...] = (d_h, d_memory)
        if len(d_after) == 1:
            d_before = (d_h + d_memory if ctx.needs_input_grad[-1] else None,)
        db_ih = found.d_rows.sum(0)
        db_hh = db_ih if found.db_hh is None else found.db_hh
        return None, None, None, None, dx, dw_ih, dw_hh, db_ih, db_hh, *d_before
