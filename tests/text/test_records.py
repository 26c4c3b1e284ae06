"""A list as ids: each record whole, with its end, on one side of training and validation."""

from __future__ import annotations

import csv
import json
import tracemalloc
import unicodedata
from contextlib import closing, suppress
from pathlib import Path
from typing import Any, get_args

import msgspec
import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st

from charrnn import ByteTokenizer, CharTokenizer, Corpus, Reading
from charrnn.config import Unknown
from charrnn.errors import BadDataError, UsageError
from charrnn.text import spool as spools
from charrnn.text.prepared import encode_records, same_vocabulary
from charrnn.text.records import PAD, Records, beginning, entropy, shuffled, sides
from charrnn.text.spool import Spool, records_of
from charrnn.text.tokenizer import Tokenizer, make_tokenizer

WORDS = [f"{a}{b}{c}" for a in "abc" for b in "de\n" for c in ("", "f", "gh")]
LISTS = st.lists(st.text("abé\n", min_size=1, max_size=7), min_size=1, max_size=12)


def tokenizers(end: str) -> list[Tokenizer]:
    return [CharTokenizer("\nabé", end), ByteTokenizer(end)]


def contents(records: Records, tokenizer: Tokenizer) -> list[str]:
    """What each of the records says."""
    rows = np.arange(records.count)
    windows = records.windows(rows, 0, int(records.lengths.max()))  # (K, T+1)
    assert (windows[:, 0] == tokenizer.end_id).all()
    texts = [tokenizer.decode(window[window != PAD][1:]) for window in windows]
    assert tokenizer.end is not None
    assert all(text.endswith(tokenizer.end) for text in texts)
    return [text.removesuffix(tokenizer.end) for text in texts]


@given(LISTS, st.sampled_from(["\n", "\n\n", "<end>"]), st.booleans())
def test_a_list_is_read_as_it_was(texts: list[str], end: str, in_bytes: bool) -> None:
    tokenizer = tokenizers(end)[in_bytes]
    assert tokenizer.end_id == tokenizer.vocab_size - 1
    ids = encode_records(tokenizer, texts)
    each = [[*tokenizer.encode(text).tolist(), tokenizer.end_id] for text in texts]
    assert ids.tolist() == [token for one in each for token in one]
    assert tokenizer.decode(ids) == "".join(text + end for text in texts)
    decode = tokenizer.decoder()
    streamed = "".join(decode([token], False) for token in ids.tolist()) + decode([], True)
    assert streamed == tokenizer.decode(ids)
    records = Records.of(np.concatenate([[tokenizer.end_id], ids]), tokenizer.vocab_size - 1)
    assert contents(records, tokenizer) == texts
    assert records.targets().tolist() == ids.tolist()
    assert records.written()[1:].tolist() == ids.tolist()
    assert records.size == len(ids)


@pytest.mark.parametrize("tokenizer", tokenizers("\n"), ids=lambda tokenizer: tokenizer.unit)
def test_unknown_characters_are_dealt_with_record_by_record(tokenizer: Tokenizer) -> None:
    lone = "\ud800"
    with pytest.raises(UsageError, match="does not know"):
        encode_records(tokenizer, ["a", f"b{lone}"])
    assert tokenizer.decode(encode_records(tokenizer, [f"a{lone}b", lone], "skip")) == "ab\n\n"


ACCENTS = ("a", "e", "\N{COMBINING ACUTE ACCENT}", "\N{COMBINING DIAERESIS}", "é", "ö", "o")


@given(
    st.lists(st.text(ACCENTS, min_size=1), min_size=1),
    st.sets(st.sampled_from(ACCENTS), min_size=1),
    st.sampled_from(get_args(Unknown)),
)
@pytest.mark.filterwarnings("ignore:the text is read in another form")
def test_records_in_another_normal_form_end_where_they_end(
    texts: list[str], known: set[str], unknown: Unknown
) -> None:
    """Ends stood where the characters of the other form would have ended, or past the text."""
    tokenizer = CharTokenizer("".join(sorted(known)), "\n")
    try:
        each = [[*tokenizer.encode(text, unknown).tolist(), len(known)] for text in texts]
    except UsageError:
        with pytest.raises(UsageError, match="does not know"):
            encode_records(tokenizer, texts, unknown)
    else:
        ids = encode_records(tokenizer, texts, unknown)
        assert ids.tolist() == [token for one in each for token in one]


@pytest.mark.parametrize("unknown", get_args(Unknown))
@pytest.mark.parametrize(("model", "texts"), [("NFC", "NFD"), ("NFD", "NFC")])
def test_that_records_are_in_another_normal_form_is_said_once(
    model: Any, texts: Any, unknown: Unknown
) -> None:
    words = ["éa", "ööb", "a", "èb"]
    known, read = ([unicodedata.normalize(form, word) for word in words] for form in (model, texts))
    tokenizer = CharTokenizer("".join(sorted(set("".join(known)))), "\n")
    with pytest.warns(UserWarning, match=f"normal form {model} of Unicode") as said:
        ids = encode_records(tokenizer, read, unknown)
    assert tokenizer.decode(ids) == "".join(f"{word}\n" for word in known)
    assert len(said) == 1


def test_files_of_tokenizers_without_an_end_stay_as_they_were() -> None:
    for old in ({"kind": "char", "characters": "ab"}, {"kind": "byte"}):
        data = json.dumps(old, separators=(",", ":")).encode()
        tokenizer = msgspec.json.decode(data, type=CharTokenizer | ByteTokenizer)
        assert tokenizer.end is tokenizer.end_id is None
        assert msgspec.json.encode(tokenizer) == data
    new = CharTokenizer("ab", "\n")
    assert msgspec.json.decode(msgspec.json.encode(new), type=CharTokenizer) == new


def test_models_of_records_and_of_stories_are_not_mixed() -> None:
    with pytest.raises(UsageError, match="end with nothing for one model"):
        same_vocabulary([CharTokenizer("ab"), CharTokenizer("ab", "\n")])


def test_only_part_of_a_record_is_read_at_a_time() -> None:
    tokenizer = CharTokenizer("abcd", "\n")
    records = Records.of(np.concatenate([[4], encode_records(tokenizer, ["abcd", "d"])]), 4)
    whole = records.windows(np.array([0, 1]), 0, 5)
    assert whole.tolist() == [[4, 0, 1, 2, 3, 4], [4, 3, 4, PAD, PAD, PAD]]
    parts = [records.windows(np.array([0, 1]), first, 2) for first in (0, 2, 4)]
    assert np.hstack([part[:, 1:] for part in parts])[:, :5].tolist() == whole[:, 1:].tolist()
    assert beginning(records, 3).size == 5
    assert beginning(records, 6).size == 7


@given(
    st.lists(st.sampled_from(WORDS), min_size=4, max_size=60).filter(lambda w: len(set(w)) > 3),
    st.integers(0, 2**63 - 1),
    st.data(),
)
def test_no_record_is_validated_that_was_trained_on(
    texts: list[str], seed: int, data: st.DataObject
) -> None:
    tokenizer = CharTokenizer("\nabcdefgh", "\n\n")
    ids = np.concatenate([[tokenizer.end_id], encode_records(tokenizer, texts)]).astype(np.uint8)
    records = Records.of(ids, tokenizer.vocab_size - 1)
    assert records.distinct == len(set(texts))
    training = data.draw(st.integers(1, records.distinct - 1))
    parts = [contents(part, tokenizer) for part in records.split(training, seed)]
    assert len(set(parts[0])) == training
    assert not set(parts[0]) & set(parts[1])
    assert sorted(parts[0] + parts[1]) == sorted(texts)
    again = [contents(part, tokenizer) for part in records.split(training, seed)]
    assert parts == again
    kinds = list(dict.fromkeys(texts))  # numbered as they first come
    rows = sides(
        np.array([kinds.index(text) for text in texts]), shuffled(len(kinds), seed)[training:]
    )
    assert parts == [[texts[row] for row in some] for some in rows]


def test_a_list_of_many_short_records_is_divided_in_little_memory() -> None:
    count = 150_000
    ids = np.random.default_rng(0).integers(0, 26, (count, 6)).astype(np.uint8)
    ids[:, 5] = 26
    ids = np.concatenate([[26], ids.ravel()]).astype(np.uint8)
    tracemalloc.start()
    records = Records.of(ids, 26)
    parts = records.split(100_000, 3)
    _, peak = tracemalloc.get_traced_memory()
    tracemalloc.stop()
    assert sum(part.count for part in parts) == count
    assert peak < 100 * count + (8 << 20)


def test_validation_is_drawn_from_all_over_the_list() -> None:
    names = [f"{k:04}" for k in range(1000)]
    tokenizer = CharTokenizer("0123456789", "\n")
    records = Records.of(np.concatenate([[10], encode_records(tokenizer, names)]), 10)
    parts = [contents(records.split(900, seed)[1], tokenizer) for seed in range(3)]
    assert len({tuple(part) for part in parts}) == 3
    for part in parts:
        tenths = np.bincount([int(name) // 100 for name in part], minlength=10)
        assert tenths.min() >= 2


def texts_of(path: Path, records: str = "auto") -> list[str]:
    with closing(Spool([path], Reading(records=records))) as spool:
        tokenizer = make_tokenizer("char", spool.characters, spool.division.end)
        text = spool.encoded(tokenizer)
        assert isinstance(text, Records)
        assert spool.record_count == text.count
        found = contents(text, tokenizer)
        assert found == [record for part in spool.records() for record in part]
        return found


def test_rows_of_a_table_keep_their_boundaries(tmp_path: Path) -> None:
    rows = [f"row {k}\nof\n\ntwo lines" if k % 3 else f"row {k}" for k in range(20)]
    with (tmp_path / "table.csv").open("w", newline="") as file:
        csv.writer(file).writerows([["text"], *([row] for row in rows)])
    assert texts_of(tmp_path / "table.csv") == rows


def test_short_files_of_a_folder_are_records(tmp_path: Path) -> None:
    (tmp_path / "cards").mkdir()
    for k in range(12):
        (tmp_path / "cards" / f"{k:02}.txt").write_text(f"card {k}\n\nin parts\n")
    assert texts_of(tmp_path / "cards") == [f"card {k}\n\nin parts" for k in range(12)]


def test_a_long_list_is_mapped_from_a_file(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(spools, "IN_MEMORY", 500)
    monkeypatch.setattr(spools, "PIECE", 90)
    names = [f"name{k}" for k in range(400)]
    (tmp_path / "names.txt").write_text("\n".join(names))
    assert texts_of(tmp_path / "names.txt", records="lines") == names
    blocks = ["\n".join(names[k : k + 4]) for k in range(0, 400, 4)]
    (tmp_path / "blocks.txt").write_text("\n\n".join(blocks))
    assert texts_of(tmp_path / "blocks.txt", records="blocks") == blocks
    assert texts_of(tmp_path / "blocks.txt", records="\n\n") == blocks
    assert texts_of(tmp_path / "blocks.txt", records="lines") == names


def test_what_is_chosen_and_left_out_is_said(tmp_path: Path) -> None:
    path = tmp_path / "names.txt"
    path.write_text("\n".join(f"name{k}" + "\n" * (k < 2) for k in range(60)))
    with closing(Spool([path], Reading())) as spool:
        assert spool.division.kind == "none"  # not all of the lines stand alone
        (note,) = spool.notes
        assert note.startswith("may be a list")
        assert "--records lines" in note
    with closing(Spool([path], Reading(records="lines"))) as spool:
        assert spool.notes == ("a list of 60 records", "left out 2 empty lines")
    path.write_text("\n".join(f"name{k}" for k in range(60)))
    with closing(Spool([path], Reading())) as spool:
        (note,) = spool.notes
        assert "60 records (one a line, a word each)" in note
        assert "--records none" in note


def test_a_separator_that_is_left_out_is_named() -> None:
    for separator, shown in (("line", "'line'"), (r"\t", r"'\t'"), ("%", "'%'"), (" ", "' '")):
        between = "\n%\n" if separator == "%" else separator.replace(r"\t", "\t")
        corpus = Corpus("list", between.join(f"name{k}" for k in range(30)))
        with closing(Spool(corpus, Reading(records=separator))) as spool:
            assert spool.notes == (f"a list of 30 records between {shown}, which is left out",)


def test_the_same_row_again_and_again_is_no_list(tmp_path: Path) -> None:
    with (tmp_path / "table.csv").open("w", newline="") as file:
        csv.writer(file).writerows([["text"], *(["one row"] for _ in range(20))])
    with closing(Spool([tmp_path / "table.csv"], Reading())) as spool:
        assert spool.division.kind == "none"


def test_a_list_of_nothing_is_refused() -> None:
    with pytest.raises(BadDataError, match="all records are empty"):
        Spool(Corpus("blank", " \n\n  \n"), Reading(records="lines"))


def test_records_in_a_text_end_as_the_tokenizer_writes_them() -> None:
    tokenizer = CharTokenizer("\nab", "\n\n")
    assert contents(records_of("a\nb\n\nb\n\n", tokenizer), tokenizer) == ["a\nb", "b"]
    assert contents(records_of("ab", tokenizer), tokenizer) == ["ab"]
    opened = records_of("a\n\nb\na\nb\n\n", tokenizer, trained="^a")
    assert contents(opened, tokenizer) == ["a\n\nb", "a\nb"]


@given(
    st.text(st.sampled_from("aé% \n\tX:^-"), max_size=60),
    st.sampled_from(["auto", "none", "lines", "blocks", "documents", "%", "^X:", r"\n", "a", "--"]),
    st.sampled_from(["char", "byte"]),
)
def test_any_text_is_divided_in_any_way_or_refused(text: str, kind: str, unit: str) -> None:
    with (
        suppress(BadDataError),
        closing(Spool(Corpus("any", text), Reading(records=kind))) as spool,
    ):
        tokenizer = make_tokenizer(unit, spool.characters, spool.division.end)  # type: ignore[arg-type]
        found = spool.encoded(tokenizer)
        if isinstance(found, Records):
            records = contents(found, tokenizer)
            assert len(records) == spool.record_count > 0
            assert all(record.strip() for record in records)
            assert set("".join(records)) <= set(text)
            assert records == [record for part in spool.records() for record in part]
            # Again, from what is kept of it.
            with closing(Spool(Corpus("any", text), Reading(records=spool.division.kind))) as again:
                assert contents(again.encoded(tokenizer), tokenizer) == records  # type: ignore[arg-type]
        else:
            assert tokenizer.decode(found) == text


def test_the_entropy_of_a_text_is_that_of_how_often_each_token_comes() -> None:
    ids = np.repeat([0, 1, 2, 3], [4, 2, 1, 1])
    assert entropy(ids) == pytest.approx(1.75 * np.log(2))
    assert entropy(Records.of(np.array([2, 0, 2, 1, 2, 1, 2]), 2)) == pytest.approx(
        entropy(np.array([0, 1, 1, 2, 2, 2, 2]))
    )
    assert entropy(np.zeros(5, np.int32)) == 0


def test_the_entropy_of_a_long_text_is_estimated_from_all_over_it() -> None:
    ids = np.repeat([0, 1, 2], [1_600_000, 900_000, 500_000])
    shares = np.array([1.6, 0.9, 0.5]) / 3
    assert entropy(ids) == pytest.approx(-(shares * np.log(shares)).sum(), abs=0.02)
