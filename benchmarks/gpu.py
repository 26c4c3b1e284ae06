"""How fast charrnn trains on a GPU, beside what one would write with `torch.nn`.

    make bench-gpu

For each cell and size, in one run: (a) `torch.nn`'s module under bfloat16 autocast, one operation
after the other, as one would write it; (b) charrnn's own loop, an update of which is one CUDA
graph; (c) bare replays of that graph, without batches, learning rate or random numbers. All have
an embedding of 64, two layers, truncated backpropagation, clipping and fused AdamW. It takes under
five minutes.
"""

from __future__ import annotations

import argparse
import json
from typing import Any

import torch
from timing import MODULES, Step, keep, machine, rates
from training import Usual, plan_of, task_of, text, trainer, whole

from charrnn.config import Budget
from charrnn.learning.graph import GraphUpdates
from charrnn.learning.learner import Learner
from charrnn.objectives.plans.plan import schedule
from charrnn.training.pace import trial

SHAPES = ((256, 32, 64), (256, 128, 64), (512, 64, 128), (1024, 128, 128), (2048, 128, 128))
ROUNDS, SECONDS, CALLS = 3, 0.4, 8


def own(cell: str, hidden: int, batch: int, length: int) -> tuple[Step, Step, str]:
    """The updates of charrnn, bare replays of them, and which engine a trial takes."""
    ids = text(2_000_000)
    task, plan = task_of(ids), plan_of(cell, hidden, batch, length, "bf16", len(ids), "cuda")
    plan = trial.with_fastest_engine(plan, Budget(3.0), task)
    learner = Learner(task, plan.model, schedule(plan, 1_000_000_000))
    learner.prepare()
    assert isinstance(learner.updates, GraphUpdates), learner.notes
    return learner.update, learner.updates.replay, plan.settings["engine"]


def synchronized(step: Step) -> Step:
    """Some steps, and the wait for the device."""

    def steps() -> None:
        for _ in range(CALLS):
            step()
        torch.cuda.synchronize()

    return steps


def row(cell: str, hidden: int, batch: int, length: int) -> dict[str, Any]:
    """Characters per second of each contestant, and the ratios that count."""
    update, replay, engine = own(cell, hidden, batch, length)
    nn = trainer(Usual(cell, hidden), batch, length, whole, bf16=True, device="cuda")
    steps = {"nn": nn, "charrnn": update, "replays": replay}
    waiting = {name: synchronized(step) for name, step in steps.items()}
    found = rates(waiting, float(CALLS * batch * length), ROUNDS, SECONDS)
    found = {name: round(rate) for name, rate in found.items()}
    ratio = round(found["charrnn"] / found["nn"], 2)
    share = round(found["charrnn"] / found["replays"], 3)
    shape = {"cell": cell, "hidden": hidden, "batch": batch, "length": length}
    return shape | found | {"engine": engine, "times nn": ratio, "share of replays": share}


def main() -> None:
    """Print a row for each cell and shape, and keep all."""
    parser = argparse.ArgumentParser(description=__doc__)
    parser.add_argument("--cells", nargs="+", default=list(MODULES))
    options = parser.parse_args()
    print(json.dumps(machine()), flush=True)
    rows = []
    for cell in options.cells:
        for shape in SHAPES:
            rows.append(row(cell, *shape))
            print(json.dumps(rows[-1]), flush=True)
            torch.cuda.empty_cache()
    keep("gpu", rows=rows)


if __name__ == "__main__":
    main()
