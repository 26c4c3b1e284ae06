"""`charrnn predict` with a forecaster: a line for each series, and a picture."""

from __future__ import annotations

import os
import select
import stat
import sys
from collections.abc import Sequence
from io import BufferedReader
from pathlib import Path
from typing import TYPE_CHECKING, BinaryIO

import numpy as np

from charrnn.config import STANDARD_INPUT, Reading
from charrnn.decoding.streams import standard_input
from charrnn.errors import BadDataError, UsageError
from charrnn.examples.numbers import numbers_in
from charrnn.examples.series import Series, read_series, refuse_text_column
from charrnn.outputs import refuse_inputs
from charrnn.plots.forecasts import DRAWN, Outlook, draw_forecasts
from charrnn.plots.style import check_path
from charrnn.tasks.series.pasts import HORIZONS, too_short
from charrnn.terminal.options import names_a_file
from charrnn.terminal.output import encode_json, say, write

if TYPE_CHECKING:
    from charrnn.tasks.answers import Forecast
    from charrnn.tasks.forecast import Forecaster
    from charrnn.tasks.series.windows import Values

__all__ = ["show_forecasts"]

WAIT = 5  # seconds for something to come by a socket


def show_forecasts(
    model: Forecaster,
    inputs: Sequence[str],
    reading: Reading,
    horizon: int | None,
    plot: Path | None,
    label_column: str | None,
    *,
    plain: bool,
) -> None:
    """Print how series go on.

    Args:
        model: the forecaster.
        inputs: files, or series written as numbers; none for what comes by standard input, or else
            the series that the model was trained on.
        reading: encoding of files.
        horizon: how many values; as many as in training by default.
        plot: where to draw them, if anywhere.
        label_column: of the values in tables; as in training by default.
        plain: print numbers instead of lines of JSON.

    Raises:
        CharRNNError: as `read_series` and `Forecaster.predict`, but for series that are too short
            among others, if they have names; for a picture that can't be drawn, a column without a
            table, and standard input that is named and empty.
    """
    refuse_text_column(reading)
    if plot is not None:
        check_path(plot)
    refuse_inputs(plot, "--plot", inputs or [STANDARD_INPUT])
    notes: list[str] = []
    series = _read(model, inputs, reading, label_column, notes)
    answers = model.predict(series or None, horizon)
    say(*notes)
    for answer in answers:
        write(f"{answer.plain}\n" if plain else encode_json(answer))
    if plot is not None:
        pasts = [one.values for one in series] or [past.values for past in model.pasts]
        _draw(plot, pasts, answers)


def _read(
    model: Forecaster,
    inputs: Sequence[str],
    reading: Reading,
    label_column: str | None,
    notes: list[str],
) -> list[Series]:
    """The series to go on with, none for those of training; `notes` gets what to say of them."""
    read = inputs or [STANDARD_INPUT] * _is_given(notes)
    series = _series(model, read, reading, label_column, notes)
    if inputs and not series:
        raise BadDataError("standard input is empty", "give a series, or leave - out")
    if read and not series:
        notes.append("standard input is empty: the series of the training go on")
    if label_column is not None and not any(one.place for one in series):
        raise UsageError("--label-column is about tables", "leave it out")
    if series:
        return _long_enough(series, model.task.season, notes)
    notes += too_short(model.too_short, model.task.season, "a whole season")
    return []


def _draw(path: Path, pasts: Sequence[Values], answers: Sequence[Forecast]) -> None:
    """Draw how series (N, F) go on."""
    shown = [
        _outlook(past[:, 0].tolist(), answer) for past, answer in zip(pasts, answers, strict=True)
    ]
    draw_forecasts(path, shown)
    some = f", of the first {DRAWN} series" if len(shown) > DRAWN else ""
    say(f"wrote {path}{some}")


def _outlook(history: list[float], answer: Forecast) -> Outlook:
    shown = history[-HORIZONS * len(answer.forecast) :]
    return Outlook(answer.series, shown, answer.forecast, answer.lower, answer.upper)


def _is_given(notes: list[str]) -> bool:
    """Whether standard input is a file, a pipe, or a socket by which something comes.

    Not a terminal or nothing at all; `notes` gets what to say of a socket that stays silent.
    """
    try:
        mode = os.fstat(sys.stdin.fileno()).st_mode
    except (OSError, ValueError, AttributeError):
        return False
    if not stat.S_ISSOCK(mode):
        return stat.S_ISREG(mode) or stat.S_ISFIFO(mode)
    # Node gives a program a socket where others give a pipe, and may never end it.
    if select.select([sys.stdin], [], [], WAIT)[0]:
        return True
    notes.append(
        f"nothing came by standard input, a socket, in {WAIT} seconds: the series of the training "
        "go on; end it to have them at once"
    )
    return False


def _series(
    model: Forecaster,
    inputs: Sequence[str],
    reading: Reading,
    label_column: str | None,
    notes: list[str],
) -> list[Series]:
    """The series of some inputs; none of a standard input that is empty."""
    found: list[Series] = []
    known, trained = model.known_times, model.task.label_column
    for one in inputs:
        if one == STANDARD_INPUT and len(inputs) == 1 and _is_empty(standard_input()):
            continue
        if names_a_file(one):
            found += read_series([one], reading, notes, label_column, known, trained)
        else:
            found.append(Series("", np.array(numbers_in(one))[:, None]))
    return found


def _long_enough(series: list[Series], season: int, notes: list[str]) -> list[Series]:
    """The series of which there is a forecast; `notes` gets the others.

    All of them, to be refused, if there is none, or if names do not tell which ones are answered.
    """
    short = [one.name for one in series if len(one.values) < season]
    if len(short) == len(series) or not all(short):
        return series
    notes += too_short(short, season, "a whole season")
    return [one for one in series if len(one.values) >= season]


def _is_empty(file: BinaryIO) -> bool:
    return isinstance(file, BufferedReader) and not file.peek(1)
