"""What the other processes of a run do: what the first one tells them.

place, over = follow(data, ranks)
"""

from __future__ import annotations

from contextlib import ExitStack
from pathlib import Path

import safetensors.numpy

from charrnn.errors import UsageError
from charrnn.folder.place import Place
from charrnn.learning.hardware.ranks import (
    Change,
    Gather,
    Leave,
    Make,
    Ranks,
    Restore,
    Start,
    Update,
)
from charrnn.learning.hardware.threads import in_threads
from charrnn.learning.learner import Learner
from charrnn.objectives.request import Data
from charrnn.signals import STOPPING, noted
from charrnn.training.memory import memory_errors

__all__ = ["follow"]


def follow(data: Data, ranks: Ranks) -> tuple[Place | None, bool]:
    """Share the updates of a run until its first process ends it.

    A first Ctrl-C, SIGTERM or SIGHUP is passed on with the next update, after which the first
    process saves the run and ends it.

    Args:
        data: what is learnt from.
        ranks: of which this is not the first.

    Returns:
        place: of the model; None if the run did not begin.
        over: whether it went to its end.

    Raises:
        CharRNNError: if there is not enough memory.
        LostError: if the first process has ended.
        UsageError: if it reads another text.
    """
    place: Place | None = None
    learner: Learner | None = None
    with ExitStack() as stack:
        received = stack.enter_context(noted(*STOPPING))
        for order in ranks.orders():
            if isinstance(order, Leave):
                return place, order.over
            if isinstance(order, Start):
                place = Place.of(Path(order.folder))
                stack.enter_context(memory_errors(place.path, is_settled=order.is_settled))
                _refuse_another(data, order)
                stack.enter_context(in_threads(order.threads))
            elif isinstance(order, Make):
                learner = Learner(data.task(order.config), order.model, order.config, ranks)
            else:
                assert learner is not None, "it is made first"
                ranks.asked = bool(received)
                _obey(order, learner)
    raise AssertionError("a run ends with Leave")


def _obey(order: Restore | Change | Update | Gather, learner: Learner) -> None:
    match order:
        case Update():
            learner.update()
        case Gather():
            learner.whole_state()
        case Change():
            learner.configure(order.config)
        case Restore():
            learner.restore(safetensors.numpy.load(order.tensors), order.progress)


def _refuse_another(data: Data, run: Start) -> None:
    found = data.corpus.fingerprint
    if found != run.sha256:
        raise UsageError(
            f"the text here (SHA-256 {found[:12]}…) is not the one that the first "
            f"process reads ({run.sha256[:12]}…)",
            "give all processes the same files",
        )
