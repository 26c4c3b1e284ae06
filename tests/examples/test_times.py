"""Times in all forms that people write, their order and the steps between them."""

from __future__ import annotations

from datetime import datetime, timedelta

import pytest

from charrnn.examples.times import odd_steps, times_of


def gaps(*cells: str) -> list[int]:
    """The places before gaps in times that must come in order."""
    found = times_of(cells)
    assert found is not None
    times = [time.seconds for time in found[0]]
    assert times == sorted(times)
    return odd_steps(found[0])


def months(first: int, last: int) -> list[str]:
    names = ["Jan", "Feb", "Mar", "Apr", "May", "Jun", "Jul", "Aug", "Sep", "Oct", "Nov", "Dec"]
    return [f"{month}-{year % 100:02}" for year in range(first, last) for month in names]


class TestYearsOfTwoDigits:
    """They went back a century from 68 to 69."""

    @pytest.mark.parametrize(("first", "last"), [(1960, 1976), (1950, 2020), (1995, 2070)])
    def test_are_in_order(self, first: int, last: int) -> None:
        assert gaps(*months(first, last)) == []

    def test_with_the_years_of_training(self) -> None:
        for cells in (months(1960, 1976), months(1971, 1976)):
            found = times_of((*cells,), (*months(1968, 1969),))
            assert found is not None
            times, before = found[0][: len(cells)], found[0][len(cells) :]
            assert sum(time > before[-1] for time in times) in (60, 84)

    def test_with_days(self) -> None:
        assert gaps("12/30/68", "12/31/68", "1/1/69", "1/2/69") == []
        assert gaps("28-Feb-00", "29-Feb-00", "1-Mar-00") == []

    @pytest.mark.parametrize("sign", "/.-")
    def test_in_front_or_at_the_end(self, sign: str) -> None:
        """Those in front were read as days, and refused from the second month on."""
        days = [datetime(2024, 1, 1) + timedelta(days=k) for k in range(60)]
        for form, words in (("%y %m %d", "year month day"), ("%d %m %y", "day month year")):
            found = times_of(tuple(day.strftime(form.replace(" ", sign)) for day in days))
            assert found is not None
            assert found[1] == words.replace(" ", sign)
            assert found[0][0].seconds == (days[0] - datetime.min).total_seconds()

    @pytest.mark.parametrize("sign", "/.-")
    def test_in_front_of_days_of_one_month(self, sign: str) -> None:
        """They were read as days of many years, with a gap at each weekend."""
        days = [datetime(2024, 1, k) for k in range(2, 27)]
        for some in (days, [day for day in days if day.weekday() < 5]):
            found = times_of(tuple(day.strftime(f"%y{sign}%m{sign}%d") for day in some))
            assert found is not None
            assert found[1] == f"year{sign}month{sign}day"
            assert [time.seconds for time in found[0]] == [
                (day - datetime.min).total_seconds() for day in some
            ]
            found = times_of(tuple(day.strftime(f"%d{sign}%m{sign}%y") for day in some))
            assert found is not None
            assert found[1] == f"day{sign}month{sign}year"

    @pytest.mark.parametrize("day", ["01/01", "31/12", "30/06"])
    def test_at_the_end_of_a_day_for_each_year(self, day: str) -> None:
        found = times_of(tuple(f"{day}/{year}" for year in range(10, 25)))
        assert found is not None
        assert found[1] == "day/month/year"

    def test_out_of_order_stay_so(self) -> None:
        found = times_of((*reversed(months(1960, 1976)),))
        assert found is not None
        assert found[0][0] > found[0][-1]


class TestSummerTime:
    """Equal steps by the clock were told as gaps."""

    def test_days(self) -> None:
        days = [f"2024-03-{day}T00:00+01:00" for day in range(25, 32)]
        assert gaps(*days, "2024-04-01T00:00+02:00", "2024-04-02T00:00+02:00") == []
        assert gaps(*days, "2024-04-01T00:00+02:00", "2024-04-03T00:00+02:00") == [7]

    def test_months(self) -> None:
        winter = ["2024-01-01T00:00+01:00", "2024-02-01T00:00+01:00", "2024-03-01T00:00+01:00"]
        assert gaps(*winter, "2024-04-01T00:00+02:00", "2024-05-01T00:00+02:00") == []

    def test_hours(self) -> None:
        """The clock shows one hour twice."""
        hours = ["T01:00+02:00", "T02:00+02:00", "T02:00+01:00", "T03:00+01:00"]
        assert gaps(*(f"2024-10-27{hour}" for hour in hours)) == []


def test_days_without_zeros() -> None:
    """2024-1-31 was no time, and rows that began so were series."""
    found = times_of(tuple(f"2024-{month}-1" for month in range(9, 13)))
    assert found is not None
    assert found[1] == "year-month-day"
    assert gaps("2024-1-30", "2024-1-31", "2024-2-1") == []
