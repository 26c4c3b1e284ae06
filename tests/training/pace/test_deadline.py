"""Minutes are a promise: the number of updates is corrected where the machine's speed changes."""

from __future__ import annotations

import dataclasses
import itertools
import json
import shutil
from collections.abc import Iterable
from pathlib import Path
from random import Random
from typing import Any

import msgspec
import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st

from charrnn import CharRNNError, Corpus, Corrected, Evaluated, Finished, Progress, resume, train
from charrnn.config import Correction, TrainConfig
from charrnn.folder.reading import read_model
from charrnn.folder.resuming import read_run
from charrnn.learning.hardware.clock import Stopwatch
from charrnn.learning.optimizer import learning_rate
from charrnn.objectives.language import LanguageModelling
from charrnn.training.beginning import starting
from charrnn.training.pace.deadline import Deadline
from charrnn.training.pace.pacing import REPORT_SHARE
from tests.commands import refused, run, run_here
from tests.conftest import VERSE, small_training
from tests.training.machines import Machine
from tests.training.watching import weights

SMALL: dict[str, Any] = {
    "hidden_size": 8,
    "embed_size": 5,
    "num_layers": 1,
    "batch_size": 3,
    "seq_length": 4,
    "dropout": 0.2,
    "device": "cpu",
    "patience": 1000,
    "val_frac": 0.01,
}
MINUTES = 0.3


@pytest.fixture
def machine(monkeypatch: pytest.MonkeyPatch) -> Machine:
    return Machine(monkeypatch)


def whole(text: Path, out: Path, **given: Any) -> Finished:
    *_, last = train(text, out=out, **(SMALL | given))
    assert isinstance(last, Finished)
    return last


def changed(machine: Machine, after: float, factor: float) -> None:
    machine.slowness = lambda seconds: factor if seconds > after else 1.0


@pytest.mark.parametrize("factor", [2.0, 0.5, 5.0])
@pytest.mark.parametrize("share", [0.2, 0.5, 0.75])
def test_a_run_keeps_to_its_minutes_while_the_machines_speed_changes(
    factor: float, share: float, text: Path, tmp_path: Path, machine: Machine
) -> None:
    changed(machine, share * 60 * MINUTES, factor)
    machine.noise = 0.03
    finished = whole(text, tmp_path / "model", minutes=MINUTES)
    assert machine.seconds == pytest.approx(60 * MINUTES, rel=0.05)
    assert finished.seconds == machine.seconds
    assert not finished.stopped_early
    assert 1 <= len(finished.corrections) <= 4
    assert (finished.corrections[0].steps < finished.corrections[0].planned) == (factor > 1)
    assert finished.corrections[-1].steps == finished.steps
    record = read_model(tmp_path / "model").record
    assert record.training
    assert [c.step for c in record.training.corrections] == [c.step for c in finished.corrections]


@pytest.mark.parametrize("steady", [1.0, 1.03], ids=["as-measured", "warmer"])
def test_a_quiet_run_is_the_same_as_one_with_its_number_of_updates(
    steady: float, text: Path, tmp_path: Path, machine: Machine
) -> None:
    """A few percent up or down are no reason to change anything, nor are a few slow seconds."""
    machine.slowness = lambda seconds: 6.0 if 8 < seconds < 8.4 else steady if seconds > 1 else 1.0
    machine.noise = 0.05
    timed = whole(text, tmp_path / "timed", minutes=MINUTES)
    assert timed.corrections == ()
    assert machine.seconds == pytest.approx(60 * MINUTES, rel=0.08)
    whole(text, tmp_path / "counted", steps=timed.steps, minutes=MINUTES)
    assert weights(tmp_path / "timed") == weights(tmp_path / "counted")


@pytest.mark.parametrize("budget", [{"steps": 150}, {"epochs": 0.2}, {"steps": 150, "minutes": 9}])
def test_updates_that_were_asked_for_are_made(
    budget: dict[str, Any], text: Path, tmp_path: Path, machine: Machine
) -> None:
    changed(machine, 2.0, 10.0)
    events = list(train(text, out=tmp_path / "model", **SMALL, **budget))
    assert not any(isinstance(event, Corrected) for event in events)
    assert isinstance(events[-1], Finished)
    assert events[-1].steps == events[0].training.steps  # type: ignore[union-attr]
    assert read_run(tmp_path / "model").progress.minutes is None


def test_a_short_text_is_not_read_more_often_on_a_machine_that_becomes_faster(
    tmp_path: Path, machine: Machine
) -> None:
    changed(machine, 3.0, 0.5)
    settings = SMALL | {"minutes": 0.5, "val_frac": 0.1}
    *_, finished = train(Corpus("short", VERSE * 2), out=tmp_path / "model", **settings)
    assert isinstance(finished, Finished)
    assert finished.epochs == pytest.approx(30)
    assert machine.seconds < 0.9 * 30


def test_a_run_that_was_corrected_can_be_made_again(
    text: Path, tmp_path: Path, machine: Machine
) -> None:
    """To the bit, on a machine that is as slow as it likes."""
    changed(machine, 9.0, 2.0)
    first = whole(text, tmp_path / "first", minutes=MINUTES)
    machine.slowness = lambda _: 7.0
    for name, sources in (("again", None), ("thrice", text)):
        *_, again = train(sources, repeat=tmp_path / "first", out=tmp_path / name)
        assert isinstance(again, Finished)
        assert again.corrections == first.corrections
        assert _losses(tmp_path / "first") == _losses(tmp_path / name)
        assert weights(tmp_path / "first") == weights(tmp_path / name)
    shutil.rmtree(tmp_path / "first" / "resume")
    with pytest.raises(CharRNNError, match="does not say where its text was"):
        train(repeat=tmp_path / "first", out=tmp_path / "x")
    train(text, repeat=tmp_path / "first", out=tmp_path / "x")
    text.write_text(text.read_text() + "!")
    with pytest.raises(CharRNNError, match="the corpus is not the one"):
        train(text, repeat=tmp_path / "again", out=tmp_path / "x")


def _losses(folder: Path) -> list[tuple[Any, ...]]:
    found = [json.loads(line) for line in (folder / "metrics.jsonl").read_text().splitlines()]
    return [
        (one["step"], one["train_nats"], one["val_nats"], one["learning_rate"]) for one in found
    ]


@pytest.mark.parametrize("factor", [1.0, 1.5, 0.5])
def test_a_run_whose_evaluation_takes_a_third_of_its_minutes_evaluates_once(
    factor: float, text: Path, tmp_path: Path, machine: Machine
) -> None:
    """It made a single update, or was corrected to a few that were each evaluated."""
    changed(machine, 0.2 * 60 * MINUTES, factor)
    path, share = tmp_path / "model", 2000 / len(text.read_text())
    finished = whole(text, path, minutes=MINUTES, val_frac=share)
    assert machine.seconds == pytest.approx(60 * MINUTES, rel=0.08)
    assert bool(finished.corrections) == (factor != 1)
    assert [step for step, *_ in _losses(path)] == [finished.steps]
    config = read_run(path).config
    assert config.eval_every == config.steps > 50
    *_, again = train(repeat=path, out=tmp_path / "again")
    assert isinstance(again, Finished)
    assert _losses(path) == _losses(tmp_path / "again")
    assert weights(path) == weights(tmp_path / "again")


@pytest.mark.parametrize("asked", [{}, {"eval_every": 10**6}])
def test_a_run_that_evaluates_once_is_saved_on_its_way(
    asked: dict[str, int], text: Path, tmp_path: Path, machine: Machine
) -> None:
    """One that was killed in its last minute had lost all the others."""
    path, share = tmp_path / "model", 2000 / len(text.read_text())
    saved, given_ = [0], SMALL | asked | {"minutes": MINUTES, "val_frac": share}
    for event in train(text, out=path, **given_):
        if isinstance(event, Progress) and saved[-1] < (step := read_run(path).progress.step):
            saved.append(step)
            shutil.copytree(path, tmp_path / f"killed-{step}")
    assert isinstance(event, Finished)
    assert not event.corrections
    assert len(saved) > 4
    assert max(np.diff([*saved, event.steps])) < event.steps / 4
    *_, finished = resume(tmp_path / f"killed-{saved[2]}")
    assert isinstance(finished, Finished)
    assert finished.seconds == pytest.approx(60 * MINUTES, rel=0.08)
    assert weights(tmp_path / f"killed-{saved[2]}") == weights(path)


def test_the_time_of_the_report_is_kept_before_the_first_evaluation(
    text: Path, tmp_path: Path, machine: Machine, monkeypatch: pytest.MonkeyPatch
) -> None:
    """A run that evaluates once was corrected into it; one that goes on knows it, too."""
    begun, known = list[Deadline](), starting.deadline_of

    def deadline_of(*given: Any) -> Deadline | None:
        deadline = known(*given)
        assert deadline is not None
        begun.append(deadline)
        assert deadline.closing == pytest.approx(REPORT_SHARE * 60 * MINUTES)
        return deadline

    monkeypatch.setattr(LanguageModelling, "reporting", 9.0)
    monkeypatch.setattr(starting, "deadline_of", deadline_of)
    share = 2000 / len(text.read_text())
    given_ = SMALL | {"minutes": MINUTES, "val_frac": share}
    assert any(isinstance(event, Progress) for event in train(text, out=tmp_path / "m", **given_))
    assert any(isinstance(event, Progress) for event in resume(tmp_path / "m"))
    assert len(begun) == 2


def test_a_run_that_is_killed_goes_on_with_its_corrections(
    text: Path, tmp_path: Path, machine: Machine
) -> None:
    """What is there of it just after a correction, before anything else was saved."""
    changed(machine, 6.0, 2.0)
    there = []
    for event in train(text, out=tmp_path / "model", **SMALL, minutes=MINUTES):
        if isinstance(event, Corrected):
            there.append(tmp_path / f"killed-{event.step}")
            shutil.copytree(tmp_path / "model", there[-1])
            state = read_run(there[-1])
            assert state.progress.step == event.step
            assert state.config.steps == event.steps
            assert state.config.corrections[-1].planned == event.planned
    assert there
    for folder in there:
        begin = machine.seconds
        seconds = read_run(folder).progress.seconds
        *_, finished = resume(folder)
        assert isinstance(finished, Finished)
        assert machine.seconds - begin == pytest.approx(60 * MINUTES - seconds, abs=3 * MINUTES)
        repeated = folder.with_name("repeated-" + folder.name)
        for _ in train(repeat=folder, out=repeated):
            pass
        assert weights(folder) == weights(repeated)


@pytest.mark.usefixtures("report_each_update")
def test_a_run_that_is_stopped_again_and_again_keeps_to_its_minutes(
    text: Path, tmp_path: Path, machine: Machine
) -> None:
    """Pauses between are not counted, and what it ended as can be made again."""
    changed(machine, 2000, 3.0)
    path = tmp_path / "model"
    events: Iterable[Any] = train(text, out=path, **SMALL, minutes=MINUTES)
    for stop in (20, 90, 120, 150):
        for event in events:
            if isinstance(event, Progress) and event.step >= stop:
                break
        machine.seconds += 900
        events = resume(path)
    *_, finished = events
    assert isinstance(finished, Finished)
    assert finished.seconds == pytest.approx(60 * MINUTES, rel=0.08)
    assert finished.corrections
    for _ in train(repeat=path, out=tmp_path / "again"):
        pass
    assert weights(path) == weights(tmp_path / "again")


def test_time_in_which_the_machine_sleeps_is_not_counted(
    text: Path, tmp_path: Path, machine: Machine
) -> None:
    """Whether the lid was closed during updates or while the text was validated."""
    naps = 0
    events = train(text, out=tmp_path / "model", **SMALL, minutes=MINUTES)
    for number, event in enumerate(events):
        if isinstance(event, Evaluated) or number % 15 == 7:
            machine.seconds += 3600
            naps += 1
    assert isinstance(event, Finished)
    assert naps > 4
    assert event.corrections == ()
    assert event.seconds == pytest.approx(machine.seconds - naps * 3600, abs=0.1 * naps)
    assert event.seconds == pytest.approx(60 * MINUTES, rel=0.1)


def test_work_that_always_takes_long_is_no_sleep(machine: Machine) -> None:
    watch = Stopwatch(5.0)
    for passed, expected in ((90, 5), (90, 95), (100, 195), (3600, 195), (70, 265), (2, 267)):
        machine.seconds += passed
        assert watch.read() == expected


def test_updates_in_no_time_are_nothing_to_plan_with() -> None:
    config = msgspec.structs.replace(CONFIG, steps=10)
    deadline = Deadline(180.0, 10**9, 0.0)  # all were taken for sleep
    assert not any(deadline.note_update(step, 0.0, config) for step in range(1, 11))
    assert deadline.note_update(11, 30.0, config)
    assert deadline.note_update(12, 30.0, config)  # the last one: what was known before still is
    assert deadline.steps(12, 30.0, config) > 12


CONFIG = small_training(steps=1000, warmup_steps=60, eval_every=100)


@given(
    st.lists(st.tuples(st.integers(1, 400), st.integers(0, 900)), max_size=4),
    st.integers(0, 200),
)
def test_the_rate_has_no_jumps_where_the_plan_is_corrected(
    changes: list[tuple[int, int]], warmup: int
) -> None:
    """It goes on in a line from where it was, and ends near zero."""
    config = msgspec.structs.replace(CONFIG, warmup_steps=warmup)
    step = 0
    for made, more in changes:
        step = min(step + made, config.steps)
        before = [learning_rate(k, config) for k in range(step + 1)]
        correction = Correction(step=step, planned=config.steps, seconds=1.0)
        corrections = (*config.corrections, correction)
        config = msgspec.structs.replace(config, steps=step + more, corrections=corrections)
        assert [learning_rate(k, config) for k in range(step + 1)] == before
    rates = np.array([learning_rate(k, config) for k in range(config.steps + 1)])
    assert (rates > 0).all()
    falling = rates[warmup:]
    assert (np.diff(falling) <= 0).all()
    if config.steps > max(step, warmup):
        assert falling[-1] == pytest.approx(0.005 * CONFIG.learning_rate)
        ends = [c.step - warmup for c in config.corrections if c.step >= warmup]
        for first, last in itertools.pairwise([0, *ends, len(falling) - 1]):
            np.testing.assert_allclose(np.diff(falling[first : last + 1], 2), 0, atol=1e-12)


@dataclasses.dataclass
class Simulation:
    """A run of nothing but times; see `Deadline`."""

    seconds: float
    update: float
    noise: float
    seed: int
    slowness: Any
    saving: float = 0.0  # seconds that a save goes on; the first and the last are waited for
    evaluations: int = 40

    def end(self) -> tuple[float, int]:
        """How long it takes, as a share of its time, and how often it is corrected."""
        end, config = self.whole()
        return end, len(config.corrections)

    def whole(self) -> tuple[float, TrainConfig]:
        """How long it takes, as a share of its time, and its settings in the end."""
        random, now, made, evaluated = Random(self.seed), 0.0, 0, 0  # noqa: S311
        evaluation = 0.03 * self.seconds / self.evaluations
        steps = int(0.97 * self.seconds * 0.95 / self.update)
        config = msgspec.structs.replace(
            CONFIG, steps=steps, eval_every=-(-steps // self.evaluations)
        )
        deadline = Deadline(self.seconds, 10**9, evaluation / self.update)
        while True:
            slowness = self.slowness(now / self.seconds)
            if made != evaluated and (made == config.steps or made % config.eval_every == 0):
                waited = 0.0 if evaluated else self.saving
                passed = slowness * evaluation + waited
                now, evaluated = now + passed, made
                deadline.note_evaluation(passed, self.saving, waited)
            if made >= config.steps:
                return (now + self.saving) / self.seconds, config
            now += slowness * self.update * max(random.gauss(1, self.noise), 0.1)
            made += 1
            if deadline.note_update(made, now, config):
                wanted = deadline.steps(made, now, config)
                if wanted != config.steps:
                    done = Correction(step=made, planned=config.steps, seconds=now)
                    corrections = (*config.corrections, done)
                    config = msgspec.structs.replace(config, steps=wanted, corrections=corrections)


@pytest.mark.parametrize("seconds", [30.0, 180.0, 3600.0])
@pytest.mark.parametrize("factor", [2.0, 0.5])
@pytest.mark.parametrize("before", [1.0, 1.05], ids=["as-measured", "warmer"])
def test_whenever_the_speed_changes_the_end_is_met(
    seconds: float, factor: float, before: float
) -> None:
    for place in range(3, 80, 7):
        simulation = Simulation(
            seconds,
            seconds / 1500,
            0.05,
            place,
            lambda share, place=place: before * (factor if share > place / 100 else 1),
        )
        end, corrections = simulation.end()
        assert end == pytest.approx(1, abs=0.05), place
        assert 1 <= corrections <= 4


@pytest.mark.parametrize("factor", [0.01, 0.1, 10.0])
def test_a_machine_that_was_disturbed_while_it_was_measured_makes_up_for_it(factor: float) -> None:
    """Even where the plan was for a handful of updates."""
    for seconds in (10.0, 180.0):
        end, _ = Simulation(seconds, seconds / 90, 0.05, 1, lambda _: factor).end()
        assert end == pytest.approx(1, abs=0.12 if factor > 1 else 0.05)


@pytest.mark.parametrize("seconds", [3.0, 6.0, 12.0, 60.0])
@pytest.mark.parametrize("factor", [1 / 3, 1 / 6, 1 / 20])
def test_a_short_run_that_becomes_fast_learns_until_its_end(seconds: float, factor: float) -> None:
    """The rate fell to its end before it was seen, and stayed there for two thirds of the run."""
    for place in range(0, 75, 5):
        simulation = Simulation(
            seconds, 0.06, 0.05, place, lambda share, at=place: factor if share > at / 100 else 1
        )
        _, config = simulation.whole()
        rates = np.array([learning_rate(k, config) for k in range(config.steps)])
        assert (rates < 0.02 * CONFIG.learning_rate).mean() < 0.25, place


def test_how_fast_a_run_was_in_other_threads_counts_no_more() -> None:
    config, now = msgspec.structs.replace(CONFIG, steps=500, eval_every=500), 0.0
    deadline = Deadline(100.0, 10**9, 0.0)
    for step in range(1, 301):
        now += 0.2
        is_noted = deadline.note_update(step, now, config)
        assert not is_noted or deadline.steps(step, now, config) == 500
    deadline.begin(300, now)
    steps, step = 500, 300
    while steps == 500:
        step, now = step + 1, now + 0.05
        if deadline.note_update(step, now, config):
            steps = deadline.steps(step, now, config)
    assert now < 64
    assert steps == pytest.approx(300 + 40 / 0.05, abs=2)


@pytest.mark.parametrize("begins_anew", [False, True], ids=["resumed", "other-threads"])
@given(first=st.integers(50, 900), late=st.integers(1, 9), extra=st.floats(0.0, 1.0))
def test_one_disturbed_update_after_a_new_beginning_corrects_nothing(
    begins_anew: bool, first: int, late: int, extra: float
) -> None:
    """However much of the run is over: as little is known of its speed as at its start."""
    config, now = msgspec.structs.replace(CONFIG, eval_every=CONFIG.steps), first * 0.06
    deadline = Deadline(60.0, 10**9, 0.0, *(() if begins_anew else (first, now)))
    if begins_anew:
        deadline.begin(first, now)
    for step in range(first + 1, config.steps + 1):
        now += 0.06 + (extra if step == first + late else 0.0)
        if deadline.note_update(step, now, config):
            assert deadline.steps(step, now, config) == config.steps


@pytest.mark.parametrize("saving", [0.05, 0.15, 0.4])
def test_there_is_time_for_the_last_save(saving: float) -> None:
    for seconds in (10.0, 180.0):
        simulation = Simulation(seconds, seconds / 1500, 0.05, 1, lambda _: 1.0, saving * seconds)
        assert simulation.end()[0] == pytest.approx(1, abs=0.05)


def test_the_first_save_is_not_taken_for_a_part_of_each_evaluation() -> None:
    for evaluations in (8, 10):
        simulation = Simulation(180.0, 0.12, 0.0, 1, lambda _: 1.0, 3.0, evaluations)
        end, corrections = simulation.end()
        assert end == pytest.approx(1, abs=0.05)
        assert not corrections


def test_late_changes_never_make_a_run_much_longer() -> None:
    for place in range(80, 100, 2):
        simulation = Simulation(
            180.0, 0.1, 0.05, place, lambda share, place=place: 5.0 if share > place / 100 else 1.05
        )
        assert simulation.end()[0] < 1.06, place


@pytest.mark.parametrize("before", [1.0, 1.03, 1.06])
def test_noise_corrects_nothing(before: float) -> None:
    for seed in range(12):
        assert Simulation(120.0, 0.06, 0.2, seed, lambda _: before).end()[1] == 0


def test_settings_cannot_be_given_for_a_run_that_is_repeated(home: Path) -> None:
    for given_, found in (
        (("--dropout", 0.5), "--dropout (it has "),
        (("--minutes", 3), "--minutes"),
        (("--tokenizer", "byte"), "--tokenizer"),
        (("--init-from", "verse"), "did not start from another model's weights"),
        (("--resume", "verse"), "--repeat"),
    ):
        refused(run_here(home, "train", "--repeat", "verse", *given_), 2, found)
    for settings in ({"hidden_size": 9}, {"minutes": 2.0}, {"tokenizer": "byte"}, {"steps": 3}):
        with pytest.raises(CharRNNError, match="can't be given for a run that is repeated"):
            train(repeat=home / "checkpoints" / "verse", **settings)
    with pytest.raises(CharRNNError, match="no text given"):
        train(minutes=1)


def test_the_command_repeats_a_run(home: Path) -> None:
    done = run(home, "train", "--repeat", "verse", "--name", "again")
    assert done.returncode == 0, done.stderr
    assert "the 30 updates of checkpoints/verse" in done.stderr
    assert weights(home / "checkpoints" / "again") == weights(home / "checkpoints" / "verse")


def test_a_run_from_other_weights_is_repeated_from_the_same(text: Path, tmp_path: Path) -> None:
    whole(text, tmp_path / "base", steps=9)
    whole(text, tmp_path / "other", steps=9, seed=1)
    for _ in train(text, out=tmp_path / "tuned", init_from=tmp_path / "base", steps=9):
        pass
    for base, found in ((None, "of another model"), (tmp_path / "other", "did not start")):
        with pytest.raises(CharRNNError, match=found):
            train(repeat=tmp_path / "tuned", out=tmp_path / "again", init_from=base)
    for _ in train(repeat=tmp_path / "tuned", out=tmp_path / "again", init_from=tmp_path / "base"):
        pass
    assert weights(tmp_path / "tuned") == weights(tmp_path / "again")


def test_a_run_begun_before_there_were_corrections_goes_on_as_it_was(
    text: Path, tmp_path: Path, machine: Machine
) -> None:
    """Its folder tells of no minutes; nothing is corrected, however slow the machine becomes."""
    path = tmp_path / "model"
    events = iter(train(text, out=path, **SMALL, minutes=MINUTES))
    for event in events:
        if isinstance(event, Evaluated):
            break
    del events
    config = json.loads((path / "config.json").read_text())
    del config["training"]["corrections"], config["training"]["base_weights"]
    (path / "config.json").write_text(json.dumps(config))
    _without_minutes(path / "resume" / "state.safetensors")
    (path / "manifest.json").unlink()
    changed(machine, 0.0, 9.0)
    *_, finished = resume(path)
    assert isinstance(finished, Finished)
    assert finished.steps == config["training"]["steps"]
    assert finished.corrections == ()


def _without_minutes(state: Path) -> None:
    import safetensors
    import safetensors.numpy

    with safetensors.safe_open(state, framework="np") as file:
        progress = json.loads(file.metadata()["progress"])
    assert progress.pop("minutes") == MINUTES
    arrays = safetensors.numpy.load_file(state)
    safetensors.numpy.save_file(arrays, state, metadata={"progress": json.dumps(progress)})
