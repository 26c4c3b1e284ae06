"""Matrix products whose results, or whose factors, are of another precision than usual.

x = read_rows(table, ids, torch.bfloat16)    # (V, I), (T, B) → (T, B, I)
"""

from __future__ import annotations

from typing import Any

import torch
from torch import Tensor
from torch.autograd import Function
from torch.nn.functional import embedding

from charrnn.network.stack.cpu import matrices

__all__ = ["multiplied", "read_rows"]


def multiplied(one: Tensor, other: Tensor, dtype: torch.dtype) -> Tensor:
    """The product of two matrices as numbers of `dtype`, to which a GPU rounds once.

    So does machine code, where it multiplies faster than PyTorch.
    """
    if (
        one.device.type == "cuda"
        and torch.version.cuda
        and one.dtype == torch.bfloat16
        and dtype == torch.float32
    ):
        return torch.mm(one, other, out_dtype=dtype)
    if dtype == torch.bfloat16 and matrices.takes_weights(one, other):
        return matrices.by_weights(one, other)
    if dtype == torch.float32 and matrices.adds_rows(one.t(), other):
        return matrices.sum_of_rows(one.t(), other)
    return (one @ other).to(dtype)


def read_rows(table: Tensor, ids: Tensor, dtype: torch.dtype) -> Tensor:
    """Rows of a short table, as numbers of `dtype`.

    The gradient is a product with ones and zeros. On a GPU that is several times as fast as adding
    up row by row, as long as the table is short.

    Args:
        table: (V, I).
        ids: (T, B) int64.
        dtype: of the result.
    """
    return _Rows.apply(table, ids, dtype)  # type: ignore[no-any-return, no-untyped-call]


class _Rows(Function):
    """See `read_rows`."""

    @staticmethod
    def forward(ctx: Any, table: Tensor, ids: Tensor, dtype: torch.dtype) -> Tensor:
        ctx.save_for_backward(ids)
        ctx.length, ctx.full = len(table), table.dtype
        return embedding(ids, table.to(dtype))

    @staticmethod
    def backward(ctx: Any, d_rows: Tensor) -> tuple[Tensor, None, None]:
        (ids,) = ctx.saved_tensors
        numbers = torch.arange(ctx.length, device=ids.device)
        read = (ids.flatten() == numbers[:, None]).to(d_rows.dtype)  # (V, T·B)
        return multiplied(read, d_rows.flatten(0, 1), ctx.full), None, None
