"""The documentation keeps its word: examples run, links lead somewhere, lists are complete."""

from __future__ import annotations

import csv
import json
import os
import re
import runpy
import shlex
import shutil
import subprocess
import sys
import tomllib
from collections.abc import Iterator
from pathlib import Path
from typing import Any

import numpy as np
import pytest

import charrnn
from tests import commands
from tests.conftest import VERSE, unchanged
from tests.formats.shelf import write_shelf
from tests.tasks.shelf import write_examples
from tests.text.writer import Writer

ROOT = Path(__file__).parent.parent
PAGES = {
    str(path.relative_to(ROOT)): path.read_text("utf-8")
    for pattern in ("*.md", "docs/*.md", "benchmarks/*.md", "corpora/*.md", "checkpoints/README.md")
    for path in sorted(ROOT.glob(pattern))
}
LECTURE = "docs/what-is-an-rnn.md"
# What makes a command one that can't be run here, and why. `make` and `pip install` lines are not
# looked at: they install everything anew, which takes minutes and a network.
NOT_RUN = {
    "path/to": "it stands for any folder",
    "charrnn serve": "it answers until Ctrl-C; tests/sharing/test_examples.py asks it",
    "OWNER/NAME": "tests/sharing/test_examples.py runs it, with a hub of its own",
}


def examples(page: str) -> list[str]:
    """The indented lines of a page that are commands, without their comments."""
    return [
        line.partition("  # ")[0].strip()
        for line in PAGES[page].splitlines()
        if re.match(r"    (\w+ [^|]*\| )?charrnn ", line)
        and "[OPTIONS]" not in line  # how a command is used, in the reference
        and not any(part in line for part in NOT_RUN)
    ]


def blocks(page: str) -> str:
    """The Python of a page."""
    return "\n".join(re.findall(r"```python\n(.*?)```", PAGES[page], re.DOTALL))


# What examples write to.
OUTPUTS = (
    "story.txt",
    "page.html",
    "inside.html",
    "units.svg",
    "horizon.svg",
    "gradients.svg",
    "losses.svg",
)

# Each command once, under the first page that shows it.
EXAMPLES = {line: page for page in reversed(PAGES) for line in examples(page)}


def write_two_units(path: Path) -> None:
    """The network that the lecture computes by hand, made by the code that stands there."""
    code = blocks(LECTURE)
    code = code[code.index("W_x = ") : code.index("_, cache = ")]
    known = {"np": np, "charrnn": charrnn, "shutil": shutil}
    exec(code.replace("checkpoints/tiny", str(path)), known)  # noqa: S102


@pytest.fixture(scope="session")
def furnished_desk(
    trained_home: Path, trained_tasks: Path, tmp_path_factory: pytest.TempPathFactory
) -> Iterator[Path]:
    """`home` with what the examples need: texts of many kinds, and models by other names."""
    home = Path(shutil.copytree(trained_home, tmp_path_factory.mktemp("desk") / "home"))
    (home / "prompt.txt").write_text("the clerk")
    (home / "chat.txt").write_text("31/12/23, 23:59 - Ann: " + VERSE)
    (home / "gutenberg.txt").write_text(f"*** START OF TIDES ***\n{VERSE}*** END OF TIDES ***\n")
    for name in ("other.txt", "lines.txt"):
        (home / name).write_text((VERSE * 4)[40:440])
    for name in ("book.txt", "windows.txt", "anything.bin", "scenes"):
        (home / name).write_text(VERSE * 20)
    (home / "chapters").mkdir()
    (home / "chapters" / "one.txt").write_text(VERSE * 20)
    with (home / "table.csv").open("w", newline="") as file:
        csv.writer(file).writerows([["text"], *([VERSE] for _ in range(20))])
    write_shelf(home, VERSE * 20)
    for name in ("book", "gru", "lstm", "rnn", "poem", "short", "long"):
        shutil.copytree(home / "checkpoints" / "verse", home / "checkpoints" / name)
    writer = Writer()
    names = {writer.name() for _ in range(150)} | {"Anna"}
    (home / "names.txt").write_text("\n".join(sorted(names)) + "\n")
    settings: dict[str, Any] = {"hidden_size": 12, "embed_size": 6, "batch_size": 4, "steps": 200}
    run = charrnn.train(home / "names.txt", out=home / "checkpoints" / "names", **settings)
    run.finish(progress=False)
    write_examples(home)
    shutil.copytree(trained_tasks / "places", home / "checkpoints" / "places-tagged")
    for name in ("reviews", "second", "words", "airline", "forth", "back"):
        shutil.copytree(trained_tasks / name, home / "checkpoints" / name)
    bundled = {"peoples": "reviews", "log": "places", "ferry": "airline", "verbs": "words"}
    for name, model in bundled.items():
        shutil.copytree(trained_tasks / model, home / "checkpoints" / name)
    (home / "phrases.txt").write_text("\n".join(f"It was {k} of {k * k}." for k in range(40)))
    with (home / "cards.csv").open("w", newline="") as file:
        csv.writer(file).writerows([["text"], *([f"Card {k * k}\n\nIt is."] for k in range(40))])
    (home / "tunes.txt").write_text("\n\n".join(f"X:{k}\nK:G\n{k * k}" for k in range(40)))
    (home / "fortunes.txt").write_text("\n%\n".join(f"Fortune {k * k}" for k in range(40)))
    write_two_units(home / "checkpoints" / "tiny")  # the newest model
    with unchanged(home):
        yield home


@pytest.fixture
def desk(furnished_desk: Path, tmp_path: Path) -> Path:
    """A copy of it, with links to models, which are replaced and never written in place."""
    but_models = shutil.ignore_patterns("checkpoints")
    desk = Path(shutil.copytree(furnished_desk, tmp_path / "desk", ignore=but_models))
    shutil.copytree(furnished_desk / "checkpoints", desk / "checkpoints", copy_function=os.link)
    return desk


def brief(line: str) -> str:
    """An example as it can be run in seconds on a tiny text and model."""
    line = line.replace("The ", "the ").replace("It was", "it is")  # the model knows few capitals
    # A text that is drawn anew each time may once be as short as its first character.
    if "--beam" not in line and "--interactive" not in line:  # which draw nothing
        line = line.replace("charrnn sample", "charrnn sample --seed 2")
    if "charrnn train" in line and "--resume" not in line and "--repeat" not in line:
        line = re.sub(r"--name [\w-]+", "", line)
        line += "" if "--out" in line else " --name new"  # a folder that is not there yet
        tiny = " ".join(map(str, commands.TINY))
        if "--init-from" in line:
            tiny = "--batch-size 4 --seq-length 8"
        line += f" {tiny}" + ("" if "--epochs" in line or "--steps" in line else " --steps 20")
    return line


def _answer(desk: Path, line: str) -> subprocess.CompletedProcess[str]:
    """What the line answers in a shell."""
    if not set(line) & set("|<>"):
        program, *arguments = shlex.split(line)
        assert program == "charrnn"
        return commands.run(desk, *arguments)
    command = re.sub(r"\bcharrnn(?= [a-z])", f"{sys.executable} -m charrnn", line)
    return subprocess.run(
        ["bash", "-o", "pipefail", "-c", command],
        cwd=desk,
        capture_output=True,
        text=True,
        timeout=120,
        env=os.environ | {"OMP_NUM_THREADS": "1"},
    )


@pytest.mark.parametrize(("line", "page"), EXAMPLES.items())
def test_each_example_works(desk: Path, line: str, page: str) -> None:
    outputs = [desk / name for name in OUTPUTS if name in line and "charrnn train" not in line]
    for path in outputs:
        path.unlink(missing_ok=True)
    done = _answer(desk, brief(line))
    assert done.returncode == 0, done.stderr
    assert "Traceback" not in done.stderr
    if "charrnn train" in line:
        verb = "predict" if "--task" in line else "sample"
        assert f"charrnn {verb}" in done.stderr, "it says how to use the model"
        return
    written = sum(len(path.read_text("utf-8")) for path in outputs if path.exists())
    assert len(done.stdout) > 3 or written > 100


# The verse of the tests repeats itself, so that its beginning holds its end.
@pytest.mark.filterwarnings("ignore:n-grams are counted in a text that holds")
@pytest.mark.filterwarnings("ignore:1 text is longer than 16 characters")  # models here are small
@pytest.mark.parametrize("page", [page for page in PAGES if blocks(page)])
def test_the_python_of_each_page_runs(
    page: str, desk: Path, monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str]
) -> None:
    for name in ("book", "poem"):
        shutil.rmtree(desk / "checkpoints" / name)  # for the page that makes it
    if "book.onnx" in blocks(page):
        commands.run(desk, "export", "verse", "--onnx", "book.onnx")
    monkeypatch.chdir(desk)
    code = blocks(page).replace("The ", "the ").replace("It was", "it is")
    code = code.replace("a dark night", "mine")
    tiny = "steps=20, hidden_size=12, embed_size=6, batch_size=4, seq_length=16"
    exec(code.replace("minutes=3", tiny), {})  # noqa: S102
    assert len(capsys.readouterr().out) > 30


def test_the_lecture_shows_what_its_network_of_two_units_answers(home: Path) -> None:
    write_two_units(home / "checkpoints" / "tiny")
    answers = [
        commands.run(home, "inspect", "tiny", "-", "--unit", unit, data=b"aba").stdout
        for unit in ("0.0", "0.1")
    ]
    assert f"```\n{''.join(answers)}```" in PAGES[LECTURE]
    assert "parameters       18\n" in commands.run(home, "info", "tiny").stdout
    states = [[line.split()[-1] for line in answer.splitlines()] for answer in answers]
    for pair in zip(*states, strict=True):  # the table that was computed by hand
        assert f"({', '.join(pair).replace('+', '')}) |" in PAGES[LECTURE]


def test_every_question_of_the_lecture_has_a_command_and_a_picture() -> None:
    _, *questions = re.split(r"^## (?=.*\?$)", PAGES[LECTURE], flags=re.MULTILINE)
    assert len(questions) == 11
    for question in questions:
        assert re.search(r"^    (\w+ [^|]*\| )?charrnn ", question, re.MULTILINE), question[:60]
        assert re.search(r"!\[.+\]\(pictures/.+\.svg\)", question), question[:60]


@pytest.mark.parametrize("page", PAGES)
def test_links_lead_to_files(page: str) -> None:
    text = re.sub("^    .*", "", PAGES[page], flags=re.MULTILINE)  # code has brackets of its own
    links = re.findall(r"\]\((?!https?:)([^)#]+)\)", text)
    assert [link for link in links if not (ROOT / page).parent.joinpath(link).exists()] == []


@pytest.mark.parametrize("page", PAGES)
def test_files_that_are_named_exist(page: str) -> None:
    named = re.findall(r"`(?:python )?((?:tests|docs|benchmarks|corpora)/[\w/.]+)", PAGES[page])
    assert [name for name in named if not (ROOT / name).exists()] == []


@pytest.mark.parametrize("page", PAGES)
def test_the_rows_of_a_table_have_as_many_cells_as_its_head(page: str) -> None:
    """A vertical bar in a cell ends it, even in code, unless it is written as \\|."""
    tables = re.findall(r"(?:^\|.*\n)+", PAGES[page], re.MULTILINE)
    bars = [[len(re.findall(r"(?<!\\)\|", row)) for row in table.splitlines()] for table in tables]
    assert [table for table, counts in zip(tables, bars, strict=True) if len({*counts}) > 1] == []


@pytest.mark.parametrize("name", charrnn.__all__)
def test_the_reference_has_each_public_name(name: str) -> None:
    library = PAGES["docs/reference.md"].partition("## Library")[2]
    assert re.search(rf"^\| `{name}[(.`]", library, re.MULTILINE)


def test_each_promise_names_its_test() -> None:
    rows = [line for line in PAGES["docs/reliability.md"].splitlines() if line.startswith("| ")]
    promises = [row for row in rows if not row.startswith("| promise |")]
    assert len(promises) > 15
    assert [row for row in promises if "`tests/" not in row.split(" | ")[1]] == []


def test_the_table_of_scaling_is_computed() -> None:
    table = runpy.run_path(str(ROOT / "benchmarks" / "scaling_table.py"))["table"]()
    assert "\n".join(table) in PAGES["docs/scaling.md"], "run benchmarks/scaling_table.py"


def measured_together() -> Iterator[str]:
    """What three models and these together have reached, as the table of tasks shows it."""
    for path in sorted((ROOT / "benchmarks" / "results").glob("tasks*.json")):
        for row in json.loads(path.read_text("utf-8")).values():
            own = [one for one in row["figures"] if one["who"].startswith("charrnn")]
            shown = [
                f"{one['value']:.1f}" if one["metric"] == "MAPE" else f"{one['value'] / 100:.3f}"
                for one in own
            ]
            for last in (k for k, one in enumerate(own) if "these together" in one["who"]):
                yield f"{', '.join(shown[last - 3 : last])}; together {shown[last]}"


def test_the_figures_of_models_together_are_those_that_were_measured() -> None:
    page = PAGES["docs/results.md"].replace("**", "")
    shown = re.findall(r"\d[\d., ]+; together [\d.]+", page)
    assert len(shown) == 10
    assert {*shown} - {*measured_together()} == set()


def test_the_figure_before_those_of_three_seeds_is_their_median() -> None:
    page = PAGES["docs/results.md"].replace("**", "")
    found = re.findall(r"([\d.]+) \(([\d.]+), ([\d.]+), ([\d.]+)\)", page)
    assert len(found) == 12
    assert [of for of in found if of[0] != sorted(of[1:])[1]] == []


def test_the_torch_without_cuda_is_the_one_that_is_pinned() -> None:
    (pinned,) = re.findall(
        r"^torch==.*", (ROOT / "constraints.txt").read_text("utf-8"), re.MULTILINE
    )
    assert f"pip install {pinned} --index-url" in PAGES["README.md"]


def test_the_versions_of_python_are_the_same_everywhere() -> None:
    wanted = tomllib.loads((ROOT / "pyproject.toml").read_text("utf-8"))["project"]
    first, after = map(int, re.findall(r"3\.(\d+)", wanted["requires-python"]))
    named = [c for c in wanted["classifiers"] if re.search(r"Python :: 3\.\d", c)]
    assert named == [f"Programming Language :: Python :: 3.{n}" for n in range(first, after)]
    makefile = (ROOT / "Makefile").read_text("utf-8")
    for text in (PAGES["README.md"], makefile):
        assert f"Python 3.{first} to 3.{after - 1}" in text
    assert f"(3, {first}) <= sys.version_info < (3, {after})" in makefile


def test_the_rooms_are_those_of_the_package() -> None:
    listed = re.findall(r"^      (\w+)/ ", PAGES["README.md"], re.MULTILINE)
    assert sorted(listed) == sorted(path.parent.name for path in ROOT.glob("charrnn/*/__init__.py"))


def test_the_picture_is_small_and_loads_nothing() -> None:
    picture = (ROOT / "docs" / "terminal.svg").read_text("utf-8")
    assert len(picture.encode()) < 100_000
    assert re.findall(r"href|url\(|@import|<script|<image", picture) == []
    assert "charrnn train" in picture


def test_the_picture_shows_what_a_terminal_shows() -> None:
    drawing = runpy.run_path(str(ROOT / "docs" / "terminal.py"))
    screen, columns = drawing["screen"], drawing["COLUMNS"]
    assert screen("loss 9\rloss 8\x1b[K\r\ndone\r\n") == ["loss 8", "done", ""]
    assert screen("two\r\none\x1b[A\rTWO") == ["TWO", "one"]
    assert screen("x" * (columns + 2)) == ["x" * columns, "xx"]
    picture = drawing["draw"](["$ a < b", "", "  100% |██  | 1/2"])
    assert "a &lt; b" in picture
    assert "█" not in picture
