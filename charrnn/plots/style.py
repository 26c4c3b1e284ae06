"""One style for all pictures, and how they are written.

Lines differ in colour, in dashes and in markers, so that they can be told apart on paper and
without colour vision. The same figures give the same file. matplotlib is imported when the first
picture is drawn.
"""

from __future__ import annotations

import re
import warnings
from collections.abc import Iterator
from contextlib import contextmanager
from importlib.util import find_spec
from itertools import cycle
from pathlib import Path
from typing import Any

from charrnn.errors import CharRNNError, UsageError, printable, warn
from charrnn.outputs import PICTURES, output_file

__all__ = ["COLOURS", "GREY", "check_path", "looks", "named", "picture"]

LONGEST = 40  # characters of a name in a legend
WIDTH = 7.2  # inches
GLYPH = r"Glyph \d+ .* missing from font"
GREY = "#767676"
STYLE: dict[Any, Any] = {
    "axes.axisbelow": True,
    "axes.grid": True,
    "axes.labelsize": 10,
    "axes.spines.right": False,
    "axes.spines.top": False,
    "axes.titlelocation": "left",
    "axes.titlesize": 11,
    "figure.dpi": 100,
    "figure.facecolor": "white",
    "font.family": "DejaVu Sans",
    "font.size": 9.5,
    "grid.color": "#dddddd",
    "grid.linewidth": 0.6,
    "legend.edgecolor": "none",
    "legend.framealpha": 0.9,
    "lines.linewidth": 1.8,
    "lines.markersize": 5,
    "savefig.dpi": 160,
    "svg.fonttype": "none",  # text stays text, to be found, read aloud and small
    "svg.hashsalt": "charrnn",
    "text.parse_math": False,  # a model may be called "$1"
}


# Colours of Okabe and Ito, "Color universal design", 2008, the darker ones first.
COLOURS = ("#0072b2", "#d55e00", "#009e73", "#000000", "#cc79a7", "#e69f00")
DASHES, MARKERS = ("-", "--", "-.", ":"), "osD^vX"


def looks() -> Iterator[dict[str, str]]:
    """Arguments of matplotlib's `plot` for each line in turn; the first two dozen differ."""
    # A fifth dash: four beside six colours would repeat after twelve lines.
    for color, dash, marker in zip(cycle(COLOURS), cycle((*DASHES, "-")), cycle(MARKERS)):
        yield {"color": color, "linestyle": dash, "marker": marker}


def named(name: str, longest: int = LONGEST) -> str:
    """A name on one line, without its middle if it is long: names often differ at their ends."""
    whole = printable(name)
    half = longest // 2
    return whole if len(whole) <= longest else f"{whole[: longest - half - 1]}…{whole[-half:]}"


def check_path(path: Path) -> None:
    """Refuse a picture that could not be drawn, before there is any work.

    Raises:
        UsageError: for a name that ends in none of `PICTURES`.
        CharRNNError: without matplotlib.
    """
    if path.suffix.lower() not in PICTURES:
        raise UsageError(f"{path}: not the name of a picture", f"end it in {' or '.join(PICTURES)}")
    if find_spec("matplotlib") is None:
        advice = "pip install matplotlib"
        raise CharRNNError("pictures need matplotlib, which is not installed", advice)


@contextmanager
def picture(
    path: Path, height: float = 4.2, rows: int = 1, option: str = "--output"
) -> Iterator[Any]:
    """Draw a picture, and write it when all is drawn.

    Args:
        path: where it goes; its ending says whether it is SVG or PNG.
        height: in inches.
        rows: how many diagrams it has, one below the other, over the same x.
        option: that chose the path, for errors.

    Yields:
        axes: matplotlib's axes to draw on; a sequence of them for several rows.

    Raises:
        CharRNNError: as `check_path`, and if the file can't be written.
    """
    check_path(path)
    import matplotlib as mpl
    from matplotlib.figure import Figure

    with mpl.rc_context():
        mpl.rcdefaults()  # the user's own file may be for slides of white on black
        mpl.rcParams.update(STYLE)
        figure = Figure(figsize=(WIDTH, height), layout="constrained")
        yield figure.subplots(rows, sharex=True)
        kind = path.suffix.lower()
        metadata = {"Date": None} if kind == ".svg" else None
        with warnings.catch_warnings(record=True) as found, output_file(path, option) as file:
            warnings.filterwarnings("always", GLYPH)
            figure.savefig(file, format=kind[1:], metadata=metadata)
    _pass_on(found, path)


def _pass_on(found: list[warnings.WarningMessage], path: Path) -> None:
    """Warn of what matplotlib warned of, and but once of all that its font lacks."""
    glyphs = [one for one in found if re.match(GLYPH, str(one.message))]
    for one in found:
        if one not in glyphs:
            warnings.warn_explicit(one.message, one.category, one.filename, one.lineno)
    if glyphs and path.suffix.lower() != ".svg":  # there text stays text: viewers have other fonts
        warn(
            f"{path}: its font lacks characters of the names in it; choose a name that ends in .svg"
        )
