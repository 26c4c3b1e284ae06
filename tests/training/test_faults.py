"""Disks that fill, memory that runs out, signals: what a run does when the machine does not."""

from __future__ import annotations

import os
import resource
import shutil
import signal
import subprocess
import sys
from collections.abc import Iterator
from contextlib import suppress
from functools import partial
from inspect import getsource
from pathlib import Path
from typing import Any

import pytest
import torch

from charrnn import resume, train
from charrnn.cli.verify import verify
from charrnn.folder.resuming import read_run
from charrnn.training.events import Started
from tests.commands import Copy, run, wait_until
from tests.conftest import VERSE
from tests.training.watching import waits_for_a_save, weights

TINY = ("--rnn-size", 8, "--embed-size", 6, "--batch-size", 3, "--seq-length", 5)


@pytest.fixture
def no_gpu(monkeypatch: pytest.MonkeyPatch) -> None:
    """A driver takes memory and files of its own, which limits on a process would hit."""
    monkeypatch.setenv("CUDA_VISIBLE_DEVICES", "")


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
    length = ("--steps", 100_000, "--eval-every", 100, "--patience", 100_000)
    process = Copy(tmp_path, "train", text, *TINY, *length, "--out", out)
    wait_until((out / "model.safetensors").exists, process)
    with (disk / "ballast").open("ab", buffering=0) as ballast:

        def filled() -> bool:
            with suppress(OSError):
                while True:
                    ballast.write(bytes(1000))
            return process.poll() is not None

        wait_until(filled)  # again and again: a save that finds room makes as much when it is over
    _, err = process.communicate()
    assert process.returncode == 74
    said = "make room or check the disk; what was saved before is still there"
    _one_line(err, str(out), f"No space left on device; {said}")
    assert not list(out.rglob(".*"))
    verify(str(out))
    (disk / "ballast").unlink()
    events = iter(resume(out))
    next(events)
    next(events)
    events.close()


def test_a_full_disk_gets_no_folder(disk: Path, tmp_path: Path, verse: Path) -> None:
    (disk / "ballast").write_bytes(bytes(590_000))
    done = run(tmp_path, "train", verse, "--rnn-size", 256, "--steps", 3, "--out", disk / "model")
    assert done.returncode == 74
    _one_line(
        done.stderr, "No space left on device; make room or check the disk; nothing was saved"
    )
    assert [path.name for path in disk.iterdir()] == ["ballast"]


def test_a_disk_that_can_only_be_read_is_named(disk: Path, tmp_path: Path, verse: Path) -> None:
    subprocess.run(["mount", "-o", "remount,ro", disk], check=True)
    done = run(tmp_path, "train", verse, *TINY, "--steps", 3, "--out", disk / "model")
    assert done.returncode == 73
    _one_line(done.stderr, str(disk / "model"), "Read-only file system", "--out")


def test_a_run_can_be_used_but_not_resumed_from_a_disk_that_can_only_be_read(
    disk: Path, tmp_path: Path, trained_folder: Path
) -> None:
    shutil.copytree(trained_folder, disk / "model")
    subprocess.run(["mount", "-o", "remount,ro", disk], check=True)
    assert run(tmp_path, "sample", disk / "model", "--length", 5).returncode == 0
    assert run(tmp_path, "verify", disk / "model").returncode == 0
    done = run(tmp_path, "train", "--resume", disk / "model")
    assert done.returncode == 74
    _one_line(done.stderr, str(disk / "model"), "Read-only file system")


@pytest.mark.usefixtures("no_gpu")
def test_a_limit_on_the_size_of_files_is_an_error_like_a_full_disk(
    tmp_path: Path, verse: Path
) -> None:
    limit = partial(resource.setrlimit, resource.RLIMIT_FSIZE, (20_000, 20_000))
    process = Copy(tmp_path, "train", verse, "--steps", 3, "--out", "m", prepare=limit)
    _, err = process.communicate(timeout=600)
    assert process.returncode == 74
    _one_line(err, "m: File too large", "nothing was saved")
    assert not (tmp_path / "m").exists()


@pytest.mark.skipif(sys.platform != "linux", reason="elsewhere memory has no limit that is kept")
@pytest.mark.usefixtures("no_gpu")
def test_memory_that_runs_out_is_told_with_a_way_out(tmp_path: Path, verse: Path) -> None:
    verse.write_text(VERSE * 12_000)
    # The libraries of a PyTorch for GPUs take gigabytes of addresses before anything is computed.
    limited = (4 << 30) if torch.version.cuda is None else (12 << 30)
    limit = partial(resource.setrlimit, resource.RLIMIT_AS, (limited, limited))
    large = ("--batch-size", 2048, "--seq-length", 512, "--rnn-size", 512, "--steps", 3)
    process = Copy(tmp_path, "train", verse, *large, "--out", "m", prepare=limit)
    _, err = process.communicate(timeout=600)
    assert process.returncode == 1
    _one_line(err, "not enough memory; choose a smaller --batch-size, --seq-length")
    assert read_run(tmp_path / "m").progress.step == 0, "what was saved before is whole"


def test_a_text_that_changes_or_goes_while_it_is_trained_on_changes_nothing(
    tmp_path: Path, verse: Path
) -> None:
    kept = []
    for number in range(3):
        text = tmp_path / "text.txt"
        text.write_bytes(verse.read_bytes())
        settings: dict[str, Any] = {"hidden_size": 7, "embed_size": 5, "steps": 20}
        events = iter(train(text, out=tmp_path / str(number), **settings))
        next(events)
        if number == 1:
            text.write_text("another")
        if number == 2:
            text.unlink()
        for _ in events:
            pass
        kept.append(weights(tmp_path / str(number)))
    assert kept[0] == kept[1] == kept[2]


# The disk is stuck at the end of the first save, or of the one after so many evaluations, which is
# written by another thread; says so, and when the run waits for it after the first signal.
STUCK = """
import contextlib, os, runpy, sys, threading, time, traceback
import charrnn.signals
fsync, evaluations = os.fsync, int(os.environ["EVALUATIONS"])
main = threading.main_thread().ident
noted, signals = charrnn.signals.noted, []
@contextlib.contextmanager
def watched(*numbers):
    with noted(*numbers) as received:
        signals.append(received)
        yield received
charrnn.signals.noted = watched
charrnn.signals.ECHO = 0
def evaluated():
    if os.path.exists("model/metrics.jsonl"):
        with open("model/metrics.jsonl") as file:
            return len(list(file))
    return 0
def waits():
    if threading.get_ident() == main:
        return True
    return waits_for_a_save(main)
def stuck(handle):
    if os.path.exists("model/resume/state.safetensors") and evaluated() >= evaluations:
        print("stuck", flush=True)
        late = time.monotonic() + 600
        while not (any(signals) and waits()):
            assert time.monotonic() < late, "no signal is noted"
            time.sleep(0.01)
        print("still stuck", flush=True)
        time.sleep(1000)
    fsync(handle)
os.fsync = stuck
runpy.run_module("charrnn", run_name="__main__")
"""


@pytest.mark.parametrize("evaluations", [0, 1, 2])
def test_a_second_signal_does_not_wait(evaluations: int, tmp_path: Path, verse: Path) -> None:
    """The first one waits for a save that never ends."""
    command = [
        sys.executable,
        "-c",
        getsource(waits_for_a_save) + STUCK,
        "train",
        str(verse),
        *map(str, TINY),
    ]
    command += ["--steps", "1000000", "--eval-every", "20", "--out", "model"]
    process = subprocess.Popen(
        command,
        cwd=tmp_path,
        env=os.environ | {"EVALUATIONS": str(evaluations)},
        stdout=subprocess.PIPE,
        stderr=subprocess.PIPE,
        preexec_fn=lambda: signal.signal(signal.SIGINT, signal.default_int_handler),
    )
    assert process.stdout is not None
    assert process.stdout.readline() == b"stuck\n"
    process.send_signal(signal.SIGINT)
    assert process.stdout.readline() == b"still stuck\n"
    process.send_signal(signal.SIGINT)
    _, err = process.communicate(timeout=600)
    assert process.returncode == 130
    assert "Traceback" not in err.decode()
    verify(str(tmp_path / "model"))


def test_a_signal_while_a_run_is_set_up_leaves_a_run_to_go_on_with(
    tmp_path: Path, verse: Path
) -> None:
    process = Copy(tmp_path, "train", verse, *TINY, "--minutes", 60, "--out", "model")
    wait_until((tmp_path / "model" / ".lock.holder").exists, process)
    process.send_signal(signal.SIGINT)
    _, err = process.communicate()
    assert process.returncode == 130, err
    assert "--resume model" in err
    events = iter(resume(tmp_path / "model"))
    assert isinstance(next(events), Started)
    events.close()
