"""Files that other programs have open, which Windows then does not replace."""

from __future__ import annotations

import time
from collections.abc import Callable
from typing import TypeVar

__all__ = ["once_free"]

Result = TypeVar("Result")

# Access is denied, the file is being used, a part of it is locked, it is mapped into memory.
REFUSALS = (5, 32, 33, 1224)
PAUSES = (0.1, 0.2, 0.4, 0.8, 1.5)  # seconds


def once_free(act: Callable[[], Result]) -> Result:
    """What `act` gives; tried for three seconds while Windows says that its file is in use.

    As it is to a virus scanner, an indexer or another charrnn. Other systems never say so.

    Raises:
        OSError: what `act` raises, the last time if its file stays in use.
    """
    for pause in PAUSES:
        try:
            return act()
        except OSError as error:
            if getattr(error, "winerror", None) not in REFUSALS:
                raise
        time.sleep(pause)
    return act()
