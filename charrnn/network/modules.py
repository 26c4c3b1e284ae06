"""PyTorch's modules, their first weights drawn from a generator of our own or not yet."""

from __future__ import annotations

import math
from typing import TypeVar

import torch
from torch import nn

__all__ = ["empty", "linear"]

Module = TypeVar("Module", bound=nn.Module)


def empty(kind: type[Module], *size: int) -> Module:
    """A module whose weights are not drawn yet: its own draw from the shared generator."""
    with torch.device("meta"):
        made = kind(*size, dtype=torch.float32)
    return made.to_empty(device=torch.get_default_device())


def linear(inputs: int, outputs: int, generator: torch.Generator | None) -> nn.Linear:
    """A linear layer whose first weights are drawn as PyTorch draws them; its bias is zero."""
    layer = empty(nn.Linear, inputs, outputs)
    nn.init.kaiming_uniform_(layer.weight, a=math.sqrt(5), generator=generator)
    nn.init.zeros_(layer.bias)
    return layer
