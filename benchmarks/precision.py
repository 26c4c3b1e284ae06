"""What training in bfloat16 costs: the same run of each cell in both precisions.

    python benchmarks/precision.py tinyshakespeare.txt

The two runs of a cell differ only in `--precision`: for so many epochs, charrnn chooses nothing by
how fast training is.
"""

from __future__ import annotations

import argparse
import tempfile
from pathlib import Path

from timing import keep

from charrnn import train
from charrnn.training.events import Finished

SIZES = {"hidden_size": 256, "num_layers": 2, "batch_size": 32, "seq_length": 64, "dropout": 0.0}


def run(text: str, cell: str, precision: str, epochs: float) -> dict[str, object]:
    """One run; its best validation loss."""
    with tempfile.TemporaryDirectory() as folder:
        out = Path(folder) / "model"
        events = train(text, out=out, epochs=epochs, cell=cell, precision=precision, **SIZES)
        *_, last = events
    assert isinstance(last, Finished)
    return {
        "cell": cell,
        "precision": precision,
        "val_nats": last.val_nats,
        "train_nats": last.train_nats,
        "characters_per_second": last.characters_per_second,
    }


def main() -> None:
    """Train, print, write."""
    parser = argparse.ArgumentParser(description=__doc__)
    parser.add_argument("text")
    parser.add_argument("--epochs", type=float, default=2.0)
    options = parser.parse_args()
    rows = []
    for cell in ("rnn", "lstm", "gru"):
        pair = [run(options.text, cell, kind, options.epochs) for kind in ("fp32", "bf16")]
        full, half = (float(str(row["val_nats"])) for row in pair)
        rows += pair
        print(f"{cell}: fp32 {full:.4f}, bf16 {half:.4f} nats: {half / full - 1:+.2%}", flush=True)
    name = Path(options.text).stem
    keep("precision", text=name, epochs=options.epochs, rows=rows)


if __name__ == "__main__":
    main()
