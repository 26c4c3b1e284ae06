"""A tag for each word.

sources ──read──▶ TagData ──task──▶ Tagging
Tagging ──batches──▶ rows, edges (W, 3), tags (W,) ──cost──▶ nats
"""

from __future__ import annotations

import math
from collections.abc import Generator, Sequence
from dataclasses import dataclass
from functools import cached_property
from pathlib import Path
from typing import Any, ClassVar, NamedTuple

import msgspec
import numpy as np
import torch
from numpy.typing import NDArray
from torch import Tensor
from torch.nn.functional import cross_entropy

from charrnn.arrays import Floats, Ids, Weights
from charrnn.cells.layout import HEAD_BIAS
from charrnn.checkpoints import LABELS
from charrnn.config import ModelConfig, TrainConfig
from charrnn.examples.tagged import check_types, read_tagged
from charrnn.examples.tags import OUTSIDE, WORD_RULES, Tagged
from charrnn.folder.files import pretty_json
from charrnn.folder.record import CorpusRecord, ModelFolder
from charrnn.learning.task import Cost, Scored
from charrnn.network.encoder import Encoder
from charrnn.network.modules import Embedding, Linear, zeros
from charrnn.objectives.base import TextData, TextTask, shown
from charrnn.objectives.batches.examples import start_capitals
from charrnn.objectives.batches.rows import TextBatches, added, padded, vocabulary_of
from charrnn.objectives.plans.plan import Plan
from charrnn.objectives.plans.texts import Needs, plan_of
from charrnn.objectives.request import Request, Speed
from charrnn.objectives.validation import (
    corpora_of,
    examples_of_validation,
    form_of,
    label_notes,
    overlap_of,
)
from charrnn.scoring.batches import places_alike
from charrnn.task_config import Tag
from charrnn.tasks import tag
from charrnn.tasks.nets.grams import grams_of_words, rows_for
from charrnn.tasks.nets.thresholds import thresholds
from charrnn.tasks.nets.viterbi import best_tags, parts_of, tags_of_types
from charrnn.tasks.scores.reports import Report
from charrnn.tasks.texts import ENDS, as_ids, corpus_of, with_words
from charrnn.text.records import PAD
from charrnn.text.tokenizer import Form, in_form
from charrnn.words import twins

__all__ = ["Tagging", "plan", "read"]

SIZES = ((3_000_000, 192), (math.inf, 384))  # for texts of fewer characters in all
# Tokens of an update, also for texts of fewer characters in all: small updates learn more of few
# texts in 12 epochs.
TOKENS = ((60_000, 512), (math.inf, 2048))
MAX_EPOCHS = 12  # later epochs learn the names by heart; see benchmarks/NOTES.md
# Words outside all spans are many, and count less: else a model that is unsure marks nothing, and
# of new names it is often unsure. See benchmarks/NOTES.md.
OUTSIDE_WEIGHT = 0.2


class TaggerNetwork(Encoder):
    """Stacks, whose outputs at the characters of a word go to a linear layer; see `tag.pooled`.

    What the n-grams of the word say is added, if there is a table of them.

    Args:
        config: the shape of the stacks.
        task_record: whether tags have parts, and N rows of the table.
        tags: the K tags, in the order of their scores.
        generator: of the first weights.
    """

    parts: Tensor | None
    grams: Embedding | None

    def __init__(
        self,
        config: ModelConfig,
        task_record: Tag,
        tags: Sequence[str],
        generator: torch.Generator,
    ) -> None:
        super().__init__(config, generator=generator)
        width = 2 * (1 + config.bidirectional) * config.hidden_size  # 2·D·H
        self.head = Linear(width, task_record.outputs, generator)
        self.grams = None
        if task_record.grams:
            self.grams = Embedding(task_record.grams, task_record.outputs, first=zeros)
        parts = torch.from_numpy(parts_of(tags)) if task_record.in_parts else None  # (P, K)
        self.register_buffer("parts", parts, persistent=False)

    def forward(
        self,
        rows: Sequence[Ids],
        edges: NDArray[np.int64],
        generator: torch.Generator | None = None,
    ) -> Tensor:
        """The logits (W, K) of words.

        Args:
            rows: of ids.
            edges: (W, 3), of each word the row that it is in, its first character, and that after
                its last.
            generator: see `Encoder.read`.
        """
        scores: Tensor = self.head(self._pooled(rows, edges, generator))  # (W, P)
        if self.grams is not None:
            sizes, table = np.array(list(map(len, rows))), self.grams.weight  # (B,), (N, P)
            places = edges[:, 1:] + (sizes.cumsum() - sizes)[edges[:, :1]]  # among all rows' ids
            ids = np.concatenate([*rows, rows[0][:1]])  # END after the last, too, which may be cut
            found = grams_of_words(ids, places, len(table))
            scores = scores + added(found, table)
        return scores if self.parts is None else scores @ self.parts

    def _pooled(
        self, rows: Sequence[Ids], edges: NDArray[np.int64], generator: torch.Generator | None
    ) -> Tensor:
        """What the stacks have read of words (W, 2·D·H)."""
        ids, lengths = padded(rows, self.head.weight.device)  # (T, B), (B,)
        output = self.read(ids, lengths, generator).float()  # (T, B, D·H)
        row, first, end = torch.from_numpy(edges).to(ids.device, non_blocking=True).unbind(1)
        sizes = end - first  # (W,)
        word = torch.repeat_interleave(torch.arange(len(edges), device=ids.device), sizes)  # (C,)
        place = torch.arange(len(word), device=ids.device) - (sizes.cumsum(0) - sizes)[word]
        characters = output[first[word] + place, row[word]]  # (C, D·H), of all words in turn
        highest = output.new_full((len(edges), output.shape[-1]), -math.inf).scatter_reduce(
            0, word[:, None].expand_as(characters), characters, "amax"
        )
        read, back = output[end - 1, row], output[first, row]  # where each stack has read the word
        size = self.config.hidden_size
        return torch.cat([highest, read[:, :size], back[:, size:]], -1)


@dataclass(frozen=True)
class TagData(TextData[Tagged]):
    """Texts with tags.

    Attributes:
        types: of spans, sorted.
    """

    task_record: Tag
    types: Sequence[str]

    def task(self, config: TrainConfig) -> Tagging:
        """Texts from all over validate, or those of the user's own."""
        train, val = self.parts([one.text for one in self.examples], config)
        labels = tag.labels_in(train, self.types)
        return Tagging(
            train=train,
            val=val,
            tags=tags_of_types(self.types),
            tokenizer=self.tokenizer,
            task_record=self.task_record,
            extra={LABELS: pretty_json(labels)},
            tuned=bool(self.validation),
        )


def read(request: Request) -> TagData:
    """Read texts with tags; see `objectives.table.Objective`.

    Raises:
        CharRNNError: as `read_tagged` and `check_types` do.
    """
    notes: list[str] = []
    # A run goes on with its words as they were, else its texts would be others.
    rules: int = getattr(request.earlier_task, "rules", WORD_RULES)
    examples = read_tagged(request.files, request.reading, notes, rules=rules)
    types = check_types(examples)
    notes += twins(types, "types of spans")
    validation = examples_of_validation(
        request,
        notes,
        lambda files, reading, own: read_tagged(files, reading, own, named=False, rules=rules),
    )
    if validation:
        check_types(validation)
        known = vocabulary_of((one.text for one in examples), request)
        form = form_of([one.text for one in validation], known, notes)
        validation = [_in_form(form, one) for one in validation]
    notes += label_notes([span.label for one in validation for span in one.spans], types, "span")
    notes += overlap_of((one.text for one in validation), (one.text for one in examples), "text")
    texts = [one.text for one in (*examples, *validation)]
    return TagData(
        examples=examples,
        validation=validation,
        types=types,
        tokenizer=vocabulary_of(texts, request),
        task_record=Tag(
            tags=len(tags_of_types(types)),
            in_parts=True,
            grams=rows_for(3 + len(types)),
            rules=rules,
            text_column=request.reading.text_column,
        ),
        corpus=corpora_of(request, examples, validation, _corpus),
        notes=tuple(notes),
    )


def _in_form(form: Form, example: Tagged) -> Tagged:
    """An example in a form of Unicode, with its words where they then are."""
    (text,), (words,) = with_words(
        [example.text], [example.words], lambda parts: [in_form(form, part) for part in parts]
    )
    return example._replace(text=text, words=list(words))


def _corpus(files: Sequence[str | Path], examples: Sequence[Tagged]) -> CorpusRecord:
    """What the model folder says of examples."""
    tags = "\0".join(" ".join(one.tags) for one in examples)
    return corpus_of(files, [one.text for one in examples], tags)


def plan(data: TagData, request: Request, speed: Speed) -> Plan:
    """Choose all that is left open; see `texts.plan_of`."""
    texts = [one.text for one in data.examples]
    characters = sum(map(len, texts))
    needs = Needs(
        limits=SIZES,
        dropout=0.5,
        grams=data.task_record.grams,
        tokens=next(tokens for limit, tokens in TOKENS if characters < limit),
        validated_whole=True,
    )
    validation = [one.text for one in data.validation]
    vocab_size = data.tokenizer.vocab_size
    return plan_of(texts, vocab_size, needs, request, speed, validation=validation)


class Batch(NamedTuple):
    """Texts side by side: a row of ids each, and their words.

    `edges` (W, 3) and `tags` (W,) are as `TaggerNetwork.forward` has them.
    """

    rows: list[Ids]
    edges: NDArray[np.int64]
    tags: NDArray[np.int64]


def side_by_side(
    words: Sequence[NDArray[np.int64]],
) -> tuple[NDArray[np.int64], NDArray[np.int64]]:
    """The edges (W, 3) and the tags (W,) of the words of several texts, each (W, 3) of its own."""
    row = np.repeat(np.arange(len(words)), [len(own) for own in words])
    together = np.concatenate(words)
    return np.column_stack([row, together[:, :2]]), together[:, 2]


@dataclass(frozen=True)
class Tagging(TextTask[Tagged, Batch]):
    """The task of a tagger; see `learning.task.Task`.

    Args:
        tags: in the order of the scores.
        tuned: whether thresholds are chosen for the validation texts, which are the user's own.
    """

    task_record: Tag
    tags: Sequence[str]
    tuned: bool = False
    metric: ClassVar[str] = "F1"

    @property
    def max_epochs(self) -> int:
        """See `Task`."""
        return MAX_EPOCHS

    def tokens_of(self, example: Tagged) -> int:
        """See `TextTask`."""
        return len(example.text) + ENDS

    @property
    def unseen(self) -> Sequence[str]:
        """See `ExampleTask`."""
        seen = {span.label for one in self.val for span in one.spans}
        return sorted({tag[2:] for tag in self.tags if tag != OUTSIDE} - seen)

    @cached_property
    def _numbers(self) -> dict[str, int]:
        return {tag: number for number, tag in enumerate(self.tags)}

    def rows_of(self, examples: Sequence[Tagged]) -> list[Ids]:
        """The ids of texts."""
        return [as_ids(one.text, self.tokenizer) for one in examples]

    @cached_property
    def _train_words(self) -> list[NDArray[np.int64]]:
        return [self.words_of(one) for one in self.train]

    def words_of(self, example: Tagged) -> NDArray[np.int64]:
        """The edges and the number of the tag of each word, after the END: (W, 3).

        The number is PAD for a tag that only a validation set has.
        """
        pairs = zip(example.words, example.tags, strict=True)
        words = [(start + 1, end + 1, self._numbers.get(tag, PAD)) for (start, end), tag in pairs]
        return np.array(words, np.int64).reshape(-1, 3)

    def network(self, model: ModelConfig, generator: torch.Generator) -> TaggerNetwork:
        """See `Task`."""
        network = TaggerNetwork(model, self.task_record, self.tags, generator)
        start_capitals(network, self.tokenizer, generator)
        return network

    def batches(self, config: TrainConfig) -> TextBatches[Batch]:
        """See `Task`."""
        words = self._train_words

        def batch(chosen: NDArray[np.int64], rows: list[Ids]) -> Batch:
            edges, tags = side_by_side([words[k] for k in chosen])
            there = edges[:, 2] <= config.seq_length  # the others are cut off
            return Batch(rows, edges[there], tags[there])

        return TextBatches(self.train_rows, self.tokenizer, config, batch)

    def loss(self, network: TaggerNetwork, batch: Batch, generator: torch.Generator) -> Cost:
        """Nats of the tags of a batch."""
        logits = network(batch.rows, batch.edges, generator)  # (W, K)
        return Cost(*_cost(logits, batch.tags))

    def validate(self, network: TaggerNetwork) -> Generator[None, None, Scored]:
        """The mean cost of a word's tag, weighted as in training, and the F1 of spans.

        A tag that can't be learnt has no cost, and its span is not found.
        """
        rows = self.rows_of(self.val)
        words = [self.words_of(one) for one in self.val]
        nats, weight = 0.0, 0.0
        scores: list[Floats] = [np.zeros((0, len(self.tags)), np.float32)] * len(words)  # (W, K)
        for places in places_alike(rows):
            edges, tags = side_by_side([words[place] for place in places])
            logits = network([rows[place] for place in places], edges)  # (W, K)
            known = np.flatnonzero(tags != PAD)
            total, number = _cost(logits[known], tags[known])
            nats, weight = nats + float(total), weight + float(number)
            sizes = [len(words[place]) for place in places]
            parts = np.split(logits.log_softmax(-1).cpu().numpy(), np.cumsum(sizes)[:-1])
            for place, part in zip(places.tolist(), parts, strict=True):
                scores[place] = part
            yield
        weights: Weights = {}
        if self.tuned:
            right = [np.where(own[:, 2] == PAD, len(self.tags), own[:, 2]) for own in words]
            offsets = yield from thresholds(scores, right, self.tags)  # (P,)
            scores = [own - offsets @ parts_of(self.tags) for own in scores]
            weights[HEAD_BIAS] = network.weights()[HEAD_BIAS] - offsets
        answers = [[self.tags[k] for k in best_tags(own)] for own in scores]
        f1 = tag.scores_of(self.val, answers)["F1"]
        return Scored(nats / (weight or 1.0), f1, weights=weights)

    def sample(self, model: ModelConfig, weights: Weights, seed: int) -> str:
        """A validation text in which something is marked, as the model marks it."""
        marked = [one for one in self.val if one.spans] or self.val
        example = marked[seed % len(marked)]
        tagger = tag.Tagger(self.folder(model, weights))
        (tags,) = tagger.tag([example.text], [example.words])
        return shown(tag.marked(example.text, example.words, tags).plain)

    def model(self, folder: ModelFolder) -> tag.Tagger:
        """See `ExampleTask`."""
        return tag.Tagger(folder)

    def judged(self, model: Any, examples: Sequence[Any], answers: Sequence[Any]) -> Report:
        """See `ExampleTask`."""
        report = super().judged(model, examples, answers)
        if not self.tuned:
            return report
        note = "thresholds were chosen for these very texts: of others a little less is found"
        return msgspec.structs.replace(report, notes=(*report.notes, note))


def _cost(logits: Tensor, tags: NDArray[np.int64]) -> tuple[Tensor, Tensor]:
    """The nats of tags (W,) by the logits (W, K) of words, and over how much; O counts for less."""
    wanted = torch.from_numpy(tags).to(logits.device, non_blocking=True)
    weights = logits.new_ones(logits.shape[-1], dtype=torch.float32)
    weights[0] = OUTSIDE_WEIGHT
    total = cross_entropy(logits.float(), wanted, weights, reduction="sum")
    return total, weights[wanted].sum()
