"""The tests themselves: the same tests with the same data in every run, and none skipped unseen."""

from __future__ import annotations

import ast
import os
import subprocess
import sys
from pathlib import Path

ROOT = Path(__file__).parent.parent

# Collects the tests, and prints the name and the data of each.
COLLECT = r"""
import random, re, sys
import numpy, pytest, torch

GENERATORS = (random.Random, numpy.random.Generator, numpy.random.RandomState, torch.Generator)

class Collector:
    def pytest_collection_finish(self, session):
        for item in session.items:
            data = item.callspec.params if hasattr(item, "callspec") else {}
            shown = " ".join(ascii(data).split())  # in one line
            print("TEST", ascii(item.nodeid), re.sub(" at 0x[0-9a-f]+", "", shown))
        for module in {item.module.__name__: item.module for item in session.items}.values():
            for name, value in vars(module).items():
                if isinstance(value, GENERATORS):
                    print("SHARED", module.__name__, name)

plugins = ["-p", "no:randomly", "-p", "no:cacheprovider", "-p", "no:xdist"]
sys.exit(pytest.main([sys.argv[1], "--collect-only", "-q", "-Wignore", *plugins], [Collector()]))
"""


def _collected(cwd: Path, **environment: str) -> list[str]:
    done = subprocess.run(
        [sys.executable, "-c", COLLECT, str(ROOT / "tests")],
        cwd=cwd,
        env=os.environ | {"PYTHONPATH": str(ROOT)} | environment,
        capture_output=True,
        text=True,
        timeout=300,
    )
    assert done.returncode == 0, done.stdout + done.stderr
    return [line for line in done.stdout.splitlines() if line.startswith(("TEST", "SHARED"))]


def test_every_collection_finds_the_same_tests_with_the_same_data(tmp_path: Path) -> None:
    """Whatever the second, the seed of hashes, the folder, the time zone and the language.

    Workers that run the tests side by side each collect them, and must agree.
    """
    one = _collected(ROOT, PYTHONHASHSEED="1")
    other = _collected(tmp_path, PYTHONHASHSEED="2", TZ="Asia/Kathmandu", LC_ALL="C", HOME="/")
    assert len(one) > 1000
    assert one == other
    assert not [line for line in one if line.startswith("SHARED")], "each test makes its own"


def test_no_test_is_skipped_because_one_of_our_own_modules_is_missing() -> None:
    """After a module was renamed, `importorskip` once skipped 616 tests and nobody saw it."""
    for path in sorted((ROOT / "tests").rglob("*.py")):
        for node in ast.walk(ast.parse(path.read_text(encoding="utf-8"))):
            if isinstance(node, ast.Call) and ast.unparse(node.func).endswith("importorskip"):
                name = ast.literal_eval(node.args[0])
                assert name.partition(".")[0] not in ("charrnn", "tests"), f"{path}: {name}"
