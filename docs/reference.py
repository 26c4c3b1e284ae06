"""Write docs/reference.md: commands with their options, settings with their bounds, the library.

python docs/reference.py
"""

from __future__ import annotations

import inspect
from collections.abc import Iterable, Iterator
from pathlib import Path
from types import ModuleType, UnionType
from typing import Any, get_args

import typer.main

import charrnn
from charrnn.cli.app import app
from charrnn.settings import Setting, Settings, fields_of, in_words, settings_of
from charrnn.use_config import SETTINGS

PAGE = Path(__file__).with_name("reference.md")

HEAD = """\
# Reference

Every command with its options, then every [setting](#settings) with its bounds, then the
[library](#library). This page is made from the code by `make docs`; `make test` fails when it is
out of date.

A command ends with 0 if all went well, 1 after any other error, 2 if it was used wrongly,
65 if a text or a model is not what it should be, 66 if an input is missing, 73 if an output can't
be created, 74 if reading or writing failed midway, 75 if another process is working on the folder,
129 after SIGHUP in training, 130 after Ctrl-C, and 143 after SIGTERM.
"""
SETTINGS_HEAD = """## Settings

Settings are options of the command line and keyword arguments of the library:
`charrnn.train(text, hidden_size=256)` is `charrnn train text --rnn-size 256`. Those of reading go
together: `charrnn.train(text, reading=charrnn.Reading(text_column="review"))`. The meaning of
a setting is given with its option above. A setting without an option follows from the text or the
task.

Defaults are those of `charrnn.train`; [tasks.md](tasks.md) says what each task keeps for
validation. `ModelConfig(...)` itself needs `cell`, `vocab_size`, `embed_size`, `hidden_size` and
`num_layers`; unless you say otherwise, it has no skip connections and drops nothing.
`TrainConfig(...)` has to be given whole, but for `grad_clip`, `seed`, `device` and `precision`.
"""
LIBRARY_HEAD = """## Library

What `import charrnn` brings. `**settings` are those above, by name.
"""
# Classes whose methods are listed, too.
WITH_METHODS = (
    charrnn.Model,
    charrnn.Classifier,
    charrnn.Tagger,
    charrnn.Forecaster,
    charrnn.Translator,
    charrnn.Run,
    charrnn.CharRNN,
)


def page() -> str:
    """The whole of docs/reference.md."""
    group: Any = typer.main.get_command(app)
    shown: dict[tuple[str, str], str] = {}
    commands = (part for command in group.commands.values() for part in _command(command, shown))
    settings = (part for kind in SETTINGS for part in _settings(kind))
    return "\n".join([HEAD, *commands, SETTINGS_HEAD, *settings, LIBRARY_HEAD, *_library()])


def _command(command: Any, shown: dict[tuple[str, str], str]) -> Iterator[str]:
    """A command; options that an earlier one has, which `shown` knows, are only named."""
    context = typer.Context(command)
    usage = " ".join(["charrnn", command.name, *command.collect_usage_pieces(context)])
    yield f"## charrnn {command.name}\n\n    {usage}\n\n{command.help}\n"
    rows, again = list[tuple[str, str]](), dict[str, list[str]]()
    for parameter in command.params:
        name, said = parameter.get_help_record(context)
        row = (f"`{name}`", " ".join(said.split()))
        if row in shown:
            again.setdefault(shown[row], []).append(_names(parameter))
        else:
            rows.append(row)
            if parameter.param_type_name == "option":
                shown[row] = command.name
    if rows:
        yield _table(("argument or option", "meaning"), rows)
    for other, names in again.items():
        yield f"As for [charrnn {other}](#charrnn-{other}): {', '.join(names)}.\n"


def _names(option: Any) -> str:
    return ", ".join(f"`{name}`" for name in (*option.opts, *option.secondary_opts))


def _settings(kind: type[Settings]) -> Iterator[str]:
    yield f"### {kind.__name__}\n\n{_summary(kind)}\n"
    given = settings_of(kind)
    rows = [
        (
            f"`{setting.name}`",
            ", ".join(f"`{name}`" for name in setting.options),
            in_words(setting.annotation),
            _default(setting),
        )
        for setting in given
    ]
    yield _table(("setting", "option", "value", "default"), rows)
    derived = [setting for setting in fields_of(kind) if setting not in given]
    if derived:
        rows = [(f"`{s.name}`", in_words(s.annotation), s.help) for s in derived]
        yield _table(("without an option", "value", "meaning"), rows)


def _default(setting: Setting) -> str:
    return setting.shown_default or ("no" if setting.default is False else "")


def _library() -> Iterator[str]:
    public = {name: getattr(charrnn, name) for name in charrnn.__all__}
    functions = {name: value for name, value in public.items() if inspect.isfunction(value)}
    for room in (name for name, value in public.items() if isinstance(value, ModuleType)):
        functions |= {
            f"{room}.{name}": getattr(public[room], name) for name in public[room].__all__
        }
    yield _table(("function", "what it does"), _rows(functions))
    classes = {name: value for name, value in public.items() if inspect.isclass(value)}
    unions = [
        (f"`{name}`", f"one of {', '.join(kind.__name__ for kind in get_args(value))}")
        for name, value in public.items()
        if isinstance(value, UnionType)
    ]
    yield _table(("class", "what it is"), [*_rows(classes), *unions])
    for kind in WITH_METHODS:
        methods = {
            name: value
            for name, value in inspect.getmembers(kind, inspect.isroutine)
            if not name.startswith("_") and name in _written_here(kind)
        }
        yield _table((f"method of `{kind.__name__}`", "what it does"), _rows(methods))


def _written_here(kind: type) -> set[str]:
    """The names that a class has from this project, and not from PyTorch or Python."""
    own = [base for base in kind.__mro__ if base.__module__.startswith("charrnn")]
    return {name for base in own for name in vars(base)}


def _rows(members: dict[str, Any]) -> list[tuple[str, str]]:
    return [(f"`{name}{_signature(value)}`", _summary(value)) for name, value in members.items()]


def _signature(value: Any) -> str:
    """The names and defaults of the parameters, without those that are settings."""
    if value in SETTINGS:
        return "(**settings)"
    takes = inspect.isfunction(value) and inspect.unwrap(value).__code__.co_flags
    variable = takes & inspect.CO_VARKEYWORDS  # before its settings were named
    known = {setting.name for setting in settings_of(*SETTINGS)} if variable else set()
    parts, named_only, settings = list[str](), False, False
    for parameter in inspect.signature(value).parameters.values():
        if parameter.kind is parameter.KEYWORD_ONLY and parameter.name in known:
            settings = True
        elif parameter.name != "self":
            if parameter.kind is parameter.KEYWORD_ONLY and not named_only:
                named_only = True
                parts.append("*")
            default = parameter.default
            shown = "…" if "factory" in repr(default) else repr(default)
            parts.append(parameter.name + (f"={shown}" if default is not parameter.empty else ""))
    return f"({', '.join([*parts, *['**settings'] * settings])})"


def _summary(value: Any) -> str:
    return (value.__doc__ or "").partition("\n")[0]


def _table(head: tuple[str, ...], rows: Iterable[tuple[str, ...]]) -> str:
    lines = [head, ("---",) * len(head), *rows]
    cells = ([cell.replace("|", r"\|") for cell in line] for line in lines)
    return "".join(f"| {' | '.join(line)} |\n" for line in cells)


if __name__ == "__main__":
    PAGE.write_text(page(), encoding="utf-8")
