"""What was found inside models, as tables: units, memory, gradients."""

from __future__ import annotations

from collections.abc import Sequence
from pathlib import Path
from typing import TYPE_CHECKING

import numpy as np

from charrnn.folder.hub import folder_name
from charrnn.inside.showing import visible_all
from charrnn.terminal.output import table, write
from charrnn.words import counted

if TYPE_CHECKING:
    from charrnn.inside.backwards import Gradients
    from charrnn.inside.memory import Horizon
    from charrnn.inside.roles.findings import Unit

__all__ = ["show_gradients", "show_horizon", "show_units"]

SHOWN, MISSED = 20, 5  # units in a table; units that are named since most is lost without them
PASSAGE = 24  # characters before the place in a passage
FIRST_STEPS = (0, 1, 2, 3, 5, 10, 20, 30, 50, 75, 100)


def show_units(found: Sequence[Unit], of: str) -> None:
    """The units that follow a feature most closely, a line for each, and how many do in all.

    Args:
        found: the units.
        of: what their text consists of, characters or bytes, in the singular.
    """
    following = [unit for unit in found if unit.feature is not None]
    head = ("unit", "feature", "correlation", "by chance", "AUC", "bits lost", "strongest after")
    rows = [
        (
            f"{unit.layer}.{unit.unit}",
            unit.feature or "",
            f"{unit.score:+z.3f}",
            f"{unit.shuffled:.3f}",
            "" if unit.auc is None else f"{unit.auc:.3f}",
            f"{unit.bits:+z.4f}",
            visible_all(unit.passages[0].before[-PASSAGE:]) if unit.passages else "",
        )
        for unit in following[:SHOWN]
    ]
    if rows:
        write(table([head, *rows]))
    write(f"{len(following):,} of {len(found):,} units follow a feature more than by chance\n")
    missed = sorted(found, key=lambda unit: -unit.bits)[:MISSED]
    named = ", ".join(f"{unit.layer}.{unit.unit} ({unit.bits:+z.4f})" for unit in missed)
    write(f"largest losses without a unit, in bits per character: {named}\n")
    few, many = (end(unit.tried_on for unit in found) for end in (min, max))
    more = sum(unit.tried_on > few for unit in found)
    rest = f"; {counted(more, 'unit')} on {many:,}" if more else ""
    write(f"each unit was ablated on {few:,} {of}s{rest}\n")


def show_horizon(found: Horizon, seq_length: int | None) -> None:
    """What predictions cost with so much context; then the result in a sentence."""
    head = ("context", "bits per character", "after shuffled text", "n-grams")
    costs = {
        k: (f"{bits:.4f}", f"{far:.4f}")
        for k, bits, far in zip(found.contexts, found.bits_per_char, found.shuffled, strict=True)
    }
    # An n-gram of order n knows n-1 tokens.
    ngrams = {k: f"{bits:.4f}" for k, bits in enumerate(found.ngrams)}
    rows = [
        (str(k), *costs.get(k, ("", "")), ngrams.get(k, ""))
        for k in sorted(costs.keys() | ngrams.keys())
    ]
    write(table([head, *rows], numbers=4))
    write(f"{found.sentence(seq_length)}\n")


def show_gradients(found: Sequence[Gradients]) -> None:
    """Median and quartiles of the gradients of each model; then how long gates keep."""
    last = found[0].steps[-1]
    names = [folder_name(Path(one.model)) for one in found]
    head = ("steps back", *names)
    rows = [
        (str(k), *(f"{one.median[k]:.2g} ({one.low[k]:.2g} to {one.high[k]:.2g})" for one in found))
        for k in sorted({*(k for k in FIRST_STEPS if k <= last), last})
    ]
    write(table([head, *rows], numbers=1 + len(found)))
    write("norms of d loss / d h, as shares of the norm at 0: the median (and the quartiles)\n")
    for name, one in zip(names, found, strict=True):
        for layer, units in enumerate(one.memory or ()):
            half, tenth = np.quantile(units, (0.5, 0.9))
            write(
                f"{name}, layer {layer}: half of the units keep a value for {half:.1f} tokens "
                f"or longer, a tenth for {tenth:.1f}, the longest for {max(units):.1f}\n"
            )
