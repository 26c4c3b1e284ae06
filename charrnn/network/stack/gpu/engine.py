"""A layer over a whole sequence in one kernel of a GPU, forward and backward; see `layer.cu`.

A step of a small layer takes a GPU less time than it takes to begin it, or to read its weights.
Here all steps are one launch, and each multiprocessor reads its part of the weights once.
"""

from __future__ import annotations

from functools import cache

import torch
from torch import Tensor

from charrnn.cells.gradients import RULES
from charrnn.config import CellName
from charrnn.network.stack.engine import Engine, Gradients, Unrolled
from charrnn.network.stack.gpu import driver
from charrnn.network.stack.gpu.layout import SPAN, Layout, Limits, Way, plan
from charrnn.network.stack.gpu.source import defines, source

__all__ = ["PERSISTENT", "takes_lanes"]

LEAST_CAPABILITY = (8, 0)  # from which on tiles of bfloat16 are multiplied


def takes(hidden_size: int, numbers: torch.dtype, weights: torch.dtype) -> bool:
    """Whether the GPU has kernels for these numbers and this width, at least for some lanes."""
    if numbers != torch.bfloat16 or weights != torch.float32 or hidden_size % SPAN:
        return False
    if not torch.cuda.is_available() or torch.version.cuda is None:
        return False
    return torch.cuda.get_device_capability() >= LEAST_CAPABILITY and driver.available()


def takes_lanes(cell: CellName, hidden_size: int, lanes: int) -> bool:
    """Whether there is room for a layer with so many lanes, whole groups of 8, at once."""
    found = limits()
    ways: tuple[Way, Way] = ("forward", "backward")
    return all(plan(cell, way, hidden_size, lanes, found) is not None for way in ways)


def limits() -> Limits:
    """Those of the current GPU."""
    found = torch.cuda.get_device_properties(torch.cuda.current_device())
    shared: int = found.shared_memory_per_block_optin  # type: ignore[attr-defined]
    return Limits(found.multi_processor_count, shared)


def layout_for(layer: Unrolled, way: Way) -> Layout:
    """The layout for a layer, which `takes_lanes` has found to exist."""
    batch, hidden_size = layer.hs.shape[1:]
    found = plan(layer.cell, way, hidden_size, batch, limits())
    assert found is not None, f"no layout for {hidden_size} units and {batch} lanes"
    return found


def forward(layer: Unrolled, gx: Tensor, b_ih: Tensor, b_hh: Tensor) -> None:
    """See `Engine.forward`; without ids, which would have to be checked by the host."""
    assert layer.ids is None, "a table's rows are read before"
    prepare(layout_for(layer, "backward"))  # while this way is compiled and runs
    mark_as_missing(layer.hs[1:])
    tensors = (layer.w_hh, b_ih, b_hh, gx, layer.hs, layer.memory, layer.kept)
    run(layout_for(layer, "forward"), len(gx), layer.hs.shape[1], tensors)


def backward(layer: Unrolled, d_out: Tensor, d_h: Tensor, d_memory: Tensor) -> Gradients:
    """See `Engine.backward`."""
    assert layer.ids is None, "a table's rows are read before"
    (steps, batch), width = d_out.shape[:2], len(layer.w_hh)
    layout, split = layout_for(layer, "backward"), RULES[layer.cell].split
    dhs = d_out.new_empty(steps, batch, width)
    mark_as_missing(dhs)
    dxs = torch.empty_like(dhs) if split else dhs
    d_rows = d_h.new_empty(batch // layout.lanes, width)
    db_hh = torch.empty_like(d_rows) if split else d_rows
    buffers = (layer.hs, layer.memory, layer.kept)
    tensors = (layer.w_hh, d_out, *buffers, dxs, dhs, d_h, d_memory, d_rows, db_hh)
    run(layout, steps, batch, tensors)
    return Gradients(dxs, dhs, d_rows, db_hh.sum(0) if split else None)


def mark_as_missing(buffer: Tensor) -> None:
    """Fill a buffer with what no result is, so that who reads it knows what is there."""
    buffer.view(torch.int16).fill_(-1)


def run(layout: Layout, steps: int, batch: int, tensors: tuple[Tensor, ...]) -> None:
    """Launch a layout's kernel on the current stream."""
    assert all(tensor.is_contiguous() for tensor in tensors), "kernels need it"
    arguments = [steps, batch, *(tensor.data_ptr() for tensor in tensors)]
    launch(layout, layout.blocks(batch), arguments)


def launch(layout: Layout, blocks: int, arguments: list[int]) -> None:
    """Compile a layout where that was not done yet, and launch it."""
    device = torch.cuda.current_device()
    code = driver.compiled(source(layout.cell, layout.way), "layer", defines(layout), device)
    stream = torch.cuda.current_stream().cuda_stream
    code.launch(blocks, layout.threads, layout.shared_bytes, arguments, stream)


@cache
def prepare(layout: Layout) -> None:
    """Begin to compile a layout that is soon to be launched."""
    device = torch.cuda.current_device()
    driver.begin_compiling(source(layout.cell, layout.way), defines(layout), device)


PERSISTENT = Engine("persistent", takes, forward, backward)
