"""How well networks predict a text: nats a token, over every token, sums divided once.

surprisals(network, ids)    # (N,) → (N-1,)
"""

from __future__ import annotations

import math
from collections.abc import Callable, Generator, Iterator, Sequence
from pathlib import Path
from typing import Any

import numpy as np
import torch
from numpy.typing import NDArray
from torch import Tensor
from torch.nn.functional import cross_entropy

from charrnn.arrays import Ids, Surprisals
from charrnn.config import EvalConfig, settings_from, takes
from charrnn.errors import UsageError
from charrnn.evaluation.dynamic import Adapting, typical_gradients
from charrnn.folder.record import find_model, read_model
from charrnn.network.char_rnn import CharRNN
from charrnn.scoring.score import Score, score_of
from charrnn.text.tokenizer import Tokenizer, Unknown, same_vocabulary

__all__ = ["costs", "evaluate", "load_networks", "reading", "surprisals", "targets"]

MAX_LANES = 64
WARM_UP = 512  # tokens; what came before changes the loss by less than 1e-4 nats a token
CHUNK = 64  # time steps a call; divides WARM_UP


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
        text: at least two tokens; the first is not predicted.
        adapt_from: for dynamic evaluation, the text that was trained on.
        unknown: what to do with characters that the models don't know.
        settings: any of `EvalConfig`.

    Raises:
        CharRNNError: for models that can't be read, or don't share a vocabulary; texts too short,
            or with unknown characters; settings out of bounds.
    """
    config = settings_from(EvalConfig, settings)
    paths = [models] if isinstance(models, (str, Path)) else list(models)
    networks, tokenizer = load_networks(paths)
    ids = tokenizer.encode(text, unknown)
    training_ids = None if adapt_from is None else tokenizer.encode(adapt_from, "skip")
    nats = costs(networks, ids, config, training_ids)
    return score_of(float(nats.sum(dtype=np.float64)), tokenizer, targets(ids, config))


def load_networks(models: Sequence[str | Path]) -> tuple[list[CharRNN], Tokenizer]:
    """Networks that share a vocabulary, and the vocabulary.

    Raises:
        CharRNNError: if there is none, one can't be read, or they differ.
    """
    if not models:
        raise UsageError("there is no model to evaluate", "name at least one")
    tokenizer = same_vocabulary([read_model(find_model(model)).tokenizer for model in models])
    return [CharRNN.from_pretrained(model) for model in models], tokenizer


def costs(
    networks: Sequence[CharRNN],
    ids: Ids,
    config: EvalConfig,
    training_ids: Ids | None = None,
    progress: Callable[[int], object] = id,
) -> Surprisals:
    """What the targets cost under the mean of the networks' probabilities.

    Args:
        networks: at least one; they are not changed.
        ids: (N,).
        config: how to score.
        training_ids: given, the networks adapt to what they have scored (dynamic evaluation).
        progress: is told how many tokens of one network were scored since it was last told.

    Raises:
        UsageError: for fewer than two tokens, or dynamic evaluation in windows.
    """
    if len(ids) < 2:
        raise UsageError(f"the text has {len(ids)} tokens", "give at least two")
    if training_ids is None:
        found = [surprisals(network, ids, config) for network in networks]
        progress(len(found[0]) * len(found))
        return _mixed(found)
    if config.protocol != "carried" or len(training_ids) < 2:
        raise UsageError(
            "dynamic evaluation carries the state, and needs the text that was trained on",
            "leave --protocol out, and name that text",
        )
    found = []
    for network in networks:
        typical = typical_gradients(network, training_ids, config.segment)
        parts = []
        for part in Adapting(network, typical, config).score(ids):
            parts.append(part)
            progress(len(part))
        found.append(np.concatenate(parts))
    return _mixed(found)


def surprisals(network: CharRNN, ids: Ids, config: EvalConfig | None = None) -> Surprisals:
    """What each token of a text costs: -log p, given what came before it.

    Neither the network, its mode nor any random generator is changed.

    Args:
        network: any mode; dropout is off meanwhile.
        ids: (N,), at least 2.
        config: protocol and windows; by default the state is carried.

    Returns:
        nats: one for each of `targets`.
    """
    steps = reading(network, ids, config)
    while True:
        try:
            next(steps)
        except StopIteration as end:
            found: Surprisals = end.value
            return found


@torch.inference_mode()
def reading(
    network: CharRNN, ids: Ids, config: EvalConfig | None = None
) -> Generator[None, None, Surprisals]:
    """`surprisals`, pausing every so many tokens, so that who waits can stop waiting."""
    config = config or EvalConfig()
    training = network.training
    network.eval()
    try:
        if config.protocol == "carried":
            return (yield from _carried(network, ids))
        parts = []
        size = min(config.window, len(ids) - 1)
        for part in _windows(network, ids, _starts(len(ids) - 1, config), size):
            parts.append(part)
            yield
        return np.concatenate(parts)
    finally:
        network.train(training)


def targets(ids: Ids, config: EvalConfig) -> Ids:
    """The tokens that are scored: all but the first, or those of the random windows in turn."""
    if config.protocol == "carried" or config.random_windows is None:
        return ids[1:]
    size = min(config.window, len(ids) - 1)
    places = _starts(len(ids) - 1, config)[:, None] + np.arange(1, size + 1)  # (K, W)
    wanted: Ids = ids[places].ravel()
    return wanted


def _mixed(each: Sequence[Surprisals]) -> Surprisals:
    """What tokens cost under the mean of several models' probabilities."""
    if len(each) == 1:
        return each[0]
    total = np.logaddexp.reduce([-nats.astype(np.float64) for nats in each])
    cost: Surprisals = (math.log(len(each)) - total).astype(np.float32)
    return cost


def _carried(network: CharRNN, ids: Ids) -> Generator[None, None, Surprisals]:
    """The text is read in lanes side by side.

    Each begins `WARM_UP` tokens before the first that it scores, which brings its state to where
    one reader of the whole text would have it.
    """
    count = len(ids) - 1
    lanes = min(MAX_LANES, max(1, count // (4 * WARM_UP)))
    warm_up = WARM_UP if lanes > 1 else 0
    stride = math.ceil(count / lanes)  # tokens scored by a lane
    starts = np.arange(lanes) * stride - warm_up  # (B,), where each lane begins to read
    device = next(network.parameters()).device
    found = np.empty(count, np.float32)
    state = None
    for time in range(0, warm_up + stride, CHUNK):
        at = starts[:, None] + np.arange(time, min(time + CHUNK, warm_up + stride))  # (B, T)
        inside = at.clip(0, count - 1)
        if time == warm_up and state is not None:
            # The first lane had nothing to warm up on: the text begins here.
            keep = torch.arange(lanes, device=device)[:, None] > 0  # (B, 1)
            state = tuple(part * keep for part in state)
        logits, state = network(_tensor(ids[inside], device), state)  # (B, T, V)
        if time >= warm_up:
            own = (at >= 0) & (at < count)
            # Lanes may end in the next one's part, where they have read the same text.
            found[at[own]] = _losses(logits, ids[inside + 1])[own]
        yield
    return found


def _windows(
    network: CharRNN, ids: Ids, starts: NDArray[np.intp], size: int
) -> Iterator[Surprisals]:
    """Windows of `size` that begin at `starts`, each from the empty state."""
    device = next(network.parameters()).device
    count = len(ids) - 1
    for first in range(0, len(starts), MAX_LANES):
        at = starts[first : first + MAX_LANES, None] + np.arange(size)  # (B, T)
        inside = at.clip(max=count - 1)
        logits, _ = network(_tensor(ids[inside], device))  # (B, T, V)
        yield _losses(logits, ids[inside + 1])[at < count]


def _starts(count: int, config: EvalConfig) -> NDArray[np.intp]:
    """Where the windows begin that score `count` tokens, or some of them."""
    starts: NDArray[np.intp] = np.arange(0, count, config.window)
    if config.random_windows is not None:
        last = max(count - config.window, 0)
        random = np.random.default_rng(config.seed)
        starts = random.integers(last + 1, size=config.random_windows)
    return starts


def _tensor(ids: NDArray[np.int32], device: torch.device) -> Tensor:
    return torch.from_numpy(ids).to(device)


def _losses(logits: Tensor, next_ids: NDArray[np.int32]) -> Surprisals:
    """-log p of each next token (B, T)."""
    wanted = torch.from_numpy(next_ids.astype(np.int64)).to(logits.device)
    losses = cross_entropy(logits.flatten(0, 1).float(), wanted.flatten(), reduction="none")
    found: Surprisals = losses.view(wanted.shape).cpu().numpy()
    return found
