"""Examples to label, tag, forecast and translate, for the documentation, and models of them."""

from __future__ import annotations

from pathlib import Path
from typing import Any

import charrnn

__all__ = ["write_examples", "write_models"]

GOOD, BAD = ("fine", "warm", "clever", "bright"), ("dull", "cold", "weak", "grey")
THINGS = ("film", "book", "song", "play", "tale", "clerk")
SMALL: dict[str, Any] = {"hidden_size": 12, "embed_size": 6, "num_layers": 1, "steps": 4}


def write_examples(folder: Path) -> None:
    """Write reviews.csv, places.conll, words.tsv, airline.csv and what goes with them."""
    texts = [
        (f"A {word} {thing} with a {word} end.", label)
        for label, words in (("good", GOOD), ("bad", BAD))
        for word in words
        for thing in THINGS
    ]
    for name, part in (("reviews.csv", texts), ("test-reviews.csv", texts[::5])):
        rows = "".join(f'"{text}",{label}\n' for text, label in part)
        (folder / name).write_text(f"text,label\n{rows}")
    for name in ("reviews.txt", "new-reviews.txt"):
        (folder / name).write_text("".join(f"{text}\n" for text, _ in texts))
    places = [
        f"{word}\tO\n{thing}\tO\nin\tO\nNew\tB-location\n{thing.title()}\tI-location\n"
        for word in (*GOOD, *BAD)
        for thing in THINGS
    ]
    for name, some in (("places.conll", places), ("test-places.conll", places[::5])):
        (folder / name).write_text("\n".join(some))
    words = sorted({*"".join((*GOOD, *BAD, *THINGS)), *GOOD, *BAD, *THINGS, "bonjour"})
    for name, some in (("words.tsv", words), ("test-words.tsv", words[::5])):
        (folder / name).write_text("".join(f"{word}\t{' '.join(word)}\n" for word in some))
    (folder / "new-words.txt").write_text("".join(f"{word}\n" for word in words))
    months = [f"{year}-{month:02}" for year in range(1949, 1955) for month in range(1, 13)]
    lines = [f"{month},{100 + k + 10 * (k % 12)}\n" for k, month in enumerate(months)]
    parts = {"airline.csv": lines[:60], "test-airline.csv": lines[60:], "longer.csv": lines}
    for name, months in parts.items():
        (folder / name).write_text("".join(["ds,y\n", *months]))
    for name, side in (("train.en", str.lower), ("train.de", str.upper)):
        (folder / name).write_text("".join(f"{side(word)}\n" for word in words))


def write_models(folder: Path) -> None:
    """Train models of what `write_examples` has written: words, places, reviews, airline, …"""
    learning = SMALL | {"steps": 60, "cell": "gru", "learning_rate": 0.02, "dropout": 0.0}
    for name, source, task, settings in (
        ("reviews", "reviews.csv", "classify", SMALL),
        ("second", "reviews.csv", "classify", SMALL | {"seed": 1}),
        ("places", "places.conll", "tag", learning),  # so that it marks something
        ("words", "words.tsv", "translate", SMALL),
    ):
        run = charrnn.train(folder / source, task=task, out=folder / name, **settings)
        run.finish(progress=False)
    sizes = SMALL | {"horizon": 12, "season": 12, "embed_size": None}
    run = charrnn.train(folder / "airline.csv", task="forecast", out=folder / "airline", **sizes)
    run.finish(progress=False)
    for name, reverse in (("forth", False), ("back", True)):
        reading = charrnn.Reading(records="lines", reverse=reverse)
        run = charrnn.train(folder / "reviews.txt", reading=reading, out=folder / name, **SMALL)
        run.finish(progress=False)
