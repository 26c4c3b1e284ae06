"""A run leaves other programs the processors that they use, and can still be made again."""

from __future__ import annotations

import shutil
import sys
from collections.abc import Iterator
from pathlib import Path
from typing import Any

import pytest
import torch
from hypothesis import given
from hypothesis import strategies as st

from charrnn import CharRNN, Finished, resume, train
from charrnn.folder.reading import read_model
from charrnn.training.pace.neighbours import Neighbours, Usage, usage
from tests.training.machines import Machine
from tests.training.watching import weights

MINUTES = 0.12
SETTINGS: dict[str, Any] = {
    "hidden_size": 32,
    "embed_size": 5,
    "num_layers": 1,
    "batch_size": 10,
    "seq_length": 6,
    "device": "cpu",
    "precision": "fp32",
    "patience": 1000,
    "val_frac": 0.01,
    "minutes": MINUTES,
}


class Programs:
    """Others on a machine: how many processors they use, by its clock."""

    def __init__(self, machine: Machine, monkeypatch: pytest.MonkeyPatch) -> None:
        self.machine, self.busy = machine, 0.0
        self.spans: list[tuple[float, float]] = []
        monkeypatch.setattr("charrnn.training.loop.usage", self.usage)

    def usage(self) -> Usage:
        now = self.machine.seconds
        others = sum(max(0.0, min(now, end) - begin) for begin, end in self.spans)
        return Usage(moment=now, own=2 * now, busy=2 * now + others, waited={}, processors=2)


@pytest.fixture
def two_threads() -> Iterator[None]:
    before = torch.get_num_threads()
    torch.set_num_threads(2)
    yield
    torch.set_num_threads(before)


@pytest.mark.usefixtures("two_threads")
def test_a_run_beside_others_can_be_made_again_and_goes_on_when_it_is_killed(
    text: Path, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    """The threads decide the last digits of its weights, so they are a part of it."""
    machine = Machine(monkeypatch)
    others = Programs(machine, monkeypatch)
    others.spans = [(1.0, 3.0)]
    path = tmp_path / "model"
    events = []
    for event in train(text, out=path, **SETTINGS):
        events.append(event)
        assert torch.get_num_threads() == 2, "the caller's are as they were"
        if machine.seconds > 3.0 and not (tmp_path / "killed").exists():
            shutil.copytree(path, tmp_path / "killed")
    done = events[-1]
    assert isinstance(done, Finished)
    assert [change.count for change in done.threads] == [1, 2]
    record = read_model(path).record
    assert record.training
    assert record.training.threads == done.threads
    others.spans = []  # what there is now changes nothing
    for _ in train(repeat=path, out=tmp_path / "again"):
        pass
    assert weights(tmp_path / "again") == weights(path)
    other = {key: value for key, value in SETTINGS.items() if key != "minutes"}
    for _ in train(text, out=tmp_path / "alone", steps=done.steps, **other):
        pass
    assert weights(tmp_path / "alone") != weights(path), "the threads made no difference"

    *_, finished = resume(tmp_path / "killed")
    assert isinstance(finished, Finished)
    assert finished.threads[0] == done.threads[0]
    assert finished.threads[-1].count == 2
    for _ in train(repeat=tmp_path / "killed", out=tmp_path / "thrice"):
        pass
    assert weights(tmp_path / "thrice") == weights(tmp_path / "killed")


@pytest.mark.usefixtures("two_threads")
def test_evaluations_leave_others_as_much_as_updates_do(
    text: Path, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    Programs(Machine(monkeypatch), monkeypatch).spans = [(0.0, 1e9)]
    threads: list[tuple[bool, int]] = []
    forward = CharRNN.forward

    def counted(self: CharRNN, *arguments: Any, **named: Any) -> Any:
        threads.append((self.training, torch.get_num_threads()))
        return forward(self, *arguments, **named)

    monkeypatch.setattr(CharRNN, "forward", counted)
    *_, finished = train(text, out=tmp_path / "model", **SETTINGS)
    assert isinstance(finished, Finished)
    assert [change.count for change in finished.threads] == [1]
    first = threads.index((True, 1))  # the first update in one thread
    assert {mode for mode, _ in threads[first:]} == {True, False}
    assert {count for _, count in threads[first:]} == {1}


@pytest.mark.usefixtures("two_threads")
@pytest.mark.parametrize("budget", [{"steps": 60}, {"epochs": 0.2}])
def test_a_run_of_so_many_updates_computes_all_of_them_alike(
    budget: dict[str, Any], text: Path, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    machine = Machine(monkeypatch)
    Programs(machine, monkeypatch).spans = [(0.0, 1e9)]
    settings = {key: value for key, value in SETTINGS.items() if key != "minutes"} | budget
    *_, finished = train(text, out=tmp_path / "model", **settings)
    assert isinstance(finished, Finished)
    assert finished.threads == ()


def threads_beside(
    others: list[float], available: int, processors: int, waiting: float = 0.5
) -> list[int]:
    """How many threads there are after each second, in which others use so many processors."""
    now = Usage(0.0, 0.0, 0.0, {"7": 0.0}, processors)
    neighbours, found = Neighbours(available, available, now), []
    for used in others:
        own = float(neighbours.threads)
        assert now.busy is not None
        moment, waited = now.moment + 1, {"7": now.waited["7"] + waiting}
        now = Usage(moment, now.own + own, now.busy + own + used, waited, processors)
        neighbours.adapt(now)
        found.append(neighbours.threads)
    return found


def test_threads_are_as_many_as_processors_that_others_leave() -> None:
    assert threads_beside([0, 1, 1, 1, 0, 0, 0, 0], 2, 2)[1:3] == [1, 1]
    assert threads_beside([0, 1, 1, 1, 0, 0, 0, 0], 2, 2)[-1] == 2
    assert threads_beside([0.4] * 9, 2, 2) == [2] * 9  # a player of music
    assert threads_beside([3.0] * 9, 8, 8)[-1] == 5
    assert threads_beside([3.0] * 9, 4, 8) == [4] * 9  # one thread a core of two processors
    assert threads_beside([9.0] * 9, 2, 2)[-1] == 1


def test_programs_that_hinder_no_thread_change_nothing() -> None:
    assert threads_beside([1.0] * 9, 2, 2, waiting=0.03) == [2] * 9
    hindered = threads_beside([1.0] * 9, 2, 2, waiting=0.6)
    assert hindered[-1] == 1


def test_what_threads_waited_that_ended_since_is_not_taken_from_the_others() -> None:
    """A run's own thread waits all the time; that of a save waited longer before, and ended."""
    begin = Usage(0.0, 0.0, 0.0, {"7": 1.0, "8": 5.0}, 2)
    for waited in ({"7": 1.9}, {"7": 1.9, "8": 0.1}):  # the number is free, or given again
        neighbours = Neighbours(2, 2, begin)
        assert neighbours.adapt(Usage(1.0, 1.0, 2.0, waited, 2))
        assert neighbours.threads == 1


@given(
    st.lists(st.floats(0, 20), min_size=1, max_size=400),
    st.integers(1, 12),
    st.integers(1, 16),
)
def test_there_is_always_a_thread_and_few_changes(
    others: list[float], available: int, processors: int
) -> None:
    found = threads_beside(others, available, processors)
    assert all(1 <= count <= available for count in found)
    changes = sum(one != other for one, other in zip([available, *found], found, strict=False))
    assert 2**changes <= len(others) + 1  # each is followed by a pause of twice the length


def test_where_the_system_tells_nothing_nothing_changes() -> None:
    neighbours = Neighbours(4, 4, Usage(0.0, 0.0, None, {}, 4))
    assert not neighbours.adapt(Usage(9.0, 1.0, None, {}, 4))
    assert neighbours.threads == 4


def test_what_is_used_here_is_known() -> None:
    """By a thread that works for a tenth of a second; its clocks are the system's own."""
    before, now = usage(), usage()
    while now.own - before.own < 0.1:
        now = usage()
    assert now.moment > before.moment
    assert now.processors >= 1
    if sys.platform == "linux":
        assert before.busy is not None
        assert now.busy is not None
        assert now.busy >= before.busy > 0
        assert before.waited
        assert all(now.waited.get(key, 9.0) >= waited for key, waited in before.waited.items())
