"""A model some of whose units are held at a value, whatever it reads.

    model.clamped({"1.37": 0.9})    # unit 37 of layer 1, both counted from 0

After each step h of such a unit is set to its value, from -1 to 1, before the layer above and the
next step read it. An LSTM's memory c goes on by its own rule.
"""

from __future__ import annotations

import re
from collections.abc import Mapping
from typing import TYPE_CHECKING

import numpy as np

from charrnn.arrays import Floats, Ids
from charrnn.cells.rules import State
from charrnn.config import ModelConfig
from charrnn.errors import UsageError
from charrnn.models.stepper import Held, NumPyStepper
from charrnn.sampling.language_model import LanguageModel

if TYPE_CHECKING:
    from charrnn.models.model import Model

__all__ = ["Clamped", "held_units", "unit_of"]

NUMBER = r"(0|[1-9]\d*)"


class Clamped(LanguageModel):
    """`model`, with units held.

    Args:
        model: what reads and writes.
        held: by layer.
    """

    def __init__(self, model: Model, held: Mapping[int, Held]) -> None:
        self.tokenizer = model.tokenizer
        self.model = model
        self.held = held
        self.places = {f"layers.{layer}.hook_h": units for layer, units in held.items()}

    def start(self, batch_size: int = 1) -> State:
        """The state before any text: zeros. A unit is held from the first step on."""
        return self.model.start(batch_size)

    def __call__(self, ids: Ids, state: State | None = None) -> tuple[Floats, State]:
        """Read tokens (B, T): the logits (B, T, V) of the token after each, and the state."""
        return self.model(ids, state, self._hold)

    def read(self, ids: Ids, state: State) -> tuple[Floats, State]:
        """As `__call__`, but the logits (B, V) after the last token only."""
        logits, state = self(ids, state)
        return logits[:, -1], state

    def stepper(self, state: State) -> NumPyStepper:
        """Sequences that go on from `state`, token by token."""
        return self.model.stepper(state, self.held)

    def _hold(self, place: str, _t: int, value: Floats) -> Floats:
        if place not in self.places:
            return value
        units, values = self.places[place]
        held = value.copy()  # (B, H)
        held[:, units] = values
        return held


def held_units(clamp: Mapping[str, float], config: ModelConfig) -> dict[int, Held]:
    """The units that `clamp` names, by layer.

    Raises:
        UsageError: for a unit that the model does not have, and a value that it never has.
    """
    values: dict[int, dict[int, float]] = {}
    for name, value in clamp.items():
        layer, unit = unit_of(name, config, "clamp")
        if not -1 <= value <= 1:  # NaN, too; no cell has an h beyond
            found = f"clamp holds {name} at {value}"
            raise UsageError(found, "choose a value from -1 to 1, as h has no others", "clamp")
        values.setdefault(layer, {})[unit] = value
    return {
        layer: Held(np.array(list(own), np.intp), np.array(list(own.values()), np.float32))
        for layer, own in values.items()
    }


def unit_of(name: str, config: ModelConfig, setting: str) -> tuple[int, int]:
    """The layer and the unit that `name` stands for.

    Args:
        name: such as "1.37".
        config: of the model.
        setting: where the name was given.

    Raises:
        UsageError: if it stands for none; begins with the setting.
    """
    found = re.fullmatch(rf"{NUMBER}\.{NUMBER}", name)
    if not found:
        advice = "write LAYER.UNIT, both counted from 0, such as 0.5"
        raise UsageError(f"{setting} names the unit {name!r}", advice, setting)
    layer, unit = int(found[1]), int(found[2])
    for what, number, count in (
        ("layer", layer, config.num_layers),
        ("unit", unit, config.hidden_size),
    ):
        if number >= count:
            advice = f"the model's {what}s are 0 to {count - 1}" if count > 1 else "there is only 0"
            raise UsageError(f"{setting} names {what} {number}, in {name}", advice, setting)
    return layer, unit
