"""Operations of machine code, each beside NumPy or a promise of its own."""

from __future__ import annotations

import itertools
import threading
from collections.abc import Callable

import numpy as np
import pytest

from charrnn.native.code import intrinsics, machine
from charrnn.native.code.values import Vector
from charrnn.native.processor import Target
from charrnn.native.writing.sampling_code import THREADS_CAN_WAIT
from tests.conftest import HERE, PROCESSORS, Processor, processor_name
from tests.native.writing.examples import needs_products_of_bytes


def compiled(code: machine.Code) -> Callable[..., None]:
    """A function that takes arrays and integers."""
    address = code.compile()

    def run(*values: np.ndarray | int) -> None:
        given = [value.ctypes.data if isinstance(value, np.ndarray) else value for value in values]
        machine.run(address, given)

    return run


@needs_products_of_bytes
@pytest.mark.parametrize("target", PROCESSORS, ids=processor_name)
def test_products_of_bytes_are_exact(target: Target, processor: Processor) -> None:
    """Whatever the bytes, 128 below zero among them, which stands for NaN."""
    processor(target)
    code = machine.Code("dots", ["x", "weights", "sums", "count"])
    with code.loop(0, code["count"]) as k:
        total = Vector(code, code.weights(code["sums"] + k * (4 * code.lanes)))
        weights = code.weights(code["weights"] + k * (4 * code.lanes))
        total = intrinsics.dot(code, total, code.broadcast(code["x"] + k * 4), weights)
        code.store(code["sums"] + k * (4 * code.lanes), total, "fp32")  # as they are
    run = compiled(code)
    extremes = np.array(list(itertools.product([-128, -127, -1, 0, 127], repeat=4)), np.int8)
    random = np.random.default_rng(0)
    for weight in (-127, 127, None):
        shape = (len(extremes), target.lanes, 4)
        weights = random.integers(-127, 128, shape) if weight is None else np.full(shape, weight)
        x = (extremes.astype(np.int16) + target.centre).astype(np.uint8)
        sums = random.integers(-(2**30), 2**30, shape[:2], np.int32)
        expected = sums + (weights * extremes[:, None]).sum(-1)
        expected += (target.centre * weights).sum(-1)
        run(x, weights.astype(np.int8), sums, len(x))
        np.testing.assert_array_equal(sums, expected)


@pytest.mark.skipif(
    not HERE or HERE.lanes == 4 or not THREADS_CAN_WAIT, reason="no thread waits for another here"
)
class TestBarrier:
    """Two threads that meet."""

    @staticmethod
    def code() -> Callable[..., None]:
        """In each of `count` rounds a thread leaves a number, waits, and copies the other's."""
        code = machine.Code("meeting", ["count", "sync", "mine", "others", "found"])
        with code.loop(0, code["count"]) as k:
            intrinsics.store_integer(code, code["mine"] + k * 8, k + 1)
            intrinsics.barrier(code, code["sync"])
            seen = code.integer(code["others"] + k * 8)
            intrinsics.store_integer(code, code["found"] + k * 8, seen)
        return compiled(code)

    def test_both_see_what_the_other_has_done_before(self) -> None:
        run, count, sync = self.code(), 500, np.zeros(2, np.int64)
        left, right, found_left, found_right = np.zeros((4, count), np.int64)
        other = threading.Thread(target=run, args=(count, sync, right, left, found_right))
        other.start()
        run(count, sync, left, right, found_left)
        other.join()
        for found in (found_left, found_right):
            np.testing.assert_array_equal(found, np.arange(1, count + 1))

    def test_who_waits_in_vain_can_be_released(self) -> None:
        run, sync = self.code(), np.zeros(2, np.int64)
        mine, others, found = np.zeros((3, 9), np.int64)
        alone = threading.Thread(target=run, args=(9, sync, mine, others, found), daemon=True)
        alone.start()
        alone.join(0.1)
        assert alone.is_alive()
        sync[1] = 1
        alone.join(60)
        assert not alone.is_alive()


@pytest.mark.parametrize("target", PROCESSORS, ids=processor_name)
def test_pairs_of_rows_are_turned(target: Target, processor: Processor) -> None:
    """Halves of two rows become words, and squares of words change places across the diagonal."""
    processor(target)
    code = machine.Code("turned", ["x", "words", "columns"])
    width = target.lanes
    pairs = [
        intrinsics.word_pairs(code, *(code["x"] + (2 * k + row) * 4 * width for row in (0, 1)))
        for k in range(width)
    ]
    for k, halves in enumerate(pairs):
        for c, words in enumerate(halves):
            intrinsics.store_words(code, code["words"] + (2 * k + c) * 4 * width, words)
    for c, square in enumerate(zip(*pairs, strict=True)):
        for k, column in enumerate(intrinsics.transposed(code, list(square))):
            place = (c * width + k) * 4 * width
            intrinsics.store_words(code, code["columns"] + place, column)
    x = np.arange(4 * width * width, dtype=np.uint16).reshape(2 * width, 2 * width)
    words, columns = np.zeros((2, width * 2, width, 2), np.uint16)
    compiled(code)(x, words, columns)
    expected = x.reshape(width, 2, 2 * width).transpose(0, 2, 1)  # (pairs, columns, two rows)
    np.testing.assert_array_equal(words.reshape(expected.shape), expected)
    np.testing.assert_array_equal(columns.reshape(2 * width, width, 2), expected.swapaxes(0, 1))
