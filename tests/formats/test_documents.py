"""EPUB and Word documents, honest and hostile."""

from __future__ import annotations

import re
import sys
from pathlib import Path

import pytest

from charrnn import read_corpus
from charrnn.decoding import containers
from charrnn.errors import BadDataError, UsageError
from charrnn.formats import registry
from charrnn.formats.markup import xml
from tests.formats.documents import (
    DOCUMENT,
    MAIN,
    PAGE_FILES,
    RELATIONS,
    STRICT,
    TEXT,
    W,
    docx_files,
    page,
    write,
    write_docx,
    write_epub,
)
from tests.text.reading import gzipped, text_of


@pytest.mark.parametrize("name", ["a.docx", "A.DOCX"])
def test_a_word_document_is_its_paragraphs(name: str) -> None:
    write_docx(name)
    corpus = read_corpus([name])
    assert corpus.text == TEXT
    assert corpus.notes == ()


@pytest.mark.parametrize(
    ("kind", "target"),
    [
        (MAIN, "word/document2.xml"),
        (MAIN, "/word/document2.xml"),
        (STRICT, "./word/x/../document%32.xml"),
    ],
)
def test_the_text_of_a_word_document_is_where_the_document_says(kind: str, target: str) -> None:
    """Word for the web has document2.xml, which was called damaged."""
    relations = RELATIONS.format(type=kind, target=target)
    other = DOCUMENT.replace("It’s late", "An old one")
    files = docx_files(part="word/document2.xml") | {"word/document.xml": other}
    write("a.docx", files | {"_rels/.rels": relations})
    assert text_of("a.docx") == TEXT


def in_word(inside: str) -> str:
    return f"<w:document {W}><w:body>{inside}</w:body></w:document>"


def test_what_a_word_document_refers_to_is_counted() -> None:
    """Footnotes were lost without a word."""
    foot, end = '<w:footnoteReference w:id="2"/>', '<w:endnoteReference w:id="3"/>'
    symbol = '<w:sym w:font="Wingdings" w:char="F04A"/>'
    run = f"<w:r><w:t>one</w:t>{foot}<w:t>, two</w:t>{foot}{end}{symbol}</w:r>"
    write_docx(document=in_word(f"<w:p>{run}<w:del><w:r>{foot}</w:r></w:del></w:p>"))
    corpus = read_corpus(["a.docx"])
    assert corpus.text == "one, two\n"
    assert corpus.notes == tuple(
        f"a.docx: left out {what}" for what in ("2 footnotes", "1 endnote", "1 symbol")
    )


@pytest.mark.parametrize(("before", "text"), [("before", "before\n"), ("", "")])
def test_a_text_box_stands_on_lines_of_its_own(before: str, text: str) -> None:
    """Its first word was glued to the sentence before it."""
    paragraphs = "".join(f"<w:p><w:r><w:t>{one}</w:t></w:r></w:p>" for one in ("a", "box"))
    box = f"<w:r><w:txbxContent>{paragraphs}</w:txbxContent></w:r>"
    inside = f"<w:p><w:r><w:t>{before}</w:t></w:r>{box}<w:r><w:t>after</w:t></w:r></w:p>"
    write_docx(document=in_word(inside))
    assert text_of("a.docx") == f"{text}a\nbox\nafter\n"


def test_the_guides_above_words_of_all_chapters_are_counted() -> None:
    ruby = "<ruby>東<rt>ひがし</rt></ruby>"
    chapters = {f"OEBPS/text/ch{number}.xhtml": page(f"今{ruby}へ") for number in ("1", " 2")}
    write("a.epub", PAGE_FILES | chapters)
    corpus = read_corpus(["a.epub"])
    assert corpus.text == "今東へ\n今東へ\n"
    assert corpus.notes == ("a.epub: left out 2 phonetic guides above words",)


def test_the_guides_above_words_are_left_out_of_a_word_document() -> None:
    """They stand before the words that they belong to."""
    ruby = "<w:ruby><w:rt><w:r><w:t>ひがし</w:t></w:r></w:rt><w:rubyBase><w:r><w:t>東</w:t></w:r>"
    ruby += "</w:rubyBase></w:ruby>"
    paragraph = f"<w:p><w:r><w:t>今、</w:t>{ruby}<w:t>へ</w:t>{ruby}</w:r></w:p>"
    write_docx(document=f"<w:document {W}><w:body>{paragraph}</w:body></w:document>")
    corpus = read_corpus(["a.docx"])
    assert corpus.text == "今、東へ東\n"
    assert corpus.notes == ("a.docx: left out 2 phonetic guides above words",)


def test_a_book_is_its_chapters_in_the_order_of_reading() -> None:
    write_epub()
    assert text_of("a.epub") == "Chapter one: café\nChapter two\n"


LAUGHS = '<?xml version="1.0"?><!DOCTYPE x [<!ENTITY a "ha">' + "".join(
    f'<!ENTITY {b} "{f"&{a};" * 10}">' for a, b in zip("abcdefghi", "bcdefghij", strict=True)
)
FILE = '<?xml version="1.0"?><!DOCTYPE x [<!ENTITY j SYSTEM "file:///etc/passwd">'


@pytest.mark.parametrize("start", [LAUGHS, FILE], ids=["a billion laughs", "a file"])
def test_entities_are_refused(start: str) -> None:
    document = f"{start}]><w:document {W}><w:body><w:p><w:t>&j;</w:t></w:p></w:body></w:document>"
    write_docx(document=document)
    with pytest.raises(BadDataError, match=r"a\.docx: broken document .*Entit"):
        text_of("a.docx")
    write_epub(**{"OEBPS__book.opf": f"{start}]><package>&j;</package>"})
    with pytest.raises(BadDataError, match=r"a\.epub: broken document .*Entit"):
        text_of("a.epub")


@pytest.mark.parametrize("part", ["<!--{}-->", '<w:p w:a="{}"/>', "<w:p><w:t>{}</w:t></w:p>"])
def test_a_part_of_a_document_that_does_not_end_is_refused(
    part: str, monkeypatch: pytest.MonkeyPatch
) -> None:
    """It was scanned from its beginning with each piece that was read of it."""
    monkeypatch.setattr(xml, "LONGEST", 100_000)
    write_docx("a.docx", f"<w:d {W}>{part.format('a' * 200_000)}</w:d>")
    found = (
        r"^a\.docx: word/document\.xml holds a text, a tag or a comment of more than .* MB; save"
    )
    with pytest.raises(BadDataError, match=found):
        text_of("a.docx")
    parts = (part.format("a" * 50) + "<w:p/>") * 4000
    write_docx("a.docx", f"<w:d {W}>{parts}<w:p><w:t>b</w:t></w:p></w:d>")
    assert text_of("a.docx").endswith("\nb\n")


def test_documents_that_grow_past_all_reason_are_refused(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(containers, "HARMLESS", 1 << 20)
    paragraphs = "<w:p></w:p>" * 1_000_000
    write_docx(document=f"<w:document {W}><w:body>{paragraphs}</w:body></w:document>")
    deep = "<w:p>" * 2000 + "</w:p>" * 2000
    write_docx("deep.docx", f"<w:document {W}>{deep}</w:document>")
    with pytest.raises(BadDataError, match="nested too deeply"):
        text_of("deep.docx")
    monkeypatch.setattr(containers, "RATIO", 100)
    with pytest.raises(BadDataError, match="times its size"):
        text_of("a.docx")
    monkeypatch.setattr(xml, "LARGEST", 1000)
    write_epub(**{"OEBPS__text__ch1.xhtml": page("long " * 1000)})
    with pytest.raises(BadDataError, match="is larger than"):
        text_of("a.epub")


@pytest.mark.parametrize("name", ["a.docx", "a.epub"])
@pytest.mark.parametrize(
    "data",
    [b"", b"plain text", b"PK\x03\x04 and no more", gzipped(b"text")],
    ids=["empty", "plain", "cut", "gzip"],
)
def test_what_is_no_document_says_what_to_do(name: str, data: bytes) -> None:
    """The advice was to compress it again."""
    Path(name).write_bytes(data)
    kind, way = "an EPUB book", "copy it again"
    if name.endswith(".docx"):
        kind, way = "a Word document", "open it in Word and save it again"
    with pytest.raises(BadDataError) as caught:
        text_of(name)
    found = "its list of files is damaged" if data[:2] == b"PK" else "it is no zip archive"
    assert str(caught.value) == f"{name}: not {kind} ({found}); {way}, or use plain text"


def test_a_document_that_is_damaged_within_is_to_be_saved_anew() -> None:
    write_docx()
    data = bytearray(Path("a.docx").read_bytes())
    data[60] ^= 0xFF
    Path("a.docx").write_bytes(data)
    with pytest.raises(BadDataError, match=r"^a\.docx: broken document \(.*\); save it anew$"):
        text_of("a.docx")


@pytest.mark.parametrize("name", ["a.docx", "a.epub"])
def test_a_document_whose_headers_are_damaged_is_an_error(name: str) -> None:
    write_docx() if name == "a.docx" else write_epub()
    data = Path(name).read_bytes()
    listed = data.rindex(b"PK\x01\x02")
    Path(name).write_bytes(data[: listed + 6] + b"\x8b" + data[listed + 7 :])  # version 13.9
    with pytest.raises(BadDataError, match=rf"^{name}: not .* \(its list of files is damaged\)"):
        text_of(name)


def test_a_document_with_a_name_that_is_no_text_is_broken() -> None:
    write_docx()
    data = bytearray(Path("a.docx").read_bytes())
    name = data.index(b"word/document.xml")
    data[name - 23] |= 8  # the name is UTF-8
    data[name] = 0xFF
    Path("a.docx").write_bytes(data)
    with pytest.raises(BadDataError, match=r"^a\.docx: broken document \(.*\); save it anew$"):
        text_of("a.docx")


def test_a_document_without_its_parts_is_broken() -> None:
    write("a.docx", {"word/document.xml": DOCUMENT})
    with pytest.raises(BadDataError, match=r"no item named '_rels/\.rels'"):
        text_of("a.docx")
    write("a.docx", docx_files() | {"_rels/.rels": "<Relationships/>"})
    with pytest.raises(BadDataError, match=r"_rels/\.rels names no document"):
        text_of("a.docx")
    outside = RELATIONS.format(type=MAIN, target="../../etc/passwd")
    write("a.docx", docx_files() | {"_rels/.rels": outside})
    with pytest.raises(BadDataError, match=r"no item named '\.\./\.\./etc/passwd'"):
        text_of("a.docx")
    write_docx(document="<w:document")
    with pytest.raises(BadDataError, match=r"broken document \(word/document\.xml"):
        text_of("a.docx")
    write_epub(**{"META-INF__container.xml": "<container/>"})
    with pytest.raises(BadDataError, match="names no book"):
        text_of("a.epub")
    write_epub(**{"OEBPS__text__ch1.xhtml": b"<p>caf\xe9</p>"})
    with pytest.raises(BadDataError, match=r"ch1\.xhtml: .* at byte 6"):
        text_of("a.epub")


def test_a_document_in_an_archive_is_left_out_and_told() -> None:
    write_docx()
    write("a.zip", {"a.docx": Path("a.docx").read_bytes(), "a.txt": "text"})
    corpus = read_corpus(["a.zip"])
    assert corpus.text == "text"
    assert corpus.notes == ("a.zip: skipped 1 file that is read only when unpacked: a.docx",)


HELLO = {
    registry.TABLE: "text\nhello\n",
    registry.JSON: '{"text": "hello"}\n',
    registry.PAGE: "<p>hello</p>",
    registry.SUBTITLES: "1\n00:00:01,000 --> 00:00:02,000\nhello\n",
}


@pytest.mark.parametrize("suffix", registry.FORMATS)
def test_what_is_read_compressed_and_in_archives_is_what_is_documented(suffix: str) -> None:
    """Books, Word documents and Parquet tables were said to be."""
    texts = (Path(__file__).parents[2] / "docs" / "texts.md").read_text("utf-8")
    (unread,) = re.findall(r"^Only (.+) can't be read so: compressed, such a ", texts, re.MULTILINE)
    name, content = f"a{suffix}", HELLO.get(registry.FORMATS[suffix], "no matter what").encode()
    Path(f"{name}.gz").write_bytes(gzipped(content))
    write("a.zip", {name: content, "b.txt": "text"})
    corpus = read_corpus(["a.zip"])
    if f"`{suffix}`" not in unread:
        assert text_of(f"{name}.gz").strip() == "hello"
        assert corpus.text.split() == ["hello", "text"]
        return
    with pytest.raises(BadDataError, match=rf"a\{suffix}\.gz: it can't be read compressed; unpack"):
        text_of(f"{name}.gz")
    assert corpus.text == "text"
    assert corpus.notes == (f"a.zip: skipped 1 file that is read only when unpacked: {name}",)


@pytest.mark.parametrize("name", ["a.docx", "a.epub"])
def test_without_the_library_it_says_what_to_install(
    name: str, monkeypatch: pytest.MonkeyPatch
) -> None:
    write_docx()
    write_epub()
    monkeypatch.setitem(sys.modules, "defusedxml", None)
    suffix = name[1:]
    with pytest.raises(
        UsageError, match=rf"\{suffix} files need the package defusedxml; pip install defusedxml,"
    ):
        text_of(name)
