"""The times of forecasts: as a table would go on with them, or none."""

from __future__ import annotations

import pytest

from charrnn.tasks.series.dates import following


@pytest.mark.parametrize(
    ("times", "wanted"),
    [
        ("1960-11 1960-12", "1961-01 1961-02 1961-03"),
        ("2024-03 2024-06 2024-09", "2024-12 2025-03 2025-06"),
        (
            "2023-12-26 2023-12-27 2023-12-28 2023-12-29 2023-12-30 2023-12-31",
            "2024-01-01 2024-01-02 2024-01-03",
        ),
        ("2024-02-15 2024-02-22 2024-02-29", "2024-03-07 2024-03-14 2024-03-21"),
        ("2023-12-31 2024-01-31", "2024-02-29 2024-03-31 2024-04-30"),
        ("2024-01-05 2024-02-05", "2024-03-05 2024-04-05 2024-05-05"),
        ("2023-06-30 2023-09-30", "2023-12-31 2024-03-31 2024-06-30"),
        ("2024-01-01T22:00 2024-01-01T23:00", "2024-01-02T00:00 2024-01-02T01:00 2024-01-02T02:00"),
        ("1999 2001", "2003 2005 2007"),
        ("-3 -2", "-1 0 1"),
    ],
)
def test_times_go_on_as_they_are_written(times: str, wanted: str) -> None:
    assert following(times.split(), 3) == tuple(wanted.split())


@pytest.mark.parametrize(
    "times",
    [
        "",
        "2024-01-01",
        "2024-01-04 2024-01-05 2024-01-08",  # a Thursday, a Friday, a Monday
        "2024-01 2024-02 2024-04",
        "2024-01-29 2024-01-30 2024-01-31",  # there may be no Saturday
        "202010 202011 202012",
        "20200130 20200131",
        "1/2/2024 1/3/2024",
        "2024-1 2024-2",
        "2024-01 2024-02-01",
        "01 02",
        "2024-03-30 2024-04-30",  # no such day follows in all months
        "9999-11 9999-12",
    ],
)
def test_times_that_can_go_on_in_several_ways_do_not(times: str) -> None:
    assert following(times.split(), 12) == ()


def test_a_gap_long_ago_does_not_count() -> None:
    days = ["2024-01-01", *(f"2024-03-{day:02}" for day in range(1, 10))]
    assert following(days, 1) == ("2024-03-10",)
