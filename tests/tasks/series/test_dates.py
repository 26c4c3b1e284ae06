"""The times of forecasts: as a table would go on with them, or none."""

from __future__ import annotations

from datetime import datetime, timedelta

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
        "1/10/2024 1/11/2024 1/12/2024",  # of January, or the first of months
        "Jan-60 Mar-60 Apr-60",
        "2024-01-01/2024-01-07 2024-01-08/2024-01-14",
        "2024-01 2024-02-01",
        "01 02",
        "0084 0085",
        "2014.0 2015.0",
        "1700000000.5 1700000001.0",
        "2024-01-31T13:00+01:00 2024-01-31T14:00+01:00",
        "2024-01-31T13:00:00.250 2024-01-31T13:00:00.500",
        "2024-03-30 2024-04-30",  # no such day follows in all months
        "9999-11 9999-12",
    ],
)
def test_times_that_can_go_on_in_several_ways_do_not(times: str) -> None:
    assert following(times.split(), 12) == ()


@pytest.mark.parametrize(
    ("times", "wanted"),
    [
        ("2000Q1,2000Q2,2000Q3", "2000Q4,2001Q1,2001Q2"),
        ("2000-q3,2000-q4", "2001-q1,2001-q2,2001-q3"),
        ("Q3 2000,Q4 2000", "Q1 2001,Q2 2001,Q3 2001"),
        ("11/30/2023,12/31/2023,1/31/2024", "2/29/2024,3/31/2024,4/30/2024"),
        ("1/31/2024,2/7/2024,2/14/2024", "2/21/2024,2/28/2024,3/6/2024"),
        ("10/1/2023,11/1/2023,12/1/2023,1/1/2024", "2/1/2024,3/1/2024,4/1/2024"),
        ("31.12.2023,31.01.2024", "29.02.2024,31.03.2024,30.04.2024"),
        ("11.2019,12.2019,01.2020", "02.2020,03.2020,04.2020"),
        ("Nov-60,Dec-60", "Jan-61,Feb-61,Mar-61"),
        ("Nov-68,Dec-68,Jan-69", "Feb-69,Mar-69,Apr-69"),
        ("Nov-99,Dec-99,Jan-00", "Feb-00,Mar-00,Apr-00"),
        ("April 2024,May 2024", "June 2024,July 2024,August 2024"),
        ("1/31/2024 9:00,1/31/2024 10:00", "1/31/2024 11:00,1/31/2024 12:00,1/31/2024 13:00"),
        (
            "1/31/2024 10:30 PM,1/31/2024 11:30 PM",
            "2/1/2024 12:30 AM,2/1/2024 1:30 AM,2/1/2024 2:30 AM",
        ),
        (
            "1/31/2024 9:00 AM,1/31/2024 11:00 AM",
            "1/31/2024 1:00 PM,1/31/2024 3:00 PM,1/31/2024 5:00 PM",
        ),
        ("2020-W52,2020-W53", "2021-W01,2021-W02,2021-W03"),
        ("2021W49,2021W51", "2022W01,2022W03,2022W05"),
        ("2021-W05,2021-W09", "2021-W13,2021-W17,2021-W21,2021-W25"),
        ("24-FEB-2024,27-FEB-2024", "01-MAR-2024,04-MAR-2024,07-MAR-2024"),
        ("31 jan 2024,29 feb 2024", "31 mar 2024,30 apr 2024,31 may 2024"),
        (  # as pandas writes JSON
            "2024-01-31T22:00:00.000,2024-01-31T23:00:00.000",
            "2024-02-01T00:00:00.000,2024-02-01T01:00:00.000,2024-02-01T02:00:00.000",
        ),
        ("2024-01-31T22:00Z,2024-01-31T23:00Z", "2024-02-01T00:00Z,2024-02-01T01:00Z"),
        (
            "2024-01-31 23:59:59.250000,2024-01-31 23:59:59.500000",
            "2024-01-31 23:59:59.750000,2024-02-01 00:00:00.000000",
        ),
        ("2024-1,2024-2", "2024-3,2024-4,2024-5"),
    ],
)
def test_times_that_people_write_go_on_as_well(times: str, wanted: str) -> None:
    """Such forecasts had no times, though the table's were read."""
    assert following(times.split(","), wanted.count(",") + 1) == tuple(wanted.split(","))


@pytest.mark.parametrize("sign", "/.-")
def test_years_of_two_digits_in_front_give_no_days_that_there_are_not(sign: str) -> None:
    """24/01/32 followed 24/01/31: it was read as a day in 2032."""
    for days in range(8, 400):
        dates = [datetime(2024, 1, 1) + timedelta(days=k) for k in range(days + 7)]
        times = [date.strftime(f"%y{sign}%m{sign}%d") for date in dates]
        assert following(times[:days], 7) in ((), (*times[days:],))
    assert following([f"24{sign}0{month}{sign}15" for month in (1, 2, 3)], 1) == (
        f"24{sign}04{sign}15",
    )


@pytest.mark.parametrize("sign", "/.-")
def test_years_of_two_digits_at_the_end_are_not_those_in_front(sign: str) -> None:
    times = [f"{day}{sign}02{sign}24" for day in range(22, 30)]
    assert following(times, 2) == (f"01{sign}03{sign}24", f"02{sign}03{sign}24")


def test_a_gap_long_ago_does_not_count() -> None:
    days = ["2024-01-01", *(f"2024-03-{day:02}" for day in range(1, 10))]
    assert following(days, 1) == ("2024-03-10",)


@pytest.mark.parametrize(
    ("form", "after"),
    [("%m/%d/%Y", "01/01/2025"), ("%d/%m/%Y", "01/01/2025"), ("%d.%m.%Y", "01.01.2025")],
)
def test_times_without_numbers_of_one_digit_go_on_with_zeros(form: str, after: str) -> None:
    times = [(datetime(2024, 12, 31) - timedelta(days=k)).strftime(form) for k in range(12, -1, -1)]
    assert following(times, 2)[0] == after
