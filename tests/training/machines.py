"""A machine whose speed a test decides: its clock moves when work is done, and only then."""

from __future__ import annotations

import math
from collections.abc import Callable, Generator
from random import Random
from threading import Thread
from typing import Any

import pytest

from charrnn.arrays import Surprisals
from charrnn.evaluation import surprisals
from charrnn.learning.eager import EagerUpdates
from charrnn.learning.hardware import clock
from charrnn.network.char_rnn import CharRNN
from charrnn.text.records import EncodedText
from charrnn.training.pace import trial

__all__ = ["UPDATE", "Machine"]

UPDATE, READING = 0.05, 3e-3  # seconds an update, and a token, where nothing disturbs


class AtOnce(Thread):
    """A thread that does its work while it is started: one clock is not for two that work."""

    def start(self) -> None:
        self.run()


class Machine:
    """A machine that trains.

    Attributes:
        seconds: on its clock.
        slowness: how many times as long work takes, by the clock.
        noise: the standard deviation of what an update takes, as a share.
    """

    def __init__(self, monkeypatch: pytest.MonkeyPatch) -> None:
        self.seconds = 0.0
        self.slowness: Callable[[float], float] = lambda _: 1.0
        self.noise = 0.0
        self._random = Random(1)  # noqa: S311
        run, score = EagerUpdates.run, surprisals.in_pieces

        def slow_run(updates: EagerUpdates, *given: Any) -> None:
            run(updates, *given)
            self.work(UPDATE * max(self._random.gauss(1, self.noise), 0.1))

        def slow_score(network: CharRNN, text: EncodedText) -> Generator[None, None, Surprisals]:
            nats = yield from score(network, text)
            self.work(READING * text.size)
            return nats

        monkeypatch.setattr(EagerUpdates, "run", slow_run)
        monkeypatch.setattr(surprisals, "in_pieces", slow_score)
        monkeypatch.setattr(clock, "now", lambda: self.seconds)
        monkeypatch.setattr("charrnn.training.saver.Thread", AtOnce)
        monkeypatch.setattr(trial, "LONG_MINUTES", math.inf)  # real time would choose the engine

    def work(self, seconds: float) -> None:
        """Do what takes so long where nothing disturbs."""
        self.seconds += seconds * self.slowness(self.seconds)
