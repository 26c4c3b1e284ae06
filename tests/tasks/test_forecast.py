"""Errors of forecasts by hand, windows at any level and in any unit, and what a forecaster says."""

from __future__ import annotations

import math
from pathlib import Path
from typing import Any

import numpy as np
import pytest

from charrnn.cells.heads import shapes_of
from charrnn.checkpoints import SERIES
from charrnn.config import CellName, ModelConfig, Reading
from charrnn.errors import BadDataError, UsageError
from charrnn.examples.series import Series, read_series
from charrnn.folder.record import NO_TEXT, ModelFolder, ModelRecord
from charrnn.task_config import Forecast as Task
from charrnn.tasks.answers import Forecast
from charrnn.tasks.forecast import Forecaster
from charrnn.tasks.series import measures
from charrnn.tasks.series.pasts import Past, past_file
from charrnn.tasks.series.trials import Trial, report_of, score_of
from charrnn.tasks.series.windows import Values, Windows


def column(*values: float) -> np.ndarray:
    return np.array(values, np.float64)


def a_series(*values: float, name: str = "", times: str = "") -> Series:
    return Series(name, column(*values)[:, None], times=tuple(times.split()), place="x.csv: line 1")


def forecaster(*given: Any, **settings: Any) -> Forecaster:
    """That of a folder; see there."""
    return Forecaster(a_folder(*given, **settings))


def a_folder(
    task: Task, series: list[Series], cell: CellName = "gru", extra: dict[str, bytes] | None = None
) -> ModelFolder:
    """One with weights drawn at random."""
    config = ModelConfig(cell=cell, vocab_size=1, embed_size=3, hidden_size=5, num_layers=2)
    random = np.random.default_rng(1)
    weights = {
        name: random.normal(0, 0.4, shape).astype(np.float32)
        for name, shape in shapes_of(config, task).items()
    }
    record = ModelRecord(charrnn_version="0", model=config, task=task)
    files = extra or past_file(series, task)
    return ModelFolder(Path("m"), record, NO_TEXT, weights, 0, (), files)


def test_errors_by_hand() -> None:
    wanted, found = column(100, 200, 50), column(110, 180, 50)
    assert measures.smape(wanted, found) == pytest.approx(200 / 3 * (10 / 210 + 20 / 380))
    assert measures.mape(wanted, found) == pytest.approx(100 / 3 * (0.1 + 0.1))
    assert measures.smape(column(0, 1), column(0, 1)) == 0
    assert measures.smape(column(1), column(-1)) == 200 * 2 / 2
    assert math.isnan(measures.mape(column(0, 1), column(1, 1)))
    # |5-1|, |4-2|, |9-5| over 3
    assert measures.seasonal_error(column(1, 2, 5, 4, 9), 2) == pytest.approx((4 + 2 + 4) / 3)
    assert math.isnan(measures.seasonal_error(column(1, 2), 2))
    assert math.isnan(measures.seasonal_error(column(3, 3, 3), 1))


def test_rounding_is_no_change_from_season_to_season() -> None:
    sine = np.sin(2 * np.pi * np.arange(48) / 12)
    assert sine[12] != sine[0]
    assert math.isnan(measures.seasonal_error(sine, 12))
    assert math.isnan(measures.seasonal_error(1e9 * sine + 5e9, 12))
    report = report_of([Trial(Past.of(a_series(*sine), 24, 12), sine[:12])], [np.ones((12, 3))], 12)
    assert report.metric == "sMAPE"
    large = column(1e9, 1e9 + 2, 1e9 + 3)
    assert measures.seasonal_error(large, 1) == 1.5


def test_forecasts_without_a_model() -> None:
    assert measures.seasonal_naive(column(9, 1, 2, 3), 3, 5).tolist() == [1, 2, 3, 1, 2]
    assert measures.seasonal_naive(column(9, 1, 2, 3), 1, 2).tolist() == [3, 3]
    assert measures.drift(1, 7, 4, 3).tolist() == [9, 11, 13]
    assert measures.drift(5, 5, 1, 2).tolist() == [5, 5]


def test_a_report_by_hand() -> None:
    one = Trial(Past.of(a_series(1, 2, 3, 5), 2, 1), column(6, 8))
    other = Trial(Past.of(a_series(4, 4, 4, 4), 2, 1), column(4, 5))
    bands = [
        np.array([[5, 6, 7], [5, 7, 7.5], [0, 0, 0]], np.float64),
        np.array([[4, 4, 4], [4, 4, 6]], np.float64),
    ]
    report = report_of([one, other], bands, 1)
    # The second never changed, so that its MASE is not defined.
    assert report.scores["MASE"] == pytest.approx(0.5 / (4 / 3))
    assert report.scores["sMAPE"] == pytest.approx(
        (200 / 2 * (0 + 1 / 15) + 200 / 2 * (0 + 1 / 9)) / 2
    )
    assert report.scores["MAPE"] == pytest.approx((100 / 2 / 8 + 100 / 2 / 5) / 2)
    assert report.scores["in the band"] == 3 / 4
    assert report.baselines["naive"]["MASE"] == pytest.approx(2 / (4 / 3))
    assert report.baselines["drift"]["MASE"] == pytest.approx((1 / 3 + 1 / 3) / 2 / (4 / 3))
    assert not report.higher_is_better
    assert report.beaten_by == "drift"
    assert "no better than drift" in report.verdict
    (note,) = report.notes
    assert note == "MASE leaves out 1 of 2 forecasts: nothing changes from season to season"


def test_a_value_of_zero_leaves_the_percentages_of_other_series() -> None:
    one = Trial(Past.of(a_series(1, 2, 3, 5), 2, 1), column(6, 0))
    other = Trial(Past.of(a_series(4, 3, 4, 2), 2, 1), column(4, 5))
    report = report_of([one, other], [np.array([[5, 6, 7], [5, 7, 7.5]])] * 2, 1)
    assert report.scores["MAPE"] == pytest.approx((100 * 2 / 4 + 100 * 2 / 5) / 2)
    assert set(report.baselines["naive"]) == set(report.scores) - {"in the band"}
    assert report.notes == ("MAPE leaves out 1 of 2 forecasts: a value to predict is 0",)


def test_an_error_that_is_not_defined_is_left_out() -> None:
    trial = Trial(Past.of(a_series(0, 0, 0), 2, 1), column(0, 0))
    report = report_of([trial], [np.zeros((2, 3))], 1)
    assert (report.metric, report.score) == ("sMAPE", 0)
    assert set(report.scores) == {"sMAPE", "in the band"}


def test_a_score_is_named_after_what_it_is() -> None:
    """Where MASE is beyond all numbers, validation gave its name to a sMAPE."""
    trial = Trial(Past.of(a_series(0, 1e-3), 2, 1), column(1))
    metric, score = score_of([trial], [column(0, 3, 4)[None]])
    assert metric == "MASE"
    assert score == pytest.approx(2 / 1e-3)
    far = [np.full((1, 3), 1e306)]
    metric, score = score_of([trial], far)
    assert metric == "sMAPE"
    assert score == pytest.approx(200)
    report = report_of([trial], far, 1)
    assert (report.metric, report.score) == (metric, score)


@pytest.mark.parametrize("season", [1, 4])
@pytest.mark.parametrize("positive", [False, True])
def test_outputs_stand_for_values(season: int, positive: bool) -> None:
    random = np.random.default_rng(0)
    rows = random.normal(0, 3, (5, 12, 3))
    wanted = random.normal(0, 3, (5, 7))
    if positive:  # in logarithms
        rows, wanted = np.exp(rows), np.exp(wanted)
    windows = Windows.of(rows, Task(horizon=7, season=season, window=12), np.ones(5))
    assert windows.inputs.shape == (5, 12 // season, 3 * season)
    assert windows.logarithmic.tolist() == [[positive]] * 5
    outputs = windows.outputs(wanted)[..., None]  # (B, horizon, 1)
    floor = windows.floor if positive else -np.inf
    np.testing.assert_allclose(
        windows.values(outputs)[..., 0], np.maximum(wanted, floor), rtol=1e-5
    )


def test_no_change_to_come_is_the_last_season_going_on() -> None:
    rows = column(1, 5, 2, 6, 3, 9)[None, :, None]
    windows = Windows.of(rows, Task(horizon=5, season=2, window=6), np.ones(1))
    # A season has changed by (2+4)/2 over two seasons, so by 1.5 each.
    wanted = [3 + 1.5, 9 + 1.5, 3 + 3, 9 + 3, 3 + 4.5]
    assert windows.values(np.zeros((1, 5, 1)))[0, :, 0].tolist() == wanted
    unit = math.sqrt(1.5 * np.std([1, 5, 2, 6, 3, 9]))  # changes are 1, 1, 1 and 3
    assert windows.inputs[0].tolist() == [
        pytest.approx([-2 / unit, -4 / unit]),
        pytest.approx([-1 / unit, -3 / unit]),
        [0, 0],
    ]


def test_a_smoothed_season_goes_on_with_or_without_its_drift() -> None:
    rows = column(1, 5, 2, 6, 3, 9)[None, :, None]

    def going_on(smoothing: float, drift: bool) -> list[float]:
        task = Task(horizon=3, season=2, window=6, smoothing=smoothing, drift=drift)
        found: list[float] = Windows.of(rows, task, np.ones(1)).base[0].tolist()
        return found

    assert going_on(1, drift=False) == [3, 9, 3]
    assert going_on(0, drift=False) == pytest.approx([2, 20 / 3, 2])
    # Of a half, the seasons count as 1, 2 and 4 of 7.
    assert going_on(0.5, drift=False) == pytest.approx([17 / 7, 53 / 7, 17 / 7])
    # With the drift of 1.5, as high as they would be by now: 4, 3.5, 3 and 8, 7.5, 9.
    assert going_on(0.5, drift=True) == pytest.approx([23 / 7 + 1.5, 59 / 7 + 1.5, 23 / 7 + 3])


@pytest.mark.parametrize("smoothing", [0, 0.05, 0.5, 1])
def test_what_only_drifts_goes_on_exactly_however_it_is_smoothed(smoothing: float) -> None:
    steps = np.arange(20)
    line: Values = np.array([4.0, -1, 7, 2])[steps % 4] + 3 * (steps // 4)
    task = Task(horizon=8, season=4, window=12, smoothing=smoothing)
    found = Windows.of(line[None, :12, None], task, np.ones(1)).base[0]
    np.testing.assert_allclose(found, line[12:], rtol=1e-12)


def test_forecasters_that_smooth_otherwise_answer_together() -> None:
    tasks = [
        Task(horizon=3, season=2, window=6, smoothing=share, drift=drift)
        for share, drift in ((1, True), (0.3, False))
    ]
    folders = [a_folder(task, []) for task in tasks]
    values = column(3, 1, 4, 1, 5, 9)
    each = [_bands(Forecaster(folder).predict([values])[0]) for folder in folders]
    both = _bands(Forecaster(*folders).predict([values])[0])
    assert not np.allclose(each[0], each[1])
    np.testing.assert_allclose(both, np.mean(each, axis=0), rtol=1e-9)


def test_level_and_unit_make_no_difference() -> None:
    model = forecaster(Task(horizon=3, season=2, window=6), [])
    values = column(3, 1, 4, 1, 5, 9)
    (plain,) = model.predict([values])
    (moved,) = model.predict([1000 * values - 77])
    for one, other in zip(_bands(moved), _bands(plain), strict=True):
        np.testing.assert_allclose(one, 1000 * other - 77, rtol=1e-5)


@pytest.mark.parametrize("factor", [1e-3, 1e6])
def test_a_window_in_which_nothing_varies_is_measured_by_its_series(factor: float) -> None:
    model = forecaster(Task(horizon=3, season=2, window=6, rules=2), [])
    values = column(3, 1, 4, 1, 5, 9, 2, 2, 2, 2, 2, 2)
    (plain,) = model.predict([values], 7)
    (moved,) = model.predict([factor * values])
    for one, other in zip(_bands(moved), _bands(plain), strict=True):
        np.testing.assert_allclose(one, factor * other[:3], rtol=1e-5)
    (wider,) = model.predict([column(13, -9, 14, -9, 15, 29, 2, 2, 2, 2, 2, 2)])
    assert wider.upper[0] - wider.lower[0] > 2 * (plain.upper[0] - plain.lower[0]) > 0


def test_small_changes_of_large_numbers_are_forecast() -> None:
    """Those of a window count as none; the series then says what they are multiples of."""
    model = forecaster(Task(horizon=3, season=2, window=6, rules=2), [])
    values = column(3, 1, 4, 1, 5, 9)
    (answer,) = model.predict([1e11 + values])
    lower, middle, upper = _bands(answer)
    assert (lower < upper).all()
    assert (np.abs(middle - 1e11 - values.mean()) < 5 * values.std()).all()


@pytest.mark.parametrize("rules", [1, 2])
@pytest.mark.parametrize("value", [0.0025, 0.0, -1e6])
def test_a_series_that_stands_still_goes_on_so(value: float, rules: int) -> None:
    known = a_series(*[value] * 9)
    model = forecaster(Task(horizon=3, season=2, window=6, rules=rules), [known])
    for answer in model.predict([[value] * 8], 5) + model.predict(horizon=5):
        assert answer.forecast == answer.lower == answer.upper == (value,) * 5


def test_what_stood_still_at_its_end_alone_is_forecast_as_all_of_it() -> None:
    task = Task(horizon=1, window=3, rules=2)
    series = [a_series(1, 5, 2, 8, 3, 3, 3, 3, 3)]
    model = forecaster(task, series)
    assert len(set(model.pasts[0].end)) == 1
    assert model.predict() == model.predict(series)
    (answer,) = model.predict()
    assert answer.lower < answer.upper


def test_an_older_model_measures_such_a_window_as_it_learnt_to() -> None:
    series = [a_series(1, 5, 2, 8, 3, 3, 3, 3, 3)]
    older, newer = (forecaster(Task(horizon=1, window=3, rules=rules), series) for rules in (1, 2))
    spread = np.std([1, 5, 2, 8, 3, 3, 3, 3, 3])
    for one, other in zip(_bands(older.predict()[0]), _bands(newer.predict()[0]), strict=True):
        np.testing.assert_allclose(other - 3, spread * (one - 3), rtol=1e-5)
    files = {SERIES: b'{"series": [{"end": [[3], [3], [3]], "first": 1, "count": 9, "error": 2}]}'}
    before = forecaster(Task(horizon=1, window=3), [], extra=files)
    assert before.predict() == older.predict()


def test_models_by_older_and_newer_rules_answer_together() -> None:
    series = [a_series(1, 5, 2, 8, 3, 3, 3, 3, 3)]
    folders = [a_folder(Task(horizon=1, window=3, rules=rules), series) for rules in (1, 2)]
    mean = np.mean([Forecaster(one).predict()[0].forecast for one in folders], 0)
    end = '"end": [[3], [3], [3], [3]], "first": 1, "count": 9, "error": 2.5'
    files = {SERIES: f'{{"series": [{{{end}}}]}}'.encode()}
    folders[0] = a_folder(Task(horizon=1, window=3), [], extra=files)
    for order in (folders, folders[::-1]):
        assert Forecaster(*order).predict()[0].forecast == pytest.approx(mean)


def _bands(answer: Forecast) -> list[np.ndarray]:
    return [np.array(answer.lower), np.array(answer.forecast), np.array(answer.upper)]


@pytest.mark.parametrize("rows", [[7.0] * 6, [0.0] * 6, [1e300, -1e300] * 3, [1e-300, 1e300] * 3])
def test_extremes_stay_finite(rows: list[float]) -> None:
    model = forecaster(Task(horizon=3, season=2, window=6), [])
    (answer,) = model.predict([rows], 8)
    assert np.isfinite(_bands(answer)).all()


def test_bands_are_in_order_and_grow_with_each_block() -> None:
    model = forecaster(Task(horizon=2, season=2, window=4), [])
    (answer,) = model.predict([column(3, 1, 4, 1, 5, 9)], 6)
    lower, middle, upper = _bands(answer)
    assert (lower <= middle).all()
    assert (middle <= upper).all()
    widths = (upper - lower).reshape(3, 2).mean(1)
    assert (np.diff(widths) > 0).all()


@pytest.mark.parametrize("change", [0.5, 2.0], ids=["falling", "growing"])
def test_bands_of_series_read_in_logarithms_grow_by_factors(change: float) -> None:
    """So they stay above 0, and a band of a growing series grows with it."""
    model = forecaster(Task(horizon=2, season=1, window=8), [])
    values = 1000 * change ** np.arange(8.0)[:, None]
    (answer,) = model.predict([values], 8)
    lower, _, upper = _bands(answer)
    assert (lower > 0).all()
    factors = np.log(upper / lower).reshape(4, 2).mean(1)
    assert (np.diff(factors) > 0).all()
    assert factors[-1] < 4 * factors[0], "the errors of four blocks, as independent ones"


def test_forecasts_beyond_the_horizon_read_those_before() -> None:
    task = Task(horizon=2, season=2, window=4, features=("heat",))
    model = forecaster(task, [])
    rows = np.array([[3, 1], [1, 2], [4, 3], [1, 4], [5, 5], [9, 6]], np.float64)
    (all_at_once,) = model.predict([rows], 5)
    assert len(all_at_once.forecast) == 5
    (first,) = model.predict([rows])
    again = np.concatenate([rows, np.stack([first.forecast, rows[-2:, 1]], -1)])
    (second,) = model.predict([again])
    assert all_at_once.forecast[:4] == pytest.approx(first.forecast + second.forecast)


def test_series_of_different_lengths_side_by_side() -> None:
    model = forecaster(Task(horizon=2, season=2, window=6), [])
    series = [column(*range(2, 2 + n)) ** 1.5 for n in (9, 2, 5, 4, 9)]
    together = model.predict(series)
    for one, answer in zip(series, together, strict=True):
        (alone,) = model.predict([one])
        np.testing.assert_allclose(_bands(alone), _bands(answer), rtol=1e-6)


def test_without_input_it_goes_on_from_the_training_series() -> None:
    task = Task(horizon=2, season=2, window=4)
    series = [a_series(*range(30), name="a"), a_series(5, 3, 8, name="b")]
    model = forecaster(task, series)
    answers = model.predict()
    assert [answer.series for answer in answers] == ["a", "b"]
    assert answers == model.predict(series)
    assert answers[0].plain.startswith("a: ")
    assert len(model.pasts[0].end) == 8, "four horizons are kept to be drawn"


def test_there_is_no_forecast_of_series_that_are_shorter_than_a_season() -> None:
    task = Task(horizon=2, season=3, window=6)
    known = [a_series(*range(30), name="a"), a_series(5, name="b"), a_series(5, 8, name="c")]
    folder = a_folder(task, known)
    for model in (Forecaster(folder), Forecaster(folder, folder)):
        assert [answer.series for answer in model.predict()] == ["a"]
        assert [past.name for past in model.pasts] == ["a"]
        assert model.too_short == ("b", "c")


@pytest.mark.parametrize(
    ("series", "found"),
    [
        (column(1), "series has 1 value"),
        (np.ones((5, 2)), "series has 2 columns"),
        (column(1, 2, math.nan), "holds something that is not a number"),
        (column(1, 2, -math.inf), "holds a number that is infinite; write a finite number"),
        (column(*[1e308, -1e308] * 20), "is too large; write the numbers in another unit"),
        (Series("n", np.ones((5, 2)), ("heat",), (), "x.csv: line 2"), "has heat beside the value"),
    ],
)
def test_series_that_do_not_fit(series: Any, found: str) -> None:
    model = forecaster(Task(horizon=2, season=2, window=4), [])
    with pytest.raises(UsageError, match=found):
        model.predict([series])


@pytest.mark.parametrize("wrong", [5, "1 2 3", [1, 2, 3], [["a"]], [[[[1]]]], [None], {"a": 1}])
def test_what_is_no_series(wrong: Any) -> None:
    model = forecaster(Task(horizon=2, season=2, window=4), [])
    with pytest.raises(UsageError, match=r"give a list of series, as in \[\[1, 2, 3\]\]"):
        model.predict(wrong)
    with pytest.raises(UsageError, match="series is 5; give a list"):
        model.predict(5)  # type: ignore[arg-type]
    for horizon in (0, -1, 1.5, True, "2"):
        with pytest.raises(UsageError, match="it must be a whole number, at least 1"):
            model.predict([[1, 2]], horizon)  # type: ignore[arg-type]


def test_known_series_go_on_and_others_are_cut(tmp_path: Path) -> None:
    times = "2024-01 2024-02 2024-03 2024-04 2024-05"
    known = a_series(1, 2, 3, 5, 8, name="a", times=times)
    model = forecaster(Task(horizon=2, window=3), [known])
    (tmp_path / "x.csv").write_text(
        "unique_id,ds,y\na,2024-04,5\na,2024-05,8\na,2024-06,9\na,2024-07,11\na,2024-08,14\n"
        "b,2024-01,4\nb,2024-02,4.5\nb,2024-03,6\nb,2024-04,7\n"
    )
    report = model.evaluate([tmp_path / "x.csv"])
    assert (report.count, report.notes) == (2, ())
    wanted = column(9, 11, 14)
    (going_on,) = model.predict([known], 3)
    mase = np.abs(wanted - going_on.forecast).mean() / measures.seasonal_error(
        known.values[:, 0], 1
    )
    (other,) = model.predict([column(4, 4.5)])
    mase += np.abs(column(6, 7) - other.forecast).mean() / 0.5
    assert report.score == pytest.approx(mase / 2)


def test_forecasts_have_the_times_that_follow() -> None:
    times = "2023-10 2023-11 2023-12"
    model = forecaster(Task(horizon=2, window=3), [a_series(1, 2, 3, name="a", times=times)])
    assert [one.ds for one in model.predict()] == [("2024-01", "2024-02")]
    given = a_series(1, 2, 4, name="b", times="1999 2000 2001")
    assert [one.ds for one in model.predict([given, [1.0, 2.0]], 1)] == [("2002",), ()]


@pytest.mark.parametrize(
    ("days", "opens", "ds"),
    [(("01", "02", "04"), 8, ()), (("01", "03"), 0, ("2024-05-04T00:00", "2024-05-04T01:00"))],
)
def test_hours_of_business_do_not_go_on_in_the_night(
    days: tuple[str, ...], opens: int, ds: tuple[str, ...], tmp_path: Path
) -> None:
    """The last hours of a day are as even as those of a series that knows no night."""
    times = [f"2024-05-{day}T{hour:02}:00" for day in days for hour in range(opens, 24)]
    rows = [f"{time},{k % 7 + k}\n" for k, time in enumerate(times)]
    (tmp_path / "x.csv").write_text("ds,y\n" + "".join(rows))
    series = read_series([tmp_path / "x.csv"], Reading(), [])
    model = forecaster(Task(horizon=2, window=3), series)
    assert [one.ds for one in model.predict()] == [ds]
    assert [one.ds for one in model.predict(series)] == [ds]
    (tmp_path / "later.csv").write_text("ds,y\n" + rows[-1] + "2024-05-08T09:00,3\n")
    report = model.evaluate([tmp_path / "later.csv"])
    assert report.count == 1


def test_without_times_a_series_is_known_by_its_values(tmp_path: Path) -> None:
    known = a_series(1, 2, 3, 5, 8)
    model = forecaster(Task(horizon=2, window=3), [known])
    path = tmp_path / "x.csv"
    path.write_text("y\n1\n2\n3\n5\n8\n9\n11\n")
    whole = model.evaluate([path])
    path.write_text("y\n9\n11\n")
    after = model.evaluate([path])
    assert whole.scores == after.scores
    assert (whole.notes, after.notes) == (
        ((), ("without times, values are taken to follow those of training",))
    )
    path.write_text("y\n1\n2\n3\n5\n8\n")
    with pytest.raises(BadDataError, match="has 5 values, and the model was trained on all of"):
        model.evaluate([path])


@pytest.mark.parametrize(
    ("known", "given"),
    [
        ("2020-08 2020-09 2020-10", "Jun 2020|Jul 2020|Nov 2020"),
        ("2020-08 2020-09 2020-10", "2018|2019|2020"),
        ("1 2 3", "2020-08|2020-09|2020-10"),
    ],
)
def test_times_in_another_form_than_in_training_are_refused(
    known: str, given: str, tmp_path: Path
) -> None:
    """They were none: values that the model was trained on counted as new ones."""
    model = forecaster(Task(horizon=2, window=3), [a_series(1, 2, 3, times=known)])
    path, times = tmp_path / "x.csv", given.split("|")
    path.write_text("ds,y\n" + "".join(f"{time},{k}\n" for k, time in enumerate(times)))
    with pytest.raises(BadDataError) as caught:
        model.evaluate([path])
    assert str(caught.value) == (
        f"{path}: line 2: the series has times such as {times[0]}; "
        f"write them as in training, like {known.split()[-1]}"
    )


def test_known_times_settle_which_number_is_the_day(tmp_path: Path) -> None:
    """The first days of months were read as days of one month, with a gap before them."""
    times = [f"{month:02}/01/{year}" for year in (2021, 2022) for month in range(1, 13)]
    path = tmp_path / "x.csv"
    path.write_text("ds,y\n" + "".join(f"{time},{k % 7}\n" for k, time in enumerate(times)))
    model = forecaster(Task(horizon=2, window=3), read_series([path], Reading(), []))
    for new in (times[-2:], []):  # with what the model knows, or without
        later = [*new, "01/01/2023", "02/01/2023", "03/01/2023"]
        path.write_text("ds,y\n" + "".join(f"{time},{k}\n" for k, time in enumerate(later, 1)))
        (note,) = model.evaluate([path]).notes
        assert note == f"{path}: times such as {later[0]} are read as month/day/year"


def test_series_that_are_too_short_to_be_judged_are_told(tmp_path: Path) -> None:
    known = [a_series(*range(9, 0, -1), name="a"), a_series(5, name="b"), a_series(6, name="c")]
    model = forecaster(Task(horizon=2, season=3, window=6), known)
    path = tmp_path / "x.csv"
    path.write_text("a,9,8,7,6,5,4,3,2,1,5\nb,6,7,8,9,10\nc,1,2,3,4\nd,4\n")
    report = model.evaluate(path)
    assert report.count == 2, "nothing was learnt of b, so its own values are enough"
    assert report.notes[0] == (
        "no forecast of 2 series: c, d have fewer than 5 values, a season and a horizon"
    )
    for name, said in (("c", "has learnt nothing from it"), ("d", "does not know it")):
        path.write_text(f"{name},1,2,3\n")
        found = f"series {name} has 3 values, and the model {said}"
        with pytest.raises(BadDataError, match=found):
            model.evaluate(path)


def test_examples_that_can_not_be_judged(tmp_path: Path) -> None:
    known = a_series(1, 2, 3, name="a", times="2024-01 2024-02 2024-03")
    model = forecaster(Task(horizon=2, window=3), [known])
    path = tmp_path / "x.csv"
    path.write_text("unique_id,ds,y\na,2024-01,1\na,2024-02,2\n")
    with pytest.raises(
        BadDataError, match="ends at 2024-02, and the model was trained on it up to"
    ):
        model.evaluate([path], Reading())
    path.write_text("unique_id,ds,y\nb,2024-01,1\nb,2024-02,2\n")
    with pytest.raises(BadDataError, match="series b has 2 values, and the model does not know it"):
        model.evaluate([path], Reading())
    path.write_text("unique_id,ds,y\na,2024-05,1\n")
    assert "later than one step after 2024-03" in model.evaluate([path]).notes[0]


@pytest.mark.parametrize(
    "content",
    [
        b"{}",
        b'{"series": [{"end": [], "first": 1, "count": 3}]}',
        b'{"series": [{"end": [[1]], "first": 1, "count": 3}]}',
        b'{"series": [{"end": [], "first": 1, "count": 0}]}',
        b'{"series": [{"end": [[1], [2, 3]], "first": 1, "count": 3}]}',
        b'{"series": [{"end": [[1], [2], [3]], "first": 1, "count": 2}]}',
        b'{"series": [{"end": [[1], [1e999]], "first": 1, "count": 3}]}',
    ],
)
def test_a_damaged_folder_is_refused(content: bytes) -> None:
    with pytest.raises(BadDataError, match=SERIES):
        forecaster(Task(horizon=2, season=2, window=2), [], extra={SERIES: content})
