"""The examples of the documentation do what it says."""

from __future__ import annotations

import os
import re
import subprocess
import sys
from pathlib import Path

import pytest

from tests.conftest import VERSE

DOCS = Path(__file__).parent.parent / "docs"
PAGES = {name: (DOCS / name).read_text("utf-8") for name in ("sampling.md", "evaluation.md")}
EXAMPLES = [
    (line.split("  # ")[0].strip())
    for page in PAGES.values()
    for line in page.splitlines()
    if re.match(r"    (echo .*)?charrnn ", line) and "path/to" not in line
]


@pytest.fixture
def desk(home: Path) -> Path:
    """`home` with what the examples need."""
    (home / "prompt.txt").write_text("the clerk")
    (home / "other.txt").write_text(VERSE[40:100])
    return home


@pytest.mark.parametrize("line", EXAMPLES)
def test_each_example_works(desk: Path, line: str) -> None:
    line = line.replace("The ", "the ")  # the model of the tests knows no capital letters
    # A text that is drawn anew each time may once be as short as its first character.
    line = line.replace("charrnn sample", "charrnn sample --seed 2")
    (desk / "story.txt").unlink(missing_ok=True)
    command = f"{sys.executable} -m charrnn"
    done = subprocess.run(
        [
            "bash",
            "-o",
            "pipefail",
            "-c",
            re.sub(r"\bcharrnn(?= (sample|eval|score))", command, line),
        ],
        cwd=desk,
        capture_output=True,
        text=True,
        timeout=60,
        env=os.environ | {"OMP_NUM_THREADS": "1"},
    )
    assert done.returncode == 0, done.stderr
    assert "Traceback" not in done.stderr
    output = desk / "story.txt"
    assert len(done.stdout) > 3 or (output.exists() and len(output.read_text()) > 100)


@pytest.mark.parametrize("name", PAGES)
def test_the_python_of_each_page_runs(
    name: str, desk: Path, monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str]
) -> None:
    monkeypatch.chdir(desk)
    (code,) = re.findall(r"```python\n(.*?)```", PAGES[name], re.DOTALL)
    exec(code.replace("The ", "the "), {})  # noqa: S102
    assert len(capsys.readouterr().out) > 30
