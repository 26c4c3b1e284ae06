"""Pairs for translation: tables with and without a header, two files, and what is wrong in them."""

from __future__ import annotations

import json
import re
from pathlib import Path

import pyarrow as pa
import pytest
from pyarrow import parquet

from charrnn import Reading
from charrnn.errors import CharRNNError, MissingInputError
from charrnn.examples.pairs import Pair, read_pairs
from charrnn.text.bundled import BUNDLED

PAIRS = [Pair("Hi, Tom!", "Hallo, Tom!"), Pair('He said "no".', "Er sagte „nein“.")]


def read(*sources: str, text: str | None = None, label: str | None = None) -> list[Pair]:
    return read_pairs(sources, Reading(text_column=text), [], label)


def test_every_format_has_the_same_pairs() -> None:
    rows = [pair._asdict() | {"n": n} for n, pair in enumerate(PAIRS)]
    lines = "".join(f"{source}\t{target}\n" for source, target in PAIRS)
    Path("headless.tsv").write_text(lines)
    Path("headless.txt").write_text(lines)
    Path("header.tsv").write_text("source\ttarget\n" + lines)
    Path("quoted.csv").write_text(
        "n,target,source\n" + '1,"Hallo, Tom!","Hi, Tom!"\n2,Er sagte „nein“.,"He said ""no""."\n'
    )
    Path("rows.jsonl").write_text("".join(json.dumps(row) + "\n" for row in rows))
    parquet.write_table(pa.Table.from_pylist(rows), "rows.parquet")
    Path("train.en").write_text("".join(pair.source + "\n" for pair in PAIRS))
    Path("train.de").write_text("\n".join(pair.target for pair in PAIRS))  # no last line's end
    single = ("headless.tsv", "headless.txt", "header.tsv", "quoted.csv", "rows.jsonl")
    for name in (*single, "rows.parquet"):
        assert read(name) == PAIRS, name
    assert read("train.en", "train.de") == PAIRS
    assert read("headless.tsv", "quoted.csv") == PAIRS * 2


@pytest.mark.parametrize("above", ["", "sep=;\n", "\n", "\n \nsep=;\n\n"])
def test_two_tables_are_no_aligned_lines(above: str) -> None:
    """Their lines became pairs, the names of their columns among them."""
    Path("a.txt").write_text(f"{above}source;target\na;b\n")
    Path("b.txt").write_text(f"{above}source;target\nc;d\n")
    assert read("a.txt", "b.txt") == [Pair("a", "b"), Pair("c", "d")]


def test_two_films_are_paired_by_what_is_said() -> None:
    """The empty lines between them were refused."""
    cue = "1\n00:00:01,000 --> 00:00:02,000\n{}\n\n"
    for which, name in enumerate(("film.en.srt", "film.de.srt")):
        Path(name).write_text("".join(cue.format(pair[which]) for pair in PAIRS))
    assert read("film.en.srt", "film.de.srt") == PAIRS


def test_pairs_are_cleaned_as_every_text_is_and_that_is_said() -> None:
    rows = [
        {"source": "\ufeffone\r\ntwo", "target": "ei\0ns\rzwei"},
        {"source": "three", "target": "drei"},
    ]
    Path("a.jsonl").write_text("".join(json.dumps(row) + "\n" for row in rows))
    Path("b.csv").write_bytes(
        b'source,target\n"\xef\xbb\xbfone\r\ntwo","ei\0ns\rzwei"\nthree,drei\n'
    )
    for name in ("a.jsonl", "b.csv"):
        notes: list[str] = []
        pairs = read_pairs([name], Reading(), notes, None)
        assert pairs == [Pair("one\ntwo", "eins\nzwei"), Pair("three", "drei")]
        changes = ("dropped the byte-order mark", "dropped 1 NUL, which pads the text")
        ends = ("CRLF became LF on 1 line", "CR became LF on 1 line")
        assert notes == [f"{name}: {note}" for note in (*changes, *ends)]
    Path("c.jsonl").write_text(json.dumps({"source": "\ufeff\0", "target": "eins"}))
    with pytest.raises(CharRNNError, match="row 1: the source is empty"):
        read("c.jsonl")


def test_columns_can_be_named_and_lie_deeper() -> None:
    Path("a.csv").write_text("en,de\nyes,ja\n")
    assert read("a.csv", text="en", label="de") == [Pair("yes", "ja")]
    assert read("a.csv", text="de", label="en") == [Pair("ja", "yes")]
    Path("b.jsonl").write_text('{"translation": {"en": "yes", "de": "ja"}}\n')
    deeper = read("b.jsonl", text="translation.en", label="translation.de")
    assert deeper == [Pair("yes", "ja")]
    Path("c.tsv").write_text("7\tja\tyes\n")  # without a header they have numbers
    assert read("c.tsv", text="3", label="2") == [Pair("yes", "ja")]
    with pytest.raises(CharRNNError, match="number both columns"):
        read("c.tsv", text="2")
    with pytest.raises(CharRNNError, match="label_column is 'source', and so is the other column"):
        read("c.tsv", label="source")


def test_all_first_lines_show_what_separates_cells() -> None:
    """The first line alone did: "Hello, world" was cut in two."""
    content = "Hello, world;Hallo, Welt\nGood, good;Gut\n"
    Path("a.csv").write_text(content)
    notes: list[str] = []
    pairs = read_pairs(["a.csv"], Reading(), notes, None)
    assert pairs == [Pair("Hello, world", "Hallo, Welt"), Pair("Good, good", "Gut")]
    assert notes == ["a.csv: its cells are separated by semicolons"]
    Path("long.csv").write_text(content + 'One;"1\n2"\n' * 30)
    assert read("long.csv")[2:] == [Pair("One", "1\n2")] * 30


def test_cells_that_two_signs_may_separate_are_told_and_a_line_decides() -> None:
    content = "Hi,there;Hallo\nBye,you;Ade\n"
    Path("a.csv").write_text(content)
    notes: list[str] = []
    assert read_pairs(["a.csv"], Reading(), notes, None)[0] == Pair("Hi", "there;Hallo")
    assert notes == [
        "a.csv: its cells are separated by commas; semicolons would fit as well "
        "(write sep=; as its first line to choose them)"
    ]
    Path("a.csv").write_text(f"sep=;\n{content}")
    assert read("a.csv")[0] == Pair("Hi,there", "Hallo")
    Path("b.csv").write_text("Hi; you,Hallo; du\nyes,ja\n")
    assert read("b.csv")[0] == Pair("Hi; you", "Hallo; du")


def test_what_is_not_used_is_said() -> None:
    Path("anki.tsv").write_text("Go.\tGeh.\tCC-BY 2.0\nHi.\tHallo!\tCC-BY 2.0\n")
    notes: list[str] = []
    found = read_pairs(["anki.tsv"], Reading(), notes, None)
    assert found[1] == Pair("Hi.", "Hallo!")
    assert notes == ["anki.tsv: its columns from the third on are not used"]


def test_numbers_of_sentences_are_no_sources() -> None:
    """Of Tatoeba's four columns, the first two were taken."""
    for more in ("", "\tCC BY"):
        lines = [f"{n}\t{pair.source}\t{n * 7}\t{pair.target}" for n, pair in enumerate(PAIRS)]
        Path("a.tsv").write_text("".join(f"{line}{more}\n" for line in lines))
        with pytest.raises(CharRNNError) as caught:
            read("a.tsv")
        assert str(caught.value) == (
            "a.tsv: its first column, of the sources, holds nothing but whole numbers; "
            "choose the texts, such as --text-column 2 --label-column 4"
        )
        assert read("a.tsv", text="2", label="4") == PAIRS
    Path("b.tsv").write_text("1\tone\t2\ttwo\n3 or 4\tsome\t5\tfive\n")
    assert read("b.tsv") == [Pair("1", "one"), Pair("3 or 4", "some")]
    Path("c.tsv").write_text("1\tone\n2\ttwo\n")
    assert read("c.tsv") == [Pair("1", "one"), Pair("2", "two")]


def test_no_part_of_a_text_is_lost_in_a_table_without_a_header() -> None:
    Path("a.csv").write_text("yes,ja\nwell, yes,doch\n")
    for names in ({}, {"text": "1", "label": "2"}):
        with pytest.raises(CharRNNError, match=r"a\.csv: line 2 has 3 cells, the first 2; put"):
            read("a.csv", **names)


@pytest.mark.parametrize(
    ("text", "message"),
    [
        ("a\tb\nc\t\n", "a.tsv: line 2: the target is empty; fill it in, or delete the row"),
        ("a\tb\n \tc\n", "a.tsv: line 2: the source is empty; fill it in, or delete the row"),
        ("a\tb\n\nc\n", "a.tsv: line 3 has no target; write source, tab, target on each line"),
        ("source\ttarget\nc\n", "a.tsv: line 2 has no target; write source, tab, target on each"),
        ("src\ttgt\na\tb\n", "a.tsv: line 1 names columns (src, tgt), but not source and target"),
        ("sep=\t\nsrc\ttgt\na\tb\n", "a.tsv: line 2 names columns (src, tgt), but not source and"),
        ("\nsrc\ttgt\na\tb\n", "a.tsv: line 2 names columns (src, tgt), but not source and"),
        ("source\tde\na\tb\n", "a.tsv: line 1 names columns (source, de), but not source and"),
        ("source\ttarget\na\tb\tc\n", "a.tsv: line 2 has 3 cells"),
        ("source\ttarget\n", "a.tsv: there are no pairs in it; write source, tab, target"),
        ("", "a.tsv: there are no pairs in it; write source, tab, target on each line"),
    ],
    ids=lambda text: ascii(text[:12]),
)
def test_what_is_wrong_in_a_table(text: str, message: str) -> None:
    Path("a.tsv").write_text(text)
    with pytest.raises(CharRNNError) as caught:
        read("a.tsv")
    assert str(caught.value).startswith(message)
    assert caught.value.exit_code == 65


def test_what_is_wrong_in_records() -> None:
    Path("a.jsonl").write_text('{"source": "a", "target": "b"}\n{"source": "a", "target": 3}\n')
    with pytest.raises(
        CharRNNError, match="row 2: the target is the number 3, not a text; put it in quot"
    ):
        read("a.jsonl")
    Path("b.jsonl").write_text('{"source": "a", "target": "b"}\n{"source": "a", "target": null}\n')
    with pytest.raises(CharRNNError, match="row 2 has no target"):
        read("b.jsonl")
    Path("b.jsonl").write_text('{"t": {"a": "a", "b": "b"}}\n{"t": null}\n')
    with pytest.raises(CharRNNError, match="row 2 has no source"):
        read("b.jsonl", text="t.a", label="t.b")
    Path("c.jsonl").write_text('{"en": "a", "de": "b"}\n')
    with pytest.raises(CharRNNError) as caught:
        read("c.jsonl", label="de")
    assert str(caught.value) == (
        "c.jsonl: there is no column source; choose --text-column from en, de"
    )
    assert caught.value.exit_code == 2


def test_a_column_that_is_not_there() -> None:
    Path("a.tsv").write_text("en\tde\nyes\tja\n")
    with pytest.raises(CharRNNError) as caught:
        read("a.tsv", text="en", label="fr")
    choice = (
        "choose --label-column from en, de, "
        "or name columns by their numbers if its first line is no header"
    )
    assert str(caught.value) == f"a.tsv: there is no column fr; {choice}"
    with pytest.raises(CharRNNError, match="no column source; choose --text-column from en, de"):
        read("a.tsv", label="de")
    Path("b.tsv").write_text("# a\tb\nsource\ttarget\nyes\tja\n")
    with pytest.raises(
        CharRNNError, match="no column source in its first line, but in line 2; del"
    ):
        read("b.tsv")


def test_two_files_must_belong_together() -> None:
    Path("en").write_text("one\ntwo\nthree\n")
    Path("de").write_text("eins\nzwei\n")
    with pytest.raises(CharRNNError) as caught:
        read("en", "de")
    assert str(caught.value) == (
        "de: line 3 is missing: the files have 3 and 2 lines; "
        "give two files whose lines belong together"
    )
    Path("de").write_text("eins\n\ndrei\n")
    with pytest.raises(CharRNNError, match="de: line 2 is empty; fill it in, or delete it in both"):
        read("en", "de")


def test_two_files_may_hold_the_same() -> None:
    Path("al.en").write_text("yes\nno\n")
    Path("al.copy").write_text("yes\nno\n")
    notes: list[str] = []
    pairs = read_pairs(["al.en", "al.copy"], Reading(), notes, None)
    assert pairs == [Pair("yes", "yes"), Pair("no", "no")]
    assert notes == []
    assert read("al.en", "al.en") == pairs


def test_two_files_that_have_the_columns_are_tables() -> None:
    """Their lines were pairs, and the columns that the user had named were passed over."""
    Path("c.txt").write_text("en,de\none,eins\ntwo,zwei\n")
    Path("d.txt").write_text('"de";"en"\ndrei;three\nvier;four\n')
    wanted = [Pair(*pair) for pair in (("one", "eins"), ("two", "zwei"), ("three", "drei"))]
    assert read("c.txt", "d.txt", text="en", label="de") == [*wanted, Pair("four", "vier")]
    with pytest.raises(CharRNNError, match=r"c\.txt: there is no column fr; choose --label-column"):
        read("c.txt", "d.txt", text="en", label="fr")
    Path("e.txt").write_text("source,target\na,A\n")
    Path("f.txt").write_text("source, target\nb,B\n")
    assert read("e.txt", "f.txt") == [Pair("a", "A"), Pair("b", "B")]


def test_columns_of_the_training_do_not_make_two_files_of_lines_tables() -> None:
    Path("x.en").write_text("one, two\nthree\n")
    Path("x.de").write_text("eins, zwei\ndrei\n")
    Path("c.txt").write_text("en,de\none,eins\n")
    Path("d.txt").write_text("en,de\ntwo,zwei\n")
    reading = Reading(text_column="en")
    lines = read_pairs(["x.en", "x.de"], reading, [], "de", named=False)
    assert lines == [Pair("one, two", "eins, zwei"), Pair("three", "drei")]
    tables = read_pairs(["c.txt", "d.txt"], reading, [], "de", named=False)
    assert tables == [Pair("one", "eins"), Pair("two", "zwei")]


def test_two_files_that_may_be_tables_by_the_numbers_of_the_training_are_told_as_lines() -> None:
    Path("c.txt").write_text("one,eins\n")
    Path("d.txt").write_text("two,zwei\n")
    notes: list[str] = []
    reading = Reading(text_column="1")
    lines = read_pairs(["c.txt", "d.txt"], reading, notes, "2", named=False)
    assert lines == [Pair("one,eins", "two,zwei")]
    assert notes == [
        "c.txt, d.txt: their lines are taken for pairs; if they are tables without a header, "
        "give --text-column 1 and --label-column 2 again"
    ]
    tables = read("c.txt", "d.txt", text="1", label="2")
    assert tables == [Pair("one", "eins"), Pair("two", "zwei")]
    Path("d.txt").write_text("two\n")
    read_pairs(["c.txt", "d.txt"], reading, notes, "2", named=False)
    assert len(notes) == 1


def test_two_names_that_are_too_long_are_those_of_no_file() -> None:
    """It ended with an error of the disk."""
    with pytest.raises(MissingInputError, match="there is no file or corpus aaa"):
        read("a" * 300, "b" * 300)


def test_one_file_of_plain_text_is_no_pairs() -> None:
    Path("en").write_text("one, two\nthree\n")
    with pytest.raises(CharRNNError) as caught:
        read("en")
    assert caught.value.exit_code == 65


def test_the_bundled_verbs_are_as_many_as_said_and_each_has_one_past() -> None:
    notes: list[str] = []
    found = read_pairs(["verbs"], Reading(), notes, None)
    assert (f"{len(found):,} verbs", notes) == (BUNDLED["verbs"].size, [])
    assert [verb for verb, _ in found] == sorted({verb for verb, _ in found})
    assert all(re.fullmatch("[a-z]+", text) for pair in found for text in pair)
    regular = [past for verb, past in found if past.endswith("ed") and past != verb]
    assert 800 < len(regular) < len(found) - 150


@pytest.mark.parametrize("header", ["source;target\n", ""])
def test_rows_of_empty_cells_are_left_out(header: str) -> None:
    """Excel has some below a table; they were refused as empty sources."""
    Path("a.csv").write_text(f"{header}one;eins\n;\ntwo;zwei\n ;\n")
    notes: list[str] = []
    found = read_pairs(["a.csv"], Reading(), notes, None)
    assert found == [Pair("one", "eins"), Pair("two", "zwei")]
    assert notes[-1] == "a.csv: left out 2 rows without text"


def test_names_beside_an_index_are_to_be_chosen() -> None:
    """The row was to be deleted, and then numbers became words."""
    Path("a.csv").write_text(",english,my german\n0,one,eins\n1,two,zwei\n")
    found = r"line 1 names columns \(english, my german\), but not source and target; name them, "
    with pytest.raises(CharRNNError, match=f"{found}such as --text-column english --label-column"):
        read("a.csv")
    wanted = [Pair("one", "eins"), Pair("two", "zwei")]
    assert read("a.csv", text="english", label="my german") == wanted
    Path("a.csv").write_text(",en,fr\n0,source,target\n")  # below no title
    with pytest.raises(CharRNNError, match="name them, such as --text-column en --label-column fr"):
        read("a.csv")


@pytest.mark.parametrize("first", [0, 1])
def test_numbers_of_rows_are_no_sources(first: int) -> None:
    """They were to become words."""
    Path("a.csv").write_text(f"{first},one,eins\n{first + 1},two,zwei\n")
    found = "its first column, of the sources, holds nothing but whole numbers; choose the texts, "
    advice = "such as --text-column 2 --label-column 3, or 1 and 2 if the numbers are the sources"
    with pytest.raises(CharRNNError, match=found + advice):
        read("a.csv")
    assert read("a.csv", text="2", label="3") == [Pair("one", "eins"), Pair("two", "zwei")]
    assert read("a.csv", text="1", label="2")[0] == Pair(str(first), "one")
    Path("a.csv").write_text("1,one,\n2,two,\n")  # empty cells are no texts
    assert read("a.csv") == [Pair("1", "one"), Pair("2", "two")]
    Path("a.csv").write_text("5,five,cinq\n1,one,un\n")
    assert read("a.csv") == [Pair("5", "five"), Pair("1", "one")]
