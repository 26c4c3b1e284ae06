"""What computes a run is found by trial, said, and kept with the run."""

from __future__ import annotations

import json
import math
from collections.abc import Callable
from pathlib import Path
from typing import Any

import numpy as np
import pytest
import torch

from charrnn import (
    Corpus,
    Evaluated,
    Finished,
    Started,
    evaluate,
    load,
    resume,
    train,
)
from charrnn.config import Budget, CellName, EngineName, Reading, TaskSettings
from charrnn.folder.files import write_files
from charrnn.folder.reading import read_model
from charrnn.learning.eager import EagerUpdates
from charrnn.learning.hardware import clock
from charrnn.learning.lanes import Batch
from charrnn.learning.learner import Learner
from charrnn.network.stack.choice import candidates
from charrnn.objectives import classify
from charrnn.objectives.plans.language import plan_of
from charrnn.objectives.plans.plan import Plan, schedule
from charrnn.objectives.request import Request
from charrnn.text.records import Records
from charrnn.training.pace import trial
from charrnn.training.pace.trial import Way
from tests.conftest import VERSE, Processor
from tests.learners import language_task

CORPUS = Corpus("verse", VERSE * 9)
SHAPE: dict[str, Any] = {
    "device": "cpu",
    "hidden_size": 32,
    "embed_size": 7,
    "num_layers": 1,
    "batch_size": 3,
    "seq_length": 5,
}
CPU = torch.device("cpu")
IDS = np.arange(200, dtype=np.uint8) % 11
TASK = language_task(IDS)


def plan(cell: CellName, **given: Any) -> Plan:
    given = SHAPE | {"cell": cell} | given
    return plan_of(len(IDS), 11, Budget(3.0), given, speed=1e9)


def started(run: Any) -> Started:
    event = next(iter(run))
    assert isinstance(event, Started)
    return event


@pytest.fixture
def long(monkeypatch: pytest.MonkeyPatch) -> None:
    """Every run is long enough for a trial."""
    monkeypatch.setattr(trial, "LONG_RUN", 1)


def test_every_way_is_tried(cell: CellName) -> None:
    rates = trial.rates(plan(cell, precision="fp32"), TASK, 1, math.inf)
    assert {way.engine for way in rates} >= {"torch", "loops"}
    assert {way.precision for way in rates} == {"fp32"}
    assert all(rate > 0 for rate in rates.values())


def test_without_machine_code_pytorch_is_tried(cell: CellName, processor: Processor) -> None:
    processor(None)
    rates = trial.rates(plan(cell, precision="fp32"), TASK, 1, math.inf)
    assert {way.engine for way in rates} == {"torch", "loops"}


@pytest.mark.parametrize(
    ("rates", "expected"),
    [
        ((100.0, 90.0, 80.0), Way("kernels", "bf16")),
        ((100.0, 104.0, 80.0), Way("kernels", "bf16")),  # may be chance
        ((100.0, 130.0, 80.0), Way("torch", "bf16")),
        ((100.0, 130.0, 170.0), Way("kernels", "fp32")),
    ],
)
def test_the_fastest_is_taken_and_said(
    rates: tuple[float, ...], expected: Way, monkeypatch: pytest.MonkeyPatch
) -> None:
    ways = Way("kernels", "bf16"), Way("torch", "bf16"), Way("kernels", "fp32")
    monkeypatch.setattr(trial, "rates", lambda *_: dict(zip(ways, rates, strict=True)))
    found = trial.with_fastest_engine(plan("gru"), Budget(3.0), TASK)
    assert (found.settings["engine"], found.settings["precision"]) == expected
    assert f", computed by {expected} (" in found.reasons


@pytest.mark.parametrize("budget", [Budget(steps=9), Budget(epochs=1.0), Budget(minutes=0.1)])
def test_a_short_run_takes_no_trial(budget: Budget, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(trial, "rates", lambda *_: pytest.fail("a trial"))
    found = trial.with_fastest_engine(plan("gru", precision="fp32"), budget, TASK)
    assert found.reasons == plan("gru").reasons
    assert found.settings["engine"] == candidates("gru", 32, CPU, torch.float32)[0]  # it is kept
    assert found.settings["precision"] == "fp32"


@pytest.mark.parametrize(("hidden_size", "steps"), [(16, 64), (512, 27)])
def test_only_large_networks_are_tried_with_fewer_steps(
    hidden_size: int, steps: int, monkeypatch: pytest.MonkeyPatch
) -> None:
    """For weights are made ready once an update, which counts for more in a short one."""
    read = []
    monkeypatch.setattr(EagerUpdates, "run", lambda _, batch, *__: read.append(batch.window))
    ids = np.arange(4000, dtype=np.uint8) % 11
    given = {"hidden_size": hidden_size, "batch_size": 23, "seq_length": 64, "precision": "fp32"}
    trial.rates(
        plan_of(len(ids), 11, Budget(3.0), SHAPE | given | {"cell": "lstm"}, speed=1e9),
        language_task(ids),
    )
    assert {window.shape for window in read} == {(23, steps + 1)}


def test_of_long_texts_the_beginnings_are_tried(monkeypatch: pytest.MonkeyPatch) -> None:
    """A trial on whole texts took a classifier longer than its minutes."""
    rows = "".join(f"{'ab' * 999}{k:02},{'xy'[k % 2]}\n" for k in range(30))
    Path("a.csv").write_text(f"text,label\n{rows}")
    budget, given = Budget(minutes=1), {"device": "cpu", "hidden_size": 9, "precision": "fp32"}
    request = Request(["a.csv"], Reading(), TaskSettings(task="classify"), (), budget, given)
    data = classify.read(request)
    found = classify.plan(data, request, lambda _: 1e9)
    widths = set[int]()
    monkeypatch.setattr(
        EagerUpdates, "run", lambda _, batch, *__: widths.update(map(len, batch.rows))
    )
    trial.rates(found, data.task(schedule(found, 1)))
    assert max(widths) == 128


def test_a_table_of_n_grams_makes_no_trial_shorter(monkeypatch: pytest.MonkeyPatch) -> None:
    """Its weights counted as if each character were multiplied by all of them."""
    rows = "".join(f"{'ab' * 99}{k:02},{k % 8}\n" for k in range(80))
    Path("a.csv").write_text(f"text,label\n{rows}")
    given = {"device": "cpu", "hidden_size": 48, "batch_size": 64, "precision": "fp32"}
    task_settings, budget = TaskSettings(task="classify"), Budget(minutes=1)
    request = Request(["a.csv"], Reading(), task_settings, (), budget, given)
    data = classify.read(request)
    assert data.task_record.grams * data.task_record.classes == 1 << 20
    found = classify.plan(data, request, lambda _: 1e9)
    widths = set[int]()
    monkeypatch.setattr(
        EagerUpdates, "run", lambda _, batch, *__: widths.update(map(len, batch.rows))
    )
    trial.rates(found, data.task(schedule(found, 1)))
    assert max(widths) == 128


@pytest.fixture
def tried(monkeypatch: pytest.MonkeyPatch, processor: Processor) -> Callable[..., list[str]]:
    """Sets what an update takes in each engine, by a clock of its own.

    Returns which ones are tried, update after update.
    """
    processor(None)

    def timed(**updates: float) -> list[str]:
        now, engines = [0.0], list[str]()

        def seconds(learner: Learner) -> float:
            engines.append(learner.network.rnn.engine)
            now[0] += updates[engines[-1]]
            return updates[engines[-1]]

        monkeypatch.setattr(trial, "update_seconds", seconds)
        monkeypatch.setattr(clock, "now", lambda: now[0])
        return engines

    return timed


@pytest.mark.parametrize(
    ("minutes", "expected"),
    [
        (0.5, ["torch", "torch"]),
        (0.7, ["torch", "torch", "loops"]),
        (9.0, ["torch", "torch", "loops", "loops"]),
    ],
)
def test_a_trial_ends_after_some_seconds_or_a_share_of_the_minutes(
    minutes: float, expected: list[str], tried: Callable[..., list[str]]
) -> None:
    """On a busy machine it took longer than the run."""
    engines = tried(torch=2.0, loops=0.9)
    found = trial.with_fastest_engine(plan("lstm", precision="fp32"), Budget(minutes), TASK)
    assert engines == expected
    assert found.settings["engine"] == ("loops" if minutes == 9 else "torch")


def test_all_ways_compute_the_same_batch(monkeypatch: pytest.MonkeyPatch) -> None:
    """Those of records are not equally wide, so that another one would be faster or slower."""
    read = []
    run = EagerUpdates.run

    def noted(updates: EagerUpdates, batch: Batch, *given: Any) -> None:
        read.append(batch.window)
        run(updates, batch, *given)

    monkeypatch.setattr(EagerUpdates, "run", noted)
    ids = np.arange(200, dtype=np.uint8) % 10
    ids[[0, 2, 5, 9, 40, 60, 62, 90, 199]] = 10
    trial.rates(plan("rnn", precision="fp32"), language_task(Records.of(ids, 10)), 1, math.inf)
    assert len(read) >= 4
    assert all(np.array_equal(window, read[0]) for window in read)


@pytest.mark.parametrize(("usual", "disturbed"), [(0.001, 0.005), (1.0, 3.0)])
def test_a_moment_without_a_processor_decides_nothing(
    usual: float, disturbed: float, monkeypatch: pytest.MonkeyPatch
) -> None:
    """In its first round, the fastest way takes much longer than in the others."""
    fastest = candidates("rnn", 32, CPU, torch.float32)[0]
    tried: list[str] = []

    def seconds(_: Learner) -> float:
        if tried[-1] != fastest:
            return 2 * usual
        return disturbed if tried.count(fastest) == 1 else usual

    use = Learner.use

    def noted(learner: Learner, engine: EngineName, precision: Any) -> None:
        tried.append(engine)
        use(learner, engine, precision)

    monkeypatch.setattr(trial, "update_seconds", seconds)
    monkeypatch.setattr(Learner, "use", noted)
    found = trial.with_fastest_engine(plan("rnn", precision="fp32"), Budget(3.0), TASK)
    assert found.settings["engine"] == fastest


@pytest.mark.usefixtures("with_tiles")
def test_tiles_are_tried(cell: CellName) -> None:
    rates = trial.rates(plan(cell, precision="bf16"), TASK, 1, math.inf)
    assert {way.engine for way in rates} >= {"kernels", "lane_tiles", "loops"}


@pytest.mark.parametrize(
    "way", [Way("torch", "fp32"), Way("loops", "fp32"), Way("lane_tiles", "bf16")], ids=str
)
def test_a_run_computes_with_what_was_chosen_and_goes_on_with_it(
    way: Way,
    cell: CellName,
    tmp_path: Path,
    long: None,
    monkeypatch: pytest.MonkeyPatch,
    request: pytest.FixtureRequest,
) -> None:
    """A resumed run ends in the same bits, and they are those of the engine."""
    if way.engine == "lane_tiles":
        request.getfixturevalue("with_tiles")
    monkeypatch.setattr(trial, "rates", lambda *_: {way: 1.0})
    given: dict[str, Any] = SHAPE | {"cell": cell, "steps": 8, "seed": 5}
    train(CORPUS, out=tmp_path / "whole", **given).finish(progress=False)
    whole = read_model(tmp_path / "whole")
    assert whole.record.training is not None
    assert whole.record.training.engine == way.engine
    for _ in train(CORPUS, out=tmp_path / "parts", **given):
        break
    resume(tmp_path / "parts", CORPUS).finish(progress=False)
    parts = read_model(tmp_path / "parts")
    for name, weight in whole.weights.items():
        assert np.array_equal(weight, parts.weights[name])


@pytest.mark.parametrize("way", [Way("kernels", "fp32"), Way("lane_tiles", "bf16")], ids=str)
def test_a_machine_that_lacks_an_engine_says_so_and_goes_on(
    way: Way,
    tmp_path: Path,
    long: None,
    monkeypatch: pytest.MonkeyPatch,
    processor: Processor,
    request: pytest.FixtureRequest,
) -> None:
    if way.engine == "lane_tiles":
        request.getfixturevalue("with_tiles")
    monkeypatch.setattr(torch.cpu, "get_capabilities", lambda: {"avx512_bf16": True})
    monkeypatch.setattr(trial, "rates", lambda *_: {way: 1.0})
    run = train(CORPUS, out=tmp_path / "model", cell="gru", steps=8, **SHAPE)
    next(iter(run))
    processor(None)
    notes = started(resume(tmp_path / "model", CORPUS)).notes
    assert [note for note in notes if f"({way.engine}) is not available here" in note]


def test_a_folder_of_an_engine_that_is_no_more_is_used_and_goes_on(
    cell: CellName, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    """Tiles by units: what they trained is as good as ever, and the run says what has changed."""
    monkeypatch.setattr(torch.cpu, "get_capabilities", lambda: {"avx512_bf16": True})
    path = tmp_path / "model"
    for event in train(CORPUS, out=path, cell=cell, steps=8, eval_every=4, **SHAPE):
        if isinstance(event, Evaluated):
            break
    config = json.loads((path / "config.json").read_text())
    config["training"] |= {"engine": "tiles", "precision": "bf16"}
    write_files(path, {"config.json": json.dumps(config).encode()})
    assert load(path).generate("The ", max_new_tokens=5, seed=1)
    assert evaluate(path, CORPUS.text).bits_per_char > 0
    first, *_, last = resume(path, CORPUS)
    assert isinstance(first, Started)
    assert isinstance(last, Finished)
    assert len([note for note in first.notes if "(tiles) is not available here" in note]) == 1
    assert last.steps == 8
    again = train(CORPUS, repeat=path, out=tmp_path / "again")
    again.finish(progress=False)
    assert len([note for note in again.notes if "(tiles) is not available here" in note]) == 1
    made = json.loads((tmp_path / "again" / "config.json").read_text())["training"]
    assert made["engine"] in ("kernels", "lane_tiles", "loops", "torch"), "what has computed it"


@pytest.mark.parametrize(("processes", "graphs"), [(1, 1), (3, 0)])
def test_a_gpu_that_shares_a_run_is_tried_without_graphs(
    processes: int, graphs: int, monkeypatch: pytest.MonkeyPatch
) -> None:
    """One process alone records its updates; a trial of several once measured graphs, too."""
    prepared: list[Learner] = []
    monkeypatch.setattr(trial, "choose_device", lambda _: torch.device("cuda"))
    monkeypatch.setattr(Learner, "prepare", lambda learner: prepared.append(learner))
    assert len(trial.rates(plan("rnn", precision="fp32"), TASK, processes)) == 1
    assert len(prepared) == graphs


def test_a_trial_on_a_gpu_ends_after_some_seconds_too(monkeypatch: pytest.MonkeyPatch) -> None:
    updates: list[int] = []
    monkeypatch.setattr(trial, "choose_device", lambda _: torch.device("cuda"))
    monkeypatch.setattr(Learner, "prepare", lambda _: None)
    monkeypatch.setattr(Learner, "update", lambda learner: updates.append(learner.step))
    monkeypatch.setattr(clock, "now", lambda: float(len(updates)))
    trial.rates(plan("rnn", precision="fp32"), TASK)
    assert len(updates) == 1 + trial.BURST, "the first, which compiles, is not timed"


def test_a_way_that_a_gpu_has_no_memory_for_is_left_out(monkeypatch: pytest.MonkeyPatch) -> None:
    """Whichever library says so; what else fails is told."""
    error = RuntimeError("cuDNN error: CUDNN_STATUS_INTERNAL_ERROR_DEVICE_ALLOCATION_FAILED")

    def fail(_: Learner) -> None:
        raise error

    monkeypatch.setattr(trial, "choose_device", lambda _: torch.device("cuda"))
    monkeypatch.setattr(Learner, "prepare", lambda _: None)
    monkeypatch.setattr(Learner, "update", fail)
    assert trial.rates(plan("rnn", precision="fp32"), TASK) == {}
    error = RuntimeError("CUDA error: an illegal memory access was encountered")
    with pytest.raises(RuntimeError, match="illegal memory access"):
        trial.rates(plan("rnn", precision="fp32"), TASK)


@pytest.mark.gpu
def test_what_a_gpu_can_do_is_tried_as_it_will_be_done(cell: CellName) -> None:
    wide = plan(cell, hidden_size=64, batch_size=8, device="cuda", precision="auto")
    found = trial.rates(wide, TASK)
    ways = {(way.engine, way.precision) for way in found}
    if ("persistent", "bf16") in ways:
        assert ways == {("persistent", "bf16"), ("torch", "bf16")}
        chosen = trial.with_fastest_engine(wide, Budget(3.0), TASK)
        assert chosen.settings["engine"] in ("persistent", "torch")
        assert "kernel" in chosen.reasons or "layers" in chosen.reasons
    narrow = plan(cell, hidden_size=64, batch_size=3, device="cuda", precision="auto")
    assert {way.engine for way in trial.rates(narrow, TASK)} == {"torch"}
