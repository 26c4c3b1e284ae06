"""The user's cache folder, and ids of long texts in it, in anonymous temporary files."""

from __future__ import annotations

import os
import sys
from collections.abc import Iterable, Iterator
from contextlib import contextmanager, suppress
from pathlib import Path
from tempfile import TemporaryFile

import numpy as np
import platformdirs
from numpy.typing import NDArray

from charrnn.errors import ReadWriteError

__all__ = ["check", "location", "mapped", "writing"]


def location() -> Path:
    """The folder of the cache, which may not exist yet.

    Raises:
        ReadWriteError: if the user has no home folder that it could be in.
    """
    try:
        return platformdirs.user_cache_path("charrnn")
    except RuntimeError:
        advice = f"choose a place for caches with {_variable()}"
        raise ReadWriteError("there is no home folder, which would hold caches", advice) from None


def check() -> None:
    """Check that the folder can be read, if there is one, and that nothing else is in its place.

    Raises:
        ReadWriteError: if not, or if there is no home folder.
    """
    with _errors_with_advice(), suppress(FileNotFoundError):
        os.scandir(location()).close()


@contextmanager
def writing() -> Iterator[Path]:
    """The folder, while a file is written there. It holds texts, so no other user may look into it.

    Raises:
        ReadWriteError: if it can't be made, or the file not be written.
    """
    folder = location()
    with _errors_with_advice():
        folder.mkdir(mode=0o700, parents=True, exist_ok=True)
        yield folder


def mapped(parts: Iterable[NDArray[np.integer]], dtype: np.dtype) -> NDArray[np.integer]:
    """Ids mapped into memory from a temporary file, which is there as long as they are.

    Args:
        parts: the ids, one array (n,) after the other; at least one id.
        dtype: the type of the ids in the file.

    Returns:
        ids: (N,).

    Raises:
        ReadWriteError: if the file can't be written.
    """
    with writing() as folder, TemporaryFile(dir=folder) as file:
        for part in parts:
            file.write(part.astype(dtype).data)
        file.flush()
        return np.asarray(np.memmap(file, dtype, mode="r"))


@contextmanager
def _errors_with_advice() -> Iterator[None]:
    try:
        yield
    except OSError as error:
        raise ReadWriteError(
            f"{location()}: {error.strerror}",
            f"make room there, or choose another place for caches with {_variable()}",
        ) from None


def _variable() -> str:
    """The variable that says where caches go."""
    return "WIN_PD_OVERRIDE_LOCAL_APPDATA" if sys.platform == "win32" else "XDG_CACHE_HOME"
