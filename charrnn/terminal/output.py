"""Where the words of a command go."""

from __future__ import annotations

import json
import sys
from contextlib import suppress
from pathlib import Path
from typing import Any

import msgspec

from charrnn.errors import not_written

__all__ = ["OutputFile", "encode_json", "say", "write"]


def say(line: str) -> None:
    """A line about the work, on standard error."""
    print(line, file=sys.stderr)  # noqa: T201


def write(text: str) -> None:
    """Text for the user: at once, whether to a terminal or a pipe."""
    sys.stdout.write(text)
    sys.stdout.flush()


class OutputFile:
    """A file whose old content goes when the first text is written to it, and not before.

    Raises:
        CharRNNError: if the file can't be made; names `--output`.
    """

    def __init__(self, path: Path) -> None:
        self.path = path
        self._is_new = not path.exists()
        self._untouched = True
        try:
            self._file = path.open("a", encoding="utf-8", errors="surrogateescape", newline="")
        except OSError as error:
            raise not_written(path, error, "--output") from None

    def write(self, text: str) -> None:
        """Write `text`.

        Raises:
            CharRNNError: if that fails; names `--output`.
        """
        try:
            if self._untouched and self.path.is_file():  # no pipe, no device
                self._file.truncate(0)
            self._untouched = False
            self._file.write(text)
            self._file.flush()
        except OSError as error:
            raise not_written(self.path, error, "--output") from None

    def flush(self) -> None:
        """Nothing: each text is flushed as it is written."""

    def close(self) -> None:
        """Close the file; one that was made in vain is deleted."""
        with suppress(OSError):  # reported when it was written
            self._file.close()
            if self._is_new and self._untouched:
                self.path.unlink()


def encode_json(value: Any) -> str:
    """One object on a line. Bytes that are no text stay what they were, as escapes."""
    try:
        return msgspec.json.encode(value, enc_hook=str).decode() + "\n"
    except UnicodeEncodeError:
        return json.dumps(msgspec.to_builtins(value, enc_hook=str)) + "\n"
