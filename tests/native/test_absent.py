"""Machine code is an extra: without llvmlite everything works, only slower."""

from __future__ import annotations

import os
import subprocess
import sys
from pathlib import Path

from tests.commands import TINY

WITHOUT = """
import sys
sys.modules["llvmlite"] = None
from charrnn.cli.app import main
main()
"""


def test_a_model_trains_and_writes_without_llvmlite(verse: Path) -> None:
    def run(*arguments: object) -> str:
        command = [sys.executable, "-c", WITHOUT, *map(str, arguments)]
        env = os.environ | {"OMP_NUM_THREADS": "1"}
        return subprocess.run(
            command, cwd=verse.parent, env=env, capture_output=True, text=True, check=True
        ).stdout

    run("train", "verse.txt", "--steps", 3, *TINY, "--rnn-size", 16)
    assert len(run("sample", "-n", 3000).rstrip("\n")) > 2900
