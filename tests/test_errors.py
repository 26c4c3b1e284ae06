"""Errors that users see."""

from __future__ import annotations

import copy
import pickle

import pytest

from charrnn.errors import (
    BadDataError,
    CannotCreateError,
    CharRNNError,
    LockedError,
    MissingInputError,
    ReadWriteError,
    UsageError,
)

KINDS = (
    *(BadDataError, CannotCreateError, CharRNNError, LockedError, MissingInputError),
    *(ReadWriteError, UsageError),
)


@pytest.mark.parametrize("kind", KINDS)
def test_an_error_arrives_whole_from_another_process(kind: type[CharRNNError]) -> None:
    """One that could not be read there broke the pool, or hung it."""
    error = kind("the text is empty", "give another")
    if isinstance(error, UsageError):
        error.setting = "seed"
    for again in (pickle.loads(pickle.dumps(error)), copy.copy(error)):  # noqa: S301 - our own
        assert type(again) is kind
        assert str(again) == "the text is empty; give another"
        assert again.__dict__ == error.__dict__
