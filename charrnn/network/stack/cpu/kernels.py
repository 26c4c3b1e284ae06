"""A layer over a whole sequence in machine code: one function forward, one backward.

A loop over PyTorch's operations spends more time between the products than in them. Here a step's
product and the cell's rule are one piece of code, and the work is divided among the threads once
for the whole sequence: they divide the lanes, and none waits before the end. There are two engines
of it: one multiplies in vectors, the other in tiles, where the processor has them.
"""

from __future__ import annotations

from functools import partial

import torch
from torch import Tensor

from charrnn.cells.gradients import RULES
from charrnn.cells.rules import CELLS
from charrnn.native import processor, tiles
from charrnn.native.code import amx
from charrnn.native.training_code import LayerShape, Product, backward_address, forward_address
from charrnn.network.stack.cpu import team
from charrnn.network.stack.cpu.packing import in_panels
from charrnn.network.stack.engine import Engine, Gradients, Unrolled

__all__ = ["KERNELS", "LANE_TILES", "available"]

PRODUCTS: dict[torch.dtype, Product] = {torch.float32: "fp32", torch.bfloat16: "bf16"}


def supports(hidden_size: int, dtype: torch.dtype, weights_dtype: torch.dtype) -> bool:
    """Whether there are kernels for products of this dtype, and weights of that one."""
    return weights_dtype == torch.float32 and available(hidden_size, dtype)


def supports_in_tiles(hidden_size: int, dtype: torch.dtype, weights_dtype: torch.dtype) -> bool:
    """Whether there are kernels in tiles, which are whole in both directions of the weights."""
    if dtype != torch.bfloat16 or hidden_size % (2 * amx.WORDS) > 0:
        return False
    return supports(hidden_size, dtype, weights_dtype) and tiles.available()


def available(hidden_size: int, dtype: torch.dtype) -> bool:
    """Whether there are kernels for this dtype and this width, which must be whole vectors."""
    found = processor.target()
    if found is None or dtype not in PRODUCTS:
        return False
    if dtype == torch.bfloat16 and not found.bf16:
        return False
    return hidden_size % found.lanes == 0


def _panel_blocks(gates: int, hidden_size: int, product: Product) -> int:
    """How many vectors of units stand side by side in a panel."""
    if product == "tiles":
        return 4 if hidden_size % (4 * amx.WORDS) == 0 else 2
    return processor.panel_blocks(gates, hidden_size)


def forward(
    layer: Unrolled, gx: Tensor, b_ih: Tensor, b_hh: Tensor, *, product: Product | None = None
) -> None:
    """See `Engine.forward`; the product is of vectors unless given."""
    cell, hs, ids = layer.cell, layer.hs, layer.ids
    steps, batch, hidden_size = len(hs) - 1, *hs.shape[1:]
    product = product or PRODUCTS[gx.dtype]
    gates = CELLS[cell].gates
    blocks = _panel_blocks(gates, hidden_size, product)
    weights = in_panels(layer.w_hh.to(gx.dtype).t(), gates, blocks, in_tiles=product == "tiles")
    assert ids is None or ids.dtype == torch.int64, "the code reads 64 bits, and believes them"
    tensors = (gx, hs, layer.memory, layer.kept, weights, b_ih, b_hh, ids)
    shape = LayerShape(cell, hidden_size, product, ids is not None, blocks)
    arguments = [steps, batch, *team.addresses(*tensors)]
    team.run(lambda: forward_address(shape), arguments, torch.get_num_threads())


def backward(
    layer: Unrolled, d_out: Tensor, d_h: Tensor, d_memory: Tensor, *, product: Product | None = None
) -> Gradients:
    """See `Engine.backward`; the product is of vectors unless given."""
    cell, w_hh, hs, ids, rows = layer.cell, layer.w_hh, layer.hs, layer.ids, layer.rows
    steps, batch, hidden_size = d_out.shape
    product = product or PRODUCTS[hs.dtype]
    split = RULES[cell].split
    width = len(w_hh)
    threads = torch.get_num_threads()
    dhs = d_out.new_empty(steps, batch, width)
    dxs = torch.empty_like(dhs) if split and ids is None else dhs
    d_rows = d_h.new_zeros(threads, rows, width)  # each thread's own sums over its lanes
    db_hh = d_h.new_zeros(threads, width)
    blocks = _panel_blocks(1, hidden_size, product)
    weights = in_panels(w_hh.to(hs.dtype), 1, blocks, in_tiles=product == "tiles")
    buffers = (hs, layer.memory, layer.kept)
    sums = (d_rows, db_hh)
    tensors = (d_out, *buffers, weights, dxs, dhs, d_h, d_memory, *sums, ids)
    shape = LayerShape(cell, hidden_size, product, ids is not None, blocks)
    arguments = [steps, batch, *team.addresses(*tensors), rows]
    team.run(lambda: backward_address(shape), arguments, threads)
    return Gradients(dxs, dhs, d_rows.sum(0), db_hh.sum(0) if split else None)


KERNELS = Engine("kernels", supports, forward, backward)
IN_TILES = partial(forward, product="tiles"), partial(backward, product="tiles")
LANE_TILES = Engine("lane_tiles", supports_in_tiles, *IN_TILES)
