"""What tasks that learn from examples share: how these are divided, and what a run starts from."""

from __future__ import annotations

from collections import Counter, defaultdict
from collections.abc import Hashable, Mapping, Sequence
from typing import Any

import numpy as np
import torch
from numpy.typing import NDArray

from charrnn.arrays import Weights
from charrnn.cells.heads import BACKWARDS, EMBEDDING_BACK
from charrnn.cells.layout import EMBEDDING, RECURRENT
from charrnn.errors import BadDataError, UsageError
from charrnn.folder.record import ModelFolder
from charrnn.learning import transfer
from charrnn.network.encoder import Encoder
from charrnn.network.modules import drawing
from charrnn.text.records import shuffled, sides
from charrnn.text.tokenizer import CharTokenizer, Tokenizer
from charrnn.words import counted

__all__ = [
    "batch_size_of",
    "check_enough",
    "divide",
    "shape_of",
    "start_capitals",
    "start_encoder",
]

MIN_EXAMPLES = 10  # different ones; fewer leave nothing to validate


def divide(
    keys: Sequence[Hashable], val_frac: float, seed: int, labels: Sequence[str] | None = None
) -> tuple[NDArray[np.int64], NDArray[np.int64]]:
    """The indices of the examples for training, and of those for validation, from all over.

    Equal examples are on the same side: none is validated that was trained on.

    Args:
        keys: what makes examples equal.
        val_frac: the share of the distinct ones that validates.
        seed: equal seeds draw the same.
        labels: of the examples. Each keeps an example to train on, as long as that leaves any to
            validate; None to draw whatever their labels.

    Raises:
        BadDataError: if there are too few.
    """
    numbers: dict[Hashable, int] = {}
    kinds = np.array([numbers.setdefault(key, len(numbers)) for key in keys])
    check_enough(len(numbers), "to learn and to validate")
    order = shuffled(len(numbers), seed)
    count = min(max(1, round(len(numbers) * val_frac)), len(numbers) - 1)
    if labels is not None:
        order = _to_spare(order, kinds, labels)
    return sides(kinds, order[:count])


def check_enough(distinct: int, purpose: str) -> None:
    """Check that there are so many distinct examples that something can be learnt.

    Raises:
        BadDataError: if there are too few for their purpose.
    """
    if distinct < MIN_EXAMPLES:
        found = f"the data has {counted(distinct, 'different example')}"
        raise BadDataError(found, f"{MIN_EXAMPLES} are needed {purpose}")


def _to_spare(
    order: NDArray[np.int64], kinds: NDArray[np.int64], labels: Sequence[str]
) -> NDArray[np.int64]:
    """Of `order`, those without which each label still has one; all, if there are none.

    Args:
        order: of the distinct examples.
        kinds: (N,), which of these each example is.
        labels: (N,), of the examples.
    """
    labels_of = defaultdict[int, set[str]](set)
    for kind, label in zip(kinds.tolist(), labels, strict=True):
        labels_of[kind].add(label)
    left = Counter(label for own in labels_of.values() for label in own)
    found = []
    for kind in order.tolist():
        if all(left[label] > 1 for label in labels_of[kind]):
            left.subtract(labels_of[kind])
            found.append(kind)
    return np.array(found or order)


def batch_size_of(wanted: int | None, usual: int, count: int, what: str) -> int:
    """How many examples are read at once: `wanted`, or `usual` as far as there are so many.

    Raises:
        UsageError: if more are wanted than there are.
    """
    if wanted is None:
        return min(usual, count)
    if wanted > count:
        found = f"batch_size is {wanted}, but there are {count:,} {what} to train on"
        raise UsageError(found, "choose a smaller one", "batch_size")
    return wanted


def shape_of(bases: Sequence[ModelFolder], given: Mapping[str, Any]) -> dict[str, Any]:
    """`given` with the shape of the models that a run starts from.

    Raises:
        UsageError: for two that read in the same direction or differ in shape, more than two, or
            settings that ask for another shape.
    """
    settings = dict(given)
    for backwards in (False, True):
        alike = [str(base.path) for base in bases if base.reads_backwards == backwards]
        if len(alike) < 2:
            continue
        raise UsageError(
            f"{' and '.join(alike)} read {'backwards' if backwards else 'forwards'}",
            "start from one model that reads forwards, and one that was trained with --reverse",
        )
    for base in bases:
        settings = transfer.same_shape(base, settings)
    return settings


def start_capitals(network: Encoder, tokenizer: CharTokenizer, generator: torch.Generator) -> None:
    """Let the embedding of each capital start as its small letter's, moved by one common vector.

    What is learnt of a word then holds for the same word in the other case from the start, and
    that a word begins with a capital is the same thing for all letters.

    Args:
        network: a new one; one whose weights are not drawn stays as it is.
        tokenizer: its vocabulary.
        generator: of the common vector.
    """
    if not drawing():
        return
    ids = {character: number for number, character in enumerate(tokenizer.characters)}
    pairs = [(number, ids.get(one.lower(), number)) for one, number in ids.items()]
    pairs = [(capital, small) for capital, small in pairs if capital != small]
    capitals, smalls = map(list, zip(*pairs, strict=True)) if pairs else ([], [])
    for name in (EMBEDDING, EMBEDDING_BACK):
        table = network.state_dict().get(name)  # (V, E)
        if table is not None:
            moved = torch.empty_like(table[0]).normal_(generator=generator)  # (E,)
            table[capitals] = table[smalls] + moved


def start_encoder(network: Encoder, bases: Sequence[ModelFolder], tokenizer: Tokenizer) -> str:
    """Put language models' embeddings and stacks into a network's.

    Args:
        network: bidirectional, if one of the models reads backwards.
        bases: see `shape_of`.
        tokenizer: of the network; characters that a model does not know keep their rows.

    Returns:
        note: what was done, in one line.
    """
    merged, notes = network.weights(), []
    for base in bases:
        backwards = base.reads_backwards
        table, stack = (EMBEDDING_BACK, BACKWARDS) if backwards else (EMBEDDING, RECURRENT)
        known = _put(merged, base, tokenizer, table, stack)
        way = "backwards" if backwards else "forwards"
        notes.append(f"{way} from {base.path} ({known} {tokenizer.unit}s known)")
    network.load_state_dict({name: torch.from_numpy(values) for name, values in merged.items()})
    return f"the network starts {', '.join(notes)}"


def _put(merged: Weights, base: ModelFolder, tokenizer: Tokenizer, table: str, stack: str) -> int:
    """Put one model's weights in their places; returns how many characters or bytes it knows."""
    rows = transfer.rows_of(base.tokenizer, tokenizer)  # (V,), -1 where new
    known = rows >= 0
    merged[table][known] = base.weights[EMBEDDING][rows[known]]
    for name, values in base.weights.items():
        if name.startswith(RECURRENT):
            merged[stack + name.removeprefix(RECURRENT)] = values
    return transfer.count_known(rows, tokenizer)
