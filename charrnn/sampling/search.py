"""Beam search, whatever it is that is written: the likeliest paths, for many searches side by side.

log-probabilities (N, V) of the N paths of all searches ──advance──▶ which paths go on
"""

from __future__ import annotations

from collections.abc import Callable, Iterable, Iterator, Sequence
from typing import NamedTuple

import numpy as np
from numpy.typing import NDArray

from charrnn.arrays import Ids, Logits

__all__ = ["Path", "Search", "advance", "last_tokens"]


class Path(NamedTuple):
    """Tokens one after the other, and their log-probability in nats."""

    ids: tuple[int, ...]
    log_prob: float

    def score(self, length_penalty: float) -> float:
        """What paths are ranked by: log_prob / tokens ** length_penalty."""
        return float(self.log_prob / max(len(self.ids), 1) ** length_penalty)


class Search:
    """One search: the paths that are followed, and those that ended.

    Args:
        num_beams: K, how many paths are followed at once.
        length_penalty: above 0 longer texts are favoured; 1 ranks by the mean.
        limit: tokens after which a path does not go on.
        ends: whether a path ends with its last token.

    Attributes:
        paths: those that have not ended, best first; one without tokens at the start.
        found: those that ended, by score, at most K.
    """

    def __init__(
        self, num_beams: int, length_penalty: float, limit: int, ends: Callable[[Path], bool]
    ) -> None:
        self.num_beams = num_beams
        self.length_penalty = length_penalty
        self.limit = limit
        self.ends = ends
        self.paths = [Path((), 0.0)]
        self.found: list[Path] = []

    @property
    def settled(self) -> bool:
        """Whether no path, as it stands, can still better what was found."""
        if not self.paths or len(self.paths[0].ids) >= self.limit:
            return True
        if len(self.found) < self.num_beams:
            return False
        best = max(path.score(self.length_penalty) for path in self.paths)
        return best <= self.found[-1].score(self.length_penalty)

    @property
    def going(self) -> list[Path]:
        """The paths that go on."""
        return [] if self.settled else self.paths

    def best(self) -> list[Path]:
        """The best of the paths that ended and of those that did not, up to K."""
        return self._ranked([*self.found, *self.paths])

    def follow(self, candidates: Iterable[tuple[float, int, int]]) -> list[int]:
        """Follow the likeliest tokens; returns which paths they come after.

        Args:
            candidates: likeliest first, at least 2·K if there are so many: half of them may end,
                and K must go on. The negated log-probability, the path's number, the token.
        """
        rows, going = list[int](), list[Path]()
        for cost, row, token in candidates:
            if cost == np.inf or len(going) == self.num_beams:
                break
            path = Path((*self.paths[row].ids, token), -cost)
            if self.ends(path):
                self.found.append(path)
            else:
                rows.append(row)
                going.append(path)
        self.paths = going
        self.found = self._ranked(self.found)
        return rows

    def _ranked(self, paths: list[Path]) -> list[Path]:
        return sorted(paths, key=lambda path: -path.score(self.length_penalty))[: self.num_beams]


def advance(searches: Sequence[Search], log_probs: Logits) -> NDArray[np.intp]:
    """Follow the likeliest tokens after the paths of all searches.

    Args:
        searches: whose paths that go on are N together.
        log_probs: (N, V) in double precision, of the tokens after them.

    Returns:
        rows: (N',), for each path that goes on now, which of the N it comes after.
    """
    starts = np.array([path.log_prob for search in searches for path in search.going])  # (N,)
    costs = -(starts[:, None] + log_probs)  # (N, V)
    width = 2 * max((search.num_beams for search in searches), default=0)
    tokens = np.argsort(costs, kind="stable")[:, :width]  # (N, 2·K)
    costs = np.take_along_axis(costs, tokens, -1)
    rows, first = list[int](), 0
    for search in searches:
        if number := len(search.going):
            own = slice(first, first + number)
            kept = search.follow(_merged(costs[own].tolist(), tokens[own].tolist(), width))
            if not search.settled:
                rows += [first + row for row in kept]
            first += number
    return np.array(rows, np.intp)


def _merged(
    costs: list[list[float]], tokens: list[list[int]], count: int
) -> Iterator[tuple[float, int, int]]:
    """The best candidates of all paths of a search; of equal ones the first path's come first."""
    each = (
        (cost, row, token)
        for row, own in enumerate(zip(costs, tokens, strict=True))
        for cost, token in zip(*own, strict=True)
    )
    yield from sorted(each)[:count]


def last_tokens(searches: Sequence[Search]) -> Ids:
    """The last token of each path that goes on: (N,)."""
    return np.array([path.ids[-1] for search in searches for path in search.going], np.int32)
