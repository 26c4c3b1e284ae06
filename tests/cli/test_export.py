"""charrnn export, as its user meets it."""

from __future__ import annotations

import json
import os
import re
import shutil
import sys
from pathlib import Path

import pytest

import charrnn
from charrnn.sharing.page import RUNTIME
from tests.commands import run, run_anew, run_here, start

RUNTIME_BYTES = 30_000  # what the runtime of a page may take


def test_it_writes_each_kind_and_says_what_leaves_with_the_model(home: Path) -> None:
    done = run(home, "export", "verse", "--html", "a.html", "--js", "b.js", "--onnx", "c.onnx")
    assert done.returncode == 0, done.stderr
    files = [home / name for name in ("a.html", "b.js", "c.onnx")]
    shown = [f"{file.name}  {file.stat().st_size / 1000:,.0f} kB" for file in files]
    assert done.stdout.splitlines() == shown
    warning, weights = done.stderr.splitlines()
    assert warning.startswith("this model has memorised parts of verse (")
    assert "verse (2,840 characters)" in warning
    assert re.search(
        r"rounded to bytes, which changes the loss by 0\.00\d\d nats per character", weights
    )


def test_what_the_models_before_have_learnt_is_said_to_leave_with_it(home: Path) -> None:
    """Of one that had begun with `--init-from`, only the last text was named."""
    (home / "other.txt").write_text((home / "verse.txt").read_text()[:1500])
    options = ("--steps", 1, "--batch-size", 4, "--seq-length", 16)
    assert run(home, "train", "other.txt", "--init-from", "verse", *options).returncode == 0
    command = ("export", "other", "--html", "a.html")
    found = "this model has memorised parts of other (1,500 characters) and "
    assert run(home, *command).stderr.startswith(f"{found}verse (2,840 characters); share it")
    folder = home / "checkpoints" / "other"
    config = json.loads((folder / "config.json").read_text())
    del config["corpus"]["bases"]  # as in older folders
    (folder / "config.json").write_text(json.dumps(config))
    (folder / "manifest.json").unlink()
    older = "of what a model before it had learnt; share it"
    assert f"{found}{older}" in run(home, *command).stderr


def test_the_same_model_makes_the_same_page(home: Path) -> None:
    for name in ("a.html", "b.html"):
        assert run(home, "export", "verse", "--html", name).returncode == 0
    assert (home / "a.html").read_bytes() == (home / "b.html").read_bytes()


@pytest.mark.skipif(sys.platform != "linux", reason="elsewhere names of files are Unicode")
def test_a_folder_may_have_any_name(home: Path) -> None:
    name = os.fsdecode(b"n\xff\n$x <b>")
    shutil.copytree(home / "checkpoints" / "verse", home / name)
    kinds = ("--html", "a.html", "--js", "b.js", "--onnx", "c.onnx")
    done = run(home, "export", name, *kinds)
    assert done.returncode == 0, done.stderr
    title = r"n\udcff\n$x &lt;b&gt;"
    assert f"<title>{title}</title>" in (home / "a.html").read_text("utf-8")


def test_a_reader_that_has_gone_is_no_error(home: Path) -> None:
    process = start(home, "export", "verse", "--html", "a.html")
    with process:
        assert process.stdout is not None
        process.stdout.close()
        assert process.wait(120) == 0
    assert (home / "a.html").exists()


def test_exact_weights_are_said(home: Path) -> None:
    done = run(home, "export", "--html", "a.html", "--exact")
    assert done.returncode == 0
    assert done.stderr.splitlines()[1] == "the weights are exact"


def test_the_runtime_is_small_and_ends_no_script() -> None:
    parts = Path(charrnn.__file__).parent / "sharing" / "browser"
    assert sum((parts / name).stat().st_size for name in RUNTIME) <= RUNTIME_BYTES
    for part in parts.glob("*.js"):
        code = part.read_text("utf-8")
        assert "</script" not in code.lower()
        assert "<!--" not in code
        asking = r"\bfetch\b|XMLHttpRequest|WebSocket|\bimport\b"
        if part.name != "api.js":  # which is there to ask a server
            assert re.findall(asking, code) == []
        markup = r"innerHTML|outerHTML|insertAdjacent|document\.write|\beval\("
        assert re.findall(markup, code) == []


@pytest.mark.parametrize(
    ("arguments", "code", "message"),
    [
        (("verse",), 2, "there is nothing to write"),
        (("verse", "--onnx", "a.onnx", "--exact"), 2, "--exact is for --html and --js"),
        (("verse", "--html", "a.html", "--js", "./a.html"), 2, "one file is named twice"),
        (("verse", "verse", "--html", "a.html"), 2, "2 models are named"),
        (("nowhere", "--html", "a.html"), 66, "nowhere"),
        (("verse", "--html", "no/such/a.html"), 73, "choose another --html"),
        (("verse", "--js", "."), 73, "choose another --js"),
    ],
    ids=lambda value: str(value)[:20],
)
def test_what_cannot_be_written_is_said_in_one_line(
    home: Path, arguments: tuple[str, ...], code: int, message: str
) -> None:
    done = run_here(home, "export", *arguments)
    assert done.returncode == code
    assert message in done.stderr.splitlines()[-1]
    assert not (home / "a.html").exists()


def test_a_graph_without_the_package_says_what_to_install(
    home: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    (home / "onnx.py").write_text("raise ImportError")
    monkeypatch.setenv("PYTHONPATH", f"{home}:{Path(charrnn.__file__).parent.parent}")
    done = run_anew(home, "export", "verse", "--onnx", "c.onnx")
    assert done.returncode == 1
    assert done.stderr.splitlines()[-1] == (
        "charrnn: an ONNX graph needs the package onnx; pip install onnx"
    )
