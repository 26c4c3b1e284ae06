"""Texts to be answered: one for each line or row, in their order, empty where one is missing."""

from __future__ import annotations

from pathlib import Path

import pyarrow as pa
import pytest
from pyarrow import parquet

from charrnn import Reading
from charrnn.errors import UsageError
from charrnn.examples.inputs import texts_in


def read(name: str, text_column: str | None = None) -> list[str]:
    return list(texts_in([name], Reading(text_column=text_column), []))


def test_a_text_that_is_missing_is_empty_wherever_it_is() -> None:
    Path("flat.jsonl").write_text('{"id": 1}\n{"text": null}\n{"text": "good"}\n{"id": 4}\n')
    assert read("flat.jsonl") == ["", "", "good", ""]
    Path("deep.jsonl").write_text('{"m": {"text": "good"}}\n{"m": null}\n{}\n')
    assert read("deep.jsonl", "m.text") == ["good", "", ""]
    Path("late.jsonl").write_text('{"m": null}\n{"m": {"n": 1}}\n{"m": {"text": "good"}}\n')
    assert read("late.jsonl", "m.text") == ["", "", "good"]
    rows = [{"m": None}, {"m": {"text": "good"}}]
    parquet.write_table(pa.Table.from_pylist(rows), "deep.parquet")
    assert read("deep.parquet", "m.text") == ["", "good"]
    Path("short.csv").write_text("id,text\n1\n2,good\n3,\n")
    assert read("short.csv") == ["", "good", ""]


def test_a_column_that_no_row_has_is_refused_before_any_text() -> None:
    Path("a.jsonl").write_text('{"id": 1, "n": null}\n{"id": 2}\n')
    for name in ("text", "n.text"):
        texts = texts_in(["a.jsonl"], Reading(text_column=name), [])
        with pytest.raises(UsageError, match=f"there is no column {name}; choose --text-column"):
            next(texts)
    rows = ['{"sentence": "a"}\n'] * 1_500 + ["{broken\n"]
    Path("long.jsonl").write_text("".join(rows))
    with pytest.raises(UsageError, match="there is no column text"):  # and not: broken
        next(texts_in(["long.jsonl"], Reading(), []))
    Path("a.csv").write_text("id,n\n1,2\n3,4\n")
    with pytest.raises(UsageError, match=r"a\.csv: there is no column text"):
        next(texts_in(["a.csv"], Reading(), []))


def test_the_first_column_is_read_only_of_a_table_that_has_no_header() -> None:
    def sources(content: str) -> list[str]:
        Path("a.csv").write_text(content)
        return list(texts_in(["a.csv"], Reading(), [], "source", headless=True))

    assert sources("hello,hallo\nyes,ja\n") == ["hello", "yes"]
    assert sources("target,source\nhallo,hello\n") == ["hello"]
    for header in ("id,text", "target,note"):
        with pytest.raises(UsageError, match="there is no column source; choose --text-column"):
            sources(f"{header}\n1,hello\n")
