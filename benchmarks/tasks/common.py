"""What the rows of the table share: models by seeds, language models to start from, baselines."""

from __future__ import annotations

import json
import subprocess
from collections.abc import Iterator, Sequence
from pathlib import Path
from typing import NamedTuple

from timing import PEERS, charrnn

__all__ = ["Figure", "baseline", "by_seeds", "language_models"]

SEEDS = 3  # of models that are asked together
LANGUAGE = ("--model", "gru", "--rnn-size", 192, "--num-layers", 1, "--records", "lines")


class Figure(NamedTuple):
    """One measured number.

    Attributes:
        who: what was measured: charrnn's command, or a baseline.
        metric: of the test examples.
        value: what was found.
        asked: what was to be reached, in words; empty for a baseline.
        reached: whether it was; None for a baseline.
        seconds: that training took; 0 if there was none.
    """

    who: str
    metric: str
    value: float
    asked: str = ""
    reached: bool | None = None
    seconds: float = 0.0


def language_models(text: Path, minutes: float) -> tuple[list[object], float]:
    """A small language model of a text in each direction, to start others from.

    Args:
        text: that they learn; their folders go beside it.
        minutes: for each.

    Returns:
        starts: the options of `charrnn train` that start from them.
        seconds: that training took.
    """
    starts, seconds = list[object](), 0.0
    for way in ((), ("--reverse",)):
        model = text.with_name(f"text{''.join(way)}")
        options = (*way, "--minutes", minutes, *LANGUAGE)
        seconds += charrnn("train", text, *options, "--out", model)["seconds"]
        starts += ["--init-from", model]
    return starts, seconds


def by_seeds(
    model: Path, training: Sequence[object], test: Path, metric: str, *, times: float = 100
) -> Iterator[tuple[str, float, float]]:
    """Models that differ in their seed alone, one by one and then all together.

    Args:
        model: what their folders are named after; its name is in what is shown.
        training: what `charrnn train` is given.
        test: examples.
        metric: of the test examples.
        times: what scores are multiplied by; shares become percentages.

    Yields:
        who: what was measured.
        score: of the test examples.
        seconds: that training took.
    """
    folders, spent = [model.with_name(f"{model.name} {seed}") for seed in range(SEEDS)], 0.0
    for seed, folder in enumerate(folders):
        seconds = charrnn("train", *training, "--out", folder, "--seed", seed)["seconds"]
        spent += seconds
        score = times * charrnn("eval", folder, test)["scores"][metric]
        yield f"charrnn {folder.name}", score, seconds
    score = times * charrnn("eval", *folders, test)["scores"][metric]
    yield f"charrnn {model.name}, these together", score, spent


def baseline(name: str, *arguments: object) -> dict[str, float]:
    """Scores by a function of `peers`, which runs where scikit-learn and its like are installed.

    Raises:
        SystemExit: if they are not.
    """
    if not PEERS.exists():
        raise SystemExit("the baselines are not installed; run `make bench-task-peers` first")
    script = Path(__file__).with_name("peers.py")
    done = subprocess.run(
        [PEERS, script, name, *map(str, arguments)], check=True, capture_output=True, text=True
    )
    found: dict[str, float] = json.loads(done.stdout)
    return found
