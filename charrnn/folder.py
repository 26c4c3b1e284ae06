"""The model folder: all that using a model needs, in files that can't run code.

    config.json        ModelRecord: versions, network, training settings, corpus
    tokenizer.json     kind and vocabulary
    model.safetensors  the weights with the best validation loss, under PyTorch's names
    metrics.jsonl      one Evaluation a line
    README.md          the model card
    resume/            what a run needs to go on; see `resuming`
    manifest.json      size and SHA-256 of each of these

A file is written aside, flushed to disk and renamed over the old one. The manifest is written
twice: before the renames, listing for each file the old version and the new, and after them with
the new alone. So at every moment each file is one that the manifest lists.
"""

from __future__ import annotations

import hashlib
import os
import warnings
from collections.abc import Mapping
from dataclasses import dataclass
from pathlib import Path
from typing import Annotated, Any

import msgspec
import numpy as np
import safetensors
import safetensors.numpy
from msgspec import Meta
from numpy.typing import NDArray

from charrnn.cells import CELLS
from charrnn.config import ModelConfig, Settings, TrainConfig
from charrnn.errors import BadDataError, CannotCreateError, MissingInputError, ReadWriteError
from charrnn.events import Evaluation
from charrnn.tokenizer import Tokenizer

__all__ = [
    "CARD",
    "CHECKPOINTS",
    "FORMAT_VERSION",
    "METRICS",
    "CorpusRecord",
    "ModelFolder",
    "ModelRecord",
    "Weights",
    "checked_metadata",
    "create",
    "description_files",
    "find",
    "is_model",
    "kept_step",
    "model_files",
    "pretty_json",
    "read",
    "read_record",
    "read_tensors",
    "state_parts",
    "weight_shapes",
    "write",
]

FORMAT_VERSION = 1
CHECKPOINTS = Path("checkpoints")
CONFIG = "config.json"
TOKENIZER = "tokenizer.json"
WEIGHTS = "model.safetensors"
METRICS = "metrics.jsonl"
CARD = "README.md"
MANIFEST = "manifest.json"

Weights = dict[str, NDArray[np.float32]]


class CorpusRecord(Settings, frozen=True, kw_only=True):
    """What a model was trained on."""

    name: str
    characters: int
    sha256: str


class ModelRecord(Settings, frozen=True, kw_only=True):
    """`config.json`: what a model is and how it came about.

    Attributes:
        charrnn_version, torch_version: what wrote it; no torch if it was not trained here.
        training, corpus: None for a model that was not trained by charrnn.
    """

    format_version: int = FORMAT_VERSION
    charrnn_version: str
    torch_version: str | None = None
    model: ModelConfig
    training: TrainConfig | None = None
    corpus: CorpusRecord | None = None


class FileVersion(Settings, frozen=True, kw_only=True):
    """One version of a file that the manifest accepts."""

    size: Annotated[int, Meta(ge=0)]
    sha256: str


Manifest = dict[str, list[FileVersion]]


@dataclass(frozen=True)
class ModelFolder:
    """A model folder that was read and found whole.

    Attributes:
        path: where it is.
        record: `config.json`.
        tokenizer: `tokenizer.json`.
        weights: name to array; see `weight_shapes`.
        step: after how many updates these weights were saved.
        metrics: the evaluations of its training.
    """

    path: Path
    record: ModelRecord
    tokenizer: Tokenizer
    weights: Weights
    step: int
    metrics: tuple[Evaluation, ...]

    @property
    def evaluation(self) -> Evaluation | None:
        """The evaluation of these weights; None if there was none."""
        return next((m for m in self.metrics if m.step == self.step), None)


def weight_shapes(config: ModelConfig) -> dict[str, tuple[int, ...]]:
    """Name and shape of each weight of a model, under PyTorch's names."""
    rows = CELLS[config.cell].gates * config.hidden_size  # G·H
    directions = ["", "_reverse"] if config.bidirectional else [""]
    width = len(directions) * config.hidden_size
    shapes: dict[str, tuple[int, ...]] = {
        "embedding.weight": (config.vocab_size, config.embed_size)
    }
    for layer in range(config.num_layers):
        inputs = width if layer else config.embed_size
        for direction in directions:
            end = f"l{layer}{direction}"
            shapes[f"rnn.weight_ih_{end}"] = (rows, inputs)
            shapes[f"rnn.weight_hh_{end}"] = (rows, config.hidden_size)
            shapes[f"rnn.bias_ih_{end}"] = (rows,)
            shapes[f"rnn.bias_hh_{end}"] = (rows,)
    return shapes | {
        "head.weight": (config.vocab_size, width),
        "head.bias": (config.vocab_size,),
    }


def model_files(
    record: ModelRecord, tokenizer: Tokenizer, weights: Weights, step: int
) -> dict[str, bytes]:
    """The files that make up a model, for `write`."""
    content = safetensors.numpy.save(weights, metadata={"step": str(step)})
    return description_files(record, tokenizer) | {WEIGHTS: content}


def description_files(record: ModelRecord, tokenizer: Tokenizer) -> dict[str, bytes]:
    """The files that say what a model is."""
    return {CONFIG: pretty_json(record), TOKENIZER: pretty_json(tokenizer)}


def pretty_json(value: Any) -> bytes:
    """`value` as JSON for people to read."""
    return msgspec.json.format(msgspec.json.encode(value), indent=2) + b"\n"


def create(path: Path) -> None:
    """Make a new, empty folder, and those above it.

    Raises:
        CannotCreateError: if it can't be made, or is there and not empty.
    """
    try:
        path.mkdir(parents=True, exist_ok=True)
        occupied = any(path.iterdir())
    except OSError as error:
        advice = "choose another folder with --out"
        raise CannotCreateError(f"{path}: {error.strerror}", advice) from None
    if occupied:
        advice = "choose another --name or --out, or delete it"
        raise CannotCreateError(f"{path} exists and is not empty", advice)


def write(path: Path, files: Mapping[str, bytes]) -> None:
    """Put `files` (name to content) into the model folder at `path`, all or none.

    Files of the folder that are not named stay as they are.

    Raises:
        ReadWriteError: if a write fails; the folder is then as it was.
    """
    staged = {name: _aside(path / name) for name in files}
    try:
        manifest = _read_manifest(path) or {}
        new: Manifest = {}
        for name, data in files.items():
            _write_flushed(staged[name], data)
            new[name] = [FileVersion(size=len(data), sha256=hashlib.sha256(data).hexdigest())]
        either = manifest | {name: manifest.get(name, []) + new[name] for name in files}
        _replace(path / MANIFEST, pretty_json(either))
        for name, aside in staged.items():
            aside.replace(path / name)
        _replace(path / MANIFEST, pretty_json(manifest | new))
        for folder in {path, *((path / name).parent for name in files)}:
            _flush_folder(folder)
    except OSError as error:
        for aside in (*staged.values(), _aside(path / MANIFEST)):
            aside.unlink(missing_ok=True)
        advice = "make room or check the disk; what was saved before is still there"
        raise ReadWriteError(f"{path}: {error.strerror}", advice) from None


def _aside(path: Path) -> Path:
    return path.with_name(f".{path.name}.new")


def _replace(path: Path, data: bytes) -> None:
    _write_flushed(_aside(path), data)
    _aside(path).replace(path)


def _write_flushed(path: Path, data: bytes) -> None:
    path.parent.mkdir(exist_ok=True)
    with path.open("wb") as file:
        file.write(data)
        file.flush()
        os.fsync(file.fileno())


def _flush_folder(path: Path) -> None:
    if os.name == "nt":  # Windows has no handle on a folder to flush
        return
    handle = os.open(path, os.O_RDONLY)
    try:
        os.fsync(handle)
    finally:
        os.close(handle)


def find(model: str | Path | None) -> Path:
    """The folder of a model.

    Args:
        model: a folder, the name of one in `checkpoints/`, or None for the newest there.

    Raises:
        MissingInputError: if there is none.
    """
    if model is None:
        complete = [p.parent for p in CHECKPOINTS.glob(f"*/{WEIGHTS}")]
        if not complete:
            advice = "train one first: charrnn train FILE"
            raise MissingInputError(f"there is no model in {CHECKPOINTS}", advice)
        return max(complete, key=lambda folder: (folder / WEIGHTS).stat().st_mtime_ns)
    for folder in (Path(model), CHECKPOINTS / model):
        if folder.is_dir():
            return folder
    advice = f"name a model folder, or one in {CHECKPOINTS}"
    raise MissingInputError(f"there is no model folder {model}", advice)


def is_model(name: str) -> bool:
    """Whether there is a model folder of this name."""
    return any((folder / CONFIG).is_file() for folder in (Path(name), CHECKPOINTS / name))


def state_parts(config: ModelConfig) -> tuple[str, ...]:
    """The names of the arrays that make up a model's hidden state."""
    return CELLS[config.cell].state


def read_record(path: Path) -> tuple[ModelRecord, Tokenizer]:
    """The record and the tokenizer of the folder at `path`, which may have no weights yet.

    Raises:
        MissingInputError: if one is not there.
        BadDataError: if one is damaged, or they don't fit each other.
    """
    manifest = _read_manifest(path)
    try:
        for name in (CONFIG, TOKENIZER):
            _check_file(path / name, None if manifest is None else manifest.get(name, []))
        record = _read_record(path / CONFIG)
        tokenizer: Tokenizer = _parse(path / TOKENIZER, (path / TOKENIZER).read_bytes(), Tokenizer)
    except FileNotFoundError as error:
        name = Path(error.filename).name
        raise MissingInputError(f"{path}: no {name} in it", "name a model folder") from None
    if tokenizer.vocab_size != record.model.vocab_size:
        found = f"{path}: {tokenizer.vocab_size} tokens in {TOKENIZER}, "
        found += f"{record.model.vocab_size} in {CONFIG}"
        raise BadDataError(found, "the files are of different models; copy the folder again")
    return record, tokenizer


def checked_metadata(path: Path, name: str) -> dict[str, str]:
    """The metadata of a `.safetensors` file that the manifest lists.

    Raises:
        FileNotFoundError: if it is not there.
        BadDataError: if it is damaged.
    """
    manifest = _read_manifest(path)
    _check_file(path / name, None if manifest is None else manifest.get(name, []))
    try:
        with safetensors.safe_open(path / name, framework="np") as file:
            return file.metadata() or {}
    except safetensors.SafetensorError as error:
        raise _damaged(path / name, str(error)) from None


def kept_step(path: Path) -> int | None:
    """After how many updates the weights of the folder were saved; None if it has none."""
    try:
        return _int(checked_metadata(path, WEIGHTS).get("step", "0"), path / WEIGHTS)
    except FileNotFoundError:
        return None


def read(path: Path) -> ModelFolder:
    """Read and check the model folder at `path`.

    Sizes are checked against the configuration before any weight is read.

    Raises:
        MissingInputError: if a file is not there.
        BadDataError: if a file is damaged, or files don't fit each other.
        ReadWriteError: if the disk fails.
    """
    manifest = _read_manifest(path)
    if manifest is None:
        warnings.warn(f"{path} has no {MANIFEST}: damage can't be seen", stacklevel=2)
    try:
        record, tokenizer = read_record(path)
        for name in (WEIGHTS, METRICS):
            if name in (manifest or {}) or name != METRICS:
                _check_file(path / name, None if manifest is None else manifest.get(name, []))
        weights, metadata = read_tensors(path / WEIGHTS, weight_shapes(record.model))
        lines = (path / METRICS).read_bytes().splitlines() if (path / METRICS).exists() else []
    except FileNotFoundError as error:
        name = Path(error.filename).name
        raise MissingInputError(f"{path}: no {name} in it", "name a model folder") from None
    except OSError as error:
        raise ReadWriteError(
            f"{path}: {error.strerror}", "check the disk, then try again"
        ) from None
    metrics = tuple(_parse(path / METRICS, line, Evaluation) for line in lines)
    return ModelFolder(
        path, record, tokenizer, weights, _int(metadata.get("step", "0"), path / WEIGHTS), metrics
    )


def read_tensors(
    path: Path, shapes: Mapping[str, tuple[int, ...]]
) -> tuple[Weights, dict[str, str]]:
    """The arrays of a `.safetensors` file, once its header has been found to be as it should.

    Raises:
        BadDataError: if the file is no such file, or names, shapes or types differ.
    """
    try:
        with safetensors.safe_open(path, framework="np") as file:
            header = {
                name: (file.get_slice(name).get_dtype(), tuple(file.get_slice(name).get_shape()))
                for name in file.keys()  # noqa: SIM118 - the file is no mapping
            }
            for name in sorted(set(header) | set(shapes)):
                expected, found = ("F32", shapes.get(name)), header.get(name)
                if found != expected:
                    raise BadDataError(
                        f"{path}: {name} is {_shown(found)}, expected {_shown(expected)}",
                        "the weights are not of this model; copy the folder again",
                    )
            return {name: file.get_tensor(name) for name in shapes}, file.metadata() or {}
    except safetensors.SafetensorError as error:
        raise _damaged(path, str(error)) from None


def _shown(entry: tuple[str, tuple[int, ...] | None] | None) -> str:
    return "missing" if entry is None or entry[1] is None else f"{entry[0]} {list(entry[1])}"


def _check_file(path: Path, accepted: list[FileVersion] | None) -> None:
    """Hold a file against the versions that the manifest accepts; None for no manifest."""
    with path.open("rb") as file:
        if accepted is None:
            return
        size = os.fstat(file.fileno()).st_size
        if not any(version.size == size for version in accepted):
            sizes = " or ".join(str(version.size) for version in accepted)
            raise _damaged(path, f"{size} bytes, expected {sizes or 'none'}")
        digest = hashlib.file_digest(file, "sha256").hexdigest()
        if not any(version.sha256 == digest for version in accepted):
            raise _damaged(path, "its content is not what was saved")


def _read_manifest(path: Path) -> Manifest | None:
    try:
        data = (path / MANIFEST).read_bytes()
    except FileNotFoundError:
        return None
    manifest: Manifest = _parse(path / MANIFEST, data, Manifest)
    return manifest


class _Version(msgspec.Struct):
    format_version: int


def _read_record(path: Path) -> ModelRecord:
    data = path.read_bytes()
    version: int = _parse(path, data, _Version).format_version
    if version != FORMAT_VERSION:
        found = f"{path}: format {version}, this charrnn reads {FORMAT_VERSION}"
        raise BadDataError(found, "use the charrnn version that wrote it, or a newer one")
    record: ModelRecord = _parse(path, data, ModelRecord)
    return record


def _parse(path: Path, data: bytes, kind: Any) -> Any:
    try:
        return msgspec.json.decode(data, type=kind)
    except (msgspec.DecodeError, RecursionError, UnicodeDecodeError) as error:
        raise _damaged(path, str(error)) from None


def _int(text: str, path: Path) -> int:
    try:
        return int(text)
    except ValueError:
        raise _damaged(path, f"{text!r} is not a step") from None


def _damaged(path: Path, reason: str) -> BadDataError:
    return BadDataError(f"{path}: {reason}", "the file is damaged; copy the folder again")
