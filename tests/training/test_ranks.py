"""Several processes make the run that one would make, and end together."""

from __future__ import annotations

import json
import os
import random
import shutil
import signal
import time
from collections.abc import Callable
from functools import partial
from pathlib import Path
from typing import Any

import msgspec
import numpy as np
import pytest
import torch
import torch.distributed as dist

import charrnn
from charrnn.checkpoints import STATE
from charrnn.cli.verify import verify
from charrnn.config import Budget, Reading, TaskSettings
from charrnn.errors import CharRNNError, UsageError
from charrnn.folder.resuming import read_run
from charrnn.learning.hardware import devices
from charrnn.learning.hardware.ranks import ALONE, Ranks
from charrnn.learning.learner import Learner
from charrnn.network.base import Network
from charrnn.objectives.plans.plan import schedule
from charrnn.objectives.request import Request
from charrnn.training.beginning.preparing import prepare
from tests.commands import wait_until
from tests.conftest import VERSE
from tests.kills import kill_rank, lack_memory
from tests.ranks import start_ranks, torchrun
from tests.training.task_examples import WRITERS
from tests.training.watching import weights

SETTINGS: dict[str, Any] = {
    "hidden_size": 12,
    "embed_size": 6,
    "batch_size": 4,
    "seq_length": 40,
    "dropout": 0.3,
    "weight_dropout": 0.1,
    "precision": "fp32",
    "device": "cpu",
    "steps": 200,
    "eval_every": 40,
    "patience": 50,
}
OPTIONS = [
    part
    for name, value in SETTINGS.items()
    for part in (f"--{name.replace('_', '-').replace('hidden', 'rnn')}", value)
]
TIMEOUT = 240  # seconds in which all must have ended, on a busy machine


def _names() -> str:
    Path("names.txt").write_text("".join(f"{'ab' * (k % 7)}c{k}\n" for k in range(60)))
    return "names.txt"


def _story() -> str:
    Path("story.txt").write_text(VERSE * 6)
    return "story.txt"


KINDS: dict[str, Callable[[], str]] = {"story": _story, "names": _names} | {
    str(task): write for task, write in WRITERS.items()
}


def _learner(kind: str, **changes: Any) -> Learner:
    task_settings = TaskSettings(task=kind if kind in WRITERS else None)
    names = ("embed_size", "batch_size", "dropout", "weight_dropout", "precision", "device")
    settings = {name: SETTINGS[name] for name in names} | {"hidden_size": 8, "batch_size": 6}
    budget = Budget(steps=50)
    request = Request([KINDS[kind]()], Reading(), task_settings, budget=budget, settings=settings)
    data, plan = prepare(request)
    config = msgspec.structs.replace(schedule(plan, 50), **changes)
    return Learner(data.task(config), plan.model, config)


def _gradients(network: Network) -> list[torch.Tensor]:
    found = [w.grad.clone() for w in network.parameters() if w.grad is not None]
    network.zero_grad()
    assert found
    return found


@pytest.mark.parametrize("kind", KINDS)
def test_the_parts_of_a_batch_cost_together_what_it_costs(kind: str) -> None:
    """Dropped units, emptied lanes and the last, smaller batch of an epoch included."""
    learner = _learner(kind)
    task, network, state = learner.task, learner.network, None
    for step in range(min(learner.batches.steps_per_epoch, 12)):
        size, batch = learner.batches.size(step), learner.batches.batch(step)
        dice = torch.Generator()
        network.read_rows(ALONE.rows(size))
        whole = task.cost(network, batch, state, dice.manual_seed(step))
        whole.total.backward()  # type: ignore[no-untyped-call]
        wanted, total, number, after = _gradients(network), 0.0, 0.0, []
        for ranks in (Ranks(rank, 3) for rank in range(3)):
            rows = ranks.rows(size)
            if rows.first == rows.last:
                continue
            network.read_rows(rows)
            part = learner.batches.batch(step, slice(rows.first, rows.last))
            cost = task.cost(network, part, ranks.own(state), dice.manual_seed(step))
            cost.total.backward()  # type: ignore[no-untyped-call]
            total, number = total + float(cost.total.detach()), number + float(cost.number)
            after.append(cost.state)
        assert total == pytest.approx(float(whole.total.detach()), rel=1e-5)
        assert number == pytest.approx(float(whole.number))
        torch.testing.assert_close(_gradients(network), wanted, rtol=1e-4, atol=1e-5)
        if whole.state is not None:
            joined = tuple(torch.cat(parts, 1) for parts in zip(*after, strict=True))
            torch.testing.assert_close(joined, whole.state)
            state = tuple(part.detach() for part in whole.state)


def test_a_part_in_which_nothing_counts_costs_nothing() -> None:
    """Of a text that is cut within its first word there is no tag to predict.

    It counted as a word outside of all names, in each process, so that the loss of a batch depended
    on the number of processes.
    """
    learner = _learner("tag", seq_length=1)
    task, batch = learner.task, learner.batches.batch(0)
    assert not len(batch.tags), "all are cut"
    cost = task.cost(learner.network, batch, None, torch.Generator())
    assert (float(cost.total.detach()), float(cost.number)) == (0.0, 0.0)
    learner.update()
    assert learner.updates.skipped == 0
    assert float(learner.updates.loss) == 0.0


@pytest.mark.parametrize("count", range(1, 9))
def test_each_row_has_one_reader_and_advice_helps(count: int) -> None:
    for size in range(20):
        rows = [Ranks(rank, count).rows(size) for rank in range(count)]
        assert [k for one in rows for k in range(one.first, one.last)] == list(range(size))
    for size in range(1, 40):
        if size % count == 0:
            Ranks(0, count).refuse_uneven(size, given=False)
            continue
        with pytest.raises(UsageError) as error:
            Ranks(0, count).refuse_uneven(size, given=False)
        larger, processes = (
            int(word) for word in error.value.advice.replace(",", "").split() if word.isdecimal()
        )
        Ranks(0, count).refuse_uneven(larger, given=False)
        Ranks(0, processes).refuse_uneven(size, given=True)


def test_each_process_needs_a_gpu_of_its_own(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(torch.cuda, "is_available", lambda: True)
    monkeypatch.setattr(torch.cuda, "device_count", lambda: 2)
    monkeypatch.setattr(devices, "gpu_fails", lambda: None)
    monkeypatch.setenv("LOCAL_RANK", "1")
    assert devices.choose_device("auto").type == "cuda"
    monkeypatch.setenv("LOCAL_RANK", "2")
    assert devices.choose_device("cpu").type == "cpu"
    with pytest.raises(UsageError, match=r"more processes here than GPUs \(2\); start at most 2"):
        devices.choose_device("auto")


def _metrics(path: Path) -> list[dict[str, Any]]:
    lines = [json.loads(line) for line in (path / "metrics.jsonl").read_text().splitlines()]
    return [{k: v for k, v in line.items() if "second" not in k} for line in lines]


def _assert_close(path: Path, other: Path) -> None:
    """The same losses to 1e-5 nats."""
    found, wanted = _metrics(path), _metrics(other)
    assert [line["step"] for line in found] == [line["step"] for line in wanted]
    for name in ("train_nats", "val_nats"):
        losses, others = ([line[name] for line in lines] for lines in (found, wanted))
        np.testing.assert_allclose(losses, others, rtol=0, atol=1e-5)


def _kill_one(tmp_path: Path, text: Path, rank: int) -> str:
    """Have one of two killed at some moment after the second evaluation; what the other says."""
    moment = random.Random(rank)  # noqa: S311
    kill = partial(kill_rank, rank, moment.randrange(81, 190), moment.randrange(300))
    command = ("train", text, *OPTIONS, "--out", "killed")
    processes = start_ranks(tmp_path, *command, prepare=kill)
    _, said = processes[1 - rank].communicate(timeout=TIMEOUT)
    assert processes[1 - rank].returncode == 1
    processes[rank].communicate()
    assert processes[rank].returncode == -signal.SIGKILL
    assert _metrics(tmp_path / "killed"), "the second evaluation waits for the save of the first"
    return said


def test_two_processes_make_the_run_of_one_whatever_kills_them(tmp_path: Path, verse: Path) -> None:
    """One is killed without anybody who would end the other; both go on, or one alone."""
    command = ("-m", "charrnn", "train", verse, *OPTIONS, "--out", "two", "--json")
    process = torchrun(tmp_path, *command)
    out, err = process.communicate(timeout=2 * TIMEOUT)
    assert process.returncode == 0, err
    assert json.loads(out)["steps"] == 200, "one object, of one process"
    assert err.count("shared by 2 processes") == err.count("write with it:") == 1
    charrnn.train(verse, out=tmp_path / "one", **SETTINGS).finish(progress=False)
    _assert_close(tmp_path / "two", tmp_path / "one")

    killed = tmp_path / "killed"
    said = _kill_one(tmp_path, verse, 1)
    assert said.count("charrnn: another process of this run has ended; what was saved last") == 1
    assert "Traceback" not in said
    verify(str(killed))
    shutil.copytree(killed, tmp_path / "alone")
    alone = charrnn.resume(tmp_path / "alone")
    assert "2 processes before, 1 now: that changes rounding and nothing else" in alone.notes
    alone.finish(progress=False)
    _assert_close(tmp_path / "alone", tmp_path / "one")

    for resumed in start_ranks(tmp_path, "train", "--resume", killed):
        _, err = resumed.communicate(timeout=TIMEOUT)
        assert resumed.returncode == 0, err
        assert "rounding" not in err
    assert _metrics(killed) == _metrics(tmp_path / "two")
    assert weights(killed) == weights(tmp_path / "two")


@pytest.mark.slow
def test_a_killed_first_process_leaves_a_run_that_any_number_goes_on_with(
    tmp_path: Path, verse: Path
) -> None:
    charrnn.train(verse, out=tmp_path / "one", **SETTINGS).finish(progress=False)
    killed = tmp_path / "killed"
    said = _kill_one(tmp_path, verse, 0)
    assert said.startswith("charrnn: process 1: another process of this run has ended")
    assert said.count("\n") == 1
    for process in start_ranks(tmp_path, "train", "--resume", killed, count=4):
        _, err = process.communicate(timeout=TIMEOUT)
        assert process.returncode == 0, err
    _assert_close(killed, tmp_path / "one")


@pytest.mark.parametrize(
    "lacking", [(1,), *(pytest.param(ranks, marks=pytest.mark.slow) for ranks in [(0,), (0, 1)])]
)
def test_memory_that_runs_out_in_an_update_ends_all_processes_and_is_said_once(
    lacking: tuple[int, ...], tmp_path: Path, verse: Path
) -> None:
    """The others waited for the part of the one that had failed, and that one for them."""
    fail = partial(lack_memory, lacking, 95)
    command = ("train", verse, *OPTIONS, "--out", "model")
    processes = start_ranks(tmp_path, *command, prepare=fail)
    errors = [process.communicate(timeout=TIMEOUT)[1] for process in processes]
    assert [process.returncode for process in processes] == [1, 1]
    said = [line for error in errors for line in error.splitlines() if line[:9] == "charrnn: "]
    (found,) = (line for line in said if "there is not enough memory; choose a smaller" in line)
    assert found.endswith("what was saved is there")
    if 1 in lacking:  # the first process keeps the count of who has spoken, while it lives
        assert said == [found]
    assert read_run(tmp_path / "model").progress.step == 80


NCCL = "NCCL error in: NCCLUtils.cpp:94, {}, NCCL version 2.27.3\n{}\nLast error:\n{}"
SHARED = "Error while creating shared memory segment /dev/shm/nccl-a (size 7340384)"
FAILED = ("unhandled system error (run with NCCL_DEBUG=INFO for details)", "ncclSystemError: …")
GONE = ("remote process exited or there was a network error", "ncclRemoteError: …")


@pytest.mark.parametrize(
    ("error", "said"),
    [
        (
            dist.DistBackendError(NCCL.format(*FAILED, SHARED)),
            f"the processes can't exchange gradients ({SHARED})",
        ),
        (
            dist.DistBackendError("unhandled cuda error, NCCL version 2.27.3"),
            "the processes can't exchange gradients (unhandled cuda error, NCCL version 2.27.3)",
        ),
        (
            dist.DistBackendError(NCCL.format(*GONE, "socketProgress: Connection closed")),
            "another process of this run has ended",
        ),
        (
            dist.DistBackendError("NCCL communicator was aborted on rank 1."),
            "another process of this run has ended",
        ),
        (RuntimeError("Connection closed by peer"), "another process of this run has ended"),
    ],
)
def test_what_nccl_lacks_is_not_told_as_the_end_of_a_process(
    error: Exception, said: str, monkeypatch: pytest.MonkeyPatch
) -> None:
    def fail(_: torch.Tensor) -> None:
        raise error

    monkeypatch.setattr(dist, "all_reduce", fail)
    with pytest.raises(CharRNNError) as caught:
        Ranks(1, 2).mean([], torch.zeros(()), 1)
    assert caught.value.found == said
    assert ("a container needs room" in caught.value.advice) == ("gradients" in said)


@pytest.fixture
def stopped(tmp_path: Path, verse: Path) -> Callable[..., str]:
    """Send a signal to torchrun, to a process that it has started, or to all; what is said then."""

    def stop(number: signal.Signals, rank: int | str) -> str:
        options = (*OPTIONS, "--steps", 100_000, "--eval-every", 50_000, "--out", "model")
        process = torchrun(tmp_path, "-m", "charrnn", "train", verse, *options)
        wait_until((tmp_path / "model" / STATE).exists, process)
        time.sleep(2)
        workers = [_worker(process.pid, rank) for rank in range(2)]
        chosen: dict[int | str, list[int]] = {0: workers[:1], 1: workers[1:]}
        chosen |= {"launcher": [process.pid], "all": [*workers, process.pid]}
        for one in chosen[rank]:
            os.kill(one, number)
        _, err = process.communicate(timeout=TIMEOUT)
        return err

    return stop


def _worker(launcher: int, rank: int) -> int:
    """The process with this rank, on Linux."""
    for child in Path(f"/proc/{launcher}/task/{launcher}/children").read_text().split():
        if f"\0RANK={rank}\0" in Path(f"/proc/{child}/environ").read_text():
            return int(child)
    raise AssertionError(f"torchrun has not started rank {rank}")


@pytest.mark.slow
@pytest.mark.skipif(not Path("/proc/self/task").exists(), reason="reads Linux's /proc")
@pytest.mark.parametrize("number", [signal.SIGINT, signal.SIGTERM, signal.SIGHUP])
@pytest.mark.parametrize("rank", ["launcher", 0, 1, "all"])
def test_a_signal_to_any_process_saves_the_run(
    number: signal.Signals, rank: int | str, stopped: Callable[..., str], tmp_path: Path
) -> None:
    """Where all have received it, which of them was the first is left to chance.

    `systemctl stop` sends it to all, and torchrun then passes it on to its processes once more.
    """
    said = stopped(number, rank)
    lines = [line for line in said.splitlines() if "--resume model" in line]
    assert len(lines) == 1
    elsewhere = "another process of this run was asked to stop; all is saved" in lines[0]
    here = lines[0] == "stopped; continue with: charrnn train --resume model"
    assert (here, elsewhere)[rank] if isinstance(rank, int) else here or elsewhere
    model = tmp_path / "model"
    assert read_run(model).progress.step > 0, "it was saved when it was stopped, not only at first"
    assert next(iter(charrnn.resume(model)))


SCRIPT = """
import sys
import charrnn
settings = eval(sys.argv[1])
run = charrnn.train("story.txt", out="story", **settings)
for event in run:
    if isinstance(event, charrnn.Progress):
        break
model = run.finish(progress=False)
print(f"wrote {len(model.generate(max_new_tokens=9, seed=1))}.", end="")
for task, file in eval(sys.argv[2]).items():
    run = charrnn.train(file, task=task, out=task, **settings)
    assert run.finish(progress=False)
"""


@pytest.mark.slow
def test_a_program_trains_every_task_in_two_processes(tmp_path: Path) -> None:
    """All processes have the models; they leave a loop and go on together."""
    (tmp_path / "script.py").write_text(SCRIPT)
    _story()
    names = ("dropout", "precision", "device", "eval_every", "hidden_size", "batch_size")
    settings = {name: SETTINGS[name] for name in names} | {"steps": 40, "eval_every": 13}
    files = {}
    for task, write in WRITERS.items():
        own = tmp_path / f"{task}-data"
        own.mkdir()
        path = Path(write())
        files[task] = str(path.rename(own / path.name))
        charrnn.train(files[task], task=task, out=tmp_path / f"{task}-one", **settings).finish(
            progress=False
        )
    charrnn.train("story.txt", out=tmp_path / "story-one", **settings).finish(progress=False)
    process = torchrun(tmp_path, "script.py", repr(settings), repr(files))
    out, err = process.communicate(timeout=TIMEOUT)
    assert process.returncode == 0, err
    assert out == 2 * "wrote 9.", "both have the model"
    for name in ("story", *files):
        _assert_close(tmp_path / name, tmp_path / f"{name}-one")


LOOPS = """
import os
import sys
import charrnn
from charrnn.training import loop
settings = eval(sys.argv[1])
loop.REPORT_SECONDS = 0.0
run, other = (charrnn.train("story.txt", out=name, **settings) for name in ("story", "other"))
for stop in (20, 30):
    for event in run:
        if isinstance(event, charrnn.Progress) and event.step == stop:
            for inner in (run, other):
                try:
                    inner.finish(progress=False)
                except charrnn.CharRNNError as error:
                    assert "already training a model in several processes" in str(error), error
                else:
                    raise AssertionError("a loop inside a loop was not refused")
            break
    state = repr(run).split("state: ")[1].splitlines()[0]
    steps = [one.step for one in run.evaluations]
    print(os.environ["RANK"], state, steps, end="; ")
run.finish(progress=False)
print(os.environ["RANK"], [one.step for one in run.evaluations], end="; ")
"""


@pytest.mark.slow
def test_all_processes_know_how_far_a_run_is_after_each_loop(tmp_path: Path) -> None:
    """And a loop inside of one is refused by the first alone: it sent the others out of theirs."""
    (tmp_path / "script.py").write_text(LOOPS)
    _story()
    names = ("dropout", "precision", "device", "hidden_size", "batch_size")
    settings = {name: SETTINGS[name] for name in names} | {"steps": 40, "eval_every": 8}
    process = torchrun(tmp_path, "script.py", repr(settings))
    out, err = process.communicate(timeout=TIMEOUT)
    assert process.returncode == 0, err
    said = [
        f"{rank} {after}"
        for rank in (0, 1)
        for after in (
            "20 of 40 updates made [8, 16]",
            "30 of 40 updates made [8, 16, 24]",
            "[8, 16, 24, 32, 40]",
        )
    ]
    assert sorted(out.split("; ")) == sorted(["", *said])


@pytest.mark.slow
def test_what_one_process_alone_finds_is_said_by_it(tmp_path: Path, verse: Path) -> None:
    """What all find is said once."""
    (tmp_path / "elsewhere").mkdir()
    (tmp_path / "elsewhere" / "verse.txt").write_text(VERSE * 19)
    processes = start_ranks([tmp_path, tmp_path / "elsewhere"], "train", "verse.txt", *OPTIONS)
    errors = [process.communicate(timeout=TIMEOUT)[1] for process in processes]
    assert "another process of this run has ended" in errors[0]
    assert errors[1].startswith("charrnn: process 1: the text here (SHA-256 ")
    assert errors[1].count("\n") == 1
    for command, said in (
        (("nothing.txt", *OPTIONS), "there is no file or corpus nothing.txt"),
        ((verse, *OPTIONS, "--batch-size", 5), "which 2 processes can't divide evenly; choose 6"),
        (("-", *OPTIONS), "standard input can't be read by 2 processes"),
    ):
        processes = start_ranks(tmp_path, "train", *command, "--out", "new")
        errors = [process.communicate(timeout=TIMEOUT)[1] for process in processes]
        assert said in errors[0]
        assert [error.count("\n") for error in errors] == [1, 0]
        assert processes[0].returncode in {2, 66}
        assert not (tmp_path / "new").exists()
