"""What is not used is not imported: start-up in a blink is a promise."""

from __future__ import annotations

import subprocess
import sys
from pathlib import Path

import pytest

import charrnn
from charrnn import CharRNN, CharTokenizer
from tests.conftest import small_config

HEAVY = ("torch", "datasets", "pandas", "rich", "tqdm", "llvmlite")


def imported_by(code: str, *arguments: str, cwd: Path) -> set[str]:
    """The modules of `HEAVY` and numpy that a fresh Python has imported after `code`."""
    ending = f"import sys; print('LOADED', *[m for m in {(*HEAVY, 'numpy')} if m in sys.modules])"
    done = subprocess.run(
        [sys.executable, "-c", f"{code}\n{ending}", *arguments],
        cwd=cwd,
        capture_output=True,
        text=True,
        timeout=60,
        stdin=subprocess.DEVNULL,
    )
    assert "LOADED" in done.stdout, done.stderr
    return set(done.stdout.rpartition("LOADED")[2].split())


RUN = "from charrnn.cli.app import main\ntry: main()\nexcept SystemExit as end: assert not end.code"


@pytest.mark.parametrize(
    "arguments",
    [
        ("--help",),
        ("--version",),
        ("train", "--help"),
        ("eval", "--help"),
        ("score", "model"),
        ("sample", "model", "model", "-n", "20", "--json", "--num-samples", "2"),
        ("sample", "model", "-n", "20", "--beam", "2"),
        ("corpora",),
        ("sample", "model", "-n", "20", "--prompt", "abc"),
        ("info", "model"),
        ("info", "model", "--json"),
        ("list",),
    ],
    ids=" ".join,
)
def test_only_training_imports_pytorch(arguments: tuple[str, ...], tmp_path: Path) -> None:
    CharRNN(small_config("gru")).save_pretrained(tmp_path / "model", CharTokenizer("\n abcdefghi"))
    assert imported_by(RUN, *arguments, cwd=tmp_path) <= {"numpy"}


def test_importing_charrnn_imports_nothing_else(tmp_path: Path) -> None:
    assert imported_by("import charrnn; dir(charrnn)", cwd=tmp_path) == set()


def test_loading_and_using_a_model_imports_numpy_alone(tmp_path: Path) -> None:
    CharRNN(small_config("lstm")).save_pretrained(tmp_path / "model", CharTokenizer("\n abcdefghi"))
    code = "import charrnn; m = charrnn.load('model'); m.generate('ab', seed=1); m.log_probs('abc')"
    assert imported_by(code, cwd=tmp_path) == {"numpy"}


def test_every_public_name_can_be_had() -> None:
    for name in charrnn.__all__:
        value = getattr(charrnn, name)
        assert value.__doc__, name
        assert name in dir(charrnn)
    assert sorted(charrnn._HOMES) == sorted(charrnn.__all__)
    with pytest.raises(AttributeError, match="nonsense"):
        _ = charrnn.nonsense
