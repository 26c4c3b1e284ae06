"""The diagrams of docs/what-is-an-rnn.md: boxes and arrows, which need no model.

Run it as `python docs/diagrams.py`.
"""

from __future__ import annotations

from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path
from typing import Any

import numpy as np

from charrnn.plots.style import picture

BLUE, ORANGE, PALE, DIM = "#0072b2", "#d55e00", "#e6eef5", "#dddddd"
Place = tuple[float, float]


class Diagram:
    """Boxes, words and arrows on the axes of a picture."""

    def __init__(self, axes: Any) -> None:
        self.axes = axes

    def words(self, at: Place, text: str, **more: Any) -> None:
        """Write something, centred."""
        self.axes.text(*at, text, **{"ha": "center", "va": "center"} | more)

    def box(self, at: Place, text: str, *, edge: str = BLUE, fill: str = PALE) -> None:
        """Write something in a box."""
        style = {"boxstyle": "round,pad=0.5", "facecolor": fill, "edgecolor": edge}
        self.words(at, text, bbox=style)

    def arrow(self, start: Place, end: Place, **more: Any) -> None:
        """Draw an arrow."""
        self.axes.annotate("", end, start, arrowprops={"arrowstyle": "->"} | more)


@contextmanager
def diagram(path: Path, title: str, x: Place, y: Place) -> Iterator[Diagram]:
    """Draw a diagram whose places have these bounds, with as much room in each direction."""
    with picture(path, height=0.4 + 7.0 * (y[1] - y[0]) / (x[1] - x[0])) as axes:
        yield Diagram(axes)
        axes.set(xlim=x, ylim=y)
        axes.set_title(title)
        axes.set_axis_off()


def draw_by_hand(path: Path) -> None:
    """Draw the network of two units that the page computes by hand, with its numbers."""
    w_x, w_h, b = np.array([0.5, 1.0]), np.array([[0.0, 1.0], [0.5, 0.0]]), np.array([0.0, 0.1])
    h = np.zeros(2)
    with diagram(path, "Two units read “aba”", (-2.5, 8.6), (-0.3, 2)) as drawn:
        for step, (character, x) in enumerate(zip("aba", (1.0, -1.0, 1.0), strict=True)):
            at = 3.6 * step
            drawn.arrow((at - 2.45 + 0.25 * (step == 0), 1.5), (at - 1.15, 1.5))
            drawn.words((at - 1.75, 1.68), "W_h" if step else "h = (0, 0)")
            h = np.tanh(w_x * x + w_h @ h + b)
            drawn.box((at, 1.5), f"h = ({h[0]:.3f}, {h[1]:.3f})".replace("-", "−"))
            drawn.arrow((at, 0.25), (at, 1.15))
            drawn.words((at + 0.3, 0.7), "W_x")
            drawn.words((at, 0.05), f"“{character}”, x = {x:g}".replace("-", "−"))


def draw_unrolled(path: Path) -> None:
    """Draw one cell that is used at every step of a text."""
    with diagram(path, "The same weights W at every step", (-2.1, 6), (-0.3, 2.3)) as drawn:
        for step, (character, following) in enumerate(zip("the", "he ", strict=True)):
            x = 2.2 * step
            drawn.box((x, 1), "W")
            drawn.words((x, 0), f"reads “{character}”")
            drawn.words((x, 2), f"predicts “{following.replace(' ', '␣')}”")
            drawn.arrow((x, 0.2), (x, 0.65))
            drawn.arrow((x, 1.35), (x, 1.8))
            drawn.arrow((x - 1.85, 1), (x - 0.35, 1))
            drawn.words((x - 1.1, 1.15), f"h{'₀₁₂'[step]}")
        drawn.arrow((4.75, 1), (5.9, 1))
        drawn.words((5.35, 1.15), "h₃")


def draw_truncated(path: Path) -> None:
    """Draw two pieces of a text: states go on from one to the next, gradients stay in theirs."""
    title = "Truncated back-propagation through time, with pieces of four characters"
    with diagram(path, title, (-0.9, 8.1), (-0.9, 2.1)) as drawn:
        for step, character in enumerate("the cler"):
            drawn.box((step, 1), f"h{'₁₂₃₄₅₆₇₈'[step]}")
            drawn.words((step, 0), f"“{character.replace(' ', '␣')}”")
            drawn.arrow((step, 0.15), (step, 0.68))
            drawn.arrow((step - 0.72, 1), (step - 0.28, 1), color=BLUE)
            if step % 4:
                back = {"color": ORANGE, "linestyle": "--", "connectionstyle": "arc3,rad=0.5"}
                drawn.arrow((step, 1.32), (step - 1, 1.32), **back)
        for first in (0, 4):
            drawn.axes.plot((first - 0.4, first + 3.4), (-0.3, -0.3), color="black", linewidth=1)
            drawn.words((first + 1.5, -0.55), "one piece, one update")
        drawn.axes.plot((3.5, 3.5), (-0.1, 2.0), color="black", linewidth=1, linestyle=":")
        drawn.words((1.5, 1.9), "gradients go back to its beginning", color=ORANGE)
        drawn.words((5.6, 1.9), "but states go on from the piece before", color=BLUE)


def draw_bidirectional(path: Path) -> None:
    """Draw two networks that read a word in both directions, and what comes out."""
    title = "A bidirectional layer reads in both directions"
    with diagram(path, title, (-1.7, 6.9), (-0.3, 3.4)) as drawn:
        for step, character in enumerate("clerk"):
            x = 1.5 * step
            drawn.words((x, 0), f"“{character}”")
            drawn.arrow((x - 0.05, 0.2), (x - 0.18, 0.73))
            drawn.arrow((x + 0.15, 0.2), (x + 0.32, 1.73))
            drawn.box((x - 0.2, 1), f"h→{'₁₂₃₄₅'[step]}")
            drawn.box((x + 0.35, 2), f"h←{'₁₂₃₄₅'[step]}", edge=ORANGE, fill="#fbeee4")
            if step:
                drawn.arrow((x - 1.28, 1), (x - 0.62, 1), color=BLUE)
                drawn.arrow((x - 0.07, 2), (x - 0.73, 2), color=ORANGE)
            drawn.arrow((x - 0.2, 1.3), (x - 0.05, 2.95))
            drawn.arrow((x + 0.35, 2.3), (x + 0.15, 2.95))
            drawn.words((x + 0.05, 3.2), "(h→, h←)")
        drawn.words((-1.1, 1), "forwards", color=BLUE)
        drawn.words((-1.1, 2), "backwards", color=ORANGE)


def draw_shape(path: Path) -> None:
    """Draw what goes into a network: samples, time steps, features."""
    title = "The input: B = 2 samples, T = 9 time steps, E = 4 features"
    values = np.random.default_rng(0).uniform(-1, 1, (26, 4))
    with diagram(path, title, (-2.4, 10.6), (-1.2, 4.3)) as drawn:
        for row, line in enumerate(("the clerk", "the tides")):
            for step, character in enumerate(line):
                for feature, value in enumerate(values[ord(character) % 26]):
                    at = (step + 0.13 * feature, 2.3 * (1 - row) + 0.27 * feature)
                    drawn.axes.add_patch(_square(at, value, zorder=10 - feature))
                drawn.words((step + 0.4, 2.3 * (1 - row) - 0.25), character.replace(" ", "␣"))
            drawn.words((-0.35, 2.3 * (1 - row) + 0.4), f"sample {row}", ha="right")
        drawn.arrow((0, -0.55), (9, -0.55))
        drawn.words((4.5, -0.85), "T, time steps")
        drawn.arrow((9.05, 0.1), (9.45, 1.1))
        drawn.words((9.95, 0.55), "E,\nfeatures")
        drawn.arrow((-1.9, 3.6), (-1.9, 0))
        drawn.words((-2.15, 1.8), "B, samples", rotation=90)


def draw_writing(path: Path) -> None:
    """Draw how a state becomes the next character, which is then read."""
    title = "From the state to the next character, and back"
    with diagram(path, title, (-1.6, 9.4), (-1.4, 1.2)) as drawn:
        drawn.words((-1.1, 0), "reads\n“e”")
        steps = ("h", "scores", "p", "draws\n“␣”")
        for step, text in enumerate(steps):
            drawn.box((2.6 * step + 0.8, 0), text)
        arrows = {
            "cell": (-0.65, 0.45),
            "head": (1.1, 2.95),
            "softmax": (4.05, 5.6),
            "by chance": (6.35, 8.1),
        }
        for text, (start, end) in arrows.items():
            drawn.arrow((start, 0), (end, 0))
            drawn.words(((start + end) / 2, 0.5), text)
        back = {"color": ORANGE, "connectionstyle": "arc3,rad=-0.15"}
        drawn.arrow((8.6, -0.45), (-1.1, -0.45), **back)
        drawn.words((3.75, -0.8), "the next input", color=ORANGE)


def draw_uses(path: Path) -> None:
    """Draw which steps of a network have an input and an output, for each kind of use."""
    uses = (
        ("one → many", (0,), (0, 1, 2)),
        ("many → one", (0, 1, 2), (2,)),
        ("in step", (0, 1, 2), (0, 1, 2)),
        ("of its own length", (0, 1), (2, 3)),
    )
    with diagram(path, "What is read, and what is answered", (-0.6, 14.3), (-0.7, 3)) as drawn:
        for use, (name, inputs, outputs) in enumerate(uses):
            steps = range(max(*inputs, *outputs) + 1)
            for step in steps:
                x = 3.7 * use + 0.95 * step
                drawn.box((x, 1.2), "h")
                if step:
                    drawn.arrow((x - 0.7, 1.2), (x - 0.25, 1.2))
                if step in inputs:
                    drawn.box((x, 0), "x", edge="black", fill="white")
                    drawn.arrow((x, 0.33), (x, 0.87))
                if step in outputs:
                    drawn.box((x, 2.4), "y", edge=ORANGE, fill="#fbeee4")
                    drawn.arrow((x, 1.53), (x, 2.07))
            drawn.words((3.7 * use + 0.475 * (len(steps) - 1), -0.6), name)


def _square(at: Place, value: float, zorder: int) -> Any:
    """A number of an embedding: the larger, the darker."""
    from matplotlib.patches import Rectangle

    shade = str(round(0.85 - 0.3 * (value + 1) / 2, 2))
    return Rectangle(at, 0.72, 0.5, facecolor=shade, edgecolor="white", zorder=zorder)


def draw_diagrams(folder: Path) -> None:
    """Draw all of them."""
    folder.mkdir(exist_ok=True)
    draw_by_hand(folder / "by-hand.svg")
    draw_unrolled(folder / "unrolled.svg")
    draw_truncated(folder / "truncated.svg")
    draw_bidirectional(folder / "bidirectional.svg")
    draw_shape(folder / "shape.svg")
    draw_writing(folder / "writing.svg")
    draw_uses(folder / "uses.svg")


if __name__ == "__main__":
    draw_diagrams(Path(__file__).with_name("pictures"))
