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

    Python closes a generator that nobody holds any more. One that a module holds is let go of only
    while modules are taken apart, when the work that is left to do finds nothing that it needs.

    In a copy of the process, which `os.fork` made, they are closed as well: they must see that it
    is one. A loop that is computing in another thread at that moment is left alone.
    """

    def close() -> None:
        if (open_loop := reference()) is None:
            return
        try:
            open_loop.close()
        except ValueError:  # it is running, unless it has ended, and this with it
            if inspect.getgeneratorstate(open_loop) == inspect.GEN_CLOSED:
                raise

    def loop() -> Generator[Item]:
        atexit.register(close)
        try:
            yield from steps
        finally:
            atexit.unregister(close)

    outermost = loop()  # if only the steps were closed, this would end when it is too late
    reference = weakref.ref(outermost)  # or nobody could let go of it
    return outermost
