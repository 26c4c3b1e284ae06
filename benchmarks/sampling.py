"""How fast charrnn writes, beside what else one could write.

    make bench-sampling

For each cell and size, in one run: a loop that calls `torch.nn`'s module once a character, as most
programs do; the same cell by hand on tensors, a matrix-vector product with its bias (`addmv`) a
layer and input; charrnn writing one text, and 64 side by side. All draw at temperature 0.8. What
counts is the ratio to the module, and the share of the speed at which this machine reads as many
bytes as the weights have, again and again.
"""

from __future__ import annotations

import argparse
import json
import subprocess
import sys
import tempfile
import time
from pathlib import Path
from typing import Any

import numpy as np
import torch
from timing import Step, machine, rates
from torch import nn

from charrnn import sampling
from charrnn.cells import CELLS
from charrnn.config import ModelConfig, SampleConfig
from charrnn.network import CharRNN
from charrnn.runtime import Model
from charrnn.tokenizer import CharTokenizer

HERE = Path(__file__).parent
RESULTS = HERE / "results" / "sampling.json"
SIZES = ((2, 128), (2, 256), (2, 512), (3, 1024))  # L, H
V, E, LENGTH, MANY = 65, 64, 250, 64
ROUNDS, SECONDS, TEMPERATURE = 5, 1.0, 0.8
MODULES: dict[str, Any] = {"rnn": nn.RNN, "lstm": nn.LSTM, "gru": nn.GRU}


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


def by_charrnn(network: CharRNN, count: int) -> Step:
    """`LENGTH` characters of `count` texts."""
    tokenizer = CharTokenizer("".join(chr(33 + k) for k in range(V)))
    model = Model(network.config, tokenizer, network.weights())
    config = SampleConfig(max_new_tokens=LENGTH, temperature=TEMPERATURE, seed=1)
    if count == 1:
        return lambda: "".join(sampling.stream(model, "!", config))
    return lambda: sampling.generate_batch(model, "!", config, seeds=range(count))


def reading(size: int) -> float:
    """Bytes a second at which all threads read `size` bytes again and again."""
    numbers = torch.ones(size // 4)
    return max(rates({"sum": numbers.sum}, size, 1, 0.3)["sum"] for _ in range(ROUNDS))


def contest(cell: str, layers: int, hidden: int) -> dict[str, float]:
    """Characters a second of each, the bytes of the weights, and how fast these can be read."""
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
    found |= rates({"charrnn": by_charrnn(network, 1)}, LENGTH, ROUNDS, SECONDS)
    found |= rates({"charrnn × 64": by_charrnn(network, MANY)}, MANY * LENGTH, ROUNDS, SECONDS)
    # A step reads all but the embedding and the first layer's input weights, which are a table.
    first = network.rnn.get_parameter("weight_ih_l0").numel() + network.embedding.weight.numel()
    size = 4 * (network.num_parameters - first)
    return found | {"bytes": size, "bytes_per_second": reading(size)}


def seconds(*command: str) -> float:
    """The median time that a command takes from start to end."""
    times = []
    for _ in range(11):
        begin = time.perf_counter()
        subprocess.run(command, check=True, stdout=subprocess.DEVNULL)
        times.append(time.perf_counter() - begin)
    return float(np.median(times))


def cold_start(folder: Path) -> dict[str, float]:
    """Seconds from a cold start to 100 characters, beside an import of NumPy."""
    tokenizer = CharTokenizer("".join(chr(33 + k) for k in range(V)))
    config = ModelConfig(cell="lstm", vocab_size=V, embed_size=E, hidden_size=256, num_layers=2)
    CharRNN(config).save_pretrained(folder, tokenizer)
    command = ("-m", "charrnn", "sample", str(folder), "-n", "100")
    return {
        "import numpy": seconds(sys.executable, "-c", "import numpy"),
        "charrnn sample -n 100": seconds(sys.executable, *command),
    }


def main() -> None:
    """Measure, print, write."""
    parser = argparse.ArgumentParser(description=__doc__)
    parser.add_argument("cells", nargs="*", default=list(MODULES))
    options = parser.parse_args()
    rows = []
    for cell in options.cells:
        for layers, hidden in SIZES:
            row = contest(cell, layers, hidden)
            share = row["charrnn"] * row["bytes"] / row["bytes_per_second"]
            shape = {"cell": cell, "num_layers": layers, "hidden_size": hidden}
            rows.append(shape | row | {"share": share})
            names = ("module", "addmv", "charrnn", "charrnn × 64")
            figures = " | ".join(
                f"{name} {row[name]:,.0f} ({row[name] / row['module']:.1f})" for name in names
            )
            print(
                f"{cell} {layers}×{hidden}: {figures} | {share:.0%} of "
                f"{row['bytes_per_second'] / 1e9:.0f} GB/s",
                flush=True,
            )
    with tempfile.TemporaryDirectory() as folder:
        cold = cold_start(Path(folder) / "model")
    print(" | ".join(f"{name} {value:.3f} s" for name, value in cold.items()))
    result = {"machine": machine(), "rows": rows, "cold_start": cold}
    RESULTS.write_text(json.dumps(result, indent=2) + "\n")


if __name__ == "__main__":
    main()
