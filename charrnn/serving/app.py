"""The paths of the API, and what is asked of a request before its texts are written.

GET  /                 a page for people that uses the rest
GET  /health           whether the models are loaded
GET  /v1/models        their names
GET  /v1/models/NAME   one of them
POST /v1/completions   new text
POST /v1/score         what each character of a text costs
"""

from __future__ import annotations

import asyncio
import secrets
import time
from collections.abc import Awaitable, Callable
from typing import Any

import msgspec
import numpy as np
from starlette.applications import Starlette
from starlette.exceptions import HTTPException
from starlette.middleware import Middleware
from starlette.middleware.cors import CORSMiddleware
from starlette.requests import ClientDisconnect, Request
from starlette.responses import HTMLResponse, Response
from starlette.routing import Route
from starlette.types import Receive, Scope, Send

from charrnn.arrays import Ids
from charrnn.errors import UsageError
from charrnn.models.model import Model
from charrnn.sampling.endings import with_known_stops
from charrnn.sampling.generation import new_seed, seeds_from
from charrnn.sampling.language_model import after_start, own_ids
from charrnn.sampling.token_source import GenerationRequest, sampling_config
from charrnn.scoring.score import by_character, score_of
from charrnn.serving import shapes
from charrnn.serving.answers import Completion, described, score_body, whole_text
from charrnn.serving.limits import MAX_COSTS, ApiError, Guard, read_body
from charrnn.serving.service import Service
from charrnn.serving.shapes import CompletionRequest, ScoreRequest
from charrnn.serving.texts import Text
from charrnn.sharing.page import api_page
from charrnn.use_config import SampleConfig

__all__ = ["create_app"]

CLIENT_LEFT = 499  # the status, by custom, of what nobody receives


class _Paths:
    """What each path answers.

    Args:
        service: the models, and the limits.
    """

    def __init__(self, service: Service) -> None:
        self.service = service
        self.config = service.config

    async def health(self, _request: Request) -> Response:
        """Whether the models are loaded."""
        self.service.model(None)
        return Response(b'{"status":"ok"}', media_type="application/json")

    async def list_models(self, _request: Request) -> Response:
        """The names of the models."""
        self.service.model(None)
        found = [self._described(*each) for each in self.service.models.items()]
        return _json(msgspec.json.encode({"object": "list", "data": found}))

    async def show_model(self, request: Request) -> Response:
        """One of the models."""
        found = self.service.model(request.path_params["name"])
        return _json(msgspec.json.encode(self._described(*found)))

    def _described(self, name: str, model: Model) -> dict[str, object]:
        return described(name, model, self.service.created, self.config.max_length)

    async def page(self, _request: Request) -> Response:
        """A page for people, which asks this server."""
        return HTMLResponse(api_page())

    async def complete(self, request: Request) -> Response:
        """New text."""
        body = await read_body(request, self.config.max_body)
        given = shapes.decode(body, CompletionRequest)
        completion = self._completion(given)
        if given.stream:
            return _EventStream(self.service, completion)
        async with self.service.written(completion.texts, completion.costs):
            return _json(await self.service.while_there(request.receive, completion.whole()))

    def _completion(self, given: CompletionRequest) -> Completion:
        name, model = self.service.model(given.model)
        settings = given.settings()
        longest = self.config.max_length
        usual = sampling_config(model.tokenizer, {}).max_new_tokens or longest
        settings.setdefault("max_new_tokens", min(usual, longest))
        config = with_known_stops(SampleConfig(**settings), model.tokenizer)
        self._check_length("max_tokens", config.max_new_tokens or 0)
        count = (given.n or 1) * len(given.prompts)
        if count > self.config.max_texts:
            field = "prompt" if given.n in (None, 1) else "n"
            found = f"{field}: {count} texts in one request; {self.config.max_texts} is the limit"
            raise ApiError(422, found, param=field)
        first = new_seed() if given.seed is None else given.seed
        texts, read, costs = [], 0, 0
        for prompt in given.prompts:
            ids = self._ids(model, "prompt", prompt, given.unknown)
            read += len(ids)
            if given.logprobs is not None:
                tokens = (config.max_new_tokens or 0) + (len(ids) if given.echo else 0)
                costs += (given.n or 1) * tokens * (1 + given.logprobs)
            request = GenerationRequest(model, after_start(model.tokenizer, ids), config)
            texts += [
                Text(
                    request,
                    seed,
                    given.logprobs,
                    echo=bool(given.echo and len(ids)),
                    streamed=bool(given.stream),
                )
                for seed in seeds_from(first, given.n or 1)
            ]
        _check_costs("logprobs", costs, "ask for fewer texts or tokens")
        usage = given.stream_options is not None and given.stream_options.include_usage
        number = f"cmpl-{secrets.token_hex(12)}"
        return Completion(number, int(time.time()), name, read, texts, usage, costs)

    async def score(self, request: Request) -> Response:
        """What each character of a text costs."""
        body = await read_body(request, self.config.max_body)
        given = shapes.decode(body, ScoreRequest)
        name, model = self.service.model(given.model)
        ids = self._ids(model, "text", given.text, given.unknown)
        if not len(ids):
            found = "text: there is no text to score; send a character that the model knows"
            raise ApiError(422, found, param="text")
        prompt = after_start(model.tokenizer, ids)
        if model.tokenizer.end is not None:  # what ends a record has its cost, too
            prompt = np.append(prompt, prompt[:1])
        asked = GenerationRequest(model, prompt, SampleConfig(max_new_tokens=0))
        text = Text(asked, 0, 0, echo=True, streamed=False)
        _check_costs("text", len(prompt), "send a shorter one")
        async with self.service.written([text], len(prompt)):
            piece = await self.service.while_there(request.receive, whole_text(text))
        nats = [-cost.log_prob for cost in piece.costs if cost.log_prob is not None]
        costs = np.array([0.0, *nats], np.float32)
        cost = float(costs.sum(dtype=np.float64))
        total = score_of(cost, model.tokenizer, prompt[1:], int(prompt[0]))
        return _json(score_body(name, by_character(model.tokenizer, prompt, costs), total))

    def _ids(self, model: Model, field: str, text: str, unknown: Any) -> Ids:
        """The ids (N,) of what was sent.

        Raises:
            ApiError: 422 if it is too long or has unknown characters; names the field.
        """
        self._check_length(field, len(text))
        try:
            return own_ids(model.tokenizer, text, unknown)
        except UsageError as error:
            advice = 'leave that out, or send "unknown": "skip" or "replace"'
            raise ApiError(422, f"{field}: {error.found}; {advice}", param=field) from None

    def _check_length(self, field: str, length: int) -> None:
        if length > self.config.max_length:
            found = f"{field}: {length:,} characters; {self.config.max_length:,} is the limit"
            raise ApiError(422, found, param=field)


class _EventStream(Response):
    """A completion that is sent while it is written."""

    def __init__(self, service: Service, completion: Completion) -> None:
        super().__init__(media_type="text/event-stream", headers={"Cache-Control": "no-cache"})
        del self.headers["content-length"]
        self.service = service
        self.completion = completion

    async def __call__(self, scope: Scope, receive: Receive, send: Send) -> None:
        """Answer a request (ASGI)."""
        async with self.service.written(self.completion.texts, self.completion.costs):
            try:
                await self.service.while_there(receive, self._send(send))
            except ClientDisconnect:
                return
            except ApiError:  # too late for a status, and the client may not even be reading
                scope["state"]["abort"]()

    async def _send(self, send: Send) -> None:
        start = {"type": "http.response.start", "status": 200, "headers": self.raw_headers}
        await send(start)
        async for event in self.completion.events(lambda: self.service.taken):
            await send({"type": "http.response.body", "body": event, "more_body": True})
            # Whether the client has left is seen in between, not after a burst of events.
            await asyncio.sleep(0)
        await send({"type": "http.response.body", "body": b"", "more_body": False})


def _check_costs(field: str, costs: int, advice: str) -> None:
    if costs > MAX_COSTS:
        found = f"{field}: {costs:,} log-probabilities in one request; {MAX_COSTS:,} is the limit"
        raise ApiError(422, f"{found}: {advice}", param=field)


def _json(body: bytes) -> Response:
    return Response(body, media_type="application/json")


async def _refused(_request: Request, error: Exception) -> Response:
    assert isinstance(error, ApiError)
    return error.response()


async def _no_such_path(request: Request, error: Exception) -> Response:
    assert isinstance(error, HTTPException)
    found = f"{request.method} {request.url.path}: {error.detail.lower()}"
    refusal = ApiError(error.status_code, found)
    refusal.headers |= error.headers or {}  # of 405, which methods the path takes
    return refusal.response()


async def _nobody_there(_request: Request, _error: Exception) -> Response:
    return Response(status_code=CLIENT_LEFT)


def create_app(service: Service) -> Starlette:
    """The server, as an ASGI application."""
    config = service.config
    guard = Middleware(
        Guard, hosts=config.allow_host, origins=config.allow_origin, key=config.api_key
    )
    cors = Middleware(
        CORSMiddleware,
        allow_origins=config.allow_origin,
        allow_methods=["GET", "POST"],
        allow_headers=["*"],  # OpenAI's client sends a dozen of its own
        expose_headers=["Retry-After"],
        allow_private_network=True,  # from a page on the web, browsers ask for this machine
    )
    handlers: dict[Any, Callable[[Request, Exception], Awaitable[Response]]] = {
        ApiError: _refused,
        HTTPException: _no_such_path,
        ClientDisconnect: _nobody_there,
    }
    paths = _Paths(service)
    app = Starlette(
        routes=[
            Route("/", paths.page),
            Route("/health", paths.health),
            Route("/v1/models", paths.list_models),
            Route("/v1/models/{name:path}", paths.show_model),
            Route("/v1/completions", paths.complete, methods=["POST"]),
            Route("/v1/score", paths.score, methods=["POST"]),
        ],
        # CORS outside: a page is to read why it was refused.
        middleware=[*([cors] if config.allow_origin else []), guard],
        exception_handlers=handlers,
        lifespan=service.running,
    )
    app.router.redirect_slashes = False  # a path with one more is not there
    return app
