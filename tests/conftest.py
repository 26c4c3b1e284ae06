"""What the tests share: small networks with every dimension different, and a small corpus."""

from __future__ import annotations

import os
import shutil
import subprocess
import sys
from collections.abc import Callable
from pathlib import Path

import pytest
import torch

from charrnn.cells.rules import CELLS
from charrnn.config import CellName, ModelConfig
from charrnn.native import processor as processors
from charrnn.native.processor import Target
from tests import commands

# Networks this small gain nothing from more threads, and lose much when tests run side by side.
torch.set_num_threads(1)

B, T, E, H, L, V = 3, 7, 4, 5, 2, 11

VERSE = """\
The clerk has lost the book of tides,
the pilot finds it on the quay;
the clerk says, it is mine, besides
the tides are wrong. So is the sea.
"""


def small_config(cell: str, **changes: object) -> ModelConfig:
    """A network whose dimensions all differ."""
    values: dict[str, object] = {
        "cell": cell,
        "vocab_size": V,
        "embed_size": E,
        "hidden_size": H,
        "num_layers": L,
    }
    return ModelConfig(**(values | changes))  # type: ignore[arg-type]


@pytest.fixture(params=sorted(CELLS))
def cell(request: pytest.FixtureRequest) -> CellName:
    """Each cell of the registry in turn, so that a new one is tested by existing."""
    name: CellName = request.param
    return name


@pytest.fixture(autouse=True)
def _seed() -> None:
    torch.manual_seed(1)


Run = Callable[..., "subprocess.CompletedProcess[str]"]


@pytest.fixture
def charrnn(tmp_path: Path) -> Run:
    """Run the command in a process and a folder of its own: `charrnn("train", "a.txt")`."""

    def run(*arguments: str | Path, **options: object) -> subprocess.CompletedProcess[str]:
        environment = os.environ | {"OMP_NUM_THREADS": "1"}
        return subprocess.run(  # type: ignore[call-overload, no-any-return]
            [sys.executable, "-m", "charrnn", *map(str, arguments)],
            **(
                {
                    "cwd": tmp_path,
                    "capture_output": True,
                    "text": True,
                    "timeout": 120,
                    "env": environment,
                }
                | options
            ),
        )

    return run


@pytest.fixture
def verse(tmp_path: Path) -> Path:
    """A text file of some kilobytes in `tmp_path`."""
    path = tmp_path / "verse.txt"
    path.write_text(VERSE * 20, encoding="utf-8")
    return path


@pytest.fixture(scope="session")
def trained_home(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """What `home` is a copy of; trained once, and never written again."""
    path = tmp_path_factory.mktemp("trained-home")
    (path / "verse.txt").write_text(VERSE * 20)
    done = commands.run(path, "train", "verse.txt", "--steps", 30, *commands.TINY, "--json")
    assert done.returncode == 0, done.stderr
    (path / "summary.json").write_text(done.stdout)
    return path


@pytest.fixture
def home(trained_home: Path, tmp_path: Path) -> Path:
    """A folder of the test's own, with `verse.txt` and a trained model `checkpoints/verse`."""
    return Path(shutil.copytree(trained_home, tmp_path / "home"))


Processor = Callable[[Target | None], None]
HERE = processors.target()
# This processor, and such as have not all of its instructions.
PROCESSORS = [HERE]
if HERE and HERE.lanes == 16:
    without = ",-avx512vnni,-avx512bf16"
    PROCESSORS.append(Target(16, 32, False, "pairs", HERE.features + without))
    if HERE.int8 == "fours":  # some registers more than a processor with AVX-VNNI has
        PROCESSORS.append(Target(8, 16, False, "fours", HERE.features))
if HERE and HERE.lanes >= 8:
    without = ",-avx512f,-avxvnni"
    PROCESSORS.append(Target(8, 16, False, "pairs", HERE.features + without))


def processor_name(target: object) -> str | None:
    """For the names of tests."""
    if isinstance(target, Target):
        return "here" if target == HERE else f"{32 * target.lanes}bit-{target.int8}"
    return None


@pytest.fixture
def processor(monkeypatch: pytest.MonkeyPatch) -> Processor:
    """Make code as for another processor than this one: `processor(Target(...))`."""

    def pretend(target: Target | None) -> None:
        monkeypatch.setattr(processors, "target", lambda: target)

    return pretend
