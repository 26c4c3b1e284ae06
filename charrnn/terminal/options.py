"""The options that several commands have, and those that are made from the settings.

@with_settings(EvalConfig)
def evaluate(text: TextArgument, **given: Any) -> None:
    config = take(EvalConfig, given)
"""

from __future__ import annotations

import functools
import inspect
import os
import re
from collections.abc import Callable, Iterable, Sequence
from typing import Annotated, Any, TypeVar

import typer

from charrnn.config import (
    HUB,
    STANDARD_INPUT,
    Budget,
    ModelConfig,
    Reading,
    TaskSettings,
    TrainConfig,
    Unknown,
)
from charrnn.errors import MissingInputError, UsageError
from charrnn.settings import Setting, Settings, bounds, settings_from, settings_of
from charrnn.use_config import SETTINGS

__all__ = [
    "ONE_MODEL",
    "JsonOption",
    "ModelArgument",
    "UnknownOption",
    "as_text",
    "models_and_texts",
    "names_a_file",
    "option_names",
    "several_models",
    "take",
    "with_settings",
]

# What is meant as the name of a file, whether it is there or not. Of two or three words, that is so
# of tables alone: a sentence, which is a text, may end with a name.
FILE_NAME = re.compile(
    r"\S+\.(txt|conll|csv|tsv|jsonl?|ndjson|parquet|x?html?|srt|vtt|epub|docx"
    r"|gz|bz2|xz|zstd?|zip|tar|tgz|tbz2|txz)"
    r"|\S+(\s+\S+){1,2}\.(conll|csv|tsv|jsonl|ndjson|parquet)",
    re.IGNORECASE,
)

A_MODEL = "A model folder, the name of one in checkpoints/, or hf://OWNER/NAME"
NEWEST = "[default: the newest in checkpoints/]"
ONE_MODEL = typer.Argument(metavar="[MODEL]", help=f"{A_MODEL}.  {NEWEST}")
ModelArgument = Annotated[str | None, ONE_MODEL]
UnknownOption = Annotated[
    Unknown, typer.Option(help="What to do with characters that the model does not know.")
]
JsonOption = Annotated[bool, typer.Option("--json", help="Print JSON on standard output.")]

# Where a comma may stand for the point of a decimal fraction, as it does in much of the world.
DECIMAL_COMMA = re.compile(r"\s*\d+,\d+\s*")

# The sections of a command's help in which settings stand that are not its own.
PANELS: dict[type[Settings], str] = {
    Budget: "Length of the run",
    TaskSettings: "Other tasks",
    ModelConfig: "Network",
    TrainConfig: "Training",
    Reading: "Reading of texts",
}

AnySettings = TypeVar("AnySettings", bound=Settings)
Command = Callable[..., None]


def several_models(use: str) -> Any:
    """An argument that names any number of models; `use` says what becomes of several."""
    return typer.Argument(metavar="[MODEL]...", help=f"{A_MODEL}; {use}.  {NEWEST}")


def with_settings(
    *kinds: type[Settings], leave_out: Sequence[str] = ()
) -> Callable[[Command], Command]:
    """Give a command an option for each setting of `kinds` but those to leave out.

    The command receives in `**given` those that the user gave, and no others. Its help lists them
    between its positional and its keyword-only parameters.
    """
    settings = [setting for setting in settings_of(*kinds) if setting.name not in leave_out]
    # Of two settings of one name, the first is the command's.
    panels = {one.name: PANELS.get(kind) for kind in reversed(kinds) for one in settings_of(kind)}
    options = [_option(setting, panels[setting.name]) for setting in settings]

    def prepare(command: Command) -> Command:
        signature = inspect.signature(command, eval_str=True)
        *named, _given = signature.parameters.values()

        @functools.wraps(command)
        def run(**arguments: Any) -> None:
            for setting in settings:
                value = arguments.pop(setting.name)
                if value in (None, []):
                    continue
                if isinstance(value, list):
                    value = _named(setting, value) if _is_named(setting) else tuple(value)
                arguments[setting.name] = value
            command(**arguments)

        keywords = [p for p in named if p.kind is p.KEYWORD_ONLY]
        positional = [p for p in named if p.kind is not p.KEYWORD_ONLY]
        parameters = [*positional, *options, *keywords]
        # A signature must have positional parameters first; Typer passes all by name.
        parameters = [p.replace(kind=p.KEYWORD_ONLY) for p in parameters]
        run.__signature__ = signature.replace(parameters=parameters)  # type: ignore[attr-defined]
        return run

    return prepare


def take(kind: type[AnySettings], given: dict[str, Any]) -> AnySettings:
    """Take the settings of `kind` out of `given`; those not given have their defaults.

    Raises:
        UsageError: for a value out of bounds.
    """
    names = [setting.name for setting in settings_of(kind) if setting.name in given]
    return settings_from(kind, {name: given.pop(name) for name in names})


def names_a_file(word: str) -> bool:
    """Whether an input names a file, a data set or standard input, and is no text itself.

    Raises:
        MissingInputError: for what reads like the name of a file, if there is none.
    """
    if word == STANDARD_INPUT or word.startswith(HUB) or os.path.exists(word):  # noqa: PTH110
        return True
    if FILE_NAME.fullmatch(word):
        advice = "check the name; if it is a text and not a file, pass it on standard input"
        raise MissingInputError(f"there is no file {word}", advice)
    return False


def as_text(word: str) -> str:
    """A word of the command line as UTF-8, also where the locale says that it is ASCII."""
    try:
        return os.fsencode(word).decode()
    except UnicodeError:
        return word


def models_and_texts(arguments: list[str], work: str, usage: str) -> tuple[list[str], list[str]]:
    """Divide arguments: the first is a model, and so are those after it that name one.

    The last is always a text.

    Args:
        arguments: as they were typed.
        work: what is done with the text, in a word.
        usage: how the command is used.

    Raises:
        UsageError: if there is no text.
        MissingInputError: if the last is a model.
    """
    from charrnn.folder.reading import names_model
    from charrnn.text.resolving import is_only_a_model

    if len(arguments) < 2:
        raise UsageError(f"there is no text to {work}", usage)
    if is_only_a_model(arguments[-1]):
        advice = "a model comes first, then the text"
        raise MissingInputError(f"{arguments[-1]}: a model, not a text", advice)
    count = 1
    while count < len(arguments) - 1 and names_model(arguments[count]):
        count += 1
    return arguments[:count], arguments[count:]


def option_names(parameters: Iterable[str]) -> dict[str, str]:
    """The option of each of these parameters of a command, whether it is a setting or not."""
    named = {s.name: s.options[0].partition("/")[0] for s in settings_of(*SETTINGS)}
    return {name: named.get(name, f"--{name.replace('_', '-')}") for name in parameters}


def _option(setting: Setting, panel: str | None) -> inspect.Parameter:
    """The parameter that Typer makes the option of a setting from; None if it is not given."""
    kind = setting.type
    more: dict[str, Any] = {}
    if kind == tuple[str, ...]:
        kind = list[str]
    elif _is_named(setting):
        kind, more = list[str], {"metavar": "LAYER.UNIT=VALUE"}
    elif kind == float | tuple[float, ...]:
        kind, more = float, {"parser": _several(setting), "metavar": "NUMBER[,NUMBER...]"}
    default = f"default: {setting.shown_default}" if setting.shown_default else ""
    notes = "; ".join(filter(None, (bounds(setting.annotation), default)))
    text = " ".join(filter(None, (setting.help, setting.cli, f" [{notes}]" if notes else "")))
    option = typer.Option(
        *setting.options, help=text, show_default=False, rich_help_panel=panel, **more
    )
    return inspect.Parameter(
        setting.name,
        inspect.Parameter.KEYWORD_ONLY,
        default=None,
        annotation=Annotated[kind | None, option],
    )


def _several(setting: Setting) -> Callable[[str], float | tuple[float, ...]]:
    """A parser of one number, or of several with commas between."""

    def read(given: str) -> float | tuple[float, ...]:
        if DECIMAL_COMMA.fullmatch(given):
            point, several = given.replace(",", "."), given.replace(",", ".0,") + ".0"
            found = f"{setting.name} is {given!r}, which can be read in two ways"
            advice = f"write {point} for one number, or {several} for two that take turns"
            raise UsageError(found, advice, setting.name)
        try:
            values = tuple(float(part) for part in given.split(","))
        except ValueError:
            advice = "it must be a number, or several with commas between"
            raise UsageError(f"{setting.name} is {given!r}", advice, setting.name) from None
        return values[0] if len(values) == 1 else values

    return read


def _is_named(setting: Setting) -> bool:
    """Whether the setting is numbers by name."""
    return bool(setting.type == dict[str, float] | None)


def _named(setting: Setting, given: list[str]) -> dict[str, float]:
    """Numbers by name, given as NAME=NUMBER each."""
    values: dict[str, float] = {}
    for one in given:
        name, _, number = one.partition("=")
        try:
            value = float(number)
        except ValueError:
            advice = "it must be a name and a number, such as 0.5=-1"
            raise UsageError(f"{setting.name} is {one!r}", advice, setting.name) from None
        if name in values:
            advice = "choose one of its numbers"
            raise UsageError(f"{setting.name} names {name} twice", advice, setting.name)
        values[name] = value
    return values
