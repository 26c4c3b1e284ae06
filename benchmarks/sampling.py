"""How fast charrnn writes text, beside other ways to program the same.

    make bench-sampling

For each cell and size, in one run: a loop that calls `torch.nn`'s module once a character, as most
programs do; the same cell by hand on tensors, a matrix-vector product with its bias (`addmv`) a
layer and input; charrnn writing one text, and 64 side by side, with NumPy as for short texts, and
in machine code with weights in bytes as for long ones. All draw at temperature 0.8. What counts is
the ratio to the module, and the share of the speed at which this machine reads that many bytes
again and again.

    python benchmarks/sampling.py --model checkpoints/verse --text verse.txt

prints instead how far rounding to bytes moves the log-probabilities of a text.
"""

from __future__ import annotations

import argparse
import os
import subprocess
import sys
import tempfile
import time
from pathlib import Path

import numpy as np
import torch
from timing import MODULES, Step, keep, rates, title

from charrnn.cells.rules import CELLS, State
from charrnn.config import ModelConfig
from charrnn.models.loading import load
from charrnn.models.model import Model
from charrnn.network.char_rnn import CharRNN
from charrnn.sampling import generation
from charrnn.sampling.language_model import TokenSampler
from charrnn.sampling.token_source import request_for
from charrnn.text.tokenizer import CharTokenizer
from charrnn.use_config import SampleConfig

SIZES = ((2, 128), (2, 256), (2, 512), (3, 1024))  # L, H
V, E, LENGTH, MANY = 65, 64, 250, 64
LONG, SCORED = 20_000, 20_000
ROUNDS, SECONDS, TEMPERATURE = 5, 1.0, 0.8


def by_module(network: CharRNN) -> Step:
    """`LENGTH` characters, one call of the module each."""
    config = network.config
    module = MODULES[config.cell](E, config.hidden_size, config.num_layers)
    module.load_state_dict(network.rnn.state_dict())

    @torch.inference_mode()
    def write() -> None:
        token, state = torch.zeros(1, dtype=torch.long), None
        for _ in range(LENGTH):
            output, state = module(network.embedding(token)[None], state)
            chances = (network.head(output[0, 0]) / TEMPERATURE).softmax(-1)
            token = torch.multinomial(chances, 1)

    return write


def by_addmv(network: CharRNN) -> Step:
    """`LENGTH` characters by hand: two products with their biases a layer, and the cell's rule."""
    cell, layers = CELLS[network.config.cell], range(network.config.num_layers)
    weights = {name: weight.detach() for name, weight in network.rnn.named_parameters()}
    start = torch.zeros(network.config.hidden_size)

    @torch.inference_mode()
    def write() -> None:
        token = torch.zeros(1, dtype=torch.long)
        states = [tuple(start for _ in cell.state) for _ in layers]
        for _ in range(LENGTH):
            x = network.embedding.weight[token[0]]
            for k in layers:
                gx = torch.addmv(weights[f"bias_ih_l{k}"], weights[f"weight_ih_l{k}"], x)
                gh = torch.addmv(weights[f"bias_hh_l{k}"], weights[f"weight_hh_l{k}"], states[k][0])
                x, states[k] = cell.combine(gx, gh, states[k])
            logits = torch.addmv(network.head.bias, network.head.weight, x)
            token = torch.multinomial((logits / TEMPERATURE).softmax(-1), 1)

    return write


class InNumPy(Model):
    """Draws in NumPy, however long the text."""

    def sampler(self, state: State, max_tokens: int | None) -> None:
        """None."""


class InMachineCode(Model):
    """Draws in machine code, however short the text."""

    def sampler(self, state: State, max_tokens: int | None) -> TokenSampler | None:
        """As for a text without end."""
        del max_tokens
        return super().sampler(state, None)


def by_charrnn(network: CharRNN, count: int, length: int, in_code: bool) -> Step:
    """`length` characters of `count` texts, with NumPy or in machine code."""
    tokenizer = CharTokenizer("".join(chr(33 + k) for k in range(V)))
    kind = InMachineCode if in_code else InNumPy
    model = kind(network.config, tokenizer, network.weights())
    config = SampleConfig(max_new_tokens=length, temperature=TEMPERATURE, seed=1)

    def write() -> object:
        if count == 1:
            return "".join(generation.stream(request_for(model, "!", config)))
        return generation.generate_batch(request_for(model, "!", config), range(count))

    return write


def reading(size: int) -> float:
    """Bytes per second at which all threads read `size` bytes again and again."""
    numbers = torch.ones(size // 4)
    return max(rates({"sum": numbers.sum}, size, 1, 0.3)["sum"] for _ in range(ROUNDS))


def contest(cell: str, layers: int, hidden: int) -> dict[str, float]:
    """Characters per second of each, the size of the weights, and how fast these can be read."""
    config = ModelConfig(
        cell=cell,  # type: ignore[arg-type]
        vocab_size=V,
        embed_size=E,
        hidden_size=hidden,
        num_layers=layers,
    )
    network = CharRNN(config).eval()
    found = rates({"module": by_module(network)}, LENGTH, ROUNDS, SECONDS)
    found |= rates({"addmv": by_addmv(network)}, LENGTH, ROUNDS, SECONDS)
    for name, in_code, count, length in (
        ("numpy", False, 1, LENGTH),
        (f"numpy × {MANY}", False, MANY, LENGTH),
        ("code", True, 1, LONG),
        (f"code × {MANY}", True, MANY, 2 * LENGTH),
    ):
        one = by_charrnn(network, count, length, in_code)
        found |= rates({name: one}, count * length, ROUNDS, SECONDS)
    # A step reads all but the embedding and the first layer's input weights, which are a table.
    first = network.rnn.get_parameter("weight_ih_l0").numel() + network.embedding.weight.numel()
    weights = network.num_parameters - first
    found |= {"weights": weights, "bytes_per_second fp32": reading(4 * weights)}
    return found | {"bytes_per_second int8": reading(weights)}


def moved(model: Path, text: Path) -> dict[str, float]:
    """How far rounding to bytes moves the log-probability of each character, in nats."""
    one = load(model)
    ids = one.tokenizer.encode(text.read_text("utf-8")[-SCORED:], "skip")
    sampler = one.sampler(one.start(), max_tokens=None)
    assert sampler is not None, "there is machine code here"
    masks = np.where(np.eye(one.tokenizer.vocab_size, dtype=bool), 0.0, -np.inf)
    found = [  # all but the next character are banned
        sampler.draw(ids[k : k + 1], np.zeros((1, 1)), np.ones(1), masks[ids[k + 1]])
        for k in range(len(ids) - 1)
    ]
    scores = np.concatenate([log_probs[0] for _, log_probs in found])
    exact = one.token_log_probs(ids[None])[0]
    apart = scores - exact
    return {
        "nats": -float(exact.mean()),
        "mean difference": float(apart.mean()),
        "mean distance": float(np.abs(apart).mean()),
        "largest": float(np.abs(apart).max()),
    }


def cold_start(folder: Path) -> dict[str, float]:
    """Seconds from start to end of 100 characters, in turns with an import of NumPy: medians."""
    tokenizer = CharTokenizer("".join(chr(33 + k) for k in range(V)))
    config = ModelConfig(cell="lstm", vocab_size=V, embed_size=E, hidden_size=256, num_layers=2)
    CharRNN(config).save_pretrained(folder, tokenizer)
    sample = ("-m", "charrnn", "sample", str(folder), "-n", "100", "--seed", "1")
    commands = {"import numpy": ("-c", "import numpy"), "charrnn sample -n 100": sample}
    # As users start them, Python keeps what it has compiled.
    kept = {k: value for k, value in os.environ.items() if k != "PYTHONDONTWRITEBYTECODE"}
    times: dict[str, list[float]] = {name: [] for name in commands}
    for _ in range(21):
        for name, command in commands.items():
            begin = time.perf_counter()
            subprocess.run(
                (sys.executable, *command), check=True, stdout=subprocess.DEVNULL, env=kept
            )
            times[name].append(time.perf_counter() - begin)
    return {name: float(np.median(found[1:])) for name, found in times.items()}


def main() -> None:
    """Measure, print, write."""
    parser = argparse.ArgumentParser(description=__doc__)
    parser.add_argument("cells", nargs="*", default=list(MODULES))
    parser.add_argument("--model", type=Path)
    parser.add_argument("--text", type=Path)
    options = parser.parse_args()
    if options.model:
        print(moved(options.model, options.text))
        return
    print(title(), flush=True)
    rows = []
    for cell in options.cells:
        for layers, hidden in SIZES:
            row = contest(cell, layers, hidden)
            shares = {
                name: row[name] * size * row["weights"] / row[f"bytes_per_second {kind}"]
                for name, kind, size in (("numpy", "fp32", 4), ("code", "int8", 1))
            }
            shape = {"cell": cell, "num_layers": layers, "hidden_size": hidden}
            rows.append(shape | row | {"shares": shares})
            names = ("module", "addmv", "numpy", f"numpy × {MANY}", "code", f"code × {MANY}")
            figures = " | ".join(
                f"{name} {row[name]:,.0f} ({row[name] / row['module']:.1f})" for name in names
            )
            reading_shares = ", ".join(
                f"{shares[name]:.0%} of {row[f'bytes_per_second {kind}'] / 1e9:.0f} GB/s"
                for name, kind in (("numpy", "fp32"), ("code", "int8"))
            )
            print(f"{cell} {layers}×{hidden}: {figures} | {reading_shares}", flush=True)
    with tempfile.TemporaryDirectory() as folder:
        cold = cold_start(Path(folder) / "model")
    print(" | ".join(f"{name} {value:.3f} s" for name, value in cold.items()))
    keep("sampling", rows=rows, cold_start=cold)


if __name__ == "__main__":
    main()
