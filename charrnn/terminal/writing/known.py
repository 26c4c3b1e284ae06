"""The records that models were trained on, read again."""

from __future__ import annotations

from collections.abc import Iterable, Iterator, Sequence
from contextlib import closing
from pathlib import Path

import msgspec

from charrnn.config import Reading
from charrnn.errors import BadDataError, CharRNNError, MissingInputError, UsageError
from charrnn.folder.reading import find_model, read_record
from charrnn.folder.record import CorpusRecord, ModelRecord, reading_for
from charrnn.folder.resuming import origin_of_run, places_of
from charrnn.terminal.output import say, say_new
from charrnn.text.corpus import Corpus
from charrnn.text.division import NONE
from charrnn.text.origin import Where
from charrnn.text.spool import Spool

__all__ = ["known_records"]


def known_records(
    models: Sequence[str | Path | None],
    moved: Sequence[str] | Corpus | None = None,
    reading: Reading | None = None,
) -> Iterator[str]:
    """The records of the text that each model was trained on, and of those before it.

    Says what of a moved text is left out, where a text is another one than in training, and which
    text of a model that one has started from is not there.

    Args:
        models: folders or names, of models of records.
        moved: the text, or where it is now; None for where it was.
        reading: how to read it there.

    Raises:
        CharRNNError: if it is no longer there, or can't be read.
        UsageError: if a model's folder does not tell where it was.
    """
    said: set[str] = set()
    for path in map(find_model, models):
        record = read_record(path)
        left = {text.sha256: text for text in record.texts}
        if moved is None:
            spool = _where_it_was(path, record)
        else:
            spool = Spool(moved, reading_for(record, reading or Reading()))
        with closing(spool):
            if moved is not None:
                say_new(spool.notes, said)
            if record.corpus is not None and spool.sha256 not in left:
                say(f"{spool.name} is not, or no longer, the text that {path} was trained on")
                if moved is None:  # it was read just now
                    del left[record.corpus.sha256]
            left.pop(spool.sha256, None)
            for part in spool.records():
                yield from part
        yield from _others(path, record, left.values(), said)


def _others(
    path: Path, record: ModelRecord, texts: Iterable[CorpusRecord], said: set[str]
) -> Iterator[str]:
    """The records of other texts that a model has learnt from; says which are not compared."""
    unknown = []
    if record.lacks_bases:
        unknown.append(f"{path} does not tell what a model before it had learnt")
    places = places_of(path, record)
    for text in texts:
        spool = _found_again(text, record, places.get(text.sha256))
        if isinstance(spool, str):
            unknown.append(
                f"{text.name}, from which {path} has learnt, can't be read again: {spool}"
            )
            continue
        with closing(spool):
            for part in spool.records():
                yield from part
    say_new([f"{found}; records from it may be written" for found in unknown], said)


def _found_again(text: CorpusRecord, record: ModelRecord, place: Where | None) -> Spool | str:
    """A text that the model of `record` has learnt from, or why it can't be read again."""
    if place is None:
        return "where it was is not known"
    sources, reading = place
    # A story is divided as the records are that the model writes now.
    kind = record.texts[0].records if text.records == NONE else text.records
    try:
        spool = Spool(sources, msgspec.structs.replace(reading, records=kind))
    except CharRNNError as error:
        return error.found
    if spool.sha256 == text.sha256:
        return spool
    spool.close()
    return "it has changed"


def _where_it_was(path: Path, record: ModelRecord) -> Spool:
    """The text of one model, read as in training."""
    origin = origin_of_run(path)
    advice = "name the text with --novelty"
    if origin is None or origin.is_gone:
        raise UsageError(f"{path} does not tell where its text is", advice)
    try:
        return Spool(origin.sources, reading_for(record, origin.reading))
    except (BadDataError, MissingInputError, UsageError) as error:  # settings are for --novelty
        raise type(error)(error.found, advice) from None
