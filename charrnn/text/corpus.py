"""From what the user names to text: files, folders, data sets, standard input, bundled corpora.

    source ──documents──▶ Piece, Piece, … ──texts──▶ str, str, … ──read_corpus──▶ Corpus

A document is one file, or one row of a data set. It comes in pieces, so that a long corpus need
not be in memory all at once.
"""

from __future__ import annotations

import glob
import hashlib
import os
import re
from collections.abc import Iterable, Iterator, Sequence
from dataclasses import dataclass, field
from pathlib import Path
from typing import NamedTuple

from charrnn.arguments import checked
from charrnn.config import HUB, STANDARD_INPUT, Reading, TaskName
from charrnn.decoding.containers import LOCKS, plain_name
from charrnn.decoding.pieces import Piece
from charrnn.decoding.streams import standard_input
from charrnn.errors import BadDataError, MissingInputError, UsageError
from charrnn.formats import registry
from charrnn.formats.tables import columns
from charrnn.formats.tables.columns import MissingColumnError
from charrnn.outputs import is_model
from charrnn.text import finding
from charrnn.text.bundled import BUNDLED, Bundled
from charrnn.text.division import Documents
from charrnn.text.finding import Doubles
from charrnn.text.hub import hub_records
from charrnn.words import beginning, counted, first_few, is_path

__all__ = [
    "Corpus",
    "Place",
    "Sources",
    "corpus_name",
    "documents",
    "listed",
    "place_of",
    "read_corpus",
    "short_name",
    "texts",
]


@dataclass(frozen=True)
class Corpus:
    """All the text of a training run.

    Attributes:
        name: a short name, made from the first source, and how many others there are.
        text: the documents, one after the other, each on lines of its own.
        notes: what was changed or left out, to tell the user.
        documents: where its documents begin.
    """

    name: str
    text: str = field(repr=False)
    notes: tuple[str, ...] = ()
    documents: Documents = field(default_factory=Documents, repr=False, compare=False)

    def __post_init__(self) -> None:
        for name in ("name", "text"):
            if not isinstance(getattr(self, name), str):
                found = f"the {name} of a corpus is of type {type(getattr(self, name)).__name__}"
                raise UsageError(found, "it must be a string")

    @property
    def sha256(self) -> str:
        """A fingerprint of the text, in hexadecimal."""
        return hashlib.sha256(self.text.encode("utf-8", "surrogatepass")).hexdigest()


Sources = Sequence[str | Path] | Corpus  # what is read, or has been


@checked
def read_corpus(
    sources: str | Path | Sequence[str | Path], reading: Reading | None = None
) -> Corpus:
    """All the text of the sources, as one corpus.

    Args:
        sources: one or several, each a file of a format in docs/texts.md, also compressed or in an
            archive, a folder of them, a glob, "-" for standard input, `hf://OWNER/NAME` or
            `hf://OWNER/NAME/CONFIG`, or the name of a bundled corpus. Each content is read once.
        reading: encoding and columns; UTF-8 by default.

    Raises:
        MissingInputError: if a source does not exist.
        BadDataError: if one is not text, or there is no text at all.
        ReadWriteError: if reading fails midway.
        UsageError: for a column that does not exist or holds no text, and for bundled examples.
    """
    sources = listed(sources)
    notes: list[str] = []
    found = Documents()
    text = "".join(texts(sources, reading or Reading(), notes, found))
    if not text:
        raise no_text(sources)
    return Corpus(corpus_name(sources), text, tuple(notes), found)


def no_text(sources: Sequence[str | Path]) -> BadDataError:
    """The error for sources without any text."""
    return BadDataError(f"{', '.join(map(str, sources))}: no text in it", "use a longer text")


def texts(
    sources: Sequence[str | Path],
    reading: Reading,
    notes: list[str],
    found: Documents,
) -> Iterator[str]:
    """The text of a corpus, piece by piece; see `read_corpus`.

    Adds what was changed to `notes`, and where documents begin to `found`.
    """
    if not sources:
        raise UsageError("no text given", "name a file, a folder or a bundled corpus")
    line_ended, length = True, 0
    for piece in documents(sources, reading):
        if piece.first and not line_ended:
            yield "\n"
            length += 1
        if piece.first:
            found.add(piece.name, length)
        length += len(piece.text)
        if piece.text or piece.first:  # an empty document is an empty line
            line_ended = piece.text.endswith("\n")
        yield piece.text
        notes += [f"{piece.name}: {note}" for note in piece.notes]


def documents(sources: Iterable[str | Path], reading: Reading) -> Iterator[Piece]:
    """The documents of each source in turn; see `read_corpus` for what a source can be."""
    heeded: set[str] = set()
    places, doubles = _places(sources)
    for place in places:
        place.check_task(None)
    for place in places:
        if place.folder is not None:
            yield from _folder(place, reading, heeded, doubles)
        elif place.files:
            for file in place.files:
                if not doubles.leave_out(file):
                    yield from registry.documents(file, reading, heeded)
            if place.notes:
                yield Piece(place.source, "", first=False, notes=place.notes)
        elif not doubles.leave_out(place.source):
            yield from _document(place.source, reading, heeded)
    if notes := doubles.notes():
        yield Piece("the corpus", "", first=False, notes=notes)
    _refuse_unheeded(reading, heeded)


def _places(sources: Iterable[str | Path]) -> tuple[Sequence[Place], Doubles]:
    """What sources stand for, and which of it is there already."""
    places = [place_of(str(source)) for source in sources]
    everything = [one for place in places for one in place.contents]
    return places, Doubles(everything)


class Place(NamedTuple):
    """What a source stands for.

    Attributes:
        source: as the user gave it.
        files: those it stands for, in their order; none if it is a data set, a bundled text or
            standard input.
        folder: the folder that it is, if it is one.
        passed: what was passed by in that folder; of a glob, folders, which are read by name alone.
        hidden: of a glob, what Word leaves beside documents that are open.
        bundled: the bundled corpus that it is, if it is one.
    """

    source: str
    files: tuple[Path, ...] = ()
    folder: Path | None = None
    passed: tuple[str, ...] = ()
    hidden: tuple[str, ...] = ()
    bundled: Bundled | None = None

    @property
    def contents(self) -> Sequence[str | Path]:
        """Its files, of which a folder may have none, or what else it is."""
        return self.files if self.files or self.folder else [self.source]

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

    def texts(self, reading: Reading, skipped: list[str]) -> Iterator[str | Path]:
        """Its contents, but of a folder the texts alone; `skipped` gets the names of the others."""
        for one in self.contents:
            if self.folder and isinstance(one, Path) and registry.is_no_text(one, reading):
                skipped.append(str(one.relative_to(self.folder)))
            else:
                yield one

    def check_task(self, task: TaskName | None) -> None:
        """See that a bundled corpus is for a task; for None, that it is a text.

        Raises:
            UsageError: if it is for something else.
        """
        if self.bundled is None or self.bundled.task == task:
            return
        if self.bundled.task is None:
            found = f"{self.source} is a text, and holds no examples for a task"
            raise UsageError(found, "name examples, or train on it without --task")
        own = self.bundled.task
        found = f"{self.source} holds examples for the task {own}"
        advice = f"name something else, or train on it with --task {own} (in Python task='{own}')"
        raise UsageError(found, advice)


def place_of(source: str) -> Place:
    """What a source stands for.

    Raises:
        MissingInputError: if there is nothing of this name.
    """
    if source == STANDARD_INPUT or source.startswith(HUB):
        return Place(source)
    bundled = BUNDLED.get(source)
    # Path's methods fail on names that are too long, and take an empty one for the folder.
    if os.path.isdir(source):  # noqa: PTH112
        if is_model(Path(source)):
            if bundled is not None:  # the model may well be named after it
                return Place(source, bundled.files, bundled=bundled)
            advice = "go on with it with --resume, or start from it with --init-from"
            raise MissingInputError(f"{source}: a model, not a text", advice)
        files, passed = finding.below(Path(source))
        return Place(source, tuple(files), Path(source), tuple(passed))
    if os.path.exists(source):  # noqa: PTH110
        return Place(source, files=(Path(source),))
    if bundled is not None:
        return Place(source, bundled.files, bundled=bundled)
    matches = sorted(glob.glob(source, recursive=True))
    # Paths, even if one is called "-" or like a bundled corpus.
    matched = [Path(one) for one in matches if os.path.isfile(one)]  # noqa: PTH113
    hidden = tuple(str(one) for one in matched if one.name.startswith(LOCKS))
    if found := tuple(one for one in matched if str(one) not in hidden):
        folders = [one for one in matches if os.path.isdir(one)]  # noqa: PTH112
        return Place(source, found, None, () if "**" in source else tuple(folders), hidden)
    advice = "check the path, or see `charrnn corpora` for the bundled ones"
    if source.startswith("~"):
        advice = "leave ~ outside of quotation marks, or write the whole path"
    elif "://" in source:
        advice = "download it first: of web addresses charrnn reads only hf://OWNER/NAME"
    elif not is_path(source):
        source = beginning(source)
        advice = (
            "name a file that holds the text; "
            "in Python a language model is trained on charrnn.Corpus(name=…, text=…), too"
        )
    raise MissingInputError(f"there is no file or corpus {source}", advice)


def _document(source: str, reading: Reading, heeded: set[str]) -> Iterator[Piece]:
    """A source that is no file."""
    if source == STANDARD_INPUT:
        yield from registry.documents(standard_input(), reading, heeded)
    elif source.startswith(HUB):
        heeded |= {"text_column", "split"}
        yield from columns.documents(source, hub_records(source, reading), reading)
    else:
        yield Piece(source, BUNDLED[source].read())


def _folder(place: Place, reading: Reading, heeded: set[str], doubles: Doubles) -> Iterator[Piece]:
    """The files of a folder; those that are no text are left out."""
    assert place.folder is not None, "it is a folder"
    found = False
    skipped, lacking = list[str](), list[str]()
    reason: MissingColumnError | None = None
    for path in map(Path, place.texts(reading, skipped)):
        if doubles.leave_out(path):
            found = True
        else:
            try:
                yield from registry.documents(path, reading, heeded)
                found = True
            except MissingColumnError as error:
                reason = reason or error
                lacking.append(str(path.relative_to(place.folder)))
    if reason and not found:
        raise reason
    if not found:
        raise MissingInputError(
            f"{place.folder}: a folder without text files", "name another folder"
        )
    notes = [registry.skipped_note(skipped)] if skipped else []
    notes += [registry.lacking_note(lacking, reading, reason)] if reason else []
    notes += place.notes
    if notes:
        yield Piece(str(place.folder), "", first=False, notes=tuple(notes))


# Where each setting of `Reading` has an effect.
APPLIES = {
    "encoding": "text files, CSV and JSON",
    "errors": "text files, CSV and JSON",
    "text_column": "tables and data sets",
    "split": "data sets from the hub",
}


def _refuse_unheeded(reading: Reading, heeded: set[str]) -> None:
    """Refuse a setting that was given and has had no effect."""
    usual = Reading()
    for name, where in APPLIES.items():
        value = getattr(reading, name)
        given = value != getattr(usual, name) and value != "surrogateescape"
        if given and name not in heeded:
            found = f"{name} is {value!r}, which only affects {where}, and none is read here"
            raise UsageError(found, "leave it out", name)


def listed(sources: str | Path | Sequence[str | Path]) -> Sequence[str | Path]:
    """Sources as a list, for those who name a single one."""
    return [sources] if isinstance(sources, (str, Path)) else sources


def corpus_name(sources: Sequence[str | Path]) -> str:
    """The name of a corpus: of its first source, and how many others are read."""
    more = 0
    if len(sources) > 1:
        places, doubles = _places(sources)
        others = [[not doubles.leave_out(one) for one in place.contents] for place in places][1:]
        more = sum(map(any, others))
    return f"{short_name(sources[0])}{f' and {more:,} more' if more else ''}"


def short_name(source: str | Path) -> str:
    """The name of a source, as short as possible."""
    source = str(source)
    if source == STANDARD_INPUT:
        return "stdin"
    if source.startswith(HUB):
        return source.removeprefix(HUB).split("/")[1]
    is_glob = glob.has_magic(source) and not os.path.exists(source)  # noqa: PTH110
    path = Path(os.path.realpath(_folder_of_glob(source) if is_glob else source))
    if path.is_dir():
        return path.name or "root"
    return Path(plain_name(path.name)).stem or path.name


def _folder_of_glob(pattern: str) -> Path:
    """The folder that a glob looks into: all that stands before its first wildcard.

    Of one without wildcards, the file or folder that it names.
    """
    folder = Path()
    for part in Path(pattern).parts:
        name = re.sub(r"\[([*?[])\]", r"\1", part)
        if glob.escape(name) != part:
            break
        folder /= name
    return folder
