"""A text as a web page, coloured by how much each character surprised a model."""

from __future__ import annotations

import html
import math
from collections.abc import Iterable, Iterator

from charrnn.errors import printable

__all__ = ["page"]

STEPS = 12  # shades above white: one per bit
STYLE = """
body { font: 16px/1.7 ui-monospace, monospace; margin: 2rem auto; max-width: 60rem; padding: 0 1rem;
  background: #fff; color: #111; }
pre { white-space: pre-wrap; overflow-wrap: anywhere; font: inherit; unicode-bidi: plaintext; }
header, footer { font-family: system-ui, sans-serif; }
h1, p { overflow-wrap: anywhere; }
.key { display: flex; flex-wrap: wrap; }
.key span { padding: 0 .5em; }
"""


def page(
    title: str, facts: Iterable[str], characters: Iterable[tuple[str, float]]
) -> Iterator[str]:
    """The page, piece by piece: one HTML file that loads nothing else.

    Args:
        title: of the page.
        facts: lines above the text.
        characters: each with its cost in nats. Their markup is shown, never run.
    """
    shades = "\n".join(f".s{k} {{ background: {_colour(k)}; }}" for k in range(STEPS + 1))
    key = "".join(f'<span class="s{k}">{k}</span>' for k in range(STEPS + 1))
    yield (
        '<!DOCTYPE html>\n<html lang="en"><head><meta charset="utf-8">'
        '<meta name="viewport" content="width=device-width, initial-scale=1">'
        f"<title>{html.escape(title)}</title><style>{STYLE}{shades}</style></head><body>"
        f"<header><h1>{html.escape(title)}</h1>"
    )
    yield "".join(f"<p>{html.escape(fact)}</p>" for fact in facts)
    yield f'<p class="key">bits per character:&nbsp;{key}</p></header>\n<pre>'
    before = -1
    for character, nats in characters:
        shade = min(STEPS, max(0, round(nats / math.log(2)))) if math.isfinite(nats) else STEPS
        if shade != before:
            yield ("</span>" if before >= 0 else "") + f'<span class="s{shade}">'
            before = shade
        yield _shown(character)
    yield ("</span>" if before >= 0 else "") + "</pre></body></html>\n"


def _shown(character: str) -> str:
    # What ends a record is one character here, whatever it holds.
    return "\n".join(html.escape(printable(part)) for part in character.split("\n"))


def _colour(step: int) -> str:
    """From white for an expected character through amber to red for a surprising one."""
    share = step / STEPS
    return f"hsl({round(50 - 50 * share)} 100% {round(100 - 35 * share)}%)"
