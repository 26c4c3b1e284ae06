"""Going through the events of a run, to its end or not, and what it leaves."""

from __future__ import annotations

import json
import sys
import traceback
from collections.abc import Iterable
from pathlib import Path
from typing import Any

from charrnn.training.events import Evaluated, Event, Progress


def consume(events: Iterable[Event], updates: int | None = None) -> list[Event]:
    """All events, or those up to an update; then the loop is left.

    Each update has to be reported: see `charrnn.training.loop.REPORT_SECONDS`.
    """
    found = []
    for event in events:
        found.append(event)
        if updates is not None and isinstance(event, Progress) and event.step >= updates:
            break
    return found


def weights(folder: Path | str) -> bytes:
    """The weights of a model, to the bit."""
    return (Path(folder) / "model.safetensors").read_bytes()


def content(folder: Path | str) -> tuple[bytes, list[dict[str, Any]]]:
    """What a run leaves: the weights to the bit, and its metrics but for the times."""
    lines = [json.loads(line) for line in (Path(folder) / "metrics.jsonl").read_text().splitlines()]
    for line in lines:
        del line["seconds"], line["tokens_per_second"]
    return weights(folder), lines


def losses(events: Iterable[Event]) -> list[float]:
    """The validation losses among them."""
    return [event.evaluation.val_nats for event in events if isinstance(event, Evaluated)]


def waits_for_a_save(thread: int) -> bool:
    """Whether a thread of this process waits for one; its source goes into programs, too."""
    stack = traceback.extract_stack(sys._current_frames()[thread])
    return any(call.name == "wait" and call.filename.endswith("saver.py") for call in stack)
