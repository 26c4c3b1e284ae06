"""What a training run takes of memory: what it reads at once counts, not how long the text is."""

from __future__ import annotations

import subprocess
import sys
from collections.abc import Callable
from pathlib import Path

import pytest

from charrnn.cells import CELLS
from charrnn.config import CellName
from tests.conftest import VERSE

pytestmark = pytest.mark.skipif(
    not Path("/proc/self/status").exists(), reason="only Linux tells a process's largest memory"
)

UPDATES = """
import sys
from pathlib import Path
import numpy as np
from charrnn.config import ModelConfig, TrainConfig
from charrnn.learner import Learner

cell, batch_size, seq_length = sys.argv[1], int(sys.argv[2]), int(sys.argv[3])
model = ModelConfig(cell=cell, vocab_size=65, embed_size=64, hidden_size=128, num_layers=2)
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
)
ids = np.random.default_rng(0).integers(0, 65, 200_000, np.uint8)
learner = Learner(model, config, ids)
for _ in range(3):
    learner.update()
"""

WHOLE_RUN = """
import sys
from charrnn import train

sizes = {"hidden_size": 8, "num_layers": 1, "embed_size": 8, "batch_size": 4, "seq_length": 16}
for _ in train(["text.txt"], out=sys.argv[1], steps=3, eval_every=3, val_frac=0.0001, **sizes):
    pass
"""

TELL = """
status = open("/proc/self/status").read()
print(int(status.partition("VmHWM:")[2].split()[0]) * 1024)
"""

Peak = Callable[..., int]


@pytest.fixture
def peak(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Peak:
    """The largest memory, in bytes, that a program of its own came to have."""
    monkeypatch.setenv("XDG_CACHE_HOME", str(tmp_path / "cache"))

    def run(program: str, *arguments: object) -> int:
        command = [sys.executable, "-c", program + TELL, *map(str, arguments)]
        done = subprocess.run(command, cwd=tmp_path, capture_output=True, text=True)
        assert done.returncode == 0, done.stderr
        return int(done.stdout)

    return run


def test_memory_grows_with_what_is_read_at_once(cell: CellName, peak: Peak) -> None:
    """With B·T·(H·L + V), by less than three floats for each gate and the output."""
    lanes, short, long = 64, 64, 320
    numbers = lanes * (long - short) * (128 * 2 + 65)
    growth = peak(UPDATES, cell, lanes, long) - peak(UPDATES, cell, lanes, short)
    assert 4 * numbers < growth < 12 * (CELLS[cell].gates + 1) * numbers


def test_memory_does_not_grow_with_the_text(peak: Peak, tmp_path: Path) -> None:
    """Of a text too long to be kept in memory: its ids are mapped from a file."""
    peaks = []
    for megabytes in (20, 50):
        (tmp_path / "text.txt").write_text(VERSE * (megabytes * 1_000_000 // len(VERSE)))
        peaks.append(peak(WHOLE_RUN, f"model{megabytes}"))
    assert abs(peaks[1] - peaks[0]) < 15_000_000
