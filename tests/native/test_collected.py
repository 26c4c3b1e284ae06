"""No test of machine code is left out unnoticed where that code can be made."""

from __future__ import annotations

import importlib.util
import re
import subprocess
import sys
from pathlib import Path

import pytest

HERE = Path(__file__).parent


@pytest.mark.skipif(not importlib.util.find_spec("llvmlite"), reason="llvmlite is not installed")
def test_every_file_of_this_folder_has_tests() -> None:
    done = subprocess.run(
        [sys.executable, "-m", "pytest", "--collect-only", "-p", "no:cacheprovider", HERE],
        cwd=HERE.parents[1],
        capture_output=True,
        text=True,
        timeout=120,
    )
    assert done.returncode == 0, done.stdout
    collected = {line.partition("::")[0] for line in done.stdout.splitlines() if "::" in line}
    assert {Path(path).name for path in collected} == {path.name for path in HERE.glob("test_*.py")}


def test_only_what_others_made_may_be_missing() -> None:
    """A file of ours that was renamed must not be taken for one that is not installed."""
    optional = re.compile(r"importorskip\(\s*[\"'](\w+)")
    sources = (path.read_text("utf-8") for path in HERE.parent.rglob("*.py"))
    packages = {name for source in sources for name in optional.findall(source)}
    assert packages.isdisjoint({"charrnn", "tests"})
