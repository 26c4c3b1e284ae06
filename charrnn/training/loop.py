"""The training loop: update, evaluate and save until the run is over, yielding events."""

from __future__ import annotations

import math
import os
from collections.abc import Iterator

from charrnn.errors import CharRNNError
from charrnn.learning.hardware import clock
from charrnn.learning.hardware.threads import max_threads, threads_at
from charrnn.learning.learner import Learner
from charrnn.training.events import Event, Progress, Reporting
from charrnn.training.pace.deadline import Deadline
from charrnn.training.pace.neighbours import Neighbours, usage
from charrnn.training.pace.pacing import REPORT_SHARE, report_seconds
from charrnn.training.recorder import Recorder
from charrnn.words import as_argument

__all__ = ["is_over", "loop", "report"]

MAX_SKIPPED = 5  # updates in a row whose gradients are not finite
REPORT_SECONDS = 0.25  # between two Progress events
SAVED_SHARE = 0.1  # of the minutes, between two saves of a run that has no evaluations to save at
INTERRUPTED_SECONDS = 2.0  # how long Ctrl-C waits for a save that is under way


def loop(learner: Learner, recorder: Recorder, deadline: Deadline | None) -> Iterator[Event]:
    """Train until the run is over.

    Closing the iterator stops the run and saves it; in a copy of the process, which `os.fork` made,
    nothing is saved, as the run goes on in the process itself.

    Args:
        learner: as far as it has come.
        recorder: of the same run.
        deadline: when it should end; None if its number of updates is given.

    Yields:
        events: `Progress`, `Corrected` and `Evaluated`, at the end `Reporting` and `Finished`.

    Raises:
        CharRNNError: if the loss is no longer a number; what was learnt before is saved.
        ReadWriteError: if saving fails, which is noticed within a moment; what was saved before
            stays.
    """
    saver = recorder.saver
    process = os.getpid()
    try:
        try:
            yield from _train(learner, recorder, deadline)
        except GeneratorExit:  # the caller has left
            if os.getpid() == process:
                recorder.close(learner)
                saver.wait()
            raise
        except KeyboardInterrupt:
            raise
        except BaseException:
            saver.wait()  # a save that failed is reported, too
            raise
        saver.wait()
    except KeyboardInterrupt:  # in whichever of these
        saver.leave(INTERRUPTED_SECONDS)
        raise
    yield from report(learner, recorder, deadline)


def is_over(learner: Learner, recorder: Recorder) -> bool:
    """Whether all updates are made, or validation has not improved for long."""
    return learner.step >= learner.config.steps or recorder.stale >= learner.config.patience


def _train(learner: Learner, recorder: Recorder, deadline: Deadline | None) -> Iterator[Event]:
    """Update, evaluate and save until there is nothing left to do."""
    watch = recorder.watch
    ticks = _Ticks(REPORT_SECONDS)
    saves = _Ticks(math.inf if deadline is None else SAVED_SHARE * deadline.seconds)
    alone = learner.ranks.count == 1  # others would have to change their threads, too
    available = max_threads() if alone and learner.device.type == "cpu" else 1
    neighbours = Neighbours(available, threads_at(learner.step, learner.config), usage())
    while True:
        if recorder.is_due(learner):
            yield from _evaluate(learner, recorder, deadline, ticks)
        config = learner.config
        if is_over(learner, recorder):
            break
        learner.update()
        if learner.updates.seen_in_row >= MAX_SKIPPED:  # no further one would succeed
            recorder.save(learner)
            raise recorder.diverged(learner)
        if learner.ranks.stopping:
            yield _progress(learner)  # whoever was asked to stop here, too, leaves
            recorder.close(learner)
            raise CharRNNError(
                "another process of this run was asked to stop",
                "all is saved: start all of them again, with --resume "
                + as_argument(recorder.place.shown),
            )
        seconds = watch.read()
        if deadline is not None and deadline.note_update(learner.step, seconds, config):
            steps = deadline.steps(learner.step, seconds, config)
            if steps != config.steps:
                yield recorder.change_steps(learner, steps)
            if available > 1 and neighbours.adapt(usage()):
                recorder.change_threads(learner, neighbours.threads)
                deadline.begin(learner.step, watch.read())
        if config.eval_every >= config.steps and saves.due():  # no evaluation saves it on its way
            recorder.begin_save(learner)
        if ticks.due():
            recorder.saver.check()
            yield _progress(learner)


def _evaluate(
    learner: Learner, recorder: Recorder, deadline: Deadline | None, ticks: _Ticks
) -> Iterator[Event]:
    """Evaluate, chunk by chunk, so that the caller can leave in between, and begin to save."""
    watch, saver = recorder.watch, recorder.saver
    begin = watch.read()
    scoring = learner.scoring()
    for _ in scoring:
        watch.read()
        if ticks.due():
            saver.check()
            yield _progress(learner)
    evaluated = recorder.add(learner, scoring.result)
    end = watch.read()
    if recorder.saved_step is None:
        saver.wait()  # from now on there is a model
    waited = watch.read() - end
    yield evaluated
    if deadline is not None:
        seconds = watch.read() - begin
        closing = saver.seconds + report_seconds(learner.task, seconds, deadline.seconds)
        deadline.note_evaluation(seconds, closing, waited)


def report(
    learner: Learner, recorder: Recorder, deadline: Deadline | None, advice: str | None = None
) -> Iterator[Event]:
    """Report on the best weights, piece by piece, so that the caller can leave in between.

    Pieces that would take a run past its minutes are left out.

    Args:
        learner, recorder: see `loop`; the run is over.
        deadline: when it should end; None if nothing is left out.
        advice: what to do next, if not what the evaluations say.
    """
    watch = recorder.watch
    ticks = _Ticks(REPORT_SECONDS)
    end = math.inf
    if deadline is not None:  # a run may end late; a share of its minutes remains in any case
        end = max(deadline.seconds, watch.read() + REPORT_SHARE * deadline.seconds)
    pieces = recorder.report(learner, lambda: watch.read() >= end)
    while True:
        try:
            count = next(pieces)
        except StopIteration as over:
            yield recorder.finish(learner, over.value, advice)
            return
        if ticks.due():
            yield Reporting(count=count)


class _Ticks:
    """Tells when some seconds have passed, again and again."""

    def __init__(self, seconds: float) -> None:
        self.seconds = seconds
        self.last = clock.now()

    def due(self) -> bool:
        now = clock.now()
        if now - self.last < self.seconds:
            return False
        self.last = now
        return True


def _progress(learner: Learner) -> Progress:
    return Progress(
        step=learner.step,
        train_nats=float(learner.updates.loss),
        tokens_per_second=learner.tokens_per_second,
    )
