"""charrnn train: a text to a model."""

from __future__ import annotations

import os
from collections.abc import Iterator
from contextlib import contextmanager, suppress
from pathlib import Path
from typing import Annotated, Any, Literal

import typer

from charrnn.checkpoints import CHECKPOINTS, STATE
from charrnn.config import Budget, ModelConfig, Reading, TaskSettings, TrainConfig
from charrnn.errors import CharRNNError, UsageError
from charrnn.terminal.options import JsonOption, option_names, take, with_settings
from charrnn.terminal.output import encode_json, say, write
from charrnn.words import leave_out, together

__all__ = ["train"]

SourcesArgument = Annotated[
    list[str] | None,
    typer.Argument(
        metavar="TEXT...",
        help="Files (.txt, .csv, .json, .html, .srt and more, also compressed; .epub, .docx, "
        ".parquet), folders, globs, - for standard input, hf://OWNER/NAME, or names of bundled "
        "corpora.",
    ),
]
ResumeOption = Annotated[
    str | None,
    typer.Option(metavar="MODEL", help="Continue this run as if it had never stopped."),
]
InitOption = Annotated[
    list[str] | None,
    typer.Option(
        metavar="MODEL",
        help="Start from the weights of this language model; its vocabulary may grow. A task "
        "may be given a second model, trained with --reverse, with another --init-from.",
    ),
]
RepeatOption = Annotated[
    str | None,
    typer.Option(
        metavar="MODEL",
        help="Make this run again: same settings, same updates and, with the same machine, "
        "charrnn, PyTorch, extras and number of threads, same weights to the bit.",
    ),
]
ValidationOption = Annotated[
    list[str] | None,
    typer.Option(
        metavar="TEXT",
        help="Validate on this text or on these examples, read as TEXT is, and train on all of "
        "TEXT; may be given several times. Of hf://OWNER/NAME, the split validation is read.  "
        "[default: a part of TEXT]",
    ),
]
NameOption = Annotated[
    str | None,
    typer.Option(help="Write the model to checkpoints/NAME.  [default: named after the text]"),
]
OutOption = Annotated[Path | None, typer.Option(help="Write the model to this folder instead.")]
TokenizerOption = Annotated[
    Literal["char", "byte"] | None,
    typer.Option(help="Predict characters, or bytes of UTF-8.  [default: char]"),
]


# What may be given with --repeat; where the run's state was removed, how to read the text as well.
WITH_REPEAT = ("name", "out", "init_from")
WITHOUT_STATE = ("encoding", "errors", "text_column", "split")


@with_settings(Budget, TaskSettings, ModelConfig, TrainConfig, Reading)
def train(
    sources: SourcesArgument = None,
    validation: ValidationOption = None,
    resume: ResumeOption = None,
    init_from: InitOption = None,
    repeat: RepeatOption = None,
    name: NameOption = None,
    out: OutOption = None,
    *,
    tokenizer: TokenizerOption = None,
    json: JsonOption = False,
    **given: Any,
) -> None:
    """Train a model on your text, or with --task on examples.

    Settings left out are chosen to fit the text.
    """
    with _one_voice() as speaks:
        named = {"init_from": init_from, "name": name, "out": out, "tokenizer": tokenizer}
        given |= {name: value for name, value in named.items() if value not in (None, [])}
        _check(sources, resume, repeat, given, validates=bool(validation))
        if speaks:  # other processes may find the first one already at work there
            _refuse_locked(resume, out, name)

        from charrnn.text.origin import working_folder

        working_folder()
        if speaks:
            _refuse_absent([*(sources or []), *(validation or [])])
        from charrnn.terminal import progress
        from charrnn.training import run

        held = validation or None
        if resume is not None:
            events = run.resume(resume, sources or None, validation=held)
        elif repeat is not None:
            reading = take(Reading, given) if any(name in given for name in WITHOUT_STATE) else None
            events = run.train(
                sources or None, repeat=repeat, reading=reading, validation=held, **given
            )
        else:
            reading = take(Reading, given).for_tokens(given.get("tokenizer", "char"))
            events = run.train(sources or [], reading=reading, validation=held, **given)
        if not speaks:
            for _ in events:
                raise AssertionError("only the first process has events")
            return
        try:
            finished = progress.show(events)
        except progress.Interrupted as stop:
            raise typer.Exit(128 + stop.number) from None
        if json:
            write(encode_json(finished))


def _check(
    sources: list[str] | None,
    resume: str | None,
    repeat: str | None,
    given: dict[str, Any],
    *,
    validates: bool,
) -> None:
    """Check that there is a text and one budget, and that a run that exists keeps its settings.

    Args:
        sources, resume, repeat: as `train` takes them.
        given: settings that the user made.
        validates: whether a validation set is named, beside which no part of the text can be.

    Raises:
        UsageError: if not.
    """
    if resume is not None:
        again = {} if repeat is None else {"repeat": repeat}
        _refuse_changes(resume, given | again, "--resume")
    elif repeat is not None:
        allowed = WITH_REPEAT + (() if _has_state(repeat) else WITHOUT_STATE)
        _refuse_changes(repeat, {k: v for k, v in given.items() if k not in allowed}, "--repeat")
    elif not sources:
        raise UsageError("no text given", "name a file, a folder or a bundled corpus")
    if validates and "val_frac" in given:
        options = option_names(["validation", "val_frac"])
        raise UsageError(together([*options.values()]), "give only one of them")
    limits = [name for name in Budget.__struct_fields__ if name in given]
    if "epochs" in limits and len(limits) > 1:
        raise UsageError(together([*option_names(limits).values()]), "give only one of them")
    take(Budget, dict(given))


@contextmanager
def _one_voice() -> Iterator[bool]:
    """Let the first of the processes that torchrun started speak for all.

    Another speaks of what it alone has found. Of those that fail in the midst of an update, or
    miss one that has ended, the first to notice speaks.

    Yields:
        speaks: whether this is the first, or there is no other.
    """
    if "RANK" not in os.environ:
        yield True
        return
    from charrnn.learning.hardware.ranks import Leave, LostError, processes

    ranks = processes()
    try:
        yield not ranks.follows
    except CharRNNError as error:
        if ranks.sharing or isinstance(error, LostError):
            speaks = ranks.is_first_to_speak()
        elif ranks.follows:
            speaks = ranks.goes_on()
        else:
            speaks = True
            with suppress(LostError):
                ranks.tell(Leave())
        if speaks and not ranks.follows:
            raise
        if speaks:
            say(f"charrnn: process {ranks.rank}: {error}")
        raise typer.Exit(error.exit_code) from None


def _has_state(model: str) -> bool:
    """Whether the folder of a run tells where its text was, and how it was read."""
    from charrnn.folder.reading import find_model

    return (find_model(model) / STATE).exists()


def _refuse_changes(model: str, given: dict[str, Any], command: str) -> None:
    """Check that a run goes on, or is made again, with the settings it was started with."""
    if not given:
        return
    from charrnn.folder.reading import can_start_others, find_model, read_record

    folder = find_model(model)
    record = read_record(folder)
    found = []
    for name, option in option_names(given).items():
        places = (record.model, record.training, record.task and record.task.settings)
        kept = next((getattr(p, name) for p in places if hasattr(p, name)), None)
        found.append(option if kept is None else f"{option} (it has {kept})")
    otherwise = ", or train anew under another --name"
    if can_start_others(folder, record):
        otherwise = "" if "init_from" in given else ", or start a new run with --init-from"
    raise UsageError(
        f"{', '.join(found)} can't be given with {command}, which keeps the settings of the run",
        leave_out(found) + otherwise,
    )


def _refuse_absent(sources: list[str]) -> None:
    """Say at once that there is no such text, before PyTorch is loaded."""
    from charrnn.text.resolving import resolve

    for source in sources:
        if not os.path.exists(source):  # noqa: PTH110  # of what is there, all is looked at once
            resolve(source)


def _refuse_locked(resume: str | None, out: Path | None, name: str | None) -> None:
    """Say at once who trains in the folder, before a text is read or PyTorch is loaded."""
    from charrnn.folder import locking
    from charrnn.folder.reading import find_model

    if resume is not None:
        locking.refuse_locked(find_model(resume))
    elif out is not None or name is not None:
        locking.refuse_locked(out or CHECKPOINTS / str(name))
