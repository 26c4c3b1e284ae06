"""To ask what computes changes nothing; to compute on a GPU begins with what keeps its bits."""

from __future__ import annotations

import os
import sys
import warnings

import pytest
import torch

from charrnn.config import DeviceName
from charrnn.errors import UsageError
from charrnn.learning.hardware import devices
from charrnn.learning.hardware.ranks import Ranks
from charrnn.learning.seeds import generator_for
from charrnn.objectives.language import reset_some_lanes
from tests.network.stacks import stack_of

SETTING = "CUBLAS_WORKSPACE_CONFIG"


@pytest.fixture
def gpu(monkeypatch: pytest.MonkeyPatch) -> None:
    """PyTorch counts a GPU, and it works."""
    monkeypatch.setattr(torch.cuda, "is_available", lambda: True)
    monkeypatch.setattr(torch.cuda, "device_count", lambda: 1)
    monkeypatch.setattr(devices, "gpu_fails", lambda: None)


@pytest.mark.usefixtures("gpu")
def test_choosing_a_gpu_leaves_the_environment_alone(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.delenv(SETTING, raising=False)
    assert devices.choose_device("auto").type == "cuda"
    assert SETTING not in os.environ


@pytest.mark.usefixtures("gpu")
@pytest.mark.parametrize("name", ["auto", "cuda"])
def test_a_copy_of_a_process_that_has_asked_for_the_gpu_is_told_that_it_has_none(
    name: DeviceName, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(torch.cuda, "_is_in_bad_fork", lambda: True)
    with pytest.raises(UsageError, match="forked from one that has asked for the GPU") as refused:
        devices.choose_device(name)
    assert "spawn" in refused.value.advice
    assert devices.choose_device("cpu").type == "cpu"


@pytest.mark.parametrize(
    ("said", "is_told"),
    [
        ("CUDA error: no kernel image is available for execution on the device", True),
        ("CUDA error: out of memory", False),  # for the moment: told where the run needs it
        (None, False),
    ],
)
def test_a_gpu_that_cannot_add_numbers_says_why(
    said: str | None, is_told: bool, monkeypatch: pytest.MonkeyPatch
) -> None:
    def ones(count: int, device: str) -> torch.Tensor:
        assert device == "cuda"
        if said is not None:
            raise torch.AcceleratorError(f"{said}\nCompile with TORCH_USE_CUDA_DSA")
        return torch.zeros(count)

    monkeypatch.setattr(torch, "ones", ones)
    devices.gpu_fails.cache_clear()
    try:
        reason = devices.gpu_fails()
    finally:
        devices.gpu_fails.cache_clear()
    assert reason == (said if is_told else None)


@pytest.mark.usefixtures("gpu")
def test_a_gpu_that_fails_leaves_its_work_to_the_processor(monkeypatch: pytest.MonkeyPatch) -> None:
    """It is said once; who has named the GPU, or started processes that must agree, is refused."""
    monkeypatch.setattr(devices, "gpu_fails", lambda: "no kernel image of a test")
    words = "on the processor, since the GPU can't be used: no kernel image of a test"
    with pytest.warns(UserWarning, match=words):
        assert devices.choose_device("auto").type == "cpu"
    with warnings.catch_warnings():
        warnings.simplefilter("error")
        assert devices.choose_device("auto").type == "cpu"
        assert devices.choose_device("cpu").type == "cpu"
    with pytest.raises(UsageError, match=r"the GPU can't be used: no kernel.*--device cpu"):
        devices.choose_device("cuda")
    monkeypatch.setattr(devices, "processes", lambda: Ranks(1, 2))
    assert devices.choose_device("cpu").type == "cpu"
    with pytest.raises(UsageError, match="the GPU can't be used: no kernel"):
        devices.choose_device("auto")


@pytest.mark.parametrize(
    ("cuda", "system", "is_named"),
    [(None, "linux", True), ("13.0", "linux", False), (None, "darwin", False)],
)
def test_a_pytorch_for_processors_alone_is_named(
    cuda: str | None, system: str, is_named: bool, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(sys, "platform", system)
    monkeypatch.setattr(torch.cuda, "is_available", lambda: False)
    monkeypatch.setattr(torch.version, "cuda", cuda)
    monkeypatch.setattr(torch.version, "hip", None)
    with pytest.raises(UsageError, match="there is no device cuda here") as refused:
        devices.choose_device("cuda")
    assert ("this PyTorch is for processors alone" in refused.value.found) == is_named
    assert ("install one with CUDA (pytorch.org)" in refused.value.advice) == is_named


@pytest.mark.parametrize(
    ("device", "given", "kept"),
    [("cuda", None, ":4096:8"), ("cuda", ":16:8", ":16:8"), ("cpu", None, None)],
)
def test_a_gpu_keeps_its_bits_unless_the_user_decides(
    device: str, given: str | None, kept: str | None, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.delenv(SETTING, raising=False)
    if given is not None:
        monkeypatch.setenv(SETTING, given)
    devices.keep_bits(torch.device(device))
    found = os.environ.pop(SETTING, None)
    assert found == kept


def test_an_apple_gpu_is_taken_only_by_name(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(torch.cuda, "is_available", lambda: False)
    monkeypatch.setattr(torch.backends.mps, "is_available", lambda: True)
    assert devices.choose_device("auto").type == "cpu"
    assert devices.choose_device("mps").type == "mps"


def test_random_numbers_for_an_apple_gpu_are_drawn_by_the_processor() -> None:
    """PyTorch draws no words of 64 bits there."""
    generator = generator_for(torch.device("mps"))
    assert generator.device.type == "cpu"
    # "meta" stands for a GPU: a tensor on it can't be mixed with others.
    stack = stack_of("gru", 3, 5, 2, dropout=0.5, weight_dropout=0.5).to("meta")
    output, state = stack(torch.empty((7, 2, 3), device="meta"), generator=generator)
    (emptied,) = reset_some_lanes(state, 0.5, generator)
    assert output.device == emptied.device == torch.device("meta")


def test_the_speed_that_is_guessed_is_that_of_the_threads_of_updates(
    monkeypatch: pytest.MonkeyPatch,
) -> None:
    """PyTorch's own count knows nothing of a quota of processor time."""
    found = []
    for count in (1, 3):
        monkeypatch.setattr(devices, "max_threads", lambda count=count: count)
        found.append(devices.speed(torch.device("cpu"), "fp32", "lstm"))
    assert found[1] == 3 * found[0]
