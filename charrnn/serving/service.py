"""The models, from their loading to the end of the server, and places for texts."""

from __future__ import annotations

import asyncio
import threading
import time
from collections.abc import AsyncIterator, Callable, Coroutine, Mapping, Sequence
from contextlib import asynccontextmanager, suppress
from typing import Any, TypeVar

import numpy as np
from starlette.applications import Starlette
from starlette.requests import ClientDisconnect
from starlette.types import Receive

from charrnn.errors import BadDataError
from charrnn.models.model import Model, refuse_unsound
from charrnn.serving.limits import MAX_COSTS, ApiError
from charrnn.serving.scheduler import Scheduler
from charrnn.serving.texts import Text
from charrnn.use_config import ServeConfig

__all__ = ["Service"]

Found = TypeVar("Found")
Load = Callable[[], Mapping[str, Model]]


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
        self.costs = 0  # log-probabilities that the answers may hold
        self._load = load
        self._failed = failed
        self._announce = announce

    @asynccontextmanager
    async def running(self, _app: Starlette) -> AsyncIterator[None]:
        """Load the models and write texts, while the server runs."""
        loop = asyncio.get_running_loop()

        def tell(texts: list[Text]) -> None:
            heard = threading.Event()
            with suppress(RuntimeError):  # the loop has ended
                loop.call_soon_threadsafe(_tell, texts, heard)
                heard.wait(1)

        self.scheduler = Scheduler(tell)
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
    async def written(self, texts: Sequence[Text], costs: int = 0) -> AsyncIterator[None]:
        """Have texts written while their client is there; each takes a place.

        Args:
            texts: what is to be written.
            costs: how many log-probabilities may be kept for that.

        Raises:
            ApiError: 429 if there are not enough places, or not enough room for these.
        """
        if self.taken + len(texts) > self.config.max_texts:
            places = f"{self.taken} of {self.config.max_texts} places are taken"
            message = f"the server is busy: {places}, and this takes {len(texts)}; try again"
            raise ApiError(429, message, code="busy", retry_after=1)
        if self.costs + costs > MAX_COSTS:
            message = "the server is busy with other log-probabilities; try again"
            raise ApiError(429, message, code="busy", retry_after=1)
        self.taken += len(texts)
        self.costs += costs
        try:
            self.scheduler.submit(texts)
            yield
        finally:
            self.taken -= len(texts)
            self.costs -= costs
            for text in texts:
                text.abandoned = True

    async def while_there(self, receive: Receive, work: Coroutine[Any, Any, Found]) -> Found:
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
            try:
                refuse_unsound(model)
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
