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
from collections.abc import Callable
from typing import Any

import torch
from timing import keep, machine, rates
from torch.nn.functional import cross_entropy
from training import LAYERS, MODULES, Usual, V, plan_of, task_of, text

from charrnn.config import Budget
from charrnn.learning.graph import GraphUpdates
from charrnn.learning.learner import Learner
from charrnn.objectives.plans.plan import schedule
from charrnn.training.pace import trial

SHAPES = ((256, 32, 64), (256, 128, 64), (512, 64, 128), (1024, 128, 128), (2048, 128, 128))
ROUNDS, SECONDS, CALLS = 3, 0.4, 8

Step = Callable[[], object]


def usual(cell: str, hidden: int, batch: int, length: int) -> Step:
    """Updates of the usual model, with the state carried on."""
    model = Usual(cell, hidden).cuda()
    optimizer = torch.optim.AdamW(model.parameters(), 1e-3, fused=True)
    x, y = torch.randint(V, (2, batch, length), device="cuda")
    zeros = torch.zeros(LAYERS, batch, hidden, device="cuda")
    state: Any = (zeros, zeros) if cell == "lstm" else zeros

    def step() -> None:
        nonlocal state
        with torch.autocast("cuda", torch.bfloat16):
            logits, after = model(x, state)
        loss = cross_entropy(logits.flatten(0, 1).float(), y.flatten())
        optimizer.zero_grad()
        loss.backward()  # type: ignore[no-untyped-call]
        torch.nn.utils.clip_grad_norm_(model.parameters(), 1.0, foreach=True)
        optimizer.step()
        state = tuple(s.detach() for s in after) if cell == "lstm" else after.detach()

    return step


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
    steps = {"nn": usual(cell, hidden, batch, length), "charrnn": update, "replays": replay}
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
