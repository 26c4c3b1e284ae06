"""The records that models were trained on, read again."""

from __future__ import annotations

from collections.abc import Iterator, Sequence
from contextlib import closing
from pathlib import Path

from charrnn.config import Reading
from charrnn.errors import MissingInputError, UsageError
from charrnn.folder.reading import find_model, read_record
from charrnn.folder.record import reading_for
from charrnn.folder.resuming import origin_of_run
from charrnn.terminal.output import say
from charrnn.text.origin import Origin
from charrnn.text.spool import Spool
from charrnn.text.tokenizer import Tokenizer

__all__ = ["known_records"]


def known_records(
    models: Sequence[str | Path | None],
    tokenizer: Tokenizer,
    text: str | None,
    reading: Reading,
) -> Iterator[str]:
    """The records of the text that each model was trained on.

    Args:
        models: folders or names.
        tokenizer: of all of them.
        text: where it is now; None for where it was.
        reading: how to read it there; the default for how it was read.

    Raises:
        MissingInputError: if it is no longer there.
        UsageError: if a model's folder does not tell where it was.
    """
    for model in models:
        yield from _records(find_model(model), tokenizer, text, reading)


def _records(path: Path, tokenizer: Tokenizer, text: str | None, reading: Reading) -> Iterator[str]:
    if tokenizer.end is None:
        raise UsageError("the model was not trained on records", "leave --novel and --records out")
    advice = "name the text with --novelty"
    record = read_record(path)
    origin = origin_of_run(path)
    if text is not None:
        as_it_was = origin.reading if origin and reading == Reading() else None
        origin = Origin((text,), as_it_was or reading.for_tokens(tokenizer.unit))
    if origin is None or origin.is_gone:
        raise UsageError(f"{path} does not tell where its text is", advice)
    try:
        spool = Spool(origin.sources, reading_for(record, origin.reading))
    except MissingInputError as error:
        raise MissingInputError(error.found, advice) from None
    with closing(spool):
        if record.corpus is not None and spool.sha256 != record.corpus.sha256:
            say(f"{spool.name} is not, or no longer, the text that {path} was trained on")
        for part in spool.records():
            yield from part
