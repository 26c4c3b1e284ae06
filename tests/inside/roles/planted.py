"""A network built by hand, whose units are known, and a text that it reads."""

from __future__ import annotations

import numpy as np

from charrnn import Model
from charrnn.arrays import Weights
from charrnn.cells.heads import shapes_of
from charrnn.config import ModelConfig
from charrnn.text.tokenizer import CharTokenizer

__all__ = ["COUNTER", "LINE_END", "QUOTES", "QUOTES_ABOVE", "planted_model", "planted_text"]

CHARACTERS = "\n abcxyz“”"
H = 5
# Layer and unit.
LINE_END, QUOTES = (0, 1), (0, 2)  # on at a newline; on between “ and ”
QUOTES_ABOVE, COUNTER = (1, 0), (1, 3)  # a copy of that; characters since newline
I, F, G, O = (H * k for k in range(4))  # noqa: E741 - where the rows of the gates begin
SURE = 30.0


def planted_text(length: int, seed: int, *, quotes: bool = True) -> str:
    """Lines of random lengths; letters between quotation marks are others than outside."""
    random = np.random.default_rng(seed)
    written: list[str] = []
    inside, column, end = False, 0, 20
    for dice, letter in zip(random.random(length), random.integers(0, 4, length), strict=True):
        if column == end:
            written.append("\n")
            column, end = 0, int(random.integers(10, 40))
            continue
        column += 1
        if quotes and dice < 0.02:
            written.append("”" if inside else "“")
            inside = not inside
        else:
            written.append(("abc " if inside else "xyz ")[letter])
    return "".join(written)


def planted_model() -> Model:
    """An LSTM of 2 layers of 5 units, four of them planted, all others random and unread."""
    config = ModelConfig(
        cell="lstm", vocab_size=len(CHARACTERS), embed_size=9, hidden_size=H, num_layers=2
    )
    random = np.random.default_rng(7)
    w: Weights = {
        name: random.normal(0, 0.5, shape).astype(np.float32)
        for name, shape in shapes_of(config).items()
    }
    # One dimension of the embedding for each character but the first, which is 0.
    w["embedding.weight"][:] = np.eye(len(CHARACTERS))[:, 1:]
    for layer, unit in (LINE_END, QUOTES, QUOTES_ABOVE, COUNTER):
        for gate in (I, F, G, O):
            for kind in ("weight_ih", "weight_hh", "bias_ih", "bias_hh"):
                w[f"rnn.{kind}_l{layer}"][gate + unit] = 0
        w[f"rnn.bias_ih_l{layer}"][O + unit] = SURE
    below, bias = w["rnn.weight_ih_l0"], w["rnn.bias_ih_l0"]
    # Forgets at once and writes 1 at a newline, whose embedding is 0, and -1 at all others.
    bias[[I + LINE_END[1], G + LINE_END[1]]], bias[F + LINE_END[1]] = SURE, -SURE
    below[G + LINE_END[1]] = -2 * SURE
    # Keeps what it has; writes 1 at “, forgets at ”.
    opening, closing = CHARACTERS.index("“") - 1, CHARACTERS.index("”") - 1
    bias[F + QUOTES[1]], below[F + QUOTES[1], closing] = SURE, -2 * SURE
    bias[I + QUOTES[1]], below[I + QUOTES[1], opening] = -SURE, 2 * SURE
    bias[G + QUOTES[1]] = SURE
    above, bias = w["rnn.weight_ih_l1"], w["rnn.bias_ih_l1"]
    bias[I + QUOTES_ABOVE[1]], bias[F + QUOTES_ABOVE[1]] = SURE, -SURE
    above[G + QUOTES_ABOVE[1], QUOTES[1]] = SURE
    # Adds a hundredth at each character; a newline, which the unit below reports, empties it.
    above[[I + COUNTER[1], F + COUNTER[1]], LINE_END[1]] = -SURE
    bias[G + COUNTER[1]] = 0.01
    head, base = w["head.weight"], w["head.bias"]
    head[:], base[:] = 0, 0
    for character in "abcxyz":
        place = CHARACTERS.index(character)
        head[place, QUOTES_ABOVE[1]] = 8 if character in "abc" else -8
        base[place] = -3 if character in "abc" else 3
    head[0, COUNTER[1]], base[0] = 20, -3  # the longer the line, the likelier its end
    base[[CHARACTERS.index("“"), CHARACTERS.index("”")]] = -1
    return Model(config, CharTokenizer(CHARACTERS), w)
