"""How fast charrnn trains, compared with what else one could write or install.

    make bench-training

For each cell and size, in one run, in alternating repeats:

- (a) `torch.nn`'s module in fp32 and, unless that is emulated, under bfloat16 autocast, as one
  would write it;
- (b) the loop over characters of most tutorials, with one text at a time as they have it (PyTorch's
  own on generating names, practical-pytorch's char-rnn), and with as many lanes as the others;
- (c) charrnn's own loop, computed in every way there is, and which of them its trial takes;
- (d) Keras and (e) JAX, if `make bench-peers` has installed them.

All have the same shapes: an embedding of 64, two layers, truncated backpropagation, clipping,
AdamW. What counts is the ratio to the better of (a), and the share of this machine's product at the
shape in hand (lanes × H by H × gates·H), at 6 operations per parameter and character; rates differ
from machine to machine.
"""

from __future__ import annotations

import argparse
import resource
import subprocess
import sys
import time
from collections.abc import Callable
from pathlib import Path
from typing import Any

import numpy as np
import torch
from timing import MODULES, PEERS, Step, emulates_bfloat16, keep, product_peak, rates, title
from torch import nn
from torch.nn.functional import cross_entropy

from charrnn.arrays import Ids
from charrnn.cells.rules import CELLS
from charrnn.config import Budget
from charrnn.learning.hardware.memory import kept_memory
from charrnn.learning.learner import Learner
from charrnn.objectives.language import LanguageModelling
from charrnn.objectives.plans import language
from charrnn.objectives.plans.plan import Plan, schedule
from charrnn.text.tokenizer import CharTokenizer
from charrnn.training.pace import trial

HERE = Path(__file__).parent
SIZES = ((128, 64, 64), (256, 32, 64), (512, 64, 128), (1024, 64, 64))  # H, B, T
V, E, LAYERS = 65, 64, 2
ROUNDS, SECONDS = 5, 1.0
DUELS, DUEL_SECONDS = 15, 0.5  # of the two that count
DTYPES = {"fp32": torch.float32, "bf16": torch.bfloat16}


class Usual(nn.Module):
    """The model that a user of `torch.nn` would write: embedding, recurrent layers, head."""

    def __init__(self, cell: str, hidden: int) -> None:
        super().__init__()
        self.embedding = nn.Embedding(V, E)
        self.rnn = MODULES[cell](E, hidden, LAYERS, batch_first=True)
        self.head = nn.Linear(hidden, V)

    def forward(self, x: torch.Tensor, state: Any) -> tuple[torch.Tensor, Any]:
        """(B, T) to (B, T, V)."""
        output, state = self.rnn(self.embedding(x), state)
        return self.head(output), state


def whole(model: nn.Module, x: torch.Tensor, y: torch.Tensor, state: Any) -> tuple[Any, Any]:
    """The loss of a batch in one call."""
    logits, state = model(x, state)
    return cross_entropy(logits.flatten(0, 1).float(), y.flatten()), state


def by_character(model: nn.Module, x: torch.Tensor, y: torch.Tensor, state: Any) -> tuple[Any, Any]:
    """The loss of a batch, with one call for each character."""
    loss = torch.zeros(())
    for t in range(x.shape[1]):
        logits, state = model(x[:, t : t + 1], state)
        loss = loss + cross_entropy(logits[:, 0], y[:, t])
    return loss / x.shape[1], state


def trainer(
    model: nn.Module,
    batch: int,
    length: int,
    loss_of: Callable[..., Any],
    bf16: bool = False,
    device: str = "cpu",
) -> Step:
    """Updates of `model` on the same batch over and over, with the state carried."""
    optimizer = torch.optim.AdamW(model.to(device).parameters(), lr=1e-3, fused=True)
    x, y = torch.randint(V, (2, batch, length), device=device)
    state: Any = None

    def cut(part: Any) -> Any:
        return part.detach() if torch.is_tensor(part) else tuple(map(cut, part))

    def update() -> None:
        nonlocal state
        with torch.autocast(device, torch.bfloat16, enabled=bf16):
            loss, after = loss_of(model, x, y, state)
        optimizer.zero_grad()
        loss.backward()
        nn.utils.clip_grad_norm_(model.parameters(), 1.0)
        optimizer.step()
        state = cut(after)

    return update


def text(characters: int) -> Ids:
    """Random ids (N,)."""
    return np.random.default_rng(0).integers(0, V, characters, np.int32)


def task_of(ids: Ids) -> LanguageModelling:
    """Language modelling of these ids."""
    return LanguageModelling(ids, ids[:9], CharTokenizer("".join(map(chr, range(V)))))


def learner(
    cell: str, hidden: int, batch: int, length: int, precision: str, ids: Ids | None = None
) -> Learner:
    """The training step of charrnn itself, on a text long enough to be read for a while."""
    ids = text(1_000_000) if ids is None else ids
    plan = plan_of(cell, hidden, batch, length, precision, len(ids))
    return Learner(task_of(ids), plan.model, schedule(plan, 100_000))


def plan_of(
    cell: str,
    hidden: int,
    batch: int,
    length: int,
    precision: str,
    characters: int,
    device: str = "cpu",
) -> Plan:
    """What charrnn plans for these sizes."""
    given = {
        "cell": cell,
        "hidden_size": hidden,
        "num_layers": LAYERS,
        "embed_size": E,
        "batch_size": batch,
        "seq_length": length,
        "dropout": 0.0,
        "weight_dropout": 0.0,  # the others have none
        "skip": False,
        "precision": precision,
        "device": device,
        "optimizer": "adamw",  # as the others have
    }
    return language.plan_of(characters, V, Budget(3.0), given, speed=1e12)


class Peer:
    """A framework in a process of its own, which works only when it is asked to."""

    def __init__(self, name: str, cell: str, hidden: int, batch: int, length: int) -> None:
        arguments = [name, cell, *map(str, (hidden, batch, length))]
        self.process = subprocess.Popen(
            [PEERS, HERE / "peers.py", *arguments],
            stdin=subprocess.PIPE,
            stdout=subprocess.PIPE,
            stderr=subprocess.DEVNULL,
            text=True,
        )
        assert self._answer() == "ready"

    def _answer(self) -> str:
        assert self.process.stdout is not None
        return self.process.stdout.readline().strip()

    def rate(self, seconds: float) -> float:
        """Characters per second."""
        assert self.process.stdin is not None
        self.process.stdin.write(f"{seconds}\n")
        self.process.stdin.flush()
        return float(self._answer())

    def close(self) -> None:
        """End the process."""
        self.process.kill()
        self.process.wait()


def contest(cell: str, hidden: int, batch: int, length: int) -> tuple[dict[str, float], str, float]:
    """Characters per second of all, in alternating repeats, and what charrnn's trial takes.

    The third is how many times as fast that is as the better of `torch.nn`: the median over
    repeats of these two alone, one right after the other, since the machine's speed changes.
    """
    ids = text(1_000_000)
    plan = plan_of(cell, hidden, batch, length, "auto", len(ids))
    task = task_of(ids)
    chosen = trial.with_fastest_engine(plan, Budget(3.0), task).settings
    ours = Learner(task, plan.model, schedule(plan, 100_000))

    def computed(way: trial.Way) -> Step:
        def update() -> None:
            ours.use(*way)
            ours.update()

        return update

    usual: dict[str, Step] = {
        f"nn {name}": trainer(Usual(cell, hidden), batch, length, whole, bf16=name == "bf16")
        for name in DTYPES
    }
    modules = list(usual)
    usual |= {
        "tutorial": trainer(Usual(cell, hidden), 1, length, by_character),
        "per character": trainer(Usual(cell, hidden), batch, length, by_character),
    }
    own = {" ".join(way): computed(way) for way in trial.rates(plan, task)}
    found: dict[str, list[float]] = {}
    names = ("keras", "jax") if PEERS.exists() else ()
    peers = {name: Peer(name, cell, hidden, batch, length) for name in names}
    for _ in range(ROUNDS):
        once = rates(usual, batch * length, 1, SECONDS)
        with kept_memory():  # as in a run
            once |= rates(own, batch * length, 1, SECONDS)
        once["tutorial"] /= batch
        once |= {name: peer.rate(SECONDS) for name, peer in peers.items()}
        for name, rate in once.items():
            found.setdefault(name, []).append(rate)
    for peer in peers.values():
        peer.close()
    medians = {name: float(np.median(values)) for name, values in found.items()}
    taken = f"{chosen['engine']} {chosen['precision']}"
    other = max(modules, key=lambda name: medians[name])
    ratios = []
    for _ in range(DUELS):
        with kept_memory():
            (mine,) = rates({taken: own[taken]}, 1, 1, DUEL_SECONDS).values()
        (theirs,) = rates({other: usual[other]}, 1, 1, DUEL_SECONDS).values()
        ratios.append(mine / theirs)
    return medians, taken, float(np.median(ratios))


def memory(hidden: int, batch: int, length: int, characters: int) -> float:
    """MB that training takes at its peak, not counting the imports and the text."""
    code = (
        "import training\n"
        "def peak():\n"
        "    status = dict(line.split(':', 1) for line in open('/proc/self/status'))\n"
        "    return int(status['VmHWM'].split()[0]) / 1024\n"
        f"ids = training.text({characters})\n"
        "before = peak()\n"
        f"one = training.learner('lstm', {hidden}, {batch}, {length}, 'auto', ids)\n"
        "for _ in range(5): one.update()\n"
        "print(peak() - before)\n"
    )
    done = subprocess.run(
        [sys.executable, "-c", code], cwd=HERE, capture_output=True, text=True, check=True
    )
    return float(done.stdout)


def memories() -> list[dict[str, float]]:
    """How the peak grows: with B·T·(H·L + V), hardly with the text."""
    rows = []
    for hidden, batch, length, characters in (
        (512, 64, 128, 1_000_000),
        (512, 64, 128, 50_000_000),
        (512, 64, 256, 1_000_000),
        (512, 64, 64, 1_000_000),
        (512, 32, 64, 1_000_000),
        (256, 64, 128, 1_000_000),
    ):
        megabytes = memory(hidden, batch, length, characters)
        outputs = batch * length * (hidden * LAYERS + V)
        print(
            f"LSTM {LAYERS}×{hidden}, {batch} lanes of {length}, text of {characters:,}: "
            f"{megabytes:.0f} MB over imports; B·T·(H·L + V) is {outputs / 1e6:.2f} million",
            flush=True,
        )
        shape = {"hidden_size": hidden, "batch_size": batch, "seq_length": length}
        rows.append(shape | {"characters": characters, "outputs": outputs, "mb": round(megabytes)})
    return rows


def measure(cell: str, hidden: int, batch: int, length: int) -> dict[str, Any]:
    """One row of the table, which it prints."""
    row, chosen, ratio = contest(cell, hidden, batch, length)
    parameters = learner(cell, hidden, batch, length, "fp32").network.num_parameters
    product = product_rate(batch, hidden, cell, DTYPES[chosen.split()[1]])
    share = row[chosen] * 6 * parameters / product
    figures = " | ".join(f"{name} {rate / 1e3:,.1f}k" for name, rate in row.items())
    print(
        f"{cell} {LAYERS}×{hidden}, {batch} lanes of {length}: {figures}\n"
        f"    takes {chosen}: {ratio:.2f} times the best of torch.nn, {share:.0%} of the product "
        f"of {batch} lanes",
        flush=True,
    )
    shape = {"cell": cell, "hidden_size": hidden, "batch_size": batch, "seq_length": length}
    figures_of = {"rates": row, "chosen": chosen, "ratio": ratio, "share": share}
    return shape | figures_of | {"product": product}


def product_rate(batch: int, hidden: int, cell: str, dtype: torch.dtype) -> float:
    """Operations per second of a step's product, (B, H) by (H, G·H)."""
    a = torch.randn(batch, hidden).to(dtype)
    b = torch.randn(hidden, CELLS[cell].gates * hidden).to(dtype)
    return rates({"mm": lambda: a @ b}, 2.0 * batch * b.numel(), 5, 0.1)["mm"]


def main() -> None:
    """Measure, print, write."""
    parser = argparse.ArgumentParser(description=__doc__)
    parser.add_argument("cells", nargs="*", default=list(MODULES))
    options = parser.parse_args()
    begin = time.perf_counter()
    if emulates_bfloat16():  # a single update would take minutes
        del DTYPES["bf16"]
    peaks = {name: product_peak(dtype) for name, dtype in DTYPES.items()}
    products = ", ".join(f"{name} {peak / 1e9:.0f}" for name, peak in peaks.items())
    emulated = "" if "bf16" in DTYPES else "; bf16 is emulated here, and not measured"
    print(f"{title()}; fastest product: {products} GFLOP/s{emulated}", flush=True)
    rows = [measure(cell, *size) for cell in options.cells for size in SIZES]
    used = memories()
    keep("training", peaks=peaks, rows=rows, memory=used)
    print(
        f"{time.perf_counter() - begin:.0f} s; peak of this process "
        f"{resource.getrusage(resource.RUSAGE_SELF).ru_maxrss / 1024:.0f} MB"
    )


if __name__ == "__main__":
    main()
