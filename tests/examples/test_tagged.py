"""Texts with marked spans: every way to write them, and every way to get it wrong."""

from __future__ import annotations

import json
import re
import shutil
import subprocess
from pathlib import Path

import pytest
from datasets import ClassLabel, Dataset, Features, List, Value

from charrnn import Reading
from charrnn.decoding.cleaning import Cleaner
from charrnn.errors import BadDataError, CharRNNError, UsageError
from charrnn.examples import tagged
from charrnn.examples.tagged import check_types, read_tagged
from charrnn.examples.tags import Span, Tagged
from charrnn.text.bundled import BUNDLED

TEXT = "Ann Lee went to New York ."
SPANS = [Span(0, 7, "PER"), Span(16, 24, "LOC")]
SCHEMES = {
    "BIO": "B-PER I-PER O O B-LOC I-LOC O",
    "IOB1": "I-PER I-PER O O I-LOC I-LOC O",
    "BIOES": "B-PER E-PER O O B-LOC E-LOC O",
    "BILOU": "B-PER L-PER O O B-LOC L-LOC O",
}


def read(*sources: str, notes: list[str] | None = None, column: str | None = None) -> list[Tagged]:
    return read_tagged(sources, Reading(text_column=column), [] if notes is None else notes)


def conll(tags: str, separator: str = "\t") -> str:
    pairs = zip(TEXT.split(), tags.split(), strict=True)
    return "".join(f"{word}{separator}NN{separator}{tag}\n" for word, tag in pairs)


@pytest.mark.parametrize("separator", ["\t", " "])
@pytest.mark.parametrize("scheme", SCHEMES)
def test_all_schemes_are_read_alike(scheme: str, separator: str) -> None:
    whole = conll(SCHEMES[scheme], separator)
    Path("a.conll").write_text(f"-DOCSTART- -X- O\n\n{whole}\n\t\n{whole}")
    one, two = read("a.conll")
    assert one.text == two.text == TEXT
    assert one.spans == two.spans == SPANS
    assert one.tags == SCHEMES["BIO"].split()
    assert (one.place, two.place) == ("a.conll: line 3", "a.conll: line 12")


def test_the_suffix_of_columns_may_be_any() -> None:
    for name in ("a.tsv", "a.txt", "a.annotated"):
        Path(name).write_text(conll(SCHEMES["BIO"]))
        assert [one.spans for one in read(name)] == [SPANS]


def test_spans_of_json() -> None:
    text = "“Ann Lee” went to New York, twice."
    spans = [{"start": 1, "end": 8, "label": "PER"}, {"start": 18, "end": 26, "label": "LOC"}]
    Path("a.jsonl").write_text(json.dumps({"text": text, "spans": spans}))
    (one,) = read("a.jsonl")
    assert [text[start:end] for start, end in one.words] == (
        ["“", "Ann", "Lee", "”", "went", "to", "New", "York", ",", "twice", "."]
    )
    assert one.spans == [Span(1, 8, "PER"), Span(18, 26, "LOC")]


def test_words_and_tags_of_json() -> None:
    record = {"id": 3, "tokens": ["Ann", "Lee", "went"], "ner_tags": ["I-PER", "I-PER", "O"]}
    Path("a.jsonl").write_text(json.dumps(record))
    (one,) = read("a.jsonl")
    assert (one.text, one.spans, one.place) == (
        ("Ann Lee went", [Span(0, 7, "PER")], "a.jsonl: row 1")
    )
    assert one.words == [(0, 3), (4, 7), (8, 12)]


def test_words_are_joined_by_the_rules_of_the_run() -> None:
    """A tagger of Chinese learnt from texts with spaces, and was asked about texts without."""
    words, tags = list("我在北京"), ["O", "O", "B-LOC", "I-LOC"]
    lines = (f"{word}\t{tag}\n" for word, tag in zip(words, tags, strict=True))
    Path("a.conll").write_text("".join(lines))
    Path("a.jsonl").write_text(json.dumps({"tokens": words, "tags": tags}))
    for name in ("a.conll", "a.jsonl"):
        for rules, text, span in ((3, "我在北京", (2, 4)), (2, "我 在 北 京", (4, 7))):
            (one,) = read_tagged([name], Reading(), [], rules=rules)
            assert (one.text, one.spans) == (text, [Span(*span, "LOC")])


def test_texts_are_cleaned_and_their_spans_move_with_them() -> None:
    text = "\ufeffAnn\r\nLee\0 went\rto New\ufeff York"
    marks = [(1, 4, "PER"), (0, 1, "x"), (19, 28, "LOC")]
    spans = [{"start": a, "end": b, "label": kind} for a, b, kind in marks]
    Path("a.jsonl").write_text(json.dumps({"text": text, "spans": spans}))
    notes: list[str] = []
    (one,) = read("a.jsonl", notes=notes)
    assert one.text == "Ann\nLee went\nto New York"
    assert [(one.text[s.start : s.end], s.label) for s in one.spans] == (
        [("Ann", "PER"), ("New York", "LOC")]
    )
    assert notes == [
        "a.jsonl: dropped 2 byte-order marks",
        "a.jsonl: dropped 1 NUL, which pads the text",
        "a.jsonl: CRLF became LF on 1 line",
        "a.jsonl: CR became LF on 1 line",
        "a.jsonl: left out 1 span that has no word of its own",
        "a.jsonl: the F1 is of the altered spans",
    ]


@pytest.mark.parametrize("line_end", ["\r\n", "\r\0\n", "\r"])
def test_spans_may_begin_in_the_middle_of_a_line_end(line_end: str) -> None:
    text = f"Ann{line_end}Lee went"
    spans = [
        {"start": 0, "end": 3, "label": "A"},
        {"start": 4, "end": 6 + len(line_end), "label": "B"},
    ]
    Path("a.jsonl").write_text(json.dumps({"text": text, "spans": spans}))
    notes: list[str] = []
    (one,) = read("a.jsonl", notes=notes)
    assert one.spans == [Span(0, 3, "A"), Span(4, 7, "B")]
    assert not any("within a word" in note for note in notes)


def test_a_text_is_cleaned_no_more_often_for_many_spans(monkeypatch: pytest.MonkeyPatch) -> None:
    """It was read from its beginning for each of them."""
    count, fed = 300, list[int]()
    spans = [{"start": 5 * k, "end": 5 * k + 3, "label": "PER"} for k in range(count)]
    Path("a.jsonl").write_text(json.dumps({"text": "Ann\r\n" * count, "spans": spans}))
    feed = Cleaner.feed

    def counted(self: Cleaner, text: str, last: bool = False) -> str:
        fed.append(len(text))
        return feed(self, text, last)

    monkeypatch.setattr(Cleaner, "feed", counted)
    (one,) = read("a.jsonl")
    assert one.spans == [Span(4 * k, 4 * k + 3, "PER") for k in range(count)]
    assert sum(fed) <= 4 * len("Ann\r\n") * count


def test_words_of_lists_are_cleaned_too() -> None:
    record = {"tokens": ["\ufeffAnn", "Le\0e"], "tags": ["B-PER", "I-PER"]}
    Path("a.jsonl").write_text(json.dumps(record))
    notes: list[str] = []
    (one,) = read("a.jsonl", notes=notes)
    assert (one.text, one.spans) == ("Ann Lee", [Span(0, 7, "PER")])
    assert notes == [
        "a.jsonl: dropped the byte-order mark",
        "a.jsonl: dropped 1 NUL, which pads the text",
    ]
    Path("a.jsonl").write_text(json.dumps({"tokens": ["\ufeff"], "tags": ["O"]}))
    with pytest.raises(BadDataError, match="is not a word; leave it and its tag out"):
        read("a.jsonl")


def test_words_may_be_in_any_column_and_empty() -> None:
    rows: list[dict[str, list[str]]] = [
        {"toks": [], "tags": []},
        {"toks": ["Ann"], "tags": ["B-PER"], "tokens": ["Bo"]},
    ]
    Path("a.jsonl").write_text("\n".join(map(json.dumps, rows)))
    notes: list[str] = []
    (one,) = read("a.jsonl", column="toks", notes=notes)
    assert (one.text, one.place) == ("Ann", "a.jsonl: row 2")
    assert notes == ["a.jsonl: left out 1 row that holds no word"]
    Path("a.jsonl").write_text('{"data": {"tokens": ["Ann"]}, "tags": ["B-PER"]}')
    assert read("a.jsonl", column="data.tokens") == [one._replace(place="a.jsonl: row 1")]


def test_a_data_set_of_the_hub_names_its_tags() -> None:
    """There tags are numbers, and their names stand in the description of the columns."""
    tags = List(ClassLabel(names=["O", "B-PER", "I-PER"]))
    features = Features({"tokens": List(Value("string")), "ner_tags": tags})
    rows = {"tokens": [["Ann", "Lee", "went"], ["home"]], "ner_tags": [[1, 2, 0], [0]]}
    Path("owner/name").mkdir(parents=True)
    Dataset.from_dict(rows, features=features).to_parquet("owner/name/train.parquet")
    one, two = read("hf://owner/name")
    assert (one.spans, two.tags) == ([Span(0, 7, "PER")], ["O"])


def test_a_span_takes_whole_words_and_that_is_told() -> None:
    spans = [{"start": 5, "end": 9, "label": "x"}, {"start": 10, "end": 12, "label": "x"}]
    Path("a.jsonl").write_text(json.dumps({"text": "some anywhere", "spans": spans}))
    notes: list[str] = []
    (one,) = read("a.jsonl", notes=notes)
    assert one.spans == [Span(5, 13, "x")]
    assert "within a word" in notes[0]


def test_a_span_without_a_word_of_its_own_is_left_out_and_counted() -> None:
    spans = [{"start": a, "end": b, "label": kind} for a, b, kind in ((0, 4, "PER"), (5, 10, "x"))]
    blank = [{"start": 2, "end": 3, "label": "x"}]
    rows = [{"text": "Anne-Marie went", "spans": spans}, {"text": "so what", "spans": blank}]
    Path("a.jsonl").write_text("\n".join(map(json.dumps, rows)))
    notes: list[str] = []
    one, two = read("a.jsonl", notes=notes)
    assert (one.spans, two.spans) == ([Span(0, 10, "PER")], [])
    assert notes == [
        "a.jsonl: 1 span begins or ends within a word, and takes all of it",
        "a.jsonl: left out 2 spans that have no word of their own",
        "a.jsonl: the F1 is of the altered spans",
    ]


def test_a_space_at_the_edge_of_a_span_is_left_out_and_counted() -> None:
    """It was said that the span takes all of a word."""
    text = "met Ann Lee. Bo left"
    one = [{"start": 3, "end": 12, "label": "x"}]
    two = [{"start": 4, "end": 8, "label": "x"}, {"start": 12, "end": 16, "label": "y"}]
    rows = [{"text": text, "spans": one}, {"text": text, "spans": two}]
    for count, wanted in (
        (1, "1 span begins or ends with a space, which is left out"),
        (2, "3 spans begin or end with a space, which is left out"),
    ):
        Path("a.jsonl").write_text("\n".join(map(json.dumps, rows[:count])))
        notes: list[str] = []
        found = read("a.jsonl", notes=notes)
        assert notes == [f"a.jsonl: {wanted}", "a.jsonl: the F1 is of the altered spans"]
    assert [one.spans for one in found] == (
        [[Span(4, 12, "x")], [Span(4, 7, "x"), Span(13, 15, "y")]]
    )


WRONG = {
    "no tags": ("a.conll", "Ann PERSON\n", "a.conll: line 1: 'PERSON' is not a tag"),
    "a header": ("a.conll", "word tag\nAnn B-PER\n", "a.conll: line 1: 'tag' is not a tag"),
    "no type": ("a.conll", "Ann B\n", "a.conll: line 1: 'B' is not a tag"),
    "a short row": ("a.conll", "Ann NN B-x\nLee I-x\n", "line 2 has 2 columns, line 1 has 3"),
    "one column": ("a.conll", "Ann\n", "a.conll: line 1 has 1 column;"),
    "commas": ("a.csv", "Ann,B-x\n", "a.csv: line 1 has cells between commas; write a word, a tab"),
    "a header with commas": (
        "a.csv",
        "Sentence #,Word,POS,Tag\nSentence: 1,Ann,NNP,B-x\n",
        "a.csv: line 1 has cells between commas; write a word, a tab and its tag on each line",
    ),
    "a comment": (
        "a.conll",
        "Ann B-x\n\n# sent_id = 2\nLee B-x\n",
        "a.conll: line 3 begins with # and ends with no tag; delete comments and headers",
    ),
    "no word": ("a.conll", "Ann\tO\n\tB-x\n", "a.conll: line 2 has a tag without a word"),
    "nothing": ("a.conll", "\n\n", "a.conll: no text with tags in it"),
    "no spans": ("a.jsonl", '{"text": "x"}', "a.jsonl: row 1 has no list of spans"),
    "no text column": ("a.jsonl", '{"body": "x", "spans": []}', "there is no column text"),
    "no later text": (
        "a.jsonl",
        '{"text": "x", "spans": []}\n{"spans": []}',
        "a.jsonl: row 2: no text",
    ),
    "no text": ("a.jsonl", '{"text": "", "spans": []}', "a.jsonl: row 1: no text"),
    "no list": ("a.jsonl", '{"text": "x", "spans": 1}', "a.jsonl: row 1 has no list of spans"),
    "no record": ("a.jsonl", '{"text": "x", "spans": [1]}', "row 1: a span is not a record"),
    "numbers": ("a.jsonl", '{"words": ["x"], "tags": [0]}', "row 1: the tag 0 has no name"),
    "fewer tags": ("a.jsonl", '{"tokens": ["x"], "tags": []}', "row 1: words: 1, tags: 0"),
    "one text": ("a.jsonl", '{"tokens": "x", "tags": "O"}', "row 1: words or tags are not a list"),
    "no tags by that name": (
        "a.jsonl",
        '{"tokens": ["x"], "labels": ["O"]}',
        "row 1: words without tags; name the column of the tags tags or ner_tags",
    ),
    "other words": (
        "a.jsonl",
        '{"toks": ["x"], "tags": ["O"]}',
        "there is no column text; choose --text-column from toks, tags",
    ),
    "a space": ("a.jsonl", '{"tokens": [" "], "tags": ["O"]}', "row 1: ' ' is not a word"),
    "no label": (
        "a.jsonl",
        '{"text": "x", "spans": [{"start": 0, "end": 1}]}',
        "row 1: a span has no label",
    ),
    "outside": (
        "a.jsonl",
        '{"text": "x", "spans": [{"start": 0, "end": 2, "label": "y"}]}',
        "the span 0–2 is not in its text, which ends at 1",
    ),
    "digits": (
        "a.jsonl",
        '{"text": "xyz", "spans": [{"start": "0", "end": 2, "label": "y"}]}',
        "row 1: a span is from '0' to 2; start and end must be whole numbers",
    ),
    "overlap": (
        "a.jsonl",
        '{"text": "xyz", "spans": [{"start": 0, "end": 2, "label": "y"}, '
        '{"start": 1, "end": 3, "label": "y"}]}',
        "the spans 0–2 and 1–3 overlap",
    ),
    "empty": (
        "a.jsonl",
        '{"text": "xyz", "spans": [{"start": 1, "end": 1, "label": "y"}]}',
        "row 1: the span 1–1 holds no character; end it after its last character, or leave it out",
    ),
    "twice": (
        "a.jsonl",
        '{"text": "xyz", "spans": [{"start": 0, "end": 2, "label": "y"}, '
        '{"start": 0, "end": 2, "label": "y"}]}',
        "row 1: the span 0–2 is there twice; leave one of them out",
    ),
    "two labels": (
        "a.jsonl",
        '{"text": "xyz", "spans": [{"start": 0, "end": 2, "label": "z"}, '
        '{"start": 0, "end": 2, "label": "y"}]}',
        "row 1: the span 0–2 is there twice, as y and as z; leave one of them out",
    ),
}


GERMEVAL = (
    "#\thttp://example.org [2009-10-17]\n1\tIn\tO\tO\n2\tKassel\tB-LOC\tO\n3\t.\tO\tO\n\n"
    "#\thttp://example.org [2009-10-18]\n1\tAnn\tB-PER\tO\n2\tgeht\tO\tO\n\n"
)
TREES = (
    "# sent_id = 1\n# text = Im Haus\n1-2\tIm\t_\t_\t_\n1\tIn\tin\tADP\t_\n2\tdem\tder\tDET\t_\n"
    "3\tHaus\tHaus\tNOUN\t_\n\n# sent_id = 2\n1\tAnn\tAnn\tPROPN\t_\n"
)


@pytest.mark.skipif(shutil.which("awk") is None, reason="runs awk")
@pytest.mark.parametrize(
    ("content", "expected"),
    [
        (GERMEVAL, [("In Kassel .", ["O", "B-LOC", "O"]), ("Ann geht", ["B-PER", "O"])]),
        (
            GERMEVAL.replace("\t", " "),
            [("In Kassel .", ["O", "B-LOC", "O"]), ("Ann geht", ["B-PER", "O"])],
        ),
        (TREES, [("In dem Haus", ["B-ADP", "B-DET", "B-NOUN"]), ("Ann", ["B-PROPN"])]),
    ],
    ids=["GermEval", "spaces", "CoNLL-U"],
)
def test_numbers_of_words_are_no_words_and_the_command_shown_drops_them(
    content: str, expected: list[tuple[str, list[str]]]
) -> None:
    """The words learnt were 1, 2, 3."""
    Path("a.tsv").write_text(content)
    with pytest.raises(
        BadDataError, match=r"^a\.tsv: its first column numbers the words; "
    ) as error:
        read("a.tsv")
    command = str(error.value).partition("drop it: ")[2]
    command = command.replace("FILE", "a.tsv").replace("NEW", "a.conll")
    subprocess.run(["sh", "-c", command], check=True)
    assert [(one.text, one.tags) for one in read("a.conll")] == expected


def test_words_may_be_numbers() -> None:
    Path("a.conll").write_text("1 CD O\n2 CD O\n4 CD O\n\n1 CD O\n")  # numbers, but not of words
    assert [one.text for one in read("a.conll")] == ["1 2 4", "1"]


@pytest.mark.parametrize("case", WRONG)
def test_what_is_wrong_is_told_with_its_place(case: str) -> None:
    name, content, message = WRONG[case]
    Path(name).write_text(content)
    with pytest.raises(CharRNNError, match=re.escape(message)) as error:
        read(name)
    assert error.value.exit_code in (2, 65)
    assert "\n" not in str(error.value)


def test_columns_are_for_records() -> None:
    Path("a.conll").write_text("Ann B-x\n")
    with pytest.raises(UsageError, match="have no names"):
        read("a.conll", column="text")


def test_types_can_be_learnt(monkeypatch: pytest.MonkeyPatch) -> None:
    Path("a.conll").write_text("Ann B-y\nLee B-x\n\nwent O\n")
    found = read("a.conll")
    assert check_types(found) == ["x", "y"]
    with pytest.raises(BadDataError, match="nothing is marked in all 1 texts"):
        check_types(found[1:])
    monkeypatch.setattr(tagged, "MAX_TYPES", 1)
    with pytest.raises(BadDataError, match="2 types of spans, such as 'x'"):
        check_types(found)


def test_the_bundled_log_has_as_many_entries_as_said_and_marks_whole_words() -> None:
    notes: list[str] = []
    found = read("log", notes=notes)
    assert (f"{len(found):,} entries", notes) == (BUNDLED["log"].size, [])
    assert len({one.text for one in found}) == len(found)
    written = [json.loads(line)["spans"] for line in BUNDLED["log"].read().splitlines()]
    assert [[span._asdict() for span in one.spans] for one in found] == written
    assert check_types(found) == ["person", "place", "ship"]
    assert any(not one.spans for one in found)
    names = [one.text[start:end] for one in found for start, end, _ in one.spans]
    assert all(re.fullmatch(r"[A-Z][a-z]+( of)?( [A-Z][a-z]+)*", name) for name in names)
