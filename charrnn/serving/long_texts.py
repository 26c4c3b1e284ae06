"""Long texts in machine code: those of one model that are drawn alike share each call.

A text may join before any call and leave after any other. In machine code a text beside others is
rounded as it is alone; so each is the one that its seed gives alone.

long_texts.join(texts, source)
for _ in long_texts.slices():    # until all are written
    ...
"""

from __future__ import annotations

from collections.abc import Callable, Iterator, Sequence

import numpy as np

from charrnn.sampling.growing import GrowingText
from charrnn.sampling.token_source import NativeSource
from charrnn.serving.texts import Text

__all__ = ["LongTexts"]

TOKENS_AT_ONCE = 2048  # of all texts, before others have their turn


class _Row:
    """A text whose tokens are drawn; one whose costs are asked for is to be read afterwards."""

    def __init__(self, text: Text) -> None:
        self.text = text
        self.growing = text.growing
        if text.costs is not None:
            self.growing = GrowingText(text.request)

    @property
    def over(self) -> bool:
        return self.growing.ended or self.text.over

    def take(self, ids: list[int]) -> None:
        if self.text.costs is None:
            self.text.extend(ids)
            return
        before = self.growing.tokens + self.growing.held
        self.growing.add(ids)
        self.text.drawn.extend(ids[: self.growing.tokens + self.growing.held - before])


class LongTexts:
    """Texts of one model that are drawn in one way.

    Args:
        drawn: called with each text that is drawn but not written, since its costs are asked for.
    """

    def __init__(self, drawn: Callable[[Text], None]) -> None:
        self._drawn = drawn
        self._rows: list[_Row] = []
        self._coming: list[tuple[list[_Row], NativeSource]] = []
        self._source: NativeSource | None = None

    @property
    def empty(self) -> bool:
        """Whether there is nothing to write."""
        return not self._rows and not self._coming

    def join(self, texts: Sequence[Text], source: NativeSource) -> None:
        """Write the texts of `source`, which has read their prompt, from the next call on."""
        self._coming.append(([_Row(text) for text in texts], source))

    def slices(self) -> Iterator[None]:
        """Write all texts, and those that join meanwhile, a slice of the work at a time."""
        while not self.empty:
            source = self._arranged()
            if source is not None:
                limit = min(row.growing.tokens_left for row in self._rows)
                limit = min(limit, max(1, TOKENS_AT_ONCE // len(self._rows)))
                ids = source.next(limit).ids  # (N, B)
                for row, drawn in zip(self._rows, ids.T.tolist(), strict=True):
                    row.take(drawn)
                    if row.over and row.text.drawn:
                        self._drawn(row.text)
            yield

    def _arranged(self) -> NativeSource | None:
        """What goes on without the texts that are over, and with those that have come."""
        groups, self._coming = self._coming, []
        if self._source is not None:
            groups.insert(0, (self._rows, self._source))
        self._rows, self._source = [], None
        for rows, source in groups:
            kept = [number for number, row in enumerate(rows) if not row.over]
            if not kept:
                continue
            if len(kept) < len(rows):
                source.keep(np.array(kept))
            self._rows += [rows[number] for number in kept]
            if self._source is None:
                self._source = source
            else:
                self._source.join(source)
        return self._source
