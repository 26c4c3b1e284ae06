"""What a run is asked for, read and planned.

Request ──prepare──▶ Data, Plan
"""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import replace
from pathlib import Path
from typing import Any, Literal

from charrnn.checkpoints import CHECKPOINTS
from charrnn.config import MAX_STEPS, STANDARD_INPUT, Budget, Reading, TaskName, TaskSettings
from charrnn.errors import BadDataError, UsageError
from charrnn.folder.place import Place
from charrnn.folder.record import ModelFolder
from charrnn.learning import transfer
from charrnn.learning.hardware.devices import choose_device, choose_precision, speed
from charrnn.learning.hardware.ranks import processes
from charrnn.network.modes import own_modes
from charrnn.objectives import language
from charrnn.objectives.plans.language import plan_of
from charrnn.objectives.plans.plan import Plan
from charrnn.objectives.request import Data, Request
from charrnn.objectives.table import OBJECTIVES
from charrnn.objectives.validation import refuse_useless_validation
from charrnn.text.corpus import Corpus, Sources, listed
from charrnn.text.origin import is_read_once
from charrnn.text.records import Records
from charrnn.text.spool import Spool
from charrnn.text.tokenizer import Tokenizer, make_tokenizer
from charrnn.training.pace import trial
from charrnn.training.pace.pacing import measured_speed

__all__ = ["checked_sources", "prepare", "wanted_place"]

HOW_FILES_ARE_READ = frozenset({"encoding", "errors", "split"})


def wanted_place(out: str | Path | None, name: str | None) -> Place | None:
    """The folder that the user wants, if one is named.

    Raises:
        UsageError: for both, or a name that is none of a folder in `checkpoints/`.
    """
    if out is not None and name is not None:
        raise UsageError("both a name and a folder are given", "give --name or --out")
    if name is not None:
        if Path(name).name != name or name in ("", ".."):
            raise UsageError(
                f"{name!r} is not a plain folder name", "give out (--out) for a folder elsewhere"
            )
        if name.startswith("-"):
            found = f"name is {name!r}, which commands would take for an option"
            raise UsageError(found, "begin it with a letter", "name")
        return Place.of(CHECKPOINTS / name)
    return None if out is None else Place.of(Path(out))


def checked_sources(
    sources: str | Path | Sources | None, validation: str | Path | Sources | None
) -> tuple[Sources | None, Sources | None]:
    """A corpus and a validation set, or their sources as lists, that each process can read.

    Raises:
        UsageError: for standard input, if it is to be both; and for that or a pipe, if there are
            several processes.
    """
    found = [None if one is None else _readable(one) for one in (sources, validation)]
    lists = [one for one in found if one is not None and not isinstance(one, Corpus)]
    if sum(STANDARD_INPUT in map(str, one) for one in lists) > 1:
        found_twice = "standard input can't be both the text and the validation set"
        raise UsageError(found_twice, "name a file for one of them")
    return found[0], found[1]


def _readable(sources: str | Path | Sources) -> Sources:
    if isinstance(sources, Corpus):
        return sources
    sources = listed(sources)
    count = processes().count
    for once in filter(is_read_once, sources if count > 1 else ()):
        name = "standard input" if str(once) == STANDARD_INPUT else once
        raise UsageError(f"{name} can't be read by {count} processes", "name a file")
    return sources


def prepare(request: Request) -> tuple[Data, Plan]:
    """Read what there is to learn from, and choose all that is left open.

    Raises:
        CharRNNError: as reading and planning do.
    """
    refuse_useless_validation(request)
    task = request.task_settings.task
    data, plan = _language(request) if task is None else _examples(request, task)
    if (held := data.corpus.validation) is not None:
        plan = replace(plan, reasons=f"{plan.reasons}, validated on {held.name}")
    if (epochs := request.budget.epochs) is not None:
        updates = round(epochs * plan.steps_per_epoch)
        if updates > MAX_STEPS:
            found = f"epochs is {epochs:g}, which takes {updates:,} updates"
            raise UsageError(found, f"at most {MAX_STEPS:,} can be made", "epochs")
    return data, plan


def _language(request: Request) -> tuple[Data, Plan]:
    """A text for a language model."""
    for name in TaskSettings.__struct_fields__:
        if getattr(request.task_settings, name) is not None:
            raise UsageError(f"{name} is given without a task", "name it with --task", name)
    if len(request.bases) > 1:
        found = f"{len(request.bases)} models are given to start from"
        raise UsageError(found, "a language model starts from one")
    if request.reading.records == "^":
        advice = "write ^ and what each record opens with, or choose lines"
        raise UsageError("records is '^', which names no opening", advice, "records")
    base = request.bases[0] if request.bases else None
    settings = dict(request.settings)
    if base is not None:
        settings = transfer.same_shape(base, settings)
    data = language.read(
        request.sources,
        request.reading,
        check=lambda _: None,
        vocabulary=lambda spool, characters: _vocabulary(
            spool, characters, request.tokenizer, base
        ),
        validation=request.validation,
    )
    corpus, held = (
        part if part is None or isinstance(part, Records) else len(part)
        for part in (data.text, data.validation)
    )
    assert corpus is not None, "there is a text to train on"
    plan = plan_of(
        corpus,
        data.tokenizer.vocab_size,
        request.budget,
        settings,
        _speed(settings, request.budget),
        unit=data.tokenizer.loss_per,
        fine_tuning=base is not None,
        validation=held,
    )
    return data, plan


def _examples(request: Request, task: TaskName) -> tuple[Data, Plan]:
    """Examples for a task."""
    if request.tokenizer != "char":
        raise UsageError("tokenizer is byte, a task reads characters", "leave it out", "tokenizer")
    if request.reading.keeps_bytes:
        found = "errors is surrogateescape, which keeps bytes, and a task reads characters"
        raise UsageError(found, "choose replace", "errors")
    takes, read, plan = OBJECTIVES[task]
    _refuse_useless(request, takes | HOW_FILES_ARE_READ)
    data = read(request)
    return data, plan(
        data, request, lambda cell: _speed({**request.settings, "cell": cell}, request.budget)
    )


def _refuse_useless(request: Request, known: frozenset[str]) -> None:
    """Refuse settings that mean nothing to a task: they would be ignored."""
    task = request.task_settings.task
    usual_of_task = TaskSettings(task=task)
    for asked, usual in ((request.task_settings, usual_of_task), (request.reading, Reading())):
        for name in asked.__struct_fields__:
            value = getattr(asked, name)
            if name not in known and value != getattr(usual, name):
                found = f"{name} is {value!r}, which has no meaning for the task {task}"
                raise UsageError(found, "leave it out", name)


def _vocabulary(
    spool: Spool, characters: str, kind: Literal["char", "byte"], base_model: ModelFolder | None
) -> Tokenizer:
    spool.refuse_undivided()
    if len(spool.characters) < 2:
        found, advice = "the corpus has only one distinct character", "give a text of several"
        raise BadDataError(found, advice)
    if base_model is not None:
        return transfer.grown(base_model, kind, characters, spool.division.end)
    return make_tokenizer(kind, characters, spool.division.end)


def _speed(settings: Mapping[str, Any], budget: Budget) -> float:
    """How many operations per second training reaches on the devices that it will run on.

    Measured where it decides something: not for so many epochs, nor on a CPU for a run that is over
    soon. Where the size of the network is given, it decides its dropout.
    """
    ranks = processes()
    device = choose_device(settings.get("device", "auto"))
    wanted, cell = settings.get("precision", "auto"), settings.get("cell", "lstm")
    is_long = trial.is_long_in_minutes(budget)
    counts = {"cuda": budget.epochs is None, "cpu": is_long}.get(device.type, False)
    if ranks.follows or not counts:  # the plan of the first process is the one that is followed
        return ranks.count * speed(device, choose_precision(wanted, device), cell)
    with own_modes():
        return ranks.count * measured_speed(device, wanted, cell, trial.longest_trial(budget))
