"""Texts as rows of ids: their vocabulary, how they are divided, and how they are read side by side.

What the tasks that read texts share.
"""

from __future__ import annotations

import hashlib
import math
from collections.abc import Iterable, Mapping, Sequence
from pathlib import Path
from typing import Any

import numpy as np
import torch
from torch import Tensor

import charrnn
from charrnn.arrays import Ids, Weights
from charrnn.cells.heads import encoder_shapes
from charrnn.config import Budget, ModelConfig, TrainConfig, check, settings_from
from charrnn.folder.record import CorpusRecord, ModelFolder, ModelRecord
from charrnn.objectives.examples import divide, shape_of, vocabulary
from charrnn.objectives.plan import Plan
from charrnn.objectives.planning import MODEL_FIELDS, TRAIN_FIELDS
from charrnn.task_config import TaskRecord
from charrnn.tasks.texts import END, STAND_IN
from charrnn.text.corpus import short_name
from charrnn.text.tokenizer import CharTokenizer, Tokenizer

__all__ = [
    "corpus_of",
    "folder_of",
    "padded",
    "plan_of",
    "vocabulary_of",
    "with_unknown",
]

TOKENS = 2048  # of an update, about
SIDE_BY_SIDE = (8, 64)  # texts at least and at most
LONGEST = 2_000  # characters of a text that are read, unless the user wants more
UNKNOWN = 0.02  # share of the characters that are read as unknown ones in training
CORRUPTION = 0x636F72  # in the key of the random numbers that choose these

# The sizes of a stack, and that of the largest for texts of fewer characters in all.
SIZES = (32, 64, 128, 192, 256, 384)
LARGEST = ((20_000, 64), (60_000, 128), (300_000, 192), (3_000_000, 256), (math.inf, 384))
PASSES = 6  # that a size must be able to make to be chosen


def vocabulary_of(
    texts: Iterable[str], bases: Sequence[ModelFolder], known: Tokenizer | None
) -> CharTokenizer:
    """The characters of texts and of the models that a run starts from, and a stand-in for others.

    Args:
        texts: all that are read.
        bases: models of characters.
        known: of a run that goes on; stays as it is.
    """
    if isinstance(known, CharTokenizer):
        return known
    return vocabulary(bases, "".join({STAND_IN}.union(*texts)), END)


def corpus_of(sources: Sequence[str | Path], texts: Sequence[str], facts: str) -> CorpusRecord:
    """What the model folder says of examples.

    Args:
        sources: where they were read.
        texts: of all examples.
        facts: all that is to be learnt of them, as text.
    """
    whole = hashlib.sha256()
    for text in (*texts, facts):
        whole.update(text.encode("utf-8", "surrogatepass") + b"\0")
    return CorpusRecord(
        name=short_name(sources[0]),
        characters=sum(map(len, texts)),
        sha256=whole.hexdigest(),
        records="examples",
        record_count=len(texts),
    )


def padded(rows: Sequence[Ids], device: torch.device) -> tuple[Tensor, Tensor]:
    """Rows side by side: ids (T, B), 0 past the end of each, and lengths (B,)."""
    ids = np.zeros((max(map(len, rows)), len(rows)), np.int64)
    for number, row in enumerate(rows):
        ids[: len(row), number] = row
    lengths = torch.tensor([len(row) for row in rows])
    return torch.from_numpy(ids).to(device), lengths.to(device)


def with_unknown(
    rows: Sequence[Ids], tokenizer: CharTokenizer, config: TrainConfig, step: int
) -> list[Ids]:
    """Rows with a few characters made unknown, so that those of later texts do no harm.

    It is a function of the seed and of the number of the update alone.
    """
    random = np.random.default_rng((config.seed, CORRUPTION, step))
    stand_in = tokenizer.characters.index(STAND_IN)
    end = tokenizer.end_id
    return [
        np.where((random.random(len(row)) < UNKNOWN) & (row != end), stand_in, row) for row in rows
    ]


def plan_of(
    texts: Sequence[str],
    tokenizer: CharTokenizer,
    budget: Budget,
    given: Mapping[str, Any],
    speed: float,
    bases: Sequence[ModelFolder],
    usual: Mapping[str, Any],
) -> Plan:
    """Choose everything that `given` leaves open.

    Args:
        texts: all of them.
        tokenizer: their vocabulary.
        budget: how long to train.
        given: settings the user made; names of `ModelConfig` and `TrainConfig`.
        speed: operations per second that training reaches on this machine.
        bases: models that are started from, which have the same shape.
        usual: settings of the task where the user made none.

    Raises:
        BadDataError: if there are too few texts.
        UsageError: for values out of bounds, or another shape than the models have.
    """
    given = {name: value for name, value in given.items() if value is not None}
    check(TrainConfig, given)
    characters = sum(map(len, texts))
    val_frac = given.get("val_frac") or 0.1
    train_rows, _ = divide(texts, val_frac, given.get("seed", 0))
    shape: dict[str, Any] = {
        "cell": "lstm",
        "embed_size": 64,
        "hidden_size": SIZES[0],
        "num_layers": 1,
        "skip": True,
        "bidirectional": True,
    }
    own = {name: value for name, value in given.items() if name in MODEL_FIELDS}
    own = shape_of(bases, own)
    names = MODEL_FIELDS | TRAIN_FIELDS
    shape |= {name: value for name, value in usual.items() if name in MODEL_FIELDS} | own
    shape["vocab_size"] = tokenizer.vocab_size
    if "hidden_size" not in own:
        shape["hidden_size"] = _size(shape, characters, budget, speed)
    model = settings_from(ModelConfig, shape)
    longest = given.get("seq_length") or min(max(map(len, texts)), LONGEST) + 2
    mean = sum(min(len(text) + 2, longest) for text in texts) / len(texts)
    least, most = SIDE_BY_SIDE
    batch_size = given.get("batch_size") or int(
        np.clip(2 ** round(math.log2(TOKENS / mean)), least, most)
    )
    train_texts = len(train_rows)
    settings = {
        "batch_size": min(batch_size, train_texts),
        "seq_length": longest,
        "learning_rate": _learning_rate(model, bool(bases)),
        "weight_decay": 0.05,
        "val_frac": val_frac,
    }
    settings |= {name: value for name, value in usual.items() if name in TRAIN_FIELDS}
    settings |= {n: v for n, v in given.items() if n in names and n in TRAIN_FIELDS - {"val_frac"}}
    steps = math.ceil(train_texts / int(settings["batch_size"]))
    cut = sum(len(text) + 2 > settings["seq_length"] for text in texts)
    notes = []
    if cut:
        texts_are = "text is" if cut == 1 else "texts are"
        width = settings["seq_length"] - 2
        notes.append(f"{cut:,} {texts_are} longer than {width:,} characters, and cut there")
    train = sum(len(texts[row]) for row in train_rows)
    reasons = (
        f"{'2 stacks of ' if model.bidirectional else ''}{model.num_layers}×{model.hidden_size} "
        f"{model.cell}, embedding {model.embed_size}, {settings['batch_size']} texts side by side, "
        f"learning rate {settings['learning_rate']:g}, dropout {model.dropout:g}"
        f"{f' (weights {model.weight_dropout:g})' if model.weight_dropout else ''}, chosen for "
        f"{train_texts:,} training texts of {train:,} characters"
    )
    return Plan(
        model=model,
        settings=settings,
        train_tokens=train,
        val_tokens=characters - train,
        reasons=reasons,
        notes=tuple(notes),
        tokens_per_step=train / steps,
        steps_per_epoch=steps,
    )


def _size(shape: Mapping[str, Any], characters: int, budget: Budget, speed: float) -> int:
    """The largest size that the texts are enough for, and that reads them often enough."""
    largest = next(size for limit, size in LARGEST if characters < limit)
    chosen = SIZES[0]
    for size in SIZES:
        model = settings_from(ModelConfig, {**shape, "hidden_size": size})
        parameters = sum(math.prod(shape) for shape in encoder_shapes(model).values())
        passes = (
            math.inf
            if budget.minutes is None
            else (0.9 * 60 * budget.minutes * speed / (6 * parameters * characters))
        )
        if size <= largest and passes >= PASSES:
            chosen = size
    return chosen


RATES = {"lstm": 1.0, "gru": 0.8, "rnn": 0.3}  # of an LSTM's learning rate


def _learning_rate(model: ModelConfig, fine_tuning: bool) -> float:
    rate = 3e-3 * (192 / max(model.hidden_size, 64)) ** 0.5 * RATES[model.cell]
    return float(f"{rate * (0.4 if fine_tuning else 1):.1g}")


def folder_of(
    kind: TaskRecord,
    model: ModelConfig,
    weights: Weights,
    tokenizer: Tokenizer,
    extra: Mapping[str, bytes],
) -> ModelFolder:
    """A model that is still learning, as if it had been read from a folder."""
    record = ModelRecord(charrnn_version=charrnn.__version__, model=model, task=kind)
    return ModelFolder(Path(), record, tokenizer, weights, 0, (), extra)
