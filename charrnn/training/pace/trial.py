"""Which way to compute is the fastest here: each is tried for some updates.

    with_fastest_engine(plan, budget, task)    # Plan → Plan, its engine and precision settled

What computes the recurrent layers best depends on the cell, the size, the lanes and the processor,
so nothing is assumed. A trial takes a few updates, those of large networks with few time steps:
half a second at 2×256, four seconds at 2×1024, and where it would take longer, it ends.
"""

from __future__ import annotations

from contextlib import suppress
from dataclasses import replace
from typing import NamedTuple

import torch

from charrnn.cells.heads import GRAMS, shapes_of
from charrnn.cells.layout import parameter_count
from charrnn.config import Budget, EngineName, ProductPrecision
from charrnn.learning.hardware import clock
from charrnn.learning.hardware.devices import DTYPES, choose_device, choose_precision, lacks_memory
from charrnn.learning.learner import Learner, lanes_of
from charrnn.learning.task import Task
from charrnn.network.stack.choice import candidates
from charrnn.objectives.plans.plan import Plan, schedule

__all__ = [
    "Way",
    "is_long_in_minutes",
    "longest_trial",
    "rates",
    "update_seconds",
    "with_fastest_engine",
]

# An update of a trial takes no more operations than this, as far as `FEWEST_STEPS` allow. With few
# time steps, what is done once for each update counts for too much, so a small network is tried
# with as many as its run has, or with `MOST_STEPS`, beside which it is little.
OPERATIONS = 4e9
FEWEST_STEPS, MOST_STEPS = 8, 128  # of time
ROUNDS = 3  # in which the ways take turns; the best of each counts
LONG_TRIAL = 1.0  # seconds, after which no third round begins
LONGEST_TRIAL, TRIAL_SHARE = 5.0, 0.1  # seconds, and the share of a run's minutes, see `rates`
MARGIN = 1.05  # by which a way must beat those before it; less may be chance
LONG_RUN, LONG_MINUTES = 500, 0.25  # updates, or minutes, of a run that a trial shortens
HOPELESS = 2.0  # times as slow as the fastest after one update: not tried further
UPDATES = 1000  # of a run that is tried: they decide its learning rate alone
BURST = 8  # updates between two waits for a GPU
# Seconds; an update this short is always tried again, so that one busy moment does not decide.
CHEAP = 0.01

NAMES: dict[EngineName, str] = {
    "kernels": "machine code",
    "lane_tiles": "machine code with tiles (AMX)",
    "persistent": "one GPU kernel for all steps",
    "torch": "PyTorch's layers",
    "loops": "PyTorch's operations",
}


class Way(NamedTuple):
    """One way to compute a run.

    Attributes:
        engine: what computes the recurrent layers.
        precision: of the products.
    """

    engine: EngineName
    precision: ProductPrecision

    def __str__(self) -> str:
        return f"{NAMES[self.engine]} in {self.precision}"


def with_fastest_engine(plan: Plan, budget: Budget, task: Task, processes: int = 1) -> Plan:
    """A plan with the fastest engine, and the fastest precision if that is open.

    Args:
        plan: of a run; one too short for a trial to pay gets the likely fastest.
        budget: of the run.
        task: what is learnt.
        processes: how many will share its lanes; one of them tries.
    """
    ways = _ways(plan, task, choose_device(plan.settings.get("device", "auto")), processes)
    tried = len(ways) > 1 and _pays(plan, budget)
    found = rates(plan, task, processes, longest_trial(budget)) if tried else {}
    if not found:
        return _with(plan, **ways[0]._asdict())
    best = next(iter(found))
    for way, rate in found.items():
        if rate > MARGIN * found[best]:
            best = way
    others = {way: rate for way, rate in found.items() if way.engine != best.engine}
    reason = f", computed by {best}"
    if others:
        second = max(others, key=lambda way: others[way])
        reason += f" ({found[best] / others[second]:.1f} times as fast as {second})"
    return replace(_with(plan, **best._asdict()), reasons=plan.reasons + reason)


def _pays(plan: Plan, budget: Budget) -> bool:
    """Whether the run is long enough for a trial."""
    if budget.steps is not None:
        return budget.steps >= LONG_RUN
    if budget.epochs is not None:
        return budget.epochs * plan.steps_per_epoch >= LONG_RUN
    return is_long_in_minutes(budget)


def longest_trial(budget: Budget) -> float:
    """Seconds that the trial of a run may take."""
    minutes = budget.kept_minutes
    return LONGEST_TRIAL if minutes is None else min(LONGEST_TRIAL, TRIAL_SHARE * 60 * minutes)


def is_long_in_minutes(budget: Budget) -> bool:
    """Whether a run is for minutes, and for so many that a trial pays."""
    return (budget.kept_minutes or 0.0) >= LONG_MINUTES


def rates(
    plan: Plan, task: Task, processes: int = 1, longest: float = LONGEST_TRIAL
) -> dict[Way, float]:
    """How fast each way is, in tokens per second; the likely fastest comes first.

    Those that there is no time for are missing.

    Args:
        plan: of a run.
        task: what is learnt.
        processes: how many will share its lanes; those of one of them are read.
        longest: seconds for all ways; each on a GPU, the first on a CPU, is tried in any case.
    """
    device = choose_device(plan.settings.get("device", "auto"))
    ways = _ways(plan, task, device, processes)
    one = _with(plan, batch_size=plan.settings["batch_size"] // processes)
    if device.type == "cpu":
        return _rates_on_cpu(one, task, ways, longest)
    return _rates_on_gpu(one, task, ways, longest / len(ways), recorded=processes == 1)


def _with(plan: Plan, **settings: object) -> Plan:
    """The same plan but for these settings."""
    return replace(plan, settings=plan.settings | settings)


def _rates_on_cpu(plan: Plan, task: Task, ways: list[Way], longest: float) -> dict[Way, float]:
    """See `rates`."""
    shapes = shapes_of(plan.model, task.task_record)
    shapes.pop(GRAMS, None)  # of which a text reads a few rows
    lanes, steps = plan.settings["batch_size"], plan.settings["seq_length"]
    few = max(FEWEST_STEPS, int(OPERATIONS / (6 * parameter_count(shapes) * lanes)))
    steps = min(few, MOST_STEPS, steps)  # of a forecaster windows stay as they are
    short = _with(plan, seq_length=steps, precision="fp32")
    learner = Learner(task, plan.model, schedule(short, UPDATES))
    end = clock.now() + longest
    seconds: dict[Way, float] = {}
    for way in ways:
        if seconds and clock.now() > end:
            break
        learner.use(*way)
        with suppress(RuntimeError):  # PyTorch's layers of bfloat16 are not there for every shape
            update_seconds(learner)  # makes what it needs, and says little of its speed
            if not seconds or clock.now() <= end:
                seconds[way] = update_seconds(learner)
    if seconds:
        _try_again(learner, seconds, end)
    return {way: lanes * steps / taken for way, taken in seconds.items()}


def _try_again(learner: Learner, seconds: dict[Way, float], end: float) -> None:
    """Try the ways that are not hopeless in further rounds, and keep the best time of each.

    Args:
        learner: that was tried.
        seconds: of an update in each way; changed.
        end: by the clock, after which no update begins.
    """
    spent = sum(seconds.values())
    for number in range(2, ROUNDS + 1):
        if number > 2 and spent > LONG_TRIAL:
            return
        hopeful = max(HOPELESS * min(seconds.values()), CHEAP)
        for way in [way for way, taken in seconds.items() if taken <= hopeful]:
            if clock.now() > end:
                return
            learner.use(*way)
            taken = update_seconds(learner)
            seconds[way] = min(seconds[way], taken)
            spent += taken


def _rates_on_gpu(
    plan: Plan, task: Task, ways: list[Way], longest: float, *, recorded: bool
) -> dict[Way, float]:
    """See `rates`; with updates `recorded` as graphs or not, as they will be in the run.

    No further round of a way begins after `longest` seconds of it.
    """
    found: dict[Way, float] = {}
    for way in ways:
        try:
            found[way] = _rate_on_gpu(plan, task, way, longest, recorded=recorded)
        except RuntimeError as error:
            if not lacks_memory(error):
                raise
    return found


def _rate_on_gpu(plan: Plan, task: Task, way: Way, longest: float, *, recorded: bool) -> float:
    """The rate of one way; what it needs is given back before the next one needs its own."""
    learner = Learner(task, plan.model, schedule(plan, UPDATES))
    learner.use(*way)
    if recorded:
        learner.prepare()
    learner.burst(1)  # makes what it needs, and says little of its speed
    seconds: list[float] = []
    while not seconds or (len(seconds) < ROUNDS and sum(seconds) < longest):
        seconds.append(clock.seconds_of(lambda: learner.burst(BURST)))
    return BURST * learner.batches.tokens_per_step / min(seconds)


def _ways(plan: Plan, task: Task, device: torch.device, processes: int) -> list[Way]:
    """All ways there are, those in the precision that the device is made for first."""
    model, wanted = plan.model, plan.settings.get("precision", "auto")
    best = choose_precision(wanted, device)
    precisions = [best]
    if device.type == "cpu" and wanted == "auto" and best != "fp32":
        precisions.append("fp32")
    lanes = lanes_of(task, plan.settings["batch_size"], processes)
    return [
        Way(engine, precision)
        for precision in precisions
        for engine in candidates(
            model.cell, model.hidden_size, device, DTYPES[precision], lanes=lanes
        )
    ]


def update_seconds(learner: Learner) -> float:
    """How long the first update takes: always the same one, since records differ in length."""
    learner.step = 0
    return clock.seconds_of(learner.update)
