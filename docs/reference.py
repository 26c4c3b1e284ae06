"""Write docs/reference.md: every command with its options, every setting with its bounds.

python docs/reference.py
"""

from __future__ import annotations

from collections.abc import Iterable, Iterator
from pathlib import Path
from typing import Any

import typer.main

from charrnn.cli.app import app
from charrnn.settings import Settings, fields_of, in_words
from charrnn.use_config import SETTINGS

PAGE = Path(__file__).with_name("reference.md")

HEAD = """\
# Reference

Every command with its options, then every setting with its bounds. This page is made from the code
by `make docs`; `make test` fails when it is out of date. [sampling.md](sampling.md) and
[evaluation.md](evaluation.md) show the options in use.

A command ends with 0 if all went well, 1 after an error of no other kind, 2 if it was used wrongly,
65 if a text or a model is not what it should be, 66 if an input is missing, 73 if an output can't
be created, 74 if reading or writing failed midway, 75 if another process is working on the folder,
130 after Ctrl-C, and 143 after SIGTERM.
"""
SETTINGS_HEAD = """## Settings

Settings are options of the command line and keyword arguments of the library:
`charrnn.train(text, hidden_size=256)` is `charrnn train text --rnn-size 256`. Those of reading go
together: `charrnn.train(text, reading=charrnn.Reading(text_column="review"))`. Defaults are those
of the commands and of the functions. A setting without an option follows from the text or the task.
"""


def page() -> str:
    """The whole of docs/reference.md."""
    group: Any = typer.main.get_command(app)
    commands = (part for command in group.commands.values() for part in _command(command))
    settings = (part for kind in SETTINGS for part in _settings(kind))
    return "\n".join([HEAD, *commands, SETTINGS_HEAD, *settings])


def _command(command: Any) -> Iterator[str]:
    arguments = [p for p in command.params if p.param_type_name == "argument"]
    usage = " ".join(["charrnn", command.name, "[OPTIONS]", *(p.metavar for p in arguments)])
    yield f"## charrnn {command.name}\n\n    {usage}\n\n{command.help}\n"
    rows = [(p.metavar, _help(p)) for p in arguments]
    rows += [(_names(p), _help(p)) for p in command.params if p.param_type_name == "option"]
    if rows:
        yield _table(("argument or option", "meaning"), rows)


def _names(option: Any) -> str:
    return ", ".join(f"`{name}`" for name in (*option.opts, *option.secondary_opts))


def _help(option: Any) -> str:
    said = option.help.replace("  [", " [")
    if option.required and option.param_type_name == "option":
        said += " [required]"
    shown = option.show_default and option.default not in (None, False)
    return f"{said} [default: {option.default}]" if shown else str(said)


def _settings(kind: type[Settings]) -> Iterator[str]:
    summary = (kind.__doc__ or "").partition("\n")[0]
    yield f"### {kind.__name__}\n\n{summary}\n"
    rows = [
        (
            f"`{setting.name}`",
            "" if setting.derived else ", ".join(f"`{name}`" for name in setting.options),
            in_words(setting.annotation),
            "" if setting.derived else setting.shown_default,
            setting.help,
        )
        for setting in fields_of(kind)
    ]
    yield _table(("setting", "option", "value", "default", "meaning"), rows)


def _table(head: tuple[str, ...], rows: Iterable[tuple[str, ...]]) -> str:
    lines = [head, ("---",) * len(head), *rows]
    return "".join(f"| {' | '.join(line)} |\n" for line in lines)


if __name__ == "__main__":
    PAGE.write_text(page(), encoding="utf-8")
