"""Texts to be answered: one for each line or row, in their order, empty where one is missing."""

from __future__ import annotations

import io
import json
import re
import sys
import zipfile
from collections.abc import Iterable
from contextlib import suppress
from pathlib import Path
from typing import Any, get_args
from unittest import mock

import pyarrow as pa
import pytest
from hypothesis import example, given
from hypothesis import strategies as st
from pyarrow import parquet

from charrnn import Reading, read_corpus
from charrnn.config import TaskName
from charrnn.errors import BadDataError, CharRNNError, UsageError
from charrnn.examples.inputs import texts_in
from charrnn.examples.labelled import read_labelled
from charrnn.examples.pairs import read_pairs
from charrnn.examples.tags import Tagged
from tests.formats.shelf import write_shelf
from tests.text.reading import PARTS, READINGS, Parts


def read(name: str, text_column: str | None = None) -> list[str | Tagged]:
    return list(texts_in([name], Reading(text_column=text_column), [], task="classify"))


def alone(found: Iterable[str | Tagged]) -> list[str]:
    """Texts, without the words of those that have some."""
    return [one if isinstance(one, str) else one.text for one in found]


def of_a_tagger(name: str, notes: list[str] | None = None, **options: Any) -> list[str]:
    reading = Reading(text_column=options.pop("text_column", None))
    found = texts_in([name], reading, [] if notes is None else notes, task="tag", **options)
    return alone(found)


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


@pytest.mark.parametrize("name", ["film.srt", "page.html", "letter.docx", "book.epub"])
def test_a_document_is_read_as_language_models_read_it(name: str) -> None:
    """Its markup and times were answered, too, and .docx was to be saved as .docx."""
    write_shelf(Path(), "Quillipop\nHarold\n")
    assert read(name) == read_corpus([name]).text.splitlines()
    assert read(name)[:2] == ["Quillipop", "Harold"]
    with pytest.raises(BadDataError, match=f"{name}: a document, not a table; save its table as"):
        read(name, "text")


def test_a_document_is_no_table_though_a_tab_or_names_stand_in_its_first_line() -> None:
    """It was to be saved as .csv, which holds no table."""
    Path("a.html").write_text("<!-- source,\ttarget -->\t<p>one</p><p>two</p>")
    wanted: tuple[tuple[str, TaskName], ...] = (("source", "translate"), ("2", "classify"))
    for column, task in wanted:
        assert list(texts_in(["a.html"], Reading(), [], column, task=task)) == ["one", "two"]


def test_a_document_in_an_archive_is_read_if_it_can_be() -> None:
    write_shelf(Path(), "Quillipop\nHarold\n")
    for name in ("film.srt", "letter.docx"):
        with zipfile.ZipFile(f"{name}.zip", "w") as archive:
            archive.write(name)
    assert read("film.srt.zip") == ["Quillipop", "Harold"]
    with pytest.raises(BadDataError, match=r"letter\.docx: it can't be read compressed; unpack it"):
        read("letter.docx.zip")


def test_a_column_that_no_row_has_is_refused_before_any_text() -> None:
    Path("a.jsonl").write_text('{"id": 1, "n": null}\n{"id": 2}\n')
    for name in ("text", "n.text"):
        texts = texts_in(["a.jsonl"], Reading(text_column=name), [], task="classify")
        with pytest.raises(UsageError, match=f"there is no column {name}; choose --text-column"):
            next(texts)
    rows = ['{"sentence": "a"}\n'] * 1_500 + ["{broken\n"]
    Path("long.jsonl").write_text("".join(rows))
    with pytest.raises(UsageError, match="there is no column text"):  # and not: broken
        next(texts_in(["long.jsonl"], Reading(), [], task="classify"))
    Path("a.csv").write_text("id,n\n1,2\n3,4\n")
    with pytest.raises(UsageError, match=r"a\.csv: there is no column text"):
        next(texts_in(["a.csv"], Reading(), [], task="classify"))


def test_a_first_line_without_the_column_is_shown_with_its_names_and_its_numbers() -> None:
    """Numbers alone were offered, and the header was then answered as a text."""
    Path("a.csv").write_text("id,review\n1,fine film\n2,bad film\n")
    with pytest.raises(UsageError) as caught:
        read("a.csv")
    choice = "id, review, or name columns by their numbers if its first line is no header"
    assert str(caught.value) == (
        f"a.csv: there is no column text; choose --text-column from {choice}"
    )
    assert read("a.csv", "review") == ["fine film", "bad film"]
    Path("b.csv").write_text("fine film\nbad film\n")
    with pytest.raises(UsageError, match=r"from fine film, or name columns by their n"):
        read("b.csv")
    assert read("b.csv", "1") == ["fine film", "bad film"]
    for wrong in ("3", "9" * 5000):  # which Python takes for no number
        with pytest.raises(UsageError, match=f"no column {wrong}; choose --text-column from 1, 2$"):
            read("a.csv", wrong)
        with pytest.raises(UsageError, match=f"no column {wrong}; choose --text-column from 1, 2$"):
            read_labelled(["a.csv"], Reading(text_column=wrong), [], "1")
        with pytest.raises(BadDataError, match="line 1 has no source"):
            read_pairs(["a.csv"], Reading(text_column=wrong), [], "1")


def test_a_title_above_the_names_of_columns_is_to_be_deleted() -> None:
    Path("a.csv").write_text("# c, d\nn,source\n1,good\n")
    for task in get_args(TaskName):
        with pytest.raises(UsageError, match="no column source in its first line, but in line 2"):
            list(texts_in(["a.csv"], Reading(), [], "source", task=task))


def test_the_first_column_is_read_only_of_a_table_that_has_no_header() -> None:
    def sources(content: str) -> list[str | Tagged]:
        Path("a.csv").write_text(content)
        return list(texts_in(["a.csv"], Reading(), [], "source", task="translate"))

    assert sources("hello,hallo\nyes,ja\n") == ["hello", "yes"]
    assert sources("target,source\nhallo,hello\n") == ["hello"]
    for header in ("id,text", "target,note"):
        with pytest.raises(UsageError, match="there is no column source; choose --text-column"):
            sources(f"{header}\n1,hello\n")


def test_the_sources_of_pairs_are_read_wherever_pairs_are(monkeypatch: pytest.MonkeyPatch) -> None:
    """Of a text with a pair on each line, all of the line was the source."""

    def sources(name: str, column: str = "source") -> tuple[list[str | Tagged], list[str]]:
        notes: list[str] = []
        return list(texts_in([name], Reading(), notes, column, task="translate")), notes

    pairs = "hello, you\thallo\nyes\tja\n"
    Path("a.txt").write_text(pairs)
    tab, first = "a table, since line 1 has a tab", "no column source, so its first one is"
    for name, shown in (("a.txt", "a.txt"), ("-", "standard input")):
        monkeypatch.setattr(sys, "stdin", io.TextIOWrapper(io.BytesIO(pairs.encode())))
        expected = [f"{shown}: {tab}", f"{shown}: there is {first} read"]
        assert sources(name) == (["hello, you", "yes"], expected)
    assert sources("a.txt", "2") == (["hallo", "ja"], [f"a.txt: {tab}"])  # as the training named it
    with pytest.raises(UsageError, match="no column en; choose --text-column from hello, you, hal"):
        sources("a.txt", "en")
    Path("a.txt").write_text("en\tde\nyes\tja\n")
    assert sources("a.txt", "en")[0] == ["yes"]
    Path("a.txt").write_text("hello, you\nyes\tno\n")
    assert sources("a.txt") == (["hello, you", "yes\tno"], [])


def test_labels_before_texts_are_left_out(monkeypatch: pytest.MonkeyPatch) -> None:
    """They were answered as a part of the text."""
    lines = "__label__good a fine film\n\n__label__bad\tdull, not __label__good\nas it is\n"
    lines += "__label__a __label__b two\n__label__good\n"
    Path("a.txt").write_text(lines)
    for name, shown in (("a.txt", "a.txt"), ("-", "standard input")):
        monkeypatch.setattr(sys, "stdin", io.TextIOWrapper(io.BytesIO(lines.encode())))
        notes: list[str] = []
        texts = list(texts_in([name], Reading(), notes, task="classify"))
        assert texts == ["a fine film", "", "dull, not __label__good", "as it is", "two", ""]
        assert notes == [f"{shown}: its lines begin with labels, which are left out"]
    texts = list(texts_in(["a.txt"], Reading(), [], task="tag"))
    assert texts == lines.splitlines()


def test_a_label_before_a_later_text_is_part_of_it() -> None:
    """It was left out, and all lines were said to begin with labels."""
    lines = ["a fine film", "__label__good is what fastText writes", "dull"]
    Path("a.txt").write_text("\n".join(lines))
    notes: list[str] = []
    assert list(texts_in(["a.txt"], Reading(), notes, task="classify")) == lines
    assert notes == []
    Path("a.txt").write_text("\n \n__label__good fine\n")
    assert list(texts_in(["a.txt"], Reading(), notes, task="classify"))[2:] == ["fine"]


def test_the_column_that_training_named_by_number_is_read_of_lines_with_tabs() -> None:
    Path("a.txt").write_text("good\tfine, warm\nbad\tdull\n")
    assert list(texts_in(["a.txt"], Reading(), [], "2", task="classify")) == ["fine, warm", "dull"]
    assert read("a.txt") == ["good\tfine, warm", "bad\tdull"]  # no number was named


@pytest.mark.parametrize("before", ["", "sep={}\n"], ids=["no line", "a line"])
@pytest.mark.parametrize("header", ["text,label", '"label";"text"', "id\ttext", "n|label| text"])
def test_a_table_is_seen_by_standard_input(
    header: str, before: str, monkeypatch: pytest.MonkeyPatch
) -> None:
    names = re.split(r"[,;\t|]", header)
    sign = header[len(names[0])]
    rows = [["good" if "text" in name else "1" for name in names]] * 3
    content = before.format(sign) + "\n".join([header, *(sign.join(row) for row in rows)])
    notes: list[str] = []
    monkeypatch.setattr(sys, "stdin", io.TextIOWrapper(io.BytesIO(content.encode())))
    assert list(texts_in(["-"], Reading(), notes, task="classify")) == ["good"] * 3
    assert f"standard input: a table, since line {1 + bool(before)} names columns" in notes


@pytest.mark.parametrize("start", ["[", " [\n "])
def test_an_array_of_records_is_seen_by_standard_input(
    start: str, monkeypatch: pytest.MonkeyPatch
) -> None:
    content = start + '{"n": 1, "text": "good"},\n{"text": "bad"}]'
    monkeypatch.setattr(sys, "stdin", io.TextIOWrapper(io.BytesIO(content.encode())))
    assert read("-") == ["good", "bad"]


@pytest.mark.parametrize(
    "content",
    [
        '["film", "a \\"bad\\" one"]\n',
        '[\n  "film"\n]',
        "[" + '"film", ' * 9 + f'"{"long, " * 99_999}"]',
    ],
    ids=["short", "on lines", "long"],
)
def test_an_array_of_texts_is_refused_by_standard_input_as_in_a_file(
    content: str, monkeypatch: pytest.MonkeyPatch
) -> None:
    """It was answered as one text."""
    Path("a.json").write_text(content)
    for name in ("a.json", "-"):
        monkeypatch.setattr(sys, "stdin", io.TextIOWrapper(io.BytesIO(content.encode())))
        with pytest.raises(BadDataError, match="row 1 is a text, not a record"):
            read(name)


def test_lines_that_only_look_like_tables_are_texts() -> None:
    lines = ["text, he said", "a,b", '{ "a quote }', "[{1: 2}]", '["Film"] is bad', '["a", b]']
    for first in lines:
        Path("a.txt").write_text(f"{first}\nb\n")
        assert read("a.txt") == [first, "b"]


@pytest.mark.parametrize("name", ["a.conll", "a.txt", "a.tsv"])
@pytest.mark.parametrize("sign", [" ", "\t"])
def test_sentences_with_tags_are_texts_for_a_tagger(name: str, sign: str) -> None:
    """Each line was a text, with its tag."""
    rows = ["Ann NNP B-PER", "Lee NNP I-PER", "left VBD O", "", "-DOCSTART- X O", "", "Hi UH O"]
    Path(name).write_text("\n".join(row.replace(" ", sign) for row in rows))
    notes: list[str] = []
    assert of_a_tagger(name, notes) == ["Ann Lee left", "Hi"]
    assert notes == [f"{name}: its lines end with tags, so its sentences are read, without them"]


@pytest.mark.parametrize(
    ("content", "texts"),
    [
        ("Ann I-PER\nLee I-PER\nleft O\n", ["Ann Lee left"]),
        ("Rome\tB-place\nBern\tB-place\n\nleft\tO", ["Rome Bern", "left"]),
        ("-DOCSTART- -X- O O\n\nRome NNP U-NP U-LOC\n\nHi UH O O\n", ["Rome", "Hi"]),
        ("\n\nNew S-movie\nNew B-movie\nYork E-movie", ["New New York"]),
        ("New York\tB-LOC\nShe\tO\n", ["New York She"]),
        ("The\tB-DET\ncat\tB-NOUN\nsat\tB-VERB\n\nIt\tB-PRON\n", ["The cat sat", "It"]),
    ],
)
def test_sentences_of_every_scheme_of_tags_are_seen(content: str, texts: list[str]) -> None:
    Path("a.txt").write_text(content)
    assert of_a_tagger("a.txt") == texts


@pytest.mark.parametrize(
    "lines",
    [
        ["I take vitamin B-12"],
        ["Blood type O", "and others", "are", "rare"],
        ["He took the I-95", "She drove on the I-80"],
        ["He took the I-95", "She took the I-80"],
        ["New E-mail", "Sharp U-turn"],
        ["Sharp U-turn", "New E-mail"],
        ["Cheap B-movie", "Good B-movie"],
        ["word tag", "Ann B-PER", "left O"],
    ],
)
def test_texts_that_end_as_tags_do_are_texts(lines: list[str]) -> None:
    """Such texts were taken for one sentence, or refused as columns of different numbers."""
    Path("a.txt").write_text("\n".join(lines))
    assert list(texts_in(["a.txt"], Reading(), [], task="tag")) == lines


def test_numbered_words_are_refused_after_a_comment_too() -> None:
    """Each line was a text, with its number and tags."""
    Path("a.conll").write_text("# sent_id = 1\n1\tAnn\tB-PER\n2\tleft\tO\n")
    with pytest.raises(BadDataError, match="its first column numbers the words"):
        list(texts_in(["a.conll"], Reading(), [], task="tag"))
    Path("a.txt").write_text("# A heading\nAnn left.\n")
    assert list(texts_in(["a.txt"], Reading(), [], task="tag")) == ["# A heading", "Ann left."]


def test_a_line_end_that_stays_is_told_once() -> None:
    Path("a.txt").write_text("one\u2028two\x85\n")
    Path("a.conll").write_text("Ann\u2028Lee\tB-PER\nand\tO\nRome\tB-LOC\n")
    for name, texts in (("a.txt", ["one\u2028two\x85"]), ("a.conll", ["Ann\u2028Lee and Rome"])):
        notes: list[str] = []
        assert of_a_tagger(name, notes) == texts
        assert sum("LS (U+2028)" in note for note in notes) == 1


def test_sentences_are_for_a_tagger_alone() -> None:
    Path("a.conll").write_text("Ann B-PER\nleft O\n")
    assert read("a.conll") == ["Ann B-PER", "left O"]  # for another task


def test_a_column_that_is_named_is_looked_for_in_any_file() -> None:
    Path("a.txt").write_text("n\treview\n1\tgood\n")
    assert read("a.txt", "review") == ["good"]
    assert read("a.txt", "2") == ["review", "good"]
    with pytest.raises(UsageError, match=r"a\.txt: there is no column text"):
        read("a.txt", "text")


def test_no_part_of_a_text_is_lost_in_a_table_without_a_header() -> None:
    Path("a.csv").write_text("1,fine\n2,so bad, I left\n")
    with pytest.raises(BadDataError, match=r"a\.csv: line 2 has 3 cells, the first 2; put cells"):
        read("a.csv", "2")
    notes: list[str] = []
    assert list(texts_in(["a.csv"], Reading(), notes, "source", task="translate")) == ["1", "2"]
    assert notes[1].startswith("a.csv: its rows have 2 to 3 cells, 3 first in line 2; put any")


class Interrupted(Exception):
    """No more comes yet."""


class Cut(Parts):
    """What arrives in these parts, and then is waited for."""

    def read(self, size: int = -1, /) -> bytes:
        part = super().read(size)
        if not part:
            raise Interrupted
        return part


def come_by(parts: list[bytes], reading: Reading, task: TaskName = "classify") -> list[str]:
    """The texts that are there once these parts have come."""
    found = list[str | Tagged]()
    with mock.patch("charrnn.examples.rows.arriving", return_value=Cut(parts)):
        texts = texts_in(["-"], reading, [], task=task, before_waiting=list)
        with pytest.raises(Interrupted):
            found.extend(texts)
    return alone(found)


@pytest.mark.parametrize(
    ("come", "task", "expected"),
    [
        ([b'{"text": "a"}\n'], "classify", ["a"]),
        ([b'{"te', b'xt": "a", "n"', b': {"m": [1]}}\n'], "classify", ["a"]),
        ([b'{"text": "a", "n": [1]}\n', b'{"text": "b", "n": []}\n'], "classify", ["a", "b"]),
        ([b'[\n{"text": "a"},\n', b'{"text":', b' "b"}\n'], "classify", ["a", "b"]),
        ([b'["a"] said he\n', b"more\n"], "classify", ['["a"] said he', "more"]),
        ([b"[\n", b"b\n"], "classify", ["[", "b"]),
        ([b"Rome\n"], "tag", ["Rome"]),
        ([b"New E-mail\n"], "tag", ["New E-mail"]),
        ([b"Rome B-LOC\n", b"burns O\n", b"\n", b"Hi O\n"], "tag", ["Rome burns"]),
        ([b"Sharp U-turn\n", b"Very sharp U-turn\n"], "tag", ["Sharp U-turn", "Very sharp U-turn"]),
    ],
)
def test_texts_are_there_as_soon_as_what_has_come_tells(
    come: list[bytes], task: TaskName, expected: list[str]
) -> None:
    assert come_by(come, Reading(), task) == expected


@pytest.mark.parametrize("encoding", ["latin-1", "koi8-r", "shift-jis", "utf-7"])
def test_lines_in_another_encoding_are_there_as_soon_as_they_have_come(encoding: str) -> None:
    lines = ["яд" if encoding == "koi8-r" else "ア" if encoding == "shift-jis" else "é", "b"]
    come = [f"{line}\n".encode(encoding) for line in lines]
    assert come_by(come, Reading(encoding=encoding)) == lines


@example(
    parts=[b"\r\n", b"\r", "four\n".encode("utf-16-le"), b"one line\n"],
    reading=Reading(),
    task="classify",
)
@example(parts=[b"Ann B-PER\n", b"Lee I-PER\n"], reading=Reading(), task="tag")
@example(parts=[b"sep=;\n", b"\n", b"text;label\n", b"a;b\n"], reading=Reading(), task="classify")
@example(parts=[b"\nsep=;\n", b"text;label\n", b"a;b\n"], reading=Reading(), task="classify")
@given(
    parts=st.lists(st.sampled_from(PARTS), max_size=6),
    reading=st.sampled_from(READINGS),
    task=st.sampled_from(["classify", "tag", "translate"]),
)
def test_texts_that_arrive_are_those_of_a_file_however_they_are_cut(
    parts: list[bytes], reading: Reading, task: TaskName
) -> None:
    """A table, JSON, tags and what is compressed are seen, too; what comes late is refused late."""

    column = "source" if task == "translate" else "text"

    def texts(**options: Any) -> tuple[list[str | Tagged], list[str]] | None:
        notes: list[str] = []
        with suppress(CharRNNError):
            return list(texts_in(["-"], reading, notes, column, task=task, **options)), notes
        return None

    whole = io.BytesIO(b"".join(parts))
    with mock.patch("charrnn.examples.rows.standard_input", return_value=whole):
        at_once = texts()
    with mock.patch("charrnn.examples.rows.arriving", return_value=Parts(parts)):
        assert texts(before_waiting=list) == at_once


def test_an_empty_line_below_what_separates_cells_is_passed_by() -> None:
    Path("t.txt").write_text("sep=;\n\nsource;target\na;b\nc;d\n")
    notes: list[str] = []
    found = texts_in(["t.txt"], Reading(), notes, "source", task="translate")
    assert list(found) == ["a", "c"]
    assert "t.txt: a table, since line 3 names columns" in notes


@pytest.mark.parametrize("form", ["jsonl", "parquet"])
@pytest.mark.parametrize("name", ["tokens", "words", "mine"])
def test_words_of_records_are_joined_where_spans_are_marked(name: str, form: str) -> None:
    """A tagger learnt from them, and could not be asked: "tokens is a list, not a text"."""
    rows = [{name: ["Ann", "went", "."], "ner_tags": ["B-x", "O", "O"]}, {name: ["Bo"]}, {name: []}]
    Path("a.jsonl").write_text("\n".join(map(json.dumps, rows)))
    parquet.write_table(pa.Table.from_pylist(rows), "a.parquet")
    notes: list[str] = []
    column = name if name == "mine" else None
    assert of_a_tagger(f"a.{form}", notes, text_column=column) == ["Ann went .", "Bo", ""]
    assert notes == [f"a.{form}: the words in {name} are read, joined into texts"]
    with pytest.raises(CharRNNError, match=r"there is no column text|is a list, not a text"):
        read(f"a.{form}", column)


def test_a_text_beside_words_is_read_and_what_is_no_word_is_refused() -> None:
    Path("a.jsonl").write_text('{"text": "a, b", "tokens": ["a", ",", "b"]}\n{"text": "c"}\n')
    assert of_a_tagger("a.jsonl") == ["a, b", "c"]
    Path("b.jsonl").write_text('{"tokens": ["a", null]}\n')
    with pytest.raises(BadDataError, match=r"b\.jsonl: row 1: None is not a word; leave it out"):
        list(texts_in(["b.jsonl"], Reading(), [], task="tag"))
    Path("c.json").write_text('{"text": ["a", "b"]}')
    assert of_a_tagger("c.json") == ["a", "b"]


def test_texts_of_words_come_with_them() -> None:
    Path("a.conll").write_text("The\tO\nU.S.\tB-LOC\n")
    Path("a.jsonl").write_text(json.dumps({"tokens": ["\ufeffThe", "U.\0S."]}))
    for name in ("a.conll", "a.jsonl"):
        (one,) = texts_in([name], Reading(), [], task="tag")
        assert isinstance(one, Tagged)
        assert (one.text, one.words) == ("The U.S.", [(0, 3), (4, 8)])


@pytest.mark.parametrize(("rules", "text"), [(3, "我在北京"), (2, "我 在 北 京")])
def test_words_make_the_text_that_they_made_in_training(rules: int, text: str) -> None:
    words = list("我在北京")
    Path("a.conll").write_text("".join(f"{word}\tO\n" for word in words))
    Path("a.jsonl").write_text(json.dumps({"tokens": words}))
    for name in ("a.conll", "a.jsonl"):
        assert of_a_tagger(name, rules=rules) == [text]
