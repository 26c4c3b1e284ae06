"""What comes next in series of numbers.

sources ──read──▶ ForecastData ──divided──▶ Forecasting
Forecasting ──batches──▶ windows (T, B, I), wanted (B, horizon) ──cost──▶ pinball loss
"""

from __future__ import annotations

import hashlib
import math
from collections.abc import Iterator, Mapping, Sequence
from dataclasses import dataclass, replace
from functools import cached_property
from itertools import groupby
from pathlib import Path
from typing import Any, ClassVar, NamedTuple

import msgspec
import numpy as np
import torch
from torch import Tensor, nn

import charrnn
from charrnn.arrays import Floats, Weights
from charrnn.cells.rules import State
from charrnn.config import (
    Budget,
    ModelConfig,
    Reading,
    TaskSettings,
    TrainConfig,
    check,
    settings_from,
)
from charrnn.errors import BadDataError, UsageError
from charrnn.examples.series import Series, named, read_series
from charrnn.folder.record import NO_TEXT, CorpusRecord, Evaluation, ModelFolder, ModelRecord
from charrnn.learning.task import Cost, Scored
from charrnn.network.encoder import Encoder
from charrnn.network.modules import empty
from charrnn.objectives import advice
from charrnn.objectives.plan import Plan
from charrnn.objectives.planning import MODEL_FIELDS, TRAIN_FIELDS
from charrnn.task_config import Forecast
from charrnn.tasks.forecast import Forecaster, Past, Trial, past_file, report_of
from charrnn.tasks.reports import Report
from charrnn.tasks.windows import Values, Windows
from charrnn.text.corpus import short_name
from charrnn.text.tokenizer import Tokenizer

__all__ = ["ForecastData", "ForecasterNetwork", "Forecasting", "plan", "read"]

# Seasons that are read at most, and values where there is no season.
MOST_SEASONS, MOST_VALUES = 14, 64
LONGEST_HORIZON = 48  # unless the user wants more
# The largest size for fewer values to train on.
SIZES = ((2_000, 32), (20_000, 64), (100_000, 128), (math.inf, 256))
SIDE_BY_SIDE = (8, 256)  # windows at least and at most
LEARNING_RATE = 3e-3
WINDOWS_READ = 12_800  # in all, that a small set of series is read for; then
MAX_EPOCHS = 10  # are enough
SCORED_AT_ONCE = 256  # windows


class ForecasterNetwork(Encoder):
    """A stack whose last output goes to a linear layer: all steps of the horizon at once.

    Args:
        config: the shape of the stack.
        task: horizon, season and features.
        generator: of the first weights; None for PyTorch's own.
    """

    def __init__(
        self, config: ModelConfig, task: Forecast, generator: torch.Generator | None = None
    ) -> None:
        super().__init__(config, task.inputs, generator)
        self.quantiles = len(task.quantiles)
        self.head = empty(nn.Linear, config.hidden_size, task.horizon * self.quantiles)
        nn.init.zeros_(self.head.weight)  # so that training begins with the naive forecast
        nn.init.zeros_(self.head.bias)

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


class Place(NamedTuple):
    """A window: of which series, its first value, and the first value after it."""

    series: int
    first: int
    end: int


def places_of(lengths: Sequence[int], held: Sequence[int], task: Forecast) -> list[Place]:
    """All windows whose horizon ends before what is held back.

    A series that is too short for a whole window gives windows of fewer seasons.
    """
    found = []
    for number, (length, out) in enumerate(zip(lengths, held, strict=True)):
        seasons = (length - out - task.horizon) // task.season
        width = min(task.window, seasons * task.season)
        if width > 0:
            ends = range(width, length - out - task.horizon + 1)
            found += [Place(number, end - width, end) for end in ends]
    return found


@dataclass(frozen=True)
class ForecastData:
    """Series that are not divided yet; see `objectives.data.Data`.

    Attributes:
        series: in the order of the files.
        kind: what is to be predicted of them.
        corpus, notes: see `Data`.
    """

    series: Sequence[Series]
    kind: Forecast
    corpus: CorpusRecord
    notes: tuple[str, ...]

    def divided(self, config: TrainConfig) -> Forecasting:
        """The last values of each series are for validation, a whole number of horizons."""
        task = replaced_window(self.kind, config.seq_length)
        lengths = [len(one.values) for one in self.series]
        held = held_back(lengths, config.val_frac, task)
        return Forecasting(
            series=self.series,
            held=held,
            places=places_of(lengths, held, task),
            kind=task,
            extra=past_file(self.series, task),
        )

    def start_from(self, network: ForecasterNetwork, bases: Sequence[ModelFolder]) -> str:
        """See `Data`; `read` has refused all models."""
        raise AssertionError(f"{network} reads numbers, {bases} do not")


def replaced_window(task: Forecast, window: int) -> Forecast:
    """The same task, but reading so many values."""
    return msgspec.structs.replace(task, window=window)


def held_back(lengths: Sequence[int], val_frac: float, task: Forecast) -> list[int]:
    """How many values at the end of each series are for validation: whole horizons.

    None of a series that would have too few for a window then.
    """
    found = []
    for length in lengths:
        most = (length - task.horizon - task.season) // task.horizon
        wanted = max(1, round(length * val_frac / task.horizon))
        found.append(task.horizon * max(0, min(wanted, most)))
    return found


def read(
    sources: Sequence[str | Path],
    reading: Reading,
    settings: TaskSettings,
    *,
    bases: Sequence[ModelFolder] = (),
    tokenizer: Tokenizer | None = None,  # noqa: ARG001
) -> ForecastData:
    """Read series; see `objectives.table.Reader`.

    Raises:
        CharRNNError: as `read_series` does; for series that are too short.
    """
    if bases:
        found = "a forecaster reads numbers, and a language model characters"
        raise UsageError(found, "leave --init-from out")
    notes: list[str] = []
    series = read_series(sources, reading, notes, settings.label_column)
    season = settings.season or 1
    longest = max(len(one.values) for one in series)
    horizon = settings.horizon or (
        season if season > 1 else min(max(1, longest // 10), LONGEST_HORIZON)
    )
    least = 2 * horizon + season
    enough = [one for one in series if len(one.values) >= least]
    if not enough:
        which = named(series[0]) if len(series) == 1 else f"the longest of {len(series):,} series"
        raise BadDataError(
            f"{series[0].place}: {which} has {longest:,} values",
            f"horizon {horizon:,} and season {season:,} need {least:,}: choose a smaller --horizon "
            "or --season, or give longer series",
        )
    if len(enough) < len(series):
        left = len(series) - len(enough)
        all_series = f"{left:,} of {len(series):,} series are shorter than {least:,} values"
        notes.append(f"{all_series}: they are not validated, and trained on as far as they go")
    whole = hashlib.sha256()
    for one in series:
        whole.update(one.name.encode() + b"\0" + np.ascontiguousarray(one.values).tobytes())
    return ForecastData(
        series=series,
        kind=Forecast(
            horizon=horizon,
            season=season,
            window=season * seasons_of(series, horizon, season),
            features=series[0].features,
            text_column=reading.text_column,
            label_column=settings.label_column,
        ),
        corpus=CorpusRecord(
            name=short_name(sources[0]),
            characters=sum(one.values.size for one in series),
            sha256=whole.hexdigest(),
            records="examples",
            record_count=len(series),
        ),
        notes=tuple(notes),
    )


def seasons_of(series: Sequence[Series], horizon: int, season: int) -> int:
    """How many seasons to read: two, or up to half of what is left beside two horizons."""
    typical = int(np.quantile([len(one.values) for one in series], 0.1))
    there = (typical - 2 * horizon) // season
    most = MOST_SEASONS if season > 1 else MOST_VALUES
    return max(1, min(there, max(2, there // 2), most))


def plan(
    data: ForecastData,
    budget: Budget,  # noqa: ARG001
    given: Mapping[str, Any],
    speed: float,  # noqa: ARG001
    bases: Sequence[ModelFolder],  # noqa: ARG001
) -> Plan:
    """Choose everything that `given` leaves open; see `objectives.table.Objective`.

    Raises:
        UsageError: for values out of bounds, and for a window that holds no season.
    """
    given = {name: value for name, value in given.items() if value is not None}
    check(TrainConfig, given)
    notes: list[str] = []
    task = data.kind
    if "seq_length" in given:
        window = given["seq_length"] // task.season * task.season
        if not window:
            found = f"seq_length {given['seq_length']} is less than a season of {task.season}"
            raise UsageError(found, "make it longer", "seq_length")
        if window != given["seq_length"]:
            notes.append(f"reading {window:,} values, whole seasons of {task.season:,}")
        task = replaced_window(task, window)
    lengths = [len(one.values) for one in data.series]
    usual = min(task.horizon / max(lengths), 0.5)
    val_frac = given.get("val_frac") or usual
    held = held_back(lengths, val_frac, task)
    count = len(places_of(lengths, held, task))
    train = sum(lengths) - sum(held)
    size = next(size for limit, size in SIZES if train < limit)
    own = {name: value for name, value in given.items() if name in MODEL_FIELDS}
    shape = {"cell": "gru", "hidden_size": size, "num_layers": 1}
    shape |= own | {"vocab_size": 1}  # which it does not read
    shape.setdefault("embed_size", shape["hidden_size"])
    model = settings_from(ModelConfig, shape)
    least, most = SIDE_BY_SIDE
    batch_size = given.get("batch_size") or int(
        np.clip(2 ** round(math.log2(max(count / 2, 1))), least, most)
    )
    batch_size = min(batch_size, count)
    settings = {
        "batch_size": batch_size,
        "seq_length": task.window,
        "learning_rate": LEARNING_RATE,
        "weight_decay": 0.05,
        "val_frac": val_frac,
    }
    settings |= {
        name: value
        for name, value in given.items()
        if name in TRAIN_FIELDS - {"seq_length", "batch_size"}
    }
    read = f"{task.window:,} values at a time"
    if task.season > 1:
        read += f" in steps of a season of {task.season:,}"
    reasons = (
        f"{model.num_layers}×{model.hidden_size} {model.cell}, which reads {read} and predicts "
        f"{task.horizon:,}; {batch_size} windows side by side, learning rate "
        f"{settings['learning_rate']:g}, chosen for {len(lengths):,} series of {sum(lengths):,} "
        f"values, {count:,} windows"
    )
    return Plan(
        model=model,
        settings=settings,
        train_tokens=train,
        val_tokens=max(1, sum(held)),
        reasons=reasons,
        notes=tuple(notes),
        tokens_per_step=float(batch_size * task.window),
        steps_per_epoch=math.ceil(count / batch_size),
    )


class Batch(NamedTuple):
    """Windows side by side: inputs (T, B, I), and what should come out (B, horizon)."""

    inputs: Floats
    wanted: Floats
    windows: Windows


class Batches:
    """Windows of all series in random order, another in each epoch; see `learning.task.Batches`."""

    def __init__(self, task: Forecasting, config: TrainConfig) -> None:
        self.task, self.config = task, config
        self.tokens_per_step = float(config.batch_size * task.kind.window)
        self.steps_per_epoch = math.ceil(len(task.places) / config.batch_size)
        self._epoch = -1

    def batch(self, step: int) -> Batch:
        """Some windows, a function of the seed and the number of the update alone."""
        epoch, position = divmod(step, self.steps_per_epoch)
        if epoch != self._epoch:
            random = np.random.default_rng((self.config.seed, epoch))
            self._order, self._epoch = random.permutation(len(self.task.places)), epoch
        size = self.config.batch_size
        chosen = self._order[position * size : (position + 1) * size]
        return self.task.batch([self.task.places[k] for k in chosen])


@dataclass(frozen=True)
class Forecasting:
    """The task of a forecaster; see `learning.task.Task`.

    Args:
        series: all of them.
        held: how many values at the end of each are for validation.
        places: of the windows for training.
        kind, extra: for the model folder.
    """

    series: Sequence[Series]
    held: Sequence[int]
    places: Sequence[Place]
    kind: Forecast
    extra: Mapping[str, bytes]
    metric: ClassVar[str] = "MASE"
    unit: ClassVar[str] = "value"
    tokenizer: ClassVar[None] = None
    reset_share: ClassVar[None] = None

    @property
    def train_tokens(self) -> int:
        """Values that are trained on."""
        return sum(len(one.values) for one in self.series) - self.val_tokens

    @property
    def val_tokens(self) -> int:
        """Values that are validated on."""
        return sum(self.held)

    @property
    def max_epochs(self) -> int:
        """Passes after which further ones do not help."""
        return max(MAX_EPOCHS, math.ceil(WINDOWS_READ / len(self.places)))

    def batch(self, places: Sequence[Place]) -> Batch:
        """Windows side by side; all are as long as the shortest."""
        width = min(place.end - place.first for place in places)
        horizon = self.kind.horizon
        rows = np.stack([self.series[k].values[end - width : end] for k, _, end in places])
        wanted = np.stack([self.series[k].values[end : end + horizon, 0] for k, _, end in places])
        windows = Windows.of(rows, horizon, self.kind.season)
        inputs = np.ascontiguousarray(windows.inputs.swapaxes(0, 1))
        return Batch(inputs, windows.wanted(wanted), windows)

    @cached_property
    def validation_places(self) -> list[Place]:
        """The windows before each horizon that is held back, those of one width together."""
        kind, found = self.kind, []
        for number, (one, out) in enumerate(zip(self.series, self.held, strict=True)):
            for end in range(len(one.values) - out, len(one.values), kind.horizon):
                width = min(end, kind.window) // kind.season * kind.season
                found.append(Place(number, end - width, end))
        return sorted(found, key=lambda place: place.end - place.first)

    @cached_property
    def trials(self) -> list[Trial]:
        """What validates: how a series goes on after each of these windows."""
        found = []
        for number, _, end in self.validation_places:
            one = self.series[number]
            past = Past.of(one.until(end), self.kind.window, self.kind.season)
            found.append(Trial(past, one.values[end : end + self.kind.horizon, 0]))
        return found

    @property
    def validation(self) -> Iterator[Batch]:
        """The same as batches."""
        for _, same in groupby(self.validation_places, lambda place: place.end - place.first):
            some = list(same)
            for first in range(0, len(some), SCORED_AT_ONCE):
                yield self.batch(some[first : first + SCORED_AT_ONCE])

    def network(self, model: ModelConfig, generator: torch.Generator) -> ForecasterNetwork:
        """See `Task`."""
        return ForecasterNetwork(model, self.kind, generator)

    def batches(self, config: TrainConfig) -> Batches:
        """See `Task`."""
        return Batches(self, config)

    def cost(
        self,
        network: ForecasterNetwork,
        batch: Batch,
        state: State | None,  # noqa: ARG002
        generator: torch.Generator,
    ) -> Cost:
        """The pinball loss of each value and quantile, in units of its window's variation."""
        device = next(network.parameters()).device
        outputs = network(torch.from_numpy(batch.inputs).to(device), generator)
        wanted = torch.from_numpy(batch.wanted).to(device)
        quantiles = torch.tensor(self.kind.quantiles, device=device)
        return Cost(pinball(outputs, wanted, quantiles), outputs.numel())

    def start(self, network: ForecasterNetwork, config: TrainConfig) -> None:
        """Nothing is carried from batch to batch."""

    def beginning(self, tokens: int) -> Forecasting:
        """See `Task`."""
        held = np.array(self.held)
        return replace(self, held=np.where(np.cumsum(held) - held < tokens, held, 0).tolist())

    def scoring(self, network: ForecasterNetwork) -> _Validation:
        """See `Task`."""
        return _Validation(self, network)

    def rank(self, evaluation: Evaluation) -> tuple[float, ...]:
        """The error, then the cost."""
        return (evaluation.score or 0.0, evaluation.val_nats)

    def sample(self, model: ModelConfig, weights: Weights, seed: int) -> str:
        """How a series went on, and what the model had said."""
        trial = self.trials[seed % len(self.trials)]
        (band,) = self._forecaster(model, weights).bands([trial.past.values], self.kind.horizon)
        shown = slice(0, 8)
        wanted = " ".join(f"{value:.5g}" for value in trial.wanted[shown])
        found = " ".join(f"{value:.5g}" for value in band[shown, 1])
        more = " …" if self.kind.horizon > 8 else ""
        return f"{trial.past.name or 'the series'} goes on {wanted}{more}\n→ {found}{more}"

    def _forecaster(self, model: ModelConfig, weights: Weights) -> Forecaster:
        record = ModelRecord(charrnn_version=charrnn.__version__, model=model, task=self.kind)
        return Forecaster(ModelFolder(Path(), record, NO_TEXT, weights, 0, (), self.extra))

    def report(self, found: ModelFolder) -> Report:
        """See `Task`."""
        return Forecaster(found).report(self.trials)

    def bits(self, nats: float) -> float:
        """The loss itself: a forecast has no bits."""
        return nats

    def advice(self, metrics: Sequence[Evaluation], longer: str) -> str:
        """See `Task`."""
        return advice.for_task(metrics, self.rank, longer)


class _Validation:
    """See `learning.task.Scoring`."""

    def __init__(self, task: Forecasting, network: ForecasterNetwork) -> None:
        self.task, self.network = task, network
        self.total = 0.0
        self.number = 0
        self.bands: list[Values] = []

    @torch.inference_mode()
    def __iter__(self) -> Iterator[None]:
        training = self.network.training
        device = next(self.network.parameters()).device
        kind = self.task.kind
        quantiles = torch.tensor(kind.quantiles)
        self.total, self.number, self.bands = 0.0, 0, []
        self.network.eval()
        try:
            for batch in self.task.validation:
                outputs = self.network(torch.from_numpy(batch.inputs).to(device)).float().cpu()
                self.total += float(pinball(outputs, torch.from_numpy(batch.wanted), quantiles))
                self.number += outputs.numel()
                self.bands += list(batch.windows.values(np.sort(outputs.numpy(), -1)))
                yield
        finally:
            self.network.train(training)

    @property
    def result(self) -> Scored:
        """The mean cost, and the error of the forecasts."""
        report = report_of(self.task.trials, self.bands, self.task.kind.season)
        return Scored(self.total / self.number, report.score)
