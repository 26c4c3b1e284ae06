"""Beam search: the likeliest text rather than one that is drawn.

paths (K,) ──model──▶ log-probabilities (K, V) ──the best 2·K──▶ paths that go on, texts that end
"""

from __future__ import annotations

import msgspec
import numpy as np

from charrnn.arguments import checked
<<<<<<< HEAD
from charrnn.arrays import Ids, Logits, log_softmax
from charrnn.cells.rules import State
=======
from charrnn.arrays import Logits, log_softmax
>>>>>>> seam
from charrnn.config import LengthPenalty, SampleConfig, Size, Unknown
from charrnn.errors import UsageError
from charrnn.sampling.clusters import without_open_end
from charrnn.sampling.distribution import allowed_ids, refuse_diverged
from charrnn.sampling.endings import Ending, check_ends
from charrnn.sampling.filters import only
from charrnn.sampling.growing import GrowingText
from charrnn.sampling.language_model import (
    LanguageModel,
    Stop,
    encode_prompt,
    never,
    read_prompt,
)
<<<<<<< HEAD
from charrnn.sampling.token_source import Request
=======
from charrnn.sampling.search import Path, Search, advance, last_tokens
from charrnn.text.tokenizer import Tokenizer
>>>>>>> seam

__all__ = ["Beam", "beam_search"]


class Beam(msgspec.Struct, frozen=True, kw_only=True):
    """A text that was found.

    Attributes:
        text: without the prompt.
        tokens: how many it took, those of a stop string counted.
        log_prob: nats, of all of them under the model.
        score: log_prob / tokens ** length_penalty, by which texts are ranked.
    """

    text: str
    tokens: int
    log_prob: float
    score: float


@checked
def beam_search(
    model: LanguageModel,
    prompt: str = "",
    config: SampleConfig | None = None,
    unknown: Unknown = "error",
    *,
    num_beams: Size = 4,
    length_penalty: LengthPenalty = 1.0,
    stop: Stop = never,
) -> list[Beam]:
    """The likeliest texts after `prompt` that a search with `num_beams` paths finds.

    Args:
        model, prompt, unknown: as for `generation.stream`.
        config: max_new_tokens, the stops, the lists of characters and the clamp count; nothing is
            drawn.
        num_beams: K, how many paths are followed at once.
        length_penalty: above 0 longer texts are favoured; 1 ranks by the mean.
        stop: is asked while the prompt is read and at each token; once it answers yes, the search
            ends with what it has.

    Returns:
        beams: up to K, best first.

    Raises:
        UsageError: as `generation.generate_batch`; for a text without a length, fewer than one
            path, or a penalty beyond ±10.
    """
    config = config or SampleConfig()
    if config.max_new_tokens is None:
        raise UsageError("a search needs an end", "give a length")
    check_ends(config, model.tokenizer)
    model = model.clamped(config.clamp)
<<<<<<< HEAD
    search = _Search(model, config, num_beams, length_penalty)
    request = Request(model, encode_prompt(model.tokenizer, prompt, unknown), config)
    logits, state = read_prompt(model, request.prompt, stop)
    for _ in range(config.max_new_tokens):
        if stop():
            break
        rows = search.advance(logits)
        if search.settled:
            break
        stepper = model.stepper(tuple(part[:, rows] for part in state))
        logits = stepper.step(np.array([path.ids[-1] for path in search.paths]))
        state = stepper.state
    else:
        search.end_clusters(request, logits, state)
    return search.best()
=======
    written = _Written(model.tokenizer, config, length_penalty)
    search = Search(num_beams, length_penalty, config.max_new_tokens, written.is_whole)
    logits, state = read_prompt(model, encode_prompt(model.tokenizer, prompt, unknown), stop)
    while search.going and not stop():
        rows = advance([search], written.log_probs(logits))
        if len(rows):
            stepper = model.stepper(tuple(part[:, rows] for part in state))
            logits = stepper.step(last_tokens([search]))
            state = stepper.state
    return [written.beam(path)[0] for path in search.best()]
>>>>>>> seam


class _Written:
    """What the paths of a search read, and where they end."""

    def __init__(self, tokenizer: Tokenizer, config: SampleConfig, length_penalty: float) -> None:
        self.tokenizer = tokenizer
        self.config = config
        self.length_penalty = length_penalty
        self.allowed = allowed_ids(tokenizer, config)

    def log_probs(self, logits: Logits) -> Logits:
        """Those (K, V) of the tokens that may follow, in double precision."""
        refuse_diverged(logits.max(-1))
<<<<<<< HEAD
        chances = self._chances(logits)  # (K, V)
        totals = np.array([path.log_prob for path in self.paths])[:, None] + chances  # (K, V)
        # Half of the candidates may end here, and K must go on.
        best = np.argsort(-totals, axis=None, kind="stable")[: 2 * self.num_beams]
        rows, going = list[int](), list[_Path]()
        for row, token in zip(*np.unravel_index(best, totals.shape), strict=True):
            log_prob = float(totals[row, token])
            if log_prob == -np.inf or len(going) == self.num_beams:
                break
            path = _Path(np.append(self.paths[row].ids, np.int32(token)), log_prob)
            beam, ended = self._beam(path)
            if ended:
                self.found.append(beam)
            else:
                rows.append(int(row))
                going.append(path)
        self.paths = going
        self.found = self._ranked(self.found)
        return rows

    def end_clusters(self, request: Request, logits: Logits, state: State) -> None:
        """Let each path go on beyond its length to where its last cluster of characters ends.

        Args:
            request: what is searched for.
            logits: (K, V), of the tokens after the paths.
            state: arrays (L, K, H), after the paths.
        """
        self.paths = [
            self._with_whole_cluster(
                path, request, logits[row], tuple(part[:, row : row + 1] for part in state)
            )
            for row, path in enumerate(self.paths)
        ]

    def _with_whole_cluster(
        self, path: _Path, request: Request, logits: Logits, state: State
    ) -> _Path:
        """A path with those of the likeliest next tokens that its last cluster goes on with."""
        text, whole = GrowingText(request, seed=0), path
        if len(path.ids):
            text.add(path.ids.tolist())
        while not text.ended:
            chances = self._chances(logits)  # (V,)
            token = int(chances.argmax())
            path = _Path(np.append(path.ids, np.int32(token)), path.log_prob + chances[token])
            text.add([token])
            if text.tokens == len(path.ids):
                whole = path
            stepper = request.model.stepper(state)
            logits, state = stepper.step(path.ids[-1:])[0], stepper.state
        return whole

    def _chances(self, logits: Logits) -> Logits:
        """The log-probabilities (..., V) of what may come."""
        chances = log_softmax(logits.astype(np.float64))
        return chances if self.allowed is None else only(chances, self.allowed)

    @property
    def settled(self) -> bool:
        """Whether no path, as it stands, can still better what was found."""
        if not self.paths or len(self.found) < self.num_beams:
            return not self.paths
        best = max(path.log_prob / len(path.ids) ** self.length_penalty for path in self.paths)
        return bool(best <= self.found[-1].score)
=======
        found = log_softmax(logits.astype(np.float64))
        return found if self.allowed is None else only(found, self.allowed)

    def is_whole(self, path: Path) -> bool:
        """Whether the text of a path has ended."""
        return self.beam(path)[1]
>>>>>>> seam

    def beam(self, path: Path) -> tuple[Beam, bool]:
        """A path's text up to where it ends, and whether it does."""
        ending, tokens = Ending(self.config), len(path.ids)
<<<<<<< HEAD
        whole = tokens > 0 and path.ids[-1] == self.end_id  # of a record, which ends itself
        ids = path.ids[: tokens - whole].tolist()
        text = self.tokenizer.decoder()(ids, False)  # without half a character
        limit = self.config.max_new_tokens
        if not whole and limit is not None and tokens >= limit:
=======
        # Of a record, which ends itself.
        whole = tokens > 0 and path.ids[-1] == self.tokenizer.end_id
        text = self.tokenizer.decoder()(path.ids[: tokens - whole], False)  # no half a character
        if not whole and tokens == self.config.max_new_tokens:
>>>>>>> seam
            text = without_open_end(text)
        text = ending.feed(text)
        score = path.score(self.length_penalty)
        beam = Beam(text=text + ending.rest(), tokens=tokens, log_prob=path.log_prob, score=score)
        return beam, ending.ended or whole
