"""Texts as rows of ids: their vocabulary, and how they are read side by side.

rows ──TextBatches──▶ rows of like length, a few characters unknown ──padded──▶ ids (T, B)
"""

from __future__ import annotations

from collections.abc import Callable, Iterable, Sequence
from functools import lru_cache
from typing import Generic, TypeVar

import numpy as np
import torch
from numpy.typing import NDArray
from torch import Tensor
from torch.nn.functional import embedding_bag

from charrnn.arrays import Ids
from charrnn.config import TrainConfig
from charrnn.errors import UsageError
from charrnn.learning.lanes import ALL
from charrnn.objectives.batches.groups import Groups
from charrnn.objectives.request import Request
from charrnn.tasks.nets.grams import Grams
from charrnn.tasks.texts import END, STAND_IN
from charrnn.text.tokenizer import CharTokenizer

__all__ = [
    "TextBatches",
    "added",
    "in_other_orders",
    "padded",
    "vocabulary_of",
    "without_some_words",
]

UNKNOWN = 0.02  # share of the characters that are read as unknown ones in training
CORRUPTION = 0x636F72  # in the key of the random numbers that choose these
OMISSION = 0x6F6D69  # in that of those that leave words out
ORDER = 0x6F7264  # in that of those that put words in other orders
WORDS = 3  # that stay together then

Batch = TypeVar("Batch")


def vocabulary_of(texts: Iterable[str], request: Request) -> CharTokenizer:
    """The characters of texts and of the models that a run starts from, and a stand-in for others.

    A run that goes on keeps those that it has.

    Args:
        texts: all that are read.
        request: which names the models.

    Raises:
        UsageError: if one of the models reads bytes.
    """
    if isinstance(request.earlier_tokenizer, CharTokenizer):
        return request.earlier_tokenizer
    characters = {STAND_IN}.union(*texts)
    for base in request.bases:
        if not isinstance(base.tokenizer, CharTokenizer):
            found = f"{base.path} reads bytes, a task reads characters"
            raise UsageError(found, "start from a model of characters")
        characters.update(base.tokenizer.characters)
    return CharTokenizer("".join(sorted(characters)), END)


def padded(rows: Sequence[Ids], device: torch.device) -> tuple[Tensor, Tensor]:
    """Rows side by side: ids (T, B), 0 past the end of each, and lengths (B,)."""
    ids = np.zeros((max(map(len, rows)), len(rows)), np.int64)
    for number, row in enumerate(rows):
        ids[: len(row), number] = row
    lengths = torch.tensor([len(row) for row in rows])
    return torch.from_numpy(ids).to(device), lengths.to(device)


def added(found: Grams, table: Tensor) -> Tensor:
    """What n-grams add to the scores of B texts or words: (B, K); the twin of `grams.summed`.

    Args:
        found: of each.
        table: (N, K).
    """
    rows, starts, shares = (torch.from_numpy(part).to(table.device) for part in found)
    return embedding_bag(rows, table, starts, mode="sum", per_sample_weights=shares)


def with_unknown(rows: Sequence[Ids], tokenizer: CharTokenizer, seed: int, step: int) -> list[Ids]:
    """Rows with a few characters made unknown, so that those of later texts do no harm.

    It is a function of the seed and of the number of the update alone.
    """
    random = np.random.default_rng((seed, CORRUPTION, step))
    stand_in = tokenizer.characters.index(STAND_IN)
    end = tokenizer.end_id
    return [
        np.where((random.random(len(row)) < UNKNOWN) & (row != end), stand_in, row) for row in rows
    ]


def without_some_words(
    rows: Sequence[Ids],
    tokenizer: CharTokenizer,
    share: float,
    seed: int,
    step: int,
    *,
    whole: bool = False,
) -> list[Ids]:
    """Rows with some words left out, so that a network can't rely on any single one.

    Iyyer et al., "Deep unordered composition rivals syntactic methods for text classification",
    2015. At least one word stays. It is a function of the seed and of the number of the update.

    Args:
        rows: each between two ends, or without the second where it was cut.
        tokenizer: of these.
        share: of the words.
        seed, step: equal ones leave out the same.
        whole: whether the last id of each is taken for an end, as in runs begun before rules 3.
    """
    random, spaces = np.random.default_rng((seed, OMISSION, step)), _spaces(tokenizer)
    found = []
    for row in rows:
        begin, body, end = _parted(row, None if whole else tokenizer.end_id)
        words = np.split(body, np.flatnonzero(spaces[body]))  # with the space before
        stay = random.random(len(words)) >= share
        stay[random.integers(len(words))] = True
        kept = [word for word, stays in zip(words, stay, strict=True) if stays]
        found.append(np.concatenate([begin, *kept, end]))
    return found


def in_other_orders(
    rows: Sequence[Ids],
    tokenizer: CharTokenizer,
    share: float,
    seed: int,
    step: int,
    *,
    whole: bool = False,
) -> list[Ids]:
    """Rows of which some have their words in another order, those next to each other together.

    What a few words say then counts wherever they stand. The others still show what the order
    says, so where it decides, the likeliest class stays the same. A first word gets the space
    before the second. It is a function of the seed and of the number of the update.

    Args:
        rows, whole: as `without_some_words` takes them.
        tokenizer: of these.
        share: of the rows.
        seed, step: equal ones put them in the same orders.
    """
    random, spaces = np.random.default_rng((seed, ORDER, step)), _spaces(tokenizer)
    found = []
    for row in rows:
        begin, body, end = _parted(row, None if whole else tokenizer.end_id)
        begins = np.flatnonzero(spaces[body])
        if random.random() >= share or not len(begins):
            found.append(row)
            continue
        # Each word with a space before it, the first, too, which borrows that of the second.
        borrowed = body[begins[:1]] if begins[0] else body[:0]
        words = np.split(np.concatenate([borrowed, body]), begins + len(borrowed))
        words = [word for word in words if len(word)]
        cuts = range(random.integers(WORDS), len(words), WORDS)
        parts = np.split(np.arange(len(words)), cuts)
        order = np.concatenate([parts[number] for number in random.permutation(len(parts))])
        text = np.concatenate([words[k] for k in order])[len(borrowed) :]
        found.append(np.concatenate([begin, text, end]))
    return found


def _parted(row: Ids, end_id: int | None) -> tuple[Ids, Ids, Ids]:
    """The end before a text, the text, and the end after it: of a row that was cut, none.

    Without an `end_id` the last id is taken for one.
    """
    cut = end_id is not None and row[-1] != end_id
    last = len(row) if cut else len(row) - 1
    return row[:1], row[1:last], row[last:]


@lru_cache(maxsize=1)  # the updates of a run ask for that of one tokenizer
def _spaces(tokenizer: CharTokenizer) -> NDArray[np.bool_]:
    """Which ids are of spaces: (V,)."""
    return np.array([character.isspace() for character in tokenizer.characters] + [False])


class TextBatches(Groups, Generic[Batch]):
    """Texts of like length side by side; see `learning.task.Batches`.

    Args:
        rows: the ids of each, between two ends; what is beyond `seq_length` is not read.
        tokenizer: of these.
        config: B, T and the seed.
        batch: makes a batch of the numbers of some texts (B,) and of their rows.
        lengths: by which texts are put together; by default how long their rows are.
        left_out: the share of words that are left out, see `without_some_words`.
        reordered: the share of texts whose words are in another order, see `in_other_orders`.
    """

    def __init__(
        self,
        rows: Sequence[Ids],
        tokenizer: CharTokenizer,
        config: TrainConfig,
        batch: Callable[[NDArray[np.int64], list[Ids]], Batch],
        *,
        lengths: Sequence[int] | None = None,
        left_out: float = 0.0,
        reordered: float = 0.0,
    ) -> None:
        self.rows = [row[: config.seq_length] for row in rows]
        self.tokenizer = tokenizer
        self.left_out = left_out
        self.reordered = reordered
        self._older = config.rules < 3
        self._batch = batch
        sizes = np.array(list(map(len, self.rows)) if lengths is None else lengths)
        super().__init__(sizes, config.batch_size, config.seed, mixed=not self._older)

    def batch(self, step: int, part: slice = ALL) -> Batch:
        """Some texts, a function of the seed and of the number of the update alone."""
        chosen = self.chosen(step)
        rows = [self.rows[k] for k in chosen]
        given, older = (self.seed, step), self._older
        if self.left_out:
            rows = without_some_words(rows, self.tokenizer, self.left_out, *given, whole=older)
        if self.reordered:
            rows = in_other_orders(rows, self.tokenizer, self.reordered, *given, whole=older)
        rows = with_unknown(rows, self.tokenizer, self.seed, step)
        return self._batch(chosen[part], rows[part])
