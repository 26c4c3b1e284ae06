"""What a public function takes: arguments are checked against annotations when it is called.

@checked
def load(model: str | Path | None = None) -> Model: ...

load(b"book")    # UsageError: model is b'book'; it must be a string, a path or None

Whatever stands for a path, such as an `os.DirEntry`, arrives as a `Path`.
"""

from __future__ import annotations

import functools
import inspect
import math
import operator
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
}
# Classes that users can't import, and those of them that they can, which `charrnn.load` returns.
LOADED = {"Predictor": ("Model", "Mixture")}


def checked(function: Function) -> Function:
    """Refuse arguments of the wrong kind.

    NumPy's and PyTorch's numbers are as good as Python's, and every `os.PathLike` of text is as
    good as a `Path`: `function` gets these. It is called only if all is well. `**settings` are not
    looked at: their struct checks them.

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
    """`value`, or the plain number or the path it stands for."""
    if _fits(value, kind):
        return _with_paths(value) if _takes_paths(kind) else value
    if _fits(found := plain(value), kind):
        return found
    raise UsageError(f"{name} is {_Shown().repr(value)}", f"it must be {_words(kind)}")


class _Shown(reprlib.Repr):
    """Values as users write them, and all others by their type."""

    def repr_instance(self, x: Any, level: int) -> str:
        shown = super().repr_instance(x, level)
        # Asked of the whole: the middle of what is long is left out of `shown`.
        return _noun(type(x)) if shown.startswith("<") or "\n" in repr(x) else shown


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
        shape = getattr(value, "shape", None)
        if isinstance(shape, tuple) and len(shape) != 1:  # a number, or a table of named columns
            return False
        return origin is Iterable or all(_fits(item, parts[0]) for item in value)
    if kind is int:
        return isinstance(value, int) and not isinstance(value, bool)
    if kind is float:
        return isinstance(value, (int, float)) and type(value) is not bool and _is_finite(value)
    if kind is Path:
        return isinstance(value, os.PathLike) and _is_text(value)
    kind = origin or kind
    return isinstance(value, kind) if isinstance(kind, type) else True


def _is_text(path: os.PathLike[Any]) -> bool:
    """Whether a path is a string: some are bytes."""
    try:
        return isinstance(os.fspath(path), str)
    except TypeError:  # it is nothing that a path can be
        return False


def _takes_paths(kind: Any) -> bool:
    return kind is Path or any(map(_takes_paths, get_args(kind)))


def _with_paths(value: Any) -> Any:
    """`value`, or the list that it is, with a `Path` for all that stands for one."""
    if isinstance(value, Sequence) and not isinstance(value, (str, bytes)):
        found = [_as_path(item) for item in value]
        return value if all(map(operator.is_, found, value)) else found
    return _as_path(value)


def _as_path(value: Any) -> Any:
    return Path(value) if isinstance(value, os.PathLike) and not isinstance(value, Path) else value


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
    source = ", as charrnn.load returns" if _is_loaded(kind) else ""
    return _either(map(_noun, _parts(kind))) + source


def _is_loaded(kind: Any) -> bool:
    return getattr(kind, "__name__", "") in LOADED or any(map(_is_loaded, get_args(kind)))


def _either(nouns: Iterable[str]) -> str:
    *first, last = dict.fromkeys(nouns)
    comma = "," if any(" or " in noun for noun in (*first, last)) else ""
    return f"{', '.join(first)}{comma} or {last}" if first else last


def _parts(kind: Any) -> Sequence[Any]:
    """The types of a union, or those that users know of one; any other is alone."""
    if get_origin(kind) in (Union, UnionType):
        return get_args(kind)
    return LOADED.get(getattr(kind, "__name__", ""), [kind])


def _noun(kind: Any) -> str:
    if get_origin(kind) in (Annotated, Literal):
        return in_words(kind)
    kind, items = get_origin(kind) or kind, get_args(kind)
    if kind in (Sequence, Iterable):
        return f"a list of {_either(map(_plural, _parts(items[0])))}"
    name = kind if isinstance(kind, str) else kind.__name__
    return NAMES.get(kind) or f"{'an' if name[0] in 'AEIOUaeiou' else 'a'} {name}"


def _plural(kind: Any) -> str:
    """What several are called: "strings"."""
    if get_origin(kind) in (Sequence, Iterable):
        return _noun(kind).replace("a list", "lists", 1)
    return f"{_noun(kind).removeprefix('a ').removeprefix('an ')}s"
