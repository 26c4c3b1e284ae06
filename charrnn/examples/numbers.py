"""Numbers as tables write them: 112, 1.5e3, and what stands where one is missing."""

from __future__ import annotations

import math
import re
from collections.abc import Iterable
from typing import Any

import numpy as np

from charrnn.errors import BadDataError

__all__ = [
    "LARGEST",
    "is_gap",
    "is_list",
    "is_number",
    "number_of",
    "numbers_in",
    "refuse_commas",
    "thousands_in",
    "too_large",
    "without_commas",
]

LARGEST = 1e300  # differences of larger ones may be infinite
GAPS = frozenset({"", "na", "n/a", "nan", "null", "none", "?", "-"})

THOUSANDS = re.compile(r"-?[1-9]\d{0,2}\.\d{3}")  # a point that may separate these
BELOW = re.compile(r"-?\d{1,3}")
GROUPED = re.compile(r"[+-]?[1-9]\d{0,2}(,\d{2,3})*,\d{3}(\.\d+)?")  # 1,234.5; in India 1,23,456
DECIMAL = re.compile(r"[+-]?(\d+|\d{1,3}(\.\d{3})+),\d+")  # 1234,5 and 1.234,5
WITHIN = re.compile(r"\d,\d")  # a comma that may stand for a point
APART = re.compile(r"[\s;]")  # what stands between numbers that have such commas


def number_of(cell: Any) -> float:
    """The number that a cell holds; NaN where one is missing.

    Raises:
        ValueError: for anything else.
    """
    if cell is None or (isinstance(cell, str) and is_gap(cell)):
        return math.nan
    if isinstance(cell, bool | np.bool_):
        raise ValueError(cell)  # which Python takes for 0 and 1
    if not isinstance(cell, str | int | float):
        try:
            return float(cell.__float__())  # a decimal, or a number of NumPy
        except (AttributeError, TypeError, ValueError):
            raise ValueError(cell) from None
    if isinstance(cell, str) and "_" in cell:  # Python reads 1_000
        raise ValueError(cell)
    try:
        return float(cell)
    except OverflowError:  # an int
        return math.inf


def is_number(cell: Any) -> bool:
    """Whether a cell holds a number."""
    try:
        return not math.isnan(number_of(cell))
    except ValueError:
        return False


def is_gap(cell: Any) -> bool:
    """Whether a cell says that a number is missing."""
    return isinstance(cell, str) and cell.strip().lower() in GAPS


def is_list(cell: Any) -> bool:
    """Whether a cell holds several numbers, with spaces between them."""
    return isinstance(cell, str) and len(cell.split()) > 1 and all(map(is_number, cell.split()))


def thousands_in(cells: Iterable[Any]) -> tuple[str, str] | None:
    """One number of 1.234 and 987, if all are so: points may separate thousands; None if not."""
    shown = ["", ""]
    for cell in cells:
        text = str(cell).strip()
        if cell is None or is_gap(text):
            continue
        place = next((k for k, way in enumerate((THOUSANDS, BELOW)) if way.fullmatch(text)), None)
        if place is None:
            return None
        shown[place] = shown[place] or text
    return (shown[0], shown[1]) if all(shown) else None


def without_commas(cell: str) -> str:
    """How to write a number that has commas, as advice; "" for what is no such number."""
    plain, pointed = cell.replace(",", ""), cell.replace(".", "").replace(",", ".")
    grouped, decimal = (way.fullmatch(cell) for way in (GROUPED, DECIMAL))
    if grouped and decimal:
        return f"write {pointed} if its comma is a decimal one, {plain} if it separates thousands"
    if decimal:
        return f"write {pointed}, with a point for decimals and none for thousands"
    return f"write {plain} without commas" if grouped else ""


def too_large(value: float) -> tuple[str, str]:
    """What is found, and to be done, where a number is above `LARGEST`."""
    if math.isinf(value):
        return "infinite", "write a finite number, in another unit if need be"
    return "too large", "write the numbers in another unit"


def refuse_commas(text: str, place: str = "") -> None:
    """Check that numbers have no commas within, where something else stands between them.

    Args:
        text: the numbers.
        place: how an error begins: "numbers.txt: line 1: ".

    Raises:
        BadDataError: for commas within numbers, as in "1,5 2,5".
    """
    if WITHIN.search(text) and APART.search(text.strip()):
        found = f"{place}{text[:40]!r} has commas within numbers"
        advice = 'write 1.5 for a fraction, and spaces between numbers, as in "1 2.5 3"'
        raise BadDataError(found, advice)


def numbers_in(text: str) -> list[float]:
    """The numbers that someone wrote as "1 2 3" or "1, 2, 3"; at least one.

    Raises:
        BadDataError: for what is no number, and for commas within numbers, as in "1,5 2,5".
    """
    refuse_commas(text)
    cells = text.replace(",", " ").replace(";", " ").split()
    values = []
    for number, cell in enumerate(cells, 1):
        try:
            values.append(number_of(cell))
        except ValueError:
            found = f"{text[:40]!r} is neither a file nor numbers"
            advice = f'word {number} is {cell[:20]!r}; write numbers, as in "1 2 3"'
            raise BadDataError(found, advice) from None
    if large := next((value for value in values if abs(value) > LARGEST), 0.0):
        size, advice = too_large(large)
        raise BadDataError(f"{text[:40]!r} holds a number that is {size}", advice)
    if not cells or any(map(math.isnan, values)):
        raise BadDataError(f"{text[:40]!r} holds no series", 'write numbers, as in "1 2 3"')
    return values
