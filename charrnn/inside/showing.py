"""How values and characters are shown: on which scale, and so that all can be seen."""

from __future__ import annotations

import unicodedata

import numpy as np
from numpy.typing import NDArray

from charrnn.arrays import Floats, Ids
from charrnn.text.tokenizer import Tokenizer

__all__ = [
    "SCALES",
    "cells",
    "label",
    "labels",
    "line_ends",
    "scaled",
    "shown_token",
    "visible",
    "visible_all",
]

# The quantities of all cells, in the order in which they are offered.
SCALES = {
    "h": "state h, from −1 to 1",
    "c": "memory c, as tanh(c), from −1 to 1",
    "i": "input gate i, from 0 to 1",
    "f": "forget gate f, from 0 to 1",
    "g": "candidate g, from −1 to 1",
    "o": "output gate o, from 0 to 1",
    "r": "reset gate r, from 0 to 1",
    "z": "update gate z, from 0 to 1 (1 keeps h)",
    "n": "candidate n, from −1 to 1",
}
SHOWN = {"\n": "↵", "\t": "⇥", " ": "·", "\r": "␍"}


def scaled(quantity: str, values: Floats) -> Floats:
    """Values of a quantity on the scale that `SCALES` names; only c has another one by itself."""
    found: Floats = np.tanh(values) if quantity == "c" else values
    return found


def cells(tokenizer: Tokenizer, ids: Ids) -> list[str]:
    """What to show for each token of a text, so that all of them can be seen."""
    return list(map(visible_all, labels(tokenizer, ids)))


def shown_token(tokenizer: Tokenizer, token: int) -> str:
    """What to show for one token alone."""
    return visible_all(label(tokenizer, token))


def labels(tokenizer: Tokenizer, ids: Ids) -> list[str]:
    """The character that each token of a text is, or the number of a byte that is none.

    Of a character that takes several bytes, the last one has it, those before their numbers.
    """
    if tokenizer.unit != "byte":
        return [label(tokenizer, k) for k in ids.tolist()]
    decode, found = tokenizer.decoder(), []
    for k in ids.tolist():
        character = decode([k], False)
        whole = len(character) == 1 and character != "\N{REPLACEMENT CHARACTER}"
        found.append(character if whole else f"{k:02x}")
    return found


def label(tokenizer: Tokenizer, token: int) -> str:
    """The character that a token alone is, or the number of a byte that is none."""
    if tokenizer.unit == "byte" and token >= 0x80:
        return f"{token:02x}"
    return tokenizer.decode(np.array([token]))


def visible(character: str) -> str:
    """`character`, or something to be seen in its place."""
    if character in SHOWN:
        return SHOWN[character]
    if unicodedata.category(character) in ("Mn", "Me", "Mc"):
        return "◌" + character
    return character if character.isprintable() else f"U+{ord(character):04X}"


def visible_all(text: str) -> str:
    """Each character of `text` so that it can be seen."""
    return "".join(map(visible, text))


def line_ends(tokenizer: Tokenizer, ids: Ids) -> NDArray[np.bool_]:
    """Which tokens of a text end a line (N,)."""
    found: NDArray[np.bool_] = np.isin(ids, tokenizer.encode("\n", "skip"))
    return found
