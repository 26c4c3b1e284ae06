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
import threading
import time
from collections.abc import AsyncIterator, Awaitable, Callable, Coroutine, Mapping, Sequence
from contextlib import asynccontextmanager, suppress
from typing import Any, TypeVar

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

from charrnn.array_checks import refuse_diverged
from charrnn.arrays import Ids
from charrnn.errors import BadDataError, UsageError
from charrnn.models.model import Model
from charrnn.sampling.endings import with_known_stops
from charrnn.sampling.generation import new_seed, seeds_from
from charrnn.sampling.language_model import after_start, own_ids
from charrnn.sampling.token_source import GenerationRequest, sampling_config
from charrnn.scoring.score import by_character, score_of
from charrnn.serving import shapes
from charrnn.serving.answers import Completion, described, score_body, whole_text
from charrnn.serving.limits import ApiError, Guard, read_body
from charrnn.serving.scheduler import Scheduler
from charrnn.serving.shapes import CompletionRequest, ScoreRequest
from charrnn.serving.texts import Text
from charrnn.sharing.page import api_page
from charrnn.use_config import SampleConfig, ServeConfig

__all__ = ["Service", "create_app"]

Found = TypeVar("Found")
Load = Callable[[], Mapping[str, Model]]

SLICES = 16  # of a vocabulary: its logits (V, V) may be too many at once
CLIENT_LEFT = 499  # the status, by custom, of what nobody receives


class Service:
    """The models, and the places for texts that are written side by side.

    Args:
        load: gives the models by name; called in a thread of its own.
        config: the limits.
        failed: called with what `load` raised.
        announce: called once the models are there and found to be sound.
    """

    def __init__(
        self,
        load: Load,
        config: ServeConfig,
        failed: Callable[[Exception], None],
        announce: Callable[[], object],
    ) -> None:
        self.config = config
        self.created = int(time.time())
        self.models: Mapping[str, Model] = {}
        self.taken = 0  # places
        self._load = load
        self._failed = failed
        self._announce = announce

    @asynccontextmanager
    async def running(self, _app: Starlette) -> AsyncIterator[None]:
        """Load the models and write texts, while the server runs."""
        loop = asyncio.get_running_loop()

        def announce(texts: list[Text]) -> None:
            heard = threading.Event()
            with suppress(RuntimeError):  # the loop has ended
                loop.call_soon_threadsafe(_tell, texts, heard)
                heard.wait(1)

        self.scheduler = Scheduler(announce)
        loading = asyncio.create_task(self._loaded())
        yield
        loading.cancel()
        await asyncio.to_thread(self.scheduler.close)

    async def _loaded(self) -> None:
        try:
            self.models = await asyncio.to_thread(_sound, self._load)
            self._announce()
        except Exception as error:
            self._failed(error)

    def model(self, name: str | None) -> tuple[str, Model]:
        """A model by its name; None for the first.

        Raises:
            ApiError: 503 while they are loaded, 404 if there is none of that name.
        """
        if not self.models:
            raise ApiError(503, "the models are being loaded", code="loading", retry_after=1)
        name = next(iter(self.models)) if name is None else name
        if name not in self.models:
            there = ", ".join(self.models)
            message = f"there is no model {name!r}; choose from {there}"
            raise ApiError(404, message, code="model_not_found", param="model")
        return name, self.models[name]

    @asynccontextmanager
    async def written(self, texts: Sequence[Text]) -> AsyncIterator[None]:
        """Have texts written while their client is there; each takes a place.

        Raises:
            ApiError: 429 if there are not enough places.
        """
        if self.taken + len(texts) > self.config.max_texts:
            places = f"{self.taken} of {self.config.max_texts} places are taken"
            message = f"the server is busy: {places}, and this takes {len(texts)}; try again"
            raise ApiError(429, message, code="busy", retry_after=1)
        self.taken += len(texts)
        try:
            self.scheduler.submit(texts)
            yield
        finally:
            self.taken -= len(texts)
            for text in texts:
                text.abandoned = True

    # What the paths do.

    async def health(self, _request: Request) -> Response:
        """Whether the models are loaded."""
        self.model(None)
        return Response(b'{"status":"ok"}', media_type="application/json")

    async def list_models(self, _request: Request) -> Response:
        """The names of the models."""
        self.model(None)
        found = [self._described(*each) for each in self.models.items()]
        return _json(msgspec.json.encode({"object": "list", "data": found}))

    async def show_model(self, request: Request) -> Response:
        """One of the models."""
        found = self.model(request.path_params["name"])
        return _json(msgspec.json.encode(self._described(*found)))

    def _described(self, name: str, model: Model) -> dict[str, object]:
        return described(name, model, self.created, self.config.max_length)

    async def page(self, _request: Request) -> Response:
        """A page for people, which asks this server."""
        return HTMLResponse(api_page())

    async def complete(self, request: Request) -> Response:
        """New text."""
        body = await read_body(request, self.config.max_body)
        given = shapes.decode(body, CompletionRequest)
        completion = self._completion(given)
        if given.stream:
            return _EventStream(self, completion)
        async with self.written(completion.texts):
            return _json(await self._while_there(request.receive, completion.whole()))

    def _completion(self, given: CompletionRequest) -> Completion:
        name, model = self.model(given.model)
        settings = given.settings()
        longest = self.config.max_length
        usual = sampling_config(model.tokenizer, {}).max_new_tokens or longest
        settings.setdefault("max_new_tokens", min(usual, longest))
        config = with_known_stops(SampleConfig(**settings), model.tokenizer)
        self._check_length("max_tokens", config.max_new_tokens or 0)
        count = (given.n or 1) * len(given.prompts)
        if count > self.config.max_texts:
            found = f"n: {count} texts in one request; {self.config.max_texts} is the limit"
            raise ApiError(422, found, param="n")
        first = new_seed() if given.seed is None else given.seed
        texts, read = [], 0
        for prompt in given.prompts:
            ids = self._ids(model, "prompt", prompt, given.unknown)
            read += len(ids)
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
        usage = given.stream_options is not None and given.stream_options.include_usage
        number = f"cmpl-{secrets.token_hex(12)}"
        return Completion(number, int(time.time()), name, read, texts, usage)

    async def score(self, request: Request) -> Response:
        """What each character of a text costs."""
        body = await read_body(request, self.config.max_body)
        given = shapes.decode(body, ScoreRequest)
        name, model = self.model(given.model)
        ids = self._ids(model, "text", given.text, given.unknown)
        if not len(ids):
            found = "text: there is no text to score; send a character that the model knows"
            raise ApiError(422, found, param="text")
        prompt = after_start(model.tokenizer, ids)
        if model.tokenizer.end is not None:  # what ends a record has its cost, too
            prompt = np.append(prompt, prompt[:1])
        asked = GenerationRequest(model, prompt, SampleConfig(max_new_tokens=0))
        text = Text(asked, 0, 0, echo=True, streamed=False)
        async with self.written([text]):
            piece = await self._while_there(request.receive, whole_text(text))
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

    async def _while_there(self, receive: Receive, work: Coroutine[Any, Any, Found]) -> Found:
        """The result of some work, unless the client leaves or it takes too long.

        Raises:
            ClientDisconnect: if the client leaves.
            ApiError: 504 if it takes too long.
        """
        working, leaving = asyncio.create_task(work), asyncio.create_task(_left(receive))
        try:
            await asyncio.wait(
                {working, leaving},
                timeout=self.config.max_seconds,
                return_when=asyncio.FIRST_COMPLETED,
            )
            if working.done():
                return working.result()
            if leaving.done():
                raise ClientDisconnect
            seconds = f"{self.config.max_seconds:g} seconds"
            raise ApiError(504, f"the request took more than {seconds}", code="timeout")
        finally:
            working.cancel()
            leaving.cancel()


def _sound(load: Load) -> Mapping[str, Model]:
    """The models that `load` gives.

    Raises:
        BadDataError: if one has diverged: nothing that it would write could be drawn.
    """
    with np.errstate(over="ignore", invalid="ignore"):
        models = load()
        for name, model in models.items():
            vocabulary = np.arange(model.config.vocab_size, dtype=np.int32)
            try:
                for ids in np.array_split(vocabulary, SLICES):
                    refuse_diverged(model.stepper(model.start(len(ids))).step(ids))
            except BadDataError as error:
                raise BadDataError(f"{name}: {error.found}", error.advice) from None
    return models


def _tell(texts: list[Text], heard: threading.Event) -> None:
    for text in texts:
        text.tell()
    asyncio.get_running_loop().call_soon(heard.set)  # after those who waited for the texts


async def _left(receive: Receive) -> None:
    """Return once the client has left."""
    while (await receive())["type"] != "http.disconnect":
        pass


class _EventStream(Response):
    """A completion that is sent while it is written."""

    def __init__(self, service: Service, completion: Completion) -> None:
        super().__init__(media_type="text/event-stream", headers={"Cache-Control": "no-cache"})
        del self.headers["content-length"]
        self.service = service
        self.completion = completion

    async def __call__(self, scope: Scope, receive: Receive, send: Send) -> None:
        """Answer a request (ASGI)."""
        async with self.service.written(self.completion.texts):
            try:
                await self.service._while_there(receive, self._send(send))
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


def _json(body: bytes) -> Response:
    return Response(body, media_type="application/json")


async def _refused(_request: Request, error: Exception) -> Response:
    assert isinstance(error, ApiError)
    return error.response()


async def _no_such_path(request: Request, error: Exception) -> Response:
    assert isinstance(error, HTTPException)
    found = f"{request.method} {request.url.path}: {error.detail.lower()}"
    return ApiError(error.status_code, found).response()


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
    )
    handlers: dict[Any, Callable[[Request, Exception], Awaitable[Response]]] = {
        ApiError: _refused,
        HTTPException: _no_such_path,
        ClientDisconnect: _nobody_there,
    }
    app = Starlette(
        routes=[
            Route("/", service.page),
            Route("/health", service.health),
            Route("/v1/models", service.list_models),
            Route("/v1/models/{name:path}", service.show_model),
            Route("/v1/completions", service.complete, methods=["POST"]),
            Route("/v1/score", service.score, methods=["POST"]),
        ],
        # CORS outside: a page is to read why it was refused.
        middleware=[*([cors] if config.allow_origin else []), guard],
        exception_handlers=handlers,
        lifespan=service.running,
    )
    app.router.redirect_slashes = False  # a path with one more is not there
    return app
