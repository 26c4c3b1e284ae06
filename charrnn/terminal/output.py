"""Where the words of a command go."""

from __future__ import annotations

import json
import sys
from typing import Any

import msgspec

__all__ = ["encode_json", "say", "write"]


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
