"""What a model loses without a unit: its h is held at its mean, and the text is predicted again.

    ablation = Ablation(model, ids)
    ablation.bits_lost([3, 200], means, LANES, done)    # bits per character, by unit

Nothing is approximated. Units are counted through all layers, those of the first layer first.
"""

from __future__ import annotations

import math
from collections.abc import Callable, Sequence

import numpy as np
from numpy.typing import NDArray

from charrnn.arrays import Floats, Ids, target_log_probs
from charrnn.models.hooks import Watch
from charrnn.models.model import Model
from charrnn.scoring.score import score_of

__all__ = ["FEW_LANES", "LANES", "Ablation"]

# The tokens that are predicted without a unit: so many side by side, fewer for units of less
# interest, and so many in a row.
LANES, FEW_LANES, LENGTH = 32, 2, 256
WORK = 2.5e12  # multiplications and additions that these, and those, may take: a minute of a core
ROWS, NUMBERS = 64, 1 << 23  # read at once, at most: sequences, and logits

Places = NDArray[np.intp]


class Ablation:
    """A text in which units of a model are held at their means.

    Args:
        model: what reads.
        ids: (N,), at least three.
    """

    def __init__(self, model: Model, ids: Ids) -> None:
        self.model = model
        self.length = length = min(LENGTH, (len(ids) - 1) // 2)
        lanes = max(1, min(LANES, len(ids) // (2 * length + 1)))
        starts = np.linspace(0, len(ids) - 2 * length - 1, lanes).astype(np.intp)
        windows = ids[starts[:, None] + np.arange(2 * length + 1)]  # (B, 2·T + 1)
        _, self.state = model(windows[:, :length])
        self.read, self.targets = windows[:, length:-1], windows[:, length + 1 :]  # (B, T)

    def lanes(self, wanted: int, units: int) -> int:
        """How many sequences are predicted without each unit; 0 if that would take too long."""
        shape = self.model.config
        weights = 8 * shape.num_layers * shape.hidden_size**2  # about
        affordable = int(WORK / (2 * weights * self.length * max(units, 1)))
        return min(wanted, affordable, len(self.targets))

    def bits_lost(
        self,
        units: Sequence[int],
        means: NDArray[np.float64],
        lanes: int,
        done: Callable[[int], object],
    ) -> dict[int, float]:
        """What the model loses without each unit, in bits per character.

        Args:
            units: which.
            means: (U,), of all units.
            lanes: in how many sequences.
            done: called with how many tokens were predicted since the last call.
        """
        if not lanes:
            return {}
        rows = np.linspace(0, len(self.targets) - 1, lanes).astype(np.intp)
        characters = score_of(0.0, self.model.tokenizer, self.targets[rows].ravel()).characters
        at_once = min(ROWS, NUMBERS // (self.length * self.model.config.vocab_size)) // lanes
        whole = self._nats(rows, [None], means)
        found: dict[int, float] = {}
        for first in range(0, len(units), max(1, at_once)):
            some = units[first : first + max(1, at_once)]
            more = (self._nats(rows, some, means) - whole) / max(characters, 1) / math.log(2)
            found |= dict(zip(some, more.tolist(), strict=True))
            done(len(some) * lanes * self.length)
        return found

    def _nats(
        self, rows: Places, units: Sequence[int | None], means: NDArray[np.float64]
    ) -> NDArray[np.float64]:
        """What some sequences cost without each unit, which is held in rows of its own."""
        ids, targets = (np.tile(part[rows], (len(units), 1)) for part in (self.read, self.targets))
        state = tuple(np.tile(part[:, rows], (1, len(units), 1)) for part in self.state)
        logits, _ = self.model(ids, state, self._held(units, len(rows), means))  # (R, T, V)
        costs = -target_log_probs(logits, targets).sum(1, dtype=np.float64)  # (R,)
        nats: NDArray[np.float64] = costs.reshape(len(units), len(rows)).sum(1)
        return nats

    def _held(
        self, units: Sequence[int | None], lanes: int, means: NDArray[np.float64]
    ) -> Watch | None:
        size = self.model.config.hidden_size
        held: dict[str, list[tuple[slice, int, np.float32]]] = {}
        for number, u in enumerate(units):
            if u is not None:
                rows = slice(number * lanes, (number + 1) * lanes)
                place = held.setdefault(f"layers.{u // size}.hook_h", [])
                place.append((rows, u % size, np.float32(means[u])))

        def watch(name: str, _t: int, value: Floats) -> Floats:
            if name in held:
                value = value.copy()
                for rows, unit, mean in held[name]:
                    value[rows, unit] = mean
            return value

        return watch if held else None
