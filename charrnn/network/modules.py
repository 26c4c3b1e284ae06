"""PyTorch's modules, with first weights from a generator of our own, or with none.

PyTorch's own constructors draw from the shared generator. Under the device "meta" they would not,
but then it loads its compiler, which takes a second.
"""

from __future__ import annotations

import math
from collections.abc import Iterator
from contextlib import contextmanager
from contextvars import ContextVar

import torch
from torch import nn

__all__ = ["Embedding", "Linear", "drawing", "linear", "undrawn"]

_drawing: ContextVar[bool] = ContextVar("drawing", default=True)


def drawing() -> bool:
    """Whether new networks draw their first weights."""
    return _drawing.get()


@contextmanager
def undrawn() -> Iterator[None]:
    """Inside, new networks have no first weights: they get others anyway."""
    before = _drawing.set(False)
    try:
        yield
    finally:
        _drawing.reset(before)


class Linear(nn.Linear):
    """A linear layer in float32 whose weights are not drawn yet."""

    def __init__(self, inputs: int, outputs: int, bias: bool = True) -> None:
        super().__init__(inputs, outputs, bias, dtype=torch.float32)

    def reset_parameters(self) -> None:
        """Leave them as they are."""


class Embedding(nn.Embedding):
    """An embedding in float32, its weights drawn from the normal distribution."""

    def __init__(self, rows: int, size: int, generator: torch.Generator | None) -> None:
        super().__init__(rows, size, dtype=torch.float32)
        if drawing():
            nn.init.normal_(self.weight, generator=generator)

    def reset_parameters(self) -> None:
        """Leave them as they are."""


def linear(inputs: int, outputs: int, generator: torch.Generator | None) -> Linear:
    """A linear layer whose first weights are drawn as PyTorch draws them; its bias is zero."""
    layer = Linear(inputs, outputs)
    if drawing():
        nn.init.kaiming_uniform_(layer.weight, a=math.sqrt(5), generator=generator)
        nn.init.zeros_(layer.bias)
    return layer
