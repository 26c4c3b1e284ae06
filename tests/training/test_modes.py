"""A good neighbour in a program: charrnn and what its caller does with PyTorch."""

from __future__ import annotations

import threading
from collections.abc import Callable
from contextlib import ExitStack
from pathlib import Path
from typing import Any

import numpy as np
import pytest
import torch

from charrnn import CharRNN, Corpus, Evaluated, Mixture, Progress, evaluate, load, resume, train
from tests.conftest import VERSE
from tests.modes import default_device, default_dtype, deterministic
from tests.training.watching import weights

CORPUS = Corpus("verse", VERSE * 12)
SETTINGS: dict[str, Any] = {
    "hidden_size": 16,
    "embed_size": 6,
    "batch_size": 3,
    "seq_length": 9,
    "dropout": 0.3,
    "weight_dropout": 0.3,
    "steps": 24,
    "eval_every": 8,
}


MODES: dict[str, Callable[[], Any]] = {
    "float64": default_dtype,
    "no_grad": torch.no_grad,
    "inference_mode": torch.inference_mode,
    "meta": default_device,
    "deterministic": deterministic,
    "autocast": lambda: torch.autocast("cpu", torch.bfloat16),
}


def modes() -> tuple[object, ...]:
    """All that a program may have set."""
    return (
        torch.get_default_dtype(),
        torch.get_default_device(),
        torch.is_grad_enabled(),
        torch.is_inference_mode_enabled(),
        torch.are_deterministic_algorithms_enabled(),
        torch.is_autocast_enabled("cpu"),
    )


@pytest.fixture(scope="module")
def plain(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """A model of each cell, trained where nobody has set anything."""
    path = tmp_path_factory.mktemp("plain")
    for cell in ("gru", "lstm"):
        for _ in train(CORPUS, out=path / cell, cell=cell, **SETTINGS):
            pass
    return path


@pytest.mark.parametrize("mode", MODES)
@pytest.mark.parametrize("cell", ["gru", "lstm"])
def test_training_and_evaluation_are_the_same_in_every_mode_and_leave_it(
    mode: str, cell: str, plain: Path, tmp_path: Path
) -> None:
    expected = evaluate(plain / cell, VERSE).nats, evaluate(plain / cell, VERSE, adapt_from=VERSE)
    with MODES[mode]():
        before = modes()
        events = train(CORPUS, out=tmp_path / "model", cell=cell, **SETTINGS)
        for event in events:
            assert modes() == before, event
            if isinstance(event, Evaluated) and event.evaluation.step == 16:
                break
        assert modes() == before
        resume(tmp_path / "model", CORPUS).finish(progress=False)
        found = evaluate(plain / cell, VERSE).nats, evaluate(plain / cell, VERSE, adapt_from=VERSE)
        network = CharRNN.from_pretrained(plain / cell)
        assert modes() == before
    assert weights(tmp_path / "model") == weights(plain / cell)
    assert found == expected
    assert {weight.dtype for weight in network.parameters()} == {torch.float32}
    assert {weight.device.type for weight in network.parameters()} == {"cpu"}
    network.train()(torch.zeros(2, 3, dtype=torch.int64))[0].sum().backward()  # it can learn


@pytest.mark.usefixtures("report_each_update")
def test_what_the_caller_does_between_two_events_is_not_the_runs_business(
    plain: Path, tmp_path: Path
) -> None:
    with ExitStack() as later:
        for number, event in enumerate(
            train(CORPUS, out=tmp_path / "model", cell="gru", **SETTINGS)
        ):
            torch.manual_seed(number)
            torch.rand(5)
            if isinstance(event, Progress) and event.step == 5:
                for mode in MODES.values():
                    later.enter_context(mode())
    assert weights(tmp_path / "model") == weights(plain / "gru")


@pytest.mark.usefixtures("report_each_update")
def test_what_the_caller_draws_is_what_it_would_be_without_a_run(tmp_path: Path) -> None:
    """A run draws for its weights and its dropout, but never from PyTorch's own generator."""
    torch.manual_seed(3)
    alone = [float(torch.rand(())) for _ in range(99)]
    torch.manual_seed(3)
    events = train(CORPUS, out=tmp_path / "model", cell="gru", **SETTINGS)
    found = [float(torch.rand(())) for _ in events]
    for use in (lambda path: evaluate(path, VERSE), CharRNN.from_pretrained):
        use(tmp_path / "model")
        found.append(float(torch.rand(())))
    assert len(found) > SETTINGS["steps"]
    assert found == alone[: len(found)]


def test_another_thread_may_draw_in_the_middle_of_an_update(
    plain: Path, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    """Both would share PyTorch's own generator: here another draws between two draws of a run."""
    forward, draws = CharRNN.forward, list[float]()

    def disturbed(self: CharRNN, *arguments: Any) -> Any:
        draws.append(float(torch.rand(())))
        return forward(self, *arguments)

    monkeypatch.setattr(CharRNN, "forward", disturbed)
    torch.manual_seed(3)
    for _ in train(CORPUS, out=tmp_path / "model", cell="gru", **SETTINGS):
        pass
    torch.manual_seed(3)
    assert draws == [float(torch.rand(())) for _ in draws]
    assert weights(tmp_path / "model") == weights(plain / "gru")


def test_runs_with_one_seed_in_several_threads_end_equal_and_as_one_alone(
    plain: Path, tmp_path: Path
) -> None:
    failures: list[BaseException] = []
    together = threading.Barrier(3)

    def work(name: str) -> None:
        try:
            torch.set_num_threads(1)
            run = train(CORPUS, out=tmp_path / name, cell="gru", **SETTINGS)
            together.wait(60)
            run.finish(progress=False)
        except BaseException as error:
            failures.append(error)
            raise

    threads = [threading.Thread(target=work, args=(name,)) for name in ("one", "two", "three")]
    for thread in threads:
        thread.start()
    for thread in threads:
        thread.join(100)
    assert not failures
    for name in ("one", "two", "three"):
        assert weights(tmp_path / name) == weights(plain / "gru"), name


def test_a_model_in_memory_is_evaluated_like_its_folder(plain: Path) -> None:
    gru, lstm = plain / "gru", plain / "lstm"
    both = evaluate([gru, lstm], VERSE)
    assert evaluate(load(gru), VERSE) == evaluate(gru, VERSE)
    assert evaluate([load(gru), lstm], VERSE) == both
    mixed = Mixture([load(gru), load(lstm)])
    assert evaluate(mixed, VERSE) == both
    assert np.isclose(-mixed.log_probs(VERSE).sum(), both.nats, rtol=1e-4)
    nested = Mixture([mixed, load(lstm)])  # a half, and not two thirds, is of the last
    found = evaluate(nested, VERSE).nats
    assert np.isclose(-nested.log_probs(VERSE).sum(), found, rtol=1e-4)
    assert not np.isclose(evaluate([gru, lstm, lstm], VERSE).nats, found, rtol=1e-4)
