"""What is public either works, or refuses a value of the wrong kind in one line."""

from __future__ import annotations

import inspect
import os
import shutil
import warnings
from collections.abc import Callable, Iterator, Sequence
from itertools import islice
from pathlib import Path, PurePath
from typing import Any

import msgspec
import numpy as np
import pytest
import torch

import charrnn
from charrnn import (
    ByteTokenizer,
    CharRNN,
    CharRNNError,
    CharTokenizer,
    Copies,
    Corpus,
    Mixture,
    Model,
    Reading,
    Run,
    evaluate,
    inside,
    load,
    read_corpus,
    read_records,
    resume,
    train,
)
from charrnn.settings import settings_of
from charrnn.use_config import SETTINGS
from tests.conftest import VERSE, small_config

WRONG: list[Any] = [
    None,
    b"bytes",
    5,
    -1,
    2**70,
    1.5,
    float("nan"),
    True,
    "",
    "no such thing",
    "a\0b",
    "x" * 5000,
    [],
    [1.5, None],
    ["no such thing"],
    (),
    {"a": 1},
    {1, 2},
    object(),
    print,
    int,
    np.int64(3),
    np.float32(0.5),
    np.float64("nan"),
    np.bool_(True),
    np.array([[1, 2], [3, 4]]),
    np.array("text"),
    np.zeros((2, 3, 4, 5), np.float32),
    np.zeros(0, "i4,i4"),
    torch.tensor([1.0, 2.0]),
    Path("no such thing"),
    Corpus("c", "text"),
    Reading(),
]
ANSWERING = ("Classifier", "Forecaster", "Tagger", "Translator")
NAMES = [f"{type(value).__name__}-{number}" for number, value in enumerate(WRONG)]

Public = dict[str, tuple[Callable[..., Any], dict[str, Any]]]
TINY: dict[str, Any] = {"hidden_size": 4, "embed_size": 3, "batch_size": 2, "seq_length": 8}


@pytest.fixture(scope="module")
def folder(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """A model folder whose run can go on, or is over."""
    path = tmp_path_factory.mktemp("kinds")
    (path / "verse.txt").write_text(VERSE)
    train(path / "verse.txt", out=path / "model", steps=3, **TINY).finish(progress=False)
    return path / "model"


@pytest.fixture
def finished(folder: Path) -> Run:
    run = resume(folder)
    run.finish(progress=False)
    return run


def network_of_records() -> Any:
    """Weights of a network that knows ten characters and the end of a record."""
    return CharRNN(small_config("gru"), torch.Generator().manual_seed(1)).weights()


@pytest.fixture(scope="module")
def public(folder: Path) -> Public:
    """Everything that can be called, and arguments with which it works, by name."""
    model, corpus = load(folder), Corpus("verse", VERSE)
    both = Mixture([model, model])
    network = CharRNN.from_pretrained(folder)
    char, byte = CharTokenizer.from_text(VERSE), ByteTokenizer()
    ids = model.tokenizer.encode("the")
    short = {"max_new_tokens": 2}
    found: Public = {
        "train": (train, {"sources": corpus, "reading": None, "tokenizer": "char", **TINY}),
        "resume": (resume, {"model": folder, "sources": corpus}),
        "load": (load, {"model": folder}),
        "evaluate": (evaluate, {"models": model, "text": VERSE, "adapt_from": None}),
        "read_corpus": (read_corpus, {"sources": "places", "reading": None}),
        "read_records": (read_records, {"sources": "places", "reading": None}),
        "Corpus": (Corpus, {"name": "c", "text": "text", "notes": ()}),
        "Copies": (Copies, {"corpus": VERSE}),
        "Copies.check": (Copies(VERSE).check, {"text": VERSE}),
        "CharRNNError": (CharRNNError, {"found": "f", "advice": "a"}),
        "CharTokenizer": (CharTokenizer, {"characters": "ab"}),
        "CharTokenizer.from_text": (CharTokenizer.from_text, {"text": "ab"}),
        "CharRNN": (CharRNN, {"config": small_config("gru"), "generator": None}),
        "CharRNN.forward": (network, {"ids": torch.from_numpy(ids[None]), "state": None}),
        "CharRNN.from_pretrained": (CharRNN.from_pretrained, {"model": folder}),
        "CharRNN.save_pretrained": (
            network.save_pretrained,
            {"path": "saved", "tokenizer": model.tokenizer},
        ),
        "Model": (
            Model,
            {"config": model.config, "tokenizer": model.tokenizer, "weights": model.weights},
        ),
        "Model.step": (model.step, {"ids": ids[:1], "state": model.start()}),
        "Mixture": (Mixture, {"models": [model, model]}),
    }
    text, more = VERSE * 4, {"unknown": "error", "progress": None}
    found |= {
        "inside.activity": (inside.activity, {"model": both, "ids": ids, "names": None}),
        "inside.saliency": (
            inside.saliency,
            {"model": both, "text": "the", "at": 2, "window": 3} | more,
        ),
        "inside.gradients": (inside.gradients, {"models": [model], "text": "the clerk"} | more),
        "inside.units": (inside.units, {"model": model, "text": text} | more),
        "inside.horizon": (
            inside.horizon,
            {"model": both, "text": text, "training_text": VERSE} | more,
        ),
    }
    listed = Model(small_config("gru"), CharTokenizer("abcdefghij", "\n"), network_of_records())
    for name, one in (("Model", listed), ("Mixture", Mixture([listed, listed]))):
        wanted = {"count": 2, "prompt": "a", "unique": True, "known": ["b"], "unknown": "error"}
        found[f"{name}.records"] = one.records, wanted | {"max_new_tokens": 500}
    for name, tokenizer in (("CharTokenizer", char), ("ByteTokenizer", byte)):
        found[f"{name}.encode"] = tokenizer.encode, {"text": "the", "unknown": "error"}
        found[f"{name}.decode"] = tokenizer.decode, {"ids": ids}
    for name, one in (("Model", model), ("Mixture", both)):
        read = {"text": "the", "unknown": "error"}
        found[f"{name}.run_with_cache"] = one.run_with_cache, read | {"names_filter": None}
        found[f"{name}.run_with_hooks"] = one.run_with_hooks, read | {"fwd_hooks": []}
        prompt = {"prompt": "the", "unknown": "error"} | short
        found |= {
            f"{name}.start": (one.start, {"batch_size": 2}),
            f"{name}.__call__": (one, {"ids": ids[None], "state": one.start()}),
            f"{name}.read": (one.read, {"ids": ids[None], "state": one.start()}),
            f"{name}.stepper": (one.stepper, {"state": one.start()}),
            f"{name}.sampler": (one.sampler, {"state": one.start(), "max_tokens": 9}),
            f"{name}.log_probs": (one.log_probs, {"text": VERSE, "unknown": "error"}),
            f"{name}.token_log_probs": (one.token_log_probs, {"ids": ids[None]}),
            f"{name}.score_lines": (
                one.score_lines,
                {"lines": ["the"], "unknown": "error", "first": 5},
            ),
            f"{name}.generate": (one.generate, prompt),
            f"{name}.stream": (one.stream, prompt),
            f"{name}.generate_batch": (one.generate_batch, {"count": 2} | prompt),
            f"{name}.beam_search": (
                one.beam_search,
                {"num_beams": 2, "length_penalty": 1.0} | prompt,
            ),
        }
    return found


@pytest.fixture
def unmeasured(monkeypatch: pytest.MonkeyPatch) -> None:
    """What is measured to choose sizes takes half a second, for each value that is all right."""
    monkeypatch.setattr("charrnn.training.beginning.preparing.measured_speed", lambda *_: 1e10)


def untyped(value: Any) -> Any:
    """`value`, of which type checkers believe anything."""
    return value


def used(result: Any) -> None:
    """What is lazy is drawn, and what trains is not begun."""
    if isinstance(result, Iterator):
        list(islice(result, 50))


def call(function: Callable[..., Any], arguments: dict[str, Any]) -> str:
    """The one line of the error; empty if there is none."""
    found = ""
    try:
        with warnings.catch_warnings():
            warnings.simplefilter("ignore", UserWarning)  # that a text was cleaned is an answer
            used(function(**arguments))
    except CharRNNError as error:
        found = str(error)
    assert len(found.splitlines()) <= 1
    assert len(found) < 20_000
    return found


def test_every_public_name_that_can_be_called_is_in_the_table(public: Public) -> None:
    """But those that only hold what charrnn found, and the settings, which follow."""
    for name in charrnn.__all__:
        value = getattr(charrnn, name)
        holds = inspect.isclass(value) and issubclass(value, msgspec.Struct)
        holds |= inspect.isclass(value) and issubclass(value, CharRNNError)
        holds |= inspect.ismodule(value)  # a room, whose functions take models
        made = name in ("Event", "Run") or name in ANSWERING  # by `train`, `resume` and `load`
        assert name in public or holds or made, name
    for name in charrnn.inside.__all__:
        assert f"inside.{name}" in public, name
    for kind in (Model, Mixture, CharTokenizer, ByteTokenizer, CharRNN):
        for name, _ in inspect.getmembers(kind, inspect.isroutine):
            own = any(name in vars(base) for base in kind.__mro__ if "charrnn" in base.__module__)
            ours = own and not name.startswith("_") and name != "decoder"
            inside = name in ("forward", "weights", "from_weights", "from_folder", "compute")
            # which other rooms call
            inside |= name in ("clamped", "read_rows", "read_watched", "ids_of")
            inside |= name in ("encode_as_is", "in_known_form", "count_unknown")
            assert not ours or inside or f"{kind.__name__}.{name}" in public, name


def test_the_table_works(public: Public) -> None:
    for name, (function, arguments) in public.items():
        assert call(function, arguments) == "", name


@pytest.mark.parametrize("wrong", WRONG, ids=NAMES)
def test_every_argument_is_of_the_right_kind_or_refused_in_one_line(
    wrong: Any, public: Public, unmeasured: None
) -> None:
    for name, (function, arguments) in public.items():
        for argument in arguments:
            shutil.rmtree("saved", ignore_errors=True)
            try:
                call(function, arguments | {argument: wrong})
            except Exception as error:
                raise AssertionError(f"{name}({argument}={wrong!r}): {error!r}") from error


@pytest.mark.parametrize("wrong", WRONG, ids=NAMES)
@pytest.mark.parametrize("name", ["generate", "beam_search", "evaluate", "train"])
def test_every_setting_is_of_the_right_kind_or_refused_in_one_line(
    name: str, wrong: Any, folder: Path, unmeasured: None
) -> None:
    model = load(folder)
    table: dict[str, tuple[Any, dict[str, Any]]] = {
        "generate": (model.generate, {}),
        "beam_search": (model.beam_search, {"num_beams": 2}),
        "evaluate": (evaluate, {"models": model, "text": VERSE[:40]}),
        "train": (train, {"sources": Corpus("verse", VERSE)}),
    }
    function, arguments = table[name]
    short = {"max_new_tokens": 2} if name in ("generate", "beam_search") else {}
    for setting in settings_of(*SETTINGS):
        if setting.name in inspect.signature(function).parameters:
            call(function, arguments | short | {setting.name: wrong})


@pytest.mark.parametrize("kind", SETTINGS, ids=lambda kind: kind.__name__)
def test_settings_of_the_wrong_kind_are_refused(kind: Any) -> None:
    right = {"cell": "gru", "vocab_size": 9, "embed_size": 3, "hidden_size": 4, "num_layers": 1}
    right |= {"batch_size": 2, "seq_length": 3, "steps": 4, "learning_rate": 0.1}
    right |= {"warmup_steps": 1, "weight_decay": 0.0, "val_frac": 0.1, "eval_every": 2}
    right["patience"] = 3
    names = {setting.name for setting in msgspec.structs.fields(kind)}
    required = {name: value for name, value in right.items() if name in names}
    for name in names:
        for wrong in WRONG:
            call(kind, required | {name: wrong})


class Table:
    """As pandas has them: the columns' names are its items."""

    shape = (2, 1)

    def __iter__(self) -> Iterator[str]:
        return iter(["the sea"])

    def __repr__(self) -> str:
        return f"{'the sea':>40}\n0{'the sea':>39}\n1{'the sea':>39}"


@pytest.mark.parametrize(
    ("wrong", "message"),
    [
        (lambda m: m.generate(None), "prompt is None; it must be a string"),
        (lambda m: m.generate(b"the"), "prompt is b'the'; it must be a string"),
        (lambda m: m.generate_batch(-1), "count is -1; it must be a whole number, from 0 to"),
        (lambda m: m.step(-1, m.start()), "int can't be read; ids are whole numbers"),
        (lambda m: m.step([-1], m.start()), "ids from -1 to -1 can't be read; ids are whole"),
        (lambda m: m.step([99], m.start()), "ids from 99 to 99 can't be read; ids are whole"),
        (lambda m: m(np.array([[0, 99]])), "ids from 0 to 99 can't be read"),
        (lambda m: m.step([0], m.start(2)), "does not fit the model; begin with model.start"),
        (lambda m: m.step([0], ()), "tuple does not fit the model; begin with model.start"),
        (
            lambda m: m.step([0], [part.astype(int) for part in m.start()]),
            "a state of int64 of shape (",
        ),
        (
            lambda m: m.step([0], [torch.from_numpy(part) for part in m.start()]),
            "; make arrays of the tensors, with part.numpy(force=True)",
        ),
        (lambda m: m.step([0], [0.0] * 99), "a state of float, float, float, float, float, … does"),
        (lambda m: m.score_lines("abc"), "lines is 'abc'; it must be a list of strings"),
        (lambda m: m.score_lines(Table()), "lines is a Table; it must be a list of strings"),
        (lambda m: m.records(1, known=Table()), "known is a Table; it must be a list of"),
        (lambda m: m.generate(temp=0.5), "unknown setting temp; temp is temperature in Python"),
        (lambda m: m.generate(n=9), "unknown setting n; n is max_new_tokens in Python"),
        (lambda m: m.beam_search(0), "num_beams is 0; it must be a whole number, from 1 to"),
        (
            lambda _: untyped(train)(Corpus("c", VERSE), steps="5"),
            "steps is '5'; it must be a whole number",
        ),
        (
            lambda _: untyped(train)(5),
            "sources is 5; it must be a string, a path, a list of strings or paths, a Corpus, or N",
        ),
        (
            lambda _: untyped(load)(b"book"),
            "model is b'book'; it must be a string, a path, a list of strings or paths, or None",
        ),
        (
            lambda _: untyped(load)([b"book"]),
            "model is [b'book']; it must be a string, a path, a list of strings or paths, or None",
        ),
        (
            lambda _: untyped(evaluate)([5], VERSE),
            "a Mixture, or a list of strings, paths, Models or Mixtures",
        ),
        (lambda _: untyped(read_corpus)([1]), "a path, or a list of strings or paths"),
        (
            lambda _: untyped(evaluate)(5, VERSE),
            "models is 5; it must be a string, a path, a Model",
        ),
        (lambda _: CharTokenizer("ba"), "not distinct and sorted; use CharTokenizer.from_text"),
        (lambda m: m.tokenizer.decode([99]), "ids from 99 to 99 can't be read"),
    ],
)
def test_the_line_says_what_was_given_and_what_is_wanted(
    wrong: Callable[[Model], Any], message: str, folder: Path
) -> None:
    with pytest.raises(CharRNNError) as error:
        wrong(load(folder))
    assert message in str(error.value)


class Named:
    """What stands for a path without being one of pathlib's."""

    def __init__(self, name: Any) -> None:
        self.name = name

    def __fspath__(self) -> Any:
        return self.name


def entry_of(path: Path) -> os.DirEntry[str]:
    with os.scandir(path.parent) as entries:
        return next(entry for entry in entries if entry.name == path.name)


@pytest.mark.parametrize("form", [entry_of, lambda path: Named(str(path)), PurePath])
def test_whatever_stands_for_a_path_is_one(
    form: Callable[[Path], Any], folder: Path, tmp_path: Path
) -> None:
    """Not only pathlib's: as an entry of os.scandir, or an object of one's own."""
    model, text = form(folder), form(folder.parent / "verse.txt")
    for one in (load(model), load([model, model])):
        assert one.generate("the", seed=1, max_new_tokens=3)
    assert evaluate(model, VERSE) == evaluate([folder], VERSE)
    lines = Reading(records="lines")
    for read in (read_corpus, read_records):
        assert read(text, lines) == read([text], lines) == read(folder.parent / "verse.txt", lines)
    (tmp_path / "new").mkdir()
    CharRNN.from_pretrained(model).save_pretrained(form(tmp_path / "new"), load(model).tokenizer)
    small: dict[str, Any] = {"steps": 2, "batch_size": 2, "seq_length": 8}
    for base in (model, [model]):
        assert "corpus: verse" in repr(train([text], init_from=base, **small))
    assert "3 of 3 updates" in repr(resume(model, text))
    assert "not started yet" in repr(train(repeat=model, out="out"))


def test_texts_that_are_read_as_they_are_wanted_stay_so(folder: Path) -> None:
    """As those of a data set that does not fit into memory."""
    read = []

    class Lines(Sequence[str]):
        def __len__(self) -> int:
            return 5000

        def __getitem__(self, at: Any) -> Any:
            read.append(at)
            if at == len(self):
                raise IndexError(at)
            return "the sea"

    assert next(iter(load(folder).score_lines(Lines()))).nats > 0
    assert len(read) < 5000


def test_a_path_of_bytes_is_refused_in_one_line(folder: Path) -> None:
    with os.scandir(bytes(folder)) as entries:
        entry = next(entries)
    for wrong in (entry, Named(b"book"), Named(5)):
        for function in map(untyped, (load, resume, read_corpus, train)):
            for given in (wrong, [wrong]):
                with pytest.raises(CharRNNError, match="; it must be a string"):
                    function(given)


def test_numbers_of_numpy_and_pytorch_are_numbers(folder: Path) -> None:
    model = untyped(load(folder))
    plain = model.generate("the", seed=3, temperature=0.5, top_k=4, max_new_tokens=9)
    for whole in (np.int64, np.int32, np.uint8, torch.tensor):
        for real in (np.float32, np.float64, torch.tensor):
            made = {"seed": whole(3), "top_k": whole(4), "max_new_tokens": whole(9)}
            assert model.generate("the", temperature=real(0.5), **made) == plain
    turns = model.generate(seed=3, temperature=(1.0, 0.25), max_new_tokens=30)
    one, quarter = np.float32(1), np.float32(0.25)
    lists = [1, 0.25], [1.0, 0.25], np.array([1, 0.25]), [one, quarter], (one, torch.tensor(0.25))
    for several in lists:
        assert model.generate(seed=3, temperature=several, max_new_tokens=30) == turns
    _, cache = model.run_with_cache("the")
    held = {"0.1": cache["layers.0.hook_h"][-1, 1], "0.2": np.float64(0.5)}
    exact = {name: float(number) for name, number in held.items()}
    assert model.generate(seed=3, max_new_tokens=9, clamp=held) == model.generate(
        seed=3, max_new_tokens=9, clamp=exact
    )
    with pytest.raises(CharRNNError, match="finite"):
        model.generate(clamp={"0.1": np.float32("nan")})
    seeds = [sample.seed for sample in model.generate_batch(np.int64(2), seed=np.int32(7))]
    assert seeds == [7, 8]
    assert model.start(np.int64(2))[0].shape == model.start(2)[0].shape
    run = untyped(train)(Corpus("v", VERSE), steps=np.int64(3), seed=np.int64(2), out="m", **TINY)
    assert run.finish(progress=False).config.hidden_size == 4


def test_a_finished_run_may_be_asked_anything(finished: Run) -> None:
    for wrong in WRONG:
        if not isinstance(wrong, (np.ndarray, torch.Tensor)):
            finished.finish(progress=wrong)
    assert list(finished) == []
