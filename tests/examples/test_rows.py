"""Files as rows with numbers: CSV, TSV, JSON, Parquet, standard input, archives."""

from __future__ import annotations

import gzip
import io
import json
import re
import sys
import zipfile
from collections.abc import Sequence
from pathlib import Path
from typing import Any

import pyarrow as pa
import pytest
from pyarrow import parquet

from charrnn import Reading
from charrnn.config import TaskName
from charrnn.errors import BadDataError, MissingInputError, UsageError
from charrnn.examples.rows import Form, Row, columns_of, opened
from charrnn.formats.tables.columns import MISSING, value_at
from charrnn.text.bundled import BUNDLED
from tests.text.reading import PNG

ROWS = ({"text": "one, two", "n": 1}, {"text": 'a "b"', "n": 2})
CELLS = ({"text": "one, two", "n": "1"}, {"text": 'a "b"', "n": "2"})


def has_text(cells: list[str]) -> bool:
    return "text" in cells


def never(_cells: list[str]) -> bool:
    return False


def rows_of(*sources: str, header: bool = True, columns: Sequence[str] | None = None) -> list[Row]:
    notes: list[str] = []
    is_header = has_text if header else never
    return [r for f in opened(sources, Reading(), notes) for r in f.rows(is_header, columns)]


def lines_or_rows(name: str) -> list[list[Any]]:
    files = opened([name], Reading(), [])
    return [list(f.lines() if f.form is Form.TEXT else f.rows(never)) for f in files]


def test_every_format_has_the_same_rows() -> None:
    Path("a.csv").write_text('text,n\n"one, two",1\n\n"a ""b""",2\n')
    Path("b.tsv").write_text('text\tn\none, two\t1\na "b"\t2\n')
    Path("c.jsonl").write_text("".join(json.dumps(row) + "\n" for row in ROWS))
    Path("d.json").write_text(json.dumps(ROWS))
    parquet.write_table(pa.Table.from_pylist(list(ROWS)), "e.parquet")
    Path("f.csv.gz").write_bytes(gzip.compress(b'text;n\n"one, two";1\na "b";2\n', mtime=0))
    assert rows_of("a.csv") == [Row(2, CELLS[0]), Row(4, CELLS[1])]
    assert rows_of("b.tsv") == rows_of("f.csv.gz") == [Row(2, CELLS[0]), Row(3, CELLS[1])]
    for name in ("c.jsonl", "d.json", "e.parquet"):
        assert rows_of(name) == [Row(1, ROWS[0]), Row(2, ROWS[1])]


def test_a_row_is_where_it_begins() -> None:
    Path("a.csv").write_text('\n\ntext,n\n"one\ntwo",1\nthree,2\n')
    assert [row.number for row in rows_of("a.csv")] == [4, 6]


def test_without_a_header_columns_are_numbers() -> None:
    Path("a.tsv").write_text("Hi, Tom, go!\tLos!\nHi.\tHallo!\tCC-BY\n")
    assert rows_of("a.tsv", header=False) == [
        Row(1, {"1": "Hi, Tom, go!", "2": "Los!"}),
        Row(2, {"1": "Hi.", "2": "Hallo!", "3": "CC-BY"}),
    ]


def test_short_rows_are_short_and_long_ones_refused() -> None:
    Path("a.csv").write_text("text,n\none\n")
    assert rows_of("a.csv") == [Row(2, {"text": "one"})]
    Path("a.csv").write_text("text,n\none,1\ntwo,2,3\n")
    with pytest.raises(BadDataError, match=r"a\.csv: line 3 has 3 cells, the first 2"):
        rows_of("a.csv")


def test_columns_have_names_of_their_own() -> None:
    Path("a.csv").write_text("text,n,n\none,1,2\n")
    with pytest.raises(BadDataError, match="two columns are named n"):
        rows_of("a.csv")
    Path("a.csv").write_text("text,,n,,m,n,text\none\n")  # those without names are not told apart
    with pytest.raises(BadDataError, match="two columns are named text"):
        rows_of("a.csv")


def test_a_table_of_many_columns_is_read() -> None:
    names = ["text", *(f"c{k}" for k in range(1, 20_000))]
    Path("a.csv").write_text(",".join(names) + "\n" + ",".join(map(str, range(20_000))))
    (row,) = rows_of("a.csv")
    assert row.cells == {name: str(k) for k, name in enumerate(names)}


def test_names_of_columns_have_no_spaces_around_them() -> None:
    Path("a.csv").write_text("text, n\none, 1\n")
    assert rows_of("a.csv") == [Row(2, {"text": "one", "n": " 1"})]
    Path("a.csv").write_text("sep=;\nn; text\n1;one\n")
    assert rows_of("a.csv") == [Row(3, {"n": "1", "text": "one"})]
    Path("a.csv").write_text("one, 1\n")
    assert rows_of("a.csv", header=False) == [Row(1, {"1": "one", "2": " 1"})]


def test_parquet_reads_what_is_wanted() -> None:
    parquet.write_table(pa.Table.from_pylist(list(ROWS)), "e.parquet")
    assert rows_of("e.parquet", columns=["n"])[0] == Row(1, {"text": None, "n": 1})


def test_json_that_holds_no_records() -> None:
    Path("a.jsonl").write_text('{"text": "one"}\n"two"\n')
    with pytest.raises(BadDataError, match=r"a\.jsonl: row 2 is a text, not a record"):
        rows_of("a.jsonl")


@pytest.mark.parametrize("place", ["value", "key", "list", "deeper"])
def test_half_a_character_in_a_record_is_refused_or_replaced_wherever_it_is(place: str) -> None:
    half, mark = "a\ud83d", "a\N{REPLACEMENT CHARACTER}"

    def record(text: str) -> dict[str, Any]:
        places = {"value": text, "list": ["b", text], "deeper": [{"label": text}]}
        return {text: 1} if place == "key" else {"n": places[place]}

    Path("a.jsonl").write_text(json.dumps(record(half)))
    with pytest.raises(BadDataError) as caught:
        rows_of("a.jsonl")
    found = r"a.jsonl: '\ud83d' is half a character"
    assert str(caught.value) == f"{found}; mend the table, or choose --errors replace"
    notes = list[str]()
    (file,) = opened(["a.jsonl"], Reading(errors="replace"), notes)
    assert list(file.rows(never)) == [Row(1, record(mark))]
    assert notes == ["a.jsonl: half a character became U+FFFD"]


def nested(text: str, depth: int) -> None:
    """A file with a text and, in a column that nobody reads, lists in lists."""
    Path("a.jsonl").write_text(f'{{"text": "{text}", "n": {"[" * depth}{"]" * depth}}}\n')


def test_a_column_that_nobody_reads_may_be_nested_deeply() -> None:
    nested("a", 600)
    (row,) = rows_of("a.jsonl")
    assert row.cells["text"] == "a"


@pytest.mark.parametrize("text", ["a", r"a\ud83d"])
def test_what_is_nested_more_deeply_than_python_follows_is_refused(text: str) -> None:
    """How deeply that is depends on Python, and on whether texts have to be mended."""
    refused, found = "", r"a\.jsonl: broken JSON \(it is nested too deeply\); check the file"
    for depth in (600, 990, 100_000):
        nested(text, depth)
        try:
            for file in opened(["a.jsonl"], Reading(errors="replace"), []):
                list(file.rows(never))
        except BadDataError as error:
            refused = str(error)
    assert re.fullmatch(found, refused)


def test_standard_input_is_seen_for_what_it_is(monkeypatch: pytest.MonkeyPatch) -> None:
    for text in ('{"text": "one", "n": 1}\n', "text,n\none,1\n", "text\tn\none\t1\n"):
        monkeypatch.setattr(sys, "stdin", io.TextIOWrapper(io.BytesIO(text.encode())))
        (row,) = rows_of("-")
        assert row.cells["text"] == "one"


def test_a_text_may_begin_with_a_bracket(monkeypatch: pytest.MonkeyPatch) -> None:
    for text in ("{hello} there\n", "{\n}\n", '{ "a"\n'):
        Path("a.txt").write_text(text)
        monkeypatch.setattr(sys, "stdin", io.TextIOWrapper(io.BytesIO(text.encode())))
        forms = [file.form for file in opened(["a.txt", "-"], Reading(), [])]
        assert forms == [Form.TEXT if text.startswith("{h") else Form.JSON] * 2


def test_a_broken_file_is_told_while_it_is_read() -> None:
    whole = gzip.compress(b"text,n\n" + b"".join(b"%d,1\n" % k for k in range(99_999)), mtime=0)
    Path("a.csv.gz").write_bytes(whole[:-1000])
    with pytest.raises(BadDataError, match=r"a\.csv\.gz: broken gzip"):
        rows_of("a.csv.gz")
    with pytest.raises(MissingInputError):
        rows_of("missing.csv")


@pytest.mark.parametrize(
    ("content", "columns", "found"),
    [
        ({"y": [1, 2]}, None, "y"),
        ({"n": 1, "text": ["a", "b"], "label": ["x", "y"]}, ["text", "label"], "text, label"),
        ({"text": {"0": "a", "1": "b"}, "n": {"0": 1, "1": 2}}, ["text", "label"], "text"),
        ({"columns": ["y"], "data": [[1], [2]]}, None, "columns, data"),
        ({"tokens": ["Ann"], "tags": ["B"]}, ["text", "tokens", "tags"], "tokens, tags"),
    ],
)
def test_an_object_of_columns_is_refused_as_one(
    content: object, columns: list[str] | None, found: str
) -> None:
    """They were said to be '[]', or not to be there."""
    Path("a.json").write_text(json.dumps(content))
    (file,) = opened(["a.json"], Reading(), [])
    with pytest.raises(BadDataError) as caught:
        list(file.rows(lambda _: True, columns))
    assert caught.value.found == (
        f"a.json: all values of {found} are in one object, not in a record for each row"
    )


def test_an_object_with_an_array_of_records_may_have_other_arrays() -> None:
    rows = [{"text": "a", "label": "x"}, {"text": "b", "label": "y"}]
    Path("a.json").write_text(json.dumps({"labels": ["x", "y"], "data": rows}))
    for columns in (["text", "label"], None):
        (file,) = opened(["a.json"], Reading(), [])
        assert [row.cells for row in file.rows(lambda _: True, columns)] == rows


@pytest.mark.parametrize("name", ["a.csv", "a.txt", "a.jsonl"])
def test_what_is_no_text_is_never_to_be_learnt_as_bytes(name: str) -> None:
    """Tasks read characters."""
    for content, advice in (
        (
            b'{"text": "d\xe9j\xe0"}\n',
            "convert it to utf-8, or choose the --encoding in which all plain text reads right "
            "(.docx and .epub have their own), or --errors replace",
        ),
        (b"\x89PNG\r\n\x1a\n\0\0", "convert it to plain text"),
    ):
        Path(name).write_bytes(content)
        with pytest.raises(BadDataError) as caught:
            lines_or_rows(name)
        assert caught.value.advice == advice


def test_lines_have_numbers_and_no_ends() -> None:
    Path("a.txt").write_bytes(b"\xef\xbb\xbfone\r\n\r\ntwo")
    notes: list[str] = []
    (lines,) = [list(file.lines()) for file in opened(["a.txt"], Reading(), notes)]
    assert lines == [(1, "one"), (2, ""), (3, "two")]
    assert len(notes) == 2


def test_what_is_hidden_in_a_folder_or_an_archive_is_named() -> None:
    Path("lists").mkdir()
    for name in ("lists/a.txt", "lists/.b.txt"):
        Path(name).write_text("one\n")
    with zipfile.ZipFile("c.zip", "w") as archive:
        archive.writestr("a.txt", "two\n")
        archive.writestr(".git/b.txt", "three\n")
    notes = list[str]()
    files = opened(["lists", "c.zip"], Reading(), notes)
    assert [line for file in files for _, line in file.lines()] == ["one", "two"]
    what = "hidden or unreadable files, entries that are not files, linked folders, models, caches"
    assert notes == [
        f"lists: left out {what} and installed packages: .b.txt",
        "c.zip: left out hidden files and entries that are not files: .git",
    ]


def test_what_is_no_text_in_a_folder_is_skipped_and_told() -> None:
    """A picture or a damaged document made all examples of the folder unreadable."""
    Path("lists").mkdir()
    Path("lists/a.txt").write_text("one\n")
    for name in ("b.docx", "~$b.docx", "c.png"):
        Path("lists", name).write_bytes(PNG)
    notes = list[str]()
    files = opened(["lists"], Reading(), notes)
    assert [line for file in files for _, line in file.lines()] == ["one"]
    skipped, hidden = notes
    assert skipped == "lists: skipped 2 files that are not plain text: b.docx, c.png"
    assert hidden.endswith(": ~$b.docx")
    Path("lists/a.txt").unlink()
    with pytest.raises(MissingInputError, match="lists: a folder without text files"):
        next(opened(["lists"], Reading(), []))


@pytest.mark.parametrize("hidden", [(), (".b.txt",)])
@pytest.mark.parametrize("task", ["classify", None])
def test_a_folder_without_files_is_not_standard_input(
    hidden: Sequence[str], task: TaskName | None, monkeypatch: pytest.MonkeyPatch
) -> None:
    """What came by standard input was read in its place, or waited for."""
    monkeypatch.setattr(sys, "stdin", io.TextIOWrapper(io.BytesIO(b"text,label\nfine,a\n")))
    Path("empty").mkdir()
    for name in hidden:
        Path("empty", name).write_text("text,label\nfine,a\n")
    with pytest.raises(MissingInputError, match="empty: a folder without text files; name another"):
        next(opened(["empty"], Reading(), [], task))


def test_a_bundled_text_is_not_standard_input(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(sys, "stdin", io.TextIOWrapper(io.BytesIO(b"fine\n")))
    with pytest.raises(UsageError, match="scenes is a bundled text, not a file; name a file"):
        next(opened(["scenes"], Reading(), []))


def test_values_may_lie_deeper() -> None:
    cells = {"a": {"b": {"c": 1}}, "a.x": 2, "n": None}
    assert value_at(cells, "a.b.c") == 1
    assert value_at(cells, "a.x") == 2
    assert value_at(cells, "n") is None
    assert value_at(cells, "a.b.d") is value_at(cells, "z") is MISSING


def test_two_columns_are_two() -> None:
    usual = ("text", "label")
    assert columns_of(None, None, usual) == usual
    assert columns_of("review", None, usual) == ("review", "label")
    assert columns_of("2", "1", usual) == ("2", "1")
    assert columns_of("2", "label", usual) == ("2", "label")  # of records
    with pytest.raises(UsageError, match="text_column is the number 2, and the other column has"):
        columns_of("2", None, usual)
    with pytest.raises(UsageError, match="label_column is the number 1, and the other column has"):
        columns_of(None, "1", usual)
    for one, other in (("text", "text"), ("2", "2"), (None, "text"), ("label", None)):
        with pytest.raises(UsageError, match="and so is the other column"):
            columns_of(one, other, usual)


@pytest.mark.parametrize("task", ["classify", "tag", "forecast", "translate"])
def test_bundled_examples_are_for_their_task_alone(task: TaskName) -> None:
    for name, bundled in BUNDLED.items():
        if bundled.task == task:
            (file,) = opened([name], Reading(), [], task)
            assert file.source is not None
            assert file.source.file_name == bundled.file
            continue
        advice = f"with --task {bundled.task}" if bundled.task else "without --task"
        with pytest.raises(UsageError, match=f"^{name} .*, or train on it {advice}"):
            list(opened([name], Reading(), [], task))


def test_a_file_or_a_folder_wins_over_bundled_examples() -> None:
    Path("verbs").write_text("text,n\none,1\n")
    Path("peoples").mkdir()
    Path("peoples/a.csv").write_text("text,n\ntwo,2\n")
    files = opened(["verbs", "peoples"], Reading(), [], "tag")
    assert [row.cells["text"] for file in files for row in file.rows(has_text)] == ["one", "two"]
