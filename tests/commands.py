"""The command as a process, in a folder of its own."""

from __future__ import annotations

import atexit
import ctypes
import multiprocessing
import os
import pty
import re
import select
import signal
import subprocess
import sys
import termios
import time
from collections.abc import Callable, Mapping, Sequence
from contextlib import chdir, suppress
from functools import partial
from multiprocessing.connection import Connection
from pathlib import Path
from tempfile import NamedTemporaryFile
from typing import Any
from unittest import mock

from typer.testing import CliRunner

from charrnn.cli.app import app, main

__all__ = [
    "NOWHERE",
    "TINY",
    "Copy",
    "all_from",
    "in_terminal",
    "line_from",
    "refused",
    "run",
    "run_anew",
    "run_code",
    "run_here",
    "start",
    "wait_until",
]

TINY = ("--rnn-size", 12, "--embed-size", 6, "--batch-size", 4, "--seq-length", 16)
# An address for documentation, which no machine has: a server that is not refused ends there.
NOWHERE = ("--host", "192.0.2.1")
# A process that has imported what training, pictures and the client of the hub need, which takes
# three seconds of a processor, and has computed nothing: threads are not copied.
SERVER = multiprocessing.get_context("forkserver")
PICTURES = ("matplotlib.figure", "matplotlib.backends.backend_svg")
HUB = ("httpx2", "httpcore2")  # the hub's own client reads its settings as it is imported
SERVER.set_forkserver_preload(
    ["tests.commands", "charrnn.training.run", "numpy.random", *PICTURES, *HUB]
)
SERVERS_OWN = {"OMP_NUM_THREADS": "1", "PYTHONPATH": str(Path(__file__).parent.parent)}
M_ARENA_MAX = -8  # of glibc's mallopt


def start(
    cwd: Path, *arguments: object, limit: Callable[[], object] = bool, **options: Any
) -> subprocess.Popen[bytes]:
    """Start `charrnn` with these arguments; `limit` is called in the process before."""

    def prepare() -> None:
        # Tests that run in the background of a shell, or outlive their terminal, would hand on that
        # these are ignored.
        signal.signal(signal.SIGINT, signal.default_int_handler)
        signal.signal(signal.SIGHUP, signal.SIG_DFL)
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
    try:
        out, err = process.communicate(data, timeout=120)
    except subprocess.TimeoutExpired:
        process.kill()
        raise
    return subprocess.CompletedProcess([], process.returncode, out.decode(), err.decode())


def line_from(process: subprocess.Popen[bytes]) -> bytes:
    """The next line of its output, of which nothing is kept back here: it has `bufsize=0`."""
    assert process.stdout is not None
    has_come, _, _ = select.select([process.stdout], [], [], 120)
    assert has_come, "there is no answer"
    return process.stdout.readline()


def in_terminal(
    cwd: Path,
    *arguments: object,
    streams: Sequence[str] = ("stdin", "stdout", "stderr"),
    typed: bytes = b"",
) -> str:
    """What a terminal of 120 columns that has these streams shows of it, to its good end."""
    ours, theirs = pty.openpty()
    termios.tcsetwinsize(theirs, (24, 120))
    os.write(ours, typed)
    options: dict[str, Any] = dict.fromkeys(streams, theirs)
    process = start(cwd, *arguments, **options)
    os.close(theirs)
    shown = all_from(ours)
    process.communicate(timeout=120)
    assert process.returncode == 0, shown
    return shown.replace("\r\n", "\n")


def all_from(terminal: int) -> str:
    """What was written to a terminal, until nobody writes any more; it is closed."""
    shown = b""
    with suppress(OSError):  # Linux's way to say so
        while select.select([terminal], [], [], 120)[0] and (data := os.read(terminal, 4096)):
            shown += data
    os.close(terminal)
    return shown.decode()


class Copy:
    """`charrnn` in a copy of a process that has imported PyTorch; it is used as a `Popen`.

    `prepare`, a function of a module, is called in it before; `call`, in place of the command.
    """

    def __init__(
        self,
        cwd: Path,
        *arguments: object,
        data: bytes = b"",
        environment: Mapping[str, str] = os.environ,
        prepare: Callable[[], object] = bool,
        call: Callable[[], object] = main,
    ) -> None:
        self._outputs = [NamedTemporaryFile() for _ in range(2)]  # noqa: SIM115
        theirs, ours = SERVER.Pipe(duplex=False)
        streams = (theirs, *(output.name for output in self._outputs))
        words, variables = [*map(str, arguments)], dict(environment)
        self._process = SERVER.Process(
            target=_become, args=(cwd, words, variables, streams, prepare, call), daemon=True
        )
        with mock.patch.dict(os.environ, SERVERS_OWN):  # the first copy starts the server
            self._process.start()
        theirs.close()
        with ours, suppress(BrokenPipeError), os.fdopen(os.dup(ours.fileno()), "wb") as pipe:
            pipe.write(data)

    @property
    def pid(self) -> int:
        assert self._process.pid is not None
        return self._process.pid

    @property
    def returncode(self) -> int | None:
        return self._process.exitcode

    def poll(self) -> int | None:
        return self._process.exitcode

    def send_signal(self, number: int) -> None:
        os.kill(self.pid, number)

    def kill(self) -> None:
        self.send_signal(signal.SIGKILL)

    def communicate(self, timeout: float = 120) -> tuple[str, str]:
        """Wait for its end; what it has written."""
        self._process.join(timeout)
        in_time = self.poll() is not None
        if not in_time:
            self.kill()
        out, err = (output.read().decode() for output in self._outputs)
        for output in self._outputs:
            output.close()
        if not in_time:
            raise subprocess.TimeoutExpired("charrnn", timeout, out, err)
        return out, err


def wait_until(
    condition: Callable[[], object], process: Copy | subprocess.Popen[Any] | None = None
) -> None:
    """Wait for what happens while this process runs, which must not end before."""
    end = time.monotonic() + 600
    while not condition():
        assert process is None or process.poll() is None, process.communicate()
        assert time.monotonic() < end, "it does not happen"
        time.sleep(0.005)


def run(
    cwd: Path,
    *arguments: object,
    data: bytes = b"",
    environment: Mapping[str, str] = os.environ,
) -> subprocess.CompletedProcess[str]:
    """As `run_anew`, in a copy, which saves the two seconds that importing PyTorch takes."""
    copy = Copy(cwd, *arguments, data=data, environment=environment)
    out, err = copy.communicate()
    assert copy.returncode is not None
    return subprocess.CompletedProcess([], copy.returncode, out, err)


def run_code(code: str, *arguments: object) -> str:
    """What a program in Python writes in such a copy, whose memory comes from one place."""
    call = partial(exec, code, {"__name__": "__main__"})
    copy = Copy(Path.cwd(), *arguments, prepare=_share_an_arena, call=call)
    out, err = copy.communicate(timeout=600)
    assert copy.returncode == 0, err
    return out


def _share_an_arena() -> None:
    """Let all threads take memory from one arena, so that what they take can be told."""
    with suppress(AttributeError):  # another library than glibc
        ctypes.CDLL(None).mallopt(M_ARENA_MAX, 1)


def run_here(cwd: Path, *arguments: object, data: bytes = b"") -> subprocess.CompletedProcess[str]:
    """As `run`, in this process, at no cost: for what `charrnn.cli.app.app` does.

    That is how its errors end it; not how its warnings are shown, nor what its streams can carry.
    """
    words = [*map(str, arguments)]
    with chdir(cwd):
        done = CliRunner().invoke(app, words, data, catch_exceptions=False, prog_name="charrnn")
    return subprocess.CompletedProcess(words, done.exit_code, done.stdout, done.stderr)


def refused(done: subprocess.CompletedProcess[str], code: int, *words: str) -> None:
    """Check that a command ended with this code and one line, with these words and no more."""
    assert (done.returncode, done.stdout) == (code, ""), (done.stdout, done.stderr)
    assert re.fullmatch(r"charrnn: [^\n]+; [^\n]+\n", done.stderr), done.stderr
    for word in words:
        assert word in done.stderr, done.stderr


def _become(
    cwd: Path,
    arguments: Sequence[str],
    environment: Mapping[str, str],
    streams: tuple[Connection, str, str],
    prepare: Callable[[], object],
    call: Callable[[], object],
) -> None:
    """Be the command, or what is called in its place, in a process that ends with it."""
    os.chdir(cwd)
    os.environ.clear()
    os.environ.update(environment, OMP_NUM_THREADS="1")
    signal.signal(signal.SIGINT, signal.default_int_handler)
    signal.signal(signal.SIGHUP, signal.SIG_DFL)
    given, *files = streams
    with given:
        os.dup2(given.fileno(), 0)
    for number, name in enumerate(files, 1):
        with Path(name).open("wb") as file:
            os.dup2(file.fileno(), number)
    sys.stdin = os.fdopen(0, closefd=False)
    sys.stdout = os.fdopen(1, "w", closefd=False)
    sys.stderr = os.fdopen(2, "w", 1, errors="backslashreplace", closefd=False)
    sys.argv = ["charrnn", *arguments]
    prepare()
    try:
        call()
    finally:
        atexit._run_exitfuncs()
