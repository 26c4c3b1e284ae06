"""A machine that only uses models: what requirements-use.txt lists is enough."""

from __future__ import annotations

import ast
import json
import os
import re
import shutil
import subprocess
import sys
import tomllib
import urllib.error
import urllib.request
import venv
from collections.abc import Iterator
from importlib import metadata
from pathlib import Path

import pytest

from charrnn import CharRNN, CharTokenizer
from charrnn.threads.quota import usable_processors
from tests.conftest import small_config

ROOT = Path(__file__).parent.parent
LISTED = [
    line
    for line in (ROOT / "requirements-use.txt").read_text("utf-8").splitlines()
    if not line.startswith("#")
]

# What some users of models have besides; without it, a command says what to install, or does less.
EXTRAS = {"datasets", "llm", "llvmlite", "matplotlib", "onnx", "torch", "tqdm", "yaml"}

# Runs `charrnn` where nothing can be imported but Python's own modules and those that are named.
ALONE = """
import sys
allowed = {*sys.argv.pop(1).split(","), "charrnn", "__main__", *sys.stdlib_module_names}

class Nothing:
    def find_spec(self, name, path=None, target=None):
        if name.partition(".")[0] not in allowed:
            raise ModuleNotFoundError(f"No module named {name!r}", name=name)

sys.meta_path.insert(0, Nothing())
from charrnn.cli.app import main
commands = " ".join(sys.argv[1:]).split(" , ")
for command in commands:
    sys.argv[1:] = command.split()
    try:
        main()
    except SystemExit as end:
        if end.code:
            raise
"""


def _name(requirement: str) -> str:
    return re.split(r"[^\w.-]", requirement)[0].lower().replace("_", "-")


def modules() -> set[str]:
    """All modules that installing the list brings, by the metadata of this environment."""
    waiting, known, found = [_name(line) for line in LISTED], set(), set()
    while waiting:
        name = waiting.pop()
        if name in known:
            continue
        known.add(name)
        try:
            distribution = metadata.distribution(name)
        except metadata.PackageNotFoundError:  # for another system or another Python
            continue
        files = distribution.files or ()
        found |= {
            file.parts[0].partition(".")[0] for file in files if file.suffix in (".py", ".so")
        }
        needed = [r for r in distribution.requires or () if "extra ==" not in r]
        waiting += [_name(requirement) for requirement in needed]
    return found


def imported(tree: ast.AST) -> Iterator[str]:
    """The packages that some code imports, at once or later, but where it goes on without them."""
    for node in ast.iter_child_nodes(tree):
        if isinstance(node, ast.Import):
            yield from (name.name.partition(".")[0] for name in node.names)
        elif isinstance(node, ast.ImportFrom) and not node.level:
            yield str(node.module).partition(".")[0]
        elif not isinstance(node, ast.Try) or not any(
            "ImportError" in ast.unparse(handler) for handler in node.handlers
        ):
            yield from imported(node)


def alone(
    home: Path, *arguments: str, data: str = "", threads: int = 1
) -> subprocess.CompletedProcess[str]:
    return subprocess.run(
        [sys.executable, "-c", ALONE, ",".join(sorted(modules())), *arguments],
        cwd=home,
        input=data,
        capture_output=True,
        text=True,
        timeout=120,
        env=os.environ | {"PYTHONPATH": str(ROOT), "OMP_NUM_THREADS": str(threads)},
    )


def test_the_list_has_all_that_using_models_imports() -> None:
    contracts = tomllib.loads((ROOT / "pyproject.toml").read_text("utf-8"))["tool"]["importlinter"]
    (using,) = (c for c in contracts["contracts"] if c["name"].startswith("Using a model"))
    known = {*modules(), *EXTRAS, *sys.stdlib_module_names, "charrnn"}
    missing = set()
    for module in using["source_modules"]:
        place = ROOT / module.replace(".", "/")
        for path in place.rglob("*.py") if place.is_dir() else [place.with_suffix(".py")]:
            missing |= set(imported(ast.parse(path.read_text("utf-8")))) - known
    assert not missing


def test_using_a_model_needs_no_more(home: Path) -> None:
    """All of it in one process: importing is most of the work."""
    assert modules().isdisjoint({"torch", "datasets", "llvmlite", "tqdm", "huggingface_hub"})
    commands = {
        "sample verse -n 20 --prompt the": "the",
        "sample verse -n 20 --beam 2 --json": '"score"',
        "score verse": "bits_per_char",
        "info verse": "validation loss",
        "list": "verse",
        "verify verse": "is intact",
        "export verse --html page.html": "page.html",
        "inspect verse verse.txt --html inside.html": "inside.html",
        "inspect verse verse.txt --unit 0.1 --characters 3": "h",
        "inspect verse verse.txt --at 9": "bits",
        "inspect verse verse.txt --units": "units follow a feature",
        "inspect verse verse.txt --horizon": "context",
        "serve --help": "--port",
    }
    done = alone(home, *" , ".join(commands).split(), data="the clerk\n")
    assert done.returncode == 0, done.stderr
    for shown in commands.values():
        assert shown in done.stdout + done.stderr


def test_the_models_of_tasks_need_no_more(trained_tasks: Path) -> None:
    commands = {
        "predict reviews fine": '"label"',
        "predict places fine": '"spans"',
        "predict words fine": '"log_prob"',
        "predict airline": '"forecast"',
        "eval reviews test-reviews.csv": "macro-F1",
        "eval airline longer.csv": "MASE",
    }
    done = alone(trained_tasks, *" , ".join(commands).split())
    assert done.returncode == 0, done.stderr
    for shown in commands.values():
        assert shown in done.stdout


def test_characters_beyond_latin_need_no_more(home: Path) -> None:
    tokenizer = CharTokenizer.from_text("the clerk — who?\n")
    CharRNN(small_config("gru", vocab_size=tokenizer.vocab_size)).save_pretrained(
        home / "dash", tokenizer
    )
    done = alone(home, "sample", "dash", "-n", "20", "--seed", "1")
    assert (done.returncode, done.stderr) == (0, "")


@pytest.mark.skipif(usable_processors() < 2, reason="one processor")
def test_scoring_on_several_processors_needs_no_more(home: Path) -> None:
    lines = "".join("the clerk " * (1 + number % 9) + "\n" for number in range(300))
    done = alone(home, "score", "verse", data=lines, threads=2)
    assert (done.returncode, done.stdout.count("bits_per_char")) == (0, 300), done.stderr


def test_what_needs_more_says_what_to_install(home: Path) -> None:
    done = alone(home, "train", "verse.txt", "--steps", "2")
    assert done.returncode == 1
    assert re.fullmatch(r"charrnn: \w+ is not installed here; pip install torch .*\n", done.stderr)
    done = alone(home, "sample", "hf://ann/verse")
    assert done.stderr == (
        "charrnn: hf://ann/verse needs huggingface_hub, which is not installed; "
        "pip install huggingface_hub\n"
    )


def size(folder: Path) -> int:
    return sum(file.stat().st_size for file in folder.rglob("*") if file.is_file())


@pytest.mark.slow
def test_a_machine_that_only_uses_models(home: Path, tmp_path: Path) -> None:
    """The commands of requirements-use.txt, in an environment of its own."""
    place = tmp_path / "light"
    venv.create(place, with_pip=True, symlinks=True)
    source = shutil.copytree(
        ROOT, tmp_path / "source", ignore=shutil.ignore_patterns(".venv*", ".git", "checkpoints")
    )
    for line in (ROOT / "requirements-use.txt").read_text("utf-8").splitlines():
        if line.startswith("#     pip"):
            command = line.removeprefix("#     ").split()
            subprocess.run([place / "bin" / command[0], *command[1:]], cwd=source, check=True)
    assert size(place) < 150_000_000

    def run(*arguments: str, data: str = "") -> subprocess.CompletedProcess[str]:
        return subprocess.run(
            [place / "bin" / "charrnn", *arguments],
            cwd=home,
            input=data,
            capture_output=True,
            text=True,
            timeout=120,
            env={k: v for k, v in os.environ.items() if k != "PYTHONPATH"},
        )

    assert len(run("sample", "verse", "-n", "50").stdout) > 50
    assert "bits_per_char" in run("score", "verse", data="the clerk\n").stdout
    refused = run("train", "verse.txt")
    assert (refused.returncode, refused.stderr.count("\n")) == (1, 1)
    serving = subprocess.Popen(
        [place / "bin" / "charrnn", "serve", "verse", "--port", "0"],
        cwd=home,
        stderr=subprocess.PIPE,
        text=True,
    )
    assert serving.stderr is not None
    address = serving.stderr.readline().split()[2].removesuffix(";")
    while True:
        try:
            urllib.request.urlopen(f"{address}/models", timeout=30).close()  # noqa: S310
            break
        except urllib.error.HTTPError as error:  # the model is being loaded
            error.close()
            if error.code != 503:
                raise
    body = json.dumps({"prompt": "the ", "max_tokens": 20}).encode()
    with urllib.request.urlopen(f"{address}/completions", body, timeout=30) as answer:  # noqa: S310
        assert len(json.load(answer)["choices"][0]["text"]) == 20
    serving.terminate()
    serving.communicate(timeout=30)
