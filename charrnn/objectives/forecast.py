"""What comes next in series of numbers.

sources ──read──▶ ForecastData ──task──▶ Forecasting
Forecasting ──batches──▶ windows (T, B, I), wanted (B, horizon) ──cost──▶ pinball loss
"""

from __future__ import annotations

import hashlib
import math
from collections.abc import Generator, Iterator, Sequence
from dataclasses import dataclass, replace
from functools import cached_property
from itertools import groupby
from operator import attrgetter
from typing import ClassVar

import msgspec
import numpy as np
import torch
from torch import Tensor

from charrnn.arrays import Floats, Weights
from charrnn.config import ModelConfig, TrainConfig
from charrnn.errors import BadDataError, UsageError
from charrnn.examples.series import Series, named, read_series
from charrnn.folder.record import CorpusRecord, ModelFolder
from charrnn.learning.task import Cost, Scored
from charrnn.network.encoder import Encoder
from charrnn.network.modules import Linear, drawing, zeros
from charrnn.objectives.base import ExampleTask
from charrnn.objectives.batches.periods import period_of
from charrnn.objectives.batches.series import Batch, Batches, batch_of, errors_of
from charrnn.objectives.batches.smoothing import smoothed
from charrnn.objectives.batches.windows import Place, Places, held_back, seasons_of, some_of
from charrnn.objectives.plans.plan import Plan
from charrnn.objectives.plans.series import plan_of
from charrnn.objectives.request import Request, Speed
from charrnn.task_config import SCORES, Forecast
from charrnn.tasks.forecast import Forecaster
from charrnn.tasks.series.pasts import Past, past_file, too_short
from charrnn.tasks.series.trials import Trial, score_of
from charrnn.tasks.series.windows import MIDDLE, Values, spread_of
from charrnn.text.corpus import corpus_name
from charrnn.words import counted

__all__ = ["ForecastData", "Forecasting", "plan", "read"]

SHOWN = 8  # values of a forecast, in the line that a run prints
LONGEST_HORIZON = 48  # unless the user wants more
WINDOWS_READ = 12_800  # in all, that a small set of series is read for; then
MAX_EPOCHS = 10  # are enough
SCORED_AT_ONCE = 256  # windows


class ForecasterNetwork(Encoder):
    """A stack whose last output goes to a linear layer: all steps of the horizon at once.

    Args:
        config: the shape of the stack.
        task: horizon, season and features.
        generator: of the first weights.
    """

    def __init__(self, config: ModelConfig, task: Forecast, generator: torch.Generator) -> None:
        super().__init__(config, task.inputs, generator)
        self.quantiles = len(task.quantiles)
        # Of zeros, so that training begins with the smoothed season.
        self.head = Linear(config.hidden_size, task.horizon * self.quantiles, first=zeros)

    def forward(self, inputs: Tensor, generator: torch.Generator | None = None) -> Tensor:
        """What windows (T, B, I) become: (B, horizon, Q), differences in units of their scale."""
        lengths = torch.full((inputs.shape[1],), len(inputs), device=inputs.device)
        output = self.read(inputs, lengths, generator)[-1]  # (B, H)
        return self.head(output).view(len(output), -1, self.quantiles)  # type: ignore[no-any-return]


def pinball(outputs: Tensor, wanted: Tensor, quantiles: Tensor) -> Tensor:
    """The sum of the losses of quantiles; the median's is half the absolute error.

    Koenker and Bassett, "Regression quantiles", 1978.

    Args:
        outputs: (B, horizon, Q).
        wanted: (B, horizon).
        quantiles: (Q,).
    """
    above = wanted[..., None] - outputs.float()
    return torch.maximum(quantiles * above, (quantiles - 1) * above).sum()


@dataclass(frozen=True)
class ForecastData:
    """Series that are not divided yet; see `objectives.request.Data`.

    Attributes:
        series: in the order of the files.
        task_record: what is to be predicted of them.
        corpus, notes: see `Data`.
    """

    series: Sequence[Series]
    task_record: Forecast
    corpus: CorpusRecord
    notes: tuple[str, ...]

    def task(self, config: TrainConfig) -> Forecasting:
        """The last values of each series are for validation, a whole number of horizons."""
        task_record = msgspec.structs.replace(self.task_record, window=config.seq_length)
        lengths = [len(one.values) for one in self.series]
        held = held_back(lengths, config.val_frac, task_record)
        return Forecasting(
            series=self.series,
            held=held,
            places=Places(lengths, held, task_record),
            tokenizer=None,
            task_record=task_record,
            extra=past_file(self.series, task_record),
        )

    def start_from(self, network: ForecasterNetwork, bases: Sequence[ModelFolder]) -> str:
        """See `Data`; `read` has refused all models."""
        raise AssertionError(f"{network} reads numbers, {bases} do not")


def read(request: Request) -> ForecastData:
    """Read series; see `objectives.table.Objective`.

    Raises:
        CharRNNError: as `read_series` does; for series that are too short.
    """
    if request.bases:
        found = "a forecaster reads numbers, and a language model characters"
        raise UsageError(found, "leave --init-from out")
    notes: list[str] = []
    settings = request.task_settings
    series = read_series(request.files, request.reading, notes, settings.label_column)
    season = settings.season or 1
    lengths = [len(one.values) for one in series]
    horizon = settings.horizon or (
        season if season > 1 else min(max(1, max(lengths) // 10), LONGEST_HORIZON)
    )
    _check_lengths(series, horizon, season, notes)
    if settings.season is None:
        notes += _repeating(series)
    whole = hashlib.sha256()
    for one in series:
        whole.update(one.name.encode() + b"\0" + np.ascontiguousarray(one.values).tobytes())
    task_record = Forecast(
        horizon=horizon,
        season=season,
        window=season * seasons_of(lengths, horizon, season),
        features=series[0].features,
        rules=2,
        text_column=request.reading.text_column,
        label_column=settings.label_column,
    )
    return ForecastData(
        series=series,
        task_record=smoothed(series, task_record),
        corpus=CorpusRecord(
            name=corpus_name(request.files),
            characters=sum(len(one.values) for one in series),
            sha256=whole.hexdigest(),
            records="examples",
            record_count=len(series),
        ),
        notes=tuple(notes),
    )


def _repeating(series: Sequence[Series]) -> list[str]:
    """What to say of series with a season of which the user says nothing."""
    period = period_of([one.values[:, 0] for one in series])
    if period is None:
        return []
    which = "the series repeats itself" if len(series) == 1 else "most series repeat themselves"
    return [f"{which} every {period:,} values or so; if that is a season, add --season {period}"]


def _check_lengths(series: Sequence[Series], horizon: int, season: int, notes: list[str]) -> None:
    """Check that a series is long enough to be divided; say how many are not."""
    lengths, least = [len(one.values) for one in series], 2 * horizon + season
    short = sum(length < least for length in lengths)
    if short == len(series):
        longest = max(series, key=lambda one: len(one.values))
        which = named(longest) if len(series) == 1 else f"the longest of {len(series):,} series"
        advice = f"horizon {horizon:,} and season {season:,} need {least:,}: "
        if max(horizon, season) > 1:
            advice += "choose a smaller --horizon or --season, or "
        advice += "give longer series"
        if longest.in_row and len(series) > 1:
            which += ", each in a row of its own,"
            advice += "; if each row is a time instead, write it as 2024-01 or 2024-01-31, and "
            advice += "name the columns, such as ds and y"
        raise BadDataError(f"{longest.place}: {which} has {counted(max(lengths), 'value')}", advice)
    shorter = [one.name for one in series if len(one.values) < season]
    unlearnt = [one.name for one in series if season <= len(one.values) < season + horizon]
    if trained := short - len(shorter) - len(unlearnt):
        values = f"{season + horizon:,} to " * (horizon > 1) + f"{least - 1:,} values"
        how = "are not validated, and trained on as far as they go"
        which = f"{trained:,} of {len(series):,} series have {values}: they"
        if trained == 1:
            how = "is not validated, and trained on as far as it goes"
            which = f"1 of {len(series):,} series has {values}: it"
        notes.append(f"{which} {how}")
    few = "a season and a horizon (forecasts need only a season)"
    notes += too_short(unlearnt, season + horizon, few, "nothing learnt from")
    notes += too_short(shorter, season, "a whole season", "nothing learnt from and no forecast of")


def plan(data: ForecastData, request: Request, _speed: Speed) -> Plan:
    """Choose all that is left open; see `series.plan_of`."""
    return plan_of([len(one.values) for one in data.series], data.task_record, request.settings)


@dataclass(frozen=True)
class Forecasting(ExampleTask[Batch]):
    """The task of a forecaster; see `learning.task.Task`.

    Args:
        series: all of them.
        held: how many values at the end of each are for validation.
        places: of the windows for training.
    """

    task_record: Forecast
    series: Sequence[Series]
    held: Sequence[int]
    places: Places
    higher_is_better: ClassVar[bool] = False
    metric: ClassVar[str] = SCORES["forecast"]
    unit: ClassVar[str] = "value"

    @property
    def val_tokens(self) -> int:
        """Values that are validated on."""
        return sum(self.held)

    @property
    def max_epochs(self) -> int:
        """Passes after which further ones do not help."""
        return max(MAX_EPOCHS, math.ceil(WINDOWS_READ / len(self.places)))

    @cached_property
    def spreads(self) -> Values:
        """(S,), of what is trained on of each series; see `spread_of`."""
        ends = [len(one.values) - out for one, out in zip(self.series, self.held, strict=True)]
        found = [spread_of(one.values[:end, 0]) for one, end in zip(self.series, ends, strict=True)]
        return np.array(found)

    def batch(
        self,
        places: Sequence[Place],
        width: int | None = None,
        spreads: Values | None = None,
    ) -> Batch:
        """Windows side by side.

        Args:
            places: of the windows.
            width: how long all are; None for as long as the shortest.
            spreads: of their series up to them; None for those of what is trained on.
        """
        if spreads is None:
            spreads = self.spreads[[place.series for place in places]]
        return batch_of(self.series, places, self.task_record, spreads, width)

    @cached_property
    def validation_places(self) -> list[Place]:
        """The windows before each horizon that is held back, those of one width together."""
        task_record = self.task_record
        found = []
        for number, (one, out) in enumerate(zip(self.series, self.held, strict=True)):
            for end in range(len(one.values) - out, len(one.values), task_record.horizon):
                width = min(end, task_record.window) // task_record.season * task_record.season
                found.append(Place(number, end - width, end))
        return sorted(found, key=attrgetter("width"))

    @cached_property
    def trials(self) -> list[Trial]:
        """What validates: how a series goes on after each of these windows."""
        found = []
        for number, _, end in self.validation_places:
            one = self.series[number]
            past = Past.of(one.until(end), self.task_record.window, self.task_record.season)
            found.append(Trial(past, one.values[end : end + self.task_record.horizon, 0]))
        return found

    @property
    def validation(self) -> Iterator[Batch]:
        """The same as batches."""
        spreads = [trial.past.known_spread for trial in self.trials]
        both = zip(self.validation_places, spreads, strict=True)
        for _, same in groupby(both, lambda one: one[0].width):
            some = list(same)
            for first in range(0, len(some), SCORED_AT_ONCE):
                places, whole = zip(*some[first : first + SCORED_AT_ONCE], strict=True)
                yield self.batch(places, spreads=np.array(whole))

    def network(self, model: ModelConfig, generator: torch.Generator) -> ForecasterNetwork:
        """See `Task`; its first bands are as wide as the errors of the smoothed season."""
        network = ForecasterNetwork(model, self.task_record, generator)
        if drawing():
            network.head.bias.data = torch.tensor(self.first_errors.ravel())  # a copy
        return network

    @cached_property
    def first_errors(self) -> Floats:
        """Quantiles (horizon, Q) of the outputs that are wanted, less their medians."""
        return errors_of(map(self.batch, some_of(self.places)), self.task_record)

    def batches(self, config: TrainConfig) -> Batches:
        """See `Task`."""
        return Batches(self.places, self.task_record, config, self.batch)

    def loss(self, network: ForecasterNetwork, batch: Batch, generator: torch.Generator) -> Cost:
        """The pinball loss of each value and quantile, in units of its window's variation."""
        device = network.device
        # A copy, in memory as PyTorch aligns it: products depend on that, and NumPy's is anywhere.
        outputs = network(torch.tensor(batch.inputs, device=device), generator)
        return Cost(*self._cost(outputs, batch))

    def _cost(self, outputs: Tensor, batch: Batch) -> tuple[Tensor, int]:
        """The sum of the same, and over how much; series that never vary have no unit for it."""
        device = outputs.device
        there = torch.from_numpy(batch.windows.scale[:, 0] > 0).to(device)
        outputs, wanted = outputs[there], torch.from_numpy(batch.wanted).to(device)[there]
        quantiles = torch.tensor(self.task_record.quantiles, dtype=torch.float32, device=device)
        return pinball(outputs, wanted, quantiles), outputs.numel()

    def beginning(self, tokens: int) -> Forecasting:
        """See `Task`."""
        held = np.array(self.held)
        return replace(self, held=np.where(np.cumsum(held) - held < tokens, held, 0).tolist())

    def validate(self, network: ForecasterNetwork) -> Generator[None, None, Scored]:
        """The mean cost, and the error of the forecasts."""
        device = network.device
        total, count, bands = 0.0, 0, list[Values]()
        for batch in self.validation:
            outputs = network(torch.from_numpy(batch.inputs).to(device)).float().cpu()
            cost, number = self._cost(outputs, batch)
            total, count = total + float(cost), count + number
            bands += list(batch.windows.values(np.sort(outputs.numpy(), -1)))
            yield
        metric, score = score_of(self.trials, bands)
        measure = None if metric == self.metric else metric
        return Scored(total / max(count, 1), score, measure)

    def sample(self, model: ModelConfig, weights: Weights, seed: int) -> str:
        """How a series went on, and what the model had said."""
        trial = self.trials[seed % len(self.trials)]
        forecaster = Forecaster(self.folder(model, weights))
        (band,) = forecaster.bands([trial.past], self.task_record.horizon)
        shown = slice(SHOWN)
        wanted = " ".join(f"{value:.5g}" for value in trial.wanted[shown])
        found = " ".join(f"{value:.5g}" for value in band[shown, MIDDLE])
        more = " …" if self.task_record.horizon > SHOWN else ""
        return f"{trial.past.name or 'the series'} goes on {wanted}{more}\n→ {found}{more}"

    def model(self, folder: ModelFolder) -> Forecaster:
        """See `ExampleTask`."""
        return Forecaster(folder)

    @property
    def reported(self) -> Sequence[Trial]:
        """See `ExampleTask`."""
        return self.trials

    def bits(self, nats: float) -> float:
        """The loss itself: a forecast has no bits."""
        return nats
