"""What a setting is, and what is made from it.

    class TrainConfig(Settings):
        batch_size: Annotated[int, Meta(ge=1), about("Number of lanes read side by side.")]

Such a field becomes an option of the command line (`terminal.options`), a parameter in the
signature and a line in the docstring of each function that takes it among its `**settings`
(`takes`), the bounds in error messages, and a row of docs/reference.md. The settings themselves
are in `config` and `use_config`.
"""

from __future__ import annotations

import inspect
import math
import re
import reprlib
from collections.abc import Callable, Iterable, Mapping, Sequence
from functools import cache
from typing import (
    Annotated,
    Any,
    Literal,
    NamedTuple,
    TypeVar,
    get_args,
    get_origin,
    get_type_hints,
)

import msgspec
from msgspec import NODEFAULT, Meta
from msgspec import inspect as types

from charrnn.errors import UsageError

__all__ = [
    "Setting",
    "Settings",
    "about",
    "bounds",
    "check",
    "choices",
    "document",
    "fields_of",
    "in_words",
    "plain",
    "refuse_unknown",
    "requirement",
    "settings_from",
    "settings_of",
    "takes",
]


def about(help: str, *options: str, unset: str = "", cli: str = "", derived: bool = False) -> Meta:  # noqa: A002
    """Describe a field: the last part of its annotation.

    Args:
        help: what it is, in one line.
        options: its names on the command line; by default `--` and the field's name.
        unset: what applies where it is not set, in words, if that is not the field's default.
        cli: what to add to `help` on the command line.
        derived: whether it follows from the text or the task, so that no user sets it.
    """
    extra = {"help": help, "options": options, "unset": unset, "cli": cli, "derived": derived}
    return Meta(description=help, extra=extra)


class Settings(msgspec.Struct, frozen=True, kw_only=True, forbid_unknown_fields=True):
    """Base of the settings: bounds hold however one is made, and JSON is strict.

    Raises:
        UsageError: if a value is outside its bounds; names the setting and the bounds.
    """

    def __post_init__(self) -> None:
        values = {name: getattr(self, name) for name in self.__struct_fields__}
        for name, value in check(type(self), values).items():
            msgspec.structs.force_setattr(self, name, value)

    def __hash__(self) -> int:
        values = msgspec.structs.astuple(self)
        return hash(tuple(value for value in values if not isinstance(value, dict)))


AnySettings = TypeVar("AnySettings", bound=Settings)
Function = TypeVar("Function", bound=Callable[..., Any])


class Setting(NamedTuple):
    """A field of a settings struct, with what `about` says of it.

    Attributes:
        name: of the field, and of the keyword argument.
        annotation: the type with its bounds and description.
        type: the type alone.
        default: `msgspec.NODEFAULT` if there is none.
        help, options, unset, cli, derived: see `about`.
    """

    name: str
    annotation: Any
    type: Any
    default: Any
    help: str
    options: tuple[str, ...]
    unset: str
    cli: str
    derived: bool

    @property
    def shown_default(self) -> str:
        """What applies when nobody sets it, in words; empty if nothing does."""
        if self.default is True:
            return self.unset or "yes"
        nothing = self.default in (NODEFAULT, None, "", ()) or self.default is False
        return self.unset or ("" if nothing else str(self.default))


@cache
def settings_of(*kinds: type[Settings]) -> tuple[Setting, ...]:
    """The fields of `kinds` that a user can set; of two with one name, the first."""
    found: dict[str, Setting] = {}
    for setting in (setting for kind in kinds for setting in fields_of(kind)):
        if not setting.derived:
            found.setdefault(setting.name, setting)
    return tuple(found.values())


@cache
def fields_of(kind: type[Settings]) -> tuple[Setting, ...]:
    """All fields of `kind`, including those that no user sets."""
    found = []
    hints = get_type_hints(kind)
    for field in _fields(kind):
        extra: dict[str, Any] = dict(field.type.__metadata__[-1].extra)  # `about` stands last
        extra["options"] = extra["options"] or (f"--{field.name.replace('_', '-')}",)
        found.append(Setting(field.name, field.type, hints[field.name], field.default, **extra))
    return tuple(found)


@cache  # takes milliseconds
def _fields(kind: type[Settings]) -> tuple[msgspec.structs.FieldInfo, ...]:
    return msgspec.structs.fields(kind)


def settings_from(kind: type[AnySettings], values: Mapping[str, Any]) -> AnySettings:
    """`kind(**values)`, with unknown names refused as the user's mistake.

    Raises:
        UsageError: for a name that `kind` lacks, or a value out of bounds.
    """
    refuse_unknown(values, fields_of(kind))
    return kind(**values)


def refuse_unknown(names: Iterable[str], known: Sequence[Setting]) -> None:
    """Refuse names of settings that there are not.

    Raises:
        UsageError: for those that are none of `known`; says what the command line's are in Python.
    """
    own = [setting.name for setting in known]
    unknown = sorted(set(names) - set(own))
    if not unknown:
        return
    called = {one.lstrip("-").replace("-", "_"): s.name for s in known for one in s.options}
    meant = [f"{name} is {called[name]} in Python" for name in unknown if name in called]
    advice = [", ".join(meant)] if meant else []
    if len(meant) < len(unknown):
        advice.append(f"choose from {', '.join(own)}")
    raise UsageError(f"unknown setting {', '.join(unknown)}", "; ".join(advice))


def plain(value: Any) -> Any:
    """A number or array of NumPy or PyTorch, or a list, as Python's number or tuple.

    So are the items of a list or a tuple, lists in it too, and the values of a dict.
    """
    value = _number(value)
    if isinstance(value, dict):
        return {name: _number(one) for name, one in value.items()}
    return tuple(map(plain, value)) if isinstance(value, (list, tuple)) else value


def _number(value: Any) -> Any:
    if hasattr(value, "dtype") and hasattr(value, "tolist") and not isinstance(value, type):
        return value.tolist()
    return value


def check(kind: type[Settings], values: Mapping[str, Any]) -> dict[str, Any]:
    """Check values against the bounds of the settings of `kind`.

    Returns:
        checked: those that are settings of `kind`, each of the type that the setting has.

    Raises:
        UsageError: for the first that is out of bounds; names the setting and the bounds.
    """
    checked: dict[str, Any] = {}
    for field in _fields(kind):
        if field.name not in values:
            continue
        value = plain(values[field.name])
        try:
            checked[field.name] = msgspec.convert(value, field.type)
        except msgspec.ValidationError as error:
            if isinstance(value, tuple) and "" in value:
                raise UsageError(
                    f"{field.name} has an empty text", "leave it out", field.name
                ) from None
            expected = requirement(field.type) or str(error).replace("`", "")
            shown = repr(value) if len(repr(value)) < LONG else reprlib.repr(value)
            raise UsageError(f"{field.name} is {shown}", expected, field.name) from None
        several = tuple(value.values()) if isinstance(value, dict) else value
        numbers = several if isinstance(several, tuple) else (value,)
        if any(isinstance(n, float) and not math.isfinite(n) for n in numbers):
            raise UsageError(f"{field.name} is {value!r}", "it must be a finite number", field.name)
    return checked


LONG = 80  # characters of a value that are shown in full


NOUNS: dict[type[types.Type], str] = {
    types.BoolType: "true or false",
    types.DictType: "a number for each name",
    types.FloatType: "a number",
    types.IntType: "a whole number",
    types.StrType: "text",
}


def requirement(annotation: Any) -> str:
    """What a value must be, as advice; empty for types that no user sets."""
    if values := choices(annotation):
        return f"choose from {', '.join(values)}"
    value = in_words(annotation)
    return f"it must be {value}" if value else ""


def in_words(annotation: Any) -> str:
    """The type and bounds of an annotation in words: "a whole number, at least 1"."""
    if values := choices(annotation):
        return f"{', '.join(values[:-1])} or {values[-1]}"
    first, *others = _alternatives(types.type_info(annotation))
    tuples = isinstance(first, types.VarTupleType)
    noun = NOUNS.get(type(first.item_type if isinstance(first, types.VarTupleType) else first))
    if noun is None:
        return ""
    limits = bounds(annotation)
    several = ", or a tuple of them" if others else ""
    noun = f"a tuple of {noun.removeprefix('a ')}s" if tuples else noun
    return f"{noun}{', ' * bool(limits)}{limits}{several}"


def choices(annotation: Any) -> tuple[str, ...]:
    """The values that an annotation lists; empty if it lists none."""
    if get_origin(annotation) is Annotated:
        return choices(get_args(annotation)[0])
    if get_origin(annotation) is not Literal and type(None) in get_args(annotation):
        return choices(next(kind for kind in get_args(annotation) if kind is not type(None)))
    return tuple(map(str, get_args(annotation))) if get_origin(annotation) is Literal else ()


def bounds(annotation: Any) -> str:
    """The bounds of a number in words; empty if there are none."""
    found = _alternatives(types.type_info(annotation))[0]
    if isinstance(found, types.VarTupleType):
        found = found.item_type
    if isinstance(found, types.StrType):
        return "not empty" if found.min_length else ""
    if not isinstance(found, (types.IntType, types.FloatType)):
        return ""
    if found.ge is not None and found.le is not None:
        return f"from {_shown(found.ge)} to {_shown(found.le)}"
    limits = {"at least": found.ge, "above": found.gt, "at most": found.le, "below": found.lt}
    return " and ".join(f"{word} {_shown(n)}" for word, n in limits.items() if n is not None)


def _alternatives(found: types.Type) -> tuple[types.Type, ...]:
    """The types that a value may have, apart from None."""
    if isinstance(found, types.Metadata):
        return _alternatives(found.type)
    if isinstance(found, types.UnionType):
        return tuple(one for part in found.types for one in _alternatives(part))
    return () if isinstance(found, types.NoneType) else (found,)


def _shown(number: float) -> str:
    return "2**63 - 1" if number == 2**63 - 1 else f"{number:,}"


def document(kind: type[AnySettings]) -> type[AnySettings]:
    """Give the docstring of `kind` its list of attributes."""
    lines = "".join(f"    {setting.name}: {setting.help}\n" for setting in fields_of(kind))
    kind.__doc__ = f"{inspect.cleandoc(kind.__doc__ or '')}\n\nAttributes:\n{lines}"
    return kind


def takes(*kinds: type[Settings]) -> Callable[[Function], Function]:
    """Show the settings of `kinds` in the signature and docstring of a function of `**settings`.

    Parameters that the function has itself stay as they are. Settings that training chooses
    default to None.
    """

    def describe(function: Function) -> Function:
        signature = inspect.signature(function)
        *named, rest = signature.parameters.values()
        assert rest.kind is rest.VAR_KEYWORD, f"{function.__name__} takes no **settings"
        added = [s for s in settings_of(*kinds) if s.name not in signature.parameters]
        shown = signature.replace(parameters=[*named, *map(_keyword, added)])
        function.__signature__ = shown  # type: ignore[attr-defined]
        lines = "".join(f"    {s.name}: {s.help}\n" for s in added)
        # The signature has them instead of one parameter `settings`.
        own = re.sub(r"\n    settings: .*(\n {8}.*)*", "", inspect.cleandoc(function.__doc__ or ""))
        function.__doc__ = f"{own}\n\nSettings:\n{lines}"
        return function

    return describe


def _keyword(setting: Setting) -> inspect.Parameter:
    """The parameter of a function for a setting."""
    chosen = setting.unset or setting.default is NODEFAULT
    return inspect.Parameter(
        setting.name,
        inspect.Parameter.KEYWORD_ONLY,
        default=None if chosen else setting.default,
        annotation=setting.type | None if chosen else setting.type,
    )
