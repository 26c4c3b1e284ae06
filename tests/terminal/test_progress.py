"""What a terminal shows of a run, whatever the run is made of."""

from __future__ import annotations

import os
import signal
from collections.abc import Iterator
from pathlib import Path

import pytest

from charrnn.terminal.progress import Interrupted, show
from charrnn.training.events import Event, Finished, Progress

DONE = Finished(
    model=Path("checkpoints/verse"),
    val_nats=1.25,
    val_bits_per_char=1.8034,
    train_nats=1.5,
    steps=300,
    epochs=2.5,
    unit="character",
    parameters=2759,
    characters_per_second=4000.0,
    seconds=17.0,
    stopped_early=False,
    skipped=2,
    advice="read more",
)
SOME: list[Event] = [Progress(step=k, train_nats=2.0, tokens_per_second=9.0) for k in (1, 2)]


class Run:
    """A run that is no iterator, but can be iterated."""

    def __iter__(self) -> Iterator[Event]:
        return iter([*SOME, DONE])


@pytest.mark.parametrize("events", [[*SOME, DONE], iter([*SOME, DONE]), Run()], ids=type)
def test_any_events_are_shown_to_their_end(
    events: list[Event], capsys: pytest.CaptureFixture[str]
) -> None:
    assert show(events) is DONE
    shown = capsys.readouterr()
    assert shown.out == ""
    assert "1.8034 bits per character" in shown.err
    assert "2 skipped because a gradient was not finite" in shown.err


def test_a_signal_closes_the_run(capsys: pytest.CaptureFixture[str]) -> None:
    closed = []

    def events() -> Iterator[Event]:
        try:
            os.kill(os.getpid(), signal.SIGTERM)
            yield SOME[0]
            yield SOME[1]
        finally:
            closed.append(True)

    with pytest.raises(Interrupted) as stopped:
        show(events())
    assert stopped.value.number == signal.SIGTERM
    assert closed == [True]
    assert "charrnn train --resume" in capsys.readouterr().err
