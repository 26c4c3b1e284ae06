"""charrnn train: a text to a model folder."""

from __future__ import annotations

from pathlib import Path
from typing import Annotated, Any, Literal

import typer

from charrnn.config import CellName, DeviceName, Precision
from charrnn.errors import UsageError
from charrnn.terminal.output import (
    ColumnOption,
    EncodingOption,
    ErrorsOption,
    JsonOption,
    SplitOption,
    encode_json,
    write,
)

__all__ = ["train"]


# What a run keeps, beside the settings: how its text is read.
READING = ("tokenizer", "encoding", "errors", "text_column", "split")


def train(
    ctx: typer.Context,
    sources: Annotated[
        list[str] | None,
        typer.Argument(
            metavar="TEXT...",
            help="Text files (also .gz), folders, globs, - for standard input, .jsonl / .csv / "
            ".parquet files, hf://OWNER/NAME, or bundled corpora by name.",
        ),
    ] = None,
    resume: Annotated[
        str | None,
        typer.Option(metavar="MODEL", help="Go on with this run as if it had never stopped."),
    ] = None,
    init_from: Annotated[
        str | None,
        typer.Option(metavar="MODEL", help="Start from these weights; the vocabulary may grow."),
    ] = None,
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
    weight_dropout: Annotated[
        float | None, typer.Option(help="Share of recurrent weights dropped while training.")
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
    encoding: EncodingOption = "utf-8",
    errors: ErrorsOption = "strict",
    text_column: ColumnOption = None,
    split: SplitOption = "train",
    json: JsonOption = False,
) -> None:
    """Train a model of a text. Sizes and settings not given are chosen for the text."""
    raw = tokenizer == "byte" and errors == "strict"
    settings = {
        "out": out,
        "name": name,
        "minutes": minutes,
        "epochs": epochs,
        "steps": steps,
        "init_from": init_from,
        "cell": cell,
        "hidden_size": hidden_size,
        "num_layers": num_layers,
        "embed_size": embed_size,
        "dropout": dropout,
        "weight_dropout": weight_dropout,
        "skip": skip,
        "batch_size": batch_size,
        "seq_length": seq_length,
        "learning_rate": learning_rate,
        "weight_decay": weight_decay,
        "grad_clip": grad_clip,
        "val_frac": val_frac,
        "seed": seed,
        "device": device,
        "precision": precision,
    }
    given: dict[str, Any] = {name: v for name, v in settings.items() if v is not None}
    if resume is not None:
        typed = [name for name in (*settings, *READING) if _typed(ctx, name)]
        _refuse_given(resume, typed)
    if resume is None and not sources:
        raise UsageError("no text given", "name a file, a folder or a bundled corpus")

    _refuse_held(resume, out, name)

    from charrnn.terminal import progress
    from charrnn.text.decoding import Reading
    from charrnn.training import run

    if resume is not None:
        events = run.resume(resume, sources or None)
    else:
        reading = Reading(encoding, "surrogateescape" if raw else errors, text_column, split)
        events = run.train(sources or [], tokenizer=tokenizer, reading=reading, **given)
    try:
        finished = progress.show(events)
    except progress.Interrupted as stop:
        raise typer.Exit(128 + stop.number) from None
    if json:
        write(encode_json(finished))


def _typed(ctx: typer.Context, name: str) -> bool:
    """Whether the user gave this parameter, be it at its default."""
    source = ctx.get_parameter_source(name)
    return source is not None and source.name == "COMMANDLINE"


def _refuse_given(model: str, names: list[str]) -> None:
    """What a run was started with can't be changed while it goes on."""
    if names:
        from charrnn.folder.record import find_model
        from charrnn.folder.resuming import read_run

        record = read_run(find_model(model)).record
        others = {"cell": "model", "hidden_size": "rnn-size"}
        told = []
        for name in names:
            kept = getattr(record.model, name, getattr(record.training, name, None))
            option = f"--{others.get(name, name).replace('_', '-')}"
            told.append(option if kept is None else f"{option} (it has {kept})")
        options = ", ".join(told)
        raise UsageError(
            f"--resume goes on with the settings of the run, {options} can't be given",
            "leave them out, or start a new run with --init-from",
        )


def _refuse_held(resume: str | None, out: Path | None, name: str | None) -> None:
    """Tell at once who trains there, before a text is read or PyTorch loaded."""
    from charrnn.folder import locking
    from charrnn.folder.record import CHECKPOINTS, find_model

    if resume is not None:
        locking.refuse_locked(find_model(resume))
    elif out is not None or name is not None:
        locking.refuse_locked(out or CHECKPOINTS / str(name))
