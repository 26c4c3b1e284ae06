"""Which line of a table names its columns, and which columns hold times, values and row numbers."""

from __future__ import annotations

from pathlib import Path

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
        note = "x.csv: line 1: the numbers from 0 are read as the names of its columns"
        assert notes[0].endswith(note)

    def test_rows_that_are_series_keep_their_first(self, tmp_path: Path) -> None:
        for text in ("a,5,6\nb,7,8\n", "5,6\n7,8\n", "a,1,2\nb,1,2\n", "a,5,5\n1,7,8\n"):
            assert len(read(tmp_path, text)[0]) == 2

    def test_a_longer_row_is_refused(self, tmp_path: Path) -> None:
        error = refused(tmp_path, f"date,1001,1002\n{DAYS}2024-01-04,7,8,9\n")
        assert "line 5 has 4 cells, the first 3" in error.found

    def test_a_run_begun_before_goes_on_as_it_was(self, tmp_path: Path) -> None:
        found, _ = read(tmp_path, "date,1001,1002\na,5,7\n", reading=Reading(rules=3))
        assert list(values(found)) == ["date", "a"]
        with pytest.raises(CharRNNError):
            read(tmp_path, f"date,1001,1002\n{DAYS}", "1002", Reading(rules=3))
