"""A text as a page that shows what each unit does at each character: one file that loads nothing.

model, ids ──page──▶ HTML with the numbers in bytes; page.js shows them
"""

from __future__ import annotations

import base64
import hashlib
import html
import json
import math
import zlib
from collections.abc import Callable, Sequence
from pathlib import Path
from string import Template
from typing import Any

import numpy as np
from numpy.typing import NDArray

from charrnn.arrays import Floats, Ids, softmax, target_log_probs
from charrnn.inside import counterfactuals
from charrnn.inside.counterfactuals import Trace
from charrnn.inside.lanes import shares
from charrnn.inside.showing import SCALES, cells, line_ends, scaled, shown_token
from charrnn.models.hooks import Cache
from charrnn.models.model import Model

__all__ = ["CHARACTERS", "csp_hash", "fitting", "page"]

CHARACTERS = 4000  # that a page shows by default, at most
# Numbers that a page holds by default, at most. Each has 7 bits, and is written in base 64: such a
# page is under 5 MB.
NUMBERS = 4_200_000
LIKELIEST = 5
WINDOW = 24  # characters before a prediction whose part in it is shown
LEVELS = 63  # steps of a value between 0 and 1

Data = dict[str, Any]  # what becomes JSON


def fitting(model: Model) -> int:
    """How many tokens a page shows by default: as many as fit with the gates."""
    size = model.config.num_layers * model.config.hidden_size * len(model.cell.quantities)
    return max(1, min(CHARACTERS, NUMBERS // size))


def page(
    model: Model,
    ids: Ids,
    title: str,
    facts: Sequence[str],
    progress: Callable[[float], object] | None = None,
) -> str:
    """The page.

    The state is always in it; the gates are if all of it then has at most `NUMBERS` numbers.

    Args:
        model: what reads.
        ids: (N,), the text; at least one.
        title: of the page.
        facts: lines above the text.
        progress: called with which share of the work was done since the last call.
    """
    done = shares(progress, len(ids) * (1 + WINDOW))  # tokens to be read
    size = len(ids) * model.config.num_layers * model.config.hidden_size
    whole = size * len(model.cell.quantities) <= NUMBERS
    shown = [
        name for name in SCALES if name in (model.cell.quantities if whole else model.cell.state)
    ]
    places = [place for place in model.places if place.rpartition("_")[2] in shown]
    trace = counterfactuals.read(model, ids, places)
    done(len(ids))
    mattered = counterfactuals.changes(trace, WINDOW, done)
    bits = np.append(np.nan, -target_log_probs(trace.logits[:-1], ids[1:]) / math.log(2))  # (N,)
    unit, notes = model.tokenizer.unit, list(facts)
    if np.isfinite(bits[1:]).any():
        notes.append(f"{np.nanmean(bits):.2f} bits per {unit}")
    if not whole:
        limit = NUMBERS // (size // len(ids) * len(model.cell.quantities))
        notes.append(f"The gates are left out; they fit for up to {limit:,} {unit}s.")
    if not np.isfinite(trace.logits).all():
        notes.append("The network has diverged: some of its values are not numbers.")
    return _html(title, notes, _data(model, trace, mattered, bits, shown))


def _data(
    model: Model,
    trace: Trace,
    mattered: tuple[Floats, Ids],
    bits: NDArray[np.floating],
    shown: list[str],
) -> Data:
    """What the script of the page works with; arrays are packed."""
    changes, stand_ins = mattered
    chances = softmax(trace.logits)  # (N, V)
    best = np.argsort(-chances, 1, kind="stable")[:, :LIKELIEST]  # (N, K)
    vocabulary = [shown_token(model.tokenizer, k) for k in range(model.tokenizer.vocab_size)]
    return {
        "cells": cells(model.tokenizer, trace.ids),
        "breaks": np.flatnonzero(line_ends(model.tokenizer, trace.ids)).tolist(),
        "unit": model.tokenizer.unit,
        "vocabulary": vocabulary,
        "layers": model.config.num_layers,
        "hidden": model.config.hidden_size,
        "likeliest": best.shape[1],
        "window": WINDOW,
        "levels": LEVELS,
        "quantities": [
            {
                "name": name,
                "scale": SCALES[name],
                "values": _pack(_levels(name, trace.cache, model)),
            }
            for name in shown
        ],
        "best": _pack(best.astype("<u4")),
        "chances": _pack(np.take_along_axis(chances, best, 1).astype("<f4")),
        "bits": _pack(bits.astype("<f4")),
        "changes": _pack((-changes / math.log(2)).astype("<f4")),  # bits that a token saves
        "standIns": _pack(stand_ins.astype("<u4")),
    }


def _levels(name: str, cache: Cache, model: Model) -> np.ndarray:
    """The values of a quantity as bytes (L, H, N): 64 for 0, 1 and 127 for ∓1, 0 for no number."""
    layers = [cache[f"layers.{k}.hook_{name}"] for k in range(model.config.num_layers)]
    values: Floats = np.stack(layers).transpose(0, 2, 1)  # (L, H, N)
    levels = np.rint(scaled(name, values) * LEVELS) + LEVELS + 1
    packed: np.ndarray = np.nan_to_num(levels, nan=0.0).astype(np.uint8)
    return packed


def _pack(values: np.ndarray) -> str:
    """An array's bytes, compressed, as text."""
    return base64.b64encode(zlib.compress(np.ascontiguousarray(values).tobytes(), 6)).decode()


def _html(title: str, notes: Sequence[str], data: Data) -> str:
    folder = Path(__file__).parent
    script, style, whole = (
        (folder / f"page.{suffix}").read_text("utf-8") for suffix in ("js", "css", "html")
    )
    # As text within a script element, JSON must not be able to end it.
    packed = json.dumps(data).replace("<", "\\u003c")
    policy = f"default-src 'none'; script-src {csp_hash(script)}; style-src {csp_hash(style)}"
    facts = "".join(f"<p>{html.escape(note)}</p>" for note in notes)
    return Template(whole).substitute(
        title=html.escape(title),
        policy=policy,
        style=style,
        facts=facts,
        data=packed,
        script=script,
    )


def csp_hash(content: str) -> str:
    """The expression with which a Content-Security-Policy allows just this script or style.

    See "CSP: hash usage" in CSP 3.
    """
    digest = base64.b64encode(hashlib.sha256(content.encode()).digest()).decode()
    return f"'sha256-{digest}'"
