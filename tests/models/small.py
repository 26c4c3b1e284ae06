"""Small models beside their networks, and what they read."""

from __future__ import annotations

import numpy as np
import torch

from charrnn import CharRNN, CharTokenizer, Model
from charrnn.config import ModelConfig
from tests.conftest import B, H, T, V

__all__ = ["IDS", "TOKENIZER", "VARIANTS", "make"]

TOKENIZER = CharTokenizer("\n abcdefghi")
IDS = np.random.default_rng(0).integers(0, V, (B, T)).astype(np.int32)
VARIANTS = [{}, {"skip": True}, {"skip": True, "embed_size": H}, {"num_layers": 1}]


def make(config: ModelConfig) -> tuple[CharRNN, Model]:
    """A network, and the NumPy model of the same weights; no bias is zero."""
    network = CharRNN(config).eval()
    for name, weight in network.named_parameters():
        if "bias" in name:
            torch.nn.init.normal_(weight)
    return network, Model(config, TOKENIZER, network.weights())
