"""Processes that are killed or interrupted at a chosen moment, however busy the machine is.

    Copy(folder, "train", ..., prepare=partial(kill_at_update, 61))

Who waits from outside and kills then may find that the process has come further, or ended.
"""

from __future__ import annotations

import itertools
import os
import signal
import sys
import threading
from collections.abc import Callable, Sequence
from pathlib import Path
from typing import Any

from charrnn.learning.eager import EagerUpdates
from charrnn.learning.learner import Learner

__all__ = ["interrupt_at_update", "kill_at_save", "kill_at_update", "kill_rank", "lack_memory"]


def _kill() -> None:
    os.kill(os.getpid(), signal.SIGKILL)


def kill_at_update(step: int, calls: int = 0) -> None:
    """Be killed so many calls and returns of functions after the update with this number begins.

    Those of an evaluation, and of whatever else follows the update, are counted, too.
    """
    update = Learner.update

    def count(*_: object) -> None:
        nonlocal calls
        calls -= 1
        if calls < 0:
            _kill()

    def counted(self: Learner) -> None:
        if self.step + 1 == step:
            sys.setprofile(count)
        update(self)

    Learner.update = counted  # type: ignore[method-assign]


def interrupt_at_update(number: int, signum: int = signal.SIGINT) -> None:
    """Have a signal come as an update begins: the one with this number in this process."""
    update, numbers = Learner.update, itertools.count(1)

    def counted(self: Learner) -> None:
        if next(numbers) == number:
            os.kill(os.getpid(), signum)
        update(self)

    Learner.update = counted  # type: ignore[method-assign]


def kill_rank(rank: int, step: int, calls: int = 0) -> None:
    """The same for one of several processes; the others live on."""
    if os.environ["RANK"] == str(rank):
        kill_at_update(step, calls)


def lack_memory(ranks: Sequence[int], number: int) -> None:
    """Have memory run out in this update of these of several processes."""
    if int(os.environ["RANK"]) not in ranks:
        return
    run, numbers = EagerUpdates.run, itertools.count(1)

    def limited(self: EagerUpdates, batch: Any, rate: float, key: Sequence[int]) -> None:
        if next(numbers) == number:
            raise MemoryError
        run(self, batch, rate, key)

    EagerUpdates.run = limited  # type: ignore[method-assign]


def kill_at_save(calls: int) -> None:
    """Be killed in a save beside updates, before one of its calls that flush or rename a file.

    Args:
        calls: that there are before, in all saves; then the next that finds an incomplete file.
    """

    def counted(call: Callable[..., None]) -> Callable[..., None]:
        def watched(*given: Any, **named: Any) -> None:
            nonlocal calls
            if threading.current_thread().name == "save":
                calls -= 1
                if calls < 0 and any(Path().rglob(".*.charrnn-new")):
                    _kill()
            call(*given, **named)

        return watched

    for name in ("fsync", "replace"):
        vars(os)[name] = counted(getattr(os, name))
