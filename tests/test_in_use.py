"""A file that another program has open, as Windows says, is waited for."""

from __future__ import annotations

import errno
import time
from collections.abc import Callable
from pathlib import Path
from typing import Any

import pytest

from charrnn.errors import CannotCreateError, ReadWriteError
from charrnn.folder.files import write_files
from charrnn.folder.untrusted import read_bytes
from charrnn.outputs import output_file

Refuse = Callable[..., None]
DENIED, FULL = 5, 112  # of Windows's own numbers for errors


@pytest.fixture
def refuse(monkeypatch: pytest.MonkeyPatch) -> Refuse:
    """Let a method of Path fail as on Windows, so many times; nothing is waited for."""
    monkeypatch.setattr(time, "sleep", lambda _: None)

    def patch(method: str, times: int, winerror: int = DENIED) -> None:
        work, left = getattr(Path, method), times

        def refuse_first(path: Path, *given: Any, **named: Any) -> Any:
            nonlocal left
            if method == "replace" or given == ("rb",):
                left -= 1
                if left >= 0:
                    error = OSError(errno.EINVAL, "refused", str(path))
                    error.winerror = winerror  # type: ignore[attr-defined]
                    raise error
            return work(path, *given, **named)

        monkeypatch.setattr(Path, method, refuse_first)

    return patch


def _output(path: Path) -> None:
    with output_file(path, "--html") as file:
        file.write(b"new")


@pytest.mark.parametrize("winerror", [DENIED, 32, 33, 1224])
def test_a_file_in_use_is_replaced_and_read_once_it_is_free(
    winerror: int, tmp_path: Path, refuse: Refuse
) -> None:
    (tmp_path / "file").write_bytes(b"old")
    refuse("replace", 2, winerror)
    _output(tmp_path / "file")
    refuse("replace", 2, winerror)
    write_files(tmp_path / "model", {"one": b"1", "two": b"2"})
    refuse("open", 2, winerror)
    assert read_bytes(tmp_path / "file") == b"new"
    assert (tmp_path / "model" / "two").read_bytes() == b"2"


@pytest.mark.parametrize(("times", "winerror"), [(1000, DENIED), (1, FULL)])
def test_what_stays_in_use_or_fails_otherwise_is_told(
    times: int, winerror: int, tmp_path: Path, refuse: Refuse
) -> None:
    (tmp_path / "file").write_bytes(b"old")
    refuse("replace", times, winerror)
    with pytest.raises(CannotCreateError, match="file: refused; choose another --html"):
        _output(tmp_path / "file")
    refuse("replace", times, winerror)
    with pytest.raises(ReadWriteError, match=r"model: refused; .*nothing was saved"):
        write_files(tmp_path / "model", {"one": b"1"})
    refuse("open", times, winerror)
    with pytest.raises(ReadWriteError, match="file: refused"):
        read_bytes(tmp_path / "file")
    assert (tmp_path / "file").read_bytes() == b"old"
