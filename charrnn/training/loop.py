"""Training: one visible loop that yields events.

    for event in train("corpus.txt", minutes=3): ...
    for event in resume("checkpoints/corpus"): ...

Breaking out of the loop stops training and saves what has been learnt.
"""

from __future__ import annotations

import os
import re
import time
from collections.abc import Generator, Iterator, Sequence
from contextlib import closing, contextmanager, suppress
from pathlib import Path
from typing import Any, Literal

import msgspec
import numpy as np
import torch
from numpy.typing import NDArray

import charrnn
from charrnn.arrays import Ids
from charrnn.config import ModelConfig, TrainConfig, check, takes
from charrnn.errors import CharRNNError, UsageError
from charrnn.folder.files import create_folder, refuse_occupied, sweep
from charrnn.folder.locking import held
from charrnn.folder.record import (
    CHECKPOINTS,
    CorpusRecord,
    ModelFolder,
    ModelRecord,
    find_model,
    read_model,
)
from charrnn.folder.resuming import read_run
from charrnn.text.corpus import Corpus
from charrnn.text.decoding import Reading
from charrnn.text.spool import Spool
from charrnn.text.tokenizer import Tokenizer, make_tokenizer
from charrnn.training import planning, transfer
from charrnn.training.events import Evaluated, Event, Progress, Started
from charrnn.training.learner import Learner, choose_device, choose_precision, speed
from charrnn.training.pacing import count_steps
from charrnn.training.planning import Budget, Plan
from charrnn.training.recorder import Keeper

__all__ = ["resume", "train"]

REPORT_SECONDS = 0.25  # between two Progress events


@takes(ModelConfig, TrainConfig)
def train(
    sources: str | Path | Sequence[str | Path] | Corpus,
    *,
    out: str | Path | None = None,
    name: str | None = None,
    minutes: float | None = None,
    epochs: float | None = None,
    steps: int | None = None,
    init_from: str | Path | None = None,
    tokenizer: Literal["char", "byte"] = "char",
    reading: Reading | None = None,
    **settings: Any,
) -> Iterator[Event]:
    """Train a language model of a text and write it to a model folder.

    Args:
        sources: what `read_corpus` takes, or a corpus already read.
        out: the model folder to make; by default one in `checkpoints/`.
        name: the name of that one; by default the corpus's, made unique.
        minutes, epochs, steps: the budget; see `planning.Budget`.
        init_from: a model whose weights the run starts from; its vocabulary may grow.
        tokenizer: whether a token is a character or a byte of UTF-8.
        reading: encoding and columns of the sources.
        settings: any of `ModelConfig` and `TrainConfig`; what is left open is chosen from the
            corpus and the budget.

    Yields:
        events: `Started`, then `Progress` and `Evaluated`, at the end `Finished`.

    Raises:
        CharRNNError: at once, of a kind for each mistake (see `read_corpus`, `planning.plan`,
            `create_folder`); while training, if the loss is no longer a number.
    """
    begin = time.perf_counter()
    budget = Budget(minutes, epochs, steps)
    given, origin = _origin(sources, reading or Reading())
    wanted = _wanted_folder(out, name)
    if wanted is not None:
        refuse_occupied(wanted)  # before a long text is read
    settings = {name: value for name, value in settings.items() if value is not None}
    check(TrainConfig, settings)
    source = None if init_from is None else read_model(find_model(init_from))
    if source is not None:
        settings = transfer.same_shape(source, settings)
    with closing(Spool(given, origin[1])) as text:
        tokens = _vocabulary(text, tokenizer, source)
        ids = text.encode(tokens)  # (N,)
    device = choose_device(settings.get("device", "auto"))
    rate = speed(device, choose_precision(settings.get("precision", "auto"), device))
    plan = planning.plan(
        len(ids), tokens.vocab_size, budget, settings, rate, fine_tuning=source is not None
    )
    ours = wanted is None or not wanted.exists()
    path = wanted or _unused_folder(text.name)
    create_folder(path)
    run = _run(text, tokens, ids, plan, budget, origin, source, path, begin)
    return _alone_in(path, run, ours=ours)


def _vocabulary(
    text: Spool, kind: Literal["char", "byte"], source: ModelFolder | None
) -> Tokenizer:
    if len(text.characters) < 2:
        raise planning.too_small("only one distinct character")
    if source is not None:
        return transfer.grown(source, kind, text.characters)
    return make_tokenizer(kind, text.characters)


def _origin(
    sources: str | Path | Sequence[str | Path] | Corpus, reading: Reading
) -> tuple[Sequence[str | Path] | Corpus, tuple[tuple[str, ...], Reading]]:
    """The sources, and where they can be found again."""
    if isinstance(sources, Corpus):
        return sources, (("-",), reading)
    if isinstance(sources, (str, Path)):
        sources = [sources]
    for source in sources:
        try:
            str(source).encode()
        except UnicodeEncodeError:
            raise UsageError(
                f"{source}: its name is not UTF-8, so a run could not tell where to find it again",
                "rename it, or give it as standard input",
            ) from None
    # Names of bundled corpora and of data sets stay as they are; files are found from anywhere.
    places = tuple(os.path.abspath(s) if os.path.exists(s) else str(s) for s in sources)  # noqa: PTH100, PTH110
    return sources, (places, reading)


def _alone_in(path: Path, events: Iterator[Event], *, ours: bool) -> Iterator[Event]:
    """`events`, with the folder locked.

    If they end, in whatever way, before anything is saved, a folder that is ours goes too.
    """
    try:
        with held(path), _memory():
            sweep(path)
            yield from events
    finally:
        if ours:
            with suppress(OSError):
                path.rmdir()  # fails if there is anything in it


@contextmanager
def _memory() -> Iterator[None]:
    """Tell what to do when there is not enough memory.

    Raises:
        CharRNNError: in place of what PyTorch or Python says then.
    """
    try:
        yield
    except (MemoryError, RuntimeError) as error:
        told = isinstance(error, (MemoryError, torch.OutOfMemoryError))
        if not told and "allocate memory" not in str(error):
            raise
        raise CharRNNError(
            "there is not enough memory",
            "choose a smaller --batch-size, --seq-length or --rnn-size; what was saved is there",
        ) from None


def _wanted_folder(out: str | Path | None, name: str | None) -> Path | None:
    """The folder that the user wants, if one is named."""
    if out is not None and name is not None:
        raise UsageError("both a name and a folder are given", "give --name or --out")
    if name is not None:
        if Path(name).name != name or name in ("", ".."):
            raise UsageError(f"{name!r} is not a plain name", "use --out for a folder elsewhere")
        return CHECKPOINTS / name
    return None if out is None else Path(out)


def _unused_folder(corpus: str) -> Path:
    """A new folder in `checkpoints/`, named after the corpus."""
    stem = re.sub(r"[^\w.-]+", "-", corpus).strip("-.") or "model"
    path, number = CHECKPOINTS / stem, 1
    while True:
        with suppress(FileExistsError):
            CHECKPOINTS.mkdir(exist_ok=True)
            path.mkdir()
            return path
        number += 1
        path = CHECKPOINTS / f"{stem}-{number}"


def _run(
    text: Spool,
    tokenizer: Tokenizer,
    ids: NDArray[np.integer],
    plan: Plan,
    budget: Budget,
    origin: tuple[tuple[str, ...], Reading],
    source: ModelFolder | None,
    path: Path,
    begin: float,
) -> Iterator[Event]:
    """Set up a new run. See `train`."""
    refuse_occupied(path)  # by another run, before this one had the lock
    train_ids, val_ids = _divided(ids, plan.train_tokens)
    config = planning.schedule(plan, count_steps(plan, budget, train_ids, val_ids, begin))
    learner = Learner(plan.model, config, train_ids)
    # What was chosen here is kept, lest a resumed run computes in other numbers elsewhere.
    config = msgspec.structs.replace(config, precision=learner.precision)
    learner.config = config
    notes = (*text.notes, *plan.notes)
    if source is not None:
        kept, new = transfer.transfer(learner.network, source, tokenizer)
        notes += (f"from {source.path}: {kept} characters kept their rows, {new} are new",)
    record = ModelRecord(
        charrnn_version=charrnn.__version__,
        torch_version=str(torch.__version__),
        model=plan.model,
        training=config,
        corpus=CorpusRecord(name=text.name, characters=text.length, sha256=text.sha256),
    )
    keeper = Keeper(path, record, tokenizer, val_ids, *origin, begin)
    keeper.save(learner)
    yield _started(learner, keeper, notes, plan.reasons)
    yield from _loop(learner, keeper)


def resume(
    model: str | Path, sources: str | Path | Sequence[str | Path] | Corpus | None = None
) -> Iterator[Event]:
    """Go on with a run as if it had never stopped.

    Args:
        model: its folder, or a name in `checkpoints/`.
        sources: the corpus, if it is no longer where it was.

    Yields:
        events: as `train`.

    Raises:
        CharRNNError: at once: if there is no such run, it is damaged, or the corpus is another.
    """
    begin = time.perf_counter()
    path = find_model(model)
    run = read_run(path)
    progress = run.progress
    if sources is None and "-" in progress.sources:
        raise UsageError("the run read standard input, which is gone", "name a file with its text")
    wanted = progress.sources if sources is None else sources
    given, origin = _origin(wanted, progress.reading)
    with closing(Spool(given, progress.reading)) as text:
        _refuse_another(text, run.record, path)
        ids = text.encode(run.tokenizer)  # (N,)
    return _alone_in(path, _resumed(ids, text.notes, origin, path, begin), ours=False)


def _resumed(
    ids: NDArray[np.integer],
    notes: tuple[str, ...],
    origin: tuple[tuple[str, ...], Reading],
    path: Path,
    begin: float,
) -> Iterator[Event]:
    run = read_run(path)  # as it is now that no other run can go on with it
    config = run.record.training
    assert config is not None, "what can be resumed was trained"
    train_ids, val_ids = _divided(ids, len(ids) - round(len(ids) * config.val_frac))
    learner = Learner(run.record.model, config, train_ids)
    learner.restore(run.tensors, run.progress)
    keeper = Keeper(path, run.record, run.tokenizer, val_ids, *origin, begin)
    keeper.restore(run)
    went_on = f"resumed after {learner.step:,} of {config.steps:,} updates"
    yield _started(learner, keeper, notes, went_on)
    yield from _loop(learner, keeper)


def _refuse_another(text: Spool, record: ModelRecord, path: Path) -> None:
    before = record.corpus
    if before is None or before.sha256 == text.sha256:
        return
    raise UsageError(
        f"the corpus is not the one that {path} was trained on: {text.length:,} characters, "
        f"SHA-256 {text.sha256[:12]}…, then {before.characters:,}, {before.sha256[:12]}…",
        "give the same text, or start a new run from these weights with --init-from",
    )


def _divided(ids: NDArray[np.integer], train_tokens: int) -> tuple[NDArray[np.integer], Ids]:
    """The training text, which may be mapped from a file, and the validation text."""
    return ids[:train_tokens], ids[train_tokens:].astype(np.int32)


def _started(learner: Learner, keeper: Keeper, notes: tuple[str, ...], plan: str) -> Started:
    return Started(
        folder=keeper.path,
        notes=notes,
        plan=plan,
        model=keeper.record.model,
        training=learner.config,
        parameters=learner.network.num_parameters,
        device=learner.device.type,
        precision=learner.precision,
    )


def _loop(learner: Learner, keeper: Keeper) -> Iterator[Event]:
    """Update, evaluate and save until the run is over."""
    config = learner.config
    try:
        reported = time.perf_counter()
        while True:
            if keeper.due(learner):
                yield (yield from _told(keeper.evaluate_and_save(learner), learner))
            if learner.step >= config.steps or keeper.stale >= config.patience:
                break
            learner.update()
            keeper.check(learner)
            if time.perf_counter() - reported >= REPORT_SECONDS:
                reported = time.perf_counter()
                yield _progress(learner)
    except GeneratorExit:  # the caller broke out of the loop
        keeper.close(learner)
        raise
    yield keeper.finish(learner)


def _told(
    steps: Generator[None, None, Evaluated], learner: Learner
) -> Generator[Event, None, Evaluated]:
    """An evaluation, with a sign of life now and then, at which the caller may leave."""
    reported = time.perf_counter()
    while True:
        try:
            next(steps)
        except StopIteration as end:
            found: Evaluated = end.value
            return found
        if time.perf_counter() - reported >= REPORT_SECONDS:
            reported = time.perf_counter()
            yield _progress(learner)


def _progress(learner: Learner) -> Progress:
    return Progress(
        step=learner.step,
        train_nats=float(learner.loss),
        tokens_per_second=learner.tokens_per_second,
    )
