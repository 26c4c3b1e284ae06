"""Going through the events of a run, to its end or until so many updates are made."""

from __future__ import annotations

from collections.abc import Iterable

from charrnn.training.events import Event, Progress


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
