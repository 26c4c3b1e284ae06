"""Draw the pictures of docs/what-is-an-rnn.md.

    python docs/pictures.py tinyshakespeare.txt MODELS

Trains a SimpleRNN, a GRU and three LSTMs on the text, unless the folder MODELS has them already,
which takes some minutes each, and looks inside them. The pictures go to `docs/pictures/`. The same
models give the same files.
"""

from __future__ import annotations

import sys
from pathlib import Path
from typing import Any

import numpy as np

import charrnn
from charrnn import Model, inside
from charrnn.inside.memory import Horizon
from charrnn.inside.roles.findings import Unit
from charrnn.plots.insights import draw_gradients, draw_horizon, draw_units
from charrnn.plots.style import GREY, looks, picture

PICTURES = Path(__file__).with_name("pictures")
LOOKED_AT = 200_000  # characters whose units are looked at
LINE = "We are accounted poor citizens,\nthe patricians good.\n"
# The models, and what they are trained with: one of each cell, and two LSTMs that differ in how far
# back gradients go, while an update reads as many characters.
TRAINED: dict[str, dict[str, Any]] = {
    cell: {"cell": cell, "hidden_size": 192, "steps": 2000} for cell in ("rnn", "gru", "lstm")
} | {
    f"lstm-{length}": {
        "seq_length": length,
        "batch_size": 2048 // length,
        "hidden_size": 128,
        "num_layers": 1,
        "steps": 1500,
        "eval_every": 250,
    }
    for length in (4, 64)
}
# What is drawn of a unit.
QUANTITIES = {
    "lstm": {
        "h": "state h",
        "c": "memory c",
        "i": "input gate",
        "f": "forget gate",
        "o": "output gate",
    },
    "gru": {"h": "state h", "n": "candidate n", "z": "update gate", "r": "reset gate"},
}


def trained(text: Path, folder: Path) -> dict[str, Model]:
    """The models, trained unless they are there already."""
    models = {}
    for name, settings in TRAINED.items():
        path = folder / f"shakespeare-{name}"
        if not path.exists():
            charrnn.train(text, out=path, minutes=3, **settings).finish()
        models[name] = charrnn.load(path)
    return models


def draw_pieces(path: Path, found: dict[str, Horizon]) -> None:
    """Draw how far back models remember whose gradients went so many characters back."""
    with picture(path, height=3.6) as axes:
        for (length, horizon), look in zip(found.items(), looks(), strict=False):
            label = f"gradients over {length} characters"
            axes.plot(horizon.contexts, horizon.bits_per_char, label=label, **look)
            if horizon.horizon is not None:
                axes.axvline(horizon.horizon, color=look["color"], linewidth=1, linestyle="--")
                said = f"1% is left\nafter {horizon.horizon:.0f}"
                axes.annotate(
                    said,
                    (horizon.horizon, 0.6),
                    (6, 0),
                    xycoords=("data", "axes fraction"),
                    textcoords="offset points",
                    color=look["color"],
                )
        axes.set_xscale("log", base=2)
        ticks = [k for k in horizon.contexts if k & (k - 1) == 0]
        axes.set_xticks(ticks, ticks)
        axes.set(
            xlabel="characters of context",
            ylabel="bits per character",
            title="What a model remembers of what its gradients did not reach",
        )
        axes.legend()


def draw_gates(path: Path, model: Model, unit: Unit) -> None:
    """Draw what a unit and its gates do at each character of `LINE`."""
    _, cache = model.run_with_cache(LINE)
    quantities = QUANTITIES[model.config.cell]
    places = np.arange(len(LINE))
    with picture(path, height=0.95 * len(quantities) + 0.5, rows=len(quantities)) as rows:
        for (quantity, name), axes, look in zip(quantities.items(), rows, looks(), strict=False):
            values = cache[f"layers.{unit.layer}.hook_{quantity}"][:, unit.unit]
            axes.step(places, values, where="mid", color=look["color"], linewidth=1.4)
            gate = quantity in "ifozr"
            axes.set_ylim(-0.05 if gate else None, 1.05 if gate else None)
            axes.set_ylabel(name, rotation=0, ha="right", va="center")
            axes.axhline(0, color=GREY, linewidth=0.6)
            axes.grid(visible=False, axis="x")
            axes.tick_params(axis="x", length=0)
            for place in places[[c == "\n" for c in LINE]]:
                axes.axvline(place, color=GREY, linewidth=0.8, linestyle="--")
        rows[0].set_title(f"Unit {unit.layer}.{unit.unit}: {unit.feature}")
        rows[-1].set_xticks(places, [c.replace("\n", "↵") for c in LINE], fontsize=6.5)


def draw_layers(path: Path, found: list[Unit]) -> None:
    """Draw how closely the best unit of each layer follows each feature."""
    best: dict[str, dict[int, float]] = {}
    for unit in found:
        if unit.feature is not None:
            scores = best.setdefault(unit.feature, {})
            scores[unit.layer] = max(scores.get(unit.layer, 0.0), abs(unit.score))
    names = sorted(best, key=lambda name: max(best[name].values()))
    with picture(path, height=1.2 + 0.26 * len(names)) as axes:
        for layer, look in zip(sorted({unit.layer for unit in found}), looks(), strict=False):
            values = [best[name].get(layer, np.nan) for name in names]
            dots = look | {"linestyle": "none"}
            axes.plot(values, range(len(names)), **dots, label=f"layer {layer}")
        axes.set_yticks(range(len(names)), names)
        axes.set_xlim(0, 1)
        axes.set(xlabel="size of the correlation", title="The closest follower in each layer")
        axes.legend(loc="lower right")


def main() -> None:
    """Train what is missing, look inside, draw."""
    source, folder = Path(sys.argv[1]), Path(sys.argv[2])
    models, text = trained(source, folder), source.read_text("utf-8")
    first = round(0.9 * len(text))  # what was kept for validation begins here
    PICTURES.mkdir(exist_ok=True)
    horizon = inside.horizon(models["lstm"], text[first:], text[:first])
    draw_horizon(PICTURES / "horizon.svg", horizon)
    short = {
        name.removeprefix("lstm-"): inside.horizon(models[name], text[first:])
        for name in ("lstm-4", "lstm-64")
    }
    draw_pieces(PICTURES / "pieces.svg", short)
    cells = [models[cell] for cell in ("rnn", "gru", "lstm")]
    draw_gradients(PICTURES / "gradients.svg", inside.gradients(cells, text[first:]))
    for cell in ("gru", "lstm"):
        units = inside.units(models[cell], text[:LOOKED_AT])
        counts = [unit for unit in units if unit.feature == "characters since newline"]
        draw_gates(PICTURES / f"{cell}.svg", models[cell], (counts or units)[0])
    draw_units(PICTURES / "units.svg", units)
    draw_layers(PICTURES / "layers.svg", units)


if __name__ == "__main__":
    main()
