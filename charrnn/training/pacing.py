"""How many updates fit in the time that there is."""

from __future__ import annotations

import statistics
import time
from collections.abc import Callable

import numpy as np
from numpy.typing import NDArray

from charrnn.arrays import Ids
from charrnn.evaluation.losses import surprisals
from charrnn.training import planning
from charrnn.training.learner import Learner
from charrnn.training.planning import Budget, Plan

__all__ = ["count_steps"]

MEASURED = 100_000  # tokens of validation text whose evaluation tells how long it takes
# For how long updates are timed: a share of the run, until somebody would wonder; and how many.
SHARE, PATIENCE, CALLS = 0.03, 5.0, 1000
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
    most = planning.max_epochs(plan.train_tokens) * plan.steps_per_epoch
    learner = Learner(plan.model, planning.schedule(plan, CALLS), train_ids)
    enough = min(PATIENCE, SHARE * seconds)
    update = _usual(_times(learner.update, enough, min(CALLS, most))) / LASTING
    some = val_ids[:MEASURED]
    (evaluation,) = _times(lambda: surprisals(learner.network, some), 0.0, 1)
    evaluation *= len(val_ids) / len(some)
    left = seconds - (time.perf_counter() - begin)
    steps = left / update
    evaluations = steps / planning.schedule(plan, max(1, int(steps))).eval_every + 1
    affordable = int((left - evaluations * evaluation) / update)
    return max(1, min(affordable, most))


def _times(work: Callable[[], object], enough: float, most: int) -> list[float]:
    """The times of three calls, or of more until they took `enough` seconds; of `most` at most.

    One more comes before them and does not count: memory is fetched and kernels are made.
    """
    work()
    times: list[float] = []
    end = time.perf_counter() + enough
    while len(times) < most and (len(times) < 3 or time.perf_counter() < end):
        start = time.perf_counter()
        work()
        times.append(time.perf_counter() - start)
    return times


def _usual(times: list[float]) -> float:
    """The mean of those of at most twice the median: in the others something else ran."""
    limit = 2 * statistics.median(times)
    return statistics.fmean(taken for taken in times if taken <= limit)
