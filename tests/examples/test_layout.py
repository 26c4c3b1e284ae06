"""Which line of a table names its columns, and which columns hold times, values and row numbers."""

from __future__ import annotations

from datetime import datetime
from pathlib import Path
from typing import Any

import pyarrow as pa
import pyarrow.parquet as pq
import pytest

from charrnn.config import Reading
from charrnn.errors import CharRNNError
from charrnn.examples.series import Series, read_series


def read(
    tmp_path: Path, text: str, column: str | None = None, reading: Reading | None = None
) -> tuple[list[Series], list[str]]:
    (tmp_path / "x.csv").write_text(text)
    notes: list[str] = []
    return read_series([tmp_path / "x.csv"], reading or Reading(), notes, column), notes


def refused(tmp_path: Path, text: str, column: str | None = None) -> CharRNNError:
    with pytest.raises(CharRNNError) as caught:
        read(tmp_path, text, column)
    return caught.value


def values(found: list[Series]) -> dict[str, list[float]]:
    """Of each series, by its name."""
    return {one.name: one.values[:, 0].tolist() for one in found}


DAYS = "2024-01-01,5,7\n2024-01-02,6,8\n2024-01-03,7,7\n"


class TestNumbersAsNames:
    """Each row was read as a series, the names as one more."""

    @pytest.mark.parametrize(
        ("line", "names"),
        [
            ("date,1001,1002", ["1001", "1002"]),
            ("date,0,1", ["0", "1"]),
            (",2020,7", ["2020", "7"]),
        ],
    )
    def test_above_times(self, tmp_path: Path, line: str, names: list[str]) -> None:
        found, _ = read(tmp_path, f"{line}\n{DAYS}")
        assert values(found) == {names[0]: [5, 6, 7], names[1]: [7, 8, 7]}
        assert found[0].times == ("2024-01-01", "2024-01-02", "2024-01-03")
        found, _ = read(tmp_path, f"{line}\n{DAYS}".replace(",", ";"))
        assert list(values(found)) == names

    def test_that_is_asked_for(self, tmp_path: Path) -> None:
        (only,), _ = read(tmp_path, f"date,1001,1002\n{DAYS}", "1002")
        assert (only.values.tolist(), only.features) == ([[7, 5], [8, 6], [7, 7]], ("1001",))
        (only,), _ = read(tmp_path, "1001,1002\n5,7\n6,9\n", "1002")
        assert only.values.tolist() == [[7, 5], [9, 6]]
        (only,), _ = read(tmp_path, "5,2\n6,9\n", "2")  # the second column
        assert only.values.tolist() == [[2, 5], [9, 6]]

    def test_above_numbers(self, tmp_path: Path) -> None:
        found, _ = read(tmp_path, "month,2019,2020\n1,5,7\n2,6,8\n")
        assert values(found)["2020"] == [7, 8]

    @pytest.mark.parametrize(
        ("text", "series"),
        [
            ("0,1,2\n5,9,6\n7,8,9\n", {"0": [5, 7], "1": [9, 8], "2": [6, 9]}),
            ("id,0,1,2\nH1,5,7,6\nH2,8,9\n", {"H1": [5, 7, 6], "H2": [8, 9]}),
            (",0\n0,5\n1,7\n", {"": [5, 7]}),
        ],
    )
    def test_from_nought_as_pandas_writes_them(
        self, tmp_path: Path, text: str, series: dict[str, list[float]]
    ) -> None:
        found, notes = read(tmp_path, text)
        assert values(found) == series
        note = (
            "x.csv: line 1: the numbers from 0 are read as the names of its columns, not as values"
        )
        assert notes[0].endswith(note)

    @pytest.mark.parametrize("column", [None, "1"])
    def test_a_list_of_numbers_may_begin_with_nought(
        self, tmp_path: Path, column: str | None
    ) -> None:
        """It was left out, as the name of the column."""
        found, notes = read(tmp_path, "0\n3\n5\n2\n", column)
        kept = f"{tmp_path}/x.csv: line 1: 0 is read as a value; delete it if it names the column"
        assert (values(found), notes) == ({"": [0, 3, 5, 2]}, [kept])
        assert read(tmp_path, "0.0\n3\n", column)[1] == []

    def test_that_may_be_places_too(self, tmp_path: Path) -> None:
        """The line of names was read as numbers where one of them was asked for."""
        text = "store,1,2\n1,6,7\n2,9,9\n"
        assert values(read(tmp_path, text)[0]) == {"store": [1, 2], "1": [6, 9], "2": [7, 9]}
        (only,), _ = read(tmp_path, text, "1")
        assert (only.values.tolist(), only.features) == ([[6, 1, 7], [9, 2, 9]], ("store", "2"))

    def test_rows_that_are_series_keep_their_first(self, tmp_path: Path) -> None:
        for text in ("a,5,6\nb,7,8\n", "5,6\n7,8\n", "a,1,2\nb,1,2\n", "a,5,5\n1,7,8\n"):
            assert len(read(tmp_path, text)[0]) == 2

    def test_a_longer_row_is_refused(self, tmp_path: Path) -> None:
        error = refused(tmp_path, f"date,1001,1002\n{DAYS}2024-01-04,7,8,9\n")
        assert "line 5 has 4 cells, the first 3" in error.found


@pytest.mark.parametrize("end", [",", ",,"])
@pytest.mark.parametrize("names", ["ds,y", "ds,north", "ds,north,south", "ds,y,wind"])
def test_cells_without_a_name_and_a_value_count_for_nothing(
    tmp_path: Path, names: str, end: str
) -> None:
    """As Excel writes them at the end of each line. The header was taken for a series."""
    rows = [",".join([f"2024-01-0{k}", f"{k}", "7"][: len(names.split(","))]) for k in (1, 2, 3)]
    found, notes = read(tmp_path, "".join(f"{row}{end}\n" for row in (names, *rows)))
    assert found[0].values[:, 0].tolist() == [1, 2, 3]
    assert (len(found), found[0].times[0]) == (1 + names.count("south"), "2024-01-01")
    assert notes == []


def test_a_name_may_look_like_a_gap(tmp_path: Path) -> None:
    found, _ = read(tmp_path, f"date,NA,ZA\n{DAYS}")
    assert values(found) == {"NA": [5, 6, 7], "ZA": [7, 8, 7]}
    found, _ = read(tmp_path, "H1,,,3,4\nH2,1,2,3\n")
    assert values(found) == {"H1": [3, 4], "H2": [1, 2, 3]}


class TestIndex:
    """The numbers of rows, as pandas writes them, were learnt where some rows had been left out."""

    @pytest.mark.parametrize("value", ["y", "sales"])
    def test_numbers_of_rows_that_are_left_of_more(self, tmp_path: Path, value: str) -> None:
        (only,), notes = read(tmp_path, f",{value}\n0,5\n1,7\n3,6\n4,8\n")
        assert (only.values.tolist(), only.features) == ([[5], [7], [6], [8]], ())
        assert notes[0].endswith("left out a column without a name, which numbers the rows")

    def test_a_price_index_is_none(self, tmp_path: Path) -> None:
        found, _ = read(tmp_path, "index,sales\n100,5\n103,7\n109,6\n")
        assert values(found) == {"index": [100, 103, 109], "sales": [5, 7, 6]}

    @pytest.mark.parametrize("value", ["y", "sales"])
    def test_in_parquet_it_has_a_name_and_stands_last(self, tmp_path: Path, value: str) -> None:
        (only,), notes = parquet(tmp_path, {value: [5, 6, 8], "__index_level_0__": [7, 2, 4]})
        assert (only.values.tolist(), only.features) == ([[5], [6], [8]], ())
        assert notes[0].endswith("left out the column __index_level_0__, which numbers the rows")

    @pytest.mark.parametrize("name", ["__index_level_0__", "day"])
    def test_times_may_stand_in_any_column(self, tmp_path: Path, name: str) -> None:
        days = [datetime(2024, 1, day) for day in (1, 2, 3)]
        found, notes = parquet(tmp_path, {"a": [5, 6, 8], "b": [7, 2, 4], name: days})
        assert values(found) == {"a": [5, 6, 8], "b": [7, 2, 4]}
        assert (found[1].times[2], notes) == ("2024-01-03 00:00:00", [])
        (only,), _ = parquet(tmp_path, {"a": [5, 6, 8], "y": [7, 2, 4], name: days})
        assert (only.features, only.times[2]) == (("a",), "2024-01-03 00:00:00")


class TestNumbersThatOnlyRise:
    """A column of years was a series that is easy to predict, and a feature beside y."""

    @pytest.mark.parametrize(
        ("column", "times"),
        [
            ("Year", "1998 1999 2000"),
            ("timestamp", "1704067200 1704070800 1704074400"),
            ("date", "20240130 20240131 20240201"),
        ],
    )
    def test_are_times_if_they_are_called_so(self, tmp_path: Path, column: str, times: str) -> None:
        rows = "".join(f"{time},{k}\n" for time, k in zip(times.split(), (5, 7, 6), strict=True))
        for value in ("sales", "y"):
            (only,), notes = read(tmp_path, f"{column},{value}\n{rows}")
            assert (only.values.tolist(), only.features) == ([[5], [7], [6]], ())
            assert only.times == tuple(times.split())
            assert notes == [
                f"{tmp_path}/x.csv: its column {column}, whose numbers only rise, is read as the "
                "times"
            ]

    def test_are_told_otherwise(self, tmp_path: Path) -> None:
        text = "Jahr,{}\n1998,5\n1999,7\n2000,6\n"
        found, notes = read(tmp_path, text.format("sales"))
        assert len(found) == 2
        assert notes[0].endswith(
            "its column Jahr, whose numbers only rise, is learnt as a series; "
            "rename it ds if it is the times"
        )
        (only,), notes = read(tmp_path, text.format("y"))
        assert only.features == ("Jahr",)
        assert "is learnt as a feature; rename it ds" in notes[0]

    @pytest.mark.parametrize("numbers", ["2022 2021 2020", "2020 2021 2021", "11 12 1"])
    def test_are_told_where_they_do_not(self, tmp_path: Path, numbers: str) -> None:
        """They were learnt in silence, though the slip of a single row may be why."""
        rows = "".join(f"{number},{k}\n" for k, number in enumerate(numbers.split()))
        for value, kind in (("sales", "series"), ("y", "feature")):
            found, notes = read(tmp_path, f"year,{value}\n{rows}")
            assert not found[0].times
            advice = "if it is the times, each must be later than the one before"
            column = f"its column year, whose numbers do not always rise, is learnt as a {kind}"
            assert notes == [f"{tmp_path}/x.csv: {column}; {advice}"]

    def test_of_each_series(self, tmp_path: Path) -> None:
        rows = "".join(f"{name},{year},{year % 7}\n" for name in "ab" for year in (1998, 1999))
        found, _ = read(tmp_path, f"unique_id,year,y\n{rows}")
        assert [(one.features, one.times) for one in found] == [((), ("1998", "1999"))] * 2

    def test_alone_are_values(self, tmp_path: Path) -> None:
        (only,), notes = read(tmp_path, "year\n1998\n1999\n2000\n")
        assert (only.values[:, 0].tolist(), notes) == ([1998, 1999, 2000], [])


@pytest.mark.parametrize("line", ["month,north,south\n", "ds,north,south\n", ""])
def test_months_with_a_point_are_times(tmp_path: Path, line: str) -> None:
    """They were numbers: 10.2019, 12.2019, 1.202, which do not rise."""
    text = f"{line}10.2019,5,7\n11.2019,6,8\n12.2019,7,7\n01.2020,8,9\n03.2020,9,9\n"
    found, notes = read(tmp_path, text)
    assert [one.values[:, 0].tolist() for one in found] == [[5, 6, 7, 8, 9], [7, 8, 7, 9, 9]]
    assert found[0].times[-1] == "03.2020"
    assert notes[0].endswith("times such as 10.2019 are read as month.year")
    assert "2 series have gaps in their times, the first" in notes[1]
    prices, _ = read(tmp_path, "north,south\n10.2019,5\n10.1134,7\n")
    assert len(prices) == 2


@pytest.mark.parametrize(
    "text",
    [
        "2020-01,100\n2020-02,101,5\n",
        "1\n2,5\n3,5\n",
        "2020-01,100\n2020-02,101,5\n2020-03,102,5,,\n",
    ],
)
def test_a_table_without_names_has_no_row_longer_than_the_first(tmp_path: Path, text: str) -> None:
    """What was more was dropped: half of a number with a decimal comma."""
    error = refused(tmp_path, text)
    first = text.count(",", 0, text.index("\n")) + 1
    assert f"x.csv: line 2 has {first + 1} cells, the first {first}" in error.found
    read(tmp_path, "2020-01,100\n2020-02,101,\n")


class TestRowsAsSeries:
    """Tables whose times were not understood were read sideways without a word."""

    @pytest.mark.parametrize(
        "times",
        [
            ("2000Q4", "2001Q1", "2001Q2"),
            ("2000-Q4", "2001-Q1", "2001-Q2"),
            ("Q4 2000", "Q1 2001", "Q2 2001"),
            ("2024-01-01/2024-01-07", "2024-01-08/2024-01-14", "2024-01-15/2024-01-21"),
        ],
    )
    def test_quarters_and_weeks_are_times(
        self, tmp_path: Path, times: tuple[str, str, str]
    ) -> None:
        text = "{}" + "".join(f"{time},{k},{9 - k}\n" for k, time in enumerate(times, 1))
        for names in ("quarter,north,south\n", "of,north,south\n", ",0,1\n", ""):
            found, notes = read(tmp_path, text.format(names))
            assert [one.values[:, 0].tolist() for one in found] == [[1, 2, 3], [8, 7, 6]]
            assert (found[0].times, found[0].gaps) == (times, 0)
            assert not any("each row" in note for note in notes)

    @pytest.mark.parametrize("name", ["week", "Month", "ds"])
    def test_what_is_no_time_is_refused_where_times_should_be(
        self, tmp_path: Path, name: str
    ) -> None:
        error = refused(tmp_path, f"{name},north,south\nKW 1,5,7\nKW 2,6,8\n")
        assert error.found.endswith("x.csv: line 2: 'KW 1' is not a time")
        assert "'KW 1' is not a time" in refused(tmp_path, f"{name},y\nKW 1,5\nKW 2,6\n").found

    def test_are_told_under_a_line_of_names(self, tmp_path: Path) -> None:
        found, notes = read(tmp_path, "monat,a,b\nJanuar 2020,5,7\nFebruar 2020,6,8\n")
        assert len(found) == 2
        each = "each row is read as a series: 2 series, the first Januar 2020"
        assert notes == [
            f"{tmp_path}/x.csv: {each}; if these are times, write them as 2024-01 or 2024-01-31"
        ]
        assert read(tmp_path, "H1,5,7\nH2,6,8\n")[1] == []

    @pytest.mark.parametrize("sign", [";", " "])
    def test_without_names_are_told_if_they_may_be_times(self, tmp_path: Path, sign: str) -> None:
        rows = [f"{1749 + k // 4}.5 {k % 4} {96 - k}" for k in range(10)]
        found, notes = read(tmp_path, "\n".join(rows).replace(" ", sign))
        assert len(found) == 10
        told = f"{tmp_path}/x.csv: each row is read as a series: 10 series; if each is a time, "
        told += "put commas between its numbers, and " * (sign == " ")
        assert notes[-1] == f"{told}write a name above each column, such as ds and y"
        named = "ds;y;x\n" + "\n".join(rows[::4]).replace(" ", ";")
        ((only,), _) = read(tmp_path, named)
        assert only.times == ("1749.5", "1750.5", "1751.5")
        for others in (rows[:9], rows[::-1], [*rows[:9], "1760 1"], ["5 1 7"] * 10):
            _, notes = read(tmp_path, "\n".join(others).replace(" ", sign))
            assert not any("each row" in note for note in notes)

    def test_a_first_one_that_counts_is_told(self, tmp_path: Path) -> None:
        counts = "store, whose numbers count up by 1, is read as a series; delete it if it names"
        for names in ("1,2,3", "2000,2001,2002"):
            found, notes = read(tmp_path, f"store,{names}\nnorth,5,6,7\nsouth,6,8,9\n")
            assert len(found) == 3
            assert notes == [f"{tmp_path}/x.csv: line 1: {counts} columns"]
        assert read(tmp_path, "1,2,3\n2,3,4\n")[1] == []


def parquet(tmp_path: Path, table: dict[str, Any]) -> tuple[list[Series], list[str]]:
    pq.write_table(pa.table(table), tmp_path / "x.parquet")
    notes: list[str] = []
    return read_series([tmp_path / "x.parquet"], Reading(), notes), notes


@pytest.mark.parametrize("above", ["Sales 2024;;\n", "Sales 2024;;\n;;\n"])
def test_a_title_is_to_be_deleted(tmp_path: Path, above: str) -> None:
    """A number was to be written in the place of a name."""
    table = "ds;north;south\n2024-01;1;2\n2024-02;2;3\n"
    error = refused(tmp_path, above + table)
    line = above.count("\n") + 1
    assert error.advice == f"delete the lines above line {line} if they are a title"
    assert len(read(tmp_path, table)[0]) == 2
    for other in (",y\n0,5\n1,x\n", "y,\n5,seen\n", "y;north\n5;x\n"):
        assert "title" not in refused(tmp_path, other).advice


LEFT, NAMED = "leave the column out", "or, if it names the series, "
LONG = "name the columns unique_id, ds and y"


class TestHours:
    """Of 24 rows a day one was to be kept, or a number to be written for 00:00."""

    @pytest.mark.parametrize("names", ["date,hour,y", "ds,Hour,y", "Date,time,north"])
    @pytest.mark.parametrize("hours", [("0", "1"), ("00:00", "01:00"), ("12:00 AM", "1:00 AM")])
    @pytest.mark.parametrize("day", ["2024-01-31", "1/31/2024"])
    def test_beside_dates_are_to_be_joined_to_them(
        self, tmp_path: Path, names: str, hours: tuple[str, str], day: str
    ) -> None:
        error = refused(tmp_path, f"{names}\n{day},{hours[0]},5\n{day},{hours[1]},7\n")
        join = "join the days and the hours into one column, as 2024-01-31 13:00"
        assert error.advice.startswith(join)
        value = names.split(",")[-1]
        (only,), _ = read(tmp_path, f"ds,{value}\n2024-01-31 00:00,5\n2024-01-31 01:00,7\n")
        assert (only.values.tolist(), only.features) == ([[5], [7]], ())

    def test_that_the_times_hold_already_are_not(self, tmp_path: Path) -> None:
        row = "2024-01-31 13:00,13,5\n"
        assert "join" not in refused(tmp_path, f"ds,hour,y\n{row}{row}").advice


@pytest.mark.parametrize("order", ["30a 30b 31a 31b", "30a 31a 30b 31b"])
@pytest.mark.parametrize("names", ["ds,store,y", "date,store,sales"])
def test_times_that_repeat_may_be_of_several_series(tmp_path: Path, names: str, order: str) -> None:
    """All rows but those of one were to be left out."""
    rows = "".join(f"2024-01-{one[:2]},{'ab'.index(one[2])},7\n" for one in order.split())
    advice = refused(tmp_path, f"{names}\n{rows}").advice
    assert advice.endswith(
        ", or, if they are of several series, name the columns unique_id, ds and y"
    )
    found, _ = read(tmp_path, f"ds,unique_id,y\n{rows}")
    assert sorted(values(found)) == ["0", "1"]
    advice = refused(tmp_path, f"ds,unique_id,y\n{rows}{rows}").advice
    assert advice == "sort the rows by time, and keep one for each time"


class TestTexts:
    """Whatever stood where a number should, one was to be written there."""

    @pytest.mark.parametrize(
        ("table", "advice", "mended"),
        [
            (
                "region,month,sales\nnorth,2024-01,7\nsouth,2024-01,9\n",
                f"if each row is a time, {LONG}",
                "unique_id,ds,y\nnorth,2024-01,7\nsouth,2024-01,9\n",
            ),
            (
                "month,region,sales\n2024-01,north,7\n2024-01,south,9\n",
                f"{LEFT}, {NAMED}{LONG}",
                "ds,unique_id,y\n2024-01,north,7\n2024-01,south,9\n",
            ),
            (
                "ds,region,y\n2024-01,north,7\n2024-01,south,9\n",
                f"{LEFT}, {NAMED}{LONG}",
                "ds,unique_id,y\n2024-01,north,7\n2024-01,south,9\n",
            ),
            (
                "north,2024-01,7\nsouth,2024-01,9\n",
                f"if each row is a time, {LONG}",
                "unique_id,ds,y\nnorth,2024-01,7\nsouth,2024-01,9\n",
            ),
            (
                "week,unique_id,y\nKW 1,north,7\nKW 2,south,9\n",
                "write all times as 2024-01, 2024-01-31 or 2024-01-31 13:00",
                "week,unique_id,y\n2024-01-01,north,7\n2024-01-08,south,9\n",
            ),
            (
                "periode,y\nKW 1,7\nKW 2,9\n",
                f"write times as 2024-01 or 2024-01-31, {NAMED}{LONG}",
                "periode,y\n2024-01,7\n2024-02,9\n",
            ),
        ],
    )
    def test_are_not_to_become_numbers_and_what_is_advised_works(
        self, tmp_path: Path, table: str, advice: str, mended: str
    ) -> None:
        assert refused(tmp_path, table).advice == advice
        found, notes = read(tmp_path, mended)
        assert sum(len(one.values) for one in found) == 2
        assert notes == []
        assert all(one.times for one in found)

    def test_of_a_column_that_names_nothing_is_left_out(self, tmp_path: Path) -> None:
        for text in (
            "unique_id,ds,y,sky\na,2024-01,7,blue\na,2024-02,8,grey\n",
            "ds,y,until\n2024-01,7,2024-02\n2024-02,8,2024-03\n",
        ):
            assert refused(tmp_path, text).advice == LEFT

    def test_that_say_true_or_false_become_numbers(self, tmp_path: Path) -> None:
        """A feature was to be left out, or to name the series."""
        for yes, no in (("True", "False"), ("yes", "no"), ("TRUE", "")):
            for names in ("ds,promo,y", "ds,north,south", "unique_id,promo,y"):
                text = f"{names}\n2024-01,{yes},7\n2024-01,{no},8\n"
                assert refused(tmp_path, text).advice == "write 1 and 0"
        with pytest.raises(
            CharRNNError, match="the value of x is 'True', not a number; write 1 and 0"
        ):
            parquet(tmp_path, {"y": [5, 6], "x": [True, False]})

    def test_that_are_slips_become_numbers(self, tmp_path: Path) -> None:
        number = "write a number there, with a point for decimals"
        for text in (
            "ds,y,n\n2024-01,7,1\n2024-02,8,two\n",
            "ds,y\n2024-01,seven\n2024-02,8\n",
            "ds,a,b\n2024-01,7 kg,1\n2024-02,8 kg,2\n",
        ):
            assert refused(tmp_path, text).advice == number
        assert refused(tmp_path, "ds,y,n\n2024-01,7,no\n2024-02,8,blue\n").advice != "write 1 and 0"
