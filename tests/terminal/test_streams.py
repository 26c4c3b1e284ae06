"""What becomes of a command when nobody reads what it writes, or the disk takes no more."""

from __future__ import annotations

import fcntl
import os
import pty
import signal
import subprocess
import termios
from functools import partial
from pathlib import Path

import pytest

from charrnn import load, resume
from tests.commands import TINY, run, start

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
