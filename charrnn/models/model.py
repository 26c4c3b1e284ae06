"""A trained model in NumPy: it reads, scores and writes text without PyTorch.

logits, state = model(ids, state)    # (B, T) → (B, T, V)
"""

from __future__ import annotations

from collections.abc import Mapping
from functools import cached_property, partial
from typing import TYPE_CHECKING, Any

import numpy as np

from charrnn.arguments import checked
from charrnn.array_checks import checked_ids, checked_state, checked_weights, refuse_diverged
from charrnn.arrays import Floats, Ids, Weights, product, underflowing
from charrnn.cells.heads import shapes_of
from charrnn.cells.layout import (
    EMBEDDING,
    HEAD_BIAS,
    HEAD_WEIGHT,
    RECURRENT,
    Layer,
    layers_of,
)
from charrnn.cells.rules import CELLS, State
from charrnn.config import Count, ModelConfig
from charrnn.errors import UsageError
from charrnn.folder import card
from charrnn.models.clamp import Clamped, held_units
from charrnn.models.hooks import EMBED, OUT, Watch, places_of, see_of, watched
from charrnn.models.predictor import Predictor
from charrnn.models.stepper import ArrangedWeights, Held, NumPyStepper, arrange
from charrnn.sampling.language_model import TIME_CHUNK, LanguageModel, TokenSampler
from charrnn.text import division
from charrnn.text.tokenizer import Tokenizer

if TYPE_CHECKING:
    from charrnn.native.writing.byte_weights import PackedWeights

__all__ = ["Model", "refuse_unsound"]

# Tokens times units from which on machine code saves the tenth of a second in which it is loaded.
# Whether it must first be made does not matter: equal seeds write equal texts.
MACHINE_CODE_PAYS = 250_000
SLICES = 16  # of a vocabulary: its logits (V, V) may be too many at once


class Model(Predictor):
    """A language model that is ready to use. Get one from `charrnn.load`.

    Its state is a value, as in all of charrnn: a tuple (h,), or (h, c) for an LSTM, of arrays
    (L, B, H) in PyTorch's layout. No call changes the one it is given.

    A model never changes, and its arrays are read-only. For other weights make another:
    `Model(model.config, model.tokenizer, changed)`.

    Args:
        config: the shape of the network.
        tokenizer: its vocabulary.
        weights: as `cells.heads.shapes_of` lists them, in float32; other floats are rounded to
            it. What can still be written to is copied.
        facts: label to value, for people.
        records: what it was trained on a list of, as `text.division` names it.
        reverse: whether it reads texts from their end to their beginning.

    Raises:
        UsageError: for a bidirectional network, which has read what it should predict, and for a
            vocabulary or weights of another shape.
    """

    @checked
    def __init__(
        self,
        config: ModelConfig,
        tokenizer: Tokenizer,
        weights: Mapping[str, Floats],
        facts: Mapping[str, str] | None = None,
        records: str = division.NONE,
        *,
        reverse: bool = False,
    ) -> None:
        if tokenizer.vocab_size != config.vocab_size:
            found = f"the tokenizer has {tokenizer.vocab_size} tokens"
            raise UsageError(found, f"the network has {config.vocab_size}; give its own")
        own = self._weights = checked_weights(weights, shapes_of(config))
        self.facts = facts or {
            "cell": f"{config.cell}, {config.num_layers} × {config.hidden_size}",
            "vocabulary": card.vocabulary(tokenizer),
        }
        self.config = config
        self.tokenizer = tokenizer
        self.records_kind = records
        self.reads_backwards = reverse
        self.cell = CELLS[config.cell]
        self.embedding = own[EMBEDDING]  # (V, E)
        self.head_weight = own[HEAD_WEIGHT].T  # (H, V)
        self.head_bias = own[HEAD_BIAS]  # (V,)
        self.layers = layers_of(config, own, RECURRENT)
        first = self.layers[0]
        # The input product of the first layer depends on the id alone: one row for each.
        self.table = product(self.embedding, first.w_ih) + first.b_ih  # (V, G·H)
        self.table.flags.writeable = False

    def __reduce__(self) -> tuple[Any, ...]:
        """Copies and pickles are models made anew: a copied array could be written to."""
        given = self.config, self.tokenizer, self._weights, dict(self.facts), self.records_kind
        return partial(type(self), reverse=self.reads_backwards), given

    @property
    def weights(self) -> Weights:
        """The weights by PyTorch's names. The arrays are read-only; the dictionary is yours."""
        return dict(self._weights)

    @checked
    def start(self, batch_size: Count = 1) -> State:
        """The state before any text: zeros (L, B, H)."""
        return tuple(np.zeros(self._shape(batch_size), np.float32) for _ in self.cell.state)

    def _shape(self, batch_size: int) -> tuple[int, int, int]:
        """Of each part of the state: (L, B, H)."""
        return self.config.num_layers, batch_size, self.config.hidden_size

    def _checked(self, ids: Ids, state: State | None) -> tuple[Ids, State]:
        """Ids (B, T), and the state before them: that of the start for None."""
        found = checked_ids(ids, self.config.vocab_size, 2)
        state = self.start(len(found)) if state is None else state
        return found, checked_state(state, len(self.cell.state), self._shape(len(found)))

    @property
    def places(self) -> list[str]:
        """The places that a watch or a hook sees; see `models.hooks`."""
        return places_of(self.cell, self.config.num_layers)

    @property
    def state_places(self) -> list[list[str]]:
        """For each array (L, B, H) of the state, the places of its layers."""
        layers = range(self.config.num_layers)
        return [[f"layers.{k}.hook_{name}" for k in layers] for name in self.cell.state]

    def step(self, ids: Ids, state: State, watch: Watch | None = None) -> tuple[Floats, State]:
        """Read one token of each sequence.

        Args:
            ids: (B,).
            state: arrays (L, B, H).
            watch: sees every quantity on the way; see `models.hooks`.

        Returns:
            logits: (B, V), unnormalised natural-log probabilities of the next token.
            state: after these tokens.
        """
        ids = checked_ids(ids, self.config.vocab_size, 1)
        logits, state = self(ids[:, None], state, watch)
        return logits[:, 0], state

    def __call__(
        self, ids: Ids, state: State | None = None, watch: Watch | None = None
    ) -> tuple[Floats, State]:
        """Read several tokens of each sequence at once; the same as `step` after `step`.

        Args:
            ids: (B, T).
            state: arrays (L, B, H); None for the start.
            watch: sees every quantity on the way, layer by layer, in each layer step by step.

        Returns:
            logits: (B, T, V), of the token after each.
            state: after the last.
        """
        hidden, state = self._hidden(*self._checked(ids, state), watch)
        return product(hidden, self.head_weight) + self.head_bias, state

    def read(self, ids: Ids, state: State) -> tuple[Floats, State]:
        """As `__call__` with ids (B, T), but the logits (B, V) after the last token only."""
        ids, state = self._checked(ids, state)
        if not ids.shape[1]:
            raise UsageError("there are no ids to read", "give at least one for each sequence")
        hidden, state = self._hidden(ids[:, :TIME_CHUNK], state)
        for start in range(TIME_CHUNK, ids.shape[1], TIME_CHUNK):
            hidden, state = self._hidden(ids[:, start : start + TIME_CHUNK], state)
        return product(hidden[:, -1], self.head_weight) + self.head_bias, state

    def _hidden(self, ids: Ids, state: State, watch: Watch | None = None) -> tuple[Floats, State]:
        """The last layer's output (B, T, H): layer by layer, one input product for all steps."""
        embedded = self.embedding[ids]  # (B, T, E)
        x = watched(watch, EMBED, embedded)
        states = []
        for k, layer in enumerate(self.layers):
            # Unless a watch has changed the embedding, its input product is a row of the table.
            gx = self.table[ids] if x is embedded else product(x, layer.w_ih) + layer.b_ih
            now = tuple(part[k] for part in state)  # the layer's state, (B, H) each
            outputs = np.empty((*ids.shape, self.config.hidden_size), np.float32)  # (B, T, H)
            for t in range(ids.shape[1]):
                see = see_of(watch, k, t)
                gh = product(now[0], layer.w_hh) + layer.b_hh  # (B, G·H)
                with underflowing():
                    outputs[:, t], now = self.cell.combine(gx[:, t], gh, now, see)
            x = watched(watch, f"layers.{k}.{OUT}", x + outputs if layer.skip else outputs)
            states.append(now)
        return x, tuple(np.stack(parts) for parts in zip(*states, strict=True))

    @property
    def _parts(self) -> tuple[Floats, Floats, list[Layer], Floats, Floats]:
        """Table, embedding, layers, head and its bias, as `arrange` and `pack` take them."""
        return self.table, self.embedding, self.layers, self.head_weight, self.head_bias

    @cached_property
    def _arranged(self) -> ArrangedWeights:
        return arrange(self.config.cell, *self._parts)

    def stepper(self, state: State, held: Mapping[int, Held] | None = None) -> NumPyStepper:
        """Sequences that go on from `state`, token by token, faster than by `step`.

        Args:
            state: arrays (L, B, H).
            held: by layer, units that are held at a value.
        """
        return NumPyStepper(self._arranged, self._any_batch(state), held)

    def clamped(self, clamp: Mapping[str, float] | None) -> LanguageModel:
        """This model with units held at values; see `models.clamp`.

        Raises:
            UsageError: for a unit that it does not have.
        """
        return Clamped(self, held_units(clamp, self.config)) if clamp else self

    @cached_property
    def _packed(self) -> PackedWeights | None:
        from charrnn.native import processor  # importing llvmlite takes longer than a short text

        if processor.target() is None:
            return None
        from charrnn.native.writing.byte_weights import pack

        return pack(self.config.cell, *self._parts)

    @checked
    def sampler(self, state: State, max_tokens: Count | None) -> TokenSampler | None:
        """Sequences that go on from `state`, many tokens a call, much faster, in machine code.

        None where there is no such code (see `byte_weights.pack`), too few tokens for it, or a
        state that no text leads to: bytes can't hold h beyond 1.
        """
        if max_tokens is not None and max_tokens * self.config.hidden_size < MACHINE_CODE_PAYS:
            return None
        if self._packed is None:
            return None
        from charrnn.native.writing.sampler import NativeSampler

        begun = self._any_batch(state)
        if np.abs(begun[0]).max(initial=0.0) > 1:
            return None
        return NativeSampler(self._packed, begun)

    def _any_batch(self, state: State) -> State:
        """A state of as many sequences as its first part has."""
        first = state[0] if isinstance(state, tuple) and state else None
        batch = first.shape[1] if isinstance(first, np.ndarray) and first.ndim == 3 else 1
        return checked_state(state, len(self.cell.state), self._shape(batch))


def refuse_unsound(model: Model) -> None:
    """Check what a model predicts after each of its tokens.

    Raises:
        BadDataError: if it has diverged: nothing that it would write could be drawn.
    """
    vocabulary = np.arange(model.config.vocab_size, dtype=np.int32)
    for ids in np.array_split(vocabulary, SLICES):
        refuse_diverged(model.stepper(model.start(len(ids))).step(ids))
