"""From what the user names to text: files, folders, data sets, standard input, bundled corpora.

    source ──documents──▶ Document, Document, … ──read_corpus──▶ Corpus

A document is one file, or one row of a data set. `datasets` is imported only for a source that
needs it.
"""

from __future__ import annotations

import codecs
import glob
import gzip
import hashlib
import importlib
import logging
import os
import sys
import zlib
from collections.abc import Callable, Iterable, Iterator, Sequence
from dataclasses import dataclass, field
from pathlib import Path
from typing import Literal, NamedTuple

from charrnn.errors import BadDataError, CharRNNError, MissingInputError, ReadWriteError, UsageError

__all__ = ["BUNDLED", "Bundled", "Corpus", "Document", "Reading", "documents", "read_corpus"]

TABLES = {".jsonl": "json", ".csv": "csv", ".parquet": "parquet"}  # suffix: builder in `datasets`
HUB = "hf://"


@dataclass(frozen=True)
class Reading:
    """How bytes become text.

    Attributes:
        encoding: of text files and standard input.
        errors: what to do with bytes that are not in that encoding: refuse them, `replace` them
            by U+FFFD, or keep them as Python's surrogate escapes (for a byte tokenizer).
        text_column: the column of a data set that holds the text.
        split: the split of a data set from the Hugging Face hub.
    """

    encoding: str = "utf-8"
    errors: Literal["strict", "replace", "surrogateescape"] = "strict"
    text_column: str | None = None
    split: str = "train"

    def __post_init__(self) -> None:
        try:
            "".encode(self.encoding)
        except (LookupError, ValueError):  # the latter for "undefined", which Python does know
            advice = "name one that Python knows: utf-8, latin-1, cp1252, …"
            raise UsageError(f"there is no encoding {self.encoding!r}", advice) from None


class Document(NamedTuple):
    """One text, where it comes from, and what was changed in it, if anything."""

    name: str
    text: str
    notes: tuple[str, ...] = ()


@dataclass(frozen=True)
class Corpus:
    """All the text of a training run.

    Attributes:
        name: a short name, after its first source.
        text: the documents, one after the other, each on lines of its own.
        notes: what was changed or left out, for the user to know.
    """

    name: str
    text: str = field(repr=False)
    notes: tuple[str, ...] = ()

    @property
    def sha256(self) -> str:
        """A fingerprint of the text, in hexadecimal."""
        return hashlib.sha256(self.text.encode("utf-8", "surrogatepass")).hexdigest()


def read_corpus(sources: Sequence[str | Path], reading: Reading | None = None) -> Corpus:
    """Everything the sources hold, as one text.

    Args:
        sources: each a text file, a `.gz` of one, a folder, a glob, "-" for standard input, a
            `.jsonl`, `.csv` or `.parquet` file, `hf://OWNER/NAME` or `hf://OWNER/NAME/CONFIG`,
            or the name of a bundled corpus.
        reading: encoding and columns; UTF-8 if not given.

    Raises:
        MissingInputError: if a source is not there.
        BadDataError: if one is not text, or there is no text at all.
        ReadWriteError: if reading fails midway.
        UsageError: for a column that is not there.
    """
    if not sources:
        raise UsageError("no text given", "name a file, a folder or a bundled corpus")
    parts: list[str] = []
    notes: list[str] = []
    for document in documents(sources, reading or Reading()):
        if document.text or not document.notes:  # a note about a folder is no line of its text
            if parts and not parts[-1].endswith("\n"):
                parts.append("\n")
            parts.append(document.text)
        notes += [f"{document.name}: {note}" for note in document.notes]
    text = "".join(parts)
    if not text:
        raise BadDataError(f"{', '.join(map(str, sources))}: no text in it", "give a longer text")
    return Corpus(_short_name(str(sources[0])), text, tuple(notes))


def documents(sources: Iterable[str | Path], reading: Reading) -> Iterator[Document]:
    """The documents of each source in turn; see `read_corpus` for what a source can be."""
    for source in map(str, sources):
        path = Path(source)
        if source == "-":
            yield _decode("standard input", sys.stdin.buffer.read(), reading)
        elif source.startswith(HUB):
            yield from _hub_rows(source, reading)
        # Unlike Path's methods, these find nothing where a name is empty, too long or out of reach.
        elif os.path.isdir(source):  # noqa: PTH112
            yield from _folder(path, reading)
        elif os.path.exists(source):  # noqa: PTH110
            yield from _file(path, reading)
        elif source in BUNDLED:
            yield Document(source, BUNDLED[source].read())
        elif files := [m for m in sorted(glob.glob(source, recursive=True)) if Path(m).is_file()]:
            for file in files:  # not as sources, for one may be called "-"
                yield from _file(Path(file), reading)
        else:
            advice = "check the path, or see `charrnn corpora` for the bundled ones"
            raise MissingInputError(f"there is no file or corpus {source}", advice)


def _short_name(source: str) -> str:
    if source == "-":
        return "stdin"
    if source.startswith(HUB):
        return source.removeprefix(HUB).split("/")[1]
    path = Path(source) if any(c in source for c in "*?[") else Path(source).resolve()
    return path.name if path.is_dir() else Path(path.name.removesuffix(".gz")).stem or path.name


def _table_builder(path: Path) -> str | None:
    return TABLES.get(Path(path.name.removesuffix(".gz")).suffix)


def _file(path: Path, reading: Reading) -> Iterator[Document]:
    if _table_builder(path):
        yield from _table_rows(path, reading)
    else:
        yield _decode(str(path), _read(path), reading)


def _folder(folder: Path, reading: Reading) -> Iterator[Document]:
    """The text files below `folder`, sorted; hidden ones, tables and binary files are passed by."""
    found = False
    skipped: list[str] = []
    for path in sorted(p for p in folder.rglob("*") if p.is_file()):
        inside = path.relative_to(folder)
        if any(part.startswith(".") for part in inside.parts):
            continue
        data = _read(path)
        if _table_builder(path) or _is_binary(data, reading.encoding):
            skipped.append(str(inside))
            continue
        found = True
        yield _decode(str(path), data, reading)
    if not found:
        raise MissingInputError(f"{folder}: a folder without text files", "name another folder")
    if skipped:
        names = ", ".join(skipped[:5]) + (", …" if len(skipped) > 5 else "")
        yield Document(str(folder), "", (f"passed by {len(skipped)} not plain text: {names}",))


def _read(path: Path) -> bytes:
    try:
        data = path.read_bytes()
        return gzip.decompress(data) if path.suffix == ".gz" else data
    except (gzip.BadGzipFile, EOFError, zlib.error) as error:
        advice = "compress it again, or give the plain text"
        raise BadDataError(f"{path}: broken gzip file ({error})", advice) from None
    except (FileNotFoundError, PermissionError) as error:
        advice = "check the path and its permissions"
        raise MissingInputError(f"{path}: {error.strerror}", advice) from None
    except OSError as error:
        raise ReadWriteError(
            f"{path}: {error.strerror}", "check the disk, then try again"
        ) from None


def _is_binary(data: bytes, encoding: str) -> bool:
    """Whether `data` can't be decoded and has control characters that texts don't have."""
    if _is_wide(encoding):
        return False  # half of their bytes are zero
    head = data[:8192]
    controls = set(range(32)) - set(b"\t\n\v\f\r\x1b")
    if controls.isdisjoint(head):
        return False
    try:
        data.decode(encoding)
    except UnicodeDecodeError:
        return True
    return False


def _is_wide(encoding: str) -> bool:
    return codecs.lookup(encoding).name.startswith(("utf-16", "utf-32"))


def _decode(name: str, data: bytes, reading: Reading) -> Document:
    try:
        text = data.decode(reading.encoding, reading.errors)
    except UnicodeDecodeError as error:
        raise _not_text(name, data, reading.encoding, error.start) from None
    except UnicodeError:  # what punycode and others raise, which don't say where
        raise _not_text(name, data, reading.encoding, len(data)) from None
    notes = []
    if text.startswith("\N{BYTE ORDER MARK}"):
        text = text[1:]
        notes.append("dropped the byte-order mark")
    if endings := text.count("\r\n"):
        text = text.replace("\r\n", "\n")
        notes.append(f"CRLF became LF on {endings:,} line{'s' if endings > 1 else ''}")
    return Document(name, text, tuple(notes))


def _not_text(name: str, data: bytes, encoding: str, offset: int) -> BadDataError:
    if data.startswith((b"\xff\xfe", b"\xfe\xff")) and not _is_wide(encoding):
        return BadDataError(f"{name}: this is UTF-16, not {encoding}", "try --encoding utf-16")
    if _is_binary(data, encoding):
        advice = "convert it to plain text, or choose --tokenizer byte to model its bytes"
        return BadDataError(f"{name}: a binary file, not text", advice)
    byte = f"byte 0x{data[offset]:02x} at offset {offset}" if offset < len(data) else "its end"
    return BadDataError(
        f"{name}: {byte} is not {encoding}",
        "give the right --encoding (latin-1?), or --errors replace, or --tokenizer byte",
    )


def _table_rows(path: Path, reading: Reading) -> Iterator[Document]:
    builder = _table_builder(path)
    assert builder is not None
    options: dict[str, object] = {"data_files": glob.escape(str(path))}
    if builder == "csv":
        # Without these, pandas reads texts such as "NA" as missing and "007" as the number 7.
        as_text = {reading.text_column or "text": str}
        options |= {"keep_default_na": False, "converters": as_text, "encoding": reading.encoding}
    return _rows(str(path), builder, None, "train", options, reading.text_column)


def _hub_rows(source: str, reading: Reading) -> Iterator[Document]:
    owner, _, rest = source.removeprefix(HUB).partition("/")
    name, _, config = rest.partition("/")
    if not (owner and name):
        advice = "write hf://OWNER/NAME or hf://OWNER/NAME/CONFIG"
        raise UsageError(f"{source} does not name a data set", advice)
    return _rows(source, f"{owner}/{name}", config or None, reading.split, {}, reading.text_column)


def _rows(
    name: str,
    dataset: str,
    config: str | None,
    split: str,
    options: dict[str, object],
    column: str | None,
) -> Iterator[Document]:
    """The rows of one column; streamed, so that no copy of a private text stays in a cache."""
    import datasets

    datasets.disable_progress_bars()
    datasets.logging.set_verbosity(datasets.logging.CRITICAL)  # its errors are raised, too
    datasets.config.HF_UPDATE_DOWNLOAD_COUNTS = False  # it would report local tables as well
    # Each attempt to reach the hub is logged as a warning; the error says it once.
    logging.getLogger("huggingface_hub").setLevel(logging.ERROR)
    try:
        for row in datasets.load_dataset(dataset, config, split=split, streaming=True, **options):
            text = row.get(column or "text")
            if isinstance(text, str):
                yield Document(name, text)
            elif text is not None or (column or "text") not in row:
                raise UsageError(
                    f"{name}: no text in a column {column or 'text'}",
                    f"choose --text-column from {', '.join(row)}",
                )
    except CharRNNError:
        raise
    except StopIteration:  # what an empty .jsonl comes to
        return
    except (FileNotFoundError, ConnectionError) as error:
        reason = _first_line(error)
        raise MissingInputError(f"{name}: {reason}", "check the name and the connection") from None
    except (OSError, ValueError, RuntimeError, datasets.exceptions.DatasetsError) as error:
        raise BadDataError(f"{name}: {_first_line(error)}", "check the data set") from None


def _first_line(error: Exception) -> str:
    return (str(error) or type(error).__name__).splitlines()[0].rstrip(".")


class Bundled(NamedTuple):
    """A corpus that comes with charrnn, or with Python."""

    description: str
    read: Callable[[], str]


def _shipped(name: str) -> str:
    """A corpus of this project: inside the package once installed, beside it in the repository."""
    here = Path(__file__).parent
    for folder in (here / "corpora", here.parent / "corpora"):
        if (path := folder / f"{name}.txt").exists():
            return path.read_text(encoding="utf-8")
    raise MissingInputError(f"the bundled corpus {name} is missing", "install charrnn again")


def _pydoc() -> str:
    try:
        topics: dict[str, str] = importlib.import_module("pydoc_data.topics").topics
    except ImportError:
        advice = "train on a text of your own, or on another of `charrnn corpora`"
        raise MissingInputError("this Python lacks pydoc_data.topics", advice) from None
    return "\n".join(topics[name].strip() + "\n" for name in sorted(topics))


BUNDLED = {
    "scenes": Bundled(
        "short scenes in dialogue from an invented harbour town, written for charrnn",
        lambda: _shipped("scenes"),
    ),
    "places": Bundled(
        "invented names of places on an invented coast, one a line, written for charrnn",
        lambda: _shipped("places"),
    ),
    "pydoc": Bundled(
        "the Python language reference in English, as this Python carries it",
        _pydoc,
    ),
}
