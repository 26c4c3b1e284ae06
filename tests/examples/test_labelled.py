"""Texts with labels: every format, and every way to get it wrong."""

from __future__ import annotations

import datetime
import json
import re
from collections import Counter
from decimal import Decimal
from pathlib import Path

import pyarrow as pa
import pytest
from datasets import ClassLabel, Dataset, Features, Value
from pyarrow import parquet

from charrnn import Reading
from charrnn.errors import BadDataError, CharRNNError, UsageError
from charrnn.examples import labelled
from charrnn.examples.labelled import Labelled, check_classes, read_labelled
from charrnn.text.bundled import BUNDLED

ROWS = ({"text": "a fine film, truly", "label": "good"}, {"text": "dull", "label": "bad"})
PAIRS = [(row["text"], row["label"]) for row in ROWS]


def read(
    *sources: str, text: str | None = None, label: str | None = None, notes: list[str] | None = None
) -> list[tuple[str, str]]:
    noted = [] if notes is None else notes
    found = read_labelled(sources, Reading(text_column=text), noted, label)
    return [(one.text, one.label) for one in found]


def test_every_format_has_the_same_examples() -> None:
    Path("a.csv").write_text('text,label\n"a fine film, truly",good\ndull, bad \n')
    Path("a.tsv").write_text("label\ttext\ngood\ta fine film, truly\nbad\tdull\n")
    Path("table.txt").write_text("label\ttext\ngood\ta fine film, truly\nbad\tdull\n")
    Path("a.jsonl").write_text("".join(json.dumps(row) + "\n" for row in ROWS))
    parquet.write_table(pa.Table.from_pylist(list(ROWS)), "a.parquet")
    Path("fast.txt").write_text("__label__good a fine film, truly\r\n\r\n__label__bad dull\r\n")
    Path("tabs.txt").write_text("__label__good\ta fine film, truly\n__label__bad \t dull\n")
    for name in ("a.csv", "a.tsv", "table.txt", "a.jsonl", "a.parquet", "fast.txt", "tabs.txt"):
        assert read(name) == PAIRS, name
    assert read("a.csv", "a.jsonl") == PAIRS * 2


def test_a_data_set_of_the_hub_names_its_labels() -> None:
    """There labels are numbers, and their names stand in the description of the columns."""
    features = Features({"text": Value("string"), "label": ClassLabel(names=["bad", "good"])})
    rows = {"text": [text for text, _ in PAIRS], "label": [1, 0]}
    Path("owner/name").mkdir(parents=True)
    Dataset.from_dict(rows, features=features).to_parquet("owner/name/train.parquet")
    assert read("hf://owner/name") == PAIRS
    Dataset.from_dict(rows | {"label": [1, -1]}, features=features).to_parquet(
        "owner/name/train.parquet"
    )
    with pytest.raises(BadDataError, match="hf://owner/name: row 2: no label"):
        read("hf://owner/name")


def test_columns_have_any_name_or_number() -> None:
    Path("a.csv").write_text("n,review,stars\n1,fine,5\n2,dull,1\n")
    assert read("a.csv", text="review", label="stars") == [("fine", "5"), ("dull", "1")]
    Path("b.csv").write_text("good,fine\nbad,dull\n")
    assert read("b.csv", text="2", label="1") == [("fine", "good"), ("dull", "bad")]
    with pytest.raises(UsageError, match="number both columns"):
        read("b.csv", text="2")
    Path("c.jsonl").write_text(
        '{"meta": {"ok": true}, "text": "fine"}\n{"meta": {"ok": false}, "text": "x"}'
    )
    assert read("c.jsonl", label="meta.ok") == [("fine", "true"), ("x", "false")]


def test_no_part_of_a_text_is_lost_in_a_table_without_a_header() -> None:
    """What stood after a comma was dropped, and nobody was told."""
    Path("a.csv").write_text("good,fine\nbad,so bad, I left, early\ngood,warm,,\n")
    with pytest.raises(BadDataError, match=r"a\.csv: line 2 has 4 cells, the first 2; put cells"):
        read("a.csv", text="2", label="1")
    Path("a.csv").write_text('good,fine\nbad,"so bad, I left",\n')
    assert read("a.csv", text="2", label="1") == [("fine", "good"), ("so bad, I left", "bad")]
    notes: list[str] = []
    Path("b.csv").write_text("good,fine,7\nbad,so bad, I left,8\n")
    read("b.csv", text="2", label="1", notes=notes)
    Path("c.csv").write_text("bad,so bad, I left\ngood,fine\n")
    read("c.csv", text="2", label="1", notes=notes)
    advice = "put any cells that contain the separator in quotation marks"
    assert notes == [
        f"b.csv: its rows have 3 to 4 cells, 4 first in line 2; {advice}",
        f"c.csv: its rows have 2 to 3 cells, 3 first in line 1; {advice}",
    ]


def test_what_is_changed_is_told() -> None:
    Path("a.jsonl").write_text(
        '{"text": "one\\r\\ntwo", "label": 1}\n{"text": " ", "label": 1}\n'
        '{"text": null, "label": 2}'
    )
    notes: list[str] = []
    assert read("a.jsonl", notes=notes) == [("one\ntwo", "1")]
    assert notes == ["CRLF became LF on 1 line", "left out 2 rows that hold no text"]


def test_records_may_lack_a_text() -> None:
    """The first as well as later ones; that no one has it is another thing."""
    Path("a.jsonl").write_text(
        '{"label": "a"}\n{"text": "x", "label": "b"}\n{"m": null, "label": "b"}\n'
        '{"m": {"text": "y"}, "label": "a"}\n'
    )
    notes: list[str] = []
    assert read("a.jsonl", notes=notes) == [("x", "b")]
    assert notes == ["left out 3 rows that hold no text"]
    assert read("a.jsonl", text="m.text") == [("y", "a")]
    with pytest.raises(UsageError, match=r"there is no column m\.n; choose --text-column from"):
        read("a.jsonl", text="m.n")


WRONG = {
    "a missing label": ("a.csv", "text,label\nfine,good\ndull,\n", "a.csv: line 3: no label"),
    "a null": ("a.jsonl", '{"text": "x", "label": null}', "a.jsonl: row 1: no label"),
    "a short row": ("a.csv", "text,label\ndull\n", "a.csv: line 2 has 1 of 2 cells"),
    "a long row": ("a.csv", "text,label\nfine, I say,good\n", "a.csv: line 2 has 3 cells"),
    "fractions": (
        "a.jsonl",
        '{"text": "x", "label": 0.5}',
        "row 1: the label is the number 0.5, not a name; choose another --label-column",
    ),
    "whole fractions": (
        "a.jsonl",
        '{"text": "x", "label": 1.0}',
        "the number 1.0, not a name; write whole numbers or names, or choose another",
    ),
    "a list": ("a.jsonl", '{"text": "x", "label": ["y"]}', "row 1: the label is a list"),
    "no text": ("a.jsonl", '{"text": 5, "label": "y"}', "row 1: text is the number 5, not a text"),
    "no header": ("a.csv", "fine,good\ndull,bad\n", "a.csv: there is no column text"),
    "no header below": ("a.csv", "\nfine,good\n", "from fine, good, or name columns by their"),
    "a title": (
        "a.csv",
        "# exported, c\ntext,label\nfine,good\n",
        "a.csv: there is no column text in its first line, but in line 2; delete the lines above",
    ),
    "a title of a text": ("a.txt", "A title\nlabel;text\ngood;fine\n", "but in line 2; delete"),
    "no such column": ("a.csv", "text,stars\nfine,5\n", "no column label; choose --label-column"),
    "no such key": ("a.jsonl", '{"text": "x", "stars": 5}', "there is no column label"),
    "no format": ("a.txt", "Call me Ishmael.\n", "neither a table with the columns text and label"),
    "a header before fastText": ("a.txt", "label text\n__label__a b\n", "a.txt: line 1 does not"),
    "two labels": ("a.txt", "__label__a __label__b c\n", "a.txt: line 1 has two labels"),
    "two after two spaces": ("a.txt", "__label__a  __label__b c\n", "a.txt: line 1 has two labels"),
    "two with a comma": ("a.txt", "__label__a,__label__b c\n", "a.txt: line 1 has two labels"),
    "an empty label": ("a.txt", "__label__a b\n__label__ b\n", "a.txt: line 2 does not begin"),
    "nothing": ("a.csv", "text,label\n", "a.csv: no text with a label in it"),
    "an empty file": ("a.csv", "", "a.csv: no text with a label in it"),
}


@pytest.mark.parametrize("case", WRONG)
def test_what_is_wrong_is_told_with_its_place(case: str) -> None:
    name, content, message = WRONG[case]
    Path(name).write_text(content)
    with pytest.raises(CharRNNError, match=re.escape(message)) as error:
        read(name)
    assert error.value.exit_code in (2, 65)
    assert "\n" not in str(error.value)


def test_what_parquet_can_hold_is_called_what_it_is() -> None:
    """Dates and bytes were called records."""
    day, names = datetime.date(2024, 1, 31), ["x", "y"]
    for label, kind in ((day, "date"), (b"good", "bytes"), (Decimal("1.5"), "Decimal")):
        parquet.write_table(pa.table({"text": names, "label": [label] * 2}), "a.parquet")
        found = f"row 1: the label is a value of the type {kind}, not a name; choose another "
        with pytest.raises(BadDataError, match=found):
            read("a.parquet")
    parquet.write_table(pa.table({"text": names, "label": [float("nan")] * 2}), "a.parquet")
    with pytest.raises(BadDataError, match="row 1: no label in the column label"):
        read("a.parquet")


def test_a_line_end_that_stays_is_told_once() -> None:
    Path("a.txt").write_text("__label__good one\u2028two\n")
    notes: list[str] = []
    assert read("a.txt", notes=notes) == [("one\u2028two", "good")]
    assert notes == ["a.txt: kept 1 × LS (U+2028): only LF ends a line"]


def test_columns_are_for_tables() -> None:
    Path("a.txt").write_text("__label__a b\n")
    with pytest.raises(UsageError, match="have no columns"):
        read("a.txt", text="review")


def examples(*labels: str) -> list[Labelled]:
    return [Labelled(f"text {n}", label, f"a.csv: line {n}") for n, label in enumerate(labels, 2)]


def test_classes_can_be_learnt(monkeypatch: pytest.MonkeyPatch) -> None:
    assert check_classes(examples("b", "a", "a", "b")) == ["a", "b"]
    with pytest.raises(BadDataError, match=r"^a\.csv: line 2: all 3 texts have the label 'a'"):
        check_classes(examples("a", "a", "a"))
    with pytest.raises(BadDataError, match=r"a\.csv: line 4: the only text with the label 'c'"):
        check_classes(examples("a", "a", "c", "b", "b"))
    monkeypatch.setattr(labelled, "MAX_CLASSES", 3)
    with pytest.raises(BadDataError, match="4 different labels in 8 texts, such as 'a'"):
        check_classes(examples(*"abcdabcd"))


def test_the_bundled_names_are_as_many_as_said_and_each_is_of_one_people() -> None:
    notes: list[str] = []
    found = read("peoples", notes=notes)
    assert (f"{len(found):,} names", notes) == (BUNDLED["peoples"].size, [])
    assert len({name.lower() for name, _ in found}) == len(found)
    assert all(re.fullmatch("[A-Z][a-z]{2,}", name) for name, _ in found)
    counts = Counter(people for _, people in found)
    assert len(counts) == 6
    assert set(counts.values()) == {150}


def test_rows_without_text_and_label_are_left_out() -> None:
    """Excel has some below a table; they were refused as texts without a label."""
    Path("a.csv").write_text("text;label;n\nfine;good;1\n;;\ndull;bad;2\n ;;3\n")
    notes: list[str] = []
    assert read("a.csv", notes=notes) == [("fine", "good"), ("dull", "bad")]
    assert notes[-1] == "left out 2 rows that hold no text"
