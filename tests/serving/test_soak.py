"""Clients that vanish, stop half way, send what is no request, or far too much of it.

The server must go on answering the others, and its memory must be where it was.
"""

from __future__ import annotations

import json
import random
import socket
import threading
import time
from collections.abc import Callable, Iterator
from contextlib import contextmanager, suppress
from pathlib import Path

import pytest

import charrnn
from charrnn.models.model import Model
from tests.commands import wait_until
from tests.serving.conftest import Server, started

HUGE = 100_000_000  # bytes of a body
HEAD = "POST /v1/completions HTTP/1.1\r\nHost: localhost\r\nContent-Length: {}\r\n\r\n"


@contextmanager
def connected(server: Server) -> Iterator[socket.socket]:
    with socket.create_connection(("127.0.0.1", server.port), timeout=60) as found:
        yield found


def vanish(server: Server, chance: random.Random) -> None:
    """Ask for a long text, and leave."""
    body = json.dumps({"max_tokens": 5000, "stream": chance.random() < 0.5, "n": 3}).encode()
    with connected(server) as sending:
        sending.sendall(HEAD.format(len(body)).encode() + body)
        time.sleep(chance.random() * 0.1)


def stop_half_way(server: Server, chance: random.Random) -> None:
    request = HEAD.format(60).encode() + b'{"prompt": "the '
    with connected(server) as sending:
        sending.sendall(request[: chance.randrange(1, len(request))])
        time.sleep(chance.random() * 0.1)


def send_nonsense(server: Server, chance: random.Random) -> None:
    with suppress(ConnectionError), connected(server) as sending:
        sending.sendall(chance.randbytes(300) + b"\r\n\r\n")
        sending.recv(1000)


def break_a_chunk(server: Server, chance: random.Random) -> None:
    """Before or after an answer that waits for no body."""
    path = chance.choice(["completions", "nothing"])
    head = f"POST /v1/{path} HTTP/1.1\r\nHost: localhost\r\nTransfer-Encoding: chunked\r\n\r\n"
    with suppress(ConnectionError), connected(server) as sending:
        sending.sendall(head.encode())
        if path == "nothing":
            assert sending.recv(1000)
        sending.sendall(b"no length\r\n")
        while sending.recv(1000):
            pass


def send_wrong_json(server: Server, chance: random.Random) -> None:
    body = b'{"prompt": ["the ", {"a": [' * chance.randrange(1, 3000)
    reply = server.ask("POST", "/v1/completions", body)
    assert reply.status in (400, 422)


def send_far_too_much(server: Server, chance: random.Random) -> None:
    announced = chance.random() < 0.5
    size = f"Content-Length: {HUGE}" if announced else "Transfer-Encoding: chunked"
    piece = b" " * 0x10000 if announced else b"10000\r\n" + b" " * 0x10000 + b"\r\n"
    head = f"POST /v1/score HTTP/1.1\r\nHost: localhost\r\n{size}\r\n\r\n"
    with suppress(ConnectionError), connected(server) as sending:
        sending.sendall(head.encode())
        for _ in range(HUGE // 0x10000):
            sending.sendall(piece)
        raise AssertionError("all of it was taken")


def ask_properly(server: Server, chance: random.Random, model: Model) -> None:
    seed = chance.randrange(1000)
    reply = server.complete(prompt="the ", max_tokens=60, seed=seed)
    if reply.status != 429:
        assert reply.status == 200
        expected = model.generate("the ", max_new_tokens=60, seed=seed)
        assert reply.json["choices"][0]["text"] == expected


def besiege(server: Server, model: Model, seconds: float, seed: int) -> None:
    """All kinds of clients side by side, for some seconds."""
    end = time.monotonic() + seconds
    failures: list[BaseException] = []
    asked = []

    def repeat(visit: Callable[[random.Random], None], number: int) -> None:
        chance = random.Random(seed * 100 + number)  # noqa: S311
        try:
            while time.monotonic() < end:
                visit(chance)
                asked.append(number)
        except BaseException as error:
            failures.append(error)

    visits = [
        *(vanish, stop_half_way, send_nonsense, break_a_chunk),
        *(send_wrong_json, send_far_too_much),
    ]
    threads = [
        threading.Thread(target=repeat, args=(lambda c, v=visit: v(server, c), number))
        for number, visit in enumerate(visits)
    ]
    threads.append(
        threading.Thread(target=repeat, args=(lambda c: ask_properly(server, c, model), 6))
    )
    for thread in threads:
        thread.start()
    for thread in threads:
        thread.join()
    assert failures == []
    assert set(asked) == set(range(7))


def resident(server: Server) -> int:
    """Bytes of memory."""
    status = Path(f"/proc/{server.process.pid}/status").read_text()
    return int(status.partition("VmRSS:")[2].split()[0]) * 1024


def open_files(server: Server) -> int:
    return len(list(Path(f"/proc/{server.process.pid}/fd").iterdir()))


def endure(home: Path, warm_up: float, seconds: float, allowed: int) -> None:
    model = charrnn.load(home / "checkpoints" / "verse")
    with started(home, "verse") as server:
        files = open_files(server)
        besiege(server, model, warm_up, 1)
        before = resident(server)
        besiege(server, model, seconds, 2)
        assert resident(server) - before < allowed
        # The event loop may keep one for itself.
        wait_until(lambda: open_files(server) <= files + 1, server.process)
        assert server.complete(max_tokens=3, seed=1).status == 200
        code, said = server.end()
        assert (code, said) == (130, "")


@pytest.mark.skipif(not Path("/proc/self/status").exists(), reason="needs Linux's /proc")
def test_bad_clients_for_seconds(trained_home: Path) -> None:
    endure(trained_home, 1.5, 2, allowed=30_000_000)


@pytest.mark.slow
@pytest.mark.skipif(not Path("/proc/self/status").exists(), reason="needs Linux's /proc")
def test_bad_clients_for_ten_minutes_leave_memory_where_it_was(trained_home: Path) -> None:
    endure(trained_home, 30, 570, allowed=10_000_000)


@pytest.mark.slow
def test_half_a_request_is_not_waited_for(trained_home: Path) -> None:
    with started(trained_home, "verse") as server:
        for sent in (b"", b"POST /v1/comp", HEAD.format(0).encode() * 2 + b"GET"):
            with connected(server) as sending:
                sending.sendall(sent)
                while sending.recv(1000):
                    pass
