"""Text to ids and back, for any text."""

from __future__ import annotations

import unicodedata
from typing import Any

import msgspec
import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st

from charrnn import ByteTokenizer, CharRNNError, CharTokenizer
from charrnn.config import Unknown
from charrnn.errors import BadDataError, UsageError
from charrnn.text.tokenizer import Tokenizer, make_tokenizer

HARD = [
    "",
    "\"double\", 'single', \\back\\",
    "\0 and \x1b",
    "🙂👩‍👩‍👧🏽",
    "e\u0301 is not é",
    "שלום, עולם",
    "文字と言葉",
    "\ufeff\u200b\u2028\U0010ffff",
    "\r\n\r",
]


@given(st.text(min_size=1))
def test_any_text_survives_a_round_trip(text: str) -> None:
    tokenizer = CharTokenizer.from_text(text)
    assert tokenizer.decode(tokenizer.encode(text)) == text
    assert tokenizer.vocab_size == len(set(text))
    assert ByteTokenizer().decode(ByteTokenizer().encode(text)) == text


@pytest.mark.parametrize("text", HARD)
def test_hard_texts_survive_a_round_trip(text: str) -> None:
    for tokenizer in (CharTokenizer.from_text(text + "."), ByteTokenizer()):
        again = msgspec.json.decode(msgspec.json.encode(tokenizer), type=Tokenizer)
        assert again == tokenizer
        assert again.decode(again.encode(text)) == text


@pytest.mark.parametrize("dtype", [np.uint8, np.int32, np.int64])
def test_ids_of_any_integer_type_are_decoded(dtype: type[np.integer]) -> None:
    """They come from memory maps, from arrays of bytes and from sampling."""
    ids = np.array([1, 0, 1], dtype)
    assert CharTokenizer("ab").decode(ids) == "bab"
    assert ByteTokenizer().decode(ids + dtype(97)) == "bab"


@given(st.text(min_size=1))
def test_any_vocabulary_survives_json_whether_used_or_not(text: str) -> None:
    """What a tokenizer computes once and keeps must get neither into its file nor into `==`."""
    fresh, used = CharTokenizer.from_text(text), CharTokenizer.from_text(text)
    used.encode(text, "replace")
    assert msgspec.json.encode(used) == msgspec.json.encode(fresh)
    assert msgspec.json.decode(msgspec.json.encode(used), type=Tokenizer) == fresh


def test_the_kind_chooses_the_tokenizer() -> None:
    assert make_tokenizer("char", "ba\nb") == CharTokenizer("\nab")
    assert make_tokenizer("byte", "ba\nb") == ByteTokenizer()


def twin(characters: str, text: str, unknown: Unknown) -> list[int]:
    """What `CharTokenizer.encode` does, one character at a time."""
    table = {character: number for number, character in enumerate(characters)}
    stand_in = next((table[c] for c in "\ufffd? " if c in table), 0)
    ids = []
    for character in text:
        if character in table:
            ids.append(table[character])
        elif unknown == "replace":
            ids.append(stand_in)
        elif unknown == "error":
            raise UsageError(f"unknown {character}", "-")
    return ids


@given(st.sets(st.characters(codec="utf-8"), min_size=1), st.text(), st.booleans())
def test_encoding_is_a_table_look_up(known: set[str], text: str, skip: bool) -> None:
    characters, unknown = "".join(sorted(known)), "skip" if skip else "replace"
    ids = CharTokenizer(characters).encode(text, unknown)  # type: ignore[arg-type]
    assert ids.tolist() == twin(characters, text, unknown)  # type: ignore[arg-type]
    assert ids.dtype == np.int32


@given(st.sets(st.characters(codec="utf-8"), min_size=1), st.text(max_size=20))
def test_a_text_is_refused_just_when_it_has_unknown_characters(known: set[str], text: str) -> None:
    tokenizer = CharTokenizer("".join(sorted(known)))
    if unknown := set(text) - known:
        with pytest.raises(UsageError) as error:
            tokenizer.encode(text)
        assert all(f"(U+{ord(c):04X})" in str(error.value) for c in unknown)
        assert str(error.value).count("(U+") == len(unknown)
    else:
        assert tokenizer.encode(text).tolist() == twin(tokenizer.characters, text, "error")


@pytest.mark.parametrize(
    ("vocabulary", "stand_in"), [(" ?A\ufffd", "\ufffd"), (" ?A", "?"), (" AB", " "), ("ABC", "A")]
)
def test_replace_takes_the_first_stand_in_that_is_known(vocabulary: str, stand_in: str) -> None:
    tokenizer = CharTokenizer(vocabulary)
    assert tokenizer.decode(tokenizer.encode("xA", "replace")) == f"{stand_in}A"


def test_each_unknown_character_is_named() -> None:
    with pytest.raises(CharRNNError) as error:
        CharTokenizer("ab").encode("aéb\u0007é🙂")
    message = str(error.value)
    parts = (r"'\x07' (U+0007)", "'é' (U+00E9)", "'🙂' (U+1F642)", "3 characters")
    for part in (*parts, "--unknown skip", "in Python unknown='skip'"):
        assert part in message
    assert message.count("U+00E9") == 1
    assert error.value.exit_code == 2
    assert "\n" not in message


def test_many_unknown_characters_are_counted() -> None:
    with pytest.raises(CharRNNError, match="and 6 more"):
        CharTokenizer("?").encode("abcdefghijklmnopqrstuvwxyz")


def test_the_json_of_a_tokenizer_is_golden() -> None:
    """It is part of the model folder's format."""
    assert msgspec.json.encode(CharTokenizer('\0\n "é')) == (
        b'{"kind":"char","characters":"\\u0000\\n \\"\xc3\xa9"}'
    )
    assert msgspec.json.encode(ByteTokenizer()) == b'{"kind":"byte"}'


@pytest.mark.parametrize(
    "text",
    [
        '{"kind":"char","characters":""}',
        '{"kind":"char","characters":"ba"}',
        '{"kind":"char","characters":"aa"}',
        '{"kind":"char"}',
        '{"kind":"char","characters":null}',
        '{"kind":"char","characters":["a","b"]}',
        '{"kind":"char","characters":"ab","size":2}',
        '{"kind":"byte","characters":"ab"}',
        '{"kind":"word"}',
        '{"characters":"ab"}',
        "[]",
    ],
)
def test_json_that_is_no_tokenizer_is_refused(text: str) -> None:
    with pytest.raises((msgspec.ValidationError, UsageError)):
        msgspec.json.decode(text, type=Tokenizer)


@pytest.mark.parametrize("surrogate", [rb"\ud800", b"\xed\xa0\x80"])
def test_json_with_a_lone_surrogate_is_refused(surrogate: bytes) -> None:
    with pytest.raises(ValueError, match=r"truncated|utf-8"):
        msgspec.json.decode(b'{"kind":"char","characters":"' + surrogate + b'"}', type=Tokenizer)


@given(st.text(min_size=1))
def test_a_character_stream_decoded_piece_by_piece_holds_nothing_back(text: str) -> None:
    tokenizer = CharTokenizer.from_text(text)
    ids, decode = tokenizer.encode(text).tolist(), tokenizer.decoder()
    assert [decode(ids[k : k + 1], False) for k in range(len(ids))] == list(text)
    assert decode(ids[:0], True) == ""


@given(st.binary())
def test_a_byte_stream_decoded_piece_by_piece_is_decoded_whole(data: bytes) -> None:
    tokenizer = ByteTokenizer()
    decode = tokenizer.decoder()
    pieces = [decode([byte], False) for byte in data]
    assert "".join(pieces) + decode([], True) == tokenizer.decode(np.frombuffer(data, np.uint8))


def test_half_a_character_is_held_back() -> None:
    decode = ByteTokenizer().decoder()
    first, second = "é".encode()
    assert decode([first], False) == ""
    assert decode([second], False) == "é"
    assert decode([first], False) == ""
    assert decode([], True) == "\ufffd"


def test_decoders_share_nothing() -> None:
    """Two texts drawn at once must not get each other's half characters."""
    tokenizer = ByteTokenizer()
    one, other = tokenizer.decoder(), tokenizer.decoder()
    assert one([0xC3], False) == ""
    assert other([0x61], False) == "a"
    assert one([0xA9], False) == "é"


@given(st.binary())
def test_bytes_that_are_no_text_keep_their_values(data: bytes) -> None:
    ids = ByteTokenizer().encode(data.decode("utf-8", "surrogateescape"))
    assert ids.astype(np.uint8).tobytes() == data


def test_a_lone_surrogate_is_no_character() -> None:
    with pytest.raises(BadDataError, match="bytes that are not text; use --tokenizer byte"):
        CharTokenizer.from_text("a\ud800")
    with pytest.raises(BadDataError, match="at least one"):
        CharTokenizer.from_text("")
    with pytest.raises(UsageError, match=r"U\+D800"):
        ByteTokenizer().encode("a\ud800")
    assert ByteTokenizer().encode("a\ud800b", "skip").tolist() == [97, 98]
    assert ByteTokenizer().encode("a\ud800b", "replace").tolist() == [97, 63, 98]
    with pytest.raises(UsageError, match=r"U\+DCE9"):
        CharTokenizer("ab").encode("a\udce9")
    assert CharTokenizer("ab").encode("b\udce9b", "skip").tolist() == [1, 1]
    assert CharTokenizer("ab").encode("b\udce9b", "replace").tolist() == [1, 0, 1]


def naive_bytes(text: str, stand_in: bytes) -> bytes:
    """What `ByteTokenizer.encode` does, one character at a time."""
    data = b""
    for character in text:
        if "\udc80" <= character <= "\udcff":
            data += bytes([ord(character) - 0xDC00])
        elif "\ud800" <= character <= "\udfff":
            data += stand_in
        else:
            data += character.encode()
    return data


# The first and the last that stand for a byte, their neighbours, and characters.
@given(st.text("aé🙂\ud800\udc7f\udc80\udcff\udd00\udfff"))
def test_surrogates_are_bytes_or_skipped_or_replaced(text: str) -> None:
    tokenizer = ByteTokenizer()
    assert bytes(tokenizer.encode(text, "skip").tolist()) == naive_bytes(text, b"")
    assert bytes(tokenizer.encode(text, "replace").tolist()) == naive_bytes(text, b"?")


VIETNAMESE = "Tiếng Việt là đẹp"


@pytest.mark.parametrize(("model", "prompt"), [("NFD", "NFC"), ("NFC", "NFD"), ("NFC", "NFKD")])
def test_a_text_in_another_normal_form_is_matched_and_said(model: Any, prompt: Any) -> None:
    """ "é" typed at a keyboard was unknown to a model of texts from a Mac, and looked the same."""
    known = unicodedata.normalize(model, VIETNAMESE)
    tokenizer = CharTokenizer.from_text(known)
    text = unicodedata.normalize(prompt, VIETNAMESE)
    with pytest.warns(UserWarning, match=rf"only in the normal form {model} of Unicode"):
        assert tokenizer.decode(tokenizer.encode(text)) == known
    with pytest.warns(UserWarning, match="normal form"):
        assert tokenizer.decode(tokenizer.encode(text + "文", "skip")) == known
    with (
        pytest.warns(UserWarning, match="normal form"),
        pytest.raises(UsageError, match=r"does not know a character of the text: '文'"),
    ):
        tokenizer.encode(text + "文")


def test_a_text_whose_characters_are_known_stays_in_its_form() -> None:
    both = unicodedata.normalize("NFC", "é") + unicodedata.normalize("NFD", "é")
    tokenizer = CharTokenizer.from_text(both)
    assert tokenizer.decode(tokenizer.encode(both)) == both
    with pytest.raises(UsageError, match="'ö'"):
        tokenizer.encode("ö")
    plain = CharTokenizer.from_text("abcde")
    assert plain.decode(plain.encode("déçà", "replace")) == "daaa"  # no mark takes a place


def test_unknown_characters_are_counted_in_the_form_in_which_a_text_is_taken() -> None:
    """An é of two characters is one that is known, where the vocabulary has it."""
    chars = CharTokenizer.from_text("abé")
    assert chars.count_unknown(["ab", "xaé", ""]) == (1, 5)
    with pytest.warns(UserWarning, match="NFC"):
        assert chars.count_unknown(["ae\u0301x"]) == (1, 3)
    assert ByteTokenizer().count_unknown(["aé", "\ud800", "\udcff"]) == (1, 4)
