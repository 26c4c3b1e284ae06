"""The examples of docs/sharing.md that need a server, a hub or another program."""

from __future__ import annotations

import json
import os
import re
import shutil
import subprocess
import sys
from pathlib import Path

import pytest

from tests.serving.conftest import started
from tests.sharing.hub import Hub
from tests.sharing.test_llm_models import ROOT, installed, run

__all__ = ["installed"]

PAGE = (ROOT / "docs" / "sharing.md").read_text("utf-8")
SHOWN = re.findall(r"^(?:\$|   ) ((?:curl|llm|charrnn) .*)$", PAGE, re.MULTILINE)
CODE = re.findall(r"```py\n(.*?)```", PAGE, re.DOTALL)


@pytest.fixture
def desk(home: Path) -> Path:
    (home / "checkpoints" / "verse").rename(home / "checkpoints" / "book")
    return home


def brief(example: str) -> str:
    """The model knows few capitals."""
    return example.replace("It was", "it is")


def python(cwd: Path, code: str, **environment: str) -> str:
    done = subprocess.run(
        [sys.executable, "-c", code],
        cwd=cwd,
        env=os.environ | environment,
        capture_output=True,
        text=True,
        timeout=120,
    )
    assert done.returncode == 0, done.stderr
    return done.stdout


def test_the_server_answers_as_the_page_shows(desk: Path) -> None:
    (serve,) = [line for line in SHOWN if line.startswith("charrnn serve")]
    curls = [line for line in SHOWN if line.startswith("curl")]
    assert len(curls) == 6
    if not shutil.which("curl"):
        pytest.skip("Debian's package curl is not installed")
    with started(desk, *serve.split()[2:]) as server:
        found = []
        for line in curls:
            command = brief(line).replace("8765", str(server.port))
            done = subprocess.run(
                ["bash", "-c", command], capture_output=True, text=True, timeout=120, check=True
            )
            found.append(done.stdout)
        text = json.loads(found[0])["choices"][0]["text"]
        assert len(text) == 60
        assert found[1].endswith("data: [DONE]\n\n")
        assert len(json.loads(found[2])["nats"]) == len("it is mine")
        assert json.loads(found[3])["data"][0]["id"] == "book"
        assert json.loads(found[4]) == json.loads(found[3])["data"][0]
        assert json.loads(found[5]) == {"status": "ok"}
        (client,) = [code for code in CODE if "openai" in code]
        shown = python(desk, brief(client).replace("8765", str(server.port)))
        assert shown == text + "\n"


@pytest.mark.slow
def test_the_hub_is_reached_as_the_page_shows(desk: Path) -> None:
    commands = [line.split("  #")[0] for line in SHOWN if "OWNER/NAME" in line]
    assert len(commands) == 2
    with Hub() as hub:
        environment = {"HF_HOME": str(desk / "cache")} | hub.environment()
        for command in commands:
            line = brief(command).replace("OWNER/NAME", "ann/book")
            done = subprocess.run(
                ["bash", "-c", line.replace("charrnn", f"{sys.executable} -m charrnn", 1)],
                cwd=desk,
                env=os.environ | environment,
                capture_output=True,
                text=True,
                timeout=120,
            )
            assert done.returncode == 0, done.stderr
            assert len(done.stdout) > 10
        (code,) = [code for code in CODE if "hf://" in code]
        code = code.replace("OWNER/NAME", "ann/book")
        assert "hf://ann/book" in python(
            desk, f"import charrnn\n{code}\nprint(model)", **environment
        )


@pytest.mark.slow
def test_llm_writes_as_the_page_shows(installed: Path, desk: Path) -> None:
    commands = [brief(line) for line in SHOWN if line.startswith("llm")]
    assert len(commands) == 2
    listed, written = (
        run(installed, desk, *re.sub(r'"it is"', "it_is", line).replace("it_is", "it").split()[1:])
        for line in commands
    )
    assert "charrnn/book" in listed.stdout
    assert len(written.stdout) > 150, written.stderr
