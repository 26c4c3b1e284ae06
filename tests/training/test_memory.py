"""Where memory runs out, users are told what to make smaller, and what is saved."""

from __future__ import annotations

from pathlib import Path
from typing import Any

import pytest
import torch

from charrnn import Corpus, Evaluated, resume, train
from charrnn.errors import CharRNNError
from charrnn.learning.learner import Learner
from charrnn.training.memory import memory_errors
from tests.conftest import VERSE


@pytest.mark.parametrize(
    "error",
    [
        MemoryError(),
        torch.OutOfMemoryError("CUDA out of memory. Tried to allocate 20.00 GiB"),
        RuntimeError(
            "[enforce fail at alloc_cpu.cpp:117] DefaultCPUAllocator: can't allocate memory"
        ),
        RuntimeError("cuDNN error: CUDNN_STATUS_ALLOC_FAILED"),
        RuntimeError("CUDA error: CUBLAS_STATUS_ALLOC_FAILED when calling `cublasCreate(handle)`"),
        RuntimeError("cuDNN error: CUDNN_STATUS_INTERNAL_ERROR_DEVICE_ALLOCATION_FAILED"),
        RuntimeError("CUDA error: out of memory (2)"),
    ],
    ids=["Python", "CUDA", "CPU", "cuDNN", "cuBLAS", "cuDNN 9", "driver"],
)
def test_whoever_lacks_memory_the_user_is_told_what_to_make_smaller(
    error: Exception, tmp_path: Path
) -> None:
    said = "not enough memory; choose a smaller"
    with pytest.raises(CharRNNError, match=said), memory_errors(tmp_path):
        raise error


def test_who_lacks_memory_is_told_what_is_saved(trained_folder: Path, tmp_path: Path) -> None:
    for path, said in (
        (trained_folder, "what was saved is there"),
        (tmp_path, "nothing was saved"),
    ):
        with pytest.raises(CharRNNError) as caught, memory_errors(path):
            raise MemoryError
        assert caught.value.advice.endswith(f"--rnn-size; {said}")


@pytest.mark.parametrize("how", ["new", "resumed", "repeated"])
def test_what_helps_where_memory_runs_out_is_an_option_that_the_run_may_have(
    how: str, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    """A run that goes on, or is made again, takes no --batch-size: it was advised and refused."""
    tiny: dict[str, Any] = {"hidden_size": 8, "embed_size": 4, "num_layers": 1, "eval_every": 1}
    corpus = Corpus("verse", VERSE * 20)
    first = train(corpus, out=tmp_path / "first", steps=3, **tiny)
    for event in first:
        if isinstance(event, Evaluated):
            break

    def fail(_: Learner) -> None:
        raise MemoryError

    monkeypatch.setattr(Learner, "update", fail)
    run = {
        "new": lambda: train(corpus, out=tmp_path / "new", steps=3, **tiny),
        "resumed": lambda: resume(tmp_path / "first", corpus),
        "repeated": lambda: train(corpus, out=tmp_path / "again", repeat=tmp_path / "first"),
    }[how]()
    with pytest.raises(CharRNNError, match=" a smaller --batch-size") as caught:
        list(run)
    assert ("train anew under another --name" in str(caught.value)) == (how != "new")
