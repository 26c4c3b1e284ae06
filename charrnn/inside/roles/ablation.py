"""What a model loses without a unit: its h is held at its mean, and the text is predicted again.

    ablation = Ablation(model, ids)
    bits, tokens = ablation.bits_lost([3, 200], means, 1024, done)    # per character, by unit

Nothing is approximated. The layers below a unit do what they did, so that only its own layer and
those above are computed again. Units are counted through all layers, the first layer's first.
"""

from __future__ import annotations

import math
from collections.abc import Callable, Sequence

import numpy as np
from numpy.typing import NDArray

from charrnn.arrays import Floats, Ids, Places, product, target_log_probs, underflowing
from charrnn.cells.rules import See, unseen
from charrnn.models.hooks import EMBED, OUT, Recorder
from charrnn.models.model import Model
from charrnn.scoring.score import characters_in

__all__ = ["Ablation"]

WARM_UP, LENGTH = 256, 64  # tokens that are read first, and those that are predicted then
LANES = 128  # such passages of the text, at most
WORK = 5e12  # multiplications and additions that a measurement may take: a minute or two
LEAST = 256  # tokens that are predicted without each unit, however long that takes
ROWS = 256  # sequences that are read at once


class Ablation:
    """A text in which units of a model are held at their means.

    Args:
        model: what reads.
        ids: (N,), at least three.
    """

    def __init__(self, model: Model, ids: Ids) -> None:
        self.model = model
        length = min(LENGTH, (len(ids) - 1) // 2)
        warm_up = min(WARM_UP, len(ids) - length - 1)
        whole = warm_up + length + 1
        lanes = max(1, min(LANES, len(ids) // whole))
        starts = np.linspace(0, len(ids) - whole, lanes).astype(np.intp)
        windows = ids[starts[:, None] + np.arange(whole)]  # (B, whole)
        self.state = model.start(lanes)
        for time in range(0, warm_up, LENGTH):  # a part at a time takes less memory
            part = windows[:, time : min(time + LENGTH, warm_up)]
            _, self.state = model.read(part, self.state)
        read, self.targets = windows[:, warm_up:-1], windows[:, warm_up + 1 :]  # (B, T)
        self.read_by = [EMBED, *(f"layers.{k}.{OUT}" for k in range(len(model.layers) - 1))]
        recorder = Recorder(self.read_by, *read.shape)
        logits, _ = model(read, self.state, recorder)  # (B, T, V)
        self.inputs = recorder.values  # (B, T, H), or E, of each layer
        self.costs = -target_log_probs(logits, self.targets).astype(np.float64)  # (B, T)

    def bits_lost(
        self,
        units: Sequence[int],
        means: NDArray[np.float64],
        tokens: int,
        done: Callable[[int], object],
    ) -> tuple[dict[int, float], int]:
        """What the model loses without each unit, and on how many tokens that was measured.

        Args:
            units: which.
            means: (U,), of all units.
            tokens: on how many; fewer if the text is shorter, or if it would take longer than
                `WORK`, but not for that fewer than `LEAST`.
            done: called with how many units were taken away since the last call.

        Returns:
            bits, tokens: per character, by unit; and how many.
        """
        shape = self.model.config
        # A unit takes a product in its own layer and two in each above: on average, one a layer.
        products = len(units) * shape.num_layers * self.model.cell.gates * shape.hidden_size**2
        affordable = min(tokens, max(LEAST, int(WORK / max(1, products))))
        lanes = max(1, min(len(self.targets), affordable // self.targets.shape[1]))
        places = np.linspace(0, len(self.targets) - 1, lanes).astype(np.intp)
        predicted = self.targets[places].ravel()
        characters = characters_in(self.model.tokenizer, predicted)
        whole = self.costs[places].sum()
        at_once, size = max(1, ROWS // lanes), shape.hidden_size
        found: dict[int, float] = {}
        for layer in range(shape.num_layers):
            own = [u for u in units if u // size == layer]
            for first in range(0, len(own), at_once):
                some = np.array(own[first : first + at_once])
                nats = self._nats(places, layer, some % size, means[some])
                more = (nats - whole) / max(characters, 1) / math.log(2)
                found |= dict(zip(some.tolist(), more.tolist(), strict=True))
                done(len(some))
        return found, predicted.size

    def _nats(
        self, lanes: Places, layer: int, units: Places, means: NDArray[np.float64]
    ) -> NDArray[np.float64]:
        """What some passages cost without each of some units (n,) of a layer."""
        model = self.model
        of = np.tile(np.arange(len(lanes)), len(units))  # (R,), R = n·B: each unit's rows in turn
        hold = _holding(np.repeat(units, len(lanes)), np.repeat(means, len(lanes)))
        state = [tuple(part[k, lanes[of]] for part in self.state) for k in range(len(model.layers))]
        nats = np.zeros(len(of))
        for t in range(self.targets.shape[1]):
            x = self.inputs[self.read_by[layer]][lanes, t]  # (B, H)
            for k, own in enumerate(model.layers[layer:], layer):
                gx = product(x, own.w_ih) + own.b_ih  # (R, G·H)
                see: See = unseen
                if k == layer:  # what it reads is the same without each unit
                    x, gx, see = x[of], gx[of], hold
                gh = product(state[k][0], own.w_hh) + own.b_hh  # (R, G·H)
                with underflowing():
                    output, state[k] = model.cell.combine(gx, gh, state[k], see)
                x = x + output if own.skip else output  # (R, H)
            logits = product(x, model.head_weight) + model.head_bias  # (R, V)
            nats -= target_log_probs(logits, self.targets[lanes[of], t])
        each: NDArray[np.float64] = nats.reshape(len(units), len(lanes)).sum(1)
        return each


def _holding(units: Places, values: NDArray[np.float64]) -> See:
    """Hold h of one unit in each row (R,) at a value."""
    rows, held = np.arange(len(units)), values.astype(np.float32)

    def see(name: str, value: Floats) -> Floats:
        if name == "h":
            value = value.copy()
            value[rows, units] = held
        return value

    return see
