"""Which files a folder stands for, and which of several hold the same."""

from __future__ import annotations

import hashlib
import os
from collections import defaultdict
from collections.abc import Callable, Hashable, Iterable, Iterator
from contextlib import suppress
from pathlib import Path

from charrnn.checkpoints import is_model
from charrnn.decoding.containers import is_hidden
from charrnn.errors import MissingInputError
from charrnn.words import by_number, counted, first_few

__all__ = ["Duplicates", "below"]

HEAD = 1 << 16  # bytes by which most files of one size differ
INSTALLED = frozenset({"node_modules", "__pycache__", "checkpoints"})
MARKS = ("CACHEDIR.TAG", "pyvenv.cfg")  # of a cache, and of a virtual environment


def below(folder: Path) -> tuple[list[Path], list[str]]:
    """The files below a folder, in the order of their names.

    Args:
        folder: links to folders in it are not followed.

    Returns:
        files: without hidden ones.
        passed: the names within the folder of what is never a text: hidden files and folders,
            models, caches, packages, pipes; of folders that may not be entered; and of links to
            folders, or to nothing.

    Raises:
        MissingInputError: if the folder itself may not be entered.
    """
    files: list[Path] = []
    passed: list[str] = []
    waiting = [folder]
    while waiting:
        entered = waiting.pop()
        try:
            paths = list(entered.iterdir())
        except PermissionError as error:
            if entered == folder:
                found = f"{folder}: {error.strerror}"
                raise MissingInputError(found, "check the path and its permissions") from None
            passed.append(str(entered.relative_to(folder)))
            continue
        for path in paths:
            is_folder = os.path.isdir(path) and not os.path.islink(path)  # noqa: PTH112, PTH114
            if is_hidden(path.name) or (is_folder and _is_passed(path)):
                passed.append(str(path.relative_to(folder)))
            elif is_folder:
                waiting.append(path)
            elif os.path.isfile(path):  # noqa: PTH113
                files.append(path)
            else:
                passed.append(str(path.relative_to(folder)))
    return sorted(files, key=lambda file: by_number(str(file))), sorted(passed)


def _is_passed(folder: Path) -> bool:
    # What is in a folder that may not be entered is not there, rather than an error.
    marked = any(os.path.exists(folder / mark) for mark in MARKS)  # noqa: PTH110
    return folder.name in INSTALLED or marked or is_model(folder)


class Duplicates:
    """Which of several sources repeat one before them.

    They are the same file under another name or by a link, or a copy of it.

    Args:
        sources: files, and names of what is no file.

    Attributes:
        left_out: those that were left out.
    """

    def __init__(self, sources: Iterable[str | Path]) -> None:
        self.left_out: list[str] = []
        self._contents = _contents(sources)
        self._read: set[Hashable] = set()

    def leave_out(self, source: str | Path) -> bool:
        """Whether the content of this source, which is next, was read before."""
        content = self._contents.get(source)
        if content in self._read:
            self.left_out.append(str(source))
            return True
        if content is not None:
            self._read.add(content)
        return False

    def notes(self) -> tuple[str, ...]:
        """What to say of what was left out."""
        count = len(self.left_out)
        same = "as another" if count == 1 else "as others"
        found = f"left out {counted(count, 'source')} with the same content {same}"
        return (f"{found}: {first_few(self.left_out)}",) if count else ()


def _contents(sources: Iterable[str | Path]) -> dict[str | Path, Hashable]:
    """What stands for the content of each source: equal where the content is."""
    found = {source: _identity(source) for source in sources}
    files = {it: source for source, it in found.items() if isinstance(source, Path)}
    copies: dict[Hashable, Hashable] = {}
    for same in _alike(files, lambda it: _size(files[it])):  # empty files are no copies
        for near in _alike(same, lambda it: _digest(files[it], HEAD)):
            copies |= {it: _digest(files[it]) for it in near}
    return {source: copies.get(it) or it for source, it in found.items()}


def _alike(
    items: Iterable[Hashable], key: Callable[[Hashable], Hashable | None]
) -> Iterator[list[Hashable]]:
    """The groups of two and more that have a key in common."""
    groups = defaultdict[Hashable, list[Hashable]](list)
    for item in items:
        if (found := key(item)) is not None:
            groups[found].append(item)
    return (group for group in groups.values() if len(group) > 1)


def _identity(source: str | Path) -> Hashable:
    with suppress(OSError):
        if isinstance(source, Path):
            status = source.stat()
            return status.st_dev, status.st_ino
    return source


def _size(file: Path) -> int | None:
    with suppress(OSError):
        return file.stat().st_size or None
    return None


def _digest(file: Path, first: int = -1) -> bytes | None:
    """The SHA-256 of a file, or of its first bytes; None if it can't be read: told later."""
    with suppress(OSError), file.open("rb") as opened:
        if first >= 0:
            return hashlib.sha256(opened.read(first)).digest()
        return hashlib.file_digest(opened, "sha256").digest()
    return None
