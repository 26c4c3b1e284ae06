"""Model folders from outside: where they go, what their files are called, and how one is known."""

from __future__ import annotations

import os.path
from pathlib import Path

__all__ = [
    "CARD",
    "CHECKPOINTS",
    "CONFIG",
    "LABELS",
    "MANIFEST",
    "METRICS",
    "MODEL_FILES",
    "RESUME",
    "SERIES",
    "STATE",
    "TOKENIZER",
    "WEIGHTS",
    "is_model",
]

CHECKPOINTS = Path("checkpoints")  # where models go that are given no other place

# What is in each of these files: see `folder.record`.
CONFIG = "config.json"
TOKENIZER = "tokenizer.json"
LABELS = "labels.json"
SERIES = "series.json"
WEIGHTS = "model.safetensors"
METRICS = "metrics.jsonl"
CARD = "README.md"
MANIFEST = "manifest.json"
MODEL_FILES = (CONFIG, TOKENIZER, LABELS, SERIES, WEIGHTS, METRICS, CARD, MANIFEST)
RESUME = "resume"  # the folder of what a run needs besides to go on; see `folder.resuming`
STATE = f"{RESUME}/state.safetensors"


def is_model(folder: Path) -> bool:
    """Whether a folder is a model of ours, or one of those that are kept in the same form."""
    has = [os.path.isfile(folder / name) for name in (CONFIG, TOKENIZER, SERIES)]  # noqa: PTH113
    return has[0] and any(has[1:])  # a forecaster has no tokenizer
