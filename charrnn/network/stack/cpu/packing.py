"""Weights in the order in which machine code reads them.

packed = in_panels(weights, gates, blocks, in_tiles=False)    # (K, G·N) → words
"""

from __future__ import annotations

import torch
from torch import Tensor

from charrnn.native.code import amx
from charrnn.native.processor import vector_width
from charrnn.native.product_code import pairs_address
from charrnn.network.stack.cpu import team

__all__ = ["in_panels"]


def in_panels(weights: Tensor, gates: int, blocks: int, *, in_tiles: bool = False) -> Tensor:
    """Pack weights for a product x (K,) to (G·N,), float32 or bfloat16.

    Args:
        weights: (K, G·N).
        gates: G.
        blocks: M, vectors of W units in a panel; N is a multiple of both.
        in_tiles: whether tiles read them.

    Returns:
        packed: (N/(M·W) panels, K words, G, M, W), where a word is one number, or two bfloat16 of
            neighbouring k; for tiles (N/(M·W) panels, G, M, K/16 tiles, 16 words, W).
    """
    words = weights if weights.dtype == torch.float32 else _pairs(weights)
    units, width = words.shape[1] // gates, vector_width()
    rows = amx.ROWS if in_tiles else 1
    split = words.reshape(-1, rows, gates, units // (blocks * width), blocks, width)
    order = (3, 2, 4, 0, 1, 5) if in_tiles else (3, 0, 2, 4, 1, 5)
    return split.permute(order).contiguous()


def _pairs(weights: Tensor) -> Tensor:
    """The words of two neighbouring k: (K, N) bfloat16 to (K/2, N) int32."""
    if weights.t().is_contiguous():  # then they are neighbours already
        return weights.t().view(torch.int32).t()
    assert weights.is_contiguous(), "weights or their transpose"
    inputs, units = weights.shape
    words = weights.new_empty(inputs // 2, units, dtype=torch.int32)
    arguments = [inputs, units, weights.data_ptr(), words.data_ptr()]
    team.run(pairs_address, arguments, torch.get_num_threads())
    return words
