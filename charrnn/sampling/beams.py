"""Beam search: the likeliest text rather than one that is drawn.

paths (K,) ──model──▶ log-probabilities (K, V) ──the best 2·K──▶ paths that go on, texts that end
"""

from __future__ import annotations

import msgspec
import numpy as np

from charrnn.array_checks import refuse_diverged
from charrnn.arrays import Logits, log_softmax
from charrnn.cells.rules import State
from charrnn.errors import UsageError
from charrnn.sampling.clusters import without_open_end
from charrnn.sampling.drawing.distribution import allowed_ids
from charrnn.sampling.drawing.filters import only
from charrnn.sampling.endings import Ending, has_stops
from charrnn.sampling.growing import GrowingText
from charrnn.sampling.language_model import Stop, never, read_prompt
from charrnn.sampling.search import Path, Search, advance, last_tokens
from charrnn.sampling.token_source import GenerationRequest
from charrnn.text.tokenizer import Tokenizer
from charrnn.use_config import SampleConfig

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


def beam_search(
    request: GenerationRequest, num_beams: int, length_penalty: float, stop: Stop = never
) -> list[Beam]:
    """The likeliest texts that a search with `num_beams` paths finds.

    Args:
        request: of its settings max_new_tokens, the stops and the lists of characters count;
            nothing is drawn.
        num_beams: K, how many paths are followed at once, at least 1.
        length_penalty: above 0 longer texts are favoured; 1 ranks by the mean.
        stop: is asked while the prompt is read and at each token; once it answers yes, the search
            ends with what it has.

    Returns:
        beams: up to K, best first.

    Raises:
        UsageError: for a text without a length.
    """
    model, config = request.model, request.config
    if config.max_new_tokens is None:
        raise UsageError("a search needs an end", "give a length")
    written = _Written(model.tokenizer, config, length_penalty)
    search = Search(num_beams, length_penalty, config.max_new_tokens, written.is_whole)
    logits, start = read_prompt(model, request.prompt, stop)
    state = start
    while search.going and not stop():
        rows = advance([search], written.log_probs(logits))
        if len(rows):
            stepper = model.stepper(tuple(part[:, rows] for part in state))
            logits = stepper.step(last_tokens([search]))
            state = stepper.state
    paths = (written.with_whole_cluster(path, request, start) for path in search.best())
    return sorted((written.beam(path)[0] for path in paths), key=lambda beam: -beam.score)


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
        return only(log_softmax(logits.astype(np.float64)), self.allowed)

    def is_whole(self, path: Path) -> bool:
        """Whether the text of a path has ended."""
        if not has_stops(self.config):  # its last token tells
            return path.ids[-1] == self.tokenizer.end_id
        return self.beam(path)[1]

    def with_whole_cluster(self, path: Path, request: GenerationRequest, start: State) -> Path:
        """A path of full length with those of the likeliest next tokens that its text needs.

        They are those that its last cluster of characters goes on with.

        Args:
            path: that was found.
            request: what is searched for.
            start: the state after the prompt.
        """
        text, longest = GrowingText(request), path
        if path.ids:
            text.add(list(path.ids))
        if text.tokens != self.config.max_new_tokens or text.ended:
            return path
        stepper = request.model.stepper(start)
        for token in path.ids:
            logits = stepper.step(np.array([token]))
        while not text.ended:
            log_probs = self.log_probs(logits)[0]  # (V,)
            token = int(log_probs.argmax())
            path = Path((*path.ids, token), path.log_prob + float(log_probs[token]))
            text.add([token])
            if text.tokens == len(path.ids):
                longest = path
            logits = stepper.step(np.array([token]))
        return longest

    def beam(self, path: Path) -> tuple[Beam, bool]:
        """A path's text up to where it ends, and whether it does."""
        ending, tokens = Ending(self.config), len(path.ids)
        # Of a record, which ends itself.
        record_ended = tokens > 0 and path.ids[-1] == self.tokenizer.end_id
        ids = path.ids[: tokens - record_ended]
        text = self.tokenizer.decoder()(ids, False)  # no half a character
        limit = self.config.max_new_tokens
        if not record_ended and limit is not None and tokens >= limit:
            text = without_open_end(text)
        text = ending.feed(text)
        score = path.score(self.length_penalty)
        beam = Beam(text=text + ending.rest(), tokens=tokens, log_prob=path.log_prob, score=score)
        return beam, ending.ended or record_ended
