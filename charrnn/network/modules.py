"""PyTorch's modules, with first weights from a generator of our own, or with none.

PyTorch's own constructors draw from the shared generator. Under the device "meta" they would not,
but then it loads its compiler, which takes a second.
"""

from __future__ import annotations

import math
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from contextvars import ContextVar

import torch
from torch import Tensor, nn

__all__ = ["Embedding", "Linear", "drawing", "undrawn", "usual", "zeros"]

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


def usual(weight: Tensor, generator: torch.Generator | None) -> None:
    """Draw as PyTorch's own layers do."""
    nn.init.kaiming_uniform_(weight, a=math.sqrt(5), generator=generator)


def normal(weight: Tensor, generator: torch.Generator | None) -> None:
    """From the normal distribution."""
    nn.init.normal_(weight, generator=generator)


def zeros(weight: Tensor, _: torch.Generator | None) -> None:
    """Zeros, for which nothing is drawn."""
    nn.init.zeros_(weight)


class Linear(nn.Linear):
    """A linear layer in float32, whose bias is zero at first.

    Args:
        inputs, outputs: its widths.
        generator: of the first weights; None for PyTorch's own.
        bias: whether it has one.
        first: draws the first weights.
    """

    def __init__(
        self,
        inputs: int,
        outputs: int,
        generator: torch.Generator | None = None,
        *,
        bias: bool = True,
        first: Callable[[Tensor, torch.Generator | None], None] = usual,
    ) -> None:
        with undrawn():  # PyTorch's constructor calls `reset_parameters`
            super().__init__(inputs, outputs, bias, dtype=torch.float32)
        self.first = first
        self.reset_parameters(generator)

    def reset_parameters(self, generator: torch.Generator | None = None) -> None:
        """Draw the first weights anew; from PyTorch's own generator, if none is given."""
        if drawing():
            self.first(self.weight, generator)
            if self.bias is not None:
                nn.init.zeros_(self.bias)


class Embedding(nn.Embedding):
    """An embedding in float32.

    Args:
        rows, size: its shape.
        generator: of the first weights; None for PyTorch's own.
        first: draws the first weights.
    """

    def __init__(
        self,
        rows: int,
        size: int,
        generator: torch.Generator | None = None,
        *,
        first: Callable[[Tensor, torch.Generator | None], None] = normal,
    ) -> None:
        with undrawn():  # PyTorch's constructor calls `reset_parameters`
            super().__init__(rows, size, dtype=torch.float32)
        self.first = first
        self.reset_parameters(generator)

    def reset_parameters(self, generator: torch.Generator | None = None) -> None:
        """Draw the first weights anew; from PyTorch's own generator, if none is given."""
        if drawing():
            self.first(self.weight, generator)
