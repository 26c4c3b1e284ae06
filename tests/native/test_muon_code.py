"""Muon's steps in machine code, beside those in PyTorch's operations."""

from __future__ import annotations

from collections.abc import Callable, Sequence

import pytest
import torch
from torch import Tensor

from charrnn.learning import muon
from charrnn.learning.muon import Muon
from charrnn.native.muon_code import ROWS
from charrnn.native.processor import Target
from charrnn.network.stack.cpu import team
from tests.conftest import PROCESSORS, Processor, processor_name
from tests.learning.test_muon import matrix


@pytest.fixture
def runs(monkeypatch: pytest.MonkeyPatch) -> list[int]:
    """In how many threads machine code ran, each time."""
    found: list[int] = []
    run = team.run

    def counted(code: Callable[[], int], arguments: Sequence[int], threads: int) -> None:
        found.append(threads)
        run(code, arguments, threads)

    monkeypatch.setattr(team, "run", counted)
    return found


def changed(rows: int, columns: int, scale: float = 1.0) -> tuple[Tensor, Tensor]:
    """A matrix after three updates, and its average of gradients."""
    weight = torch.nn.Parameter(matrix(rows, columns, 0))
    one = Muon([weight], weight_decay=0.3)
    for update in range(3):
        weight.grad = scale * matrix(rows, columns, 1 + update)
        one.update(0.1, torch.tensor(2.0))
    return weight.detach(), one.means[weight]


@pytest.mark.parametrize("target", PROCESSORS, ids=processor_name)
@pytest.mark.parametrize(("rows", "columns"), [(ROWS, 64), (3 * ROWS, 320)])
def test_code_and_operations_find_the_same(
    rows: int,
    columns: int,
    target: Target,
    processor: Processor,
    monkeypatch: pytest.MonkeyPatch,
    runs: list[int],
) -> None:
    processor(target)
    weight, mean = changed(rows, columns)
    assert len(runs) == 3
    monkeypatch.setattr(muon, "has_code", lambda _: False)
    expected, average = changed(rows, columns)
    assert len(runs) == 3
    torch.testing.assert_close(weight, expected, rtol=0, atol=1e-5)
    torch.testing.assert_close(mean, average, rtol=0, atol=1e-6)
    assert float((weight - matrix(rows, columns, 0)).abs().max()) > 0.01


def test_code_changes_only_whole_blocks_of_floats_on_a_cpu() -> None:
    whole = matrix(2 * ROWS, 128, 0)
    assert muon.has_code(whole)
    for other in (whole[1:], whole[:, 1:], whole.double(), whole.t(), whole.to("meta")):
        assert not muon.has_code(other)


def test_the_number_of_threads_changes_no_bit(
    monkeypatch: pytest.MonkeyPatch, runs: list[int]
) -> None:
    """Also where there are more threads than blocks."""
    found = []
    for threads in (1, 2, 5):
        monkeypatch.setattr(torch, "get_num_threads", lambda n=threads: n)
        found.append(changed(3 * ROWS, 192)[0])
    assert runs == [1, 1, 1, 2, 2, 2, 5, 5, 5]
    assert torch.equal(found[0], found[1])
    assert torch.equal(found[0], found[2])


def test_gradients_of_any_size_are_fine() -> None:
    """Tiny ones lead to steps as large, and none to no step."""
    usual, tiny = (changed(ROWS, 128, scale)[0] for scale in (1.0, 1e-6))
    torch.testing.assert_close(tiny, usual, rtol=0, atol=1e-4)
    still = changed(ROWS, 128, 0.0)[0]
    torch.testing.assert_close(still, matrix(ROWS, 128, 0) * (1 - 0.1 * 0.3) ** 3)
