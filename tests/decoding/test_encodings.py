"""A text in another encoding: the likeliest are shown, each with what it makes of the text."""

from __future__ import annotations

import json
import re
from pathlib import Path

import pytest

from charrnn import Reading, read_corpus
from charrnn.decoding.kinds import decodes
from charrnn.errors import BadDataError
from tests.text.reading import text_of

VERSES = {
    "cp1252": "“It’s late,” she said — naïve, as ever.\n",
    "cp1250": "Příliš žluťoučký kůň úpěl ďábelské ódy.\n",
    "cp1251": "Мой дядя самых честных правил,\nКогда не в шутку занемог,\n",
    "koi8_r": "Мой дядя самых честных правил,\nКогда не в шутку занемог,\n",
    "gb18030": "春眠不觉晓，处处闻啼鸟。\n夜来风雨声，花落知多少。\n",
    "cp932": "吾輩は猫である。名前はまだ無い。\nどこで生れたかとんと見当がつかぬ。\n",
    "cp949": "나랏말싸미 듕귁에 달아 문자와로 서르 사맛디 아니할쎄\n",
    "big5": "床前明月光，疑是地上霜。\n舉頭望明月，低頭思故鄉。\n",
    "mac_roman": "“It’s late,” she said — naïve, as ever.\n",
}


SHOWN = r"([\w-]+)(?:, known as [\w-]+,)? \('([^']*)'\)"


def advice(path: str) -> str:
    with pytest.raises(BadDataError) as error:
        text_of(path)
    assert "\n" not in str(error.value)
    return str(error.value)


@pytest.mark.parametrize("encoding", VERSES)
@pytest.mark.parametrize("before", ["", "plain ASCII comes first\n" * 400], ids=["", "late"])
def test_the_encoding_of_a_text_is_among_those_shown(encoding: str, before: str) -> None:
    text = before + VERSES[encoding]
    Path("a.txt").write_bytes(text.encode(encoding))
    message = advice("a.txt")
    assert "--encoding" in message
    shown = dict(
        re.findall(r"([\w-]+)(?:, known as [\w-]+,)? \('([^']*)'\)", message.replace("’", ""))
    )
    assert 1 <= len(shown) <= 3
    assert encoding in shown, message
    assert shown[encoding] in text.replace("’", "")
    assert text_of("a.txt", encoding=encoding) == text


def test_cp1252_comes_first_and_latin_1_not_at_all() -> None:
    Path("a.txt").write_bytes("It’s late.\n".encode("cp1252"))
    message = advice("a.txt")
    assert "it may be cp1252 ('It’s late.')" in message
    assert "latin" not in message
    assert "byte 0x92 at offset 2 is not utf-8" in message


def test_what_a_page_says_of_itself_comes_first() -> None:
    page = '<meta charset="koi8-r"><p>' + "привет, мир, как дела" * 3
    Path("a.html").write_bytes(page.encode("koi8-r"))
    assert "it may be koi8-r ('" in advice("a.html")


def test_a_page_that_names_no_encoding_of_python_is_still_one_error() -> None:
    Path("a.html").write_bytes(b'<meta charset="x-nonsense"><p>caf\xe9 noir et th\xe9')
    assert "cp1252 (" in advice("a.html")


@pytest.mark.parametrize("encoding", ["cp1252", "ascii", "shift_jis", "cp1253"])
@pytest.mark.parametrize(
    "text",
    ["“Hello,” she said.\n", "plain\n" * 400 + "“Hello,” she said.\n", "“Hello,” she said. " * 400],
    ids=["short", "late", "long lines"],
)
def test_utf_8_read_in_another_encoding_is_recognised(encoding: str, text: str) -> None:
    """Another wrong encoding was suggested."""
    Path("a.txt").write_text(text, encoding="utf-8")
    with pytest.raises(BadDataError) as error:
        text_of("a.txt", encoding=encoding)
    found = rf"a\.txt: byte 0x\w\w at offset \d+ is not {encoding}; it may be utf-8 \('.*Hello.*'\)"
    assert re.fullmatch(found, error.value.found)
    way = f"leave --encoding out, or convert it to {encoding} if the other files are"
    assert error.value.advice == way
    assert text_of("a.txt") == text


def test_what_is_no_utf_8_is_not_said_to_be() -> None:
    for text in ("caf\xe9", "\x81abc", "h\xe9 \xc3\xa9"):
        Path("a.txt").write_bytes(text.encode("latin-1"))
        with pytest.raises(BadDataError) as error:
            text_of("a.txt", encoding="ascii")
        assert "utf-8" not in str(error.value)


NOTE = "some of it looks like UTF-8: read as cp1252, 'schön' becomes 'schÃ¶n'"
POEM = "Es war sehr schön,\nund es war spät.\n"


@pytest.mark.parametrize(
    ("name", "content"),
    [
        ("a.txt", POEM),
        ("a.txt", "Es war.\n" * 5000 + POEM),
        ("a.html", f"<p>{POEM}</p>"),
        ("a.csv", f'text\n"{POEM}"\n'),
        ("a.jsonl", json.dumps({"text": POEM}, ensure_ascii=False)),
    ],
    ids=["text", "late", "page", "table", "JSON"],
)
def test_utf_8_that_is_read_in_another_encoding_is_told(name: str, content: str) -> None:
    Path(name).write_bytes(content.encode())
    corpus = read_corpus([name], Reading(encoding="cp1252"))
    assert "schÃ¶n" in corpus.text
    assert corpus.notes == (f"{name}: {NOTE}",)


def test_a_text_that_is_partly_in_utf_8_is_told_with_what_becomes_of_it() -> None:
    Path("a.txt").write_bytes("Es war spät.\n".encode("cp1252") * 5 + POEM.encode())
    choice = "choose the --encoding in which all plain text reads right (.docx and .epub have thei"
    assert choice in advice("a.txt")
    assert read_corpus(["a.txt"], Reading(encoding="cp1252")).notes == (f"a.txt: {NOTE}",)


@pytest.mark.parametrize("encoding", VERSES)
def test_a_text_in_its_own_encoding_is_not_said_to_look_like_another(encoding: str) -> None:
    Path("a.txt").write_bytes((VERSES[encoding] * 500).encode(encoding))
    assert read_corpus(["a.txt"], Reading(encoding=encoding)).notes == ()
    words = "\n".join(re.findall(r"\w+", VERSES[encoding]))
    Path("b.txt").write_bytes(words.encode(encoding))
    assert read_corpus(["b.txt"], Reading(encoding=encoding)).notes == ()


def test_words_that_happen_to_be_utf_8_too_are_not_told() -> None:
    """In cp1251, "Её" has the bytes that in UTF-8 are "Ÿ"."""
    Path("a.txt").write_bytes("\n".join(["Её", *VERSES["cp1251"].split() * 5]).encode("cp1251"))
    assert read_corpus(["a.txt"], Reading(encoding="cp1251")).notes == ()


@pytest.mark.parametrize("encoding", ["gbk", "big5", "euc_jp", "euc_kr"])
def test_a_list_of_single_characters_of_two_bytes_is_not_told(encoding: str) -> None:
    """Many have the bytes of a letter in UTF-8: in GBK, "士" has those of "ʿ"."""
    pairs = (bytes([lead, trail]) for lead in range(0xC2, 0xE0) for trail in range(0xA1, 0xC0))
    Path("a.txt").write_bytes(b"\n".join(pair for pair in pairs if decodes(pair, encoding)))
    assert read_corpus(["a.txt"], Reading(encoding=encoding)).notes == ()
    Path("a.txt").write_text("привет\n世\n世界\n", encoding="utf-8")
    assert "UTF-8" in str(
        read_corpus(["a.txt"], Reading(encoding=encoding, errors="replace")).notes
    )


def test_the_encoding_is_said_to_be_that_of_all_plain_text() -> None:
    Path("a.txt").write_bytes(POEM.encode())
    Path("b.txt").write_bytes(POEM.encode("cp1252"))
    with pytest.raises(BadDataError, match="or choose the --encoding in which all plain"):
        read_corpus(["."])


@pytest.mark.parametrize("encoding", ["utf-16-le", "utf-16-be"])
@pytest.mark.parametrize(
    "text",
    ["It is late.\nThe end.\n", VERSES["cp1251"], VERSES["gb18030"], VERSES["cp932"]],
    ids=["Latin", "Cyrillic", "Chinese", "Japanese"],
)
@pytest.mark.parametrize("errors", ["strict", "replace"])
def test_utf_16_without_a_mark_is_recognised(encoding: str, text: str, errors: str) -> None:
    """Latin text passed as UTF-8 with a NUL after each letter."""
    Path("a.txt").write_bytes((text * 3).encode(encoding))
    found = rf"UTF-16 without .*; try --encoding {encoding}"
    with pytest.raises(BadDataError, match=found) as error:
        text_of("a.txt", errors=errors)
    assert text[:5] in str(error.value)
    assert text_of("a.txt", encoding=encoding) == text * 3


@pytest.mark.parametrize("text", [*VERSES.values(), "a\n", "ab", "ascii only, and long\n" * 900])
def test_utf_8_is_never_taken_for_utf_16(text: str) -> None:
    Path("a.txt").write_text(text, encoding="utf-8")
    assert text_of("a.txt") == text


@pytest.mark.parametrize(
    "start", ["ID3 tags", "a brave WAVE", "PAR1", "GIF89", "BZh9", "Rar, ftyp"]
)
def test_a_text_may_begin_like_another_kind_of_file(start: str) -> None:
    Path("a.txt").write_text(f"{start} and so on\n")
    assert text_of("a.txt") == f"{start} and so on\n"


def test_padded_logs_lose_their_padding_and_say_so() -> None:
    from charrnn import read_corpus

    Path("app.log").write_bytes(b"started\n" * 9 + b"\0" * 5000 + b"started again\n")
    corpus = read_corpus(["app.log"])
    assert corpus.text == "started\n" * 9 + "started again\n"
    assert corpus.notes == ("app.log: dropped 5,000 NULs, which pad the text",)


@pytest.mark.parametrize(
    ("head", "found"),
    [
        (b"%PDF-1.7\n%abc\n", "a PDF.*pdftotext"),
        (b"{\\rtf1\\ansi Night. ", r"rich text, not plain text; save it as \.docx or plain text"),
        (b"\x89PNG\r\n\x1a\n", "a PNG picture.*--tokenizer byte"),
        (b"RIFF1234WAVEfmt \0", "a WAV recording"),
        (b"\0\0\0\x18ftypmp42", "a video"),
        (b"\xd0\xcf\x11\xe0\xa1\xb1\x1a\xe1", r"old Microsoft Office.*\.docx"),
        (b"SQLite format 3\0", "an SQLite database.*csv"),
        (b"PAR1\x15\0", r"a Parquet table.*\.parquet"),
        (b"7z\xbc\xaf\x27\x1c", "a 7z archive.*unpack it"),
        (bytes(range(32)) * 9, "a binary file"),
        (b"\0\x01\0\x02" * 99, "a binary file"),
    ],
)
def test_what_is_no_text_is_called_what_it_is(head: bytes, found: str) -> None:
    Path("a.txt").write_bytes(head + b"1234" * 20)
    assert re.search(found, advice("a.txt"))


@pytest.mark.parametrize("stated", ["base64", "hex", "quopri", "rot13", "zlib", "bz2", "nonsense"])
def test_what_is_stated_and_is_no_encoding_of_texts_is_passed_by(stated: str) -> None:
    """XML and mail state how bytes are packed, too, by names that Python knows."""
    Path("a.txt").write_bytes(f'<data encoding="{stated}">Café</data>\n'.encode("latin-1"))
    assert "it may be cp1252 (" in advice("a.txt")
