"""The real `llm`, in a process of its own, finds the models and writes with them."""

from __future__ import annotations

import json
import os
import shutil
import subprocess
import sys
import tomllib
from pathlib import Path

import pytest

import charrnn

ROOT = Path(__file__).parent.parent.parent


@pytest.fixture
def installed(tmp_path: Path) -> Path:
    """charrnn as pip would install it, as far as plug-ins are concerned."""
    project = tomllib.loads((ROOT / "pyproject.toml").read_text("utf-8"))["project"]
    info = tmp_path / "site" / "charrnn_llm_test-0.dist-info"
    info.mkdir(parents=True)
    (info / "METADATA").write_text("Metadata-Version: 2.1\nName: charrnn-llm-test\nVersion: 0\n")
    points = project["entry-points"]["llm"]
    lines = [f"{name} = {target}\n" for name, target in points.items()]
    (info / "entry_points.txt").write_text("[llm]\n" + "".join(lines))
    return info.parent


def run(installed: Path, home: Path, *arguments: str) -> subprocess.CompletedProcess[str]:
    path = os.pathsep.join([str(installed), str(ROOT)])
    environment = {"PYTHONPATH": path, "LLM_USER_PATH": str(home / "llm")}
    return subprocess.run(
        [sys.executable, "-m", "llm", *arguments],
        cwd=home,
        env=os.environ | environment | {"CHARRNN_MODELS": str(home / "shelf")},
        capture_output=True,
        text=True,
        timeout=120,
        stdin=subprocess.DEVNULL,
    )


def test_llm_lists_the_models_and_writes_with_them(installed: Path, home: Path) -> None:
    (home / "shelf").mkdir()
    (home / "checkpoints" / "verse").rename(home / "shelf" / "far")
    charrnn.CharRNN.from_pretrained(home / "shelf" / "far").save_pretrained(
        home / "here", charrnn.load(home / "shelf" / "far").tokenizer
    )
    listed = run(installed, home, "models", "list").stdout
    assert "charrnn/far" in listed
    assert "charrnn/here" in listed
    options = ("-o", "max_tokens", "40", "-o", "seed", "3", "-o", "temperature", "0.5")
    done = run(installed, home, "-m", "charrnn/far", "the ", *options)
    expected = charrnn.load(home / "shelf" / "far").generate(
        "the ", max_new_tokens=40, seed=3, temperature=0.5
    )
    assert (done.returncode, done.stdout) == (0, expected + "\n"), done.stderr


def test_a_conversation_is_refused(installed: Path, home: Path) -> None:
    """The model was given the last prompt alone, without a word."""
    first = run(installed, home, "-m", "charrnn/verse", "the", "-o", "max_tokens", "9")
    assert first.returncode == 0, first.stderr
    for arguments in (("-c", "the"), ("chat", "-m", "charrnn/verse")):
        done = run(installed, home, *arguments)
        said = "Error: CharRNNModel: charrnn/verse does not support conversations\n"
        assert (done.returncode, done.stdout, done.stderr) == (1, "", said)


def test_llm_lists_no_models_that_write_nothing(installed: Path, home: Path) -> None:
    """It listed whatever had weights in a file of this name."""
    bare, bert, classifier = home / "bare", home / "bert", home / "checkpoints" / "classifier"
    shutil.copytree(home / "checkpoints" / "verse", classifier)
    config = json.loads((classifier / "config.json").read_text())
    config |= {"format_version": 2, "task": {"name": "classify"}}
    (classifier / "config.json").write_text(json.dumps(config))
    (classifier / "manifest.json").unlink()  # which would call it damaged
    for other in (bare, bert):
        other.mkdir()
        (other / "model.safetensors").write_bytes(b"")
    (bert / "config.json").write_text('{"model_type": "bert"}')
    listed = run(installed, home, "models", "list").stdout
    assert "charrnn/verse" in listed
    for name in ("bare", "bert", "classifier"):
        assert f"charrnn/{name}" not in listed


def test_a_warning_is_one_line(installed: Path, home: Path) -> None:
    (home / "checkpoints" / "verse" / "manifest.json").unlink()
    done = run(installed, home, "-m", "charrnn/verse", "the", "-o", "max_tokens", "9")
    said = "charrnn: checkpoints/verse has no manifest.json: damage can't be detected\n"
    assert (done.returncode, done.stderr) == (0, said)


def test_what_is_wrong_is_one_line(installed: Path, home: Path) -> None:
    done = run(installed, home, "-m", "charrnn/verse", "Ω")
    assert done.returncode == 1
    assert done.stderr.startswith("Error: the model does not know a character of the text: 'Ω'")
    assert done.stderr.count("\n") == 1
    done = run(installed, home, "-m", "charrnn/verse", "the", "-o", "top_p", "7")
    assert "top_p is 7" in done.stderr
    assert done.stderr.count("\n") == 1
