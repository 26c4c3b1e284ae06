"""An earlier run, as its folder tells of it: what it read, and how to make it again.

folder ──repeated──▶ NewRun
"""

from __future__ import annotations

import os
from collections.abc import Sequence
from contextlib import suppress
from dataclasses import replace
from pathlib import Path
from shlex import quote
from typing import Any, Literal

import msgspec

from charrnn.config import HUB, Budget, Reading, TrainConfig
from charrnn.errors import MissingInputError, UsageError
from charrnn.folder.place import Place
from charrnn.folder.reading import (
    can_start_others,
    find_model,
    read_model,
    read_record,
    read_tokenizer,
)
from charrnn.folder.record import CorpusRecord, ModelFolder, ModelRecord, reading_for
from charrnn.folder.resuming import RunProgress, read_run
from charrnn.learning.hardware import clock
from charrnn.learning.hardware.devices import choose_device
from charrnn.learning.hardware.ranks import processes
from charrnn.objectives import language
from charrnn.objectives.request import Data, Request
from charrnn.objectives.table import OBJECTIVES
from charrnn.text.corpus import Corpus, Sources, place_of
from charrnn.text.origin import origin_of
from charrnn.text.tokenizer import Tokenizer
from charrnn.training.beginning.starting import NewRun
from charrnn.words import leave_out

__all__ = ["moved", "read_again", "refused_settings", "repeated", "text_of"]


def repeated(
    folder: Path,
    sources: Sources | None,
    reading: Reading | None,
    out: Place | None,
    init_from: Sequence[str | Path],
) -> NewRun:
    """A new run that does what an earlier one did, update for update.

    Args:
        folder: of the earlier run.
        sources: its text; None for where it was.
        reading: how to read it, where the folder does not tell; None for as usual.
        out: where the new run will be; None for a new one in `checkpoints/`.
        init_from: the models whose weights it started from, if it did.

    Raises:
        CharRNNError: if there is no such run, or the text or the other model are not the same.
    """
    begin = clock.now()
    record = read_record(folder)
    tokenizer = read_tokenizer(folder, record)
    config = record.training
    if config is None:
        raise UsageError(f"{folder} was not trained by charrnn", "name a model that was")
    bases = _bases(folder, config.base_weights, init_from)
    sources, reading, notes = _where(folder, config, tokenizer, sources, reading)
    data = read_again(sources, reading, record, tokenizer, folder)
    return NewRun(
        data=data,
        origin=origin_of(sources, reading),
        model=record.model,
        settled=config,
        reasons=f"the {config.steps:,} updates of {folder}, as they were planned and corrected",
        budget=Budget(steps=config.steps),
        bases=bases,
        place=out,
        notes=data.notes + notes,
        seconds=clock.now() - begin,
    )


def _where(
    folder: Path,
    config: TrainConfig,
    tokenizer: Tokenizer,
    sources: Sources | None,
    reading: Reading | None,
) -> tuple[Sources, Reading, tuple[str, ...]]:
    """Where the text of a run is and how it is read, and what is different where it goes on."""
    try:
        progress = read_run(folder).progress
    except MissingInputError:
        if sources is None:
            raise MissingInputError(
                f"{folder} does not say where its text was", "name the text as well"
            ) from None
        return sources, (reading or Reading()).for_tokens(tokenizer.unit), ()
    if reading is not None:
        raise refused_settings(["reading"])
    sources = sources or text_of(progress, folder, "repeat")
    return sources, progress.reading, moved(progress, config)


def refused_settings(names: Sequence[str]) -> UsageError:
    """The error for settings that are given for a run which has its own."""
    return UsageError(
        f"{', '.join(names)} can't be given for a run that is repeated",
        f"{leave_out(names)}: the run has its own settings",
    )


def _bases(folder: Path, wanted: str | None, init_from: Sequence[str | Path]) -> list[ModelFolder]:
    """The models whose weights a run started from, found to be those."""
    if wanted is None:
        if init_from:
            raise UsageError(
                f"{folder} did not start from another model's weights", "leave out --init-from"
            )
        return []
    found = f"{folder} started from the weights of another model"
    if init_from:
        bases = {one.fingerprint: one for one in map(read_model, map(find_model, init_from))}
        if len(bases) == len(init_from) and sorted(bases) == sorted(wanted.split("+")):
            return [bases[fingerprint] for fingerprint in wanted.split("+")]
        named = ", ".join(map(str, init_from))
        found = f"{folder} did not start from the weights that {named} has now"
    raise UsageError(
        found,
        "name the model that it started from, as it was then, with --init-from",
    )


def read_again(
    sources: Sources, reading: Reading, record: ModelRecord, tokenizer: Tokenizer, folder: Path
) -> Data:
    """What an earlier run has read, found to be the same.

    Raises:
        UsageError: if it is not; says how they differ.
    """
    if record.task is None:
        return language.read(
            sources,
            reading_for(record, reading),
            check=lambda corpus: _refuse_another(corpus, record, folder),
            vocabulary=lambda _: tokenizer,
        )
    column = reading.text_column or record.task.text_column
    reading = msgspec.structs.replace(reading, text_column=column)
    if not isinstance(sources, Corpus) and not any(str(one).startswith(HUB) for one in sources):
        reading = msgspec.structs.replace(reading, split=Reading().split)  # a copy of a data set
    request = Request(sources, reading, record.task.settings, earlier=record.task)
    data: Any = OBJECTIVES[record.task.name].read(request, tokenizer)
    _refuse_another(data.corpus, record, folder)
    again: Data = replace(data, kind=record.task)  # of a tagger begun before tags had parts, say
    return again


def text_of(progress: RunProgress, folder: Path, way: Literal["resume", "repeat"]) -> Sources:
    """Where a run has read its text.

    Args:
        progress: its state.
        folder: of the run.
        way: what is done with the run again.

    Raises:
        UsageError: if that can't be read again.
        MissingInputError: if it is no longer there.
    """
    if progress.origin.is_gone:
        advice = "name a file with its text"
        if len(progress.sources) > 1:
            advice = f"give all of it again, {progress.origin.words}"
        raise UsageError(
            "the run read its text from standard input or a pipe, which is no longer there", advice
        )
    _refuse_moved(progress.sources, folder, way)
    return progress.sources


def _refuse_moved(sources: Sequence[str], folder: Path, way: str) -> None:
    """Say how to name a text that is not where a run has read it."""
    missing = list(filter(_is_missing, sources))
    if not missing:
        return
    words = " ".join("TEXT" if one in missing else quote(one) for one in sources)
    in_python = f"resume({str(folder)!r}, …)"
    if way == "repeat":
        in_python = f"train(…, repeat={str(folder)!r})"
    raise MissingInputError(
        f"{folder} was trained on {missing[0]}, which is not there",
        f"name the text where it is now: charrnn train {words} --{way} {quote(str(folder))} "
        f"(in Python {in_python})",
    )


def _is_missing(source: str) -> bool:
    with suppress(MissingInputError):
        place_of(source)
        return False
    return not os.path.exists(source)  # noqa: PTH110 - not one that may not be entered


def moved(progress: RunProgress, config: TrainConfig) -> tuple[str, ...]:
    """What the user should know where a run is computed elsewhere than before."""
    notes = processes().changed_from(progress.processes)
    if config.device == "auto" and progress.device is not None:
        device = choose_device("auto").type
        if device != progress.device:
            change = "other units are dropped, and numbers rounded otherwise"
            notes += (f"on {progress.device} before, on {device} now: {change}",)
    return notes


def _refuse_another(found: CorpusRecord, record: ModelRecord, folder: Path) -> None:
    """See that a text is the one that a run was trained on."""
    before = record.corpus
    if before is None or before.sha256 == found.sha256:
        return
    # Older versions counted examples otherwise.
    sizes = [""] * 2
    if record.task is None:
        sizes = [f"{one.characters:,} characters and " for one in (found, before)]
    otherwise = "train anew under another --name"
    if can_start_others(folder, record):
        otherwise = "start a new run from these weights with --init-from"
    raise UsageError(
        f"the corpus is not the one that {folder} was trained on: it has {sizes[0]}SHA-256 "
        f"{found.sha256[:12]}…, the earlier one has {sizes[1]}{before.sha256[:12]}…",
        f"give the same text, or {otherwise}",
    )
