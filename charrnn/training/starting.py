"""What comes before the loop: a new run or a stopped one, prepared and then started.

    text ──Spool──▶ ids, records ──plan──▶ NewRun ──start──▶ events
    folder, text ──▶ StoppedRun ──start──▶ events

Preparing reads the text, settles every choice and finds the user's mistakes; it writes nothing to
the model folder. Starting makes the folder and locks it.
"""

from __future__ import annotations

import re
from collections.abc import Generator, Iterator
from contextlib import contextmanager, suppress
from dataclasses import dataclass
from pathlib import Path

import msgspec
import torch

import charrnn
from charrnn.config import Budget, TrainConfig
from charrnn.errors import CannotCreateError, CharRNNError
from charrnn.folder.files import cannot_create, create_folder, refuse_occupied, sweep
from charrnn.folder.locking import locked
from charrnn.folder.record import CHECKPOINTS, CorpusRecord, ModelFolder, ModelRecord
from charrnn.folder.resuming import read_run
from charrnn.learning import transfer
from charrnn.learning.clock import Stopwatch
from charrnn.learning.learner import Learner
from charrnn.text.origin import Origin
from charrnn.text.records import Text
from charrnn.text.tokenizer import Tokenizer
from charrnn.training import planning
from charrnn.training.deadline import Deadline
from charrnn.training.dividing import divided
from charrnn.training.events import Event, Started
from charrnn.training.loop import loop
from charrnn.training.pacing import count_steps
from charrnn.training.planning import Plan
from charrnn.training.recorder import Recorder
from charrnn.training.trial import with_fastest_engine

__all__ = ["NewRun", "StoppedRun"]


@dataclass(frozen=True)
class NewRun:
    """A run that is prepared and has not begun.

    Attributes:
        text: all of it: a story (N,), or records.
        tokenizer: its vocabulary.
        corpus: its name and fingerprint.
        origin: where it was read.
        plan: what was chosen.
        budget: how long to train.
        base_model: the model whose weights the run starts from, if any.
        folder: where the model will be; None for a new folder in `checkpoints/`.
        notes: what was changed in the text or the settings, for the user to know.
        seconds: that preparing took.
        repeated: the settings of the run that is made again, if there is one.
    """

    text: Text
    tokenizer: Tokenizer
    corpus: CorpusRecord
    origin: Origin
    plan: Plan
    budget: Budget
    base_model: ModelFolder | None
    folder: Path | None
    notes: tuple[str, ...]
    seconds: float
    repeated: TrainConfig | None = None

    @property
    def summary(self) -> str:
        """What was chosen and why, in one line."""
        return self.plan.reasons

    def start(self) -> Generator[Event]:
        """Make the folder and train.

        Raises:
            CannotCreateError: if the folder can't be made, or is not empty.
            CharRNNError: as `loop`.
        """
        watch = Stopwatch(self.seconds)
        is_new = self.folder is None or not self.folder.exists()
        path = self.folder or _unused_folder(self.corpus.name)
        create_folder(path)
        yield from _locked_in(path, self._events(path, watch), remove_if_empty=is_new)

    def _events(self, path: Path, watch: Stopwatch) -> Iterator[Event]:
        refuse_occupied(path)  # by another run, before this one had the lock
        # How a text is divided does not depend on the number of updates.
        settings = self.repeated or planning.schedule(self.plan, 1)
        train_text, val_text = divided(self.text, settings)
        plan, config, evaluation = self.plan, self.repeated, 0.0
        if config is None:
            plan = with_fastest_engine(plan, self.budget, train_text)
            steps, evaluation = count_steps(plan, self.budget, train_text, val_text, watch)
            config = planning.schedule(plan, steps)
        learner = Learner(plan.model, config, train_text)
        # What was chosen here is kept, so that a resumed run computes in the same numbers.
        base = self.base_model.fingerprint if self.base_model else None
        config = msgspec.structs.replace(config, precision=learner.precision, base_weights=base)
        learner.config = config
        notes = self.notes
        if self.base_model is not None:
            known, new = transfer.transfer(learner.network, self.base_model, self.tokenizer)
            kept = f"{known} characters keep their embeddings, {new} are new"
            notes += (f"from {self.base_model.path}: {kept}",)
        record = ModelRecord(
            charrnn_version=charrnn.__version__,
            torch_version=str(torch.__version__),
            model=plan.model,
            training=config,
            corpus=self.corpus,
        )
        minutes = None if self.repeated else self.budget.kept_minutes
        recorder = Recorder(path, record, self.tokenizer, val_text, self.origin, watch, minutes)
        recorder.longer = self.budget.option
        recorder.save(learner)
        learner.prepare()
        yield _started(learner, recorder, notes, plan.reasons)
        yield from loop(learner, recorder, _deadline(learner, recorder, evaluation))


@dataclass(frozen=True)
class StoppedRun:
    """A run that was stopped and is about to go on.

    Attributes:
        text: all of it: a story (N,), or records.
        origin: where it was read.
        folder: the model folder.
        step, steps: updates made so far, and in all.
        notes: what was changed in the text, for the user to know.
    """

    text: Text
    origin: Origin
    folder: Path
    step: int
    steps: int
    notes: tuple[str, ...]

    @property
    def summary(self) -> str:
        """Where the run stands, in one line."""
        return f"resumed after {self.step:,} of {self.steps:,} updates"

    def start(self) -> Generator[Event]:
        """Go on training.

        Raises:
            LockedError: if another process trains there.
            CharRNNError: as `loop`.
        """
        yield from _locked_in(self.folder, self._events(), remove_if_empty=False)

    def _events(self) -> Iterator[Event]:
        run = read_run(self.folder)  # as it is now that no other run can go on with it
        config = run.record.training
        assert config is not None, "what can be resumed was trained"
        train_text, val_text = divided(self.text, config)
        learner = Learner(run.record.model, config, train_text)
        learner.restore(run.tensors, run.progress)
        recorder = Recorder(self.folder, run.record, run.tokenizer, val_text, self.origin)
        recorder.restore(run)
        learner.prepare()
        yield _started(learner, recorder, self.notes, self.summary)
        yield from loop(learner, recorder, _deadline(learner, recorder))


def _deadline(learner: Learner, recorder: Recorder, evaluation: float = 0.0) -> Deadline | None:
    """When the run should end; None if its number of updates is given.

    Args:
        learner, recorder: of the run.
        evaluation: about as many updates take as long as an evaluation, if that was measured.
    """
    if recorder.minutes is None:
        return None
    lanes = learner.lanes
    max_steps = planning.max_epochs(learner.text.size) * lanes.steps_per_epoch
    usual = planning.SCORING_COST * recorder.val_text.size / lanes.tokens_per_step
    seconds = 60 * recorder.minutes
    return Deadline(seconds, max_steps, evaluation or usual, learner.step, recorder.watch.read())


def _started(learner: Learner, recorder: Recorder, notes: tuple[str, ...], summary: str) -> Started:
    return Started(
        folder=recorder.path,
        notes=notes if learner.note is None else (*notes, learner.note),
        summary=summary,
        model=recorder.record.model,
        training=learner.config,
        parameters=learner.network.num_parameters,
        unit=recorder.tokenizer.unit,
        device=learner.device.type,
        precision=learner.precision,
    )


def _locked_in(path: Path, events: Iterator[Event], *, remove_if_empty: bool) -> Iterator[Event]:
    """`events`, with the folder locked.

    If they end before anything is saved, for whatever reason, the folder is removed if asked for.
    """
    try:
        with locked(path), _memory_errors():
            sweep(path)
            yield from events
    finally:
        if remove_if_empty:
            with suppress(OSError):
                path.rmdir()  # fails if there is anything in it


@contextmanager
def _memory_errors() -> Iterator[None]:
    """Say what to do when there is not enough memory.

    Raises:
        CharRNNError: in place of what PyTorch or Python raises then.
    """
    try:
        yield
    except (MemoryError, RuntimeError) as error:
        known = isinstance(error, (MemoryError, torch.OutOfMemoryError))
        if not known and "allocate memory" not in str(error):
            raise
        raise CharRNNError(
            "there is not enough memory",
            "choose a smaller --batch-size, --seq-length or --rnn-size; what was saved is there",
        ) from None


def _unused_folder(corpus: str) -> Path:
    """A new folder in `checkpoints/`, named after the corpus."""
    stem = re.sub(r"[^\w.-]+", "-", corpus).strip("-.") or "model"
    path, number = CHECKPOINTS / stem, 1
    try:
        CHECKPOINTS.mkdir(exist_ok=True)
        while path.exists():
            number += 1
            path = CHECKPOINTS / f"{stem}-{number}"
        path.mkdir()
    except FileExistsError:
        if not CHECKPOINTS.is_dir():
            raise CannotCreateError(f"{CHECKPOINTS} is not a folder", "use --out") from None
        return _unused_folder(corpus)  # another run has just made that one
    except OSError as error:
        raise cannot_create(path, error) from None
    return path
