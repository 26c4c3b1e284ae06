"""From a model folder to a model."""

from __future__ import annotations

from collections.abc import Sequence
from pathlib import Path

from charrnn.array_checks import fix
from charrnn.folder import card
from charrnn.folder.hub import is_on_hub
from charrnn.folder.reading import find_model, read_model
from charrnn.folder.record import ModelFolder
from charrnn.models.mixture import Mixture
from charrnn.models.model import Model
from charrnn.models.predictor import Predictor

__all__ = ["from_folder", "load", "load_together"]


def load(model: str | Path | None = None) -> Model:
    """The language model in a folder, or on the Hugging Face hub.

    Args:
        model: a model folder, the name of one in `checkpoints/`, None for the newest there, or
            `hf://OWNER/NAME`.

    Raises:
        UsageError: if the model is not a language model.
        MissingInputError: if there is none, or the hub can't be reached.
        BadDataError: if the folder is damaged or its files don't fit each other.
    """
    return from_folder(read_model(find_model(model)), model)


def from_folder(folder: ModelFolder, model: str | Path | None) -> Model:
    """The language model of a folder that was read; `model` is how the user named it."""
    name = str(model) if is_on_hub(model) else str(folder.path)
    facts = {"model": name} | card.facts(folder)
    fix(folder.weights)  # else the model would copy them
    return Model(
        folder.record.model,
        folder.tokenizer,
        folder.weights,
        facts,
        folder.records_kind,
        reverse=folder.reads_backwards,
    )


def load_together(models: Sequence[str | Path | None]) -> Predictor:
    """The model in a folder, or a mixture of those in several; see `load`."""
    found = [load(model) for model in models]
    return found[0] if len(found) == 1 else Mixture(found)
