"""The command as a process, in a folder of its own."""

from __future__ import annotations

import os
import signal
import subprocess
import sys
import traceback
from collections.abc import Callable, Sequence
from contextlib import ExitStack
from pathlib import Path
from tempfile import TemporaryFile
from typing import IO, Any, NoReturn

from charrnn.cli.app import main

__all__ = ["TINY", "run", "run_copy", "start"]

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


def run_copy(cwd: Path, *arguments: object, data: bytes = b"") -> subprocess.CompletedProcess[str]:
    """As `run`, but in a copy of this process, which needs no second to load PyTorch.

    For mistakes that are found before anything is computed: threads are not copied.
    """
    with ExitStack() as stack:
        streams = [stack.enter_context(TemporaryFile()) for _ in range(3)]
        streams[0].write(data)
        streams[0].seek(0)
        child = os.fork()
        if child == 0:
            _become(cwd, arguments, streams)
        _, status = os.waitpid(child, 0)
        for stream in streams:
            stream.seek(0)
        _, out, err = (stream.read().decode() for stream in streams)
    return subprocess.CompletedProcess([], os.waitstatus_to_exitcode(status), out, err)


def _become(cwd: Path, arguments: tuple[object, ...], streams: Sequence[IO[bytes]]) -> NoReturn:
    """Be the command, in a process that ends with it."""
    code = 1
    try:
        os.chdir(cwd)
        for number, stream in enumerate(streams):
            os.dup2(stream.fileno(), number)
        sys.stdin = os.fdopen(0, closefd=False)
        sys.stdout, sys.stderr = (os.fdopen(number, "w", closefd=False) for number in (1, 2))
        sys.argv = ["charrnn", *map(str, arguments)]
        main()
        code = 0
    except SystemExit as end:
        code = end.code if isinstance(end.code, int) else 0
    except BaseException:
        traceback.print_exc()
    finally:
        sys.stdout.flush()
        sys.stderr.flush()
        os._exit(code)
