"""The API, spoken to as people do: with OpenAI's client, with JSON by hand, and with bytes."""

from __future__ import annotations

import http.client
import json
import math
import signal
import socket
import threading
import unicodedata
from concurrent.futures import ThreadPoolExecutor
from contextlib import ExitStack
from pathlib import Path
from typing import Any

import numpy as np
import openai
import pytest

import charrnn
from charrnn import ByteTokenizer, CharRNN
from charrnn.models.model import Model
from tests import commands
from tests.commands import wait_until
from tests.conftest import small_config
from tests.serving.conftest import Reply, Server, started


@pytest.fixture
def client(server: Server) -> openai.OpenAI:
    return openai.OpenAI(base_url=server.url, api_key="none", max_retries=0)


@pytest.fixture(scope="module")
def model(trained_home: Path) -> Model:
    model: Model = charrnn.load(trained_home / "checkpoints" / "verse")
    return model


def test_the_client_finds_the_models(client: openai.OpenAI) -> None:
    (found,) = client.models.list()
    assert found.id == "verse"
    assert client.models.retrieve("verse") == found
    with pytest.raises(openai.NotFoundError, match="there is no model 'prose'"):
        client.models.retrieve("prose")


def test_a_completion_is_what_generate_writes(client: openai.OpenAI, model: Model) -> None:
    found = client.completions.create(
        model="verse", prompt="the ", max_tokens=80, temperature=0.6, top_p=0.9, seed=3
    )
    expected = model.generate("the ", max_new_tokens=80, temperature=0.6, top_p=0.9, seed=3)
    (choice,) = found.choices
    assert choice.text == expected
    assert choice.finish_reason == "length"
    assert found.usage is not None
    assert (found.usage.prompt_tokens, found.usage.completion_tokens) == (4, 80)
    assert found.usage.total_tokens == 84


def test_what_is_not_given_has_the_defaults_of_generate(server: Server, model: Model) -> None:
    (choice,) = server.complete().json["choices"]
    assert choice["text"] == model.generate(seed=choice["seed"])


def test_several_prompts_and_several_texts(client: openai.OpenAI, model: Model) -> None:
    found = client.completions.create(
        model="verse", prompt=["the ", "so "], n=3, max_tokens=30, seed=5, temperature=0
    )
    assert [choice.index for choice in found.choices] == list(range(6))
    for place, choice in enumerate(found.choices):
        prompt, seed = ["the ", "so "][place // 3], 5 + place % 3
        assert choice.text == model.generate(prompt, max_new_tokens=30, seed=seed, temperature=0)


def test_after_the_largest_seed_comes_the_smallest(server: Server, model: Model) -> None:
    found = server.complete(seed=2**63 - 1, n=2, max_tokens=9).json["choices"]
    assert [choice["seed"] for choice in found] == [2**63 - 1, 0]
    assert found[1]["text"] == model.generate(max_new_tokens=9, seed=0)


def test_a_stream_is_the_same_text_in_pieces(client: openai.OpenAI, model: Model) -> None:
    parts: dict[int, list[str]] = {0: [], 1: []}
    ends, usage = {}, None
    for event in client.completions.create(
        model="verse",
        prompt="the ",
        n=2,
        max_tokens=3000,
        seed=8,
        stream=True,
        stream_options={"include_usage": True},
    ):
        for choice in event.choices:
            parts[choice.index].append(choice.text)
            ends[choice.index] = choice.finish_reason
        usage = event.usage
    for index in range(2):
        assert "".join(parts[index]) == model.generate("the ", max_new_tokens=3000, seed=8 + index)
        assert ends[index] == "length"
    assert len(parts[0]) > 3
    assert usage is not None
    assert usage.completion_tokens == 6000


def test_a_stop_ends_the_text_before_it(client: openai.OpenAI, model: Model) -> None:
    settings: dict[str, Any] = {"prompt": "the ", "max_tokens": 3000, "seed": 1}
    whole = client.completions.create(model="verse", **settings).choices[0].text
    stop = whole[40:42]
    for stream in (False, True):
        settings |= {"model": "verse", "stop": [stop, "§"], "stream": stream}
        found = client.completions.create(**settings)
        choices = [e.choices[0] for e in found] if stream else found.choices
        assert "".join(choice.text for choice in choices) == whole.partition(stop)[0]
        assert choices[-1].finish_reason == "stop"


def test_as_many_and_as_long_stops_as_are_allowed_are_looked_for(
    server: Server, model: Model
) -> None:
    whole = model.generate("the ", max_new_tokens=60, seed=1)
    longest = ["§" * 999 + chr(97 + number) for number in range(15)]
    found = server.complete(
        prompt="the ", max_tokens=60, seed=1, stop=[*longest, whole[40:42]]
    ).json["choices"]
    assert found[0]["text"] == whole.partition(whole[40:42])[0]


def test_log_probabilities_of_a_text_that_is_echoed(client: openai.OpenAI, model: Model) -> None:
    text = "the clerk"
    found = client.completions.create(
        model="verse", prompt=text, max_tokens=0, echo=True, logprobs=2
    )
    (choice,) = found.choices
    assert choice.text == text
    assert choice.logprobs is not None
    assert choice.logprobs.tokens == list(text)
    assert choice.logprobs.text_offset == list(range(9))
    assert choice.logprobs.token_logprobs is not None
    first, *others = choice.logprobs.token_logprobs
    assert first is None
    np.testing.assert_allclose(others, model.log_probs(text), atol=1e-5)
    assert choice.logprobs.top_logprobs is not None
    assert len(choice.logprobs.top_logprobs[-1]) == 2


def test_scores_are_those_of_the_model(server: Server, model: Model) -> None:
    reply = server.ask("POST", "/v1/score", {"text": "so is the sea"})
    found = reply.json
    assert "".join(found["characters"]) == "so is the sea"
    np.testing.assert_allclose(found["nats"][1:], -model.log_probs("so is the sea"), atol=1e-5)
    assert found["nats"][0] == 0, "the first is not predicted"
    assert math.isclose(found["nats_per_char"], float(np.mean(found["nats"][1:])))
    assert math.isclose(found["bits_per_char"], found["nats_per_char"] / math.log(2))


def test_the_means_of_a_model_of_bytes_are_those_of_evaluate(tmp_path: Path) -> None:
    """A first character of several bytes counted for the one, and not for the other."""
    network = CharRNN(small_config("gru", vocab_size=256))
    network.save_pretrained(tmp_path / "bytes", ByteTokenizer())
    with started(tmp_path, "bytes") as server:
        for text in ("éa", "é", "aé", "🎭 so"):
            found = server.ask("POST", "/v1/score", {"text": text}).json
            expected = charrnn.evaluate(tmp_path / "bytes", text)
            assert "".join(found["characters"]) == text
            assert math.isclose(sum(found["nats"]), expected.nats, rel_tol=1e-4)
            for name in ("nats_per_char", "bits_per_char", "perplexity"):
                assert math.isclose(found[name], getattr(expected, name), rel_tol=1e-4), name


def test_many_clients_at_once_each_get_the_text_of_their_seed(server: Server, model: Model) -> None:
    def ask(seed: int) -> str:
        body = {"prompt": "the ", "max_tokens": 20 + seed, "seed": seed}
        return str(server.complete(**body).json["choices"][0]["text"])

    with ThreadPoolExecutor(48) as clients:
        found = list(clients.map(ask, range(48)))
    for seed, text in enumerate(found):
        assert text == model.generate("the ", max_new_tokens=20 + seed, seed=seed)


WRONG: list[tuple[dict[str, Any], str]] = [
    ({"max_tokens": -1}, "max_tokens"),
    ({"max_tokens": 10_001}, "max_tokens"),
    ({"max_tokens": "many"}, "max_tokens"),
    ({"max_tokens": 2**63}, "max_tokens"),
    ({"temperature": -0.5}, "temperature"),
    ({"top_p": 0}, "top_p"),
    ({"top_p": 1.5}, "top_p"),
    ({"top_k": 0}, "top_k"),
    ({"n": 0}, "n"),
    ({"n": 513}, "n"),
    ({"prompt": ["a"] * 513}, "prompt"),
    ({"seed": -1}, "seed"),
    ({"seed": 2**63}, "seed"),
    ({"stop": [""]}, "stop[0]"),
    ({"stop": 3}, "stop"),
    ({"stop": ["a"] * 17}, "stop"),
    ({"stop": "a" * 1001}, "stop"),
    ({"stop": ["a", "b" * 1001]}, "stop[1]"),
    ({"logprobs": 21}, "logprobs"),
    ({"logprobs": 20, "n": 512, "max_tokens": 10_000}, "logprobs"),
    ({"logprobs": 20, "prompt": ["the "] * 12, "echo": True, "max_tokens": 9999}, "logprobs"),
    ({"prompt": []}, "prompt"),
    ({"prompt": ["a", 3]}, "prompt[1]"),
    ({"prompt": "x" * 10_001}, "prompt"),
    ({"prompt": "Ω"}, "prompt"),
    ({"best_of": 2}, "best_of"),
    ({"presence_penalty": 0.5}, "presence_penalty"),
    ({"tempreature": 1}, "tempreature"),
    ({"stream_options": {"usage": True}}, "stream_options.usage"),
    ({"unknown": "guess"}, "unknown"),
]


@pytest.mark.parametrize(("body", "field"), WRONG, ids=lambda value: str(value)[:40])
def test_a_wrong_field_is_named(server: Server, body: dict[str, Any], field: str) -> None:
    reply = server.complete(**body)
    assert reply.status == 422
    error = reply.json["error"]
    assert error["type"] == "invalid_request_error"
    assert error["param"] == field
    assert error["message"].startswith(f"{field}: ")


@pytest.mark.parametrize("number", ["1e999", "-1e999", "9" * 400])
def test_a_temperature_that_is_no_number_of_64_bits_is_refused(server: Server, number: str) -> None:
    reply = server.ask("POST", "/v1/completions", f'{{"temperature": {number}}}'.encode())
    assert (reply.status, reply.json["error"]["param"]) == (422, "temperature")


def test_a_temperature_may_be_as_high_as_it_likes(server: Server, model: Model) -> None:
    for temperature in (101, 1e308):
        found = server.complete(max_tokens=20, temperature=temperature, seed=1).json["choices"]
        expected = model.generate(max_new_tokens=20, temperature=temperature, seed=1)
        assert found[0]["text"] == expected


def test_values_that_change_nothing_are_taken(server: Server) -> None:
    reply = server.complete(
        max_tokens=1, best_of=1, presence_penalty=0, frequency_penalty=0.0, logit_bias={}, user="me"
    )
    assert reply.status == 200


def test_unknown_characters_can_be_skipped(server: Server, model: Model) -> None:
    found = server.complete(prompt="Ωthe", unknown="skip", echo=True, max_tokens=9, seed=1).json
    assert found["choices"][0]["text"] == "the" + model.generate("the", max_new_tokens=9, seed=1)


def test_what_a_model_does_not_know_is_told_of_what_was_sent(names_server: Server) -> None:
    """A text to score was called a prompt, and one character "them"."""
    for sent, found in (
        ("ag\nb", "the text has a line end, where records of this model end"),
        ("bgΩ", "the model does not know a character of the text: 'Ω' (U+03A9)"),
    ):
        for field, path in (("text", "score"), ("prompt", "completions")):
            reply = names_server.ask("POST", f"/v1/{path}", {field: sent})
            advice = 'leave that out, or send "unknown": "skip" or "replace"'
            assert reply.json["error"]["message"] == f"{field}: {found}; {advice}"


def test_what_is_skipped_whole_is_neither_shown_nor_counted_nor_scored(
    server: Server, model: Model
) -> None:
    """The line end after which a text without a prompt is read was taken for what was sent."""
    wish: dict[str, Any] = {"unknown": "skip", "max_tokens": 9, "seed": 1, "logprobs": 1}
    for sent, read in (("ΩΩ", 0), ("Ωthe", 3), ("", 0)):
        found = server.complete(prompt=sent, echo=True, **wish).json
        (choice,) = found["choices"]
        text = model.generate(sent[1:] if read else "", max_new_tokens=9, seed=1)
        assert (
            choice["text"] == "".join(choice["logprobs"]["tokens"]) == sent[1:] * (read > 0) + text
        )
        assert found["usage"]["prompt_tokens"] == read
    reply = server.ask("POST", "/v1/score", {"text": "ΩΩ", "unknown": "skip"})
    assert (reply.status, reply.json["error"]["param"]) == (422, "text")
    assert "no text to score" in reply.json["error"]["message"]


@pytest.mark.parametrize(
    ("method", "path", "body", "status", "code"),
    [
        ("POST", "/v1/completions", b'{"max_tokens": 5', 400, "invalid_json"),
        ("POST", "/v1/completions", b'{"prompt": "\\ud800"}', 400, "invalid_json"),
        ("POST", "/v1/completions", b"\xff\xfe", 400, "invalid_json"),
        ("POST", "/v1/completions", b"[" * 100_000, 422, "unprocessable_entity"),
        ("POST", "/v1/completions", b'{"prompt": ' + b"[" * 100_000, 422, "unprocessable_entity"),
        ("POST", "/v1/completions", b'{"model": "other"}', 404, "model_not_found"),
        ("POST", "/v1/completions", b'{"model": "../verse"}', 404, "model_not_found"),
        ("POST", "/v1/score", b"{}", 422, "unprocessable_entity"),
        ("POST", "/v1/score", b'{"text": ""}', 422, "unprocessable_entity"),
        ("POST", "/v1/completions", b" " * 1_000_001, 413, "body_too_large"),
        ("GET", "/v1/completions", b"", 405, "method_not_allowed"),
        ("POST", "/v1/chat/completions", b"{}", 404, "not_found"),
        ("GET", "/../../etc/passwd", b"", 404, "not_found"),
        ("POST", "/v1/score/", b'{"text": "a"}', 404, "not_found"),
        ("POST", "/v1/completions/", b"{}", 404, "not_found"),
        ("GET", "/health/", b"", 404, "not_found"),
        ("GET", "/v1/models/", b"", 404, "model_not_found"),
    ],
)
def test_what_is_refused(
    server: Server, method: str, path: str, body: bytes, status: int, code: str
) -> None:
    reply = server.ask(method, path, body)
    assert (reply.status, reply.json["error"]["code"]) == (status, code)
    assert reply.headers["content-type"] == "application/json"
    assert reply.headers.get("allow") == ("POST" if status == 405 else None)


@pytest.mark.parametrize("prompt", [rb"\ud83d", rb"so \ud83d it", rb"\ude00", b"\xed\xa0\xbd"])
def test_half_a_character_is_told_as_what_it_is(server: Server, prompt: bytes) -> None:
    """It was "not JSON: Input data was truncated"."""
    reply = server.ask("POST", "/v1/completions", b'{"prompt": "' + prompt + b'"}')
    assert (reply.status, reply.json["error"]["code"]) == (400, "invalid_json")
    assert "half a character (a lone surrogate)" in reply.json["error"]["message"]
    cut = server.ask("POST", "/v1/completions", b'{"prompt": "' + prompt)
    assert "not JSON" in cut.json["error"]["message"]


def test_a_body_without_a_length_is_limited_too(server: Server) -> None:
    with socket.create_connection(("127.0.0.1", server.port), timeout=30) as sending:
        head = b"POST /v1/score HTTP/1.1\r\nHost: localhost\r\nTransfer-Encoding: chunked\r\n\r\n"
        sending.sendall(head)
        try:
            for _ in range(300):
                sending.sendall(b"10000\r\n" + b" " * 0x10000 + b"\r\n")
        except OSError:
            pass  # it has closed the connection
        else:
            pytest.fail("20 MB were taken")


ENDLESS: dict[str, Any] = {"max_tokens": 9_999_999, "temperature": 0.5, "top_p": 0.999}


def test_places_are_limited_and_one_that_is_left_is_free_again(trained_home: Path) -> None:
    with started(trained_home, "--max-texts", 2, "--max-length", 9_999_999) as server:
        client = openai.OpenAI(base_url=server.url, api_key="none", max_retries=0)
        streams = [
            client.completions.create(model="verse", prompt="t", stream=True, **ENDLESS)
            for _ in "12"
        ]
        for stream in streams:
            next(iter(stream))
        refused = server.complete(max_tokens=1)
        assert refused.status == 429
        assert refused.headers["retry-after"] == "1"
        assert refused.json["error"]["type"] == "rate_limit_error"
        assert "2 of 2 places are taken, and this takes 1" in refused.json["error"]["message"]
        streams[0].close()  # the client leaves
        assert _with_a_place(server, max_tokens=1).status == 200
        streams[1].close()
        assert _with_a_place(server, max_tokens=1, n=2).status == 200
        code, said = server.end()
        assert (code, said) == (130, "")


def test_log_probabilities_are_limited_in_all_and_are_free_again(trained_home: Path) -> None:
    """A few small requests took gigabytes of memory."""
    with started(trained_home, "--max-length", 200_000) as server:
        client = openai.OpenAI(base_url=server.url, api_key="none", max_retries=0)
        long = client.completions.create(
            model="verse", prompt="t", stream=True, max_tokens=200_000, logprobs=11
        )
        next(iter(long))
        more: dict[str, Any] = {"max_tokens": 9000, "logprobs": 20, "stop": [" ", "e", "\n"]}
        refused = server.complete(**more)
        assert refused.status == 429
        assert refused.headers["retry-after"] == "1"
        assert "busy with other log-probabilities" in refused.json["error"]["message"]
        scored = server.ask("POST", "/v1/score", {"text": "t" * 150_000})
        assert scored.status == 429
        assert server.complete(max_tokens=9).status == 200
        long.close()
        assert _with_a_place(server, **more).status == 200
        assert server.end() == (130, "")


def _with_a_place(server: Server, **body: Any) -> Reply:
    """The answer, once there is a place."""
    replies: list[Reply] = []

    def has_place() -> bool:
        replies.append(server.complete(**body))
        return replies[-1].status != 429

    wait_until(has_place, server.process)
    return replies[-1]


def test_a_text_ends_after_so_many_seconds(trained_home: Path) -> None:
    limits = ("--max-texts", 1, "--max-length", 9_999_999, "--max-seconds", 1)
    with started(trained_home, *limits) as server:
        client = openai.OpenAI(base_url=server.url, api_key="none", max_retries=0)
        with pytest.raises(openai.APIConnectionError):
            list(client.completions.create(model="verse", prompt="t", stream=True, **ENDLESS))
        reply = _with_a_place(server, **ENDLESS)
        assert (reply.status, reply.json["error"]["code"]) == (504, "timeout")
        code, said = server.end()
        assert (code, said) == (130, "")


def test_a_slow_reader_holds_nobody_up(server: Server, model: Model) -> None:
    head = b"POST /v1/completions HTTP/1.1\r\nHost: localhost\r\nContent-Length: %d\r\n\r\n"
    body = json.dumps({"max_tokens": 10_000, "stream": True, "n": 40, "logprobs": 5}).encode()
    with socket.create_connection(("127.0.0.1", server.port), timeout=30) as slow:
        slow.setsockopt(socket.SOL_SOCKET, socket.SO_RCVBUF, 4096)
        slow.sendall(head % len(body) + body)
        assert slow.recv(10), "it has begun"
        for seed in range(3):
            found = server.complete(max_tokens=30, seed=seed).json
            assert found["choices"][0]["text"] == model.generate(max_new_tokens=30, seed=seed)


def test_ctrl_c_lets_texts_be_finished(trained_home: Path, model: Model) -> None:
    with started(trained_home, "verse", "--max-length", 20_000) as server:
        client = openai.OpenAI(base_url=server.url, api_key="none", max_retries=0)
        stream = client.completions.create(
            model="verse", prompt="the ", max_tokens=1000, top_p=0.99, seed=4, stream=True
        )
        parts = [next(iter(stream)).choices[0].text]
        ending: list[tuple[int, str]] = []
        thread = threading.Thread(target=lambda: ending.append(server.end()))
        thread.start()
        parts += [event.choices[0].text for event in stream if event.choices]
        thread.join()
        assert "".join(parts) == model.generate("the ", max_new_tokens=1000, top_p=0.99, seed=4)
        assert ending == [(130, "")]


def _takes_connections(server: Server) -> bool:
    try:
        socket.create_connection(("127.0.0.1", server.port), timeout=30).close()
    except ConnectionError:
        return False
    return True


def test_what_a_request_leaves_open_fits_the_limits_of_the_server(trained_home: Path) -> None:
    with started(trained_home, "verse", "--max-length", 20) as server:
        client = openai.OpenAI(base_url=server.url, api_key="none", max_retries=0)
        found = client.completions.create(model="verse", prompt="t")
        assert len(found.choices[0].text) == 20


def test_a_second_ctrl_c_ends_at_once(trained_home: Path) -> None:
    with started(trained_home, "verse", "--max-length", 9_999_999) as server:
        client = openai.OpenAI(base_url=server.url, api_key="none", max_retries=0)
        stream = client.completions.create(model="verse", prompt="t", stream=True, **ENDLESS)
        next(iter(stream))
        server.process.send_signal(signal.SIGINT)
        wait_until(lambda: not _takes_connections(server), server.process)  # it has heard it
        assert server.end() == (130, "")


def test_a_port_that_is_taken_and_a_model_that_is_missing(
    server: Server, home: Path, trained_home: Path
) -> None:
    done = commands.run_here(home, "serve", "--port", server.port)
    commands.refused(done, 73, "choose another --port")
    assert "while attempting" not in done.stderr
    done = commands.run_here(home, "serve", *commands.NOWHERE)
    commands.refused(done, 73, "choose another --host")
    commands.refused(commands.run_here(home, "serve", "nothing", *commands.NOWHERE), 66, "nothing")
    two = ("checkpoints/verse", trained_home / "checkpoints/verse")
    done = commands.run_here(home, "serve", *two, *commands.NOWHERE)
    commands.refused(done, 2, "both be served as verse")


def test_a_model_is_served_under_the_name_that_its_user_gave(home: Path) -> None:
    (home / "best").symlink_to("checkpoints/verse")
    with started(home, "best", "verse") as server:
        assert {one["id"] for one in server.ask("GET", "/v1/models").json["data"]} == {
            "best",
            "verse",
        }
        assert server.complete(model="best", max_tokens=1).status == 200
        server.end()


def test_a_model_that_is_damaged_ends_the_server(home: Path) -> None:
    weights = home / "checkpoints/verse/model.safetensors"
    weights.write_bytes(weights.read_bytes()[:-5])
    done = commands.run(home, "serve", "verse", "--port", 0)
    assert done.returncode == 65
    assert "expected" in done.stderr
    assert "Traceback" not in done.stderr


def test_an_open_door_is_said(trained_home: Path) -> None:
    any_address = ("--host", "0.0.0.0")  # noqa: S104
    process = commands.start(trained_home, "serve", "--port", 0, *any_address)
    assert process.stderr is not None
    process.stderr.readline()
    assert "no --api-key" in process.stderr.readline().decode()
    process.terminate()
    process.communicate()
    assert process.returncode == -15


def test_a_record_ends_by_itself_and_is_scored_with_its_end(
    names: Path, names_server: Server
) -> None:
    for name in ("names", "bytes"):
        model = charrnn.load(names / name)
        reply = names_server.complete(model=name, prompt="b", n=4, seed=3).json
        for k, choice in enumerate(reply["choices"]):
            assert choice["text"] == model.generate("b", seed=3 + k)
            assert choice["finish_reason"] == "stop"
        assert reply["usage"]["prompt_tokens"] == 1
        (short,) = names_server.complete(model=name, prompt="b", max_tokens=0).json["choices"]
        assert (short["text"], short["finish_reason"]) == ("", "length")

        (echoed,) = names_server.complete(
            model=name, prompt="bf", max_tokens=0, echo=True, logprobs=20
        ).json["choices"]
        assert echoed["text"] == "bf"
        found = echoed["logprobs"]
        np.testing.assert_allclose(found["token_logprobs"], model.log_probs("bf")[:2], atol=1e-5)
        assert "" in found["top_logprobs"][1], "the end of a record"

        (whole,) = names_server.complete(model=name, prompt="b", seed=3, logprobs=1).json["choices"]
        assert "".join(whole["logprobs"]["tokens"]) == whole["text"]
        assert whole["logprobs"]["tokens"][-1] == "", "its end"
        np.testing.assert_allclose(
            whole["logprobs"]["token_logprobs"],
            model.log_probs("b" + whole["text"])[model.tokenizer.encode("b").size :],
            atol=1e-4,
        )

        score = names_server.ask("POST", "/v1/score", {"model": name, "text": "äf"}).json
        assert "".join(score["characters"]) == "\näf\n"
        costs = -model.log_probs("äf")
        assert score["nats"][0] == 0
        assert math.isclose(sum(score["nats"]), float(costs.sum()), abs_tol=1e-4)
    served = names_server.ask("GET", "/v1/models").json["data"][0]
    assert (served["records"], served["end"]) == ("lines", "\n")


def test_half_a_character_is_not_shown_but_has_its_cost(names_server: Server) -> None:
    """A byte that the end of the record follows, where the length is full."""
    reply = names_server.complete(model="bytes", max_tokens=1, logprobs=20, n=128, seed=3).json
    choices = reply["choices"]
    again = [
        names_server.complete(model="bytes", max_tokens=1, logprobs=1, seed=choice["seed"]).json
        for choice in choices
    ]
    for choice in choices:
        found = choice["logprobs"]
        assert found["tokens"]
        assert len(found["top_logprobs"][0]) == 20
    assert (
        sum(len(choice["logprobs"]["tokens"]) for choice in choices)
        == (reply["usage"]["completion_tokens"])
    )
    halves = [choice["logprobs"]["tokens"] for choice in choices if not choice["text"]]
    assert ["bytes:\\xc3"] in halves
    alone = [one["choices"][0]["logprobs"]["tokens"] for one in again]
    assert alone == [choice["logprobs"]["tokens"] for choice in choices]


def test_a_stop_in_another_normal_form_ends_the_text(names: Path) -> None:
    model = charrnn.load(names / "names")
    seed = next(seed for seed in range(99) if "ä" in model.generate(seed=seed))
    with started(names, "names") as server:  # which says that it reads another form
        for stop in ("ä", unicodedata.normalize("NFD", "ä")):
            (choice,) = server.complete(seed=seed, stop=stop).json["choices"]
            assert choice["text"] == model.generate(seed=seed, stop_strings=("ä",))
            assert choice["finish_reason"] == "stop"
            assert "ä" not in choice["text"]


@pytest.mark.parametrize("sent", [b"HELO there\r\n\r\n", b"G" * 100_000, b"G" * 10_000_000])
def test_what_is_no_request_is_refused_as_the_rest_is(server: Server, sent: bytes) -> None:
    with socket.create_connection(("127.0.0.1", server.port), timeout=30) as connection:
        connection.sendall(sent)
        answer = http.client.HTTPResponse(connection)
        answer.begin()
        assert (answer.status, answer.getheader("Content-Type")) == (400, "application/json")
        assert json.loads(answer.read())["error"]["code"] == "invalid_http"
        assert connection.recv(1) == b"", "and the connection is over"


def test_connections_are_limited_and_one_that_ends_is_free_again(trained_home: Path) -> None:
    with started(trained_home, "verse", "--max-texts", 1) as server, ExitStack() as stack:
        address = ("127.0.0.1", server.port)
        taken = [stack.enter_context(socket.create_connection(address)) for _ in range(257)]
        refused = server.ask("GET", "/health")
        assert refused.status == 503
        assert refused.json["error"]["code"] == "busy"
        assert (refused.headers["retry-after"], refused.headers["connection"]) == ("1", "close")
        for connection in taken[:2]:
            connection.close()
        wait_until(lambda: server.ask("GET", "/health").status != 503, server.process)
