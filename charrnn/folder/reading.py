"""Model folders, found by name and read.

name ──find_model──▶ path ──read_folder──▶ ModelFolder
"""

from __future__ import annotations

import os
import unicodedata
from collections.abc import Iterator
from contextlib import contextmanager, suppress
from pathlib import Path

import msgspec

from charrnn.arguments import checked
from charrnn.cells.heads import shapes_of
from charrnn.checkpoints import (
    CHECKPOINTS,
    CONFIG,
    MANIFEST,
    METRICS,
    MODEL_FILES,
    STATE,
    TOKENIZER,
    WEIGHTS,
)
from charrnn.config import MUON_ROWS
from charrnn.errors import BadDataError, MissingInputError, ReadWriteError, UsageError, warn
from charrnn.folder.files import (
    check_file,
    is_first_save,
    read_manifest,
    reread_during_saves,
)
from charrnn.folder.hub import download, is_on_hub
from charrnn.folder.record import (
    FORMAT_VERSION,
    NO_TEXT,
    TASK_FORMAT_VERSION,
    Evaluation,
    ModelFolder,
    ModelRecord,
    extra_files,
)
from charrnn.folder.tensors import checked_metadata, read_tensors
from charrnn.folder.untrusted import damaged, parse, read_bytes
from charrnn.task_config import Forecast
from charrnn.text.tokenizer import Tokenizer
from charrnn.words import as_argument, beginning, is_path

__all__ = [
    "can_start_others",
    "find_model",
    "names_model",
    "read_folder",
    "read_metrics",
    "read_model",
    "read_record",
    "read_tokenizer",
    "refuse_backwards",
    "refuse_task",
    "saved_step",
]

# What tells a model, a damaged one too, from a folder of the texts that it was trained on.
MARKS = (CONFIG, MANIFEST, STATE, WEIGHTS)


@checked
def find_model(model: str | Path | None, revision: str | None = None) -> Path:
    """The folder of a model.

    Args:
        model: a folder, the name of one in `checkpoints/`, `hf://OWNER/NAME` for one on the hub, or
            None for the newest in `checkpoints/`. A folder of texts is no model.
        revision: see `hub.download`.

    Raises:
        MissingInputError: if there is none, the hub can't be reached, or the working folder, in
            which a relative name is looked up, was deleted.
        ReadWriteError: if `checkpoints/` can't be read.
        UsageError: if there is a revision, but of no model on the hub.
    """
    if is_on_hub(model):
        return download(model, revision, MODEL_FILES)
    if revision is not None:
        found = f"revision is {revision!r}, but {model} is not on the hub"
        raise UsageError(found, "leave it out", "revision")
    if model is None:
        return _newest()
    folders = _candidates(model)
    for folder in folders:
        if any(os.path.isfile(folder / name) for name in MARKS):  # noqa: PTH113 - see below
            return folder
    for folder in folders:  # which readers then say what is missing in
        if os.path.isdir(folder):  # noqa: PTH112 - Path's method fails on names that are too long
            return folder
    if not Path(model).is_absolute():
        _refuse_deleted()
    if any(os.path.isfile(file) for file in folders):  # noqa: PTH113
        raise MissingInputError(f"{model} is a file, not a model folder", _of_file(Path(model)))
    advice = f"name a model folder, or a model in {CHECKPOINTS}/ (`charrnn list` shows yours)"
    shown = str(model) if is_path(str(model)) else beginning(str(model))
    raise MissingInputError(f"there is no model folder {shown}", advice)


def _of_file(path: Path) -> str:
    """What to do with a file that is named as a model."""
    if path.suffix == ".zip":
        return "unpack it, and name the folder that was in it"
    beside = any((path.parent / name).is_file() for name in MARKS)
    return f"name its folder, {as_argument(path.parent)}" if beside else "name a model folder"


def _newest() -> Path:
    """The model in `checkpoints/` that was saved last."""
    try:  # of a folder that may not be read, `glob` says that nothing is in it
        next(CHECKPOINTS.iterdir(), None)
    except (FileNotFoundError, NotADirectoryError):
        pass
    except OSError as error:
        advice = "see that you may use it, then try again"
        raise ReadWriteError(f"{CHECKPOINTS}: {error.strerror}", advice) from None
    complete = [p.parent for p in CHECKPOINTS.glob(f"*/{WEIGHTS}")]
    if complete:
        return max(complete, key=lambda folder: (folder / WEIGHTS).stat().st_mtime_ns)
    _refuse_deleted()
    advice = "train one first: charrnn train FILE"
    if begun := [p.parents[1] for p in CHECKPOINTS.glob(f"*/{STATE}")]:
        newest = max(begun, key=lambda folder: (folder / STATE).stat().st_mtime_ns)
        advice = f"go on with the run that has begun: charrnn train --resume {as_argument(newest)}"
    raise MissingInputError(f"there is no model in {CHECKPOINTS}", advice)


def _refuse_deleted() -> None:
    """Check that the working folder is there, if nothing is found in it."""
    from charrnn.text.origin import working_folder  # it loads what reads texts

    working_folder()


def names_model(name: str) -> bool:
    """Whether there is a model folder of this name."""
    return any(os.path.isfile(folder / CONFIG) for folder in _candidates(name))  # noqa: PTH113


def _candidates(model: str | Path) -> list[Path]:
    """Where a model may be; a Mac writes an umlaut of a name as two characters, others as one."""
    forms = [str(model), *(unicodedata.normalize(form, str(model)) for form in ("NFC", "NFD"))]
    shelves = (Path(), CHECKPOINTS)
    return [shelf / form for form in dict.fromkeys(forms) for shelf in shelves if form]


def can_start_others(path: Path, record: ModelRecord) -> bool:
    """Whether a new run can start from the weights of the folder at `path`.

    A run has none before its first evaluation, and those of a task start no other.
    """
    return record.task is None and (path / WEIGHTS).exists()


@reread_during_saves
def read_record(path: Path) -> ModelRecord:
    """The record of the folder at `path`, which may have no weights yet.

    Raises:
        MissingInputError: if there is none.
        BadDataError: if it is damaged.
    """
    with _missing_file_named(path):
        check_file(path, CONFIG, read_manifest(path))
        return _read_record(path / CONFIG)


@reread_during_saves
def read_tokenizer(path: Path, record: ModelRecord) -> Tokenizer:
    """The tokenizer of the folder at `path`, which may have no weights yet.

    Raises:
        MissingInputError: if there is none.
        BadDataError: if it is damaged, or of another model than the record.
    """
    if isinstance(record.task, Forecast):
        return NO_TEXT
    with _missing_file_named(path):
        check_file(path, TOKENIZER, read_manifest(path))
        tokenizer: Tokenizer = parse(path / TOKENIZER, read_bytes(path / TOKENIZER), Tokenizer)
    if tokenizer.vocab_size != record.model.vocab_size:
        found = f"{path}: {tokenizer.vocab_size} tokens in {TOKENIZER}, "
        found += f"{record.model.vocab_size} in {CONFIG}"
        raise BadDataError(found, "the files are of different models; copy the folder again")
    return tokenizer


@reread_during_saves
def saved_step(path: Path) -> int | None:
    """The update after which the weights were saved; None without any.

    Raises:
        BadDataError: if they are damaged.
    """
    try:
        metadata = checked_metadata(path, WEIGHTS)
    except FileNotFoundError:
        return None
    return _int(metadata.get("step", "0"), path / WEIGHTS)


def read_model(path: Path) -> ModelFolder:
    """Read and check the folder of a language model; see `read_folder`.

    Raises:
        UsageError: if the model does something else.
    """
    found = read_folder(path)
    refuse_task(found.record, path)
    return found


def refuse_task(record: ModelRecord, path: Path) -> None:
    """Check that a model is a language model.

    Raises:
        UsageError: if it does something else.
    """
    if record.task is not None:
        raise UsageError(
            f"{path} is not a language model: it was trained to {record.task.name}",
            "use charrnn predict or charrnn eval, or name another model",
        )


def refuse_backwards(record: ModelRecord, path: Path) -> None:
    """Check that a model reads and writes texts from their beginning.

    Raises:
        UsageError: if it was trained with `--reverse`.
    """
    if record.reads_backwards:
        found = f"{path} was trained with --reverse: it reads and writes from end to beginning"
        raise UsageError(found, "name a model that reads forwards")


@reread_during_saves
def read_folder(path: Path) -> ModelFolder:
    """Read and check the model folder at `path`; a run may write to it at the same time.

    Sizes are checked against the configuration before any weight is read.

    Warns:
        UserWarning: if it has no manifest.

    Raises:
        MissingInputError: if a file does not exist.
        BadDataError: if a file is damaged, or the files are of different models.
        ReadWriteError: if the disk fails.
    """
    manifest = read_manifest(path)
    record = read_record(path)
    tokenizer = read_tokenizer(path, record)
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
    step = _int(metadata.get("step", "0"), path / WEIGHTS)
    metrics = read_metrics(path / METRICS)
    if manifest is None:
        warn(f"{path} has no {MANIFEST}: damage can't be detected")
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
        advice = "its training has not come so far; go on with charrnn train --resume"
        return f"{advice} {as_argument(path)}"
    if (path / MANIFEST).exists() and is_first_save(path):
        return "its training was stopped before anything was saved; start it again"
    if inner := sorted(file.parent for file in path.glob(f"*/{CONFIG}")):
        such = "" if len(inner) == 1 else "such as "
        return f"name a model folder in it, {such}{as_argument(inner[0])}"
    return "name a model folder"


def read_metrics(path: Path) -> list[Evaluation]:
    """The evaluations in a file `METRICS`; none without it.

    Raises:
        BadDataError: if it is damaged.
    """
    with suppress(FileNotFoundError):
        return [parse(path, line, Evaluation) for line in read_bytes(path).splitlines()]
    return []


class _Version(msgspec.Struct):
    format_version: int | None = None  # as in the `config.json` of other programs


def _read_record(path: Path) -> ModelRecord:
    data = read_bytes(path)
    version: int | None = parse(path, data, _Version, first=True).format_version
    if version is None:
        found = f"{path.parent} is not a charrnn model: its {CONFIG} has no format_version"
        raise BadDataError(found, "name a model that charrnn made")
    if version not in (FORMAT_VERSION, TASK_FORMAT_VERSION):
        found = f"{path}: format {version}, this charrnn reads up to {TASK_FORMAT_VERSION}"
        raise BadDataError(found, "use the charrnn version that wrote it, or a newer one")
    record: ModelRecord = parse(path, data, ModelRecord)
    if (record.task is None) != (version == FORMAT_VERSION):
        raise damaged(path, f"format {version} does not go with its task")
    if record.task is None and record.model.bidirectional:
        raise damaged(path, "a language model that reads backwards, too")
    by_muon = record.training is not None and record.training.optimizer == "muon"
    if by_muon and record.model.hidden_size % MUON_ROWS:
        found = f"trained with Muon, but {record.model.hidden_size} units are no multiple of "
        raise damaged(path, f"{found}{MUON_ROWS}")
    return record


def _int(text: str, path: Path) -> int:
    try:
        return int(text)
    except ValueError:
        raise damaged(path, f"{text!r} is not a number of updates") from None
