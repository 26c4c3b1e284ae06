"""A language model: each character is predicted from those before it.

sources ──read──▶ LanguageData ──task──▶ LanguageModelling
LanguageModelling ──batches──▶ windows (B, T+1) ──cost──▶ nats, state
"""

from __future__ import annotations

import math
from collections.abc import Callable, Generator, Mapping, Sequence
from contextlib import closing
from dataclasses import dataclass, replace
from functools import cached_property
from types import MappingProxyType
from typing import ClassVar

import msgspec
import numpy as np
import torch
from torch import Tensor
from torch.nn.functional import cross_entropy

from charrnn.arrays import Weights
from charrnn.cells.rules import State
from charrnn.config import ModelConfig, Reading, TrainConfig
from charrnn.errors import printable
from charrnn.evaluation import surprisals
from charrnn.folder.record import CorpusRecord, Evaluation, ModelFolder
from charrnn.learning import transfer
from charrnn.learning.lanes import Batch, Lanes
from charrnn.learning.records import RecordLanes
from charrnn.learning.task import Cost, Scored
from charrnn.models.model import Model
from charrnn.network.char_rnn import CharRNN
from charrnn.network.stack.recurrent import Rows
from charrnn.objectives.plans import advice
from charrnn.objectives.plans.language import max_epochs
from charrnn.objectives.validation import form_note, overlap_note, told
from charrnn.scoring.score import characters_in
from charrnn.text.corpus import Sources
from charrnn.text.origin import reading_for_validation
from charrnn.text.records import PAD, EncodedText, Records, beginning, entropy, holds
from charrnn.text.spool import Spool
from charrnn.text.tokenizer import CharTokenizer, Tokenizer
from charrnn.words import counted, first_few

__all__ = ["LanguageData", "LanguageModelling", "read", "reset_some_lanes", "split"]

# The share of lanes whose state is emptied before an update. Sampling starts with an empty state,
# so the network must know what to do with one; see benchmarks/NOTES.md for what it gains and loses.
RESET_SHARE = 0.03
SAMPLE_LENGTH = 160  # tokens shown at each evaluation


@dataclass(frozen=True)
class LanguageData:
    """A text, as a story or as records.

    Attributes:
        text: all of it: ids (N,), or records.
        tokenizer: its vocabulary, and that of the validation text.
        corpus, notes: as `Data` has them.
        validation: a text of the user's own that validates; None for a part of `text`.
    """

    task_record: ClassVar[None] = None
    text: EncodedText
    tokenizer: Tokenizer
    corpus: CorpusRecord
    notes: tuple[str, ...] = ()
    validation: EncodedText | None = None

    def task(self, config: TrainConfig) -> LanguageModelling:
        """The last part of a story validates, or records from all over a list.

        Where a text of its own validates, all of the other is for training.
        """
        if self.validation is not None:
            return LanguageModelling(self.text, self.validation, self.tokenizer)
        return LanguageModelling(*split(self.text, config), self.tokenizer)

    def start_from(self, network: CharRNN, bases: Sequence[ModelFolder]) -> str:
        """Put another model's weights into a new network."""
        (base,) = bases
        known, new = transfer.transfer(network, base, self.tokenizer)
        note = (
            f"from {base.path}: {known} {self.tokenizer.unit}s keep their embeddings, {new} are new"
        )
        if base.reads_backwards != self.corpus.reverse:
            ways = ("backwards", "forwards") if base.reads_backwards else ("forwards", "backwards")
            note += "; it learnt to read {}, and this run reads {}".format(*ways)
        return note


def split(text: EncodedText, config: TrainConfig) -> tuple[EncodedText, EncodedText]:
    """The part of a text for training, which may be mapped from a file, and for validation."""
    if isinstance(text, Records):
        return text.split(config.training_tokens(text.distinct), config.seed)
    train = config.training_tokens(len(text))
    return text[:train], text[train:].astype(np.int32)


def read(
    sources: Sources,
    reading: Reading,
    check: Callable[[CorpusRecord], object],
    vocabulary: Callable[[Spool, str], Tokenizer],
    validation: Sources | None = None,
) -> LanguageData:
    """Read a text, and what validates if that is another one.

    Args:
        sources, reading: what is read, and how.
        check: called with what was found, before it is encoded.
        vocabulary: makes or finds the tokenizer of a text, given all characters that it must know.
        validation: the validation text; None for a part of the other.

    Raises:
        CharRNNError: as `read_corpus`, or as `check` and `vocabulary` do.
    """
    with closing(Spool(sources, reading)) as spool:
        corpus = _corpus_of(spool)
        if validation is None:
            check(corpus)
            tokenizer = vocabulary(spool, spool.characters)
            return LanguageData(spool.encoded(tokenizer), tokenizer, corpus, spool.notes)
        reading = msgspec.structs.replace(reading, records=spool.division.kind)
        with closing(Spool(validation, reading_for_validation(validation, reading))) as held:
            corpus = msgspec.structs.replace(corpus, validation=_corpus_of(held))
            check(corpus)
            return _beside(spool, held, corpus, vocabulary)


def _corpus_of(spool: Spool) -> CorpusRecord:
    return CorpusRecord(
        name=spool.name,
        characters=spool.length,
        sha256=spool.sha256,
        records=spool.division.kind,
        record_count=spool.record_count,
        reverse=spool.reading.reverse,
    )


def _beside(
    spool: Spool, held: Spool, corpus: CorpusRecord, vocabulary: Callable[[Spool, str], Tokenizer]
) -> LanguageData:
    """A text to train on, and another that validates; see `read`."""
    known = vocabulary(spool, spool.characters)
    form = held.take_known_form(known)
    tokenizer = vocabulary(spool, "".join(sorted({*spool.characters, *held.characters})))
    notes = told(held.notes) + form_note(form)
    if isinstance(known, CharTokenizer) and isinstance(tokenizer, CharTokenizer):
        notes += _new_characters(sorted({*tokenizer.characters} - {*known.characters}))
    if held.is_undivided:
        notes += told([f"{held.name} is one record, as it stands"])
    text, validation = spool.encoded(tokenizer), held.encoded(tokenizer)
    if isinstance(text, Records) and isinstance(validation, Records):
        notes += overlap_note(validation.shared_with(text), validation.count, "record")
    else:
        assert not isinstance(text, Records), "both are divided alike"
        assert not isinstance(validation, Records), "both are divided alike"
        notes += told(["all of it is trained on, too"]) if holds(text, validation) else []
        validation = validation.astype(np.int32)
    return LanguageData(text, tokenizer, corpus, (*spool.notes, *notes), validation)


def _new_characters(characters: Sequence[str]) -> list[str]:
    """The note on characters that only the validation text has, if there are any."""
    if not characters:
        return []
    count = counted(len(characters), "character")
    named = printable(first_few(characters))
    are = "is" if len(characters) == 1 else "are"
    return told([f"{count} that {are} not trained on can't be learnt: {named}"])


@dataclass(frozen=True)
class LanguageModelling:
    """The task of a language model; see `learning.task.Task`.

    Args:
        train, val: the training and the validation text: ids (N,), or records.
        tokenizer: of both.
    """

    train: EncodedText
    val: EncodedText
    tokenizer: Tokenizer
    task_record: ClassVar[None] = None
    metric: ClassVar[str] = ""
    extra: ClassVar[Mapping[str, bytes]] = MappingProxyType({})

    @property
    def unit(self) -> str:
        """A character or a byte; a token where some are several bytes."""
        return self.tokenizer.loss_per

    @property
    def val_tokens(self) -> int:
        """Tokens that are validated on."""
        return self.val.size

    @property
    def max_epochs(self) -> int:
        """Passes after which the text is known by heart."""
        return max_epochs(self.train.size)

    @property
    def reset_share(self) -> float:
        """Records begin with an empty state anyway."""
        return 0.0 if isinstance(self.train, Records) else RESET_SHARE

    def network(self, model: ModelConfig, generator: torch.Generator) -> CharRNN:
        """See `Task`."""
        return CharRNN(model, generator)

    def batches(self, config: TrainConfig) -> Lanes | RecordLanes:
        """Lanes of a story, or records side by side."""
        sizes = (config.batch_size, config.seq_length, config.seed)
        if isinstance(self.train, Records):
            return RecordLanes(self.train, *sizes)
        return Lanes(self.train, *sizes)

    def cost(
        self, network: CharRNN, batch: Batch, state: State | None, generator: torch.Generator
    ) -> Cost:
        """Nats of the tokens that follow those of a batch (B, T)."""
        device = network.device
        targets = batch.targets
        inputs = torch.from_numpy(batch.inputs).to(device, non_blocking=True)  # (B, T)
        wanted = torch.from_numpy(targets).to(device, non_blocking=True)  # (B, T)
        if batch.fresh:
            state = None
        if state is not None:
            state = reset_some_lanes(state, self.reset_share, generator, network.rnn.rows)
        elif device.type != "cpu":
            # Draw and discard, as a graph draws for every batch: the dropout masks come next.
            lanes = len(inputs)
            _dice(network.rnn.rows or Rows(0, lanes, lanes), generator, device)
        logits, state = network(inputs, state, generator)  # (B, T, V)
        scores = logits.flatten(0, 1).float()
        total = cross_entropy(scores, wanted.flatten(), ignore_index=PAD, reduction="sum")
        return Cost(total, int(np.count_nonzero(targets != PAD)), state)

    def start(self, network: CharRNN, config: TrainConfig) -> State:
        """The empty state of the lanes (L, B, H)."""
        return network.rnn.start(config.batch_size)

    def beginning(self, tokens: int) -> LanguageModelling:
        """See `Task`."""
        return replace(self, val=beginning(self.val, tokens))

    def validate(self, network: CharRNN) -> Generator[None, None, Scored]:
        """The mean over all tokens."""
        nats = yield from surprisals.in_pieces(network, self.val)
        return Scored(float(nats.mean(dtype=np.float64)))

    def rank(self, evaluation: Evaluation) -> tuple[float, ...]:
        """The validation loss."""
        return (evaluation.val_nats,)

    def sample(self, model: ModelConfig, weights: Weights, seed: int) -> str:
        """Some text that the model writes."""
        writer = Model(model, self.tokenizer, weights)
        return writer.generate(max_new_tokens=SAMPLE_LENGTH, seed=seed)

    @property
    def reporting(self) -> float:
        """See `Task`."""
        return 0.0

    def report(
        self,
        folder: ModelFolder,  # noqa: ARG002
        is_late: Callable[[], bool],  # noqa: ARG002
    ) -> Generator[int, None, None]:
        """Its losses say it all."""
        yield from ()

    @cached_property
    def _tokens_per_character(self) -> float:
        ids = self.val.targets() if isinstance(self.val, Records) else self.val
        return len(ids) / max(characters_in(self.tokenizer, ids), 1)

    def bits(self, nats: float) -> float:
        """See `Task`."""
        return nats * self._tokens_per_character / math.log(2)

    def advice(self, metrics: Sequence[Evaluation], longer: str) -> str:
        """See `Task`."""
        return advice.for_language(metrics, self.max_epochs, entropy(self.train), longer)


def reset_some_lanes(
    state: State, share: float, generator: torch.Generator, rows: Rows | None = None
) -> State:
    """The state of the lanes, or of those in `rows`, emptied in a random few of all."""
    lanes = state[0].shape[1]
    dice = _dice(rows or Rows(0, lanes, lanes), generator, state[0].device)
    keep = dice >= share  # (B,)
    return tuple(part * keep[:, None] for part in state)


def _dice(rows: Rows, generator: torch.Generator, device: torch.device) -> Tensor:
    """A number from 0 to 1 for each of these lanes, in float32: other types draw other ones."""
    dice = torch.empty(rows.size, dtype=torch.float32, device=generator.device)
    return dice.uniform_(generator=generator)[rows.first : rows.last].to(device)
