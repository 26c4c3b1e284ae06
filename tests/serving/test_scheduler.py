"""Texts of many requests, side by side: each is the one that its seed gives alone."""

from __future__ import annotations

import asyncio
import codecs
import threading
from collections.abc import AsyncIterator, Iterator, Sequence
from contextlib import closing, contextmanager
from typing import Any

import numpy as np
import pytest

from charrnn import CharTokenizer
from charrnn.config import CellName
from charrnn.models import model as models
from charrnn.models.model import Model
from charrnn.sampling.drawing import ties
from charrnn.sampling.language_model import encode_prompt
from charrnn.sampling.token_source import GenerationRequest
from charrnn.serving import batch as batches
from charrnn.serving.answers import whole_text
from charrnn.serving.limits import ApiError
from charrnn.serving.scheduler import Scheduler
from charrnn.serving.texts import Piece, Text, joined
from charrnn.text.tokenizer import ByteTokenizer
from charrnn.use_config import SampleConfig
from tests.serving.small import small_model

WAYS: list[dict[str, Any]] = [
    {"temperature": 0.8},
    {"temperature": 1.3, "top_p": 0.9},
    {"temperature": 0.0},
    {"temperature": 1.0, "top_k": 4},
    {"temperature": 1.0, "stop_strings": ("ab", "\n\n")},
]


def text_of(model: Model, prompt: str, seed: int, likeliest: int | None = None, **how: Any) -> Text:
    ids = encode_prompt(model.tokenizer, prompt)
    request = GenerationRequest(model, ids, SampleConfig(**how))
    return Text(request, seed, likeliest, echo=likeliest is not None, streamed=seed % 2 == 1)


@contextmanager
def scheduler() -> Iterator[Scheduler]:
    loop = asyncio.get_running_loop()

    def tell(texts: list[Text]) -> None:
        for text in texts:
            loop.call_soon_threadsafe(text.tell)

    found = Scheduler(tell)
    with closing(found):
        yield found


async def pieces_of(text: Text) -> AsyncIterator[Piece]:
    while True:
        yield (piece := await text.news())
        if piece.finish is not None:
            return


def written(texts: Sequence[Text], together: int = 5) -> list[Piece]:
    """The texts, some of which join while others are under way."""

    async def write() -> list[Piece]:
        with scheduler() as writing:
            for first in range(0, len(texts), together):
                writing.submit(texts[first : first + together])
                await asyncio.sleep(0.003)
            async with asyncio.timeout(60):
                return [joined([piece async for piece in pieces_of(text)]) for text in texts]

    return asyncio.run(write())


def assert_each_is_as_alone(model: Model, how: list[dict[str, Any]], count: int) -> list[Text]:
    prompts = ["", "a", "bad cab\n", "hg " * 25]
    asked = [
        (prompts[k % 4], k, {"max_new_tokens": 1 + 13 * (k % 7)} | how[k % len(how)])
        for k in range(count)
    ]
    texts = [text_of(model, prompt, seed, **way) for prompt, seed, way in asked]
    for (prompt, seed, way), piece in zip(asked, written(texts), strict=True):
        assert piece.text == model.generate(prompt, seed=seed, **way)
    return texts


def test_each_text_is_the_one_that_its_seed_gives_alone(cell: CellName) -> None:
    assert_each_is_as_alone(small_model(cell), WAYS, 40)


def test_a_draw_that_rounding_may_decide_is_made_alone(
    cell: CellName, monkeypatch: pytest.MonkeyPatch
) -> None:
    """Here half of the texts meet one, some of them often."""
    monkeypatch.setattr(ties, "ROUNDING", 0.003)
    monkeypatch.setattr(batches, "STEPS_ALONE", 4)
    texts = assert_each_is_as_alone(small_model(cell), WAYS, 30)
    assert sum(text.state_alone is not None for text in texts) > 10


def test_rounding_in_a_batch_changes_texts_unless_it_is_looked_for(
    monkeypatch: pytest.MonkeyPatch,
) -> None:
    """The test above can fail: with coarse rounding that nobody looks for, texts differ."""
    model, smooth = small_model("lstm"), [WAYS[0], WAYS[2], WAYS[4]]
    stepper = type(model.stepper(model.start()))
    exact = stepper.step

    def coarse(self: Any, ids: Any) -> Any:
        logits = exact(self, ids)
        noise = np.float32(0.005) * np.sign(np.sin(9e4 * logits))
        return logits if len(ids) == 1 else logits + noise

    monkeypatch.setattr(stepper, "step", coarse)
    with pytest.raises(AssertionError):
        assert_each_is_as_alone(model, smooth, 40)
    monkeypatch.setattr(ties, "ROUNDING", 0.01)
    assert_each_is_as_alone(model, smooth, 40)


def model_in_machine_code(
    cell: CellName, monkeypatch: pytest.MonkeyPatch
) -> tuple[Model, type[Any]]:
    """A model whose texts of ten tokens are long already, and the class of its samplers."""
    monkeypatch.setattr(models, "MACHINE_CODE_PAYS", 300)
    model = small_model(cell, hidden_size=32)
    sampler = model.sampler(model.start(), 100)
    if sampler is None:
        pytest.skip("there is no machine code for this processor")
    return model, type(sampler)


def test_a_long_text_is_written_in_machine_code_as_it_would_be_alone(
    monkeypatch: pytest.MonkeyPatch,
) -> None:
    model, _ = model_in_machine_code("gru", monkeypatch)
    assert_each_is_as_alone(model, WAYS, 25)
    text = text_of(model, "bad", 3, 2, max_new_tokens=100)
    (piece,) = written([text])
    assert piece.text == "bad" + model.generate("bad", seed=3, max_new_tokens=100)
    assert len(piece.costs) == len(piece.text)


def test_long_texts_that_are_drawn_alike_share_each_call(monkeypatch: pytest.MonkeyPatch) -> None:
    model, sampler = model_in_machine_code("lstm", monkeypatch)
    together: list[int] = []
    all_have_come = threading.Event()
    draw, submit = sampler.draw, Scheduler.submit

    def counted(self: Any, ids: Any, *given: Any) -> Any:
        assert all_have_come.wait(60)
        together.append(len(ids))
        return draw(self, ids, *given)

    def seen(self: Scheduler, given: Sequence[Text]) -> None:
        submit(self, given)
        if given[-1] is texts[-1]:
            all_have_come.set()

    monkeypatch.setattr(sampler, "draw", counted)
    monkeypatch.setattr(Scheduler, "submit", seen)
    how: list[dict[str, Any]] = [
        {"temperature": 0.8, "max_new_tokens": 300 + 40 * k} for k in range(9)
    ]
    how[4] |= {"stop_strings": ("ab",)}
    texts = [text_of(model, "bad", k, 2 if k == 5 else None, **way) for k, way in enumerate(how)]
    pieces = written(texts)
    assert len(texts) in together[:2], "the first call may be for those alone who came first"
    for k, (way, piece) in enumerate(zip(how, pieces, strict=True)):
        alone = model.generate("bad", seed=k, **way)
        assert piece.text == ("bad" + alone if k == 5 else alone)


LONG_PROMPT = "bad cab\n" * 400  # of 13 slices


def test_others_have_their_turns_while_long_prompts_are_read(
    monkeypatch: pytest.MonkeyPatch,
) -> None:
    """Each was read whole before anybody else had a turn."""
    model, sampler = model_in_machine_code("lstm", monkeypatch)
    asked = [(f"{letter}{LONG_PROMPT}", 12) for letter in "abcdef"]
    asked += [("a", 5), ("b", 40)]  # step by step, and in machine code
    alone = [model.generate(prompt, seed=4, max_new_tokens=count) for prompt, count in asked]
    texts = [text_of(model, prompt, 4, max_new_tokens=count) for prompt, count in asked]
    turns: list[int] = []  # the tokens read in each
    ends: dict[Text, int] = {}  # the turn in which each text was finished
    turn, read = Scheduler._turn, sampler.read

    def counted_turn(self: Scheduler) -> None:
        turns.append(0)
        turn(self)
        for text in texts:
            if text.over:
                ends.setdefault(text, len(turns))

    def counted_read(self: Any, ids: Any) -> None:
        turns[-1] += len(ids)
        read(self, ids)

    monkeypatch.setattr(Scheduler, "_turn", counted_turn)
    monkeypatch.setattr(sampler, "read", counted_read)
    assert [piece.text for piece in written(texts, together=len(texts))] == alone
    assert sum(turns) == 6 * len(LONG_PROMPT)
    assert max(turns) < 2 * 256
    *long, stepwise, in_machine_code = texts
    assert ends[stepwise] <= 10
    assert ends[in_machine_code] <= 15, "its prompt waits for a slice of each other"
    assert min(ends[text] for text in long) >= 60


def test_texts_of_one_prompt_are_read_once_and_no_further_than_somebody_waits(
    monkeypatch: pytest.MonkeyPatch,
) -> None:
    model, sampler = model_in_machine_code("gru", monkeypatch)
    config = SampleConfig(max_new_tokens=30)
    alone = [model.generate(LONG_PROMPT, seed=k, max_new_tokens=30) for k in range(6)]
    requests = [
        GenerationRequest(model, encode_prompt(model.tokenizer, LONG_PROMPT), config)
        for _ in range(2)
    ]
    texts = [Text(requests[k // 3], k, None, echo=False, streamed=False) for k in range(6)]
    read_tokens: dict[object, int] = {}  # by the sampler
    read = sampler.read

    def counted(self: Any, ids: Any) -> None:
        read_tokens[self] = read_tokens.get(self, 0) + len(ids)
        read(self, ids)
        if list(read_tokens.values()) == [512, 256]:
            for text in texts[:4]:
                text.abandoned = True

    async def write() -> list[str]:
        with scheduler() as writing:
            writing.submit(texts)
            return [(await whole_text(text)).text for text in texts[4:]]

    monkeypatch.setattr(sampler, "read", counted)
    assert asyncio.run(write()) == alone[4:]
    assert list(read_tokens.values()) == [512, len(LONG_PROMPT) - 1]
    assert [text.growing.tokens for text in texts] == [0, 0, 0, 0, 30, 30]


def test_bytes_that_are_part_of_a_character_are_handed_on_with_it() -> None:
    model = small_model("rnn", ByteTokenizer())
    assert_each_is_as_alone(model, [{"temperature": 1.0}], 9)
    (piece,) = written([text_of(model, "é", 1, 1, max_new_tokens=30)])
    assert [cost.token for cost in piece.costs[:2]] == ["bytes:\\xc3", "bytes:\\xa9"]
    assert [cost.offset for cost in piece.costs[:3]] == [0, 0, 1]


def test_what_stands_after_an_ill_formed_byte_has_its_own_offset() -> None:
    model = small_model("rnn", ByteTokenizer())
    for prompt, offsets in (
        (b"\xc3a", [0, 1, 2]),
        (b"\xff\xc3\xc3\xa9b", [0, 1, 2, 2, 3, 4]),
        (b"\xe0\x80b", [0, 1, 2, 3]),
        (b"\xed\xa0b", [0, 1, 2, 3]),
        ("\ufffdb".encode(), [0, 0, 0, 1, 2]),
    ):
        ids = np.frombuffer(prompt + b".", np.uint8).astype(np.int32)
        text = Text(
            GenerationRequest(model, ids, SampleConfig(max_new_tokens=1, allow="x")),
            1, 1, echo=True, streamed=False,
        )  # fmt: skip
        (piece,) = written([text])
        assert [cost.offset for cost in piece.costs[:-1]] == offsets
        assert piece.text[:-1] == (prompt + b".").decode(errors="replace")


def starts_in(ids: Sequence[int]) -> list[bool]:
    """Whether each begins a character, as a decoding of all bytes tells; an end does."""
    starts = [not 0x80 <= token < 0xC0 for token in ids]
    begin = 0

    def note(error: UnicodeError) -> tuple[str, int]:
        assert isinstance(error, UnicodeDecodeError)
        for place in range(error.start, error.end):
            starts[begin + place] = place == error.start
        return "\ufffd", error.end

    codecs.register_error("note", note)
    for place in (*(k for k, token in enumerate(ids) if token == 256), len(ids)):
        bytes(ids[begin:place]).decode(errors="note")
        begin = place + 1
    return starts


@pytest.mark.parametrize("end", [None, "\n--\n"])
def test_offsets_are_those_of_the_whole_text_whatever_the_bytes(end: str | None) -> None:
    model = small_model("rnn", ByteTokenizer(end))
    rng = np.random.default_rng(3)
    telling = [*b"a\x80\x90\x9f\xa0\xbf\xc0\xc3\xe0\xe2\xed\xf0\xf4\xff", *([256] if end else [])]
    drawn = rng.permuted([*rng.choice(telling, 2000), *rng.integers(256, size=1000)]).tolist()
    ids = [*b"a", *drawn, *"\ud800é\U0001f600.".encode("utf-8", "surrogatepass")]
    request = GenerationRequest(
        model, np.array(ids, np.int32), SampleConfig(max_new_tokens=1, allow="x")
    )
    (piece,) = written([Text(request, 1, 1, echo=True, streamed=False)])
    found = [cost.offset for cost in piece.costs[: len(ids)]]
    begun = 0
    for token, starts, offset in zip(ids, starts_in(ids), found, strict=True):
        assert offset == (begun if starts else begun - 1)
        begun += len(end or "") if token == 256 else starts
    assert piece.text.startswith(model.tokenizer.decode(np.array(ids)))
    assert len(model.tokenizer.decode(np.array(ids))) == begun


def test_costs_are_those_of_the_model(cell: CellName) -> None:
    model = small_model(cell)
    text = text_of(model, "bad cab", 7, 3, max_new_tokens=40, temperature=0.7)
    piece, *_ = written([text, *(text_of(model, "ha", k) for k in range(3))])
    assert [cost.token for cost in piece.costs] == list(piece.text)
    assert [cost.offset for cost in piece.costs] == list(range(47))
    assert piece.costs[0].log_prob is None
    expected = model.log_probs(piece.text)
    found = [cost.log_prob for cost in piece.costs[1:]]
    np.testing.assert_allclose(np.array(found, float), expected, atol=1e-5)
    for cost in piece.costs[1:]:
        ranked = list(cost.likeliest.values())
        assert len(ranked) == 3
        assert ranked == sorted(ranked, reverse=True)
        assert ranked[0] >= (cost.log_prob or 0) - 1e-9
        assert cost.likeliest.get(cost.token, cost.log_prob) == cost.log_prob


def test_costs_end_with_the_text() -> None:
    """The tokens of a stop are no part of it."""
    model = small_model("lstm")
    text = text_of(model, "a", 1, 0, max_new_tokens=400, stop_strings=("b",), temperature=1.0)
    (piece,) = written([text])
    assert piece.finish == "stop"
    assert "".join(cost.token for cost in piece.costs) == piece.text


def test_a_text_that_nobody_waits_for_is_written_no_more() -> None:
    model = small_model("lstm")

    async def leave() -> tuple[int, int]:
        with scheduler() as writing:
            text = text_of(model, "", 1, max_new_tokens=None, stop_strings=("zzz",))
            writing.submit([text])
            await text.news()
            text.abandoned = True
            other = text_of(model, "", 2, max_new_tokens=5)
            writing.submit([other])
            await whole_text(other)
            before = text.growing.tokens
            await asyncio.sleep(0.05)
            return before, text.growing.tokens

    before, after = asyncio.run(leave())
    assert before == after


def test_those_who_leave_during_a_step_are_written_no_more(
    monkeypatch: pytest.MonkeyPatch,
) -> None:
    """Each of hundreds was, and each may have long stop strings to look for."""
    model = small_model("lstm")
    texts = [text_of(model, "", k) for k in range(20)]
    write = Text.write

    def leave(self: Text, *given: Any) -> None:
        write(self, *given)
        for text in texts:
            text.abandoned = True

    monkeypatch.setattr(Text, "write", leave)
    batch = batches.Batch(model)
    for text in texts:
        batch.join(text)
    assert batch.step() == []
    assert sum(text.growing.tokens for text in texts) == 1


def test_those_who_wait_hear_of_a_failure(
    monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str]
) -> None:
    """A mistake of ours in one turn fails the texts of that turn, and no others."""
    model = small_model("lstm")

    def broken(self: batches.Batch) -> Any:
        raise ZeroDivisionError("a mistake")

    async def fail() -> str:
        with scheduler() as writing:
            with monkeypatch.context() as patch:
                patch.setattr(batches.Batch, "step", broken)
                text = text_of(model, "", 2)
                writing.submit([text])
                with pytest.raises(ApiError, match="could not be written") as refused:
                    await whole_text(text)
                assert refused.value.status == 500
            again = text_of(model, "", 2, max_new_tokens=9)
            writing.submit([again])
            return (await whole_text(again)).text

    assert asyncio.run(fail()) == model.generate("", seed=2, max_new_tokens=9)
    assert "a mistake" in capsys.readouterr().err


def test_a_model_that_diverges_as_it_writes_is_no_mistake_of_ours(
    monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str]
) -> None:
    model = small_model("lstm")
    stepper = type(model.stepper(model.start()))
    monkeypatch.setattr(stepper, "step", lambda _, ids: np.full((len(ids), 10), np.nan))
    text = text_of(model, "a", 1)
    (piece,) = written([text])
    assert piece.finish == "failure"
    assert "predicts NaN or infinity" in text.failure
    assert capsys.readouterr().err == ""


@pytest.mark.parametrize("unit", ["character", "byte"])
@pytest.mark.parametrize("likeliest", [None, 2])
def test_a_text_ends_with_a_whole_cluster_as_it_does_alone(
    unit: str, likeliest: int | None
) -> None:
    """Flags, families and accents: beyond its length a text takes in what belongs to the last."""
    signs = CharTokenizer.from_text("\n a\u0301\u200d👨👩👧🇩🇪🏽")
    model = small_model("gru", signs if unit == "character" else ByteTokenizer())
    prompts = ["a", "👩\u200d", "🇩"]
    asked: list[tuple[str, int, dict[str, Any]]] = [
        (prompts[k % 3], k, {"max_new_tokens": 1 + k % 5, "temperature": 1.0}) for k in range(45)
    ]
    texts = [text_of(model, prompt, k, likeliest, **how) for prompt, k, how in asked]
    for (prompt, k, how), text, piece in zip(asked, texts, written(texts), strict=True):
        expected = model.generate(prompt, seed=k, **how)
        assert piece.text == (expected if likeliest is None else prompt + expected)
        if likeliest is not None:
            assert len(piece.costs) == len(text.request.prompt) + text.growing.tokens
    assert any(
        text.growing.tokens > how["max_new_tokens"]
        for text, (_, _, how) in zip(texts, asked, strict=True)
    )
