"""Saves that fail or die at any of their calls leave a whole model, or an empty folder."""

from __future__ import annotations

import errno
import os
import shutil
import signal
import subprocess
import sys
from collections import Counter
from collections.abc import Callable, Iterator
from contextlib import suppress
from pathlib import Path
from typing import Any, Self

import msgspec
import pytest
import safetensors.numpy

from charrnn import CharRNN, CharTokenizer, load, resume
from charrnn.checkpoints import MANIFEST, STATE
from charrnn.cli.list import list_models
from charrnn.cli.verify import verify
from charrnn.errors import BadDataError, ReadWriteError
from charrnn.folder import untrusted
from charrnn.folder.files import (
    create_folder,
    pretty_json,
    read_manifest,
    refuse_occupied,
    write_files,
)
from charrnn.folder.reading import read_model, read_record, read_tokenizer, saved_step
from charrnn.folder.record import model_files
from charrnn.folder.resuming import origin_of_run, read_run, state_file
from charrnn.folder.tensors import read_tensors
from tests.conftest import small_config

TOKENIZER = CharTokenizer("\n abcdefghi")

LATER = ("README.md", "metrics.jsonl", "model.safetensors")


class Killed(BaseException):
    """As if the process were killed here: no `except` of the program catches it."""


class FailPoints:
    """Counts the system calls of a save, and fails at one of them.

    Attributes:
        count: calls so far.
        half_written: files of which half was written, and then the rest.
    """

    def __init__(self, patch: pytest.MonkeyPatch, fail_at: int, how: Callable[[], Any]) -> None:
        self.count = self.half_written = 0
        self.fail_at = fail_at
        self.how = how
        for owner, name in (
            (Path, "replace"),
            (Path, "unlink"),
            (Path, "mkdir"),
            (os, "fsync"),
            (os, "open"),
            (os, "close"),
        ):
            patch.setattr(owner, name, self._counted(getattr(owner, name)))
        opened = Path.open

        def opens(path: Path, mode: str = "r") -> Any:
            if "w" in mode:
                self.point()
                return HalfWritten(opened(path, mode), self)
            return opened(path, mode)

        patch.setattr(Path, "open", opens)

    def point(self) -> None:
        self.count += 1
        if self.count == self.fail_at:
            self.how()

    def _counted(self, call: Callable[..., Any]) -> Callable[..., Any]:
        def counted(*arguments: Any, **options: Any) -> Any:
            self.point()
            return call(*arguments, **options)

        return counted


class HalfWritten:
    """A file that may fail when half of it is written."""

    def __init__(self, file: Any, points: FailPoints) -> None:
        self.file, self.points = file, points

    def __enter__(self) -> Self:
        return self

    def __exit__(self, *_: object) -> None:
        self.file.close()
        self.points.point()

    def write(self, data: bytes) -> None:
        self.file.write(data[: len(data) // 2])
        self.file.flush()
        self.points.point()
        self.file.write(data[len(data) // 2 :])
        self.points.half_written += 1

    def __getattr__(self, name: str) -> Any:
        return getattr(self.file, name)


def _next_save(path: Path) -> dict[str, bytes]:
    """The files of a later save: all of them, with other weights."""
    found = read_model(path)
    weights = {name: array + 1 for name, array in found.weights.items()}
    files = model_files(found.record, found.tokenizer, weights, step=99)
    names = ("README.md", "metrics.jsonl", STATE)
    return files | {name: (path / name).read_bytes() for name in names}


def _step(path: Path) -> int:
    """The update after which the weights of a folder were saved; checks all of its files."""
    verify(str(path))
    load(path).generate(max_new_tokens=3, seed=1)
    return read_model(path).step


BEFORE: dict[str, tuple[str, ...]] = {
    "a first save": (),
    "a first evaluation": ("config.json", "tokenizer.json", STATE),
    "a later one": ("config.json", "tokenizer.json", STATE, *LATER),
}


@pytest.fixture(params=sorted(BEFORE))
def before(request: pytest.FixtureRequest, trained_folder: Path, tmp_path: Path) -> Path:
    """A folder before a save."""
    path = tmp_path / "before"
    create_folder(path)
    names = BEFORE[request.param]
    if names:
        write_files(path, {name: (trained_folder / name).read_bytes() for name in names})
    return path


def _files_of_save(before: Path, trained_folder: Path) -> dict[str, bytes]:
    """What the save writes into it."""
    if any(before.iterdir()):
        return _next_save(trained_folder)
    return {
        name: (trained_folder / name).read_bytes()
        for name in ("config.json", "tokenizer.json", STATE)
    }


def _fail_at_each_call(
    before: Path, files: dict[str, bytes], tmp_path: Path, how: Callable[[], Any]
) -> Iterator[Path]:
    """Folders in which a save failed at its first call, at its second, and so on to its last."""
    fail_at, done = 0, False
    while not done:
        fail_at += 1
        path = Path(shutil.copytree(before, tmp_path / str(fail_at)))
        with pytest.MonkeyPatch.context() as patch:
            points = FailPoints(patch, fail_at, how)
            with suppress(Killed, ReadWriteError):
                write_files(path, files)
                done = points.count < fail_at
        yield path
        write_files(path, files)
        verify(str(path))
        assert all((path / name).read_bytes() == data for name, data in files.items())
    assert points.half_written == len(files) + 2, "each file, and the manifest twice"


def _is_whole(path: Path) -> bool:
    """Whether a run can go on in a folder; if not, it must count as empty."""
    if (path / STATE).exists() and (path / "config.json").exists():
        verify(str(path))
        read_run(path)
        if (path / "model.safetensors").exists():
            load(path).generate(max_new_tokens=3, seed=1)
        return True
    refuse_occupied(path)
    return False


def test_a_save_killed_at_any_call_leaves_a_whole_state(
    before: Path, trained_folder: Path, tmp_path: Path
) -> None:
    def kill() -> None:
        raise Killed

    files = _files_of_save(before, trained_folder)
    found = []
    for path in _fail_at_each_call(before, files, tmp_path, kill):
        found.append(_is_whole(path))
        if found[-1]:
            for _ in resume(path):  # the next start
                pass
            assert not list(path.rglob(".*")), "what the crash left is gone"
    assert found == sorted(found), "once it is there it stays"
    assert found[-1]
    assert all(found) == any(before.iterdir())


@pytest.mark.parametrize("number", [errno.ENOSPC, errno.EIO])
def test_a_save_that_fails_at_any_call_leaves_a_whole_state_and_no_litter(
    number: int, before: Path, trained_folder: Path, tmp_path: Path
) -> None:
    def fail() -> None:
        raise OSError(number, os.strerror(number))

    files = _files_of_save(before, trained_folder)
    for path in _fail_at_each_call(before, files, tmp_path, fail):
        assert _is_whole(path) or not any(before.iterdir())
        assert not list(path.rglob(".*"))


def test_a_save_that_fails_says_what_is_there(before: Path, trained_folder: Path) -> None:
    """ "what was saved before is still there" was said of a first save, too."""

    def fail() -> None:
        raise OSError(errno.ENOSPC, os.strerror(errno.ENOSPC))

    is_first, files = not any(before.iterdir()), _files_of_save(before, trained_folder)
    for call in (3, 12, 20):  # each save meets what the one before has left
        before.mkdir(exist_ok=True)
        with pytest.MonkeyPatch.context() as patch:
            FailPoints(patch, call, fail)
            with pytest.raises(ReadWriteError) as caught:
                write_files(before, files)
        said = "nothing was saved" if is_first else "what was saved before is still there"
        assert caught.value.advice == f"make room or check the disk; {said}"


SAVE = """
import sys
from pathlib import Path
from charrnn.folder.files import write_files
source, target = Path(sys.argv[1]), Path(sys.argv[2])
names = [p.relative_to(source) for p in source.rglob("*") if p.is_file()]
content = {str(n): (source / n).read_bytes() for n in names if n.name != "manifest.json"}
write_files(target, content)
"""


@pytest.mark.slow
@pytest.mark.skipif(shutil.which("strace") is None, reason="strace is not installed")
@pytest.mark.parametrize("call", ["write", "fsync", "rename", "openat", "close"])
def test_a_save_killed_at_any_system_call_leaves_a_whole_state(
    call: str, trained_folder: Path, tmp_path: Path
) -> None:
    """`strace` kills the process at each of its calls on files of the folder."""
    new = Path(shutil.copytree(trained_folder, tmp_path / "new"))
    write_files(new, _next_save(new))
    names = [str(file.relative_to(new)) for file in new.rglob("*") if file.is_file()]
    killed, returncode = 0, -signal.SIGKILL
    while returncode == -signal.SIGKILL:
        path = Path(shutil.copytree(trained_folder, tmp_path / str(killed)))
        aside = [(path / name).with_name(f".{Path(name).name}.charrnn-new") for name in names]
        places = [path, path / "resume", *(path / name for name in names), *aside]
        inject = ["-e", f"trace={call}", "-e", f"inject={call}:signal=KILL:when={killed + 1}"]
        only = [word for place in places for word in ("-P", str(place))]
        command = ["strace", "-f", "-qq", "-o", "/dev/null", *only, *inject]
        command += [sys.executable, "-B", "-c", SAVE, str(new), str(path)]
        returncode = subprocess.run(command, check=False, stderr=subprocess.DEVNULL).returncode
        assert _step(path) in (read_model(trained_folder).step, 99)
        killed += returncode == -signal.SIGKILL
    assert returncode == 0
    assert killed >= len(names)
    assert _step(path) == 99


def test_what_a_run_killed_before_its_first_save_left_is_no_model(tmp_path: Path) -> None:
    path = tmp_path / "model"
    path.mkdir()
    for name in (".lock", ".lock.holder", ".config.json.charrnn-new"):
        (path / name).touch()
    create_folder(path)
    CharRNN(small_config("gru")).save_pretrained(path, TOKENIZER)
    assert _step(path) == 0


def _later(file: Path) -> bytes:
    """What a later save might write into a file: something else that means the same."""
    if file.suffix == ".json":
        return file.read_bytes() + b"\n"
    with safetensors.safe_open(file, framework="np") as found:
        arrays = {name: found.get_tensor(name) + 1 for name in found.keys()}  # noqa: SIM118
        return safetensors.numpy.save(arrays, metadata=found.metadata())


@pytest.mark.parametrize("name", ["config.json", "tokenizer.json", STATE, "model.safetensors"])
def test_a_save_between_the_manifest_and_a_file_is_no_damage(
    trained_folder: Path, tmp_path: Path, monkeypatch: pytest.MonkeyPatch, name: str
) -> None:
    path = Path(shutil.copytree(trained_folder, tmp_path / "model"))
    record = read_record(path)
    readers: dict[str, Callable[[], Any]] = {
        "config.json": lambda: read_record(path),
        "tokenizer.json": lambda: read_tokenizer(path, record),
        STATE: lambda: origin_of_run(path),
        "model.safetensors": lambda: saved_step(path),
    }
    before, later = readers[name](), {name: _later(path / name)}
    opened, saved = untrusted.opened, False

    def opened_after_a_save(file: Path) -> Any:
        nonlocal saved
        if not saved:
            saved = True
            write_files(path, later)
        return opened(file)

    monkeypatch.setattr("charrnn.folder.files.opened", opened_after_a_save)
    assert readers[name]() == before
    assert saved


@pytest.mark.parametrize("name", ["config.json", "tokenizer.json", "model.safetensors"])
def test_a_damaged_file_is_read_six_times_at_most(
    trained_folder: Path, tmp_path: Path, monkeypatch: pytest.MonkeyPatch, name: str
) -> None:
    """In a folder whose save was killed, it was read six times six times."""
    path = Path(shutil.copytree(trained_folder, tmp_path / "checkpoints" / "model"))
    manifest = read_manifest(path) or {}
    (path / MANIFEST).write_bytes(pretty_json(manifest | {STATE: 2 * manifest[STATE]}))
    data = (path / name).read_bytes()
    (path / name).write_bytes(data[:-1] + bytes([data[-1] ^ 1]))
    opened, read = untrusted.opened, Counter[str]()

    def counted(file: Path) -> Any:
        read[file.name] += 1
        return opened(file)

    monkeypatch.setattr("charrnn.folder.files.opened", counted)
    for reader in (read_run, read_model, lambda _: list_models()):
        with suppress(BadDataError):
            reader(path)
        assert max(read.values(), default=0) <= 6
        read.clear()


@pytest.mark.parametrize("begun", [False, True], ids=["a whole save", "the end of one"])
def test_a_state_that_is_replaced_while_it_is_read_is_read_whole(
    trained_folder: Path, tmp_path: Path, monkeypatch: pytest.MonkeyPatch, begun: bool
) -> None:
    """By one with the best weights so far, which the first had not: it passed for damaged."""
    path = Path(shutil.copytree(trained_folder, tmp_path / "model"))
    state, later = read_run(path), (path / STATE).read_bytes()
    first = state_file(state.tensors, None, msgspec.structs.replace(state.progress, best=None))
    new = read_manifest(path) or {}
    write_files(path, {STATE: first})
    if begun:  # its manifest is there, and its state is not
        old = read_manifest(path) or {}
        either = old | {STATE: old[STATE] + new[STATE]}
        (path / MANIFEST).write_bytes(pretty_json(either))
    read, saved = read_tensors, False

    def read_after_a_save(file: Path, shapes: Any) -> Any:
        nonlocal saved
        if not saved:
            saved = True
            if begun:
                (path / STATE).write_bytes(later)
            else:
                write_files(path, {STATE: later})
        return read(file, shapes)

    monkeypatch.setattr("charrnn.folder.resuming.read_tensors", read_after_a_save)
    assert read_run(path).progress == state.progress
    assert saved
