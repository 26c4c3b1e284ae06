"""How many updates fit in the time that there is."""

from __future__ import annotations

import math
import statistics
from collections.abc import Callable, Sequence
from dataclasses import replace
from typing import NamedTuple

import numpy as np
import torch

from charrnn.cells.heads import shapes_of
from charrnn.cells.layout import parameter_count
from charrnn.config import MAX_STEPS, Budget, CellName, ModelConfig, Precision, TrainConfig
from charrnn.errors import UsageError
from charrnn.learning.hardware import clock
from charrnn.learning.hardware.devices import choose_precision, lacks_memory, speed
from charrnn.learning.hardware.ranks import Ranks
from charrnn.learning.lanes import Lanes
from charrnn.learning.learner import Learner
from charrnn.learning.task import Task
from charrnn.objectives.language import LanguageModelling
from charrnn.objectives.plans.plan import EVALUATION_SHARE, Plan, schedule
from charrnn.text.tokenizer import CharTokenizer
from charrnn.training.pace import trial

__all__ = [
    "REPORT_SHARE",
    "Counted",
    "count_steps",
    "mean_without_outliers",
    "measured_speed",
    "report_seconds",
    "time_calls",
]

TIMED_TOKENS = 100_000  # of the validation text, whose evaluation tells how long all of it takes
TIMED_SHARE = 0.03  # of the minutes to time updates before a run, and again to time an evaluation
READING = 3  # times as many tokens are evaluated as are learnt from in the same time
TIMED_SECONDS = 5.0  # at most: nobody should wait longer without a sign of life
TIMED_UPDATES = 1000  # at most
PROBE_SECONDS = 0.3
REPORT_SHARE = 0.03  # of the run's minutes, at most, for the report at the end
LASTING = 0.95  # of the first seconds' rate: processors slow down as they warm up
MOST_EVALUATION = 0.5  # of the time that is left, beside which there is enough for updates


class Counted(NamedTuple):
    """How many updates a run makes, and how often it evaluates.

    Attributes:
        config: its settings.
        evaluation_in_updates: how many updates take as long as an evaluation; 0 if not measured.
        closing: seconds that are kept for the report; likewise.
        notes: what the user should know.
    """

    config: TrainConfig
    evaluation_in_updates: float = 0.0
    closing: float = 0.0
    notes: tuple[str, ...] = ()


def count_steps(
    plan: Plan, budget: Budget, task: Task, begin: float, ranks: Ranks, *, own_validation: bool
) -> Counted:
    """How many updates the budget allows; for minutes, the rate is measured first.

    A short text needs less than its minutes: see `Task.max_epochs`. If the rate does not last,
    `deadline` corrects the number. Where evaluations as often as usual would take most of the
    minutes, there are fewer.

    What is measured is thrown away, so that the run is the same as one with `steps` given.

    Args:
        plan, budget, task, ranks: of the run.
        begin: when it began, by `clock.now`.
        own_validation: whether it validates on a set of the user's own.

    Raises:
        UsageError: if a single evaluation would take longer than the run.
    """
    if budget.steps is not None:
        return Counted(schedule(plan, budget.steps))
    if budget.epochs is not None:
        return Counted(schedule(plan, max(1, round(budget.epochs * plan.steps_per_epoch))))
    assert budget.minutes is not None, "a Budget has minutes or epochs"
    seconds = budget.minutes * 60
    max_steps = task.max_epochs * plan.steps_per_epoch
    update, evaluation = _measured(plan, task, ranks, seconds, max_steps)
    less = _less_validation(own=own_validation)
    is_long = trial.is_long_in_minutes(budget)  # of a shorter run little is measured, and badly
    if is_long and evaluation >= seconds:
        found = f"validating takes about {evaluation:,.0f} s, and the run has {seconds:,.0f} s"
        raise UsageError(found, less)
    closing = report_seconds(task, evaluation, seconds)
    left = max(seconds - (clock.now() - begin) - closing, 0.0)  # reading may have taken all
    usual, possible = _evaluations(plan, left, update, evaluation)
    evaluations = min(usual, possible)
    spare = min(evaluation, EVALUATION_SHARE * seconds)
    affordable = int((left - evaluations * evaluation - spare) / update)
    steps = max(1, min(affordable, max_steps))
    notes: tuple[str, ...] = ()
    if usual > possible:
        every = math.ceil(steps / possible)
        plan = replace(plan, settings=plan.settings | {"eval_every": every})
        if is_long and possible == 1:
            once = f"validating takes about {evaluation:,.0f} s of {seconds:,.0f}"
            notes = (f"{once}, so it is done once, at the end; {less}",)
    return Counted(schedule(plan, steps), evaluation / update, closing, notes)


def _less_validation(*, own: bool) -> str:
    """What to do where validating takes too long, on a set of the user's own or not."""
    less = "a shorter --validation" if own else "a smaller --val-frac"
    return f"give {less} or more --minutes"


def _evaluations(plan: Plan, left: float, update: float, evaluation: float) -> tuple[float, float]:
    """How many evaluations there usually are, and how many leave enough time for updates.

    Args:
        plan: of the run; the user may have settled how often it evaluates.
        left: seconds for updates and evaluations.
        update, evaluation: how many seconds one takes.
    """
    steps = min(left / update, MAX_STEPS)
    usual = max(1.0, steps / schedule(plan, max(1, int(steps))).eval_every)  # one at the end
    most = MOST_EVALUATION * left
    if "eval_every" in plan.settings or usual * evaluation <= most:
        return usual, math.inf
    return usual, max(1, int(most / evaluation))


def _measured(
    plan: Plan, task: Task, ranks: Ranks, seconds: float, max_steps: int
) -> tuple[float, float]:
    """How many seconds an update takes, and an evaluation, in a run of so many; see `count_steps`.

    Args:
        plan, task, ranks, seconds: of the run.
        max_steps: no more updates are made.
    """
    learner = Learner(task, plan.model, schedule(plan, TIMED_UPDATES), ranks)
    learner.prepare()
    timing = min(TIMED_SECONDS, TIMED_SHARE * seconds)
    update = seconds_per_update(learner, timing, min(TIMED_UPDATES, max_steps)) / LASTING
    tokens = READING * timing * plan.tokens_per_step / update
    some = task.beginning(min(TIMED_TOKENS, max(2, math.ceil(tokens))))
    (some_seconds,) = time_calls(lambda: list(learner.scoring(some)), 0.0, 1)
    return update, some_seconds * (task.val_tokens / some.val_tokens)


def report_seconds(task: Task, evaluation_seconds: float, seconds: float) -> float:
    """How long the report will take at the end of a run of so many seconds.

    Args:
        task: what is learnt.
        evaluation_seconds: that one takes.
        seconds: of the run.
    """
    return min(task.reporting * evaluation_seconds, REPORT_SHARE * seconds)


def measured_speed(
    device: torch.device, precision: Precision, cell: CellName, longest: float
) -> float:
    """How many operations per second training reaches here, with a network of usual size.

    It depends on the device, its driver and who else uses it, so it is tried: on a CPU in the
    fastest way there is. There the result is rounded to a power of √2, so that runs alike are
    planned alike, and down: a plan for more passes than the minutes allow has too much dropout for
    those that are made.

    Args:
        device: to train on.
        precision: of its products.
        cell: of the network.
        longest: seconds that the trial may take; see `trial.rates`.
    """
    plan, task = _usual_run(device, precision, cell)
    operations = 6 * parameter_count(shapes_of(plan.model))
    config = schedule(plan, TIMED_UPDATES)
    try:
        learner = Learner(task, plan.model, config)
        if device.type == "cpu" and (found := trial.rates(plan, task, longest=longest)):
            learner.use(*max(found, key=lambda way: found[way]))
        learner.prepare()
        seconds = seconds_per_update(learner, PROBE_SECONDS, TIMED_UPDATES)
    except RuntimeError as error:
        if not lacks_memory(error):
            raise
        # Another program fills the card; a smaller network may fit.
        return speed(device, choose_precision(precision, device), cell)
    reached = operations * config.batch_size * config.seq_length / seconds
    if device.type != "cpu":
        return reached
    return float(2.0 ** (math.floor(2 * math.log2(reached)) / 2))


def _usual_run(device: torch.device, precision: Precision, cell: CellName) -> tuple[Plan, Task]:
    """A network of usual size, and a text that is made up."""
    model = ModelConfig(
        cell=cell,
        vocab_size=64,
        embed_size=64,
        hidden_size=256 if device.type == "cpu" else 512,
        num_layers=2,
        skip=True,
    )
    settings = {
        "batch_size": 32,
        "seq_length": 64,
        "learning_rate": 1e-3,
        "weight_decay": 0.0,
        "val_frac": 0.1,
        "device": device.type,
        "precision": precision,
    }
    plan = Plan(
        model,
        settings,
        val_tokens=1 << 10,
        reasons="",
        notes=(),
        tokens_per_step=32 * 64,
        steps_per_epoch=64,
    )
    text = np.zeros(plan.steps_per_epoch * 32 * 64, np.uint8)
    vocabulary = CharTokenizer("".join(map(chr, range(model.vocab_size))))
    return plan, LanguageModelling(text, text[:9], vocabulary)


def seconds_per_update(learner: Learner, seconds: float, max_updates: int) -> float:
    """How long an update takes, on average; see `time_calls`.

    Where batches differ in length, so do updates, and none of them counts as an outlier.

    Args:
        learner: that makes them.
        seconds, max_updates: how many.
    """
    burst = 1 if learner.device.type == "cpu" else trial.BURST
    times = time_calls(lambda: learner.burst(burst), seconds, max(1, max_updates // burst))
    usual = mean_without_outliers if isinstance(learner.batches, Lanes) else statistics.fmean
    return usual(times) / burst


def time_calls(work: Callable[[], object], seconds: float, max_calls: int) -> list[float]:
    """How long calls of `work` take: one call, and more until they took `seconds`.

    One more comes before them and does not count: memory is fetched and kernels are made. Where it
    takes far longer than that, it is the only one, and counts.

    Args:
        max_calls: there are never more.
    """
    first = clock.seconds_of(work)
    if first >= TIMED_SECONDS:
        return [first]
    end = clock.now() + seconds
    times = [clock.seconds_of(work)]
    while len(times) < max_calls and clock.now() < end:
        times.append(clock.seconds_of(work))
    return times


def mean_without_outliers(times: Sequence[float]) -> float:
    """The mean of those of at most twice the median: during the others something else ran."""
    limit = 2 * statistics.median(times)
    return statistics.fmean(taken for taken in times if taken <= limit)
