"""What a model says of an input, as `predict` returns it and as a line of JSON has it."""

from __future__ import annotations

import msgspec

__all__ = ["Translation"]


class Translation(msgspec.Struct, frozen=True, kw_only=True):
    """What a text becomes.

    Attributes:
        text: the translation.
        log_prob: nats, of all of it and its end under the model.
    """

    text: str
    log_prob: float
