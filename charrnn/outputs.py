"""Files that a command makes: complete, or not at all."""

from __future__ import annotations

import errno
import os
import secrets
import shutil
import stat
from collections.abc import Iterator
from contextlib import contextmanager, suppress
from pathlib import Path
from typing import BinaryIO

from charrnn.errors import not_written

__all__ = ["output_file"]

# Regular files may stand behind these, but they are open already: another would not be seen.
STREAMS = ("/dev/fd/", "/dev/std", "/proc/")
# Where a folder takes no other file, or lets none go, such as one mounted by itself.
FIXED = (errno.EACCES, errno.EPERM, errno.EBUSY, errno.EROFS)


@contextmanager
def output_file(path: Path, option: str) -> Iterator[BinaryIO]:
    """A file to write to, which takes the place of the one at `path` when all is written.

    If that fails, the old one stays as it was. A link is followed, permissions are kept, and what
    is no file, a pipe or a device, is written to directly; so is a file in a folder that takes no
    other.

    Args:
        path: where it goes.
        option: that chose the path, for errors.

    Raises:
        CharRNNError: if it can't be written.
    """
    try:
        mode = _mode(path)
        if str(path).startswith(STREAMS) or (mode is not None and not stat.S_ISREG(mode)):
            with path.open("wb") as there:
                yield there
            return
        place = Path(os.path.realpath(path))
        new = place.with_name(f".{secrets.token_hex(8)}.charrnn-new")
        try:
            with _opened(new, place, mode) as file:
                yield file
                file.flush()
                os.fsync(file.fileno())
            if Path(file.name) == new:
                _put(new, place, mode)
        finally:
            with suppress(OSError):  # it is in its place, or was never made
                new.unlink()
    except OSError as error:
        raise not_written(path, error, option) from None


def _opened(new: Path, place: Path, mode: int | None) -> BinaryIO:
    """A new file beside `place`, or the one that is there if there can be no other."""
    try:
        return new.open("xb")
    except OSError as error:
        if mode is None or error.errno not in FIXED:
            raise
    return place.open("wb")


def _put(new: Path, place: Path, mode: int | None) -> None:
    """Put a new file in the place of the old one, or into it if that can't be replaced."""
    try:
        if mode is not None:
            new.chmod(stat.S_IMODE(mode))
        new.replace(place)
    except OSError as error:
        if mode is None or error.errno not in FIXED:
            raise
        shutil.copyfile(new, place)


def _mode(path: Path) -> int | None:
    """The mode of what is at `path`, if anything is; raises what opening it for writing would."""
    with suppress(FileNotFoundError):
        mode = path.stat().st_mode
        if stat.S_ISREG(mode):
            path.open("ab").close()
        return mode
    return None
