"""New text: a prompt is read, then ids are drawn and read one by one.

prompt ──encode, read──▶ logits (B, V) ──draw──▶ ids (B,) ──step──▶ logits (B, V) ──▶ ...
                                           └──decode──▶ text
"""

from __future__ import annotations

import os
from collections.abc import Iterator, Sequence
from typing import NamedTuple, Protocol

import msgspec
import numpy as np

from charrnn.cells import State
from charrnn.config import SampleConfig
from charrnn.draws import Draws
from charrnn.endings import Ending
from charrnn.errors import UsageError
from charrnn.filters import Logits
from charrnn.scoring import target_log_probs
from charrnn.tokenizer import Ids, Tokenizer, Unknown

__all__ = [
    "LanguageModel",
    "Sample",
    "Steps",
    "generate_batch",
    "line_start",
    "new_seed",
    "refuse_endless",
    "stream",
]


class Steps(Protocol):
    """Sequences that go on token by token; see `stepper.Stepper`."""

    @property
    def state(self) -> State:
        """The state now."""

    def step(self, ids: Ids) -> Logits:
        """Read one id a sequence (B,); returns the logits (B, V) of the next."""


class LanguageModel(Protocol):
    """What writing needs of a model; see `runtime.Model`."""

    tokenizer: Tokenizer

    def start(self, batch_size: int = 1) -> State:
        """The state before any text."""

    def read(self, ids: Ids, state: State) -> tuple[Logits, State]:
        """Read ids (B, T); returns the logits (B, V) of the next id, and the state."""

    def stepper(self, state: State) -> Steps:
        """Sequences that go on from a state."""


class Sample(msgspec.Struct, frozen=True, kw_only=True):
    """A text that was drawn.

    Attributes:
        text: without the prompt.
        seed: draws the same text again.
        tokens: how many were drawn.
        mean_log_prob: nats a token, of the tokens drawn, under the model itself: temperature 1 and
            no filters. 0 if there are none.
    """

    text: str
    seed: int
    tokens: int
    mean_log_prob: float


class _Run(NamedTuple):
    """What the rows of a batch share."""

    model: LanguageModel
    prompt: Ids  # (N,)
    logits: Logits  # (1, V), after the prompt
    state: State
    config: SampleConfig


def stream(
    model: LanguageModel,
    prompt: str = "",
    config: SampleConfig | None = None,
    unknown: Unknown = "error",
) -> Iterator[str]:
    """New text after `prompt`, piece by piece as it is drawn.

    Without a prompt the text starts as lines do: the model has read a line end (or, if its corpus
    has none, a space).

    Args:
        model: what gives the logits.
        prompt: text to go on from; it is read, not repeated.
        config: how to draw; see `SampleConfig`.
        unknown: what to do with characters of the prompt that the model does not know.

    Raises:
        UsageError: for unknown characters in the prompt, if these are errors, or lists of
            characters that leave none.
    """
    run = _read(model, prompt, config or SampleConfig(), unknown)
    row = _Row(run, new_seed() if run.config.seed is None else run.config.seed)
    batch = _Batch(run, [row])
    return _pieces(batch, row)


def generate_batch(
    model: LanguageModel,
    prompt: str = "",
    config: SampleConfig | None = None,
    unknown: Unknown = "error",
    *,
    seeds: Sequence[int],
) -> list[Sample]:
    """Several texts after one prompt, side by side; each equals the one its seed draws alone.

    Args:
        model, prompt, config, unknown: as for `stream`, but for the seed.
        seeds: one a text.

    Raises:
        UsageError: as `stream`; and for texts without an end.
    """
    config = config or SampleConfig()
    refuse_endless(config)
    run = _read(model, prompt, config, unknown)
    rows = [_Row(run, seed) for seed in seeds]
    _finish(run, rows)
    for number, row in enumerate(rows):
        # Products of a batch round otherwise than those of one row, which may tip a draw that is
        # on the edge. Such a text is drawn again, alone.
        if row.close:
            rows[number] = _Row(run, row.seed)
            _finish(run, [rows[number]])
    return [row.sample() for row in rows]


def refuse_endless(config: SampleConfig) -> None:
    """A text that is wanted whole must be able to end.

    Raises:
        UsageError: if `config` has neither a length nor anything to stop at.
    """
    if config.max_new_tokens is None and not config.stop_strings and config.max_lines is None:
        raise UsageError("the text has no end", "give a length or something to stop at")


def new_seed() -> int:
    """A seed that nobody chose."""
    return int.from_bytes(os.urandom(4))


def line_start(tokenizer: Tokenizer) -> Ids:
    """What a text without a prompt begins after: a line end, a space, or the first id."""
    for character in "\n ":
        if len(ids := tokenizer.encode(character, "skip")):
            return ids
    return np.zeros(1, np.int32)


def _read(model: LanguageModel, prompt: str, config: SampleConfig, unknown: Unknown) -> _Run:
    ids = model.tokenizer.encode(prompt, unknown)
    if not len(ids):
        ids = line_start(model.tokenizer)
    logits, state = model.read(ids[None], model.start())
    return _Run(model, ids, logits, state, config)


class _Row:
    """One text of a batch, as it grows."""

    def __init__(self, run: _Run, seed: int) -> None:
        self.seed = seed
        self.decode = run.model.tokenizer.decoder()
        self.ending = Ending(run.config)
        self.left = run.config.max_new_tokens
        self.tokens = 0
        self.log_prob = 0.0
        self.close = False
        self.pieces: list[str] = []

    @property
    def ended(self) -> bool:
        return self.ending.ended or self.tokens == self.left

    def add(self, token: int) -> str:
        """Take in one id; what may be shown of the text now."""
        self.tokens += 1
        return self.ending.feed(self.decode((token,), False))

    def rest(self) -> str:
        """What was held back."""
        return self.ending.feed(self.decode((), True)) + self.ending.rest()

    def sample(self) -> Sample:
        return Sample(
            text="".join(self.pieces) + self.rest(),
            seed=self.seed,
            tokens=self.tokens,
            mean_log_prob=self.log_prob / max(self.tokens, 1),
        )


class _Batch:
    """Rows that are drawn side by side."""

    def __init__(self, run: _Run, rows: list[_Row]) -> None:
        self.model = run.model
        self.rows = rows
        self.draws = Draws(run.model.tokenizer, run.config, run.prompt, [r.seed for r in rows])
        self.logits = np.repeat(run.logits, len(rows), 0)  # (B, V)
        state = tuple(np.repeat(part, len(rows), 1) for part in run.state)
        self.stepper = run.model.stepper(state)
        self.ids: Ids | None = None  # (B,), drawn but not yet read

    def draw(self) -> tuple[Ids, Logits]:
        """The next ids (B,), and the logits (B, V) they were drawn from."""
        if self.ids is not None:
            self.logits = self.stepper.step(self.ids)
        self.ids, close = self.draws.next(self.logits)
        for row in close:
            self.rows[row].close = True
        return self.ids, self.logits

    def keep(self, going: list[int]) -> None:
        """Go on with these rows only."""
        rows = np.array(going)
        assert self.ids is not None, "rows end after a draw"
        self.rows, self.ids = [self.rows[k] for k in going], self.ids[rows]
        self.draws.keep(rows)
        self.stepper = self.model.stepper(tuple(part[:, rows] for part in self.stepper.state))


def _pieces(batch: _Batch, row: _Row) -> Iterator[str]:
    while not row.ended:
        ids, _ = batch.draw()
        if piece := row.add(int(ids[0])):
            yield piece
    if piece := row.rest():
        yield piece


def _finish(run: _Run, rows: list[_Row]) -> None:
    """Draw all of the texts to their ends."""
    batch = _Batch(run, rows)
    while not all(row.ended for row in batch.rows):
        ids, logits = batch.draw()
        scores = target_log_probs(logits, ids)  # (B,)
        for row, token, score in zip(batch.rows, ids.tolist(), scores.tolist(), strict=True):
            if not row.ended:
                row.log_prob += score
                row.pieces.append(row.add(token))
        going = [number for number, row in enumerate(batch.rows) if not row.ended]
        if 0 < len(going) <= len(batch.rows) // 2:
            batch.keep(going)
