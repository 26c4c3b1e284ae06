"""A class for each text.

sources ──read──▶ ClassifyData ──task──▶ Classifying
Classifying ──batches──▶ ids (T, B), lengths, classes ──cost──▶ nats
"""

from __future__ import annotations

import math
import sys
from collections.abc import Generator, Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import ClassVar, NamedTuple

import numpy as np
import torch
from numpy.typing import NDArray
from torch import Tensor
from torch.nn.functional import cross_entropy

from charrnn.arrays import Ids, Weights
from charrnn.checkpoints import LABELS
from charrnn.config import ModelConfig, TrainConfig
from charrnn.errors import printable
from charrnn.examples.labelled import Labelled, check_classes, read_labelled
from charrnn.folder.files import pretty_json
from charrnn.folder.record import CorpusRecord, ModelFolder
from charrnn.learning.task import Cost, Scored
from charrnn.network.encoder import Encoder
from charrnn.network.modules import Embedding, Linear, zeros
from charrnn.objectives.base import TextData, TextTask, shown
from charrnn.objectives.batches.rows import TextBatches, added, padded, vocabulary_of
from charrnn.objectives.plans.plan import Plan
from charrnn.objectives.plans.texts import Needs, longest_in, plan_of
from charrnn.objectives.request import Request, Speed
from charrnn.objectives.validation import (
    corpora_of,
    examples_of_validation,
    form_of,
    label_notes,
    overlap_of,
)
from charrnn.scoring.batches import places_alike
from charrnn.task_config import Classify
from charrnn.tasks import classify
from charrnn.tasks.nets.grams import grams, letters_of, rows_for
from charrnn.tasks.texts import ENDS, as_ids, corpus_of
from charrnn.text.records import PAD
from charrnn.text.tokenizer import in_form
from charrnn.words import twins

__all__ = ["Classifying", "plan", "read"]

SMOOTHING = 0.05  # of the wanted probabilities: a little of each class
LEFT_OUT = 0.3  # of the words, in training, see `batches.rows.without_some_words`
REORDERED = 0.5  # of the texts, see `batches.rows.in_other_orders`
# Measured in benchmarks/NOTES.md: for texts of fewer characters in all, the largest network.
SIZES = ((20_000, 64), (60_000, 128), (3_000_000, 192), (math.inf, 384))
# Also there: of the learning rate, for runs that start from language models;
# with less, too little is learnt of n-grams.
FINE_TUNING = 0.65
# Also there: for texts of fewer characters in all, epochs, after which they are learnt by heart,
# and dropout. Epochs go by the tokens that are trained on, ends included, and dropout by the
# characters of all texts: near the limit one may change before the other.
LIMITS = ((300_000, 16, 0.5), (math.inf, 20, 0.1))


class ClassifierNetwork(Encoder):
    """Stacks, whose outputs' maximum and mean over time go to a linear layer.

    What the n-grams of a text say is added, if there is a table of them.

    Args:
        config: the shape of the stacks.
        task_record: K classes, and N rows of the table.
        letters: (V,), see `tasks.nets.grams.letters_of`.
        generator: of the first weights.
    """

    grams: Embedding | None

    def __init__(
        self,
        config: ModelConfig,
        task_record: Classify,
        letters: NDArray[np.bool_],
        generator: torch.Generator,
    ) -> None:
        super().__init__(config, generator=generator)
        width = 2 * (1 + config.bidirectional) * config.hidden_size  # 2·D·H
        self.head = Linear(width, task_record.classes, generator)
        self.letters = letters
        self.grams = None
        if task_record.grams:
            self.grams = Embedding(task_record.grams, task_record.classes, first=zeros)

    def forward(self, rows: Sequence[Ids], generator: torch.Generator | None = None) -> Tensor:
        """The logits (B, K) of rows of ids."""
        ids, lengths = padded(rows, self.head.weight.device)  # (T, B), (B,)
        output = self.read(ids, lengths, generator).float()  # (T, B, D·H)
        there = (torch.arange(len(ids), device=ids.device)[:, None] < lengths)[..., None]
        highest = output.masked_fill(~there, -math.inf).amax(0)  # (B, D·H)
        mean = (output * there).sum(0) / lengths[:, None]  # (B, D·H)
        logits: Tensor = self.head(torch.cat([highest, mean], -1))
        if self.grams is None:
            return logits
        sizes, table = np.array(list(map(len, rows))), self.grams.weight  # (B,), (N, K)
        return logits + added(grams(np.concatenate(rows), sizes, self.letters, len(table)), table)


@dataclass(frozen=True)
class ClassifyData(TextData[Labelled]):
    """Texts with their classes.

    Attributes:
        labels: the K classes, sorted.
    """

    task_record: Classify
    labels: Sequence[str]

    def task(self, config: TrainConfig) -> Classifying:
        """Texts from all over validate, or those of the user's own.

        In runs begun before rules 2 words stay in their order, epochs are chosen by all
        characters, also those that are not read, and the cost in validation is without the
        smoothing of training, by which half-trained networks seem better than those that are sure.
        """
        older = config.rules < 2
        classes = [one.label for one in self.examples] if config.keep_classes else None
        train, val = self.parts([one.text for one in self.examples], config, classes)
        labels = classify.labels_in(train, self.labels)
        limit = sys.maxsize if older else config.seq_length
        return Classifying(
            train=train,
            val=val,
            labels=self.labels,
            tokenizer=self.tokenizer,
            task_record=self.task_record,
            extra={LABELS: pretty_json(labels)},
            longest=config.seq_length,
            counted=sum(min(len(one.text) + ENDS, limit) for one in train),
            reordered=0.0 if older else REORDERED,
            smoothing=0.0 if older else SMOOTHING,
        )


def read(request: Request) -> ClassifyData:
    """Read texts with labels; see `objectives.table.Objective`.

    Raises:
        CharRNNError: as `read_labelled` and `check_classes` do.
    """
    notes: list[str] = []
    text_column, label_column = request.reading.text_column, request.task_settings.label_column
    examples = read_labelled(request.files, request.reading, notes, label_column)
    labels = check_classes(examples, divided=request.validation is None)
    notes += twins(labels, "classes")
    validation = examples_of_validation(
        request,
        notes,
        lambda files, reading, own: read_labelled(files, reading, own, label_column, named=False),
    )
    if validation:
        known = vocabulary_of((one.text for one in examples), request)
        form = form_of([one.text for one in validation], known, notes)
        validation = [one._replace(text=in_form(form, one.text)) for one in validation]
    notes += label_notes([one.label for one in validation], labels, "text")
    notes += overlap_of((one.text for one in validation), (one.text for one in examples), "text")
    texts = [one.text for one in (*examples, *validation)]
    return ClassifyData(
        examples=examples,
        validation=validation,
        labels=labels,
        tokenizer=vocabulary_of(texts, request),
        task_record=Classify(
            classes=len(labels),
            grams=rows_for(len(labels)),
            text_column=text_column,
            label_column=label_column,
        ),
        corpus=corpora_of(request, examples, validation, _corpus),
        notes=tuple(notes),
    )


def _corpus(files: Sequence[str | Path], examples: Sequence[Labelled]) -> CorpusRecord:
    """What the model folder says of examples."""
    labels = "\0".join(one.label for one in examples)
    return corpus_of(files, [one.text for one in examples], labels)


def plan(data: ClassifyData, request: Request, speed: Speed) -> Plan:
    """Choose all that is left open; see `texts.plan_of`."""
    texts, longest = [one.text for one in data.examples], longest_in(request.settings)
    characters = sum(min(len(text), longest - ENDS) for text in texts)
    needs = Needs(
        limits=SIZES,
        dropout=next(share for limit, _, share in LIMITS if characters < limit),
        grams=data.task_record.grams,
        fine_tuning=FINE_TUNING,
    )
    labels = [one.label for one in data.examples]
    validation = [one.text for one in data.validation]
    return plan_of(texts, data.tokenizer.vocab_size, needs, request, speed, labels, validation)


class Batch(NamedTuple):
    """Texts side by side: a row of ids each, and their classes (B,)."""

    rows: list[Ids]
    classes: NDArray[np.int64]


@dataclass(frozen=True)
class Classifying(TextTask[Labelled, Batch]):
    """The task of a classifier; see `learning.task.Task`.

    Args:
        labels: the classes, in the order of the scores.
        longest: steps of a text that are read, with its ends.
        counted: steps in training texts, by which epochs are chosen.
        reordered: share of the texts whose words are in another order in training.
        smoothing: in validation, of the wanted probabilities.
    """

    task_record: Classify
    labels: Sequence[str]
    longest: int
    counted: int
    reordered: float
    smoothing: float
    metric: ClassVar[str] = "accuracy"

    def tokens_of(self, example: Labelled) -> int:
        """See `TextTask`."""
        return min(len(example.text) + ENDS, self.longest)

    @property
    def max_epochs(self) -> int:
        """See `Task`."""
        return next(epochs for limit, epochs, _ in LIMITS if self.counted < limit)

    @property
    def unseen(self) -> Sequence[str]:
        """See `ExampleTask`."""
        seen = {one.label for one in self.val}
        return [label for label in self.labels if label not in seen]

    def rows_of(self, examples: Sequence[Labelled]) -> list[Ids]:
        """The ids of texts, or of their beginnings."""
        return [as_ids(one.text, self.tokenizer)[: self.longest] for one in examples]

    def classes_of(self, examples: Sequence[Labelled]) -> NDArray[np.int64]:
        """The numbers of their classes: (N,); PAD for one that only a validation set has."""
        numbers = {label: number for number, label in enumerate(self.labels)}
        return np.array([numbers.get(one.label, PAD) for one in examples], np.int64)

    def network(self, model: ModelConfig, generator: torch.Generator) -> ClassifierNetwork:
        """See `Task`."""
        return ClassifierNetwork(model, self.task_record, letters_of(self.tokenizer), generator)

    def batches(self, config: TrainConfig) -> TextBatches[Batch]:
        """Texts without some of their words, and some with these in another order."""
        classes = self.classes_of(self.train)
        return TextBatches(
            self.train_rows,
            self.tokenizer,
            config,
            lambda chosen, rows: Batch(rows, classes[chosen]),
            left_out=LEFT_OUT,
            reordered=self.reordered,
        )

    def loss(self, network: ClassifierNetwork, batch: Batch, generator: torch.Generator) -> Cost:
        """Nats of the classes of a batch.

        Label smoothing: Szegedy et al., "Rethinking the Inception architecture for computer
        vision", 2016.
        """
        logits = network(batch.rows, generator)  # (B, K)
        wanted = torch.from_numpy(batch.classes).to(logits.device, non_blocking=True)
        total = cross_entropy(logits, wanted, reduction="sum", label_smoothing=SMOOTHING)
        return Cost(total, len(batch.rows))

    def validate(self, network: ClassifierNetwork) -> Generator[None, None, Scored]:
        """The mean cost of a text, and the share of those that are labelled correctly.

        A text whose class can't be learnt has no cost, and is not labelled correctly.
        """
        classes, rows, nats, right = self.classes_of(self.val), self.rows_of(self.val), 0.0, 0
        for places in places_alike(rows):
            logits = network([rows[place] for place in places])
            wanted = torch.from_numpy(classes[places]).to(logits.device)
            cost = cross_entropy(
                logits,
                wanted,
                ignore_index=PAD,
                reduction="sum",
                label_smoothing=self.smoothing,
            )
            nats += float(cost)
            right += int((logits.argmax(-1) == wanted).sum())
            yield
        known = int((classes != PAD).sum())  # of a beginning it may be none
        return Scored(nats / max(known, 1), right / len(self.val))

    def sample(self, model: ModelConfig, weights: Weights, seed: int) -> str:
        """A validation text and what the model says of it."""
        example = self.val[seed % len(self.val)]
        read = example.text[: self.longest - ENDS]
        (answer,) = classify.Classifier(self.folder(model, weights)).predict([read])
        verdict = "" if answer.label == example.label else f", wrongly: it is {example.label}"
        said = printable(f"{answer.label} ({answer.probability:.0%}){verdict}")
        return f"{shown(example.text)}\n→ {said}"

    def model(self, folder: ModelFolder) -> classify.Classifier:
        """See `ExampleTask`."""
        return classify.Classifier(folder)
