"""How well one network, or several together, predict a text.

evaluate("checkpoints/novel", text).bits_per_char
"""

from __future__ import annotations

import math
from collections.abc import Callable, Sequence
from pathlib import Path
from typing import Any, TypeAlias

import numpy as np
import torch
from numpy.typing import NDArray

from charrnn.arguments import checked
from charrnn.arrays import Ids, Surprisals, underflowing
from charrnn.config import Unknown
from charrnn.errors import CharRNNError, UsageError
from charrnn.evaluation.dynamic import Adapting, typical_gradients
from charrnn.evaluation.surprisals import surprisals, text_score
from charrnn.folder.reading import find_model, read_model
from charrnn.folder.record import ModelFolder
from charrnn.learning.hardware.devices import (
    choose_device,
    keep_bits,
    lacks_memory,
    memory_told,
    warn_of_gpu,
)
from charrnn.models.mixture import Mixture, same_direction
from charrnn.models.model import Model
from charrnn.models.predictor import Predictor
from charrnn.network.char_rnn import CharRNN
from charrnn.network.modes import own_modes
from charrnn.scoring.score import Score
from charrnn.settings import settings_from, takes
from charrnn.text.prepared import as_read, as_trained, refuse_file_names, same_vocabulary
from charrnn.text.records import EncodedText, Records
from charrnn.text.spool import records_of
from charrnn.text.tokenizer import Tokenizer
from charrnn.use_config import EvalConfig

AnyModel = str | Path | Model | Mixture
AnyNetwork: TypeAlias = "CharRNN | Sequence[AnyNetwork]"  # several are mixed

__all__ = [
    "evaluate",
    "load_networks",
    "mixed_surprisals",
    "refuse_for_records",
    "refuse_unused_settings",
]


@takes(EvalConfig)
@checked
def evaluate(
    models: AnyModel | Sequence[AnyModel],
    text: str,
    *,
    adapt_from: str | None = None,
    unknown: Unknown = "error",
    **settings: Any,
) -> Score:
    """How well a model, or the mean of several, predicts a text.

    Args:
        models: a model folder or a name in `checkpoints/`, a `Model` or a `Mixture`; or several.
        text: the text itself, at least two tokens; the first is not predicted. It is read as
            training would have. For a model of records, one or several of them with what ends them
            in between; all of each is predicted, and its end. The path of a file is refused, if it
            has a suffix or names a folder; a word is a text, even where a file has its name.
        adapt_from: for dynamic evaluation, the text that the model was trained on, itself.
        unknown: what to do with characters that the models don't know.
        settings: any of `EvalConfig`.

    Raises:
        CharRNNError: for models that can't be read, or don't share a vocabulary; texts too short,
            or with unknown characters; paths of files in place of texts; settings out of bounds.
    """
    config = settings_from(EvalConfig, settings)
    refuse_file_names(text=text, adapt_from=adapt_from)
    given = [models] if isinstance(models, (str, Path, Model, Mixture)) else models
    networks, tokenizer, reverse, records_kind = load_networks(given)
    text = as_trained(text, tokenizer)
    read: EncodedText
    if tokenizer.end is None:
        read = as_read(tokenizer.encode(text, unknown), reverse)
    else:
        read = records_of(text, tokenizer, unknown, records_kind, reverse=reverse)
    training_ids = None
    if adapt_from is not None:
        ids = tokenizer.encode(as_trained(adapt_from, tokenizer), "skip")
        training_ids = as_read(ids, reverse)
    nats = mixed_surprisals(networks, read, config, training_ids)
    return text_score(nats, read, config, tokenizer)


def load_networks(
    models: Sequence[AnyModel],
) -> tuple[Sequence[AnyNetwork], Tokenizer, bool, str]:
    """Networks that can be asked together, on a GPU if there is one.

    Returns:
        networks: one for each model, or several in a list for a mixture.
        tokenizer: their vocabulary.
        reverse: whether they read backwards.
        records_kind: what the first was trained on a list of; see `Predictor`.

    Raises:
        CharRNNError: if there is none, one can't be read, or they differ.
    """
    if not models:
        raise UsageError("there is no model to evaluate", "name at least one")
    found = [m if isinstance(m, (Model, Mixture)) else read_model(find_model(m)) for m in models]
    tokenizer = same_vocabulary([model.tokenizer for model in found])
    reverse = same_direction(found)
    with own_modes(), memory_told(lambda: "free some"):
        networks = _loaded(found)
    return networks, tokenizer, reverse, found[0].records_kind


def _device() -> torch.device:
    """A GPU if this process can use one, else the processor."""
    try:
        device = choose_device("auto")
    except UsageError:  # a run is refused then, but a text can be scored all the same
        device = torch.device("cpu")
    keep_bits(device)
    return device


def _loaded(models: Sequence[ModelFolder | Predictor]) -> list[AnyNetwork]:
    """Their networks, on the processor where another program fills the GPU."""
    device = _device()
    try:
        return [_network(model, device) for model in models]
    except RuntimeError as error:
        if device.type == "cpu" or not lacks_memory(error):
            raise
    warn_of_gpu("its memory is full")
    return [_network(model, torch.device("cpu")) for model in models]


def _network(model: ModelFolder | Predictor, device: torch.device) -> AnyNetwork:
    if isinstance(model, Mixture):
        return [_network(part, device) for part in model.models]
    if isinstance(model, Model):
        return CharRNN.from_weights(model.config, model.weights).to(device)
    assert isinstance(model, ModelFolder), "there is no other kind of model"
    return CharRNN.from_folder(model).to(device)


def mixed_surprisals(
    networks: Sequence[AnyNetwork],
    text: EncodedText,
    config: EvalConfig,
    training_ids: Ids | None = None,
    progress: Callable[[int], object] = lambda _: None,
) -> Surprisals:
    """What tokens cost, in nats, under the mean of the networks' probabilities.

    Args:
        networks: at least one; they are not changed. Several in a list count as one.
        text: ids (N,), or records.
        config: how to score.
        training_ids: given, the networks adapt to what they have scored (dynamic evaluation).
        progress: called with how many tokens of one network were scored since the last call.

    Returns:
        nats: one for each of `targets`.

    Raises:
        UsageError: for fewer than two tokens, a protocol for texts of another kind, dynamic
            evaluation in windows, or settings that would do nothing.
    """
    refuse_unused_settings(config, dynamic=training_ids is not None)
    if isinstance(text, Records):
        refuse_for_records(config, dynamic=training_ids is not None)
    elif len(text) < 2:
        raise UsageError(f"the text has {len(text)} of the two tokens it needs", "use a longer one")
    if training_ids is not None and len(training_ids) < 2:
        found = "the text to adapt from has fewer than two tokens that the model knows"
        raise UsageError(found, "name the text that the model was trained on")
    advice = "free some"
    if _is_on_gpu(networks):  # PyTorch looks at the variable once
        advice += "; to leave a GPU alone, set CUDA_VISIBLE_DEVICES= before Python starts"
    with own_modes(), memory_told(lambda: advice):
        return _mixed(networks, text, config, training_ids, progress)


def _is_on_gpu(networks: Sequence[AnyNetwork]) -> bool:
    """Whether the first is, and so all of them."""
    first = networks[0]
    return first.device.type == "cuda" if isinstance(first, CharRNN) else _is_on_gpu(first)


def _mixed(
    networks: Sequence[AnyNetwork],
    text: EncodedText,
    config: EvalConfig,
    training_ids: Ids | None,
    progress: Callable[[int], object],
) -> Surprisals:
    each = []
    for network in networks:
        if not isinstance(network, CharRNN):
            each.append(_mixed(network, text, config, training_ids, progress))
        elif training_ids is None:
            each.append(surprisals(network, text, config, progress))
        else:
            assert not isinstance(text, Records), "refused above"
            each.append(_adapting(network, text, config, training_ids, progress))
    return _mean_probability(each)


def _adapting(
    network: CharRNN,
    ids: NDArray[np.integer],
    config: EvalConfig,
    training_ids: Ids,
    progress: Callable[[int], object],
) -> Surprisals:
    """What tokens cost while the network adapts to those before."""
    typical = typical_gradients(network, training_ids, config.segment)
    parts = []
    for part in Adapting(network, typical, config).score(ids.astype(np.int32)):
        parts.append(part)
        progress(len(part))
    nats = np.concatenate(parts)
    if not np.isfinite(nats).all():
        raise CharRNNError("dynamic evaluation has diverged", "choose a lower rate")
    return nats


def refuse_for_records(config: EvalConfig, *, dynamic: bool) -> None:
    """Refuse what is for stories alone, with a model of records.

    Raises:
        UsageError: if there is anything.
    """
    if config.protocol is not None:
        raise UsageError(
            f"a model of records scores each by itself, not {config.protocol}",
            "leave the protocol out",
        )
    if dynamic:
        raise UsageError(
            "a model of records carries nothing from one to the next to adapt to",
            "leave --dynamic (in Python adapt_from) out",
        )


def refuse_unused_settings(config: EvalConfig, *, dynamic: bool) -> None:
    """Refuse settings that change nothing without another, or beside another.

    Raises:
        UsageError: if there is one.
    """
    if dynamic and config.protocol == "windows":
        raise UsageError("dynamic evaluation carries the state", "leave the protocol out")
    in_windows, own = config.protocol == "windows", EvalConfig()
    known = "--dynamic TEXT (in Python adapt_from)"
    needs = (
        (in_windows, ("window", "random_windows"), "windows", "the protocol windows"),
        (config.random_windows is not None, ("seed",), "random windows", "their number"),
        (dynamic, ("segment", "rate", "decay"), "dynamic evaluation", known),
    )
    for there, names, what, wanted in needs:
        for name in names:
            if not there and getattr(config, name) != getattr(own, name):
                raise UsageError(f"{name} needs {what}", f"add {wanted}, or leave it out", name)


def _mean_probability(each: Sequence[Surprisals]) -> Surprisals:
    """What tokens cost under the mean of several models' probabilities."""
    if len(each) == 1:
        return each[0]
    with underflowing():
        total = np.logaddexp.reduce([-nats.astype(np.float64) for nats in each])
    nats: Surprisals = (math.log(len(each)) - total).astype(np.float32)
    return nats
