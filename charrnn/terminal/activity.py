"""What a unit does at each character, and which characters mattered, on a terminal."""

from __future__ import annotations

import math
import os
import sys
from collections.abc import Iterator

import numpy as np

from charrnn.arrays import Floats, Ids
from charrnn.inside.counterfactuals import Saliency
from charrnn.inside.showing import cells, line_ends, scaled, visible_all
from charrnn.models.hooks import Recorder
from charrnn.models.model import Model
from charrnn.sampling.language_model import TIME_CHUNK
from charrnn.terminal.output import places_of, write

__all__ = ["show_saliency", "show_unit", "unit_values"]

# Backgrounds for values up to a quarter, a half, three quarters and 1, of the 256 colours of most
# terminals: orange above 0; blue, and underlined, below. They are told apart without colour vision.
ABOVE, BELOW = (223, 216, 209, 202), (195, 153, 111, 75)
FAINT = 0.05  # values nearer to 0 have no colour
BLOCKS = " ▁▂▃▄▅▆▇█"
WIDTH = 72  # places of a line of text over its row
NAMED = 5  # characters that mattered most


def unit_values(model: Model, ids: Ids, layer: int, unit: int, quantity: str) -> Iterator[Floats]:
    """The values of a unit after each token (N,) of a text, part by part."""
    place = f"layers.{layer}.hook_{quantity}"
    state = model.start()
    for start in range(0, len(ids), TIME_CHUNK):
        part = ids[None, start : start + TIME_CHUNK]
        recorder = Recorder([place], *part.shape)
        _, state = model(part, state, recorder)
        yield scaled(quantity, recorder.values[place][0, :, unit])


def show_unit(model: Model, ids: Ids, layer: int, unit: int, quantity: str) -> None:
    """A text coloured by a unit; where there are no colours, a line with its value a character."""
    plain = os.environ.get("NO_COLOR") or os.environ.get("TERM") == "dumb"
    colours = sys.stdout.isatty() and not plain
    shown, ends, at = cells(model.tokenizer, ids), line_ends(model.tokenizer, ids), 0
    try:
        for values in unit_values(model, ids, layer, unit, quantity):
            for value in values.tolist():
                if colours:
                    sys.stdout.write(_coloured(shown[at], value) + "\n" * bool(ends[at]))
                else:
                    space = " " * (6 - places_of(shown[at]))
                    sys.stdout.write(f"{at:>7}  {shown[at]}{space}  {_number(value)}\n")
                at += 1
            sys.stdout.flush()
    finally:
        if colours:
            sys.stdout.write("\x1b[0m\n")  # `write` would show the escape, not send it
            sys.stdout.flush()


def show_saliency(found: Saliency, unit: str) -> None:
    """The text before a prediction, with a row under it that shows what mattered."""
    saved = -found.changes / math.log(2)  # bits
    cost = -found.log_prob / math.log(2)
    surprisal = f"{cost:.2f} bits" if math.isfinite(cost) else "no number"
    write(f"{visible_all(found.target)} at {unit} {found.at}: {surprisal}\n\n")
    largest = max(float(np.nanmax(saved, initial=0)), 1e-9)
    text = row = ""
    for token, value in zip(map(visible_all, found.tokens), saved.tolist(), strict=True):
        if places_of(text + token) > WIDTH:
            write(f"    {text}\n    {row.rstrip()}\n")
            text = row = ""
        text += token
        row += _block(value / largest) * places_of(token)
    write(f"    {text}\n    {row.rstrip()}\n")
    head = f"Bits that each {unit} saves, compared with the likeliest other in its place"
    write(f"\n{head} (- costs some):\n")
    for k in np.argsort(-np.nan_to_num(saved, nan=-np.inf), kind="stable")[:NAMED].tolist():
        back = len(saved) - k
        token, other = visible_all(found.tokens[k]), visible_all(found.stand_ins[k])
        write(f"    {token}  {back:>3} back  {_number(float(saved[k]))}  against {other}\n")


def _coloured(cell: str, value: float) -> str:
    if not math.isfinite(value) or abs(value) < FAINT:
        return f"\x1b[0m{cell}"
    step = min(3, int(abs(value) * 4))
    background = (ABOVE if value > 0 else BELOW)[step]
    line = "" if value > 0 else "4;"
    return f"\x1b[0;{line}38;5;16;48;5;{background}m{cell}\x1b[0m"


def _number(value: float) -> str:
    return f"{value:+z.3f}" if math.isfinite(value) else "no number"


def _block(share: float) -> str:
    """A bar of a character's size; a minus for what would better have been another."""
    if not math.isfinite(share):
        return "?"
    return BLOCKS[math.ceil(share * 8)] if share > 0 else "-" if share < -1 / 8 else " "
