"""Training on a terminal: a bar, a line and a sample at each evaluation, and a summary."""

from __future__ import annotations

import math
import sys
import textwrap
from collections.abc import Iterable
from pathlib import Path
from typing import Never

from tqdm import tqdm

from charrnn.checkpoints import WEIGHTS
from charrnn.signals import STOPPING, noted
from charrnn.terminal.output import shown
from charrnn.training.events import (
    Corrected,
    Evaluated,
    Event,
    Finished,
    Progress,
    Reporting,
    Started,
    loss_unit,
)
from charrnn.words import as_argument, counted

__all__ = ["Interrupted", "show"]

MAX_CHANGES = 3  # of the threads that are told one by one
BAR = "{percentage:3.0f}% |{bar}| {n_fmt}/{total_fmt} updates, {remaining} left{postfix}"


class Interrupted(Exception):  # noqa: N818 - nothing went wrong
    """Training was stopped by a signal; what was learnt is saved.

    Args:
        number: the number of the signal.
    """

    def __init__(self, number: int) -> None:
        super().__init__(number)
        self.number = number


def show(run: Iterable[Event]) -> Finished:
    """Show the events of a run on standard error until it is over.

    Raises:
        Interrupted: after Ctrl-C, SIGTERM or SIGHUP, once all is saved. A second Ctrl-C
            does not wait for that.
    """
    folder, resumed_by, unit, reporting = Path(), "", "", False
    stopping = noted(*STOPPING)
    with stopping as received, tqdm(bar_format=BAR, file=sys.stderr, disable=None) as bar:
        events = iter(run)
        for event in events:
            if isinstance(event, Started):
                folder, resumed_by, unit = event.path, event.resumed_by, event.unit
            if isinstance(event, Reporting) and not reporting:
                _say("all updates are made and saved; now validation examples are answered")
                reporting = True
            _show(event, bar, unit)
            if isinstance(event, Finished):
                return event
            if received:
                if hasattr(events, "close"):
                    events.close()  # saves what was learnt
                early = "" if (folder / WEIGHTS).exists() else " before there was a model"
                _say(f"stopped{early}; continue with: {resumed_by}")
                raise Interrupted(received[0])
    raise AssertionError("training ends with Finished")


def _show(event: Event, bar: tqdm[Never], unit: str) -> None:
    match event:
        case Started():
            bar.total = event.training.steps
            bar.initial = bar.n = bar.last_print_n = event.step  # else a rate includes them
            for note in event.notes:
                _say(note)
            _say(event.summary)
            epochs = f"{event.epochs:,.1f}" if event.epochs >= 0.1 else "less than 0.1"
            shared = f", shared by {event.processes} processes" if event.processes > 1 else ""
            _say(
                f"{event.parameters:,} parameters, {counted(event.training.steps, 'update')} "
                f"({epochs} epochs) on {event.device} in {event.precision}{shared}; "
                f"the model goes to {event.folder}"
            )
        case Progress():
            short = unit.replace("character", "char")  # all of it fits into 80 columns
            bar.set_postfix_str(
                f"loss {event.train_nats:.3f}{loss_unit(unit)}, "
                f"{event.tokens_per_second:,.0f} {short}s/s",
                refresh=False,
            )
            bar.update(event.step - bar.n)
        case Corrected():
            bar.total = event.steps
        case Evaluated():
            now = event.evaluation
            bar.update(now.step - bar.n)
            _say(
                f"update {now.step:,}, epoch {now.epoch:.1f}, {now.seconds:.0f} s: training "
                f"{now.train_nats:.4f}, validation {now.val_nats:.4f}{_measured(event, unit)}"
                + ("" if event.best else ", not better")
            )
            _say(textwrap.indent(event.sample, "    "))
        case Reporting():
            bar.set_postfix_str(f"{event.count:,} validation examples answered")
        case Finished():
            bar.close()
            _say(_summary(event))


def _measured(event: Evaluated, unit: str) -> str:
    """What a validation loss is in; for a task its score."""
    now = event.evaluation
    if now.score is None:
        return f"{loss_unit(unit)} ({now.val_nats / math.log(2):.3f} bits)"
    return f"{loss_unit(unit)}, {event.metric} {now.score:.4g}"


def _summary(event: Finished) -> str:
    early = "stopped early, " if event.stopped_early else ""
    skipped = f"{event.skipped} skipped because a gradient was not finite, " * bool(event.skipped)
    return (
        f"{early}{counted(event.steps, 'update')}, {skipped}{event.epochs:.1f} epochs in "
        f"{event.seconds:.0f} s, {event.characters_per_second:,.0f} {event.unit}s/s\n"
        f"{_losses(event)}; training loss {event.train_nats:.4f}{loss_unit(event.unit)}\n"
        f"{_corrections(event)}{_threads(event)}{event.advice}\n{_next(event)}"
    )


def _losses(event: Finished) -> str:
    found = f"validation loss {event.val_nats:.4f}{loss_unit(event.unit)}"
    if event.task is not None:
        return found
    return f"{found}, {event.val_nats / math.log(2):.4f} bits per {event.unit}"


def _next(event: Finished) -> str:
    """What to do with the model; for a task, how good it is comes last."""
    if event.task is None:
        return f"write with it: charrnn sample {as_argument(event.model)}"
    known = f"answer with it: charrnn predict {as_argument(event.model)}"
    if event.report is None:
        return known
    examples = counted(event.report.count, "validation example")
    return "\n".join((known, *event.report.notes, f"on {examples}: {event.report.verdict}"))


def _corrections(event: Finished) -> str:
    """How the number of updates was corrected, on a line; empty if it was not."""
    if not event.corrections:
        return ""
    first, last = event.corrections[0], event.corrections[-1]
    times = "once" if first is last else counted(len(event.corrections), "time")
    return (
        f"to end on time, the plan was corrected {times}, from {first.planned:,} to "
        f"{last.steps:,} updates, as the machine's speed changed\n"
    )


def _threads(event: Finished) -> str:
    """Since when it ran in how many threads, on a line; empty if that was not changed."""
    if not event.threads:
        return ""
    changes = [
        f"{counted(one.count, 'thread')} after {counted(one.step, 'update')}"
        for one in event.threads
    ]
    if len(changes) > MAX_CHANGES:
        changes[1:-1] = ["…"]
    return f"to share the processors with other programs, it ran in {', '.join(changes)}\n"


def _say(text: str) -> None:
    tqdm.write(shown(text, sys.stderr), file=sys.stderr)
