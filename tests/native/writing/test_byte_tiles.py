"""Many sequences are computed in tiles, to the bits of the vectors."""

from __future__ import annotations

import re

import llvmlite.binding as llvm
import numpy as np
import pytest

from charrnn import Model
from charrnn.config import CellName
from charrnn.native.code import machine
from charrnn.native.code.amx import ROWS
from charrnn.native.processor import Target
from charrnn.native.writing import byte_tiles, sampler
from charrnn.native.writing.byte_tiles import DEPTH
from charrnn.native.writing.sampling_code import SamplingCode, Shape, sampling_address
from tests import amx
from tests.conftest import Processor
from tests.native.assembly import assembly
from tests.native.writing.examples import (
    draw,
    in_threads,
    make,
    needs_products_of_bytes,
    random_state,
)

pytestmark = needs_products_of_bytes

SAPPHIRE_RAPIDS = Target(16, 32, True, "fours", "+avx512vnni,+amx-tile,+amx-int8")


def test_a_processor_has_tiles_of_bytes_if_its_vectors_take_the_same_bytes() -> None:
    assert SAPPHIRE_RAPIDS.has_byte_tiles
    assert not SAPPHIRE_RAPIDS._replace(int8="pairs").has_byte_tiles
    assert not SAPPHIRE_RAPIDS._replace(lanes=8).has_byte_tiles
    for features in ("+amx-tile", "+amx-int8", "+amx-tile,-amx-int8", ""):
        assert not SAPPHIRE_RAPIDS._replace(features=features).has_byte_tiles


def noted_shapes(monkeypatch: pytest.MonkeyPatch) -> list[Shape]:
    """The shapes of the code that is run from now on."""
    made: list[Shape] = []

    def noted(shape: Shape) -> int:
        made.append(shape)
        return sampling_address(shape)

    monkeypatch.setattr(sampler, "sampling_address", noted)
    return made


@pytest.mark.usefixtures("with_tiles")
@pytest.mark.parametrize("count", [1, 2])
@pytest.mark.parametrize(("inputs", "columns"), [(64, 1), (128, 3), (192, 4)])
def test_products_are_exact(count: int, inputs: int, columns: int) -> None:
    np.testing.assert_array_equal(*byte_tiles.trial_product(count, inputs, columns))


@pytest.mark.usefixtures("with_tiles")
@pytest.mark.parametrize(
    ("batch", "threads"), [(16, 1), (37, 1), (71, 1), (32, 2), (75, 2)]
)  # one tile for each thread, two, and some that are left over
def test_they_write_what_vectors_write(
    cell: CellName, batch: int, threads: int, monkeypatch: pytest.MonkeyPatch
) -> None:
    shape = {"hidden_size": 64, "num_layers": 2, "vocab_size": 23, "skip": True}
    model = make(cell, shape, Model)
    state = random_state(model, batch)
    made = noted_shapes(monkeypatch)
    with in_threads(threads):
        in_tiles = draw(model, state, 9)
        assert all(shape.in_tiles for shape in made)
        monkeypatch.setattr(byte_tiles, "available", lambda: False)
        in_vectors = draw(model, state, 9)
        assert not made[-1].in_tiles
    for one, other in zip(in_tiles, in_vectors, strict=True):
        np.testing.assert_array_equal(one, other)


@pytest.mark.usefixtures("with_tiles")
@pytest.mark.parametrize(
    ("hidden_size", "batch", "threads", "many"),
    [
        *((64, 15, 1, False), (64, 16, 1, True), (96, 16, 1, False)),
        *((64, 28, 2, True), (64, 24, 2, False)),  # 16 and 12, 12 and 12
    ],
)
def test_a_threads_sequences_and_their_inputs_must_fill_a_tile(
    hidden_size: int, batch: int, threads: int, many: bool, monkeypatch: pytest.MonkeyPatch
) -> None:
    made = noted_shapes(monkeypatch)
    model = make("rnn", {"hidden_size": hidden_size, "num_layers": 1, "vocab_size": 7}, Model)
    with in_threads(threads):
        draw(model, random_state(model, batch), 2)
    assert {shape.in_tiles for shape in made} == {many}


@pytest.mark.parametrize("count", [1, 2])
def test_all_bytes_are_read_and_nothing_beside_them(count: int, emulator: amx.Emulator) -> None:
    inputs, columns = 2 * DEPTH, 3
    x = np.zeros((count * ROWS, inputs), np.uint8)
    weights = np.zeros((inputs // 4, columns, ROWS, 4), np.int8)
    places = np.zeros((1 + count * ROWS, columns, ROWS), np.int32)  # starts, and sums behind them
    arrays = x, weights, places[0], places[1:]
    address = byte_tiles.product_address(count, inputs, columns)
    machine.run(address, [array.ctypes.data for array in arrays])
    for array, of_these in ((x, [2]), (weights, [3]), (places, [0, 1])):
        begin = array.ctypes.data
        assert emulator.moved(*of_these) == (begin, begin + array.nbytes)


def test_tiles_that_multiply_wrongly_are_not_used(emulator: amx.Emulator) -> None:
    assert byte_tiles.available()
    assert emulator.counts()[2] > 0
    byte_tiles.multiply_right.cache_clear()
    with amx.emulated(wrong=True), pytest.warns(UserWarning, match="products of bytes"):
        assert not byte_tiles.available()
    assert not byte_tiles.available()  # and nothing is said again


@pytest.mark.skipif(
    not llvm.get_default_triple().startswith("x86_64"), reason="LLVM reads no instructions of x86"
)
def test_no_tile_is_spilled(cell: CellName, processor: Processor) -> None:
    """As for a processor that has them, whatever this one is."""
    processor(SAPPHIRE_RAPIDS)
    code = SamplingCode(Shape(cell, 64, 11, (False, True), (2.0,), in_tiles=True)).code
    lines = assembly(code, "x86_64-unknown-linux-gnu", "sapphirerapids")
    names = [line[0] for line in lines]
    assert names.count("ldtilecfg") == names.count("tilerelease") == 1
    tiles = {
        name: [[*map(int, re.findall(r"%tmm(\d)", line[1]))] for line in lines if line[0] == name]
        for name in ("tileloadd", "tdpbusd", "tilestored")
    }
    sums, products = len(tiles["tilestored"]), len(tiles["tdpbusd"])
    assert {(right, left) for right, left, _ in tiles["tdpbusd"]} == {(3, 2)}
    assert {tile for *_, tile in tiles["tdpbusd"]} == {0, 1}
    assert {tile for (tile,) in tiles["tilestored"]} == {0, 1}
    # Sums are loaded and stored once, whatever is added to them; two of them share weights.
    assert sums == tiles["tileloadd"].count([0]) + tiles["tileloadd"].count([1])
    assert products == tiles["tileloadd"].count([2]) == sums  # in one step of k
    assert products / 2 <= tiles["tileloadd"].count([3]) < products
