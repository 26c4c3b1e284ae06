"""How many updates fit in the time that there is."""

from __future__ import annotations

import statistics
import time
from collections.abc import Callable

import numpy as np
from numpy.typing import NDArray

from charrnn import planning
from charrnn.evaluation import surprisals
from charrnn.learner import Learner
from charrnn.planning import Budget, Plan
from charrnn.tokenizer import Ids

__all__ = ["count_steps"]

MEASURED = 100_000  # tokens of validation text whose evaluation tells how long it takes
SHARE, MOST = 0.03, 20.0  # of the run, and seconds, for which updates are timed


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
    learner = Learner(plan.model, planning.schedule(plan, 1000), train_ids)
    update = _usual_seconds(learner.update, enough=min(MOST, SHARE * seconds))
    some = val_ids[:MEASURED]
    evaluation = _usual_seconds(lambda: surprisals(learner.network, some), enough=0.0)
    evaluation *= len(val_ids) / len(some)
    left = seconds - (time.perf_counter() - begin)
    steps = left / update
    evaluations = steps / planning.schedule(plan, max(1, int(steps))).eval_every + 1
    affordable = int((left - evaluations * evaluation) / update)
    return max(1, min(affordable, planning.max_epochs(plan.train_tokens) * plan.steps_per_epoch))


def _usual_seconds(work: Callable[[], object], enough: float) -> float:
    """The mean time that `work` takes, over `enough` seconds and at least two calls.

    The first call does not count: memory is fetched and kernels are made. Neither do calls of
    more than twice the median: something else ran then.
    """
    work()
    times: list[float] = []
    while len(times) < 2 or sum(times) < enough:
        start = time.perf_counter()
        work()
        times.append(time.perf_counter() - start)
    usual = 2 * statistics.median(times)
    return statistics.fmean(taken for taken in times if taken <= usual)
