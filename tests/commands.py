"""The command as a process, in a folder of its own."""

from __future__ import annotations

import os
import signal
import subprocess
import sys
from collections.abc import Callable
from pathlib import Path
from typing import Any

__all__ = ["TINY", "run", "start"]

TINY = ("--rnn-size", 12, "--embed-size", 6, "--batch-size", 4, "--seq-length", 16)


def start(
    cwd: Path, *arguments: object, limit: Callable[[], object] = bool, **options: Any
) -> subprocess.Popen[bytes]:
    """Start `charrnn` with these arguments; `limit` is called in the process before."""

    def prepare() -> None:
        # Tests that run in the background of a shell would hand on that Ctrl-C is ignored.
        signal.signal(signal.SIGINT, signal.default_int_handler)
        limit()

    settings: dict[str, Any] = {"stdout": subprocess.PIPE, "stderr": subprocess.PIPE} | options
    return subprocess.Popen(
        [sys.executable, "-m", "charrnn", *map(str, arguments)],
        cwd=cwd,
        env=os.environ | {"OMP_NUM_THREADS": "1"},
        preexec_fn=prepare,
        **settings,
    )


def run(cwd: Path, *arguments: object, data: bytes = b"") -> subprocess.CompletedProcess[str]:
    """Run it to its end, with `data` as standard input."""
    process = start(cwd, *arguments, stdin=subprocess.PIPE)
    out, err = process.communicate(data, timeout=120)
    return subprocess.CompletedProcess([], process.returncode, out.decode(), err.decode())
