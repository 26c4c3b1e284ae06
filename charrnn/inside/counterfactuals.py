"""Which characters mattered: each is replaced, and the text is read again.

    saliency(model, "the clerk", at=5).changes    # (W,), nats

Nothing is approximated: the change of a prediction is that of its log-probability when one earlier
token is another, the one that the model found likeliest there besides it.
"""

from __future__ import annotations

from collections.abc import Callable, Iterable
from typing import NamedTuple

import numpy as np
from numpy.typing import NDArray

from charrnn.arguments import checked
from charrnn.arrays import Floats, Ids, log_softmax, target_log_probs
from charrnn.cells.rules import State
from charrnn.config import Size, Unknown
from charrnn.errors import UsageError
from charrnn.inside.lanes import shares, story_ids
from charrnn.inside.showing import label, labels
from charrnn.models.hooks import Cache, Recorder
from charrnn.models.predictor import Predictor
from charrnn.sampling.language_model import TIME_CHUNK, start_ids
from charrnn.words import counted

__all__ = ["WINDOW", "Saliency", "Trace", "changes", "read", "saliency"]

WINDOW = 64  # tokens before a prediction that are replaced, each in turn
ROWS = 128  # changed texts that are read side by side


class Saliency(NamedTuple):
    """What a prediction owes to each token before it.

    A byte of a character that takes several is told as `showing.labels` has it: `c3`, then `ö`.

    Attributes:
        at: the place of the token that is predicted, from 0.
        target: the token itself.
        log_prob: nats, its log-probability as the text stands.
        tokens: W, those before it, the last of them at `at` - 1.
        stand_ins: W, what replaces each.
        changes: (W,), nats: the log-probability of `target` with the replacement, minus
            `log_prob`. Below 0, the token that stands there made `target` likelier.
    """

    at: int
    target: str
    log_prob: float
    tokens: list[str]
    stand_ins: list[str]
    changes: Floats


class Trace(NamedTuple):
    """A text that was read, as far as replacing its tokens needs it."""

    model: Predictor
    ids: Ids  # (N,)
    start: State  # (L, 1, H), before the first token
    expected: Floats  # (V,), the logits of the first token
    logits: Floats  # (N, V), of the token after each
    cache: Cache  # what makes up the state, (N, H) each; perhaps more

    def before(self, at: NDArray[np.intp]) -> State:
        """The states (L, R, H) in which tokens at these places (R,) are read."""
        first = (at == 0)[:, None]  # (R, 1)
        parts = []
        for start, places in zip(self.start, self.model.state_places, strict=True):
            after = np.stack([self.cache[place][at - 1] for place in places])  # (L, R, H)
            parts.append(np.where(first, start, after))
        return tuple(parts)

    def stand_ins(self) -> Ids:
        """For each token, the likeliest besides it at its place (N,)."""
        expected = np.vstack([self.expected, self.logits[:-1]])  # (N, V)
        expected[np.arange(len(self.ids)), self.ids] = -np.inf
        stand_ins: Ids = expected.argmax(-1).astype(np.int32)
        return stand_ins


def read(
    model: Predictor,
    ids: Ids,
    more: Iterable[str] = (),
    skip: int = 0,
    done: Callable[[int], object] = lambda _tokens: None,
) -> Trace:
    """Read a text from the start.

    Of the first token nothing is known but that a line might begin with it.

    Args:
        model: what reads.
        ids: (M,), at least one.
        more: places of the model that are noted, too.
        skip: how many tokens are read without being noted.
        done: called with how many of these were read since the last call.
    """
    start = model.start()
    before, _ = model.read(start_ids(model.tokenizer)[None], start)  # (1, V)
    for first in range(0, skip, TIME_CHUNK):
        part = ids[None, first : min(first + TIME_CHUNK, skip)]
        before, start = model.read(part, start)
        done(part.size)
    noted = ids[skip:]  # (N,)
    places = {place for part in model.state_places for place in part}
    recorder = Recorder({*places, *more}, 1, len(noted))
    logits = model.read_watched(noted[None], recorder, start)  # (1, N, V)
    cache = {name: value[0] for name, value in recorder.values.items()}
    return Trace(model, noted, start, before[0], logits[0], cache)


@checked
def saliency(
    model: Predictor,
    text: str,
    at: int | None = None,
    *,
    window: Size = WINDOW,
    unknown: Unknown = "error",
    progress: Callable[[float], object] | None = None,
) -> Saliency:
    """How the prediction at one place of a text changes when an earlier token is another.

    Args:
        model: a model, or a mixture.
        text: at least one character.
        at: the place of the token that is predicted, from 1 to N; tokens are characters (bytes,
            for a byte model). N, the default, is the place after the text: there the likeliest
            token is taken, elsewhere the one that stands there.
        window: how many tokens before it are replaced, each in turn.
        unknown: what to do with characters that the model does not know.
        progress: called with which share of the work was done since the last call.

    Raises:
        UsageError: for a model of records or one that reads backwards, a text without a token, a
            place outside it, or unknown characters.
    """
    ids = story_ids(model, text, unknown)
    if not len(ids):
        raise UsageError("there is no text to read", "give at least one character")
    at = len(ids) if at is None else at
    if not 1 <= at <= len(ids):
        found = f"at is {at}, and the text has {counted(len(ids), model.tokenizer.unit)}"
        raise UsageError(found, f"it must be from 1 to {len(ids):,}", "at")
    first = max(0, at - window)
    total = first + (at - first) ** 2  # tokens to be read
    done = shares(progress, total)
    trace = read(model, ids[:at], skip=first, done=done)
    target = ids[at : at + 1] if at < len(ids) else trace.logits[-1:].argmax(-1)
    rows = np.arange(at - first)  # (W,)
    after = np.append(trace.ids[1:], target).astype(np.int32)  # (W,), what follows each token
    stand_ins = trace.stand_ins()  # (W,)
    scores = _log_probs(trace, stand_ins, rows, after, len(rows), done)  # (W, W)
    log_prob = float(log_softmax(trace.logits[-1])[target[0]])
    *tokens, predicted = labels(model.tokenizer, np.append(ids[:at], target))[first:]
    return Saliency(
        at=at,
        target=predicted,
        log_prob=log_prob,
        tokens=tokens,
        stand_ins=[label(model.tokenizer, k) for k in stand_ins.tolist()],
        changes=scores[rows, rows[::-1]] - np.float32(log_prob),
    )


def changes(
    trace: Trace, window: int, done: Callable[[int], object] = lambda _tokens: None
) -> tuple[Floats, Ids]:
    """How the predictions of all tokens of a text change with those before them.

    Args:
        trace: the text, of N tokens.
        window: W, how many tokens before each prediction are replaced, each in turn.
        done: called with how many tokens were read since the last call.

    Returns:
        changes: (N, W), nats: in row t, of the prediction of token t, for the replacement of token
            t - 1, t - 2, …; 0 where there is none.
        stand_ins: (N,), what replaced each token.
    """
    count, stand_ins = len(trace.ids), trace.stand_ins()
    after = trace.ids[1:]  # (N-1,), what follows each token
    base = target_log_probs(trace.logits[:-1], after)  # (N-1,)
    scores = _log_probs(trace, stand_ins, np.arange(count - 1), after, window, done)  # (N-1, W)
    found = np.zeros((count, window), np.float32)
    for back in range(min(window, count - 1)):  # tokens from the replaced one to the last read
        found[back + 1 :, back] = scores[: count - 1 - back, back] - base[back:]
    return found, stand_ins


def _log_probs(
    trace: Trace,
    stand_ins: Ids,
    rows: NDArray[np.intp],
    after: Ids,
    steps: int,
    done: Callable[[int], object],
) -> Floats:
    """The log-probabilities of the tokens that follow when one is replaced.

    Args:
        trace: the text as it is.
        stand_ins: (N,), what replaces each token.
        rows: (R,), which tokens are replaced, each in a text of its own.
        after: (M,), what follows each token.
        steps: W, how many tokens are read, the replaced one the first.
        done: called with how many tokens were read since the last call.

    Returns:
        log_probs: (R, W), of the token after each token read; any number past the end.
    """
    at = (rows[:, None] + np.arange(steps)).clip(max=len(after) - 1)  # (R, W)
    changed = trace.ids[at]
    changed[:, 0] = stand_ins[rows]
    found = np.empty((len(rows), steps), np.float32)
    for start in range(0, len(rows), ROWS):
        part = slice(start, start + ROWS)
        logits, _ = trace.model(changed[part], trace.before(rows[part]))  # (R, W, V)
        found[part] = target_log_probs(logits, after[at[part]])
        done(logits.shape[0] * steps)
    return found
