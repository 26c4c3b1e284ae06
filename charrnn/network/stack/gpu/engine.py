"""A layer over a whole sequence in one kernel of a GPU, forward and backward; see `layer.cu`.

A step of a small layer takes a GPU less time than it takes to begin it, or to read its weights.
Here all steps are one launch, and each multiprocessor reads its part of the weights once.
"""

from __future__ import annotations

from contextlib import AbstractContextManager
from ctypes import c_int, c_void_p
from functools import cache

import torch
from torch import Tensor

from charrnn.cells.gradients import RULES
from charrnn.config import CellName
from charrnn.errors import first_line, warn
from charrnn.network.stack.engine import Engine, Gradients, Unrolled
from charrnn.network.stack.gpu import driver
from charrnn.network.stack.gpu.layout import SPAN, Layout, Limits, Way, best_layout
from charrnn.network.stack.gpu.source import defines, source

__all__ = ["PERSISTENT", "fits"]

LEAST_CAPABILITY = (8, 0)  # from which on tiles of bfloat16 are multiplied


def supports(hidden_size: int, dtype: torch.dtype, weights_dtype: torch.dtype) -> bool:
    """Whether there is a GPU, and kernels for this dtype and this width; see `fits`, too."""
    if dtype != torch.bfloat16 or weights_dtype != torch.float32 or hidden_size % SPAN:
        return False
    return torch.cuda.is_available() and torch.version.cuda is not None


def fits(cell: CellName, hidden_size: int, lanes: int | None, device: torch.device) -> bool:
    """Whether a GPU runs the kernels, and has room for a layer of so many lanes.

    Args:
        cell, hidden_size: of the layer.
        lanes: whole groups of 8; None for any number of them.
        device: the GPU. When it is first asked about, the kernels are tried out on it, so that
            must not be while a graph is recorded.
    """
    index = torch.cuda.current_device() if device.index is None else device.index
    ways: tuple[Way, Way] = ("forward", "backward")
    return works(index) and all(
        best_layout(cell, way, hidden_size, lanes or 8, limits(index)) is not None for way in ways
    )


@cache
def works(device: int) -> bool:
    """Whether a small layer is computed there correctly, with a warning if not."""
    able = torch.cuda.get_device_capability(device) >= LEAST_CAPABILITY
    if not able or not driver.available():
        return False
    try:
        with on(gpu_of(device)):
            reason = None if _is_right(gpu_of(device)) else "it computes wrongly"
    except (RuntimeError, OSError, AttributeError) as error:  # a compiler older than the GPU, say
        reason = first_line(error)
    if reason is not None:
        warn(f"layers go without charrnn's own GPU kernel here: {reason}")
    return reason is None


def gpu_of(index: int) -> torch.device:
    """The GPU of this number."""
    return torch.device("cuda", index)


def _is_right(device: torch.device) -> bool:
    """Whether a layer without recurrent weights is the tanh of its inputs, and has gradients."""
    steps, batch, hidden_size = 3, 8, SPAN
    gx = torch.linspace(-2, 2, steps * batch * hidden_size, device=device).to(torch.bfloat16)
    gx = gx.view(steps, batch, hidden_size)
    hs = gx.new_zeros(steps + 1, batch, hidden_size)
    w_hh = torch.zeros(hidden_size, hidden_size, dtype=torch.float32, device=device)
    layer = Unrolled("rnn", w_hh, hs, hs, gx.new_empty(steps, batch, 0), None, 1)
    forward(layer, gx, w_hh[0], w_hh[0])
    d_h, d_memory = w_hh.new_zeros(2, batch, hidden_size)
    found = backward(layer, torch.ones_like(gx), d_h, d_memory)
    pairs = ((hs[1:], gx.tanh()), (found.dhs, 1 - hs[1:].square()))
    return all(bool((one.float() - other.float()).abs().max() < 0.02) for one, other in pairs)


@cache
def limits(device: int) -> Limits:
    """What a GPU has room for."""
    found = torch.cuda.get_device_properties(device)
    shared: int = found.shared_memory_per_block_optin  # type: ignore[attr-defined]
    return Limits(found.multi_processor_count, shared)


def layout_for(layer: Unrolled, way: Way) -> Layout:
    """The layout for a layer, which `fits` has found to exist."""
    batch, hidden_size = layer.hs.shape[1:]
    found = best_layout(layer.cell, way, hidden_size, batch, limits(layer.hs.device.index or 0))
    assert found is not None, f"no layout for {hidden_size} units and {batch} lanes"
    return found


def forward(layer: Unrolled, gx: Tensor, b_ih: Tensor, b_hh: Tensor) -> None:
    """See `Engine.forward`; without ids, which would have to be checked by the host."""
    assert layer.ids is None, "a table's rows are read before"
    with on(layer.hs.device):
        if not layer.hs.is_inference():  # in inference mode there is no backward pass
            # Compiled while this runs.
            prepare(layout_for(layer, "backward"), layer.hs.device.index)
        mark_as_missing(layer.hs[1:])
        tensors = (layer.w_hh, b_ih, b_hh, gx, layer.hs, layer.memory, layer.kept)
        run(layout_for(layer, "forward"), len(gx), layer.hs.shape[1], tensors)


def backward(layer: Unrolled, d_out: Tensor, d_h: Tensor, d_memory: Tensor) -> Gradients:
    """See `Engine.backward`."""
    assert layer.ids is None, "a table's rows are read before"
    (steps, batch), width = d_out.shape[:2], len(layer.w_hh)
    layout, split = layout_for(layer, "backward"), RULES[layer.cell].split
    dhs = d_out.new_empty(steps, batch, width)
    dxs = torch.empty_like(dhs) if split else dhs
    d_rows = d_h.new_empty(batch // layout.lanes, width)
    db_hh = torch.empty_like(d_rows) if split else d_rows
    buffers = (layer.hs, layer.memory, layer.kept)
    tensors = (layer.w_hh, d_out, *buffers, dxs, dhs, d_h, d_memory, d_rows, db_hh)
    with on(dhs.device):
        mark_as_missing(dhs)
        run(layout, steps, batch, tensors)
    return Gradients(dxs, dhs, d_rows, db_hh.sum(0) if split else None)


def mark_as_missing(buffer: Tensor) -> None:
    """Fill a buffer with what no result is, so that who reads it knows what is there."""
    buffer.view(torch.int16).fill_(-1)


def run(layout: Layout, steps: int, batch: int, tensors: tuple[Tensor, ...]) -> None:
    """Launch a layout's kernel on the current stream."""
    assert all(tensor.is_contiguous() for tensor in tensors), "kernels need it"
    launch(layout, steps, batch, [tensor.data_ptr() for tensor in tensors])


def launch(layout: Layout, steps: int, batch: int, addresses: list[int]) -> None:
    """Compile a layout where that was not done yet, and launch it."""
    given = source(layout.cell, layout.way), defines(layout), layout.shared_bytes
    code = driver.compiled(*given, torch.cuda.current_device())
    numbers, places = map(c_int, (steps, batch)), map(c_void_p, addresses)
    stream = torch.cuda.current_stream().cuda_stream
    code.launch(layout.blocks(batch), layout.threads, [*numbers, *places], stream)


def on(device: torch.device) -> AbstractContextManager[object]:
    """Inside, this GPU is the current one, which kernels are loaded and launched on."""
    return torch.cuda.device(device)


def prepare(layout: Layout, device: int) -> None:
    """Begin to compile a layout that is soon to be launched."""
    driver.begin_compiling(source(layout.cell, layout.way), defines(layout), device)


PERSISTENT = Engine("persistent", supports, forward, backward)
