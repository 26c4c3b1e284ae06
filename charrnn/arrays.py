"""The arrays that rooms hand to each other: their types, checks, and what several rooms make."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from contextlib import AbstractContextManager
from typing import Any, TypeVar

import numpy as np
from numpy.typing import NDArray

from charrnn.errors import UsageError
from charrnn.words import first_few

__all__ = [
    "Floats",
    "Ids",
    "Logits",
    "Places",
    "Reals",
    "Surprisals",
    "Weights",
    "checked_ids",
    "checked_state",
    "checked_weights",
    "code_points",
    "fix",
    "in_bytes",
    "log_softmax",
    "mean_log_probs",
    "mean_logits",
    "product",
    "softmax",
    "target_log_probs",
    "underflowing",
    "unflagged",
]

Ids = NDArray[np.int32]  # token ids, (N,) or (B, T)
Floats = NDArray[np.float32]  # weights, states, logits of a model
Logits = NDArray[np.floating]  # (..., V), unnormalised natural-log probabilities
Surprisals = NDArray[np.float32]  # (N,), nats: -log p of each token
Reals = NDArray[np.float64]  # counts, means and probabilities, which fp32 would round too much
Places = NDArray[np.intp]  # (N,), where something stands in another array
Number = TypeVar("Number", bound=np.floating)
Weights = dict[str, NDArray[np.float32]]  # by name; see `cells.layout`

BLOCK = 1 << 15  # numbers that are computed with at a time, so that they stay in the cache


def code_points(text: str) -> NDArray[np.uint32]:
    """The code points of `text`, lone surrogates among them: (N,)."""
    return np.frombuffer(text.encode("utf-32-le", "surrogatepass"), "<u4")


def underflowing() -> AbstractContextManager[object]:
    """Let numbers near 0 become 0, also in a program that has told NumPy to raise errors then."""
    return np.errstate(under="ignore")


def unflagged() -> AbstractContextManager[object]:
    """As `underflowing`, for products of matrices: OpenBLAS may flag right ones as invalid.

    With AVX-512, version 0.3.31 reads beyond a row of five numbers; if what stands there, by
    chance, is a signalling NaN, the processor notes it, though it has no part in the product.
    """
    return np.errstate(under="ignore", invalid="ignore")


def product(x: Floats, weights: Floats) -> Floats:
    """`x @ weights`, with the flags that mean something."""
    with unflagged():
        found: Floats = x @ weights
    return found


def softmax(logits: Logits) -> Logits:
    """The probabilities of `logits`, along the last axis."""
    with underflowing():
        exp: Logits = np.exp(logits - logits.max(-1, keepdims=True))
        exp /= exp.sum(-1, keepdims=True)
    return exp


def mean_log_probs(logits: Sequence[NDArray[Number]]) -> NDArray[Number]:
    """The logarithm of the mean of the probabilities that several logits (..., V) stand for."""
    each = [log_softmax(one) for one in logits]
    with underflowing():
        mean: NDArray[Number] = np.logaddexp.reduce(each) - np.float32(np.log(len(each)))
    return mean


def mean_logits(logits: Sequence[NDArray[Number]]) -> NDArray[Number]:
    """The logits (..., V) of that mean, on the mean level (log-sum-exp) of several logits.

    So a model beside itself gives its own logits, on whose level a repetition penalty depends.
    """
    with underflowing():
        levels = [np.logaddexp.reduce(one, -1, keepdims=True) for one in logits]
        found: NDArray[Number] = mean_log_probs(logits) + np.mean(levels, 0)
    return found


def log_softmax(logits: Logits) -> Logits:
    """The natural logarithms of the probabilities, along the last axis."""
    shifted: Logits = logits - logits.max(-1, keepdims=True)
    with underflowing():
        shifted -= np.log(np.exp(shifted).sum(-1, keepdims=True))
    return shifted


def target_log_probs(logits: Logits, targets: NDArray[np.integer]) -> NDArray[np.floating]:
    """The log-probabilities (...) that logits (..., V) give to targets (...)."""
    places = targets[..., None].astype(np.intp)
    chosen: NDArray[np.floating] = np.take_along_axis(log_softmax(logits), places, -1)[..., 0]
    return chosen


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


def in_bytes(matrix: Floats) -> tuple[NDArray[np.int8], Floats]:
    """A matrix (N, K) rounded to bytes from -127 to 127, and the scale (N,) of each row."""
    scale = np.maximum(matrix.max(1), -matrix.min(1)) / np.float32(127)
    scale[scale == 0] = 1
    rounded = np.empty(matrix.shape, np.int8)
    rows = max(1, BLOCK // matrix.shape[1])
    for first in range(0, len(matrix), rows):
        some = slice(first, first + rows)
        quotients = matrix[some] / scale[some, None]
        rounded[some] = np.rint(quotients, out=quotients)
    return rounded, scale


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
