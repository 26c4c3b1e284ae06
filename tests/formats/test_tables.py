"""Tables: CSV, JSON and Parquet."""

from __future__ import annotations

import json
import logging
import re
from pathlib import Path

import pytest

from charrnn import Corpus, read_corpus
from charrnn.errors import BadDataError, UsageError
from tests.text.reading import gzipped, text_of

ROWS = ({"text": "one", "n": 1}, {"text": "NA", "n": 2}, {"text": "thrée\n", "n": 3})
TEXT = "one\nNA\nthrée\n"


def write_jsonl(path: str) -> None:
    Path(path).parent.mkdir(parents=True, exist_ok=True)
    lines = "".join(json.dumps(row) + "\n" for row in ROWS)
    Path(path).write_text(lines, encoding="utf-8")


def test_jsonl() -> None:
    write_jsonl("rows.jsonl")
    assert read_corpus(["rows.jsonl"]) == Corpus("rows", TEXT)


def test_csv() -> None:
    Path("rows.csv").write_text('n,body\n1,one\n2,NA\n3,"thrée\n"\n', encoding="utf-8")
    assert text_of("rows.csv", text_column="body") == TEXT


def test_the_encoding_of_csv_is_the_users() -> None:
    Path("rows.csv").write_text("text\ndéjà\n", encoding="latin-1")
    assert text_of("rows.csv", encoding="latin-1") == "déjà"
    with pytest.raises(BadDataError, match=r"rows\.csv: .*byte 0xe9"):
        text_of("rows.csv")


@pytest.mark.parametrize("cells", [["007", "1.50"], ["True", "False"], ["null", "nan", "N/A"]])
def test_csv_is_text_whatever_it_looks_like(cells: list[str]) -> None:
    Path("rows.csv").write_text("\n".join(["text", *cells]))
    assert text_of("rows.csv") == "\n".join(cells)


def test_compressed_tables() -> None:
    write_jsonl("rows.jsonl")
    Path("rows.jsonl.gz").write_bytes(gzipped(Path("rows.jsonl").read_bytes()))
    assert read_corpus(["rows.jsonl.gz"]) == Corpus("rows", TEXT)
    Path("rows.csv.gz").write_bytes(gzipped(b"text\none\n"))
    assert text_of("rows.csv.gz") == "one"
    Path("broken.csv.gz").write_bytes(b"text\none\n")
    with pytest.raises(BadDataError, match=r"broken\.csv\.gz"):
        text_of("broken.csv.gz")


@pytest.mark.parametrize("name", ["rows [1].jsonl", "10%?*.jsonl", "[x]/.rows.jsonl", "-.jsonl"])
def test_a_table_may_have_any_name(name: str) -> None:
    write_jsonl(name)
    assert text_of(name) == TEXT


def test_an_empty_row_is_an_empty_line_and_a_missing_one_is_none() -> None:
    """Data sets with a row a line have "" for the lines between paragraphs."""
    rows = [{"text": "one"}, {"text": ""}, {"text": None}, {}, {"text": "a\0b"}]
    Path("rows.jsonl").write_text("\n".join(json.dumps(row) for row in rows))
    corpus = read_corpus(["rows.jsonl"])
    assert corpus.text == "one\n\nab"
    assert corpus.notes == (
        "rows.jsonl: dropped 1 NUL, which pads the text",
        "rows.jsonl: 2 of 5 rows hold no text",
    )


@pytest.mark.parametrize("content", ["", "\n", "{}\n", '{"text":null}\n', '{"text":""}\n'])
def test_a_table_without_text_is_an_error(content: str) -> None:
    Path("rows.jsonl").write_text(content)
    with pytest.raises(BadDataError, match="no text in it"):
        text_of("rows.jsonl")


def test_parquet() -> None:
    import pyarrow as pa
    import pyarrow.parquet

    pyarrow.parquet.write_table(pa.Table.from_pylist(list(ROWS)), "rows.parquet")
    assert text_of("rows.parquet") == TEXT
    with pytest.raises(UsageError, match=r"column n; choose .* text, n"):
        text_of("rows.parquet", text_column="n")


def test_a_column_that_is_not_there_or_holds_no_text_is_an_error() -> None:
    write_jsonl("rows.jsonl")
    for column in ("body", "n"):
        with pytest.raises(UsageError, match=f"column {column}; choose .* text, n"):
            text_of("rows.jsonl", text_column=column)


def test_csv_without_the_column_is_an_error() -> None:
    Path("rows.csv").write_text("n,body\n1,one\n")
    with pytest.raises(UsageError, match="column text; choose --text-column from n, body"):
        text_of("rows.csv")


@pytest.mark.parametrize(
    ("name", "content"),
    [
        ("rows.jsonl", "{"),
        ("rows.jsonl", '{"text":"\\ud800"}'),
        ("rows.csv", "text\na,b\n1,2,3\n"),
        ("rows.csv", 'text\n"half'),
        ("rows.parquet", "text"),
    ],
)
def test_a_broken_table_is_an_error_told_once(
    name: str,
    content: str,
    monkeypatch: pytest.MonkeyPatch,
    caplog: pytest.LogCaptureFixture,
) -> None:
    """`datasets` also logs what it raises."""
    caplog.set_level(logging.WARNING, "datasets")  # an earlier test may have silenced it
    monkeypatch.setattr(logging.getLogger("datasets"), "handlers", [caplog.handler])
    Path(name).write_text(content)
    with pytest.raises(BadDataError, match=re.escape(name)):
        text_of(name)
    assert not caplog.messages
