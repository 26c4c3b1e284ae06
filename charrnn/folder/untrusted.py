"""Opening, reading and parsing files that anyone may have made, without trusting them."""

from __future__ import annotations

import codecs
import json
from collections import Counter
from collections.abc import Iterable, Iterator
from contextlib import contextmanager
from io import BufferedReader
from pathlib import Path
from typing import Any

import msgspec

from charrnn.errors import BadDataError, ReadWriteError, UsageError

__all__ = ["damaged", "hub_blobs", "opened", "parse", "read_bytes", "refuse_links"]


def read_bytes(path: Path) -> bytes:
    """The content of a file of a model folder; raises what `opened` raises."""
    with opened(path) as file:
        return file.read()


@contextmanager
def opened(path: Path) -> Iterator[BufferedReader]:
    """A file of a model folder, open for reading.

    Raises:
        FileNotFoundError: if it does not exist.
        BadDataError: if it is not a regular file.
        ReadWriteError: if it can't be read.
    """
    try:
        # Reading a pipe could wait for ever, and reading a device never end.
        if path.is_symlink() and not path.exists():
            raise damaged(path, "a link to nothing")
        if path.exists() and not path.is_file():
            raise damaged(path, "not a file")
        with path.open("rb") as file:
            yield file
    except FileNotFoundError:
        raise
    except OSError as error:
        advice = "check the disk and its permissions"
        raise ReadWriteError(f"{path}: {error.strerror}", advice) from None


def hub_blobs(folder: Path) -> Path | None:
    """Where the files lie that those of a folder in the Hugging Face hub's cache are links to.

    Returns:
        models--OWNER--NAME/blobs for models--OWNER--NAME/snapshots/COMMIT; None for any other.
    """
    snapshots, model = folder.parent, folder.parent.parent
    blobs = model / "blobs"
    cached = snapshots.name == "snapshots" and model.name.startswith("models--")
    return blobs if cached and blobs.is_dir() else None


def refuse_links(folder: Path, names: Iterable[str]) -> None:
    """Refuse links out of the folder: in one from somebody else they may lead to any file.

    Raises:
        BadDataError: if one of the files leads elsewhere, but for the blobs of the hub's cache.
    """
    home = folder.resolve()
    allowed = (home, hub_blobs(home) or home)
    for name in names:
        path = folder / name
        if path.is_symlink() and not any(map(path.resolve().is_relative_to, allowed)):
            advice = "put the file itself there if it is meant to be published"
            raise BadDataError(f"{path}: a link to somewhere else", advice)


def parse(path: Path, data: bytes, kind: Any, *, first: bool = False) -> Any:
    """The JSON of a file as a value of `kind`.

    Args:
        path, data: of the file.
        kind: what it holds.
        first: whether it is parsed again as what it is; names that are there twice are seen then.

    Raises:
        BadDataError: if it is not JSON, or not of that kind.
    """
    data = data.removeprefix(codecs.BOM_UTF8)  # as some editors put it before a text
    try:
        value = msgspec.json.decode(data, type=kind)  # builds nothing but what `kind` may have
        if not first:  # of a name that is there twice, it takes the last
            json.loads(data, object_pairs_hook=_refuse_repeated)
        return value
    except (ValueError, RecursionError, UsageError) as error:
        raise damaged(path, str(error)) from None


def _refuse_repeated(pairs: list[tuple[str, Any]]) -> None:
    for name, count in Counter(name for name, _ in pairs).most_common(1):
        if count > 1:
            raise ValueError(f"{name!r} is there twice")


def damaged(path: Path, reason: str) -> BadDataError:
    """The error for a file that is not what was written."""
    return BadDataError(f"{path}: {reason}", "the file is damaged; copy the folder again")
