"""Starting a run from another model's weights, whose vocabulary may grow."""

from __future__ import annotations

from typing import Any, Literal

import numpy as np
import torch

from charrnn.arrays import Weights
from charrnn.cells.layout import EMBEDDING, HEAD_BIAS, HEAD_WEIGHT
from charrnn.config import ModelConfig
from charrnn.errors import UsageError
from charrnn.folder.record import ModelFolder
from charrnn.network.char_rnn import CharRNN
from charrnn.text.tokenizer import ByteTokenizer, CharTokenizer, Tokenizer

__all__ = ["grown", "same_shape", "transfer"]

SHAPE = ("cell", "embed_size", "hidden_size", "num_layers", "skip")


def grown(found: ModelFolder, kind: Literal["char", "byte"], characters: str) -> Tokenizer:
    """The vocabulary of a model and of a text's `characters` together.

    Raises:
        UsageError: if the model's is of another kind than what is asked for.
    """
    old = found.tokenizer
    if isinstance(old, ByteTokenizer):
        return old
    if kind == "byte":
        raise UsageError(f"{found.path} reads characters", "leave --tokenizer byte out")
    return CharTokenizer("".join(sorted(set(old.characters) | set(characters))))


def same_shape(found: ModelFolder, settings: dict[str, Any]) -> dict[str, Any]:
    """`settings` with the shape of a model.

    Raises:
        UsageError: if they ask for another shape.
    """
    shape = {name: getattr(found.record.model, name) for name in SHAPE}
    for name, value in shape.items():
        if settings.get(name, value) != value:
            raise UsageError(
                f"{name} is {settings[name]}, {found.path} has {value}",
                "weights go to a network of the same shape; leave the setting out",
            )
    return settings | shape


def transfer(network: CharRNN, found: ModelFolder, tokenizer: Tokenizer) -> tuple[int, int]:
    """Put a model's weights into `network`, rows of characters by character.

    Returns:
        kept: how many characters were known to the model.
        new: how many were not, and keep the rows that `network` has.
    """
    rows = _rows(found.record.model, found.tokenizer, tokenizer)  # (V,), -1 where new
    known = rows >= 0
    merged: Weights = network.weights()
    for name, values in found.weights.items():
        if name in (EMBEDDING, HEAD_WEIGHT, HEAD_BIAS):
            merged[name][known] = values[rows[known]]
        else:
            merged[name] = values
    network.load_state_dict({name: torch.from_numpy(values) for name, values in merged.items()})
    return int(known.sum()), int((~known).sum())


def _rows(model: ModelConfig, old: Tokenizer, new: Tokenizer) -> np.ndarray:
    """For each id of `new`, the id that `old` has for the same character, or -1."""
    if isinstance(old, ByteTokenizer) or isinstance(new, ByteTokenizer):
        return np.arange(model.vocab_size)
    places = {character: k for k, character in enumerate(old.characters)}
    return np.array([places.get(character, -1) for character in new.characters])
