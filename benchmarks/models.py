"""What `charrnn train TEXT --minutes 3` gives with no other setting, for each cell and corpus.

    python benchmarks/models.py tinyshakespeare.txt

Each row is one run of the command in a process of its own; nothing else should run meanwhile. The
table goes to standard output and to `benchmarks/results/models.json`.
"""

from __future__ import annotations

import argparse
import json
import platform
import subprocess
import sys
import tempfile
from pathlib import Path

RESULTS = Path(__file__).parent / "results" / "models.json"
COLUMNS = ("val_nats", "val_bits_per_char", "train_nats", "parameters", "epochs", "seconds")


def main() -> None:
    """Train, print, write."""
    parser = argparse.ArgumentParser(description=__doc__)
    parser.add_argument("text", help="the larger text, trained on with each cell")
    parser.add_argument("--minutes", type=float, default=3)
    options = parser.parse_args()
    text = str(Path(options.text).resolve())
    runs = [(text, cell) for cell in ("lstm", "gru", "rnn")]
    runs += [("scenes", "lstm"), ("places", "lstm")]
    rows = [train(corpus, cell, options.minutes) for corpus, cell in runs]
    for row in rows:
        figures = " ".join(f"{name} {row[name]:.4g}" for name in COLUMNS)
        print(f"{row['corpus']:<18} {row['cell']:<5} {figures}")
    RESULTS.write_text(json.dumps({"machine": platform.processor(), "rows": rows}, indent=2) + "\n")


def train(corpus: str, cell: str, minutes: float) -> dict[str, object]:
    """One run, and what its summary says."""
    command = [sys.executable, "-m", "charrnn", "train", corpus, "--model", cell]
    with tempfile.TemporaryDirectory() as folder:
        done = subprocess.run(
            [*command, "--minutes", str(minutes), "--json"],
            cwd=folder,
            check=True,
            stdout=subprocess.PIPE,
        )
    summary = json.loads(done.stdout)
    del summary["model"]
    return {"corpus": Path(corpus).stem, "cell": cell, "minutes": minutes} | summary


if __name__ == "__main__":
    main()
