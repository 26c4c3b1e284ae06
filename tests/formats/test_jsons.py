"""JSON as people have it: lines, arrays, objects with an array, chats; read a value at a time."""

from __future__ import annotations

import io
import json
from pathlib import Path
from typing import Any

import pytest
from hypothesis import example, given
from hypothesis import strategies as st

from charrnn import read_corpus
from charrnn.config import Reading
from charrnn.decoding import streams
from charrnn.decoding.containers import Source
from charrnn.decoding.streams import Stream
from charrnn.errors import BadDataError, UsageError
from charrnn.examples.labelled import read_labelled
from charrnn.examples.pairs import read_pairs
from charrnn.formats.tables import jsons
from tests.text.reading import text_of

ROWS: list[Any] = [{"text": "one", "n": 1}, {"text": "two\n"}, {"text": "thrée 🙂"}]
TEXT = "one\ntwo\nthrée 🙂"


@pytest.mark.parametrize("chunk", [1, 5, 1 << 20])
@pytest.mark.parametrize(
    ("name", "content"),
    [
        ("a.jsonl", "\n".join(map(json.dumps, ROWS))),
        ("a.NDJSON", "\n\n".join(map(json.dumps, ROWS)) + "\n\n"),
        ("a.jsonl", json.dumps(ROWS)),
        ("a.json", json.dumps(ROWS)),
        ("a.json", "\ufeff" + json.dumps(ROWS, indent=2, ensure_ascii=False)),
        ("a.json", "\n".join(map(json.dumps, ROWS))),
        ("a.JSON", json.dumps({"version": [1, 2], "data": ROWS, "n": 12})),
        ("a.json", json.dumps({"data": ROWS, "empty": [], "tags": ["x", "y"], "o": {"text": "n"}})),
        ("a.json", json.dumps([row["text"] for row in ROWS])),
        ("a.jsonl", "\n".join(json.dumps(row["text"]) for row in ROWS)),
    ],
)
def test_records_are_found(
    name: str, content: str, chunk: int, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(streams, "CHUNK", chunk)
    Path(name).write_text(content, encoding="utf-8")
    assert text_of(name) == TEXT


def test_an_object_may_be_the_record_itself() -> None:
    Path("a.json").write_text('{"id": 7, "text": "one", "tags": [{"name": "x"}]}')
    assert text_of("a.json") == "one"
    assert text_of("a.json", text_column="tags.name") == "x"


CHAT = {
    "id": 1,
    "messages": [{"role": "user", "content": "Hi"}, {"role": "bot", "content": "Yes?"}],
}


@pytest.mark.parametrize("name", ["a.jsonl", "a.json"])
def test_a_chat_is_its_messages_on_lines(name: str) -> None:
    more = {"messages": [{"role": "user", "content": None}, {"content": "Bye"}, {"role": "bot"}]}
    Path(name).write_text(json.dumps(CHAT) + "\n" + json.dumps(more))
    assert text_of(name, text_column="messages.content") == "Hi\nYes?\nBye"
    with pytest.raises(
        UsageError, match=r"choose --text-column from id, messages\.role, messages\.c"
    ):
        text_of(name)


LINK = {"type": "text_link", "text": "the map", "href": "https://example.org"}
PARTS = ["See ", LINK, ", and ", {"type": "bold", "text": "hurry"}, "!"]


@pytest.mark.parametrize("column", ["messages.text", "text"])
def test_a_text_in_parts_is_whole(column: str) -> None:
    """As Telegram exports it: of "messages.text.text" only links and bold words were learnt."""
    messages = [
        {"id": 1, "type": "message", "text": "Hi"},
        {"id": 2, "type": "message", "text": PARTS},
        {"id": 3, "type": "message", "text": [LINK]},
    ]
    Path("a.json").write_text(json.dumps({"name": "Ann", "messages": messages}))
    corpus = read_corpus(["a.json"], Reading(text_column=column))
    assert corpus.text == "Hi\nSee the map, and hurry!\nthe map"
    assert corpus.notes == ()


PICTURE = {"type": "image_url", "image_url": {"url": "a.png"}}
MIXED = [
    {"role": "user", "content": "Hi"},
    {"role": "user", "content": [{"type": "text", "text": "What is "}, PICTURE]},
    {"role": "user", "content": [PICTURE]},
    {"role": "bot", "content": [{"type": "text", "text": "A "}, {"type": "text", "text": "cat."}]},
]


def test_what_a_list_leaves_out_is_counted() -> None:
    Path("a.jsonl").write_text(json.dumps({"messages": MIXED}) + "\n")
    corpus = read_corpus(["a.jsonl"], Reading(text_column="messages.content"))
    assert corpus.text == "Hi\nWhat is \nA cat."
    left_out = "left out 2 entries of lists that hold no text in the column messages.content"
    assert corpus.notes == (f"a.jsonl: {left_out}",)
    corpus = read_corpus(["a.jsonl"], Reading(text_column="messages.content.text"))
    assert corpus.text == "What is \nA \ncat."
    assert corpus.notes == (f"a.jsonl: {left_out.replace('2', '3')}.text",)
    with pytest.raises(UsageError, match=r"from messages\.role, messages\.content$"):
        text_of("a.jsonl")


def test_objects_without_a_text_are_no_parts_of_one() -> None:
    for entry in ({"role": "user", "content": "Hi"}, {"name": "Ann"}):
        Path("a.jsonl").write_text(json.dumps({"messages": [entry]}))
        with pytest.raises(UsageError, match=r"holds an object .* from messages\."):
            text_of("a.jsonl", text_column="messages")
    Path("a.jsonl").write_text(json.dumps({"events": [{"type": "click", "name": "b"}]}))
    with pytest.raises(UsageError, match=r"no text in a column events; .* events\.type, events\.n"):
        text_of("a.jsonl", text_column="events")


def test_a_name_with_a_dot_is_a_name_if_it_is_there() -> None:
    Path("a.jsonl").write_text('{"a.b": "dotted", "a": {"b": "nested", "c": {"d": ["x", "y"]}}}')
    assert text_of("a.jsonl", text_column="a.b") == "dotted"
    assert text_of("a.jsonl", text_column="a.c.d") == "x\ny"
    for column in ("a.b.c", "a.x"):
        with pytest.raises(UsageError, match=rf"no text in a column {column}; choose"):
            text_of("a.jsonl", text_column=column)
    for column in ("a", "a.c"):
        found = rf"row 1 holds an object in the column {column}, no text; mend it, or choose"
        with pytest.raises(UsageError, match=found):
            text_of("a.jsonl", text_column=column)


def test_a_column_of_numbers_is_not_advised() -> None:
    Path("a.jsonl").write_text('{"n": 1, "name": "Ann"}')
    with pytest.raises(UsageError, match=r"choose --text-column from name$"):
        text_of("a.jsonl", text_column="n")
    Path("b.jsonl").write_text('{"n": 1}')
    with pytest.raises(UsageError, match=r"check the table$"):
        text_of("b.jsonl", text_column="n")


@pytest.mark.parametrize(
    ("value", "shown"),
    [("5", "the number 5"), ("1e999", "a number"), ("true", "true"), ("[[1]]", "the number 1")],
)
@pytest.mark.parametrize("before", [0, 2])
def test_a_row_that_holds_no_text_is_named_with_what_it_holds(
    before: int, value: str, shown: str
) -> None:
    """It was said of the whole column, which other rows fill with text."""
    rows = ['{"n": 1, "text": "a"}'] * before + [f'{{"n": 1, "text": {value}}}', '{"text": "b"}']
    Path("a.jsonl").write_text("\n".join(rows))
    found = f"a.jsonl: row {before + 1} holds {shown} in the column text, no text; mend it, or"
    with pytest.raises(UsageError, match=found):
        text_of("a.jsonl")


def test_two_lists_with_the_column_are_not_guessed_between() -> None:
    Path("a.json").write_text(json.dumps({"train": ROWS, "n": 1, "test": ROWS[:1]}))
    with pytest.raises(UsageError, match=r"two lists .*: train and test; choose .*train\.text or"):
        text_of("a.json")
    assert text_of("a.json", text_column="test.text") == "one"
    assert text_of("a.json", text_column="train.text") == TEXT


def test_a_column_that_only_some_rows_have_is_enough(monkeypatch: pytest.MonkeyPatch) -> None:
    Path("a.jsonl").write_text('{"n": 1}\n' * 900 + '{"text": "one"}\n' + '{"n": 1}\n' * 900)
    found = read_corpus(["a.jsonl"])
    assert found.text == "one"
    assert found.notes == ("a.jsonl: 1,800 of 1,801 rows hold no text",)


@pytest.mark.parametrize(
    ("content", "found"),
    [
        ('{"text": "one"', "line 1: .*Expecting ','.* at character 15"),
        ('{"text": "one"}\n{"text" "two"}', "line 2: .*Expecting ':' delimiter at character 9"),
        ('{"text": "one"}\n' * 30 + "{,}\n", "line 31: .*Expecting property name.* at character 2"),
        ('{"n": 1}\n{"text": "x", \n\n', "line 2: .*Expecting property name.* at character 14"),
        ('[{"n": [\n1,\n2]},\n {"n":\n\n  x}]', "line 6: .*Expecting value at character 3"),
        ('[{"n": 1}\r\n\r\n {"n": 2}]', "line 3: .*Expecting ',' or ']' at character 2"),
        ('{"n": 2}\n\n' + "1" * 5000, "line 3: broken JSON .a number of thousands of digits"),
        ("[" * 100_000, "nested too deeply"),
        (f'{{"text": {"[" * 990}"a"{"]" * 990}}}', "nested too deeply"),
        ('{"text": "one"}]', "line 1: .*Expecting value at character 16"),
        ('[{"text": "one"} {"text": "two"}]', "Expecting ',' or ']' at character 18"),
        ('{"n": ' + "1" * 5000 + "}", "a number of thousands of digits"),
        ('{"text": "\\ud83d"}', r"'\\ud83d' is half a character"),
        ("plain text\n", "line 1: .*Expecting value at character 1"),
    ],
)
@pytest.mark.parametrize("name", ["a.jsonl", "a.json"])
@pytest.mark.parametrize("chunk", [1, 1 << 20])
def test_broken_json_says_where(
    name: str, content: str, found: str, chunk: int, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(streams, "CHUNK", chunk)
    Path(name).write_text(content)
    with pytest.raises(BadDataError, match=f"^{name}: .*{found}"):
        text_of(name)


def test_half_a_character_can_be_replaced() -> None:
    Path("a.jsonl").write_text('{"text": "a\\ud83d b\\ud83d\\ude42"}')
    corpus = read_corpus("a.jsonl", Reading(errors="replace"))
    assert corpus.text == "a\ufffd b🙂"
    assert corpus.notes == ("a.jsonl: half a character became U+FFFD",)


def test_what_is_no_json_takes_no_memory(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(jsons, "LONGEST", 1000)
    monkeypatch.setattr(streams, "CHUNK", 100)
    Path("a.json").write_text('["' + "a" * 5000)
    with pytest.raises(BadDataError, match="a value of over 1,000 characters"):
        text_of("a.json")


VALUES = st.recursive(
    st.none() | st.booleans() | st.integers() | st.floats(allow_nan=False) | st.text(max_size=3),
    lambda inner: (
        st.lists(inner, max_size=3) | st.dictionaries(st.text(max_size=3), inner, max_size=3)
    ),
    max_leaves=5,
)


def parsed(name: str, text: str, chunk: int) -> list[Any]:
    """The records of a file whose text comes in parts of `chunk` characters."""
    source = Source(name, name, Stream(io.BytesIO(text.encode("utf-8", "surrogatepass"))))
    parts = [text[k : k + chunk] for k in range(0, len(text), chunk)]
    with pytest.MonkeyPatch.context() as patch:
        patch.setattr(jsons, "decoded", lambda *_: parts)
        return list(jsons.records(source, Reading(), ["text"], []))


@given(
    st.lists(st.dictionaries(st.sampled_from(["text", "n", "m"]), VALUES, max_size=3), max_size=4),
    st.sampled_from([None, 1]),
    st.integers(1, 7),
    st.booleans(),
)
def test_values_are_parsed_as_by_the_library(
    rows: list[Any], indent: int | None, chunk: int, ascii_only: bool
) -> None:
    text = json.dumps(rows, indent=indent, ensure_ascii=ascii_only)
    assert parsed("a.json", text, chunk) == rows
    lines = "\n".join(json.dumps(row, ensure_ascii=ascii_only) for row in rows)
    assert parsed("a.jsonl", lines, chunk) == rows


@given(st.lists(VALUES), st.integers(1, 3))
@example([1e300, -1e-07, 2.5, 12, -3], 1)
@example([1e300, -1e-07, 2.5, 12, -3], 2)
def test_elements_of_any_kind_are_parsed_as_by_the_library(values: list[Any], chunk: int) -> None:
    assert parsed("a.json", json.dumps(values), chunk) == values


def test_a_byte_order_mark_is_told() -> None:
    Path("a.jsonl").write_text('\ufeff{"text": "one"}\n', encoding="utf-8")
    corpus = read_corpus("a.jsonl")
    assert corpus.text == "one"
    assert corpus.notes == ("a.jsonl: dropped the byte-order mark",)


def test_null_may_stand_before_records() -> None:
    """No columns were named, and one was told of that is not there."""
    Path("a.json").write_text('[null, {"id": 1, "name": "Harold"}, {"id": 2, "name": "Ann"}]')
    with pytest.raises(UsageError, match=r"column text; choose --text-column from id, name$"):
        read_corpus(["a.json"])
    found = read_corpus(["a.json"], Reading(text_column="name"))
    assert (found.text, found.notes) == ("Harold\nAnn", ("a.json: 1 of 3 rows holds no text",))


@pytest.mark.parametrize("order", [1, -1])
def test_an_object_with_the_column_and_a_list_with_it_is_refused(order: int) -> None:
    """The list alone was read."""
    itself = {"text": "The article", "comments": [{"text": "one"}, {"text": "two"}]}
    content = json.dumps(dict(list(itself.items())[::order]), indent=1)
    Path("a.json").write_text(content)
    with pytest.raises(UsageError) as caught:
        read_corpus(["a.json"])
    assert caught.value.found == "a.json: the object and its list comments both have a column text"
    assert caught.value.advice == (
        "choose --text-column comments.text, or, to read the object itself, give the file the "
        "suffix .jsonl"
    )
    assert text_of("a.json", text_column="comments.text") == "one\ntwo"
    Path("a.jsonl").write_text(content)
    assert text_of("a.jsonl") == "The article"


@pytest.mark.parametrize("order", [1, -1])
def test_an_object_that_lacks_one_of_the_columns_is_no_record(order: int) -> None:
    """It was refused, and neither advice worked."""
    for column, itself in (("text", {"text": "Reviews of films"}), ("source", {"source": "a.org"})):
        label = "label" if column == "text" else "target"
        data = {"data": [{column: f"{n} one", label: f"{n % 2}"} for n in range(4)]}
        whole = list((itself | data).items())[::order]
        Path("a.json").write_text(json.dumps(dict(whole)))
        if column == "text":
            texts = [one.text for one in read_labelled(["a.json"], Reading(), [], None)]
        else:
            texts = [one.source for one in read_pairs(["a.json"], Reading(), [], None)]
        assert texts == [f"{n} one" for n in range(4)]
    unset = {"text": None, "data": [{"text": "one"}]}
    Path("a.json").write_text(json.dumps(dict(list(unset.items())[::order])))
    assert text_of("a.json") == "one"


@pytest.mark.parametrize("order", [1, -1])
def test_all_columns_of_the_list_are_advised(order: int) -> None:
    row = {"text": "all", "label": "x"}
    itself = row | {"data": [{"text": f"{n}", "label": f"{n % 2}"} for n in range(4)]}
    Path("a.json").write_text(json.dumps(dict(list(itself.items())[::order])))
    with pytest.raises(UsageError) as caught:
        read_labelled(["a.json"], Reading(), [], None)
    assert caught.value.found == (
        "a.json: the object and its list data both have the columns text, label"
    )
    assert caught.value.advice == (
        "choose --text-column data.text --label-column data.label, or, to read the object itself, "
        "give the file the suffix .jsonl"
    )
    found = read_labelled(["a.json"], Reading(text_column="data.text"), [], "data.label")
    assert [one.text for one in found] == ["0", "1", "2", "3"]
    Path("a.json").rename("a.jsonl")
    assert [one.text for one in read_labelled(["a.jsonl"], Reading(), [], None)] == ["all"]


def test_a_folder_leaves_out_an_object_with_the_column_and_a_list_with_it() -> None:
    """It was refused as a whole."""
    Path("tables").mkdir()
    for name in ("a", "b"):
        Path(f"tables/{name}.csv").write_text(f"text\n{name}\n")
    itself = {"text": "All that is said", "segments": [{"text": "All that"}, {"text": "is said"}]}
    Path("tables/c.json").write_text(json.dumps(itself))
    found = read_corpus(["tables"])
    assert found.text == "a\nb"
    assert len(found.notes) == 1
    assert found.notes[0].startswith(
        "tables: skipped 1 file without a column text: c.json (tables/c.json: the object and its "
        "list segments both have a column text; "
    )
    Path("tables/c.json").write_text(json.dumps(dict(reversed(itself.items()))))
    with pytest.raises(UsageError, match="its list segments both have a column text"):
        read_corpus(["tables"])  # its list is read by then


@pytest.mark.parametrize("size", [0, 1 << 20])
@pytest.mark.parametrize("kind", ["records", "texts"])
def test_an_object_with_texts_by_keys_is_to_be_an_array(kind: str, size: int) -> None:
    """One of them was to be chosen."""
    texts = ["x" * size, *map(str, range(9))]
    values: list[Any] = [{"text": text} for text in texts] if kind == "records" else texts
    keyed = {f"npc.{k}": value for k, value in enumerate(values)}
    Path("a.json").write_text(json.dumps(keyed))
    with pytest.raises(UsageError) as caught:
        read_corpus(["a.json"])
    found = f"a.json: its object has no column text, but 10 {kind}, each by its key"
    program = "[.[]]" if kind == "records" else '[.[] | {"text": .}]'
    assert caught.value.found == found
    assert caught.value.advice == f"write them as an array: jq '{program}' FILE > NEW.json"
    Path("a.json").write_text(json.dumps([{"text": text} for text in texts]))
    assert text_of("a.json").startswith(texts[0])
    for others in (json.dumps(dict(list(keyed.items())[:1])), json.dumps(keyed) + "\n{}\n"):
        Path("a.json").write_text(others)
        with pytest.raises(UsageError, match=r"choose --text-column from npc\.0"):
            read_corpus(["a.json"])
