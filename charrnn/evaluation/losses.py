"""How well one network, or several together, predict a text.

evaluate("checkpoints/novel", text).bits_per_char
"""

from __future__ import annotations

import math
from collections.abc import Callable, Sequence
from pathlib import Path
from typing import Any

import numpy as np

from charrnn.arrays import Ids, Surprisals
from charrnn.config import EvalConfig, Unknown, settings_from, takes
from charrnn.errors import CharRNNError, UsageError
from charrnn.evaluation.dynamic import Adapting, typical_gradients
from charrnn.evaluation.surprisals import surprisals, targets
from charrnn.folder.record import find_model, read_model
from charrnn.network.char_rnn import CharRNN
from charrnn.scoring.score import Score, score_of
from charrnn.text.records import Records, Text
from charrnn.text.spool import records_of
from charrnn.text.tokenizer import Tokenizer, same_vocabulary

__all__ = ["evaluate", "load_networks", "mixed_surprisals"]


@takes(EvalConfig)
def evaluate(
    models: str | Path | Sequence[str | Path],
    text: str,
    *,
    adapt_from: str | None = None,
    unknown: Unknown = "error",
    **settings: Any,
) -> Score:
    """How well a model, or the mean of several, predicts a text.

    Args:
        models: a model folder or a name in `checkpoints/`, or several.
        text: at least two tokens; the first is not predicted. For a model of records, one or
            several of them with what ends them in between; all of each is predicted, and its end.
        adapt_from: for dynamic evaluation, the text that the model was trained on.
        unknown: what to do with characters that the models don't know.
        settings: any of `EvalConfig`.

    Raises:
        CharRNNError: for models that can't be read, or don't share a vocabulary; texts too short,
            or with unknown characters; settings out of bounds.
    """
    config = settings_from(EvalConfig, settings)
    paths = [models] if isinstance(models, (str, Path)) else list(models)
    networks, tokenizer = load_networks(paths)
    read: Text
    if tokenizer.end is None:
        read = tokenizer.encode(text, unknown)
    else:
        read = records_of(text, tokenizer, unknown)
    training_ids = None if adapt_from is None else tokenizer.encode(adapt_from, "skip")
    nats = mixed_surprisals(networks, read, config, training_ids)
    return score_of(float(nats.sum(dtype=np.float64)), tokenizer, targets(read, config))


def load_networks(models: Sequence[str | Path]) -> tuple[list[CharRNN], Tokenizer]:
    """Networks that share a vocabulary, and the vocabulary.

    Raises:
        CharRNNError: if there is none, one can't be read, or they differ.
    """
    if not models:
        raise UsageError("there is no model to evaluate", "name at least one")
    found = [read_model(find_model(model)) for model in models]
    tokenizer = same_vocabulary([model.tokenizer for model in found])
    return [CharRNN.from_folder(model) for model in found], tokenizer


def mixed_surprisals(
    networks: Sequence[CharRNN],
    text: Text,
    config: EvalConfig,
    training_ids: Ids | None = None,
    progress: Callable[[int], object] | None = None,
) -> Surprisals:
    """What tokens cost, in nats, under the mean of the networks' probabilities.

    Args:
        networks: at least one; they are not changed.
        text: ids (N,), or records.
        config: how to score.
        training_ids: given, the networks adapt to what they have scored (dynamic evaluation).
        progress: called with how many tokens of one network were scored since the last call.

    Returns:
        nats: one for each of `targets`.

    Raises:
        UsageError: for fewer than two tokens, a protocol for texts of another kind, or dynamic
            evaluation in windows.
    """
    if isinstance(text, Records):
        _refuse_for_records(config, dynamic=training_ids is not None)
    elif config.protocol == "records":
        raise UsageError("this is no model of records", "leave --protocol out")
    elif len(text) < 2:
        raise UsageError(f"the text has {len(text)} of the two tokens it needs", "use a longer one")
    if training_ids is not None and (config.protocol == "windows" or len(training_ids) < 2):
        raise UsageError(
            "dynamic evaluation carries the state, and needs the text that was trained on",
            "leave --protocol out, and name that text",
        )
    each = []
    for network in networks:
        if training_ids is None:
            each.append(surprisals(network, text, config))
            if progress is not None:
                progress(len(each[-1]))
            continue
        assert not isinstance(text, Records), "refused above"
        typical = typical_gradients(network, training_ids, config.segment)
        parts = []
        for part in Adapting(network, typical, config).score(text.astype(np.int32)):
            parts.append(part)
            if progress is not None:
                progress(len(part))
        each.append(np.concatenate(parts))
        if not np.isfinite(each[-1]).all():
            raise CharRNNError("dynamic evaluation has diverged", "choose a lower --rate")
    return _mean_probability(each)


def _refuse_for_records(config: EvalConfig, *, dynamic: bool) -> None:
    if config.protocol not in (None, "records"):
        raise UsageError(
            f"a model of records scores each by itself, not {config.protocol}",
            "leave --protocol out",
        )
    if dynamic:
        raise UsageError(
            "a model of records carries nothing from one to the next to adapt to",
            "leave --dynamic out",
        )


def _mean_probability(each: Sequence[Surprisals]) -> Surprisals:
    """What tokens cost under the mean of several models' probabilities."""
    if len(each) == 1:
        return each[0]
    total = np.logaddexp.reduce([-nats.astype(np.float64) for nats in each])
    nats: Surprisals = (math.log(len(each)) - total).astype(np.float32)
    return nats
