"""What comes before the loop: a new run or a stopped one, prepared and then started.

    Data, Plan ──▶ NewRun ──start──▶ events
    folder, Data ──▶ StoppedRun ──start──▶ events

Preparing reads the text, settles every choice and finds the user's mistakes; it writes nothing to
the model folder. Starting makes the folder and locks it.
"""

from __future__ import annotations

import os
import unicodedata
from collections.abc import Generator, Iterator, Sequence
from contextlib import contextmanager, suppress
from dataclasses import dataclass
from pathlib import Path

import msgspec
import regex
import torch

import charrnn
from charrnn.cells.heads import shapes_of
from charrnn.cells.layout import parameter_count
from charrnn.checkpoints import CHECKPOINTS
from charrnn.config import STANDARD_INPUT, Budget, ModelConfig, TrainConfig
from charrnn.errors import CannotCreateError
from charrnn.folder import card
from charrnn.folder.files import cannot_create, create_folder, refuse_occupied, sweep
from charrnn.folder.locking import FolderLock, locked
from charrnn.folder.place import Place
from charrnn.folder.record import (
    FORMAT_VERSION,
    TASK_FORMAT_VERSION,
    CorpusRecord,
    ModelFolder,
    ModelRecord,
    distinct,
)
from charrnn.folder.resuming import RunProgress, places_of, read_run
from charrnn.learning.hardware import clock
from charrnn.learning.hardware.ranks import Ranks, Start, processes
from charrnn.learning.learner import Learner
from charrnn.objectives.plans.plan import SCORING_COST, Plan, schedule
from charrnn.objectives.request import Data
from charrnn.task_config import TaskRecord
from charrnn.text.corpus import short_name
from charrnn.text.origin import Origin, Where
from charrnn.training.beginning.moved import moved
from charrnn.training.events import Event, Started
from charrnn.training.loop import is_over, loop, report
from charrnn.training.memory import memory_errors
from charrnn.training.pace.deadline import Deadline
from charrnn.training.pace.pacing import Counted, count_steps, report_seconds
from charrnn.training.pace.trial import with_fastest_engine
from charrnn.training.recorder import Recorder
from charrnn.training.saver import Saver
from charrnn.words import as_argument

__all__ = ["NewRun", "StoppedRun", "deadline_of"]


@dataclass(frozen=True)
class NewRun:
    """A run that is prepared and has not begun.

    Attributes:
        data: what is learnt from.
        origin: where it was read.
        model: the shape of the network.
        settled: what was chosen, or the settings of the run that is made again.
        reasons: one line that says why.
        budget: how long to train.
        bases: the models whose weights the run starts from, if any.
        place: where the model will be; None for a new folder in `checkpoints/`.
        notes: what was changed in the text or the settings, for the user to know.
        seconds: that preparing took.
    """

    data: Data
    origin: Origin
    model: ModelConfig
    settled: Plan | TrainConfig
    reasons: str
    budget: Budget
    bases: Sequence[ModelFolder]
    place: Place | None
    notes: tuple[str, ...]
    seconds: float

    @property
    def facts(self) -> dict[str, str]:
        """What it is, for people: label to value."""
        return _facts(self.data, self.model, {"settings": self.reasons})

    @property
    def _name(self) -> str:
        """Of the folder, if the user gives none: that of the first source alone."""
        first, *others = self.origin.sources
        if first == STANDARD_INPUT and not others:  # or a text that the caller has named
            return self.data.corpus.name
        return short_name(first)

    @property
    def _config(self) -> TrainConfig:
        """The settings of training; of a new run, as if it had one update."""
        return self.settled if isinstance(self.settled, TrainConfig) else schedule(self.settled, 1)

    @property
    def _corpus(self) -> CorpusRecord:
        """What is learnt from, after all that the bases have learnt from."""
        texts = distinct(text for base in self.bases for text in base.record.texts)
        unknown = any(b.record.corpus is None or b.record.lacks_bases for b in self.bases)
        return msgspec.structs.replace(self.data.corpus, bases=texts, bases_unknown=unknown)

    @property
    def _before(self) -> dict[str, Where]:
        """Where the bases have read their texts."""
        found = dict[str, Where]()
        for base in self.bases:
            found |= places_of(base.path, base.record)
        return found

    @property
    def _is_settled(self) -> bool:
        """Whether its settings can't be changed: it makes an earlier run again."""
        return isinstance(self.settled, TrainConfig)

    @property
    def batch_size(self) -> int:
        """How many rows an update reads."""
        return self._config.batch_size

    def start(self) -> Generator[Event]:
        """Make the folder and train.

        Raises:
            CannotCreateError: if the folder can't be made, or is not empty.
            CharRNNError: as `loop`.
        """
        begin = clock.now() - self.seconds
        is_new = self.place is None or not self.place.path.exists()
        place = self.place or _unused_place(self._name)
        try:
            create_folder(place.path)
            with _locked(place.path, is_settled=self._is_settled) as lock:
                yield from self._events(place, begin, lock)
        finally:  # nothing may have been saved, for whatever reason
            if is_new:
                with suppress(OSError):
                    place.path.rmdir()  # fails if there is anything in it

    def _events(self, place: Place, begin: float, lock: FolderLock) -> Iterator[Event]:
        refuse_occupied(place.path)  # by another run, before this one had the lock
        ranks = _begin(place, self.data, is_settled=self._is_settled)
        # How examples are divided does not depend on the number of updates.
        config = self._config
        reasons = self.reasons
        counted = Counted(config)
        task = self.data.task(config)
        if isinstance(self.settled, Plan):
            plan = with_fastest_engine(self.settled, self.budget, task, ranks.count)
            own = self.data.corpus.validation is not None
            counted = count_steps(plan, self.budget, task, begin, ranks, own_validation=own)
            config, reasons = counted.config, plan.reasons
        learner = Learner(task, self.model, config, ranks)
        # What was chosen here is kept, so that a resumed run computes in the same precision; and
        # what has replaced an engine of the run that is made again.
        base = "+".join(base.fingerprint for base in self.bases) or None
        config = msgspec.structs.replace(
            config, engine=learner.engine, precision=learner.precision, base_weights=base
        )
        learner.configure(config)
        notes = self.notes + counted.notes
        if self.bases:
            notes += (self.data.start_from(learner.network, self.bases),)
        record = ModelRecord(
            format_version=FORMAT_VERSION if task.task_record is None else TASK_FORMAT_VERSION,
            charrnn_version=charrnn.__version__,
            torch_version=str(torch.__version__),
            model=self.model,
            training=config,
            corpus=self._corpus,
            task=task.task_record,
        )
        minutes, kind = self.budget.kept_minutes, self.budget.kind
        watch = clock.Stopwatch(clock.now() - begin)
        origin = self.origin._replace(before=self._before)
        recorder = Recorder(place, record, task, origin, Saver(lock), watch, minutes, kind)
        recorder.save(learner)
        if ranks.leads:  # all start from its weights, drawn here or another model's
            learner.restore(learner.tensors(), recorder.progress(learner))
        learner.prepare()
        yield _started(learner, recorder, self.origin, notes, reasons)
        yield from loop(learner, recorder, deadline_of(learner, recorder, counted))


@dataclass(frozen=True)
class StoppedRun:
    """A run that was stopped and is about to go on.

    Attributes:
        data: what is learnt from.
        origin: where it was read now.
        place: of the model folder.
        model, config: the settings of the network, and of its training.
        progress: how far it has come.
        notes: what was changed in the text, for the user to know.
    """

    data: Data
    origin: Origin
    place: Place
    model: ModelConfig
    config: TrainConfig
    progress: RunProgress
    notes: tuple[str, ...]

    @property
    def batch_size(self) -> int:
        """How many rows an update reads."""
        return self.config.batch_size

    @property
    def facts(self) -> dict[str, str]:
        """What it is, for people: label to value."""
        return _facts(self.data, self.model, {"cell": card.network(self.model)})

    def start(self) -> Generator[Event]:
        """Go on training.

        Raises:
            LockedError: if another process trains there.
            CharRNNError: as `loop`.
        """
        with _locked(self.place.path, is_settled=True) as lock:
            yield from self._events(lock)

    def _events(self, lock: FolderLock) -> Iterator[Event]:
        run = read_run(self.place.path)  # as it is now that no other run can go on with it
        here = moved(run.record, run.progress)
        config = here.config
        ranks = _begin(self.place, self.data, is_settled=True)
        task = self.data.task(config)
        learner = Learner(task, run.record.model, config, ranks)
        learner.restore(run.tensors, run.progress)
        # Where the text was before may be still there.
        before = run.progress.origin
        origin = self.origin._replace(before=before.before)
        if origin.is_gone:
            origin = origin._replace(sources=before.sources)
        if origin.validation_is_gone:
            origin = origin._replace(validation=before.validation)
        recorder = Recorder(self.place, run.record, task, origin, Saver(lock))
        recorder.restore(run)
        recorder.moved |= bool(here.notes) or learner.engine != config.engine
        learner.prepare()
        summary = f"resumed after {run.progress.step:,} of {config.steps:,} updates"
        yield _started(learner, recorder, self.origin, self.notes, summary)
        if is_over(learner, recorder) and not recorder.is_due(learner):
            advice = _over(self.place, self.data.task_record)
            yield from report(learner, recorder, None, advice)
            return
        if here.notes or config != run.config:
            recorder.keep_settings(learner)
        yield from loop(learner, recorder, deadline_of(learner, recorder))


def _over(place: Place, task: TaskRecord | None) -> str:
    """What to do after a run that had nothing left to do; only a language model starts others."""
    advice = "this run was over before, so nothing was trained; for a better model train anew"
    if task is not None:
        return f"{advice} for longer"
    start = f"--init-from {as_argument(place.shown)}"
    return f"{advice} for longer, or start from its weights with {start}"


def _facts(data: Data, model: ModelConfig, how: dict[str, str]) -> dict[str, str]:
    """What is learnt, how, and by how many numbers: label to value."""
    parameters = parameter_count(shapes_of(model, data.task_record))
    return card.corpus(data.corpus, data.task_record) | how | {"parameters": f"{parameters:,}"}


def _begin(place: Place, data: Data, *, is_settled: bool) -> Ranks:
    """The processes of this run, told that it begins."""
    ranks, threads = processes(), torch.get_num_threads()
    ranks.tell(Start(str(place.shown), data.corpus.fingerprint, threads, is_settled))
    return ranks


def deadline_of(
    learner: Learner, recorder: Recorder, counted: Counted | None = None
) -> Deadline | None:
    """When the run should end; None if its number of updates is given.

    Args:
        learner, recorder: of the run.
        counted: how its updates were counted; None if that was before it was stopped.
    """
    if recorder.minutes is None:
        return None
    batches, task = learner.batches, learner.task
    max_steps = task.max_epochs * batches.steps_per_epoch
    seconds = 60 * recorder.minutes
    if counted is not None and counted.evaluation_in_updates:
        in_updates, closing = counted.evaluation_in_updates, counted.closing
    else:
        in_updates = SCORING_COST * task.val_tokens / batches.tokens_per_step
        update = learner.seconds / max(learner.step, 1)
        closing = report_seconds(task, in_updates * update, seconds)
    passed = recorder.watch.read()
    return Deadline(seconds, max_steps, in_updates, learner.step, passed, closing)


def _started(
    learner: Learner, recorder: Recorder, read: Origin, notes: tuple[str, ...], summary: str
) -> Started:
    text = f"{read.words} " if read.is_gone else ""
    held = f" {read.validation_words}" if read.validation_is_gone else ""
    return Started(
        folder=recorder.place.shown,
        path=recorder.place.path,
        notes=notes + learner.notes,
        summary=summary,
        model=recorder.record.model,
        training=learner.config,
        parameters=learner.network.num_parameters,
        unit=recorder.task.unit,
        device=learner.device.type,
        precision=learner.precision,
        processes=learner.ranks.count,
        epochs=learner.config.steps / learner.batches.steps_per_epoch,
        step=learner.step,
        resumed_by=f"charrnn train {text}--resume {as_argument(recorder.place.shown)}{held}",
    )


@contextmanager
def _locked(path: Path, *, is_settled: bool) -> Iterator[FolderLock]:
    """The lock of a folder, which is freed of what a killed run has left; see `memory_errors`."""
    with locked(path) as lock, memory_errors(path, is_settled=is_settled):
        sweep(path)
        yield lock


def _unused_place(corpus: str) -> Place:
    """A new folder in `checkpoints/`, named after the corpus."""
    # `regex` takes vowel signs for parts of words, which `re` does not.
    words = regex.sub(r"[^\w\p{N}.-]+", "-", unicodedata.normalize("NFC", corpus))
    stem = words.strip("-.") or "model"
    home = Place.of(CHECKPOINTS).path
    name = stem
    number = 1
    try:
        home.mkdir(exist_ok=True)
        while os.path.lexists(home / name):  # a link to nothing, too
            number += 1
            name = f"{stem}-{number}"
        (home / name).mkdir()
    except FileExistsError:
        if not home.is_dir():
            raise CannotCreateError(f"{CHECKPOINTS} is not a folder", "use --out") from None
        return _unused_place(corpus)  # another run has just made that one
    except OSError as error:
        raise cannot_create(CHECKPOINTS / name, error) from None
    return Place(home / name, CHECKPOINTS / name)
