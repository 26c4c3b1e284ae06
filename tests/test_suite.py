"""The tests themselves: the same tests with the same data in every run, and none skipped unseen."""

from __future__ import annotations

import ast
import os
import random
import re
import subprocess
import sys
import tomllib
from collections.abc import Iterator
from pathlib import Path
from typing import Any

import numpy as np
import pytest
import torch

ROOT = Path(__file__).parent.parent
GENERATORS = (random.Random, np.random.Generator, np.random.RandomState, torch.Generator)


def described(items: list[Any]) -> Iterator[str]:
    """A line for each test, with its name and its data, and for each generator that some share."""
    for item in items:
        data = item.callspec.params if hasattr(item, "callspec") else {}
        shown = " ".join(ascii(data).split())
        yield f"TEST {item.nodeid!a} {re.sub(' at 0x[0-9a-f]+', '', shown)}"
    for module in {item.module.__name__: item.module for item in items}.values():
        for name, value in vars(module).items():
            if isinstance(value, GENERATORS):
                yield f"SHARED {module.__name__} {name}"


class Collector:
    """A plug-in of pytest that prints what it has collected."""

    def pytest_collection_finish(self, session: pytest.Session) -> None:
        sys.stdout.writelines(f"{line}\n" for line in described(session.items))


COLLECT = """
import sys, pytest
from tests.test_suite import Collector
options = ["--collect-only", "-q", "-Wignore", "-m", ""]
plugins = ["-p", "no:randomly", "-p", "no:cacheprovider", "-p", "no:xdist"]
sys.exit(pytest.main([sys.argv[1], *options, *plugins], [Collector()]))
"""


def test_every_collection_finds_the_same_tests_with_the_same_data(
    request: pytest.FixtureRequest, tmp_path: Path
) -> None:
    """Whatever the second, the seed of hashes, the folder, the time zone and the language.

    Workers that run the tests side by side each collect them, and must agree.
    """
    others = {"PYTHONHASHSEED": "2", "TZ": "Asia/Kathmandu", "LC_ALL": "C", "HOME": "/"}
    done = subprocess.run(
        [sys.executable, "-c", COLLECT, str(ROOT / "tests")],
        cwd=tmp_path,
        env=os.environ | {"PYTHONPATH": str(ROOT)} | others,
        capture_output=True,
        text=True,
        timeout=300,
    )
    assert done.returncode == 0, done.stdout + done.stderr
    found = {line for line in done.stdout.splitlines() if line.startswith(("TEST", "SHARED"))}
    assert len(found) > 1000
    assert set(described(request.session.items)) <= found, "some may not have been chosen here"
    assert not [line for line in found if line.startswith("SHARED")], "each test makes its own"


def calls(word: str) -> Iterator[tuple[Path, ast.Call]]:
    """All calls in those files of the tests that have this word in them, and where they are."""
    for path in sorted((ROOT / "tests").rglob("*.py")):
        text = path.read_text(encoding="utf-8")
        if word not in text:
            continue
        for node in ast.walk(ast.parse(text)):
            if isinstance(node, ast.Call):
                yield path, node


def test_no_test_is_skipped_because_one_of_our_own_modules_is_missing() -> None:
    """After a module was renamed, `importorskip` once skipped 616 tests and nobody saw it."""
    for path, node in calls("importorskip"):
        if ast.unparse(node.func).endswith("importorskip"):
            name = ast.literal_eval(node.args[0])
            assert name.partition(".")[0] not in ("charrnn", "tests"), f"{path}: {name}"


def test_what_tests_and_docs_name_is_in_the_source_distribution() -> None:
    """It lacked requirements-use.txt, which docs install from, and tests read as they begin."""
    tests, docs = (
        "\n".join(path.read_text("utf-8") for path in sorted((ROOT / folder).rglob(pattern)))
        for folder, pattern in (("tests", "*.py"), ("docs", "*.md"))
    )
    named = {
        *re.findall(r'ROOT / "([\w.-]+)"', tests),
        *re.findall(r"\]\(\.\./([\w.-]+)", docs),
        *re.findall(r" -[cr] ([\w.-]+\.txt)", docs),
    }
    build = tomllib.loads((ROOT / "pyproject.toml").read_text("utf-8"))["tool"]["hatch"]["build"]
    included = {path.split("/")[1] for path in build["targets"]["sdist"]["include"]}
    assert {"Makefile", "constraints.txt", "requirements-use.txt"} < named
    assert named <= included | {"README.md", "pyproject.toml"}, "hatchling adds these two"


def test_what_only_a_gpu_can_show_is_marked_so() -> None:
    """`pytest -m gpu` found none of them: each was skipped by a condition of its own."""
    asked = "cuda.is_available()"
    skips = [
        f"{path.name}: {ast.unparse(node)}"
        for path, node in calls(asked)
        if f"not torch.{asked}" in ast.unparse(node)
    ]
    assert not skips
