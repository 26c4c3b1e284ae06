"""Texts of many kinds, for what divides them."""

from __future__ import annotations

import random

__all__ = ["Writer"]

SYLLABLES = ["ka", "lo", "mi", "ren", "sta", "vel", "tor", "an", "is", "ou", "bra", "del", "fin"]


class Writer:
    """Writes texts of many kinds, always the same ones."""

    def __init__(self) -> None:
        self.random = random.Random(1)  # noqa: S311

    def word(self) -> str:
        return "".join(self.random.choice(SYLLABLES) for _ in range(self.random.randint(1, 4)))

    def name(self) -> str:
        return self.word().capitalize()

    def sentence(self, least: int = 3) -> str:
        words = " ".join(self.word() for _ in range(self.random.randint(least, 12)))
        return words.capitalize() + self.random.choice(".!?")

    def of(self, characters: str, low: int, high: int) -> str:
        length = self.random.randint(low, high)
        return "".join(self.random.choice(characters) for _ in range(length))
