"""Pictures of what is found inside models: units, memory, gradients."""

from __future__ import annotations

from collections.abc import Sequence
from itertools import islice
from pathlib import Path
from typing import TYPE_CHECKING

import numpy as np

from charrnn.folder.hub import folder_name
from charrnn.plots.style import COLOURS, GREY, looks, named, picture

if TYPE_CHECKING:
    from charrnn.inside.backwards import Gradients
    from charrnn.inside.memory import Horizon
    from charrnn.inside.roles.findings import Unit

__all__ = ["draw_gradients", "draw_horizon", "draw_units"]

SHOWN = 24  # units in a picture


def draw_horizon(path: Path, found: Horizon) -> None:
    """Draw what predictions cost against how much context there is.

    Args:
        path: of the picture.
        found: of `inside.horizon`.
    """
    with picture(path) as axes:
        plain, shuffled, counted = islice(looks(), 3)
        axes.plot(
            found.contexts, found.bits_per_char, **plain, label="the model, with so much context"
        )
        axes.plot(
            found.contexts,
            found.shuffled,
            **shuffled,
            label="the same, after characters in shuffled order",
        )
        if len(found.ngrams) > 1:
            known = range(1, len(found.ngrams))  # an n-gram of order 1 has no context
            axes.plot(
                known, found.ngrams[1:], **counted, label="n-grams: counting the training text"
            )
        if found.horizon is not None:
            axes.axvline(found.horizon, color=GREY, linewidth=1, linestyle="--")
            axes.annotate(
                f"1% of the gain\nis left after {found.horizon:.0f}",
                (found.horizon, 0.6),
                (6, 0),
                xycoords=("data", "axes fraction"),
                textcoords="offset points",
                color="#444444",
            )
        axes.set_xscale("log", base=2)
        axes.set_xticks(ticks := [2**k for k in range(10) if 2**k <= found.contexts[-1]], ticks)
        axes.set(
            xlabel=f"{found.unit}s of context",
            ylabel="bits per character",
            title="How much is gained by remembering more",
        )
        axes.legend()


def draw_gradients(path: Path, found: Sequence[Gradients]) -> None:
    """Draw how gradients of several models fall or grow on their way back.

    Args:
        path: of the picture.
        found: of `inside.gradients`.
    """
    with picture(path) as axes:
        lines = []
        for one, look in zip(found, looks(), strict=False):
            median = [share or np.nan for share in one.median]  # 0 has no place on this axis
            every = max(1, len(one.steps) // 10)
            lines += axes.plot(one.steps, median, **look, markevery=every)
            color = look["color"]
            axes.fill_between(one.steps, one.low, one.high, color=color, alpha=0.15, linewidth=0)
        axes.axhline(1, color=GREY, linewidth=0.8)
        axes.set_yscale("log")
        axes.yaxis.set_major_formatter(lambda y, _: f"{y:g}")
        axes.set(
            xlabel="k, steps back in time",
            ylabel="‖∂ loss at t / ∂ h at t-k‖, a share of that at t",
            title="How gradients fade on their way back in time",
        )
        names = [
            named(folder_name(Path(one.model))) for one in found
        ]  # as labels, none could begin with _
        title = "median; half of all losses are in the band"
        axes.legend(lines, names, title=title, alignment="left")


def draw_units(path: Path, found: Sequence[Unit]) -> None:
    """Draw how closely the closest followers follow, beside chance.

    Args:
        path: of the picture.
        found: of `inside.units`.
    """
    shown = [unit for unit in found if unit.feature is not None][:SHOWN]
    names = [f"{unit.feature}   {unit.layer}.{unit.unit}" for unit in shown]
    places = np.arange(len(shown))
    scores = np.array([unit.score for unit in shown])
    with picture(path, height=1.4 + 0.2 * max(len(shown), 4)) as axes:
        chance = [unit.shuffled for unit in shown]
        grey = {"color": "#cccccc", "edgecolor": "white", "hatch": "///"}
        axes.barh(places, chance, **grey, label="the best of all units by chance")
        for above, fill, label in ((True, "full", "correlation"), (False, "none", "below 0")):
            of_sign = (scores >= 0) == above
            dots = {"color": COLOURS[0], "fillstyle": fill, "label": label}
            axes.plot(abs(scores[of_sign]), places[of_sign], "o", **dots)
        axes.set_yticks(places, names)
        axes.set_xlim(0, 1)
        axes.margins(y=0.02)
        axes.invert_yaxis()
        title = "Which feature a unit follows"
        axes.set(xlabel="size of the correlation, on the other half of the text", title=title)
        axes.figure.legend(loc="outside lower center", ncols=3)
