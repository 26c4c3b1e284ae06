"""The progress bar of `Run.finish`, in a terminal, a file or a notebook.

    with closing(Bar(shown=True, nats=" nats")) as bar:
        bar.show(event, step)

It never ends a run: what standard error can't encode is escaped, and from its first failure on
nothing more is shown.
"""

from __future__ import annotations

import sys
from collections.abc import Callable
from typing import Any

from tqdm.auto import tqdm

from charrnn.errors import printable
from charrnn.training.events import (
    Corrected,
    Evaluated,
    Event,
    Finished,
    Progress,
    Reporting,
    Started,
)

__all__ = ["Bar"]


class Bar:
    """A bar, and lines above it.

    Args:
        shown: whether there is anything to see.
        nats: what stands after a loss.
    """

    def __init__(self, *, shown: bool, nats: str) -> None:
        self._nats = nats
        self._lines = _Stream(sys.stderr)
        try:
            hidden = not shown or sys.stderr is None  # as in a program without a console
            self._bar: Any = tqdm(unit=" updates", file=self._lines, disable=hidden)
        except (OSError, ValueError):  # it flushes standard output, too
            self._bar = tqdm(disable=True)
        if hasattr(self._bar, "container"):  # a notebook shows standard error as if all were wrong
            self._lines = _Stream(sys.stdout)

    def show(self, event: Event, step: int) -> None:
        """Show an event of a run that has made `step` updates."""
        bar = self._bar
        match event:
            case Started():
                bar.reset(total=event.training.steps)
                bar.initial = bar.n = bar.last_print_n = event.step  # else a rate includes them
                for line in () if bar.disable else (*event.notes, event.summary):
                    bar.write(printable(line), file=self._lines)
            case Progress():
                bar.set_postfix_str(f"{event.train_nats:.3f}{self._nats}", refresh=False)
            case Corrected():
                self._correct(event.steps)
            case Reporting():
                bar.set_postfix_str(f"{event.count:,} validation examples answered")
            case Evaluated():
                bar.set_description(f"validation {event.evaluation.val_nats:.4f}{self._nats}")
            case Finished():  # else a notebook shows an early end as a failure
                self._correct(step)
        bar.update(step - bar.n)

    def _correct(self, steps: int) -> None:
        """Change the number of updates in all."""
        self._bar.total = steps
        if hasattr(self._bar, "container"):  # tqdm's own `reset` would forget the time, too
            _, widget, _ = self._bar.container.children
            widget.max = steps

    def close(self) -> None:
        """End the bar; what it shows stays."""
        self._bar.close()


class _Stream:
    """A stream that never fails; for `tqdm` it equals the one that it stands for."""

    def __init__(self, stream: Any) -> None:
        self._stream, self._works = stream, True

    def write(self, text: str) -> None:
        """Write `text`, as escapes where it can't be encoded."""
        self._try(lambda: self._write(text))

    def flush(self) -> None:
        """Write what waits to be written."""
        self._try(lambda: self._stream.flush())

    def _write(self, text: str) -> None:
        try:
            self._stream.write(text)
        except UnicodeError:
            encoding = self._stream.encoding
            self._stream.write(text.encode(encoding, "backslashreplace").decode(encoding))

    def _try(self, work: Callable[[], object]) -> None:
        if self._works:
            try:
                work()
            except Exception:  # a program's own stream may raise anything
                self._works = False

    def __getattr__(self, name: str) -> Any:
        return getattr(self._stream, name)

    def __eq__(self, other: object) -> bool:
        return bool(self._stream == getattr(other, "_stream", other))

    def __hash__(self) -> int:
        return hash(self._stream)
