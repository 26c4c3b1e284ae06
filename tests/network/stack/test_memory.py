"""What training takes of memory; that the text does not count is in test_spool."""

from __future__ import annotations

from pathlib import Path

import pytest

from charrnn.cells.rules import CELLS
from charrnn.config import CellName
from tests.commands import run_code

UPDATES = """
import sys
import numpy as np
from charrnn.config import ModelConfig, TrainConfig
from charrnn.learning.learner import Learner
from charrnn.objectives.language import LanguageModelling
from charrnn.text.tokenizer import CharTokenizer

cell, batch_size, lengths = sys.argv[1], int(sys.argv[2]), map(int, sys.argv[3:])
model = ModelConfig(cell=cell, vocab_size=65, embed_size=64, hidden_size=128, num_layers=2)
ids = np.random.default_rng(0).integers(0, 65, 200_000, np.uint8)
vocabulary = CharTokenizer("".join(map(chr, range(65))))
for seq_length in lengths:
    config = TrainConfig(
        batch_size=batch_size,
        seq_length=seq_length,
        steps=9,
        learning_rate=1e-3,
        warmup_steps=1,
        weight_decay=0.0,
        val_frac=0.1,
        eval_every=9,
        patience=9,
        device="cpu",
    )
    learner = Learner(LanguageModelling(ids, ids[:9], vocabulary), model, config)
    for _ in range(2):
        learner.update()
    status = open("/proc/self/status").read()
    print(int(status.partition("VmHWM:")[2].split()[0]) * 1024)
"""


def peaks(*arguments: object) -> list[int]:
    """The largest memory, in bytes, that a few updates came to have with each length in turn."""
    return [int(line) for line in run_code(UPDATES, *arguments).split()]


@pytest.mark.skipif(not Path("/proc/self/status").exists(), reason="reads Linux's /proc")
def test_memory_grows_with_what_is_read_at_once(cell: CellName) -> None:
    """With B·T·(H·L + V), by less than three floats for each gate and the output."""
    lanes, short, long = 32, 64, 320
    numbers = lanes * (long - short) * (128 * 2 + 65)
    less, more = peaks(cell, lanes, short, long)
    assert 4 * numbers < more - less < 12 * (CELLS[cell].gates + 1) * numbers
