"""A model that has learnt a small grammar writes whole records, and knows where they end."""

from __future__ import annotations

import itertools
import re
import unicodedata
import warnings
from collections import Counter
from functools import partial
from typing import Any

import numpy as np
import pytest

import charrnn
from charrnn import ByteTokenizer, CharRNNError, CharTokenizer, Mixture, Model, Reading
from charrnn.config import Unknown
from charrnn.models import model as models
from charrnn.sampling.language_model import encode_prompt
from charrnn.sampling.records import Wanted, draw_records
from charrnn.sampling.token_source import request_for, sampling_config
from charrnn.text.records import PAD
from charrnn.text.spool import records_of
from tests.native.writing.examples import needs_products_of_bytes

# a, then one to three times b, c, e or f, then d; a line of z may stand in between.
GRAMMAR = re.compile(r"a(b{1,3}|c{1,3}|e{1,3}|f{1,3})(\nz)?d")
RECORDS = [f"a{middle * n}{line}d" for middle in "bcef" for n in (1, 2, 3) for line in ("", "\nz")]
SETTINGS: dict[str, Any] = {
    "hidden_size": 32,
    "embed_size": 8,
    "num_layers": 1,
    "batch_size": 4,
    "learning_rate": 0.02,
    "dropout": 0.0,
    "weight_dropout": 0.0,
    "steps": 400,
    "eval_every": 400,
}


@pytest.fixture(scope="module", params=["char", "byte"])
def model(request: pytest.FixtureRequest, tmp_path_factory: pytest.TempPathFactory) -> Model:
    corpus = charrnn.Corpus("grammar", "\n\n".join(RECORDS * 5))
    run = charrnn.train(
        corpus,
        out=tmp_path_factory.mktemp("grammar") / "model",
        reading=Reading(records="blocks"),
        tokenizer=request.param,
        **SETTINGS,
    )
    model: Model = run.finish(progress=False)
    return model


def texts(model: Model, count: int, **settings: Any) -> list[str]:
    return [sample.text for sample in model.records(count, **settings)]


def test_records_are_whole(model: Model) -> None:
    found = texts(model, 200, seed=1, temperature=0.5)
    assert len(found) == 200
    assert sum(GRAMMAR.fullmatch(record) is not None for record in found) >= 190
    assert len(set(found)) >= 10  # of the 24 that there are


def test_a_text_without_a_prompt_begins_a_record_and_ends_with_it(model: Model) -> None:
    for seed in range(20):
        (sample,) = model.generate_batch(1, seed=seed, temperature=0.2)
        assert sample.whole
        assert GRAMMAR.fullmatch(sample.text)
        assert sample.tokens == len(sample.text) + 1  # the end was drawn, too
        assert "".join(model.stream(seed=seed, temperature=0.2)) == sample.text
        assert model.generate(seed=seed, temperature=0.2) == sample.text


def test_a_prompt_is_the_beginning_of_a_record(model: Model) -> None:
    for text in texts(model, 20, prompt="acc", seed=1, temperature=0.2):
        assert GRAMMAR.fullmatch("acc" + text)
    assert GRAMMAR.fullmatch("abbb" + model.generate("abbb", temperature=0.0))


def test_a_prompt_is_not_several_records() -> None:
    for tokenizer in (CharTokenizer("ab", "\n"), ByteTokenizer("\n")):
        with pytest.raises(CharRNNError, match=r"the text has a line end, .*; give one record, or"):
            encode_prompt(tokenizer, "a\nb")
        assert encode_prompt(tokenizer, "ab").tolist()[0] == tokenizer.end_id


@pytest.mark.parametrize("end", ["\n", "\n%\n", "<|endoftext|>"])
def test_the_end_of_a_record_is_no_text_within_one(end: str) -> None:
    """Its characters were read as such, by models of bytes and of what lies between separators."""
    for tokenizer in (CharTokenizer("".join(sorted(set("?ab" + end))), end), ByteTokenizer(end)):
        with pytest.raises(CharRNNError, match=r"the text has .*, where records of this model end"):
            encode_prompt(tokenizer, f"a{end}b")
        wanted: dict[Unknown, str] = {"skip": "ab", "replace": "a?b"}
        for unknown, read in wanted.items():
            ids = encode_prompt(tokenizer, f"a{end}b", unknown)
            assert tokenizer.decode(ids) == end + read


def test_a_length_cuts_a_record(model: Model) -> None:
    (sample,) = model.generate_batch(1, max_new_tokens=2, seed=1)
    assert len(sample.text) == 2
    assert not sample.whole
    assert texts(model, 5, max_new_tokens=5, seed=1)  # whole ones only
    assert all(len(text) < 5 for text in texts(model, 9, max_new_tokens=5, seed=1))


def test_stops_and_lists_of_characters_work_within_a_record(model: Model) -> None:
    assert model.generate(temperature=0.0, stop_strings=("d",))[-1] != "d"
    assert "\n" not in model.generate(max_lines=1, seed=3)
    assert all("b" not in text for text in texts(model, 20, ban="b", seed=1))
    allowed = texts(model, 20, allow="acd", seed=1)  # the end is no character
    assert set("".join(allowed)) <= set("acd")


def test_a_repetition_penalty_does_not_count_the_end(model: Model) -> None:
    # After the first token, a penalty on the end would make records longer.
    plain = Counter(map(len, texts(model, 100, seed=1, repetition_penalty=1.0)))
    penalised = texts(model, 100, seed=1, repetition_penalty=1.5, repetition_window=1)
    assert max(map(len, penalised)) <= max(plain) + 2


def test_equal_seeds_draw_equal_records(model: Model) -> None:
    assert texts(model, 30, seed=7) == texts(model, 30, seed=7)
    assert texts(model, 30, seed=7) != texts(model, 30, seed=8)
    assert texts(model, 30, seed=7)[:10] == texts(model, 10, seed=7)
    for sample in model.records(5, seed=7):
        assert model.generate(seed=sample.seed) == sample.text


def test_records_that_are_stopped_are_the_first_of_all(model: Model) -> None:
    """Of records drawn side by side, later ones came in place of one that was cut."""
    request = request_for(model, "", sampling_config(model.tokenizer, {"seed": 7}))
    for calls in range(80):
        answers = itertools.chain(itertools.repeat(False, calls), itertools.repeat(True))
        drawn = draw_records(request, Wanted(30), partial(next, answers))
        found = [sample.text for sample in drawn]
        assert found == texts(model, 30, seed=7)[: len(found)]


def test_no_record_comes_twice(model: Model) -> None:
    found = texts(model, 10, unique=True, seed=1)
    assert len(set(found)) == 10


def test_known_records_do_not_come(model: Model) -> None:
    found = texts(model, 20, known=RECORDS[:6], seed=1)
    assert not set(found) & set(RECORDS[:6])
    rest = texts(model, 5, known=RECORDS[:6], prompt="a", seed=1)
    assert not {"a" + text for text in rest} & set(RECORDS[:6])


@pytest.mark.parametrize("typed", ["\ud800a", "a\ud800"])
def test_known_records_do_not_come_however_their_prompt_is_typed(model: Model, typed: str) -> None:
    """What the model leaves out of the prompt was part of what was compared."""
    known = RECORDS[:6]
    found = texts(model, 9, known=known, prompt=typed, unknown="skip", seed=1)
    assert found == texts(model, 9, known=known, prompt="a", seed=1)
    assert not {"a" + text for text in found} & set(known)


@pytest.mark.parametrize(("known", "found"), [("NFC", "NFD"), ("NFD", "NFC")])
def test_a_record_is_known_in_whatever_normal_form(known: Any, found: Any) -> None:
    names = {form: unicodedata.normalize(form, "Zoé") for form in (known, found)}
    assert not Wanted(9, known=[names[known]]).takes(names[found])
    wanted = Wanted(9, unique=True)
    assert [wanted.takes(names[form]) for form in (known, found)] == [True, False]


def test_blanks_at_the_ends_make_no_other_record() -> None:
    assert not Wanted(9, known=["Zoé  "]).takes(" Zoé")
    wanted = Wanted(9, unique=True)
    assert [wanted.takes(name) for name in ("Zoé", "Zoé\t", "Zo é")] == [True, False, True]


def test_what_is_wrong_with_all_records_is_said_once_and_at_once(model: Model) -> None:
    with pytest.warns(UserWarning, match="no text will end at 'q'") as said:
        drawn = model.records(600, stop_strings=("q",), ban="q", max_new_tokens=None, seed=1)
    with warnings.catch_warnings(action="error"):
        assert len(list(drawn)) == 600
    assert len(said) == 1
    with pytest.raises(CharRNNError, match="clamp names layer 9"):
        model.records(5, clamp={"9.0": 1.0})


def test_it_says_when_there_are_no_more_to_find(
    model: Model, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr("charrnn.sampling.records.IN_VAIN", 300)
    drawn = model.records(900, unique=True, seed=1, temperature=0.2)
    found = {next(drawn).text for _ in range(5)}  # those found before the error count
    assert len(found) == 5
    with pytest.raises(CharRNNError, match=r"\d+ of 900 records found"):
        list(drawn)


def test_it_says_soon_where_records_do_not_end(
    model: Model, monkeypatch: pytest.MonkeyPatch
) -> None:
    """It drew thousands, and advised to ask for fewer."""
    shorter = rf"^0 of 3 .* the last \d+ draws had no end within 1 {model.tokenizer.unit}; give a "
    with pytest.raises(CharRNNError, match=shorter + "greater length, or draw at a higher temp"):
        texts(model, 3, max_new_tokens=1, seed=1)
    monkeypatch.setattr("charrnn.sampling.records.LONGEST_RECORD", 200)
    monkeypatch.setattr("charrnn.sampling.records.ENDLESS_TOKENS", 500)
    settings = {"temperature": 0.01, "prompt": "\n" * 3, "ban": "abcdef", "max_new_tokens": 200}
    with pytest.raises(CharRNNError, match=r"the last 3 draws had no end within 200 .*s; draw at"):
        texts(model, 900, seed=1, **settings)


def test_where_all_draws_are_the_same_one_is_enough_to_know(model: Model) -> None:
    assert len(set(texts(model, 20, temperature=0.0))) == 1
    (only,) = set(texts(model, 1, temperature=0.0))
    for settings, found in (({"unique": True}, 1), ({"known": [only]}, 0)):
        with pytest.raises(
            CharRNNError, match=rf"^{found} of 20 .* the last \d draws? had no end, or"
        ):
            texts(model, 20, temperature=0.0, **settings)
    with pytest.raises(CharRNNError, match=r"^0 of 20 .* the last 1 draw had no end within 2 "):
        texts(model, 20, temperature=0.0, max_new_tokens=2)


def test_a_beam_ends_with_the_record(model: Model) -> None:
    for beam in model.beam_search(4, max_new_tokens=50):
        assert GRAMMAR.fullmatch(beam.text)
        assert beam.tokens == len(beam.text) + 1


@needs_products_of_bytes
def test_machine_code_ends_records_too(model: Model, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(models, "MACHINE_CODE_PAYS", 0)
    assert model.sampler(model.start(), 10) is not None
    found = texts(model, 50, seed=1, temperature=0.5)
    assert sum(GRAMMAR.fullmatch(record) is not None for record in found) >= 45
    (sample,) = model.generate_batch(1, seed=3)
    assert "".join(model.stream(seed=3)) == sample.text


def test_a_mixture_writes_records(model: Model) -> None:
    mixture = Mixture([model, model])
    for sample in mixture.records(10, seed=1, temperature=0.2):
        assert GRAMMAR.fullmatch(sample.text)


def test_a_record_is_scored_with_its_end(model: Model) -> None:
    good, cut = model.score_lines(["abbd", "abb"])
    assert good.tokens == good.characters == 5
    assert good.nats == pytest.approx(-float(model.log_probs("abbd").sum()), rel=1e-5)
    assert cut.nats > good.nats + 2  # it ends where no record does
    # All that a record can be has all probability.
    total = sum(np.exp(-score.nats) for score in model.score_lines(RECORDS))
    assert 0.7 < total <= 1.0


def test_records_beside_others_score_as_alone(model: Model) -> None:
    records = records_of("\n\n".join(RECORDS), model.tokenizer)
    rows = records.windows(np.arange(records.count), 0, int(records.lengths.max()))
    together = model.token_log_probs(np.where(rows == PAD, 0, rows).astype(np.int32))
    for text, found, length in zip(RECORDS, together, records.lengths, strict=True):
        np.testing.assert_allclose(found[:length], model.log_probs(text), rtol=1e-4, atol=1e-5)


def test_a_model_of_a_story_has_no_records(tmp_path: Any) -> None:
    corpus = charrnn.Corpus("story", "the sea is wide, the sea is deep. " * 20)
    story = charrnn.train(corpus, out=tmp_path / "m", **SETTINGS | {"steps": 3}).finish(
        progress=False
    )
    with pytest.raises(CharRNNError, match="on records; train one on a list of them, or have"):
        story.records(3)
