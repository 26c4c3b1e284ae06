"""Who has a folder is told apart from this program; what can't be locked is left as it was."""

from __future__ import annotations

import os
import resource
from pathlib import Path

import pytest
from filelock import FileLock

from charrnn.errors import LockedError, ReadWriteError
from charrnn.folder.locking import FolderLock, locked


def test_a_process_of_the_same_number_is_not_this_program(tmp_path: Path) -> None:
    """In two containers that share a folder, both may be the first process."""
    with FileLock(tmp_path / ".lock"):
        (tmp_path / ".lock.holder").write_text(str(os.getpid()))
        with pytest.raises(LockedError) as caught:
            FolderLock(tmp_path)
    assert caught.value.found == f"a model is already being trained in {tmp_path}"


def test_this_program_is_told_by_what_it_holds(tmp_path: Path) -> None:
    folder, link = tmp_path / "model", tmp_path / "link"
    folder.mkdir()
    link.symlink_to(folder)
    for _ in range(2):  # it can be locked again
        with locked(folder):
            (folder / ".lock.holder").unlink()
            with pytest.raises(LockedError, match="this program is already training a model in"):
                FolderLock(link)


def test_a_lock_for_which_there_is_no_room_leaves_nothing_behind(tmp_path: Path) -> None:
    """On a full disk each try left a folder."""
    soft, hard = resource.getrlimit(resource.RLIMIT_FSIZE)
    resource.setrlimit(resource.RLIMIT_FSIZE, (0, hard))
    try:
        with pytest.raises(ReadWriteError, match="File too large; make room"):
            FolderLock(tmp_path)
    finally:
        resource.setrlimit(resource.RLIMIT_FSIZE, (soft, hard))
    assert not list(tmp_path.iterdir())
