"""What runs the steps of a recurrent layer, forward and backward: the contract of every engine."""

from __future__ import annotations

from collections.abc import Callable
from typing import NamedTuple

import torch
from torch import Tensor

from charrnn.config import CellName, EngineName

__all__ = ["Engine", "Gradients", "Unrolled"]


class Unrolled(NamedTuple):
    """A layer unrolled over a sequence: its recurrent weights, and the buffers of its steps.

    `hs`, `kept` and the input product have the dtype of the products, float32 or bfloat16;
    `memory` and the weights are in full precision.

    Attributes:
        cell: its cell.
        w_hh: (G·H, H).
        hs: (T+1, B, H), the outputs; the first step is the state before.
        memory: (T+1, B, H), likewise, the part of the state that `Rule.memory` is about; for a
            cell without one it is `hs`.
        kept: (T, B, K·H), what the forward pass keeps for the backward pass; K is `Rule.kept`.
        ids: (T, B) int64, the row of the table that each step reads; None if each step has an
            input of its own.
        rows: V, how many rows the table has; 1 without ids.
    """

    cell: CellName
    w_hh: Tensor
    hs: Tensor
    memory: Tensor
    kept: Tensor
    ids: Tensor | None
    rows: int


class Gradients(NamedTuple):
    """What the backward pass of the steps gives: derivatives.

    Attributes:
        dxs: (T, B, G·H), with respect to the input product of each step; with ids it is of no use,
            `d_rows` is.
        dhs: (T, B, G·H), with respect to the recurrent product; the same tensor as `dxs` if they
            are equal.
        d_rows: (V, G·H) in full precision, the sums of `dxs` for each id; without ids the sum of
            all, in parts, one or more rows (·, G·H).
        db_hh: (G·H,) in full precision, the sum of `dhs`, if it is not that of `dxs`.
    """

    dxs: Tensor
    dhs: Tensor
    d_rows: Tensor
    db_hh: Tensor | None


class Engine(NamedTuple):
    """One way to run the steps.

    Attributes:
        name: as in `TrainConfig.engine`.
        supports: (hidden_size, dtype of the products, dtype of the weights) to whether it can.
        forward: (layer, gx, b_ih, b_hh): fill the layer's `hs`, `memory` and `kept`. gx is the
            input product without its bias, (T, B, G·H), which may share its memory with `kept`;
            with ids it is a table of products, (V, G·H). The biases are (G·H,).
        backward: (layer, d_out, d_h, d_memory) to `Gradients`. d_out holds derivatives
            with respect to each step's output, (T, B, H). d_h and d_memory, (B, H) in full
            precision, are those with respect to the state after the last step, and become those
            with respect to the state before the first.
    """

    name: EngineName
    supports: Callable[[int, torch.dtype, torch.dtype], bool]
    forward: Callable[[Unrolled, Tensor, Tensor, Tensor], None]
    backward: Callable[[Unrolled, Tensor, Tensor, Tensor], Gradients]
