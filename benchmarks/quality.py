"""How good the models are that charrnn makes without being told anything but the time.

    python benchmarks/quality.py tinyshakespeare.txt
    python benchmarks/quality.py tinyshakespeare.txt --minutes 60 --seeds 1 --dynamic

Each row is `charrnn train TEXT --minutes M --model CELL --seed S`, which trains on the first 90% of
the text, and `charrnn eval MODEL TEXT --validation` on the last 10%, with carried state, in windows
of 256 and, if wanted, dynamically. Nothing else should run meanwhile. The runs' medians go to
standard output, all of them to `benchmarks/results/quality.json`.
"""

from __future__ import annotations

import argparse
import json
import statistics
import subprocess
import sys
import tempfile
from pathlib import Path
from typing import Any

from timing import machine

RESULTS = Path(__file__).parent / "results" / "quality.json"


def charrnn(*arguments: object) -> dict[str, Any]:
    """What a command prints with `--json`."""
    command = [sys.executable, "-m", "charrnn", *map(str, arguments), "--json"]
    done = subprocess.run(command, check=True, capture_output=True, text=True)
    found: dict[str, Any] = json.loads(done.stdout)
    return found


def run(text: str, cell: str, minutes: float, seed: int, dynamic: bool) -> dict[str, Any]:
    """One model, and its figures."""
    with tempfile.TemporaryDirectory() as folder:
        model = Path(folder) / "model"
        options = ("--model", cell, "--minutes", minutes, "--seed", seed)
        trained = charrnn("train", text, "--out", model, *options)
        evaluate = ("eval", model, text, "--validation")
        row = {"command": f"charrnn train {Path(text).name} {' '.join(map(str, options))}"}
        row |= {name: trained[name] for name in ("parameters", "epochs", "steps", "seconds")}
        row |= {"cell": cell, "minutes": minutes, "seed": seed, "train_nats": trained["train_nats"]}
        row["carried"] = charrnn(*evaluate)["nats_per_char"]
        row["windows"] = charrnn(*evaluate, "--protocol", "windows")["nats_per_char"]
        if dynamic:
            row["dynamic"] = charrnn(*evaluate, "--dynamic", text)["nats_per_char"]
    return row


def main() -> None:
    """Train, evaluate, print, write."""
    parser = argparse.ArgumentParser(description=__doc__)
    parser.add_argument("text")
    parser.add_argument("--minutes", type=float, default=3)
    parser.add_argument("--cells", nargs="*", default=["lstm", "gru", "rnn"])
    parser.add_argument("--seeds", type=int, default=3)
    parser.add_argument("--dynamic", action="store_true")
    options = parser.parse_args()
    text = str(Path(options.text).resolve())
    before = json.loads(RESULTS.read_text()) if RESULTS.exists() else {"rows": []}
    rows = []
    for cell in options.cells:
        own = []
        for seed in range(options.seeds):
            own.append(run(text, cell, options.minutes, seed, options.dynamic))
            print(own[-1], flush=True)
        names = [name for name in ("carried", "windows", "dynamic") if name in own[0]]
        medians = {name: statistics.median(row[name] for row in own) for name in names}
        figures = ", ".join(f"{name} {value:.4f}" for name, value in medians.items())
        print(f"{cell}, {options.minutes:g} minutes, {options.seeds} seeds: {figures}", flush=True)
        rows += own
        # What was measured at other times, of other cells or budgets, stays.
        new = {(row["cell"], row["minutes"]) for row in rows}
        kept = [row for row in before["rows"] if (row["cell"], row["minutes"]) not in new]
        RESULTS.write_text(json.dumps({"machine": machine(), "rows": kept + rows}, indent=2) + "\n")


if __name__ == "__main__":
    main()
