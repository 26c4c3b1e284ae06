"""Jobs done side by side give what they give one after the other, whatever happens to one."""

from __future__ import annotations

import sys
import threading
import time

import numpy as np
import pytest
from threadpoolctl import threadpool_info, threadpool_limits

from charrnn.threads.numpy_jobs import results_of
from charrnn.threads.side_by_side import run_side_by_side


@pytest.fixture(autouse=True)
def two_processors(monkeypatch: pytest.MonkeyPatch) -> None:
    """Whatever this machine's quota is."""
    monkeypatch.setattr("charrnn.threads.numpy_jobs.usable_processors", lambda: 2)


def product_threads() -> set[int]:
    return {one["num_threads"] for one in threadpool_info() if one["user_api"] == "blas"}


def test_results_come_in_the_order_of_the_jobs_whichever_ends_first() -> None:
    def work(job: int) -> int:
        time.sleep(0.01 * (job % 3))
        return job * job

    assert results_of(work, range(12)) == [job * job for job in range(12)]
    assert results_of(work, []) == []


def test_two_jobs_run_at_the_same_time_and_the_longest_is_begun_first() -> None:
    meeting, begun = threading.Barrier(2, timeout=60), list[int]()

    def work(job: int) -> threading.Thread:
        begun.append(job)
        meeting.wait()
        return threading.current_thread()

    assert len(set(results_of(work, [1, 2, 3, 4]))) == 2
    assert set(begun[:2]) == {3, 4}


def test_products_have_one_thread_each_meanwhile_and_as_many_as_before_then() -> None:
    with threadpool_limits(2, "blas"):
        before = product_threads()
        assert results_of(lambda _: product_threads(), [0, 1]) == [{1}, {1}]
        assert product_threads() == before == {2}


def test_jobs_go_on_side_by_side_after_a_failed_import(monkeypatch: pytest.MonkeyPatch) -> None:
    """It left them one after the other for ever."""
    with monkeypatch.context() as patched:
        patched.setitem(sys.modules, "threadpoolctl", None)
        with pytest.raises(ImportError):
            results_of(str, [0, 1])
    meeting = threading.Barrier(2, timeout=10)
    assert sorted(results_of(lambda _: meeting.wait(), [0, 1])) == [0, 1]


def test_jobs_of_a_second_caller_are_done_one_after_the_other() -> None:
    """And leave the products of the first alone."""

    def work(_: int) -> list[threading.Thread]:
        inner = results_of(lambda _: threading.current_thread(), [0, 1, 2])
        assert product_threads() == {1}
        return inner

    with threadpool_limits(2, "blas"):
        assert all(len(set(found)) == 1 for found in results_of(work, [0, 1, 2]))
        assert product_threads() == {2}


def test_where_no_helper_is_to_be_had_products_keep_their_threads() -> None:
    found = list[set[int]]()

    def work(share: int) -> None:
        if share:
            found.extend(results_of(lambda _: product_threads(), [0, 1]))

    with threadpool_limits(2, "blas"):
        assert run_side_by_side(work, [0, 1], lambda: None)
    assert found == [{2}, {2}]


def test_after_a_job_that_fails_no_other_is_begun_and_the_error_is_raised() -> None:
    begun, meeting = list[int](), threading.Barrier(2, timeout=60)
    caller, helpers = threading.current_thread(), list[threading.Thread]()

    def work(job: int) -> None:
        begun.append(job)
        if threading.current_thread() is not caller:
            helpers.append(threading.current_thread())
        meeting.wait()
        if threading.current_thread() is not caller:
            raise ValueError("a helper's job")
        helpers[0].join(60)  # until it has failed

    with threadpool_limits(2, "blas"):
        with pytest.raises(ValueError, match="a helper's job"):
            results_of(work, range(10))
        assert product_threads() == {2}
    assert sorted(begun) == [8, 9]


def test_jobs_treat_overflows_as_their_caller_does() -> None:
    meeting = threading.Barrier(2, timeout=60)

    def work(_: int) -> str:
        meeting.wait()
        return np.geterr()["over"]

    with np.errstate(over="raise"):
        assert results_of(work, [0, 1]) == ["raise", "raise"]
    with np.errstate(over="ignore"):
        assert results_of(work, [0, 1]) == ["ignore", "ignore"]
