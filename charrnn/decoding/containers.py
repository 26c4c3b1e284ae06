"""Files and the files in them: compressed ones, archives, standard input.

    file ──sources──▶ Source, Source, …

Everything is read as a stream: nothing is unpacked to the disk, and of an archive only the file
that is being read is in memory, a piece at a time. What can't be read so, or would grow past all
reason, is refused.
"""

from __future__ import annotations

import lzma
import tarfile
import zipfile
import zlib
from collections.abc import Callable, Generator, Iterator
from contextlib import contextmanager
from pathlib import Path, PurePosixPath
from typing import IO, Any, BinaryIO, NamedTuple, cast

from charrnn.config import Reading
from charrnn.decoding import kinds
from charrnn.decoding.compressed import OPENERS, PART
from charrnn.decoding.pieces import NotTextError
from charrnn.decoding.streams import Arriving, Readable, Stream
from charrnn.errors import (
    BadDataError,
    MissingInputError,
    ReadWriteError,
    UsageError,
    first_line,
    printable,
)
from charrnn.words import by_number

__all__ = [
    "LOCKS",
    "ExpansionLimit",
    "LimitedFile",
    "Source",
    "is_archive",
    "is_hidden",
    "is_zip",
    "plain_name",
    "reading_errors",
    "sources",
    "zip_archive",
    "zip_member",
]

# Prose compresses to a quarter, logs to a hundredth; a thousandth is a trap, if it is long.
HARMLESS = 64 << 20  # bytes that anything may grow to
RATIO = 1000
# Of what describes a file in a tar archive, and of what describes all of them: `tarfile` keeps it.
DESCRIPTION, SETTINGS = 20 << 10, 100  # bytes, names of values

COMPRESSED = {".gz": "gzip", ".bz2": "bzip2", ".xz": "xz", ".zst": "zstd", ".zstd": "zstd"}
ARCHIVES = {".zip": ("zip", ""), ".tar": ("tar", "")}
ARCHIVES |= {".tgz": ("tar", "gzip"), ".tbz2": ("tar", "bzip2"), ".txz": ("tar", "xz")}
IGNORED = ("__MACOSX",)
LOCKS = "~$"  # how the names begin of what Word leaves beside a document that is open


class Source(NamedTuple):
    """A file, or a file in an archive, to be read once.

    Attributes:
        name: what users see.
        file_name: by which its format is known, without the suffix of a compression.
        stream: its bytes.
        path: where it stands, if it is a file on the disk as it is.
        archive: the archive that it is in, if it is.
    """

    name: str
    file_name: str
    stream: Stream
    path: Path | None = None
    archive: str = ""


def plain_name(name: str) -> str:
    """The name of a file without the suffix of its compression."""
    stem, _, suffix = name.rpartition(".")
    return stem if f".{suffix.lower()}" in COMPRESSED and stem else name


def is_archive(name: str) -> bool:
    """Whether a file is an archive, by its name."""
    return PurePosixPath(plain_name(name).lower()).suffix in ARCHIVES


def is_hidden(name: str) -> bool:
    """Whether a file or folder is passed by, by its name."""
    return name.startswith((".", LOCKS))


def sources(
    name: str,
    file: BinaryIO | Arriving,
    reading: Reading,
    passed: dict[str, None],
    path: Path | None = None,
) -> Generator[Source, None, None]:
    """What is in a file: itself, expanded if need be, or the files of an archive.

    Args:
        name: what users see.
        file: its bytes.
        reading: its encoding, and whether bytes are learnt as they are.
        passed: gets the names of what is hidden in an archive, or no file, and never read.
        path: where it stands; None if it can be read only once, as standard input.

    Raises:
        BadDataError: for a container that grows past all reason.
        Exception: what `reading_errors` catches, here or when a stream is read.
    """
    file_name = "" if path is None else path.name
    stream = whole = Stream(file, reading.encoding)
    kind = _container(file_name, stream.head, reading)
    if kind == "zip":
        if path is None:
            raise UsageError(f"{name}: a zip archive can't be read as it comes", "save it first")
        size = path.stat().st_size
        yield from _zipped(name, cast(BinaryIO, file), ExpansionLimit(name, lambda: size), passed)
        return
    limit = ExpansionLimit(name, lambda: whole.read_bytes)
    if kind in OPENERS:
        stream = Stream(LimitedFile(OPENERS[kind](stream), limit))
        file_name, path = plain_name(file_name), None
        archive = ARCHIVES.get(PurePosixPath(file_name.lower()).suffix, ("", ""))[0]
        kind = "tar" if archive == "tar" or _is_tar(stream.head) else ""
    if kind == "tar":
        yield from _tarred(name, stream, limit, passed)
    else:
        yield Source(name, file_name, stream, path)


def _container(file_name: str, head: bytes, reading: Reading) -> str:
    """The kind of container that a file is: by its content, else by its name."""
    suffix = PurePosixPath(file_name).suffix
    named = COMPRESSED.get(suffix.lower()) or ""
    if not named and suffix.lower() in ARCHIVES:
        archive, compressed = ARCHIVES[suffix.lower()]
        named = compressed or archive
    if not named and reading.keeps_bytes:
        return ""  # its bytes are what is learnt
    kind = kinds.kind_of(head)
    return kind.name if kind and kind.container else named


def _is_tar(head: bytes) -> bool:
    kind = kinds.kind_of(head)
    return kind is not None and kind.name == "tar"


class ExpansionLimit:
    """How many bytes may come out of a container.

    Args:
        name: of the container.
        read: how many of its bytes were read.
        advice: what to do with one that grows past all reason.
    """

    def __init__(
        self,
        name: str,
        read: Callable[[], int],
        advice: str = "expand it yourself if that is what you want",
    ) -> None:
        self._name, self._read, self._advice = name, read, advice
        self._expanded = 0

    def add(self, count: int) -> None:
        """Count some more that came out.

        Raises:
            BadDataError: if that is more than any text would grow to.
        """
        self._expanded += count
        if self._expanded > HARMLESS and self._expanded > RATIO * self._read():
            found = f"it grows to more than {RATIO:,} times its size when it is expanded"
            raise BadDataError(f"{self._name}: {found}", self._advice)


class LimitedFile:
    """A file that is expanded, up to a limit."""

    def __init__(self, file: Readable, limit: ExpansionLimit) -> None:
        self._file, self._limit, self._left = file, limit, b""

    def read(self, size: int = -1, /) -> bytes:
        """`size` bytes; fewer only at the end, though the file may give fewer or more at a time."""
        parts, count = [self._left], len(self._left)
        while size < 0 or count < size:
            data = self._file.read(min(size - count, PART) if size >= 0 else PART)
            if not data:
                break
            self._limit.add(len(data))
            parts.append(data)
            count += len(data)
        found = b"".join(parts)
        self._left = found[size:] if size >= 0 else b""
        return found[:size] if size >= 0 else found


def _zipped(
    name: str, file: BinaryIO, limit: ExpansionLimit, passed: dict[str, None]
) -> Iterator[Source]:
    with zip_archive(file) as archive:
        members = sorted(archive.infolist(), key=lambda one: by_number(one.filename))
        if any(_is_of_an_office(member.filename) for member in members):
            advice = "save it as .docx, .epub, .csv or plain text"
            raise NotTextError(f"{name}: an office document, not text", advice)
        for member in members:
            if member.filename.endswith("/"):  # is_dir() needs a name, which may be empty
                continue
            if hidden := _hidden(member.filename):
                passed[hidden] = None
                continue
            try:
                opened = zip_member(archive, member)
            except (RuntimeError, NotImplementedError) as error:  # a password, a rare compression
                raise BadDataError(f"{name}: {first_line(error)}", "unpack it first") from None
            except UnicodeDecodeError as error:  # as in zip_archive
                raise _broken(name, error) from None
            with opened:
                yield _member(name, member.filename, LimitedFile(cast(Readable, opened), limit))


def zip_archive(file: BinaryIO | Path) -> zipfile.ZipFile:
    """A zip archive, open for reading.

    Raises:
        zipfile.BadZipFile: if it is none, or is damaged.
    """
    try:
        return zipfile.ZipFile(file)
    # A name in it that is said to be UTF-8; a version of the format that is none.
    except (UnicodeDecodeError, NotImplementedError) as error:
        raise zipfile.BadZipFile(str(error)) from None


def zip_member(archive: zipfile.ZipFile, member: zipfile.ZipInfo) -> IO[bytes]:
    """A file of a zip archive, open for reading.

    Raises:
        NotImplementedError: if it is compressed in a rare way. Of those that Python knows it
            expands all of a piece at once, from a hundred bytes to hundreds of megabytes.
        Exception: what `ZipFile.open` raises.
    """
    if member.compress_type not in (zipfile.ZIP_STORED, zipfile.ZIP_DEFLATED):
        raise NotImplementedError(f"{printable(member.filename)} is compressed in a rare way")
    return archive.open(member)


def is_zip(path: Path) -> bool:
    """Whether a file is a zip archive, as far as its list of files tells.

    Raises:
        OSError: if it can't be read.
    """
    try:
        zip_archive(path).close()
    except zipfile.BadZipFile:
        return False
    return True


def _is_of_an_office(name: str) -> bool:
    """Whether a file of this name stands in documents of Office, LibreOffice or Apple alone."""
    is_apples = name.startswith("Index/") and name.endswith(".iwa")
    return is_apples or name in ("[Content_Types].xml", "mimetype")


def _tarred(
    name: str, stream: Stream, limit: ExpansionLimit, passed: dict[str, None]
) -> Iterator[Source]:
    """The files of an archive in its order, since it is read only once."""
    for archive, member in _members(name, stream):
        hidden = _hidden(member.name)
        if not member.isdir() and (hidden or not member.isfile()):
            passed[hidden or printable(member.name)] = None
        elif member.isfile():
            opened = archive.extractfile(member)
            assert opened is not None, "it is a file"
            yield _member(name, member.name, LimitedFile(cast(Readable, opened), limit))
    while stream.read(1 << 20):  # what follows is looked at for damage
        pass


def _members(name: str, stream: Stream) -> Iterator[tuple[tarfile.TarFile, tarfile.TarInfo]]:
    """What is in an archive, with the archive.

    Raises:
        BadDataError: if more describes its files than is read.
    """
    bounded = _Descriptions(name, stream)
    try:
        with tarfile.open(fileobj=cast(Any, bounded), mode="r|") as archive:
            for member in archive:
                if len(archive.pax_headers) > SETTINGS:
                    found = f"{name}: more than {SETTINGS} values describe all of it"
                    raise BadDataError(found, kinds.UNPACK)
                bounded.left = None
                yield archive, member
                position = cast(Any, archive)
                position.members.clear()  # else each stays in memory
                _skip(position.fileobj, position.offset)  # what is left of the file
                bounded.left = DESCRIPTION
    except ValueError as error:  # a header with words where numbers should be
        raise tarfile.ReadError(str(error)) from None


def _skip(file: Any, end: int) -> None:
    """Read up to `end`: `seek` would go on where there is nothing left, 2^80 bytes if need be."""
    while (left := end - file.tell()) != 0:
        if left < 0 or not file.read(min(left, PART)):
            raise tarfile.ReadError("unexpected end of data")


class _Descriptions:
    """A tar archive, of which only some bytes are read for what describes one file.

    Its names, attributes and holes may be as long as a file, and `tarfile` keeps all of them in
    memory; some Pythons take minutes to search a megabyte.

    Args:
        name: of the archive, for errors.
        stream: its bytes.

    Attributes:
        left: bytes that may still be read; None for any number, while a file is.
    """

    def __init__(self, name: str, stream: Stream) -> None:
        self._name, self._stream = name, stream
        self.left: int | None = DESCRIPTION

    def read(self, size: int, /) -> bytes:
        """`size` bytes; fewer only at the end."""
        data = self._stream.read(size)
        if self.left is not None:
            self.left -= len(data)
            if self.left < 0:
                found = f"{self._name}: more than {DESCRIPTION:,} bytes describe a file in it"
                raise BadDataError(found, kinds.UNPACK)
        return data


def _member(archive: str, name: str, file: Readable) -> Source:
    return Source(
        f"{archive}/{printable(name)}", PurePosixPath(name).name, Stream(file), None, archive
    )


def _hidden(name: str) -> str:
    """The name of what is hidden, or of the hidden folder that it is in; else empty."""
    parts = PurePosixPath(name).parts
    for count, part in enumerate(parts, 1):
        if part in IGNORED or (is_hidden(part) and part not in (".", "..")):
            return printable(str(PurePosixPath(*parts[:count])))
    return ""


@contextmanager
def reading_errors(name: str) -> Iterator[None]:
    """What can go wrong when a file is read, as the user's errors.

    Raises:
        BadDataError: for a broken container.
        MissingInputError: if it does not exist or may not be read.
        ReadWriteError: if reading fails midway.
    """
    try:
        yield
    except (FileNotFoundError, PermissionError) as error:
        advice = "check the path and its permissions"
        raise MissingInputError(f"{name}: {error.strerror}", advice) from None
    except OSError as error:
        if error.errno is None:  # how gzip and bzip2 speak of their data
            raise _broken(name, error) from None
        advice = "check the disk, then try again"
        raise ReadWriteError(f"{name}: {error.strerror}", advice) from None
    except (EOFError, zlib.error, lzma.LZMAError, tarfile.TarError, zipfile.BadZipFile) as error:
        raise _broken(name, error) from None


def _broken(name: str, error: Exception) -> BadDataError:
    kind = COMPRESSED.get(PurePosixPath(name.lower()).suffix, "container")
    return BadDataError(
        f"{name}: broken {kind} file ({first_line(error)})",
        "compress it again, or use the plain text",
    )
