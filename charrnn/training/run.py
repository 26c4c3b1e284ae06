"""The front door of training.

run = train("book.txt", minutes=3)    # prepared; nothing is on the disk yet
for event in run: ...                 # trains; leaving the loop stops and saves
model = run.finish()                  # trains to the end, with a progress bar
"""

from __future__ import annotations

import math
import os
import signal
from collections.abc import Generator, Mapping, Sequence
from contextlib import closing, suppress
from pathlib import Path
from typing import Any, Literal

from charrnn.arguments import checked
from charrnn.checkpoints import CHECKPOINTS
from charrnn.config import (
    Budget,
    ModelConfig,
    Reading,
    TaskSettings,
    TrainConfig,
)
from charrnn.errors import CharRNNError, LockedError, UsageError
from charrnn.folder import notebook
from charrnn.folder.files import refuse_occupied
from charrnn.folder.place import Place
from charrnn.folder.reading import find_model, read_model
from charrnn.folder.record import Evaluation
from charrnn.folder.resuming import RunProgress, read_progress
from charrnn.learning.hardware import clock
from charrnn.learning.hardware.memory import kept_memory
from charrnn.learning.hardware.ranks import Leave, LostError, Ranks, processes
from charrnn.network.modes import in_own_modes, own_modes
from charrnn.objectives.request import Request
from charrnn.settings import check, refuse_unknown, settings_from, settings_of, takes
from charrnn.signals import noted
from charrnn.task_config import Forecast
from charrnn.tasks.loading import load
from charrnn.text.corpus import Corpus, Sources, listed
from charrnn.text.origin import origin_of
from charrnn.training.at_exit import closed_at_exit
from charrnn.training.beginning import earlier
from charrnn.training.beginning.preparing import checked_sources, prepare, wanted_place
from charrnn.training.beginning.starting import NewRun, StoppedRun
from charrnn.training.events import Corrected, Evaluated, Event, Finished, Progress, Started
from charrnn.training.following import follow

__all__ = ["Run", "resume", "train"]

SHOWN = 8  # evaluations


@takes(ModelConfig, TrainConfig, TaskSettings)
@checked
def train(
    sources: str | Path | Sources | None = None,
    *,
    validation: str | Path | Sources | None = None,
    out: str | Path | None = None,
    name: str | None = None,
    minutes: float | None = None,
    epochs: float | None = None,
    steps: int | None = None,
    init_from: str | Path | Sequence[str | Path] | None = None,
    repeat: str | Path | None = None,
    tokenizer: Literal["char", "byte"] = "char",
    reading: Reading | None = None,
    **settings: Any,
) -> Run:
    """Prepare to train a language model on a text, or another model on examples.

    The text is read and everything is chosen here; training begins when the run is iterated over
    or finished.

    Args:
        sources: what `read_corpus` takes, or a corpus already read; for a task, files with
            examples. May be left out where an earlier run is repeated, if its corpus is still
            where it was.
        validation: what is validated on, read as the sources are (a data set `hf://…` from its
            split `validation`); by default a part of the sources. Not to forecast.
        out: the model folder to make; by default one in `checkpoints/`.
        name: the name of that one; by default the corpus's, made unique.
        minutes, epochs, steps: the budget; see `Budget`.
        init_from: a language model whose weights the run starts from; its vocabulary may grow. A
            task takes two, if one of them was trained with `reverse`.
        repeat: an earlier run to make again: its settings and its number of updates, corrected
            when it was. With the same corpus, machine, charrnn, PyTorch, extras and number of
            threads, the weights are the same to the bit. No settings can be given, and `reading`
            only where the folder no longer tells.
        tokenizer: whether a token is a character or a byte of UTF-8.
        reading: encoding and columns of the sources.
        settings: any of `ModelConfig`, `TrainConfig` and `TaskSettings`; what is left open is
            chosen from the corpus and the budget.

    Raises:
        CharRNNError: of a kind for each mistake (see `read_corpus`, `plans.language.plan_of`,
            `files.refuse_occupied`).
    """
    begin = clock.now()
    budget = Budget(minutes=minutes, epochs=epochs, steps=steps)
    place = wanted_place(out, name)
    if place is not None and not processes().follows:  # the first process may have made it by now
        refuse_occupied(place.name)  # before a long text is read
    starts = listed(() if init_from is None else init_from)
    if repeat is not None:
        kind = None if tokenizer == "char" else tokenizer
        limits = {"minutes": minutes, "epochs": epochs, "steps": steps}
        earlier.refuse_settings(settings | limits | {"tokenizer": kind})
        text, held = checked_sources(sources, validation)
        again = earlier.repeated(find_model(repeat), text, held, reading, place, starts)
        return Run(again, text, held)
    if sources is None:
        raise UsageError("no text given", "name a file, a folder or a bundled corpus")
    text, held = checked_sources(sources, validation)
    assert text is not None, "there are sources"
    reading = reading or Reading()
    task_settings, settings = _in_bounds(settings)
    bases = [read_model(find_model(base)) for base in starts]
    request = Request(
        text, reading, task_settings, bases, budget, settings, tokenizer, validation=held
    )
    return Run(_new_run(request, place, begin), text, held)


def _new_run(request: Request, place: Place | None, begin: float) -> NewRun:
    """A run that does what is asked for, read and planned."""
    origin = origin_of(request.sources, request.reading, request.validation)
    data, plan = prepare(request)
    return NewRun(
        data=data,
        origin=origin,
        model=plan.model,
        settled=plan,
        reasons=plan.reasons,
        budget=request.budget,
        bases=request.bases,
        place=place,
        notes=(*data.notes, *plan.notes),
        seconds=clock.now() - begin,
    )


@checked
def resume(
    model: str | Path,
    sources: str | Path | Sources | None = None,
    *,
    validation: str | Path | Sources | None = None,
) -> Run:
    """Prepare to go on with a run as if it had never stopped.

    Args:
        model: its folder, or a name in `checkpoints/`.
        sources, validation: the corpus, and its validation set, if it is no longer where it was.

    Raises:
        CharRNNError: if there is no such run, it is damaged, or the corpus is another.
    """
    text, held = checked_sources(sources, validation)
    return Run(earlier.stopped(Place.of(find_model(model)), text, held), text, held)


class Run:
    """A run of training: prepared, going on, stopped or finished.

    Iterating over it trains and yields events: `Started`, then `Progress`, `Evaluated` and
    `Corrected`, for a task `Reporting` once all updates are made, at the end `Finished`. Leaving
    the loop stops the run and saves it, and so does the end of the program, unless another thread
    is computing in it; iterating again, or `finish`, goes on exactly where it stopped. Ctrl-C in a
    loop of your own keeps what the last evaluation saved, or the one before, if that save takes
    over two seconds more; `finish` saves all first. Only one loop at a time can train.

    Of several processes that torchrun has started, all iterate, and the first yields the events.

    Made by `train` and `resume`.

    Attributes:
        notes: what was changed in the text or the settings, for the user to know.
        evaluations: those of the run so far.
        finished: the summary, once the run is over.
    """

    def __init__(
        self,
        prepared: NewRun | StoppedRun,
        sources: Sources | None,
        validation: Sources | None = None,
    ) -> None:
        if not processes().follows:
            resumes = isinstance(prepared, StoppedRun)
            processes().refuse_uneven(prepared.batch_size, given=resumes)
        self._place = prepared.place
        self.notes = prepared.notes
        self.evaluations: list[Evaluation] = []
        self._step = self._steps = 0
        if isinstance(prepared, StoppedRun):
            self._take_progress(prepared.progress, prepared.config)
        self.finished: Finished | None = None
        self._prepared: NewRun | StoppedRun | None = prepared
        self._about = prepared.facts
        # The losses of a forecaster are errors, in units of a series' own.
        self._nats = "" if isinstance(prepared.data.task_record, Forecast) else " nats"
        origin = prepared.origin  # which is found from any working directory
        found = None if origin.is_gone else origin.sources
        self._sources = sources if isinstance(sources, Corpus) else found
        held = None if origin.validation_is_gone else origin.validation or None
        self._validation = validation if isinstance(validation, Corpus) else held
        self._sample = ""  # of the last evaluation
        self._is_over = False

    def __iter__(self) -> Generator[Event]:
        return closed_at_exit(self._events())

    def _events(self) -> Generator[Event]:
        if self._is_over:
            return
        prepared, ranks = self._prepared, processes()
        if ranks.busy:  # before they are told anything, or they would leave the run they are in
            found = "this program is already training a model in several processes"
            raise LockedError(found, "leave that loop first")
        if prepared is None:
            assert self._place is not None, "a run that has started has a folder"
            prepared = earlier.stopped(self._place, self._sources, self._validation)
        if ranks.follows:
            self._follow(prepared, ranks)
            return
        process, begun = os.getpid(), False
        try:
            with kept_memory(), closing(in_own_modes(prepared.start())) as events:
                for event in events:
                    # Not before: a loop that is refused changes nothing for the one that goes on.
                    if isinstance(event, Started) and isinstance(prepared, StoppedRun):
                        self._take_progress(prepared.progress, prepared.config)
                    begun = True
                    self._note(event)
                    yield event
        except GeneratorExit:  # all is saved
            raise
        except BaseException:  # updates since the last save are lost
            if begun:
                self._take_saved()
            raise
        finally:
            if os.getpid() == process:  # not in a copy, which `os.fork` made
                with suppress(LostError):
                    ranks.tell(Leave(self._is_over))

    @property
    def folder(self) -> Path | None:
        """Where the model is or will be; None while a name in `checkpoints/` is not chosen.

        The path is as it was named, while that leads there from the working directory.
        """
        return None if self._place is None else self._place.shown

    def _take_progress(self, progress: RunProgress, config: TrainConfig) -> None:
        """Take over the progress of a stopped run."""
        self.evaluations = list(progress.metrics)
        self._step, self._steps = progress.step, config.steps

    def _take_saved(self) -> None:
        """Take over the progress that is saved, if any is."""
        if self._place is not None:
            with suppress(CharRNNError):
                self._take_progress(*read_progress(self._place.shown))

    def _follow(self, prepared: NewRun | StoppedRun, ranks: Ranks) -> None:
        """Do what the first process of several tells."""
        with kept_memory(), own_modes():
            place, self._is_over = follow(prepared.data, ranks)
        if place is not None:
            self._place, self._prepared = place, None
            self._take_saved()  # if nothing is, the first process says why

    def _note(self, event: Event) -> None:
        match event:
            case Started():
                self._place = self._place or Place(event.path, event.folder)
                self._prepared = None  # it can be resumed from now on
                self.notes = event.notes
                self._step, self._steps = event.step, event.training.steps
            case Progress():
                self._step = event.step
            case Corrected():
                self._steps = event.steps
            case Evaluated():
                self._step = event.evaluation.step
                self.evaluations.append(event.evaluation)
                self._sample = event.sample
            case Finished():
                self.finished, self._is_over = event, True

    def finish(self, *, progress: bool = True) -> Any:
        """Train to the end.

        Args:
            progress: whether to show a progress bar, in a notebook or on standard error.

        Returns:
            model: the one with the lowest validation loss or the best score; see `load`.

        Raises:
            CharRNNError: as `loop`.
            KeyboardInterrupt: after Ctrl-C, once all is saved; `finish` goes on from there. A
                second one does not wait for that.
        """
        if not self._is_over:
            self._to_the_end(progress=progress)
        return load(self.folder)

    def _to_the_end(self, *, progress: bool) -> None:
        from charrnn.training.bar import Bar  # not before it is needed: tqdm takes a while

        shown = progress and not processes().follows
        with (
            noted(signal.SIGINT) as received,
            closing(Bar(shown=shown, nats=self._nats)) as bar,
            closing(iter(self)) as events,
        ):
            for event in events:
                bar.show(event, self._step)
                if received:
                    break
        if not self._is_over:
            if processes().follows:
                raise CharRNNError("the first process has stopped this run", "see what it says")
            raise KeyboardInterrupt

    @property
    def _state(self) -> str:
        """How far the run is, in a few words."""
        if self.finished is not None:
            if self.finished.report is not None:
                return f"finished: {self.finished.report.verdict}"
            bits, unit = self.finished.val_nats / math.log(2), self.finished.unit
            return f"finished: validation {bits:.3f} bits per {unit}"
        if isinstance(self._prepared, NewRun):
            return "not started yet"
        return f"{self._step:,} of {self._steps:,} updates made"

    @property
    def _next(self) -> str:
        """What the user can do with the run."""
        if self.finished is not None:
            return f"charrnn.load({str(self.folder)!r}) is its model"
        return "run.finish() trains to the end; `for event in run:` trains step by step"

    @property
    def facts(self) -> dict[str, str]:
        """What there is to know about the run, and what to do next: label to value."""
        folder = str(self.folder or f"a new one in {CHECKPOINTS}/")
        facts = {"state": self._state, **self._about, "folder": folder}
        if self.notes:
            facts["notes"] = "; ".join(self.notes)
        if self.evaluations:
            losses = " → ".join(f"{one.val_nats:.3f}" for one in self.evaluations[-SHOWN:])
            facts["validation loss"] = losses + self._nats
        return facts | {"next": self._next}

    def __repr__(self) -> str:
        return notebook.lines("charrnn run", self.facts)

    def _repr_html_(self) -> str:
        return notebook.table("charrnn run", self.facts, self._sample)


def _in_bounds(wanted: Mapping[str, Any]) -> tuple[TaskSettings, dict[str, Any]]:
    """The task and its settings, and those of the network and its training, found to be right."""
    refuse_unknown(wanted, settings_of(ModelConfig, TrainConfig, TaskSettings))
    settings = {name: value for name, value in wanted.items() if value is not None}
    names = [setting.name for setting in settings_of(TaskSettings)]
    of_task = {name: settings.pop(name) for name in names if name in settings}
    task_settings = settings_from(TaskSettings, of_task)
    return task_settings, settings | check(TrainConfig, settings) | check(ModelConfig, settings)
