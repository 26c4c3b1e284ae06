"""A server with few files that it may open."""

from __future__ import annotations

import resource
import signal
import socket
from contextlib import ExitStack
from pathlib import Path

import pytest

from tests.serving.conftest import started

FILES = 40


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
