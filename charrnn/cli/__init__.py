"""The command line: each verb parses, calls the library and shows what it gives.

Text goes to standard output, everything else to standard error. PyTorch is imported only to train.
"""

from __future__ import annotations

import os
import sys
import warnings
from typing import Annotated, Any

import typer
from typer.core import TyperGroup

import charrnn
from charrnn.cli.evaluate import evaluate, score
from charrnn.cli.sample import sample
from charrnn.cli.show import cache, corpora, info, verify
from charrnn.cli.train import train
from charrnn.errors import CharRNNError, ReadWriteError
from charrnn.terminal.output import say

__all__ = ["app", "main"]


class _Doors(TyperGroup):
    """How every verb ends: errors in one line and an exit code, never in a traceback."""

    def invoke(self, ctx: Any) -> Any:
        try:
            try:
                return super().invoke(ctx)
            finally:
                sys.stdout.flush()
        except CharRNNError as error:
            say(f"charrnn: {error}")
            raise typer.Exit(error.exit_code) from None
        except BrokenPipeError:  # the reader has seen enough
            _drop_what_is_buffered()
            raise typer.Exit(0) from None
        except OSError as error:
            _drop_what_is_buffered()
            found = f"{error.filename or 'standard output'}: {error.strerror}"
            told = ReadWriteError(found, "make room or check the disk, then try again")
            say(f"charrnn: {told}")
            raise typer.Exit(told.exit_code) from None
        except KeyboardInterrupt:
            raise typer.Exit(130) from None


def _drop_what_is_buffered() -> None:
    """What could not be written must not fail again at exit."""
    os.dup2(os.open(os.devnull, os.O_WRONLY), sys.stdout.fileno())


app = typer.Typer(
    cls=_Doors,
    no_args_is_help=True,
    add_completion=False,
    rich_markup_mode=None,
    pretty_exceptions_enable=False,
    help="Small recurrent language models of your own text.",
)
for verb in (train, sample, evaluate, score, info, verify, corpora, cache):
    app.command("eval" if verb is evaluate else None)(verb)


@app.callback(invoke_without_command=True)
def _version(
    version: Annotated[bool, typer.Option("--version", help="Print the version and exit.")] = False,
) -> None:
    if version:
        print(f"charrnn {charrnn.__version__}")  # noqa: T201
        raise typer.Exit


def main() -> None:
    """The `charrnn` command."""
    sys.stdin.reconfigure(errors="surrogateescape")  # type: ignore[union-attr]
    for stream in (sys.stdout, sys.stderr):
        # A character that the terminal can't show is shown as a question mark.
        stream.reconfigure(errors="replace")  # type: ignore[union-attr]
    warnings.showwarning = lambda message, *_: say(f"charrnn: {message}")
    app()
