"""A server as users start it, and a client that speaks to it byte by byte."""

from __future__ import annotations

import http.client
import json
import re
import signal
import subprocess
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path
from typing import Any, NamedTuple

import pytest

import charrnn
from charrnn import Reading
from tests import commands

__all__ = ["Reply", "Server", "started"]


class Reply(NamedTuple):
    status: int
    headers: dict[str, str]
    body: bytes

    @property
    def json(self) -> Any:
        return json.loads(self.body)


class Server(NamedTuple):
    """A server that runs in a process of its own."""

    process: subprocess.Popen[bytes]
    port: int

    @property
    def url(self) -> str:
        return f"http://127.0.0.1:{self.port}/v1"

    def ask(self, method: str, path: str, body: Any = None, **headers: str) -> Reply:
        connection = http.client.HTTPConnection("127.0.0.1", self.port, timeout=30)
        data = body if isinstance(body, bytes | None) else json.dumps(body)
        connection.request(method, path, data, {k.replace("_", "-"): v for k, v in headers.items()})
        answer = connection.getresponse()
        found = Reply(answer.status, {k.lower(): v for k, v in answer.getheaders()}, answer.read())
        connection.close()
        return found

    def complete(self, **body: Any) -> Reply:
        return self.ask("POST", "/v1/completions", body)

    def end(self) -> tuple[int, str]:
        """Ctrl-C; the exit code and what was said."""
        self.process.send_signal(signal.SIGINT)
        _, said = self.process.communicate(timeout=120)
        return self.process.returncode, said.decode()


@contextmanager
def started(cwd: Path, *arguments: object) -> Iterator[Server]:
    """`charrnn serve` with these arguments, on a port that is free; ended if the test does not."""
    process = commands.start(cwd, "serve", "--port", 0, *arguments, stdout=subprocess.DEVNULL)
    assert process.stderr is not None
    try:
        line = process.stderr.readline().decode()
        found = re.search(r":(\d+)/v1;", line)
        assert found, line + process.stderr.read().decode()
        server = Server(process, int(found[1]))
        commands.wait_until(lambda: server.ask("GET", "/health").status != 503, process)
        yield server
    finally:
        if process.poll() is None:
            process.kill()
        process.communicate()


def shared(cwd: Path, *models: str) -> Iterator[Server]:
    """A server for the tests that leave it as it was."""
    with started(cwd, *models) as found:
        yield found
        code, said = found.end()
        assert code == 130
        assert said == "", "a test has made the server fail"


@pytest.fixture(scope="package")
def server(trained_home: Path) -> Iterator[Server]:
    """One server of one model."""
    yield from shared(trained_home, "verse")


@pytest.fixture(scope="package")
def names_server(names: Path) -> Iterator[Server]:
    """One server of both models of records."""
    yield from shared(names, "names", "bytes")


@pytest.fixture(scope="package")
def names(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """A folder with a model of records, and a model of records in bytes."""
    path = tmp_path_factory.mktemp("names")
    tiny: dict[str, Any] = {"hidden_size": 12, "embed_size": 6, "batch_size": 4, "steps": 40}
    (path / "names.txt").write_text("\n".join(f"{a}{b}" for a in "äbcde" for b in "fghijk"))
    for name, tokenizer in (("names", "char"), ("bytes", "byte")):
        tiny["tokenizer"] = tokenizer
        lines = Reading(records="lines")
        run = charrnn.train(path / "names.txt", out=path / name, reading=lines, **tiny)
        run.finish(progress=False)
    return path
