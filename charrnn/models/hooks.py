"""A model watched while it reads: the places that it shows, and hooks on them.

    logits, state = model(ids, state, watch)    # watch(place, t, value (B, H)) → value (B, H)

Places have TransformerLens's names. `hook_embed` is what the first layer reads, `layers.0.hook_h` a
quantity of that layer's cell, `layers.0.hook_out` what the layer hands on: h, plus what it read if
it has a skip. The value at t is the one after the network has read token t.
"""

from __future__ import annotations

import inspect
import re
from collections.abc import Callable, Iterable, Iterator, Sequence
from difflib import get_close_matches
from typing import Any, NamedTuple, Protocol

import numpy as np

from charrnn.arrays import Floats
from charrnn.cells.rules import Cell, See, unseen
from charrnn.errors import UsageError

__all__ = [
    "Cache",
    "Hook",
    "HookFunction",
    "Hooks",
    "NamesFilter",
    "Recorder",
    "Watch",
    "chosen_places",
    "later",
    "places_of",
    "see_of",
    "watched",
    "within",
]

Watch = Callable[[str, int, Floats], Floats]  # (place, time step, value) to the one to go on with
Cache = dict[str, Floats]  # by place
NamesFilter = str | Iterable[str] | Callable[[str], bool] | None

EMBED, OUT = "hook_embed", "hook_out"


class Hook(NamedTuple):
    """Where a hook is called.

    Attributes:
        name: of the place, such as `layers.0.hook_h`.
        layer: from 0; None for the embedding.
        position: which token of the text was read last, from 0.
    """

    name: str
    layer: int | None
    position: int


class HookFunction(Protocol):
    """What a user hangs on a place."""

    def __call__(self, value: Floats, /, *, hook: Hook) -> Any:
        """The value to go on with, or None for the one that is there.

        Args:
            value: (H,), or (B, H) where several sequences are read; a copy.
            hook: where this is.
        """


def places_of(cell: Cell, num_layers: int) -> list[str]:
    """The places of a model, from the text to the prediction."""
    names = [f"hook_{name}" for name in cell.quantities] + [OUT]
    return [EMBED, *(f"layers.{k}.{name}" for k in range(num_layers) for name in names)]


def chosen_places(places: Sequence[str], wanted: NamesFilter) -> list[str]:
    """Those of `places` that are wanted: all for None; else by name, names, or a predicate.

    Raises:
        UsageError: for a name that is none of them, or a predicate that is true for none.
    """
    if wanted is None:
        return list(places)
    if callable(wanted) and not isinstance(wanted, type):
        found = [place for place in places if wanted(place)]
        if not found:
            raise UsageError("the filter chooses no place", f"choose from {', '.join(places)}")
        return found
    names = [wanted] if isinstance(wanted, str) else _listed(wanted)
    for name in names:
        if name not in places:
            near = get_close_matches(str(name), places, 3) or places
            raise UsageError(f"the model has no place {name!r}", f"choose from {', '.join(near)}")
    return [place for place in places if place in names]


def _listed(wanted: object) -> list[object]:
    if not isinstance(wanted, (list, tuple, set, frozenset, Iterator)):
        found = f"places are chosen by {type(wanted).__name__}"
        raise UsageError(found, "give a name, several names or a predicate")
    return list(wanted)


class Recorder:
    """A `Watch` that keeps what it sees.

    Args:
        names: the places to record.
        batch: B, how many sequences are read.
        steps: N, how many tokens of each.
    """

    def __init__(self, names: Iterable[str], batch: int, steps: int) -> None:
        self.names = frozenset(names)
        self.shape = batch, steps
        self.values: Cache = {}  # (B, N, H) each

    def __call__(self, name: str, t: int, value: Floats) -> Floats:
        """Note `value`, and change nothing."""
        if name in self.names:
            if name not in self.values:
                self.values[name] = np.empty((*self.shape, value.shape[-1]), np.float32)
            self.values[name][:, t] = value
        return value


class Hooks:
    """A `Watch` that calls users' functions.

    Args:
        hooks: pairs of a place, or a predicate of places, and a function.
        places: those of the model.
        alone: whether the functions get one sequence (H,) instead of several (B, H).

    Raises:
        UsageError: for a place that is none, or a function that can't be called as `HookFunction`.
    """

    def __init__(
        self,
        hooks: Iterable[tuple[str | Callable[[str], bool], HookFunction]],
        places: Sequence[str],
        *,
        alone: bool,
    ) -> None:
        self.alone = alone
        self.functions: dict[str, list[HookFunction]] = {}
        for wanted, function in _pairs(hooks):
            for place in chosen_places(places, wanted):
                _refuse_uncallable(function, place)
                self.functions.setdefault(place, []).append(function)

    def __call__(self, name: str, t: int, value: Floats) -> Floats:
        """What the functions of this place make of `value`, one after the other.

        Raises:
            UsageError: if one returns something of another shape, or no real numbers.
        """
        for function in self.functions.get(name, ()):
            given = value[0].copy() if self.alone else value.copy()
            layer = re.search(r"layers\.(\d+)", name)
            answer = function(given, hook=Hook(name, int(layer[1]) if layer else None, t))
            if answer is None:
                continue
            after = _reals(answer)
            if after is None:
                kind = answer.dtype if isinstance(answer, np.ndarray) else type(answer).__name__
                advice = f"return real numbers, {given.shape}, or None to change nothing"
                raise UsageError(f"a hook on {name} returned {kind}", advice)
            if after.shape != given.shape:
                found = f"a hook on {name} returned the shape {after.shape}"
                raise UsageError(found, f"return {given.shape}, or None to change nothing")
            value = after[None] if self.alone else after
        return value


def _refuse_uncallable(function: HookFunction, place: str) -> None:
    """Say so before a text is read if a function does not take what hooks are given."""
    try:
        signature = inspect.signature(function, follow_wrapped=False)  # what is called
    except (TypeError, ValueError):  # some that are written in C tell nothing
        return
    try:
        signature.bind(None, hook=None)
    except TypeError:
        found = f"a hook on {place} takes {signature}"
        raise UsageError(found, "it must take (value, *, hook)") from None


def _reals(answer: object) -> Floats | None:
    """What a hook returned, in float32; None if that is anything else than real numbers."""
    try:
        found = np.asarray(answer)
        return found.astype(np.float32, copy=False) if found.dtype.kind in "biuf" else None
    except (TypeError, ValueError, RuntimeError):  # lists of lists, tensors elsewhere
        return None


def _pairs(hooks: object) -> list[tuple[NamesFilter, HookFunction]]:
    """The pairs of a place and a function, found to be such."""
    pairs: list[Any] = list(hooks) if isinstance(hooks, (list, tuple, Iterator)) else [None]
    for pair in pairs:
        if not isinstance(pair, (list, tuple)) or len(pair) != 2 or not callable(pair[1]):
            raise UsageError(
                "hooks are not pairs of a place and a function", "give a list of these"
            )
    return pairs


def see_of(watch: Watch | None, layer: int, t: int) -> See:
    """How the cell of a layer shows its quantities at step t."""
    if watch is None:
        return unseen
    return lambda name, value: watch(f"layers.{layer}.hook_{name}", t, value)


def watched(watch: Watch | None, name: str, x: Floats) -> Floats:
    """A sequence (B, T, H) as `watch` leaves it; the array itself if nothing changes."""
    if watch is None:
        return x
    after = x
    for t in range(x.shape[1]):
        given = x[:, t]
        value = watch(name, t, given)
        if value is not given:
            after = x.copy() if after is x else after
            after[:, t] = value
    return after


def later(watch: Watch, steps: int) -> Watch:
    """`watch` for a part of a text that begins after so many steps."""
    return lambda name, t, value: watch(name, steps + t, value)


def within(watch: Watch | None, prefix: str) -> Watch | None:
    """`watch` for a part of a model: its places have names that begin with `prefix`."""
    return watch and (lambda name, t, value: watch(prefix + name, t, value))
