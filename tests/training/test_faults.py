"""Disks that fill, processes that die in the middle of a save, memory that runs out."""

from __future__ import annotations

import errno
import os
import resource
import shutil
import signal
import subprocess
import sys
import time
from collections.abc import Callable, Iterator
from contextlib import suppress
from pathlib import Path
from typing import Any, Self

import pytest

from charrnn import CharRNN, CharTokenizer, load, resume, train
from charrnn.cli.verify import verify
from charrnn.errors import ReadWriteError
from charrnn.folder.files import create_folder, refuse_occupied, write_files
from charrnn.folder.record import model_files, read_model
from charrnn.folder.resuming import STATE, read_run
from charrnn.training.events import Started
from tests.commands import run, start
from tests.conftest import VERSE, small_config

TINY = ("--rnn-size", 8, "--embed-size", 6, "--batch-size", 3, "--seq-length", 5)
TOKENIZER = CharTokenizer("\n abcdefghi")
LATER = ("README.md", "metrics.jsonl", "model.safetensors")


class Killed(BaseException):
    """What no `except` of the program catches, as a process that is killed runs no more of it."""


class FailPoints:
    """Counts what a save asks of the system, and fails at one of the calls."""

    def __init__(self, patch: pytest.MonkeyPatch, fail_at: int, how: Callable[[], Any]) -> None:
        self.count = 0
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
    """A file to which only half may be written."""

    def __init__(self, file: Any, points: FailPoints) -> None:
        self.file, self.points = file, points

    def __enter__(self) -> Self:
        return self

    def __exit__(self, *_: object) -> None:
        self.file.close()
        self.points.point()

    def write_files(self, data: bytes) -> None:
        self.file.write(data[: len(data) // 2])
        self.file.flush()
        self.points.point()
        self.file.write(data[len(data) // 2 :])

    def __getattr__(self, name: str) -> Any:
        return getattr(self.file, name)


@pytest.fixture(scope="module")
def saved(tmp_path_factory: pytest.TempPathFactory) -> Path:
    path = tmp_path_factory.mktemp("saved")
    (path / "verse.txt").write_text(VERSE * 12)
    out = path / "model"
    for _ in train(
        path / "verse.txt", out=out, steps=20, hidden_size=7, embed_size=5, batch_size=3
    ):
        pass
    return out


def _next_save(path: Path) -> dict[str, bytes]:
    """The files of a later save: all of them, with other weights."""
    found = read_model(path)
    weights = {name: array + 1 for name, array in found.weights.items()}
    files = model_files(found.record, found.tokenizer, weights, step=99)
    names = ("README.md", "metrics.jsonl", STATE)
    return files | {name: (path / name).read_bytes() for name in names}


def _step(path: Path) -> int:
    """After how many updates the weights of a folder were saved; every file of it is whole."""
    verify(str(path))
    load(path).generate(max_new_tokens=3, seed=1)
    return read_model(path).step


BEFORE: dict[str, tuple[str, ...]] = {
    "a first save": (),
    "a first evaluation": ("config.json", "tokenizer.json", STATE),
    "a later one": ("config.json", "tokenizer.json", STATE, *LATER),
}


@pytest.fixture(params=sorted(BEFORE))
def before(request: pytest.FixtureRequest, saved: Path, tmp_path: Path) -> Path:
    """A folder in which a save is made, and nothing else has been yet."""
    path = tmp_path / "before"
    create_folder(path)
    names = BEFORE[request.param]
    if names:
        write_files(path, {name: (saved / name).read_bytes() for name in names})
    return path


def _files_of_save(before: Path, saved: Path) -> dict[str, bytes]:
    """What the save puts into it."""
    if any(before.iterdir()):
        return _next_save(saved)
    return {name: (saved / name).read_bytes() for name in ("config.json", "tokenizer.json", STATE)}


def _fail_everywhere(
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
    assert fail_at > 30


def _is_whole(path: Path) -> bool:
    """Whether a folder can be gone on with; if not, it can be used as if it were empty."""
    if (path / STATE).exists() and (path / "config.json").exists():
        verify(str(path))
        read_run(path)
        if (path / "model.safetensors").exists():
            load(path).generate(max_new_tokens=3, seed=1)
        return True
    refuse_occupied(path)
    return False


def test_a_save_killed_at_any_call_leaves_a_whole_state(
    before: Path, saved: Path, tmp_path: Path
) -> None:
    def kill() -> None:
        raise Killed

    files = _files_of_save(before, saved)
    found = []
    for path in _fail_everywhere(before, files, tmp_path, kill):
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
    number: int, before: Path, saved: Path, tmp_path: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    def fail() -> None:
        raise OSError(number, os.strerror(number))

    files = _files_of_save(before, saved)
    for path in _fail_everywhere(before, files, tmp_path, fail):
        assert _is_whole(path) or not any(before.iterdir())
        assert not list(path.rglob(".*"))


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
    call: str, saved: Path, tmp_path: Path
) -> None:
    """By the kernel's own account of the calls on files of the folder."""
    new = Path(shutil.copytree(saved, tmp_path / "new"))
    write_files(new, _next_save(new))
    names = [str(file.relative_to(new)) for file in new.rglob("*") if file.is_file()]
    killed, returncode = 0, -signal.SIGKILL
    while returncode == -signal.SIGKILL:
        path = Path(shutil.copytree(saved, tmp_path / str(killed)))
        aside = [(path / name).with_name(f".{Path(name).name}.charrnn-new") for name in names]
        places = [path, path / "resume", *(path / name for name in names), *aside]
        inject = ["-e", f"trace={call}", "-e", f"inject={call}:signal=KILL:when={killed + 1}"]
        only = [word for place in places for word in ("-P", str(place))]
        command = ["strace", "-f", "-qq", "-o", "/dev/null", *only, *inject]
        command += [sys.executable, "-B", "-c", SAVE, str(new), str(path)]
        returncode = subprocess.run(command, check=False, stderr=subprocess.DEVNULL).returncode
        assert _step(path) in (read_model(saved).step, 99)
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


@pytest.fixture
def disk(tmp_path: Path) -> Iterator[Path]:
    """A disk of 600 kB."""
    path = tmp_path / "disk"
    path.mkdir()
    command = ["mount", "-t", "tmpfs", "-o", "size=600k", "tmpfs", str(path)]
    if subprocess.run(command, check=False, capture_output=True).returncode:
        pytest.skip("a disk can't be mounted here")
    yield path
    subprocess.run(["umount", "--lazy", path], check=True)


def _one_line(err: str, *parts: str) -> None:
    lines = [line for line in err.splitlines() if line.startswith("charrnn: ")]
    assert len(lines) == 1, err
    assert "Traceback" not in err
    assert all(part in lines[0] for part in parts), lines[0]


def test_a_disk_that_fills_while_training_costs_nothing_that_was_saved(
    disk: Path, tmp_path: Path
) -> None:
    text = tmp_path / "verse.txt"
    text.write_text(VERSE * 12)
    out = disk / "model"
    process = start(tmp_path, "train", text, *TINY, "--steps", 100_000, "--out", out)
    while not (out / "model.safetensors").exists():
        time.sleep(0.02)
        assert process.poll() is None
    ballast = os.open(disk / "ballast", os.O_WRONLY | os.O_CREAT)
    with suppress(OSError):
        while True:
            os.write(ballast, bytes(1000))
    os.close(ballast)
    _, err = process.communicate(timeout=100)
    assert process.returncode == 74
    _one_line(err.decode(), str(out), "No space left on device; make room")
    assert not list(out.rglob(".*"))
    verify(str(out))
    (disk / "ballast").unlink()
    events = resume(out)
    next(events)
    next(events)
    events.close()  # type: ignore[attr-defined]


def test_a_full_disk_gets_no_folder(disk: Path, tmp_path: Path, verse: Path) -> None:
    (disk / "ballast").write_bytes(bytes(590_000))
    done = run(tmp_path, "train", verse, "--rnn-size", 256, "--steps", 3, "--out", disk / "model")
    assert done.returncode == 74
    _one_line(done.stderr, "No space left on device")
    assert [path.name for path in disk.iterdir()] == ["ballast"]


def test_a_disk_that_can_only_be_read_is_named(disk: Path, tmp_path: Path, verse: Path) -> None:
    subprocess.run(["mount", "-o", "remount,ro", disk], check=True)
    done = run(tmp_path, "train", verse, *TINY, "--steps", 3, "--out", disk / "model")
    assert done.returncode == 73
    _one_line(done.stderr, str(disk / "model"), "Read-only file system", "--out")


def test_a_run_can_be_used_but_not_resumed_from_a_disk_that_can_only_be_read(
    disk: Path, tmp_path: Path, saved: Path
) -> None:
    shutil.copytree(saved, disk / "model")
    subprocess.run(["mount", "-o", "remount,ro", disk], check=True)
    assert run(tmp_path, "sample", disk / "model", "--length", 5).returncode == 0
    assert run(tmp_path, "verify", disk / "model").returncode == 0
    done = run(tmp_path, "train", "--resume", disk / "model")
    assert done.returncode == 74
    _one_line(done.stderr, str(disk / "model"), "Read-only file system")


def test_a_limit_on_the_size_of_files_is_an_error_like_a_full_disk(
    tmp_path: Path, verse: Path
) -> None:
    def limit() -> None:
        resource.setrlimit(resource.RLIMIT_FSIZE, (20_000, 20_000))

    process = start(tmp_path, "train", verse, "--steps", 3, "--out", "m", limit=limit)
    _, err = process.communicate(timeout=100)
    assert process.returncode == 74
    _one_line(err.decode(), "m: File too large")
    assert not (tmp_path / "m").exists()


def test_memory_that_runs_out_is_told_with_a_way_out(tmp_path: Path, verse: Path) -> None:
    verse.write_text(VERSE * 12_000)

    def limit() -> None:
        resource.setrlimit(resource.RLIMIT_AS, (4 << 30, 4 << 30))

    large = ("--batch-size", 2048, "--seq-length", 512, "--rnn-size", 512, "--steps", 3)
    process = start(tmp_path, "train", verse, *large, "--out", "m", limit=limit)
    _, err = process.communicate(timeout=100)
    assert process.returncode == 1
    _one_line(err.decode(), "not enough memory; choose a smaller --batch-size, --seq-length")
    assert read_run(tmp_path / "m").progress.step == 0, "what was saved before is whole"


def test_a_text_that_changes_or_goes_while_it_is_trained_on_changes_nothing(
    tmp_path: Path, verse: Path
) -> None:
    kept = []
    for number in range(3):
        text = tmp_path / "text.txt"
        text.write_bytes(verse.read_bytes())
        settings: dict[str, Any] = {"hidden_size": 7, "embed_size": 5, "steps": 20}
        events = train(text, out=tmp_path / str(number), **settings)
        next(events)
        if number == 1:
            text.write_text("another")
        if number == 2:
            text.unlink()
        for _ in events:
            pass
        kept.append((tmp_path / str(number) / "model.safetensors").read_bytes())
    assert kept[0] == kept[1] == kept[2]


def test_a_second_signal_does_not_wait(tmp_path: Path, verse: Path) -> None:
    """The first one waits for a save that never ends."""
    code = (
        "import time; from charrnn.cli.app import main\n"
        "from charrnn.training.recorder import Keeper\n"
        "due = Keeper.due\n"
        "Keeper.due = lambda self, one: one.step == 3 and print('at work', flush=True) "
        "or due(self, one)\n"
        "Keeper.close = lambda *_: (print('waiting', flush=True), time.sleep(1000))\n"
        "main()"
    )
    command = [sys.executable, "-c", code, "train", str(verse), *map(str, TINY)]
    command += ["--steps", "1000000", "--out", "model"]
    process = subprocess.Popen(
        command,
        cwd=tmp_path,
        stdout=subprocess.PIPE,
        stderr=subprocess.PIPE,
        preexec_fn=lambda: signal.signal(signal.SIGINT, signal.default_int_handler),
    )
    assert process.stdout is not None
    assert process.stdout.readline() == b"at work\n"
    process.send_signal(signal.SIGINT)
    assert process.stdout.readline() == b"waiting\n"
    process.send_signal(signal.SIGINT)
    _, err = process.communicate(timeout=60)
    assert process.returncode == 130
    assert "Traceback" not in err.decode()
    verify(str(tmp_path / "model"))


def test_a_signal_while_a_run_is_set_up_leaves_a_run_to_go_on_with(
    tmp_path: Path, verse: Path
) -> None:
    process = start(tmp_path, "train", verse, *TINY, "--minutes", 60, "--out", "model")
    while not (tmp_path / "model" / ".lock.holder").exists():
        time.sleep(0.005)
        assert process.poll() is None
    process.send_signal(signal.SIGINT)
    _, err = process.communicate(timeout=60)
    assert process.returncode == 130, err
    assert b"--resume model" in err
    events = resume(tmp_path / "model")
    assert isinstance(next(events), Started)
    events.close()  # type: ignore[attr-defined]
