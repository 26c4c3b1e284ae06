"""charrnn predict: what a classifier, tagger, translator or forecaster answers."""

from __future__ import annotations

import os
import sys
import warnings
from collections.abc import Callable, Iterator
from functools import partial
from itertools import groupby, takewhile
from pathlib import Path
from typing import TYPE_CHECKING, Annotated, Any

import typer

from charrnn.checkpoints import CONFIG
from charrnn.config import STANDARD_INPUT, Reading
from charrnn.errors import UsageError
from charrnn.terminal.options import as_text, names_a_file, option_names, take, with_settings
from charrnn.terminal.output import answer_in_batches, encode_json, say, say_new, write
from charrnn.words import as_argument, leave_out

if TYPE_CHECKING:
    from charrnn.examples.tags import Tagged
    from charrnn.task_config import TaskRecord
    from charrnn.tasks.base import TaskModel

__all__ = ["predict"]

AT_ONCE = 1024  # texts that are read before they are answered side by side

ArgumentsArgument = Annotated[
    list[str],
    typer.Argument(
        metavar="MODEL... [FILE | TEXT]...",
        help="A model folder, the name of one in checkpoints/, or hf://OWNER/NAME; leading "
        "arguments that name models (and no files or folders) answer together. Then files of "
        "texts, one per line or in a column of a table, or the texts themselves; for a forecaster, "
        "series. Without any, standard input is read, or a forecaster continues its own series.",
    ),
]
PlainOption = Annotated[
    bool, typer.Option("--plain", help="Print the answers alone instead of lines of JSON.")
]
HorizonOption = Annotated[
    int | None,
    typer.Option(
        help="Forecast: number of values to predict.  [at least 1; default: as many as in training]"
    ),
]
PlotOption = Annotated[
    Path | None,
    typer.Option(
        metavar="FILE", help="Forecast: draw the history, the forecast and its band to this file."
    ),
]
LabelColumnOption = Annotated[
    str | None,
    typer.Option(
        help="Forecast: column of a table that holds the values.  [default: as in training]"
    ),
]


@with_settings(Reading, leave_out=("records", "reverse"))
def predict(
    arguments: ArgumentsArgument,
    *,
    plain: PlainOption = False,
    horizon: HorizonOption = None,
    plot: PlotOption = None,
    label_column: LabelColumnOption = None,
    **given: Any,
) -> None:
    """Label, tag, translate or forecast with a trained model."""
    names = [*option_names(given).values()]
    reading, others = take(Reading, given), takewhile(_is_model, arguments[1:])
    models = [arguments[0], *others]
    inputs = arguments[len(models) :]
    if names and inputs and not any(map(names_a_file, inputs)):
        found = f"{' and '.join(names)} can't affect what is given as arguments"
        raise UsageError(found, leave_out(names))
    from charrnn.folder.reading import find_model, read_record
    from charrnn.tasks.loading import load

    task, first = read_record(find_model(models[0])).task, models[0]
    if task is None:
        raise UsageError(
            f"{first} is a language model and was not trained to answer",
            f"to write: charrnn sample {as_argument(first)}",
        )
    only = {"--horizon": horizon, "--plot": plot, "--label-column": label_column}
    option = next((name for name, value in only.items() if value is not None), None)
    if task.name != "forecast" and option is not None:
        raise UsageError(f"{option} is about forecasts", "leave it out")
    model = load(models)
    if len(models) > 1:
        say(f"{', '.join(models)} answer together")
    if task.name == "forecast":
        from charrnn.cli.forecasts import show_forecasts

        show_forecasts(model, inputs, reading, horizon, plot, label_column, plain=plain)
    else:
        _answer(model, inputs or [STANDARD_INPUT], reading, task, plain=plain)


def _is_model(argument: str) -> bool:
    """Whether an argument after the first names a model, and no file or folder of texts."""
    from charrnn.folder.reading import names_model

    is_input = os.path.exists(argument) and not os.path.isfile(f"{argument}/{CONFIG}")  # noqa: PTH110, PTH113
    return names_model(argument) and not is_input


def _answer(
    model: TaskModel[Any], inputs: list[str], reading: Reading, task: TaskRecord, *, plain: bool
) -> None:
    """Answer texts in their order, some side by side; those that have come, before others do.

    How they are read is said before the first answer, as input may never end.
    """
    from charrnn.tasks.texts import CUT, cut_note

    notes, said = list[str](), set[str]()
    cut, longest = 0, getattr(model, "longest", sys.maxsize)

    def answer(some: list[str | Tagged]) -> None:
        nonlocal cut
        say_new(notes, said)
        cut += sum(isinstance(one, str) and len(one) > longest for one in some)
        for found in _answers(model, some):
            write(f"{found.plain}\n" if plain else encode_json(found))

    with warnings.catch_warnings():
        warnings.filterwarnings("ignore", CUT)  # of some texts at a time; told of all below
        answer_in_batches(partial(_texts, inputs, reading, task, notes), AT_ONCE, answer)
    if cut:
        notes.append(cut_note(cut, longest))
    say_new(notes, said)


def _answers(model: Any, some: list[str | Tagged]) -> Iterator[Any]:
    """The answers to texts, in their order; those of a file that has words are about these."""
    for kind, group in groupby(some, type):
        part: list[Any] = list(group)
        if kind is str:
            yield from model.predict(part)
        else:
            yield from model.predict([one.text for one in part], [one.words for one in part])


def _texts(
    inputs: list[str],
    reading: Reading,
    task: TaskRecord,
    notes: list[str],
    before_waiting: Callable[[], object],
) -> Iterator[str | Tagged]:
    """The texts that are meant: what is the name of a file stands for its texts."""
    from charrnn.examples.inputs import texts_in
    from charrnn.examples.tags import WORD_RULES
    from charrnn.task_config import Tag
    from charrnn.tasks.texts import named_column

    rules = task.rules if isinstance(task, Tag) else WORD_RULES
    column = named_column(task) or ("source" if task.name == "translate" else "text")
    for one in inputs:
        if names_a_file(one):
            yield from texts_in(
                [one],
                reading,
                notes,
                column,
                task=task.name,
                before_waiting=before_waiting,
                rules=rules,
            )
        else:
            yield as_text(one)
