"""An earlier run, as its folder tells of it: what it read, and how to make it again.

folder ──repeated──▶ NewRun
"""

from __future__ import annotations

from collections.abc import Sequence
from contextlib import closing
from pathlib import Path

from charrnn.config import Budget, Reading
from charrnn.errors import MissingInputError, UsageError
from charrnn.folder.record import (
    CorpusRecord,
    ModelFolder,
    ModelRecord,
    find_model,
    read_model,
    read_record,
    reading_for,
)
from charrnn.folder.resuming import RunProgress, read_run
from charrnn.learning import clock
from charrnn.text.corpus import Corpus
from charrnn.text.origin import Origin, origin_of
from charrnn.text.spool import Spool
from charrnn.training.dividing import divided
from charrnn.training.planning import Plan
from charrnn.training.starting import NewRun

__all__ = ["corpus_record", "refuse_another", "repeated", "text_of"]

Sources = Sequence[str | Path] | Corpus


def repeated(
    folder: Path, sources: Sources | None, out: Path | None, init_from: str | Path | None
) -> NewRun:
    """A new run that does what an earlier one did, update for update.

    Args:
        folder: of the earlier run.
        sources: its text; None for where it was.
        out: the folder of the new run; None for a new one in `checkpoints/`.
        init_from: the model whose weights it started from, if it did.

    Raises:
        CharRNNError: if there is no such run, or the text or the other model are not the same.
    """
    begin = clock.now()
    record, tokenizer = read_record(folder)
    config = record.training
    if config is None:
        raise UsageError(f"{folder} was not trained by charrnn", "name a model that was")
    base_model = _base_model(folder, config.base_weights, init_from)
    reading = Reading().for_tokens(tokenizer.unit)
    try:
        progress = read_run(folder).progress
        sources, reading = sources or text_of(progress), progress.reading
    except MissingInputError:
        if sources is None:
            raise MissingInputError(
                f"{folder} does not say where its text was", "name the text as well"
            ) from None
    origin = origin_of(sources, reading)
    with closing(Spool(sources, reading_for(record, reading))) as spool:
        refuse_another(spool, record, folder)
        text = spool.text(tokenizer)
    train_text, val_text = divided(text, config)
    tokens = config.batch_size * config.seq_length
    return NewRun(
        text=text,
        tokenizer=tokenizer,
        corpus=corpus_record(spool),
        origin=origin,
        plan=Plan(
            model=record.model,
            settings={},
            train_tokens=train_text.size,
            val_tokens=val_text.size,
            reasons=f"the {config.steps:,} updates of {folder}, as they were planned and corrected",
            notes=(),
            tokens_per_step=tokens,
            steps_per_epoch=max(1, train_text.size // tokens),
        ),
        budget=Budget(steps=config.steps),
        base_model=base_model,
        folder=out,
        notes=spool.notes,
        seconds=clock.now() - begin,
        repeated=config,
    )


def _base_model(
    folder: Path, wanted: str | None, init_from: str | Path | None
) -> ModelFolder | None:
    """The model whose weights a run started from, found to be that one."""
    if wanted is None:
        if init_from is not None:
            raise UsageError(
                f"{folder} did not start from another model's weights", "leave out --init-from"
            )
        return None
    found = f"{folder} started from the weights of another model"
    if init_from is not None:
        base_model = read_model(find_model(init_from))
        if base_model.fingerprint == wanted:
            return base_model
        found = f"{folder} did not start from the weights that {init_from} has now"
    raise UsageError(
        found,
        "name the model that it started from, as it was then, with --init-from",
    )


def corpus_record(spool: Spool) -> CorpusRecord:
    """What a model folder keeps of a text."""
    return CorpusRecord(
        name=spool.name,
        characters=spool.length,
        sha256=spool.sha256,
        records=spool.division.kind,
        record_count=spool.record_count,
    )


def text_of(progress: RunProgress) -> Sources:
    """Where a run has read its text.

    Raises:
        UsageError: if that can't be read again.
    """
    if Origin(progress.sources, progress.reading).is_gone:
        raise UsageError(
            "the run read its text from standard input, which is no longer there",
            "name a file with its text",
        )
    return progress.sources


def refuse_another(spool: Spool, record: ModelRecord, folder: Path) -> None:
    """See that a text is the one that a run was trained on.

    Raises:
        UsageError: if it is not; says how they differ.
    """
    before = record.corpus
    if before is None or before.sha256 == spool.sha256:
        return
    raise UsageError(
        f"the corpus is not the one that {folder} was trained on: it has {spool.length:,} "
        f"characters (SHA-256 {spool.sha256[:12]}…), the earlier one {before.characters:,} "
        f"({before.sha256[:12]}…)",
        "give the same text, or start a new run from these weights with --init-from",
    )
