"""Layers one after the other over pieces of a sequence, side by side on a GPU.

    layer 0:  piece 0   piece 1   piece 2   piece 3
    layer 1:            piece 0   piece 1   piece 2   piece 3

A step of a small layer keeps a few percent of a GPU busy, and the next step waits for it. A deeper
layer need not wait for the whole sequence: it can read a piece while the layer below reads the next
one. Each layer has a stream of its own, in the way back as well.
"""

from __future__ import annotations

import functools
from collections.abc import Iterator
from contextlib import contextmanager
from typing import TYPE_CHECKING

import torch
from torch import Tensor

from charrnn.cells.rules import State
from charrnn.network import builtin

if TYPE_CHECKING:
    from charrnn.network.recurrent import Recurrent

__all__ = ["run"]


def run(stack: Recurrent, x: Tensor, state: State, steps: int) -> tuple[Tensor, State]:
    """Read a whole sequence, as `Recurrent.forward`, in PyTorch's own layers.

    Under autocast, all of it is computed in autocast's numbers.

    Args:
        stack: not bidirectional.
        x: (T, B, I).
        state: arrays (L, B, H).
        steps: of a piece.
    """
    dtype = x.dtype
    if torch.is_autocast_enabled(x.device.type):
        dtype = torch.get_autocast_dtype(x.device.type)
    pieces = list(torch.split(x.to(dtype), steps))
    marks: list[_Mark] = [_Mark(x.device) for _ in pieces]  # when each piece is there
    states = []
    with torch.autocast(x.device.type, enabled=False):
        for layer in range(stack.num_layers):
            before = tuple(part[layer : layer + 1].to(dtype) for part in state)
            with _stream(x.device, layer, before):
                weights = builtin.one_block(stack.weights_of(layer), dtype)
                mask = None
                for number, piece in enumerate(pieces):
                    marks[number].wait(piece)
                    output, before = builtin.run(stack.cell.name, piece, weights, before)
                    if stack.training and stack.dropout:
                        mask = stack.mask(output) if mask is None else mask
                        output = output * mask
                    if stack.skip and piece.shape[-1] == output.shape[-1]:
                        output = output + piece
                    pieces[number], marks[number] = output, _Mark(x.device)
                states.append(before)
        for mark, part in zip(marks, pieces, strict=True):
            mark.wait(part)
        for parts in states:
            _use_here(*parts)
        return torch.cat(pieces), tuple(torch.cat(parts) for parts in zip(*states, strict=True))


@contextmanager
def _stream(device: torch.device, layer: int, given: State) -> Iterator[None]:
    """Inside, the GPU works in the layer's own stream, and `given` is there."""
    if device.type != "cuda":
        yield
        return
    outside, own = torch.cuda.current_stream(device), _own_stream(device, layer)
    own.wait_stream(outside)
    with torch.cuda.stream(own):
        _use_here(*given)
        yield
    outside.wait_stream(own)


@functools.cache
def _own_stream(device: torch.device, _layer: int) -> torch.cuda.Stream:
    return torch.cuda.Stream(device)  # type: ignore[no-untyped-call]


class _Mark:
    """A moment in the work of the stream that is current when it is made."""

    def __init__(self, device: torch.device) -> None:
        self.event = None
        if device.type == "cuda":
            self.event = torch.cuda.current_stream(device).record_event()

    def wait(self, tensor: Tensor) -> None:
        """Let the current stream wait until then, to use `tensor`."""
        if self.event is not None:
            torch.cuda.current_stream(tensor.device).wait_event(self.event)
            _use_here(tensor)


def _use_here(*tensors: Tensor) -> None:
    """Keep the memory of tensors of other streams until the current one has used them."""
    for tensor in tensors:
        if tensor.device.type == "cuda":
            tensor.record_stream(torch.cuda.current_stream(tensor.device))
