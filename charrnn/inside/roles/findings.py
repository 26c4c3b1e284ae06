"""What each unit of a model stands for: the simple feature of the text that it follows, if any.

    units(model, text)    # one Unit for each unit of each layer, the closest follower first

Which feature a unit follows is decided on one half of the text, by correlation. How closely it does
is measured on the other half, beside the best that any unit reaches there by chance.
Karpathy, Johnson and Fei-Fei, "Visualizing and understanding recurrent networks", 2016.
"""

from __future__ import annotations

from collections.abc import Callable, Sequence
from typing import NamedTuple

import msgspec
import numpy as np
from numpy.typing import NDArray

from charrnn.arguments import checked
from charrnn.array_checks import refuse_diverged
from charrnn.arrays import Floats, Ids, code_points
from charrnn.config import Unknown
from charrnn.errors import UsageError
from charrnn.inside.lanes import shares, story_ids
from charrnn.inside.roles.ablation import Ablation
from charrnn.inside.roles.features import FEATURES
from charrnn.inside.roles.following import Following, by_chance, follow, likely_higher
from charrnn.models.model import Model
from charrnn.models.predictor import Predictor
from charrnn.scoring.lanes import WARM_UP
from charrnn.text.tokenizer import Tokenizer

__all__ = ["Passage", "Unit", "units"]

LEAST = 200  # tokens of a text that anything can be learnt from
# By how much a unit must do better than chance. Chance is measured on a sample of at most 65,536
# tokens, whose correlations are uncertain by 0.004 or more; and where a text repeats itself, it
# does as well as the unit, but for rounding.
MARGIN = 0.01
PASSAGES, BEFORE, AFTER = 5, 40, 10  # how many, and characters before and after each
# Each unit is taken away on so many tokens; on more the closest followers, and as many of those
# without which most is lost.
TOKENS, MORE_TOKENS, CLOSEST = 1024, 8192, 16
# Shares of the work, about: the text is read, every unit is taken away, and some on more tokens.
READING, EVERY, SOME = 0.2, 0.4, 0.4


class Passage(msgspec.Struct, frozen=True):
    """A place in a text where a unit is strong.

    Attributes:
        at: which character, from 0.
        value: the unit's h, once that character has been read.
        before: the text up to that character, and with it.
        after: what comes next.
    """

    at: int
    value: float
    before: str
    after: str


class Unit(msgspec.Struct, frozen=True, kw_only=True):
    """What a unit follows.

    Attributes:
        layer, unit: which it is, from 0.
        feature: the one that it follows; None if it follows none more closely than by chance.
        score: the correlation of its h with its best feature, on the half of the text that did not
            choose it; below 0 if it falls where the feature rises.
        shuffled: the largest that any unit reaches with that feature by chance; see `following`.
        auc: for a feature that is on or off: how likely the unit is higher where it is on.
        bits: what the model loses while the unit's h is held at its mean, in bits per character.
        tried_on: on how many tokens that was measured.
        passages: where it is strongest: highest if the score is above 0, else lowest.
    """

    layer: int
    unit: int
    feature: str | None
    score: float
    shuffled: float
    auc: float | None
    bits: float
    tried_on: int
    passages: tuple[Passage, ...]


@checked
def units(
    model: Predictor,
    text: str,
    *,
    unknown: Unknown = "error",
    progress: Callable[[float], object] | None = None,
) -> list[Unit]:
    """What each unit of each layer of a model stands for.

    Args:
        model: one model.
        text: some thousands of characters or more, such as the model knows.
        unknown: what to do with characters that it does not know.
        progress: called with which share of the work was done since the last call.

    Returns:
        units: all of them: those that follow something first, the closest first. Each is also
            taken away, on a sample of the text, which is larger for those that matter most.

    Raises:
        UsageError: for a mixture, a model of records or one that reads backwards, a text too short,
            or unknown characters if these are errors.
        BadDataError: if the values of the units are not numbers.
    """
    if not isinstance(model, Model):
        raise UsageError("units are those of one model", "name a single one")
    ids = story_ids(model, text, unknown, LEAST)  # (N,)
    read, middle = _Read(model.tokenizer, ids), len(ids) // 2
    ablation = Ablation(model, ids[middle:])
    best = _best(model, ids, read.features, shares(progress, len(ids) / READING))
    order = np.lexsort((-np.abs(best.scores), ~best.follows)).tolist()
    lost = _bits_lost(ablation, order, best.second.means, progress)
    return [_unit(model, read, best, u, *lost[u]) for u in order]


def _bits_lost(
    ablation: Ablation,
    order: Sequence[int],
    means: NDArray[np.float64],
    progress: Callable[[float], object] | None,
) -> dict[int, tuple[float, int]]:
    """What the model loses without each unit, in bits per character, and on how many tokens."""
    done = shares(progress, len(order) / EVERY)
    bits, tokens = ablation.bits_lost(order, means, TOKENS, done)
    lost = {u: (more, tokens) for u, more in bits.items()}
    dearest = sorted(order[CLOSEST:], key=lambda u: -bits[u])
    chosen = [*order[:CLOSEST], *dearest[:CLOSEST]]
    done = shares(progress, len(chosen) / SOME)
    bits, tokens = ablation.bits_lost(chosen, means, MORE_TOKENS, done)
    return lost | {u: (more, tokens) for u, more in bits.items()}


class _Best(NamedTuple):
    """The feature that each unit follows best; arrays (U,).

    Attributes:
        features: which, by the first half of the text.
        signs: 1 or -1, that of the correlation there.
        scores: the correlation on the second half.
        chance: what the best unit reaches there by chance.
        follows: whether the unit does better, by `MARGIN`.
        second: what the units do on that half.
    """

    features: NDArray[np.intp]
    signs: NDArray[np.integer]
    scores: NDArray[np.float64]
    chance: NDArray[np.float64]
    follows: NDArray[np.bool_]
    second: Following


def _best(model: Model, ids: Ids, values: Floats, done: Callable[[int], object]) -> _Best:
    """Choose a feature for each unit on the first half of a text, and score it on the second."""
    middle = len(ids) // 2
    # The rest of what is found there takes much memory, and is of no use.
    first = follow(model, ids[:middle], values[:middle], progress=done).correlations
    refuse_diverged(first, "the values of the units are")
    features = np.abs(first).argmax(1)
    every = np.arange(len(features))
    chosen = first[every, features]
    signs = np.where(chosen < 0, -1, 1)
    lead = min(middle, WARM_UP)
    second = follow(model, ids[middle - lead :], values[middle:], signs, lead, done)
    scores = second.correlations[every, features]
    chance = by_chance(second, values[middle:])[features]
    follows = (chosen != 0) & (scores * signs > chance + MARGIN)
    return _Best(features, signs, scores, chance, follows, second)


def _unit(model: Model, read: _Read, best: _Best, u: int, bits: float, tried_on: int) -> Unit:
    """What is known of unit u, counted over all layers."""
    layer, unit = divmod(u, model.config.hidden_size)
    name, follows = read.names[best.features[u]], bool(best.follows[u])
    start = len(read.owners) // 2
    auc = None
    if follows and name in read.on_off:
        on = read.features[start + best.second.at, best.features[u]] > 0
        auc = likely_higher(best.second.sample[:, u], on)
    return Unit(
        layer=layer,
        unit=unit,
        feature=name if follows else None,
        score=float(best.scores[u]),
        shuffled=float(best.chance[u]),
        auc=auc,
        bits=bits,
        tried_on=tried_on,
        passages=read.passages(best.second, u, start, int(best.signs[u])),
    )


class _Read:
    """A text as a model reads it, and which character each of its tokens belongs to.

    Args:
        tokenizer: of the ids.
        ids: (N,).
    """

    def __init__(self, tokenizer: Tokenizer, ids: Ids) -> None:
        if tokenizer.unit == "byte":
            self.text = ids.astype(np.uint8).tobytes().decode("utf-8", "surrogateescape")
            codes = code_points(self.text)
            sizes = 1 + (codes >= 0x80) + (codes >= 0x800) + (codes >= 0x10000)
            sizes[(codes >= 0xD800) & (codes < 0xE000)] = 1  # a byte that is no text
            self.owners = np.repeat(np.arange(len(codes)), sizes)  # (N,)
        else:
            self.text = tokenizer.decode(ids)
            self.owners = np.arange(len(ids))
        each = {name: feature(self.text) for name, feature in FEATURES.items()}
        self.names = list(each)
        self.on_off = {name for name, values in each.items() if values.dtype == bool}
        columns = [values.astype(np.float32) for values in each.values()]
        self.features: Floats = np.stack(columns, 1)[self.owners]  # (N, F)

    def passages(self, found: Following, u: int, start: int, sign: int) -> tuple[Passage, ...]:
        """Where unit u is strongest, in a part of the text that begins at a token."""
        places: list[Passage] = []
        for peak in np.argsort(-found.peaks[:, u], kind="stable"):
            at = int(self.owners[start + found.peaks_at[peak, u]])
            if all(abs(at - other.at) > BEFORE for other in places):
                before = self.text[max(0, at - BEFORE + 1) : at + 1]
                value = float(found.peaks[peak, u]) * sign
                places.append(Passage(at, value, before, self.text[at + 1 : at + 1 + AFTER]))
            if len(places) == PASSAGES:
                break
        return tuple(places)
