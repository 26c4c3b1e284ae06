"""What a public function takes: arguments are checked against annotations when it is called.

@checked
def load(model: str | Path | None = None) -> Model: ...

load(b"book")    # UsageError: model is b'book'; it must be a string, a path or None
"""

from __future__ import annotations

import functools
import inspect
import math
import os
import reprlib
from collections.abc import Callable, Iterable, Sequence
from pathlib import Path
from types import NoneType, UnionType
from typing import Annotated, Any, Literal, TypeVar, Union, get_args, get_origin, get_type_hints

import msgspec

from charrnn.errors import UsageError
from charrnn.settings import in_words, plain

__all__ = ["checked"]

Function = TypeVar("Function", bound=Callable[..., Any])

# What people call a type, where that is not its name.
NAMES: dict[Any, str] = {
    NoneType: "None",
    bool: "true or false",
    float: "a number",
    int: "a whole number",
    str: "a string",
    Path: "a path",
    Iterable: "a list",
    Sequence: "a list",
}


def checked(function: Function) -> Function:
    """Refuse arguments of the wrong kind.

    NumPy's and PyTorch's numbers are as good as Python's. `**settings` are not looked at: their
    struct checks them. `function` is called only if all is well.

    Raises:
        UsageError: names the argument, and what it must be.
    """
    signature = inspect.signature(function)

    @functools.wraps(function)
    def call(*given: Any, **named: Any) -> Any:
        bound = signature.bind(*given, **named)
        for name, kind in _kinds(function).items():
            if name in bound.arguments:
                bound.arguments[name] = _argument(name, bound.arguments[name], kind)
        return function(*bound.args, **bound.kwargs)

    return call  # type: ignore[return-value]


@functools.cache
def _kinds(function: Callable[..., Any]) -> dict[str, Any]:
    """The annotation of each parameter; found at the first call, when all names are known."""
    hints = get_type_hints(function, include_extras=True)
    several = (inspect.Parameter.VAR_POSITIONAL, inspect.Parameter.VAR_KEYWORD)
    parameters = inspect.signature(function).parameters.values()
    return {p.name: hints[p.name] for p in parameters if p.name in hints and p.kind not in several}


def _argument(name: str, value: Any, kind: Any) -> Any:
    """`value`, or the plain number it stands for."""
    if _fits(value, kind):
        return value
    if _fits(found := plain(value), kind):
        return found
    raise UsageError(f"{name} is {reprlib.repr(value)}", f"it must be {_words(kind)}")


def _fits(value: Any, kind: Any) -> bool:
    origin, parts = get_origin(kind), get_args(kind)
    if origin in (Union, UnionType):
        return any(_fits(value, part) for part in parts)
    if origin is Literal:
        return isinstance(value, str) and value in parts
    if origin is Annotated:  # a number with bounds
        with_bounds = functools.partial(msgspec.convert, value, kind)
        return _fits(value, parts[0]) and _succeeds(with_bounds)
    if origin in (Sequence, Iterable):
        if not isinstance(value, origin) or isinstance(value, (str, bytes, dict)):
            return False
        if getattr(value, "shape", None) == ():  # an array of one number, which only looks iterable
            return False
        return origin is Iterable or all(_fits(item, parts[0]) for item in value)
    if kind is int:
        return isinstance(value, int) and not isinstance(value, bool)
    if kind is float:
        return isinstance(value, (int, float)) and type(value) is not bool and _is_finite(value)
    if kind is Path:
        return isinstance(value, os.PathLike)
    kind = origin or kind
    return isinstance(value, kind) if isinstance(kind, type) else True


def _succeeds(work: Callable[[], object]) -> bool:
    try:
        work()
    except msgspec.ValidationError:
        return False
    return True


def _is_finite(value: float) -> bool:
    try:
        return math.isfinite(value)
    except OverflowError:  # a whole number too large for a float
        return False


def _words(kind: Any) -> str:
    """What a value must be: "a string, a path or None"."""
    if get_origin(kind) not in (Union, UnionType):
        return _noun(kind)
    *first, last = dict.fromkeys(map(_noun, get_args(kind)))
    return f"{', '.join(first)} or {last}" if first else last


def _noun(kind: Any) -> str:
    if get_origin(kind) in (Annotated, Literal):
        return in_words(kind)
    kind = get_origin(kind) or kind
    name = kind.__name__
    return NAMES.get(kind) or f"{'an' if name[0] in 'AEIOU' else 'a'} {name}"
