"""The records that models were trained on, read again."""

from __future__ import annotations

from collections.abc import Iterator, Sequence
from contextlib import closing
from pathlib import Path

from charrnn.config import Reading
from charrnn.errors import BadDataError, MissingInputError, UsageError
from charrnn.folder.reading import find_model, read_record
from charrnn.folder.record import ModelRecord, reading_for
from charrnn.folder.resuming import origin_of_run
from charrnn.terminal.output import say, say_new
from charrnn.text.corpus import Corpus
from charrnn.text.spool import Spool

__all__ = ["known_records"]


def known_records(
    models: Sequence[str | Path | None],
    moved: Sequence[str] | Corpus | None = None,
    reading: Reading | None = None,
) -> Iterator[str]:
    """The records of the text that each model was trained on.

    Says what of a moved text is left out, and where a text is another one than in training.

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
        if moved is None:
            spool = _where_it_was(path, record)
        else:
            spool = Spool(moved, reading_for(record, reading or Reading()))
        with closing(spool):
            if moved is not None:
                say_new(spool.notes, said)
            if record.corpus is not None and spool.sha256 != record.corpus.sha256:
                say(f"{spool.name} is not, or no longer, the text that {path} was trained on")
            for part in spool.records():
                yield from part


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
