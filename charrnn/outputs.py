"""Files that a command makes: complete, or not at all."""

from __future__ import annotations

import errno
import glob
import os
import re
import secrets
import shutil
import stat
from collections.abc import Iterable, Iterator
from contextlib import contextmanager, suppress
from pathlib import Path
from typing import BinaryIO

from charrnn.checkpoints import MODEL_FILES, RESUME, is_model
from charrnn.config import STANDARD_INPUT
from charrnn.errors import UsageError, not_written
from charrnn.in_use import once_free
from charrnn.signals import tidied

__all__ = [
    "PICTURES",
    "STANDARD_OUTPUT",
    "descriptor",
    "output_error",
    "output_file",
    "refuse_inputs",
]

STANDARD_OUTPUT = "standard output"  # the file that an error of it names
# Regular files may stand behind these, but they are open already: another would not be seen.
STREAMS = ("/dev/fd/", "/dev/std", "/proc/")
# Where a folder takes no other file, or lets none go, such as one mounted by itself.
FIXED = (errno.EACCES, errno.EPERM, errno.EBUSY, errno.EROFS)
STANDARD = {"/dev/stdin": 0, "/dev/stdout": 1, "/dev/stderr": 2}
NUMBERED = re.compile(r"(?:/dev|/proc/self)/fd/(\d{1,9})")
PICTURES = (".svg", ".png")  # that are drawn; nobody reads them as text


@contextmanager
def output_file(path: Path, option: str) -> Iterator[BinaryIO]:
    """A file to write to, which takes the place of the one at `path` when all is written.

    If that fails, or a signal ends the process, the old one stays as it was, with nothing beside
    it; only SIGKILL leaves what was written. A link is followed, permissions are kept, and what is
    no file, a pipe or a device, is written to directly; so is a file in a folder that takes no
    other.

    Args:
        path: where it goes.
        option: that chose the path, for errors.

    Raises:
        CharRNNError: if it can't be written.
        BrokenPipeError: if it is standard output, whose reader has left.
    """
    try:
        if (number := descriptor(path)) is not None:
            with os.fdopen(os.dup(number), "wb") as stream:
                yield stream
            return
        mode = _mode(path)
        if str(path).startswith(STREAMS) or (mode is not None and not stat.S_ISREG(mode)):
            with path.open("wb") as there:
                yield there
            return
        place = Path(os.path.realpath(path))
        new = place.with_name(f".{secrets.token_hex(8)}.charrnn-new")

        def remove() -> None:
            with suppress(OSError):  # it is in its place, or was never made
                new.unlink()

        with tidied(remove):
            try:
                with _opened(new, place, mode) as file:
                    yield file
                    file.flush()
                    os.fsync(file.fileno())
                if Path(file.name) == new:
                    _put(new, place, mode)
            finally:
                remove()
    except OSError as error:
        raise output_error(path, error, option) from None


def _opened(new: Path, place: Path, mode: int | None) -> BinaryIO:
    """A new file beside `place`, or the one that is there if there can be no other."""
    # Nobody may read it who may not read the old one, from its first moment.
    permissions = 0o666 if mode is None else stat.S_IMODE(mode)
    try:
        return open(new, "xb", opener=lambda name, flags: os.open(name, flags, permissions))
    except OSError as error:
        if mode is None or error.errno not in FIXED:
            raise
    return place.open("wb")


def _put(new: Path, place: Path, mode: int | None) -> None:
    """Put a new file in the place of the old one, or into it if that can't be replaced."""
    try:
        if mode is not None:
            new.chmod(stat.S_IMODE(mode))
        once_free(lambda: new.replace(place))
    except OSError as error:
        if mode is None or error.errno not in FIXED:
            raise
        shutil.copyfile(new, place)


def descriptor(path: Path) -> int | None:
    """The number of what is open already, if `path` names that, as /dev/stdout does.

    Opened anew, a log behind it would be emptied, and written from its beginning.
    """
    found = NUMBERED.fullmatch(str(path))
    return int(found[1]) if found else STANDARD.get(str(path))


def output_error(path: Path, error: OSError, option: str) -> Exception:
    """The error for an output that fails; of standard output, that its reader has left."""
    if descriptor(path) == 1 and isinstance(error, BrokenPipeError):
        error.filename = STANDARD_OUTPUT
        return error
    return not_written(path, error, option)


def refuse_inputs(
    path: Path | None, option: str, inputs: Iterable[str | Path] = (), use: str = "is read"
) -> None:
    """Check that an output has a name, and goes over nothing that is read and no file of a model.

    Args:
        path: where an output goes, if there is one.
        option: that chose the path, for errors.
        inputs: what is read, as the user named it; "-" for standard input.
        use: what the inputs are, for errors: they are what …

    Raises:
        UsageError: if not.
    """
    if path is None or descriptor(path) is not None:
        return
    if str(path) == STANDARD_INPUT:
        advice = "name one; standard output is /dev/stdout"
        raise UsageError(f"{option} is -, which is not the name of a file", advice)
    try:
        place = Path(os.path.realpath(path))
    except OSError:  # the working folder was deleted: told by what writes there
        return
    for inner in (place, place.parent):
        if inner.name in (*MODEL_FILES, RESUME) and is_model(inner.parent):
            raise UsageError(f"{option} names {path}, a file of a model", "choose another file")
    if not place.is_file():  # a terminal may be both
        return
    if any(_reads(str(one), place) for one in inputs):
        raise UsageError(f"{option} names {path}, which {use}", "choose another file")


def _reads(source: str, place: Path) -> bool:
    """Whether a source, as the user named it, is the file `place`, or may hold it."""
    with suppress(OSError, ValueError):  # told by what reads it
        if source == STANDARD_INPUT:
            return os.path.samestat(os.fstat(0), place.stat())
        is_picture = place.suffix.lower() in PICTURES
        for found in [source] if os.path.lexists(source) else glob.iglob(source, recursive=True):
            if os.path.samestat(Path(found).stat(), place.stat()):
                return True
            if Path(os.path.realpath(found)) in place.parents and not is_picture:
                return True
    return False


def _mode(path: Path) -> int | None:
    """The mode of what is at `path`, if anything is; raises what opening it for writing would."""
    with suppress(FileNotFoundError):
        mode = path.stat().st_mode
        if stat.S_ISREG(mode):
            path.open("ab").close()
        return mode
    return None
