"""names/: surnames of 18 languages, one file each; every 10th line of each file is for the test."""

from __future__ import annotations

import csv
from collections.abc import Iterable
from pathlib import Path

from common import Figure, baseline, by_seeds

MINUTES = 3


def measure(data: Path, folder: Path) -> list[Figure]:
    """The accuracy of charrnn and of n-grams."""
    lines: dict[str, list[tuple[str, str]]] = {"train": [], "test": []}
    for file in sorted((data / "names").glob("*.txt")):
        for number, name in enumerate(file.read_text(encoding="utf-8").splitlines(), 1):
            if name.strip():
                part = "test" if number % 10 == 0 else "train"
                lines[part].append((name.strip(), file.stem))
    train, test = (write(folder / f"{part}.csv", rows) for part, rows in lines.items())
    others = baseline("label_by_ngrams", train, test, "char", 1, 5)
    best = 100 * max(others.values())
    training = (train, "--task", "classify", "--minutes", MINUTES)
    return [
        *(
            Figure(who, "accuracy", accuracy, f"above {best:.1f}", accuracy > best, seconds)
            for who, accuracy, seconds in by_seeds(folder / "names", training, test, "accuracy")
        ),
        *(Figure(f"characters, {who}", "accuracy", 100 * value) for who, value in others.items()),
    ]


def write(path: Path, rows: Iterable[tuple[str, str]]) -> Path:
    """A table of texts and labels."""
    with path.open("w", encoding="utf-8", newline="") as file:
        writer = csv.writer(file)
        writer.writerow(["text", "label"])
        writer.writerows(rows)
    return path
