"""A terminal to be read, and what comes last of a run that is shown."""

from __future__ import annotations

import io
from pathlib import Path

from charrnn.training.events import Finished

__all__ = ["DONE", "Terminal"]


class Terminal(io.StringIO):
    def isatty(self) -> bool:
        return True


DONE = Finished(
    model=Path("checkpoints/verse"),
    val_nats=1.25,
    val_bits_per_char=1.8034,
    train_nats=1.5,
    steps=300,
    epochs=2.5,
    unit="character",
    parameters=2759,
    characters_per_second=4000.0,
    seconds=17.0,
    stopped_early=False,
    skipped=2,
    advice="read more",
)
