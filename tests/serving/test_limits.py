"""A server with few files that it may open."""

from __future__ import annotations

import errno
import http.client
import os
import resource
import signal
import socket
import sys
import threading
from collections.abc import Iterator
from contextlib import ExitStack, closing, contextmanager, suppress
from pathlib import Path

import pytest

from charrnn.errors import CharRNNError
from charrnn.models.model import Model
from charrnn.serving.server import listen, serve
from charrnn.use_config import ServeConfig
from tests.commands import wait_until
from tests.serving.conftest import started

on_linux = pytest.mark.skipif(
    sys.platform != "linux", reason="elsewhere the limits of another process can't be read"
)

FILES = 40


@contextmanager
def no_more_files() -> Iterator[None]:
    """As many files are open as may be."""
    soft, hard = resource.getrlimit(resource.RLIMIT_NOFILE)
    first = os.open(os.devnull, os.O_RDONLY)
    resource.setrlimit(resource.RLIMIT_NOFILE, (first + 9, hard))
    opened = [first]
    try:
        with suppress(OSError):
            while True:
                opened.append(os.dup(first))
        yield
    finally:
        for number in opened:
            os.close(number)
        resource.setrlimit(resource.RLIMIT_NOFILE, (soft, hard))


def test_a_connection_that_can_be_neither_taken_nor_turned_away_waits() -> None:
    """The server asked for it again and again, without a rest."""
    with ExitStack() as stack:
        listening = stack.enter_context(listen(ServeConfig(port=0)))
        listening.setblocking(False)
        address = listening.getsockname()
        clients = [
            stack.enter_context(socket.create_connection(address, timeout=60)) for _ in range(2)
        ]
        with no_more_files():
            with pytest.raises(BlockingIOError):
                listening.accept()
            assert clients[0].recv(1) == b""
            with no_more_files(), pytest.raises(OSError, match=os.strerror(errno.EMFILE)):
                listening.accept()
        connection, _ = listening.accept()
        with connection:
            assert connection.getpeername() == clients[1].getsockname()


def sockets() -> int:
    """How many this process has open."""
    paths = Path("/proc/self/fd").iterdir()
    return sum(os.path.realpath(path).rpartition("/")[2].startswith("socket:") for path in paths)


@on_linux
def test_an_answer_that_nobody_reads_is_dropped(monkeypatch: pytest.MonkeyPatch) -> None:
    """Its connection waited for ever, with all that was still to be sent."""
    monkeypatch.setattr("charrnn.serving.server.UNREAD_SECONDS", 0.2)
    seen = threading.Event()

    def load() -> dict[str, Model]:
        assert seen.wait(900)
        raise CharRNNError("enough", "end")

    def run() -> None:
        with pytest.raises(CharRNNError, match="enough"):
            serve(load, config, listening, bool)

    listening = listen(config := ServeConfig(port=0))
    address = listening.getsockname()
    serving = threading.Thread(target=run)
    serving.start()
    try:
        with closing(http.client.HTTPConnection("127.0.0.1", address[1], timeout=60)) as other:
            other.request("GET", "/")
            page = len(other.getresponse().read())
        before = sockets()
        with socket.socket() as client:
            client.settimeout(60)
            client.setsockopt(socket.SOL_SOCKET, socket.SO_RCVBUF, 4096)
            client.connect(address)
            # More than what the system keeps of what was sent to somebody.
            client.sendall(b"GET / HTTP/1.1\r\nHost: localhost\r\n\r\n" * (20_000_000 // page))
            assert client.recv(10)
            wait_until(lambda: sockets() == before + 1)
    finally:
        seen.set()
        serving.join(60)
    assert not serving.is_alive()


@on_linux
def test_more_connections_than_open_files_are_turned_away_without_a_word(
    trained_home: Path,
) -> None:
    with started(trained_home, "verse") as server, ExitStack() as stack:
        resource.prlimit(server.process.pid, resource.RLIMIT_NOFILE, (FILES, FILES))
        place = "127.0.0.1", server.port
        clients = [
            stack.enter_context(socket.create_connection(place, timeout=60))
            for _ in range(2 * FILES)
        ]
        assert clients[-1].recv(1) == b""
        clients[0].sendall(b"GET /health HTTP/1.1\r\nHost: localhost\r\n\r\n")
        assert clients[0].recv(12) == b"HTTP/1.1 200"
        assert server.end() == (130, "")


@on_linux
def test_the_limit_on_open_files_is_raised(trained_home: Path) -> None:
    soft, hard = resource.getrlimit(resource.RLIMIT_NOFILE)
    if hard < 1024:
        pytest.skip("it may not be raised here")
    resource.setrlimit(resource.RLIMIT_NOFILE, (100, hard))
    try:
        with started(trained_home, "verse") as server:
            limits = resource.prlimit(server.process.pid, resource.RLIMIT_NOFILE)
            assert limits[0] > 256
            server.process.send_signal(signal.SIGINT)
    finally:
        resource.setrlimit(resource.RLIMIT_NOFILE, (soft, hard))
