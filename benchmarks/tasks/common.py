"""What the rows of the table share: running charrnn as a user does, baselines, and figures."""

from __future__ import annotations

import json
import subprocess
import sys
import tempfile
from collections.abc import Iterator, Sequence
from contextlib import contextmanager
from pathlib import Path
from typing import Any, NamedTuple

__all__ = ["Figure", "baseline", "by_seeds", "charrnn", "evaluated", "trained", "workplace"]

SEEDS = 3  # of models that are asked together
PEERS = Path(__file__).parents[2] / ".venv-peers" / "bin" / "python"


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


@contextmanager
def workplace() -> Iterator[Path]:
    """An empty folder for data and models."""
    with tempfile.TemporaryDirectory() as folder:
        yield Path(folder)


def charrnn(*arguments: object, data: str = "") -> str:
    """What a command of charrnn prints on standard output; its progress is shown."""
    command = [sys.executable, "-m", "charrnn", *map(str, arguments)]
    done = subprocess.run(command, check=True, input=data, stdout=subprocess.PIPE, text=True)
    return done.stdout


def trained(*arguments: object, seed: int = 0) -> dict[str, Any]:
    """What `charrnn train` says at its end."""
    found: dict[str, Any] = json.loads(charrnn("train", *arguments, "--seed", seed, "--json"))
    return found


def evaluated(*models_and_examples: object) -> dict[str, Any]:
    """What `charrnn eval` says of models together and the trivial answers."""
    found: dict[str, Any] = json.loads(charrnn("eval", *models_and_examples, "--json"))
    return found


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
        seconds = trained(*training, "--out", folder, seed=seed)["seconds"]
        spent += seconds
        score = times * evaluated(folder, test)["scores"][metric]
        yield f"charrnn {folder.name}", score, seconds
    score = times * evaluated(*folders, test)["scores"][metric]
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
