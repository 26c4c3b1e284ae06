"""Series from wide, long and ragged tables; what is missing or wrong has its file and its row."""

from __future__ import annotations

import json
import re
from datetime import date, timedelta
from pathlib import Path

import numpy as np
import pyarrow as pa
import pytest
from pyarrow import parquet

from charrnn.config import Reading
from charrnn.errors import BadDataError, CharRNNError, UsageError
from charrnn.examples.numbers import numbers_in
from charrnn.examples.series import Series, read_series
from charrnn.examples.times import steps_between, time_of
from charrnn.text.bundled import BUNDLED


def read(
    tmp_path: Path, text: str, name: str = "x.csv", column: str | None = None
) -> tuple[list[Series], list[str]]:
    (tmp_path / name).write_text(text)
    notes: list[str] = []
    return read_series([tmp_path / name], Reading(), notes, column), notes


def refused(tmp_path: Path, text: str, name: str = "x.csv") -> CharRNNError:
    with pytest.raises(CharRNNError) as caught:
        read(tmp_path, text, name)
    return caught.value


def test_wide(tmp_path: Path) -> None:
    (only,), notes = read(tmp_path, "ds,y\n1949-01,112\n1949-02,118.5\n1949-03,-1e2\n")
    assert (only.name, only.features, notes) == ("", (), [])
    assert only.values.tolist() == [[112], [118.5], [-100]]
    assert only.times == ("1949-01", "1949-02", "1949-03")
    assert only.place == f"{tmp_path}/x.csv: line 2"


def test_a_column_for_each_series(tmp_path: Path) -> None:
    found, notes = read(
        tmp_path, "day;north;south\n2024-01-01;1;\n2024-01-02;2;5\n2024-01-03;3;6\n"
    )
    assert [(one.name, one.values[:, 0].tolist()) for one in found] == [
        ("north", [1, 2, 3]),
        ("south", [5, 6]),
    ]
    assert found[1].times == ("2024-01-02", "2024-01-03")
    assert "semicolons" in notes[0]


def test_features_beside_the_value(tmp_path: Path) -> None:
    (only,), _ = read(tmp_path, "heat,ds,y,wind\n20,2024-01-01,1,7\n21,2024-01-02,2,8\n")
    assert only.features == ("heat", "wind")
    assert only.values.tolist() == [[1, 20, 7], [2, 21, 8]]
    text = "heat,ds,wind\n20,2024-01-01,7\n21,2024-01-02,8\n"
    (only,), _ = read(tmp_path, text, column="heat")
    assert only.features == ("wind",)
    assert only.values.tolist() == [[20, 7], [21, 8]]


@pytest.mark.parametrize("index", ["", "index", "Unnamed: 0"])
@pytest.mark.parametrize("value", ["y", "sales"])
def test_a_column_that_numbers_the_rows_is_left_out(tmp_path: Path, index: str, value: str) -> None:
    which = f"the column {index}" if index else "a column without a name"
    (only,), notes = read(tmp_path, f"{index},{value}\n0,5\n1,7\n2,6\n")
    assert only.features == ()
    assert only.values.tolist() == [[5], [7], [6]]
    assert notes == [f"{tmp_path}/x.csv: left out {which}, which numbers the rows"]
    found, notes = read(tmp_path, f"{index},{value}\n0,5\n1,7\n1,6\n")
    assert (len(found), found[0].features) == ((1, (index,)) if value == "y" else (2, ()))
    assert notes == []


@pytest.mark.parametrize("names", [",y", ",sales", ",y,heat", ",north,south"])
def test_times_in_a_column_without_a_name_are_times(tmp_path: Path, names: str) -> None:
    """As pandas writes an index of dates. They were dropped, and their order was not looked at."""
    rest = ",7" * (names.count(",") - 1)
    days = ("2024-01-01", "2024-01-02", "2024-01-03")
    rows = [f"{day},{k}{rest}" for k, day in enumerate(days, 1)]
    found, _ = read(tmp_path, "\n".join([names, *rows]) + "\n")
    assert found[0].values[:, 0].tolist() == [1, 2, 3]
    assert {one.times for one in found} == {days}
    backwards = "\n".join([names, *reversed(rows)]) + "\n"
    assert "2024-01-02 comes after a later time" in refused(tmp_path, backwards).found


def test_long(tmp_path: Path) -> None:
    rows = "a,2024-01-01,1\nb,2024-01-01,10\na,2024-01-02,2\nb,2024-01-02,20\na,2024-01-03,3\n"
    found, notes = read(tmp_path, f"unique_id,ds,y\n{rows}")
    assert [(one.name, one.values[:, 0].tolist()) for one in found] == [
        ("a", [1, 2, 3]),
        ("b", [10, 20]),
    ]
    assert notes == []


@pytest.mark.parametrize(
    ("text", "names"),
    [
        ('"V1","V2","V3","V4"\n"H1","1","2","3"\n"H2","4","5",""\n', ["H1", "H2"]),
        ("unique_id,2024-01,2024-02,2024-03\nH1,1,2,3\nH2,4,5,\n", ["H1", "H2"]),
        ("H1,1,2,3\nH2,4,5\n", ["H1", "H2"]),
        ("1,2,3\n4,5\n", ["1", "2"]),
        ("1 2 3\n4 5\n".replace(" ", "\t"), ["1", "2"]),
        ("1 2 3\n4 5\n", ["1", "2"]),
    ],
)
def test_ragged(tmp_path: Path, text: str, names: list[str]) -> None:
    found, _ = read(tmp_path, text)
    assert [one.name for one in found] == names
    assert [one.values[:, 0].tolist() for one in found] == [[1, 2, 3], [4, 5]]


def test_one_line(tmp_path: Path) -> None:
    (only,), _ = read(tmp_path, "1 2.5 -3\n", "x.txt")
    assert (only.name, only.values.tolist()) == ("", [[1], [2.5], [-3]])
    assert "'two', not a number" in refused(tmp_path, "1 2 3\n4 two 5\n").found


def test_one_column(tmp_path: Path) -> None:
    for text in ("1\n2\n3\n", "y\n1\n2\n3\n", "sales\n1\n2\n3\n"):
        (only,), _ = read(tmp_path, text)
        assert (only.name, only.values.tolist()) == ("", [[1], [2], [3]])


def test_records_may_lack_what_is_missing(tmp_path: Path) -> None:
    """Whether the first one or a later one: as a cell that is empty, or null."""

    def lines(*rows: dict[str, object]) -> str:
        return "\n".join(map(json.dumps, rows))

    rows: list[dict[str, object]] = [
        {"ds": "2024-01", "north": 1},
        {"ds": "2024-02", "north": 2, "south": 5},
        {"ds": "2024-03", "south": 6, "north": 3},
    ]
    found, notes = read(tmp_path, lines(*rows), "x.jsonl")
    assert notes == []
    assert [(one.name, one.values[:, 0].tolist(), one.times[0]) for one in found] == [
        ("north", [1, 2, 3], "2024-01"),
        ("south", [5, 6], "2024-02"),
    ]
    table = "ds,north,south\n2024-01,1,\n2024-02,2,5\n2024-03,3,6\n"
    for one, other in zip(found, read(tmp_path, table)[0], strict=True):
        assert one.name == other.name
        assert one.values.tolist() == other.values.tolist()
    (only,), notes = read(tmp_path, lines({"wind": 7}, {"y": 1, "wind": 8}), "x.jsonl")
    assert (only.features, only.values.tolist()) == (("wind",), [[1, 8]])
    assert notes == [f"{tmp_path}/x.jsonl: left out 1 row without a value"]
    error = refused(tmp_path, lines({"y": 1}, {"y": 2, "wind": 8}), "x.jsonl")
    assert "row 1: the value of wind is missing, and that of y is not" in str(error)
    error = refused(tmp_path, lines({"y": 1}, {"y": 2, "unique_id": "b"}), "x.jsonl")
    assert "row 1: no unique_id" in str(error)
    (only,), _ = read(tmp_path, lines({}, {"y": 1}, {"y": 2}), "x.jsonl")
    assert only.values.tolist() == [[1], [2]]
    assert "no numbers in it" in str(refused(tmp_path, lines({}, {}), "x.jsonl"))


def test_json_lines(tmp_path: Path) -> None:
    rows = [
        {"unique_id": "a", "ds": "2024-01", "y": 1},
        {"unique_id": "a", "ds": "2024-02", "y": 2.5},
    ]
    (only,), _ = read(tmp_path, "\n".join(map(json.dumps, rows)), "x.jsonl")
    assert (only.name, only.values[:, 0].tolist()) == ("a", [1, 2.5])


def test_parquet(tmp_path: Path) -> None:
    parquet.write_table(pa.table({"ds": [1, 2], "y": [3, 4.5]}), tmp_path / "x.parquet")
    (only,) = read_series([tmp_path / "x.parquet"], Reading(), [])
    assert only.values[:, 0].tolist() == [3, 4.5]


def test_rows_without_a_value_at_both_ends_are_left_out_and_counted(tmp_path: Path) -> None:
    text = "ds,y,heat\n2024-01,,\n2024-02,5,1\n2024-03,6,2\n2024-04,,3\n2024-05,,4\n"
    (only,), notes = read(tmp_path, text)
    assert (only.values.tolist(), only.times) == ([[5, 1], [6, 2]], ("2024-02", "2024-03"))
    assert notes == [f"{tmp_path}/x.csv: left out 3 rows without a value"]
    (only,), notes = read(tmp_path, "sales\nna\n5\n6\n")
    assert (len(only.values), notes) == (2, [f"{tmp_path}/x.csv: left out 1 row without a value"])
    (only,), notes = read(tmp_path, "ds,a,b\n2024-01,1,\n2024-02,2,\n")
    assert only.name == "a"
    assert notes == [f"{tmp_path}/x.csv: left out series b, which held no values"]


@pytest.mark.parametrize(
    ("text", "name", "line"),
    [("y\n1\n\n3\n", "x.csv", 3), ("1\n\n\n3\n4\n", "x.txt", 2), ("\ny\n\n1\r\n\r\n3", "x.tsv", 5)],
)
def test_an_empty_line_between_numbers_is_refused(
    tmp_path: Path, text: str, name: str, line: int
) -> None:
    """It was passed by, and the values before and after it joined."""
    error = refused(tmp_path, text, name)
    assert error.found.endswith(f"x{Path(name).suffix}: line {line} is empty, and numbers follow")
    assert error.advice == "write the number there, or delete the line if none is missing"


@pytest.mark.parametrize(
    ("text", "values"),
    [
        ("\n\ny\n\n1\n2\n\n\n", [[1, 2]]),  # at both ends of a column
        ("1 2 3\n\n4 5 6\n", [[1, 2, 3], [4, 5, 6]]),  # between series
        ("ds,y\n2020,1\n\n2021,2\n", [[1, 2]]),  # a row would have a cell for each column
    ],
)
def test_other_empty_lines_are_nothing(
    tmp_path: Path, text: str, values: list[list[float]]
) -> None:
    found, notes = read(tmp_path, text)
    assert [one.values[:, 0].tolist() for one in found] == values
    assert notes == []


@pytest.mark.parametrize("line", [2, 4])
def test_a_feature_may_not_be_missing_where_there_is_a_value(tmp_path: Path, line: int) -> None:
    rows = ["ds,y,heat", "2024-01,5,1", "2024-02,6,2", "2024-03,7,3"]
    rows[line - 1] = rows[line - 1][:-1]
    error = refused(tmp_path, "\n".join(rows) + "\n")
    assert f"line {line}: the value of heat is missing, and that of y is not" in error.found


@pytest.mark.parametrize(
    ("text", "found"),
    [
        ("ds,y\n2024-01,1\n2024-02,\n2024-03,3\n", "line 3: the value of y is missing"),
        ("ds,y\n2024-01,1\n2024-02,NaN\n2024-03,3\n", "line 3: the value of y is missing"),
        ("H1,1,2\nH2,1,,3\n", "line 2: column 3 is missing"),
        ("ds,y\n2024-01,1\n2024-02,two\n", "line 3: the value of y is 'two', not a number"),
        ("ds,y\n2024-01,1\n2024-02,inf\n", "line 3: the value of y is infinite"),
        ("ds,y\n2024-01,1\n2024-02,-2e300\n", "line 3: the value of y is too large"),
        ("ds,y\n2024-02,1\n2024-01,2\n", "line 3: 2024-01 comes after a later time"),
        ("ds,y\n2024-02,1\n2024-02,2\n", "line 3: 2024-02 is there twice"),
        ("unique_id,ds,y\na,1,1\n,2,2\n", "line 3: no unique_id"),
        ("H1,1,2\nH1,1,3\n", "line 2: series H1 is already at"),
        ("ds,y\n", "no numbers in it"),
        ("ds,y\n2024-01,1,7\n", "line 2 has 3 cells"),
    ],
)
def test_what_is_wrong_is_named(tmp_path: Path, text: str, found: str) -> None:
    error = refused(tmp_path, text)
    assert isinstance(error, BadDataError)
    assert found in error.found
    assert "x.csv" in error.found


@pytest.mark.parametrize(
    ("value", "found"),
    [
        ("true", "row 2: the value of y is 'True', not a number"),
        ("[1]", "row 2: the value of y is '[1]', not a number"),
        ("1" * 400, "row 2: the value of y is infinite"),
    ],
    ids=["a bool", "a list", "digits"],
)
def test_what_is_no_number_in_json(tmp_path: Path, value: str, found: str) -> None:
    error = refused(tmp_path, f'{{"y": 1}}\n{{"y": {value}}}\n', "x.jsonl")
    assert found in error.found


def test_what_is_missing_of_a_row_that_is_a_series_is_a_cell(tmp_path: Path) -> None:
    """The rows up to it were to be left out, of which there was one."""
    gap = refused(tmp_path, "a,1,2,3,4\nb,1,,3\n")
    assert gap.found.endswith("line 2: column 3 is missing, and goes on later")
    assert gap.advice == "fill it in, or leave out the cells up to it"
    table = refused(tmp_path, "ds,y\n1949-01,1\n1949-02,\n1949-03,3\n")
    assert table.advice == "fill it in, or leave out the rows up to it"


@pytest.mark.parametrize(
    ("cell", "found", "advice"),
    [
        ("inf", "is infinite", "write a finite number, in another unit if need be"),
        ("-1e400", "is infinite", "write a finite number, in another unit if need be"),
        ("2e300", "is too large", "write the numbers in another unit"),
    ],
)
def test_what_is_too_large_is_not_to_be_filled_in(
    tmp_path: Path, cell: str, found: str, advice: str
) -> None:
    for text in (f"ds,y\n2024-01,1\n2024-02,{cell}\n2024-03,2\n", f"a,1,2\nb,1,{cell},3\n"):
        error = refused(tmp_path, text)
        assert error.found.endswith(found)
        assert error.advice == advice
    with pytest.raises(BadDataError, match=f"{found}; {advice}"):
        numbers_in(f"1 {cell} 2")


@pytest.mark.parametrize(
    ("cells", "advice"),
    [
        ("1,5", "write 1.5, with a point for decimals and none for thousands"),
        ("1.009,42", "write 1009.42, with a point for decimals and none for thousands"),
        ("-1009,425", "write -1009.425, with a point for decimals and none for thousands"),
        ("1,234;987", "write 1.234 if its comma is a decimal one, 1234 if it separates thousands"),
        ("1,234.5;7", "write 1234.5 without commas"),
        ("1,23,456;7", "write 123456 without commas"),
        ("1,234,5;7", "write a number there, with a point for decimals"),
    ],
)
@pytest.mark.parametrize("sign", ";\t|")
def test_commas_are_refused_and_what_is_advised_keeps_the_number(
    tmp_path: Path, cells: str, advice: str, sign: str
) -> None:
    """Decimal ones were to be left out, too: a hundred times the number."""
    first, *_ = rows = cells.split(";")
    months = [f"2024-0{k}{sign}{cell}\n" for k, cell in enumerate(rows, 1)]
    error = refused(tmp_path, "".join([f"ds{sign}y\n", *months]))
    assert f"{first!r}, not a number" in error.found
    assert error.advice == advice


@pytest.mark.parametrize("sign", ";\t")
@pytest.mark.parametrize("names", ["ds;y", "ds;sales", "\nds;y", "sep=;\n\nds;y"])
def test_points_that_may_separate_thousands_are_told(tmp_path: Path, names: str, sign: str) -> None:
    """1.301 became 987.0 in silence."""
    names = names.replace(";", sign)
    rows = "2024-01;1.234\n2024-02;1.301\n2024-03;987\n".replace(";", sign)
    (only,), notes = read(tmp_path, f"{names}\n{rows}")
    assert only.values[:, 0].tolist() == [1.234, 1.301, 987]
    assert any(
        "is 1.234 in one row and 987 in another; its points are read as decimal points" in note
        for note in notes
    )
    for text in (
        f"{names}\n{rows}".replace(sign, ","),
        f"{names}\n{rows}2024-04{sign}1.25\n",
        f"{names}\n{rows}2024-04{sign}0.125\n",
        f"{names}\n{rows}2024-04{sign}1000\n",
        f"{names}\n2024-01{sign}1.234\n2024-02{sign}1.301\n",
        f"{names}\n2024-01{sign}234\n2024-02{sign}301\n",
    ):
        assert not any("decimal points" in note for note in read(tmp_path, text)[1])


@pytest.mark.parametrize("line", ["1,5 2,5 3 4", "1,5\t2,5", "1,5;2,5;3"])
def test_decimal_commas_in_lines_of_numbers_are_refused(tmp_path: Path, line: str) -> None:
    """They were taken for a header: there was no number in it."""
    error = refused(tmp_path, f"{line}\n", "x.txt")
    assert error.found.endswith(f"x.txt: line 1: {line!r} has commas within numbers")
    assert error.advice.startswith("write 1.5 for a fraction")
    below = refused(tmp_path, f"\n{line}\n", "x.txt")
    assert below.found.endswith(f"x.txt: line 2: {line!r} has commas within numbers")


def test_a_column_that_is_not_there(tmp_path: Path) -> None:
    with pytest.raises(
        UsageError, match="there is no column heat; choose --label-column from ds, y"
    ):
        read(tmp_path, "ds,y\n2024-01,1\n", column="heat")
    for long in ("ds,x\na,1,2\n", "day,x\na,1,2\n", "x,heat\na,1,2\na,2,3\n"):
        assert "no column y" in refused(tmp_path, f"unique_id,{long}").found


@pytest.mark.parametrize(
    ("times", "form"),
    [
        ("1/31/2024 2/29/2024 3/31/2024", "month/day/year"),
        ("31.01.2024 29.02.2024 31.03.2024", "day.month.year"),
        (
            "1/2/2024 1/3/2024 1/4/2024",
            "day/month/year",
        ),  # months are as even as days, and come first
        ("12/1/2023 1/1/2024 2/1/2024", "month/day/year"),  # as days and months, they run backwards
        ("Jan-60 Feb-60 Mar-60", "month-year"),
    ],
)
def test_times_in_other_forms_are_read_in_order(tmp_path: Path, times: str, form: str) -> None:
    cells = times.split()
    rows = "".join(f"{cell},{2 * k},{2 * k + 1}\n" for k, cell in enumerate(cells))
    (north, south), notes = read(tmp_path, f"month,north,south\n{rows}")
    assert (north.name, list(north.times)) == ("north", cells)
    assert south.values[:, 0].tolist() == [1, 3, 5]
    (note,) = notes
    assert note.endswith(f"x.csv: times such as {cells[0]} are read as {form}")
    backwards = "".join(reversed(rows.splitlines(keepends=True)))
    assert "comes after a later time" in str(refused(tmp_path, f"month,north,south\n{backwards}"))


def test_how_times_are_read_is_said_once_for_all_series_of_a_file(tmp_path: Path) -> None:
    """It was said for each that begins at another time."""
    rows = "".join(
        f"{name},{day}/{month}/2024,{day}\n"
        for name, days in (("a", (13, 14, 15)), ("b", (14, 15, 16)), ("c", (15, 16, 17)))
        for month in (1, 2)
        for day in days
    )
    series, notes = read(tmp_path, f"unique_id,ds,y\n{rows}")
    assert len(series) == 3
    read_as = [note for note in notes if "are read as" in note]
    assert len(read_as) == 1
    assert "13/1/2024 are read as day/month/year" in read_as[0]


def test_times_that_nobody_can_read_are_refused(tmp_path: Path) -> None:
    assert "line 3: 'soon' is not a time" in str(refused(tmp_path, "ds,y\n2024-01-01,1\nsoon,2\n"))
    mixed = refused(tmp_path, "ds,y\n2024-01-01,1\n1/31/2024,2\n")
    assert "times such as '2024-01-01' are not all in one form" in str(mixed)
    numbers = refused(tmp_path, "ds,y\n1949-11,1\n1949-12,2\n1950,3\n")
    assert "line 4: '1950' is not a time" in str(numbers)


def test_a_slip_in_a_date_of_eight_digits_makes_no_numbers_of_all(tmp_path: Path) -> None:
    """2021 has no 29th of February, and each end of a month became a gap."""
    days = [date(2021, 1, 1) + timedelta(k) for k in range(120)]
    rows = "".join(f"{day:%Y%m%d},{day.day}\n" for day in days)
    assert read(tmp_path, f"ds,y\n{rows}")[1] == []
    slip = refused(tmp_path, f"ds,y\n{rows.replace('20210301', '20210229')}")
    assert "line 61: '20210229' is not a time; write all times as 2024-01, " in str(slip)


@pytest.mark.parametrize("time", ["9999-12-31T23:59:59-05:00", "0001-01-01T00:00+05:00"])
def test_times_beyond_the_calendar_are_refused(tmp_path: Path, time: str) -> None:
    path = tmp_path / "edge.csv"
    path.write_text(f"ds,y\n{time},1\n{time},2\n")
    with pytest.raises(BadDataError, match=r"edge\.csv"):
        read_series([path], Reading(), [])


def test_gaps_in_the_times_are_told(tmp_path: Path) -> None:
    _, notes = read(tmp_path, "ds,y\n2024-01-30,1\n2024-01-31,2\n2024-02-03,3\n2024-02-04,4\n")
    assert len(notes) == 1
    assert re.search(
        r"line 4: 1 gap in the times between 2024-01-31 and 2024-02-03; read as if", notes[0]
    )
    months = "".join(f"{time},1\n" for time in ("2024-01", "2024-02", "2024-04", "2024-05"))
    assert "between 2024-02 and 2024-04" in read(tmp_path, f"ds,y\n{months}")[1][0]


def test_gaps_of_many_series_are_one_note(tmp_path: Path) -> None:
    days = ("2024-01-01", "2024-01-02", "2024-01-04", "2024-01-05", "2024-01-07", "2024-01-08")
    rows = "".join(f"s{k},{day},1\n" for k in range(3) for day in days[: 2 + 4 * (k > 0)])
    found, notes = read(tmp_path, f"unique_id,ds,y\n{rows}")
    assert len(found) == 3
    assert notes == [
        f"{tmp_path}/x.csv: line 6: 2 series have gaps in their times, the first of s1 between "
        "2024-01-02 and 2024-01-04; read as if nothing were missing"
    ]


@pytest.mark.parametrize(
    "times",
    [
        "2023-12 2024-01 2024-02 2024-03",
        "2023-12-31 2024-01-31 2024-02-29 2024-03-31",
        "2023-12-15 2024-01-15 2024-02-15 2024-03-15",
        "2024-02-27 2024-02-28 2024-02-29 2024-03-01",
        "2024-03-01T22:00 2024-03-01T23:00 2024-03-02T00:00",
        "2021 2022 2023 2024 2025",
        "1 2 3 4",
        "0.5 1.0 1.5",
    ],
)
def test_equal_steps_are_no_gaps(times: str) -> None:
    found = [time_of(time) for time in times.split()]
    known = [time for time in found if time is not None]
    assert len(known) == len(found)
    assert len(set(steps_between(known))) == 1


def test_numbers_as_a_text() -> None:
    for text in ("1 2.5 -3", "1, 2.5, -3", "1;2.5;-3"):
        assert numbers_in(text) == [1, 2.5, -3]
    for text in ("1 two", "", "nan", "1 inf", "1e308 2"):
        with pytest.raises(BadDataError):
            numbers_in(text)


@pytest.mark.parametrize(
    "text", ["1,5 2,5 3,5", "1,5; 2,5", "1,5;2,5", "1,5, 2,5, 3,5", " 1,5\t2", "1 2,5"]
)
def test_commas_within_numbers_are_refused_where_something_else_separates_them(text: str) -> None:
    """Each half was read as a number."""
    with pytest.raises(BadDataError, match="has commas within numbers"):
        numbers_in(text)
    for only in ("1,5,2,5", "1,5\n", "1, 5", "1 ,5"):
        assert numbers_in(only)[:2] == [1, 5]


def test_a_part_of_a_series() -> None:
    whole = Series("a", np.arange(6.0).reshape(3, 2), ("b",), ("1", "2", "3"))
    assert whole.until(2).values.tolist() == [[0, 1], [2, 3]]
    assert whole.until(2).times == ("1", "2")


def test_the_bundled_ferry_sails_every_month_for_as_long_as_said() -> None:
    notes: list[str] = []
    (only,) = read_series(["ferry"], Reading(), notes)
    assert (f"{len(only.values):,} months", notes) == (BUNDLED["ferry"].size, [])
    assert (only.times[0], only.times[-1], only.gaps) == ("1921-01", "1932-12", 0)
    assert (only.values > 0).all()


@pytest.mark.parametrize(("sign", "other"), [(";", ","), (",", ";"), ("|", ","), (";", "|")])
def test_the_name_of_a_column_may_hold_what_separates_others(
    tmp_path: Path, sign: str, other: str
) -> None:
    """It divided the table."""
    table = f"ds{sign}sales{other} net\n2024-01{sign}5\n2024-02{sign}7\n"
    (only,), notes = read(tmp_path, table)
    assert (only.values[:, 0].tolist(), only.times) == ([5, 7], ("2024-01", "2024-02"))
    assert not any("would fit" in note for note in notes)
    error = refused(tmp_path, "ds;sales, net\n2024-01;5,5\n2024-02;7,5\n")
    assert error.advice == "write 5.5, with a point for decimals and none for thousands"
