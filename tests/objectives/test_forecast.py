"""Forecasting on the common loop, on series whose course is known."""

from __future__ import annotations

import json
import tracemalloc
from dataclasses import fields, replace
from functools import partial
from itertools import pairwise
from pathlib import Path
from typing import Any

import msgspec
import numpy as np
import pytest
import torch

import charrnn
from charrnn.cells.rules import CELLS
from charrnn.config import CellName, Reading, TaskSettings
from charrnn.errors import BadDataError, UsageError
from charrnn.folder import card
from charrnn.folder.reading import read_folder
from charrnn.learning.task import Scoring
from charrnn.objectives import forecast
from charrnn.objectives.batches import windows
from charrnn.objectives.batches.windows import Place, Places, count_of, held_back, seasons_of
from charrnn.objectives.forecast import ForecastData, Forecasting, pinball
from charrnn.objectives.request import Request
from charrnn.task_config import Forecast
from charrnn.tasks.forecast import Forecaster
from charrnn.tasks.series.measures import smape
from tests.commands import run
from tests.conftest import small_training

SMALL: dict[str, Any] = {"task": "forecast", "out": "m", "device": "cpu", "hidden_size": 8}


def write_series(name: str, *series: np.ndarray) -> None:
    """A ragged table."""
    rows = [",".join([f"s{k}", *(f"{v:.6g}" for v in one)]) for k, one in enumerate(series)]
    Path(name).write_text("\n".join(rows) + "\n")


def random_walks(*lengths: int) -> list[np.ndarray]:
    random = np.random.default_rng(3)
    return [random.normal(0, 1, length).cumsum() for length in lengths]


settings = partial(small_training, seq_length=6, val_frac=0.1)


def data_of(*lengths: int, horizon: int = 2, season: int | None = 2) -> ForecastData:
    write_series("a.csv", *random_walks(*lengths))
    wanted = TaskSettings(task="forecast", horizon=horizon, season=season)
    return forecast.read(Request(["a.csv"], Reading(), wanted))


def plan_of(data: ForecastData, **given: Any) -> Any:
    request = Request([], Reading(), TaskSettings(task="forecast"), settings=given)
    return forecast.plan(data, request, never)


def never(_: CellName) -> float:
    raise AssertionError("a forecaster is planned without trying how fast this machine is")


@pytest.mark.parametrize("content", ["1\n2\n3\n4\n5\n6\n", "1,2,3,4\n2,3,4,5\n3,4,5,6\n"])
def test_one_two_three_four(content: str) -> None:
    Path("a.csv").write_text(content)
    run = charrnn.train("a.csv", **SMALL | {"hidden_size": 10}, cell="rnn", horizon=1, steps=100)
    model = run.finish(progress=False)
    assert model.facts["horizon"] == "1 value"
    (near, far, wide, down) = model.predict([[4, 5, 6], [100, 101, 102], [10, 20, 30], [6, 5, 4]])
    assert near.forecast == (pytest.approx(7, abs=0.05),)
    assert far.forecast == (pytest.approx(103, abs=0.05),)
    assert wide.forecast == (pytest.approx(40, abs=0.5),)
    assert down.forecast[0] < 4
    assert far.lower[0] <= far.forecast[0] <= far.upper[0]


def test_sines_with_noise() -> None:
    time = np.arange(200)
    sizes = enumerate((3, 5, 8, 10, 12, 4, 6, 9))
    clean = np.stack([50 + size * np.sin(2 * np.pi * (time + k) / 12) for k, size in sizes])
    noisy = clean + np.random.default_rng(0).normal(0, 0.5, clean.shape)
    write_series("a.csv", *noisy[:, :160])
    given = SMALL | {"hidden_size": 16}
    run = charrnn.train("a.csv", **given, horizon=12, season=12, steps=200, learning_rate=0.01)
    answers = run.finish(progress=False).predict(horizon=40)
    wanted = clean[:, 160:]
    errors = np.abs(np.array([answer.forecast for answer in answers]) - wanted)
    naive = np.abs(noisy[:, 148:160][:, np.arange(40) % 12] - wanted)
    assert errors.mean() < 0.75 * naive.mean(), "it has seen more than the last season"
    lower, upper = (np.array([getattr(one, end) for one in answers]) for end in ("lower", "upper"))
    assert ((lower < wanted) & (wanted < upper)).mean() > 0.8


@pytest.mark.slow
def test_a_sine_whose_season_is_not_told() -> None:
    clean = 50 + 10 * np.sin(2 * np.pi * np.arange(240) / 12)
    noisy = clean + np.random.default_rng(0).normal(0, 0.2, len(clean))
    write_series("a.csv", noisy[:200])
    run = charrnn.train("a.csv", **SMALL | {"hidden_size": 32}, horizon=12, steps=800)
    (answer,) = run.finish(progress=False).predict(horizon=24)
    errors = np.abs(np.array(answer.forecast) - clean[200:224])
    assert errors.mean() < 1, "6.4 on average for what does not change"


def test_a_season_that_grows() -> None:
    time = np.arange(96)
    series = (100 + 2 * time) * (1 + 0.3 * np.sin(2 * np.pi * time / 12))
    write_series("a.csv", series[:72])
    run = charrnn.train("a.csv", **SMALL, horizon=12, season=12, steps=150)
    (answer,) = run.finish(progress=False).predict(horizon=24)
    assert smape(series[72:], np.array(answer.forecast)) < 4
    assert smape(series[72:], np.tile(series[60:72], 2)) > 14


def test_noise_that_fades() -> None:
    """An autoregression: half of each value's distance from 0 is in the next one."""
    noise, series = np.random.default_rng(2).normal(0, 1, 500), np.zeros(500)
    for step in range(1, 500):
        series[step] = 0.5 * series[step - 1] + noise[step]
    write_series("a.csv", series[:350])
    model = charrnn.train("a.csv", **SMALL, horizon=4, steps=120).finish(progress=False)
    origins = range(350, 497)
    answers = model.predict([series[:end] for end in origins])
    wanted = np.stack([series[end : end + 4] for end in origins])
    forecasts, lower, upper = (
        np.array([getattr(answer, name) for answer in answers])
        for name in ("forecast", "lower", "upper")
    )
    naive = np.abs(series[[end - 1 for end in origins], None] - wanted)
    assert np.abs(forecasts - wanted).mean() < 0.95 * naive.mean()
    assert 0.7 < ((lower < wanted) & (wanted < upper)).mean() < 0.9, "0.8 are to be in the band"


def test_training_begins_with_the_naive_forecast_and_its_errors() -> None:
    task = data_of(60, 45, 80, horizon=3).task(settings())
    model = plan_of(data_of(60, 45, 80, horizon=3)).model
    network = task.network(model, torch.Generator().manual_seed(1)).eval()
    batch = task.batch(task.places)
    lower, middle, upper = (
        network(torch.from_numpy(batch.inputs)).detach().numpy().T
    )  # (horizon, B)
    inside = (batch.wanted >= lower.T) & (batch.wanted <= upper.T)
    assert not middle.any()
    assert 0.7 < inside.mean() < 0.9


@pytest.mark.parametrize("length", [100, 101])
def test_some_windows_tell_the_errors_of_all_where_dates_differ(
    length: int, monkeypatch: pytest.MonkeyPatch
) -> None:
    """Every other window was of the same dates in all series, here those that are calm or not."""
    steps = np.random.default_rng(5).normal(0, 1, (20, length)) * (np.arange(length) % 2)
    write_series("a.csv", *steps.cumsum(1))
    wanted = TaskSettings(task="forecast", horizon=1, season=1)
    data = forecast.read(Request(["a.csv"], Reading(), wanted))
    task = data.task(settings())
    assert len(task.places) < windows.MEASURED
    lower, _, upper = task.first_errors[0]
    monkeypatch.setattr(windows, "MEASURED", len(task.places) // 2)
    some_lower, _, some_upper = data.task(settings()).first_errors[0]
    assert some_lower == pytest.approx(lower, rel=0.2)
    assert some_upper == pytest.approx(upper, rel=0.2)


@pytest.mark.parametrize("horizon", [1, 2])
def test_every_network_begins_alike(horizon: int) -> None:
    """A run for minutes trains others before its own, to see how fast they are."""
    data = data_of(40, 23, horizon=horizon, season=1)
    task, model = data.task(settings()), plan_of(data).model
    first, second = (task.network(model, torch.Generator().manual_seed(1)) for _ in range(2))
    before = second.head.bias.tolist()
    first.head.bias.data.add_(1)
    assert second.head.bias.tolist() == before
    assert task.network(model, torch.Generator()).head.bias.tolist() == before


@pytest.mark.parametrize(
    ("lengths", "horizon", "held"),
    [
        ([600], 5, [100]),
        ([430], 7, [84]),
        ([108], 12, [12]),
        ([150], 12, [24]),
        ([150, 40], 12, [24, 12]),
        ([108] * 40, 12, [12] * 40),
    ],
)
def test_few_series_are_validated_on_more_than_one_horizon(
    lengths: list[int], horizon: int, held: list[int]
) -> None:
    data = data_of(*lengths, horizon=horizon, season=1)
    plan = plan_of(data)
    assert plan.val_tokens == sum(held)
    config = settings(val_frac=plan.settings["val_frac"], seq_length=plan.settings["seq_length"])
    assert data.task(config).held == held


def test_a_forecaster_that_learns_nothing_is_trained_to_its_end() -> None:
    write_series("a.csv", *random_walks(60))
    charrnn.train("a.csv", **SMALL, horizon=2, steps=40, eval_every=1).finish(progress=False)
    updates = [json.loads(line) for line in Path("m/metrics.jsonl").read_text().splitlines()]
    assert max(line["step"] for line in updates if "step" in line) == 40


@pytest.mark.parametrize("cell", sorted(CELLS))
def test_numpy_answers_as_pytorch_does(cell: CellName) -> None:
    data = data_of(40, 9, 23)
    model = plan_of(data, cell=cell, hidden_size=7, embed_size=5).model
    task = data.task(settings())
    network = task.network(model, torch.Generator().manual_seed(1)).eval()
    with torch.no_grad():
        network.head.weight.normal_(generator=torch.Generator().manual_seed(2))
    scoring, wanted = Scoring(task, network), []
    for _ in scoring:
        pass
    with torch.inference_mode():
        for batch in task.validation:
            outputs = network(torch.from_numpy(batch.inputs)).numpy()
            wanted += list(batch.windows.values(np.sort(outputs, -1)))
    weights = {name: value.numpy() for name, value in network.state_dict().items()}
    forecaster = Forecaster(task.folder(model, weights))
    bands = forecaster.answers(task.trials)
    np.testing.assert_allclose(bands, wanted, rtol=1e-4, atol=1e-5)
    report = forecaster.judged(task.trials, bands)
    assert report.score == pytest.approx(scoring.result.score, rel=1e-4)


@pytest.mark.parametrize(
    ("lengths", "window"),
    [
        ([100] * 200, 44),
        ([100] * 200 + [9] * 600, 44),
        ([100] * 200 + [13] * 60, 44),
        ([9] * 60, 1),
        ([40] * 60 + [30], 14),
    ],
)
def test_the_window_is_for_series_that_hold_most_values(lengths: list[int], window: int) -> None:
    assert seasons_of(lengths, horizon=6, season=1) == window


@pytest.mark.parametrize(
    ("lengths", "horizon", "window"),
    [([155], 8, 32), ([155], 20, 40), ([155], 30, 47), ([3_000], 8, 64), ([300] * 10, 8, 64)],
)
def test_of_few_values_little_is_read_at_a_time(
    lengths: list[int], horizon: int, window: int
) -> None:
    assert seasons_of(lengths, horizon, season=1) == window


def test_the_median_costs_half_the_absolute_error() -> None:
    outputs = torch.tensor([[[1.0, 2.0, 3.0]]])
    wanted = torch.tensor([[2.5]])
    cost = pinball(outputs, wanted, torch.tensor([0.1, 0.5, 0.9]))
    assert float(cost) == pytest.approx(0.1 * 1.5 + 0.5 * 0.5 + 0.1 * 0.5)


def test_the_cost_is_a_sum_over_windows() -> None:
    data = data_of(40, 23)
    task = data.task(settings())
    model = plan_of(data, hidden_size=7).model
    network = task.network(model, torch.Generator().manual_seed(1)).eval()
    places = task.places[3:8]
    together = task.cost(network, task.batch(places), None, torch.Generator())
    alone = [task.cost(network, task.batch([one]), None, torch.Generator()) for one in places]
    assert float(together.total.detach()) == pytest.approx(
        sum(float(one.total.detach()) for one in alone)
    )
    assert together.number == sum(one.number for one in alone) == 5 * 2 * 3


@pytest.mark.parametrize("season", [1, 3])
def test_windows_are_counted_as_they_are_listed(season: int) -> None:
    kind, lengths = Forecast(horizon=2, season=season, window=6), range(1, 30)
    held = held_back(lengths, 0.2, kind)
    assert count_of(lengths, held, kind) == len(Places(lengths, held, kind)) > 100
    listed = [
        Place(number, end - width, end)
        for number, (length, out) in enumerate(zip(lengths, held, strict=True))
        for width in [min(6, (length - out - 2) // season * season)]
        for end in range(width, length - out - 1)
        if width > 0
    ]
    places = Places(lengths, held, kind)
    assert list(places) == listed == places[:]
    assert places[-1] == listed[-1]
    assert places.widths.tolist() == [place.width for place in listed]


def test_millions_of_windows_take_little_memory() -> None:
    """Each was kept, as three numbers."""
    tracemalloc.start()
    try:
        places = Places([500_000, 500_000], [0, 0], Forecast(horizon=2, season=1, window=6))
        assert places[len(places) - 1] == Place(1, 499_992, 499_998)
        _, most = tracemalloc.get_traced_memory()
    finally:
        tracemalloc.stop()
    assert most < 10 * len(places)


@pytest.mark.parametrize("val_frac", [0.05, 0.3])
def test_nothing_that_validates_was_trained_on(val_frac: float) -> None:
    data = data_of(40, 9, 23, 5, 60)
    task = data.task(settings(val_frac=val_frac))
    assert {place.series for place in task.places} == {0, 1, 2, 3, 4}
    for series, first, end in task.places:
        assert 0 <= first < end
        assert (end - first) % 2 == 0
        assert end + 2 <= len(data.series[series].values) - task.held[series]
    assert task.held[3] == 0, "it is too short to be divided"
    assert all(held % 2 == 0 for held in task.held)
    assert task.held[4] == {0.05: 4, 0.3: 18}[val_frac]  # of 60, in pairs
    assert task.val_tokens == sum(task.held)
    for trial, place in zip(task.trials, task.validation_places, strict=True):
        values = data.series[place.series].values[:, 0]
        assert trial.wanted.tolist() == values[place.end : place.end + 2].tolist()
        assert trial.past.end[-1] == (values[place.end - 1],)


def test_an_epoch_reads_each_window_once() -> None:
    data = data_of(30, 12)
    task = data.task(settings())
    seen: list[Any] = []

    class Watched(Forecasting):
        def batch(self, places: Any, *given: Any, **settings: Any) -> Any:
            seen.extend(places)
            return super().batch(places, *given, **settings)

    watched = Watched(**{field.name: getattr(task, field.name) for field in fields(task)})
    batches = watched.batches(settings(batch_size=5))
    for step in range(batches.steps_per_epoch):
        batches.batch(step)
    assert sorted(seen) == sorted(task.places)
    again = task.batches(settings(batch_size=5)).batch(3)
    assert np.array_equal(again.inputs, batches.batch(3).inputs)


def test_windows_of_like_length_stand_side_by_side() -> None:
    task = data_of(40, *range(6, 20), season=1).task(settings(seq_length=16))
    widths = [place.end - place.first for place in task.places]
    assert min(widths) < 4 < max(widths) == 16
    for first in (0, 14):
        batches = task.batches(settings(seq_length=16, batch_size=4))
        steps = range(first * batches.steps_per_epoch, (first + 1) * batches.steps_per_epoch)
        read = sum(batches.size(step) * len(batches.batch(step).inputs) for step in steps)
        assert read > 0.9 * sum(widths), "few are cut to a shorter one beside them"


def test_short_series_among_long_ones_do_no_harm() -> None:
    random = np.random.default_rng(0)
    time, periods = np.arange(42), random.uniform(6, 20, 60)
    waves = [100 + 20 * np.sin(2 * np.pi * time / p + k) for k, p in enumerate(periods)]
    short = [wave[: 7 + k % 5] for k, wave in enumerate(waves[20:])]
    write_series("test.csv", *waves[40:])
    found = []
    for series in (waves[:20], waves[:20] + short):
        write_series("a.csv", *series)
        given = SMALL | {"out": f"m{len(series)}", "batch_size": 32, "eval_every": 40}
        run = charrnn.train("a.csv", **given, horizon=6, steps=80, learning_rate=0.02)
        model = run.finish(progress=False)
        assert model.task.window == 15
        found.append(model.evaluate("test.csv").score)
    assert found[1] < 1.2 * found[0]


def demand(unit: float) -> str:
    """Few values that are not 0, in some unit."""
    random = np.random.default_rng(1)
    rows = random.integers(1, 9, (6, 60)) * (random.random((6, 60)) < 0.1)
    assert all(row[:50].any() for row in rows)
    write_series("a.csv", *(unit * rows))
    return "a.csv"


@pytest.mark.parametrize("unit", [1e-3, 1e6])
def test_the_unit_of_a_table_makes_no_difference(unit: float) -> None:
    ends = []
    for factor in (1, unit):
        given = SMALL | {"out": f"m{factor}", "eval_every": 10}
        run = charrnn.train(demand(factor), **given, horizon=3, seq_length=6, steps=20)
        ends.append([one.evaluation for one in run if isinstance(one, charrnn.Evaluated)])
    for one, other in zip(*ends, strict=True):
        assert one.train_nats == pytest.approx(other.train_nats, rel=1e-3)
        assert one.val_nats == pytest.approx(other.val_nats, rel=1e-3)
        assert one.score == pytest.approx(other.score, rel=1e-3)


def test_series_that_never_vary_cost_nothing() -> None:
    model = plan_of(data_of(40), hidden_size=7).model
    found = []
    for more in ([], [np.full(30, 5.0), np.full(25, -1e-3)]):
        write_series("a.csv", *random_walks(40), *more)
        wanted = TaskSettings(task="forecast", horizon=2, season=2)
        data = forecast.read(Request(["a.csv"], Reading(), wanted))
        alike = msgspec.structs.replace(data.task_record, smoothing=0.5, drift=True)
        task = replace(data, task_record=alike).task(settings())
        network = task.network(model, torch.Generator().manual_seed(1))
        cost = task.cost(network, task.batch(task.places, 6), None, torch.Generator())
        scoring = Scoring(task, network)
        for _ in scoring:
            pass
        found.append((float(cost.total.detach()), cost.number, scoring.result.nats))
    assert {trial.past.name for trial in task.trials} == {"s0", "s1", "s2"}
    assert found[0] == pytest.approx(found[1])


def test_a_table_in_which_nothing_varies_is_learnt() -> None:
    write_series("a.csv", np.full(30, 0.0025), np.full(25, 7.0))
    run = charrnn.train("a.csv", **SMALL, horizon=3, steps=6)
    events = list(run)
    assert {one.metric for one in events if isinstance(one, charrnn.Evaluated)} == {"sMAPE"}
    answers = charrnn.load("m").predict()
    assert [one.forecast for one in answers] == [(0.0025,) * 3, (7.0,) * 3]


def test_an_evaluation_says_which_measure_its_score_is(tmp_path: Path) -> None:
    for name, change in (("sMAPE", 0.0), ("MASE", 0.1)):
        write_series("a.csv", np.arange(60) % 5 + change * (np.arange(60) > 50))
        out = Path("checkpoints", name)
        events = list(charrnn.train("a.csv", **SMALL | {"out": out}, season=5, steps=4))
        assert {one.metric for one in events if isinstance(one, charrnn.Evaluated)} == {name}
        assert isinstance(events[-1], charrnn.Finished)
        assert events[-1].report is not None
        assert events[-1].report.metric == name
        assert card.facts(read_folder(out))["validation score"].endswith(f", {name}")
    listed = run(tmp_path, "list").stdout
    assert "forecast: sMAPE " in listed
    assert "forecast: MASE " in listed


@pytest.mark.parametrize("rules", [3, 4])
def test_the_smaller_batch_of_an_epoch_is_of_windows_of_any_length(rules: int) -> None:
    """It was of the longest in every epoch, which then counted for more than others."""
    write_series("a.csv", *random_walks(*range(12, 40)))
    request = Request(["a.csv"], Reading(), TaskSettings(task="forecast", horizon=3))
    data = forecast.read(request)
    task = data.task(settings(seq_length=30, batch_size=16, rules=rules))
    batches = task.batches(settings(seq_length=30, batch_size=16, rules=rules))
    sizes, widths = [], list[int]()
    for step in range(20 * batches.steps_per_epoch):
        if (size := batches.size(step)) < 16:
            sizes.append(size)
            widths.append(len(batches.batch(step).inputs))
    assert sizes == 20 * [len(task.places) % 16], "one in each epoch"
    longest = max(place.width for place in task.places)
    assert (min(widths) >= longest - 2) == (rules < 4)


def test_a_run_begun_by_older_rules_goes_on_by_them(monkeypatch: pytest.MonkeyPatch) -> None:
    def older(**given: Any) -> Forecast:
        return Forecast(**given | {"rules": 1})

    write_series("a.csv", *random_walks(40, 7, 9, 30), np.arange(40) // 30)
    given = SMALL | {"horizon": 3, "steps": 24, "eval_every": 5, "batch_size": 4}
    with monkeypatch.context() as before:
        before.setattr("charrnn.objectives.forecast.Forecast", older)
        charrnn.train("a.csv", **given).finish(progress=False)
        for event in charrnn.train("a.csv", **given | {"out": "stopped"}):
            if isinstance(event, charrnn.Evaluated):
                break
    charrnn.resume("stopped").finish(progress=False)
    charrnn.train(repeat="m", out="again").finish(progress=False)
    charrnn.train("a.csv", **given | {"out": "newer"}).finish(progress=False)
    ends = [read_folder(Path(name)) for name in ("m", "stopped", "again", "newer")]
    kinds = [one.record.task for one in ends]
    assert [kind.rules for kind in kinds if isinstance(kind, Forecast)] == [1, 1, 1, 2]
    assert kinds[0] == kinds[1] == kinds[2]
    weights = [{k: v.tobytes() for k, v in one.weights.items()} for one in ends]
    assert weights[0] == weights[1] == weights[2] != weights[3]


def test_features_are_read() -> None:
    """What comes is what the feature was a step before."""
    hint = np.random.default_rng(0).normal(0, 1, 301).cumsum()
    rows = "".join(f"{y:.5f},{x:.5f}\n" for y, x in pairwise(hint))
    Path("a.csv").write_text(f"y,hint\n{rows}")
    run = charrnn.train("a.csv", **SMALL, horizon=1, steps=250, seq_length=8, learning_rate=0.02)
    model = run.finish(progress=False)
    assert model.task.features == ("hint",)
    windows = [np.stack([hint[k : k + 8], hint[k + 1 : k + 9]], -1) for k in range(100)]
    errors = [
        abs(answer.forecast[0] - hint[k + 8]) for k, answer in enumerate(model.predict(windows))
    ]
    assert np.median(errors) < 0.5 * np.median(np.abs(np.diff(hint)))


def test_the_plan_names_the_features() -> None:
    rows = "".join(f"{k % 7},{k % 3},{k % 2}\n" for k in range(40))
    Path("a.csv").write_text(f"y,heat,wind\n{rows}")
    wanted = TaskSettings(task="forecast", horizon=1)
    data = forecast.read(Request(["a.csv"], Reading(), wanted))
    reasons = plan_of(data, seq_length=8).reasons
    assert "reads 8 values at a time, each with its heat and wind, and predicts 1, as " in reasons
    assert "as differences from the mean value and its drift; " in reasons
    reasons = plan_of(data, seq_length=1, batch_size=1).reasons
    assert "reads 1 value at a time, " in reasons
    assert "; 1 window side by side, " in reasons


@pytest.mark.parametrize(
    ("given", "found"),
    [
        ({"season": 12}, "has 20 values"),
        ({"season": 2, "horizon": 10}, "has 20 values"),
    ],
)
def test_too_short(given: dict[str, Any], found: str) -> None:
    write_series("a.csv", *random_walks(20))
    with pytest.raises(BadDataError, match=found):
        charrnn.train("a.csv", **SMALL, **given)
    assert not Path("m").exists()


def test_rows_of_one_value_may_be_times() -> None:
    """A smaller horizon was to be chosen than 1."""
    Path("a.csv").write_text("Monat,y2\nJanuar 2022,5\nFebruar 2022,7\n")
    request = Request(["a.csv"], Reading(), TaskSettings(task="forecast", horizon=1))
    with pytest.raises(BadDataError) as refused:
        forecast.read(request)
    assert refused.value.found.endswith("2 series, each in a row of its own, has 1 value")
    assert "--horizon" not in refused.value.advice
    assert (
        "if each row is a time instead, write it as 2024-01 or 2024-01-31" in refused.value.advice
    )


def test_rows_too_short_for_a_season_are_told_what_they_need() -> None:
    Path("a.csv").write_text("name,1,2,3\nnorth,5,6,7\nsouth,7,8,9\n")
    request = Request(["a.csv"], Reading(), TaskSettings(task="forecast", horizon=1, season=2))
    with pytest.raises(BadDataError, match="horizon 1 and season 2 need 4: choose a smaller"):
        forecast.read(request)


def test_settings_that_do_not_fit() -> None:
    write_series("a.csv", *random_walks(60))
    with pytest.raises(UsageError, match="seq_length 3 is less than a season of 4"):
        charrnn.train("a.csv", **SMALL, season=4, seq_length=3)
    run = charrnn.train("a.csv", **SMALL, season=4, seq_length=11, steps=2)
    assert "reading 8 values, whole seasons of 4" in run.notes
    assert run.finish(progress=False).task.window == 8


def test_a_season_of_which_the_user_says_nothing_is_told() -> None:
    year = np.random.default_rng(4).normal(0, 1, 12)
    repeated = [100 + np.tile(year, 8) + walk for walk in 0.1 * np.stack(random_walks(96, 96, 96))]
    write_series("one.csv", repeated[0])
    write_series("three.csv", *repeated)
    said = "every 12 values or so; if that is a season, add --season 12"
    assert f"the series repeats itself {said}" in charrnn.train("one.csv", **SMALL).notes
    assert f"most series repeat themselves {said}" in charrnn.train("three.csv", **SMALL).notes
    assert charrnn.train("one.csv", **SMALL, season=12).notes == ()
    assert charrnn.train("one.csv", **SMALL, season=1).notes == ()
    write_series("walk.csv", *random_walks(96))
    assert charrnn.train("walk.csv", **SMALL).notes == ()


def test_short_series_are_told() -> None:
    data = data_of(40, 5)
    (said,) = data.notes
    assert said == (
        "1 of 2 series has 4 to 5 values: it is not validated, and trained on as far as it goes"
    )
    (said,) = data_of(40, 5, 4).notes
    assert said.startswith("2 of 3 series have 4 to 5 values: they are not validated, ")
    data = data_of(40, 3)
    (said,) = data.notes
    assert said == (
        "nothing learnt from series s1: it has fewer than 4 values, a season and a horizon "
        "(forecasts need only a season)"
    )
    assert {place.series for place in data.task(settings()).places} == {0}
    assert data_of(40, 30).notes == ()


@pytest.mark.parametrize("length", [1, 6])
def test_a_series_shorter_than_a_season_ends_no_run(length: int) -> None:
    series = random_walks(100, length)
    write_series("ragged.csv", *series)
    rows = [f"s{k},{value}\n" for k, one in enumerate(series) for value in one]
    Path("long.csv").write_text("unique_id,y\n" + "".join(rows))
    late = [""] * (100 - length) + list(map(str, series[1]))
    wide = "".join(f"{value},{other}\n" for value, other in zip(series[0], late, strict=True))
    Path("wide.csv").write_text("s0,s1\n" + wide)
    for form in ("ragged", "long", "wide"):
        given = SMALL | {"out": form, "season": 7, "steps": 2}
        run = charrnn.train(f"{form}.csv", **given)
        assert run.notes == (
            "nothing learnt from and no forecast of series s1: it has fewer than 7 values, a whole "
            "season",
        )
        model = run.finish(progress=False)
        assert [answer.series for answer in model.predict()] == ["s0"]
        assert model.too_short == ("s1",)


def test_no_language_model_starts_a_forecaster() -> None:
    write_series("a.csv", *random_walks(40))
    bases: list[Any] = [object()]
    with pytest.raises(UsageError, match="a forecaster reads numbers"):
        forecast.read(Request(["a.csv"], Reading(), TaskSettings(task="forecast"), bases))


def test_the_size_of_a_corpus_of_series_is_told_in_values_without_features() -> None:
    rows = "".join(f"{k % 5},{k % 3},{k % 7}\n" for k in range(40))
    Path("a.csv").write_text(f"y,hint,other\n{rows}")
    found = forecast.read(Request(["a.csv"], Reading(), TaskSettings(task="forecast")))
    assert found.task_record.features == ("hint", "other")
    assert found.corpus.characters == 40


def test_a_table_that_is_there_twice_counts_once_in_the_name() -> None:
    for name in ("a.csv", "b.csv"):
        Path(name).write_text("y\n" + "".join(f"{k % 5}\n" for k in range(40)))
    request = Request(["a.csv", "b.csv"], Reading(), TaskSettings(task="forecast"))
    assert forecast.read(request).corpus.name == "a"
