"""A trained translator: texts become other texts.

texts ──encoder──▶ memory ──decoder, search──▶ Translation, Translation, …
"""

from __future__ import annotations

import math
import warnings
from collections.abc import Iterable, Sequence

import numpy as np
from numpy.typing import NDArray

from charrnn.arguments import checked
from charrnn.arrays import Ids, Weights, log_softmax
from charrnn.config import LengthPenalty, ModelConfig, Size, Unknown
from charrnn.errors import UsageError
from charrnn.examples.pairs import Pair
from charrnn.sampling.distribution import refuse_diverged
from charrnn.sampling.search import Path, Search, advance, last_tokens
from charrnn.task_config import Translate
from charrnn.tasks.answers import Translation
from charrnn.tasks.decoder import Decoder
from charrnn.tasks.edits import character_error_rate, exact_match
from charrnn.tasks.encoder import Encoder, groups
from charrnn.tasks.nearest import Nearest
from charrnn.tasks.reports import Report
from charrnn.text.tokenizer import Tokenizer, as_trained

__all__ = ["ERRORS", "Translator", "as_read"]

ERRORS = "character error rate"  # the score that counts: it needs no library, and fits every pair
AT_ONCE = 1 << 12  # tokens of sources that are read side by side, for each path
BEAMS = 4


class Translator:
    """A model that makes a text of each text. Get one from `charrnn.load`.

    Args:
        config: the shape of the network.
        task: how long its answers may become.
        tokenizer: its vocabulary.
        weights: as `cells.heads.shapes_of` lists them.
    """

    def __init__(
        self, config: ModelConfig, task: Translate, tokenizer: Tokenizer, weights: Weights
    ) -> None:
        self.config, self.task, self.tokenizer = config, task, tokenizer
        self._encoder = Encoder(config, weights)
        self._decoder = Decoder(config, weights)
        assert tokenizer.end_id is not None, "a translator's tokenizer has an end"
        self._end = tokenizer.end_id

    @checked
    def predict(
        self,
        texts: Iterable[str],
        *,
        num_beams: Size = BEAMS,
        length_penalty: LengthPenalty = 1.0,
        unknown: Unknown = "error",
    ) -> list[Translation]:
        """The translation of each text, in their order.

        Args:
            texts: any number.
            num_beams: how many paths are followed for each; 1 always takes the likeliest token.
            length_penalty: above 0, longer translations are favoured.
            unknown: what to do with characters that the model does not know.

        Raises:
            UsageError: for unknown characters, if these are errors; names the text.
        """
        rows = [as_read(ids, self._end) for ids in self._encoded(texts, unknown)]
        found: dict[int, Translation] = {}
        for places, ids, lengths in groups(rows, AT_ONCE // num_beams):
            paths = self._search(ids, lengths, num_beams, length_penalty)
            found |= dict(zip(places.tolist(), map(self._answer, paths), strict=True))
        return [found[k] for k in range(len(rows))]

    def _encoded(self, texts: Iterable[str], unknown: Unknown) -> list[Ids]:
        encoded = []
        for number, text in enumerate(texts, 1):
            try:
                encoded.append(self.tokenizer.encode(as_trained(text, self.tokenizer), unknown))
            except UsageError as error:
                raise UsageError(f"text {number:,}: {error.found}", error.advice) from None
        return encoded

    def _search(
        self, ids: Ids, lengths: NDArray[np.int64], num_beams: int, length_penalty: float
    ) -> list[Path]:
        """The best path for each row of `ids` (B, T)."""
        searches = [
            Search(num_beams, length_penalty, self._limit(int(length)), self._is_whole)
            for length in lengths
        ]
        written = self._decoder.start(self._encoder.read(ids, lengths), lengths)
        memory, read = written.memory, np.full(len(ids), self._end, np.int32)
        while len(read):
            logits, written = self._decoder.step(read, written)
            refuse_diverged(logits.max(-1))
            written = written.of(advance(searches, log_softmax(logits.astype(np.float64))), memory)
            read = last_tokens(searches)
        # One that has not ended is an answer only if there is no other.
        return [(search.found or search.paths)[0] for search in searches]

    def _limit(self, length: int) -> int:
        """Tokens of the longest answer for a source of so many: as in training, in proportion."""
        longest = self.task.longest_target
        return math.ceil(longest * max(1, length / self.task.longest_source))

    def _is_whole(self, path: Path) -> bool:
        return path.ids[-1] == self._end

    def _answer(self, path: Path) -> Translation:
        ids = path.ids[:-1] if self._is_whole(path) else path.ids
        text = self.tokenizer.decoder()(ids, True)
        return Translation(text=text, log_prob=path.log_prob)

    def evaluate(self, pairs: Sequence[Pair], known: Sequence[Pair] = ()) -> Report:
        """How good the translations of some sources are, beside those that need no model.

        Args:
            pairs: the sources, and what should become of them.
            known: of the training; given, the translation of the most similar source is scored.
        """
        sources, targets = [pair.source for pair in pairs], [pair.target for pair in pairs]
        with warnings.catch_warnings(record=True) as caught:
            answers = [answer.text for answer in self.predict(sources, unknown="skip")]
        notes = tuple(dict.fromkeys(str(warning.message) for warning in caught))
        baselines = {"copy": sources}
        if known:
            nearest = Nearest([pair.source for pair in known])
            baselines["nearest"] = [known[nearest.find(source)].target for source in sources]
        scores, missing = _scores(answers, targets)
        return Report(
            metric=ERRORS,
            count=len(pairs),
            scores=scores,
            baselines={name: _scores(texts, targets)[0] for name, texts in baselines.items()},
            higher_is_better=False,
            notes=notes + missing,
        )


def as_read(ids: Ids, end: int) -> NDArray[np.int32]:
    """A text as encoder and decoder read it: between two ends."""
    return np.concatenate([[end], ids, [end]]).astype(np.int32)


def _scores(
    answers: Sequence[str], targets: Sequence[str]
) -> tuple[dict[str, float], tuple[str, ...]]:
    """Scores by name, and what should be said of them."""
    scores = {
        ERRORS: character_error_rate(answers, targets),
        "exact match": exact_match(answers, targets),
    }
    try:
        from sacrebleu import corpus_bleu, corpus_chrf
    except ImportError:
        return scores, ("for chrF and BLEU: pip install 'charrnn-toolkit[eval]'",)
    scores["chrF"] = corpus_chrf(answers, [targets]).score
    scores["BLEU"] = corpus_bleu(answers, [targets]).score
    return scores, ()
