"""Starting a run from another model's weights, whose vocabulary may grow."""

from __future__ import annotations

from typing import Any, Literal

import numpy as np
import torch

from charrnn.arrays import Weights
from charrnn.cells.layout import EMBEDDING, HEAD_BIAS, HEAD_WEIGHT
from charrnn.decoding.cleaning import has_surrogate
from charrnn.errors import BadDataError, UsageError
from charrnn.folder.record import ModelFolder
from charrnn.network.char_rnn import CharRNN
from charrnn.text.tokenizer import ByteTokenizer, CharTokenizer, Tokenizer

__all__ = ["count_known", "grown", "rows_of", "same_shape", "transfer"]

SHAPE = ("cell", "embed_size", "hidden_size", "num_layers", "skip")


def grown(
    base: ModelFolder, kind: Literal["char", "byte"], characters: str, end: str | None
) -> Tokenizer:
    """The vocabulary of a model and of a text's `characters` together, with the text's `end`.

    Raises:
        UsageError: if the model's is of another kind than what is asked for.
        BadDataError: if the text holds a lone surrogate, and the model reads characters.
    """
    known = base.tokenizer
    if isinstance(known, ByteTokenizer):
        return ByteTokenizer(end)
    if kind == "byte":
        raise UsageError(f"{base.path} reads characters", "leave --tokenizer byte out")
    if has_surrogate(characters):
        raise BadDataError(
            f"the text has bytes that are not text, and {base.path} reads characters",
            "use --errors replace",
        )
    return CharTokenizer("".join(sorted(set(known.characters) | set(characters))), end)


def same_shape(base: ModelFolder, settings: dict[str, Any]) -> dict[str, Any]:
    """`settings` with the shape of a model.

    Raises:
        UsageError: if they ask for another shape.
    """
    shape = {name: getattr(base.record.model, name) for name in SHAPE}
    for name, value in shape.items():
        if settings.get(name, value) != value:
            raise UsageError(
                f"{name} is {settings[name]}, {base.path} has {value}",
                "weights go to a network of the same shape; leave the setting out",
                name,
            )
    return settings | shape


def transfer(network: CharRNN, base: ModelFolder, tokenizer: Tokenizer) -> tuple[int, int]:
    """Put a model's weights into `network`, rows of characters by character.

    Returns:
        kept: how many characters, or bytes, were known to the model.
        new: how many were not, and keep the rows that `network` has.
    """
    rows = rows_of(base.tokenizer, tokenizer)  # (V,), -1 where new
    known = rows >= 0
    kept = count_known(rows, tokenizer)
    merged: Weights = network.weights()
    for name, values in base.weights.items():
        if name in (EMBEDDING, HEAD_WEIGHT, HEAD_BIAS):
            merged[name][known] = values[rows[known]]
        else:
            merged[name] = values
    network.load_state_dict({name: torch.from_numpy(values) for name, values in merged.items()})
    return kept, tokenizer.vocab_size - (tokenizer.end_id is not None) - kept


def count_known(rows: np.ndarray, tokenizer: Tokenizer) -> int:
    """How many characters, or bytes, have one of `rows` (V,); the end of a record is neither."""
    ends = [] if tokenizer.end_id is None else [tokenizer.end_id]
    return int((np.delete(rows, ends) >= 0).sum())


def rows_of(old: Tokenizer, new: Tokenizer) -> np.ndarray:
    """For each id of `new`, the id that `old` has for the same character, or -1.

    The end of a record is what the end of a line was, for a model that had no records.
    """
    places = _places(old)
    if old.end_id is not None:
        places["end"] = old.end_id
    elif "\n" in places:
        places["end"] = places["\n"]
    wanted = list(_places(new)) + ["end"] * (new.end_id is not None)
    return np.array([places.get(one, -1) for one in wanted])


def _places(tokenizer: Tokenizer) -> dict[str, int]:
    """The id of each character, or of each byte as a character."""
    characters = map(chr, range(256))
    if isinstance(tokenizer, CharTokenizer):
        characters = tokenizer.characters  # type: ignore[assignment]
    return {character: k for k, character in enumerate(characters)}
