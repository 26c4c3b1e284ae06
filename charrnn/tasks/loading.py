"""From a model folder to whatever model is in it."""

from __future__ import annotations

import importlib
from pathlib import Path
from typing import Any, Protocol

from charrnn.config import Reading, TaskName
from charrnn.folder.reading import find_model, read_folder
from charrnn.models import loading
from charrnn.tasks.scores.reports import Report

__all__ = ["Answering", "load"]

# Where the model of each task is. They are imported when they are needed.
HOMES: dict[TaskName, tuple[str, str]] = {
    "classify": ("classify", "Classifier"),
    "tag": ("tag", "Tagger"),
    "forecast": ("forecast", "Forecaster"),
    "translate": ("translate", "Translator"),
}


class Answering(Protocol):
    """A trained model that answers."""

    def predict(self, inputs: Any) -> list[Any]:
        """An answer for each input."""

    def evaluate(self, sources: Any, reading: Reading | None = None) -> Report:
        """Scores on examples whose answers are known, beside those of trivial answers."""


def load(model: str | Path | None = None, *, revision: str | None = None) -> Any:
    """The model in a folder, or on the Hugging Face hub.

    Args:
        model: a model folder, the name of one in `checkpoints/`, None for the newest there, or
            `hf://OWNER/NAME`.
        revision: a branch, a tag or a commit on the hub; None for the newest.

    Returns:
        model: a `Model`, if it is a language model; else a `Classifier`, `Tagger`, `Forecaster` or
            `Translator`.

    Raises:
        MissingInputError: if there is none, or the hub can't be reached.
        BadDataError: if the folder is damaged or its files don't fit each other.
    """
    found = read_folder(find_model(model, revision))
    if found.record.task is None:
        return loading.of_folder(found, model)
    module, name = HOMES[found.record.task.name]
    return getattr(importlib.import_module(f"charrnn.tasks.{module}"), name)(found)
