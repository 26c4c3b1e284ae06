"""The `charrnn` command: all commands together, and how each ends."""

from __future__ import annotations

import os
import sys
import warnings
from typing import Annotated, Any

import typer
from typer.core import TyperGroup

import charrnn
from charrnn.cli.cache import cache
from charrnn.cli.corpora import corpora
from charrnn.cli.evaluate import evaluate
from charrnn.cli.export import export
from charrnn.cli.info import info
from charrnn.cli.inspect import inspect
from charrnn.cli.list import list_models
from charrnn.cli.plot import plot
from charrnn.cli.predict import predict
from charrnn.cli.push import push
from charrnn.cli.sample import sample
from charrnn.cli.score import score
from charrnn.cli.serve import serve
from charrnn.cli.train import train
from charrnn.cli.verify import verify
from charrnn.errors import CharRNNError, ReadWriteError
from charrnn.native.quota import share_processors
from charrnn.terminal.options import option_names
from charrnn.terminal.output import say, set_up_streams

__all__ = ["app", "main"]


# A machine that only uses models has not all packages; see requirements-use.txt.
TRAINING = "pip install torch datasets tqdm charset-normalizer"
SERVING = "pip install starlette uvicorn"
INSTALLING = {
    **dict.fromkeys(("torch", "datasets", "tqdm", "charset_normalizer"), TRAINING),
    **dict.fromkeys(("starlette", "uvicorn"), SERVING),
}


class OneLineErrors(TyperGroup):
    """Commands that end in one line and an exit code when they fail, never in a traceback."""

    def invoke(self, ctx: Any) -> Any:
        try:
            try:
                return super().invoke(ctx)
            finally:
                sys.stdout.flush()
        except CharRNNError as error:
            say(f"charrnn: {_in_options(error)}")
            raise typer.Exit(error.exit_code) from None
        except ModuleNotFoundError as error:
            package = (error.name or "").partition(".")[0]
            if package not in INSTALLING:
                raise
            say(f"charrnn: {package} is not installed here; {INSTALLING[package]}")
            raise typer.Exit(1) from None
        except BrokenPipeError:  # the reader has seen enough
            _drop_buffered_output()
            raise typer.Exit(0) from None
        except OSError as error:
            _drop_buffered_output()
            found = f"{error.filename or 'standard output'}: {error.strerror}"
            failure = ReadWriteError(found, "make room or check the disk, then try again")
            say(f"charrnn: {failure}")
            raise typer.Exit(failure.exit_code) from None
        except KeyboardInterrupt:
            raise typer.Exit(130) from None


def _in_options(error: CharRNNError) -> str:
    """The message, with the option's name in place of the setting's."""
    setting = getattr(error, "setting", "")
    if not setting:
        return str(error)
    (option,) = option_names([setting]).values()
    advice = error.advice.replace("or a tuple of them", "or several with commas between")
    return f"{option}{error.found.removeprefix(setting)}; {advice}"


def _drop_buffered_output() -> None:
    """Keep what could not be written from failing again at exit."""
    os.dup2(os.open(os.devnull, os.O_WRONLY), sys.stdout.fileno())


app = typer.Typer(
    cls=OneLineErrors,
    no_args_is_help=True,
    add_completion=False,
    rich_markup_mode=None,
    pretty_exceptions_enable=False,
    help="Train small recurrent language models on your own text, and use them.",
)
app.command()(train)
app.command()(sample)
app.command("eval")(evaluate)
app.command()(score)
app.command()(predict)
app.command()(serve)
app.command()(export)
app.command()(push)
app.command("list")(list_models)
app.command()(info)
app.command()(inspect)
app.command()(plot)
app.command()(verify)
app.command()(corpora)
app.command()(cache)


@app.callback(invoke_without_command=True)
def _version(
    version: Annotated[bool, typer.Option("--version", help="Print the version and exit.")] = False,
) -> None:
    if version:
        print(f"charrnn {charrnn.__version__}")  # noqa: T201
        raise typer.Exit


def main() -> None:
    """Run the `charrnn` command."""
    sys.stdin.reconfigure(errors="surrogateescape")  # type: ignore[union-attr]
    set_up_streams()
    warnings.showwarning = lambda message, *_: say(f"charrnn: {message}")
    share_processors()
    app()
