"""A small model to serve."""

from __future__ import annotations

import torch

import charrnn
from charrnn import CharRNN, CharTokenizer, Model
from charrnn.config import CellName
from charrnn.text.tokenizer import Tokenizer
from tests.conftest import small_config

__all__ = ["small_model"]


def small_model(cell: CellName, tokenizer: Tokenizer | None = None, **size: int) -> Model:
    """It is in the folder `model`, too."""
    tokenizer = tokenizer or CharTokenizer("\n abcdefgh")
    torch.manual_seed(5)
    network = CharRNN(small_config(cell, vocab_size=tokenizer.vocab_size, skip=True, **size))
    network.save_pretrained("model", tokenizer)
    model: Model = charrnn.load("model")
    return model
