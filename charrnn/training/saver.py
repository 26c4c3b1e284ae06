"""Saves that go on while training does: their files are written in a thread.

saver.write(path, files)    # returns at once
saver.wait()                # raises what went wrong
"""

from __future__ import annotations

import threading
from collections.abc import Mapping
from pathlib import Path

from charrnn.folder.files import write_files

__all__ = ["Saver"]


class Saver:
    """Writes the files of a folder in the background, one save after the other."""

    def __init__(self) -> None:
        self._thread: threading.Thread | None = None
        self._failure: BaseException | None = None

    def write(self, path: Path, files: Mapping[str, bytes]) -> None:
        """Begin to write files as `write_files` does, after those before are written.

        Raises:
            ReadWriteError: if those could not be written.
        """
        self.wait()
        thread = threading.Thread(target=self._write, args=(path, files), name="save")
        try:
            thread.start()
        except RuntimeError:  # no more threads: the system's limit, or Python is about to end
            write_files(path, files)
        else:
            self._thread = thread

    def _write(self, path: Path, files: Mapping[str, bytes]) -> None:
        try:
            write_files(path, files)
        except BaseException as error:
            self._failure = error

    def check(self) -> None:
        """Raise what went wrong so far.

        Raises:
            ReadWriteError: if files could not be written.
        """
        failure, self._failure = self._failure, None
        if failure is not None:
            raise failure

    def wait(self) -> None:
        """Wait until all is written.

        Raises:
            ReadWriteError: as `check`.
        """
        self.join()
        self.check()

    def join(self) -> None:
        """Wait until nothing is being written any more, whatever came of it."""
        if self._thread is not None:
            self._thread.join()
            self._thread = None
