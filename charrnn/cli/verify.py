"""charrnn verify: whether a model folder is intact."""

from __future__ import annotations

from pathlib import Path

from charrnn.checkpoints import CARD, MANIFEST, RESUME, STATE, WEIGHTS
from charrnn.errors import BadDataError
from charrnn.terminal.options import ModelArgument
from charrnn.terminal.output import write

__all__ = ["verify"]


def verify(model: ModelArgument = None) -> None:
    """Check every file that the manifest of a model folder lists."""
    from charrnn.folder.files import read_manifest
    from charrnn.folder.reading import find_model, read_folder
    from charrnn.folder.resuming import read_run

    path = find_model(model)
    problems, card = _problems(path)
    if problems:
        write("".join(f"{problem}\n" for problem in problems))
        advice = "copy the folder again, or train a new model"
        raise BadDataError(f"{path} is damaged in {len(problems)} of its files", advice)
    resumable = (path / STATE).exists()
    unfinished = resumable and not (path / WEIGHTS).exists()
    if resumable:
        read_run(path)
    if not unfinished:
        read_folder(path)
    checked = read_manifest(path) is not None
    found = "is intact" if checked else f"loads, but has no {MANIFEST} to check it against"
    write(f"{path} {found}{'; its run has no model yet' if unfinished else ''}{card}\n")


def _problems(path: Path) -> tuple[list[str], str]:
    """What of a folder is not as its manifest says, unless a save is going on.

    Returns:
        problems: of each file that is damaged.
        card: what became of the model card, in which people write their own words.
    """
    from charrnn.folder.files import check_file, read_manifest

    while True:
        manifest = read_manifest(path) or {}
        problems, card = list[str](), ""
        for name, versions in sorted(manifest.items()):
            try:
                check_file(path, name, manifest)
            except FileNotFoundError:
                if name == CARD:
                    card = "" if None in versions else f"; its {CARD} was deleted"
                # A folder is meant to travel without the state of its run.
                elif None not in versions and not name.startswith(f"{RESUME}/"):
                    problems.append(f"{name} is missing")
            except BadDataError as error:
                if name == CARD:
                    card = f"; its {CARD} was changed since it was saved"
                else:
                    problems.append(error.found)
        if not (problems or card) or read_manifest(path) == manifest:
            return problems, card
