"""Where a text may end: between what readers see as characters, never inside one.

An accent, the parts of a family emoji, the two letters of a flag and the pieces of a Hangul
syllable are code points of their own, which together are one grapheme cluster.

Unicode Standard Annex #29, "Unicode text segmentation".
"""

from __future__ import annotations

from functools import lru_cache

__all__ = ["CONTEXT", "joins", "may_join", "without_open_end"]

CONTEXT = 64  # of the last characters, which are enough to tell whether a cluster ends after them
PLAIN = "\u0300"  # below it nothing joins, but for the two of \r\n
JOINER = "\N{ZERO WIDTH JOINER}"
FLAG_LETTERS = ("\N{REGIONAL INDICATOR SYMBOL LETTER A}", "\N{REGIONAL INDICATOR SYMBOL LETTER Z}")


def joins(before: str, character: str) -> bool:
    """Whether `character` goes on with the cluster that `before` ends with."""
    if not before or (before[-1] < PLAIN and character < PLAIN):
        return before[-1:] + character == "\r\n"
    return len(_clusters(before[-CONTEXT:] + character)[-1]) > 1


@lru_cache(maxsize=8)
def may_join(characters: str) -> bool:
    """Whether a text of these characters can have clusters of several."""
    if "\r" in characters and "\n" in characters:
        return True
    beyond = [character for character in characters if character >= PLAIN]
    # Beside a letter, and beside itself, each shows whether it joins. What joins only after a
    # joiner needs no trial: the joiner is among `characters` then, and joins by itself.
    tried = "\n".join(f"a{character}{character}a" for character in beyond)
    return bool(beyond) and len(_clusters(tried)) < len(tried)


def without_open_end(text: str) -> str:
    """`text` without its last cluster if that is but half of one: after a joiner, or of a flag."""
    while text.endswith(JOINER) or FLAG_LETTERS[0] <= text[-1:] <= FLAG_LETTERS[1]:
        last = _clusters(text[-CONTEXT:])[-1]
        if len(last) == 2 and not last.endswith(JOINER):  # a flag
            break
        text = text.removesuffix(last)
    return text


def _clusters(text: str) -> list[str]:
    import regex  # not before it is needed: most texts have no such characters

    found: list[str] = regex.findall(r"\X", text)
    return found
