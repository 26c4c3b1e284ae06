"""Many sequences are computed in tiles, to the bits of the vectors."""

from __future__ import annotations

import re

import llvmlite.binding as llvm
import numpy as np
import pytest

from charrnn import Model
from charrnn.config import CellName
from charrnn.native import byte_tiles, sampler
from charrnn.native.processor import Target
from charrnn.native.sampling_code import SamplingCode, Shape, sampling_address
from tests import amx
from tests.conftest import Processor
from tests.native.assembly import assembly
from tests.native.examples import draw, in_threads, make, needs_products_of_bytes, random_state

pytestmark = needs_products_of_bytes

SAPPHIRE_RAPIDS = Target(16, 32, True, "fours", "+avx512vnni,+amx-tile,+amx-int8")


def test_a_processor_has_tiles_of_bytes_if_its_vectors_take_the_same_bytes() -> None:
    assert SAPPHIRE_RAPIDS.has_byte_tiles
    assert not SAPPHIRE_RAPIDS._replace(int8="pairs").has_byte_tiles
    for features in ("+amx-tile", "+amx-int8", "+amx-tile,-amx-int8", ""):
        assert not SAPPHIRE_RAPIDS._replace(features=features).has_byte_tiles


@pytest.mark.usefixtures("with_tiles")
@pytest.mark.parametrize("count", [1, 2])
@pytest.mark.parametrize(("inputs", "columns"), [(64, 1), (128, 3), (192, 4)])
def test_products_are_exact(count: int, inputs: int, columns: int) -> None:
    np.testing.assert_array_equal(*byte_tiles.trial_product(count, inputs, columns))


@pytest.mark.usefixtures("with_tiles")
@pytest.mark.parametrize("threads", [1, 2])
@pytest.mark.parametrize("batch", [16, 37, 71])  # one tile, two, and some that are left over
def test_they_write_what_vectors_write(
    cell: CellName, batch: int, threads: int, monkeypatch: pytest.MonkeyPatch
) -> None:
    shape = {"hidden_size": 64, "num_layers": 2, "vocab_size": 23, "skip": True}
    model = make(cell, shape, Model)
    state = random_state(model, batch)
    with in_threads(threads):
        in_tiles = draw(model, state, 9)
        monkeypatch.setattr(byte_tiles, "available", lambda: False)
        in_vectors = draw(model, state, 9)
    for one, other in zip(in_tiles, in_vectors, strict=True):
        np.testing.assert_array_equal(one, other)


@pytest.mark.usefixtures("with_tiles")
@pytest.mark.parametrize(
    ("hidden_size", "batch", "many"), [(64, 15, False), (64, 16, True), (96, 16, False)]
)
def test_sequences_and_inputs_must_fill_a_tile(
    hidden_size: int, batch: int, many: bool, monkeypatch: pytest.MonkeyPatch
) -> None:
    made = []

    def noted(shape: Shape) -> int:
        made.append(shape.in_tiles)
        return sampling_address(shape)

    monkeypatch.setattr(sampler, "sampling_address", noted)
    model = make("rnn", {"hidden_size": hidden_size, "num_layers": 1, "vocab_size": 7}, Model)
    draw(model, random_state(model, batch), 2)
    assert set(made) == {many}


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
    code = SamplingCode(Shape(cell, 128, 11, (False, True), (2.0,), in_tiles=True)).code
    lines = assembly(code, "x86_64-unknown-linux-gnu", "sapphirerapids")
    names = [line[0] for line in lines]
    assert names.count("ldtilecfg") == names.count("tilerelease") == 1
    tiles = {
        name: {
            int(n) for line in lines if line[0] == name for n in re.findall(r"%tmm(\d)", line[1])
        }
        for name in ("tileloadd", "tdpbusd", "tilestored")
    }
    every = set(range(8))
    assert tiles == {"tileloadd": every, "tdpbusd": every, "tilestored": {0, 1, 2, 3}}
