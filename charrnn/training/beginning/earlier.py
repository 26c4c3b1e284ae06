"""An earlier run, as its folder tells of it: what it read, how it goes on, how to make it again.

folder ──stopped──▶ StoppedRun;  folder ──repeated──▶ NewRun
"""

from __future__ import annotations

import os
from collections.abc import Mapping, Sequence
from contextlib import suppress
from dataclasses import replace
from pathlib import Path
from typing import Any, Literal

import msgspec

from charrnn.config import HUB, Budget, Reading
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
from charrnn.objectives import language
from charrnn.objectives.request import Data, Request
from charrnn.objectives.table import OBJECTIVES
from charrnn.text.corpus import Corpus, Sources
from charrnn.text.origin import origin_of
from charrnn.text.resolving import resolve
from charrnn.text.tokenizer import Tokenizer
from charrnn.training.beginning.moved import moved
from charrnn.training.beginning.starting import NewRun, StoppedRun
from charrnn.words import as_argument, leave_out

__all__ = ["refuse_settings", "repeated", "stopped"]

TextAndValidation = tuple[Sources, Sources | None]


def stopped(place: Place, sources: Sources | None, validation: Sources | None) -> StoppedRun:
    """The run in a folder, found to be whole and of the same text.

    Args:
        place: of the folder.
        sources, validation: its text, and what validates it; None for where they were.

    Raises:
        CharRNNError: if there is no such run, it is damaged, or the text is another.
    """
    folder = place.shown
    run = read_run(folder)
    progress, record = run.progress, run.record
    _refuse_other_validation(validation, record, folder)
    text, held = _sources_before(progress, (sources, validation), folder, "resume")
    data = _read_again(text, held, progress.reading, record, run.tokenizer, folder)
    here = moved(record, progress)
    return StoppedRun(
        data=data,
        origin=origin_of(text, progress.reading, held),
        place=place,
        model=record.model,
        config=here.config,
        progress=progress,
        notes=data.notes + here.notes,
    )


def refuse_settings(settings: Mapping[str, Any]) -> None:
    """Refuse settings for a run that is made again.

    Raises:
        UsageError: if one is not None.
    """
    given = [name for name, value in settings.items() if value is not None]
    if given:
        raise UsageError(
            f"{', '.join(given)} can't be given for a run that is repeated",
            f"{leave_out(given)}: the run has its own settings",
        )


def repeated(
    folder: Path,
    sources: Sources | None,
    validation: Sources | None,
    reading: Reading | None,
    out: Place | None,
    init_from: Sequence[str | Path],
) -> NewRun:
    """A new run that does what an earlier one did, update for update.

    Args:
        folder: of the earlier run.
        sources, validation: its text, and what validated it; None for where they were.
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
    _refuse_other_validation(validation, record, folder)
    (text, held), reading, progress = _sources_and_reading(
        folder, record, tokenizer, (sources, validation), reading
    )
    here = moved(record, progress)
    data = _read_again(text, held, reading, record, tokenizer, folder)
    notes = data.notes + here.notes
    if progress is not None and progress.moved:
        ways = "more than one way (device, processes, threads or PyTorch)"
        notes += (f"{folder} was computed in {ways}: it can't be made again to the bit",)
    return NewRun(
        data=data,
        origin=origin_of(text, reading, held),
        model=record.model,
        settled=here.config,
        reasons=f"the {config.steps:,} updates of {folder}, as they were planned and corrected",
        budget=Budget(steps=config.steps),
        bases=bases,
        place=out,
        notes=notes,
        seconds=clock.now() - begin,
    )


def _sources_and_reading(
    folder: Path,
    record: ModelRecord,
    tokenizer: Tokenizer,
    given: tuple[Sources | None, Sources | None],
    reading: Reading | None,
) -> tuple[TextAndValidation, Reading, RunProgress | None]:
    """What to read to repeat a run, how to read it, and how far the run came, if it tells."""
    try:
        run = read_run(folder)
    except MissingInputError:
        sources, validation = given
        if sources is None:
            raise MissingInputError(
                f"{folder} does not say where its text was", "name the text as well"
            ) from None
        if validation is None and record.validation is not None:
            raise MissingInputError(
                f"{folder} does not say where its validation set was",
                "name that as well, with --validation (in Python validation=…)",
            ) from None
        return (sources, validation), (reading or Reading()).for_tokens(tokenizer.unit), None
    refuse_settings({"reading": reading})
    both = _sources_before(run.progress, given, folder, "repeat")
    return both, run.progress.reading, run.progress


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


def _refuse_other_validation(validation: Sources | None, record: ModelRecord, folder: Path) -> None:
    """Refuse a validation set for a run that was begun without one."""
    if validation is not None and record.validation is None:
        found = f"{folder} was begun without a validation set of its own"
        raise UsageError(found, "leave --validation (in Python validation) out")


def _read_again(
    sources: Sources,
    validation: Sources | None,
    reading: Reading,
    record: ModelRecord,
    tokenizer: Tokenizer,
    folder: Path,
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
            vocabulary=lambda *_: tokenizer,
            validation=validation,
        )
    column = reading.text_column or record.task.text_column
    reading = msgspec.structs.replace(reading, text_column=column)
    if not isinstance(sources, Corpus) and not any(str(one).startswith(HUB) for one in sources):
        reading = msgspec.structs.replace(reading, split=Reading().split)  # a copy of a data set
    request = Request(
        sources,
        reading,
        record.task.settings,
        earlier_task=record.task,
        earlier_tokenizer=tokenizer,
        validation=validation,
    )
    data: Any = OBJECTIVES[record.task.name].read(request)
    _refuse_another(data.corpus, record, folder)
    # Its own, of a tagger begun before tags had parts, say.
    again: Data = replace(data, task_record=record.task)
    return again


def _sources_before(
    progress: RunProgress,
    given: tuple[Sources | None, Sources | None],
    folder: Path,
    way: Literal["resume", "repeat"],
) -> TextAndValidation:
    """The text to read again, and the validation set if there is one.

    Args:
        progress: its state.
        given: both, or None for where each was.
        folder: of the run.
        way: what is done with the run again.

    Raises:
        UsageError: if one can't be read again.
        MissingInputError: if one is no longer there.
    """
    origin, (sources, validation) = progress.origin, given
    if sources is None and origin.is_gone:
        advice = "name a file with its text"
        if len(origin.sources) > 1:
            advice = f"give all of it again, {origin.words}"
        if validation is None and origin.validation_is_gone:
            advice += f", and its validation set, {origin.validation_words}"
        raise _gone("text", advice)
    if validation is None and origin.validation_is_gone:
        words = f"{origin.validation_words} (in Python validation=…)"
        raise _gone("validation set", f"give all of it again, {words}")
    _refuse_moved(
        origin.sources if sources is None else (),
        origin.validation if validation is None else (),
        folder,
        way,
    )
    return (
        origin.sources if sources is None else sources,
        validation or origin.validation or None,
    )


def _gone(what: str, advice: str) -> UsageError:
    found = f"the run read its {what} from standard input or a pipe, which is no longer there"
    return UsageError(found, advice)


def _refuse_moved(
    sources: Sequence[str], validation: Sequence[str], folder: Path, way: str
) -> None:
    """Say how to name a text and a validation set that are not where a run has read them."""
    missing = list(filter(_is_missing, (*sources, *validation)))
    if not missing:
        return
    command, arguments, name = ["charrnn train"], [repr(str(folder))], as_argument(folder)
    if moved_text := any(one in missing for one in sources):
        command += ["TEXT" if one in missing else as_argument(one) for one in sources]
        arguments.append("…")
    command.append(f"--{way} {name}")
    if moved_set := any(one in missing for one in validation):
        words = ["TEXT" if one in missing else as_argument(one) for one in validation]
        command += [f"--validation {word}" for word in words]
        arguments.append("validation=…")
    in_python = f"resume({', '.join(arguments)})"
    if way == "repeat":
        in_python = f"train({', '.join([*arguments[1:], f'repeat={arguments[0]}'])})"
    what = " and ".join(["the text"] * moved_text + ["the validation set"] * moved_set)
    did = "trained" if missing[0] in sources else "validated"
    they = "they are" if moved_text and moved_set else "it is"
    raise MissingInputError(
        f"{folder} was {did} on {missing[0]}, which is not there",
        f"name {what} where {they} now: {' '.join(command)} (in Python {in_python})",
    )


def _is_missing(source: str) -> bool:
    with suppress(MissingInputError):
        resolve(source)
        return False
    return not os.path.exists(source)  # noqa: PTH110 - not one that may not be entered


def _refuse_another(found: CorpusRecord, record: ModelRecord, folder: Path) -> None:
    """Check that a text and its validation set are those of a run."""
    before = record.corpus
    if before is None or before.fingerprint == found.fingerprint:
        return
    what, did = "corpus", "trained"
    if before.sha256 == found.sha256 and before.validation and found.validation:
        what, did, before, found = (
            "validation set",
            "validated",
            before.validation,
            found.validation,
        )
    # Older versions counted examples otherwise.
    sizes = [""] * 2
    if record.task is None:
        sizes = [f"{one.characters:,} characters and " for one in (found, before)]
    otherwise = "train anew under another --name"
    if can_start_others(folder, record):
        otherwise = "start a new run from these weights with --init-from"
    raise UsageError(
        f"the {what} is not the one that {folder} was {did} on: it has {sizes[0]}SHA-256 "
        f"{found.sha256[:12]}…, the earlier one has {sizes[1]}{before.sha256[:12]}…",
        f"give the same {'set' if did == 'validated' else 'text'}, or {otherwise}",
    )
