"""How many updates fit in the time that there is."""

from __future__ import annotations

import statistics
import time
from collections.abc import Callable, Sequence

import numpy as np
from numpy.typing import NDArray

from charrnn.arrays import Ids
from charrnn.config import Budget
from charrnn.evaluation.surprisals import surprisals
from charrnn.training import planning
from charrnn.training.learner import Learner
from charrnn.training.planning import Plan

__all__ = ["count_steps", "mean_without_outliers", "time_calls"]

TIMED_TOKENS = 100_000  # of the validation text, whose evaluation tells how long all of it takes
TIMED_SHARE = 0.03  # of the run, in which updates are timed, but
TIMED_SECONDS = 5.0  # no longer than a user will wait without a sign of life, and
TIMED_UPDATES = 1000  # no more than these
LASTING = 0.95  # of the first seconds' rate: processors slow down as they warm up


def count_steps(
    plan: Plan, budget: Budget, train_ids: NDArray[np.integer], val_ids: Ids, begin: float
) -> int:
    """How many updates the budget allows; for minutes, the rate is measured first.

    A short text needs less than its minutes: see `planning.max_epochs`.

    What is measured is thrown away, so that the run is the same as one with `steps` given.
    """
    if budget.steps is not None:
        return budget.steps
    if budget.epochs is not None:
        return max(1, round(budget.epochs * plan.steps_per_epoch))
    assert budget.minutes is not None, "a Budget has minutes or epochs"
    seconds = budget.minutes * 60
    max_steps = planning.max_epochs(plan.train_tokens) * plan.steps_per_epoch
    learner = Learner(plan.model, planning.schedule(plan, TIMED_UPDATES), train_ids)
    enough = min(TIMED_SECONDS, TIMED_SHARE * seconds)
    times = time_calls(learner.update, enough, min(TIMED_UPDATES, max_steps))
    update = mean_without_outliers(times) / LASTING
    some = val_ids[:TIMED_TOKENS]
    (evaluation,) = time_calls(lambda: surprisals(learner.network, some), 0.0, 1)
    evaluation *= len(val_ids) / len(some)
    left = seconds - (time.perf_counter() - begin)
    steps = left / update
    evaluations = steps / planning.schedule(plan, max(1, int(steps))).eval_every + 1
    affordable = int((left - evaluations * evaluation) / update)
    return max(1, min(affordable, max_steps))


def time_calls(work: Callable[[], object], seconds: float, max_calls: int) -> list[float]:
    """How long calls of `work` take: at least three, and more until they took `seconds`.

    One more comes before them and does not count: memory is fetched and kernels are made.

    Args:
        max_calls: there are never more, even if these are fewer than three.
    """
    work()
    times: list[float] = []
    end = time.perf_counter() + seconds
    while len(times) < max_calls and (len(times) < 3 or time.perf_counter() < end):
        start = time.perf_counter()
        work()
        times.append(time.perf_counter() - start)
    return times


def mean_without_outliers(times: Sequence[float]) -> float:
    """The mean of those of at most twice the median: during the others something else ran."""
    limit = 2 * statistics.median(times)
    return statistics.fmean(taken for taken in times if taken <= limit)
