"""The `charrnn` command: all commands together, and how each ends."""

from __future__ import annotations

import errno
import os
import stat
import sys
import traceback
import warnings
from collections.abc import Iterator, Mapping
from contextlib import contextmanager
from importlib import import_module
from typing import Annotated, Any

import typer
from typer.core import TyperCommand, TyperGroup

import charrnn
from charrnn.errors import CharRNNError, ReadWriteError, first_line, is_of_disk, printable
from charrnn.outputs import STANDARD_OUTPUT
from charrnn.terminal.options import option_names
from charrnn.terminal.output import say, set_up_streams
from charrnn.threads.quota import share_processors

__all__ = ["app", "main"]


# A machine that only uses models has not all packages; see requirements-use.txt.
TRAINING = "pip install torch datasets tqdm"
SERVING = "pip install starlette uvicorn"
INSTALLING = {
    **dict.fromkeys(("torch", "datasets", "tqdm"), TRAINING),
    **dict.fromkeys(("starlette", "uvicorn", "h11"), SERVING),
}


# Each command, and where its function is.
VERBS = {
    "train": "train.train",
    "sample": "sample.sample",
    "eval": "evaluate.evaluate",
    "score": "score.score",
    "predict": "predict.predict",
    "serve": "serve.serve",
    "export": "export.export",
    "push": "push.push",
    "list": "list.list_models",
    "info": "info.info",
    "inspect": "inspect.inspect",
    "plot": "plot.plot",
    "verify": "verify.verify",
    "corpora": "corpora.corpora",
    "cache": "cache.cache",
}


EXAMPLES = {
    "train": ("charrnn train novel.txt --minutes 10", "charrnn train reviews.csv --task classify"),
    "sample": (
        'charrnn sample novel --prompt "The " --length 500',
        "charrnn sample -t 0.7 --seed 1",
    ),
    "eval": ("charrnn eval novel other.txt", "charrnn eval novel novel.txt --validation"),
    "predict": (
        'charrnn predict reviews "A fine film with a weak end."',
        "charrnn predict reviews new-reviews.txt",
        'charrnn predict airline -- "-3 5 8"',
    ),
    "inspect": (
        "charrnn inspect novel other.txt --html page.html",
        "charrnn inspect novel other.txt --units",
    ),
    "export": ("charrnn export novel --html novel.html", "charrnn export novel --onnx novel.onnx"),
}


class CharRNNCommand(TyperCommand):
    """A command whose help has a section for each kind of setting."""

    def collect_usage_pieces(self, ctx: Any) -> list[str]:
        """The arguments; required ones without Typer's braces, which mean alternatives."""
        return [piece.strip("{}") for piece in super().collect_usage_pieces(ctx)]

    def format_options(self, ctx: Any, formatter: Any) -> None:
        sections: dict[str, list[tuple[str, str]]] = {"Arguments": [], "Options": []}
        for parameter in self.get_params(ctx):
            if (said := parameter.get_help_record(ctx)) is not None:
                is_argument = parameter.param_type_name == "argument"
                panel = getattr(parameter, "rich_help_panel", None) or "Options"
                sections.setdefault("Arguments" if is_argument else panel, []).append(said)
        for title, options in sections.items():
            if not options:
                continue
            with formatter.section(title):
                formatter.write_dl(options)


class Commands(Mapping[str, Any]):
    """The commands by name; each is imported when it is asked for."""

    def __getitem__(self, name: str) -> Any:
        file, function = VERBS[name].split(".")
        alone = typer.Typer(add_completion=False, rich_markup_mode=None)
        examples = "\n  ".join(["\b\nExamples:", *EXAMPLES[name]]) if name in EXAMPLES else None
        make = alone.command(name, cls=CharRNNCommand, epilog=examples)
        make(getattr(import_module(f"charrnn.cli.{file}"), function))
        return typer.main.get_command(alone)

    def __iter__(self) -> Iterator[str]:
        return iter(VERBS)

    def __len__(self) -> int:
        return len(VERBS)


class CharRNNGroup(TyperGroup):
    """Commands that end in one line and an exit code when they fail, never in a traceback."""

    def __init__(self, **given: Any) -> None:
        super().__init__(**given | {"commands": Commands()})

    def make_context(self, *arguments: Any, **given: Any) -> Any:
        with _failures_said():  # its own --help and --version are written here
            return super().make_context(*arguments, **given)

    def invoke(self, ctx: Any) -> Any:
        with _failures_said():
            return super().invoke(ctx)


@contextmanager
def _failures_said() -> Iterator[None]:
    """Say what ends a command, and end it with the code for that."""
    try:
        try:
            yield
        finally:
            sys.stdout.flush()
    except CharRNNError as error:
        say(f"charrnn: {_in_options(error)}")
        raise typer.Exit(error.exit_code) from None
    except ImportError as error:
        package = (error.name or "").partition(".")[0]
        if isinstance(error, ModuleNotFoundError) and package in INSTALLING:
            say(f"charrnn: {package} is not installed here; {INSTALLING[package]}")
        elif "torch" in _packages_of(error):
            reason = printable(first_line(error))
            advice = "free memory, or install it again"
            say(f"charrnn: PyTorch could not be loaded: {reason}; {advice}")
        else:
            raise
        raise typer.Exit(1) from None
    except (MemoryError, RuntimeError) as error:
        if not _lacks_memory(error):
            raise
        say("charrnn: memory ran out; free some, then try again")
        raise typer.Exit(1) from None
    except OSError as error:
        if error.filename == STANDARD_OUTPUT:
            seen_enough = _reader_has_left(error)
            _drop_buffered_output()
            if seen_enough:
                raise typer.Exit(0) from None
        found = f"{error.filename}: {error.strerror}" if error.filename else str(error)
        advice = "make room or check the disk" if is_of_disk(error) else "see that you may use it"
        failure = ReadWriteError(found, f"{advice}, then try again")
        say(f"charrnn: {failure}")
        raise typer.Exit(failure.exit_code) from None
    except KeyboardInterrupt:
        raise typer.Exit(130) from None


def _lacks_memory(error: Exception) -> bool:
    """Whether memory has run out, which PyTorch says in its own way."""
    if sys.modules.get("torch") is None:
        return isinstance(error, MemoryError)
    from charrnn.learning.hardware.devices import lacks_memory

    return lacks_memory(error)


def _packages_of(error: BaseException) -> set[str]:
    """The packages whose code an error went through."""
    frames = traceback.walk_tb(error.__traceback__)
    return {frame.f_globals.get("__name__", "").partition(".")[0] for frame, _ in frames}


def _in_options(error: CharRNNError) -> str:
    """The message, with the option's name in place of the setting's."""
    setting = getattr(error, "setting", "")
    if not setting:
        return str(error)
    (option,) = option_names([setting]).values()
    advice = error.advice.replace("or a tuple of them", "or several with commas between")
    return f"{option}{error.found.removeprefix(setting)}; {advice}"


def _reader_has_left(error: OSError) -> bool:
    """Whether an error of standard output says that it is a pipe whose other end is closed."""
    if isinstance(error, BrokenPipeError):
        return True
    # What Windows says of a pipe that is being closed, Python takes for EINVAL: issue 79935 of
    # CPython. A disk has errors of its own.
    if sys.platform != "win32" or error.errno != errno.EINVAL:
        return False
    return stat.S_ISFIFO(os.fstat(sys.stdout.fileno()).st_mode)


def _drop_buffered_output() -> None:
    """Keep what could not be written from failing again at exit."""
    os.dup2(os.open(os.devnull, os.O_WRONLY), sys.stdout.fileno())


app = typer.Typer(
    cls=CharRNNGroup,
    no_args_is_help=True,
    context_settings={"help_option_names": ["-h", "--help"]},
    add_completion=False,
    rich_markup_mode=None,
    pretty_exceptions_enable=False,
    help="Train small recurrent networks on your own text, and use them.",
)


@app.callback(invoke_without_command=True)
def _version(
    version: Annotated[bool, typer.Option("--version", help="Print the version and exit.")] = False,
) -> None:
    if version:
        print(f"charrnn {charrnn.__version__}")  # noqa: T201
        raise typer.Exit


def main() -> None:
    """Run the `charrnn` command."""
    set_up_streams()
    warnings.showwarning = lambda message, *_: say(f"charrnn: {message}")
    share_processors()
    # Texts resolve their own globs; prompts and separators are none.
    app(windows_expand_args=False)
