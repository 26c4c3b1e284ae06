"""Text to ids and back, for any text."""

from __future__ import annotations

import msgspec
import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st

from charrnn import ByteTokenizer, CharRNNError, CharTokenizer
from charrnn.errors import BadDataError, UsageError
from charrnn.tokenizer import Tokenizer, Unknown

HARD = [
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
    for tokenizer in (CharTokenizer.from_text(text), ByteTokenizer()):
        again = msgspec.json.decode(msgspec.json.encode(tokenizer), type=Tokenizer)
        assert again == tokenizer
        assert again.decode(again.encode(text)) == text


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
    for part in (r"'\x07' (U+0007)", "'é' (U+00E9)", "'🙂' (U+1F642)", "3 characters", "--unknown"):
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
        '{"kind":"char","characters":"ab","size":2}',
        '{"kind":"byte","characters":"ab"}',
        '{"kind":"word"}',
        '{"characters":"ab"}',
        "[]",
    ],
)
def test_json_that_is_no_tokenizer_is_refused(text: str) -> None:
    with pytest.raises(msgspec.ValidationError):
        msgspec.json.decode(text, type=Tokenizer)


@given(st.binary())
def test_a_byte_stream_decoded_piece_by_piece_is_decoded_whole(data: bytes) -> None:
    tokenizer = ByteTokenizer()
    ids = np.frombuffer(data, np.uint8)
    decode = tokenizer.decoder()
    pieces = [decode(ids[k : k + 1], False) for k in range(len(ids))]
    assert "".join(pieces) + decode(ids[:0], True) == tokenizer.decode(ids)


def test_half_a_character_is_held_back() -> None:
    decode = ByteTokenizer().decoder()
    first, second = "é".encode()
    assert decode(np.array([first]), False) == ""
    assert decode(np.array([second]), False) == "é"
    assert decode(np.array([first]), False) == ""
    assert decode(np.array([], np.int32), True) == "\ufffd"


@given(st.binary())
def test_bytes_that_are_no_text_keep_their_values(data: bytes) -> None:
    ids = ByteTokenizer().encode(data.decode("utf-8", "surrogateescape"))
    assert ids.astype(np.uint8).tobytes() == data


def test_a_lone_surrogate_is_no_character() -> None:
    with pytest.raises(BadDataError, match="surrogate"):
        CharTokenizer.from_text("a\ud800")
    with pytest.raises(BadDataError, match="at least one"):
        CharTokenizer.from_text("")
    with pytest.raises(UsageError, match=r"U\+D800"):
        ByteTokenizer().encode("a\ud800")
    assert ByteTokenizer().encode("a\ud800b", "skip").tolist() == [97, 98]
    assert ByteTokenizer().encode("a\ud800b", "replace").tolist() == [97, 63, 98]
    with pytest.raises(UsageError, match=r"U\+DCE9"):
        CharTokenizer("ab").encode("a\udce9")
