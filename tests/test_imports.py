"""What is not used is not imported, and rooms import from those below them alone."""

from __future__ import annotations

import ast
import re
import subprocess
import sys
import tomllib
from collections.abc import Sequence
from graphlib import TopologicalSorter
from pathlib import Path
from types import ModuleType

import grimp
import pytest

import charrnn
from charrnn import CharRNN, CharTokenizer
from tests.conftest import small_config

ROOT = Path(__file__).parent.parent
CONTRACTS = tomllib.loads((ROOT / "pyproject.toml").read_text("utf-8"))["tool"]["importlinter"]
# Each room, and its files from the lowest to the highest; some may stand side by side.
ROOMS: dict[str, list[set[str]]] = {
    container.removeprefix("charrnn."): [
        set(layer.split(" | ")) for layer in contract["layers"][::-1]
    ]
    for contract in CONTRACTS["contracts"]
    for container in contract.get("containers", ())
    if container != "charrnn"
}
HEAVY = ("torch", "datasets", "pandas", "rich", "tqdm", "llvmlite")


def imported_by(
    code: str, *arguments: str, cwd: Path, among: Sequence[str] = (*HEAVY, "numpy")
) -> set[str]:
    """The modules of `among` that a fresh Python has imported after `code`."""
    ending = f"import sys; print('LOADED', *[m for m in {tuple(among)} if m in sys.modules])"
    done = subprocess.run(
        [sys.executable, "-c", f"{code}\n{ending}", *arguments],
        cwd=cwd,
        capture_output=True,
        text=True,
        timeout=120,
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
        ("serve", "--help"),
        ("sample", "model", "model", "-n", "20", "--json", "--num-samples", "2"),
        ("sample", "model", "-n", "20", "--beam", "2"),
        ("corpora",),
        ("sample", "model", "-n", "20", "--prompt", "abc"),
        ("inspect", "model", "text", "--unit", "0.1"),
        ("inspect", "model", "text", "--at", "3"),
        ("inspect", "model", "text", "--html", "page.html"),
        ("export", "model", "--html", "model.html", "--js", "model.js"),
        ("export", "model", "--onnx", "model.onnx"),
        ("info", "model"),
        ("info", "model", "--json"),
        ("list",),
    ],
    ids=" ".join,
)
def test_only_training_imports_pytorch(arguments: tuple[str, ...], tmp_path: Path) -> None:
    CharRNN(small_config("gru")).save_pretrained(tmp_path / "model", CharTokenizer("\n abcdefghi"))
    (tmp_path / "text").write_text("abcabc\n")
    assert imported_by(RUN, *arguments, cwd=tmp_path) <= {"numpy"}


def test_a_command_imports_no_other(tmp_path: Path) -> None:
    CharRNN(small_config("gru")).save_pretrained(tmp_path / "model", CharTokenizer("\n abcdefghi"))
    others = {f"charrnn.cli.{path.stem}" for path in (ROOT / "charrnn" / "cli").glob("[a-z]*.py")}
    others -= {f"charrnn.cli.{name}" for name in ("app", "sample", "sample_options")}
    assert len(others) > 10
    # What these would bring, no model needs that is in a folder and writes to a terminal.
    unwanted = (*sorted(others), "logging", "html")
    loaded = imported_by(RUN, "sample", "model", "-n", "20", cwd=tmp_path, among=unwanted)
    assert loaded == set()


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
    with pytest.raises(AttributeError, match="nonsense"):
        _ = charrnn.nonsense  # type: ignore[attr-defined]


def test_every_function_of_inside_can_be_had_from_the_room() -> None:
    """A file of that name would take its place once it is imported."""
    for name in charrnn.inside.__all__:
        assert callable(getattr(charrnn.inside, name)), name
        assert getattr(charrnn.inside, name).__doc__, name
    assert not set(charrnn.inside.__all__) & set().union(*ROOMS["inside"])
    with pytest.raises(AttributeError, match="nonsense"):
        _ = charrnn.inside.nonsense  # type: ignore[attr-defined]


@pytest.mark.parametrize("room", [charrnn, charrnn.inside], ids=lambda room: str(room.__name__))
def test_what_is_public_is_listed_once_and_nothing_else(room: ModuleType) -> None:
    for name in room.__all__:
        getattr(room, name)  # which it holds from now on
    assert [name for name in dir(room) if not name.startswith("__")] == sorted(room.__all__)
    assert len(set(dir(room))) == len(dir(room))


@pytest.mark.parametrize("room", [charrnn, charrnn.inside], ids=lambda room: str(room.__name__))
def test_type_checkers_see_every_public_name(room: ModuleType) -> None:
    """They read the imports that Python never runs."""
    tree = ast.parse(Path(str(room.__file__)).read_text("utf-8"))
    found = [
        node for node in ast.walk(tree) if isinstance(node, ast.ImportFrom) and node.level == 0
    ]
    seen = {alias.asname for node in found for alias in node.names if alias.asname}
    assert sorted(seen) == sorted(room.__all__)


def test_every_folder_of_the_package_is_a_room_whose_order_is_checked() -> None:
    """Also the rooms within a room."""
    package = ROOT / "charrnn"
    folders = {path.parent.relative_to(package) for path in package.glob("*/**/__init__.py")}
    assert {".".join(folder.parts) for folder in folders} == ROOMS.keys()


def test_every_room_but_those_that_train_is_kept_from_pytorch() -> None:
    training = {"objectives", "network", "learning", "evaluation", "training", "terminal", "cli"}
    (contract,) = [c for c in CONTRACTS["contracts"] if c.get("forbidden_modules") == ["torch"]]
    kept = {name.removeprefix("charrnn.") for name in contract["source_modules"]}
    assert kept >= {room.partition(".")[0] for room in ROOMS} - training


@pytest.mark.parametrize("room", ROOMS)
def test_a_room_is_introduced_by_a_docstring_that_lists_its_files_and_by_nothing_else(
    room: str,
) -> None:
    """In the order in which they can be read: each imports only from those before it.

    `inside` also hands out its functions, as `charrnn` itself does: lazily.
    """
    path = ROOT.joinpath("charrnn", *room.split("."), "__init__.py")
    first, *others = ast.parse(path.read_text("utf-8")).body
    assert isinstance(first, ast.Expr)
    assert not others or room == "inside"
    listed = re.findall(r"^(\w+)  +\S", ast.literal_eval(first.value), re.MULTILINE)
    assert len(listed) == sum(len(files) for files in ROOMS[room])
    for files in ROOMS[room]:
        assert set(listed[: len(files)]) == files
        del listed[: len(files)]


def test_between_rooms_all_imports_point_one_way() -> None:
    graph = grimp.build_graph("charrnn", cache_dir=None)
    arrows: dict[str, set[str]] = {}
    for module in graph.modules - {"charrnn"}:
        imported = graph.find_modules_directly_imported_by(module) - {"charrnn"}
        room = module.split(".")[1]
        arrows.setdefault(room, set()).update({name.split(".")[1] for name in imported} - {room})
    assert arrows.keys() > {room.partition(".")[0] for room in ROOMS}
    TopologicalSorter(arrows).prepare()  # raises CycleError, which names the rooms of a circle
