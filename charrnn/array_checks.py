"""Arrays that someone gave or a model computed, refused if they can't be used."""

from __future__ import annotations

from collections.abc import Mapping
from typing import Any

import numpy as np
from numpy.typing import NDArray

from charrnn.arrays import Floats, Ids, Weights
from charrnn.errors import BadDataError, UsageError
from charrnn.words import first_few

__all__ = ["checked_ids", "checked_state", "checked_weights", "fix", "refuse_diverged"]


def checked_ids(ids: Any, vocab_size: int, *axes: int) -> Ids:
    """Token ids that someone gave: an array, or lists, of so many `axes`, or of so many.

    Raises:
        UsageError: if they are anything else than whole numbers from 0 to V-1 on such axes.
    """
    try:
        found = np.asarray(ids)
    except (ValueError, TypeError, RuntimeError):  # lists of different lengths, tensors elsewhere
        found = np.array(None)
    if not found.size and found.dtype.kind == "f":
        found = found.astype(np.int32)  # an empty list is one of floats to NumPy
    whole = found.dtype.kind in "iu" and found.ndim in axes
    if not whole or (found.size and not 0 <= found.min() <= found.max() < vocab_size):
        what = f"ids from {found.min()} to {found.max()}" if whole else _kind_of(ids)
        shape = " or ".join(("()", "(N,)", "(B, T)")[number] for number in axes)
        raise UsageError(
            f"{what} can't be read", f"ids are whole numbers from 0 to {vocab_size - 1}, {shape}"
        )
    return found.astype(np.int32, copy=False)


def checked_state(state: Any, parts: int, shape: tuple[int, ...]) -> tuple[Floats, ...]:
    """The state of a model that someone gave.

    Raises:
        UsageError: if it is not a tuple of so many arrays of this shape.
    """
    several = isinstance(state, (tuple, list))
    arrays = tuple(part for part in state if isinstance(part, np.ndarray)) if several else ()
    fits = several and len(arrays) == len(state) == parts
    if not fits or any(part.dtype.kind != "f" or part.shape != shape for part in arrays):
        kinds = [_kind_of(part) for part in state] if several else []
        found = f"a state of {first_few(kinds)}" if kinds else _kind_of(state)
        advice = f"begin with model.start(B), or give {parts} arrays {shape}, as a call returns"
        if any(kind.startswith("torch.") for kind in kinds):
            advice = "make arrays of the tensors, with part.numpy(force=True)"
        raise UsageError(f"{found} does not fit the model", advice)
    return arrays


def checked_weights(weights: Any, shapes: Mapping[str, tuple[int, ...]]) -> Weights:
    """The weights of a model that someone gave, in float32, as arrays that nobody can write to.

    Those that somebody could write to are copied.

    Raises:
        UsageError: for the first that is missing, is one too many, has another shape, or is not an
            array of floats.
    """
    given: Mapping[str, Any] = weights if isinstance(weights, Mapping) else {}
    for name, shape in shapes.items():
        found = given.get(name)
        array = found if isinstance(found, np.ndarray) else np.array(None)
        if array.dtype.kind != "f" or array.shape != shape:
            advice = f"it must be an array of NumPy, {shape}, of floats"
            kind = "missing" if name not in given else _kind_of(found)
            raise UsageError(f"weight {name} is {kind}", advice)
    for name in given:
        if name not in shapes:
            raise UsageError(f"there is a weight {name}", "the shape of the model has none")
    return {name: _fixed(given[name]) for name in shapes}


def refuse_diverged(numbers: NDArray[np.floating], what: str = "the model predicts") -> None:
    """Refuse what a model computed, numbers of any shape, if one is NaN or infinite.

    Raises:
        BadDataError: whose message begins with `what`.
    """
    if not np.isfinite(numbers).all():
        advice = "its training has diverged: train again with a lower learning rate"
        raise BadDataError(f"{what} NaN or infinity", advice)


def fix(weights: Weights) -> None:
    """Let nobody write to these arrays any more; for a caller who alone holds them."""
    for values in weights.values():
        for array in _with_owners(values):
            array.flags.writeable = False


def _fixed(values: NDArray[Any]) -> Floats:
    """An array as one of float32 that nobody can write to; itself if it is one."""
    if values.dtype == np.float32 and not any(a.flags.writeable for a in _with_owners(values)):
        return values
    fixed = np.array(values, np.float32)
    fixed.flags.writeable = False
    return fixed


def _with_owners(values: NDArray[Any]) -> list[NDArray[Any]]:
    """An array, and those that it is a view of."""
    found, owner = [], values
    while isinstance(owner, np.ndarray):
        found.append(owner)
        owner = owner.base  # type: ignore[assignment]
    return found


def _kind_of(value: Any) -> str:
    """What a value is, in words: its shape if it is an array, else its type."""
    shape, dtype = getattr(value, "shape", None), getattr(value, "dtype", None)
    return f"{type(value).__name__}" if shape is None else f"{dtype} of shape {tuple(shape)}"
