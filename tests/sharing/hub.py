"""A hub on this machine: the endpoints of the Hugging Face hub that charrnn uses, in memory.

with Hub() as hub:
    hub.environment    # what leads `huggingface_hub` here
"""

from __future__ import annotations

import base64
import hashlib
import json
import threading
from collections.abc import Collection
from http.server import BaseHTTPRequestHandler, ThreadingHTTPServer
from typing import Any, Self
from urllib.parse import unquote, urlsplit

__all__ = ["TOKEN", "Hub", "Repository"]

TOKEN = "hf_thetokenoftheowner"  # noqa: S105


class Repository:
    """One repository with one branch, and all its commits."""

    def __init__(self, *, private: bool, gated: bool = False) -> None:
        self.private = private
        self.gated = gated
        self.commits: dict[str, dict[str, bytes]] = {}
        self.meanwhile: dict[str, bytes] = {}  # what somebody else commits while files are sent
        self.commit({})

    def commit(self, files: dict[str, bytes], gone: Collection[str] = ()) -> str:
        found = (list(self.commits.values()) or [{}])[-1] | files
        found = {name: data for name, data in found.items() if name not in gone}
        sha = hashlib.sha1(repr((len(self.commits), sorted(found.items()))).encode()).hexdigest()  # noqa: S324
        self.commits[sha] = found
        return sha

    @property
    def newest(self) -> str:
        return list(self.commits)[-1]

    @property
    def files(self) -> dict[str, bytes]:
        return self.commits[self.newest]


class Hub:
    """The hub, and what it was asked."""

    def __init__(self) -> None:
        self.repositories: dict[tuple[str, str], Repository] = {}  # by kind and OWNER/NAME
        self.asked: list[str] = []
        hub = self

        class Handler(_Handler):
            pass

        Handler.hub = hub
        self.server = ThreadingHTTPServer(("127.0.0.1", 0), Handler)

    @property
    def url(self) -> str:
        return f"http://127.0.0.1:{self.server.server_port}"

    def environment(self, token: str | None = TOKEN) -> dict[str, str]:
        return {"HF_ENDPOINT": self.url} | ({} if token is None else {"HF_TOKEN": token})

    def __enter__(self) -> Self:
        threading.Thread(target=self.server.serve_forever, args=(0.01,), daemon=True).start()
        return self

    def __exit__(self, *_: object) -> None:
        self.server.shutdown()
        self.server.server_close()


class _RefusedError(Exception):
    def __init__(self, status: int, code: str = "", message: str = "", url: str = "") -> None:
        super().__init__(status, code, message)
        self.status, self.code = status, code
        self.message, self.url = message, url


class _Handler(BaseHTTPRequestHandler):
    hub: Hub
    protocol_version = "HTTP/1.1"

    def log_message(self, *_: object) -> None:
        pass

    def do_HEAD(self) -> None:
        self._answer()

    def do_GET(self) -> None:
        self._answer()

    def do_POST(self) -> None:
        self._answer()

    def _answer(self) -> None:
        path = unquote(urlsplit(self.path).path)
        self.hub.asked.append(f"{self.command} {path}")
        body = self.rfile.read(int(self.headers.get("Content-Length", 0)))
        try:
            data, headers = self._found(path, body)
            status = 200
        except _RefusedError as error:
            headers = {"X-Error-Code": error.code, "X-Error-Message": error.message}
            data, status = (
                json.dumps(
                    {
                        "error": error.message,
                        "errors": [{"message": error.message}],
                        "url": error.url,
                    }
                ).encode(),
                error.status,
            )
        self.send_response(status)
        for name, value in headers.items():
            self.send_header(name, value)
        self.send_header("Content-Length", str(len(data)))
        self.end_headers()
        if self.command != "HEAD":
            self.wfile.write(data)

    def _found(self, path: str, body: bytes) -> tuple[bytes, dict[str, str]]:
        token = self.headers.get("Authorization", "").removeprefix("Bearer ")
        if token not in ("", TOKEN):
            raise _RefusedError(401, "", "Invalid credentials in Authorization header")
        parts = path.strip("/").split("/")
        if parts[0] != "api":
            return self._file(parts, token)
        if path == "/api/repos/create":
            return self._create(json.loads(body), token)
        if path == "/api/validate-yaml":
            if "license: none-such" in json.loads(body)["content"]:
                raise _RefusedError(400, "", '"license" must be one of [apache-2.0, mit]')
            return b"{}", {}
        kind, name, rest = parts[1].rstrip("s"), "/".join(parts[2:4]), parts[4:]
        repository = self._repository(kind, name, token)
        if rest[:1] == ["preupload"]:
            files = [f["path"] for f in json.loads(body)["files"]]
            modes = [{"path": p, "uploadMode": "regular", "shouldIgnore": False} for p in files]
            return self._json({"files": modes})
        if rest[:1] == ["commit"]:
            return self._commit(repository, name, body)
        revision = rest[1] if len(rest) > 1 else "main"
        if revision not in ("main", *repository.commits):
            raise _RefusedError(404, "RevisionNotFound", "Invalid rev id")
        sha = repository.newest if revision == "main" else revision
        if rest[:1] == ["tree"]:
            entries = [
                {"type": "file", "path": p, "size": len(data), "oid": _oid(data)}
                for p, data in repository.commits[sha].items()
            ]
            return self._json(entries)
        gated = "manual" if repository.gated else False
        facts = {"id": name, "sha": sha, "private": repository.private, "gated": gated}
        siblings = [{"rfilename": p} for p in repository.commits[sha]]
        return self._json(facts | {"siblings": siblings, "tags": [], "downloads": 0, "likes": 0})

    def _repository(self, kind: str, name: str, token: str) -> Repository:
        found = self.hub.repositories.get((kind, name))
        if found is None or (found.private and token != TOKEN):
            raise _RefusedError(404 if token else 401, "RepoNotFound", "Repository not found")
        return found

    def _create(self, given: dict[str, Any], token: str) -> tuple[bytes, dict[str, str]]:
        if token != TOKEN:
            raise _RefusedError(401, "", "Invalid username or password.")
        kind, name = given.get("type", "model"), f"{given['organization']}/{given['name']}"
        prefix = "spaces/" if kind == "space" else ""
        url = f"{self.hub.url}/{prefix}{name}"
        if (kind, name) in self.hub.repositories:
            raise _RefusedError(409, "", "You already created this repo", url)
        private = given.get("visibility") == "private"
        self.hub.repositories[kind, name] = Repository(private=private)
        return self._json({"url": url, "id": name})

    def _commit(
        self, repository: Repository, name: str, body: bytes
    ) -> tuple[bytes, dict[str, str]]:
        lines = [json.loads(line) for line in body.splitlines()]
        if repository.meanwhile:
            repository.commit(repository.meanwhile)
        if lines[0]["value"].get("parentCommit", repository.newest) != repository.newest:
            raise _RefusedError(
                412, "", "A commit has happened since. Please refresh and try again."
            )
        gone = [line["value"]["path"] for line in lines if line["key"] == "deletedFile"]
        files = {
            line["value"]["path"]: base64.b64decode(line["value"]["content"])
            for line in lines
            if line["key"] == "file"
        }
        sha = repository.commit(files, gone)
        url = f"{self.hub.url}/{name}/commit/{sha}"
        return self._json({"success": True, "commitOid": sha, "commitUrl": url})

    def _file(self, parts: list[str], token: str) -> tuple[bytes, dict[str, str]]:
        kind, parts = ("space", parts[1:]) if parts[0] == "spaces" else ("model", parts)
        name, sha, path = "/".join(parts[:2]), parts[3], "/".join(parts[4:])
        repository = self._repository(kind, name, token)
        if repository.gated:
            raise _RefusedError(403, "GatedRepo", "Access to this model is restricted")
        data = repository.commits[sha].get(path)
        if data is None:
            raise _RefusedError(404, "EntryNotFound", "Entry not found")
        return data, {"ETag": f'"{_oid(data)}"', "X-Repo-Commit": sha}

    def _json(self, value: Any) -> tuple[bytes, dict[str, str]]:
        return json.dumps(value).encode(), {"Content-Type": "application/json"}


def _oid(data: bytes) -> str:
    """What git calls a file with this content."""
    return hashlib.sha1(b"blob %d\0" % len(data) + data).hexdigest()  # noqa: S324
