"""The model folder: what is written is read, and what is damaged is found."""

from __future__ import annotations

import errno
import json
import os
import re
import shutil
import stat
import unicodedata
from pathlib import Path
from typing import Literal

import numpy as np
import pytest

from charrnn import CharRNN, CharTokenizer, Corpus, load, resume, train
from charrnn.cells.heads import shapes_of
from charrnn.errors import BadDataError, CannotCreateError, MissingInputError, ReadWriteError
from charrnn.folder.card import markdown
from charrnn.folder.files import create_folder, refuse_occupied, write_files
from charrnn.folder.reading import find_model, read_model
from charrnn.folder.record import ModelRecord, model_files
from tests.conftest import VERSE, V, small_config

Form = Literal["NFC", "NFD"]
TOKENIZER = CharTokenizer("\n abcdefghi")
CONFIG = small_config("lstm")


@pytest.fixture
def model(tmp_path: Path) -> Path:
    path = tmp_path / "model"
    CharRNN(CONFIG).save_pretrained(path, TOKENIZER)
    return path


def test_the_files_of_a_model_are_golden(tmp_path: Path) -> None:
    """Bytes that other programs read: a change here is a change of the format."""
    shapes = shapes_of(CONFIG)
    weights = {name: np.zeros(shape, np.float32) for name, shape in shapes.items()}
    record = ModelRecord(charrnn_version="1.2.3", model=CONFIG)
    files = model_files(record, TOKENIZER, weights, step=7)
    assert sorted(files) == ["config.json", "model.safetensors", "tokenizer.json"]
    assert (
        files["tokenizer.json"]
        == b"""{
  "kind": "char",
  "characters": "\\n abcdefghi"
}
"""
    )
    assert (
        files["config.json"]
        == b"""{
  "format_version": 1,
  "charrnn_version": "1.2.3",
  "torch_version": null,
  "model": {
    "cell": "lstm",
    "vocab_size": 11,
    "embed_size": 4,
    "hidden_size": 5,
    "num_layers": 2,
    "dropout": 0.0,
    "weight_dropout": 0.0,
    "skip": false,
    "bidirectional": false
  },
  "training": null,
  "corpus": null
}
"""
    )
    header = files["model.safetensors"][8:]
    assert header.startswith(b'{"__metadata__":{"step":"7"}')
    assert b'"rnn.weight_hh_l1":{"dtype":"F32","shape":[20,5]' in header


def test_the_manifest_lists_every_file(model: Path) -> None:
    names = set((model / "manifest.json").read_text().split('"')[1::2]) - {"size", "sha256"}
    names = {name for name in names if "." in name}
    assert names == {p.name for p in model.iterdir()} - {"manifest.json"}


def test_nothing_is_left_aside_and_the_umask_holds(model: Path) -> None:
    """Some libraries write weights as 0600, which a colleague then can't read."""
    umask = os.umask(0)
    os.umask(umask)
    for path in model.iterdir():
        assert not path.name.startswith(".")
        assert path.stat().st_mode & 0o777 == 0o666 & ~umask


def test_a_save_keeps_who_may_read_a_file(model: Path) -> None:
    weights, readable = model / "model.safetensors", (model / "config.json").stat().st_mode
    weights.chmod(0o600)
    (model / ".model.safetensors.charrnn-new").touch()  # left by a save that was killed
    write_files(model, dict.fromkeys((weights.name, "config.json", "labels.json"), b"new"))
    assert weights.read_bytes() == b"new"
    assert weights.stat().st_mode & 0o777 == 0o600
    for name in ("config.json", "labels.json"):
        assert (model / name).stat().st_mode == readable


@pytest.mark.parametrize("name", ["config.json", "tokenizer.json", "model.safetensors"])
@pytest.mark.parametrize("change", ["flip", "cut", "grow", "empty"])
def test_damage_is_found(model: Path, name: str, change: str) -> None:
    data = (model / name).read_bytes()
    flipped = bytearray(data)
    flipped[-3] ^= 1
    changed = {"flip": bytes(flipped), "cut": data[:-1], "grow": data + b" ", "empty": b""}
    (model / name).write_bytes(changed[change])
    with pytest.raises(BadDataError, match=name):
        load(model)


@pytest.mark.parametrize("name", ["config.json", "tokenizer.json", "model.safetensors"])
def test_a_missing_file_is_named(model: Path, name: str) -> None:
    (model / name).unlink()
    with pytest.raises(MissingInputError, match=name):
        load(model)


def test_a_folder_without_manifest_loads_with_a_warning(model: Path) -> None:
    (model / "manifest.json").unlink()
    with pytest.warns(UserWarning, match=r"no manifest\.json"):
        load(model)


def test_a_folder_that_is_no_model_is_refused_without_a_word_on_its_manifest() -> None:
    for name in (".", Path.cwd()):
        with pytest.raises(MissingInputError, match=r"no config\.json in it"):
            load(name)


@pytest.mark.parametrize(
    ("file", "old", "new", "message"),
    [
        ("config.json", '"hidden_size": 5', '"hidden_size": 1000000', "expected F32"),
        ("config.json", '"hidden_size": 5', '"hidden_size": 0', ">= 1"),
        ("config.json", '"skip": false', '"skipp": false', "unknown field"),
        ("config.json", '"cell": "lstm"', '"cell": "gru"', "weight"),
        ("config.json", '"format_version": 1', '"format_version": 2', "format 2"),
        ("config.json", f'"vocab_size": {V}', '"vocab_size": 12', "12 in config.json"),
        ("tokenizer.json", '"characters"', '"letters"', "tokenizer.json"),
        ("tokenizer.json", "abc", "cba", "sorted"),
        ("tokenizer.json", '"char"', '"word"', "word"),
    ],
)
def test_files_that_do_not_fit_are_refused_without_a_manifest(
    model: Path, file: str, old: str, new: str, message: str
) -> None:
    """A folder by another program has no hashes to save it; sizes are checked before use."""
    (model / "manifest.json").unlink()
    text = (model / file).read_text()
    assert old in text
    (model / file).write_text(text.replace(old, new))
    with pytest.raises(BadDataError, match=message):
        load(model)


def test_a_write_that_fails_leaves_the_folder_as_it_was(
    model: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    before = {path.name: path.read_bytes() for path in model.iterdir()}

    def full(handle: int) -> None:
        raise OSError(28, "No space left on device")

    monkeypatch.setattr(os, "fsync", full)
    with pytest.raises(ReadWriteError, match="No space left"):
        write_files(model, {"model.safetensors": b"new", "metrics.jsonl": b"new"})
    assert {path.name: path.read_bytes() for path in model.iterdir()} == before


@pytest.mark.parametrize("number", [errno.EINVAL, errno.EIO])
def test_a_disk_whose_folders_cannot_be_flushed_will_do(
    number: int, model: Path, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    """Such is a folder of VirtualBox that is shared: nothing could be trained there."""

    def fail(handle: int) -> None:
        if stat.S_ISDIR(os.fstat(handle).st_mode):
            raise OSError(number, os.strerror(number))

    monkeypatch.setattr(os, "fsync", fail)
    if number == errno.EIO:
        with pytest.raises(CannotCreateError, match=os.strerror(number)):
            create_folder(tmp_path / "new")
        with pytest.raises(ReadWriteError, match=os.strerror(number)):
            write_files(model, {"metrics.jsonl": b""})
    else:
        create_folder(tmp_path / "new")
        write_files(model, {"metrics.jsonl": b""})
        load(model)


@pytest.mark.parametrize("stop_at", range(12))
def test_at_every_moment_of_a_write_each_file_is_one_the_manifest_lists(
    model: Path, monkeypatch: pytest.MonkeyPatch, stop_at: int
) -> None:
    """The machine stops before rename number `stop_at`; what is there must load."""
    old = load(model).generate(seed=1, max_new_tokens=30)
    network = CharRNN(CONFIG)
    record = read_model(model).record
    files = model_files(record, TOKENIZER, network.weights(), step=2)
    rename, count = Path.replace, 0

    def stop(self: Path, target: Path) -> Path:
        nonlocal count
        if count == stop_at:
            raise KeyboardInterrupt
        count += 1
        return rename(self, target)

    monkeypatch.setattr(Path, "replace", stop)
    try:
        write_files(model, files)
        assert stop_at >= len(files) + 2
    except KeyboardInterrupt:
        pass
    monkeypatch.undo()
    new = load(model).generate(seed=1, max_new_tokens=30)
    assert new == old or read_model(model).step == 2
    write_files(model, files)
    assert read_model(model).step == 2


def test_a_folder_that_holds_something_is_never_written_over(tmp_path: Path) -> None:
    (tmp_path / "precious.txt").write_text("mine")
    with pytest.raises(CannotCreateError, match="not empty"):
        create_folder(tmp_path)
    with pytest.raises(CannotCreateError, match=r"precious\.txt"):
        create_folder(tmp_path / "precious.txt" / "model")
    with pytest.raises(CannotCreateError, match=r"null (byte|character)"):
        create_folder(tmp_path / "no\0path")


def test_python_is_not_told_to_choose_another_option(tmp_path: Path) -> None:
    (tmp_path / "precious.txt").write_text("mine")
    for path, found in ((tmp_path, "is not empty"), (tmp_path / "precious.txt", "Not a directory")):
        with pytest.raises(CannotCreateError, match=f"{found}; choose another path") as error:
            CharRNN(CONFIG).save_pretrained(path, TOKENIZER)
        assert "--" not in str(error.value)


@pytest.mark.parametrize("name", ["config.json", "tokenizer.json"])
def test_what_git_or_an_editor_does_to_texts_is_told_as_what_it_is(model: Path, name: str) -> None:
    """It was called damage."""
    data = (model / name).read_bytes()
    (model / name).write_bytes(data.replace(b"\n", b"\r\n"))
    with pytest.raises(BadDataError, match=rf"{name}: line ends were changed; copy .* as it is"):
        load(model)
    (model / name).write_bytes(b"\xef\xbb\xbf" + data)
    with pytest.raises(BadDataError, match=rf"{name}: it got a byte order mark; copy"):
        load(model)
    (model / "manifest.json").unlink()
    with pytest.warns(UserWarning, match=r"no manifest\.json"):
        load(model)


def test_a_model_of_another_program_is_none(tmp_path: Path) -> None:
    (tmp_path / "config.json").write_text('{"model_type": "gpt2", "vocab_size": 50257}')
    with pytest.raises(BadDataError, match=r"is not a charrnn model: .* name a model that charrnn"):
        load(tmp_path)


def test_what_is_named_in_place_of_a_model_folder_is_told() -> None:
    CharRNN(CONFIG).save_pretrained("t/nest/my book", TOKENIZER)
    Path("t/book.zip").write_bytes(b"PK")
    for name, message in (
        ("t/book.zip", r"t/book\.zip is a file, not a model folder; unpack it"),
        ("t/nest/my book/model.safetensors", r"is a file, .*; name its folder, 't/nest/my book'"),
        ("t/nest", r"t/nest: no config\.json in it; name a model folder in it, 't/nest/my book'"),
    ):
        with pytest.raises(MissingInputError, match=message):
            load(name)


@pytest.mark.parametrize("saved", ["NFC", "NFD"])
def test_a_name_is_found_in_the_other_normal_form(saved: Form) -> None:
    """Macs write ü in the names of files as two characters."""
    name = unicodedata.normalize(saved, "bücher")
    for shelf in ("", "checkpoints/"):
        CharRNN(CONFIG).save_pretrained(f"{shelf}{name}", TOKENIZER)
        for name_here in (unicodedata.normalize("NFC", name), unicodedata.normalize("NFD", name)):
            found = find_model(name_here)
            assert found.samefile(f"{shelf}{name}")  # a Mac has it under both names
            assert unicodedata.normalize(saved, str(found)) == f"{shelf}{name}"
        shutil.rmtree(f"{shelf}{name}")


def test_find_takes_a_path_a_name_or_the_newest() -> None:
    with pytest.raises(MissingInputError, match="there is no model in checkpoints"):
        find_model(None)
    for age, name in enumerate(["newest", "older"]):
        CharRNN(CONFIG).save_pretrained(f"checkpoints/{name}", TOKENIZER)
        os.utime(f"checkpoints/{name}/model.safetensors", ns=(0, 10**18 - age))
    Path("checkpoints/unfinished").mkdir()
    assert find_model(None) == Path("checkpoints/newest")
    assert find_model("older") == Path("checkpoints/older")
    assert find_model("checkpoints/older") == Path("checkpoints/older")
    with pytest.raises(MissingInputError, match="nowhere"):
        find_model("nowhere")
    with pytest.raises(MissingInputError, match=r"no model folder (To be\\n){10}…; name a model"):
        find_model("To be\n" * 20000)  # a text, all of which was told


def test_a_model_is_found_beside_the_folder_of_texts_that_it_is_named_after() -> None:
    """The folder of texts was taken for the model: "no config.json in it"."""
    Path("chapters").mkdir()
    Path("chapters/one.txt").write_text(VERSE)
    assert find_model("chapters") == Path("chapters")  # for an error that says what is missing
    CharRNN(CONFIG).save_pretrained("checkpoints/chapters", TOKENIZER)
    assert find_model("chapters") == Path("checkpoints/chapters")
    assert find_model("chapters/") == Path("checkpoints/chapters")
    assert load("chapters").tokenizer.vocab_size == V


@pytest.mark.parametrize("left", ["config.json", "manifest.json", "model.safetensors"])
def test_a_damaged_model_is_not_passed_over_for_another_of_its_name(left: str) -> None:
    for path in (Path("m"), Path("checkpoints/m")):
        CharRNN(CONFIG).save_pretrained(path, TOKENIZER)
    for file in Path("m").iterdir():
        if file.name != left:
            file.unlink()
    assert find_model("m") == Path("m")
    with pytest.raises(MissingInputError, match=r"m: no [a-z]+\.(json|safetensors) in it"):
        load("m")


def test_a_run_that_was_killed_before_its_first_evaluation_is_to_be_resumed(tmp_path: Path) -> None:
    """ "name a model folder" was said of a folder that is one, all but the weights."""
    checkpoints = tmp_path / "checkpoints"
    events = iter(train(Corpus("v", VERSE * 9), out=checkpoints / "v", steps=50, hidden_size=8))
    next(events)  # it has begun, and is never closed: as if it were killed
    for name in (None, "v", checkpoints / "v"):
        with pytest.raises(MissingInputError, match=r"charrnn train --resume checkpoints.v$|v$"):
            load(name)
    with pytest.raises(CannotCreateError, match=r"not empty; go on with its run \(--resume"):
        train(Corpus("v", VERSE), name="v")
    (checkpoints / "v" / "resume" / "state.safetensors").unlink()
    with pytest.raises(MissingInputError, match="start anew") as error:
        resume("v", Corpus("v", VERSE * 9))
    assert "--init-from" not in str(error.value)  # there are no weights to start from


def test_a_first_save_that_was_killed_is_to_be_started_again(tmp_path: Path) -> None:
    events = iter(train(Corpus("v", VERSE * 9), out=tmp_path / "v", steps=50, hidden_size=8))
    next(events)
    manifest = tmp_path / "v" / "manifest.json"
    versions = json.loads(manifest.read_text())
    manifest.write_text(json.dumps({name: [None, *found] for name, found in versions.items()}))
    for file in (tmp_path / "v").rglob("*"):
        if file.is_file() and file.name != "manifest.json":
            file.unlink()
    with pytest.raises(MissingInputError, match="stopped before anything was saved; start it ag"):
        load(tmp_path / "v")


def test_commands_to_copy_name_a_folder_with_a_space_as_one_word(
    trained_folder: Path, tmp_path: Path
) -> None:
    path = Path(shutil.copytree(trained_folder, tmp_path / "checkpoints" / "two words"))
    assert "\n    charrnn sample 'two words' --temp" in markdown(read_model(path))
    with pytest.raises(CannotCreateError, match=re.escape(f"(--resume '{path}', in")):
        refuse_occupied(path)
    (path / "model.safetensors").unlink()
    with pytest.raises(MissingInputError, match=re.escape(f"charrnn train --resume '{path}'")):
        read_model(path)
    with pytest.raises(MissingInputError, match="train --resume 'checkpoints/two words'"):
        find_model(None)
