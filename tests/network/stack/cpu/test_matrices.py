"""Products of bfloat16 in machine code: right for every shape, whoever computes them."""

from __future__ import annotations

from collections.abc import Iterator

import pytest
import torch
from torch import Tensor

from charrnn.native import tile_sums, tiles
from charrnn.native.product_code import BLOCK, DEPTH, STRIPS
from charrnn.native.tile_sums import SQUARE
from charrnn.network.stack.cpu import kernels, matrices
from charrnn.network.stack.products import multiplied

pytestmark = pytest.mark.skipif(
    not kernels.available(16, torch.bfloat16), reason="the processor has no bfloat16"
)

STRIP = min(STRIPS)
# Rows and columns: less than a block, several, and some that are left over.
BY_WEIGHTS = [(1, 2, 16), (7, 34, 48), (2 * BLOCK + 3, 6, 80), (BLOCK, 64, 192)]  # R, K, N
SUMS = [
    *((2, STRIP, 16), (34, 3 * STRIP, 48), (2 * DEPTH + 6, 2 * STRIP, 80)),
    *((DEPTH + 2, 6 * strip, 16) for strip in STRIPS),  # for one, two or three threads
]  # R, M, N


@pytest.fixture(params=[1, 2, 3], ids=lambda count: f"{count} threads")
def threads(request: pytest.FixtureRequest) -> Iterator[int]:
    """So many threads."""
    before = torch.get_num_threads()
    torch.set_num_threads(request.param)
    yield request.param
    torch.set_num_threads(before)


def whole(*shape: int) -> Tensor:
    """Small whole numbers, whose sums floats hold exactly."""
    generator = torch.Generator().manual_seed(sum(shape))
    return torch.randint(-3, 4, shape, generator=generator).bfloat16()


def any_(*shape: int) -> Tensor:
    """Numbers whose sums depend on their order."""
    return torch.randn(shape, generator=torch.Generator().manual_seed(sum(shape))).bfloat16()


@pytest.mark.parametrize("shape", BY_WEIGHTS, ids=str)
@pytest.mark.parametrize("turned", [False, True], ids=["as they are", "transposed"])
def test_rows_by_weights(shape: tuple[int, int, int], turned: bool, threads: int) -> None:
    rows, inputs, units = shape
    x, w = whole(rows, inputs), whole(inputs, units)
    expected = (x.float() @ w.float()).bfloat16()
    found = matrices.by_weights(x, w.t().contiguous().t() if turned else w)
    assert torch.equal(found, expected)


@pytest.mark.parametrize("shape", SUMS, ids=str)
def test_sums_of_rows(shape: tuple[int, int, int], threads: int) -> None:
    rows, height, width = shape
    x, y = whole(rows, height), whole(rows, width)
    assert torch.equal(matrices.sum_of_rows(x, y), x.float().t() @ y.float())


def test_threads_change_no_bit(threads: int) -> None:
    x, y, w = any_(2 * DEPTH, 4 * STRIP), any_(2 * DEPTH, 48), any_(4 * STRIP, 80)
    found = matrices.sum_of_rows(x, y), matrices.by_weights(x, w)
    torch.set_num_threads(1)
    alone = matrices.sum_of_rows(x, y), matrices.by_weights(x, w)
    assert all(torch.equal(one, other) for one, other in zip(found, alone, strict=True))


# Less than a block, more than one; less than a strip, several, and some for no thread of three.
TILE_SUMS = [
    (SQUARE, SQUARE, 2 * SQUARE),
    (tile_sums.DEPTH + 3 * SQUARE, 2 * tile_sums.STRIP + SQUARE, 3 * SQUARE),
]


@pytest.mark.usefixtures("with_tiles")
@pytest.mark.parametrize("shape", TILE_SUMS, ids=str)
def test_sums_of_rows_in_tiles(
    shape: tuple[int, int, int], threads: int, monkeypatch: pytest.MonkeyPatch
) -> None:
    rows, height, width = shape
    x, y = whole(rows, height), whole(rows, width)
    monkeypatch.setattr(matrices, "sums_address", lambda *_: pytest.fail("in vectors"))
    assert matrices.adds_rows(x, y)
    assert torch.equal(matrices.sum_of_rows(x, y), x.float().t() @ y.float())


@pytest.mark.usefixtures("with_tiles")
def test_threads_change_no_bit_of_sums_in_tiles(threads: int) -> None:
    x, y = any_(4 * SQUARE, 3 * SQUARE), any_(4 * SQUARE, 2 * SQUARE)
    found = matrices.sum_of_rows(x, y)
    torch.set_num_threads(1)
    assert torch.equal(found, matrices.sum_of_rows(x, y))
    torch.testing.assert_close(found, x.float().t() @ y.float())


@pytest.mark.usefixtures("with_tiles")
def test_who_multiplies_where_there_are_tiles() -> None:
    """Machine code adds what fills tiles; PyTorch multiplies all else in them."""
    square = whole(SQUARE, SQUARE)
    assert matrices.adds_rows(square, square)
    for rows, height, width in ((48, 32, 32), (32, 48, 32), (32, 32, 48)):
        assert not matrices.adds_rows(whole(rows, height), whole(rows, width))
    assert not matrices.adds_rows(square.float(), square.float())
    assert not matrices.adds_rows(square[:0], square[:0])
    assert not matrices.takes_weights(square, square)


def test_a_row_is_the_same_alone() -> None:
    x, w = any_(BLOCK + 7, 34), any_(34, 80)
    together = matrices.by_weights(x, w)
    for row in (0, 5, BLOCK, BLOCK + 6):
        assert torch.equal(matrices.by_weights(x[row : row + 1], w)[0], together[row])


@pytest.mark.skipif(tiles.available(), reason="PyTorch has tiles")
def test_who_multiplies() -> None:
    x, w, y = whole(6, 34), whole(34, 48), whole(6, 48)
    assert matrices.takes_weights(x, w)
    assert matrices.takes_weights(x, w.t().contiguous().t())
    assert not matrices.takes_weights(x.float(), w.float())
    assert not matrices.takes_weights(x[:, :33], w[:33])  # not in one piece, and no pairs
    assert not matrices.takes_weights(x, whole(34, 40))  # no whole vectors
    assert not matrices.takes_weights(x, whole(34 * 48 + 1)[1:].view(48, 34).t())  # between words
    assert not matrices.takes_weights(x[:0], w)
    assert not matrices.takes_weights(x[:, :0], w[:0])
    assert matrices.adds_rows(whole(6, STRIP), y)
    assert not matrices.adds_rows(whole(5, STRIP), whole(5, 48))  # no pairs
    assert not matrices.adds_rows(whole(6, STRIP + 16), y)  # no whole strips


@pytest.mark.parametrize("shape", [(6, 34, 48), (5, 33, 40), (6, 32, 16), (0, 34, 48)], ids=str)
def test_a_product_is_right_whoever_computes_it(shape: tuple[int, int, int]) -> None:
    rows, inputs, units = shape
    x, w = whole(rows, inputs), whole(inputs, units)
    product = x.float() @ w.float()
    assert torch.equal(multiplied(x, w, torch.bfloat16), product.bfloat16())
    assert torch.equal(multiplied(x.float(), w.float(), torch.bfloat16), product.bfloat16())
    y = whole(rows, units)
    assert torch.equal(multiplied(x.t(), y, torch.float32), x.float().t() @ y.float())


@pytest.mark.skipif(tiles.available(), reason="PyTorch has tiles")
def test_machine_code_computes_what_it_can(monkeypatch: pytest.MonkeyPatch) -> None:
    asked = []
    for name in ("by_weights", "sum_of_rows"):
        monkeypatch.setattr(matrices, name, lambda *_, name=name: asked.append(name))
    multiplied(whole(6, 34), whole(34, 48), torch.bfloat16)
    multiplied(whole(6, STRIP).t(), whole(6, 48), torch.float32)
    multiplied(whole(6, 33), whole(33, 48), torch.bfloat16)
    assert asked == ["by_weights", "sum_of_rows"]
