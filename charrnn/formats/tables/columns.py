"""The text in the records of a table, in a column that may lie deeper: messages.content."""

from __future__ import annotations

import reprlib
from collections import Counter
from collections.abc import Generator, Iterable, Iterator, Mapping, Sequence
from contextlib import closing, contextmanager
from enum import Enum
from itertools import islice
from typing import Any, Final, NamedTuple

import msgspec

from charrnn.config import Reading
from charrnn.decoding.cleaning import Cleaner
from charrnn.decoding.pieces import Piece
from charrnn.errors import BadDataError, UsageError
from charrnn.words import NAMED, listing

__all__ = [
    "MISSING",
    "SEARCHED",
    "LoneSurrogates",
    "MissingColumnError",
    "choice",
    "column_of",
    "documents",
    "has",
    "nesting_errors",
    "refuse_doubled",
    "shown",
    "value_at",
]

LABEL = "label"  # a column that tells what a table is likely for
QUESTION = 300  # characters of a name that is to be typed, as forms have whole questions
SEARCHED = 1000  # records without the column, after which the table is taken to have none


class MissingColumnError(UsageError):
    """A table without the column that should hold its text."""


class Missing(Enum):
    """What stands in a column that is not there."""

    MISSING = "no such column"


MISSING: Final = Missing.MISSING


class _Other(NamedTuple):
    """What is no text."""

    value: object


def column_of(reading: Reading) -> str:
    """The name of the column that holds the text."""
    return reading.text_column or "text"


def documents(
    name: str,
    records: Generator[object, None, None],
    reading: Reading,
    notes: Iterable[str] = (),
    *,
    advice: str = "",
) -> Iterator[Piece]:
    """The text of each record, a document; those without text are counted.

    Args:
        name: of the table.
        records: mappings from columns to values, or the texts themselves.
        reading: names the column.
        notes: what was noticed before; told with the rest, after the last record.
        advice: what else to do where no record has the column.

    Raises:
        MissingColumnError: if no record has the column; names those there are.
        UsageError: if it holds something else than text.
        BadDataError: for half a character, which JSON can hold, and for lists in lists in lists,
            nested past all reason.
    """
    column, path = column_of(reading), _Path(column_of(reading))
    cleaner, surrogates, known = Cleaner(), LoneSurrogates(name, reading), dict[str, None]()
    number = empty = missing = 0
    hints: list[str] = []
    with nesting_errors(name), closing(records):  # and the file that it reads, also after an error
        for number, record in enumerate(records, 1):
            if number == 1 and column != LABEL and has(record, LABEL):
                hints.append(
                    f"its column {LABEL} is not read; it is what --task classify learns from"
                )
            text = record if isinstance(record, str) else path.text_in(record)
            if isinstance(text, str):
                yield Piece(name, cleaner.feed(surrogates.replaced(text), last=True))
                continue
            if isinstance(text, _Other):
                found = f"row {number} holds {shown(text.value)} in the column {column}, no text"
                mend = f"mend it, or {choice(column, _columns(record))}"
                raise UsageError(f"{name}: {found}", mend)
            empty += 1
            if text is MISSING or record is None:
                missing += 1
                known |= dict.fromkeys(islice(_columns(record), NAMED + 1))
            if number == missing == SEARCHED and known:
                break
    if number == missing and known:
        found = f"{name}: no text in a column {column}"
        raise MissingColumnError(found, choice(column, known) + advice)
    changed = [*surrogates.notes(), *cleaner.notes(), *_without_text(path, empty, number)]
    if everything := (*notes, *hints, *changed):
        yield Piece(name, "", first=False, notes=everything)


def _without_text(path: _Path, empty: int, rows: int) -> Iterator[str]:
    """What to say of entries of lists and of rows without text."""
    if count := path.left_out:
        entries = "entries of lists that hold" if count > 1 else "entry of a list that holds"
        yield f"left out {count:,} {entries} no text in the column {path.names}"
    if empty:
        yield f"{empty:,} of {rows:,} rows {'hold' if empty > 1 else 'holds'} no text"


def has(record: object, column: str) -> bool:
    """Whether a record has such a column; null, which may stand in its place, has none."""
    return record is not None and _Path(column).text_in(record) is not MISSING


def value_at(record: Mapping[str, Any], column: str) -> Any:
    """The value in a column, which may lie deeper: meta.label. `MISSING` if there is none."""
    value, rest = _along(record, column)
    return MISSING if rest else value


def _along(value: Any, path: str) -> tuple[Any, str]:
    """Where a path of names leads through objects, and what is left of it there."""
    while path and isinstance(value, Mapping):
        if path in value:
            return value[path], ""
        first, _, rest = path.partition(".")
        if first not in value or not rest:
            break
        value, path = value[first], rest
    return value, path


class _Path:
    """A path of names to the text of a record.

    Attributes:
        names: joined by dots.
        left_out: how many entries of lists held no text beside others that did.
    """

    def __init__(self, names: str) -> None:
        self.names = names
        self.left_out = 0

    def text_in(self, record: object) -> str | Missing | _Other | None:
        """The text at its end, joined by lines where it goes through a list."""
        return self._found(record, self.names)

    def _found(self, value: object, path: str) -> str | Missing | _Other | None:
        value, path = _along(value, path)
        if isinstance(value, list):
            return self._in_list(value, path)
        if path and value is not None:
            return MISSING
        return value if value is None or isinstance(value, str) else _Other(value)

    def _in_list(self, values: list[object], path: str) -> str | Missing | _Other | None:
        parts = None if path else _parts(values)
        each = [self._found(one, path) for one in values] if parts is None else parts
        if other := next((found for found in each if isinstance(found, _Other)), None):
            return other
        texts = [found for found in each if isinstance(found, str)]
        if texts:
            self.left_out += len(values) - len(texts)
            return ("\n" if parts is None else "").join(texts)
        is_there = any(found is not MISSING for found in each)
        return None if is_there or not values else MISSING


def _parts(values: Sequence[object]) -> list[str | Missing] | None:
    """The parts of a text, as chats have them: {"type": "bold", "text": …}, texts between; or None.

    What holds no text, such as a picture, is missing.
    """
    if all(isinstance(one, str) for one in values) or not all(map(_is_part, values)):
        return None
    found = [one.get("text") if isinstance(one, Mapping) else one for one in values]
    return [one if isinstance(one, str) else MISSING for one in found]


def _is_part(value: object) -> bool:
    is_typed = isinstance(value, Mapping) and isinstance(value.get("type"), str)
    return is_typed or isinstance(value, str)


def _columns(value: object, before: str = "") -> Iterator[str]:
    """The names of all columns of a record, with dots for those that lie deeper."""
    if isinstance(value, list):
        is_text = any(isinstance(part, str) for part in _parts(value) or ())
        value = None if is_text else next((one for one in value if isinstance(one, Mapping)), None)
    if not isinstance(value, Mapping):
        if before:
            yield before.removesuffix(".")
        return
    for name, inner in value.items():
        deeper = isinstance(inner, (Mapping, list)) and before.count(".") < 3
        yield from _columns(inner, f"{before}{name}.") if deeper else [f"{before}{name}"]


def choice(column: str, columns: Iterable[str], option: str = "--text-column") -> str:
    """What to do about a column that is not there, or holds no text."""
    names = listing((one for one in columns if one.strip() and one != column), QUESTION)
    return f"choose {option} from {names}" if names else "check the table"


def shown(value: object) -> str:
    """What stands where something else should, in a few words."""
    match value:
        case None:
            return "null"
        case bool():
            return str(value).lower()
        case int() | float():
            return f"the number {reprlib.repr(value)}" if abs(value) < 1e300 else "a number"
        case str():
            return "a text"
        case Mapping():
            return "an object"
        case list():
            return "a list"
    return f"a value of the type {type(value).__name__}"


@contextmanager
def nesting_errors(name: str) -> Iterator[None]:
    """What is nested more deeply than Python can follow, as the user's error.

    Raises:
        BadDataError: for it.
    """
    try:
        yield
    except RecursionError:
        found = f"{name}: broken JSON (it is nested too deeply)"
        raise BadDataError(found, "check the file") from None


def refuse_doubled(name: str, header: Sequence[str], wanted: Iterable[str]) -> None:
    """Check that a table has none of the columns that are wanted twice.

    Raises:
        BadDataError: if it has.
    """
    counts = Counter(header)
    if (twice := next((one for one in wanted if counts[one] > 1), None)) is not None:
        found = f"{name}: two columns are named {twice}"
        raise BadDataError(found, "give each column a name of its own")


class LoneSurrogates:
    """Puts U+FFFD in the place of halves of characters, as JSON can hold them, and counts these.

    Args:
        name: of the table.
        reading: whether they may be replaced.
    """

    def __init__(self, name: str, reading: Reading) -> None:
        self._name, self._reading, self._count = name, reading, 0

    def replaced_in(self, record: dict[str, Any]) -> dict[str, Any]:
        """A record of JSON, whose texts and keys are without them, also in lists and records in it.

        Raises:
            BadDataError: for one, unless they may be replaced.
            RecursionError: if such a record is nested too deeply.
        """
        try:
            msgspec.json.encode(record)  # far quicker than to look at each value
        except UnicodeEncodeError:
            found: dict[str, Any] = self._without(record)
            return found
        return record

    def _without(self, value: Any) -> Any:
        match value:
            case str():
                return self.replaced(value)
            case list():
                return [self._without(one) for one in value]
            case dict():
                return {self._without(key): self._without(one) for key, one in value.items()}
        return value

    def replaced(self, text: str) -> str:
        """A text without them.

        Raises:
            BadDataError: for one, unless they may be replaced.
        """
        if text.isascii():
            return text
        try:
            text.encode("utf-8", "surrogateescape" if self._reading.keeps_bytes else "strict")
        except UnicodeEncodeError as error:
            if self._reading.errors == "replace":
                mended = text.encode("utf-16", "surrogatepass").decode("utf-16", "replace")
                self._count += mended.count("\ufffd") - text.count("\ufffd")
                return mended
            half = f"{text[error.start]!r}"
            raise BadDataError(
                f"{self._name}: {half} is half a character",
                "mend the table, or choose --errors replace",
            ) from None
        return text

    def notes(self) -> list[str]:
        """What to say of those that were replaced, if there were any."""
        if not self._count:
            return []
        halves = "half a character" if self._count == 1 else f"{self._count:,} halves of characters"
        return [f"{halves} became U+FFFD"]
