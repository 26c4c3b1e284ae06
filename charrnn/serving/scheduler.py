"""The thread that writes all texts, those of all clients and all models.

Each turn is a step of every batch, some reading of the prompts of long texts, and one slice of
other work: long texts in machine code, or a text that is read again alone. Every few milliseconds
the event loop is told what is new, and waited for: the two threads take turns. If they competed for
Python's lock, each system call of the event loop would cost it a wait, and with hundreds of clients
it would fall behind for good.
"""

from __future__ import annotations

import sys
import threading
import time
import traceback
from collections import deque
from collections.abc import Callable, Iterator, Sequence
from itertools import groupby
from queue import Empty, SimpleQueue

from charrnn.errors import CharRNNError
from charrnn.sampling.language_model import TIME_CHUNK, LanguageModel
from charrnn.sampling.token_source import NativeSource, native_source
from charrnn.serving.batch import Batch, read_alone
from charrnn.serving.long_texts import LongTexts
from charrnn.serving.texts import Text
from charrnn.use_config import SampleConfig

__all__ = ["Scheduler"]

TOKENS_READ = TIME_CHUNK  # of prompts of long texts in a turn, before others have theirs
TURN_SECONDS = 0.002  # after which the event loop has its turn


class Scheduler:
    """Writes texts in a thread of its own until it is closed.

    Args:
        tell: called in that thread with the texts that have news; returns once the event loop
            has had its turn.
    """

    def __init__(self, tell: Callable[[list[Text]], None]) -> None:
        self._tell = tell
        self._arrivals: SimpleQueue[Sequence[Text] | None] = SimpleQueue()  # None: no more come
        self._texts: list[Text] = []
        self._batches: dict[LanguageModel, Batch] = {}
        self._long_texts: dict[tuple[LanguageModel, SampleConfig], LongTexts] = {}
        self._readings: deque[Iterator[int]] = deque()  # of the prompts of long texts
        self._slices: deque[Iterator[None]] = deque()
        self._told = time.monotonic()  # when the event loop last had its turn
        self._thread = threading.Thread(target=self._run, name="charrnn writes", daemon=True)
        self._thread.start()

    def submit(self, texts: Sequence[Text]) -> None:
        """Have texts written; those of one generation request stand side by side."""
        self._arrivals.put(texts)

    def close(self) -> None:
        """End after the turn that is going on; texts that are not finished stay as they are."""
        self._arrivals.put(None)
        self._thread.join()

    def _run(self) -> None:
        while True:
            try:
                for texts in self._arrived():
                    if texts is None:
                        return
                    self._texts += texts
                    for _, alike in groupby(texts, lambda text: id(text.request)):
                        self._begin(list(alike))
                self._turn()
            except CharRNNError as error:
                self._fail(str(error))
            except Exception:  # ours; those who wait must hear of it
                traceback.print_exc(file=sys.stderr)
                self._fail("the text could not be written")
            if self._idle or time.monotonic() - self._told > TURN_SECONDS:
                self._tell([text for text in self._texts if text.take_fresh()])
                self._told = time.monotonic()
                self._texts = [text for text in self._texts if not text.over]

    @property
    def _idle(self) -> bool:
        """Whether there is nothing to write."""
        slices = self._readings or self._slices
        return not slices and all(batch.empty for batch in self._batches.values())

    def _arrived(self) -> Iterator[Sequence[Text] | None]:
        """What has arrived; waits for it if there is nothing else to do."""
        if self._idle:
            yield self._arrivals.get()
        try:
            while True:
                yield self._arrivals.get_nowait()
        except Empty:
            return

    def _begin(self, texts: Sequence[Text]) -> None:
        """Start texts of one generation request."""
        for text in texts:
            text.start()
        texts = [text for text in texts if not text.over]
        if not texts:
            return
        request = texts[0].request
        if request.model not in self._batches:
            self._batches[request.model] = Batch(request.model)
        source = None
        if not texts[0].growing.ended:
            source = native_source(request, [text.seed for text in texts], streamed=True)
        if source is not None:
            self._readings.append(self._read(texts, source))
            return
        for text in texts:
            self._batches[request.model].join(text)

    def _read(self, texts: Sequence[Text], source: NativeSource) -> Iterator[int]:
        """Read the prompt of long texts, which then are written; yields as `reading` does."""
        for count in source.reading():
            yield count
            if all(text.over for text in texts):
                return
        model = texts[0].request.model
        alike = model, texts[0].how
        if alike not in self._long_texts or self._long_texts[alike].empty:
            self._long_texts = {k: v for k, v in self._long_texts.items() if not v.empty}
            self._long_texts[alike] = LongTexts(self._batches[model].join)
            self._slices.append(self._long_texts[alike].slices())
        self._long_texts[alike].join(texts, source)

    def _turn(self) -> None:
        for batch in self._batches.values():
            for text, uniform in batch.step():
                self._slices.append(_settle(text, uniform, batch))
        read = 0
        while self._readings and read < TOKENS_READ:
            reading = self._readings.popleft()
            if count := next(reading, 0):
                read += count
                self._readings.append(reading)
        if self._slices:
            work = self._slices.popleft()
            if _goes_on(work):
                self._slices.append(work)

    def _fail(self, reason: str) -> None:
        for text in self._texts:
            if not text.over:
                text.fail(reason)
        self._batches.clear()
        self._long_texts.clear()
        self._readings.clear()
        self._slices.clear()


def _goes_on(work: Iterator[None]) -> bool:
    """Do a slice of some work; whether there is more."""
    return next(work, False) is None


def _settle(text: Text, uniform: float, batch: Batch) -> Iterator[None]:
    """Draw a token that rounding may decide as if alone; then the text goes on in `batch`."""
    for _ in read_alone(text, uniform):
        if text.over:
            return
        yield
    if not text.over:
        batch.join(text)
