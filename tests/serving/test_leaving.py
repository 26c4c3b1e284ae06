"""A client that leaves in the middle of a stream is not written to for long."""

from __future__ import annotations

import asyncio
import json
from typing import Any

from charrnn.serving.app import create_app
from charrnn.serving.service import Service
from charrnn.use_config import ServeConfig
from tests.serving.small import small_model
from tests.serving.test_loading import SCOPE

TEXTS = 12  # whose pieces come in bursts


def test_a_stream_sees_a_lost_connection_before_its_next_event() -> None:
    """asyncio warns of writing to a lost connection, which it tells of in its next turn."""
    body = json.dumps({"max_tokens": 200, "n": TEXTS, "stream": True}).encode()
    length = str(len(body)).encode()
    headers = [(b"host", b"localhost"), (b"content-length", length)]
    scope = SCOPE | {"method": "POST", "path": "/v1/completions", "headers": headers, "state": {}}

    async def visit() -> tuple[int, int]:
        failures: list[Exception] = []
        service = Service(
            lambda: {"small": small_model("rnn")}, ServeConfig(), failures.append, bool
        )
        app, asked, lost = create_app(service), asyncio.Event(), asyncio.Event()
        sent = before_it_was_seen = 0

        async def receive() -> Any:
            if not asked.is_set():
                asked.set()
                return {"type": "http.request", "body": body, "more_body": False}
            return await asyncio.Event().wait()  # it is not told that the client has left

        async def send(message: Any) -> None:
            nonlocal sent, before_it_was_seen
            if message["type"] == "http.response.body":
                sent += 1
                before_it_was_seen += not lost.is_set()
                asyncio.get_running_loop().call_soon(lost.set)

        async with service.running(app):
            async with asyncio.timeout(30):
                while not service.models:
                    await asyncio.sleep(0.01)
                await app(scope, receive, send)
        assert failures == []
        return sent, before_it_was_seen

    sent, before_it_was_seen = asyncio.run(visit())
    assert sent > TEXTS
    assert before_it_was_seen == 1
