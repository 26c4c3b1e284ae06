"""What the rows of the table share: running charrnn as a user does, baselines, and figures."""

from __future__ import annotations

import json
import subprocess
import sys
import tempfile
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path
from typing import Any, NamedTuple

__all__ = ["Figure", "baseline", "charrnn", "evaluated", "trained", "workplace"]

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


def trained(*arguments: object) -> dict[str, Any]:
    """What `charrnn train` says at its end."""
    found: dict[str, Any] = json.loads(charrnn("train", *arguments, "--seed", 0, "--json"))
    return found


def evaluated(model: Path, *examples: object) -> dict[str, Any]:
    """What `charrnn eval` says of a model and the trivial answers."""
    found: dict[str, Any] = json.loads(charrnn("eval", model, *examples, "--json"))
    return found


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
