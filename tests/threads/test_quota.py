"""Threads are as many as there are processors to use, and leave these to others."""

from __future__ import annotations

import os
import subprocess
import sys
from collections.abc import Iterator
from pathlib import Path

import pytest

from charrnn.threads import quota
from charrnn.threads.quota import share_processors, usable_processors


@pytest.fixture(autouse=True)
def _nothing_known() -> Iterator[None]:
    """Each test has a quota of its own."""
    known = quota.processor_quota
    known.cache_clear()
    yield
    known.cache_clear()


@pytest.mark.parametrize(
    ("limit", "count"), [("", 6), ("1", 1), ("4", 4), ("9", 6), ("0", 1), (" 2,1", 2), ("many", 6)]
)
def test_processors_are_those_that_may_be_used(
    limit: str, count: int, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr("os.sched_getaffinity", lambda _: set(range(6)), raising=False)
    monkeypatch.setenv("OMP_NUM_THREADS", limit)
    monkeypatch.setattr(quota, "MEMBERSHIP", Path("nowhere"))
    assert usable_processors() == count


@pytest.mark.parametrize(
    ("membership", "files", "expected"),
    [
        ("0::/", {"cpu.max": "150000 100000"}, 1),
        ("0::/", {"cpu.max": "max 100000"}, 4),
        ("0::/user/app", {"user/cpu.max": "200000 100000", "user/app/cpu.max": "max 100000"}, 2),
        ("0::/user/app", {"cpu.max": "300000 100000", "user/app/cpu.max": "50000 100000"}, 1),
        (
            "2:cpu,cpuacct:/",
            {"cpu/cpu.cfs_quota_us": "200000", "cpu/cpu.cfs_period_us": "100000"},
            2,
        ),
        ("2:cpu:/", {"cpu/cpu.cfs_quota_us": "-1", "cpu/cpu.cfs_period_us": "100000"}, 4),
        ("1:memory:/box\n0::/", {"memory/box/cpu.max": "nonsense"}, 4),
        ("", {}, 4),
    ],
)
def test_a_quota_of_processor_time_limits_the_threads(
    membership: str,
    files: dict[str, str],
    expected: int,
    tmp_path: Path,
    monkeypatch: pytest.MonkeyPatch,
) -> None:
    (tmp_path / "membership").write_text(membership)
    for name, content in files.items():
        path = tmp_path / "groups" / name
        path.parent.mkdir(parents=True, exist_ok=True)
        path.write_text(content + "\n")
    monkeypatch.setattr(quota, "MEMBERSHIP", tmp_path / "membership")
    monkeypatch.setattr(quota, "CONTROL_GROUPS", tmp_path / "groups")
    monkeypatch.setattr(os, "sched_getaffinity", lambda _: {0, 1, 2, 3}, raising=False)
    monkeypatch.delenv("OMP_NUM_THREADS", raising=False)
    assert usable_processors() == expected


@pytest.mark.parametrize(
    ("given", "expected"),
    [
        ({}, {"OMP_NUM_THREADS": "1", "GOMP_SPINCOUNT": str(quota.OPENMP_SPINS)}),
        ({"OMP_NUM_THREADS": "2"}, {"OMP_NUM_THREADS": "2"}),
        ({"GOMP_SPINCOUNT": "7"}, {"GOMP_SPINCOUNT": "7"}),
        ({}, {"KMP_BLOCKTIME": str(quota.OPENMP_MILLISECONDS)}),
        ({"KMP_BLOCKTIME": "infinite"}, {"KMP_BLOCKTIME": "infinite"}),
        ({"OMP_WAIT_POLICY": "active"}, {"GOMP_SPINCOUNT": None, "KMP_BLOCKTIME": None}),
        ({}, {"OPENBLAS_THREAD_TIMEOUT": str(quota.BLAS_TICKS)}),
        ({"OPENBLAS_THREAD_TIMEOUT": "28"}, {"OPENBLAS_THREAD_TIMEOUT": "28"}),
    ],
)
def test_what_the_user_set_for_threads_stays(
    given: dict[str, str], expected: dict[str, str | None], monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(os, "environ", given.copy())
    monkeypatch.setattr(quota, "processor_quota", lambda: 1.5)
    monkeypatch.setattr(os, "sched_getaffinity", lambda _: {0, 1, 2}, raising=False)
    share_processors()
    assert {name: os.environ.get(name) for name in expected} == expected


def test_without_a_quota_pytorch_chooses_its_threads(monkeypatch: pytest.MonkeyPatch) -> None:
    """Where a core has two processors, it takes one thread a core."""
    monkeypatch.setattr(os, "environ", {})
    monkeypatch.setattr(quota, "MEMBERSHIP", Path("nowhere"))
    share_processors()
    assert "OMP_NUM_THREADS" not in os.environ


def test_the_quota_is_read_once(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    """Every few tokens that compiled code draws, it is asked how many threads there may be."""
    (tmp_path / "membership").write_text("0::/")
    (tmp_path / "cpu.max").write_text("200000 100000\n")
    monkeypatch.setattr(quota, "MEMBERSHIP", tmp_path / "membership")
    monkeypatch.setattr(quota, "CONTROL_GROUPS", tmp_path)
    monkeypatch.setattr(os, "sched_getaffinity", lambda _: {0, 1, 2, 3}, raising=False)
    monkeypatch.delenv("OMP_NUM_THREADS", raising=False)
    assert usable_processors() == 2
    (tmp_path / "cpu.max").write_text("100000 100000\n")
    assert usable_processors() == 2


def test_the_time_of_all_programs_is_that_of_the_processors_that_may_be_used(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    # user, niced, system, idle, waiting for disks, interrupts (2), stolen, guests (2)
    mine = "100 20 3 5000 400 7 11 600 50 0"
    rows = ["cpu  9 9 9 9", f"cpu0 {mine}", "cpu1 9 9 9 9 9 9 9", f"cpu10 {mine}", "intr 1 2 3"]
    (tmp_path / "stat").write_text("\n".join(rows) + "\n")
    monkeypatch.setattr(quota, "USED_TIME", tmp_path / "stat")
    monkeypatch.setattr(os, "sched_getaffinity", lambda _: {0, 10}, raising=False)
    monkeypatch.setattr(os, "sysconf", lambda name: {"SC_CLK_TCK": 50}[name])
    assert quota.busy_seconds() == 2 * (100 + 20 + 3 + 7 + 11) / 50
    monkeypatch.setattr(quota, "USED_TIME", tmp_path / "nowhere")
    assert quota.busy_seconds() is None


def test_waiting_is_told_by_thread(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(quota, "OWN_THREADS", tmp_path)
    assert quota.waiting_seconds() == {}
    for name, row in {"7": "5 1500000000 8\n", "8": "5 250000000 8\n", "9": ""}.items():
        (tmp_path / name).mkdir()
        (tmp_path / name / "schedstat").write_text(row)
    assert quota.waiting_seconds() == {"7": 1.5, "8": 0.25}


def test_numpy_is_not_loaded_before_its_threads_are_told_to_sleep(tmp_path: Path) -> None:
    code = """
import sys
from charrnn.cli import app
tell, early = app.share_processors, []
app.share_processors = lambda: (early.append("numpy" in sys.modules), tell())
sys.argv = ["charrnn", "corpora"]
try:
    app.main()
except SystemExit:
    print(early)
"""
    done = subprocess.run(
        [sys.executable, "-c", code], cwd=tmp_path, capture_output=True, text=True, timeout=120
    )
    assert done.stdout.splitlines()[-1] == "[False]", done.stderr
