"""charrnn sample --interactive: a text written by the user and the model in turn."""

from __future__ import annotations

import sys

import numpy as np

from charrnn.arrays import Ids
from charrnn.errors import CharRNNError
from charrnn.inside.showing import label
from charrnn.sampling.drawing.distribution import allowed_ids, probabilities, temperature_schedule
from charrnn.sampling.drawing.filters import only
from charrnn.sampling.language_model import read_prompt
from charrnn.signals import tidied
from charrnn.terminal.output import shown
from charrnn.terminal.writing.sampler import Sampler

__all__ = ["choose"]

HELP = "a number takes that character; other text is typed as it is (=7 types 7)"
# The input's end, also as what Ctrl-D and Ctrl-Z are where they are characters.
ENDS = ("", "\x04\n", "\x1a\n")


def choose(sampler: Sampler, count: int) -> None:
    """Show the `count` likeliest next characters with their probabilities, and let the user choose.

    What is shown goes to standard error; the text goes, at the end, to where `sampler` writes, also
    where a signal ends the process, as when the terminal is closed.
    """
    model, ids, config = sampler.request
    schedule = temperature_schedule(config)
    allowed = allowed_ids(model.tokenizer, config)
    end = model.tokenizer.end_id
    logits, state = read_prompt(model, ids)
    written = ids[:0]  # (N,)

    def write() -> None:
        text = model.tokenizer.decode(written)
        sampler.write((sampler.prompt if sampler.echo else "") + text + "\n")

    end_key = "Ctrl-Z and Enter end" if sys.platform == "win32" else "Ctrl-D ends"
    _show(f"{HELP}; {end_key}\n")
    try:
        with tidied(write):
            while config.max_new_tokens is None or len(written) < config.max_new_tokens:
                chances = probabilities(
                    only(logits, allowed)[0], config, schedule[len(written) % len(schedule)]
                )
                best = np.argsort(-chances, kind="stable")[:count]
                best = best[chances[best] > 0]
                _show_choices(sampler, written, best, chances)
                new = _answer(sampler, best)
                if new is None or end in new.tolist():
                    break
                if len(new):
                    written = np.append(written, new)
                    logits, state = model.read(new[None], state)
    finally:
        write()


def _show_choices(sampler: Sampler, written: Ids, best: np.ndarray, chances: np.ndarray) -> None:
    """Show the line (N,) so far and the ids `best` (C,), each with its chance of `chances` (V,)."""
    tokenizer = sampler.request.model.tokenizer
    so_far = sampler.prompt + tokenizer.decode(written)
    _show(f"\n{so_far.rpartition(chr(10))[2]}▏\n")
    for number, token in enumerate(best, 1):
        character = "the end of the record"
        if token != tokenizer.end_id:
            character = _named(label(tokenizer, token))
        _show(f"  {number}  {character}  {chances[token]:.1%}\n")


def _named(character: str) -> str:
    """What a token alone is: a character, or the number of a byte that is only part of one."""
    return repr(character) if len(character) == 1 else f"byte {character}"


def _answer(sampler: Sampler, best: np.ndarray) -> Ids | None:
    """The ids (N,) that the user chose or typed; None at the end."""
    _show("> ")
    line = sys.stdin.readline() if sys.stdin else ""
    if line in ENDS:
        _show("\n")
        return None
    line = line.removesuffix("\n")
    if line.isascii() and line.isdigit():
        number = int(line) if len(line) < 20 else 0  # Python reads no more than 4,300 digits
        if 1 <= number <= len(best):
            return best[number - 1 : number].astype(np.int32)
        _show(f"there are {len(best)} choices\n")
        return np.zeros(0, np.int32)
    line = line.removeprefix("=")
    try:
        return sampler.request.model.tokenizer.encode(line, sampler.unknown)
    except CharRNNError as error:
        _show(f"{error}\n")
        return np.zeros(0, np.int32)


def _show(text: str) -> None:
    sys.stderr.write(shown(text, sys.stderr))
    sys.stderr.flush()
