"""names/: surnames of 18 languages, one file each; every 10th line of each file is for the test."""

from __future__ import annotations

import csv
from collections.abc import Iterable
from pathlib import Path

from common import Figure, baseline, evaluated, trained

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
    model = folder / "names"
    ended = trained(train, "--task", "classify", "--minutes", MINUTES, "--out", model)
    others = baseline("label_by_ngrams", train, test, "char", 1, 5)
    best = max(others.values())
    accuracy = evaluated(model, test)["scores"]["accuracy"]
    command = f"charrnn train --task classify --minutes {MINUTES}"
    asked = f"above {best:.3f}"
    return [
        Figure(command, "accuracy", accuracy, asked, accuracy > best, ended["seconds"]),
        *(Figure(f"characters, {who}", "accuracy", value) for who, value in others.items()),
    ]


def write(path: Path, rows: Iterable[tuple[str, str]]) -> Path:
    """A table of texts and labels."""
    with path.open("w", encoding="utf-8", newline="") as file:
        writer = csv.writer(file)
        writer.writerow(["text", "label"])
        writer.writerows(rows)
    return path
