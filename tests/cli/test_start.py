"""How the command starts, and how it ends where it can't."""

from __future__ import annotations

import os
import shutil
import subprocess
import sys
from pathlib import Path

import pytest

from tests.commands import TINY, refused, run_here, start

# Runs `charrnn` where a package can't be imported, or Ctrl-C comes just then.
WITHOUT = """
import sys
name, failure = sys.argv.pop(1), sys.argv.pop(1)

class Nothing:
    def find_spec(self, asked, path=None, target=None):
        if asked == name:
            if failure == "KeyboardInterrupt":
                raise KeyboardInterrupt
            raise ModuleNotFoundError(f"No module named {name!r}", name=name)

sys.meta_path.insert(0, Nothing())
from charrnn.__main__ import main
main()
"""


def without(
    package: str, failure: str, cwd: Path, *arguments: str
) -> subprocess.CompletedProcess[str]:
    return subprocess.run(
        [sys.executable, "-c", WITHOUT, package, failure, *arguments],
        cwd=cwd,
        capture_output=True,
        text=True,
        timeout=120,
    )


@pytest.mark.parametrize("module", ["charrnn.cli.app", "typer", "charrnn.threads.quota"])
def test_ctrl_c_while_it_is_being_loaded_ends_it_without_a_word(
    module: str, tmp_path: Path
) -> None:
    done = without(module, "KeyboardInterrupt", tmp_path, "corpora")
    assert (done.returncode, done.stdout, done.stderr) == (130, "", "")


@pytest.mark.parametrize(
    ("package", "arguments"),
    [
        ("h11", ("serve", "verse")),
        ("uvicorn", ("serve", "verse")),
        ("onnx", ("export", "verse", "--onnx", "a.onnx")),
        ("torch", ("eval", "verse", "verse.txt")),
    ],
)
def test_a_package_that_is_missing_is_named_with_how_to_install_it(
    package: str, arguments: tuple[str, ...], home: Path
) -> None:
    done = without(package, "ModuleNotFoundError", home, *arguments)
    assert done.returncode == 1
    assert done.stderr.splitlines()[-1].startswith("charrnn: ")
    assert f"{package}" in done.stderr
    assert "pip install" in done.stderr.splitlines()[-1]
    assert "Traceback" not in done.stderr


def test_a_pytorch_that_cannot_be_loaded_is_said_in_one_line(home: Path) -> None:
    """As where there is too little memory for its libraries."""
    reason = "libtorch_cpu.so: failed to map segment from shared object"
    (home / "torch.py").write_text(f"raise ImportError({reason!r})")
    for arguments in (("train", "verse.txt"), ("inspect", "verse", "verse.txt", "--gradients")):
        done = without("nothing", "", home, *arguments)
        assert done.returncode == 1
        assert done.stderr == (
            f"charrnn: PyTorch could not be loaded: {reason}; free memory, or install it again\n"
        )


@pytest.mark.parametrize(
    ("function", "arguments"),
    [
        ("charrnn.evaluation.losses.load_networks", ("eval", "verse", "verse.txt")),
        ("charrnn.inside.backwards.norms_back", ("inspect", "verse", "verse.txt", "--gradients")),
    ],
)
def test_memory_that_pytorch_does_not_get_is_told_in_one_line(
    function: str, arguments: tuple[str, ...], home: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    def fail(*_: object, **__: object) -> None:
        raise RuntimeError(reason)

    monkeypatch.setattr(function, fail)
    reason = "DefaultCPUAllocator: can't allocate memory: you tried to allocate 9 bytes"
    refused(run_here(home, *arguments), 1, "charrnn: memory ran out; free some, then try again\n")
    reason = "a mistake of ours"
    with pytest.raises(RuntimeError, match=reason):
        run_here(home, *arguments)


# Runs `charrnn` as if all of it was to write "text", and its packages had things to do at the end.
ENDS = """
import atexit, os, sys
import charrnn.cli.app
from charrnn.__main__ import main

class Kept:
    def __del__(self):
        os.write(2, b"taken apart")

kept = Kept()
atexit.register(print, "done")
if sys.argv[1] == "with torch":
    sys.modules["torch"] = charrnn

def run():
    print("text")
    sys.exit(3)

charrnn.cli.app.main = run
main()
"""


@pytest.mark.parametrize(("modules", "said"), [("alone", ""), ("with torch", "taken apart")])
def test_a_command_ends_once_all_is_written_and_python_is_not_taken_apart(
    modules: str, said: str
) -> None:
    done = subprocess.run(
        [sys.executable, "-c", ENDS, modules], capture_output=True, text=True, timeout=120
    )
    assert (done.returncode, done.stdout, done.stderr) == (3, "text\ndone\n", said)


# Runs `charrnn` where the parser of the command line takes the system for Windows.
ON_WINDOWS = """
import os
import sys
import types
import typer.core

typer.core.os = types.SimpleNamespace(**{**vars(os), "name": "nt"})
from charrnn.__main__ import main
main()
"""


def test_what_is_typed_on_windows_arrives_as_it_is(tmp_path: Path) -> None:
    """Every argument was expanded, in quotation marks too, where the shell expands none."""
    for name in ("one", "two"):
        (tmp_path / name).touch()
    command = [sys.executable, "-c", ON_WINDOWS, "info", "*"]
    done = subprocess.run(command, cwd=tmp_path, capture_output=True, text=True, timeout=120)
    refused(done, 66, "there is no model folder *; ")


@pytest.mark.skipif(sys.platform != "linux", reason="elsewhere such a folder can't be deleted")
@pytest.mark.parametrize(
    ("arguments", "code"),
    [
        (("train", "{home}/verse.txt", "--steps", 2, "--out", "{home}/new", *TINY), 66),
        (("eval", "{home}/checkpoints/verse", "{home}/verse.txt"), 66),
        (("inspect", "{home}/checkpoints/verse", "{home}/verse.txt", "--gradients"), 66),
        (("export", "{home}/checkpoints/verse", "--html", "a.html"), 73),
        (("export", "{home}/checkpoints/verse", "--html", "{home}/a.html"), 0),
        (("sample", "{home}/checkpoints/verse", "-n", 5), 0),
        (("sample",), 66),
        (("list",), 66),
        (("eval", "verse", "{home}/verse.txt"), 66),
        (("predict", "verse", "so"), 66),
        (("export", "verse", "--html", "{home}/a.html"), 66),
        (("info", "verse"), 66),
    ],
    ids=lambda v: v[0] if isinstance(v, tuple) else str(v),
)
def test_a_working_folder_that_was_deleted_is_named(
    arguments: tuple[object, ...], code: int, home: Path, tmp_path: Path
) -> None:
    gone = tmp_path / "gone"
    gone.mkdir()

    def leave() -> None:
        gone.rmdir()

    given = [str(word).replace("{home}", str(home)) for word in arguments]
    process = start(gone, *given, limit=leave)
    _, said = process.communicate(timeout=120)
    assert process.returncode == code, said
    if code:
        last = said.decode().splitlines()[-1]
        assert last.startswith("charrnn: ")
        assert "standard output" not in last
        assert b"MKL" not in said
    if code == 66:
        assert "the working folder was deleted; go to another" in last


def test_a_name_in_utf_8_is_not_said_to_be_none_where_python_knows_only_ascii(home: Path) -> None:
    """Advice that helps, for a name that is read and for one that is written."""
    bare = {"LANG": "C", "LC_ALL": "C", "PYTHONUTF8": "0", "PYTHONCOERCECLOCALE": "0"}
    shutil.copy(home / "verse.txt", home / "ü日.txt")
    for arguments, code in (
        (("train", "ü日.txt", "--steps", "2"), 2),
        (("export", "verse", "--html", "ü日.html"), 0),
    ):
        done = subprocess.run(
            [sys.executable, "-m", "charrnn", *arguments],
            cwd=home,
            env=os.environ | bare,
            capture_output=True,
            timeout=120,
        )
        assert done.returncode == code
        said = done.stderr.decode()
        assert "PYTHONUTF8=1" in said
        assert "not UTF-8" not in said
        assert "bytes that are not characters" not in said
    assert (home / "ü日.html").exists()


@pytest.mark.parametrize("option", [(), ("--validation",)])
def test_a_text_that_is_not_there_is_told_before_pytorch_is_loaded(
    option: tuple[str, ...], tmp_path: Path
) -> None:
    (tmp_path / "verse.txt").write_text("a verse\n")
    code = "import sys; sys.modules['torch'] = None; from charrnn.cli.app import main; main()"
    command = [sys.executable, "-c", code, "train", "verse.txt", *option, "nosuch.txt"]
    done = subprocess.run(command, cwd=tmp_path, capture_output=True, text=True, check=False)
    refused(done, 66, "there is no file or corpus nosuch.txt")
