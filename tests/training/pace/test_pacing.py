"""A budget in minutes becomes a number of updates."""

from __future__ import annotations

import math
from dataclasses import replace
from pathlib import Path
from types import SimpleNamespace
from typing import Any

import numpy as np
import pytest
import torch

from charrnn import Corpus, Evaluated, Started, train
from charrnn.config import Budget, CellName, ModelConfig
from charrnn.errors import UsageError
from charrnn.learning.hardware import clock, devices
from charrnn.learning.hardware.ranks import ALONE
from charrnn.learning.lanes import Lanes
from charrnn.learning.learner import Learner
from charrnn.learning.records import RecordLanes
from charrnn.learning.task import Scoring
from charrnn.objectives.language import LanguageModelling
from charrnn.objectives.plans.plan import Plan
from charrnn.text.records import Records
from charrnn.text.tokenizer import CharTokenizer
from charrnn.training.pace import pacing, trial
from charrnn.training.pace.trial import Way
from tests.conftest import VERSE
from tests.training.machines import UPDATE, Machine
from tests.training.watching import weights

SMALL: dict[str, Any] = {"hidden_size": 10, "embed_size": 6, "batch_size": 3, "seq_length": 8}


def test_minutes_become_a_number_of_steps_that_can_be_repeated(tmp_path: Path) -> None:
    """By the machine's own clock, and however busy it is."""
    corpus = Corpus("verse", VERSE * 20)
    for _ in train(corpus, out=tmp_path / "timed", **SMALL, minutes=0.02):
        pass
    for _ in train(corpus, out=tmp_path / "again", repeat=tmp_path / "timed"):
        pass
    assert weights(tmp_path / "timed") == weights(tmp_path / "again")


@pytest.mark.parametrize(
    ("budget", "message"),
    [
        ({"epochs": 1e308}, "epochs is 1e.308; .* at most 1,000,000,000"),
        ({"epochs": 1e9}, r"epochs is 1e\+09, which takes \d+,000,000,000 updates; at most "),
        ({"minutes": 1e308}, "minutes is 1e.308; .* at most 1,000,000"),
        ({"minutes": 1e308, "steps": 3}, "minutes is 1e.308; .* at most 1,000,000"),
    ],
)
def test_budgets_beyond_all_bounds_are_refused_by_the_name_that_was_given(
    budget: dict[str, Any], message: str
) -> None:
    """They ended in tracebacks, or in the refusal of another option."""
    with pytest.raises(UsageError, match=message):
        train(Corpus("verse", VERSE * 20), **SMALL, **budget)


def test_the_largest_budget_of_minutes_begins(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(pacing, "TIMED_SECONDS", 0.01)
    monkeypatch.setattr(trial, "LONG_MINUTES", 1e9)
    for event in train(Corpus("verse", VERSE * 20), **SMALL, minutes=1e6):
        assert isinstance(event, Started)
        break


def test_what_a_slow_machine_takes_before_the_first_update_counts(
    monkeypatch: pytest.MonkeyPatch,
) -> None:
    """Over a minute in all was taken for the machine's sleep, so that the run was late."""
    machine = Machine(monkeypatch)
    machine.slowness = lambda _: 25 / UPDATE
    given = SMALL | {"steps": None, "minutes": 9.0, "val_frac": 0.01}
    for event in train(Corpus("verse", VERSE * 20), **given):
        if isinstance(event, Evaluated):
            assert event.evaluation.seconds == pytest.approx(machine.seconds)
            break


@pytest.mark.parametrize(
    ("times", "expected"),
    [
        ([2.0, 2.0], 2.0),
        ([1.0, 1.0, 1.75], 1.25),  # all are usual
        ([1.0, 1.0, 50.0, 2.0, 1.0], 1.25),  # one is not
    ],
)
def test_the_usual_time_is_the_mean_without_what_was_disturbed(
    times: list[float], expected: float
) -> None:
    assert pacing.mean_without_outliers(times) == expected


def test_updates_of_long_records_count(monkeypatch: pytest.MonkeyPatch) -> None:
    """They take long by nature, and not because something disturbs."""
    ids = np.zeros(9, np.uint8)
    monkeypatch.setattr(pacing, "time_calls", lambda *_: [1.0, 1.0, 1.0, 5.0])
    lanes, records = Lanes(ids, 1, 3, 0), RecordLanes(Records.of(ids, 0), 1, 3, 0)
    for batches, expected in ((lanes, 1.0), (records, 2.0)):
        learner: Any = SimpleNamespace(device=torch.device("cpu"), batches=batches)
        assert pacing.seconds_per_update(learner, 1.0, 9) == expected


@pytest.mark.parametrize(
    ("enough", "max_calls", "expected"),
    [(0.0, 9, 1), (3.0, 9, 2), (10.0, 9, 5), (100.0, 9, 9), (100.0, 1, 1)],
)
def test_calls_are_timed_until_they_took_long_enough(
    enough: float, max_calls: int, expected: int, monkeypatch: pytest.MonkeyPatch
) -> None:
    """The first, which takes longer, is left out."""
    times, calls = _timed([4.0] + 9 * [2.0], enough, max_calls, monkeypatch)
    assert times == [2.0] * expected
    assert calls == expected + 1


def test_of_slow_calls_the_first_tells_enough(monkeypatch: pytest.MonkeyPatch) -> None:
    """Most of a run's minutes went into updates that were thrown away."""
    assert _timed([70.0, 69.0], 5.0, 9, monkeypatch) == ([70.0], 1)


def _timed(
    taken: list[float], enough: float, max_calls: int, monkeypatch: pytest.MonkeyPatch
) -> tuple[list[float], int]:
    """What calls that take so long are said to take, and how many were made."""
    now, calls = 0.0, 0

    def work() -> None:
        nonlocal now, calls
        now += taken[calls]
        calls += 1

    monkeypatch.setattr("time.perf_counter", lambda: now)
    return pacing.time_calls(work, enough, max_calls), calls


@pytest.mark.parametrize("milliseconds", [20.0, 22.0, 37.0])
def test_sizes_are_planned_for_what_this_processor_reaches(
    milliseconds: float, cell: CellName, monkeypatch: pytest.MonkeyPatch
) -> None:
    """In the fastest way, rounded so that a little noise changes no plan."""
    timed = list[Learner]()

    def taken(learner: Learner, _seconds: float, _updates: int) -> float:
        timed.append(learner)
        return milliseconds / 1000

    ways = {Way("torch", "fp32"): 9.0, Way("loops", "fp32"): 10.0}
    given = list[float]()

    def rates(*_: Any, longest: float) -> dict[Way, float]:
        given.append(longest)
        return ways

    monkeypatch.setattr(trial, "rates", rates)
    monkeypatch.setattr(pacing, "seconds_per_update", taken)
    found = pacing.measured_speed(torch.device("cpu"), "auto", cell, 1.5)
    assert given == [1.5], "a busy machine would take seconds for it"
    (learner,) = timed
    assert (learner.network.rnn.engine, learner.precision) == ("loops", "fp32")
    operations = 6 * learner.network.num_parameters * 32 * 64
    assert -0.5 < math.log2(found * milliseconds / 1000 / operations) <= 1e-9
    steps = 2 * math.log2(found)
    assert math.isclose(steps, round(steps))


def test_a_full_gpu_reaches_what_is_guessed(monkeypatch: pytest.MonkeyPatch) -> None:
    """A smaller network than the one that is timed may fit."""

    def fail(*_: Any) -> float:
        raise RuntimeError("CUDA error: out of memory (2)")

    monkeypatch.setattr(pacing, "seconds_per_update", fail)
    cpu = torch.device("cpu")
    found = pacing.measured_speed(cpu, "fp32", "gru", 0.0)
    assert found == devices.speed(cpu, "fp32", "gru")


@pytest.mark.parametrize(
    ("budget", "given", "measured"),
    [
        ({"minutes": 0.3}, {}, True),
        ({"minutes": 0.3}, {"hidden_size": 9}, True),  # it decides the dropout
        ({"minutes": 0.01}, {}, False),
        ({"steps": 3, "minutes": 0.3}, {}, False),  # another time it might come out otherwise
        ({"epochs": 0.1}, {}, False),
    ],
)
def test_a_run_that_is_not_for_minutes_is_planned_alike_each_time(
    budget: dict[str, Any],
    given: dict[str, Any],
    measured: bool,
    tmp_path: Path,
    monkeypatch: pytest.MonkeyPatch,
) -> None:
    asked = list[Any]()

    def speed(*arguments: Any) -> float:
        asked.append(arguments)
        return 1e9

    monkeypatch.setattr("charrnn.training.beginning.preparing.measured_speed", speed)
    train(
        Corpus("verse", VERSE * 20), out=tmp_path / "m", device="cpu", cell="gru", **budget, **given
    )
    assert asked == (
        [(torch.device("cpu"), "auto", "gru", pytest.approx(0.1 * 60 * 0.3))] if measured else []
    )


def _small_run() -> tuple[Plan, LanguageModelling]:
    ids = np.zeros(5000, np.uint8)
    task = LanguageModelling(ids, ids[:4096], CharTokenizer("ab"))
    shape = ModelConfig(cell="rnn", vocab_size=2, embed_size=5, hidden_size=6, num_layers=1)
    settings = {"batch_size": 3, "seq_length": 8, "learning_rate": 0.01, "val_frac": 0.1}
    sizes = {"val_tokens": 4096, "tokens_per_step": 24, "steps_per_epoch": 208}
    return Plan(shape, settings | {"weight_decay": 0.0}, reasons="", notes=(), **sizes), task


@pytest.mark.parametrize(("update", "tokens"), [(0.001, 4096), (0.05, 247)])
def test_the_evaluation_that_is_timed_takes_no_longer_than_the_updates_that_are(
    update: float, tokens: int, monkeypatch: pytest.MonkeyPatch
) -> None:
    """On a busy machine it could take all the minutes."""
    read, scoring = list[int](), Learner.scoring

    def timed(learner: Learner, some: Any) -> Scoring:
        read.append(some.val_tokens)
        return scoring(learner, some)

    monkeypatch.setattr(Learner, "scoring", timed)
    monkeypatch.setattr(pacing, "seconds_per_update", lambda *_: update)
    plan, task = _small_run()
    pacing.count_steps(plan, Budget(minutes=0.1), task, clock.now(), ALONE, own_validation=False)
    assert set(read) == {tokens}


@pytest.mark.parametrize(
    ("evaluation", "updates", "evaluations"),
    [(30.0, 1066, 2), (62.0, 1046, 1), (100.0, 666, 1), (170.0, 1, 1)],
)
def test_evaluations_leave_time_for_updates(
    evaluation: float, updates: int, evaluations: int, monkeypatch: pytest.MonkeyPatch
) -> None:
    """Where three would have taken all the minutes, a single update was made."""
    monkeypatch.setattr(pacing, "_measured", lambda *_: (0.1, evaluation))
    monkeypatch.setattr(clock, "now", lambda: 8.0)
    plan, task = _small_run()
    config, in_updates, closing, notes = pacing.count_steps(
        plan, Budget(minutes=3), task, 0.0, ALONE, own_validation=True
    )
    assert closing == 0
    assert config.steps == pytest.approx(updates, abs=1)
    assert config.eval_every == math.ceil(config.steps / evaluations)
    assert in_updates == pytest.approx(evaluation / 0.1)
    once = f"takes about {evaluation:.0f} s of 180, so it is done once, at the end; give a shorter "
    assert [once in note for note in notes] == [True] * (evaluations == 1)


def test_where_reading_took_all_the_minutes_an_update_is_left(
    monkeypatch: pytest.MonkeyPatch,
) -> None:
    """Evaluations in less than no time made room for a hundred thousand."""
    monkeypatch.setattr(pacing, "_measured", lambda *_: (0.1, 30.0))
    monkeypatch.setattr(clock, "now", lambda: 200.0)
    plan, task = _small_run()
    assert (
        pacing.count_steps(
            plan, Budget(minutes=3), task, 0.0, ALONE, own_validation=False
        ).config.steps
        == 1
    )


def test_how_often_the_user_evaluates_stays(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(pacing, "_measured", lambda *_: (0.1, 62.0))
    plan, task = _small_run()
    plan = replace(plan, settings=plan.settings | {"eval_every": 900})
    config, *_, notes = pacing.count_steps(
        plan, Budget(minutes=3), task, clock.now(), ALONE, own_validation=False
    )
    assert (config.eval_every, notes) == (900, ())


def test_validating_for_longer_than_the_run_is_refused(monkeypatch: pytest.MonkeyPatch) -> None:
    """But in a run so short that little is measured."""
    monkeypatch.setattr(pacing, "_measured", lambda *_: (0.1, 200.0))
    plan, task = _small_run()
    with pytest.raises(UsageError, match=r"about 200 s, and the run has 180 s; give a smaller "):
        pacing.count_steps(plan, Budget(minutes=3), task, clock.now(), ALONE, own_validation=False)
    short = pacing.count_steps(
        plan, Budget(minutes=0.01), task, clock.now(), ALONE, own_validation=False
    )
    assert (short.config.steps, short.notes) == (1, ())


@pytest.mark.parametrize("own", [False, True])
def test_what_is_advised_where_validating_takes_too_long_is_accepted(
    own: bool, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    """A smaller --val-frac was advised beside --validation, where it is refused."""
    monkeypatch.setattr(pacing, "_measured", lambda *_: (0.1, 200.0))
    monkeypatch.setattr("charrnn.training.beginning.preparing.measured_speed", lambda *_: 1e9)
    corpus, given = Corpus("verse", VERSE * 20), SMALL | {"device": "cpu", "minutes": 3.0}
    if own:
        given["validation"] = Corpus("long", VERSE * 9)
    with pytest.raises(UsageError, match="the run has 180 s; give ") as refused:
        next(iter(train(corpus, out=tmp_path / "refused", **given)))
    better = {"validation": Corpus("short", VERSE), "val_frac": 0.02, "minutes": 9.0}
    advised = [name for name in better if f"--{name.replace('_', '-')}" in refused.value.advice]
    assert advised == ["validation" if own else "val_frac", "minutes"]
    for name in advised:
        train(corpus, out=tmp_path / name, **given | {name: better[name]})


@pytest.mark.parametrize("base", [False, True])
def test_the_speed_of_a_task_is_that_of_the_cell_it_trains(
    base: bool, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    """Classifiers are GRUs unless the user, or the model they start from, has another cell."""
    asked = list[Any]()

    def speed(*arguments: Any) -> float:
        asked.append(arguments[2])
        return 1e9

    monkeypatch.setattr("charrnn.training.beginning.preparing.measured_speed", speed)
    given: dict[str, Any] = {}
    if base:
        tiny: dict[str, Any] = {"cell": "rnn", "hidden_size": 12, "embed_size": 6, "steps": 1}
        train(Corpus("verse", VERSE * 20), out=tmp_path / "base", **tiny).finish(progress=False)
        given["init_from"] = tmp_path / "base"
    (tmp_path / "rows.csv").write_text(
        "text,label\n" + "".join(f"{'ab' * n},{n % 2}\n" for n in range(2, 40))
    )
    train(tmp_path / "rows.csv", task="classify", out=tmp_path / "m", device="cpu", **given)
    assert set(asked) == {"rnn" if base else "gru"}
