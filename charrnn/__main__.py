"""`python -m charrnn`, and the command `charrnn`."""

import sys

__all__ = ["main"]


def main() -> None:
    """Run the `charrnn` command; Ctrl-C ends it without a word, also while it loads."""
    try:
        from charrnn.cli.app import main as run

        run()
    except KeyboardInterrupt:
        sys.exit(130)


if __name__ == "__main__":
    main()
