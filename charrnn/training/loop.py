"""The training loop: update, evaluate and save until the run is over, yielding events."""

from __future__ import annotations

import time
from collections.abc import Iterator

from charrnn.training.diagnosis import diverged, is_stuck
from charrnn.training.events import Event, Progress
from charrnn.training.learner import Learner
from charrnn.training.recorder import Recorder

__all__ = ["loop"]

REPORT_SECONDS = 0.25  # between two Progress events


def loop(learner: Learner, recorder: Recorder) -> Iterator[Event]:
    """Train until the run is over.

    Closing the iterator stops the run and saves it.

    Yields:
        events: `Progress` and `Evaluated`, at the end `Finished`.

    Raises:
        CharRNNError: if the loss is no longer a number; what was learnt before is saved.
        ReadWriteError: if saving fails; what was saved before stays.
    """
    config, ticks = learner.config, _Ticks(REPORT_SECONDS)
    try:
        while True:
            if recorder.is_due(learner):
                scoring = recorder.scoring(learner)
                for _ in scoring:  # chunk by chunk, so that the caller can leave in between
                    if ticks.due():
                        yield _progress(learner)
                yield recorder.add(learner, scoring.nats)
            if learner.step >= config.steps or recorder.stale >= config.patience:
                break
            learner.update()
            if is_stuck(learner):
                recorder.save(learner)
                raise diverged(learner)
            if ticks.due():
                yield _progress(learner)
    except GeneratorExit:  # the caller has left
        recorder.close(learner)
        raise
    yield recorder.finish(learner)


class _Ticks:
    """Tells when some seconds have passed, again and again."""

    def __init__(self, seconds: float) -> None:
        self.seconds = seconds
        self.last = time.perf_counter()

    def due(self) -> bool:
        now = time.perf_counter()
        if now - self.last < self.seconds:
            return False
        self.last = now
        return True


def _progress(learner: Learner) -> Progress:
    return Progress(
        step=learner.step,
        train_nats=float(learner.loss),
        tokens_per_second=learner.tokens_per_second,
    )
