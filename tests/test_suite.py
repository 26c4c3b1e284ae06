"""The tests themselves: the same tests with the same data in every run, and none skipped unseen."""

from __future__ import annotations

import ast
import os
import random
import re
import subprocess
import sys
from pathlib import Path

import numpy as np
import pytest
import torch

ROOT = Path(__file__).parent.parent
GENERATORS = (random.Random, np.random.Generator, np.random.RandomState, torch.Generator)
COLLECT = """
import sys, pytest
from tests.test_suite import Printer
plugins = ["-p", "no:randomly", "-p", "no:cacheprovider", "-p", "no:xdist"]
sys.exit(pytest.main([*sys.argv[1:], "--collect-only", "-q", "-Wignore", *plugins], [Printer()]))
"""


def _described(session: pytest.Session) -> set[str]:
    """The name and the data of each test, and the generators that tests share."""
    found = set()
    for item in session.items:
        assert isinstance(item, pytest.Function)
        data = item.callspec.params if hasattr(item, "callspec") else {}
        shown = re.sub(" at 0x[0-9a-f]+", "", " ".join(ascii(data).split()))  # in one line
        found.add(f"TEST {item.nodeid!a} {shown}")
        for name, value in vars(item.module).items():
            if isinstance(value, GENERATORS):
                found.add(f"SHARED {item.module.__name__} {name}")
    return found


class Printer:
    """Prints what is collected."""

    def pytest_collection_finish(self, session: pytest.Session) -> None:
        sys.stdout.write("\n".join(_described(session)) + "\n")


def test_every_collection_finds_the_same_tests_with_the_same_data(
    request: pytest.FixtureRequest, tmp_path: Path
) -> None:
    """Whatever the second, the seed of hashes, the folder, the time zone and the language.

    Workers that run the tests side by side each collect them, and must agree.
    """
    here = _described(request.session)
    files = {str(item.path) for item in request.session.items}
    other = {"PYTHONHASHSEED": "2", "TZ": "Asia/Kathmandu", "LC_ALL": "C", "HOME": "/"}
    done = subprocess.run(
        [sys.executable, "-c", COLLECT, *sorted(files)],
        cwd=tmp_path,
        env=os.environ | {"PYTHONPATH": str(ROOT)} | other,
        capture_output=True,
        text=True,
        timeout=300,
    )
    assert done.returncode == 0, done.stdout + done.stderr
    there = set(done.stdout.splitlines())
    assert here <= there
    assert not [line for line in there if line.startswith("SHARED")], "each test makes its own"


def test_no_test_is_skipped_because_one_of_our_own_modules_is_missing() -> None:
    """After a module was renamed, `importorskip` once skipped 616 tests and nobody saw it."""
    for path in sorted((ROOT / "tests").rglob("*.py")):
        for node in ast.walk(ast.parse(path.read_text(encoding="utf-8"))):
            if isinstance(node, ast.Call) and ast.unparse(node.func).endswith("importorskip"):
                name = ast.literal_eval(node.args[0])
                assert name.partition(".")[0] not in ("charrnn", "tests"), f"{path}: {name}"
