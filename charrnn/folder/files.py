"""The files of a folder: written all or none, and checked when they are read.

A file is written aside, flushed to disk and renamed over the old one. The manifest is written
twice: before the renames, listing for each file the old version and the new, and after them with
the new alone. So at every moment each file is one that the manifest lists.
"""

from __future__ import annotations

import hashlib
import os
from collections.abc import Callable, Mapping
from contextlib import suppress
from pathlib import Path
from typing import Annotated, Any, TypeVar

import msgspec
import numpy as np
import safetensors
import safetensors.numpy
from msgspec import Meta

from charrnn.arrays import Weights
from charrnn.config import Settings
from charrnn.errors import BadDataError, CannotCreateError, CharRNNError, ReadWriteError
from charrnn.folder.untrusted import damaged, opened, parse, read_bytes

__all__ = [
    "LOCK",
    "MANIFEST",
    "RESUME",
    "check_file",
    "checked_metadata",
    "create_folder",
    "pretty_json",
    "read_manifest",
    "read_settled",
    "read_tensors",
    "refuse_occupied",
    "sweep",
    "write_files",
]

MANIFEST = "manifest.json"
LOCK = ".lock"  # and what is named after it; see `locking`
RESUME = "resume"  # a folder in it; see `resuming`
ASIDE = ".charrnn-new"  # what ends the name of a file that is not whole yet

Found = TypeVar("Found")


class FileVersion(Settings, frozen=True, kw_only=True):
    """One version of a file that the manifest accepts."""

    size: Annotated[int, Meta(ge=0)]
    sha256: str


# None among its versions: the file may not be there yet.
Manifest = dict[str, list[FileVersion | None]]


def pretty_json(value: Any) -> bytes:
    """`value` as JSON for people to read."""
    return msgspec.json.format(msgspec.json.encode(value), indent=2) + b"\n"


def create_folder(path: Path) -> None:
    """Make a new, empty folder, and those above it.

    Raises:
        CannotCreateError: if it can't be made, or is there and not empty.
    """
    refuse_occupied(path)
    try:
        path.mkdir(parents=True, exist_ok=True)
        _flush_folder(path.parent)  # or a power cut could lose the folder with all that is in it
    except OSError as error:
        raise _not_made(path, error) from None


def refuse_occupied(path: Path) -> None:
    """See that a folder can be used for something new.

    What a process left that was killed before its first save was whole does not count.

    Raises:
        CannotCreateError: if it is there and not empty.
    """
    try:
        occupied = not all(_is_leftover(file) for file in path.iterdir())
    except FileNotFoundError:
        return
    except (OSError, ValueError) as error:  # the latter if it holds what no path does
        raise _not_made(path, error) from None
    if occupied and not _is_first_save(path):
        advice = "choose another --name or --out, or delete it"
        raise CannotCreateError(f"{path} exists and is not empty", advice)


def _is_first_save(path: Path) -> bool:
    """Whether all that is in a folder is of a save before which it was empty."""
    try:
        manifest = read_manifest(path) or {}
        if not manifest or not all(None in versions for versions in manifest.values()):
            return False
        for file in path.rglob("*"):
            name = str(file.relative_to(path))
            if file.is_file() and name != MANIFEST and not _is_leftover(file):
                check_file(path, name, manifest)
    except (CharRNNError, OSError):
        return False
    return True


def _not_made(path: Path, error: OSError | ValueError) -> CannotCreateError:
    found = error.strerror if isinstance(error, OSError) else error
    return CannotCreateError(f"{path}: {found}", "choose another folder with --out")


def write_files(path: Path, files: Mapping[str, bytes]) -> None:
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
        either = manifest | {name: [*manifest.get(name, [None]), *new[name]] for name in files}
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
    """Delete what a process that was killed in the middle of a save left in a folder."""
    for file in (*path.glob(f".*{ASIDE}"), *path.glob(f"*/.*{ASIDE}")):
        with suppress(OSError):
            file.unlink()


def _is_leftover(path: Path) -> bool:
    """Whether a file or folder is of a process that was killed in the middle of a save."""
    if path.is_dir():
        return path.name == RESUME and all(_is_leftover(file) for file in path.iterdir())
    return path.name.startswith(LOCK) or path.name.endswith(ASIDE)


def _aside(path: Path) -> Path:
    return path.with_name(f".{path.name}{ASIDE}")


def _replace(path: Path, data: bytes) -> None:
    _write_flushed(_aside(path), data)
    _aside(path).replace(path)


def _write_flushed(path: Path, data: bytes) -> None:
    if path.parent.name == RESUME and path.parent.is_symlink():
        raise damaged(path.parent, "a link to somewhere else")
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


def read_settled(path: Path, read: Callable[[], Found]) -> Found:
    """What `read` finds in the folder at `path`; again, if a save changed it meanwhile."""
    for _ in range(5):
        before = read_manifest(path)
        try:
            return read()
        except BadDataError:
            if read_manifest(path) == before:
                raise
    return read()


def check_file(path: Path, name: str, manifest: Manifest | None) -> None:
    """Hold a file of the folder at `path` against its manifest, if there is one.

    Raises:
        FileNotFoundError: if it is not there.
        BadDataError: if it is none of them.
        ReadWriteError: if it can't be read.
    """
    with opened(path / name) as file:
        if manifest is None:
            return
        versions = [version for version in manifest.get(name, []) if version is not None]
        size = os.fstat(file.fileno()).st_size
        if not any(version.size == size for version in versions):
            sizes = " or ".join(str(version.size) for version in versions)
            raise damaged(path / name, f"{size} bytes, expected {sizes or 'none'}")
        digest = hashlib.file_digest(file, "sha256").hexdigest()
        if not any(version.sha256 == digest for version in versions):
            raise damaged(path / name, "its content is not what was saved")


def checked_metadata(path: Path, name: str) -> dict[str, str]:
    """The metadata of a `.safetensors` file that the manifest lists.

    Raises:
        FileNotFoundError: if it is not there.
        BadDataError: if it is damaged.
    """
    check_file(path, name, read_manifest(path))
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
