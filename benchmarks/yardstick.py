"""Trained models compared with the true entropy of a source, which no model can beat.

    python benchmarks/yardstick.py

A Markov source of known entropy writes half a million characters. `charrnn train` trains each cell
on them for a minute with no other setting, and each model is scored on a fifth as many that it has
not seen. What is left above the true entropy is what the recipe does not learn.
"""

from __future__ import annotations

import argparse
import string
import sys
import tempfile
from pathlib import Path

from timing import charrnn, keep

HERE = Path(__file__).parent
LENGTH = 500_000

sys.path.insert(0, str(HERE.parent))
from tests.sources import Markov  # noqa: E402


def main() -> None:
    """Measure, print, write."""
    parser = argparse.ArgumentParser(description=__doc__)
    parser.add_argument("--minutes", type=float, default=1)
    parser.add_argument("--cells", nargs="*", default=["rnn", "lstm", "gru"])
    options = parser.parse_args()
    source = Markov(string.ascii_lowercase + " \n", seed=3)
    unseen = source.text(LENGTH // 5, seed=2)
    truth = -float(source.log_probs(unseen).mean())
    print(f"entropy {source.entropy:.4f} nats per character, {truth:.4f} of this text")
    rows = []
    with tempfile.TemporaryDirectory() as scratch:
        folder = Path(scratch)
        (folder / "seen.txt").write_text(source.text(LENGTH, seed=1))
        (folder / "unseen.txt").write_text(unseen)
        for cell in options.cells:
            settings = ("--model", cell, "--minutes", options.minutes, "--seed", 0)
            trained = charrnn("train", folder / "seen.txt", "--out", folder / cell, *settings)
            row = {"cell": cell, "minutes": options.minutes, "seconds": trained["seconds"]}
            for protocol in ("carried", "windows"):
                evaluate = ("eval", folder / cell, folder / "unseen.txt", "--protocol", protocol)
                row[protocol] = charrnn(*evaluate)["nats_per_char"]
            rows.append(row)
            above = row["carried"] - truth
            print(
                f"{cell}: {row['carried']:.4f} nats per character, {above:.4f} above the truth",
                flush=True,
            )
    keep("yardstick", entropy=source.entropy, truth=truth, rows=rows)


if __name__ == "__main__":
    main()
