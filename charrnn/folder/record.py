"""The model folder: all that is needed to use a model, in files that can't run code.

config.json        ModelRecord: versions, network, training settings, corpus
tokenizer.json     kind and vocabulary
labels.json and    what a task needs besides
series.json
model.safetensors  the weights with the best validation loss or score, under PyTorch's names
metrics.jsonl      one Evaluation per line
README.md          the model card
resume/            what a run needs to go on exactly; see `resuming`
manifest.json      size and SHA-256 of each of these
"""

from __future__ import annotations

import hashlib
from collections.abc import Iterable, Mapping
from dataclasses import dataclass, field
from pathlib import Path

import msgspec
import safetensors
import safetensors.numpy

from charrnn.arrays import Weights
from charrnn.checkpoints import CONFIG, LABELS, SERIES, TOKENIZER, WEIGHTS
from charrnn.config import ModelConfig, Reading, TrainConfig
from charrnn.folder.files import pretty_json
from charrnn.folder.untrusted import parse
from charrnn.settings import Settings
from charrnn.task_config import Classify, Forecast, Tag, TaskRecord
from charrnn.text.division import NONE
from charrnn.text.tokenizer import ByteTokenizer, Tokenizer

__all__ = [
    "FORMAT_VERSION",
    "NO_TEXT",
    "TASK_FORMAT_VERSION",
    "CorpusRecord",
    "Evaluation",
    "Labels",
    "ModelFolder",
    "ModelRecord",
    "description_files",
    "distinct",
    "extra_files",
    "labels_of",
    "model_files",
    "reading_for",
    "weights_file",
]

FORMAT_VERSION = 1  # of language models
TASK_FORMAT_VERSION = 2  # of all others, which older versions of charrnn can't read


class Evaluation(Settings, frozen=True, kw_only=True, omit_defaults=True):
    """The losses at one moment of training: one line of `metrics.jsonl`.

    Attributes:
        step: updates made so far.
        epoch: passes over the training text so far.
        seconds: since `train` was called, without the pauses of a run that was resumed.
        train_nats: mean loss per token since the evaluation before, with dropout as in training.
        val_nats: mean loss per token on the validation text.
        learning_rate: of the last update.
        grad_norm: of the last update, before clipping.
        tokens_per_second: so far, in updates alone.
        score: of the answers, for a task that has one; of a translator as `Translate` says.
        measure: what the score is, if not what `task_config.SCORES` says.
    """

    step: int
    epoch: float
    seconds: float
    train_nats: float
    val_nats: float
    learning_rate: float
    grad_norm: float
    tokens_per_second: float
    score: float | None = None
    measure: str | None = None


class CorpusRecord(Settings, frozen=True, kw_only=True, omit_defaults=True):
    """What a model was trained on.

    Attributes:
        name: of the corpus.
        characters: its length; of pairs, of both texts; of series, in values without features.
        sha256: its fingerprint.
        records: what it is a list of, as `text.division` names it; "none" for a story.
        record_count: how many of these there are; examples, for a task.
        reverse: whether it was read from its end to its beginning.
        validation: the set of the user's own that was validated on; None where that was a part of
            this corpus, which otherwise was all trained on.
        bases: what the models had learnt from whose weights training started from, and the models
            before these, the newest first; each without bases of its own.
        bases_unknown: whether there were others of which nothing is known.
    """

    name: str
    characters: int
    sha256: str
    records: str = NONE
    record_count: int = 0
    reverse: bool = False
    validation: CorpusRecord | None = None
    bases: tuple[CorpusRecord, ...] = ()
    bases_unknown: bool = False

    @property
    def texts(self) -> tuple[CorpusRecord, ...]:
        """All that the model has learnt from: this corpus, and those before it."""
        return distinct((self, *self.bases))

    @property
    def fingerprint(self) -> str:
        """Of all that was read: that of its text, or of this and the validation set."""
        if self.validation is None:
            return self.sha256
        return hashlib.sha256(f"{self.sha256} {self.validation.sha256}".encode()).hexdigest()


def distinct(corpora: Iterable[CorpusRecord]) -> tuple[CorpusRecord, ...]:
    """Each text once, and without its bases."""
    found = dict[str, CorpusRecord]()
    for corpus in corpora:
        found.setdefault(
            corpus.sha256, msgspec.structs.replace(corpus, bases=(), bases_unknown=False)
        )
    return tuple(found.values())


class ModelRecord(Settings, frozen=True, kw_only=True):
    """`config.json`: what a model is and how it came about.

    Attributes:
        charrnn_version, torch_version: of the programs that wrote it; no `torch_version` for a
            model that was not trained by charrnn.
        training, corpus: None for such a model.
        task: what it does; None for a language model.
    """

    format_version: int = FORMAT_VERSION
    charrnn_version: str
    torch_version: str | None = None
    model: ModelConfig
    training: TrainConfig | None = None
    corpus: CorpusRecord | None = None
    task: TaskRecord | None = None

    @property
    def reads_backwards(self) -> bool:
        """Whether it was trained on a text from its end to its beginning."""
        return self.corpus is not None and self.corpus.reverse

    @property
    def validation(self) -> CorpusRecord | None:
        """The validation set of the user's own, if it had one."""
        return None if self.corpus is None else self.corpus.validation

    @property
    def texts(self) -> tuple[CorpusRecord, ...]:
        """All that it has learnt from, the newest first, as far as is known."""
        return () if self.corpus is None else self.corpus.texts

    @property
    def lacks_bases(self) -> bool:
        """Whether there is a model before it of which is not known what it had learnt from."""
        if self.corpus is None:
            return False
        started = self.training is not None and self.training.base_weights is not None
        # Older models tell by their training alone that they started from another.
        return self.corpus.bases_unknown or (started and not self.corpus.bases)

    def training_tokens(self, tokens: int) -> int:
        """How many of its corpus's tokens it was trained on: the first, or all of them."""
        if self.training is None or self.validation is not None:
            return tokens
        return self.training.training_tokens(tokens)


def reading_for(record: ModelRecord, reading: Reading) -> Reading:
    """How to read a text for a model: as one story or as records, as it was trained on."""
    if record.corpus is None:
        return msgspec.structs.replace(reading, records=NONE)
    corpus = record.corpus
    return msgspec.structs.replace(reading, records=corpus.records, reverse=corpus.reverse)


@dataclass(frozen=True)
class ModelFolder:
    """A model folder, read and checked.

    Attributes:
        path: where it is.
        record: `config.json`.
        tokenizer: `tokenizer.json`.
        weights: name to array; see `cells.heads.shapes_of`.
        step: the update after which these weights were saved.
        metrics: the evaluations of its training.
        extra: the further files that its task needs, by name.
    """

    path: Path
    record: ModelRecord
    tokenizer: Tokenizer
    weights: Weights
    step: int
    metrics: tuple[Evaluation, ...]
    extra: Mapping[str, bytes] = field(default_factory=dict)

    @property
    def evaluation(self) -> Evaluation | None:
        """The evaluation of these weights; None if there was none."""
        return next((m for m in self.metrics if m.step == self.step), None)

    @property
    def records_kind(self) -> str:
        """What it was trained on a list of, as `text.division` names it; "none" for a story."""
        return self.record.corpus.records if self.record.corpus else NONE

    @property
    def reads_backwards(self) -> bool:
        """Whether it reads texts from their end to their beginning."""
        return self.record.reads_backwards

    @property
    def fingerprint(self) -> str:
        """SHA-256 of the weights."""
        return hashlib.sha256(safetensors.numpy.save(self.weights)).hexdigest()


def model_files(
    record: ModelRecord, tokenizer: Tokenizer, weights: Weights, step: int
) -> dict[str, bytes]:
    """The files that make up a model, for `write_files`."""
    return description_files(record, tokenizer) | {WEIGHTS: weights_file(weights, step)}


def weights_file(weights: Weights, step: int) -> bytes:
    """The content of `WEIGHTS`, saved after this update."""
    return safetensors.numpy.save(weights, metadata={"step": str(step)})


def description_files(record: ModelRecord, tokenizer: Tokenizer | None) -> dict[str, bytes]:
    """The files that say what a model is; without a tokenizer if it reads numbers."""
    content = msgspec.to_builtins(record)
    if record.task is None:
        del content["task"]
    files = {CONFIG: pretty_json(content)}
    return files if tokenizer is None else files | {TOKENIZER: pretty_json(tokenizer)}


# A `ModelFolder` always has a tokenizer. A model that reads numbers has this one in memory, whose
# ids mean nothing to it, and no `tokenizer.json`.
NO_TEXT = ByteTokenizer()


class Labels(Settings, frozen=True, kw_only=True, omit_defaults=True):
    """`labels.json`: what a classifier's answers are called, or a tagger's kinds of span.

    Attributes:
        labels: in the order of the scores.
        usual: the most frequent class in training.
        words: for a tagger, the most frequent tag in training of each word that was mostly marked.
    """

    labels: tuple[str, ...]
    usual: str = ""
    words: dict[str, str] = msgspec.field(default_factory=dict)


def labels_of(folder: ModelFolder) -> Labels:
    """What a folder's `labels.json` holds.

    Raises:
        BadDataError: if it is damaged, or of another model.
    """
    labels: Labels = parse(folder.path / LABELS, folder.extra[LABELS], Labels)
    return labels


def extra_files(task: TaskRecord | None) -> tuple[str, ...]:
    """The names of the further files that a task needs."""
    match task:
        case Classify() | Tag():
            return (LABELS,)
        case Forecast():
            return (SERIES,)
    return ()
