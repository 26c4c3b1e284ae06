"""The records that models were trained on, read again."""

from __future__ import annotations

from collections.abc import Iterator, Sequence
from contextlib import closing
from pathlib import Path
from typing import Any

import msgspec

from charrnn.config import Reading
from charrnn.errors import MissingInputError, UsageError
from charrnn.folder.reading import find_model, read_record
from charrnn.folder.record import ModelRecord, reading_for
from charrnn.folder.resuming import origin_of_run
from charrnn.terminal.output import say, say_new
from charrnn.text.corpus import Corpus
from charrnn.text.origin import Origin
from charrnn.text.spool import Spool
from charrnn.text.tokenizer import Tokenizer

__all__ = ["known_records", "moved_text"]


def moved_text(
    models: Sequence[str | Path | None], tokenizer: Tokenizer, text: str, given: dict[str, Any]
) -> Origin:
    """Where the text of models is now, and how to read it: as it was, but for what is given.

    Args:
        models: folders or names; the first that tells how its text was read counts.
        tokenizer: of all of them.
        text: any source that `charrnn train` takes.
        given: settings of `Reading`.
    """
    origins = map(origin_of_run, map(find_model, models))
    was = next((origin.reading for origin in origins if origin), Reading())
    return Origin((text,), msgspec.structs.replace(was, **given).for_tokens(tokenizer.unit))


def known_records(
    models: Sequence[str | Path | None], moved: Corpus | Origin | None
) -> Iterator[str]:
    """The records of the text that each model was trained on.

    Says what of a moved text is left out, and where a text is another one than in training.

    Args:
        models: folders or names, of models of records.
        moved: the text, or where it is now; None for where it was.

    Raises:
        MissingInputError: if it is no longer there.
        UsageError: if a model's folder does not tell where it was.
    """
    said: set[str] = set()
    for model in models:
        yield from _records(find_model(model), moved, said)


def _records(path: Path, moved: Corpus | Origin | None, said: set[str]) -> Iterator[str]:
    """The records of one model; of what is there to be said of a moved text, adds to `said`."""
    record = read_record(path)
    with closing(_spool(path, record, moved)) as spool:
        if moved:
            say_new(spool.notes, said)
        if record.corpus is not None and spool.sha256 != record.corpus.sha256:
            say(f"{spool.name} is not, or no longer, the text that {path} was trained on")
        for part in spool.records():
            yield from part


def _spool(path: Path, record: ModelRecord, moved: Corpus | Origin | None) -> Spool:
    if isinstance(moved, Corpus):
        return Spool(moved, reading_for(record, Reading()))
    if moved is not None:
        return Spool(moved.sources, reading_for(record, moved.reading))
    origin, advice = origin_of_run(path), "name the text with --novelty"
    if origin is None or origin.is_gone:
        raise UsageError(f"{path} does not tell where its text is", advice)
    try:
        return Spool(origin.sources, reading_for(record, origin.reading))
    except MissingInputError as error:
        raise MissingInputError(error.found, advice) from None
