"""What sources name: files, folders, globs, data sets, standard input, bundled corpora.

sources ──resolve_all──▶ Resolved, Resolved, … ──each──▶ Path or name, …    # each content once
"""

from __future__ import annotations

import glob
import os
import sys
from collections.abc import Iterable, Iterator, Sequence
from pathlib import Path
from typing import NamedTuple

from charrnn.checkpoints import CHECKPOINTS, is_model
from charrnn.config import HUB, STANDARD_INPUT, Reading, TaskName
from charrnn.decoding.containers import LOCKS
from charrnn.errors import MissingInputError, UsageError
from charrnn.formats import registry
from charrnn.text import finding
from charrnn.text.bundled import BUNDLED, Bundled
from charrnn.text.finding import Duplicates
from charrnn.words import beginning, by_number, counted, first_few, is_path

__all__ = ["Resolved", "is_only_a_model", "resolve", "resolve_all"]


class Resolved(NamedTuple):
    """What a source stands for.

    Attributes:
        name: as the user gave it.
        files: those it stands for, in their order; none if it is a data set, a bundled text or
            standard input.
        folder: the folder that it is, if it is one.
        passed: of a folder, what was skipped unread (see `finding.below`); of a glob, folders that
            match it, which are not read.
        hidden: of a glob, what Word leaves beside documents that are open.
        bundled: the bundled corpus that it is, if it is one.
    """

    name: str
    files: tuple[Path, ...] = ()
    folder: Path | None = None
    passed: tuple[str, ...] = ()
    hidden: tuple[str, ...] = ()
    bundled: Bundled | None = None

    @property
    def contents(self) -> Sequence[str | Path]:
        """Its files, of which a folder may have none, or what else it is."""
        return self.files if self.files or self.folder else [self.name]

    @property
    def notes(self) -> tuple[str, ...]:
        """What to say of what was passed by."""
        if self.folder is not None:
            return (registry.passed_note(self.passed),) if self.passed else ()
        notes = []
        if self.hidden:
            notes.append(f"left out Word's lock files: {first_few(self.hidden)}")
        if self.passed:
            folders = f"left out {counted(len(self.passed), 'folder')}: {first_few(self.passed)}"
            notes.append(f"{folders} (a pattern with /** at its end reads what is in them)")
        return tuple(notes)

    def each(
        self, reading: Reading, duplicates: Duplicates, notes: list[str]
    ) -> Iterator[str | Path]:
        """Its contents, each once, and of a folder the texts alone.

        Args:
            reading: encoding.
            duplicates: of this source and those before it.
            notes: gets what was passed by, once the last one is asked for.

        Raises:
            MissingInputError: for a folder that holds no text.
        """
        skipped: list[str] = []
        for one in self.contents:
            if self.folder and isinstance(one, Path) and registry.is_no_text(one, reading):
                skipped.append(str(one.relative_to(self.folder)))
            elif not duplicates.leave_out(one):
                yield one
        if self.folder and len(skipped) == len(self.files):
            raise MissingInputError(f"{self.folder}: a folder without text files", "name another")
        notes += [registry.skipped_note(skipped)] if skipped else []
        notes += self.notes

    def check_task(self, task: TaskName | None) -> None:
        """Check that a bundled corpus is for a task; for None, that it is a text.

        Raises:
            UsageError: if it is for something else.
        """
        if self.bundled is None or self.bundled.task == task:
            return
        if self.bundled.task is None:
            found = f"{self.name} is a text, and holds no examples for a task"
            raise UsageError(found, "name examples, or train on it without --task")
        own = self.bundled.task
        found = f"{self.name} holds examples for the task {own}"
        advice = f"name something else, or train on it with --task {own} (in Python task='{own}')"
        raise UsageError(found, advice)


def is_only_a_model(source: str) -> bool:
    """Whether a source names a model, and no text is called so."""
    if source in BUNDLED:
        return False
    is_there = os.path.exists(source)  # noqa: PTH110
    return is_model(Path(source) if is_there else CHECKPOINTS / source)


def resolve(source: str) -> Resolved:
    """What a source stands for.

    Raises:
        MissingInputError: if there is nothing of this name, or a model.
    """
    if source == STANDARD_INPUT or source.startswith(HUB):
        return Resolved(source)
    if is_only_a_model(source):
        advice = "charrnn train goes on with one by --resume, or starts from it by --init-from"
        raise MissingInputError(f"{source}: a model, not a text", advice)
    bundled = BUNDLED.get(source)
    # Path's methods fail on names that are too long, and take an empty one for the folder.
    if os.path.isdir(source):  # noqa: PTH112
        if bundled is not None and is_model(Path(source)):  # it may well be named after the text
            return Resolved(source, bundled.files, bundled=bundled)
        files, passed = finding.below(Path(source))
        return Resolved(source, tuple(files), Path(source), tuple(passed))
    if os.path.exists(source):  # noqa: PTH110
        return Resolved(source, files=(Path(source),))
    if bundled is not None:
        return Resolved(source, bundled.files, bundled=bundled)
    matches = sorted(glob.glob(source, recursive=True), key=by_number)
    # Paths, even if one is called "-" or like a bundled corpus.
    matched = [Path(one) for one in matches if os.path.isfile(one)]  # noqa: PTH113
    hidden = tuple(str(one) for one in matched if one.name.startswith(LOCKS))
    if found := tuple(one for one in matched if str(one) not in hidden):
        folders = [one for one in matches if os.path.isdir(one)]  # noqa: PTH112
        return Resolved(source, found, None, () if "**" in source else tuple(folders), hidden)
    advice = "check the path, or see `charrnn corpora` for the bundled ones"
    if source.startswith("~"):
        advice = "write the whole path"  # not every shell of Windows makes one of ~
        if sys.platform != "win32":
            advice = f"leave ~ outside of quotation marks, or {advice}"
    elif "://" in source:
        advice = "download it first: of web addresses charrnn reads only hf://OWNER/NAME"
    elif not is_path(source):
        source = beginning(source)
        advice = (
            "name a file that holds the text; "
            "in Python a language model is trained on charrnn.Corpus(name=…, text=…), too"
        )
    raise MissingInputError(f"there is no file or corpus {source}", advice)


def resolve_all(sources: Iterable[str | Path]) -> tuple[Sequence[Resolved], Duplicates]:
    """What sources stand for, and which of it is there already.

    Raises:
        MissingInputError: if there is nothing of a name.
    """
    every = [resolve(str(source)) for source in sources]
    return every, Duplicates([one for source in every for one in source.contents])
