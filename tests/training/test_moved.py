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


@pytest.mark.parametrize(
    ("what", "note"),
    [
        ("threads", "1 thread before, 16 now: that changes rounding and nothing else"),
        ("PyTorch", f"PyTorch 1.0 before, {torch.__version__} now: that may change rounding"),
        ("engine", "is not available here, so its results will differ in the last digits"),
    ],
    ids=["threads", "PyTorch", "engine"],
)
def test_a_run_that_went_on_elsewhere_says_so_and_that_it_cant_be_made_again(
    what: str, note: str, text: Path, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    """Its folder tells of its last part alone, and `--repeat` made another run of it silently."""
    path = _stopped(text, tmp_path / "model")
    warning = f"{path} was computed in more than one way"
    run = train(repeat=path, out=tmp_path / "before")
    assert not any(" before, " in one or warning in one for one in run.notes)
    with monkeypatch.context() as there:
        if what == "threads":
            there.setattr("charrnn.training.beginning.moved.max_threads", lambda: 16)
        elif what == "engine":
            _change(path, engine="persistent")  # of a GPU
        else:
            config = json.loads((path / "config.json").read_text()) | {"torch_version": "1.0"}
            write_files(path, {"config.json": json.dumps(config).encode()})
        run = resume(path)
        consume(run, 15)
    assert any(note in one for one in run.notes)
    state = read_run(path)
    assert (state.progress.moved, state.record.torch_version) == (True, torch.__version__)
    assert not any(" before, " in one for one in resume(path).notes), "said once"
    again = train(repeat=path, out=tmp_path / "again")
    assert any(one.startswith(warning) for one in again.notes)
    consume(again, 2)
    assert not read_run(tmp_path / "again").progress.moved


def test_older_runs_do_not_say_how_many_threads_they_had(text: Path, tmp_path: Path) -> None:
    run = read_run(_stopped(text, tmp_path / "model"))
    assert run.progress.threads == torch.get_num_threads()
    for threads, told in ((None, 0), (torch.get_num_threads() + 1, 1)):
        progress = msgspec.structs.replace(run.progress, threads=threads)
        assert len(moved(run.record, progress).notes) == told


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
    assert read_run(path).progress.moved


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
    found = moved(msgspec.structs.replace(run.record, training=config), progress)
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
    record = msgspec.structs.replace(run.record, training=config)
    assert moved(record, progress).config == config


@pytest.mark.parametrize(("processes", "kept"), [(1, True), (2, False)])
def test_several_processes_have_all_their_threads_again(
    processes: int, kept: bool, text: Path, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    """They don't adapt their number: a run that once had made room for others had few for ever."""
    run = read_run(_stopped(text, tmp_path / "model"))
    config = msgspec.structs.replace(run.config, threads=(Threads(step=4, count=1),))
    monkeypatch.setattr("charrnn.training.beginning.moved.processes", lambda: Ranks(0, processes))
    found = moved(msgspec.structs.replace(run.record, training=config), run.progress)
    assert (found.config == config) is kept
    assert found.config.threads == (config.threads if kept else ())
    assert any("in 1 thread before" in note for note in found.notes) is not kept
