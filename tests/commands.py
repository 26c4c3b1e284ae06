"""The command as a process, in a folder of its own."""

from __future__ import annotations

import multiprocessing
import os
import signal
import subprocess
import sys
from collections.abc import Callable, Sequence
from contextlib import suppress
from multiprocessing.connection import Connection
from pathlib import Path
from tempfile import NamedTemporaryFile
from typing import Any
from unittest import mock

from charrnn.cli.app import main

__all__ = ["TINY", "run", "run_anew", "start"]

TINY = ("--rnn-size", 12, "--embed-size", 6, "--batch-size", 4, "--seq-length", 16)
# A process that has imported what training needs, which takes two seconds of a processor, and has
# computed nothing: threads are not copied.
SERVER = multiprocessing.get_context("forkserver")
SERVER.set_forkserver_preload(["__main__", "tests.commands", "charrnn.training.run"])
SERVERS_OWN = {"OMP_NUM_THREADS": "1", "PYTHONPATH": str(Path(__file__).parent.parent)}


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


def run_anew(cwd: Path, *arguments: object, data: bytes = b"") -> subprocess.CompletedProcess[str]:
    """Run it to its end in a Python that has imported nothing, with `data` as standard input."""
    process = start(cwd, *arguments, stdin=subprocess.PIPE)
    out, err = process.communicate(data, timeout=120)
    return subprocess.CompletedProcess([], process.returncode, out.decode(), err.decode())


def run(cwd: Path, *arguments: object, data: bytes = b"") -> subprocess.CompletedProcess[str]:
    """As `run_anew`, in a process that is a copy of one that has imported PyTorch."""
    theirs, ours = SERVER.Pipe(duplex=False)
    with NamedTemporaryFile() as out, NamedTemporaryFile() as err:
        streams = (theirs, out.name, err.name)
        words = [*map(str, arguments)]
        copy = SERVER.Process(target=_become, args=(cwd, words, dict(os.environ), streams))
        with mock.patch.dict(os.environ, SERVERS_OWN):  # the first copy starts the server
            copy.start()
        theirs.close()
        with ours, suppress(BrokenPipeError), os.fdopen(os.dup(ours.fileno()), "wb") as pipe:
            pipe.write(data)
        copy.join(120)
        if copy.exitcode is None:
            copy.kill()
            raise subprocess.TimeoutExpired(words, 120)
        written = (stream.read().decode() for stream in (out, err))
        return subprocess.CompletedProcess([], copy.exitcode, *written)


def _become(
    cwd: Path,
    arguments: Sequence[str],
    environment: dict[str, str],
    streams: tuple[Connection, str, str],
) -> None:
    """Be the command, in a process that ends with it."""
    os.chdir(cwd)
    os.environ.clear()
    os.environ.update(environment | {"OMP_NUM_THREADS": "1"})
    signal.signal(signal.SIGINT, signal.default_int_handler)
    given, *files = streams
    with given:
        os.dup2(given.fileno(), 0)
    for number, name in enumerate(files, 1):
        with Path(name).open("wb") as file:
            os.dup2(file.fileno(), number)
    sys.stdin = os.fdopen(0, closefd=False)
    sys.stdout, sys.stderr = (os.fdopen(number, "w", closefd=False) for number in (1, 2))
    sys.argv = ["charrnn", *arguments]
    main()
