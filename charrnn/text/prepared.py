"""Texts and lists made ready for models: as training had them, with their ends, in their order.

text ──as_trained──▶ text;  records ──encode_records──▶ ids (N,) ──as_read──▶ ids (N,)
"""

from __future__ import annotations

import os.path
from collections.abc import Sequence
from pathlib import Path
from typing import TypeVar

import numpy as np

from charrnn.arrays import Ids
from charrnn.config import Unknown
from charrnn.decoding.cleaning import clean, has_surrogate
from charrnn.errors import UsageError, warn
from charrnn.text.tokenizer import ByteTokenizer, Tokenizer, check_text

__all__ = ["as_read", "as_trained", "encode_records", "refuse_file_names", "same_vocabulary"]

AnyTokenizer = TypeVar("AnyTokenizer", bound=Tokenizer)


def same_vocabulary(tokenizers: Sequence[AnyTokenizer]) -> AnyTokenizer:
    """The one tokenizer of several models.

    Raises:
        UsageError: if they have different ones; says what differs.
    """
    first = tokenizers[0]
    for other in tokenizers[1:]:
        if other == first:
            continue
        if type(other) is not type(first):
            found = f"one model reads {first.unit}s, another {other.unit}s"
        elif other.end != first.end:
            ends = [repr(t.end) if t.end else "nothing" for t in (first, other)]
            found = f"records end with {ends[0]} for one model, with {ends[1]} for another"
        else:
            sets = [set(t.characters) for t in (first, other) if hasattr(t, "characters")]
            found = f"the models differ in {''.join(sorted(sets[0] ^ sets[1]))!r}"
        raise UsageError(found, "choose models with the same vocabulary")
    return first


def refuse_file_names(**texts: str | None) -> None:
    """Refuse the path of a file in place of its text; a word may be the name of one by chance.

    Raises:
        UsageError: for a path with a suffix or a folder; names the argument.
    """
    for argument, text in texts.items():
        if text is None or not os.path.isfile(text):  # noqa: PTH113
            continue
        path = Path(text)
        if path.suffix or path.name != text:
            found = f"{argument} is {text!r}, the name of a file"
            raise UsageError(found, f"give what is in it: charrnn.read_corpus({text!r}).text")


def as_trained(text: str, tokenizer: Tokenizer) -> str:
    """`text` as training would have read it: LF for CRLF, no byte-order mark; see `cleaning`.

    Characters that the model knows stay as they are, and so does what is bytes rather than text.

    Warns:
        UserWarning: of each change.
    """
    check_text(text)
    if isinstance(tokenizer, ByteTokenizer):
        raw = has_surrogate(text)
    else:
        raw = set(text).issubset(tokenizer.characters)
    if raw:
        return text
    cleaned, notes = clean(text)
    for note in notes if cleaned != text else ():
        warn(f"the text: {note}")
    return cleaned


def encode_records(tokenizer: Tokenizer, records: Sequence[str], unknown: Unknown = "error") -> Ids:
    """The ids (N,) of records, the end after each; see `CharTokenizer.encode`."""
    assert tokenizer.end_id is not None, "only a tokenizer with an end has records"
    records = tokenizer.in_known_form(records)  # before they are joined, as marks may meet letters
    if unknown != "error":
        each = [tokenizer.encode_as_is(record, unknown) for record in records]
        ids, lengths = np.concatenate([*each, np.zeros(0, np.int32)]), [len(one) for one in each]
    else:  # all at once: a list has millions of short records
        ids = tokenizer.encode_as_is("".join(records))
        in_bytes = tokenizer.unit == "byte"
        lengths = [len(r.encode("utf-8", "surrogateescape") if in_bytes else r) for r in records]
    return np.insert(ids, np.cumsum(np.array(lengths, np.int64)), tokenizer.end_id)


def as_read(ids: Ids, reverse: bool) -> Ids:
    """The tokens (N,) of a text in the order in which models read them."""
    return ids[::-1].copy() if reverse else ids
