"""Products of bfloat16 matrices in machine code, for all steps of a sequence at once.

    by_weights(x, w)      # (R, K), (K, N) → (R, N), of bfloat16
    sum_of_rows(x, y)     # (R, M), (R, N) → (M, N), in full precision

A processor that multiplies bfloat16 in vectors comes nearer to what it can do by these than by
PyTorch's; one with tiles does so for sums of rows alone. Figures are in benchmarks/NOTES.md.
"""

from __future__ import annotations

import torch
from torch import Tensor

from charrnn.native import processor, tile_sums, tiles
from charrnn.native.product_code import DEPTH, STRIPS, rows_address, sums_address
from charrnn.native.tile_sums import SQUARE
from charrnn.network.stack.cpu import packing, team

__all__ = ["adds_rows", "by_weights", "sum_of_rows", "takes_weights"]


def takes_weights(x: Tensor, w: Tensor) -> bool:
    """Whether there is machine code for `by_weights` of these."""
    in_words = w.is_contiguous() or (w.t().is_contiguous() and w.storage_offset() % 2 == 0)
    fitting = in_words and x.is_contiguous() and x.shape[1] % 2 == 0
    return fitting and _takes(x, w) and not tiles.available()


def adds_rows(x: Tensor, y: Tensor) -> bool:
    """Whether there is machine code for `sum_of_rows` of these."""
    if not (x.is_contiguous() and y.is_contiguous() and _takes(x, y)):
        return False
    if tiles.available():
        return _fills_tiles(x, y)
    return len(x) % 2 == 0 and x.shape[1] % min(STRIPS) == 0


def _fills_tiles(x: Tensor, y: Tensor) -> bool:
    return not any(length % SQUARE for length in (*x.shape, y.shape[1]))


def _takes(x: Tensor, y: Tensor) -> bool:
    if not x.numel() or not y.numel():
        return False
    if x.device.type != "cpu" or x.dtype != torch.bfloat16 or y.dtype != torch.bfloat16:
        return False
    found = processor.target()
    return found is not None and found.bf16 and y.shape[1] % found.lanes == 0


def by_weights(x: Tensor, w: Tensor) -> Tensor:
    """The product of rows x (R, K) by weights w (K, N): (R, N)."""
    (rows, inputs), units = x.shape, w.shape[1]
    columns = processor.panel_blocks(1, units)
    weights = packing.in_panels(w, 1, columns)
    product = x.new_empty(rows, units)
    arguments = [rows, inputs, units, *team.addresses(x, weights, product)]
    team.run(lambda: rows_address(columns), arguments, torch.get_num_threads())
    return product


def sum_of_rows(x: Tensor, y: Tensor) -> Tensor:
    """The sum of the outer products of rows x (R, M) and y (R, N): (M, N) float32."""
    (rows, height), width = x.shape, y.shape[1]
    threads = torch.get_num_threads()
    sums = x.new_zeros(height, width, dtype=torch.float32)
    if tiles.available() and _fills_tiles(x, y):
        room = x.new_empty(threads, (width + tile_sums.STRIP) * tile_sums.DEPTH)
        arguments = [rows, height, width, *team.addresses(x, y, sums, room)]
        team.run(tile_sums.tile_sums_address, arguments, threads)
        return sums
    # The widest of which all threads have as many.
    strip = next((n for n in STRIPS if height % (n * threads) == 0), min(STRIPS))
    room = x.new_empty(threads, (width + strip) * DEPTH)
    arguments = [rows, height, width, *team.addresses(x, y, sums, room)]
    panel = processor.panel_blocks(1, width)
    team.run(lambda: sums_address(panel, strip), arguments, threads)
    return sums
