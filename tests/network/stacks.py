"""Recurrent layers for tests, of any width, without a network around them."""

from __future__ import annotations

from typing import Any

from charrnn.network.stack.recurrent import Recurrent
from tests.conftest import small_config

__all__ = ["stack_of"]


def stack_of(
    cell: str, input_size: int, hidden_size: int, num_layers: int = 1, **more: Any
) -> Recurrent:
    """Layers that read vectors (T, B, I)."""
    sizes = {"embed_size": input_size, "hidden_size": hidden_size, "num_layers": num_layers}
    return Recurrent(small_config(cell, **sizes, **more))
