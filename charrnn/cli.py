"""The command line: each verb parses, calls the library and shows what it gives.

Text goes to standard output, everything else to standard error. PyTorch is imported only to train.
"""

from __future__ import annotations

import os
import secrets
import sys
import warnings
from pathlib import Path
from typing import Annotated, Any, Literal

import msgspec
import typer
from typer.core import TyperGroup

import charrnn
from charrnn.config import CellName, DeviceName, Precision, SampleConfig, settings_from
from charrnn.errors import CharRNNError, MissingInputError
from charrnn.tokenizer import Unknown

__all__ = ["app", "main"]


class _Doors(TyperGroup):
    """How every verb ends: errors in one line and an exit code, never in a traceback."""

    def invoke(self, ctx: Any) -> Any:
        try:
            result = super().invoke(ctx)
            sys.stdout.flush()
        except CharRNNError as error:
            _say(f"charrnn: {error}")
            raise typer.Exit(error.exit_code) from None
        except BrokenPipeError:
            # The reader has seen enough. What is still buffered must not fail at exit.
            os.dup2(os.open(os.devnull, os.O_WRONLY), sys.stdout.fileno())
            raise typer.Exit(0) from None
        except KeyboardInterrupt:
            raise typer.Exit(130) from None
        return result


app = typer.Typer(
    cls=_Doors,
    no_args_is_help=True,
    add_completion=False,
    rich_markup_mode=None,
    pretty_exceptions_enable=False,
    help="Small recurrent language models of your own text.",
)

ModelArgument = Annotated[
    str | None,
    typer.Argument(
        metavar="[MODEL]",
        help="A model folder, or the name of one in checkpoints/. [default: the newest there]",
    ),
]
JsonOption = Annotated[bool, typer.Option("--json", help="Print JSON on standard output.")]


@app.callback(invoke_without_command=True)
def _version(
    version: Annotated[bool, typer.Option("--version", help="Print the version and exit.")] = False,
) -> None:
    if version:
        print(f"charrnn {charrnn.__version__}")  # noqa: T201
        raise typer.Exit


@app.command()
def train(
    sources: Annotated[
        list[str],
        typer.Argument(
            metavar="TEXT...",
            help="Text files (also .gz), folders, globs, - for standard input, .jsonl / .csv / "
            ".parquet files, hf://OWNER/NAME, or bundled corpora by name.",
        ),
    ],
    cell: Annotated[CellName | None, typer.Option("--model", help="The recurrent cell.")] = None,
    minutes: Annotated[float | None, typer.Option(help="How long to train. [default: 3]")] = None,
    epochs: Annotated[
        float | None, typer.Option(help="Instead: passes over the training text.")
    ] = None,
    steps: Annotated[
        int | None,
        typer.Option(
            help="Updates of the weights; with the --minutes of an earlier run, repeats it."
        ),
    ] = None,
    name: Annotated[
        str | None,
        typer.Option(help="Write checkpoints/NAME. [default: the corpus's name, made unique]"),
    ] = None,
    out: Annotated[Path | None, typer.Option(help="Write this folder instead.")] = None,
    hidden_size: Annotated[
        int | None, typer.Option("--rnn-size", "--hidden-size", help="Width of each layer.")
    ] = None,
    num_layers: Annotated[int | None, typer.Option(help="How many layers.")] = None,
    embed_size: Annotated[int | None, typer.Option(help="Width of the embedding.")] = None,
    dropout: Annotated[
        float | None, typer.Option(help="Share of activations dropped while training.")
    ] = None,
    skip: Annotated[
        bool | None, typer.Option("--skip/--no-skip", help="Connections around layers.")
    ] = None,
    batch_size: Annotated[int | None, typer.Option(help="Lanes read side by side.")] = None,
    seq_length: Annotated[int | None, typer.Option(help="Time steps between two updates.")] = None,
    learning_rate: Annotated[
        float | None, typer.Option("--learning-rate", "--lr", help="The highest, after warm-up.")
    ] = None,
    weight_decay: Annotated[float | None, typer.Option(help="AdamW's.")] = None,
    grad_clip: Annotated[float | None, typer.Option(help="Largest norm of a gradient.")] = None,
    val_frac: Annotated[
        float | None,
        typer.Option(help="Last part of the text, kept for validation. [default: 0.1]"),
    ] = None,
    seed: Annotated[int | None, typer.Option(help="Equal seeds make equal models.")] = None,
    device: Annotated[DeviceName | None, typer.Option(help="Where to train.")] = None,
    precision: Annotated[Precision | None, typer.Option(help="Numbers to multiply in.")] = None,
    tokenizer: Annotated[
        Literal["char", "byte"], typer.Option(help="Model characters, or bytes of UTF-8.")
    ] = "char",
    encoding: Annotated[str, typer.Option(help="Of the text.")] = "utf-8",
    errors: Annotated[
        Literal["strict", "replace"],
        typer.Option(help="What to do with bytes not in that encoding."),
    ] = "strict",
    text_column: Annotated[
        str | None, typer.Option(help="Of a table or data set. [default: text]")
    ] = None,
    split: Annotated[str, typer.Option(help="Of a data set from the hub.")] = "train",
    json: JsonOption = False,
) -> None:
    """Train a model of a text. Sizes and settings not given are chosen for the text."""
    from charrnn import display
    from charrnn.corpus import Reading
    from charrnn.training import train as start

    raw = tokenizer == "byte" and errors == "strict"
    events = start(
        sources,
        out=out,
        name=name,
        minutes=minutes,
        epochs=epochs,
        steps=steps,
        tokenizer=tokenizer,
        reading=Reading(encoding, "surrogateescape" if raw else errors, text_column, split),
        cell=cell,
        hidden_size=hidden_size,
        num_layers=num_layers,
        embed_size=embed_size,
        dropout=dropout,
        skip=skip,
        batch_size=batch_size,
        seq_length=seq_length,
        learning_rate=learning_rate,
        weight_decay=weight_decay,
        grad_clip=grad_clip,
        val_frac=val_frac,
        seed=seed,
        device=device,
        precision=precision,
    )
    try:
        finished = display.show(events)
    except display.Interrupted as stop:
        raise typer.Exit(128 + stop.number) from None
    if json:
        _print_json(finished)


@app.command()
def sample(
    model: ModelArgument = None,
    length: Annotated[
        int, typer.Option("--length", "-n", help="New characters, the prompt not counted.")
    ] = 500,
    temperature: Annotated[
        float,
        typer.Option(
            "--temperature", "--temp", "-t", help="Lower is safer, higher wilder, 0 greedy."
        ),
    ] = 0.8,
    prompt: Annotated[
        str, typer.Option("--prompt", "--start-text", help="Text to go on from.")
    ] = "",
    prompt_file: Annotated[
        Path | None, typer.Option(help="A file that holds it; - for standard input.")
    ] = None,
    top_k: Annotated[int | None, typer.Option(help="Draw among the k likeliest only.")] = None,
    top_p: Annotated[
        float, typer.Option(help="Draw among the likeliest that reach this probability.")
    ] = 1.0,
    stop: Annotated[
        list[str] | None, typer.Option(help="End before this text; may be given repeatedly.")
    ] = None,
    num_samples: Annotated[int, typer.Option(min=1, help="How many texts to write.")] = 1,
    seed: Annotated[
        int | None,
        typer.Option(min=0, help="Equal seeds write equal texts; further samples count up."),
    ] = None,
    unknown: Annotated[
        Unknown, typer.Option(help="What to do with characters of the prompt not known.")
    ] = "error",
    json: JsonOption = False,
) -> None:
    """Write new text with a model."""
    from charrnn import runtime, sampling

    first = secrets.randbits(32) if seed is None else seed
    configs = [
        settings_from(
            SampleConfig,
            {
                "max_new_tokens": length,
                "temperature": temperature,
                "top_k": top_k,
                "top_p": top_p,
                "stop_strings": tuple(stop or ()),
                "seed": first + number,
            },
        )
        for number in range(num_samples)
    ]
    start = _read_prompt(prompt_file) if prompt_file else prompt
    loaded = runtime.load(model)
    for number, config in enumerate(configs):
        pieces = sampling.stream(loaded, start, config, unknown)
        if json:
            _print_json({"text": "".join(pieces), "prompt": start, "settings": config})
            continue
        if number:
            _write("\n")
        _write(start)
        for piece in pieces:
            _write(piece)
        _write("\n")


@app.command()
def info(model: ModelArgument = None, json: JsonOption = False) -> None:
    """Show what there is to know of a model."""
    from charrnn import card, folder

    found = folder.read(folder.find(model))
    sizes = {
        str(path.relative_to(found.path)): path.stat().st_size
        for path in sorted(found.path.rglob("*"))
        if path.is_file()
    }
    if json:
        record = msgspec.to_builtins(found.record)
        parameters = sum(weight.size for weight in found.weights.values())
        kept = {"path": str(found.path), "parameters": parameters, "evaluation": found.evaluation}
        _print_json(kept | record | {"files": sizes})
        return
    rows = {"model": str(found.path)} | card.facts(found)
    rows["files"] = ", ".join(f"{name} {_size(size)}" for name, size in sizes.items())
    for label, value in rows.items():
        _write(f"{label:<16} {value}\n")


@app.command()
def corpora() -> None:
    """List the corpora that come with charrnn."""
    from charrnn.corpus import BUNDLED

    for name, bundled in BUNDLED.items():
        try:
            size = f"{len(bundled.read()):,} characters"
        except MissingInputError as error:
            size = error.found
        _write(f"{name:<8} {bundled.description} ({size})\n")


def _read_prompt(path: Path) -> str:
    if str(path) == "-":
        return sys.stdin.read()
    try:
        return path.read_text(encoding="utf-8", errors="surrogateescape")
    except OSError as error:
        raise MissingInputError(f"{path}: {error.strerror}", "check --prompt-file") from None


def _size(count: int) -> str:
    return f"{count:,} bytes" if count < 10_000 else f"{count / 1000:,.0f} kB"


def _say(line: str) -> None:
    print(line, file=sys.stderr)  # noqa: T201


def _write(text: str) -> None:
    """Text for the user: at once, whether to a terminal or a pipe."""
    sys.stdout.write(text)
    sys.stdout.flush()


def _print_json(value: Any) -> None:
    _write(msgspec.json.encode(value, enc_hook=str).decode() + "\n")


def main() -> None:
    """The `charrnn` command."""
    for stream in (sys.stdout, sys.stderr):
        # A character that the terminal can't show is shown as a question mark.
        stream.reconfigure(errors="replace")  # type: ignore[union-attr]
    warnings.showwarning = lambda message, *_: _say(f"charrnn: {message}")
    app()
