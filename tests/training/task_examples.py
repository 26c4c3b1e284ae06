"""Examples to try each task with."""

from __future__ import annotations

import random
from collections.abc import Callable
from pathlib import Path

import numpy as np

from charrnn.config import TaskName

__all__ = ["WRITERS", "texts"]


def texts(count: int) -> list[str]:
    draw = random.Random(4)  # noqa: S311
    each = ("".join(draw.choices("abcdef ", k=draw.randint(3, 9))) for _ in range(count))
    return [text.strip() or "a" for text in each]


def _classify() -> str:
    rows = "".join(f"{text},{'ab'[text.count('a') > 1]}\n" for text in texts(80))
    Path("examples.csv").write_text(f"text,label\n{rows}")
    return "examples.csv"


def _tag() -> str:
    sentences = []
    for text in texts(60):
        words = text.split() or ["a"]
        sentences.append("".join(f"{word}\t{'B-A' if 'a' in word else 'O'}\n" for word in words))
    Path("examples.conll").write_text("\n".join(sentences))
    return "examples.conll"


def _forecast() -> str:
    values = [20 + 5 * np.sin(k / 2) + k % 3 for k in range(90)]
    lines = [f"{value:.3f}\n" for value in values]
    Path("examples.csv").write_text("y\n" + "".join(lines[:80]))
    Path("more.csv").write_text("y\n" + "".join(lines[80:]))
    return "examples.csv"


def _translate() -> str:
    Path("examples.tsv").write_text("".join(f"{text}\t{text[::-1]}\n" for text in texts(70)))
    return "examples.tsv"


WRITERS: dict[TaskName, Callable[[], str]] = {
    "classify": _classify,
    "tag": _tag,
    "forecast": _forecast,
    "translate": _translate,
}
