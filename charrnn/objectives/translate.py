"""Translation: a text for each text, learnt from pairs.

sources ──read──▶ TranslateData ──divided──▶ Translation
Translation ──batches──▶ sources (T, B), targets (S, B) ──cost──▶ nats of the targets' characters
"""

from __future__ import annotations

import math
from collections.abc import Generator, Sequence
from dataclasses import dataclass
from typing import ClassVar, NamedTuple

import torch
from torch import Tensor
from torch.nn.functional import cross_entropy

from charrnn.arrays import Ids, Weights
from charrnn.cells.heads import shapes_of
from charrnn.config import ModelConfig, TrainConfig, settings_from
from charrnn.errors import UsageError
from charrnn.examples.pairs import Pair, read_pairs
from charrnn.folder.record import Evaluation, ModelFolder
from charrnn.learning.task import Cost, Scored
from charrnn.network.attention import Decoder
from charrnn.network.encoder import Encoder
from charrnn.network.modules import linear
from charrnn.objectives.base import TextData, TextTask
from charrnn.objectives.batches.examples import counted, divide, shape_of, side_by_side
from charrnn.objectives.batches.rows import TextBatches, corpus_of, padded, vocabulary_of
from charrnn.objectives.plans.plan import Plan
from charrnn.objectives.plans.planning import MODEL_FIELDS, TRAIN_FIELDS
from charrnn.objectives.request import Request, Speed
from charrnn.task_config import Translate
from charrnn.tasks.scores.edits import character_error_rate
from charrnn.tasks.scores.reports import Report
from charrnn.tasks.texts import as_ids
from charrnn.tasks.translate import ERRORS, Translator, report_of
from charrnn.text.records import PAD
from charrnn.text.tokenizer import Tokenizer

__all__ = ["TranslateData", "Translation", "TranslatorNetwork", "plan", "read"]

SMOOTHING = 0.1  # of the wanted probabilities: a little of each character
MAX_EPOCHS = 60
TRANSLATED = 300  # validation pairs at an evaluation, and
REPORTED = 1000  # at the end
EXAMPLES_AT_ONCE = 128  # in validation

# What of the shape does not depend on the pairs. Dropout of outputs and of recurrent weights.
SHAPE = {"cell": "lstm", "embed_size": 64, "num_layers": 1, "skip": True, "bidirectional": True}
DROPOUTS = {"dropout": 0.3, "weight_dropout": 0.2}

# The sizes of a stack, and that of the largest for pairs of fewer characters in all.
SIZES = (64, 128, 192, 256, 384, 512)
LARGEST = ((30_000, 64), (100_000, 128), (1_000_000, 256), (math.inf, 512))
PASSES = 12  # that a size must be able to make to be chosen
PAIRS = 64  # side by side, fewer where all would be read in a few batches


class TranslatorNetwork(Encoder):
    """Stacks that read the source, and a decoder that looks at what they have read.

    Args:
        config: the shape of each stack.
        reach: R, how far a move of the attention goes.
        generator: of the first weights.
    """

    def __init__(
        self, config: ModelConfig, reach: int, generator: torch.Generator | None = None
    ) -> None:
        super().__init__(config, generator=generator)
        self.decoder = Decoder(config, reach, generator)
        self.head = linear(config.hidden_size, config.vocab_size, generator)

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

    kind: Translate

    def divided(self, config: TrainConfig) -> Translation:
        """Pairs from all over validate; those of one source are on one side."""
        pairs = self.examples
        train, val = divide([pair.source for pair in pairs], config.val_frac, config.seed)
        return Translation(
            train=[pairs[k] for k in train if longest_of(pairs[k]) <= config.seq_length],
            val=[pairs[k] for k in val],
            tokenizer=self.tokenizer,
            kind=self.kind,
            extra={},
        )


def read(request: Request, known: Tokenizer | None = None) -> TranslateData:
    """Read pairs; see `objectives.table.Objective`.

    Raises:
        CharRNNError: as `read_pairs`.
    """
    notes: list[str] = []
    pairs, columns = read_pairs(request.files, request.reading, request.work.label_column, notes)
    texts, targets = ([pair[side] for pair in pairs] for side in (0, 1))
    return TranslateData(
        examples=pairs,
        tokenizer=vocabulary_of(texts + targets, request.bases, known),
        kind=Translate(
            text_column=columns and columns[0],
            label_column=columns and columns[1],
            longest_source=1 + max(map(len, texts)),
            longest_target=1 + max(map(len, targets)),
        ),
        corpus=corpus_of(request.files, texts, "\0".join(targets)),
        notes=tuple(notes),
    )


def longest_of(pair: Pair) -> int:
    """Steps in which both texts of a pair are read, with their ends."""
    return 2 + max(len(pair.source), len(pair.target))


def plan(data: TranslateData, request: Request, speed: Speed) -> Plan:
    """Choose all that is left open; see `planning.plan`.

    Raises:
        BadDataError: if there are too few pairs.
        UsageError: for another shape than the models have, or pairs that are all too long.
    """
    given = request.settings
    sources = [pair.source for pair in data.examples]
    val_frac = given.get("val_frac") or min(0.1, 2 * REPORTED / len(set(sources)))
    train_rows, val_rows = divide(sources, val_frac, given.get("seed", 0))
    lengths = [longest_of(pair) for pair in data.examples]
    longest = given.get("seq_length") or max(lengths)
    train = [data.examples[k] for k in train_rows if lengths[k] <= longest]
    if not train:
        found = f"seq_length is {longest}, the pairs need {min(lengths)} to {max(lengths)} steps"
        raise UsageError(found, f"choose {max(lengths)} to read all of them", "seq_length")
    tokens = sum(map(Translation.tokens_of, train))
    model = _model(data, request, speed, tokens)
    usual = min(PAIRS, 2 ** int(math.log2(max(len(train) / 8, 1))))
    settings = {
        "seq_length": longest,
        "learning_rate": _learning_rate(model, fine_tuning=bool(request.bases)),
        "weight_decay": 0.05,
        "val_frac": val_frac,
    }
    settings |= {n: v for n, v in given.items() if n in TRAIN_FIELDS - {"val_frac"}}
    batch_size = side_by_side(given.get("batch_size"), usual, len(train), "pairs")
    settings["batch_size"] = batch_size
    steps = math.ceil(len(train) / batch_size)
    notes = []
    if left_out := len(train_rows) - len(train):
        notes.append(
            f"left out {counted(left_out, 'pair')} with a text of over {longest - 2:,} characters"
        )
    reasons = (
        f"3 stacks of {model.num_layers}×{model.hidden_size} {model.cell}, "
        f"embedding {model.embed_size}, {counted(batch_size, 'pair')} side by side, "
        f"learning rate {settings['learning_rate']:g}, dropout {model.dropout:g}"
        f"{f' (weights {model.weight_dropout:g})' if model.weight_dropout else ''}, chosen for "
        f"{counted(len(train), 'training pair')} of {tokens:,} characters"
    )
    return Plan(
        model=model,
        settings=settings,
        train_tokens=tokens,
        val_tokens=sum(Translation.tokens_of(data.examples[k]) for k in val_rows),
        reasons=reasons,
        notes=tuple(notes),
        tokens_per_step=tokens / steps,
        steps_per_epoch=steps,
    )


def _model(data: TranslateData, request: Request, speed: Speed, train: int) -> ModelConfig:
    """The largest network that the pairs are enough for, and that reads them often enough."""
    own = {name: value for name, value in request.settings.items() if name in MODEL_FIELDS}
    own = shape_of(request.bases, own)
    shape = {"vocab_size": data.tokenizer.vocab_size, **SHAPE, **DROPOUTS, **own}
    if "hidden_size" in own:
        return settings_from(ModelConfig, shape)
    largest = next(size for limit, size in LARGEST if train < limit)
    models = [settings_from(ModelConfig, shape | {"hidden_size": size}) for size in SIZES]
    chosen, operations = models[0], 60 * (request.budget.minutes or math.inf) * speed()
    for model in models:
        parameters = sum(math.prod(shape) for shape in shapes_of(model, data.kind).values())
        # Half of the weights are read with each character: those of the source, or of the target.
        characters = operations / (3 * parameters)
        if model.hidden_size <= largest and characters >= PASSES * train:
            chosen = model
    return chosen


RATES = {"lstm": 1.0, "gru": 0.8, "rnn": 0.3}  # of an LSTM's learning rate


def _learning_rate(model: ModelConfig, *, fine_tuning: bool) -> float:
    rate = 3e-3 * (256 / max(model.hidden_size, 64)) ** 0.5 * RATES[model.cell]
    return float(f"{rate * (0.4 if fine_tuning else 1):.1g}")


class Batch(NamedTuple):
    """Pairs side by side: a row of ids of each source, and of each target."""

    sources: list[Ids]
    targets: list[Ids]


@dataclass(frozen=True)
class Translation(TextTask[Pair, Batch]):
    """The task of a translator; see `learning.task.Task`."""

    kind: Translate
    metric: ClassVar[str] = ERRORS
    higher_is_better: ClassVar[bool] = False
    max_epochs: ClassVar[int] = MAX_EPOCHS

    @staticmethod
    def tokens_of(example: Pair) -> int:
        """See `TextTask`."""
        return len(example.source) + len(example.target) + 4

    def rows_of(self, pairs: Sequence[Pair]) -> list[tuple[Ids, Ids]]:
        """The ids of the sources and of the targets, each between two ends."""
        return [
            (as_ids(pair.source, self.tokenizer), as_ids(pair.target, self.tokenizer))
            for pair in pairs
        ]

    def network(self, model: ModelConfig, generator: torch.Generator) -> TranslatorNetwork:
        """See `Task`."""
        return TranslatorNetwork(model, self.kind.reach, generator)

    def batches(self, config: TrainConfig) -> TextBatches[Batch]:
        """Some of the sources' characters are unknown, and none of the targets'."""
        sources, targets = zip(*self.rows_of(self.train), strict=True)
        return TextBatches(
            sources,
            self.tokenizer,
            config,
            lambda chosen, rows: Batch(rows, [targets[k] for k in chosen]),
            lengths=list(map(self.tokens_of, self.train)),
        )

    def loss(self, network: TranslatorNetwork, batch: Batch, generator: torch.Generator) -> Cost:
        """Nats of the targets' characters and ends.

        Label smoothing: Szegedy et al., "Rethinking the Inception architecture for computer
        vision", 2016.
        """
        return _cost(network, batch, SMOOTHING, generator)

    def validate(self, network: TranslatorNetwork) -> Generator[None, None, Scored]:
        """The mean cost of a character, and the character error rate of greedy translations."""
        examples = sorted(self.rows_of(self.val), key=lambda pair: sum(map(len, pair)))
        nats, count = 0.0, 0
        for first in range(0, len(examples), EXAMPLES_AT_ONCE):
            some = examples[first : first + EXAMPLES_AT_ONCE]
            cost = _cost(network, Batch(*map(list, zip(*some, strict=True))), 0.0)
            nats += float(cost.total)
            count += int(cost.number)
            yield
        translator = Translator(self.folder(network.config, network.weights()))
        pairs = self.val[:TRANSLATED]
        answers = translator.predict([pair.source for pair in pairs], num_beams=1)
        texts = [answer.text for answer in answers]
        errors = character_error_rate(texts, [pair.target for pair in pairs])
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
        right = "" if answer.text == pair.target else f"\nit should be: {pair.target}"
        return f"{pair.source}\n→ {answer.text}{right}"

    def report(self, found: ModelFolder) -> Report:
        """See `Task`."""
        val = self.val[:REPORTED]
        answers = Translator(found).predict([pair.source for pair in val])
        return report_of(val, answers, self.train)


def _cost(
    network: TranslatorNetwork,
    batch: Batch,
    smoothing: float,
    generator: torch.Generator | None = None,
) -> Cost:
    device = next(network.parameters()).device
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
