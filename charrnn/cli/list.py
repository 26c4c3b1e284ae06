"""charrnn list: the models in checkpoints/."""

from __future__ import annotations

import math
import os
import time
from pathlib import Path

import msgspec

from charrnn.checkpoints import CHECKPOINTS, CONFIG, METRICS, WEIGHTS
from charrnn.config import TaskName
from charrnn.errors import BadDataError, CharRNNError, MissingInputError, printable
from charrnn.task_config import SCORES
from charrnn.terminal.options import JsonOption
from charrnn.terminal.output import encode_json, say, table, write
from charrnn.words import counted

__all__ = ["list_models"]


class Entry(msgspec.Struct, kw_only=True):
    """What the list says of a folder; a line of `charrnn list --json`.

    Attributes:
        name, path: of the folder.
        status: "ready", "unfinished" (a run that has saved no model yet), "damaged", "unreadable",
            or "no model".
        saved: when the weights were written, in seconds since 1970; of other folders, when the
            folder was changed.
        cell, num_layers, hidden_size, parameters, corpus: of the model, as far as known.
        val_nats: validation loss of the weights, in nats per token.
        unit: what a token is: a character, a byte, or a token that may be several bytes, as a
            record's end; None for numbers.
        task: what the model does; None for a language model.
        score: of its answers, for a task; of a translator's greedy ones, see docs/tasks.md.
        measure: what the score is, if not what it usually is.
    """

    name: str
    path: Path
    status: str
    saved: float
    cell: str | None = None
    num_layers: int | None = None
    hidden_size: int | None = None
    parameters: int | None = None
    corpus: str | None = None
    val_nats: float | None = None
    unit: str | None = None
    task: TaskName | None = None
    score: float | None = None
    measure: str | None = None


def list_models(json: JsonOption = False) -> None:
    """List the models in checkpoints/, the newest first."""
    from charrnn.text.origin import working_folder

    there = CHECKPOINTS.iterdir() if CHECKPOINTS.is_dir() else ()
    folders = [path for path in there if path.is_dir()]
    entries = sorted(map(_entry, folders), key=lambda entry: -entry.saved)
    if not entries:
        working_folder()
    if json:
        write("".join(encode_json(entry) for entry in entries))
    elif entries:
        head = ("name", "cell and size", "corpus", "validation", "age")
        write(table([head, *map(_row, entries)]))
    else:
        say(f"there is no model in {CHECKPOINTS}; train one first: charrnn train FILE")


def _entry(path: Path) -> Entry:
    from charrnn.folder.files import reread_during_saves

    entry = Entry(name=path.name, path=path, status="ready", saved=0.0)
    try:
        entry.saved = path.stat().st_mtime
        reread_during_saves(_describe)(path, entry)
    except BadDataError:
        entry.status = "damaged"
    except (CharRNNError, OSError):
        entry.status = "unreadable"
    return entry


def _describe(path: Path, entry: Entry) -> None:
    """Fill in what the small files of the folder at `path` say, and the header of its weights.

    Raises:
        BadDataError: if one of them is damaged or missing.
        ReadWriteError: if one can't be read.
    """
    from charrnn.cells.heads import shapes_of
    from charrnn.cells.layout import parameter_count
    from charrnn.folder.files import is_first_save
    from charrnn.folder.reading import read_metrics, read_record, read_tokenizer

    if not (path / CONFIG).exists():
        entry.status = "no model"
        return
    try:
        record = read_record(path)
        tokenizer = read_tokenizer(path, record)
    except MissingInputError as error:
        if is_first_save(path):
            entry.status = "unfinished"
            return
        raise BadDataError(error.found, error.advice) from None
    shapes = shapes_of(record.model, record.task)
    entry.cell = record.model.cell
    entry.num_layers, entry.hidden_size = record.model.num_layers, record.model.hidden_size
    entry.parameters = parameter_count(shapes)
    entry.corpus = record.corpus.name if record.corpus else None
    entry.task = None if record.task is None else record.task.name
    entry.unit = None if entry.task == "forecast" else tokenizer.loss_per
    if not (path / WEIGHTS).exists():
        entry.status = "unfinished"
        return
    entry.saved = (path / WEIGHTS).stat().st_mtime
    evaluations = {one.step: one for one in read_metrics(path / METRICS)}
    evaluation = evaluations.get(_saved_step(path, shapes))
    if evaluation is not None:
        entry.val_nats, entry.score = evaluation.val_nats, evaluation.score
        entry.measure = evaluation.measure


def _saved_step(path: Path, shapes: dict[str, tuple[int, ...]]) -> int:
    """After how many updates the weights were saved, from their header alone."""
    from charrnn.folder.files import read_manifest
    from charrnn.folder.tensors import read_header
    from charrnn.folder.untrusted import damaged, opened

    with opened(path / WEIGHTS) as file:
        size = os.fstat(file.fileno()).st_size
    versions = (read_manifest(path) or {}).get(WEIGHTS, [])
    if versions and not any(version and version.size == size for version in versions):
        raise damaged(path / WEIGHTS, f"{size} bytes")
    try:
        return int(read_header(path / WEIGHTS, shapes).get("step", "0"))
    except ValueError as error:
        raise damaged(path / WEIGHTS, str(error)) from None


def _row(entry: Entry) -> tuple[str, ...]:
    shape = f"{entry.cell} {entry.num_layers} × {entry.hidden_size}" if entry.cell else ""
    loss = entry.status if entry.status != "ready" else ""
    if entry.task is not None and entry.score is not None:
        greedy = " greedy" if entry.task == "translate" else ""
        measure = entry.measure or SCORES[entry.task]
        loss = f"{entry.task}: {measure} {entry.score:.3g}{greedy}"
    elif entry.val_nats is not None:
        loss = f"{entry.val_nats / math.log(2):.3f} bits per {entry.unit}"
    return printable(entry.name), shape, printable(entry.corpus or ""), loss, _age(entry.saved)


def _age(saved: float) -> str:
    seconds = time.time() - saved
    if seconds < 0:  # of another machine's clock
        return "in the future"
    for unit, size in (("day", 86_400), ("hour", 3_600), ("minute", 60)):
        if seconds >= size:
            return counted(int(seconds // size), unit)
    return f"{int(seconds)} s"
