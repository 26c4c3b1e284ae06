"""Losses as a small plot of text, for any terminal.

2.91 |*
     | *
     |  **
     |    *****
1.75 |         ***o***
      updates 0 to 5,000
"""

from __future__ import annotations

import math
from collections.abc import Sequence

__all__ = ["plot"]

WIDTH, HEIGHT = 60, 7


def plot(points: Sequence[tuple[int, float]], marked: int | None = None) -> str:
    """A curve as lines of text, `WIDTH` by `HEIGHT` at most.

    Args:
        points: updates and the loss after each, which is finite; at least two.
        marked: the updates after which the loss is marked `o`, all others `*`.
    """
    last = max(step for step, _ in points)
    losses = [loss for _, loss in points]
    low, high = min(losses), max(losses)
    width = min(WIDTH, 2 * len(points))
    rows = [[" "] * width for _ in range(HEIGHT)]
    for step, loss in sorted(points, key=lambda point: point[0] == marked):
        column = round(max(step, 0) / max(last, 1) * (width - 1))
        row = HEIGHT - 1
        if 0 < high - low < math.inf:
            row = round((high - loss) / (high - low) * row)
        rows[row][column] = "o" if step == marked else "*"
    labels = [f"{high:.3f}", *[""] * (HEIGHT - 2), f"{low:.3f}"]
    margin = max(map(len, labels))
    lines = [
        f"{label:>{margin}} |{''.join(row).rstrip()}"
        for label, row in zip(labels, rows, strict=True)
    ]
    lines.append(f"{'':>{margin}}  updates 0 to {last:,}")
    return "\n".join(lines) + "\n"
