"""A terminal to be read, and what comes first and last of a run that is shown."""

from __future__ import annotations

import io
from pathlib import Path

from charrnn.config import ModelConfig
from charrnn.training.events import Finished, Started
from tests.conftest import small_training

__all__ = ["DONE", "STARTED", "Terminal"]


class Terminal(io.StringIO):
    def isatty(self) -> bool:
        return True


STARTED = Started(
    folder=Path("checkpoints/verse"),
    path=Path("checkpoints/verse"),
    notes=(),
    summary="chosen for 300 characters",
    model=ModelConfig(cell="gru", vocab_size=5, embed_size=3, hidden_size=4, num_layers=2),
    training=small_training(steps=300),
    parameters=2759,
    unit="character",
    device="cpu",
    precision="fp32",
    epochs=2.5,
    resumed_by="charrnn train - --resume checkpoints/verse",
)
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
