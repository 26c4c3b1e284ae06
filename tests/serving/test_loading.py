"""Before the models are there: the server answers, and says that they are not."""

from __future__ import annotations

import asyncio
import http.client
import socket
import threading
from pathlib import Path
from typing import Any

import numpy as np
import pytest

from charrnn import CharRNN, CharTokenizer
from charrnn.errors import CharRNNError
from charrnn.folder.files import write_files
from charrnn.folder.reading import read_model
from charrnn.folder.record import model_files
from charrnn.models.model import Model
from charrnn.serving.app import create_app
from charrnn.serving.server import listen, serve
from charrnn.serving.service import Service
from charrnn.use_config import ServeConfig
from tests import commands
from tests.conftest import small_config
from tests.serving.small import small_model


class Noting(socket.socket):
    """A socket that listens, and keeps what it has accepted."""

    def __init__(self, *given: Any, **named: Any) -> None:
        super().__init__(*given, **named)
        self.accepted: list[socket.socket] = []

    def accept(self) -> tuple[socket.socket, Any]:
        found, client = super().accept()
        self.accepted.append(found.dup())
        return found, client


SCOPE: dict[str, Any] = {
    "type": "http",
    "asgi": {"version": "3.0", "spec_version": "2.3"},
    "http_version": "1.1",
    "method": "GET",
    "path": "/health",
    "query_string": b"",
    "headers": [(b"host", b"localhost")],
}


def test_health_is_503_while_the_models_are_loaded_and_200_then() -> None:
    loaded = threading.Event()

    def load() -> dict[str, Model]:
        assert loaded.wait(30)
        return {"small": small_model("rnn")}

    async def visit() -> list[tuple[int, bytes]]:
        failures: list[Exception] = []
        service = Service(load, ServeConfig(), failures.append, bool)
        app = create_app(service)
        found = []

        async def ask() -> tuple[int, bytes]:
            sent: list[Any] = []

            async def receive() -> Any:
                return {"type": "http.request", "body": b"", "more_body": False}

            async def send(message: Any) -> None:
                sent.append(message)

            await app(SCOPE, receive, send)
            headers = dict(sent[0]["headers"])
            return sent[0]["status"], headers.get(b"retry-after", b"")

        async with service.running(app):
            found.append(await ask())
            loaded.set()
            async with asyncio.timeout(30):
                while not service.models:
                    await asyncio.sleep(0.01)
            found.append(await ask())
        assert failures == []
        return found

    assert asyncio.run(visit()) == [(503, b"1"), (200, b"")]


def test_a_model_that_has_diverged_is_refused_at_the_start() -> None:
    model = small_model("gru")
    weights = {name: np.sign(w) * np.float32(3e38) for name, w in model.weights.items()}
    path = Path("model")
    write_files(path, model_files(read_model(path).record, model.tokenizer, weights, 0))
    done = commands.run(Path(), "serve", "model", "--port", 0)
    commands.refused(done, 65, "charrnn: model: the model predicts NaN or infinity; its training")


def test_a_model_without_weights_is_refused_before_the_server_says_where_it_is() -> None:
    """It announced its address, and failed."""
    small_model("gru")
    Path("model/model.safetensors").unlink()
    done = commands.run(Path(), "serve", "model", "--port", 0)
    commands.refused(done, 66, "charrnn: model: no model.safetensors in it")


def test_a_damaged_tokenizer_is_refused_before_the_server_says_where_it_is(tmp_path: Path) -> None:
    CharRNN(small_config("rnn")).save_pretrained(tmp_path / "model", CharTokenizer("\n abcdefghi"))
    (tmp_path / "model" / "tokenizer.json").write_text("{")
    done = commands.run_here(tmp_path, "serve", "model", *commands.NOWHERE)
    commands.refused(done, 65, "tokenizer.json")


def test_no_packet_of_an_answer_waits_for_word_of_the_one_before() -> None:
    seen = threading.Event()

    def load() -> dict[str, Model]:
        assert seen.wait(30)
        raise CharRNNError("enough", "end")

    made = listen(config := ServeConfig(port=0))
    listening = Noting(made.family, made.type, made.proto, fileno=made.detach())

    def run() -> None:
        with pytest.raises(CharRNNError, match="enough"):
            serve(load, config, listening, bool)

    serving = threading.Thread(target=run)
    serving.start()
    try:
        port = listening.getsockname()[1]
        connection = http.client.HTTPConnection("127.0.0.1", port, timeout=30)
        connection.request("GET", "/health")
        assert connection.getresponse().status == 503
        (accepted,) = listening.accepted
        assert accepted.getsockopt(socket.IPPROTO_TCP, socket.TCP_NODELAY)
        connection.close()
        accepted.close()
    finally:
        seen.set()
        serving.join(30)
    assert not serving.is_alive()
