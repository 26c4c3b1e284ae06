"""`python -m charrnn`, and the command `charrnn`."""

import atexit
import os
import sys
from contextlib import suppress

__all__ = ["main"]


def main() -> None:
    """Run the `charrnn` command, and end the process.

    Ctrl-C ends it without a word, also while it loads.
    """
    try:
        try:
            from charrnn.cli.app import main as run

            run()
        except SystemExit as end:
            # Where PyTorch is loaded, there may be ranks and threads that Python must wait for.
            if "torch" not in sys.modules and isinstance(end.code, int):
                _end_at_once(end.code)
            raise
    except KeyboardInterrupt:
        sys.exit(130)


def _end_at_once(code: int) -> None:
    """End without taking all of Python apart, which is a sixth of what a short command takes."""
    atexit._run_exitfuncs()
    with suppress(OSError):  # left to Python, which reports it
        for stream in filter(None, (sys.stdout, sys.stderr)):
            stream.flush()
        os._exit(code)


if __name__ == "__main__":
    main()
