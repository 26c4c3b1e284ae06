"""Who may ask, and how much: hosts, origins, keys and bodies; errors as OpenAI's clients read them.

Each refusal has its status: 400, 401, 403, 404, 405, 408, 413, 422, 429, 503, 504.
"""

from __future__ import annotations

import asyncio
import hmac
from collections.abc import Collection
from http import HTTPStatus
from ipaddress import ip_address
from urllib.parse import urlsplit

import msgspec
from starlette.datastructures import Headers
from starlette.requests import Request
from starlette.responses import Response
from starlette.types import ASGIApp, Receive, Scope, Send

__all__ = ["MAX_COSTS", "ApiError", "Guard", "error_body", "read_body"]

BODY_SECONDS = 30  # in which a body must have arrived
# A body that is too large is read on, and dropped, up to this many times the limit: a client that
# is still sending would not see why it is refused.
UNREAD = 10
MAX_COSTS = 2_500_000  # log-probabilities of all answers together, at some hundred bytes each
CODES = {422: "unprocessable_entity"}  # which newer Pythons call otherwise
OPEN_PATHS = ("/", "/health")  # those that need no key


class ApiError(Exception):
    """A request that is refused.

    Args:
        status: the HTTP status.
        message: for people.
        code: for programs.
        param: the field that is wrong.
        retry_after: seconds after which it may be different.
    """

    def __init__(
        self,
        status: int,
        message: str,
        *,
        code: str | None = None,
        param: str | None = None,
        retry_after: int | None = None,
    ) -> None:
        super().__init__(message)
        self.status = status
        self.body = error_body(status, message, code, param)
        self.headers = {} if retry_after is None else {"Retry-After": str(retry_after)}

    def response(self) -> Response:
        """What the client gets."""
        headers = dict(self.headers)
        if self.status in (408, 413):
            headers["Connection"] = "close"  # the rest of the body is not read
        return Response(self.body, self.status, headers, "application/json")


def error_body(
    status: int, message: str, code: str | None = None, param: str | None = None
) -> bytes:
    """An error in OpenAI's shape."""
    kinds = {401: "authentication_error", 403: "permission_error", 429: "rate_limit_error"}
    usual = "server_error" if status >= 500 else "invalid_request_error"
    found = {
        "message": message,
        "type": kinds.get(status, usual),
        "code": code or CODES.get(status) or HTTPStatus(status).name.lower(),
        "param": param,
    }
    return msgspec.json.encode({"error": found})


class Guard:
    """Refuses requests that no client of this server would send.

    A page on the web can make a browser send requests to this machine, with another name for it in
    the Host header if it also controls the name ("DNS rebinding"), or from another origin.

    Args:
        app: what answers the others.
        hosts: names by which the server may be called, besides localhost and any IP address.
        origins: those of other pages that may use it; `*` for all.
        key: what `Authorization: Bearer` must hold; None for no key.
    """

    def __init__(
        self, app: ASGIApp, hosts: Collection[str], origins: Collection[str], key: str | None
    ) -> None:
        self.app = app
        self.hosts = {"localhost", *(host.lower() for host in hosts)}
        self.origins = origins
        self.key = key

    async def __call__(self, scope: Scope, receive: Receive, send: Send) -> None:
        """Answer a request (ASGI)."""
        if scope["type"] == "http":
            try:
                self._check(Headers(scope=scope), scope["path"], scope["method"])
            except ApiError as error:
                await error.response()(scope, receive, send)
                return
        await self.app(scope, receive, send)

    def _check(self, headers: Headers, path: str, method: str) -> None:
        host = headers.get("host", "")
        if not self._is_own(host):
            message = f"this server is not called {host!r}; name it with --allow-host"
            raise ApiError(403, message, code="host_not_allowed")
        origin = headers.get("origin")
        if origin is not None and not self._may_ask(origin, host):
            message = f"pages of {origin} may not use this server; allow it with --allow-origin"
            raise ApiError(403, message, code="origin_not_allowed")
        if self.key is None or path in OPEN_PATHS or method == "OPTIONS":
            return
        scheme, _, given = headers.get("authorization", "").partition(" ")
        if scheme.lower() != "bearer" or not hmac.compare_digest(
            given.strip().encode(), self.key.encode()
        ):
            raise ApiError(401, "the API key is missing or wrong", code="invalid_api_key")

    def _is_own(self, host: str) -> bool:
        """Whether a Host header names this server, or a machine by its IP address.

        Nobody can make such an address another machine's.
        """
        try:
            name = urlsplit(f"//{host}").hostname or ""
            return name in self.hosts or bool(ip_address(name))
        except ValueError:
            return False

    def _may_ask(self, origin: str, host: str) -> bool:
        # `https` where a proxy with TLS stands in front. That the name is ours was seen before.
        own = origin.lower() in {f"{scheme}://{host.lower()}" for scheme in ("http", "https")}
        return own or "*" in self.origins or origin in self.origins


async def read_body(request: Request, max_bytes: int) -> bytes:
    """The body of a request.

    Raises:
        ApiError: 413 if it has more than `max_bytes`, 408 if it does not arrive.
    """
    length = request.headers.get("content-length", "")
    if length.isdecimal() and int(length) > UNREAD * max_bytes:
        raise _too_large(max_bytes)
    body, read = bytearray(), 0
    try:
        async with asyncio.timeout(BODY_SECONDS):
            async for piece in request.stream():
                read += len(piece)
                if read <= max_bytes:
                    body += piece
                elif read > UNREAD * max_bytes:
                    raise _too_large(max_bytes)
    except TimeoutError:
        raise ApiError(408, f"the body did not arrive within {BODY_SECONDS} seconds") from None
    if read > max_bytes:
        raise _too_large(max_bytes)
    return bytes(body)


def _too_large(max_bytes: int) -> ApiError:
    return ApiError(413, f"the body has more than {max_bytes:,} bytes", code="body_too_large")
