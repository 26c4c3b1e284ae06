"""The table of docs/scaling.md: how long an update would take on many cards, by a formula.

python benchmarks/scaling_table.py
"""

from __future__ import annotations

import math
from collections.abc import Iterator

from charrnn.cells.heads import shapes_of
from charrnn.cells.layout import parameter_count
from charrnn.config import ModelConfig

MODEL = ModelConfig(cell="lstm", vocab_size=65, embed_size=64, hidden_size=1024, num_layers=2)
PARAMETERS = parameter_count(shapes_of(MODEL))
LANES, LENGTH = 128, 128  # of one card
# Measured on one H200 (benchmarks/NOTES.md): in single operations, as several processes compute,
# before one kernel ran all steps of a layer; and as a CUDA graph, as one process does.
ALONE, GRAPH = LANES * LENGTH / 980e3, LANES * LENGTH / 2648e3  # seconds an update
IN_A_MACHINE, CARDS = 450e9, 8  # bytes per second to and from each of 8 cards
NETWORKS = {"400 Gbit/s for each card": 50e9, "10 Gbit/s for each machine": 1.25e9}
HOP, MESSAGE = 10e-6, 100e-6  # seconds on the way from card to card, and from process to process


def bytes_moved(cards: int) -> float:
    """Bytes that each card sends, and receives, in an update."""
    return 4 * PARAMETERS * 2 * (cards - 1) / cards


def seconds(cards: int, network: float) -> float:
    """How long an update takes if nothing overlaps."""
    if cards == 1:
        return GRAPH
    speed = IN_A_MACHINE if cards <= CARDS else min(IN_A_MACHINE, network)
    hops = math.ceil(math.log2(cards))
    return ALONE + bytes_moved(cards) / speed + hops * (2 * HOP + MESSAGE)


def table() -> Iterator[str]:
    """The lines of the table."""
    columns = "".join(
        f" {name}: ms | thousand characters/s | times one card |" for name in NETWORKS
    )
    yield f"| cards | lanes | MB moved |{columns}"
    yield "|---|---|---|" + "---|---|---|" * len(NETWORKS)
    for cards in (2**power for power in range(11)):
        row = f"| {cards:,} | {cards * LANES:,} | {bytes_moved(cards) / 1e6:.0f} |"
        for network in NETWORKS.values():
            taken = seconds(cards, network)
            rate = cards * LANES * LENGTH / taken
            times = rate * GRAPH / (LANES * LENGTH)
            row += f" {1000 * taken:.1f} | {rate / 1000:,.0f} | {times:,.{int(times < 10)}f} |"
        yield row


if __name__ == "__main__":
    print("\n".join(table()))
