"""Texts of one model that are read and written side by side, a token of each at a step.

A text may join at any step and leave at any other. Its prompt is read here too, so that a long one
holds nobody up. Beside others, a text is rounded otherwise than alone; where that could decide a
draw (see `sampling.drawing.ties`), the text leaves, is read again alone, and joins again with the
state that it has then. So each text is the one that its seed gives alone.

batch.join(text)
unsure = batch.step()    # texts, each with the random number of its next token
for _ in read_alone(text, number):    # a slice of the work at a time
    ...
batch.join(text)
"""

from __future__ import annotations

from collections.abc import Iterator

import numpy as np

from charrnn.arrays import Floats
from charrnn.sampling.drawing.draws import draw
from charrnn.sampling.language_model import TIME_CHUNK, LanguageModel, Stepper
from charrnn.serving.texts import Text

__all__ = ["Batch", "read_alone"]

STEPS_ALONE = 32  # tokens that are read alone before the others have their turn


class Batch:
    """Texts that share each step of a model."""

    def __init__(self, model: LanguageModel) -> None:
        self.model = model
        self.texts: list[Text] = []
        self._coming: list[Text] = []
        self._stepper: Stepper = model.stepper(model.start(0))

    def join(self, text: Text) -> None:
        """Read and write a text from the next step on."""
        self._coming.append(text)

    @property
    def empty(self) -> bool:
        """Whether there is nothing to do."""
        return not self.texts and not self._coming

    def step(self) -> list[tuple[Text, float]]:
        """Read a token of each text, and write one where its prompt is read.

        Returns:
            unsure: the texts that have left because rounding may decide their next token, and the
                random number that chooses it.
        """
        self._arrange([row for row, text in enumerate(self.texts) if not text.over])
        if not self.texts:
            return []
        logits = self._stepper.step(np.array([t.ids[t.read] for t in self.texts], np.int32))
        drawing: dict[object, list[int]] = {}  # by how they are drawn
        for row, text in enumerate(self.texts):
            text.read += 1
            if text.read < len(text.ids):
                text.reached(logits[row])
            elif text.growing.ended:
                text.end()
            elif text.drawn:
                text.write(text.drawn.popleft(), logits[row])
            else:
                drawing.setdefault(text.how, []).append(row)
        unsure = {row: u for rows in drawing.values() for row, u in self._draw(rows, logits)}
        found = [(self.texts[row], number) for row, number in unsure.items()]
        if found:
            self._arrange([row for row in range(len(self.texts)) if row not in unsure])
        return found

    def _draw(self, rows: list[int], logits: Floats) -> Iterator[tuple[int, float]]:
        """Draw the next tokens of some texts; yields the rows where rounding may decide."""
        first = self.texts[rows[0]]
        uniforms = np.array([self.texts[row].random.random() for row in rows])
        ids, unsure = draw(logits[rows], first.how, first.temperature, uniforms, alone=False)
        undecided = set(unsure.tolist())
        for place, (row, token) in enumerate(zip(rows, ids.tolist(), strict=True)):
            if self.texts[row].over:
                continue  # its client has left while others were written
            if place in undecided:
                yield row, float(uniforms[place])
            else:
                self.texts[row].write(token, logits[row])

    def _arrange(self, rows: list[int]) -> None:
        """Go on with these rows, and with the texts that have come."""
        if len(rows) == len(self.texts) and not self._coming:
            return
        coming, self._coming = [text for text in self._coming if not text.over], []
        states = [
            text.state_alone[0] if text.state_alone else self.model.start() for text in coming
        ]
        kept = tuple(part[:, rows] for part in self._stepper.state)
        self._stepper = self.model.stepper(
            tuple(np.concatenate(parts, 1) for parts in zip(kept, *states, strict=True))
        )
        self.texts = [*(self.texts[row] for row in rows), *coming]


def read_alone(text: Text, uniform: float) -> Iterator[None]:
    """Read a text again alone, a slice at a time, then draw its next token with `uniform`.

    What is done is what `sampling.generation` does for a single text, operation for operation.
    """
    model, ids = text.request.model, np.array(text.ids, np.int32)
    if text.state_alone is None:
        state, count = model.start(), len(text.request.prompt)
        for first in range(0, count, TIME_CHUNK):
            logits, state = model.read(ids[None, first : min(first + TIME_CHUNK, count)], state)
            yield
    else:
        state, count = text.state_alone
    stepper = model.stepper(state)
    for place in range(count, len(ids)):
        logits = stepper.step(ids[place : place + 1])
        if place % STEPS_ALONE == 0:
            yield
    if len(ids) > count:
        state = stepper.state
    text.state_alone = state, len(ids)
    (token,), _ = draw(logits, text.how, text.temperature, np.array([uniform]), alone=True)
    text.write(int(token), logits[0])
