"""New text: a prompt is read, then ids are drawn and read one by one.

prompt ──encode, read──▶ logits (B, V) ──draw──▶ ids (B,) ──step──▶ logits (B, V) ──▶ ...
                                           └──decode──▶ text

Long texts are read and drawn in machine code, many ids at a time: see `writer`.
"""

from __future__ import annotations

import os
import sys
from collections.abc import Callable, Iterator, Sequence
from typing import NamedTuple, Protocol

import msgspec
import numpy as np
from numpy.typing import NDArray

from charrnn.arrays import Ids, Logits, target_log_probs
from charrnn.cells.rules import State
from charrnn.config import SampleConfig
from charrnn.errors import UsageError
from charrnn.sampling.draws import Draws
from charrnn.sampling.endings import Ending
from charrnn.text.tokenizer import Tokenizer, Unknown

__all__ = [
    "LanguageModel",
    "Sample",
    "Steps",
    "Writes",
    "generate_batch",
    "line_start",
    "new_seed",
    "read_prompt",
    "refuse_endless",
    "stream",
]


# Tokens times units from which on a text is drawn in machine code, which takes a third of a second
# to make.
WORTH = 1_500_000
FEW = 16  # tokens drawn at once in the beginning, lest someone waits
READ = 512  # tokens of a prompt read at once; a multiple of `Model.read`'s own, for equal bits


class Steps(Protocol):
    """Sequences that go on token by token; see `stepper.Stepper`."""

    @property
    def state(self) -> State:
        """The state now."""

    def step(self, ids: Ids) -> Logits:
        """Read one id a sequence (B,); returns the logits (B, V) of the next."""


class Writes(Protocol):
    """Sequences that go on by many tokens at a time; see `writer.Writer`."""

    @property
    def most(self) -> int:
        """How many tokens to read or draw at once, at the most: nobody waits long for them."""

    def read(self, ids: Ids) -> None:
        """Read ids (T, B)."""

    def write(self, ids: Ids, numbers: Logits, heat: Logits, mask: Logits) -> tuple[Ids, Logits]:
        """Read ids (B,) and draw: ids (N, B), and their log-probabilities (N, B)."""

    def keep(self, rows: NDArray[np.intp]) -> None:
        """Go on with these rows only; one that is named again is there again."""


class LanguageModel(Protocol):
    """What writing needs of a model; see `runtime.Model`."""

    tokenizer: Tokenizer

    def start(self, batch_size: int = 1) -> State:
        """The state before any text."""

    def read(self, ids: Ids, state: State) -> tuple[Logits, State]:
        """Read ids (B, T); returns the logits (B, V) of the next id, and the state."""

    def stepper(self, state: State) -> Steps:
        """Sequences that go on from a state."""

    def writer(self, state: State) -> Writes | None:
        """The same in machine code, if there is any for this model and processor."""


class Sample(msgspec.Struct, frozen=True, kw_only=True):
    """A text that was drawn.

    Attributes:
        text: without the prompt.
        seed: draws the same text again.
        tokens: how many were drawn.
        mean_log_prob: nats a token, of the tokens drawn, under the model itself: temperature 1 and
            no filters (with the rounded weights that drew it, if a long text). 0 if there are none.
    """

    text: str
    seed: int
    tokens: int
    mean_log_prob: float


class _Run(NamedTuple):
    """What the rows of a batch share."""

    model: LanguageModel
    prompt: Ids  # (N,), at least one
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
    run = _run(model, prompt, config or SampleConfig(), unknown)
    row = _Row(run, new_seed() if run.config.seed is None else run.config.seed)
    batch = _Batch(run, [row], bool, whole=False)
    return _pieces(batch, row)


def generate_batch(
    model: LanguageModel,
    prompt: str = "",
    config: SampleConfig | None = None,
    unknown: Unknown = "error",
    *,
    seeds: Sequence[int],
    stop: Callable[[], object] = bool,
) -> list[Sample]:
    """Several texts after one prompt, side by side; each equals the one its seed draws alone.

    Args:
        model, prompt, config, unknown: as for `stream`, but for the seed.
        seeds: one a text.
        stop: is asked while the prompt is read and between draws; once it answers yes, the texts
            are as far as they are.

    Raises:
        UsageError: as `stream`; and for texts without an end.
    """
    config = config or SampleConfig()
    refuse_endless(config)
    run = _run(model, prompt, config, unknown)
    rows = [_Row(run, seed) for seed in seeds]
    _finish(run, rows, stop)
    for number, row in enumerate(rows):
        # Products of a batch round otherwise than those of one row, which may tip a draw that is
        # on the edge. Such a text is drawn again, alone.
        if row.close and not stop():
            alone = _Row(run, row.seed)
            _finish(run, [alone], stop)
            rows[number] = row if stop() else alone
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


def read_prompt(
    model: LanguageModel, prompt: Ids, stop: Callable[[], object] = bool
) -> tuple[Logits, State]:
    """Read ids (N,) from the start, or less of them once `stop` answers yes.

    Returns:
        logits: (1, V), of the next id.
        state: arrays (L, 1, H).
    """
    logits, state = model.read(prompt[None, :READ], model.start())
    for first in range(READ, len(prompt), READ):
        if stop():
            break
        logits, state = model.read(prompt[None, first : first + READ], state)
    return logits, state


def line_start(tokenizer: Tokenizer) -> Ids:
    """What a text without a prompt begins after: a line end, a space, or the first id."""
    for character in "\n ":
        if len(ids := tokenizer.encode(character, "skip")):
            return ids
    return np.zeros(1, np.int32)


def _run(model: LanguageModel, prompt: str, config: SampleConfig, unknown: Unknown) -> _Run:
    ids = model.tokenizer.encode(prompt, unknown)
    return _Run(model, ids if len(ids) else line_start(model.tokenizer), config)


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

    @property
    def wanted(self) -> int:
        """How many more ids there may be."""
        return sys.maxsize if self.left is None else self.left - self.tokens

    def add(self, tokens: list[int]) -> str:
        """Take in ids, up to the end; what may be shown of the text now."""
        tokens = tokens[: self.wanted]
        if self.ending.open:
            self.tokens += len(tokens)
            return self.decode(tokens, False)
        text = ""
        for token in tokens:
            if not self.ending.ended:
                self.tokens += 1
                text += self.ending.feed(self.decode((token,), False))
        return text

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
    """Rows that are drawn side by side, by whatever does it best."""

    def __init__(
        self, run: _Run, rows: list[_Row], stop: Callable[[], object], *, whole: bool
    ) -> None:
        self.rows = rows
        self.whole = whole  # wanted with their log-probabilities; nobody sees pieces
        self.draws = Draws(run.model.tokenizer, run.config, run.prompt, [r.seed for r in rows])
        self.model = run.model
        # If all end together, nothing is drawn in vain.
        self.count = sys.maxsize if whole and all(row.ending.open for row in rows) else FEW
        self.first: Logits | None = None  # (B, V), after the prompt, until the first draw
        self.ids = np.repeat(run.prompt[-1:], len(rows))  # (B,), not yet read
        long = self.draws.plain and _long(run)
        self.writer = run.model.writer(run.model.start()) if long else None
        self.stepper: Steps | None = None
        if self.writer is not None:
            # Not NumPy: its threads stay awake for a tenth of a second, and take a core.
            for first in range(0, len(run.prompt) - 1, self.writer.most):
                if stop():
                    break
                self.writer.read(run.prompt[:-1, None][first : first + self.writer.most])
            self.writer.keep(np.zeros(len(rows), np.intp))
        else:
            logits, state = read_prompt(run.model, run.prompt, stop)
            self.first = np.repeat(logits, len(rows), 0)
            state = tuple(np.repeat(part, len(rows), 1) for part in state)
            self.stepper = run.model.stepper(state)

    def draw(self) -> tuple[Ids, Logits]:
        """The next ids (N, B), and their log-probabilities (N, B) if they are asked for."""
        if self.writer is not None:
            count = min(self.count, self.writer.most, *(row.wanted for row in self.rows))
            self.count = 2 * count
            numbers, heat = self.draws.ahead(count)
            ids, scores = self.writer.write(self.ids, numbers, heat, self.draws.mask)
        else:
            ids, scores = self._draw_one()
        self.ids, self.first = ids[-1], None
        return ids, scores

    def _draw_one(self) -> tuple[Ids, Logits]:
        assert self.stepper is not None, "there is a stepper or a writer"
        logits = self.stepper.step(self.ids) if self.first is None else self.first
        ids, close = self.draws.next(logits)
        for row in close:
            self.rows[row].close = True
        scores = target_log_probs(logits, ids) if self.whole else np.zeros(len(ids))
        return ids[None], scores[None]

    def keep(self, going: list[int]) -> None:
        """Go on with these rows only."""
        rows = np.array(going)
        self.rows, self.ids = [self.rows[k] for k in going], self.ids[rows]
        self.draws.keep(rows)
        if self.writer is not None:
            self.writer.keep(rows)
        else:
            assert self.stepper is not None, "there is a stepper or a writer"
            state = tuple(part[:, rows] for part in self.stepper.state)
            self.stepper = self.model.stepper(state)


def _long(run: _Run) -> bool:
    """Whether machine code would be made in less time than it saves.

    Prompt and settings decide alone, so that a text is the same alone and in a batch.
    """
    config, units = run.config, run.model.start()[0].shape[-1]
    if config.max_new_tokens is None and not config.stop_strings and config.max_lines is None:
        return True
    tokens = len(run.prompt) + (config.max_new_tokens or 0)
    return bool(tokens * units >= WORTH)


def _pieces(batch: _Batch, row: _Row) -> Iterator[str]:
    while not row.ended:
        ids, _ = batch.draw()
        if piece := row.add(ids[:, 0].tolist()):
            yield piece
    if piece := row.rest():
        yield piece


def _finish(run: _Run, rows: list[_Row], stop: Callable[[], object]) -> None:
    """Draw all of the texts to their ends, or until they shall be stopped."""
    batch = _Batch(run, rows, stop, whole=True)
    while not all(row.ended for row in batch.rows) and not stop():
        ids, scores = batch.draw()  # (N, B) both
        # One after the other, so that sums are the same in any pieces.
        sums = np.vstack([[row.log_prob for row in batch.rows], scores]).cumsum(0)  # (N + 1, B)
        for number, row in enumerate(batch.rows):
            before = row.tokens
            if not row.ended:
                row.pieces.append(row.add(ids[:, number].tolist()))
            row.log_prob = float(sums[row.tokens - before, number])
        going = [number for number, row in enumerate(batch.rows) if not row.ended]
        if 0 < len(going) <= len(batch.rows) // 2:
            batch.keep(going)
