"""What the verbs share: their common options, and where their words go."""

from __future__ import annotations

import sys
from typing import Annotated, Any

import msgspec
import typer

__all__ = ["JsonOption", "ModelArgument", "encode_json", "say", "write"]

ModelArgument = Annotated[
    str | None,
    typer.Argument(
        metavar="[MODEL]",
        help="A model folder, or the name of one in checkpoints/. [default: the newest there]",
    ),
]
JsonOption = Annotated[bool, typer.Option("--json", help="Print JSON on standard output.")]


def say(line: str) -> None:
    """A line about the work, on standard error."""
    print(line, file=sys.stderr)  # noqa: T201


def write(text: str) -> None:
    """Text for the user: at once, whether to a terminal or a pipe."""
    sys.stdout.write(text)
    sys.stdout.flush()


def encode_json(value: Any) -> str:
    """One object on a line."""
    return msgspec.json.encode(value, enc_hook=str).decode() + "\n"
