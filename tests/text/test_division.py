"""What a text is a list of is seen in the text, and is divided as people write it."""

from __future__ import annotations

import re
from collections.abc import Callable
from pathlib import Path

import pytest
from hypothesis import given
from hypothesis import strategies as st

from charrnn.errors import UsageError
from charrnn.text import division
from charrnn.text.bundled import BUNDLED
from charrnn.text.division import DocumentStarts, divide, split
from tests.text.writer import Writer

ROOT = Path(__file__).parent.parent.parent

HAN = "天地玄黄宇宙洪荒日月盈昃辰宿列张"
THAI = "กขคงจชดตทนบปพมยรลวสหอะาเแโิีุู่้"  # marks among them


def one_file() -> DocumentStarts:
    found = DocumentStarts()
    found.add("a.txt", 0)
    return found


def blocks(parts: list[str]) -> str:
    return "\n\n".join(parts)


Maker = Callable[[Writer, range], str]


def ended(sign: str) -> Maker:
    return lambda w, n: "\n".join(f"{w.name()} {w.word()} {w.word()}{sign}" for _ in n)


DIRECTIVES = ("include", "if", "ifdef", "ifndef", "endif", "undef", "pragma")
KINDS: list[tuple[str, str, Maker]] = [
    ("names in order", "lines", lambda w, n: "\n".join(sorted({w.name() for _ in n}))),
    ("names by frequency", "lines", lambda w, n: "\n".join({w.name(): 0 for _ in n})),
    ("full names", "lines", lambda w, n: "\n".join(f"{w.name()} {w.name()}" for _ in n)),
    ("names apart", "lines", lambda w, n: blocks([w.name() for _ in n])),
    ("molecules", "lines", lambda w, n: "\n".join(w.of("CCCNO=()c1", 8, 60) for _ in n)),
    ("messages", "lines", lambda w, n: "\n".join(f"{w.sentence()} #{w.word()}" for _ in n)),
    (
        "phrases in order",
        "lines",
        lambda w, n: "\n".join(
            sorted(f"{w.name()} {w.word()} {w.word()} of {w.word()}" for _ in n)
        ),
    ),
    (
        "tunes",
        "blocks",
        lambda w, n: blocks([f"X:{k}\nT:{w.name()}\nK:G\n{w.of('abcdABC2|', 60, 99)}" for k in n]),
    ),
    (
        "cards",
        "blocks",
        lambda w, n: blocks([f"Title: {w.name()}\nMethod: {w.sentence()}" for _ in n]),
    ),
    ("questions", "blocks", lambda w, n: blocks([f"Q: {w.sentence()}\nA: {w.name()}" for _ in n])),
    (
        "recipes with blank lines",
        "^Title:",
        lambda w, n: blocks([f"Title: {w.name()}\n\n- {w.word()}\n\n{w.sentence()}" for _ in n]),
    ),
    (
        "chess games",
        "^[Event",
        lambda w, n: blocks([f'[Event "{w.name()}"]\n\n1. e4 {w.word()} 1-0' for _ in n]),
    ),
    ("fortunes", "\n%\n", lambda w, n: "\n%\n".join(f"{w.sentence()}\n  -- me" for _ in n)),
    (
        "clippings",
        "\n==========\n",
        lambda w, n: "\n==========\n".join(f"{w.name()}\n\n{w.sentence()}" for _ in n),
    ),
    (
        "tunes after a comment",
        "blocks",
        lambda w, n: blocks(["%abc-2.1", *[f"X:{k}\nK:G\n{w.of('abcdABC2|', 60, 99)}" for k in n]]),
    ),
    ("names without spaces", "lines", lambda w, n: "\n".join(w.of(HAN, 2, 4) for _ in n)),
    ("names of Thai", "lines", lambda w, n: "\n".join(w.of(THAI, 3, 8) for _ in n)),
    (
        "full names of Thai",
        "lines",
        lambda w, n: "\n".join(f"{w.of(THAI, 3, 8)} {w.of(THAI, 4, 9)}" for _ in n),
    ),
    ("a word list of Thai", "lines", lambda w, n: "\n".join(sorted(w.of(THAI, 9, 20) for _ in n))),
    ("subtitles of Thai", "none", lambda w, n: "\n".join(w.of(THAI, 9, 25) for _ in n)),
    (
        "two clauses of Thai a line",
        "none",
        lambda w, n: "\n".join(f"{w.of(THAI, 9, 25)} {w.of(THAI, 4, 9)}" for _ in n),
    ),
    ("subtitles without spaces", "none", lambda w, n: "\n".join(w.of(HAN, 8, 20) for _ in n)),
    *((f"short sentences that end with {sign}", "none", ended(sign)) for sign in "؟۔।॥"),
    (
        "a story without spaces",
        "none",
        lambda w, n: "\n".join(f"{w.of(HAN, 5, 30)}，{w.of(HAN, 3, 20)}。" for _ in n),
    ),
    (
        "paragraphs",
        "none",
        lambda w, n: blocks([f"{w.sentence(9)} {w.sentence()}\n{w.sentence(9)}" for _ in n]),
    ),
    (
        "a paragraph a line",
        "none",
        lambda w, n: "\n".join(" ".join(w.sentence() for _ in range(6)) for _ in n),
    ),
    ("verse", "none", lambda w, n: "\n".join(w.sentence(6)[:-1] + "," for _ in n)),
    (
        "stanzas",
        "none",
        lambda w, n: blocks(["\n".join(w.sentence(5)[:-1] for _ in range(4)) for _ in n]),
    ),
    (
        "a play",
        "none",
        lambda w, n: blocks([f"{'ABC'[k * k % 3]}:\n{w.sentence()}" for k in n]),
    ),
    (
        "two speakers",
        "none",
        lambda w, n: blocks([f"{('ANNA', 'BEN')[k % 2]}: {w.sentence()}" for k in n]),
    ),
    ("a chat", "none", lambda w, n: "\n".join(f"anna: {w.sentence(5)}" for _ in n)),
    (
        "a program",
        "none",
        lambda w, n: "\n".join(f"def {w.word()}(x):\n    return {w.word()}\n" for _ in n),
    ),
    (
        "a log",
        "none",
        lambda w, n: "\n".join(f"2024-01-01 10:{k // 60:02}:{k % 60:02} {w.word()}" for k in n),
    ),
    (
        "a system's log",
        "none",
        lambda w, n: "\n".join(f"Jan {k // 9:2} 10:00:{k % 9:02} {w.word()}[9]: up" for k in n),
    ),
    ("numbers", "none", lambda w, n: "\n".join(w.of("0123456789", 3, 8) for _ in n)),
    ("a sequence", "none", lambda w, n: "\n".join(w.of("ACGT", 60, 60) for _ in n)),
    ("the same words", "none", lambda _, n: "the\ncat\nsat\n" * len(n)),
    ("subtitles", "none", lambda w, n: blocks([f"{k}\n00:00:{k:02}\n{w.sentence()}" for k in n])),
    (
        "settings",
        "none",
        lambda w, n: blocks([f"# {w.sentence(9)}\n# {w.word()}\n#{w.word()}={k}" for k in n]),
    ),
    (
        "headings",
        "blocks",
        lambda w, n: blocks([f"# {w.name()}\n{w.sentence()}" for _ in n]),
    ),
    (
        "rules of a page",
        "none",
        lambda w, n: blocks([f"@media ({w.word()}) {{\n#{w.word()} {{ top: {k} }}}}" for k in n]),
    ),
    (
        "styles",
        "none",
        lambda w, n: "\n".join(f"#{w.word()} .a {{ top: {k} }} /* {w.name()} */" for k in n),
    ),
    (
        "references",
        "blocks",
        lambda w, n: blocks([f"@book{{{w.word()},\ntitle = {{{w.name()}}}\n}}" for _ in n]),
    ),
    (
        "references with spaces",
        "blocks",
        lambda w, n: blocks(
            [f"@article {'({'[k % 2]}{w.word()}{k},\n  title = {{{w.name()}}}\n}}" for k in n]
        ),
    ),
    (
        "recipes",
        "blocks",
        lambda w, n: blocks(
            [f"# {w.name()}\n## Ingredients\n{w.word()}\n## Method\n{w.sentence()}" for _ in n]
        ),
    ),
    (
        "cards with tags",
        "blocks",
        lambda w, n: blocks([f"# {w.name()}\n{w.sentence()}\n#{w.word()}" for _ in n]),
    ),
    (
        "a treebank",
        "blocks",
        lambda w, n: blocks([f"# sent_id = {k}\n# text = {w.word()}\n1\t{w.word()}\t_" for k in n]),
    ),
    (
        "settings left out",
        "none",
        lambda w, n: blocks([f"# {w.sentence(9)}\n#{w.word()}={k}" for k in n]),
    ),
    ("names used", "none", lambda w, n: blocks([f"using std::{w.word()};\n//" for _ in n])),
    (
        "constants",
        "none",
        lambda w, n: "\n".join(f"#define {w.word()} {k} /* {w.word()} */" for k in n),
    ),
    (
        "a preprocessor's words",
        "none",
        lambda w, n: "\n".join(f"#{DIRECTIVES[k % 7]} {w.word()} {k} /* {w.word()} */" for k in n),
    ),
    (
        "a chat by handles",
        "none",
        lambda w, n: "\n".join(f"@{('ann', 'ben')[k % 2]}: {w.sentence(5)}" for k in n),
    ),
    (
        "answers to handles",
        "lines",
        lambda w, n: "\n".join(f"@{w.word()} {w.sentence(5)}" for _ in n),
    ),
    ("next to nothing", "none", lambda *_: "Anna\nBen\n"),
]


@pytest.mark.parametrize(
    ("kind", "make"), [pytest.param(kind, make, id=name) for name, kind, make in KINDS]
)
def test_a_list_is_told_from_a_story(kind: str, make: Maker) -> None:
    text = make(Writer(), range(1, 90))
    found = divide("auto", text, one_file(), len(text))
    assert found.kind == kind
    assert bool(found.why) == (kind != "none")  # and it says what speaks for it


def parted(names: list[str], size: int) -> str:
    return blocks(["\n".join(names[k : k + size]) for k in range(0, len(names), size)])


WRITER = Writer()
NAMES = [*{WRITER.name(): 0 for _ in range(300)}][:200]


@pytest.mark.parametrize(
    "text",
    [
        pytest.param("\n".join(NAMES) + "\n\n", id="at the end"),
        pytest.param("\n \n" + "\n".join(NAMES), id="at the head"),
        pytest.param(parted(NAMES, 100), id="between halves"),
        pytest.param(parted(NAMES[:40], 20) + "\n\n\n", id="in a short list"),
        pytest.param(parted(sorted(NAMES), 9), id="between letters"),
        pytest.param("\n".join(f"{n} May" for n in NAMES) + "\n\n", id="after two words each"),
    ],
)
def test_a_few_blank_lines_leave_a_list_a_list(text: str) -> None:
    assert divide("auto", text, one_file(), len(text)).kind == "lines"


@pytest.mark.parametrize(
    "text",
    [
        pytest.param(parted(NAMES, 10), id="words in groups"),
        pytest.param(parted([f"{n} of {n}" for n in NAMES], 100), id="short verse in two parts"),
        pytest.param(parted([WRITER.of(HAN, 5, 5) for _ in NAMES], 4), id="stanzas"),
    ],
)
def test_groups_of_short_lines_are_a_story_that_may_be_a_list(text: str) -> None:
    found = divide("auto", text, one_file(), len(text))
    assert found.kind == "none"
    assert "one a line" in found.why
    assert "in verse" in found.but


@pytest.mark.parametrize(
    ("text", "kind"),
    [
        pytest.param(BUNDLED["scenes"].read(), "none", id="scenes"),
        pytest.param(BUNDLED["pydoc"].read(), "none", id="pydoc"),
        pytest.param(BUNDLED["places"].read(), "lines", id="places"),
        pytest.param((ROOT / "README.md").read_text("utf-8"), "none", id="readme"),
        pytest.param((ROOT / "charrnn/settings.py").read_text("utf-8"), "none", id="program"),
    ],
)
def test_real_texts_are_what_they_are(text: str, kind: str) -> None:
    assert divide("auto", text, one_file(), len(text)).kind == kind


def test_rows_and_short_files_are_records_and_chapters_are_not() -> None:
    def found(sources: list[str], length: int) -> str:
        documents = DocumentStarts()
        for number, source in enumerate(sources):
            documents.add(source, number * length)
        return divide("auto", "a story", documents, len(sources) * length).kind

    assert found(["table.csv"] * 30, 20_000) == "documents"
    assert found(["table.csv"] * 10, 20_000) == "documents"
    assert found(["table.csv"] * 9, 20_000) == "none"
    assert found([f"{number}.txt" for number in range(30)], 900) == "documents"
    assert found([f"{number}.txt" for number in range(30)], 20_000) == "none"
    assert found(["one.txt", "two.txt"], 900) == "none"


# One record each: no separator in it, and nothing around it that a separator could take.
RECORD = st.text(st.sampled_from("ab %\n"), min_size=1, max_size=9).filter(
    lambda text: text == text.strip() and not re.search(r"\n *\n", text)
)
BETWEEN = {"lines": "\n", "blocks": "\n \n \n", "\n%\n": "\n%\n", "<>": "<>", "^a": "\n"}


@given(st.sampled_from(sorted(BETWEEN)), st.lists(RECORD, min_size=1, max_size=9), st.data())
def test_records_are_found_however_a_text_arrives(
    kind: str, records: list[str], data: st.DataObject
) -> None:
    if kind == "lines":
        records = [record.replace("\n", "b") for record in records]
    elif kind == "\n%\n":
        records = [record.replace("%", "b") for record in records]
    elif kind == "^a":
        records = ["a" + record.replace("\na", "\nb") for record in records]
    text = BETWEEN[kind].join(records) + data.draw(st.sampled_from(["", "\n"]))
    cuts = sorted(data.draw(st.lists(st.integers(0, len(text)), max_size=5)))
    pieces = [text[a:b] for a, b in zip([0, *cuts], [*cuts, len(text)], strict=True)]
    found = [record for part in split(pieces, kind) for record in part]
    assert [record for record in found if record] == records


@given(st.lists(st.text("ab\n", max_size=6), min_size=1, max_size=9), st.integers(1, 7))
def test_documents_keep_their_line_ends(documents: list[str], size: int) -> None:
    text, starts = "", []
    for document in documents:
        text += "\n" * (bool(text) and not text.endswith("\n"))
        starts.append(len(text))
        text += document
    pieces = [text[k : k + size] for k in range(0, len(text), size)]
    found = [record for part in split(pieces, "documents", starts) for record in part]
    stripped = [document.strip("\n") for document in documents]
    assert [record for record in found if record] == [text for text in stripped if text]


def test_a_separator_on_lines_of_its_own_means_these_lines() -> None:
    text = "it is 5% off\n%\nno\n%\n"
    found = divide("%", text, one_file(), len(text))
    assert found.kind == found.end == "\n%\n"
    parts = [record for part in split([text], found.kind) for record in part if record]
    assert parts == ["it is 5% off", "no"]
    inline = "a<|endoftext|>b"
    assert divide("<|endoftext|>", inline, one_file(), len(inline)).kind == "<|endoftext|>"


def test_two_separators_in_a_row_leave_nothing_between() -> None:
    found = [r for part in split(["%\n%\na\n%\n%\nb\n%"], "\n%\n") for r in part if r]
    assert found == ["a", "b"]


def test_escapes_stand_for_line_ends() -> None:
    assert divide(r"\n;\n", "a", one_file(), 1).kind == "\n;\n"


def test_a_record_without_an_end_is_refused(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(division, "MAX_RECORD", 100)
    with pytest.raises(UsageError, match="more than 100 characters"):
        list(split(["a" * 60, "b" * 60], "%"))


def test_separators_are_shown_whatever_they_are() -> None:
    shown = {"\t": r"'\t'", " ": "' '", ", ": "', '", "\n%\n": "'%'", "\n\n\n": r"'\n\n\n'"}
    for kind, words in shown.items():
        assert division.in_words(kind) == f"between {words}"
