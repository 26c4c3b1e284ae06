"""PyTorch's modules before their first weights."""

from __future__ import annotations

from typing import TypeVar

import torch
from torch import nn

__all__ = ["empty"]

Module = TypeVar("Module", bound=nn.Module)


def empty(kind: type[Module], *size: int) -> Module:
    """A module whose weights are not drawn yet: its own draw from the shared generator."""
    with torch.device("meta"):
        made = kind(*size, dtype=torch.float32)
    return made.to_empty(device=torch.get_default_device())
