"""A trained translator: texts become other texts, with NumPy alone.

texts ──encoder──▶ memory ──decoder, search──▶ Translation, Translation, …
"""

from __future__ import annotations

import math
import pathlib
from collections import defaultdict
from collections.abc import Sequence
from functools import partial
from typing import ClassVar, NamedTuple, cast

import msgspec
import numpy as np
from numpy.typing import NDArray

from charrnn.arguments import checked
from charrnn.array_checks import refuse_diverged
from charrnn.arrays import Ids, mean_log_probs
from charrnn.config import HUB, Reading, Size
from charrnn.errors import CharRNNError, MissingInputError
from charrnn.examples.pairs import Pair, read_pairs
from charrnn.folder.record import CorpusRecord, ModelFolder
from charrnn.folder.resuming import origin_of_run
from charrnn.sampling.search import Path, Search, advance, last_tokens
from charrnn.scoring.batches import Batch, groups
from charrnn.task_config import Translate
from charrnn.tasks.answers import Translation
from charrnn.tasks.base import TaskModel
from charrnn.tasks.nets.decoder import Decoder, Written
from charrnn.tasks.nets.encoder import Encoder
from charrnn.tasks.scores.edits import character_error_rate, edit_distance, exact_match
from charrnn.tasks.scores.nearest import Nearest
from charrnn.tasks.scores.reports import Report
from charrnn.tasks.texts import as_ids, as_known, columns_for, corpus_of, tokenizer_of
from charrnn.text.prepared import same_vocabulary
from charrnn.text.scripts import unspaced
from charrnn.threads.numpy_jobs import results_of
from charrnn.use_config import LengthPenalty

__all__ = ["ERRORS", "Translator", "corpus_of_pairs", "nearest_targets", "report_of"]

ERRORS = "character error rate"  # the score that counts: it needs no library, and suits all pairs
AT_ONCE = 1 << 13  # tokens of sources that are read side by side, for all paths together
BEAMS = 4
GONE = "what it was trained on is no longer there, so nothing is looked up in it"
CHANGED = "what it was trained on has changed since, so nothing is looked up in it"
ON_HUB = "what it was trained on is on the hub, so nothing is looked up in it"
MORE = 1.5  # tokens of a translation for one of the source, beside those in training


class _Network(NamedTuple):
    """One network: what reads sources, and what writes translations."""

    encoder: Encoder
    decoder: Decoder


class Translator(TaskModel[Pair]):
    """A trained translator, or several. Get one from `charrnn.load`.

    Args:
        folders: at least one.

    Raises:
        BadDataError: if the vocabulary in one is not that of a task.
        UsageError: if the vocabularies differ.
    """

    answered_at_once: ClassVar[int] = 64  # a search takes some hundredths of a second for each

    def __init__(self, *folders: ModelFolder) -> None:
        super().__init__(*folders)
        task = folders[0].record.task
        assert isinstance(task, Translate), "the caller dispatches by task"
        self._tasks = [cast("Translate", folder.record.task) for folder in folders]
        self.task, self._path, self._corpus = task, folders[0].path, folders[0].record.corpus
        self._tokenizer = same_vocabulary([tokenizer_of(folder) for folder in folders])
        assert self._tokenizer.end_id is not None, "texts have ends"
        self._end = self._tokenizer.end_id
        parts = [(folder.record.model, folder.weights) for folder in folders]
        self._networks = [_Network(Encoder(*part), Decoder(*part)) for part in parts]

    @checked
    def predict(
        self,
        texts: Sequence[str],
        *,
        num_beams: Size = BEAMS,
        length_penalty: LengthPenalty = 1.0,
    ) -> list[Translation]:
        """What each text becomes; characters that the model does not know count as unknown ones.

        Args:
            texts: any number.
            num_beams: how many paths are followed for each; 1 always takes the likeliest token.
            length_penalty: above 0, longer translations are favoured.
        """
        known = as_known(texts, self._tokenizer)
        rows = [as_ids(text, self._tokenizer) for text in known]
        found: dict[int, Translation] = {}

        def translate(group: Batch) -> None:
            places, ids, lengths = group
            paths = self._search(ids, lengths, num_beams, length_penalty)
            found.update(zip(places.tolist(), map(self._translation, paths), strict=True))

        results_of(translate, groups(rows, AT_ONCE // num_beams))
        return [found[k] for k in range(len(rows))]

    def _search(
        self, ids: Ids, lengths: NDArray[np.integer], num_beams: int, length_penalty: float
    ) -> list[Path]:
        """The best path for each row of `ids` (B, T)."""
        searches = [
            Search(num_beams, length_penalty, self._limit(int(length)), self._is_whole)
            for length in lengths
        ]
        written = [
            network.decoder.start(network.encoder.read(ids, lengths), lengths)
            for network in self._networks
        ]
        memories, read = [one.memory for one in written], np.full(len(ids), self._end, np.int32)
        while len(read):
            logits, written = self._step(read, written)
            rows = advance(searches, mean_log_probs(logits))
            pairs = zip(written, memories, strict=True)
            written, read = [one.of(rows, memory) for one, memory in pairs], last_tokens(searches)
        # One that has not ended is an answer only if there is no other.
        return [(search.found or search.paths)[0] for search in searches]

    def _step(
        self, read: Ids, written: Sequence[Written]
    ) -> tuple[list[NDArray[np.float64]], list[Written]]:
        """Each network's logits (N, V) of the next token, and where its translations stand then."""
        logits, after = list[NDArray[np.float64]](), list[Written]()
        for network, before in zip(self._networks, written, strict=True):
            found, now = network.decoder.step(read, before)
            refuse_diverged(found.max(-1))
            logits.append(found.astype(np.float64))
            after.append(now)
        return logits, after

    def _limit(self, length: int) -> int:
        """Tokens of the longest translation of a source of so many, with its ends."""
        limits = [
            task.longest_target * max(1, MORE * ((length - 1) / task.longest_source))
            for task in self._tasks
        ]
        return math.ceil(max(limits))

    def _is_whole(self, path: Path) -> bool:
        return path.ids[-1] == self._end

    def _translation(self, path: Path) -> Translation:
        ids = path.ids[:-1] if self._is_whole(path) else path.ids
        return Translation(self._tokenizer.decoder()(ids, True), path.log_prob)

    def answers(self, pairs: Sequence[Pair]) -> list[Translation]:
        """The translation of each source."""
        return self.predict([pair.source for pair in pairs])

    def judged(self, pairs: Sequence[Pair], answers: Sequence[Translation]) -> Report:
        """How good translations are, beside copies and what could be looked up in the training."""
        notes: list[str] = []
        # An answer is in the form of Unicode that the model knows; another would be all errors.
        texts = self._tokenizer.in_known_form([text for pair in pairs for text in pair])
        wanted = list(map(Pair, texts[::2], texts[1::2]))
        report = report_of(wanted, answers, self._trained_on(notes))
        return msgspec.structs.replace(report, notes=(*notes, *report.notes))

    def _read(
        self,
        sources: Sequence[str | pathlib.Path],
        reading: Reading,
        label_column: str | None,
        notes: list[str],
    ) -> list[Pair]:
        """See `TaskModel`; raises what `read_pairs` does."""
        named = bool(reading.text_column or label_column)
        reading, label_column = columns_for(self.task, reading, label_column)
        return read_pairs(sources, reading, notes, label_column, named=named)

    def _trained_on(self, notes: list[str]) -> list[Pair]:
        """The pairs that it was trained on, those for validation among them, if they are there.

        Otherwise `notes` gets why they are not.
        """
        origin = origin_of_run(self._path)
        reason = GONE
        try:
            if origin is not None and any(one.startswith(HUB) for one in origin.sources):
                reason = ON_HUB  # nobody has asked to read it there again
            elif origin is not None and not origin.is_gone:
                pairs = self._read(origin.sources, origin.reading, None, [])
                found = corpus_of_pairs(origin.sources, pairs)
                if self._corpus is None or self._corpus.sha256 == found.sha256:
                    return pairs
                reason = CHANGED
        except CharRNNError as error:
            if not isinstance(error, MissingInputError):
                reason = f"{error.found}, so nothing is looked up in what it was trained on"
        notes.append(reason)
        return []


def corpus_of_pairs(files: Sequence[str | pathlib.Path], pairs: Sequence[Pair]) -> CorpusRecord:
    """What the model folder says of pairs."""
    targets = [pair.target for pair in pairs]
    corpus = corpus_of(files, [pair.source for pair in pairs], "\0".join(targets))
    characters = corpus.characters + sum(map(len, targets))
    return msgspec.structs.replace(corpus, characters=characters)


def report_of(
    pairs: Sequence[Pair],
    answers: Sequence[Translation],
    known: Sequence[Pair] = (),
    right: Sequence[Pair] = (),
) -> Report:
    """How good translations are, beside the sources themselves and what could be looked up.

    Args:
        pairs: what was translated, and what should become of it.
        answers: of the model.
        known: of the training; given, the translation of the most similar source is scored.
        right: see `nearest_targets`.
    """
    systems = {"": [answer.text for answer in answers], "copy": [pair.source for pair in pairs]}
    if known:
        nearest = Nearest([pair.source for pair in known])
        systems["nearest source"] = [known[nearest.find(pair.source)].target for pair in pairs]
    by_character = _lack_spaces([pair.target for pair in pairs])
    scores = {
        name: scores_of(texts, nearest_targets(texts, pairs, right), by_character=by_character)
        for name, texts in systems.items()
    }
    targets = _targets_of([*pairs, *right])
    several = sum(len(targets[source]) > 1 for source in {pair.source for pair in pairs})
    have = "1 source has" if several == 1 else f"{several:,} sources have"
    notes = [f"{have} several targets; an answer is compared with the nearest"] if several else []
    own = scores.pop("")
    if "chrF" not in own:
        notes.append("for chrF and BLEU: pip install sacrebleu")
    elif by_character:
        notes.append("BLEU is of characters, as the targets have no spaces between words")
    return Report(
        metric=ERRORS,
        count=len(pairs),
        scores=own,
        baselines=scores,
        higher_is_better=False,
        notes=tuple(notes),
    )


def _targets_of(pairs: Sequence[Pair]) -> dict[str, list[str]]:
    """The different targets of each source."""
    found = defaultdict[str, dict[str, None]](dict)
    for source, target in pairs:
        found[source][target] = None
    return {source: list(targets) for source, targets in found.items()}


def nearest_targets(
    answers: Sequence[str], pairs: Sequence[Pair], right: Sequence[Pair] = ()
) -> list[str]:
    """What each answer to the source of a pair is compared with: of several targets, the nearest.

    A word may be said in several ways, any of which is right: Yao and Zweig, "Sequence-to-sequence
    neural net models for grapheme-to-phoneme conversion", 2015, count so.

    Args:
        answers: one to each pair's source.
        pairs: some, or all.
        right: others whose targets are right for their sources, too.
    """
    targets = _targets_of([*pairs, *right])
    nearest = dict[tuple[str, str], str]()
    for answer, (source, _) in zip(answers, pairs, strict=True):
        if (source, answer) not in nearest:
            nearest[source, answer] = min(targets[source], key=partial(edit_distance, answer))
    return [nearest[pair.source, answer] for answer, pair in zip(answers, pairs, strict=True)]


def _lack_spaces(texts: Sequence[str]) -> bool:
    """Whether texts are mostly in writing that has no spaces between its words."""
    whole = "".join(texts)
    return 2 * sum(unspaced(whole)) > sum(map(str.isalpha, whole))


def scores_of(
    answers: Sequence[str], targets: Sequence[str], *, by_character: bool
) -> dict[str, float]:
    """Scores by name; those of sacrebleu, from 0 to 100, only where it is installed.

    Args:
        answers, targets: as many.
        by_character: whether BLEU compares characters instead of words.
    """
    scores = {
        ERRORS: character_error_rate(answers, targets),
        "exact match": exact_match(answers, targets),
    }
    try:
        from sacrebleu import BLEU, CHRF
    except ImportError:
        return scores
    scores["chrF"] = CHRF().corpus_score(answers, [targets]).score
    # Single words have no four in a row, and full stops may stand alone.
    words = "char" if by_character else BLEU.TOKENIZER_DEFAULT
    bleu = BLEU(effective_order=True, force=True, tokenize=words)
    scores["BLEU"] = bleu.corpus_score(answers, [targets]).score
    return scores
