"""What every model can do, alone or mixed with others: score text, write it, and be looked into."""

from __future__ import annotations

from abc import abstractmethod
from collections.abc import Callable, Iterable, Iterator, Mapping
from itertools import chain
from types import MappingProxyType
from typing import Any

import numpy as np

from charrnn.arguments import checked
from charrnn.array_checks import checked_ids
from charrnn.arrays import Floats, Ids, target_log_probs
from charrnn.cells.rules import State
from charrnn.config import Count, Size, Unknown
from charrnn.errors import UsageError
from charrnn.folder import notebook
from charrnn.models.hooks import (
    Cache,
    HookFunction,
    Hooks,
    NamesFilter,
    Recorder,
    Watch,
    chosen_places,
    later,
)
from charrnn.sampling import beams, generation
from charrnn.sampling.beams import Beam
from charrnn.sampling.endings import refuse_endless
from charrnn.sampling.generation import Sample
from charrnn.sampling.language_model import TIME_CHUNK, LanguageModel, own_ids, start_ids
from charrnn.sampling.records import Wanted, draw_records
from charrnn.sampling.token_source import GenerationRequest, request_for, sampling_config
from charrnn.scoring.batches import Batch, blocks
from charrnn.scoring.score import Score, score_of
from charrnn.settings import takes
from charrnn.text import division
from charrnn.text.prepared import as_read
from charrnn.threads.numpy_jobs import results_of
from charrnn.use_config import LengthPenalty, SampleConfig

__all__ = ["Predictor"]

SHOWN = 300  # characters of a sample in a notebook


class Predictor(LanguageModel):
    """A language model that scores text and writes it, and that can be looked into.

    Attributes:
        facts: what there is to know about it: label to value, for people.
        records_kind: what it was trained on a list of, as `text.division` names it.
        reads_backwards: whether it reads texts from their end to their beginning. Texts to score
            are given in their own order all the same. What it writes begins with the end of a text,
            and so does a prompt.
    """

    facts: Mapping[str, str] = MappingProxyType({})
    records_kind: str = division.NONE
    reads_backwards: bool = False

    def __repr__(self) -> str:
        return notebook.lines("charrnn model", self.facts)

    def _repr_html_(self) -> str:
        sample = self.generate(max_new_tokens=SHOWN, seed=0)
        return notebook.table("charrnn model", self.facts, sample)

    @property
    @abstractmethod
    def places(self) -> list[str]:
        """The places that a watch or a hook sees; see `models.hooks`."""

    @property
    @abstractmethod
    def state_places(self) -> list[list[str]]:
        """For each array (L, B, H) of the state, the places of its layers."""

    @abstractmethod
    def __call__(
        self, ids: Ids, state: State | None = None, watch: Watch | None = None
    ) -> tuple[Floats, State]:
        """Read tokens (B, T): the logits (B, T, V) of the token after each, and the state."""

    def run_with_cache(
        self,
        text: str | Ids,
        names_filter: NamesFilter = None,
        *,
        unknown: Unknown = "error",
    ) -> tuple[Floats, Cache]:
        """Read a text, and keep what the network computes on the way.

        Row t of every value belongs to the token at t: the network has just read it. (One that
        reads backwards has read the text's last token first.) All of it is held in memory;
        `charrnn.inside.activity` reads long texts in pieces.

        A text for a model of records begins a record: the end before it is read first, and has no
        row. Ids are read as they are.

        Args:
            text: at least one token; or ids (N,), or several sequences of ids (B, N).
            names_filter: which of `places` to keep: a name, several, or a predicate; all by
                default.
            unknown: what to do with characters that the model does not know.

        Returns:
            logits: (N, V), of the token after each; or (B, N, V).
            cache: by place, such as `layers.0.hook_h`: (N, H); or (B, N, H).

        Raises:
            UsageError: for a place that is none, a text without a token, or unknown characters.
        """
        ids, state, alone = self._sequences(text, unknown)
        recorder = Recorder(chosen_places(self.places, names_filter), *ids.shape)
        logits = self.read_watched(ids, recorder, state)
        if alone:
            return logits[0], {name: value[0] for name, value in recorder.values.items()}
        return logits, recorder.values

    def run_with_hooks(
        self,
        text: str | Ids,
        fwd_hooks: Iterable[tuple[str | Callable[[str], bool], HookFunction]],
        *,
        unknown: Unknown = "error",
    ) -> Floats:
        """Read a text, and let functions see or change what the network computes on the way.

        At most 256 tokens are read at a time, layer by layer, and in each layer one token after
        another. What a hook puts in place of h or c is the state with which the layer reads on.

        Args:
            text, unknown: as for `run_with_cache`; no hook sees the end before a record.
            fwd_hooks: pairs of one of `places`, or a predicate of them, and a function of
                `(value, *, hook)`. It gets a copy of the value (H,), or (B, H), and a `Hook` with
                `name`, `layer` and `position`, and returns what to put in its place, or None to
                change nothing.

        Returns:
            logits: (N, V), of the token after each; or (B, N, V).

        Raises:
            UsageError: as `run_with_cache`; and if a function returns another shape.
        """
        ids, state, alone = self._sequences(text, unknown)
        logits = self.read_watched(ids, Hooks(fwd_hooks, self.places, alone=alone), state)
        return logits[0] if alone else logits

    def _sequences(self, text: str | Ids, unknown: Unknown) -> tuple[Ids, State | None, bool]:
        """The ids (B, N) to read, the state before them, and whether they are one sequence.

        The state is None for the start; of a record, the end before it has been read.
        """
        state = None
        if isinstance(text, str):
            ids = self._encode(text, unknown)
            if self.tokenizer.end is not None:
                _, state = self.read(start_ids(self.tokenizer)[None], self.start())
        else:
            ids = checked_ids(text, self.tokenizer.vocab_size, 1, 2)
        if not ids.size:
            raise UsageError("there is no text to read", "give at least one character")
        return np.atleast_2d(ids), state, ids.ndim < 2

    def read_watched(self, ids: Ids, watch: Watch, state: State | None = None) -> Floats:
        """Read sequences of any length; `watch` sees where in them each token is.

        Args:
            ids: (B, N).
            watch: see `models.hooks`.
            state: arrays (L, B, H); None for the start.

        Returns:
            logits: (B, N, V).
        """
        logits = np.empty((*ids.shape, self.tokenizer.vocab_size), np.float32)
        for start in range(0, ids.shape[1], TIME_CHUNK):
            part = slice(start, start + TIME_CHUNK)
            logits[:, part], state = self(ids[:, part], state, later(watch, start))
        return logits

    @checked
    def log_probs(self, text: str, unknown: Unknown = "error") -> Floats:
        """How likely the model finds each character of `text` after those before it.

        The state is carried from the first character to the last.

        Args:
            text: at least one token; read as training would have, with LF for CRLF and without a
                byte-order mark.
            unknown: what to do with characters the model does not know.

        Returns:
            log_probs: (N-1,), natural-log probabilities of tokens 2 to N, in the order in which
                they are read. The sum, negated, is the text's cost in nats. For a model of records
                (N+1,): of all tokens of the text, which is one record, and of its end.

        Raises:
            UsageError: for an empty text, or unknown characters if these are errors.
        """
        ids = self._encode(text, unknown)  # (N,)
        if not len(ids):
            raise UsageError("there is no text to score", "give at least one character")
        scores: Floats = self.token_log_probs(self._with_ends(ids)[None])[0]
        return scores

    def token_log_probs(self, ids: Ids) -> Floats:
        """The log-probabilities (B, N-1) of tokens 2 to N of each sequence (B, N)."""
        ids = checked_ids(ids, self.tokenizer.vocab_size, 2)
        if not ids.shape[1]:
            raise UsageError("there is no text to score", "give at least one character")
        state = self.start(len(ids))
        scores = np.empty((len(ids), ids.shape[1] - 1), np.float32)
        for start in range(0, scores.shape[1], TIME_CHUNK):
            targets = ids[:, start + 1 : start + 1 + TIME_CHUNK]
            inputs = ids[:, start : start + targets.shape[1]]
            logits, state = self(inputs, state)  # (B, T, V)
            scores[:, start : start + TIME_CHUNK] = target_log_probs(logits, targets)
        return scores

    @checked
    def score_lines(
        self, lines: Iterable[str], unknown: Unknown = "error", *, first: Count = 1
    ) -> Iterator[Score]:
        """Score many short texts, each as if it stood at the start of a line.

        For a model of records, each is one, and is scored with its end.

        Lines are read some thousands at a time, side by side; their scores come in order. All
        characters of a line count.

        Args:
            lines: any number.
            unknown: what to do with characters the model does not know.
            first: the number of the first line, for errors.

        Raises:
            UsageError: for unknown characters, if these are errors; names the line.
        """
        begin = start_ids(self.tokenizer)
        framed = self._with_ends if self.tokenizer.end else lambda ids: np.concatenate([begin, ids])
        sequences = (framed(ids) for ids in self._encoded(lines, unknown, first))
        for block in blocks(sequences):
            scores = dict(chain.from_iterable(results_of(self._scores, block)))
            yield from (scores[row] for row in range(len(scores)))

    def _scores(self, batch: Batch) -> list[tuple[int, Score]]:
        """The lines of a batch, and what each cost."""
        rows, padded, lengths = batch
        log_probs = self.token_log_probs(padded)  # (B, T-1)
        found = []
        for row, ids, values, length in zip(rows, padded, log_probs, lengths, strict=True):
            nats = -float(values[: length - 1].sum(dtype=np.float64))
            found.append((int(row), score_of(nats, self.tokenizer, ids[1:length])))
        return found

    def _with_ends(self, ids: Ids) -> Ids:
        """The ids of a text to be scored: of a record, with an end before and after it."""
        if self.tokenizer.end is None:
            return ids
        end = start_ids(self.tokenizer)
        return np.concatenate([end, ids, end])

    def _encode(self, text: str, unknown: Unknown) -> Ids:
        """The ids (N,) of a text in the order in which they are read."""
        return as_read(own_ids(self.tokenizer, text, unknown), self.reads_backwards)

    def _encoded(self, lines: Iterable[str], unknown: Unknown, first: int) -> Iterator[Ids]:
        for number, line in enumerate(lines, first):
            try:
                yield self._encode(line, unknown)
            except UsageError as error:
                raise UsageError(f"line {number}: {error.found}", error.advice) from None

    @takes(SampleConfig)
    @checked
    def generate(self, prompt: str = "", *, unknown: Unknown = "error", **settings: Any) -> str:
        """New text after `prompt`, which is not repeated.

        Args:
            prompt: text to go on from; without one, the text starts as a line does. A model of
                records writes one record, or the rest of the one that the prompt begins.
            unknown: what to do with characters of the prompt that the model does not know.
            settings: as in `SampleConfig`.

        Raises:
            UsageError: for a setting out of bounds, a text without an end, or unknown characters.
        """
        request = self._request(prompt, unknown, settings)
        if self.tokenizer.end is None:
            refuse_endless(request.config)
        return "".join(generation.stream(request))

    @takes(SampleConfig)
    @checked
    def generate_batch(
        self, count: Count, prompt: str = "", *, unknown: Unknown = "error", **settings: Any
    ) -> list[Sample]:
        """Several texts after one prompt; the seeds of texts 2, 3, … are the next numbers.

        Args:
            count: how many.
            prompt, unknown, settings: as for `generate`.

        Raises:
            UsageError: as `generate`; and for a count below 0.
        """
        request = self._request(prompt, unknown, settings)
        first = generation.new_seed() if request.config.seed is None else request.config.seed
        return generation.generate_batch(request, generation.seeds_from(first, count))

    @takes(SampleConfig)
    @checked
    def stream(
        self, prompt: str = "", *, unknown: Unknown = "error", **settings: Any
    ) -> Iterator[str]:
        """As `generate`, yielding the text piece by piece while it is drawn."""
        return generation.stream(self._request(prompt, unknown, settings))

    @takes(SampleConfig)
    @checked
    def records(
        self,
        count: Count,
        prompt: str = "",
        *,
        unique: bool = False,
        known: Iterable[str] = (),
        unknown: Unknown = "error",
        **settings: Any,
    ) -> Iterator[Sample]:
        """Whole records, from beginning to end, as they are drawn.

        Args:
            count: how many.
            prompt: what each begins with; it is not repeated.
            unique: whether no record may come twice.
            known: records that may not come, such as those of the corpus (`read_records`).
            unknown, settings: as for `generate`. Equal seeds draw equal records.

        Raises:
            UsageError: as `generate`; for a count below 0, or a model without records.
            CharRNNError: when hardly any new record is found any more.
        """
        request = self._request(prompt, unknown, settings)
        return draw_records(request, Wanted(count, unique=unique, known=known))

    @takes(SampleConfig)
    @checked
    def beam_search(
        self,
        num_beams: Size,
        prompt: str = "",
        *,
        length_penalty: LengthPenalty = 1.0,
        unknown: Unknown = "error",
        **settings: Any,
    ) -> list[Beam]:
        """The likeliest texts, best first; see `beams.beam_search`.

        Args:
            num_beams: how many paths to follow.
            length_penalty: above 0, longer texts are favoured.
            prompt, unknown: as for `generate`.
            settings: of these, max_new_tokens, the stops, the lists of characters and the clamp
                count.
        """
        request = self._request(prompt, unknown, settings)
        return beams.beam_search(request, num_beams, length_penalty)

    def _request(
        self, prompt: str, unknown: Unknown, settings: dict[str, Any]
    ) -> GenerationRequest:
        return request_for(self, prompt, sampling_config(self.tokenizer, settings), unknown)
