"""charrnn plot: training curves of one or several runs, as a picture."""

from __future__ import annotations

from pathlib import Path
from typing import Annotated

import typer

from charrnn.errors import MissingInputError, UsageError
from charrnn.terminal.options import several_models
from charrnn.terminal.output import say

__all__ = ["plot"]

ModelsArgument = Annotated[list[str] | None, several_models("several are drawn together")]
OutputOption = Annotated[
    Path | None,
    typer.Option(
        "--output", "-o", help="The picture to write: a name in .svg or .png.  [required]"
    ),
]


def plot(models: ModelsArgument = None, *, output: OutputOption = None) -> None:
    """Draw the training curves of one or several runs."""
    if output is None:
        raise UsageError("there is nowhere to draw", "name a picture, as in --output losses.svg")
    from charrnn.folder.reading import find_model, read_folder
    from charrnn.plots.curves import curve_of, draw_curves
    from charrnn.plots.style import check_path

    check_path(output)
    curves = []
    for model in models or (None,):
        found = read_folder(find_model(model))
        if not found.metrics:
            advice = "choose a model that charrnn has trained"
            raise MissingInputError(f"{found.path} has no losses to draw", advice)
        curves.append(curve_of(found))
    draw_curves(output, curves)
    say(f"wrote {output}")
