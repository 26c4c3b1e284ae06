"""charrnn info, verify, corpora and cache: what is there."""

from __future__ import annotations

from datetime import datetime
from pathlib import Path
from typing import Annotated

import msgspec
import typer

from charrnn.errors import BadDataError, MissingInputError
from charrnn.terminal.output import JsonOption, ModelArgument, encode_json, write

__all__ = ["cache", "corpora", "info", "verify"]


def info(model: ModelArgument = None, json: JsonOption = False) -> None:
    """Show what there is to know of a model."""
    from charrnn.folder import card
    from charrnn.folder.record import find_model, read_model

    found = read_model(find_model(model))
    sizes = {
        str(path.relative_to(found.path)): path.stat().st_size
        for path in sorted(found.path.rglob("*"))
        if path.is_file()
    }
    if json:
        record = msgspec.to_builtins(found.record)
        parameters = sum(weight.size for weight in found.weights.values())
        kept = {"path": str(found.path), "parameters": parameters, "evaluation": found.evaluation}
        write(encode_json(kept | record | {"files": sizes}))
        return
    rows = {"model": str(found.path)} | card.facts(found)
    rows["files"] = ", ".join(f"{name} {_size(size)}" for name, size in sizes.items())
    for label, value in rows.items():
        write(f"{label:<16} {value}\n")


def verify(model: ModelArgument = None) -> None:
    """Check every file of a model folder, and tell what is wrong."""
    from charrnn.folder.files import MANIFEST, read_manifest, read_settled
    from charrnn.folder.record import WEIGHTS, find_model, read_model
    from charrnn.folder.resuming import STATE, read_run

    path = find_model(model)
    manifest = read_manifest(path)
    if manifest is None:
        write(f"{path} has no {MANIFEST}: damage of content can't be seen\n")
    problems = _problems(path)
    if problems:
        write("".join(f"{problem}\n" for problem in problems))
        advice = "copy the folder again, or train anew"
        raise BadDataError(f"{path} is damaged in {len(problems)} of its files", advice)
    resumable = (path / STATE).exists()
    unfinished = resumable and not (path / WEIGHTS).exists()
    if resumable:
        read_settled(path, lambda: read_run(path))
    if not unfinished:
        read_model(path)
    write(f"{path} is whole{', but a run that has no model yet' if unfinished else ''}\n")


def _problems(path: Path) -> list[str]:
    """What of a folder is not as its manifest says, unless a save is going on."""
    from charrnn.folder.files import RESUME, check_file, read_manifest

    while True:
        manifest = read_manifest(path) or {}
        problems = []
        for name, versions in sorted(manifest.items()):
            try:
                check_file(path, name, manifest)
            except FileNotFoundError:
                # A folder is meant to travel without the state of its run.
                if None not in versions and not name.startswith(f"{RESUME}/"):
                    problems.append(f"{name} is missing")
            except BadDataError as error:
                problems.append(error.found)
        if not problems or read_manifest(path) == manifest:
            return problems


def corpora() -> None:
    """List the corpora that come with charrnn."""
    from charrnn.text.corpus import BUNDLED

    for name, bundled in BUNDLED.items():
        try:
            size = f"{len(bundled.read()):,} characters"
        except MissingInputError as error:
            size = error.found
        write(f"{name:<8} {bundled.description} ({size})\n")


def cache(
    clear: Annotated[bool, typer.Option("--clear", help="Delete them.")] = False,
) -> None:
    """List what is kept on the disk of long texts, to train on them again sooner."""
    from charrnn.text import cache as kept

    if clear:
        count = kept.clear()
        write(f"deleted {count} file{'' if count == 1 else 's'} in {kept.location()}\n")
        return
    for path in kept.entries():
        status = path.stat()
        used = datetime.fromtimestamp(status.st_mtime).astimezone()
        write(f"{status.st_size:>15,} bytes, last used {used:%Y-%m-%d %H:%M}  {path}\n")


def _size(count: int) -> str:
    return f"{count:,} bytes" if count < 10_000 else f"{count / 1000:,.0f} kB"
