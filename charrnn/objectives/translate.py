"""Translation: a text for each text, learnt from pairs.

sources ──read──▶ TranslateData ──task──▶ Translating
Translating ──batches──▶ sources (T, B), targets (S, B) ──cost──▶ nats of the targets' characters
"""

from __future__ import annotations

import math
from collections.abc import Generator, Sequence
from dataclasses import dataclass, replace
from typing import ClassVar, NamedTuple, Self

import msgspec
import numpy as np
import torch
from torch import Tensor
from torch.nn.functional import cross_entropy

from charrnn.arrays import Ids, Weights
from charrnn.config import ModelConfig, TrainConfig
from charrnn.examples.pairs import Pair, read_pairs
from charrnn.folder.record import Evaluation, ModelFolder
from charrnn.learning.task import Cost, Scored
from charrnn.network.attention import Decoder
from charrnn.network.encoder import Encoder
from charrnn.network.modules import Linear
from charrnn.objectives.base import TextData, TextTask, shown
from charrnn.objectives.batches.rows import TextBatches, padded, vocabulary_of
from charrnn.objectives.plans.pairs import MAX_EPOCHS, longest_of, plan_of, tokens_of
from charrnn.objectives.plans.plan import Plan
from charrnn.objectives.request import Request, Speed
from charrnn.objectives.validation import (
    corpora_of,
    examples_of_validation,
    form_of,
    overlap_of,
)
from charrnn.task_config import Translate
from charrnn.tasks.answers import Translation
from charrnn.tasks.scores.edits import character_error_rate
from charrnn.tasks.scores.reports import Report
from charrnn.tasks.texts import as_ids
from charrnn.tasks.translate import (
    BEAMS,
    ERRORS,
    Translator,
    corpus_of_pairs,
    nearest_targets,
    report_of,
)
from charrnn.text.records import PAD
from charrnn.text.tokenizer import in_form

__all__ = ["TranslateData", "Translating", "TranslatorNetwork", "cost_of", "plan", "read"]

SMOOTHING = 0.1  # of the wanted probabilities: a little of each character
REPORTED = 1000  # validation pairs, at the end
LOOKED_UP = 10_000  # training pairs, of which the nearest is found for each of these in a second
EXAMPLES_AT_ONCE = 128  # in validation


class TranslatorNetwork(Encoder):
    """Stacks that read the source, and a decoder that looks at what they have read.

    Args:
        config: the shape of each stack.
        reach: R, how far a move of the attention goes.
        generator: of the first weights.
    """

    def __init__(self, config: ModelConfig, reach: int, generator: torch.Generator) -> None:
        super().__init__(config, generator=generator)
        self.decoder = Decoder(config, reach, generator)
        self.head = Linear(config.hidden_size, config.vocab_size, generator)

    def forward(
        self,
        sources: Tensor,
        lengths: Tensor,
        targets: Tensor,
        generator: torch.Generator | None = None,
    ) -> Tensor:
        """Predict what follows each token of the targets.

        Args:
            sources: ids (T, B); see `Encoder.read`.
            lengths: (B,), of the sources.
            targets: ids (S, B).
            generator: of what is dropped while training.

        Returns:
            logits: (S, B, V).
        """
        memory, state, focus = self.decoder.remember(
            self.read(sources, lengths, generator), lengths
        )
        vectors, _, _ = self.decoder(targets, memory, state, focus, generator)
        logits: Tensor = self.head(vectors)
        return logits


@dataclass(frozen=True)
class TranslateData(TextData[Pair]):
    """Pairs of texts; the vocabulary is that of both sides."""

    task_record: Translate

    def task(self, config: TrainConfig) -> Translating:
        """Pairs from all over validate, or those of the user's own.

        Of a corpus that is divided, pairs of one source are on one side.

        In runs begun before rules 2 the cost in validation is without the smoothing of training,
        by which half-trained networks seem better than those that are sure.
        """
        train, val = self.parts([one.source for one in self.examples], config)
        return Translating(
            train=[pair for pair in train if longest_of(pair) <= config.seq_length],
            val=val,
            tokenizer=self.tokenizer,
            task_record=self.task_record,
            extra={},
            smoothing=SMOOTHING if config.rules > 1 else 0.0,
        )


def read(request: Request) -> TranslateData:
    """Read pairs; see `objectives.table.Objective`.

    Raises:
        CharRNNError: as `read_pairs`.
    """
    notes: list[str] = []
    text_column, label_column = request.reading.text_column, request.task_settings.label_column
    pairs = read_pairs(request.files, request.reading, notes, label_column)
    # Two files of lines have no columns of any name; numbers are of tables without a header.
    named = (text_column or "").isdecimal()
    validation = examples_of_validation(
        request,
        notes,
        lambda files, reading, own: read_pairs(files, reading, own, label_column, named=named),
    )
    if validation:
        known = vocabulary_of((text for pair in pairs for text in pair), request)
        form = form_of([text for pair in validation for text in pair], known, notes)
        validation = [Pair(*(in_form(form, text) for text in pair)) for pair in validation]
    notes += overlap_of((one.source for one in validation), (one.source for one in pairs), "source")
    texts = [text for pair in (*pairs, *validation) for text in pair]
    return TranslateData(
        examples=pairs,
        validation=validation,
        tokenizer=vocabulary_of(texts, request),
        task_record=Translate(
            text_column=text_column,
            label_column=label_column,
            longest_source=1 + max(len(pair.source) for pair in pairs),
            longest_target=1 + max(len(pair.target) for pair in pairs),
        ),
        corpus=corpora_of(request, pairs, validation, corpus_of_pairs),
        notes=tuple(notes),
    )


def plan(data: TranslateData, request: Request, speed: Speed) -> Plan:
    """Choose all that is left open; see `pairs.plan_of`."""
    vocab_size = data.tokenizer.vocab_size
    return plan_of(data.examples, data.task_record, vocab_size, request, speed, data.validation)


class Batch(NamedTuple):
    """Pairs side by side: a row of ids of each source, and of each target."""

    sources: list[Ids]
    targets: list[Ids]


@dataclass(frozen=True)
class Translating(TextTask[Pair, Batch]):
    """The task of a translator; see `learning.task.Task`.

    Args:
        smoothing: in validation, of the wanted probabilities.
        translated: see `task_config.Translate`.
    """

    task_record: Translate
    smoothing: float
    translated: int = Translate.translated
    higher_is_better: ClassVar[bool] = False

    @property
    def max_epochs(self) -> int:
        """See `Task`."""
        return MAX_EPOCHS

    @property
    def metric(self) -> str:
        """See `Task`; the report's is of searches with several paths, and of more pairs."""
        first = self.translated
        return f"{ERRORS} (greedy{f', first {first:,}' if len(self.val) > first else ''})"

    def beginning(self, tokens: int) -> Self:
        """See `Task`; the same share of those that are translated, which takes most of the time."""
        some = super().beginning(tokens)
        translated = min(self.translated, len(self.val)) * len(some.val) / max(len(self.val), 1)
        return replace(some, translated=math.ceil(translated))

    def tokens_of(self, example: Pair) -> int:
        """See `TextTask`."""
        return tokens_of(example)

    def rows_of(self, pairs: Sequence[Pair]) -> list[tuple[Ids, Ids]]:
        """The ids of the sources and of the targets, each between two ends."""
        return [
            (as_ids(pair.source, self.tokenizer), as_ids(pair.target, self.tokenizer))
            for pair in pairs
        ]

    def network(self, model: ModelConfig, generator: torch.Generator) -> TranslatorNetwork:
        """See `Task`."""
        return TranslatorNetwork(model, self.task_record.reach, generator)

    def batches(self, config: TrainConfig) -> TextBatches[Batch]:
        """Some of the sources' characters are unknown, and none of the targets'."""
        sources, targets = zip(*self.train_rows, strict=True)
        return TextBatches(
            sources,
            self.tokenizer,
            config,
            lambda chosen, rows: Batch(rows, [targets[k][: config.seq_length] for k in chosen]),
            lengths=list(map(self.tokens_of, self.train)),
        )

    def loss(self, network: TranslatorNetwork, batch: Batch, generator: torch.Generator) -> Cost:
        """Nats of the targets' characters and ends.

        Label smoothing: Szegedy et al., "Rethinking the Inception architecture for computer
        vision", 2016.
        """
        return cost_of(network, batch, SMOOTHING, generator)

    def validate(self, network: TranslatorNetwork) -> Generator[None, None, Scored]:
        """The mean cost of a character, and the character error rate of greedy translations."""
        examples = sorted(self.rows_of(self.val), key=lambda pair: sum(map(len, pair)))
        nats, count = 0.0, 0
        for first in range(0, len(examples), EXAMPLES_AT_ONCE):
            some = examples[first : first + EXAMPLES_AT_ONCE]
            cost = cost_of(network, Batch(*map(list, zip(*some, strict=True))), self.smoothing)
            nats += float(cost.total)
            count += int(cost.number)
            yield
        translator = Translator(self.folder(network.config, network.weights()))
        pairs = self.val[: self.translated]
        answers = translator.predict([pair.source for pair in pairs], num_beams=1)
        texts = [answer.text for answer in answers]
        errors = character_error_rate(texts, nearest_targets(texts, pairs, self.val))
        return Scored(nats / count, errors)

    def rank(self, evaluation: Evaluation) -> tuple[float, ...]:
        """The cost of all pairs: the error rate of some hundred is left to chance.

        By that rate, sentences of 0.489 nats were once kept, and later ones of 0.478 were not.
        """
        return (evaluation.val_nats,)

    def sample(self, model: ModelConfig, weights: Weights, seed: int) -> str:
        """A validation source and its translation."""
        pair = self.val[seed % len(self.val)]
        (answer,) = Translator(self.folder(model, weights)).predict([pair.source])
        (wanted,) = nearest_targets([answer.text], [pair], self.val)
        right = "" if answer.text == wanted else f"\nit should be: {shown(wanted)}"
        return f"{shown(pair.source)}\n→ {shown(answer.text)}{right}"

    def model(self, folder: ModelFolder) -> Translator:
        """See `ExampleTask`."""
        return Translator(folder)

    @property
    def reported(self) -> Sequence[Pair]:
        """See `ExampleTask`; so many tell all that there is to know."""
        return self.val[:REPORTED]

    @property
    def reporting(self) -> float:
        """See `Task`; of each pair, several paths are followed, and of more pairs."""
        return BEAMS * len(self.reported) / len(self.val[: self.translated])

    def judged(
        self,
        model: Translator,  # noqa: ARG002
        examples: Sequence[Pair],
        answers: Sequence[Translation],
    ) -> Report:
        """See `ExampleTask`; what could be looked up is what was trained on.

        Of many pairs it is some: among a hundred thousand, the nearest ones took a run of a minute
        ten seconds past its end.
        """
        count = len(self.train)
        if count <= LOOKED_UP:
            return report_of(examples, answers, self.train, self.val)
        some = np.sort(np.random.default_rng(0).permutation(count)[:LOOKED_UP])
        report = report_of(examples, answers, [self.train[k] for k in some], self.val)
        found = f"the nearest source is one of {LOOKED_UP:,} of {count:,} that were trained on"
        note = f"{found}; charrnn eval looks at all"
        return msgspec.structs.replace(report, notes=(note, *report.notes))


def cost_of(
    network: TranslatorNetwork,
    batch: Batch,
    smoothing: float,
    generator: torch.Generator | None = None,
) -> Cost:
    """What the translations of a batch cost.

    Args:
        smoothing: this part of what is wanted is shared by all characters.
        generator: for dropout; None to drop nothing.
    """
    device = network.device
    sources, lengths = padded(batch.sources, device)  # (T, B), (B,)
    ids, ends = padded(batch.targets, device)  # (S+1, B), (B,)
    logits = network(sources, lengths, ids[:-1], generator)  # (S, B, V)
    times = torch.arange(1, len(ids), device=device)[:, None]  # (S, 1)
    wanted = ids[1:].masked_fill(times >= ends, PAD)
    total = cross_entropy(
        logits.flatten(0, 1).float(),
        wanted.flatten(),
        ignore_index=PAD,
        reduction="sum",
        label_smoothing=smoothing,
    )
    return Cost(total, sum(len(target) - 1 for target in batch.targets))
