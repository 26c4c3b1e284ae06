"""Beam search: the likeliest text rather than one that is drawn."""

from __future__ import annotations

from typing import NamedTuple

import msgspec
import numpy as np

from charrnn.config import SampleConfig
from charrnn.draws import allowed_ids
from charrnn.endings import Ending
from charrnn.errors import UsageError
from charrnn.filters import log_softmax, only
from charrnn.sampling import LanguageModel, line_start
from charrnn.tokenizer import Ids, Unknown

__all__ = ["Beam", "beam_search"]


STEEPEST = 10  # length penalty


class Beam(msgspec.Struct, frozen=True, kw_only=True):
    """A text that was found.

    Attributes:
        text: without the prompt.
        tokens: how many it took, those of the stop string counted.
        log_prob: nats, of all of them under the model.
        score: log_prob / tokens ** length_penalty, by which texts are ranked.
    """

    text: str
    tokens: int
    log_prob: float
    score: float


class _Path(NamedTuple):
    ids: Ids  # (t,)
    log_prob: float


def beam_search(
    model: LanguageModel,
    prompt: str = "",
    config: SampleConfig | None = None,
    unknown: Unknown = "error",
    *,
    num_beams: int = 4,
    length_penalty: float = 1.0,
) -> list[Beam]:
    """The likeliest texts after `prompt` that a search with `num_beams` paths finds.

    Args:
        model, prompt, unknown: as for `sampling.stream`.
        config: max_new_tokens, the stops and the lists of characters count; nothing is drawn.
        num_beams: K, how many paths are followed at once.
        length_penalty: above 0 longer texts are favoured; 1 ranks by the mean.

    Returns:
        beams: up to K, best first.

    Raises:
        UsageError: as `sampling.generate_batch`, for fewer than one path, or a penalty beyond ±10.
    """
    config = config or SampleConfig()
    if num_beams < 1:
        raise UsageError(f"num_beams is {num_beams}", "expected 1 or more")
    if not -STEEPEST <= length_penalty <= STEEPEST:
        raise UsageError(
            f"length_penalty is {length_penalty}",
            f"expected a number from -{STEEPEST} to {STEEPEST}",
        )
    if config.max_new_tokens is None:
        raise UsageError("a search needs an end", "give a length")
    allowed = allowed_ids(model.tokenizer, config)
    ids = model.tokenizer.encode(prompt, unknown)
    logits, state = model.read(
        (ids if len(ids) else line_start(model.tokenizer))[None], model.start()
    )
    paths, found = [_Path(np.zeros(0, np.int32), 0.0)], list[Beam]()
    for _ in range(config.max_new_tokens):
        chances = log_softmax(logits.astype(np.float64))  # (K, V)
        if allowed is not None:
            chances = only(chances, allowed)
        totals = np.array([path.log_prob for path in paths])[:, None] + chances  # (K, V)
        # Half of the candidates may end here, and K must go on.
        best = np.argsort(-totals, axis=None, kind="stable")[: 2 * num_beams]
        rows, going = [], list[_Path]()
        for row, token in zip(*np.unravel_index(best, totals.shape), strict=True):
            log_prob = float(totals[row, token])
            if log_prob == -np.inf or len(going) == num_beams:
                break
            path = _Path(np.append(paths[row].ids, np.int32(token)), log_prob)
            text, ended = _text(model, path, config)
            if ended:
                found.append(_beam(text, path, length_penalty))
            else:
                rows.append(row)
                going.append(path)
        paths = going
        found = sorted(found, key=lambda beam: -beam.score)[:num_beams]
        if not paths or _settled(found, paths, num_beams, length_penalty):
            paths = []
            break
        stepper = model.stepper(tuple(part[:, rows] for part in state))
        logits = stepper.step(np.array([path.ids[-1] for path in paths]))
        state = stepper.state
    found += [_beam(_text(model, path, config)[0], path, length_penalty) for path in paths]
    return sorted(found, key=lambda beam: -beam.score)[:num_beams]


def _settled(found: list[Beam], paths: list[_Path], count: int, length_penalty: float) -> bool:
    """Whether no path, as it stands, can still better what was found."""
    if len(found) < count:
        return False
    best = max(path.log_prob / len(path.ids) ** length_penalty for path in paths)
    return bool(best <= found[-1].score)


def _text(model: LanguageModel, path: _Path, config: SampleConfig) -> tuple[str, bool]:
    """The text of a path up to where it ends, and whether it does."""
    ending = Ending(config)
    text = ending.feed(model.tokenizer.decode(path.ids))
    return text + ending.rest(), ending.ended


def _beam(text: str, path: _Path, length_penalty: float) -> Beam:
    tokens = len(path.ids)
    score = path.log_prob / max(tokens, 1) ** length_penalty
    return Beam(text=text, tokens=tokens, log_prob=path.log_prob, score=score)
