"""From what the user names to text: files, folders, data sets, standard input, bundled corpora.

    source ──documents──▶ Piece, Piece, … ──texts──▶ str, str, … ──read_corpus──▶ Corpus

A document is one file, or one row of a data set. It comes in pieces, so that a long corpus need
not be in memory all at once.
"""

from __future__ import annotations

import glob
import hashlib
import importlib
import os
import sys
from collections.abc import Callable, Iterable, Iterator, Sequence
from dataclasses import dataclass, field
from pathlib import Path
from typing import NamedTuple

import charrnn
from charrnn.arguments import checked
from charrnn.config import Reading
from charrnn.errors import BadDataError, MissingInputError, UsageError
from charrnn.text.decoding import Piece, file_pieces, is_binary_file, pieces
from charrnn.text.tables import HUB, hub_rows, is_table, table_rows

__all__ = [
    "BUNDLED",
    "Bundled",
    "Corpus",
    "documents",
    "read_corpus",
    "short_name",
    "texts",
]


@dataclass(frozen=True)
class Corpus:
    """All the text of a training run.

    Attributes:
        name: a short name, made from the first source.
        text: the documents, one after the other, each on lines of its own.
        notes: what was changed or left out, to tell the user.
    """

    name: str
    text: str = field(repr=False)
    notes: tuple[str, ...] = ()

    def __post_init__(self) -> None:
        for name in ("name", "text"):
            if not isinstance(getattr(self, name), str):
                found = f"the {name} of a corpus is of type {type(getattr(self, name)).__name__}"
                raise UsageError(found, "it must be a string")

    @property
    def sha256(self) -> str:
        """A fingerprint of the text, in hexadecimal."""
        return hashlib.sha256(self.text.encode("utf-8", "surrogatepass")).hexdigest()


@checked
def read_corpus(
    sources: str | Path | Sequence[str | Path], reading: Reading | None = None
) -> Corpus:
    """All the text of the sources, as one corpus.

    Args:
        sources: one or several, each a text file, a `.gz` of one, a folder, a glob, "-" for
            standard input, a `.jsonl`, `.csv` or `.parquet` file, `hf://OWNER/NAME` or
            `hf://OWNER/NAME/CONFIG`, or the name of a bundled corpus.
        reading: encoding and columns; UTF-8 by default.

    Raises:
        MissingInputError: if a source does not exist.
        BadDataError: if one is not text, or there is no text at all.
        ReadWriteError: if reading fails midway.
        UsageError: for a column that does not exist or holds no text.
    """
    if isinstance(sources, (str, Path)):
        sources = [sources]
    notes: list[str] = []
    text = "".join(texts(sources, reading or Reading(), notes))
    if not text:
        raise no_text(sources)
    return Corpus(short_name(sources[0]), text, tuple(notes))


def no_text(sources: Sequence[str | Path]) -> BadDataError:
    """The error for sources without any text."""
    return BadDataError(f"{', '.join(map(str, sources))}: no text in it", "use a longer text")


def texts(sources: Sequence[str | Path], reading: Reading, notes: list[str]) -> Iterator[str]:
    """The text of a corpus, piece by piece; see `read_corpus`. Adds what was changed to `notes`."""
    if not sources:
        raise UsageError("no text given", "name a file, a folder or a bundled corpus")
    line_ended = True
    for piece in documents(sources, reading):
        if piece.first and not line_ended:
            yield "\n"
        if piece.text or piece.first:  # an empty document is an empty line
            line_ended = piece.text.endswith("\n")
        yield piece.text
        notes += [f"{piece.name}: {note}" for note in piece.notes]


def documents(sources: Iterable[str | Path], reading: Reading) -> Iterator[Piece]:
    """The documents of each source in turn; see `read_corpus` for what a source can be."""
    for source in map(str, sources):
        path = Path(source)
        if source == "-":
            yield from pieces("standard input", sys.stdin.buffer, reading)
        elif source.startswith(HUB):
            yield from hub_rows(source, reading)
        # Path's methods fail on names that are too long, and take an empty one for the folder.
        elif os.path.isdir(source):  # noqa: PTH112
            yield from _folder(path, reading)
        elif os.path.exists(source):  # noqa: PTH110
            yield from _file(path, reading)
        elif source in BUNDLED:
            yield Piece(source, BUNDLED[source].read())
        elif files := [m for m in sorted(glob.glob(source, recursive=True)) if Path(m).is_file()]:
            for file in files:  # as files even if one is called "-" or like a bundled corpus
                yield from _file(Path(file), reading)
        else:
            advice = "check the path, or see `charrnn corpora` for the bundled ones"
            raise MissingInputError(f"there is no file or corpus {source}", advice)


def short_name(source: str | Path) -> str:
    """The name of a corpus, made from its first source."""
    source = str(source)
    if source == "-":
        return "stdin"
    if source.startswith(HUB):
        return source.removeprefix(HUB).split("/")[1]
    path = Path(source if any(c in source for c in "*?[") else os.path.realpath(source))
    return path.name if path.is_dir() else Path(path.name.removesuffix(".gz")).stem or path.name


def _file(path: Path, reading: Reading) -> Iterator[Piece]:
    yield from (table_rows if is_table(path) else file_pieces)(path, reading)


def _folder(folder: Path, reading: Reading) -> Iterator[Piece]:
    """The text files below `folder`, sorted; without hidden files, tables and binary files."""
    found = False
    skipped: list[str] = []
    for path in sorted(p for p in folder.rglob("*") if p.is_file()):
        inside = path.relative_to(folder)
        if any(part.startswith(".") for part in inside.parts):
            continue
        if is_table(path) or is_binary_file(path, reading.encoding):
            skipped.append(str(inside))
            continue
        found = True
        yield from file_pieces(path, reading)
    if not found:
        raise MissingInputError(f"{folder}: a folder without text files", "name another folder")
    if skipped:
        names = ", ".join(skipped[:5]) + (", …" if len(skipped) > 5 else "")
        files = "file that is" if len(skipped) == 1 else "files that are"
        note = f"skipped {len(skipped)} {files} not plain text: {names}"
        yield Piece(str(folder), "", first=False, notes=(note,))


class Bundled(NamedTuple):
    """A corpus that comes with charrnn or with Python."""

    description: str
    read: Callable[[], str]


def _shipped(name: str) -> str:
    """A corpus of this project: in the package when installed, beside it in the repository."""
    package = Path(charrnn.__file__).parent
    for folder in (package / "corpora", package.parent / "corpora"):
        if (path := folder / f"{name}.txt").exists():
            return path.read_text(encoding="utf-8")
    raise MissingInputError(f"the bundled corpus {name} is missing", "install charrnn again")


def _pydoc() -> str:
    try:
        topics: dict[str, str] = importlib.import_module("pydoc_data.topics").topics
    except ImportError:
        advice = "train on a text of your own, or on another one of `charrnn corpora`"
        raise MissingInputError("this Python lacks pydoc_data.topics", advice) from None
    return "\n".join(topics[name].strip() + "\n" for name in sorted(topics))


BUNDLED = {
    "scenes": Bundled(
        "short scenes in dialogue from an invented harbour town, written for charrnn",
        lambda: _shipped("scenes"),
    ),
    "places": Bundled(
        "invented names of places on an invented coast, one per line, written for charrnn",
        lambda: _shipped("places"),
    ),
    "pydoc": Bundled(
        "the parts of the Python language reference that come with this Python, in English",
        _pydoc,
    ),
}
