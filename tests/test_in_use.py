"""A file that another program has open, as Windows says, is waited for."""

from __future__ import annotations

import errno
import time
from collections.abc import Callable
from pathlib import Path

import pytest

from charrnn.errors import CannotCreateError, ReadWriteError
from charrnn.folder.files import write_files
from charrnn.outputs import output_file

Refuse = Callable[..., None]
DENIED, FULL = 5, 112  # of Windows's own numbers for errors


@pytest.fixture
def refuse(monkeypatch: pytest.MonkeyPatch) -> Refuse:
    """Let files be replaced as on Windows, refused so many times; nothing is waited for."""
    monkeypatch.setattr(time, "sleep", lambda _: None)
    replace = Path.replace

    def patch(times: int, winerror: int = DENIED) -> None:
        left = times

        def refuse_first(path: Path, target: Path) -> Path:
            nonlocal left
            left -= 1
            if left >= 0:
                error = OSError(errno.EINVAL, "refused", str(path))
                error.winerror = winerror  # type: ignore[attr-defined]
                raise error
            return replace(path, target)

        monkeypatch.setattr(Path, "replace", refuse_first)

    return patch


def _output(path: Path) -> None:
    with output_file(path, "--html") as file:
        file.write(b"new")


@pytest.mark.parametrize("winerror", [DENIED, 32, 33, 1224])
def test_a_file_in_use_is_replaced_once_it_is_free(
    winerror: int, tmp_path: Path, refuse: Refuse
) -> None:
    (tmp_path / "file").write_bytes(b"old")
    refuse(2, winerror)
    _output(tmp_path / "file")
    refuse(2, winerror)
    write_files(tmp_path / "model", {"one": b"1", "two": b"2"})
    assert (tmp_path / "file").read_bytes() == b"new"
    assert (tmp_path / "model" / "two").read_bytes() == b"2"


@pytest.mark.parametrize(("times", "winerror"), [(1000, DENIED), (1, FULL)])
def test_what_stays_in_use_or_fails_otherwise_is_told(
    times: int, winerror: int, tmp_path: Path, refuse: Refuse
) -> None:
    (tmp_path / "file").write_bytes(b"old")
    refuse(times, winerror)
    with pytest.raises(CannotCreateError, match="file: refused; choose another --html"):
        _output(tmp_path / "file")
    refuse(times, winerror)
    with pytest.raises(ReadWriteError, match=r"model: refused; .*nothing was saved"):
        write_files(tmp_path / "model", {"one": b"1"})
    assert (tmp_path / "file").read_bytes() == b"old"
