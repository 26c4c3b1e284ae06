"""The files of a folder: written completely or not at all, and checked when they are read.

A file is written under a temporary name, flushed to disk and renamed over the old one. The manifest
is written twice: before the renames it lists the old and the new version of each file, after them
the new one alone. So at every moment the manifest lists each file as it is.
"""

from __future__ import annotations

import codecs
import errno
import functools
import hashlib
import os
import stat
from collections.abc import Callable, Mapping
from contextlib import suppress
from contextvars import ContextVar
from pathlib import Path
from typing import Annotated, Any, Concatenate, ParamSpec, TypeVar

import msgspec
from msgspec import Meta

from charrnn.checkpoints import CARD, MANIFEST, MODEL_FILES, RESUME, STATE
from charrnn.errors import BadDataError, CannotCreateError, CharRNNError, ReadWriteError
from charrnn.folder.untrusted import damaged, opened, parse, read_bytes
from charrnn.in_use import once_free
from charrnn.settings import Settings
from charrnn.words import as_argument

__all__ = [
    "LOCK",
    "cannot_create",
    "check_file",
    "create_folder",
    "is_first_save",
    "is_saved",
    "manifest_of",
    "pretty_json",
    "read_manifest",
    "refuse_occupied",
    "reread_during_saves",
    "sweep",
    "write_files",
]

LOCK = ".lock"  # the names of lock files begin with it; see `locking`
INCOMPLETE = ".charrnn-new"  # the temporary names of files end with it

Arguments = ParamSpec("Arguments")
Found = TypeVar("Found")
BEING_READ = ContextVar[Path | None]("BEING_READ", default=None)  # a folder


class FileVersion(Settings, frozen=True, kw_only=True):
    """One version of a file that the manifest accepts."""

    size: Annotated[int, Meta(ge=0)]
    sha256: str


# File name to versions; None among them: the file may not exist yet.
Manifest = dict[str, list[FileVersion | None]]


def pretty_json(value: Any) -> bytes:
    """`value` as JSON for people to read."""
    return msgspec.json.format(msgspec.json.encode(value), indent=2) + b"\n"


def manifest_of(files: Mapping[str, bytes]) -> Manifest:
    """The manifest of complete files, from name to content."""
    return {
        name: [FileVersion(size=len(data), sha256=hashlib.sha256(data).hexdigest())]
        for name, data in files.items()
    }


def create_folder(path: Path, other: str | None = None) -> None:
    """Make a new, empty folder, and those above it.

    Args:
        path: where.
        other: what to choose if that fails; by default, another option of the command line.

    Raises:
        CannotCreateError: if it can't be made, or exists and is not empty.
    """
    refuse_occupied(path, other)
    try:
        made = [folder for folder in (path, *path.parents) if not folder.exists()]
        path.mkdir(parents=True, exist_ok=True)
        for folder in made or [path]:  # else a power cut could lose it with all its files
            _flush_folder(folder.parent)
    except OSError as error:
        raise cannot_create(path, error, other) from None


def refuse_occupied(path: Path, other: str | None = None) -> None:
    """Check that a folder does not exist or is empty.

    What a process left behind that was killed during its first save does not count.

    Args:
        path, other: see `create_folder`.

    Raises:
        CannotCreateError: if it holds anything else.
    """
    try:
        occupied = not all(_is_leftover(file) for file in path.iterdir())
    except FileNotFoundError:
        return
    except (OSError, ValueError) as error:  # ValueError for a name with a null character
        raise cannot_create(path, error, other) from None
    if occupied and not is_first_save(path):
        advice = f"choose {other or 'another --name or --out'}, or delete it"
        if (path / STATE).exists():
            resume = f"--resume {as_argument(path)}"
            advice = f"go on with its run ({resume}, in Python charrnn.resume), or {advice}"
        raise CannotCreateError(f"{path} exists and is not empty", advice)


def is_first_save(path: Path) -> bool:
    """Whether a folder holds nothing but the beginning of its first save."""
    try:
        manifest = read_manifest(path) or {}
        if not manifest or not all(None in versions for versions in manifest.values()):
            return False
        for file in path.rglob("*"):
            name = file.relative_to(path).as_posix()
            if file.is_file() and name != MANIFEST and not _is_leftover(file):
                check_file(path, name, manifest)
    except (CharRNNError, OSError):
        return False
    return True


def is_saved(path: Path) -> bool:
    """Whether a folder holds a save that was completed."""
    try:
        known = read_manifest(path) is not None
    except (CharRNNError, OSError):
        known = False
    return not is_first_save(path) if known else os.path.isfile(path / STATE)  # noqa: PTH113


def cannot_create(
    path: Path, error: OSError | ValueError, other: str | None = None
) -> CannotCreateError:
    """The error for a folder that can't be made; `other` as for `create_folder`."""
    found = error.strerror if isinstance(error, OSError) else error
    return CannotCreateError(f"{path}: {found}", f"choose {other or 'another folder with --out'}")


def write_files(path: Path, files: Mapping[str, bytes]) -> None:
    """Write `files` (name to content) into a model folder, each completely or not at all.

    Other files of the folder stay as they are. Where there is no manifest, they are listed as they
    are found: else they would count as damaged from then on.

    Raises:
        ReadWriteError: if a write fails; each file is then either the old one or the new one.
    """
    incomplete = {name: _incomplete(path / name) for name in files}
    has_earlier = is_saved(path)
    try:
        known = read_manifest(path)
        manifest = _found(path) if known is None else known
        new = manifest_of(files)
        for name, data in files.items():
            _write_flushed(path / name, data)
        either = manifest | {name: [*manifest.get(name, [None]), *new[name]] for name in files}
        _replace(path / MANIFEST, pretty_json(either))
        _flush_folder(path)  # a power cut from here on leaves no file that the manifest lacks
        for name, file in incomplete.items():
            _move(file, path / name)
        for folder in sorted({(path / name).parent for name in files}):
            _flush_folder(folder)  # likewise, no file that is older than the manifest's
        _replace(path / MANIFEST, pretty_json(manifest | new))
        _flush_folder(path)
    except OSError as error:
        for file in (*incomplete.values(), _incomplete(path / MANIFEST)):
            with suppress(OSError):  # it does not exist, or the disk refuses all writes
                file.unlink()
            with suppress(OSError):  # the folder is not empty
                file.parent.rmdir()
        kept = "what was saved before is still there" if has_earlier else "nothing was saved"
        raise ReadWriteError(
            f"{path}: {error.strerror}", f"make room or check the disk; {kept}"
        ) from None


def sweep(path: Path) -> None:
    """Delete the incomplete files of a process that was killed during a save."""
    for file in (*path.glob(f".*{INCOMPLETE}"), *path.glob(f"*/.*{INCOMPLETE}")):
        with suppress(OSError):
            file.unlink()


def _found(path: Path) -> Manifest:
    """A manifest of what is in a folder without one.

    The card is left out: it may hold people's own words, and one that is listed is written anew.
    """
    manifest: Manifest = {}
    for name in (*MODEL_FILES, STATE):
        if name not in (CARD, MANIFEST) and (path / name).is_file():
            with (path / name).open("rb") as file:
                digest = hashlib.file_digest(file, "sha256").hexdigest()
                size = os.fstat(file.fileno()).st_size
            manifest[name] = [FileVersion(size=size, sha256=digest)]
    return manifest


def _is_leftover(path: Path) -> bool:
    """Whether a file or folder was left behind by a process that was killed during a save."""
    if path.is_dir():
        return path.name == RESUME and all(_is_leftover(file) for file in path.iterdir())
    return path.name.startswith(LOCK) or path.name.endswith(INCOMPLETE)


def _incomplete(path: Path) -> Path:
    """The temporary name of a file until it is complete."""
    return path.with_name(f".{path.name}{INCOMPLETE}")


def _replace(path: Path, data: bytes) -> None:
    _write_flushed(path, data)
    _move(_incomplete(path), path)


def _move(file: Path, place: Path) -> None:
    once_free(lambda: file.replace(place))


def _write_flushed(place: Path, data: bytes) -> None:
    """Write what will stand at `place`, with the permissions of what stands there."""
    path = _incomplete(place)
    if path.parent.name == RESUME and path.parent.is_symlink():
        raise damaged(path.parent, "a link to somewhere else")
    path.parent.mkdir(exist_ok=True)
    path.unlink(missing_ok=True)  # left by a process that was killed
    with path.open("wb") as file:
        with suppress(FileNotFoundError):
            mode = stat.S_IMODE(place.stat().st_mode)
            if mode != stat.S_IMODE(os.fstat(file.fileno()).st_mode):
                path.chmod(mode)
        file.write(data)
        file.flush()
        os.fsync(file.fileno())


def _flush_folder(path: Path) -> None:
    if os.name == "nt":  # Windows can't open a folder to flush it
        return
    handle = os.open(path, os.O_RDONLY)
    try:
        os.fsync(handle)
    except OSError as error:  # folders shared with a virtual machine can't be flushed
        if error.errno != errno.EINVAL:
            raise
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
        if not name or "\0" in name or Path(name).is_absolute() or ".." in Path(name).parts:
            raise damaged(path / MANIFEST, f"{name!r} is not in the folder")
    return manifest


def reread_during_saves(
    read: Callable[Concatenate[Path, Arguments], Found],
) -> Callable[Concatenate[Path, Arguments], Found]:
    """Let `read`, of which a folder is the first argument, read again where a save changed files.

    Also while a save is going on, and the manifest lists two versions of a file. Within another
    such function, on the same folder, it reads once: the outer one repeats everything.
    """

    @functools.wraps(read)
    def call(path: Path, /, *given: Arguments.args, **named: Arguments.kwargs) -> Found:
        if BEING_READ.get() == path:
            return read(path, *given, **named)
        token = BEING_READ.set(path)
        try:
            for _ in range(5):
                before = read_manifest(path) or {}
                try:
                    return read(path, *given, **named)
                except BadDataError:
                    after = read_manifest(path) or {}
                    saving = any(len(versions) > 1 for versions in after.values())
                    if after == before and not saving:
                        raise
            return read(path, *given, **named)
        finally:
            BEING_READ.reset(token)

    return call


def check_file(path: Path, name: str, manifest: Manifest | None) -> None:
    """Compare a file of the folder at `path` with its manifest, if there is one.

    Raises:
        FileNotFoundError: if it does not exist.
        BadDataError: if it is none of the versions that the manifest lists.
        ReadWriteError: if it can't be read.
    """
    with opened(path / name) as file:
        if manifest is None:
            return
        versions = [version for version in manifest.get(name, []) if version is not None]
        size = os.fstat(file.fileno()).st_size
        if not any(version.size == size for version in versions):
            _refuse_resaved(path / name, file.read(), versions)
            sizes = " or ".join(str(version.size) for version in versions)
            raise damaged(path / name, f"{size} bytes, expected {sizes or 'none'}")
        digest = hashlib.file_digest(file, "sha256").hexdigest()
        if not any(version.sha256 == digest for version in versions):
            raise damaged(path / name, "its content is not what was saved")


def _refuse_resaved(path: Path, data: bytes, versions: list[FileVersion]) -> None:
    """Say so if a file is whole but for what git or an editor does to texts."""
    was = data.removeprefix(codecs.BOM_UTF8).replace(b"\r\n", b"\n")
    digest = hashlib.sha256(was).hexdigest()
    if any(version.sha256 == digest for version in versions):
        what = "line ends were changed" if b"\r\n" in data else "it got a byte order mark"
        advice = "copy the folder again as it is; in git, `* -text` in .gitattributes keeps it so"
        raise BadDataError(f"{path}: {what}", advice)
