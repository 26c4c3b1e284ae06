"""What each token of a text costs under one network: -log p, given what came before it.

    surprisals(network, ids)    # (N,) → (N-1,)

Each token but the first is scored once; random windows may score one several times. Of records,
each token and each end is scored.
"""

from __future__ import annotations

from collections.abc import Callable, Generator
from typing import Any

import numpy as np
import torch
from numpy.typing import NDArray
from torch import Tensor
from torch.nn.functional import cross_entropy

from charrnn.arrays import Surprisals
from charrnn.cells.rules import State
from charrnn.network.char_rnn import CharRNN
from charrnn.scoring.batches import alike
from charrnn.scoring.lanes import CHUNK, MAX_LANES, SPLIT_FROM, chunks
from charrnn.scoring.score import Score, score_of
from charrnn.text.records import PAD, EncodedText, Records
from charrnn.text.tokenizer import Tokenizer
from charrnn.use_config import EvalConfig

__all__ = ["in_pieces", "surprisals", "targets", "text_score"]

MAX_RECORDS = 256  # side by side; they are short


def surprisals(
    network: CharRNN,
    text: EncodedText,
    config: EvalConfig | None = None,
    progress: Callable[[int], object] = lambda _: None,
) -> Surprisals:
    """What each token of a text costs, in nats.

    Neither the network, its mode nor any random generator is changed.

    Args:
        network: in any mode; dropout is off meanwhile.
        text: ids (N,), at least 2; or records.
        config: protocol and windows; by default the state is carried.
        progress: called with how many tokens were scored since the last call.

    Returns:
        nats: one for each of `targets`.
    """
    pieces = in_pieces(network, text, config, progress)
    try:
        while True:
            next(pieces)
    except StopIteration as end:
        nats: Surprisals = end.value
        return nats


@torch.inference_mode()
def in_pieces(
    network: CharRNN,
    text: EncodedText,
    config: EvalConfig | None = None,
    progress: Callable[[int], object] = lambda _: None,
) -> Generator[None, None, Surprisals]:
    """`surprisals`, chunk by chunk, so that the caller can do something else in between."""
    config = config or EvalConfig()
    training = network.training
    network.eval()
    try:
        if isinstance(text, Records):
            return (yield from _of_records(network, text, progress))
        if config.protocol == "windows":
            return (yield from _windows(network, text, config, progress))
        return (yield from _carried(network, text, progress))
    finally:
        network.train(training)


def _of_records(
    network: CharRNN, records: Records, progress: Callable[[int], object]
) -> Generator[None, None, Surprisals]:
    """Each record from the empty state; those of about equal length side by side.

    A few that are very long are read one by one instead, each in lanes of its own.
    """
    nats = np.empty(records.size, np.float32)
    begins = np.cumsum(records.lengths) - records.lengths  # of each record in `nats`
    for rows in alike(records.lengths, MAX_RECORDS):
        state = None
        longest = int(records.lengths[rows[-1]])
        if longest > SPLIT_FROM * len(rows):
            for row in rows:
                length, first = records.lengths[row], records.begins[row]
                ids = records.ids[first : first + length + 1].astype(np.int32)
                found = yield from _carried(network, ids, progress)
                nats[begins[row] : begins[row] + length] = found
            continue
        for time in range(0, longest, CHUNK):
            window = records.windows(rows, time, min(CHUNK, longest - time))  # (B, T+1)
            inputs, wanted = np.maximum(window[:, :-1], 0), window[:, 1:]
            logits, state = network(_tensor(inputs, network), state)
            own = wanted != PAD
            at = begins[rows][:, None] + time + np.arange(wanted.shape[1])  # (B, T)
            nats[at[own]] = _losses(logits, wanted)[own]
            progress(int(own.sum()))
            yield
    return nats


def _carried(
    network: CharRNN, ids: NDArray[np.integer], progress: Callable[[int], object]
) -> Generator[None, None, Surprisals]:
    """A story, read in lanes side by side; see `scoring.lanes`."""
    nats = np.empty(len(ids) - 1, np.float32)
    state: State | None = None
    for at, own, keep in chunks(len(nats)):
        if keep is not None and state is not None:
            state = tuple(part * _tensor(keep, network) for part in state)
        logits, state = network(_tensor(ids[at], network), state)  # (B, T, V)
        if own is not None:
            nats[at[own]] = _losses(logits, ids[at + 1])[own]
            progress(int(own.sum()))
        yield
    return nats


def _windows(
    network: CharRNN,
    ids: NDArray[np.integer],
    config: EvalConfig,
    progress: Callable[[int], object],
) -> Generator[None, None, Surprisals]:
    """Windows, each read from the empty state."""
    count = len(ids) - 1
    starts = _starts(count, config)
    size = min(config.window, count)
    parts = []
    for first in range(0, len(starts), MAX_LANES):
        begins = starts[first : first + MAX_LANES, None]  # (B, 1)
        inside = begins + np.arange(size) < count  # (B, W)
        nats, state = np.empty(inside.shape, np.float32), None
        for time in range(0, size, CHUNK):
            times = np.arange(time, min(time + CHUNK, size))  # (T,)
            at = (begins + times).clip(max=count - 1)  # (B, T)
            logits, state = network(_tensor(ids[at], network), state)  # (B, T, V)
            nats[:, times] = _losses(logits, ids[at + 1])
            progress(int(inside[:, times].sum()))
            yield
        parts.append(nats[inside])
    return np.concatenate(parts)


def targets(text: EncodedText, config: EvalConfig) -> NDArray[np.integer]:
    """The tokens that are scored: all but the first, or those of the random windows in turn."""
    if isinstance(text, Records):
        return text.targets()
    ids = text
    if config.protocol != "windows" or config.random_windows is None:
        return ids[1:]
    size = min(config.window, len(ids) - 1)
    places = _starts(len(ids) - 1, config)[:, None] + np.arange(1, size + 1)  # (K, W)
    wanted: NDArray[np.integer] = ids[places].ravel()
    return wanted


def text_score(
    nats: Surprisals, text: EncodedText, config: EvalConfig, tokenizer: Tokenizer
) -> Score:
    """The score of a text, whose `targets` cost these nats."""
    # Records begin with an end, and random windows begin anywhere, within characters, too.
    begins = None if isinstance(text, Records) or config.random_windows else int(text[0])
    return score_of(float(nats.sum(dtype=np.float64)), tokenizer, targets(text, config), begins)


def _tensor(values: NDArray[Any], network: CharRNN) -> Tensor:
    return torch.from_numpy(values).to(network.device)


def _starts(count: int, config: EvalConfig) -> NDArray[np.intp]:
    """Where the windows begin that score `count` tokens, or some of them."""
    starts: NDArray[np.intp] = np.arange(0, count, config.window)
    if config.random_windows is not None:
        last = max(count - config.window, 0)
        random = np.random.default_rng(config.seed)
        starts = random.integers(last + 1, size=config.random_windows)
    return starts


def _losses(logits: Tensor, next_ids: NDArray[np.integer]) -> Surprisals:
    """-log p of each next token (B, T); 0 for those that are `PAD`."""
    wanted = torch.from_numpy(next_ids.astype(np.int64)).to(logits.device)
    losses = cross_entropy(logits.flatten(0, 1).float(), wanted.flatten(), reduction="none")
    nats: Surprisals = losses.view(wanted.shape).cpu().numpy()
    return nats
