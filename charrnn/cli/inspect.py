"""charrnn inspect: what a model remembers of a text, and what mattered to it."""

from __future__ import annotations

from collections.abc import Mapping
from pathlib import Path
from typing import TYPE_CHECKING, Annotated, Any

import typer

from charrnn.cli.insights import give, measure_gradients, measure_horizon, measure_units
from charrnn.cli.parts import reading_of_own, refuse_texts_of
from charrnn.config import Reading
from charrnn.errors import UsageError
from charrnn.outputs import output_file, refuse_inputs
from charrnn.plots.style import check_path
from charrnn.terminal.options import (
    JsonOption,
    UnknownOption,
    models_and_texts,
    take,
    with_settings,
)
from charrnn.terminal.output import encode_json, progress_bar, say, write
from charrnn.words import counted, leave_out, together

if TYPE_CHECKING:
    from charrnn.arrays import Ids
    from charrnn.config import Unknown
    from charrnn.models.model import Model
    from charrnn.models.predictor import Predictor
    from charrnn.text.corpus import Corpus

__all__ = ["inspect"]

USAGE = "name one: charrnn inspect MODEL TEXT --html page.html"

ArgumentsArgument = Annotated[
    list[str],
    typer.Argument(
        metavar="MODEL TEXT...", help="A model folder or name; then texts as for train."
    ),
]
HtmlOption = Annotated[
    Path | None,
    typer.Option(help="Write the text to this file as a page that shows what each unit does."),
]
UnitOption = Annotated[
    str | None,
    typer.Option(
        metavar="LAYER.UNIT", help="Print the text, coloured by this unit; both count from 0."
    ),
]
AtOption = Annotated[
    int | None,
    typer.Option(
        metavar="N",
        help="Print which characters mattered for predicting character N, from 1; characters are "
        "counted from 0.",
    ),
]
QuantityOption = Annotated[
    str | None,
    typer.Option(
        help="With --unit: h, c (as tanh(c)), or a gate: i, f, g or o of an LSTM, r, z or n of "
        "a GRU.  [default: h]"
    ),
]
CharactersOption = Annotated[
    int | None,
    typer.Option(
        help="With --html and --unit: how many characters of the text to show.  "
        "[at least 1; default: 4000, or as many as make a page of 5 MB]",
    ),
]
UnitsOption = Annotated[
    bool, typer.Option("--units", help="Show which feature of the text each unit follows, if any.")
]
HorizonOption = Annotated[
    bool, typer.Option("--horizon", help="Show how far back the model, or a mixture, remembers.")
]
GradientsOption = Annotated[
    bool,
    typer.Option(
        "--gradients", help="Show how gradients of one or several models fade back in time."
    ),
]
OutputOption = Annotated[
    Path | None,
    typer.Option(
        "--output",
        "-o",
        help="With --units, --horizon and --gradients: draw this picture, .svg or .png.",
    ),
]


@with_settings(Reading, leave_out=("records", "reverse"))
def inspect(
    arguments: ArgumentsArgument,
    html: HtmlOption = None,
    unit: UnitOption = None,
    at: AtOption = None,
    units: UnitsOption = False,
    horizon: HorizonOption = False,
    gradients: GradientsOption = False,
    *,
    quantity: QuantityOption = None,
    characters: CharactersOption = None,
    output: OutputOption = None,
    unknown: UnknownOption = "error",
    json: JsonOption = False,
    **given: Any,
) -> None:
    """Show what units do on a text, and which characters matter."""
    as_given = dict(given)
    take(Reading, given)  # mistakes are told before a model is read
    ways = {"html": html, "unit": unit, "at": at}
    ways |= {"units": units, "horizon": horizon, "gradients": gradients}
    more = {"json": json, "quantity": quantity, "characters": characters, "output": output}
    _refuse_mixed_up(ways, more)
    if output is not None:
        check_path(output)
    models, sources = models_and_texts(arguments, "inspect", USAGE)
    for option, path in (("--html", html), ("--output", output)):
        refuse_inputs(path, option, sources)
        refuse_texts_of(models, path, option)

    import numpy as np

    from charrnn.folder.hub import folder_name

    with np.errstate(over="ignore", invalid="ignore"):  # what has diverged is shown as it is
        model, corpus = _read(models, sources, as_given)
        if at is not None:
            _show_what_mattered(model, corpus.text, at, unknown, json)
        elif horizon:
            give(measure_horizon(models, model, corpus, unknown), json, output)
        elif gradients:
            give(measure_gradients(model, corpus, unknown), json, output)
        elif units:
            give(measure_units(_one_model(models, model), corpus, unknown), json, output)
        elif html is not None:
            alone = _one_model(models, model)
            ids = _first_ids(alone, corpus, characters, unknown, ", so that all gates fit")
            _write_page(html, alone, ids, f"{folder_name(Path(models[0]))} reads {corpus.name}")
        elif unit is not None:
            alone = _one_model(models, model)
            place = _place(alone, unit, "h" if quantity is None else quantity)
            _show_unit(alone, _first_ids(alone, corpus, characters, unknown), place, json)


# What to show, and the options that each way takes besides.
OPTIONS = {
    "--html": ("--characters",),
    "--unit": ("--characters", "--quantity", "--json"),
    "--at": ("--json",),
    "--units": ("--json", "--output"),
    "--horizon": ("--json", "--output"),
    "--gradients": ("--json", "--output"),
}


def _refuse_mixed_up(ways: Mapping[str, object], options: Mapping[str, object]) -> None:
    """Refuse two ways, and options that would have no effect."""
    chosen = _given(ways)
    if not chosen:
        advice = f"choose one of {', '.join(f'--{name}' for name in ways)}"
        raise UsageError("there is nothing to show", advice)
    if len(chosen) > 1:
        raise UsageError(together(chosen), "choose one")
    way = chosen[0]
    if idle := [option for option in _given(options) if option not in OPTIONS[way]]:
        raise UsageError(f"{' and '.join(idle)} can't be used with {way}", leave_out(idle))


def _given(options: Mapping[str, object]) -> list[str]:
    return [
        f"--{name}" for name, value in options.items() if value is not None and value is not False
    ]


def _read(models: list[str], sources: list[str], given: dict[str, Any]) -> tuple[Predictor, Corpus]:
    """The model or the mixture, and the text."""
    from charrnn.decoding.pieces import not_as_bytes
    from charrnn.inside.lanes import refuse_records_and_backwards
    from charrnn.models.loading import load_together
    from charrnn.text.corpus import read_corpus

    model = load_together(models)
    refuse_records_and_backwards(model)
    reading = reading_of_own(models, given, sources)
    with not_as_bytes():
        corpus = read_corpus(sources, reading.for_tokens(model.tokenizer.unit))
    say(*corpus.notes)
    return model, corpus


def _show_what_mattered(model: Predictor, text: str, at: int, unknown: Unknown, json: bool) -> None:
    from charrnn.inside.counterfactuals import saliency
    from charrnn.terminal.activity import show_saliency

    with progress_bar() as done:
        found = saliency(model, text, at, unknown=unknown, progress=done)
    if json:
        write(encode_json(found._asdict() | {"changes": found.changes.tolist()}))
    else:
        show_saliency(found, model.tokenizer.unit)


def _one_model(names: list[str], model: Predictor) -> Model:
    from charrnn.models.model import Model

    if not isinstance(model, Model):
        raise UsageError(f"{len(names)} models are named", "name one, whose units are to be shown")
    return model


def _first_ids(
    model: Model, corpus: Corpus, characters: int | None, unknown: Unknown, why: str = ""
) -> Ids:
    """The ids of what is shown of a text; if it is not all says so, and why it is so much."""
    from charrnn.inside.pages.page import CHARACTERS, fitting

    if characters is not None and characters < 1:
        advice = "it must be a whole number, at least 1"
        raise UsageError(f"characters is {characters}", advice, "characters")
    count = characters or fitting(model)
    text = corpus.text[:count]
    ids = model.tokenizer.encode(text, unknown)
    if not len(ids):
        raise UsageError("there is no text to inspect", "choose another --unknown")
    if len(text) < len(corpus.text) or len(ids) > count:
        if characters or count == CHARACTERS:
            why = ""
        first, are = counted(count, model.tokenizer.unit), "is" if count == 1 else "are"
        say(f"only the first {first} {are} shown{why}; --characters can change that")
    return ids[:count]


def _write_page(path: Path, model: Model, ids: Ids, title: str) -> None:
    from charrnn.inside.pages.page import page

    facts = [model.facts["cell"], counted(len(ids), model.tokenizer.unit)]
    with progress_bar() as done:
        made = page(model, ids, title, facts, done)
    with output_file(path, "--html") as file:
        file.write(made.encode(errors="replace"))
    say(f"wrote {path}")


def _place(model: Model, name: str, quantity: str) -> tuple[int, int, str]:
    """The layer, the unit and the quantity that are to be shown."""
    from charrnn.models.clamp import unit_of

    if quantity not in model.cell.quantities:
        advice = f"choose from {', '.join(model.cell.quantities)}"
        raise UsageError(f"quantity is {quantity!r}", advice, "quantity")
    return *unit_of(name, model.config, "unit"), quantity


def _show_unit(model: Model, ids: Ids, place: tuple[int, int, str], json: bool) -> None:
    from charrnn.inside.showing import labels
    from charrnn.terminal.activity import show_unit, unit_values

    if not json:
        show_unit(model, ids, *place)
        return
    layer, unit, quantity = place
    values = [value for part in unit_values(model, ids, *place) for value in part.tolist()]
    facts = {"layer": layer, "unit": unit, "quantity": quantity}
    write(encode_json(facts | {"tokens": labels(model.tokenizer, ids), "values": values}))
