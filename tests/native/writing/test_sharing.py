"""A text is the same with any number of threads, beside other texts, and after a failure."""

from __future__ import annotations

import threading
import time
from concurrent.futures import ThreadPoolExecutor
from typing import Any

import numpy as np
import pytest

from charrnn import Model
from charrnn.config import CellName
from charrnn.native.processor import Target
from charrnn.native.writing import sampler
from charrnn.native.writing.sampler import shares_of_work
from charrnn.native.writing.sampling_code import SEQUENCES_AT_ONCE, sampling_address
from tests.conftest import Processor
from tests.native.writing.examples import (
    BATCHES,
    SHAPES,
    draw,
    each_code,
    in_threads,
    make,
    needs_products_of_bytes,
    random_state,
)

pytestmark = needs_products_of_bytes


@each_code
@pytest.mark.parametrize("batch", BATCHES)
def test_a_text_is_the_same_alone_beside_others_and_with_any_threads(
    cell: CellName, shape: dict[str, Any], batch: int, target: Target, processor: Processor
) -> None:
    processor(target)
    model = make(cell, shape, Model)
    state, vocab = random_state(model, batch), model.config.vocab_size
    with in_threads(1):
        ids, log_probs = draw(model, state, 9)
    uniforms = np.random.default_rng(2).random((9, batch))
    for row in range(batch):
        own = tuple(part[:, [row]] for part in state)
        first = np.array([row % vocab], np.int32)
        with in_threads(1):
            alone = draw(model, own, 9, ids=first, uniforms=uniforms[:, [row]])
        np.testing.assert_array_equal(alone[0][:, 0], ids[:, row])
        np.testing.assert_array_equal(alone[1][:, 0], log_probs[:, row])
    for threads in (2, 3):
        with in_threads(threads):
            together = draw(model, state, 9)
        np.testing.assert_array_equal(together[0], ids)
        np.testing.assert_array_equal(together[1], log_probs)


@pytest.mark.parametrize("batch", BATCHES)
def test_several_callers_draw_at_the_same_time(batch: int) -> None:
    model = make("gru", SHAPES[0], Model)
    state = random_state(model, batch)
    with in_threads(2), ThreadPoolExecutor(4) as pool:
        expected = draw(model, state, 100)[0]
        found = [pool.submit(draw, model, state, 100) for _ in range(12)]
        for future in found:
            np.testing.assert_array_equal(future.result()[0], expected)


@pytest.mark.parametrize("threads", range(1, 12))
@pytest.mark.parametrize("batch", [1, 4, 5, 21, 64])
@pytest.mark.parametrize("share_units", [False, True])
def test_every_sequence_and_all_its_units_are_somebodys_share(
    batch: int, threads: int, share_units: bool
) -> None:
    shares = shares_of_work(batch, threads, share_units=share_units)
    done = [(row, share.part) for share in shares for row in range(share.first, share.last)]
    parts = shares[0].parts
    assert sorted(done) == [(row, part) for row in range(batch) for part in range(parts)]
    assert 1 <= len(shares) <= threads
    assert parts == 1 or share_units
    groups = [-(-(share.last - share.first) // SEQUENCES_AT_ONCE) for share in shares]
    assert max(groups) - min(groups) <= 1


def test_few_sequences_are_shared_by_units_and_many_by_sequence() -> None:
    few, many = (shares_of_work(batch, 2, share_units=True) for batch in BATCHES)
    assert [share.parts for share in few] == [2, 2]
    assert [share.parts for share in many] == [1, 1]


@pytest.mark.parametrize("batch", BATCHES)
@pytest.mark.parametrize("fails", ["this thread", "a helper"])
def test_a_failure_in_one_thread_ends_both_and_the_next_draw_is_right(
    batch: int, fails: str, monkeypatch: pytest.MonkeyPatch
) -> None:
    """As of a Ctrl-C when the other thread has begun: it neither waits for ever nor goes on."""
    model = make("lstm", SHAPES[0], Model)
    state = random_state(model, batch)
    with in_threads(2):
        expected = draw(model, state, 200)

    def failing(*arguments: Any) -> int:
        here = threading.current_thread() is threading.main_thread()
        if here == (fails == "this thread"):
            time.sleep(0.05)
            raise KeyboardInterrupt
        return sampling_address(*arguments)

    for _ in range(3):
        with monkeypatch.context() as patch:
            patch.setattr(sampler, "sampling_address", failing)
            with in_threads(2), pytest.raises(KeyboardInterrupt):
                draw(model, state, 200)
        with in_threads(2):
            np.testing.assert_array_equal(draw(model, state, 200)[0], expected[0])
