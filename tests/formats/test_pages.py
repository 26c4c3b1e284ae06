"""HTML, subtitles, chats: their text and nothing of their form."""

from __future__ import annotations

import html
import json
import re
from itertools import pairwise
from pathlib import Path

import pytest
from hypothesis import given
from hypothesis import strategies as st

from charrnn import read_corpus
from charrnn.errors import BadDataError
from charrnn.formats import subtitles
from charrnn.formats.markup import html as pages
from charrnn.formats.plain import MESSAGE
from tests.formats.documents import PAGE_FILES, page, write
from tests.text.reading import gzipped, text_of

PAGE = """<!DOCTYPE html>
<html><head><title>Not this</title><style>p { color: red }</style>
<script>if (a < b) document.write("<p>nor this</p>");</script></head>
<body>
<h1>The  Book
of <em>Tides</em></h1>
<!-- <p>a comment</p> -->
<p>It&rsquo;s late, &lt;she&gt; said&nbsp;&#8212; <b>un</b>believ<i>able</i>.<br>A new line.
<p>Unclosed paragraphs <span> are </span> fine
<ul><li>one<li>two &amp; three</ul>
<table><tr><td>a</td><td>b</td></tr><tr><td>c<td>d</table>
<pre>kept   as
  it is</pre>
<script src="x"/></script>
</body></html>
"""
TEXT = """The Book of Tides
It’s late, <she> said\xa0— unbelievable.
A new line.
Unclosed paragraphs are fine
one
two & three
a\tb
c\td
kept   as
  it is
"""


def test_passages_of_a_game_stand_on_their_own_lines() -> None:
    """All were one line."""
    Path("a.html").write_text(
        '<html><body><tw-story></tw-story><tw-storydata name="Tides" hidden><style>b {}</style>'
        '<tw-passagedata pid="1" name="Start">The sea\n  is calm.\n\n[[Row-&gt;Out]]'
        '</tw-passagedata><tw-passagedata pid="2" name="Out">You row.</tw-passagedata>'
        "</tw-storydata></body></html>"
    )
    assert text_of("a.html") == "The sea\n  is calm.\n\n[[Row->Out]]\nYou row.\n"


@pytest.mark.parametrize("name", ["a.html", "A.HTM", "a.xhtml", "a.html.gz"])
def test_a_page_is_its_text(name: str) -> None:
    data = PAGE.encode()
    Path(name).write_bytes(gzipped(data) if name.endswith(".gz") else data)
    corpus = read_corpus([name])
    assert corpus.text == TEXT
    assert corpus.notes == ()


@pytest.mark.parametrize(
    ("markup", "text"),
    [
        ("in <st1:city>Rome</st1:city>,<o:p></o:p> she <nobr>said</nobr>", "in Rome, she said"),
        ("a <my-word>red</my-word> car", "a red car"),
        ("an <svg><title>x</title><g><path/></g></svg> arrow", "an arrow"),
        (
            "if <math><semantics><mrow><mi>x</mi><mo>=</mo><mn>1</mn></mrow>"
            "<annotation>x = 1</annotation></semantics></math>, then",
            "if x=1, then",
        ),
        ("<picture><img></picture>a<unknown>b", "ab"),
    ],
)
def test_only_blocks_end_a_line(markup: str, text: str) -> None:
    Path("a.html").write_text(f"<p>{markup}</p><section>So</section>it<hr>ends.<dl><dt>b<dd>c")
    assert text_of("a.html") == f"{text}\nSo\nit\nends.\nb\nc\n"


@pytest.mark.parametrize(
    ("ruby", "count"),
    [
        ("<ruby><rb>東</rb><rp>(</rp><rt>ひがし</rt><rp>)</rp></ruby>", 1),
        ("<ruby><rbc><rb>東</rb></rbc><rtc><rt>とう</rt></rtc><rtc>e<b>as</b>t</rtc></ruby>", 2),
        ("<ruby>東<rp>(</rp><rt>と<b>う</b></rt><rp>)</rp><rt>east</rt></ruby>", 2),
        ("<ruby>東<rp>(<rt>ひがし<rp>)</ruby>", 1),
        ("<ruby>東<rt>ひがし", 1),
        ("<ruby>東<rt> </rt><rt>ひがし</ruby>", 1),
    ],
)
def test_the_guides_above_words_are_left_out_of_a_page(ruby: str, count: int) -> None:
    """They stood in the middle of words. Their ends may be left out."""
    Path("a.html").write_text(f"<p>今{ruby}</p>へ<rb>b</rb>")
    corpus = read_corpus(["a.html"])
    assert corpus.text == "今東\nへb\n"
    plural = "s" * (count > 1)
    assert corpus.notes == (f"a.html: left out {count} phonetic guide{plural} above words",)


def test_a_guide_without_an_end_goes_no_further_than_its_cell() -> None:
    Path("a.html").write_text("<table><tr><td>a<ruby>東<rt>hi</td><td>next</td></tr></table>")
    assert text_of("a.html") == "a東\tnext\n"


@given(st.lists(st.integers(0, len(PAGE)), max_size=20))
def test_a_page_may_come_in_any_parts(cuts: list[int]) -> None:
    places = [0, *sorted(cuts), len(PAGE)]
    parts = [PAGE[a:b] for a, b in pairwise(places)]
    assert "".join(pages.text_of("x", parts, pages.Guides())) == TEXT


@given(st.lists(st.text("ab &<>\"'é\n\t;#", min_size=1), max_size=5))
def test_what_was_written_comes_back(paragraphs: list[str]) -> None:
    markup = "".join(f"<p>{html.escape(p)}</p>" for p in paragraphs)
    wanted = [" ".join(p.split()) for p in paragraphs]
    found = pages.text_of("x", [markup], pages.Guides())
    assert "".join(found) == "".join(f"{p}\n" for p in wanted if p)


@pytest.mark.parametrize("opened", ["<!--", "<![", "<a ", "</a ", "<?", "<!a"])
def test_many_tags_and_comments_without_an_end_are_refused(
    opened: str, monkeypatch: pytest.MonkeyPatch
) -> None:
    """Python looks for the end of each in all that follows: a page of 40 kB took 20 seconds."""
    monkeypatch.setattr(pages, "MOST_SEARCHED", 20_000)
    Path("a.html").write_text(f"<p>one{opened * 200}")
    with pytest.raises(BadDataError, match=r"a\.html: a tag or comment without an end; mend"):
        text_of("a.html")
    Path("a.html").write_text(f"<p>one{opened} two" + "<p>a < b</p>" * 1000)
    assert text_of("a.html").count("a < b") >= 999


def test_a_comment_without_an_end_takes_no_memory(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(pages, "LONGEST", 1000)
    Path("a.html").write_text("<p>text</p><!-- " + "a" * 2000)
    with pytest.raises(BadDataError, match=r"a\.html: a tag or comment without an end"):
        text_of("a.html")


SRT = """1
00:00:01,000 --> 00:00:03,500
<i>It's late,</i> she said.
- 42!

2
00:00:04,000 --> 00:00:06,000 X1:100
{\\an8}Then go.

1984
was a year.

3
00:01:00.500 --> 00:01:02.000

"""
VTT = """WEBVTT - a film

NOTE a comment
over two lines

STYLE
::cue { color: red }

intro
00:01.000 --> 00:03.500 line:0 position:20%
<v Ann>It's late,</v> she said.
- 42!

00:04.000 --> 00:06.000
Then <00:04.500>go. &amp; so on &lt;3
"""


@pytest.mark.parametrize("end", ["\n", "\r\n", "\r"], ids=["LF", "CRLF", "CR"])
@pytest.mark.parametrize(
    ("name", "content", "text"),
    [
        ("a.srt", SRT, "It's late, she said.\n- 42!\nThen go.\n1984\nwas a year.\n"),
        ("a.VTT", VTT, "It's late, she said.\n- 42!\nThen go. & so on <3\n"),
    ],
)
def test_subtitles_are_what_is_said(name: str, content: str, text: str, end: str) -> None:
    Path(name).write_bytes(("\ufeff" + content).replace("\n", end).encode())
    corpus = read_corpus([name])
    assert corpus.text == text
    assert corpus.notes[0] == f"{name}: dropped the byte-order mark"


CUES = "1\n00:00:01,000 --> 00:00:02,000\nHi\n{}2\n00:00:03,000 --> 00:00:04,000\n42\n7 times\n"


@pytest.mark.parametrize(
    ("name", "content"),
    [
        ("a.srt", CUES.format("")),
        ("a.srt", CUES.format("\n").replace("\n", "\r\r\n")),
        ("a.srt", CUES.format("\n\n \n")),
        ("a.vtt", "WEBVTT\n\n" + CUES.format("").replace(",000", ".000")),
        (
            "a.vtt",
            "WEBVTT\n\n00:01.000 --> 00:02.000\nHi\n\n00:03.000 --> 00:04.000\n42\n7 times\n",
        ),
    ],
    ids=["none", "doubled", "many", "none in VTT", "no numbers"],
)
def test_numbers_and_times_go_however_many_empty_lines_there_are(name: str, content: str) -> None:
    Path(name).write_bytes(content.encode())
    assert read_corpus([name]).text == "Hi\n42\n7 times\n"


def test_digits_that_are_said_before_a_time_stay() -> None:
    cues = ("\n00:01.000 --> 00:02.000\n42\n", "\n00:03.000 --> 00:04.000\nHi\n")
    Path("a.vtt").write_text("WEBVTT\n" + "".join(cues))
    assert read_corpus(["a.vtt"]).text == "42\nHi\n"


def test_a_number_and_its_time_may_be_far_from_any_empty_line(
    monkeypatch: pytest.MonkeyPatch,
) -> None:
    monkeypatch.setattr(subtitles, "MAX_LINES", 7)
    cue = "{}\n00:00:0{},000 --> 00:00:0{},500\nline {}\n"
    Path("a.srt").write_text("".join(cue.format(n, n, n, n) for n in range(1, 9)))
    assert read_corpus(["a.srt"]).text == "".join(f"line {n}\n" for n in range(1, 9))


def rolling(*said: str) -> str:
    """Captions as YouTube makes them: the line before stays above, and each stands alone."""
    cues, before = [], "\n \n"
    for n, line in enumerate(said):
        first, *others = line.split()
        words = f"{first}<00:{n:02}:01.500>" + "".join(f"<c> {word}</c>" for word in others)
        cues += [f"{n:02}:01.000 --> {n:02}:01.990 align:start{before}{words}"]
        cues += [f"{n:02}:01.990 --> {n:02}:02.000 align:start\n{line}\n "]
        before = f"\n{line}\n"
    return "WEBVTT\nKind: captions\nLanguage: en\n\n" + "\n\n".join(cues) + "\n"


SAID = ("so here we are", "at sea", "no", "no", "and it is late", "[Music]", "let us go home")


def test_each_line_of_rolling_captions_is_read_once() -> None:
    """Each was read two or three times."""
    Path("a.vtt").write_text(rolling(*SAID))
    corpus = read_corpus(["a.vtt"])
    assert corpus.text == "".join(f"{line}\n" for line in SAID)
    assert corpus.notes == ("a.vtt: left out 13 lines that rolling captions repeat",)
    Path("a.srt").write_text(re.sub("<[^>]*>| align:start", "", rolling(*SAID)[38:]))
    assert read_corpus(["a.srt"]).text == corpus.text


@pytest.mark.parametrize(
    "said", [["No!", "No!"] * 30, ["No!\nNo!", "No!"] * 2 + ["Yes.", "And so?", "It ends."] * 4]
)
def test_a_line_that_is_said_again_is_read_again(said: list[str]) -> None:
    cue = "{}\n00:00:{:02},000 --> 00:00:{:02},900\n{}\n\n"
    Path("a.srt").write_text("".join(cue.format(n, n, n, line) for n, line in enumerate(said)))
    corpus = read_corpus(["a.srt"])
    assert corpus.text == "".join(f"{line}\n" for line in said)
    assert corpus.notes == ()


CHATS = {
    "WhatsApp": "31/12/2023, 23:5{n} - Ann: Happy new year {n}\n",
    "WhatsApp on an iPhone": "\u200e[31.12.23, 23:59:0{n}] Ben: Happy new year {n}\n",
    "American": "12/31/23, 11:5{n}\u202fPM - Ann B.: Happy new year {n}\n",
    "ISO": "[2023-12-31 23:5{n}] Ann: Happy new year {n}\n",
}


@pytest.mark.parametrize("kind", CHATS)
def test_a_chat_is_text_with_a_note_on_its_dates(kind: str) -> None:
    text = "".join(CHATS[kind].format(n=n) + "and so on\n" * (n == 3) for n in range(9))
    Path("chat.txt").write_text(text, encoding="utf-8")
    corpus = read_corpus(["chat.txt"])
    assert corpus.text == text
    assert corpus.notes == (
        "chat.txt: looks like a chat: 9 of its first 10 lines begin with a date and a name, and "
        "the model will learn to write these",
    )


def test_a_date_and_a_name_far_from_it_are_no_chat() -> None:
    """Where any number of blanks was one, a line of them alone took half a minute."""
    text = f"1/1/24, 10:00{' ' * 100}Ann: 5\n" * 9 + f"1/1/24, 10:00{' ' * 18_000}\n"
    Path("hours.txt").write_text(text)
    corpus = read_corpus(["hours.txt"])
    assert (corpus.text, corpus.notes) == (text, ())


START = "*** START OF THE PROJECT GUTENBERG EBOOK EMMA ***\n"
END = "*** END OF THIS PROJECT GUTENBERG EBOOK EMMA ***\n"


@pytest.mark.parametrize(
    ("head", "tail", "found"),
    [
        (
            *(START, END),
            "it has Project Gutenberg's header and licence, which count as its text; the licence "
            "at the end is what validation reads",
        ),
        (START, "", "it has Project Gutenberg's header, which counts as its text"),
        (
            *("", END),
            "it has Project Gutenberg's licence, which counts as its text; the licence at the end "
            "is what validation reads",
        ),
    ],
)
@pytest.mark.parametrize("length", [50, 70_000])
def test_a_book_of_project_gutenberg_is_text_with_a_note_on_what_is_not_its_own(
    head: str, tail: str, found: str, length: int
) -> None:
    text = f"The book Emma\n{head}" + "Emma Woodhouse, handsome\n" * length + f"{tail}So ends it.\n"
    Path("emma.txt").write_text(text)
    corpus = read_corpus(["emma.txt"])
    assert corpus.text == text
    assert corpus.notes == (f"emma.txt: {found}",)


def test_a_book_of_project_gutenberg_gets_the_note_in_every_format() -> None:
    """Only plain text had it."""
    paragraphs = f"{START.strip()}</p>\n<p>It was late.</p>\n<p>{END.strip()}"
    Path("emma.html").write_text(f"<p>{paragraphs}</p><p>The licence</p>")
    write("emma.epub", PAGE_FILES | {"OEBPS/text/ch1.xhtml": page(paragraphs)})
    for name in ("emma.html", "emma.epub"):
        (note,) = read_corpus([name]).notes
        assert note.startswith(f"{name}: it has Project Gutenberg's header and licence, which")


WRITTEN = (
    ", which is learnt as it is written; for a text in it, copy it to a name that ends in {} and"
)
ROWS = ["n,text", '1,"A fine, new film"', '2,"two\nlines"', "3,bad", "4,good", ""]


@pytest.mark.parametrize("sign", [",", ";", "\t", "|"])
def test_a_table_by_another_name_is_told(sign: str) -> None:
    Path("a.txt").write_text("\n".join(row.replace(",", sign, 1) for row in ROWS))
    (note,) = read_corpus(["a.txt"]).notes
    found = f"looks like a table of 2 columns{WRITTEN.format('.csv')} choose --text-column"
    assert note == f"a.txt: {found}"
    Path("a.csv").write_text(Path("a.txt").read_text())
    assert text_of("a.csv") == "A fine, new film\ntwo\nlines\nbad\ngood"


@pytest.mark.parametrize(
    "lines",
    [
        ["one, two", "three, four", "five, six", "seven, eight", "nine, ten"],
        ['He said, "Go, now."', '"No," said she.', "And he went", '"Well, well," said I.', "So."],
        [*ROWS[:3], "3,bad,so", "4,good", "5,x", ""],
        ROWS[:4],
        [f'"{word}",' for word in ("one", "two", "three", "four", "five", "six")],
    ],
)
def test_what_has_commas_and_quotes_need_be_no_table(lines: list[str]) -> None:
    Path("a.txt").write_text("\n".join(lines))
    assert read_corpus(["a.txt"]).notes == ()


def test_json_by_another_name_is_told() -> None:
    """Notebooks were learnt with all their numbers and marks."""
    cells = [{"cell_type": "code", "source": ["x = 1\n", "y"]}, {"cell_type": "raw", "source": "z"}]
    notebook = json.dumps({"cells": cells, "nbformat": 4}, indent=1)
    for name in ("a.ipynb", "a"):
        Path(name).write_text(notebook)
        (note,) = read_corpus([name]).notes
        assert note == f"{name}: looks like JSON{WRITTEN.format('.json')} choose --text-column"
    Path("a.json").write_text(notebook)
    assert text_of("a.json", text_column="cells.source") == "x = 1\n\ny\nz"
    Path("a.txt").write_text(notebook)  # which is the way to learn it as it is written
    assert read_corpus(["a.txt"]).notes == ()


def test_a_text_about_project_gutenberg_gets_no_note() -> None:
    Path("a.txt").write_text("It said: *** START OF THE PROJECT GUTENBERG EBOOK EMMA ***, so\n" * 9)
    assert read_corpus(["a.txt"]).notes == ()


DATED = [
    *(
        "31/12/2023, 23:59 - ",
        "31.12.23, 23:59 - ",
        "31-12-2023, 23:59:01 - ",
        "1/2/24, 10:15 AM - ",
    ),
    *("1/2/24, 10:15\u202fp.m. - ", "2023-12-31 23.59 - ", "[2023-12-31 23:59:00] "),
    *("[1/2/24, 10:15:00] ", "[31.12.23, 23:59:59] ", "\u200e[1/2/24, 10:15:00\u202fAM] "),
    *("\ufeff\u200e[1/2/24 at 10:15] ", "12/31/23 at 9:05 PM, ", "2023.12.31 23:59 "),
    *("31.12.2023 23.59: ", "1/2/24, 10:15 AM: ", "[12.05.23, 20.15.33] "),
    *("31/12/2023,  23:59 - ", "1/2/24  at  10:15 - "),
]
UNDATED = [
    *("I think so - but who knows", "Well [as I said] - no: 2 - 3", "[12 people are here] hi"),
    *("On 1/2/24, 10:15 - it began: so", "1.2.3 is a version: yes", "3/4 of it, at 10:15", ""),
]


def run_from_the_page(source: str) -> str:
    """What the Python of docs/texts.md that reads `source` makes of it."""
    page = (Path(__file__).parents[2] / "docs" / "texts.md").read_text("utf-8")
    (code,) = (c for c in re.findall(r"```python\n(.*?)```", page, re.DOTALL) if source in c)
    exec(code, {})  # noqa: S102
    return Path("clean.txt").read_text("utf-8")


def test_the_lines_for_chats_drop_their_dates_and_nothing_else() -> None:
    """They took "ok" out of "[1/2/24, 10:15:00] Al: ok - sure"."""
    said = "Amy: ok - sure, I am [sic]: 4 - 2"
    assert all(MESSAGE.match(date + said) for date in DATED)
    assert not any(MESSAGE.match(line) for line in UNDATED)
    lines = [*(date + said for date in DATED), *UNDATED, said]
    Path("chat.txt").write_text("\n".join(lines), "utf-8")
    clean = run_from_the_page("chat.txt")
    assert clean.split("\n") == [*[said] * len(DATED), *UNDATED, said]


def test_the_lines_for_a_book_leave_out_its_licence_and_join_its_lines() -> None:
    book = (
        "\ufeffThe Project Gutenberg eBook of Tides\n\nTitle: Tides\n\n"
        "*** START OF THE PROJECT GUTENBERG EBOOK\nTIDES ***\n\n\nCHAPTER I.\n\n"
        "It was\nlate, *and* dark.\n\nThe end.\n\n\n"
        "*** END OF THE PROJECT GUTENBERG EBOOK TIDES ***\n\nThis licence\n"
    )
    Path("gutenberg.txt").write_text(book, "utf-8")
    clean = run_from_the_page("gutenberg.txt")
    assert clean == "CHAPTER I.\n\nIt was late, *and* dark.\n\nThe end.\n"


@pytest.mark.parametrize(
    "line",
    ["2023-12-31 23:59:00 INFO started\n", "10:30 - Ann: hello\n", "31/12/2023 a day: one\n"],
)
def test_a_log_is_no_chat(line: str) -> None:
    Path("a.txt").write_text(line * 9)
    assert read_corpus(["a.txt"]).notes == ()


@pytest.mark.parametrize("section", ["<![foo]>", "<![%x;[b]]>", "<![endif]>"])
def test_sections_that_no_standard_knows_are_passed_by(section: str) -> None:
    Path("a.html").write_text(f"<p>one</p>{section}<p>two</p>")
    assert text_of("a.html") == "one\ntwo\n"
