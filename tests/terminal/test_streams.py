"""What becomes of a command whose streams nobody reads, take no more, or do not block."""

from __future__ import annotations

import array
import fcntl
import io
import os
import pty
import resource
import select
import signal
import subprocess
import termios
from collections.abc import Callable
from contextlib import suppress
from functools import partial
from pathlib import Path
from typing import BinaryIO

import pytest

from charrnn import Reading, load, resume
from charrnn.decoding.pieces import read_text
from charrnn.decoding.streams import Arriving
from charrnn.terminal import output
from tests.commands import TINY, run, start, wait_until

FULL = Path("/dev/full")
TRAINING = ("train", "verse.txt", "--steps", 12, "--name", "new", *TINY)

needs_full = pytest.mark.skipif(not FULL.exists(), reason="only Linux has a device that is full")


def test_a_run_goes_on_when_the_reader_of_its_log_has_left(home: Path) -> None:
    reader, writer = os.pipe()
    process = start(home, *TRAINING, stdout=subprocess.DEVNULL, stderr=writer)
    os.close(writer)
    os.close(reader)
    assert process.wait(120) == 0
    expected = run(home, *TRAINING[:-8], "--name", "other", *TINY)
    assert expected.returncode == 0, expected.stderr
    new, other = (load(home / "checkpoints" / name) for name in ("new", "other"))
    for name, values in new.weights.items():
        assert (values == other.weights[name]).all()


def test_a_run_goes_on_when_the_reader_of_all_it_writes_has_left(home: Path) -> None:
    reader, writer = os.pipe()
    process = start(home, *TRAINING, "--json", stdout=writer, stderr=writer)
    os.close(writer)
    os.close(reader)
    assert process.wait(120) == 0
    assert (home / "checkpoints" / "new" / "model.safetensors").exists()


def _take_terminal() -> None:
    """Be the process that the terminal on standard input belongs to."""
    os.setsid()
    fcntl.ioctl(0, termios.TIOCSCTTY)


def test_training_is_saved_when_its_terminal_is_closed(home: Path) -> None:
    """The system says so, and then the shell to whatever it has started."""
    ours, theirs = pty.openpty()
    streams = dict.fromkeys(("stdin", "stdout", "stderr"), theirs)
    endless = (*TRAINING[:2], "--steps", 1_000_000, "--eval-every", 3, "--name", "closed", *TINY)
    process = start(home, *endless, limit=_take_terminal, **streams)
    os.close(theirs)
    said = b""
    while b"nats" not in said:  # before the first evaluation there is no model where time is short
        said += os.read(ours, 4096)
    os.close(ours)
    process.send_signal(signal.SIGHUP)
    assert process.wait(120) == 129
    assert next(iter(resume(home / "checkpoints" / "closed")))
    assert run(home, "sample", "closed", "-n", 5).returncode == 0


def test_a_run_that_nohup_started_outlives_its_terminal(home: Path) -> None:
    endless = (*TRAINING[:2], "--steps", 1_000_000, "--name", "nohup", *TINY)
    process = start(home, *endless, limit=partial(signal.signal, signal.SIGHUP, signal.SIG_IGN))
    assert process.stderr is not None
    while b"parameters" not in process.stderr.readline():
        assert process.poll() is None
    process.send_signal(signal.SIGHUP)
    process.send_signal(signal.SIGTERM)
    process.communicate(timeout=120)
    assert process.returncode == 143


@needs_full
@pytest.mark.parametrize(
    ("arguments", "code"),
    [
        (TRAINING, 0),
        (("sample", "nowhere"), 66),
        (("sample", "--temperature", "warm"), 2),
        (("sample", "--top-p", "0"), 2),
        (("export", "verse", "--html", "nowhere/a.html"), 73),
    ],
    ids=str,
)
def test_a_full_standard_error_changes_no_exit_code(
    arguments: tuple[object, ...], code: int, home: Path
) -> None:
    with FULL.open("wb") as full:
        process = start(home, *arguments, stderr=full)
        process.communicate(timeout=120)
    assert process.returncode == code
    assert (home / "checkpoints" / "new" / "model.safetensors").exists() == (code == 0)


@needs_full
@pytest.mark.parametrize("arguments", [("--help",), ("--version",), ("train", "--help"), ("list",)])
def test_a_full_standard_output_ends_every_command_in_one_line(
    arguments: tuple[str, ...], home: Path
) -> None:
    with FULL.open("wb") as full:
        process = start(home, *arguments, stdout=full)
        _, said = process.communicate(timeout=120)
    assert process.returncode == 74
    assert said.decode() == (
        "charrnn: standard output: No space left on device; "
        "make room or check the disk, then try again\n"
    )


@pytest.mark.parametrize("arguments", [("--help",), ("--version",), ("train", "--help"), ("list",)])
def test_a_reader_that_has_seen_enough_is_no_error_for_any_command(
    arguments: tuple[str, ...], home: Path
) -> None:
    process = start(home, *arguments)
    assert process.stdout is not None
    assert process.stderr is not None
    process.stdout.close()
    with process:
        assert process.stderr.read() == b""
        assert process.wait(120) == 0


def test_a_last_line_that_does_not_fit_is_told_also_where_nothing_is_buffered(
    home: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    """Python drops what a system call has not taken."""
    monkeypatch.setenv("PYTHONUNBUFFERED", "1")
    command = ("sample", "verse", "-n", 500, "--json")
    limit = partial(resource.setrlimit, resource.RLIMIT_FSIZE, (100, 100))
    with (home / "cut.json").open("wb") as cut:
        process = start(home, *command, stdout=cut, limit=limit)
        _, said = process.communicate(timeout=120)
    assert process.returncode == 74
    assert said.decode() == (
        "charrnn: standard output: File too large; make room or check the disk, then try again\n"
    )


@pytest.mark.parametrize("kind", [output._Output, output._Messages])
def test_output_that_does_not_block_is_waited_for(
    kind: type[io.FileIO], monkeypatch: pytest.MonkeyPatch
) -> None:
    """A pipe that was full ended a command with a traceback."""
    ours, theirs = os.pipe()
    os.set_blocking(theirs, False)
    with suppress(BlockingIOError):
        while True:
            os.write(theirs, bytes(4096))
    found = bytearray()

    def read(*_: object) -> None:
        found.extend(os.read(ours, 4096))

    monkeypatch.setattr(select, "select", read)
    with os.fdopen(theirs, "w") as file:
        stream = output._through(file, kind)
        stream.write("verse" * 10_000)
        stream.flush()
    monkeypatch.undo()
    with os.fdopen(ours, "rb") as rest:
        found += rest.read()
    assert found.lstrip(b"\0") == b"verse" * 10_000


def _as_it_comes(file: BinaryIO, write: Callable[[], object]) -> bytes:
    text, _ = read_text("x", Arriving(file, write), Reading())
    return text.encode()


@pytest.mark.parametrize(
    "read",
    [
        _as_it_comes,
        lambda file, _: read_text("x", file, Reading())[0].encode(),
        lambda file, _: file.read(),
        lambda file, _: b"".join(file),
    ],
)
def test_input_that_does_not_block_is_waited_for(
    read: Callable[[BinaryIO, Callable[[], object]], bytes], monkeypatch: pytest.MonkeyPatch
) -> None:
    """Until something came, it was taken for empty, or ended in a traceback."""
    theirs, ours = os.pipe()
    os.set_blocking(theirs, False)
    coming = [b"two\n", b"one\n"]

    def write(*_: object) -> None:
        if coming:
            os.write(ours, coming.pop())
        else:
            os.close(ours)

    if read is not _as_it_comes:
        monkeypatch.setattr(select, "select", write)
    with os.fdopen(theirs) as file:
        assert read(output._through(file, output._Input).buffer, write) == b"one\ntwo\n"


@pytest.mark.skipif(os.name == "nt", reason="Python itself changes line ends there")
def test_line_ends_stay_as_they_come(tmp_path: Path) -> None:
    """As Python itself leaves those of standard input."""
    (tmp_path / "a").write_bytes(b"one\r\ntwo\rthree\n")
    with (tmp_path / "a").open() as file:
        assert list(output._through(file, output._Input)) == ["one\r\n", "two\rthree\n"]


def test_a_prompt_that_comes_in_parts_is_whole(home: Path) -> None:
    """By a pipe that does not block, as some programs leave theirs."""
    theirs, ours = os.pipe()
    os.set_blocking(theirs, False)
    process = start(home, "sample", "verse", "--prompt-file", "-", "-n", 5, stdin=theirs)
    os.write(ours, b"The clerk ")

    def is_read() -> bool:
        left = array.array("i", [0])
        fcntl.ioctl(theirs, termios.FIONREAD, left)
        return left[0] == 0

    wait_until(is_read, process)
    os.write(ours, b"has lost")
    for one in (theirs, ours):
        os.close(one)
    out, err = process.communicate(timeout=120)
    assert process.returncode == 0, err
    assert out.startswith(b"The clerk has lost")
