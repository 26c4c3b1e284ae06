"""JSON: one record per line, an array of records, or an object that holds one array of them."""

from __future__ import annotations

import json
import re
from collections.abc import Generator, Iterable, Iterator, Sequence
from typing import Any

from charrnn.config import Reading
from charrnn.decoding.cleaning import BOM, marks_note
from charrnn.decoding.containers import Source
from charrnn.decoding.pieces import LONGEST, Piece, decoded
from charrnn.errors import BadDataError, UsageError
from charrnn.formats.tables.columns import (
    MissingColumnError,
    column_of,
    documents,
    has,
    nesting_errors,
    value_at,
)
from charrnn.words import listing, quoted

__all__ = ["RECORD", "STRING", "records", "rows"]

FIRST = 1 << 20  # characters that show whether a file has one record per line
MANY = 10  # texts by keys, where one record would hardly have so many
NEAR = 16  # characters from the end at which an error may be of a value that goes on
ENDS = tuple(" \t\r\n,]}")  # of a number
STRING = r'"(?:[^"\\\n]|\\.)*'
# How JSON begins, and hardly any text: a record, or an array of them.
RECORD = re.compile(rf'\s*(?:\[\s*)?\{{\s*(?:\}}|{STRING}"\s*(?::|\Z))')
DECODER = json.JSONDecoder()


def rows(source: Source, reading: Reading) -> Iterator[Piece]:
    """The records of a file, each a document. They are read one by one, however many there are.

    Raises:
        BadDataError: if it is not JSON.
        MissingColumnError: if no record has the column.
    """
    columns, notes = [column_of(reading)], list[str]()
    return documents(source.name, records(source, reading, columns, notes), reading, notes)


def records(
    source: Source, reading: Reading, columns: Sequence[str], notes: list[str]
) -> Generator[object, None, None]:
    """The records of a file as they stand.

    Args:
        source: the file.
        reading: its encoding.
        columns: those that are wanted; none for all. The records have the first, if they lie in an
            array within an object. An array of values that are no records will do for it alone.
        notes: gets what was noticed, once the last one is read.

    Raises:
        BadDataError: if it is not JSON, or an object with all values of each column.
        UsageError: for an object that may be a record as well as those in its array.
    """
    values = _Values(source.name, decoded(source.name, source.stream, reading, notes))
    notes += marks_note(values.was_marked)
    by_line = source.file_name.lower().endswith((".jsonl", ".ndjson"))
    return _records(values, columns, by_line)


def _records(
    values: _Values, columns: Sequence[str], by_line: bool
) -> Generator[object, None, None]:
    with nesting_errors(values.name):
        if values.next_sign() == "[":
            while values.next_sign() == "[":
                yield from values.elements()
        elif values.next_sign() == "{" and not by_line and not values.is_record():
            yield from _of_object(values, columns)
        is_first = not by_line
        while values.next_sign():
            record = values.take()
            if isinstance(record, dict) and all(map(_is_column, record.values())):
                _refuse_columns(values.name, record, columns)
            if is_first:
                _refuse_keyed(values, record, columns)
            is_first = False
            yield record


def _is_column(value: object) -> bool:
    """Whether a value is a column as pandas writes it by default: {"0": …, "1": …}."""
    return isinstance(value, dict) and "0" in value


def _refuse_columns(name: str, found: Iterable[str], wanted: Sequence[str]) -> None:
    """Refuse an object that has in itself all values of one of the columns that are wanted."""
    if names := [name for name in found if not wanted or name in wanted]:
        all_values = f"all values of {listing(names)} are in one object"
        raise BadDataError(
            f"{name}: {all_values}, not in a record for each row",
            'write an array of records, in pandas with orient="records"',
        )


def _refuse_keyed(values: _Values, record: object, columns: Sequence[str]) -> None:
    """Refuse the only object of a file if it holds records or texts by keys, as games have them."""
    if not isinstance(record, dict) or not columns or has(record, columns[0]):
        return
    inner, column = list(record.values()), columns[0]
    if len(inner) > 1 and all(isinstance(one, dict) for one in inner):
        each, kind = ".[]", "records"
    elif len(columns) == 1 and len(inner) >= MANY and all(isinstance(one, str) for one in inner):
        each, kind = f".[] | {{{json.dumps(column)}: .}}", "texts"
    else:
        return
    if not values.next_sign():
        found = f"{values.name}: its object has no column {column}, but {len(inner):,} {kind}"
        found += ", each by its key"
        advice = f"write them as an array: jq {quoted(f'[{each}]')} FILE > NEW.json"
        raise MissingColumnError(found, advice)


def _of_object(values: _Values, columns: Sequence[str]) -> Iterator[object]:
    """The records of the array in an object, or the object itself if there is none."""
    column = columns[0] if columns else ""
    itself: dict[str, object] = {}
    lists: list[str] = []
    array = ""
    for key in values.keys():  # noqa: SIM118
        if values.next_sign() != "[":
            itself[key] = values.take()
            continue
        elements = values.elements()
        first = next(elements, None)
        is_list = first is not None and not isinstance(first, dict) and len(columns) != 1
        lists += [key] * is_list
        named = not is_list and (key == column or column.startswith(f"{key}."))
        if not named and not (isinstance(first, dict) and has(first, column)):
            itself[key] = [first] if isinstance(first, dict) else []
            for _ in elements:
                pass
            continue
        if array:
            raise UsageError(
                f"{values.name}: two lists of records have a column {column}: {array} and {key}",
                f"choose --text-column {array}.{column} or {key}.{column}",
            )
        array = key
        _refuse_both(values.name, itself, array, columns, MissingColumnError)
        if first is not None:
            yield {key: first} if named else first
        for element in elements:
            yield {key: element} if named else element
    if not array:
        _refuse_columns(values.name, lists, columns)
        _refuse_keyed(values, itself, columns)
        yield itself
    else:  # no MissingColumnError, for which a folder would leave out what is read already
        _refuse_both(values.name, itself, array, columns, UsageError)


def _refuse_both(
    name: str,
    itself: dict[str, object],
    array: str,
    columns: Sequence[str],
    error: type[UsageError],
) -> None:
    """Refuse an object with values in all columns, beside a list of records that has them, too."""
    if not columns or not all(has(itself, c) and value_at(itself, c) is not None for c in columns):
        return
    kind = "a column" if len(columns) == 1 else "the columns"
    named = zip(("--text-column", "--label-column"), columns, strict=False)
    options = " ".join(f"{option} {quoted(f'{array}.{column}')}" for option, column in named)
    raise error(
        f"{name}: the object and its list {array} both have {kind} {listing(columns)}",
        f"choose {options}, or, to read the object itself, give the file the suffix .jsonl",
    )


class _Values:
    """JSON values, parsed one after the other from a text that comes in parts.

    Attributes:
        name: of the file, for errors.
        was_marked: whether the text began with a byte-order mark.
    """

    def __init__(self, name: str, parts: Iterable[str]) -> None:
        self.name = name
        self._parts = iter(parts)
        self._text, self._at, self._passed = "", 0, 0
        self._line, self._line_start = 1, 0  # of the first character of the text that is kept
        self._fill(1)
        self.was_marked = self._text.startswith(BOM)
        self._text = self._text.removeprefix(BOM)

    def _fill(self, count: int) -> bool:
        """Have at least `count` characters ahead, or all; whether there are more than before.

        Fewer will do if they end a line: of what arrives, they may be all for a while.
        """
        found: list[str] = []
        missing = count - (len(self._text) - self._at)
        while missing > 0 and (part := next(self._parts, None)) is not None:
            found.append(part)
            missing = 0 if part.endswith("\n") else missing - len(part)
        if not any(found):
            return False
        self._line, self._line_start = self._line_at(self._at)
        self._passed += self._at
        self._text, self._at = self._text[self._at :] + "".join(found), 0
        return True

    def _line_at(self, place: int) -> tuple[int, int]:
        """The number of the line of a place in the text, and how many characters are before it."""
        count, last = self._text.count("\n", 0, place), self._text.rfind("\n", 0, place)
        start = self._line_start if last < 0 else self._passed + last + 1
        return self._line + count, start

    def next_sign(self) -> str:
        """The next character that is no white space, which stays; nothing at the end."""
        while True:
            while self._at < len(self._text) and self._text[self._at] in " \t\r\n":
                self._at += 1
            if self._at < len(self._text):
                return self._text[self._at]
            if not self._fill(1):
                return ""

    def take(self) -> Any:
        """The next value."""
        self.next_sign()
        while True:
            try:
                value, end = DECODER.raw_decode(self._text, self._at)
            except json.JSONDecodeError as error:
                if self._is_final(error) or not self._more():
                    raise self._broken(error.msg, error.pos) from None
            except ValueError:
                raise self._broken("a number of thousands of digits") from None
            else:
                # A number may go on in the next part: "1", and then "e-7".
                whole = isinstance(value, (str, dict, list)) or self._text[end : end + 1] in ENDS
                if whole or not self._more():
                    self._at = end
                    return value

    def _is_final(self, error: json.JSONDecodeError) -> bool:
        """Whether a value is broken whatever comes next."""
        return error.pos < len(self._text) - NEAR and "Unterminated" not in error.msg

    def _more(self) -> bool:
        ahead = len(self._text) - self._at
        if ahead > LONGEST:
            raise self._broken(f"a value of over {LONGEST:,} characters")
        return self._fill(2 * ahead + 1)

    def is_record(self) -> bool:
        """Whether the next value, an object, is a record: it holds no array, or others follow."""
        while True:
            try:
                value, end = DECODER.raw_decode(self._text, self._at)
            except json.JSONDecodeError as error:
                if self._is_final(error):
                    return False
            except (ValueError, RecursionError):
                return False
            else:
                arrays = any(isinstance(inner, list) for inner in value.values())
                if not arrays or self._text[end:].strip():
                    return True
            ahead = len(self._text) - self._at
            if ahead >= FIRST or not self._fill(ahead + 1):
                return False

    def elements(self) -> Iterator[Any]:
        """The elements of the array that comes next."""
        self._expect("[")
        if self.next_sign() == "]":
            self._at += 1
            return
        while True:
            yield self.take()
            if self._expect(",", "]") == "]":
                return

    def keys(self) -> Iterator[str]:
        """The keys of the object that comes next; the value of each is taken before the next."""
        self._expect("{")
        if self.next_sign() == "}":
            self._at += 1
            return
        while True:
            if self.next_sign() != '"':
                raise self._broken("Expecting property name", self._at)
            key = self.take()
            self._expect(":")
            yield key
            if self._expect(",", "}") == "}":
                return

    def _expect(self, *signs: str) -> str:
        found = self.next_sign()
        if found not in signs or not found:
            raise self._broken(f"Expecting {' or '.join(map(repr, signs))}", self._at)
        self._at += 1
        return found

    def _broken(self, reason: str, place: int | None = None) -> BadDataError:
        """The error for what is at a place in the text, or else for the value that comes next."""
        if place is not None and not self._text[place:].strip():
            place = len(self._text[:place].rstrip())  # where the text ends, not lines below
        line, start = self._line_at(self._at if place is None else place)
        at = "" if place is None else f" at character {self._passed + place - start + 1:,}"
        found = f"{self.name}: line {line:,}: broken JSON ({reason.removesuffix(' at')}{at})"
        return BadDataError(found, "check the file")
