"""To the hub and back: pushed as it should be, read like any folder, each failure in one line."""

from __future__ import annotations

import json
import os
import shutil
import subprocess
import sys
from collections.abc import Callable, Iterator
from pathlib import Path

import pytest
import yaml

import charrnn
from charrnn.checkpoints import LABELS, MODEL_FILES, SERIES
from tests import commands
from tests.conftest import VERSE
from tests.sharing.hub import TOKEN, Hub, Repository

Run = Callable[..., subprocess.CompletedProcess[str]]


@pytest.fixture
def hub() -> Iterator[Hub]:
    with Hub() as found:
        yield found


@pytest.fixture
def run(hub: Hub, home: Path) -> Run:
    """`charrnn` with the hub of this machine, and a cache of its own."""

    def charrnn(
        *arguments: object, token: str | None = TOKEN, **environment: str
    ) -> subprocess.CompletedProcess[str]:
        settings = {"HF_HOME": str(home / "cache")} | hub.environment(token) | environment
        return commands.run(home, *arguments, environment=os.environ | settings)

    return charrnn


FROM_A_DATA_SET = """
from charrnn.folder.reading import find_model, read_model
from charrnn.sharing import publishing
from charrnn.text.origin import Origin

publishing.origin_of_run = lambda _: Origin(("hf://bob/poems/prose", "verse.txt"), None)
model = read_model(find_model("verse"))
publishing.publish(model, "ann/novel", license="mit", language=(), public=False)
"""


FILES = [name for name in MODEL_FILES if name not in (LABELS, SERIES)]  # of a language model


def published(hub: Hub, home: Path, **kind: bool) -> Repository:
    """A repository with the model of `home`, as someone else may have pushed it."""
    folder = home / "checkpoints" / "verse"
    repository = Repository(**{"private": False} | kind)
    repository.commit({name: (folder / name).read_bytes() for name in FILES})
    hub.repositories["model", "ann/verse"] = repository
    return repository


MEMORISED = "this model has memorised parts of verse ("


def assert_one_line(
    done: subprocess.CompletedProcess[str], code: int, *words: str, warned: bool = False
) -> None:
    """`warned`: the line follows what `charrnn push` says of the model."""
    assert done.returncode == code, done.stderr
    lines = done.stderr.splitlines()
    if warned:
        assert lines.pop(0).startswith(MEMORISED)
    assert len(lines) == 1, done.stderr
    assert lines[0].startswith("charrnn: ")
    for word in words:
        assert word in lines[0]


def assert_not_pushed(done: subprocess.CompletedProcess[str], code: int, *words: str) -> None:
    assert_one_line(done, code, *words, warned=True)


def test_a_model_travels_to_the_hub_and_back(hub: Hub, home: Path, run: Run) -> None:
    assert (home / "checkpoints/verse/resume").is_dir()
    done = run("push", "verse", "ann/novel", "--license", "cc-by-4.0", "--language", "en")
    assert (done.returncode, done.stdout) == (0, f"{hub.url}/ann/novel\n"), done.stderr
    repository = hub.repositories["model", "ann/novel"]
    assert repository.private
    assert sorted(repository.files) == sorted(FILES)

    here = charrnn.load(home / "checkpoints" / "verse").generate(max_new_tokens=50, seed=3) + "\n"
    back = run("sample", "hf://ann/novel", "--seed", 3, "-n", 50)
    assert (back.returncode, back.stdout) == (0, here), back.stderr
    verified = run("verify", "hf://ann/novel")
    assert (verified.returncode, "is intact" in verified.stdout) == (0, True), verified.stderr

    asked = len(hub.asked)
    offline = run("sample", "hf://ann/novel", "--seed", 3, "-n", 50, HF_HUB_OFFLINE="1")
    assert offline.stdout == here
    assert len(hub.asked) == asked


def test_a_push_keeps_no_copy_on_the_disk(hub: Hub, home: Path) -> None:
    """One that was killed, or whose terminal was closed, left the model in /tmp."""
    watch = """
import sys
def tell(event, given):
    if event == "open" and "safetensors" in str(given[0]) and "w" in str(given[1]):
        print(*given)
sys.addaudithook(tell)
"""
    settings = {"HF_HOME": str(home / "cache")} | hub.environment(TOKEN)
    done = subprocess.run(
        [sys.executable, "-c", watch + FROM_A_DATA_SET],
        cwd=home,
        env=os.environ | settings,
        check=True,
        capture_output=True,
        text=True,
    )
    assert "config.json" in hub.repositories["model", "ann/novel"].files
    assert done.stdout == ""


def test_the_head_of_the_card_names_the_data_set_that_was_read(hub: Hub, home: Path) -> None:
    settings = {"HF_HOME": str(home / "cache")} | hub.environment(TOKEN)
    command = [sys.executable, "-c", FROM_A_DATA_SET]
    subprocess.run(command, cwd=home, env=os.environ | settings, check=True)
    card = hub.repositories["model", "ann/novel"].files["README.md"].decode()
    assert yaml.safe_load(card.split("---\n", 2)[1])["datasets"] == ["bob/poems"]


def test_the_head_of_the_card_is_what_the_hub_reads(hub: Hub, home: Path, run: Run) -> None:
    card = home / "checkpoints/verse/README.md"
    own = card.read_text()
    assert run("push", "verse", "ann/novel", "--license", "mit", "--public").returncode == 0
    repository = hub.repositories["model", "ann/novel"]
    assert not repository.private
    _, head, body = repository.files["README.md"].decode().split("---\n", 2)
    found = yaml.safe_load(head)
    assert (found["library_name"], found["pipeline_tag"]) == ("charrnn", "text-generation")
    assert found["license"] == "mit"
    assert "lstm" in found["tags"]
    (index,) = found["model-index"]
    (result,) = index["results"]
    (metric,) = result["metrics"]
    summary = json.loads((home / "summary.json").read_text())
    assert metric["type"] == "bits_per_character"
    assert abs(metric["value"] - summary["val_bits_per_char"]) < 1e-3
    assert result["dataset"]["name"] == "verse"
    assert "charrnn sample hf://ann/novel" in body
    assert card.read_text() == own, "the folder stays as it was"
    assert "datasets" not in found, "the text is a file of this machine"

    head = "license: other\nthumbnail: a.png\ntags: [poetry, lstm]"
    card.write_text(f"---\n{head}\n---\n# Mine\n\nWords of my own.\n")
    assert run("push", "verse", "ann/novel", "--license", "mit", "--public").returncode == 0
    _, head, body = repository.files["README.md"].decode().split("---\n", 2)
    assert yaml.safe_load(head)["thumbnail"] == "a.png"
    assert yaml.safe_load(head)["license"] == "mit"
    assert yaml.safe_load(head)["tags"] == ["poetry", "lstm", "charrnn", "character-level"]
    assert body.strip() == "# Mine\n\nWords of my own."


def test_the_head_of_the_card_names_the_set_that_was_validated_on(
    hub: Hub, home: Path, run: Run
) -> None:
    (home / "other.txt").write_text((VERSE * 4)[40:440])
    given = ("train", "verse.txt", "--validation", "other.txt", "--name", "held", "--steps", 3)
    assert run(*given, *commands.TINY).returncode == 0
    assert run("push", "held", "ann/held", "--license", "mit").returncode == 0
    card = hub.repositories["model", "ann/held"].files["README.md"].decode()
    (index,) = yaml.safe_load(card.split("---\n", 2)[1])["model-index"]
    (result,) = index["results"]
    assert result["dataset"] == {"name": "other", "type": "text"}, "all of it, no split"


def test_a_card_that_charrnn_wrote_names_the_repository_that_it_goes_to(
    hub: Hub, home: Path, run: Run
) -> None:
    """It was taken for the owner's own words once the folder had another name."""
    shutil.copytree(home / "checkpoints/verse", home / "copy")
    for model in ("copy", "hf://ann/novel"):
        if model == "copy":
            with (home / "copy/README.md").open("a") as file:
                file.write("\nWords of my own.\n")
        name = "ann/novel" if model == "copy" else "ann/second"
        assert run("push", model, name, "--license", "mit").returncode == 0
        card = hub.repositories["model", name].files["README.md"].decode()
        _, _, body = card.split("---\n", 2)
        assert body.startswith(f"# {name.removeprefix('ann/')}\n")
        assert f"    charrnn sample hf://{name} --temp" in body
        assert body.endswith("not trained on.\n\nWords of my own.\n")


def test_a_space_holds_the_page(hub: Hub, run: Run) -> None:
    done = run("push", "verse", "ann/novel", "--license", "mit", "--space")
    assert done.returncode == 0, done.stderr
    assert done.stdout.splitlines()[-1] == f"{hub.url}/spaces/ann/novel"
    space = hub.repositories["space", "ann/novel"]
    assert space.private
    assert b"sdk: static" in space.files["README.md"]
    assert space.files["index.html"].startswith(b"<!DOCTYPE html>")


MADE_BY_THE_HUB = {
    ".gitattributes": b"",
    "README.md": b"---\nsdk: static\n---\n\nCheck out the configuration reference\n",
    "index.html": b"<h1>Welcome to your static Space!</h1>",
    "style.css": b"",
}


@pytest.mark.parametrize(
    "there",
    [
        {"app.py": b"import gradio", "README.md": b"---\nsdk: gradio\n---\n"},
        MADE_BY_THE_HUB | {"index.html": b"<h1>Hers</h1>"},
        {"index.html": b"<h1>Hers</h1>"},
    ],
    ids=["an app", "a page", "a page alone"],
)
def test_a_space_with_something_else_stays_and_nothing_is_published(
    hub: Hub, run: Run, there: dict[str, bytes]
) -> None:
    hub.repositories["space", "ann/novel"] = space = Repository(private=True)
    space.commit(there)
    done = run("push", "verse", "ann/novel", "--license", "mit", "--space")
    words = "the Space ann/novel is there, and holds something else than a page of this model"
    assert_not_pushed(done, 2, f"{words}; choose another name")
    assert space.files == there
    assert list(hub.repositories) == [("space", "ann/novel")]


def test_a_public_space_is_told_before_anything_is_published(hub: Hub, run: Run) -> None:
    hub.repositories["space", "ann/novel"] = Repository(private=False)
    done = run("push", "verse", "ann/novel", "--license", "mit", "--space")
    assert_not_pushed(done, 2, "ann/novel is there and public")
    assert list(hub.repositories) == [("space", "ann/novel")]


def test_a_page_takes_the_place_of_the_one_before_and_of_none(hub: Hub, run: Run) -> None:
    hub.repositories["space", "ann/novel"] = space = Repository(private=True)
    for there in (MADE_BY_THE_HUB, {"index.html": b"an older page of charrnn"}, {}):
        space.commit(there)
        done = run("push", "verse", "ann/novel", "--license", "mit", "--space")
        assert done.returncode == 0, done.stderr
        assert space.files["index.html"].startswith(b"<!DOCTYPE html>")
        assert b"sdk: static" in space.files["README.md"]


def test_a_model_that_has_no_page_is_refused_before_anything_is_published(
    hub: Hub, home: Path, run: Run
) -> None:
    reading = charrnn.Reading(reverse=True)
    charrnn.train(
        home / "verse.txt",
        out=home / "checkpoints/back",
        reading=reading,
        steps=2,
        hidden_size=6,
        embed_size=5,
    ).finish(progress=False)
    done = run("push", "back", "ann/novel", "--license", "mit", "--space")
    assert_one_line(done, 2, "--reverse")
    assert not hub.repositories
    assert run("push", "back", "ann/novel", "--license", "mit").returncode == 0


def test_python_loads_from_the_hub_at_a_revision(hub: Hub, home: Path, run: Run) -> None:
    repository = published(hub, home)
    first = repository.newest
    repository.commit({"config.json": b"{}"})
    code = (
        f"import charrnn; m = charrnn.load('hf://ann/verse', revision={first!r}); print(m);"
        f"print(m.generate(seed=1) == charrnn.load('hf://ann/verse@{first}').generate(seed=1))"
    )
    done = subprocess.run(
        [sys.executable, "-c", code],
        cwd=home,
        env=os.environ | {"HF_HOME": str(home / "cache")} | hub.environment(),
        capture_output=True,
        text=True,
        timeout=120,
    )
    assert "model: hf://ann/verse" in done.stdout, done.stderr
    assert done.stdout.endswith("True\n")
    with pytest.raises(charrnn.CharRNNError, match="not on the hub"):
        charrnn.load(home / "checkpoints/verse", revision="main")


def test_only_the_files_of_a_model_are_downloaded(hub: Hub, home: Path, run: Run) -> None:
    repository = published(hub, home)
    repository.commit({"resume/state.safetensors": b"x" * 100, "virus.exe": b"x", "a.py": b"x"})
    assert run("sample", "hf://ann/verse", "-n", 5).returncode == 0
    assert not [line for line in hub.asked if "resume" in line or "exe" in line or ".py" in line]


def test_what_comes_from_the_hub_is_not_trusted(hub: Hub, home: Path, run: Run) -> None:
    repository = published(hub, home)
    weights = repository.files["model.safetensors"]
    repository.commit({"model.safetensors": weights[:-1] + bytes([weights[-1] ^ 1])})
    assert_one_line(run("sample", "hf://ann/verse"), 65, "not what was saved")

    secret = home / "secret.json"
    secret.write_text("{}")
    (link,) = (home / "cache/hub").glob("models--*/snapshots/*/config.json")
    link.unlink()
    link.symlink_to(secret)
    assert_one_line(run("sample", "hf://ann/verse"), 65, "a link to somewhere else")


def test_each_failure_to_load_is_one_line(hub: Hub, home: Path, run: Run) -> None:
    published(hub, home)
    hub.repositories["model", "ann/hers"] = Repository(private=True)
    hub.repositories["model", "ann/gated"] = gated = Repository(private=False, gated=True)
    gated.commit({"config.json": b"{}"})
    for name, code, words in (
        ("ann/none", 66, "is not on the hub, or private; check the name"),
        ("ann/gated", 66, "is gated: its owner decides who may have it; ask for access"),
        ("ann/verse@none", 66, "has no such revision"),
        ("ann/../x", 2, "hf://OWNER/NAME"),
        ("ann", 2, "hf://OWNER/NAME"),
        ("a nn/x", 2, "check the name"),
    ):
        assert_one_line(run("sample", f"hf://{name}"), code, words)
    done = run("sample", "hf://ann/hers", token=None)
    assert_one_line(done, 66, "if it is private, log in with `hf auth login`")
    done = run("sample", "hf://ann/verse", token="hf_old")  # noqa: S106
    assert_one_line(done, 1, "the token is not accepted; log in with `hf auth login` again")
    done = run("sample", "hf://ann/verse", HF_HUB_OFFLINE="1")
    assert_one_line(done, 66, "is not in the cache of the hub, and HF_HUB_OFFLINE is set")
    done = run("sample", "hf://ann/verse", HF_ENDPOINT="http://127.0.0.1:9")
    assert_one_line(done, 66, "can't be reached; check the connection")


def test_each_failure_to_push_is_one_line(hub: Hub, home: Path, run: Run) -> None:
    published(hub, home)
    hub.repositories["model", "ann/hers"] = Repository(private=True)
    missing = run("push", "verse", "ann/novel")
    assert missing.returncode == 2
    assert "--license" in missing.stderr
    assert_not_pushed(run("push", "verse", "novel", "--license", "mit"), 2)
    done = run("push", "verse", "ann/verse", "--license", "mit")
    assert_not_pushed(done, 2, "ann/verse is there and public; add --public")
    done = run("push", "verse", "ann/hers", "--license", "mit", "--public")
    words = "ann/hers is there and private; choose another name, or make it public in its settings"
    assert_not_pushed(done, 2, words, "with all versions pushed before")
    done = run("push", "verse", "ann/other", "--license", "none-such")
    assert_not_pushed(
        done, 2, 'README.md. - "license" must be one of [apache-2.0, mit]; check --license'
    )
    licensed = ("push", "verse", "ann/novel", "--license", "mit")
    done = run(*licensed, token="hf_old")  # noqa: S106
    assert_not_pushed(done, 1, "the token is not accepted")
    assert_not_pushed(run(*licensed, token=None), 1, "hf auth login")
    assert_not_pushed(run(*licensed, HF_HUB_OFFLINE="1"), 66, "HF_HUB_OFFLINE")
    card = home / "checkpoints/verse/README.md"
    for text, words in (
        (b"---\na: [\n---\n", "not YAML"),
        (b"---\nword\n---\n", "not YAML"),
        (b"\xe9", "UTF-8"),
    ):
        card.write_bytes(text)
        assert_not_pushed(run(*licensed), 65, words)
    assert ("model", "ann/novel") not in hub.repositories


@pytest.mark.parametrize("given", [(), ("--public",)], ids=["private", "public"])
def test_what_a_model_has_memorised_is_said_whoever_may_see_it(
    run: Run, given: tuple[str, ...]
) -> None:
    """A private model of an organisation can be read by all of its members."""
    done = run("push", "verse", "ann/novel", "--license", "mit", *given)
    (said,) = done.stderr.splitlines()
    assert said.startswith(MEMORISED)
    assert said.endswith("may read it; --public shows it to everyone" if given else "may read it")


@pytest.mark.parametrize(
    "there",
    [
        {"config.json": b'{"model_type": "bert"}', "model.safetensors": b"x"},
        {"config.json": b"[]"},
        {"config.json": b"{"},
        {"pytorch_model.bin": b"x", "README.md": b"# Hers\n"},
    ],
    ids=["of another library", "a list", "no JSON", "without a description"],
)
def test_what_is_there_and_no_model_of_charrnn_stays(
    hub: Hub, run: Run, there: dict[str, bytes]
) -> None:
    hub.repositories["model", "ann/bert"] = repository = Repository(private=True)
    repository.commit(there)
    done = run("push", "verse", "ann/bert", "--license", "mit")
    words = "ann/bert is there, and holds something else than a model of charrnn; choose another"
    assert_not_pushed(done, 2, words)
    assert repository.files == there


def test_a_card_that_was_changed_on_the_hub_is_not_replaced_in_silence(hub: Hub, run: Run) -> None:
    push = ("push", "verse", "ann/novel", "--license", "mit")
    hub.repositories["model", "ann/novel"] = repository = Repository(private=True)
    said = "the card of ann/novel was changed on the hub, and is now that of checkpoints/verse"
    # As the hub makes it, pushed as it is, and with words that were added there.
    for edited in (b"---\nlicense: mit\n---\n", None, b"Words of my own.\n"):
        if edited is not None:
            repository.commit({".gitattributes": b"", "README.md": edited})
        done = run(*push)
        assert done.returncode == 0, done.stderr
        assert repository.files["README.md"] != edited
        assert done.stderr.count("\n") == (1 if edited is None else 2), done.stderr
        assert (said in done.stderr) == (edited is not None)


def test_what_the_model_before_had_alone_goes_and_what_is_no_file_of_a_model_stays(
    hub: Hub, home: Path, run: Run
) -> None:
    repository = published(hub, home, private=True)
    repository.commit({"metrics.jsonl": b"{}\n", "labels.json": b"[]", "poem.txt": b"Hers\n"})
    (home / "checkpoints/verse/metrics.jsonl").unlink()
    done = run("push", "verse", "ann/verse", "--license", "mit")
    assert done.returncode == 0, done.stderr
    assert sorted(repository.files) == sorted({*FILES, "poem.txt"} - {"metrics.jsonl"})


def test_what_is_committed_while_files_are_sent_is_not_replaced(hub: Hub, run: Run) -> None:
    hub.repositories["model", "ann/novel"] = repository = Repository(private=True)
    repository.meanwhile = {"README.md": b"Words of my own.\n"}
    done = run("push", "verse", "ann/novel", "--license", "mit")
    assert_not_pushed(done, 1, "412 Precondition Failed", "; try again later")
    assert repository.files == repository.meanwhile


def test_a_page_of_a_model_from_the_hub_has_its_name(hub: Hub, home: Path, run: Run) -> None:
    published(hub, home)
    done = run("export", "hf://ann/verse", "--html", "page.html")
    assert done.returncode == 0, done.stderr
    assert "<h1>verse</h1>" in (home / "page.html").read_text()


def test_no_file_from_elsewhere_is_published(hub: Hub, home: Path, run: Run) -> None:
    """A folder from somebody else could hold a link to whatever its reader keeps to himself."""
    (home / "secret").write_text("a password")
    path = home / "checkpoints/verse/README.md"
    own = path.read_bytes()
    path.unlink()
    path.symlink_to(home / "secret")
    done = run("push", "verse", "ann/novel", "--license", "mit")
    assert_not_pushed(done, 65, "README.md: a link to somewhere else")
    assert hub.repositories == {}
    path.unlink()
    (path.parent / "kept").write_bytes(own)
    path.symlink_to("kept")
    assert run("push", "verse", "ann/novel", "--license", "mit").returncode == 0


def test_what_came_from_the_hub_can_be_pushed_again(hub: Hub, home: Path, run: Run) -> None:
    """There, all files are links, to others in the cache."""
    published(hub, home)
    assert run("sample", "hf://ann/verse", "-n", 5).returncode == 0
    (folder,) = (home / "cache/hub").glob("models--*/snapshots/*")
    assert (folder / "README.md").is_symlink()
    done = run("push", folder, "ann/copy", "--license", "mit")
    assert done.returncode == 0, done.stderr
    copied, first = (hub.repositories["model", f"ann/{name}"] for name in ("copy", "verse"))
    assert copied.files["model.safetensors"] == first.files["model.safetensors"]
