"""Who may ask a server: by the names that a request uses, the page that it comes from, and keys."""

from __future__ import annotations

from pathlib import Path

import openai
import pytest

from charrnn.use_config import ServeConfig
from tests import commands
from tests.serving.conftest import Server, started


@pytest.mark.parametrize("host", ["evil.example", "evil.example:80", "127.0.0.1.evil.example", ""])
def test_a_name_that_is_not_this_machine_s_is_refused(server: Server, host: str) -> None:
    """A page whose name was made to lead here (DNS rebinding) sends its own name."""
    reply = server.ask("GET", "/v1/models", Host=host)
    assert (reply.status, reply.json["error"]["code"]) == (403, "host_not_allowed")


@pytest.mark.parametrize("host", ["localhost", "LOCALHOST:1", "127.0.0.1:80", "[::1]:8765"])
def test_names_of_this_machine_are_taken(server: Server, host: str) -> None:
    assert server.ask("GET", "/v1/models", Host=host).status == 200


@pytest.mark.parametrize("origin", ["https://evil.example", "null"])
def test_pages_of_others_are_refused(server: Server, origin: str) -> None:
    reply = server.ask("POST", "/v1/completions", {"max_tokens": 1}, Origin=origin)
    assert reply.status == 403
    assert "access-control-allow-origin" not in reply.headers
    own = server.ask("GET", "/v1/models", Origin=f"http://127.0.0.1:{server.port}")
    assert own.status == 200


def test_the_page_behind_a_proxy_with_tls(trained_home: Path) -> None:
    """It passes the Host on; the origin of the page is then of `https`."""
    with started(trained_home, "verse", "--allow-host", "box.lan") as server:
        body = {"max_tokens": 1}
        for host in ("box.lan", "Box.lan:8443"):
            sent = {"Host": host, "Origin": f"https://{host.lower()}"}
            assert server.ask("POST", "/v1/completions", body, **sent).status == 200
        for host, origin in (
            ("box.lan", "https://box.lan:8443"),
            ("box.lan", "https://evil.example"),
            ("evil.example", "https://evil.example"),
        ):
            sent = {"Host": host, "Origin": origin}
            assert server.ask("POST", "/v1/completions", body, **sent).status == 403


def test_a_key_an_origin_and_a_name_that_are_allowed(trained_home: Path) -> None:
    allowed = ("--allow-origin", "https://a.example", "--allow-host", "box.lan")
    with started(trained_home, "--api-key", "s3cret", *allowed) as server:
        for wrong in ({}, {"Authorization": "Bearer s3cre"}, {"Authorization": "Bearer é"}):
            reply = server.ask("GET", "/v1/models", **{k: v.encode() for k, v in wrong.items()})  # type: ignore[arg-type]
            assert (reply.status, reply.json["error"]["code"]) == (401, "invalid_api_key")
        wrong_key = openai.OpenAI(base_url=server.url, api_key="wrong", max_retries=0)
        with wrong_key, pytest.raises(openai.AuthenticationError):
            wrong_key.models.list()
        right = {"Authorization": "Bearer s3cret"}
        reply = server.ask("GET", "/v1/models", Host="box.lan:80", **right)
        assert reply.status == 200
        assert server.ask("GET", "/v1/models", Authorization="bearer s3cret").status == 200
        assert server.ask("GET", "/health").status == 200
        preflight = {"Access_Control_Request_Method": "POST", "Origin": "https://a.example"}
        reply = server.ask("OPTIONS", "/v1/completions", **preflight)
        assert reply.status == 200
        assert reply.headers["access-control-allow-origin"] == "https://a.example"
        sent = "authorization,content-type,x-stainless-os"  # by OpenAI's client
        preflight["Access_Control_Request_Headers"] = sent
        reply = server.ask("OPTIONS", "/v1/completions", **preflight)
        assert (reply.status, reply.headers["access-control-allow-headers"]) == (200, sent)
        preflight["Access_Control_Request_Private_Network"] = "true"  # by Chrome, for this machine
        reply = server.ask("OPTIONS", "/v1/completions", **preflight)
        assert (reply.status, reply.headers["access-control-allow-private-network"]) == (
            200,
            "true",
        )
        reply = server.ask(
            "OPTIONS", "/v1/completions", **preflight | {"Origin": "https://b.example"}
        )
        assert reply.status == 400
        assert "access-control-allow-origin" not in reply.headers
        for key, status in ((right, 200), ({}, 401)):  # a page may read why it is refused
            reply = server.ask("GET", "/v1/models", Origin="https://a.example", **key)
            assert reply.status == status
            assert reply.headers["access-control-allow-origin"] == "https://a.example"
            assert reply.headers["access-control-expose-headers"] == "Retry-After"
        other = server.ask("GET", "/v1/models", Origin="https://b.example", **right)
        assert (other.status, other.json["error"]["code"]) == (403, "origin_not_allowed")
        assert "access-control-allow-origin" not in other.headers


ORIGINS = (
    *("https://a.example/", "https://A.example", "https://a.example:443", "http://a.example:80"),
    *("http://bücher.example:81", "a.example", "https://*.example", "http://a:b", "http://a b", ""),
)
HOSTS = (
    "box.lan:8765",
    "http://box.lan/",
    "bücher.lan",
    "*.lan",
    "",
    "box ",
    "a b",
    "::1",
    "[::1]",
)


@pytest.mark.parametrize(
    ("option", "value"),
    [
        *(("--allow-origin", value) for value in ORIGINS),
        *(("--allow-host", value) for value in HOSTS),
    ],
)
def test_names_that_no_request_would_have_are_refused_when_the_server_starts(
    home: Path, option: str, value: str
) -> None:
    done = commands.run_here(home, "serve", "verse", *commands.NOWHERE, option, value)
    commands.refused(done, 2, f"charrnn: {option} is {value!r}, which ", "such as ")


@pytest.mark.parametrize(
    "origin",
    ["*", "null", "https://a.example", "http://a.example:443", "http://[::1]:3000", "app://notes"],
)
def test_origins_as_browsers_send_them_are_taken(origin: str) -> None:
    assert ServeConfig(allow_origin=(origin,)).allow_origin == (origin,)


@pytest.mark.parametrize("key", ["clé", " key", "key ", "k\ney"])
def test_a_key_that_clients_cannot_send_is_refused_when_the_server_starts(
    key: str, home: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    """Some send é as UTF-8, some as Latin-1, and OpenAI's client not at all."""
    serve = ("serve", "verse", *commands.NOWHERE)
    found = "charrnn: --api-key holds what not all clients can send"
    commands.refused(commands.run_here(home, *serve, "--api-key", key), 2, found)
    monkeypatch.setenv("CHARRNN_API_KEY", key)
    commands.refused(commands.run_here(home, *serve), 2, found)
