"""Texts as language models score them, for `charrnn eval`."""

from __future__ import annotations

from contextlib import closing
from typing import TYPE_CHECKING, NamedTuple

import msgspec

from charrnn.cli.parts import refuse_own_set, say_changed, the_one, trained_on
from charrnn.config import Reading
from charrnn.errors import UsageError
from charrnn.terminal.output import say, say_new
from charrnn.words import counted

if TYPE_CHECKING:
    from collections.abc import Iterator

    import numpy as np
    from numpy.typing import NDArray

    from charrnn.arrays import Ids, Surprisals
    from charrnn.config import TrainConfig, Unknown
    from charrnn.folder.record import ModelRecord
    from charrnn.scoring.score import Score
    from charrnn.text.records import EncodedText, Records
    from charrnn.text.tokenizer import Tokenizer
    from charrnn.use_config import EvalConfig

__all__ = ["Asked", "ScoredText", "scored"]


class Asked(NamedTuple):
    """What is to be scored, and by what.

    Attributes:
        models: folders or names; several are mixed.
        sources: of the text.
        reading: how to read it.
        unknown: what to do with characters that the models don't know.
        validation: whether to score the part that training kept for validation alone.
        dynamic: sources of the text that was trained on, for dynamic evaluation; else empty.
    """

    models: list[str]
    sources: list[str]
    reading: Reading
    unknown: Unknown
    validation: bool
    dynamic: list[str]


class ScoredText(NamedTuple):
    """A text, and what the models made of it."""

    text: str  # its name
    protocol: str
    tokenizer: Tokenizer
    ids: NDArray[np.integer]  # (N,) as read; of records, an end before and after each
    nats: Surprisals  # (N-1,), or those of random windows
    score: Score
    reverse: bool  # whether it was read from end to beginning

    def characters(self, *, predicted: bool = False) -> Iterator[tuple[str, float]]:
        """The characters in the order of the text, and what each cost in nats.

        Args:
            predicted: whether to leave out one of which nothing was predicted.
        """
        import numpy as np

        from charrnn.scoring.score import by_character

        costs = np.concatenate([np.zeros(1, np.float32), self.nats])
        order = np.arange(len(self.ids))[:: -1 if self.reverse else 1]
        if predicted and not (self.tokenizer.unit == "byte" and 0x80 <= self.ids[0] <= 0xFF):
            order = order[order > 0]
        return by_character(self.tokenizer, self.ids[order], costs[order])


def scored(asked: Asked, config: EvalConfig) -> ScoredText:
    """Score a text.

    Raises:
        CharRNNError: if the models or the text can't be read, or don't go together.
    """
    from charrnn.text.origin import working_folder

    working_folder()
    from tqdm import tqdm

    from charrnn.evaluation import losses
    from charrnn.evaluation.surprisals import targets, text_score
    from charrnn.folder.reading import find_model, read_record
    from charrnn.text.records import Records

    losses.refuse_unused_settings(config, dynamic=bool(asked.dynamic))
    folders = [find_model(model) for model in asked.models]
    networks, tokenizer, reverse, _ = losses.load_networks(folders)
    if tokenizer.end is not None:
        losses.refuse_for_records(config, dynamic=bool(asked.dynamic))
    records = [read_record(folder) for folder in folders]
    asked = asked._replace(reading=asked.reading.for_tokens(tokenizer.unit))
    text: EncodedText
    said: set[str] = set()
    if tokenizer.end is None:
        name, text = _story(asked, tokenizer, reverse, records, said)
    else:
        name, text = _records(asked, tokenizer, records)
    training_ids = None
    if asked.dynamic:
        training_ids = _training_ids(asked, tokenizer, reverse, records, said)
    is_list = isinstance(text, Records)
    total = len(networks) * len(targets(text, config))
    with tqdm(total=total, unit=f" {tokenizer.loss_per}s", leave=False, disable=None) as bar:
        nats = losses.mixed_surprisals(networks, text, config, training_ids, bar.update)
    score = text_score(nats, text, config, tokenizer)
    protocol = str(config.protocol or ("records" if is_list else "carried"))
    if protocol == "windows":
        number = config.random_windows
        windows = "windows" if number is None else counted(number, "random window")
        protocol = f"{windows} of {config.window}"
    protocol += ", dynamic" * bool(asked.dynamic)
    ids = text.written() if isinstance(text, Records) else text
    return ScoredText(name, protocol, tokenizer, ids, nats, score, reverse)


def _story(
    asked: Asked,
    tokenizer: Tokenizer,
    reverse: bool,
    records: list[ModelRecord],
    said: set[str],
) -> tuple[str, Ids]:
    """The name of a text, and its ids (N,) as they are read, or those that were for validation.

    Adds to `said` what it says of the text.
    """
    from charrnn.text.corpus import read_corpus
    from charrnn.text.prepared import as_read

    corpus = read_corpus(asked.sources, asked.reading)
    say_new(corpus.notes, said)
    # Of another text, it is no help that it has characters that the models don't know.
    trained = _trained(asked, records, corpus.sha256, "text", corpus.name)
    ids = as_read(tokenizer.encode(corpus.text, asked.unknown), reverse)
    if asked.unknown != "error":
        say_changed(asked.unknown, *tokenizer.count_unknown([corpus.text]))
    if trained:
        ids = ids[the_one({one.training_tokens(len(ids)) for one in trained}, corpus.name) :]
    if asked.reading.records not in ("auto", "none"):
        raise UsageError("the model was not trained on records", "leave --records out")
    return corpus.name, ids


def _trained(
    asked: Asked, records: list[ModelRecord], sha256: str, kind: str, name: str
) -> list[TrainConfig]:
    """How models were trained on a text, if the part is wanted that they kept; see `trained_on`."""
    if not asked.validation:
        return []
    refuse_own_set(records, name)
    return trained_on(records, sha256, kind, name)


def _records(asked: Asked, tokenizer: Tokenizer, records: list[ModelRecord]) -> tuple[str, Records]:
    """The name of a list, and its records or those that were for validation."""
    from charrnn.folder.record import reading_for
    from charrnn.text.division import DOCUMENTS
    from charrnn.text.records import Records
    from charrnn.text.spool import Spool

    as_trained = reading_for(records[0], asked.reading)
    reading = msgspec.structs.replace(asked.reading, reverse=as_trained.reverse)
    if reading.records == "auto":
        reading = as_trained
    with closing(Spool(asked.sources, reading)) as spool:
        if spool.division.end is None:
            raise UsageError("a model of records reads no story", "leave --records out")
        if asked.reading.records != "auto":
            spool.refuse_undivided()
        say(*spool.notes)
        trained = _trained(asked, records, spool.sha256, "list", spool.name)
        text = spool.encoded(tokenizer, asked.unknown)
        if asked.unknown != "error":
            counts = [(0, 0), *map(tokenizer.count_unknown, spool.records())]
            say_changed(asked.unknown, *map(sum, zip(*counts, strict=True)))
    assert isinstance(text, Records)
    if reading.records == DOCUMENTS and text.count == 1:
        say(
            f"{spool.name} is scored as one record, as a row or a file is one; "
            "--records lines or --records blocks divides it"
        )
    if trained:
        parts = {(one.training_tokens(text.distinct), one.seed) for one in trained}
        seeds = {seed for _, seed in parts}
        why = ", which the --seed of the training chooses" if len(seeds) > 1 else ""
        text = text.split(*the_one(parts, spool.name, why))[1]
    return spool.name, text


def _training_ids(
    asked: Asked,
    tokenizer: Tokenizer,
    reverse: bool,
    records: list[ModelRecord],
    said: set[str],
) -> Ids:
    """What the models were trained on, as they read it, to adapt from.

    Says of it what is not yet `said`.
    """
    from charrnn.text.corpus import read_corpus
    from charrnn.text.prepared import as_read

    known = read_corpus(asked.dynamic, asked.reading)
    say_new(known.notes, said)
    ids = as_read(tokenizer.encode(known.text, "skip"), reverse)
    counts = {  # of a text that a model was not trained on, all counts
        record.training_tokens(len(ids))
        if record.corpus and record.corpus.sha256 == known.sha256
        else len(ids)
        for record in records
    }
    return ids[: the_one(counts, known.name)]
