"""All that a run needs to go on as if it had never been stopped, in one file.

    resume/state.safetensors    weights, optimizer, hidden state, best weights; progress

The positions of the lanes and the dropout masks follow from the seed and the number of the update,
so no random generator is saved. A single file that is renamed into place is always complete.
"""

from __future__ import annotations

from contextlib import suppress
from pathlib import Path
from typing import Annotated

import msgspec
import safetensors.numpy
from msgspec import Meta

from charrnn.arrays import Weights
from charrnn.cells.heads import shapes_of
from charrnn.cells.layout import is_hidden
from charrnn.cells.rules import CELLS
from charrnn.checkpoints import STATE
from charrnn.config import BudgetName, DeviceName, Reading, Size, TrainConfig
from charrnn.errors import BadDataError, MissingInputError, ReadWriteError, UsageError
from charrnn.folder.files import reread_during_saves
from charrnn.folder.reading import can_start_others, read_record, read_tokenizer, saved_step
from charrnn.folder.record import Evaluation, ModelRecord
from charrnn.folder.tensors import checked_metadata, read_tensors
from charrnn.folder.untrusted import damaged, parse
from charrnn.settings import Settings
from charrnn.text.origin import Origin, Where
from charrnn.text.tokenizer import Tokenizer

__all__ = [
    "READING_RULES",
    "ReadingRecord",
    "RunProgress",
    "RunState",
    "origin_of_run",
    "places_of",
    "read_progress",
    "read_run",
    "state_file",
]


READING_RULES = 4  # by which files become text


class ReadingRecord(Reading, frozen=True):
    """How a run read its text.

    Attributes:
        rules: version of how files became text. All are read by the present rules; a file that
            these read otherwise is another corpus.
    """

    rules: Annotated[int, Meta(ge=1, le=READING_RULES)] = 1


class RunProgress(Settings, frozen=True, kw_only=True):
    """How far a run has come: the part of its state that is not arrays.

    Attributes:
        step: updates made.
        skipped: updates left out because a gradient was not finite: in all, and the last in a row.
        loss_count: over how much the losses since the last evaluation have been added up: updates
            of a language model, of which one whose batch was half empty counts as half; what
            other tasks predicted in them. In older runs each update is one.
        training_seconds: time spent in updates alone.
        seconds: as in `Evaluation`.
        stale: evaluations since the best one.
        best: the best evaluation; None before the first.
        metrics: all evaluations.
        sources, reading: where the corpus was read, and how.
        validation: where the user's own validation set was read; empty without one.
        before: as in `Origin`.
        minutes: those that the run keeps to; None if its number of updates was given.
        budget: what the run was given, which makes another one longer; None in older runs.
        processes: how many shared the latest updates.
        device: what computed the latest updates; None in older runs, which did not say.
        threads: in how many of PyTorch's the processor could compute these, before any were left to
            other programs; likewise.
        moved: whether it has gone on where numbers are rounded otherwise than where it began.
    """

    step: int
    skipped: tuple[int, int]
    loss_count: float
    training_seconds: float
    seconds: float
    stale: int
    best: Evaluation | None
    metrics: tuple[Evaluation, ...]
    sources: tuple[str, ...]
    reading: ReadingRecord
    minutes: Annotated[float, Meta(gt=0)] | None = None
    budget: BudgetName | None = None
    processes: Annotated[int, Meta(ge=1)] = 1
    device: DeviceName | None = None
    threads: Size | None = None
    moved: bool = False
    validation: tuple[str, ...] = ()
    before: dict[str, Where] = msgspec.field(default_factory=dict)

    @property
    def origin(self) -> Origin:
        """Where the corpus was read, and how."""
        reading = msgspec.convert(self.reading, Reading, from_attributes=True)
        return Origin(self.sources, reading, self.validation, self.before)


class RunState(msgspec.Struct, frozen=True):
    """The saved state of a run.

    Attributes:
        record: `config.json`.
        tokenizer: `tokenizer.json`.
        progress: how far it has come.
        tensors: the arrays of `Learner.tensors`.
        best_weights: those of the best evaluation; None before the first.
        saved_step: the update after which the weights in the folder were saved; None without any.
    """

    record: ModelRecord
    tokenizer: Tokenizer
    progress: RunProgress
    tensors: Weights
    best_weights: Weights | None
    saved_step: int | None

    @property
    def config(self) -> TrainConfig:
        """How it is trained."""
        assert self.record.training is not None, "what can be resumed was trained"
        return self.record.training


def state_file(tensors: Weights, best: Weights | None, progress: RunProgress) -> bytes:
    """The content of `STATE`."""
    arrays = tensors | {f"best.{name}": array for name, array in (best or {}).items()}
    text = msgspec.json.encode(progress).decode()
    return safetensors.numpy.save(arrays, metadata={"progress": text})


@reread_during_saves
def read_run(path: Path) -> RunState:
    """The state of the run whose folder is at `path`; it may save there at the same time.

    Raises:
        MissingInputError: if there is none.
        UsageError: if the model was not trained by charrnn.
        BadDataError: if the state is damaged or of another model.
    """
    record = read_record(path)
    tokenizer = read_tokenizer(path, record)
    progress, config = _checked_progress(path, record)
    shapes = _shapes(record, config, progress.best is not None)
    arrays, _ = read_tensors(path / STATE, shapes)
    best = {name[5:]: array for name, array in arrays.items() if name.startswith("best.")}
    tensors = {name: array for name, array in arrays.items() if not name.startswith("best.")}
    return RunState(record, tokenizer, progress, tensors, best or None, saved_step(path))


@reread_during_saves
def read_progress(path: Path) -> tuple[RunProgress, TrainConfig]:
    """How far the run whose folder is at `path` has come, and how it is trained.

    Its arrays, which may be large, are not read.

    Raises:
        CharRNNError: as `read_run`.
    """
    return _checked_progress(path, read_record(path))


def origin_of_run(path: Path) -> Origin | None:
    """Where the text of the model at `path` was read; None if its folder does not tell."""
    try:
        return _progress(path).origin
    except FileNotFoundError:
        return None


def places_of(path: Path, record: ModelRecord) -> dict[str, Where]:
    """Where the texts of the model at `path` were read, by fingerprint, as far as it tells."""
    origin = None
    with suppress(BadDataError, ReadWriteError):  # it can be used whatever its run's state is like
        origin = origin_of_run(path)
    if origin is None:
        return {}
    found = dict(origin.before)
    if record.corpus is not None and not origin.is_gone:
        found[record.corpus.sha256] = (origin.sources, origin.reading)
    return found


def _checked_progress(path: Path, record: ModelRecord) -> tuple[RunProgress, TrainConfig]:
    """How far the run whose folder is at `path` has come, and how it is trained.

    Raises:
        MissingInputError: if the folder does not say.
        UsageError: if the model was not trained by charrnn.
        BadDataError: if the state is damaged.
    """
    config = record.training
    if config is None:
        raise UsageError(f"{path} was not trained by charrnn", "start from it with --init-from")
    try:
        progress = _progress(path)
    except FileNotFoundError:
        advice = "start anew with another --name or --out"
        if can_start_others(path, record):
            advice += ", or start from its weights with --init-from"
        raise MissingInputError(f"{path} holds no state to resume from", advice) from None
    if not 0 <= progress.step <= config.steps:
        raise damaged(path / STATE, f"update {progress.step} of {config.steps}")
    return progress, config


@reread_during_saves
def _progress(path: Path) -> RunProgress:
    text = checked_metadata(path, STATE).get("progress", "")
    progress: RunProgress = parse(path / STATE, text.encode(), RunProgress)
    return progress


def _shapes(record: ModelRecord, config: TrainConfig, best: bool) -> dict[str, tuple[int, ...]]:
    model = record.model
    weights = shapes_of(model, record.task)
    kinds = ("network", "mean", "square", *(["best"] if best else []))
    shapes = {f"{kind}.{name}": shape for kind in kinds for name, shape in weights.items()}
    if config.optimizer == "muon":
        shapes = {n: s for n, s in shapes.items() if not (n.startswith("square.") and is_hidden(n))}
    for part in CELLS[model.cell].state if record.task is None else ():
        shapes[f"state.{part}"] = (model.num_layers, config.batch_size, model.hidden_size)
    return shapes | dict.fromkeys(("updates", "loss_sum", "grad_norm"), (1,))
