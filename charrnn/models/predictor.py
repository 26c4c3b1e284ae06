"""What every model can do, alone or mixed with others: score text and write it."""

from __future__ import annotations

from collections.abc import Iterable, Iterator
from typing import Any

import numpy as np

from charrnn.arrays import Floats, Ids, target_log_probs
from charrnn.config import SampleConfig, Unknown, settings_from, takes
from charrnn.errors import UsageError
from charrnn.sampling import beams, generation
from charrnn.sampling.beams import Beam
from charrnn.sampling.endings import refuse_endless
from charrnn.sampling.growing import Sample
from charrnn.sampling.language_model import TIME_CHUNK, LanguageModel, line_start
from charrnn.scoring.score import Score, blocks, score_of

__all__ = ["Predictor"]


class Predictor(LanguageModel):
    """A language model that scores text and writes it."""

    def log_probs(self, text: str, unknown: Unknown = "error") -> Floats:
        """How likely the model finds each character of `text` after those before it.

        The state is carried from the first character to the last.

        Args:
            text: at least one token.
            unknown: what to do with characters the model does not know.

        Returns:
            log_probs: (N-1,), natural-log probabilities of tokens 2 to N. The sum, negated, is
                the text's cost in nats.

        Raises:
            UsageError: for an empty text, or unknown characters if these are errors.
        """
        ids = self.tokenizer.encode(text, unknown)  # (N,)
        if not len(ids):
            raise UsageError("there is no text to score", "give at least one character")
        scores: Floats = self.token_log_probs(ids[None])[0]
        return scores

    def token_log_probs(self, ids: Ids) -> Floats:
        """The log-probabilities (B, N-1) of tokens 2 to N of each sequence (B, N)."""
        state = self.start(len(ids))
        scores = np.empty((len(ids), ids.shape[1] - 1), np.float32)
        for start in range(0, scores.shape[1], TIME_CHUNK):
            targets = ids[:, start + 1 : start + 1 + TIME_CHUNK]
            inputs = ids[:, start : start + targets.shape[1]]
            logits, state = self(inputs, state)  # (B, T, V)
            scores[:, start : start + TIME_CHUNK] = target_log_probs(logits, targets)
        return scores

    def score_lines(self, lines: Iterable[str], unknown: Unknown = "error") -> Iterator[Score]:
        """Score many short texts, each as if it stood at the start of a line.

        Lines are read some thousands at a time, side by side; their scores come in order. All
        characters of a line count.

        Raises:
            UsageError: for unknown characters, if these are errors; names the line.
        """
        begin = line_start(self.tokenizer)
        sequences = (np.concatenate([begin, ids]) for ids in self._encoded(lines, unknown))
        for block in blocks(sequences):
            scores: dict[int, Score] = {}
            for rows, padded, lengths in block:
                found = self.token_log_probs(padded)  # (B, T-1)
                for row, ids, values, length in zip(rows, padded, found, lengths, strict=True):
                    nats = -float(values[: length - 1].sum(dtype=np.float64))
                    scores[int(row)] = score_of(nats, self.tokenizer, ids[1:length])
            yield from (scores[row] for row in range(len(scores)))

    def _encoded(self, lines: Iterable[str], unknown: Unknown) -> Iterator[Ids]:
        for number, line in enumerate(lines, 1):
            try:
                yield self.tokenizer.encode(line, unknown)
            except UsageError as error:
                raise UsageError(f"line {number}: {error.found}", error.advice) from None

    @takes(SampleConfig)
    def generate(self, prompt: str = "", *, unknown: Unknown = "error", **settings: Any) -> str:
        """New text after `prompt`, which is not repeated.

        Args:
            prompt: text to go on from; without one, the text starts as a line does.
            unknown: what to do with characters of the prompt that the model does not know.
            settings: as in `SampleConfig`.

        Raises:
            UsageError: for a setting out of bounds, a text without an end, or unknown characters.
        """
        config = settings_from(SampleConfig, settings)
        refuse_endless(config)
        return "".join(generation.stream(self, prompt, config, unknown))

    @takes(SampleConfig)
    def generate_batch(
        self, count: int, prompt: str = "", *, unknown: Unknown = "error", **settings: Any
    ) -> list[Sample]:
        """Several texts after one prompt; the seeds of texts 2, 3, … are the next numbers.

        Args:
            count: how many.
            prompt, unknown, settings: as for `generate`.

        Raises:
            UsageError: as `generate`; and for a count below 0.
        """
        if count < 0:
            raise UsageError(f"count is {count}", "it must be at least 0")
        config = settings_from(SampleConfig, settings)
        first = generation.new_seed() if config.seed is None else config.seed
        seeds = range(first, first + count)
        return generation.generate_batch(self, prompt, config, unknown, seeds=seeds)

    @takes(SampleConfig)
    def stream(
        self, prompt: str = "", *, unknown: Unknown = "error", **settings: Any
    ) -> Iterator[str]:
        """As `generate`, yielding the text piece by piece while it is drawn."""
        return generation.stream(self, prompt, settings_from(SampleConfig, settings), unknown)

    @takes(SampleConfig)
    def beam_search(
        self,
        num_beams: int,
        prompt: str = "",
        *,
        length_penalty: float = 1.0,
        unknown: Unknown = "error",
        **settings: Any,
    ) -> list[Beam]:
        """The likeliest texts, best first; see `beams.beam_search`.

        Args:
            num_beams: how many paths to follow.
            length_penalty: above 0, longer texts are favoured.
            prompt, unknown: as for `generate`.
            settings: of these, max_new_tokens, the stops and the lists of characters count.
        """
        config = settings_from(SampleConfig, settings)
        return beams.beam_search(
            self, prompt, config, unknown, num_beams=num_beams, length_penalty=length_penalty
        )
