"""Keeps a run to its minutes, whatever else the machine has to do.

    deadline = Deadline(minutes * 60, max_steps, evaluation_in_updates, step, seconds)
    if deadline.note_update(step, seconds, config):    # after each update
        steps = deadline.steps(step, seconds, config)  # as planned, unless the end would be missed

The speed that was measured at the start may not last. What is left is then planned anew, from how
long updates take now. Nothing here reads a clock.
"""

from __future__ import annotations

import bisect
import statistics

from charrnn.config import TrainConfig
from charrnn.objectives.plans.plan import EVALUATION_SHARE

__all__ = ["Deadline", "evaluates_once"]

# How far from its minutes a run may end, as a share of them, before the plan is corrected. One that
# nothing disturbs ends up to 5% early (see `pacing.LASTING`), and no two take the same time.
LATE, EARLY = 0.04, 0.08
FAR = 0.12  # the same while all of the run is left; it can still be corrected later
SPAN = 0.01  # updates are timed in spans of this share of the minutes
MIN_SPAN = 0.25  # seconds, so that each has several updates
LOOK_BACK = 0.25  # of the time left: the pace is the median over so much of the past
# A run that would end before this share of its minutes is timed in shorter spans: its learning rate
# falls fast, so there is little time to correct the plan.
HASTY = 0.8
MIN_SPANS = 3  # so that a single one that is disturbed changes nothing


class Deadline:
    """When a run should end, and how fast it is.

    Args:
        seconds: that the run should take in all.
        max_steps: no more updates than these, however fast they are.
        evaluation_in_updates: how many updates take as long as an evaluation.
        step, passed: updates made, and seconds passed, when it begins to watch.
        closing: seconds that the last save and the report will take, which the run waits for; an
            evaluation tells better.

    Attributes:
        pace: seconds per update of late; 0 before it is known.
    """

    def __init__(
        self,
        seconds: float,
        max_steps: int,
        evaluation_in_updates: float,
        step: int = 0,
        passed: float = 0.0,
        closing: float = 0.0,
    ) -> None:
        self.seconds = seconds
        self.max_steps = max_steps
        self.evaluation_in_updates = evaluation_in_updates
        self.closing = closing
        self.pace = 0.0
        self._paces: list[float] = []  # of one span after the other, since it began
        self.begin(step, passed)

    def note_evaluation(self, seconds: float, closing: float, waited: float) -> None:
        """Note how long an evaluation took.

        Args:
            seconds: in all.
            closing: how long what comes after the last evaluation will take.
            waited: of `seconds`, for the save of the first evaluation; no other is waited for.
        """
        self.closing = closing
        self._begin += seconds
        if self.pace:
            self.evaluation_in_updates = (seconds - waited) / self.pace

    def begin(self, step: int, seconds: float) -> None:
        """Forget how fast the run was, as where its updates are now computed in another way."""
        self._paces.clear()
        self._first = step
        self._step, self._begin = step, seconds  # where the present span began

    def note_update(self, step: int, seconds: float, config: TrainConfig) -> bool:
        """Note that `step` updates are made after so many seconds of the run.

        Returns:
            whether there is something new to plan with.
        """
        if seconds <= self._begin:  # nothing counted, as after an update that was taken for sleep
            return step >= config.steps and bool(self._paces)
        pace = (seconds - self._begin) / (step - self._step)
        ending = (config.steps - step) * pace
        enough = max(MIN_SPAN, SPAN * self.seconds)
        if seconds + ending < HASTY * self.seconds:  # there must be time to see that
            enough = min(enough, ending / (2 * MIN_SPANS))
        if seconds - self._begin < enough and step < config.steps:
            return False
        self.pace = pace
        self._paces.append(self.pace)
        self._step, self._begin = step, seconds
        return True

    def steps(self, step: int, seconds: float, config: TrainConfig) -> int:
        """How many updates the run should have.

        Args:
            step: updates made.
            seconds: that have passed.
            config: the plan as it is.
        """
        left = self.seconds - self.closing - seconds
        expected = self._cost(step, config.steps, config) * self.pace
        span = max(MIN_SPAN, SPAN * self.seconds, self.pace)
        wanted = max(MIN_SPANS, round(LOOK_BACK * min(left, expected) / span))
        paces = self._paces[-wanted:]
        is_half_over = 2 * (step - self._first) >= config.steps - self._first
        if len(paces) < max(MIN_SPANS, wanted // 2) and not is_half_over:
            return config.steps
        pace = statistics.median(paces)  # what disturbs a few spans counts for nothing
        missed = self._cost(step, config.steps, config) * pace - left
        far = FAR * left / self.seconds
        late, early = max(LATE, far) * self.seconds, max(EARLY, far) * self.seconds
        # The first plan has room for an evaluation more than there will be, or for a part of one.
        spare = min(self.evaluation_in_updates * pace, EVALUATION_SHARE * self.seconds)
        early = late if config.corrections else early + spare
        if -early <= missed <= late:
            return config.steps
        self.begin(step, seconds)
        possible = range(step, max(step, self.max_steps) + 1)
        affordable = bisect.bisect_right(
            possible, left / pace, key=lambda steps: self._cost(step, steps, config)
        )
        return possible[max(affordable - 1, 0)]

    def _cost(self, step: int, steps: int, config: TrainConfig) -> float:
        """How many updates would take as long as what is to be done until update `steps`."""
        if evaluates_once(config):
            return steps - step + self.evaluation_in_updates
        eval_every = config.eval_every
        # The one after update `step` is still to come.
        evaluations = steps // eval_every - (step - 1) // eval_every + (steps % eval_every > 0)
        return steps - step + evaluations * self.evaluation_in_updates


def evaluates_once(config: TrainConfig) -> bool:
    """Whether a run evaluates at its end alone, whenever that will be: corrections move both.

    One whose user asked for an evaluation after just as many updates as were planned is such a run.
    If it was after more updates, it comes at the end as well, but is not moved.
    """
    return config.eval_every == config.steps
