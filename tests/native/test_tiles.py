"""Products in tiles: the instructions that LLVM is given, and what they compute."""

from __future__ import annotations

import ctypes
import inspect
import re
import sys
from typing import Any

import llvmlite.binding as llvm
import numpy as np
import pytest

from charrnn.config import CellName
from charrnn.native import tiles
from charrnn.native.code import machine
from charrnn.native.code.amx import ROW, WORDS
from charrnn.native.code.machine import Code
from charrnn.native.processor import Target
from charrnn.native.tile_sums import tile_sums_address
from charrnn.native.tiles import Tiles
from charrnn.native.training_code import Backward, Forward, LayerShape
from tests import amx
from tests.conftest import Processor
from tests.native.assembly import assembly

SAPPHIRE_RAPIDS = Target(16, 32, True, "fours", "+avx512bf16,+amx-tile,+amx-bf16")


def test_a_processor_has_tiles_if_it_multiplies_bfloat16_in_them() -> None:
    assert SAPPHIRE_RAPIDS.has_tiles
    for features in ("+amx-tile", "+amx-bf16", "-amx-tile,+amx-bf16", ""):
        assert not SAPPHIRE_RAPIDS._replace(features=features).has_tiles


def run(function: int, *arguments: int | np.ndarray) -> None:
    """Call code with integers and with the addresses of arrays."""
    values = [x.ctypes.data if isinstance(x, np.ndarray) else x for x in arguments]
    machine.run(function, values)


@pytest.mark.skipif(
    not llvm.get_default_triple().startswith("x86_64"), reason="LLVM reads no instructions of x86"
)
@pytest.mark.parametrize("kind", [Forward, Backward])
def test_the_code_multiplies_in_tiles(
    cell: CellName, kind: type[Forward | Backward], processor: Processor
) -> None:
    """As for a processor that has them, whatever this one is."""
    processor(SAPPHIRE_RAPIDS)
    code = kind(LayerShape(cell, 1024, "tiles", by_id=True, blocks=4)).code
    lines = assembly(code, "x86_64-unknown-linux-gnu", "sapphirerapids")
    names = [line[0] for line in lines]
    assert names.count("ldtilecfg") == names.count("tilerelease") == 1
    assert names.count("vdpbf16ps") == 0
    begin, end = names.index("ldtilecfg"), names.index("tilerelease")
    of_tiles: dict[str, list[list[int]]] = {
        name: [] for name in ("tilezero", "tileloadd", "tdpbf16ps", "tilestored")
    }
    for at, (name, *operands) in enumerate(lines):
        if "%tmm" in "".join(operands):
            assert begin < at < end
            of_tiles[name].append([int(n) for n in re.findall(r"%tmm(\d)", operands[0])])
    sums, lanes, weights = {0, 1}, {2}, {3}
    for right, left, total in of_tiles["tdpbf16ps"]:
        assert {right} <= weights
        assert {left} <= lanes
        assert {total} <= sums
    for name, expected in (
        ("tilezero", sums),
        ("tileloadd", lanes | weights),
        ("tilestored", sums),
    ):  # so none is spilled
        assert {tile for (tile,) in of_tiles[name]} == expected
    multiplying = [at for at, name in enumerate(names) if name == "tdpbf16ps"]
    labels = {name: at for at, name in enumerate(names) if name.startswith(".LBB")}
    back = [(labels[f"{line[1]}:"], at) for at, line in enumerate(lines) if line[0][0] == "j"]
    innermost = min((at - to, to, at) for to, at in back if any(to < m < at for m in multiplying))
    assert "call" not in "".join(names[innermost[1] : innermost[2]])
    inside = names[innermost[1] : innermost[2]]
    assert "vmovups" not in inside, "nothing but tiles is loaded"
    assert inside.count("prefetcht0") == 16, "a tile of weights is fetched"
    ways = 2  # to multiply: two tiles of lanes, and one
    assert names.count("prefetcht0") == 16 * ways


@pytest.mark.skipif(
    not llvm.get_default_triple().startswith("x86_64"), reason="LLVM reads no instructions of x86"
)
def test_sums_of_rows_keep_their_tiles(processor: Processor) -> None:
    """Each tile has its part, so none is spilled; sums are loaded and stored as they are."""
    processor(SAPPHIRE_RAPIDS)
    code = inspect.unwrap(tile_sums_address)()
    lines = assembly(code, "x86_64-unknown-linux-gnu", "sapphirerapids")
    names = [line[0] for line in lines]
    assert names.count("ldtilecfg") == names.count("tilerelease") == 1
    found = {
        name: [[*map(int, re.findall(r"%tmm(\d)", line[1]))] for line in lines if line[0] == name]
        for name in ("tileloadd", "tdpbf16ps", "tilestored")
    }
    assert found["tileloadd"] == [[0], [1], [3], [2], [2]]
    assert found["tdpbf16ps"] == [[3, 2, 0], [3, 2, 1]]
    assert found["tilestored"] == [[0], [1]]


@pytest.mark.parametrize(
    ("lanes", "rows"), [(1, 1), (5, 5), (15, 15), (16, 16), (17, 9), (33, 11), (48, 16), (250, 16)]
)
def test_tiles_are_as_few_as_can_be_and_equally_full(
    lanes: int, rows: int, emulator: amx.Emulator
) -> None:
    found, expected = tiles.trial_product(lanes, words=2 * WORDS, columns=4)
    np.testing.assert_array_equal(found, expected)
    sizes = [64, 0] * 8, [rows] * 3 + [16] * 5
    assert emulator.configuration() == bytes(
        [1, *[0] * 15, *sizes[0], *[0] * 16, *sizes[1], *[0] * 8]
    )
    assert emulator.counts() == (1, 1, -(-lanes // 16) * 4 * 2)  # columns, and tiles of words


@pytest.mark.parametrize("lanes", [1, 17, 32, 33, 41])
def test_all_lanes_are_read_and_nothing_beside_them(lanes: int, emulator: amx.Emulator) -> None:
    words, columns = 2 * WORDS, 3
    x = np.zeros((lanes, 2 * words), np.uint16)
    weights = np.zeros((columns, words, WORDS, 2), np.uint16)
    sums = np.ones((lanes, columns, WORDS), np.float32)
    run(tiles.product_address(words, columns), lanes, x, weights, sums)
    assert (sums == 0).all()
    for array, tile in ((x, 2), (weights, 3)):
        begin = array.ctypes.data
        assert emulator.moved(tile) == (begin, begin + array.nbytes)
    begin, end = emulator.moved(0, 1)
    assert end - begin <= 32 * columns * ROW


def test_no_lanes_are_no_product(emulator: amx.Emulator) -> None:
    tiles.trial_product(0, words=2 * WORDS, columns=4)
    assert emulator.counts() == (1, 1, 0)


@pytest.mark.usefixtures("with_tiles")
def test_tiles_that_multiply_right_are_there() -> None:
    assert tiles.available()


def test_tiles_that_multiply_wrongly_are_not(emulator: amx.Emulator) -> None:
    with amx.emulated(wrong=True), pytest.warns(UserWarning, match="tiles"):
        assert not tiles.available()
    assert not tiles.available()  # and nothing is said again


@pytest.mark.parametrize("answer", [0, -1])
def test_the_system_is_asked_for_tiles(answer: int, monkeypatch: pytest.MonkeyPatch) -> None:
    asked = []

    class Library:
        def __init__(self, name: str | None) -> None:
            assert name is None

        @staticmethod
        def syscall(*numbers: Any) -> int:
            asked.append([number.value for number in numbers])
            return answer

    monkeypatch.setattr(ctypes, "CDLL", Library)
    monkeypatch.setattr(sys, "platform", "linux")
    assert tiles.granted.__wrapped__() is (answer == 0)
    assert asked == [[158, 0x1023, 18]]
    monkeypatch.setattr(sys, "platform", "darwin")
    assert not tiles.granted.__wrapped__()
    assert len(asked) == 1


def test_without_tiles_or_leave_to_use_them_there_are_none(
    emulator: amx.Emulator, processor: Processor, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(tiles, "granted", lambda: False)
    assert not tiles.available()
    monkeypatch.setattr(tiles, "granted", lambda: pytest.fail("asked in vain"))
    for target in (amx.HERE, None):
        processor(target)
        assert not tiles.available()
    assert emulator.counts() == (0, 0, 0)


def test_the_emulator_refuses_what_a_processor_would(processor: Processor) -> None:
    """Here, tiles that were not given sizes."""
    processor(amx.WITH_TILES)

    def multiply() -> None:
        with amx.emulated():
            code = Code("unready", ["B", "x"])
            product = Tiles(code, 1, 1, code.constant(0), code.constant(1))
            zeros = [code.vector(0.0)]
            product.multiply(code["x"], code["x"], WORDS, lambda _: zeros, lambda *_: None)
            x = np.zeros(4096, np.uint8)
            run(code.compile(), 3, x)

    with pytest.raises(AssertionError, match="not configured"):
        multiply()
