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
import os
import warnings
from collections.abc import Iterator, Mapping
from contextlib import contextmanager, suppress
from dataclasses import dataclass, field
from pathlib import Path

import msgspec
import safetensors
import safetensors.numpy

from charrnn.arguments import checked
from charrnn.arrays import Weights
from charrnn.cells.heads import shapes_of
from charrnn.config import ModelConfig, Reading, Settings, TrainConfig
from charrnn.errors import BadDataError, MissingInputError, UsageError
from charrnn.folder.files import (
    MANIFEST,
    STATE,
    check_file,
    checked_metadata,
    is_first_save,
    pretty_json,
    read_manifest,
    read_settled,
    read_tensors,
)
from charrnn.folder.hub import download, is_on_hub
from charrnn.folder.untrusted import damaged, parse, read_bytes
from charrnn.task_config import Classify, Forecast, Tag, TaskRecord
from charrnn.text.tokenizer import ByteTokenizer, Tokenizer

__all__ = [
    "CARD",
    "CHECKPOINTS",
    "FORMAT_VERSION",
    "LABELS",
    "METRICS",
    "MODEL_FILES",
    "NO_TEXT",
    "SERIES",
    "TASK_FORMAT_VERSION",
    "WEIGHTS",
    "CorpusRecord",
    "Evaluation",
    "Labels",
    "ModelFolder",
    "ModelRecord",
    "description_files",
    "find_model",
    "is_model",
    "kept_step",
    "labels_of",
    "model_files",
    "read_folder",
    "read_model",
    "read_record",
    "reading_for",
    "refuse_task",
    "weights_file",
]

FORMAT_VERSION = 1  # of language models
TASK_FORMAT_VERSION = 2  # of all others, which older versions of charrnn can't read
CHECKPOINTS = Path("checkpoints")
CONFIG = "config.json"
TOKENIZER = "tokenizer.json"
WEIGHTS = "model.safetensors"
METRICS = "metrics.jsonl"
LABELS = "labels.json"
SERIES = "series.json"
CARD = "README.md"
MODEL_FILES = (
    CONFIG,
    TOKENIZER,
    LABELS,
    SERIES,
    WEIGHTS,
    METRICS,
    CARD,
    MANIFEST,
)  # all but what resuming needs


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
        score: of the answers, for a task that has one.
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


class CorpusRecord(Settings, frozen=True, kw_only=True, omit_defaults=True):
    """What a model was trained on.

    Attributes:
        name: of the corpus.
        characters: its length.
        sha256: its fingerprint.
        records: what it is a list of, as `text.division` names it; "none" for a story.
        record_count: how many of these there are; examples, for a task.
        reverse: whether it was read from its end to its beginning.
    """

    name: str
    characters: int
    sha256: str
    records: str = "none"
    record_count: int = 0
    reverse: bool = False


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


def reading_for(record: ModelRecord, reading: Reading) -> Reading:
    """How to read a text for a model: as one story or as records, as it was trained on."""
    if record.corpus is None:
        return msgspec.structs.replace(reading, records="none")
    corpus = record.corpus
    return msgspec.structs.replace(reading, records=corpus.records, reverse=corpus.reverse)


@dataclass(frozen=True)
class ModelFolder:
    """A model folder, read and checked.

    Attributes:
        path: where it is.
        record: `config.json`.
        tokenizer: `tokenizer.json`.
        weights: name to array; see `weight_shapes`.
        step: the update after which these weights were saved.
        metrics: the evaluations of its training.
        extra: the files that its task needs besides, by name.
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
        return self.record.corpus.records if self.record.corpus else "none"

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


# In place of the tokenizer of a model that reads numbers.
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


def labels_of(found: ModelFolder) -> Labels:
    """What a folder's `labels.json` holds.

    Raises:
        BadDataError: if it is damaged, or of another model.
    """
    labels: Labels = parse(found.path / LABELS, found.extra[LABELS], Labels)
    return labels


def extra_files(task: TaskRecord | None) -> tuple[str, ...]:
    """The names of the files that a task needs besides."""
    match task:
        case Classify() | Tag():
            return (LABELS,)
        case Forecast():
            return (SERIES,)
    return ()


@checked
def find_model(model: str | Path | None, revision: str | None = None) -> Path:
    """The folder of a model.

    Args:
        model: a folder, the name of one in `checkpoints/`, `hf://OWNER/NAME` for one on the hub, or
            None for the newest in `checkpoints/`.
        revision: see `hub.download`.

    Raises:
        MissingInputError: if there is none, or the hub can't be reached.
        UsageError: if there is a revision, but of no model on the hub.
    """
    if isinstance(model, str) and is_on_hub(model):
        return download(model, revision, MODEL_FILES)
    if revision is not None:
        found = f"revision is {revision!r}, but {model} is not on the hub"
        raise UsageError(found, "leave it out", "revision")
    if model is None:
        complete = [p.parent for p in CHECKPOINTS.glob(f"*/{WEIGHTS}")]
        if not complete:
            advice = "train one first: charrnn train FILE"
            if begun := [p.parents[1] for p in CHECKPOINTS.glob(f"*/{STATE}")]:
                newest = max(begun, key=lambda folder: (folder / STATE).stat().st_mtime_ns)
                advice = f"go on with the run that has begun: charrnn train --resume {newest}"
            raise MissingInputError(f"there is no model in {CHECKPOINTS}", advice)
        return max(complete, key=lambda folder: (folder / WEIGHTS).stat().st_mtime_ns)
    for folder in _candidates(model):
        if os.path.isdir(folder):  # noqa: PTH112 - Path's method fails on names that are too long
            return folder
    advice = f"name a model folder, or one in {CHECKPOINTS}"
    raise MissingInputError(f"there is no model folder {model}", advice)


def is_model(name: str) -> bool:
    """Whether there is a model folder of this name."""
    return any(os.path.isfile(folder / CONFIG) for folder in _candidates(name))  # noqa: PTH113


def _candidates(model: str | Path) -> list[Path]:
    return [Path(model), CHECKPOINTS / model] if str(model) else []


def read_record(path: Path) -> tuple[ModelRecord, Tokenizer]:
    """The record and the tokenizer of the folder at `path`, which may have no weights yet.

    Raises:
        MissingInputError: if one of the files does not exist.
        BadDataError: if one is damaged, or they are of different models.
    """
    manifest = read_manifest(path)
    with _missing_file_named(path):
        check_file(path, CONFIG, manifest)
        record = _read_record(path / CONFIG)
        if isinstance(record.task, Forecast):
            return record, NO_TEXT
        check_file(path, TOKENIZER, manifest)
        tokenizer: Tokenizer = parse(path / TOKENIZER, read_bytes(path / TOKENIZER), Tokenizer)
    if tokenizer.vocab_size != record.model.vocab_size:
        found = f"{path}: {tokenizer.vocab_size} tokens in {TOKENIZER}, "
        found += f"{record.model.vocab_size} in {CONFIG}"
        raise BadDataError(found, "the files are of different models; copy the folder again")
    return record, tokenizer


def kept_step(path: Path) -> int | None:
    """The update after which the weights of the folder were saved; None without weights."""
    try:
        return _int(checked_metadata(path, WEIGHTS).get("step", "0"), path / WEIGHTS)
    except FileNotFoundError:
        return None


def read_model(path: Path) -> ModelFolder:
    """Read and check the folder of a language model; see `read_folder`.

    Raises:
        UsageError: if the model does something else.
    """
    found = read_folder(path)
    refuse_task(found.record, path)
    return found


def refuse_task(record: ModelRecord, path: Path) -> None:
    """See that a model is a language model.

    Raises:
        UsageError: if it does something else.
    """
    if record.task is not None:
        raise UsageError(
            f"{path} is no language model: it was trained to {record.task.name}",
            "use charrnn predict or charrnn eval, or name another model",
        )


def read_folder(path: Path) -> ModelFolder:
    """Read and check the model folder at `path`; a run may write to it at the same time.

    Sizes are checked against the configuration before any weight is read.

    Raises:
        MissingInputError: if a file does not exist.
        BadDataError: if a file is damaged, or the files are of different models.
        ReadWriteError: if the disk fails.
    """
    if read_manifest(path) is None:
        warnings.warn(f"{path} has no {MANIFEST}: damage can't be detected", stacklevel=2)
    return read_settled(path, lambda: _read(path))


def _read(path: Path) -> ModelFolder:
    manifest = read_manifest(path)
    record, tokenizer = read_record(path)
    with _missing_file_named(path):
        check_file(path, WEIGHTS, manifest)
        with suppress(FileNotFoundError):
            if METRICS in (manifest or {}):
                check_file(path, METRICS, manifest)
        shapes = shapes_of(record.model, record.task)
        weights, metadata = read_tensors(path / WEIGHTS, shapes)
        extra = {}
        for name in extra_files(record.task):
            check_file(path, name, manifest)
            extra[name] = read_bytes(path / name)
    step, metrics = _int(metadata.get("step", "0"), path / WEIGHTS), _metrics(path / METRICS)
    return ModelFolder(path, record, tokenizer, weights, step, tuple(metrics), extra)


@contextmanager
def _missing_file_named(path: Path) -> Iterator[None]:
    try:
        yield
    except FileNotFoundError as error:
        name = Path(error.filename).name
        raise MissingInputError(f"{path}: no {name} in it", _instead(path)) from None


def _instead(path: Path) -> str:
    """What to do with a folder that is no model, as far as it tells."""
    if (path / STATE).exists():
        return f"its training has not come so far; go on with charrnn train --resume {path}"
    if (path / MANIFEST).exists() and is_first_save(path):
        return "its training was stopped before anything was saved; start it again"
    return "name a model folder"


def _metrics(path: Path) -> list[Evaluation]:
    with suppress(FileNotFoundError):
        return [parse(path, line, Evaluation) for line in read_bytes(path).splitlines()]
    return []


class _Version(msgspec.Struct):
    format_version: int


def _read_record(path: Path) -> ModelRecord:
    data = read_bytes(path)
    version: int = parse(path, data, _Version).format_version
    if version not in (FORMAT_VERSION, TASK_FORMAT_VERSION):
        found = f"{path}: format {version}, this charrnn reads up to {TASK_FORMAT_VERSION}"
        raise BadDataError(found, "use the charrnn version that wrote it, or a newer one")
    record: ModelRecord = parse(path, data, ModelRecord)
    if (record.task is None) != (version == FORMAT_VERSION):
        raise damaged(path, f"format {version} does not go with its task")
    return record


def _int(text: str, path: Path) -> int:
    try:
        return int(text)
    except ValueError:
        raise damaged(path, f"{text!r} is not a number of updates") from None
