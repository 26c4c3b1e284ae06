"""reviews/movie-snippets.csv: good or bad; every 10th row is for the test."""

from __future__ import annotations

import csv
from pathlib import Path

from common import Figure, baseline, by_seeds, language_models
from row_names import write

MINUTES = 5


def measure(data: Path, folder: Path) -> list[Figure]:
    """The accuracy of charrnn, alone and from language models of the training text, and others."""
    with (data / "reviews" / "movie-snippets.csv").open(encoding="utf-8", newline="") as file:
        rows = [(row["text"], row["label"]) for row in csv.DictReader(file)]
    train_rows = [row for number, row in enumerate(rows, 1) if number % 10]
    train = write(folder / "train.csv", train_rows)
    test = write(folder / "test.csv", rows[9::10])
    text = folder / "text.txt"
    text.write_text("".join(" ".join(one.split()) + "\n" for one, _ in train_rows))

    starts, learning = language_models(text, MINUTES / 2)
    figures = []
    for who, asked, given, before in (
        ("from scratch", 74, (), 0.0),
        ("from language models", 78, starts, learning),
    ):
        training = (train, "--task", "classify", "--minutes", MINUTES, *given)
        for name, accuracy, seconds in by_seeds(folder / who, training, test, "accuracy"):
            wanted, reached = f"≥ {asked}", accuracy >= asked
            figures.append(Figure(name, "accuracy", accuracy, wanted, reached, before + seconds))
    for analyzer, least, most in (("word", 1, 2), ("char", 1, 5)):
        found = baseline("label_by_ngrams", train, test, analyzer, least, most)
        figures += [
            Figure(f"{analyzer} {least}-{most}-grams, {who}", "accuracy", 100 * value)
            for who, value in found.items()
        ]
    return figures
