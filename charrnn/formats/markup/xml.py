"""The zip archives of XML files that documents are kept in, read without trusting them."""

from __future__ import annotations

import zipfile
import zlib
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from typing import Any
from xml.etree.ElementTree import Element, ParseError

from charrnn.decoding.containers import (
    ExpansionLimit,
    LimitedFile,
    Source,
    zip_archive,
    zip_member,
)
from charrnn.errors import BadDataError, UsageError, first_line

__all__ = ["Package", "opened"]

LARGEST = 1 << 24  # bytes of one file of a document that is in memory at once, expanded
DEEPEST = 1000  # elements within each other
# Bytes of one element's own text, a tag or a comment. Older parsers scan what has no end yet anew
# with each piece that is read.
LONGEST = LARGEST


class _Watched:
    """A file that must not be read for long without an event; `too_long` makes the error."""

    def __init__(self, file: LimitedFile, too_long: Callable[[], BadDataError]) -> None:
        self._file, self._too_long = file, too_long
        self.silent = 0  # bytes since the last event

    def read(self, size: int, /) -> bytes:
        data = self._file.read(size)
        self.silent += len(data)
        if self.silent > LONGEST:
            raise self._too_long()
        return data


class Package:
    """A document: an archive of XML files."""

    def __init__(self, source: Source, archive: zipfile.ZipFile, parse: Any) -> None:
        path = source.path
        assert path is not None, "the registry sees to it"
        self._name, self._archive, self._parse = source.name, archive, parse
        self._limit = ExpansionLimit(source.name, lambda: path.stat().st_size)

    @contextmanager
    def _part(self, name: str) -> Iterator[LimitedFile]:
        try:
            file = zip_member(self._archive, self._archive.getinfo(name))
        except (KeyError, RuntimeError, NotImplementedError, UnicodeDecodeError) as error:
            raise self.broken(first_line(error).strip("'\"")) from None
        with file:
            yield LimitedFile(file, self._limit)

    def read(self, name: str) -> bytes:
        """One of its files.

        Raises:
            BadDataError: if there is none, or it is larger than any of a document.
        """
        with self._part(name) as file:
            data = file.read(LARGEST + 1)
        if len(data) > LARGEST:
            found = f"{self._name}: {name} is larger than {LARGEST >> 20} MB"
            raise BadDataError(found, "save it as plain text")
        return data

    def walk(self, name: str) -> Iterator[tuple[str, str, Element]]:
        """The elements of one of its files, at their start and at their end; none stays in memory.

        Yields:
            event, name, element: "start" or "end"; the name without its namespace.
        """
        within: list[Element] = []
        with self._part(name) as file:
            watched = _Watched(file, lambda: self._too_long(name))
            try:
                for event, element in self._parse(watched, events=("start", "end")):
                    watched.silent = 0
                    yield event, element.tag.rpartition("}")[2], element
                    if event == "start":
                        within.append(element)
                    else:
                        within.pop()
                        if within:
                            within[-1].remove(element)
                    if len(within) > DEEPEST:
                        raise self.broken(f"{name} is nested too deeply")
            # ValueError for entities, which can explode, LookupError for an unknown encoding.
            except (ParseError, ValueError, LookupError) as error:
                raise self.broken(f"{name}: {first_line(error)}") from None

    def _too_long(self, name: str) -> BadDataError:
        found = f"{self._name}: {name} holds a text, a tag or a comment of more than "
        return BadDataError(f"{found}{LONGEST >> 20} MB", "save it as plain text")

    def broken(self, reason: str) -> BadDataError:
        """The error for a document that is damaged, or none."""
        return BadDataError(f"{self._name}: broken document ({reason})", "save it anew")


@contextmanager
def opened(source: Source, kind: str, advice: str) -> Iterator[Package]:
    """A document, open for reading.

    Args:
        source: its file.
        kind: what it should be: "a Word document".
        advice: what to do if it is no archive.

    Raises:
        UsageError: without the extra `formats`.
        BadDataError: if it is no archive, or a damaged one.
    """
    try:
        from defusedxml import ElementTree
    except ImportError:
        suffix = source.file_name.rpartition(".")[2].lower()
        raise UsageError(
            f"{source.name}: .{suffix} files need the package defusedxml",
            "pip install defusedxml, or save it as plain text",
        ) from None
    assert source.path is not None, "the registry sees to it"
    try:
        archive = zip_archive(source.path)
    except zipfile.BadZipFile:
        head = source.stream.head
        found = "its list of files is damaged" if head.startswith(b"PK") else "it is no zip archive"
        raise BadDataError(f"{source.name}: not {kind} ({found})", advice) from None
    with archive:
        package = Package(source, archive, ElementTree.iterparse)
        try:
            yield package
        except (EOFError, zlib.error, zipfile.BadZipFile) as error:
            raise package.broken(first_line(error)) from None
