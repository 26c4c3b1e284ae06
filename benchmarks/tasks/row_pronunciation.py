"""g2p/: words and their pronunciations of SIGMORPHON 2021, with its own division.

Their ensemble of neural transducers reaches a word error rate of 8.5 in French, 14.7 in Dutch and
1.8 in Hungarian: Ashby et al., "Results of the second SIGMORPHON shared task on multilingual
grapheme-to-phoneme conversion", 2021.
"""

from __future__ import annotations

from pathlib import Path

from common import Figure
from timing import charrnn

MINUTES = 5
LANGUAGES = {"fre": 12.0, "dut": 20.0, "hun": 4.0}  # the word error rate to reach, in percent


def measure(data: Path, folder: Path) -> list[Figure]:
    """The word error rates of charrnn, and of the pronunciation of the most similar word."""
    figures = []
    for language, limit in LANGUAGES.items():
        train, test = (data / "g2p" / f"{language}_{part}.tsv" for part in ("train", "test"))
        model = folder / language
        ended = charrnn("train", train, "--task", "translate", "--minutes", MINUTES, "--out", model)
        found = charrnn("eval", model, test)
        wrong = word_error_rate(found["scores"])
        command = f"{language}: charrnn train --task translate --minutes {MINUTES}"
        asked = f"at most {limit:g}"
        figures.append(Figure(command, "WER", wrong, asked, wrong <= limit, ended["seconds"]))
        figures += [
            Figure(f"{language}: {name}", "WER", word_error_rate(scores))
            for name, scores in found["baselines"].items()
        ]
    return figures


def word_error_rate(scores: dict[str, float]) -> float:
    """Percent of the words that are not right to the character."""
    return 100 * (1 - scores["exact match"])
