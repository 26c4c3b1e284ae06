"""charrnn score: how well a model predicts each line of standard input."""

from __future__ import annotations

import sys

from charrnn.terminal.options import ModelArgument, UnknownOption
from charrnn.terminal.output import encode_json, write
from charrnn.text.division import kind_of_end, split

__all__ = ["score"]


def score(model: ModelArgument = None, unknown: UnknownOption = "error") -> None:
    """Score each line of standard input, or each record, as lines of JSON."""
    from charrnn.models.loading import load

    loaded = load(model)
    lines = (line.removesuffix("\n") for line in sys.stdin)
    end = loaded.tokenizer.end
    if end not in (None, "\n"):  # records of several lines
        lines = (r for part in split(sys.stdin, kind_of_end(end)) for r in part if r.strip())
    for found in loaded.score_lines(lines, unknown):
        facts = {
            "nats": found.nats,
            "nats_per_char": found.nats_per_char,
            "bits_per_char": found.bits_per_char,
            "perplexity": found.perplexity,
            "characters": found.characters,
        }
        write(encode_json(facts))
