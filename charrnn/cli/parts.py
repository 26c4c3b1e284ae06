"""Which part of a text models were trained on."""

from __future__ import annotations

from typing import TYPE_CHECKING, TypeVar

from charrnn.errors import UsageError

if TYPE_CHECKING:
    from charrnn.config import TrainConfig
    from charrnn.folder.record import ModelRecord

__all__ = ["refuse_own_set", "the_one", "trained_on"]

Part = TypeVar("Part")


def trained_on(records: list[ModelRecord], sha256: str, kind: str, name: str) -> list[TrainConfig]:
    """How models were trained on a text or a list, of which they kept a part for validation.

    Args:
        records: of the models.
        sha256, kind, name: of the text or list.

    Raises:
        UsageError: if it is another one, or a model does not say.
    """
    if any(record.corpus is None or record.corpus.sha256 != sha256 for record in records):
        who = "was" if len(records) == 1 else "all models were"
        found = f"{name} is not, or no longer, the {kind} that {who} trained on"
        raise UsageError(found, "leave --validation out")
    trained = [record.training for record in records if record.training is not None]
    if len(trained) < len(records):  # a network that was read and saved again keeps no record
        found = f"the model does not say which part of {name} was kept for validation"
        raise UsageError(found, "leave --validation out")
    return trained


def refuse_own_set(records: list[ModelRecord], name: str) -> None:
    """Refuse models none of whose text was kept for validation.

    Args:
        records: of the models.
        name: of the text whose kept part is wanted.

    Raises:
        UsageError: if one was validated on a set of its own.
    """
    own = next((record.validation for record in records if record.validation), None)
    if own is not None:
        found = f"the model was validated on a set of its own, {own.name}, not on a part of {name}"
        raise UsageError(found, "give that set as the text, and leave --validation out")


def the_one(parts: set[Part], name: str) -> Part:
    """The part of a text that all models were trained on.

    Args:
        parts: what each model says that it was; at least one.
        name: of the text.

    Raises:
        UsageError: if it differs from model to model.
    """
    if len(parts) > 1:
        raise UsageError(
            f"the models were trained on different parts of {name}",
            "take them one by one, or a text that none has seen",
        )
    return next(iter(parts))
