"""A language model that reads from the end of a text is one of the reversed text."""

from __future__ import annotations

import copy
import json
from pathlib import Path
from typing import Any

import pytest

from charrnn import CharRNN, CharRNNError, Mixture, Model, Reading, evaluate, load, train
from charrnn.folder.reading import read_folder, read_record
from charrnn.training.run import resume
from tests import commands
from tests.conftest import VERSE

SETTINGS: dict[str, Any] = {
    "steps": 7,
    "hidden_size": 16,
    "num_layers": 1,
    "embed_size": 5,
    "batch_size": 3,
    "seq_length": 9,
    "eval_every": 3,
}
REVERSED = Reading(records="none", reverse=True)
NAMES = "\n".join(f"{first}{last}" for first in "abcdefgh" for last in ("ona", "li", "rtu", "ess"))


def test_reversed_training_is_training_on_the_reversed_text(tmp_path: Path) -> None:
    text = VERSE * 3
    forwards = Reading(records="none")
    for name, source, reading in (("a", text, REVERSED), ("b", text[::-1], forwards)):
        (tmp_path / f"{name}.txt").write_text(source)
        run = train(tmp_path / f"{name}.txt", out=tmp_path / name, reading=reading, **SETTINGS)
        run.finish(progress=False)
    assert read_record(tmp_path / "a").reads_backwards
    assert not read_record(tmp_path / "b").reads_backwards
    weights, expected = load(tmp_path / "a").weights, load(tmp_path / "b").weights
    assert all((weights[name] == expected[name]).all() for name in expected)
    twin = evaluate(tmp_path / "b", text[::-1])
    assert evaluate(tmp_path / "a", text).nats == pytest.approx(twin.nats)


def test_a_reversed_run_goes_on_reversed_and_says_how_it_writes(tmp_path: Path) -> None:
    (tmp_path / "verse.txt").write_text(VERSE * 3)
    whole = train(tmp_path / "verse.txt", out=tmp_path / "whole", reading=REVERSED, **SETTINGS)
    whole.finish(progress=False)
    events = iter(train(tmp_path / "verse.txt", out=tmp_path / "a", reading=REVERSED, **SETTINGS))
    while type(next(events)).__name__ != "Evaluated":
        pass
    events.close()
    resume(tmp_path / "a").finish(progress=False)
    weights, expected = load(tmp_path / "a").weights, load(tmp_path / "whole").weights
    assert all((weights[name] == expected[name]).all() for name in expected)
    done = commands.run(tmp_path, "sample", "a", "-n", 5)
    assert "it writes from end to beginning: type a prompt backwards" in done.stderr
    assert "the first part of the corpus, which was not" in (tmp_path / "a/README.md").read_text()
    scored = commands.run(tmp_path, "eval", "a", "verse.txt")
    nats = evaluate(tmp_path / "a", VERSE * 3).nats_per_char
    assert f"{nats:.4f}" in scored.stdout


@pytest.mark.parametrize(("text", "records"), [(VERSE * 3, "none"), (NAMES, "lines")])
def test_whatever_scores_reads_a_text_as_training_did(
    text: str, records: str, tmp_path: Path
) -> None:
    """By path, loaded, mixed, line by line: a model and its twin, which reads reversed texts."""
    (tmp_path / "forwards.txt").write_text(text)
    reading = Reading(records=records, reverse=True)
    run = train(tmp_path / "forwards.txt", out=tmp_path / "a", reading=reading, **SETTINGS)
    model = run.finish(progress=False)
    assert model.reads_backwards
    twin = Model(model.config, model.tokenizer, model.weights, records=records)
    expected = evaluate(tmp_path / "a", text).nats
    assert evaluate(model, text).nats == pytest.approx(expected)
    assert evaluate(Mixture([model, load(tmp_path / "a")]), text).nats == pytest.approx(expected)
    some = "abona"
    assert model.log_probs(some).tolist() == twin.log_probs(some[::-1]).tolist()
    assert model.log_probs(some).tolist() != twin.log_probs(some).tolist()
    logits, cache = model.run_with_cache(some)
    assert (logits == twin.run_with_cache(some[::-1])[0]).all()
    assert (cache["layers.0.hook_h"] == twin.run_with_cache(some[::-1])[1]["layers.0.hook_h"]).all()
    lines = ["abona", "fli", ""]
    nats = [found.nats for found in twin.score_lines([line[::-1] for line in lines])]
    assert [found.nats for found in model.score_lines(lines)] == nats
    data = "".join(f"{line}\n" for line in lines).encode()
    done = commands.run(tmp_path, "score", "a", data=data)
    shown = [json.loads(line)["nats"] for line in done.stdout.splitlines()]
    assert shown == pytest.approx(nats)


def test_dynamic_evaluation_adapts_as_that_of_the_twin_on_reversed_texts(tmp_path: Path) -> None:
    """It took the training text from its beginning, and the command refused."""
    known, text = VERSE * 3, VERSE[30:110]
    (tmp_path / "known.txt").write_text(known)
    (tmp_path / "backwards.txt").write_text(known[::-1])
    options: dict[str, Any] = {"segment": 8, "rate": 0.01}
    for name, source, reading in (
        ("a", "known.txt", REVERSED),
        ("twin", "backwards.txt", Reading(records="none")),
    ):
        run = train(tmp_path / source, out=tmp_path / name, reading=reading, **SETTINGS)
        run.finish(progress=False)
    found = evaluate(tmp_path / "a", text, adapt_from=known, **options).nats
    twin = evaluate(tmp_path / "twin", text[::-1], adapt_from=known[::-1], **options).nats
    assert found == pytest.approx(twin, rel=1e-6)
    assert found != pytest.approx(evaluate(tmp_path / "a", text).nats, rel=1e-4)
    shown = []
    for name in ("a", "twin"):
        (tmp_path / "scored.txt").write_text(text if name == "a" else text[::-1])
        source = "known.txt" if name == "a" else "backwards.txt"
        arguments = ("scored.txt", "--dynamic", source, "--segment", 8, "--rate", 0.01, "--json")
        done = commands.run(tmp_path, "eval", name, *arguments)
        assert done.returncode == 0, done.stderr
        shown.append(json.loads(done.stdout)["nats"])
    assert shown[0] == pytest.approx(shown[1], rel=1e-6)
    validated = commands.run(tmp_path, "eval", "a", "known.txt", "--validation", "--json")
    assert json.loads(validated.stdout)["nats_per_char"] == pytest.approx(
        read_validation(tmp_path / "a"), abs=1e-4
    )


def read_validation(path: Path) -> float:
    """The validation loss of the weights in a folder."""
    evaluation = read_folder(path).evaluation
    assert evaluation is not None
    return evaluation.val_nats


def test_models_of_two_directions_are_never_mixed(tmp_path: Path) -> None:
    for name, reverse in (("forth", False), ("back", True)):
        (tmp_path / "verse.txt").write_text(VERSE * 3)
        reading = Reading(records="none", reverse=reverse)
        run = train(tmp_path / "verse.txt", out=tmp_path / name, reading=reading, **SETTINGS)
        run.finish(progress=False)
    paths = [tmp_path / "forth", tmp_path / "back"]
    models = [load(path) for path in paths]
    for attempt in (
        lambda: Mixture(models),
        lambda: evaluate(models, VERSE),
        lambda: evaluate(paths, VERSE),
        lambda: evaluate([paths[0], models[1]], VERSE),
    ):
        with pytest.raises(CharRNNError, match="one model reads backwards, another reads forwards"):
            attempt()
    done = commands.run_here(tmp_path, "sample", "forth", "back", "-n", 5)
    commands.refused(done, 2, "one model reads backwards, another reads forwards")
    started = train(tmp_path / "verse.txt", init_from=paths[1], out=tmp_path / "new", steps=2)
    started.finish(progress=False)
    assert any("learnt to read backwards, and this run reads forwards" in n for n in started.notes)


@pytest.mark.parametrize(
    ("arguments", "message"),
    [
        (("inspect", "a", "verse.txt", "--at", "4"), "needs a model that reads forwards"),
        (("inspect", "a", "verse.txt", "--html", "page.html"), "train one without --reverse"),
        (("inspect", "a", "verse.txt", "--gradients"), "train one without --reverse"),
        (("export", "a", "--html", "page.html"), "it reads and writes from end to beginning"),
        (("export", "a", "--onnx", "page.html"), "it reads and writes from end to beginning"),
        (("serve", "a", *commands.NOWHERE), "it reads and writes from end to beginning"),
        (("sample", "a", "--novelty", "verse.txt"), "--novelty needs a model that reads forwards"),
    ],
)
def test_what_would_read_a_text_the_other_way_refuses_such_a_model(
    arguments: tuple[str, ...], message: str, tmp_path: Path
) -> None:
    (tmp_path / "verse.txt").write_text(VERSE * 3)
    run = train(tmp_path / "verse.txt", out=tmp_path / "a", reading=REVERSED, **SETTINGS)
    run.finish(progress=False)
    commands.refused(commands.run_here(tmp_path, *arguments), 2, message)
    assert not (tmp_path / "page.html").exists()


@pytest.mark.parametrize(("text", "records"), [(VERSE * 3, "none"), (NAMES, "lines")])
def test_a_network_that_is_read_and_saved_again_keeps_its_direction_and_its_records(
    text: str, records: str, tmp_path: Path
) -> None:
    (tmp_path / "forwards.txt").write_text(text)
    reading = Reading(records=records, reverse=True)
    run = train(tmp_path / "forwards.txt", out=tmp_path / "a", reading=reading, **SETTINGS)
    model = run.finish(progress=False)
    network = copy.deepcopy(CharRNN.from_pretrained(tmp_path / "a"))
    network.save_pretrained(tmp_path / "b", model.tokenizer)
    again = load(tmp_path / "b")
    assert again.reads_backwards
    assert again.records_kind == model.records_kind == records
    assert again.facts["corpus"] == model.facts["corpus"]
    assert again.log_probs("abona").tolist() == model.log_probs("abona").tolist()
    assert evaluate(tmp_path / "b", text).nats == evaluate(tmp_path / "a", text).nats
