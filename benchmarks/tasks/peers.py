"""The baselines of other libraries, run where these are installed: see `common.baseline`.

python peers.py NAME ARGUMENTS...    # prints scores as JSON
"""

from __future__ import annotations

import json
import sys
from collections.abc import Callable

BASELINES: dict[str, Callable[..., dict[str, float]]] = {}


def register(function: Callable[..., dict[str, float]]) -> Callable[..., dict[str, float]]:
    """Let a function be called by its name from the command line."""
    BASELINES[function.__name__] = function
    return function


if __name__ == "__main__":
    print(json.dumps(BASELINES[sys.argv[1]](*sys.argv[2:])))
