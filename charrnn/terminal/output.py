"""What the verbs share: their common options, and where their words go."""

from __future__ import annotations

import json
import sys
from typing import Annotated, Any, Literal

import msgspec
import typer

__all__ = [
    "ColumnOption",
    "EncodingOption",
    "ErrorsOption",
    "JsonOption",
    "ModelArgument",
    "SplitOption",
    "encode_json",
    "say",
    "write",
]

ModelArgument = Annotated[
    str | None,
    typer.Argument(
        metavar="[MODEL]",
        help="A model folder, or the name of one in checkpoints/. [default: the newest there]",
    ),
]
EncodingOption = Annotated[str, typer.Option(help="Of the text.")]
ErrorsOption = Annotated[
    Literal["strict", "replace"], typer.Option(help="What to do with bytes not in that encoding.")
]
ColumnOption = Annotated[str | None, typer.Option(help="Of a table or data set. [default: text]")]
SplitOption = Annotated[str, typer.Option(help="Of a data set from the hub.")]
JsonOption = Annotated[bool, typer.Option("--json", help="Print JSON on standard output.")]


def say(line: str) -> None:
    """A line about the work, on standard error."""
    print(line, file=sys.stderr)  # noqa: T201


def write(text: str) -> None:
    """Text for the user: at once, whether to a terminal or a pipe."""
    sys.stdout.write(text)
    sys.stdout.flush()


def encode_json(value: Any) -> str:
    """One object on a line. Bytes that are no text stay what they were, as escapes."""
    try:
        return msgspec.json.encode(value, enc_hook=str).decode() + "\n"
    except UnicodeEncodeError:
        return json.dumps(msgspec.to_builtins(value, enc_hook=str)) + "\n"
