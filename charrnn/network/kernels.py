"""A layer over a whole sequence as two pieces of machine code, one for each way.

A loop over PyTorch's operations spends more time between the products than in them. Here a step's
product and the cell's rule are one piece of code, the lanes are divided among the threads once for
the whole sequence, and no thread waits for another before its end.
"""

from __future__ import annotations

import sys

import torch
from torch import Tensor

from charrnn.cells.gradients import RULES
from charrnn.cells.rules import CELLS
from charrnn.config import CellName
from charrnn.native import processor
from charrnn.native.machine import Numbers
from charrnn.native.processor import panel_blocks, vector_width
from charrnn.native.training_code import backward_code, forward_code
from charrnn.network import openmp

__all__ = ["available", "backward", "best_for_lstm", "forward"]

NUMBERS: dict[torch.dtype, Numbers] = {torch.float32: "fp32", torch.bfloat16: "bf16"}
# Units of an LSTM in fp32, up to which kernels beat what PyTorch has for it, by floats in a
# register; see benchmarks/NOTES.md.
WIDEST = {8: 768, 16: sys.maxsize}


def available(hidden_size: int, dtype: torch.dtype) -> bool:
    """Whether there are kernels for these numbers and this width, which must be whole vectors."""
    found = processor.target()
    if found is None or not openmp.available() or dtype not in NUMBERS:
        return False
    if dtype == torch.bfloat16 and not found.bf16:
        return False
    return hidden_size % found.lanes == 0


def best_for_lstm(hidden_size: int, dtype: torch.dtype) -> bool:
    """Whether there are kernels for an LSTM, and they beat what PyTorch has for it."""
    if not available(hidden_size, dtype):
        return False
    return dtype != torch.float32 or hidden_size <= WIDEST.get(vector_width(), 0)


def _threads() -> int:
    return torch.get_num_threads()


def _pack(weights: Tensor, gates: int, width: int) -> Tensor:
    """Weights in the order in which the kernels read them.

    Args:
        weights: (K, G·N), for a product x (K,) to (G·N,).
        gates: G.
        width: units of a panel, M; N is a multiple of it.

    Returns:
        packed: (N/M panels, K words, G, M), where a word is one number, or two bfloat16 of
            neighbouring k.
    """
    inputs, units = weights.shape[0], weights.shape[1] // gates
    pair = 4 // weights.element_size()
    split = weights.reshape(inputs // pair, pair, gates, units // width, width)
    return split.permute(3, 0, 2, 4, 1).contiguous()


def _addresses(*tensors: Tensor | None) -> list[int]:
    assert all(tensor is None or tensor.is_contiguous() for tensor in tensors), "kernels need it"
    return [0 if tensor is None else tensor.data_ptr() for tensor in tensors]


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
    """Run a layer over a sequence.

    Args:
        cell: its cell.
        gx: (T, B, G·H), the input product without its bias; with ids a table of it (V, G·H).
        hs: (T+1, B, H), of gx's kind; its first step is the state before, the others are filled.
        memory: (T+1, B, H) fp32, likewise, for a cell whose rule has a memory.
        kept: (T, B, K·H), of gx's kind, to be filled with what `backward` needs; may be gx.
        w_hh: (G·H, H) fp32.
        biases: b_ih and b_hh (G·H,) fp32.
        ids: (T, B) int64, the row of the table at each step.
    """
    steps, batch, hidden_size = len(hs) - 1, *hs.shape[1:]
    numbers = NUMBERS[gx.dtype]
    gates = CELLS[cell].gates
    width = panel_blocks(gates, hidden_size) * vector_width()
    weights = _pack(w_hh.t().to(gx.dtype), gates, width)
    assert ids is None or ids.dtype == torch.int64, "the code reads 64 bits, and believes them"
    arguments = _addresses(gx, hs, memory, kept, weights, *biases, ids)
    code = forward_code(cell, hidden_size, numbers, ids is not None)
    openmp.run(code, [steps, batch, *arguments], _threads())


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
    """The way back through `forward`.

    Args:
        cell: its cell.
        d_out: (T, B, H), of hs's kind, derivatives by the output of each step.
        hs, memory, kept: as `forward` left them.
        w_hh: (G·H, H) fp32.
        d_h, d_memory: (B, H) fp32, derivatives by the state after the last step; they become
            those by the state before the first.
        ids: as in `forward`.
        rows: V, if there are ids.

    Returns:
        dxs, dhs: (T, B, G·H), derivatives by the input and the recurrent product; one tensor if
            they are equal. With ids dxs is of no use: its sums are.
        d_rows: (V, G·H) fp32, the sums of dxs for each id; without ids (1, G·H), of all.
        db_hh: (G·H,) fp32, the sum of dhs, if it is another than that of dxs.
    """
    steps, batch, hidden_size = d_out.shape
    numbers = NUMBERS[hs.dtype]
    split, width = RULES[cell].split, len(w_hh)
    dhs = d_out.new_empty(steps, batch, width)
    dxs = torch.empty_like(dhs) if split and ids is None else dhs
    d_rows = d_h.new_zeros(_threads(), rows or 1, width)
    db_hh = d_h.new_zeros(_threads(), width)
    weights = _pack(w_hh.to(hs.dtype), 1, panel_blocks(1, hidden_size) * vector_width())
    tensors = (d_out, hs, memory, kept, weights, dxs, dhs, d_h, d_memory, d_rows, db_hh, ids)
    code = backward_code(cell, hidden_size, numbers, ids is not None)
    openmp.run(code, [steps, batch, *_addresses(*tensors), rows or 1], _threads())
    return dxs, dhs, d_rows.sum(0), db_hh.sum(0) if split else None
