"""`python -m charrnn`, and the command `charrnn`."""

import os
import sys
from contextlib import suppress

__all__ = ["main"]


def main() -> None:
    """Run the `charrnn` command; Ctrl-C ends it without a word, also while it loads."""
    try:
        from charrnn.cli.app import main as run

        run()
    except KeyboardInterrupt:
        sys.exit(130)
    except SystemExit as end:
        if "torch" not in sys.modules and isinstance(end.code, int):  # training has ends of its own
            _end_at_once(end.code)
        raise


def _end_at_once(code: int) -> None:
    """End without taking all of Python apart, which is a sixth of what a short command takes."""
    with suppress(OSError):  # which Python says in its own way
        for stream in filter(None, (sys.stdout, sys.stderr)):
            stream.flush()
        os._exit(code)


if __name__ == "__main__":
    main()
