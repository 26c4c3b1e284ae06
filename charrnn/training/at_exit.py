"""Loops that are still open when the program ends.

for event in closed_at_exit(events): ...
"""

from __future__ import annotations

import atexit
import inspect
import weakref
from collections.abc import Generator
from typing import TypeVar

__all__ = ["closed_at_exit"]

Item = TypeVar("Item")


def closed_at_exit(steps: Generator[Item]) -> Generator[Item]:
    """`steps`; they are closed when the program ends, if they have begun and are still open.

    Python closes a generator with its last reference. One that a module holds is closed only as
    Python shuts down, when modules that it needs may be gone.

    In a copy of the process, which `os.fork` made, they are closed as well: they must see that it
    is one. A loop that is computing in another thread at that moment is left alone.
    """

    def close() -> None:
        if (open_loop := reference()) is None:
            return
        try:
            open_loop.close()
        except ValueError:  # it runs in another thread; if it has ended, `steps` raised this
            if inspect.getgeneratorstate(open_loop) == inspect.GEN_CLOSED:
                raise

    def loop() -> Generator[Item]:
        atexit.register(close)
        try:
            yield from steps
        finally:
            atexit.unregister(close)

    # To be closed itself: closing `steps` alone would leave its `finally` for too late.
    outermost = loop()
    # Weak, or `atexit`, which holds `close`, would keep an abandoned loop alive.
    reference = weakref.ref(outermost)
    return outermost
