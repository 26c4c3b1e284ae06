"""How good charrnn's models are when it is given nothing but the text and the time.

    python benchmarks/quality.py tinyshakespeare.txt
    python benchmarks/quality.py tinyshakespeare.txt --minutes 60 --cells lstm --seeds 1 --dynamic

Each row is `charrnn train TEXT --minutes M --model CELL --seed S`, which trains on the first 90% of
the text, and `charrnn eval MODEL TEXT --validation` on the last 10%: with carried state, in windows
of 256 and, with `--dynamic`, with dynamic evaluation. `--models FOLDER` keeps the models there, and
`--ensemble` evaluates all models in it together. Nothing else should run at the same time. The
medians go to standard output, all runs to `benchmarks/results/quality.json`, under the machine
that they ran on.
"""

from __future__ import annotations

import argparse
import json
import statistics
import tempfile
from pathlib import Path
from typing import Any

from timing import RESULTS, charrnn, machine


def run(
    text: str, cell: str, minutes: float, seed: int, models: Path, dynamic: bool
) -> dict[str, Any]:
    """Train one model and evaluate it."""
    name = Path(text).stem
    model = models / f"{name}-{cell}-{minutes:g}-{seed}"
    options = ("--model", cell, "--minutes", minutes, "--seed", seed)
    trained = charrnn("train", text, "--out", model, *options)
    command = f"charrnn train {Path(text).name} {' '.join(map(str, options))}"
    row = {"text": name, "command": command}
    kept = ("parameters", "epochs", "steps", "seconds", "stopped_early", "train_nats")
    row |= {name: trained[name] for name in kept}
    row |= {"cell": cell, "minutes": minutes, "seed": seed}
    return row | figures([model], text, dynamic)


def figures(models: list[Path], text: str, dynamic: bool) -> dict[str, float]:
    """Nats per character of a model, or of several together, under each protocol."""
    evaluate = ("eval", *models, text, "--validation")
    found = {
        "carried": charrnn(*evaluate)["nats_per_char"],
        "windows": charrnn(*evaluate, "--protocol", "windows")["nats_per_char"],
    }
    if dynamic:
        found["dynamic"] = charrnn(*evaluate, "--dynamic", text)["nats_per_char"]
    return found


def store(rows: list[dict[str, Any]]) -> None:
    """Write rows; earlier rows of other models, and of other machines, stay."""
    results, this = RESULTS / "quality.json", machine()
    kept = json.loads(results.read_text()) if results.exists() else []
    if all(one["machine"] != this for one in kept):
        kept.append({"machine": this, "rows": []})
    here = next(one for one in kept if one["machine"] == this)
    kind = ("text", "cell", "minutes", "seed", "models")
    new = [[row.get(name) for name in kind] for row in rows]
    here["rows"] = [r for r in here["rows"] if [r.get(name) for name in kind] not in new] + rows
    results.write_text(json.dumps(kept, indent=2) + "\n")


def main() -> None:
    """Train, evaluate, print, write."""
    parser = argparse.ArgumentParser(description=__doc__)
    parser.add_argument("text")
    parser.add_argument("--minutes", type=float, default=3)
    parser.add_argument("--cells", nargs="*", default=["lstm", "gru", "rnn"])
    parser.add_argument("--seeds", type=int, default=3)
    parser.add_argument("--first-seed", type=int, default=0)
    parser.add_argument("--dynamic", action="store_true")
    parser.add_argument("--models", type=Path)
    parser.add_argument("--ensemble", action="store_true")
    options = parser.parse_args()
    text = str(Path(options.text).resolve()) if Path(options.text).exists() else options.text
    with tempfile.TemporaryDirectory() as scratch:
        models = options.models or Path(scratch)
        for cell in options.cells:
            rows = []
            for seed in range(options.first_seed, options.first_seed + options.seeds):
                rows.append(run(text, cell, options.minutes, seed, models, options.dynamic))
                print(rows[-1], flush=True)
            names = [name for name in ("carried", "windows", "dynamic") if name in rows[0]]
            medians = {name: statistics.median(row[name] for row in rows) for name in names}
            told = ", ".join(f"{name} {value:.4f}" for name, value in medians.items())
            print(f"{cell}, {options.minutes:g} minutes, {options.seeds} seeds: {told}", flush=True)
            store(rows)
        if options.ensemble:
            together = sorted(path for path in models.iterdir() if path.is_dir())
            row: dict[str, Any] = {"text": Path(text).stem, "cell": "ensemble", "minutes": None}
            row["models"] = names = [path.name for path in together]
            row["command"] = f"charrnn eval {' '.join(names)} {Path(text).name} --validation"
            row |= figures(together, text, options.dynamic)
            print(row)
            store([row])


if __name__ == "__main__":
    main()
