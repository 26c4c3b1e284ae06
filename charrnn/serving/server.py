"""The socket, and how the server ends.

Ctrl-C or SIGTERM: no new connection is taken, texts that are being written are finished, and what
is not after some seconds is dropped. A second Ctrl-C ends at once.
"""

from __future__ import annotations

import asyncio
import errno
import logging
import os
import socket
from collections.abc import Callable, Mapping
from contextlib import suppress
from typing import Any

import h11
import uvicorn
from starlette.types import Receive, Scope, Send
from uvicorn.protocols.http.h11_impl import H11Protocol

from charrnn.errors import CannotCreateError
from charrnn.models.model import Model
from charrnn.serving.app import create_app
from charrnn.serving.limits import ApiError, error_body
from charrnn.serving.service import Service
from charrnn.use_config import ServeConfig

__all__ = ["address", "listen", "serve"]

DRAIN_SECONDS = 10  # for texts that are being written when the server is asked to end
HEAD_SECONDS = 10  # in which the head of a request must have arrived
# In which a client must have read what was sent to it, or at least so many bytes of it.
UNREAD_SECONDS, LEAST_READ = 300, 1 << 16
BESIDE_TEXTS = 256  # connections, besides one for each text that is written
BESIDE_CONNECTIONS = 64  # open files
SHORTAGES = (errno.EMFILE, errno.ENFILE)  # of open files, of this process and of all


class _Protocol(H11Protocol):
    """HTTP, with limits on how long a connection may send no request, and read no answer.

    What uvicorn itself refuses in plain text is refused here as the API refuses.
    """

    waiting: asyncio.TimerHandle | None = None  # for a request
    unread: asyncio.TimerHandle | None = None  # for what was sent to be read
    refused = False

    def connection_made(self, transport: asyncio.Transport) -> None:  # type: ignore[override]
        super().connection_made(transport)
        # An answer is several packets, and none waits for word of the one before. (asyncio sees to
        # that only where a socket names its protocol.)
        with suppress(OSError):  # the client has left
            found = transport.get_extra_info("socket")
            found.setsockopt(socket.IPPROTO_TCP, socket.TCP_NODELAY, 1)
        transport.set_write_buffer_limits(0)  # whatever is not sent at once pauses writing
        limit, self.limit_concurrency = self.limit_concurrency, None
        if limit is not None and len(self.connections) > limit:
            self.app = _too_many
        self.app_state = {**self.app_state, "abort": transport.abort}
        self._await_request()

    def data_received(self, data: bytes) -> None:
        if not self.refused:
            super().data_received(data)
        if not self.refused:
            self._await_request()

    def pause_writing(self) -> None:
        super().pause_writing()
        self._await_reading()

    def resume_writing(self) -> None:
        super().resume_writing()
        if self.unread:
            self.unread.cancel()

    def send_400_response(self, msg: str) -> None:
        """Refuse what is not HTTP.

        What the client still sends is let go until it leaves or its time is over: a connection that
        is closed before all is read is reset, and its answer may be lost.
        """
        del msg
        self.refused = True
        if self.waiting:
            self.waiting.cancel()
        self.waiting = self.loop.call_later(HEAD_SECONDS, self.transport.abort)
        if self.cycle is not None and not self.cycle.response_complete:  # the rest never comes
            self.cycle.disconnected = True
            self.cycle.message_event.set()
        if self.conn.our_state is h11.SEND_BODY:  # half an answer is there
            self.transport.abort()
            return
        if self.conn.our_state in (h11.IDLE, h11.SEND_RESPONSE):
            self._send_refusal()
        self.transport.write_eof()

    def _send_refusal(self) -> None:
        headers = [("Content-Type", "application/json"), ("Connection", "close")]
        for event in (
            h11.Response(status_code=400, headers=headers, reason="Bad Request"),
            h11.Data(data=error_body(400, "this is no HTTP request", "invalid_http")),
            h11.EndOfMessage(),
        ):
            self.transport.write(self.conn.send(event) or b"")

    def connection_lost(self, exc: Exception | None) -> None:
        super().connection_lost(exc)
        for clock in (self.waiting, self.unread):
            if clock:
                clock.cancel()

    def _await_reading(self) -> None:
        """Start the clock that drops a connection which reads too little of what was sent."""
        before = self.transport.get_write_buffer_size()

        def check() -> None:
            if self.transport.get_write_buffer_size() > before - LEAST_READ:
                self.transport.abort()
            else:
                self._await_reading()

        self.unread = self.loop.call_later(UNREAD_SECONDS, check)

    def _await_request(self) -> None:
        """Start the clock when a request is awaited; stop it when one is being answered."""
        answering = self.cycle is not None and not self.cycle.response_complete
        if answering and self.waiting:
            self.waiting.cancel()
            self.waiting = None
        elif not answering and self.waiting is None:
            self.waiting = self.loop.call_later(HEAD_SECONDS, self.transport.abort)


async def _too_many(scope: Scope, receive: Receive, send: Send) -> None:
    """Refuse a connection beyond the limit, whatever it asks for (ASGI)."""
    error = ApiError(503, "there are too many connections; try again", code="busy", retry_after=1)
    error.headers["Connection"] = "close"
    await error.response()(scope, receive, send)


class _Listening(socket.socket):
    """A socket that turns connections away when there can be no more open files.

    asyncio would leave them waiting. It still does so, a second at a time, if other files have
    taken the place of the spare one.
    """

    _spare: int | None = None

    def accept(self) -> tuple[socket.socket, Any]:
        """A connection and its address.

        Raises:
            BlockingIOError: if there is none to be had now.
            OSError: if there can't be, and none can be turned away either.
        """
        try:
            self.keep_spare()
            return super().accept()
        except OSError as error:
            if error.errno not in SHORTAGES or self._spare is None:
                raise
        self._give_up_spare()
        with suppress(OSError), super().accept()[0]:
            pass  # it is closed
        raise BlockingIOError

    def keep_spare(self) -> None:
        """Have a file open, in whose place a connection comes that is turned away."""
        if self._spare is None:
            self._spare = os.open(os.devnull, os.O_RDONLY)

    def close(self) -> None:
        """Close it, as a socket is closed."""
        super().close()
        self._give_up_spare()

    def _give_up_spare(self) -> None:
        if self._spare is not None:
            os.close(self._spare)
            self._spare = None


def listen(config: ServeConfig) -> socket.socket:
    """A socket that listens where `config` says.

    Raises:
        CannotCreateError: if that is not possible.
    """
    family = socket.AF_INET6 if ":" in config.host else socket.AF_INET
    try:
        made = socket.create_server((config.host, config.port), family=family, backlog=1024)
        listening = _Listening(fileno=made.detach())
        with suppress(OSError):
            listening.keep_spare()
        return listening
    except OSError as error:
        reason = (error.strerror or str(error)).partition(" (while attempting")[0]
        port = error.errno in (errno.EADDRINUSE, errno.EACCES)
        advice = "choose another --port" if port else "choose another --host"
        raise CannotCreateError(f"{config.host}:{config.port}: {reason}", advice) from None


def address(listening: socket.socket) -> str:
    """The URL of a socket that listens."""
    host, port = listening.getsockname()[:2]
    return f"http://[{host}]:{port}" if ":" in host else f"http://{host}:{port}"


def serve(
    load: Callable[[], Mapping[str, Model]],
    config: ServeConfig,
    listening: socket.socket,
    announce: Callable[[], object],
) -> None:
    """Answer requests until Ctrl-C.

    Args:
        load: gives the models by name, while the server already says that it is loading.
        config: who may ask, and for how much.
        listening: see `listen`.
        announce: called once the models are loaded and can be asked.

    Raises:
        CharRNNError: what `load` raises.
        KeyboardInterrupt: after Ctrl-C, once all is drained.
    """
    failures: list[Exception] = []

    def failed(error: Exception) -> None:
        failures.append(error)
        server.should_exit = True

    logging.getLogger("uvicorn.error").addFilter(_is_ours)
    logging.getLogger("asyncio").addFilter(_is_no_shortage)
    settings: dict[str, Any] = {
        "http": _Protocol,
        "ws": "none",
        "lifespan": "on",
        "log_config": None,
        "access_log": False,
        "server_header": False,
        "limit_concurrency": _allowed(config.max_texts + BESIDE_TEXTS),  # connections
        "timeout_graceful_shutdown": DRAIN_SECONDS,
    }
    app = create_app(Service(load, config, failed, announce))
    server = uvicorn.Server(uvicorn.Config(app, **settings))
    server.run(sockets=[listening])
    if failures:
        raise failures[0]


def _allowed(connections: int) -> int:
    """As many of these connections as there may be open files, whose limit is raised if need be."""
    try:
        import resource
    except ImportError:  # Windows has no such limit
        return connections
    files = connections + BESIDE_CONNECTIONS
    soft, hard = resource.getrlimit(resource.RLIMIT_NOFILE)
    if soft != resource.RLIM_INFINITY and soft < files:
        soft = files if hard == resource.RLIM_INFINITY else min(files, hard)
        with suppress(OSError, ValueError):
            resource.setrlimit(resource.RLIMIT_NOFILE, (soft, hard))
        soft = resource.getrlimit(resource.RLIMIT_NOFILE)[0]
        return min(connections, max(1, soft - BESIDE_CONNECTIONS, soft // 2))
    return connections


def _is_ours(record: logging.LogRecord) -> bool:
    """Whether a log record is about a mistake of ours, not of a client or of the hour."""
    if record.exc_info is None or record.exc_info[0] is None:
        return False
    return not issubclass(record.exc_info[0], asyncio.CancelledError)  # by a second Ctrl-C


def _is_no_shortage(record: logging.LogRecord) -> bool:
    """Whether a log record is about something else than a lack of open files."""
    error = record.exc_info[1] if record.exc_info else None
    return not (isinstance(error, OSError) and error.errno in SHORTAGES)
