"""Tables: CSV, JSON and Parquet."""

from __future__ import annotations

import csv
import json
import logging
import os
import re
import subprocess
import sys
from pathlib import Path

import pytest

from charrnn import ByteTokenizer, Corpus, Reading, read_corpus
from charrnn.decoding import containers, pieces, streams
from charrnn.errors import BadDataError, UsageError
from charrnn.examples.labelled import read_labelled
from charrnn.examples.series import read_series
from charrnn.formats.tables import delimited, quotes
from charrnn.text import corpus
from tests.text.reading import ROWS, TEXT, gzipped, text_of, write_jsonl


def test_jsonl() -> None:
    write_jsonl("rows.jsonl")
    assert read_corpus(["rows.jsonl"]) == Corpus("rows", TEXT)


def test_csv() -> None:
    Path("rows.csv").write_text('n,body\n1,one\n2,NA\n3,"thrée\n"\n', encoding="utf-8")
    assert text_of("rows.csv", text_column="body") == TEXT


@pytest.mark.parametrize("name", ["rows.csv", "rows.jsonl"])
def test_a_table_with_labels_is_text_with_a_hint_that_they_can_be_learnt(name: str) -> None:
    rows = 'label,text\ngood,"one\n"\nbad,"two\n"\n'
    if name == "rows.jsonl":
        rows = '{"label": "good", "text": "one\\n"}\n{"label": "bad", "text": "two\\n"}\n'
    Path(name).write_text(rows)
    corpus = read_corpus([name])
    assert corpus.text == "one\ntwo\n"
    assert corpus.notes == (
        f"{name}: its column label is not read; it is what --task classify learns from",
    )
    assert read_corpus([name], Reading(text_column="label")).notes == ()


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
    found = read_corpus(["rows.jsonl"])
    assert found.text == "one\n\nab"
    assert found.notes == (
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
    with pytest.raises(
        UsageError, match=r"row 1 holds the number 1 in the column n, .* choose .* text$"
    ):
        text_of("rows.parquet", text_column="n")


def test_a_column_that_is_not_there_or_holds_no_text_is_an_error() -> None:
    write_jsonl("rows.jsonl")
    for column in ("body", "n"):
        with pytest.raises(UsageError, match=f"column {column}.*; .*choose .* text"):
            text_of("rows.jsonl", text_column=column)


def test_csv_without_the_column_is_an_error() -> None:
    Path("rows.csv").write_text("n,body\n1,one\n")
    with pytest.raises(UsageError, match="column text; choose --text-column from n, body"):
        text_of("rows.csv")


def test_a_column_that_is_there_twice_is_refused_where_it_is_read() -> None:
    Path("rows.csv").write_text("text,n,text,n\none,1,eins,2\n")
    with pytest.raises(BadDataError, match=r"rows\.csv: two columns are named text; give each"):
        text_of("rows.csv")
    Path("rows.csv").write_text("text,n,n\none,1,2\n")
    assert text_of("rows.csv") == "one"


def test_a_column_of_parquet_that_is_there_twice_is_refused_where_it_is_read() -> None:
    import pyarrow as pa
    import pyarrow.parquet

    rows = [["one"], ["eins"], [{"n": "uno"}], [{"n": "un"}]]
    table = pa.table(rows, names=["text", "label", "meta", "meta"])
    pyarrow.parquet.write_table(table, "a.parquet")
    assert text_of("a.parquet") == "one"
    with pytest.raises(BadDataError, match=r"a\.parquet: two columns are named meta; give each"):
        text_of("a.parquet", text_column="meta.n")


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


@pytest.mark.parametrize(
    ("name", "content", "note"),
    [
        ("a.csv", "n;text\n1;one, two\n2;three\n", "its cells are separated by semicolons"),
        ("a.csv", "n\ttext\n1\tone, two\n2\tthree\n", "its cells are separated by tabs"),
        ("a.csv", "n|text\n1|one, two\n2|three\n", "its cells are separated by vertical bars"),
        ("a.tsv", 'n,text\n1,"one, two"\n2,three\n', "its cells are separated by commas"),
        ("a.tsv", "n\ttext\n1\tone, two\n2\tthree\n", ""),
        ("A.CSV", 'n,text\n1,"one, two"\n2,three\n', ""),
        ("a.Tsv", 'n\ttext\n1\t"one, two"\n2\tthree\n', ""),
        ("a.csv", '\ufeffn,text\r\n1,"one, two"\r\n2,three', "dropped the byte-order mark"),
        ("a.csv", '\n\nn,text\n\n1,"one, two"\n\n2,three\n', ""),
        ("a.csv", 'n,text,\n1,"one, two",\n2,three,\n', ""),
        ("a.csv", 'n,text\r1,"one, two"\r2,three\r', ""),
    ],
)
def test_what_stands_between_cells_is_found_and_told(name: str, content: str, note: str) -> None:
    Path(name).write_bytes(content.encode())
    found = read_corpus([name])
    assert found.text == "one, two\nthree"
    assert found.notes == ((f"{name}: {note}",) if note else ())


def test_names_of_columns_may_have_spaces_around_them() -> None:
    for header in ("n, text", "text ,n", " n ;  text "):
        Path("a.csv").write_text(
            f"{header}\none;one\n" if ";" in header else f"{header}\none,one\n"
        )
        assert text_of("a.csv") == "one"
    Path("a.csv").write_text("n, text\n1,one\n")
    assert text_of("a.csv", text_column=" text") == "one"
    Path("a.csv").write_text("text,n,text \none,1,eins\n")
    assert text_of("a.csv", text_column="text ") == "eins"


@pytest.mark.parametrize("above", [";;\n", ";;\n;;\n", "\n"])
def test_a_title_may_have_empty_cells_beside_it(above: str) -> None:
    """Excel adds them; the title was offered as a column."""
    Path("a.csv").write_text(f"Class 7b{above}text;label;name\nfine;5;A\n")
    line = above.count("\n") + 1
    found = f"a.csv: there is no column text in its first line, but in line {line}; delete the"
    with pytest.raises(UsageError, match=found):
        text_of("a.csv")
    with pytest.raises(UsageError, match=found):
        read_labelled(["a.csv"], Reading(), [], "label")
    with pytest.raises(UsageError, match=found.replace("text", "label")):
        read_series(["a.csv"], Reading(), [], "label")


@pytest.mark.parametrize("header", [",type,content", "id,,content"])
@pytest.mark.parametrize("row", ["0,text,hello", "0,u,v\n1,text,label"])
def test_names_of_which_one_is_empty_are_no_title(header: str, row: str) -> None:
    """They were to be deleted, as pandas writes them."""
    Path("a.csv").write_text(f"{header}\n{row}\n")
    names = ", ".join(filter(None, header.split(",")))
    for read in (text_of, lambda name: read_labelled([name], Reading(), [], None)):
        with pytest.raises(UsageError, match=f"column text; choose --text-column from {names}, or"):
            read("a.csv")


@pytest.mark.parametrize("sign", [",", ";", "\t", "|"])
def test_a_first_line_may_name_the_separator(sign: str) -> None:
    for line in (f"sep={sign}\n", f'"sep={sign}"\r\n', f"\nsep={sign}\n\n  \n"):
        Path("a.csv").write_text(f"\ufeff{line}n{sign}text\n1{sign}one\n2{sign}two\n")
        found = read_corpus(["a.csv"])
        assert found.text == "one\ntwo"
        note = f"left out the line {line.strip()}, which names what separates cells"
        assert found.notes == ("a.csv: dropped the byte-order mark", f"a.csv: {note}")


@pytest.mark.parametrize("title", ["# exported", "# exported on Monday, 7 am"])
@pytest.mark.parametrize("sign", [",", ";"])
def test_a_title_above_the_names_of_columns_is_to_be_deleted(title: str, sign: str) -> None:
    """A cell of the title was offered as a column, or quotation marks advised."""
    Path("a.csv").write_text(f"{title}\n\nn{sign} text\n1{sign}one\n")
    with pytest.raises(UsageError) as caught:
        text_of("a.csv")
    found = "a.csv: there is no column text in its first line, but in line 3"
    assert str(caught.value) == f"{found}; delete the lines above it"
    Path("a.csv").write_text(f"sep={sign}\n{title}\nn{sign} text\n1{sign}one\n")
    with pytest.raises(UsageError) as caught:
        text_of("a.csv")
    assert caught.value.found == found


def test_tables_that_were_joined_have_one_header() -> None:
    """The names of their columns became a row, and a class for a classifier."""
    table = "\ufefflabel,text\r\ngood,a fine film\r\n"
    Path("a.csv").write_bytes((table * 3).encode())
    found = read_corpus(["a.csv"])
    assert found.text == "a fine film\n" * 2 + "a fine film"
    assert found.notes == (
        "a.csv: dropped 3 byte-order marks",
        "a.csv: left out 2 rows with the names of its columns again",
        "a.csv: its column label is not read; it is what --task classify learns from",
    )
    notes: list[str] = []
    examples = read_labelled(["a.csv"], Reading(), notes, None)
    assert [example.label for example in examples] == ["good"] * 3
    assert notes == list(found.notes[:2])
    Path("words.csv").write_text("text\na\ntext\n")  # which is a word, too
    assert text_of("words.csv") == "a\ntext"
    Path("headless.csv").write_text("good,a fine film\nbad,a dull one\n" * 3)
    examples = read_labelled(["headless.csv"], Reading(text_column="2"), [], "1")
    assert [example.label for example in examples] == ["good", "bad"] * 3


@pytest.mark.parametrize("sign", list(delimited.DELIMITERS))
def test_tables_that_were_joined_have_one_line_on_their_separator(sign: str) -> None:
    Path("a.csv").write_text(f"sep={sign}\ntext{sign}n\nx{sign}1\n" * 3)
    found = read_corpus(["a.csv"])
    assert found.text == "x\nx\nx"
    assert found.notes[1:] == (
        "a.csv: left out 2 rows with what separates its cells again",
        "a.csv: left out 2 rows with the names of its columns again",
    )


@pytest.mark.parametrize("header", ["n, text", '"n", "text"', "n,   text"])
def test_cells_may_be_quoted_behind_spaces(header: str) -> None:
    """Spaces and quotation marks became a part of the text, or a separator between them."""
    Path("a.csv").write_text(f'{header}\n1, two words\n2, "a fine, ""new"" film"\n')
    found = read_corpus(["a.csv"])
    assert found.text == 'two words\na fine, "new" film'
    assert found.notes == ("a.csv: left out the spaces before its cells",)
    Path("b.csv").write_text('n,text\n1, two\n2," ""three"", "\n3,", "\n')
    found = read_corpus(["b.csv"])
    assert (found.text, found.notes) == (' two\n "three", \n, ', ())
    for stray in ('"Go" is a verb', '"Go is a verb', 'is "go" a verb'):  # none encloses a cell
        Path("b.csv").write_text(f"n, text\n1, He said no\n2, {stray}\n" + "3,x\n" * 40)
        found = read_corpus(["b.csv"])
        assert found.text == f" He said no\n {stray}" + "\nx" * 40
        assert found.notes == ()
    long = '"a film\n' + "of many lines\n" * 40 + '"'
    Path("b.csv").write_text(f'n, text\n1, "two"\n2, {long}\n')
    assert text_of("b.csv").startswith("two\na film\nof many")
    Path("c.csv").write_text('n,text\n1, "a fine, new film"\n')
    with pytest.raises(BadDataError, match="first 2; delete the spaces before its quotation marks"):
        text_of("c.csv")


@pytest.mark.parametrize("mark", ["\u2028", "\x85", "\v", "\f", "\x1e"])
def test_lines_above_a_header_are_counted_as_they_are_read(mark: str) -> None:
    Path("a.csv").write_text(f"A title{mark}of two parts\nn,text\n1,one\n", encoding="utf-8")
    with pytest.raises(UsageError, match="no column text in its first line, but in line 2"):
        text_of("a.csv")


def test_a_header_alone_is_told_as_one_without_the_column() -> None:
    """A longer text was asked for."""
    Path("a.csv").write_text("id,body\n")
    Path("b.csv").write_text('[{"body": "one"}]\n')  # JSON by another name
    for name, shown in (("a.csv", "id, body"), ("b.csv", '[{"body": "one"}]')):
        with pytest.raises(UsageError) as caught:
            text_of(name)
        choice = f"choose --text-column from {shown}, or name it by its number if the first line is"
        choice += " no header"
        assert str(caught.value) == f"{name}: no text in a column text; {choice}"


def test_a_cell_that_is_called_as_the_column_is_no_name_of_it() -> None:
    Path("a.csv").write_text("kind,body\npicture,one\ntext,two\n")
    with pytest.raises(UsageError, match="no text in a column text; choose --text-column from kin"):
        text_of("a.csv")


def test_a_row_longer_than_a_first_cell_alone_may_stand_below_a_title() -> None:
    Path("a.csv").write_text("My poems\nn,poem\n1,one\n")
    advice = "delete the first line if it is a title, or put cells that contain"
    with pytest.raises(BadDataError, match=f"line 2 has 2 cells, the first 1; {advice}"):
        text_of("a.csv", text_column="body")


def test_the_quotes_of_a_table_with_tabs_may_be_text() -> None:
    Path("a.tsv").write_text('text\tn\n"Hello" she said\t1\nhe was 6\' 2" tall\t2\n')
    found = read_corpus(["a.tsv"])
    assert found.text == '"Hello" she said\nhe was 6\' 2" tall'
    assert found.notes == ("a.tsv: its quotation marks are read as text",)
    Path("b.tsv").write_text('text\tn\n"one\ttwo\nthree ""four"""\t1\n')
    assert text_of("b.tsv") == 'one\ttwo\nthree "four"'


def test_quotes_within_a_cell_with_tabs_show_that_all_are_text() -> None:
    """Sheets and Anki write no others; those around a whole sentence were lost without a word."""
    Path("a.tsv").write_text('text\tn\n\nHe said "no"\tEr\n"Yes"\tJa\n')
    found = read_corpus(["a.tsv"])
    assert found.text == 'He said "no"\n"Yes"'
    assert found.notes == ("a.tsv: its quotation marks are read as text",)
    for enclosed in ("one\ntwo", "one\ttwo"):  # some quote nothing but what needs it
        Path("b.tsv").write_text(f'text\tn\nHe said "no"\tEr\n"{enclosed}"\tJa\n')
        assert text_of("b.tsv") == f'He said "no"\n{enclosed}'
    Path("c.tsv").write_text('text\tn\n"He said ""no"""\t "Er"\n"Yes"\tJa\n')
    assert text_of("c.tsv") == 'He said "no"\nYes'


@pytest.mark.parametrize("stray", ['"Stop now\tHalt', '"\tein', 'one\t"'])
@pytest.mark.parametrize("closed", [True, False])
def test_stray_quotes_merge_no_rows(stray: str, *, closed: bool) -> None:
    """A quotation mark that opens a cell far below, and another that seems to close it."""
    lines = [f"text\tn {n}" for n in range(300)]
    lines[0], lines[210] = "text\tn", stray
    if closed:
        lines[214] = 'he said "\ter sagte'
    Path("a.tsv").write_text("\n".join(lines) + "\n")
    found = read_corpus(["a.tsv"])
    assert found.text.split("\n") == [line.split("\t")[0] for line in lines[1:]]
    assert found.notes == ("a.tsv: its quotation marks are read as text",)


def test_quotes_that_merge_rows_where_nobody_looked_are_refused(
    monkeypatch: pytest.MonkeyPatch,
) -> None:
    monkeypatch.setattr(quotes, "TRIED", 100)
    rows = ["text\tn", *[f"text\t{n}" for n in range(100)]]
    Path("a.tsv").write_text("\n".join([*rows, '"Stop\t1', 'he said "\t2', ""]))
    with pytest.raises(BadDataError, match=r"a\.tsv: line 102: a quotation mark opens a cell that"):
        read_corpus(["a.tsv"])
    Path("b.tsv").write_text("\n".join([*rows, '"Stop\t1', *rows]))
    with pytest.raises(BadDataError, match=r"b\.tsv: line 102: .* none closes it"):
        read_corpus(["b.tsv"])
    assert csv.field_size_limit() == 131_072


def test_a_cell_is_cleaned_as_a_text_is() -> None:
    Path("a.csv").write_bytes(b'text\r\n"one\r\ntwo\rthree"\r\n"\xef\xbb\xbffour"\r\n')
    found = read_corpus(["a.csv"])
    assert found.text == "one\ntwo\nthree\nfour"
    assert found.notes == (
        "a.csv: dropped the byte-order mark",
        "a.csv: CRLF became LF on 1 line",
        "a.csv: CR became LF on 1 line",
    )


def test_a_cell_may_be_long_and_the_limit_of_the_process_stays() -> None:
    cells = ["é" * 500_000, "b\n" * 300_000]
    with Path("a.csv").open("w", newline="", encoding="utf-8") as file:
        csv.writer(file).writerows([["text"], *([cell] for cell in cells)])
    usual = csv.field_size_limit()
    read = corpus.documents(["a.csv"], Reading())
    assert [next(read).text, csv.field_size_limit(), next(read).text] == [cells[0], usual, cells[1]]


def test_a_name_can_be_chosen_as_it_is_shown() -> None:
    """A line end in it was shown as a space, and the end of a question was not shown."""
    question = " ".join(["How", *["often"] * 40, "do you read?"])
    Path("a.csv").write_text(f'n,"Your\nopinion","{question}"\n1,one,two\n')
    with pytest.raises(UsageError, match=re.escape(f"from n, Your opinion, {question}, or name")):
        text_of("a.csv")
    assert text_of("a.csv", text_column="Your opinion") == "one"
    assert text_of("a.csv", text_column="Your\nopinion") == "one"
    assert text_of("a.csv", text_column=question) == "two"
    (found,) = read_labelled(["a.csv"], Reading(text_column=question), [], "Your opinion")
    assert (found.text, found.label) == ("two", "one")
    Path("a.csv").write_text('ds,"Sales,\nnet"\n2024-01,5\n2024-02,6\n')
    (series,) = read_series(["a.csv"], Reading(), [], "Sales, net")
    assert series.values.tolist() == [[5], [6]]


def test_a_number_is_that_of_a_column_without_a_name() -> None:
    """The first entry of a list was its header, and no list without one could be read."""
    Path("a.csv").write_text("Harold,m\nTherese,f\n\nAnn\n")
    with pytest.raises(UsageError, match="or name it by its number if the first line is no header"):
        text_of("a.csv")
    assert text_of("a.csv", text_column="1") == "Harold\nTherese\nAnn"
    found = read_corpus(["a.csv"], Reading(text_column="2"))
    first = "a.csv: its first line is read as a row: Harold, m"
    assert (found.text, found.notes) == ("m\nf", (first, "a.csv: 1 of 3 rows holds no text"))
    for wrong in ("0", "3", "9" * 5000):  # which Python takes for no number
        with pytest.raises(UsageError, match=f"no text in a column {wrong}"):
            text_of("a.csv", text_column=wrong)
    Path("a.csv").write_text("1,2\none,two\n")
    assert text_of("a.csv", text_column="2") == "two"


@pytest.mark.parametrize(("name", "between"), [("a.csv", ","), ("a.tsv", "\t"), ("b.csv", ";")])
def test_a_cell_of_the_first_line_may_be_long(name: str, between: str) -> None:
    long = "word " * 40_000
    Path(name).write_text(f"{long}{between}text\n1{between}a word\n")
    assert text_of(name) == "a word"
    Path(name).write_text(f"{long}\ntext\n")
    with pytest.raises(UsageError, match=r"choose --text-column from (word ){60}…, or"):
        text_of(name)


@pytest.mark.parametrize("chunk", [1, 2, 7, 1 << 20])
def test_rows_are_the_same_however_the_file_comes(
    chunk: int, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(streams, "CHUNK", chunk)
    rows = ['a "b"\r\nc', "", "é\rü", "d,;", "\u2028e\x0bf"]
    with Path("a.csv").open("w", newline="", encoding="utf-16") as file:
        csv.writer(file).writerows([["n", "text"], *([n, row] for n, row in enumerate(rows))])
    Path("a.jsonl").write_text("\n".join(json.dumps({"text": row}) for row in rows), "utf-16")
    for name in ("a.csv", "a.jsonl"):
        read = list(corpus.documents([name], Reading(encoding="utf-16")))
        found = [piece.text for piece in read if piece.first]
        assert found == [row.replace("\r\n", "\n").replace("\r", "\n") for row in rows]


@pytest.mark.parametrize("name", ["a.csv", "a.tsv", "a.jsonl", "a.json"])
def test_the_encoding_and_its_errors_are_the_users_for_every_table(name: str) -> None:
    content = '{"text": "déjà"}' if "json" in name else "text\ndéjà\n"
    Path(name).write_bytes(content.encode("latin-1"))
    assert text_of(name, encoding="latin-1") == "déjà"
    replaced = read_corpus(name, Reading(errors="replace"))
    assert replaced.text == "d\ufffdj\ufffd"
    assert replaced.notes == (f"{name}: 2 bytes that are not utf-8 became U+FFFD",)
    with pytest.raises(BadDataError, match=r"byte 0xe9 at offset .*; it may be cp1252 \('"):
        text_of(name)
    raw = text_of(name, errors="surrogateescape")
    assert ByteTokenizer().encode(raw).astype("u1").tobytes() == "déjà".encode("latin-1")


def test_rows_without_text_are_counted() -> None:
    import pyarrow as pa
    import pyarrow.parquet

    rows = [{"text": str(n) if n % 3 == 0 else None, "n": n} for n in range(900)]
    pyarrow.parquet.write_table(pa.Table.from_pylist(rows), "a.parquet")
    lines = "".join(json.dumps(row) + "\n" for row in rows)
    Path("a.jsonl").write_text(lines)
    Path("a.csv").write_text("n,text\n" + "1,a\n2\n" * 3)
    for name in ("a.parquet", "a.jsonl"):
        found = read_corpus([name])
        assert found.text.split() == [str(n) for n in range(0, 900, 3)]
        assert found.notes == (f"{name}: 600 of 900 rows hold no text",)
    assert read_corpus(["a.csv"]).notes == ("a.csv: 3 of 6 rows hold no text",)


def test_a_row_that_is_quoted_as_a_whole_is_told_as_that() -> None:
    Path("a.csv").write_text('n,text\n1,"Hi, you"\n"2,bye"\n3\n')
    corpus = read_corpus(["a.csv"])
    assert corpus.text == "Hi, you"
    assert corpus.notes == (
        "a.csv: line 3 is quoted as a whole, and so one cell without a column text",
        "a.csv: 2 of 3 rows hold no text",
    )
    Path("b.csv").write_text('text,n\n"Hi, you"\n')
    assert read_corpus(["b.csv"]).notes == ()


def test_parquet_may_be_nested() -> None:
    import pyarrow as pa
    import pyarrow.parquet

    chat = [{"role": "user", "content": "one"}, {"role": "bot", "content": "two"}]
    table = pa.Table.from_pylist([{"messages": chat, "meta": {"title": "a"}, "n": 1}])
    pyarrow.parquet.write_table(table, "a.parquet")
    assert text_of("a.parquet", text_column="messages.content") == "one\ntwo"
    assert text_of("a.parquet", text_column="meta.title") == "a"
    with pytest.raises(UsageError, match=r"column text; choose --text-column from messages"):
        text_of("a.parquet")


def test_parquet_that_grows_past_all_reason_is_refused(monkeypatch: pytest.MonkeyPatch) -> None:
    import pyarrow as pa
    import pyarrow.parquet

    monkeypatch.setattr(containers, "HARMLESS", 1 << 20)
    for name, rows, options in (
        ("page.parquet", ["a" * 10_000_000], {"use_dictionary": False, "compression": "zstd"}),
        ("dictionary.parquet", ["a" * 1000] * 100_000, {"use_dictionary": True}),
    ):
        pyarrow.parquet.write_table(pa.table({"text": rows}), name, **options)
        with pytest.raises(BadDataError, match="1,000 times its size"):
            text_of(name)


@pytest.mark.parametrize(
    ("content", "found"),
    [
        ("text,n\n1,2,3\n", "line 2 has 3 cells, the first 2"),
        ('text\n"half', "line 2: .*close each quotation mark"),
        ('text\n"a"b\n', "line 2: .*double those within"),
    ],
)
def test_a_broken_csv_says_where(content: str, found: str) -> None:
    Path("a.csv").write_text(content)
    with pytest.raises(BadDataError, match=rf"a\.csv: {found}"):
        text_of("a.csv")


def test_an_open_quotation_mark_takes_no_memory(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(quotes, "LONGEST", 1000)
    Path("a.csv").write_text('text\n"' + "a line\n" * 1000)
    with pytest.raises(BadDataError, match=r"a\.csv: line \d+: field larger than field limit"):
        text_of("a.csv")
    Path("a.csv").write_text("a cell " * 1000 + "\ntext\n")
    with pytest.raises(BadDataError, match=r"a\.csv: line 1: field larger than field limit"):
        text_of("a.csv")
    monkeypatch.setattr(pieces, "LONGEST", 1000)
    monkeypatch.setattr(streams, "CHUNK", 100)
    Path("b.csv").write_text("text\n" + "a" * 2000)
    with pytest.raises(BadDataError, match=r"b\.csv: a line of over 1,000 characters"):
        text_of("b.csv")


def test_callers_loggers_bars_and_limits_stay_as_they_are() -> None:
    code = """
import contextlib, csv, logging, sys
import datasets, huggingface_hub
from charrnn import MissingInputError, load, read_corpus
def state():
    return (datasets.are_progress_bars_disabled(), datasets.logging.get_verbosity(),
            datasets.config.HF_UPDATE_DOWNLOAD_COUNTS, csv.field_size_limit(),
            huggingface_hub.utils.are_progress_bars_disabled(),
            *(logging.getLogger(name).level for name in ("datasets", "huggingface_hub", "")))
logging.getLogger("huggingface_hub").setLevel(logging.INFO)
datasets.logging.set_verbosity_info()
before = state()
for source in sys.argv[1:]:
    read_corpus([source])
    assert state() == before, (source, before, state())
with contextlib.suppress(MissingInputError):
    load("hf://owner/model")
assert state() == before, ("a model", before, state())
"""
    Path("a.csv").write_text("text\none\n")
    write_jsonl("owner/name/train.jsonl")
    done = subprocess.run(
        [sys.executable, "-c", code, "a.csv", "owner/name/train.jsonl", "hf://owner/name"],
        env=os.environ | {"HF_HUB_OFFLINE": "1"},
        capture_output=True,
        text=True,
        timeout=120,
    )
    assert done.returncode == 0, done.stderr
