"""Gradients over time: how far back a loss reaches when it is propagated through the steps.

    gradients([model], text)    # ‖∂ loss at t / ∂ h at t-k‖ for k = 0, 1, 2, …

This is what training by back-propagation through time has to learn from, and why it fails where the
gradient vanishes. PyTorch follows the steps of the cells' own rules; everything else that looks
inside a model needs NumPy alone.
Bengio, Simard and Frasconi, "Learning long-term dependencies with gradient descent is difficult",
1994; Hochreiter and Schmidhuber, "Long short-term memory", 1997.
"""

from __future__ import annotations

from collections.abc import Callable, Sequence

import msgspec
import numpy as np
from numpy.typing import NDArray

from charrnn.arguments import checked
from charrnn.array_checks import refuse_diverged
from charrnn.arrays import Floats, Ids
from charrnn.cells.rules import See, State
from charrnn.config import Unknown
from charrnn.errors import CharRNNError, UsageError
from charrnn.inside.lanes import activity, refuse_records_and_backwards, shares, story_ids
from charrnn.models.model import Model
from charrnn.models.predictor import Predictor
from charrnn.text.prepared import same_vocabulary

try:
    import torch
    from torch import Tensor
    from torch.nn.functional import cross_entropy
except ModuleNotFoundError:
    raise CharRNNError("gradients need PyTorch, which is not installed", "install torch") from None

__all__ = ["Gradients", "gradients", "norms_back"]

BACK = 100  # k, steps back, at most
LEAST = 4  # tokens of a text for each of these
WARM_UP = 200  # tokens read before, so that the state is one that occurs
LOSSES, LEAST_LOSSES = 256, 16  # tokens whose loss is followed back
SPACE = 1 << 28  # bytes that the steps between may take
MEMORY_TOKENS, LEAST_MEMORY_TOKENS = 20_000, 2000  # on which gates are looked at
# Multiplications and additions that either may take: about a minute.
WORK, MEMORY_WORK = 1e12, 5e10
GATES = {"lstm": "f", "gru": "z"}  # the gate that keeps what there is


class Gradients(msgspec.Struct, frozen=True, kw_only=True):
    """How the gradient of a model's loss falls or grows on its way back.

    Attributes:
        model: its name, or its cell and size.
        steps: k, how many tokens back.
        median: over many losses, the norm of the derivative of a loss with respect to the h of all
            layers k tokens back, divided by that at k = 0.
        low, high: a quarter of the losses are below, and a quarter above.
        memory: for each unit, how many tokens its gate keeps what it holds: the time until a 1/e-th
            of it is left, -1 / mean ln f, with f the forget gate of an LSTM or the update gate of
            a GRU; one list for each layer, None for a cell without such a gate.
    """

    model: str
    steps: tuple[int, ...]
    median: tuple[float, ...]
    low: tuple[float, ...]
    high: tuple[float, ...]
    memory: tuple[tuple[float, ...], ...] | None


@checked
def gradients(
    models: Sequence[Predictor],
    text: str,
    *,
    unknown: Unknown = "error",
    progress: Callable[[float], object] | None = None,
) -> list[Gradients]:
    """Gradients over time, of one or several models on the same text.

    Args:
        models: at least one; with the same vocabulary.
        text: some hundreds of characters or more.
        unknown: what to do with characters that the models do not know.
        progress: called with which share of the work was done since the last call.

    Raises:
        UsageError: for a mixture, models of records or those that read backwards, other
            vocabularies, a text too short, or unknown characters if these are errors.
        BadDataError: if a gradient is not a number.
    """
    single = [model for model in models if isinstance(model, Model)]
    if len(single) < len(models):
        raise UsageError("gradients are those of single models", "name them one by one")
    if not single:
        raise UsageError("there is no model", "give a list of at least one")
    same_vocabulary([model.tokenizer for model in single])
    for model in single:
        refuse_records_and_backwards(model)
    ids = story_ids(single[0], text, unknown, LEAST)  # (N,)
    back = min(BACK, len(ids) // LEAST)
    return [_of_one(model, ids, back, shares(progress, len(single))) for model in single]


def _of_one(model: Model, ids: Ids, back: int, done: Callable[[float], object]) -> Gradients:
    warm_up = min(WARM_UP, len(ids) - back - 2)
    length = warm_up + back + 2  # the last token is the one that costs the loss
    steps, weights = back + 1, sum(layer.w_ih.size + layer.w_hh.size for layer in model.layers)
    affordable = int(WORK / (weights * (length + 2 * steps)))  # a step back costs two
    count = min(LOSSES, max(LEAST_LOSSES, affordable), len(ids) - length + 1)
    looked_at = min(MEMORY_TOKENS, max(LEAST_MEMORY_TOKENS, int(MEMORY_WORK / weights)))
    read = ids[:looked_at] if model.config.cell in GATES else ids[:0]  # (M,)
    total = count * length + len(read)
    starts = np.linspace(0, len(ids) - length, count).astype(np.intp)
    windows = ids[starts[:, None] + np.arange(length)]  # (B, length)
    shape = model.config
    rows = max(1, SPACE // (steps * shape.num_layers * shape.hidden_size * 4 * 8))
    norms = np.empty((count, steps))  # (B, K)
    for k in range(0, count, rows):
        part = windows[k : k + rows]
        norms[k : k + rows] = norms_back(model, part, steps)
        done(part.size / total)
    refuse_diverged(norms, "the gradients of the model are")
    relative = norms / np.maximum(norms[:, :1], np.finfo(np.float32).tiny)
    low, median, high = np.quantile(relative, (0.25, 0.5, 0.75), 0).tolist()
    return Gradients(
        model=model.facts.get("model") or model.facts.get("cell", "model"),
        steps=tuple(range(steps)),
        median=tuple(median),
        low=tuple(low),
        high=tuple(high),
        memory=_memory(model, read, lambda tokens: done(tokens / total)),
    )


def norms_back(model: Model, windows: Ids, steps: int) -> NDArray[np.float64]:
    """The norms of the derivatives of losses with respect to the hidden states before them.

    Args:
        model: one model.
        windows: (B, N), texts; a loss is what the last token of each costs.
        steps: K, how many states back, at most N - 1.

    Returns:
        norms: (B, K), over the h of all layers: when all tokens but the last have been read, one
            token before that, and so on.
    """
    lead, read, costly = windows[:, : -steps - 1], windows[:, -steps - 1 : -1], windows[:, -1]
    begin = model(lead)[1] if lead.shape[1] else model.start(len(windows))
    # Whatever the caller has set.
    with torch.inference_mode(False), torch.enable_grad(), torch.autocast("cpu", enabled=False):
        slopes = _slopes(model, begin, read, costly)  # (K·L, B, H)
    squares = slopes.double().square().sum(-1).view(steps, len(model.layers), -1).sum(1)  # (K, B)
    norms: NDArray[np.float64] = squares.sqrt().flip(0).T.numpy()
    return norms


def _slopes(model: Model, begin: State, read: Ids, costly: Ids) -> Tensor:
    """The derivatives of losses with respect to the h of all layers, step after step.

    Args:
        model: one model.
        begin: its state, arrays (L, B, H).
        read: (B, K), what is read from there.
        costly: (B,), the tokens after it.
    """
    seen: list[Tensor] = []  # (B, H), layer by layer and step by step
    state = [tuple(_tensor(part[k]) for part in begin) for k in range(len(model.layers))]
    layers = [[_tensor(w) for w in layer[:4]] for layer in model.layers]
    for ids in read.T:
        x = _tensor(model.embedding[ids])  # (B, E)
        for k, (w_ih, w_hh, b_ih, b_hh) in enumerate(layers):
            gx, gh = x @ w_ih + b_ih, state[k][0] @ w_hh + b_hh  # (B, G·H)
            output, state[k] = model.cell.combine(gx, gh, state[k], _noting(seen))
            x = x + output if model.layers[k].skip else output  # (B, H)
    logits = x @ _tensor(model.head_weight) + _tensor(model.head_bias)  # (B, V)
    loss = cross_entropy(logits, _tensor(costly).long(), reduction="sum")
    return torch.stack(torch.autograd.grad(loss, seen))


def _tensor(array: Floats | Ids) -> Tensor:
    return torch.tensor(np.ascontiguousarray(array), device="cpu")


def _noting(seen: list[Tensor]) -> See:
    """Note each h, and have derivatives with respect to it."""

    def see(name: str, value: Tensor) -> Tensor:
        if name == "h":
            seen.append(value if value.requires_grad else value.requires_grad_())
        return value

    return see


def _memory(
    model: Model, ids: Ids, progress: Callable[[int], object]
) -> tuple[tuple[float, ...], ...] | None:
    """How many tokens each unit's gate keeps what it holds, layer by layer."""
    gate = GATES.get(model.config.cell)
    if gate is None:
        return None
    places = [f"layers.{k}.hook_{gate}" for k in range(model.config.num_layers)]
    sums = np.zeros((len(places), model.config.hidden_size))
    for block in activity(model, ids, places):
        # A gate rounded to 0 or 1 would keep nothing or for ever.
        open_ = [np.clip(block.values[place], 1e-6, 1 - 1e-6) for place in places]
        sums += [np.log(values.astype(np.float64)).sum(0) for values in open_]
        progress(len(block.at))
    return tuple(map(tuple, (-len(ids) / sums).tolist()))
