"""Broken and hostile model folders: each is refused in one line, and nothing in them runs."""

from __future__ import annotations

import io
import json
import os
import pickle
import random
import shutil
import subprocess
import sys
import time
import tracemalloc
import warnings
import zipfile
from collections.abc import Callable
from contextlib import suppress
from pathlib import Path

import pytest

from charrnn import CharRNNError, load, resume
from charrnn.checkpoints import STATE
from charrnn.cli.verify import verify
from charrnn.errors import BadDataError
from charrnn.folder.card import markdown
from charrnn.folder.files import write_files
from charrnn.folder.reading import read_model
from charrnn.folder.record import model_files
from charrnn.folder.resuming import read_run
from tests.commands import run
from tests.conftest import VERSE

FILES = (
    "config.json",
    "tokenizer.json",
    "model.safetensors",
    "metrics.jsonl",
    "manifest.json",
    STATE,
)


@pytest.fixture
def model(trained_folder: Path, tmp_path: Path) -> Path:
    return Path(shutil.copytree(trained_folder, tmp_path / "model"))


Mutation = Callable[[random.Random, bytes, bytes], bytes]


def _flip(dice: random.Random, data: bytes, other: bytes) -> bytes:
    changed = bytearray(data)
    for _ in range(dice.choice([1, 1, 1, 8])):
        changed[dice.randrange(len(data))] ^= 1 << dice.randrange(8)
    return bytes(changed)


def _cut(dice: random.Random, data: bytes, other: bytes) -> bytes:
    return data[: dice.randrange(len(data))]


def _grow(dice: random.Random, data: bytes, other: bytes) -> bytes:
    return data + dice.randbytes(dice.choice([1, 2, 1000, 100_000]))


def _splice(dice: random.Random, data: bytes, other: bytes) -> bytes:
    start, end = sorted(dice.choices(range(len(data)), k=2))
    begin = dice.randrange(len(other))
    return data[:start] + other[begin : begin + dice.randrange(200)] + data[end:]


def _swap(dice: random.Random, data: bytes, other: bytes) -> bytes:
    return other


VALUES = (
    b"null",
    b"true",
    b"-1",
    b"0",
    b"1e999",
    b"1e308",
    b"NaN",
    b"-Infinity",
    b"9" * 400,
    b"1000000000",
    b"18446744073709551616",
    b'""',
    b'"\\ud800"',
    b'"../../etc/passwd"',
    b"[]",
    b"{}",
    b"[" * 100_000,
    b'{"a":' * 100_000,
    b"[" * 500 + b"]" * 500,
)


def _value(dice: random.Random, data: bytes, other: bytes) -> bytes:
    """Another value after one of the colons, in JSON or in the header of a safetensors file."""
    colons = [k for k, byte in enumerate(data[:20_000]) if byte == ord(":")]
    if not colons:
        return dice.choice(VALUES)
    place = dice.choice(colons) + 1
    end = min((data + b",}\n").find(mark, place) % (len(data) + 3) for mark in (b",", b"}", b"\n"))
    return data[:place] + dice.choice(VALUES) + data[end:]


def _twice(dice: random.Random, data: bytes, other: bytes) -> bytes:
    """A name that is there twice."""
    place = data.find(b'"')
    name = data[place : data.find(b'"', place + 1) + 1]
    return data[:place] + name + b":1," + data[place:]


MUTATIONS: tuple[Mutation, ...] = (_flip, _flip, _cut, _grow, _splice, _swap, _value, _twice)


def _mutated(path: Path, number: int, names: list[str]) -> tuple[Path, bytes]:
    """One of the files, and what becomes of it by the rules of `number`."""
    dice = random.Random(number)  # noqa: S311
    name, other = dice.sample(names, 2)
    data, source = (path / name).read_bytes(), (path / other).read_bytes()
    return path / name, dice.choice(MUTATIONS)(dice, data, source)


def _read_everything(path: Path) -> None:
    with warnings.catch_warnings():
        warnings.simplefilter("ignore")  # that there is no manifest, or that numbers overflow
        load(path).generate(max_new_tokens=3, seed=1)
        read_run(path)
        if (path / "manifest.json").exists():
            verify(str(path))


def _refusal(path: Path) -> tuple[CharRNNError | None, int]:
    """What is said of a folder, and the bytes that reading it takes, at the most."""
    refusal = None
    tracemalloc.start()
    try:
        _read_everything(path)
    except CharRNNError as error:
        refusal = error
    peak = tracemalloc.get_traced_memory()[1]
    tracemalloc.stop()
    return refusal, peak


def _try(path: Path, numbers: range, manifest: bool) -> None:
    """Read a folder after each mutation."""
    names = [*FILES, "README.md"]
    if not manifest:
        (path / "manifest.json").unlink()
        names.remove("manifest.json")
    _read_everything(path)  # what is imported on the way is not the folder's memory
    size = sum(file.stat().st_size for file in path.rglob("*") if file.is_file())
    refused = 0
    for number in numbers:
        file, after = _mutated(path, number, names)
        before = file.read_bytes()
        file.write_bytes(after)
        begin = time.thread_time()
        error, peak = _refusal(path)
        if error is None:
            own = file.name in ("manifest.json", "README.md")  # the latter is for people to edit
            harmless = not manifest or own or before == after
            assert harmless, f"mutation {number} of {file.name} was not seen"
        else:
            assert error.exit_code == 65, f"mutation {number}: {error}"
            assert "\n" not in str(error)
            refused += 1
        assert time.thread_time() - begin < 2, f"mutation {number}"
        limit = 2 * (size + len(after)) + 1_000_000
        if peak >= limit:  # what a first time allocates for good is not the folder's
            _, peak = _refusal(path)
        assert peak < limit, f"mutation {number}: {peak:,} bytes"
        file.write_bytes(before)
    assert refused > len(numbers) / 2
    _read_everything(path)


@pytest.mark.parametrize("manifest", [True, False])
def test_a_mutation_is_refused_with_code_65(manifest: bool, model: Path) -> None:
    """Without a manifest one may pass, where all that is left still agrees."""
    _try(model, range(300), manifest)


@pytest.mark.slow
@pytest.mark.parametrize("manifest", [True, False])
def test_ten_thousand_mutations_are_refused_with_code_65(manifest: bool, model: Path) -> None:
    """Half of them with a manifest, half without."""
    _try(model, range(1000, 6000), manifest)


class Canary:
    """Unpickling it leaves a file."""

    def __init__(self, path: Path) -> None:
        self.path = path

    def __reduce__(self) -> tuple[Callable[[str], int], tuple[str]]:
        return os.system, (f"touch {self.path}",)


@pytest.mark.parametrize("name", FILES)
@pytest.mark.parametrize("kind", ["pickle", "zip"])
@pytest.mark.parametrize("manifest", [True, False])
def test_a_pickle_never_runs(
    name: str, kind: str, manifest: bool, model: Path, tmp_path: Path
) -> None:
    """By any name; the zip is what PyTorch's own files are."""
    payload = pickle.dumps({"weight": Canary(tmp_path / "ran")})
    if kind == "zip":
        packed = io.BytesIO()
        with zipfile.ZipFile(packed, "w") as archive:
            archive.writestr("archive/data.pkl", payload)
            archive.writestr("archive/version", "3\n")
        payload = packed.getvalue()
    if not manifest:
        (model / "manifest.json").unlink()
    (model / name).write_bytes(payload)
    with pytest.raises(BadDataError):
        _read_everything(model)
    assert not (tmp_path / "ran").exists()
    if kind == "pickle":
        pickle.loads(payload)  # noqa: S301 - the canary sings when it is let
        assert (tmp_path / "ran").exists()


def test_a_billion_units_are_refused_before_anything_is_allocated(model: Path) -> None:
    (model / "manifest.json").unlink()
    config = json.loads((model / "config.json").read_text())
    config["model"] |= {"hidden_size": 1_000_000, "num_layers": 1000}
    (model / "config.json").write_text(json.dumps(config))
    tracemalloc.start()
    with pytest.raises(BadDataError, match="expected F32"):
        load(model)
    assert tracemalloc.get_traced_memory()[1] < 5_000_000
    tracemalloc.stop()
    config["model"]["hidden_size"] = 1_000_000_000
    (model / "config.json").write_text(json.dumps(config))
    with pytest.raises(BadDataError, match="<= 1000000"):
        load(model)


@pytest.mark.parametrize("place", ["more", "model"])
def test_what_a_config_may_not_hold_is_not_built(place: str, model: Path) -> None:
    """It took 25 times the size of its file."""
    (model / "manifest.json").unlink()
    config = json.loads((model / "config.json").read_text())
    text = json.dumps(config | {place: [{} for _ in range(500_000)]})
    (model / "config.json").write_text(text)
    tracemalloc.start()
    with pytest.raises(BadDataError, match=r"config\.json: (Expected|Object)"):
        load(model)
    assert tracemalloc.get_traced_memory()[1] < 4 * len(text)
    tracemalloc.stop()


@pytest.mark.parametrize("name", ["../outside", "/etc/passwd", "a/../../outside", ""])
def test_a_manifest_names_nothing_outside_of_its_folder(name: str, model: Path) -> None:
    (model.parent / "outside").write_text("private")
    manifest = json.loads((model / "manifest.json").read_text())
    manifest[name] = [{"size": 7, "sha256": "0" * 64}]
    (model / "manifest.json").write_text(json.dumps(manifest))
    for read in (load, read_run, lambda path: verify(str(path))):
        with pytest.raises(BadDataError, match="not in the folder"):
            read(model)


@pytest.mark.parametrize("name", FILES)
@pytest.mark.parametrize("kind", ["pipe", "folder", "device", "nowhere", "itself"])
@pytest.mark.parametrize("manifest", [True, False])
def test_what_is_no_file_is_not_read(name: str, kind: str, manifest: bool, model: Path) -> None:
    """A pipe would be waited for, /dev/zero read for ever."""
    if not manifest:
        (model / "manifest.json").unlink()
    path = model / name
    path.unlink(missing_ok=True)
    match kind:
        case "pipe":
            os.mkfifo(path)
        case "folder":
            path.mkdir()
        case "device":
            path.symlink_to("/dev/zero")
        case "nowhere":
            path.symlink_to("nowhere")
        case _:
            path.symlink_to(path.name)
    with pytest.raises(BadDataError, match=path.name):
        _read_everything(model)


@pytest.mark.parametrize("name", [".lock", ".lock.holder", "resume"])
def test_training_writes_through_no_link_that_a_folder_holds(name: str, model: Path) -> None:
    """Else a folder from elsewhere could change any file of who goes on with it."""
    outside = model.parent / "outside"
    if name == "resume":
        (model / name).rename(outside)
        kept = {path.name: path.read_bytes() for path in outside.iterdir()}
    else:
        outside.write_text("mine")
    (model / name).symlink_to(outside)
    with suppress(CharRNNError):
        for _ in resume(model):
            pass
    if name == "resume":
        assert {path.name: path.read_bytes() for path in outside.iterdir()} == kept
    else:
        assert outside.read_text() == "mine"


def test_a_model_travels_without_the_state_of_its_run(model: Path) -> None:
    shutil.rmtree(model / "resume")
    verify(str(model))
    load(model)
    with pytest.raises(CharRNNError, match="no state to resume from"):
        read_run(model)


def test_a_file_is_read_while_a_run_writes_it(model: Path, tmp_path: Path) -> None:
    """The manifest is read before the file that it lists, and a save may come between."""
    code = (
        "import itertools, sys; from pathlib import Path\n"
        "from charrnn.folder.files import write_files\n"
        "path = Path(sys.argv[1]); names = ('model.safetensors', 'README.md', 'metrics.jsonl')\n"
        "old = {name: (path / name).read_bytes() for name in names}\n"
        "for number in itertools.count():\n"
        "    data = old['README.md'] + bytes(str(number), 'ascii')\n"
        "    write_files(path, old | {'README.md': data})"
    )
    with subprocess.Popen([sys.executable, "-c", code, str(model)]) as writer:
        try:
            for _ in range(200):
                load(model)
                verify(str(model))
            assert writer.poll() is None, "it has written all the time"
        finally:
            writer.kill()


def test_a_link_to_a_file_is_a_file(model: Path) -> None:
    """As in the caches of model hubs."""
    for name in FILES:
        kept = model.parent / Path(name).name
        (model / name).rename(kept)
        (model / name).symlink_to(kept)
    _read_everything(model)


@pytest.mark.parametrize("value", [float("nan"), float("inf")])
def test_weights_that_are_no_numbers_are_refused(value: float, model: Path) -> None:
    found = read_model(model)
    found.weights["head.bias"][3] = value
    (model / "manifest.json").unlink()
    files = model_files(found.record, found.tokenizer, found.weights, step=1)
    (model / "model.safetensors").write_bytes(files["model.safetensors"])
    with pytest.raises(BadDataError, match=r"head\.bias holds NaN or infinity"):
        load(model)


@pytest.mark.parametrize("verb", ["sample", "eval", "info", "verify", "train"])
def test_every_command_ends_in_one_line_and_code_65(verb: str, model: Path) -> None:
    (model / "config.json").write_bytes(b"[" * 100_000)
    arguments = {
        "sample": ["sample", model],
        "eval": ["eval", model, model.parent / "verse.txt"],
        "info": ["info", model],
        "verify": ["verify", model],
        "train": ["train", "--resume", model],
    }[verb]
    (model.parent / "verse.txt").write_text(VERSE)
    done = run(model.parent, *arguments)
    assert done.returncode == 65, done.stderr
    assert len(done.stderr.splitlines()) == 1
    assert "Traceback" not in done.stderr


def test_a_language_model_that_would_read_what_it_predicts_is_damaged(model: Path) -> None:
    config = json.loads((model / "config.json").read_text())
    config["model"]["bidirectional"] = True
    write_files(model, {"config.json": json.dumps(config).encode()})
    with pytest.raises(
        BadDataError, match=r"config\.json: .*a language model that reads backwards"
    ):
        read_model(model)


def test_a_width_that_muon_has_no_blocks_for_is_damaged(model: Path) -> None:
    config = json.loads((model / "config.json").read_text())
    assert config["model"]["hidden_size"] % 64
    config["training"]["optimizer"] = "muon"
    write_files(model, {"config.json": json.dumps(config).encode()})
    with pytest.raises(BadDataError, match=r"config\.json: .*no multiple of 64"):
        read_model(model)


def test_facts_of_a_folder_move_no_cursor(model: Path) -> None:
    config = json.loads((model / "config.json").read_text())
    config["corpus"]["name"] = "verse\x1b[2J\nparameters: 1"
    config["torch_version"] = "2\r0"
    (model / "a\x1b[1mb").write_text("")
    write_files(model, {"config.json": json.dumps(config).encode()})
    shown = (
        run(model.parent, "info", model).stdout,
        repr(load(model)),
        markdown(read_model(model)),
    )
    for text in shown:
        assert all(character.isprintable() or character == "\n" for character in text)
        assert r"verse\x1b[2J\nparameters: 1" in text
        assert r"2\r0" in text
    assert "1mb" not in shown[0]  # it is no file of the model
