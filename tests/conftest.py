"""What the tests share: small networks with every dimension different, and a small corpus."""

from __future__ import annotations

import gc
import os
import shutil
import signal
import sys
from collections.abc import Callable, Generator, Iterator, Mapping
from contextlib import contextmanager
from pathlib import Path
from tempfile import TemporaryDirectory
from typing import Any

import hypothesis
import numpy as np
import pytest
import torch
from hypothesis import HealthCheck

import charrnn
from charrnn import CharRNN, Evaluation, Model
from charrnn.cells.rules import CELLS
from charrnn.config import CellName, ModelConfig, TrainConfig
from charrnn.native import processor as processors
from charrnn.native import tiles
from charrnn.native.processor import Target
from charrnn.native.writing import byte_tiles
from charrnn.text.tokenizer import Tokenizer
from tests import amx, commands
from tests.tasks.shelf import write_examples, write_models

# Some processes of the tests may write small files only: what Python compiles in them would be cut
# off, and the next process would fail to read it.
os.environ["PYTHONDONTWRITEBYTECODE"] = "1"
# Networks this small gain nothing from more threads, and lose much when tests run side by side.
torch.set_num_threads(1)
# In fp32, a GPU's results are compared with a CPU's; cuDNN would round products to ten bits.
torch.backends.cudnn.allow_tf32 = False

# The same examples in every run, however slow or old the machine; those of a test share its folder.
# `make test-slow` tries new ones.
hypothesis.settings.register_profile(
    "repeatable",
    derandomize=True,
    database=None,
    deadline=None,
    suppress_health_check=[HealthCheck.too_slow, HealthCheck.function_scoped_fixture],
)
hypothesis.settings.register_profile(
    "explore",
    hypothesis.settings.get_profile("repeatable"),
    derandomize=False,
    max_examples=1000,
    print_blob=True,
)
hypothesis.settings.load_profile("repeatable")

# What people set to their taste, and what a terminal or a launcher of processes hands on.
KEPT_OUT = (
    "CHARRNN_API_KEY",
    "CHARRNN_MODELS",
    "CLICOLOR",
    "CLICOLOR_FORCE",
    "COLUMNS",
    "FORCE_COLOR",
    "LINES",
    "LOCAL_RANK",
    "LOCAL_WORLD_SIZE",
    "MASTER_ADDR",
    "MASTER_PORT",
    "NO_COLOR",
    "OMP_THREAD_LIMIT",
    "PYTEST_ADDOPTS",
    "PYTHONIOENCODING",
    "PYTHONWARNINGS",
    "RANK",
    "TQDM_DISABLE",
    "WORLD_SIZE",
)

B, T, E, H, L, V = 3, 7, 4, 5, 2, 11

VERSE = """\
The clerk has lost the book of tides,
the pilot finds it on the quay;
the clerk says, it is mine, besides
the tides are wrong. So is the sea.
"""


def changed(model: Model, weights: Mapping[str, Any]) -> Model:
    """A model with some weights replaced, each by an array or by one number throughout."""
    own = {name: np.full_like(w, weights.get(name, w)) for name, w in model.weights.items()}
    return Model(model.config, model.tokenizer, own, model.facts)


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


def small_training(**changes: object) -> TrainConfig:
    """Settings of a short run."""
    values: dict[str, object] = {
        "batch_size": 4,
        "seq_length": 64,
        "steps": 10,
        "learning_rate": 0.01,
        "warmup_steps": 1,
        "weight_decay": 0.0,
        "val_frac": 0.2,
        "eval_every": 5,
        "patience": 3,
    }
    return TrainConfig(**(values | changes))  # type: ignore[arg-type]


def evaluation(**values: Any) -> Evaluation:
    """What a run notes: these values, and ones."""
    ones = ("epoch", "seconds", "train_nats", "val_nats", "learning_rate", "grad_norm")
    usual = {"step": 1} | dict.fromkeys((*ones, "tokens_per_second"), 1.0)
    return Evaluation(**usual | values)


def random_model(cell: str, tokenizer: Tokenizer, **changes: object) -> Model:
    """A small model of random weights, whose tokens are those of the tokenizer."""
    config = small_config(cell, vocab_size=tokenizer.vocab_size, **changes)
    return Model(config, tokenizer, CharRNN(config).weights())


@pytest.fixture(params=sorted(CELLS))
def cell(request: pytest.FixtureRequest) -> CellName:
    """Each cell of the registry in turn, so that a new one is tested by existing."""
    name: CellName = request.param
    return name


def pytest_configure(config: pytest.Config) -> None:
    """Run all tests in the same environment, with caches of their own."""
    # A process reads it at its first product on a GPU, whichever test that is.
    os.environ.setdefault("CUBLAS_WORKSPACE_CONFIG", ":4096:8")
    # A shell starts what runs in its background with Ctrl-C ignored.
    signal.signal(signal.SIGINT, signal.default_int_handler)
    if hasattr(config, "workerinput"):
        return  # it has the environment of the process that started it, compiled code included
    for name in list(os.environ):
        if name in KEPT_OUT or name.startswith("HF_"):
            del os.environ[name]
    caches = TemporaryDirectory(prefix="charrnn-tests-")
    config.add_cleanup(caches.cleanup)
    os.environ |= dict.fromkeys(("XDG_CACHE_HOME", "HF_HOME", "MPLCONFIGDIR"), caches.name)
    os.environ["TERM"] = "xterm"


@pytest.hookimpl(wrapper=True)
def pytest_collection() -> Generator[None, object, object]:
    """Spare work: pytest takes the assertions of a file apart once, and keeps them so.

    And nobody looks for garbage among what is imported and collected: it stays to the end.
    """
    without = sys.dont_write_bytecode
    sys.dont_write_bytecode = False
    gc.disable()
    try:
        return (yield)
    finally:
        sys.dont_write_bytecode = without
        gc.collect()
        gc.freeze()
        gc.enable()


def pytest_runtest_setup(item: pytest.Item) -> None:
    """Skip what only a GPU can show, where there is none."""
    if item.get_closest_marker("gpu") and not torch.cuda.is_available():
        pytest.skip("there is no GPU here")


@pytest.fixture(autouse=True)
def _alone(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    """Start each test from the same random state, in an empty folder of its own."""
    torch.manual_seed(1)
    monkeypatch.chdir(tmp_path)


@pytest.fixture
def verse(tmp_path: Path) -> Path:
    """A text file of some kilobytes in `tmp_path`."""
    path = tmp_path / "verse.txt"
    path.write_text(VERSE * 20, encoding="utf-8")
    return path


@contextmanager
def unchanged(folder: Path) -> Iterator[Path]:
    """A folder that tests share; none of them may write to it."""

    def contents() -> dict[Path, bytes]:
        return {file: file.read_bytes() for file in folder.rglob("*") if file.is_file()}

    before = contents()
    yield folder
    assert contents() == before, f"a test has written to {folder}, which others read"


@pytest.fixture(scope="session")
def trained_home(tmp_path_factory: pytest.TempPathFactory) -> Iterator[Path]:
    """What `home` is a copy of."""
    path = tmp_path_factory.mktemp("trained-home")
    (path / "verse.txt").write_text(VERSE * 20)
    done = commands.run(path, "train", "verse.txt", "--steps", 30, *commands.TINY, "--json")
    assert done.returncode == 0, done.stderr
    (path / "summary.json").write_text(done.stdout)
    with unchanged(path):
        yield path


@pytest.fixture(scope="session")
def trained_folder(tmp_path_factory: pytest.TempPathFactory) -> Iterator[Path]:
    """A model folder that a run has made, with all that a folder can have; to be copied."""
    path = tmp_path_factory.mktemp("trained-folder")
    (path / "verse.txt").write_text(VERSE * 12)
    settings: dict[str, Any] = {"hidden_size": 7, "embed_size": 5, "batch_size": 3, "steps": 20}
    for _ in charrnn.train(path / "verse.txt", out=path / "model", **settings):
        pass
    with unchanged(path):
        yield path / "model"


@pytest.fixture(scope="session")
def trained_tasks(tmp_path_factory: pytest.TempPathFactory) -> Iterator[Path]:
    """A folder with examples for tasks, and models of them; to be copied."""
    path = tmp_path_factory.mktemp("trained-tasks")
    write_examples(path)
    write_models(path)
    with unchanged(path):
        yield path


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


@pytest.fixture
def emulator(processor: Processor, monkeypatch: pytest.MonkeyPatch) -> Iterator[amx.Emulator]:
    """A processor with tiles, which are emulated."""
    with amx.emulated() as found:
        processor(amx.WITH_TILES)
        monkeypatch.setattr(tiles, "granted", lambda: True)
        for checked in (tiles, byte_tiles):
            checked.multiply_right.cache_clear()
        yield found
    for checked in (tiles, byte_tiles):
        checked.multiply_right.cache_clear()


@pytest.fixture
def with_tiles(request: pytest.FixtureRequest) -> None:
    """A processor with tiles: this one, if it has them."""
    if not (tiles.available() and byte_tiles.available()):
        request.getfixturevalue("emulator")
