"""translation/: English sentences and German ones; every 20th line is for the test.

Lines whose source is in the training part are left out of the test.
"""

from __future__ import annotations

from collections.abc import Iterable
from pathlib import Path

from common import Figure
from timing import charrnn

MINUTES = 30
LEAST, ABOVE = 45.0, 10.0  # chrF, and above that of the most similar source


def measure(data: Path, folder: Path) -> list[Figure]:
    """The chrF of charrnn, of copies and of the translation of the most similar sentence."""
    lines = (data / "translation" / "eng-deu.tsv").read_text(encoding="utf-8").splitlines()
    train = [line for number, line in enumerate(lines, 1) if number % 20]
    known = {line.partition("\t")[0] for line in train}
    test = [line for line in lines[19::20] if line.partition("\t")[0] not in known]
    files = [write(folder / name, part) for name, part in (("a.tsv", train), ("b.tsv", test))]
    model = folder / "sentences"
    ended = charrnn("train", files[0], "--task", "translate", "--minutes", MINUTES, "--out", model)
    found = charrnn("eval", model, files[1])
    others = {name: scores["chrF"] for name, scores in found["baselines"].items()}
    limit = max(LEAST, others["nearest source"] + ABOVE)
    command = f"charrnn train --task translate --minutes {MINUTES}"
    chrf = found["scores"]["chrF"]
    return [
        Figure(command, "chrF", chrf, f"at least {limit:.1f}", chrf >= limit, ended["seconds"]),
        *(Figure(name, "chrF", value) for name, value in others.items()),
    ]


def write(path: Path, lines: Iterable[str]) -> Path:
    """A file of these lines."""
    path.write_text("".join(f"{line}\n" for line in lines), encoding="utf-8")
    return path
