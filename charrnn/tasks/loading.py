"""From a model folder to whatever model is in it."""

from __future__ import annotations

import importlib
from collections.abc import Sequence
from pathlib import Path
from typing import Any

from charrnn.arguments import checked
from charrnn.config import TaskName
from charrnn.errors import UsageError
from charrnn.folder.reading import find_model, read_folder
from charrnn.models import loading
from charrnn.models.mixture import Mixture
from charrnn.tasks.base import shared

__all__ = ["load"]

# Where the model of each task is. They are imported when they are needed.
HOMES: dict[TaskName, tuple[str, str]] = {
    "classify": ("classify", "Classifier"),
    "tag": ("tag", "Tagger"),
    "forecast": ("forecast", "Forecaster"),
    "translate": ("translate", "Translator"),
}


@checked
def load(
    model: str | Path | Sequence[str | Path] | None = None, *, revision: str | None = None
) -> Any:
    """The model in a folder or on the Hugging Face hub, or several that answer together.

    Args:
        model: a model folder, the name of one in `checkpoints/` or `hf://OWNER/NAME`, None for the
            newest in `checkpoints/`, or a list of models: for one task, whose answers are averaged,
            or language models.
        revision: a branch, a tag or a commit on the hub; None for the newest.

    Returns:
        model: a `Model`, if it is a language model, or a `Mixture` of several; else a `Classifier`,
            `Tagger`, `Forecaster` or `Translator`. Only the folder tells which: for a type
            checker, annotate what you expect, as in `model: charrnn.Model = charrnn.load("book")`.

    Raises:
        UsageError: if several models don't go together.
        MissingInputError: if there is none, or the hub can't be reached.
        BadDataError: if the folder is damaged or its files don't fit each other.
    """
    models = [model] if isinstance(model, str | Path | None) else list(model)
    if not models:
        raise UsageError("there is no model to load", "name at least one")
    folders = [read_folder(find_model(one, revision)) for one in models]
    tasks = [folder.record.task for folder in folders]
    task = shared("tasks", folders, [None if one is None else one.name for one in tasks])
    if task is None:
        pairs = zip(folders, models, strict=True)
        each = [loading.from_folder(folder, one) for folder, one in pairs]
        return each[0] if len(each) == 1 else Mixture(each)
    module, name = HOMES[task]
    return getattr(importlib.import_module(f"charrnn.tasks.{module}"), name)(*folders)
