"""Writing that has no spaces between its words: Chinese, Japanese, Thai, Lao, Khmer and others.

unspaced("ไปไหน มา, OK")    # [5, 2]
"""

from __future__ import annotations

import re

__all__ = ["unspaced"]

# Thai and Lao, Tibetan, Burmese, Khmer, and the signs and syllables of Chinese and Japanese.
UNSPACED = re.compile(
    "[\u0e01-\u0eff\u0f00-\u0fff\u1000-\u109f\u1780-\u17ff"
    "\u3005-\u3007\u3040-\u30ff\u3400-\u9fff\uf900-\ufaff\U00020000-\U0003ffff]+"
)


def unspaced(text: str) -> list[int]:
    """How many letters each stretch of such writing has, marks not counted."""
    return [sum(map(str.isalpha, stretch)) for stretch in UNSPACED.findall(text)]
