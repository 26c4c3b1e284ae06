"""The files of a folder: written all or none, and checked when they are read.

A file is written aside, flushed to disk and renamed over the old one. The manifest is written
twice: before the renames, listing for each file the old version and the new, and after them with
the new alone. So at every moment each file is one that the manifest lists.
"""

from __future__ import annotations

import hashlib
import json
import os
from collections.abc import Iterator, Mapping
from contextlib import contextmanager, suppress
from io import BufferedReader
from pathlib import Path
from typing import Annotated, Any

import msgspec
import numpy as np
import safetensors
import safetensors.numpy
from msgspec import Meta
from numpy.typing import NDArray

from charrnn.config import Settings
from charrnn.errors import BadDataError, CannotCreateError, ReadWriteError

__all__ = [
    "LOCK",
    "MANIFEST",
    "Weights",
    "accepted",
    "check_file",
    "checked_metadata",
    "create",
    "damaged",
    "parse",
    "pretty_json",
    "read_bytes",
    "read_manifest",
    "read_tensors",
    "refuse_occupied",
    "sweep",
    "write",
]

MANIFEST = "manifest.json"
LOCK = ".lock"  # and what is named after it; see `locking`

Weights = dict[str, NDArray[np.float32]]


class FileVersion(Settings, frozen=True, kw_only=True):
    """One version of a file that the manifest accepts."""

    size: Annotated[int, Meta(ge=0)]
    sha256: str


Manifest = dict[str, list[FileVersion]]


def pretty_json(value: Any) -> bytes:
    """`value` as JSON for people to read."""
    return msgspec.json.format(msgspec.json.encode(value), indent=2) + b"\n"


def create(path: Path) -> None:
    """Make a new, empty folder, and those above it.

    Raises:
        CannotCreateError: if it can't be made, or is there and not empty.
    """
    refuse_occupied(path)
    try:
        path.mkdir(parents=True, exist_ok=True)
    except OSError as error:
        raise _not_made(path, error) from None


def refuse_occupied(path: Path) -> None:
    """See that a folder can be used for something new; what a crash left does not count.

    Raises:
        CannotCreateError: if it is there and not empty.
    """
    try:
        occupied = any(not _is_leftover(file) for file in path.iterdir())
    except FileNotFoundError:
        return
    except OSError as error:
        raise _not_made(path, error) from None
    if occupied:
        advice = "choose another --name or --out, or delete it"
        raise CannotCreateError(f"{path} exists and is not empty", advice)


def _not_made(path: Path, error: OSError) -> CannotCreateError:
    return CannotCreateError(f"{path}: {error.strerror}", "choose another folder with --out")


def write(path: Path, files: Mapping[str, bytes]) -> None:
    """Put `files` (name to content) into the model folder at `path`, all or none.

    Files of the folder that are not named stay as they are.

    Raises:
        ReadWriteError: if a write fails; each file is then as it was, or as it was to become.
    """
    staged = {name: _aside(path / name) for name in files}
    try:
        manifest = read_manifest(path) or {}
        new: Manifest = {}
        for name, data in files.items():
            _write_flushed(staged[name], data)
            new[name] = [FileVersion(size=len(data), sha256=hashlib.sha256(data).hexdigest())]
        either = manifest | {name: manifest.get(name, []) + new[name] for name in files}
        _replace(path / MANIFEST, pretty_json(either))
        _flush_folder(path)  # whatever else a power cut loses, it loses nothing the manifest lacks
        for name, aside in staged.items():
            aside.replace(path / name)
        _replace(path / MANIFEST, pretty_json(manifest | new))
        for folder in {path, *((path / name).parent for name in files)}:
            _flush_folder(folder)
    except OSError as error:
        for aside in (*staged.values(), _aside(path / MANIFEST)):
            with suppress(OSError):  # not there, or the disk can't be written any more
                aside.unlink()
            with suppress(OSError):  # not empty
                aside.parent.rmdir()
        advice = "make room or check the disk; what was saved before is still there"
        raise ReadWriteError(f"{path}: {error.strerror}", advice) from None


def sweep(path: Path) -> None:
    """Delete what a process that was killed may have left in the folder at `path`."""
    for file in path.rglob(".*"):
        if _is_leftover(file) and not file.name.startswith(LOCK):
            file.unlink(missing_ok=True)


def _is_leftover(path: Path) -> bool:
    return path.name.startswith(".") and (path.suffix == ".new" or path.name.startswith(LOCK))


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


def read_manifest(path: Path) -> Manifest | None:
    """The manifest of the folder at `path`, if it has one.

    Raises:
        BadDataError: if it is damaged.
    """
    try:
        data = read_bytes(path / MANIFEST)
    except FileNotFoundError:
        return None
    manifest: Manifest = parse(path / MANIFEST, data, Manifest)
    for name in manifest:
        if not name or Path(name).is_absolute() or ".." in Path(name).parts:
            raise damaged(path / MANIFEST, f"{name!r} is not in the folder")
    return manifest


def read_bytes(path: Path) -> bytes:
    """The content of a file of a model folder.

    Raises:
        FileNotFoundError: if it is not there.
        BadDataError: if it is no file.
        ReadWriteError: if it can't be read.
    """
    with _opened(path) as file:
        return file.read()


@contextmanager
def _opened(path: Path) -> Iterator[BufferedReader]:
    # A pipe would be waited for, and a device read for ever.
    if path.is_symlink() and not path.exists():
        raise damaged(path, "a link to nothing")
    if path.exists() and not path.is_file():
        raise damaged(path, "not a file")
    try:
        with path.open("rb") as file:
            yield file
    except FileNotFoundError:
        raise
    except OSError as error:
        advice = "check the disk and its permissions"
        raise ReadWriteError(f"{path}: {error.strerror}", advice) from None


def accepted(manifest: Manifest | None, name: str) -> list[FileVersion] | None:
    """The versions of a file that a manifest accepts; None, for any, if there is no manifest."""
    return None if manifest is None else manifest.get(name, [])


def check_file(path: Path, versions: list[FileVersion] | None) -> None:
    """Hold a file against the versions that the manifest accepts; None for no manifest.

    Raises:
        FileNotFoundError: if it is not there.
        BadDataError: if it is none of them.
        ReadWriteError: if it can't be read.
    """
    with _opened(path) as file:
        if versions is None:
            return
        size = os.fstat(file.fileno()).st_size
        if not any(version.size == size for version in versions):
            sizes = " or ".join(str(version.size) for version in versions)
            raise damaged(path, f"{size} bytes, expected {sizes or 'none'}")
        digest = hashlib.file_digest(file, "sha256").hexdigest()
        if not any(version.sha256 == digest for version in versions):
            raise damaged(path, "its content is not what was saved")


def checked_metadata(path: Path, name: str) -> dict[str, str]:
    """The metadata of a `.safetensors` file that the manifest lists.

    Raises:
        FileNotFoundError: if it is not there.
        BadDataError: if it is damaged.
    """
    manifest = read_manifest(path)
    check_file(path / name, accepted(manifest, name))
    try:
        with safetensors.safe_open(path / name, framework="np") as file:
            return file.metadata() or {}
    except safetensors.SafetensorError as error:
        raise damaged(path / name, str(error)) from None


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
            tensors = {name: file.get_tensor(name) for name in shapes}
            metadata = file.metadata() or {}
    except safetensors.SafetensorError as error:
        raise damaged(path, str(error)) from None
    for name, array in tensors.items():
        if not np.isfinite(array).all():
            raise damaged(path, f"{name} holds what is not a number")
    return tensors, metadata


def _shown(entry: tuple[str, tuple[int, ...] | None] | None) -> str:
    return "missing" if entry is None or entry[1] is None else f"{entry[0]} {list(entry[1])}"


def parse(path: Path, data: bytes, kind: Any) -> Any:
    """The JSON of a file as a value of `kind`.

    Raises:
        BadDataError: if it is none.
    """
    try:
        json.loads(data, object_pairs_hook=_refuse_twice)  # msgspec would take the last
        return msgspec.json.decode(data, type=kind)
    except (ValueError, RecursionError) as error:
        raise damaged(path, str(error)) from None


def _refuse_twice(pairs: list[tuple[str, Any]]) -> None:
    names = [name for name, _ in pairs]
    if len(set(names)) < len(names):
        twice = next(name for name in names if names.count(name) > 1)
        raise ValueError(f"{twice!r} stands there twice")


def damaged(path: Path, reason: str) -> BadDataError:
    """The error for a file that is not what was written."""
    return BadDataError(f"{path}: {reason}", "the file is damaged; copy the folder again")
