"""A run goes on where its device or its precision is not, and says what changes."""

from __future__ import annotations

import json
import shutil
from pathlib import Path
from typing import Any

import msgspec
import pytest
import torch

from charrnn import Finished, resume, train
from charrnn.config import Threads
from charrnn.folder.files import write_files
from charrnn.folder.resuming import read_run
from charrnn.learning.hardware.ranks import Ranks
from charrnn.training.beginning.moved import moved
from charrnn.training.events import Started
from tests.conftest import Processor
from tests.training.watching import consume, content

pytestmark = pytest.mark.usefixtures("report_each_update")

SMALL: dict[str, Any] = {
    "hidden_size": 32,
    "embed_size": 6,
    "num_layers": 1,
    "batch_size": 3,
    "seq_length": 5,
    "dropout": 0.3,
    "steps": 30,
    "eval_every": 7,
    "patience": 50,
    "device": "cpu",
    "precision": "fp32",
}
LACKING = "in bf16 before, in fp32 now: this machine has no bfloat16"


@pytest.fixture
def without_bf16(monkeypatch: pytest.MonkeyPatch, processor: Processor) -> None:
    """A processor that has no bfloat16, nor machine code."""
    monkeypatch.setattr(torch.cpu, "get_capabilities", dict)
    processor(None)


def _change(path: Path, **settings: Any) -> None:
    """Have a run been begun with other settings, as on another machine."""
    config = json.loads((path / "config.json").read_text())
    config["training"] |= settings
    write_files(path, {"config.json": json.dumps(config).encode()})


def _stopped(text: Path, path: Path, **settings: Any) -> Path:
    """A run that was stopped between two evaluations."""
    consume(train(text, out=path, **SMALL | settings), 10)
    return path


def test_a_run_that_goes_on_on_another_device_says_so(
    text: Path, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    """What is drawn, and how sums are rounded, depends on it."""
    path = tmp_path / "model"
    consume(train(text, out=path, **SMALL | {"device": "auto"}), 3)
    assert not any("before" in note for note in resume(path).notes)
    monkeypatch.setattr(
        "charrnn.training.beginning.moved.choose_device", lambda _: torch.device("mps")
    )
    (note,) = (note for note in resume(path).notes if "before" in note)
    assert "before, on mps now: other units are dropped" in note


@pytest.mark.usefixtures("without_bf16")
def test_a_run_in_bfloat16_goes_on_in_fp32_where_that_is_emulated(
    cell: str, text: Path, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    """To the bit, however often it is stopped there; it stays so where it was begun."""
    path = _stopped(text, tmp_path / "model", cell=cell)
    _change(path, engine="lane_tiles", precision="bf16")
    shutil.copytree(path, tmp_path / "whole")
    consume(resume(tmp_path / "whole"))

    run = resume(path)
    assert run.notes.count(LACKING) == 1
    started = next(iter(run))
    assert isinstance(started, Started)
    assert (started.training.precision, started.precision) == ("fp32", "fp32")
    assert started.training.engine in ("loops", "torch")
    assert started.notes == run.notes, "nothing is said of an engine of bfloat16"
    assert read_run(path).config.precision == "bf16", "no update was made"
    run = resume(path)
    consume(run, 12)
    assert read_run(path).config == started.training
    assert LACKING not in resume(path).notes
    monkeypatch.setattr(torch.cpu, "get_capabilities", lambda: {"avx512_bf16": True})
    again = resume(path)
    assert LACKING not in again.notes
    *_, finished = again
    assert isinstance(finished, Finished)
    assert content(path) == content(tmp_path / "whole")


@pytest.mark.usefixtures("without_bf16")
def test_who_chose_bfloat16_on_a_machine_without_it_keeps_the_bits(
    text: Path, tmp_path: Path
) -> None:
    chosen: dict[str, Any] = {"cell": "gru", "precision": "bf16"}
    consume(train(text, out=tmp_path / "whole", **SMALL | chosen))
    path = _stopped(text, tmp_path / "model", **chosen)
    run = resume(path)
    assert LACKING not in run.notes
    consume(run)
    assert content(path) == content(tmp_path / "whole")
    assert read_run(path).config.precision == "bf16"


@pytest.mark.usefixtures("without_bf16")
def test_a_run_that_is_over_stays_as_it_is(text: Path, tmp_path: Path) -> None:
    path = tmp_path / "model"
    consume(train(text, out=path, **SMALL))
    _change(path, engine="lane_tiles", precision="bf16", device="cuda")
    before = read_run(path).config
    *_, finished = resume(path)
    assert isinstance(finished, Finished)
    assert read_run(path).config == before


@pytest.mark.skipif(torch.cuda.is_available(), reason="there is a GPU here")
@pytest.mark.parametrize("way", ["resumed", "repeated"])
def test_a_run_on_a_gpu_goes_on_without_one(way: str, text: Path, tmp_path: Path) -> None:
    """Who had named it was told to choose another device, and then that none can be chosen."""
    path = _stopped(text, tmp_path / "model")
    _change(path, device="cuda")
    if way == "resumed":
        run = resume(path)
    else:
        run = train(repeat=path, out=tmp_path / "again")
        path = tmp_path / "again"
    consume(run)
    assert run.finished is not None
    assert read_run(path).config.device == "auto", "where there is a GPU, it is used again"


@pytest.mark.parametrize(
    ("before", "engine", "precision"),
    [
        ("cuda", "loops", "fp32"),  # nobody has chosen bfloat16 for this processor
        ("cpu", "loops", "bf16"),
        (None, "loops", "bf16"),
        ("cpu", "persistent", "fp32"),  # an engine of another machine
        (None, "persistent", "fp32"),
    ],
)
@pytest.mark.usefixtures("without_bf16")
def test_where_a_run_was_before_tells_whether_bfloat16_was_chosen_here(
    before: Any, engine: Any, precision: str, text: Path, tmp_path: Path
) -> None:
    run = read_run(_stopped(text, tmp_path / "model", cell="gru"))
    settings = {"precision": "bf16", "engine": engine, "device": "auto"}
    config = msgspec.structs.replace(run.config, **settings)
    progress = None if before is None else msgspec.structs.replace(run.progress, device=before)
    found = moved(config, run.record.model, progress)
    assert found.config.precision == precision
    assert (LACKING in found.notes) == (precision == "fp32")
    assert any("on cuda before" in note for note in found.notes) == (before == "cuda")


def test_bfloat16_stays_where_the_machine_has_it(
    text: Path, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(torch.cpu, "get_capabilities", lambda: {"avx512_bf16": True})
    run = read_run(_stopped(text, tmp_path / "model"))
    config = msgspec.structs.replace(run.config, precision="bf16", engine="persistent")
    progress = msgspec.structs.replace(run.progress, device="cuda")
    assert moved(config, run.record.model, progress).config == config


@pytest.mark.parametrize(("processes", "kept"), [(1, True), (2, False)])
def test_several_processes_have_all_their_threads_again(
    processes: int, kept: bool, text: Path, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    """They don't adapt their number: a run that once had made room for others had few for ever."""
    run = read_run(_stopped(text, tmp_path / "model"))
    config = msgspec.structs.replace(run.config, threads=(Threads(step=4, count=1),))
    monkeypatch.setattr("charrnn.training.beginning.moved.processes", lambda: Ranks(0, processes))
    found = moved(config, run.record.model, run.progress)
    assert (found.config == config) is kept
    assert found.config.threads == (config.threads if kept else ())
    assert any("in 1 thread before" in note for note in found.notes) is not kept
