"""charrnn score: how well a model predicts each line of standard input."""

from __future__ import annotations

from collections.abc import Callable, Iterator
from typing import Annotated, Any

from charrnn.cli.parts import say_changed
from charrnn.config import Reading
from charrnn.errors import UsageError
from charrnn.terminal.options import (
    ONE_MODEL,
    UnknownOption,
    take,
    with_settings,
)
from charrnn.terminal.output import answer_in_batches, encode_json, say, write
from charrnn.text.division import kind_of_end, split
from charrnn.words import as_argument

__all__ = ["score"]


@with_settings(Reading, leave_out=("text_column", "split", "records", "reverse"))
def score(
    arguments: Annotated[list[str] | None, ONE_MODEL] = None,
    *,
    unknown: UnknownOption = "error",
    **given: Any,
) -> None:
    """Score each line or record of standard input, as JSON."""
    from charrnn.decoding.pieces import not_as_bytes
    from charrnn.models.loading import load
    from charrnn.scoring.batches import BLOCK
    from charrnn.text.prepared import as_trained

    model, others = (arguments[0], arguments[1:]) if arguments else (None, [])
    if others:
        raise _given(str(model), others[0])
    loaded = load(model)
    reading = take(Reading, given).for_tokens(loaded.tokenizer.unit)
    end, scored = loaded.tokenizer.end, 0
    changed = characters = 0  # of those that were scored

    def texts(before_waiting: Callable[[], object]) -> Iterator[str]:
        lines = _lines(reading, before_waiting)
        if end in (None, "\n"):
            return lines
        whole = split((f"{line}\n" for line in lines), kind_of_end(end, loaded.records_kind))
        return (record for records in whole for record in records if record.strip())

    def answer(some: list[str]) -> None:
        nonlocal scored, changed, characters
        for found in loaded.score_lines(some, unknown, first=scored + 1):
            write(encode_json(found.facts()))
        scored += len(some)
        if unknown != "error":
            read = [as_trained(text, loaded.tokenizer) for text in some]
            new, more = loaded.tokenizer.count_unknown(read)
            changed, characters = changed + new, characters + more

    try:
        with not_as_bytes():
            answer_in_batches(texts, BLOCK, answer)
    finally:  # also where Ctrl-C ends it
        say_changed(unknown, changed, characters)


def _given(model: str, source: str) -> UsageError:
    """The error for a text that is named; standard input is read as a plain one."""
    from charrnn.folder.reading import names_model
    from charrnn.formats.registry import is_plain_name

    if names_model(source) and not names_model(model):
        model, source = source, model
    name, text = map(as_argument, (model, source))
    plain = f"charrnn score {name} < {text}, or " if is_plain_name(source) else ""
    found = f"{source} is given, but score reads standard input"
    return UsageError(found, f"{plain}charrnn eval {name} {text}")


def _lines(reading: Reading, before_waiting: Callable[[], object]) -> Iterator[str]:
    """The lines of standard input, read as `charrnn train` reads."""
    from charrnn.decoding.containers import reading_errors
    from charrnn.decoding.pieces import pieces, whole_lines
    from charrnn.decoding.streams import arriving

    name, waiting = "standard input", list[str]()
    with reading_errors(name):
        for piece in pieces(name, arriving(before_waiting), reading):
            yield from whole_lines(piece.text, waiting)
            say(*(f"{name}: {note}" for note in piece.notes))
    if rest := "".join(waiting):
        yield rest
