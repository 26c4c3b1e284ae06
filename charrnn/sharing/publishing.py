"""A model on the Hugging Face hub: its folder without what only resuming needs, and a page of it.

publish(folder, "OWNER/NAME", license="mit", language=("en",), public=False)
"""

from __future__ import annotations

import math
from collections.abc import Mapping, Sequence
from pathlib import Path
from types import ModuleType
from typing import Any

from charrnn.checkpoints import CARD, CONFIG, MANIFEST, MODEL_FILES
from charrnn.config import HUB
from charrnn.errors import BadDataError, UsageError, warn
from charrnn.folder import card
from charrnn.folder.files import check_file, manifest_of, pretty_json, read_manifest
from charrnn.folder.hub import (
    calling_the_hub,
    download,
    folder_name,
    imported,
    quiet,
    repository,
)
from charrnn.folder.record import ModelFolder
from charrnn.folder.resuming import origin_of_run
from charrnn.folder.untrusted import parse, read_bytes, refuse_links

__all__ = ["publish", "publish_page", "refuse_other_space"]

TASK = "text-generation"
PAGE = "index.html"
# What the hub makes in a new static Space, and how its page greets.
NEW_SPACE = {".gitattributes", "style.css", CARD, PAGE}
GREETING = b"Welcome to your static Space!"


def publish(
    model: ModelFolder,
    name: str,
    *,
    license: str,  # noqa: A002
    language: Sequence[str],
    public: bool,
) -> str:
    """Upload a model; returns its address.

    Args:
        model: its folder.
        name: OWNER/NAME.
        license: what others may do with it, as the hub names it: mit, cc-by-4.0, other, …
        language: of its text, by their codes: en, de, …
        public: whether everyone may see it.

    Raises:
        UsageError: if the name is none; if it is there, and public or private otherwise than asked
            for, or with something else than a model of charrnn; if the hub refuses the card.
        BadDataError: if the card can't be read, the state of the run is damaged, or a file is a
            link to one that is elsewhere.
        CharRNNError: for whatever goes wrong with the hub.
    """
    hub = imported(HUB + name)
    refuse_links(model.path, MODEL_FILES)
    files = {
        file: (model.path / file).read_bytes()
        for file in MODEL_FILES
        if file != MANIFEST and (model.path / file).is_file()
    }
    files[CARD] = _card(hub, model, name, _head(hub, model, name, license, language)).encode()
    files[MANIFEST] = pretty_json(manifest_of(files))
    address, there = _created(hub, name, "model", public)
    loses_words = _has_own_words(name, there, files[CARD])
    _commit(hub, name, "model", there, files, "A model made with charrnn")
    if loses_words:
        found = f"the card of {name} was changed on the hub, and is now that of {model.path}"
        warn(f"{found}; the hub has the old one in its history")
    return address


def refuse_other_space(name: str, *, public: bool) -> None:
    """Check that a page can go to a Space: there is none, or it holds a page of this model.

    Raises:
        UsageError: if it is there, and public or private otherwise than wanted, or with something
            else.
        CharRNNError: for whatever goes wrong with the hub.
    """
    repository(HUB + name)
    hub = imported(HUB + name)
    with calling_the_hub(HUB + name, hub):
        try:
            there = hub.repo_info(name, repo_type="space")
        except hub.errors.RepositoryNotFoundError:
            return
    _refuse_other_visibility(name, there, public)
    files = _files(there)
    is_page = files <= NEW_SPACE and (PAGE not in files or _is_page(name, there, files))
    if not is_page:
        found = f"the Space {name} is there, and holds something else than a page of this model"
        raise UsageError(found, "choose another name")


def publish_page(model: ModelFolder, name: str, page: bytes, *, public: bool) -> str:
    """Upload a page of a model as a static Space of the same name; returns its address.

    Ask `refuse_other_space` before anything is published.

    Raises:
        UsageError, CharRNNError: as `publish`.
    """
    hub = imported(HUB + name)
    address, there = _created(hub, name, "space", public)
    head = {"title": folder_name(model.path), "sdk": "static", "models": [name]}
    about = f"---\n{_yaml(hub, head)}\n---\n\n{_about_page(name)}\n"
    files = {CARD: about.encode(), PAGE: page}
    _commit(hub, name, "space", there, files, "A page made with charrnn")
    return address


def _created(hub: ModuleType, name: str, kind: str, public: bool) -> tuple[str, Any]:
    """The address of a repository and what the hub says of it; made if it is not there.

    Raises:
        UsageError: if it is there, and public or private otherwise than wanted.
    """
    repository(HUB + name)
    sdk = {"space_sdk": "static"} if kind == "space" else {}
    with calling_the_hub(HUB + name, hub):
        address = hub.create_repo(name, repo_type=kind, private=not public, exist_ok=True, **sdk)
        found = hub.repo_info(name, repo_type=kind)
    _refuse_other_visibility(name, found, public)
    return str(address), found


def _refuse_other_visibility(name: str, found: Any, public: bool) -> None:
    if not found.private and not public:
        raise UsageError(f"{name} is there and public", "add --public, or choose another name")
    if found.private and public:
        settings = "make it public in its settings on the hub, with all versions pushed before"
        raise UsageError(f"{name} is there and private", f"choose another name, or {settings}")


def _files(there: Any) -> set[str]:
    """The names of what a repository holds."""
    return {file.rfilename for file in there.siblings or ()}


def _about_page(name: str) -> str:
    return f"A page of [{name}](https://hf.co/{name})."


def _is_page(name: str, there: Any, files: set[str]) -> bool:
    """Whether the page of a Space is one of the model of its name, or that of an empty Space."""
    path = download(HUB + name, there.sha, (CARD,), kind="space")
    if CARD in files and _about_page(name).encode() in read_bytes(path / CARD):
        return True
    path = download(HUB + name, there.sha, (PAGE,), kind="space")
    return GREETING in read_bytes(path / PAGE)


def _has_own_words(name: str, there: Any, card_text: bytes) -> bool:
    """Whether a repository has a card that is neither as charrnn pushed it nor the new one.

    Raises:
        UsageError: if it holds something else than a model of charrnn.
    """
    files = _files(there) - {".gitattributes"}  # the hub's own
    if not files:
        return False
    path = download(HUB + name, there.sha, (CONFIG, CARD, MANIFEST))
    if not (_is_ours(path) or files == {CARD}):  # which the hub's form for a new one writes
        found = f"{name} is there, and holds something else than a model of charrnn"
        raise UsageError(found, "choose another name")
    if not (path / CARD).is_file() or (path / CARD).read_bytes() == card_text:
        return False
    try:
        check_file(path, CARD, read_manifest(path) or {})
    except BadDataError:
        return True
    return False


def _is_ours(path: Path) -> bool:
    """Whether charrnn wrote the description of a model in a folder."""
    try:
        return "charrnn_version" in parse(path / CONFIG, read_bytes(path / CONFIG), dict)
    except (FileNotFoundError, BadDataError):
        return False


def _commit(
    hub: ModuleType, name: str, kind: str, there: Any, files: Mapping[str, bytes], message: str
) -> None:
    """Replace the files of a model or page by others, if they are still as they were read.

    Uploaded from memory: on the disk, a process that is killed would leave copies.
    """
    operations = [
        hub.CommitOperationAdd(path_in_repo=file, path_or_fileobj=data)
        for file, data in files.items()
    ]
    gone = (_files(there) & set(MODEL_FILES)) - files.keys()
    operations += [hub.CommitOperationDelete(path_in_repo=file) for file in sorted(gone)]
    with calling_the_hub(HUB + name, hub):
        hub.create_commit(
            name, operations, commit_message=message, repo_type=kind, parent_commit=there.sha
        )


def _head(
    hub: ModuleType, model: ModelFolder, name: str, license_: str, language: Sequence[str]
) -> dict[str, Any]:
    """What the hub reads at the head of a card."""
    given: dict[str, Any] = {
        "library_name": "charrnn",
        "pipeline_tag": TASK,
        "license": license_,
        "language": list(language) or None,
        "tags": ["charrnn", "character-level", model.record.model.cell],
    }
    origin = origin_of_run(model.path)
    if read := [] if origin is None else _data_sets(origin.sources):
        given["datasets"] = read
    if model.evaluation is not None:
        unit, own = model.tokenizer.loss_per, model.record.validation
        scored = own or model.record.corpus
        if own and origin is not None:
            read = _data_sets(origin.validation)
        given["model_name"] = name.partition("/")[2]
        given["eval_results"] = [
            hub.EvalResult(
                task_type=TASK,
                dataset_type=(read or ["text"])[0],
                dataset_name=scored.name if scored else "text",
                dataset_split=None if own else "validation",  # a part of the corpus
                metric_type=f"bits_per_{unit}",
                metric_name=f"bits per {unit}",
                metric_value=round(model.evaluation.val_nats / math.log(2), 4),
            )
        ]
    found: dict[str, Any] = hub.ModelCardData(**given).to_dict()
    return found


def _data_sets(sources: Sequence[str]) -> list[str]:
    """Those of some sources that are on the hub, as OWNER/NAME."""
    on_hub = (name.removeprefix(HUB) for name in sources if name.startswith(HUB))
    return ["/".join(name.split("/")[:2]) for name in on_hub]


def _card(hub: ModuleType, model: ModelFolder, name: str, head: dict[str, Any]) -> str:
    """The card, with what the hub reads at its head; what a user wrote into it stays."""
    from yaml import YAMLError

    path = model.path / CARD
    try:
        text = path.read_text(encoding="utf-8") if path.is_file() else ""
        with quiet(hub):
            own = hub.ModelCard(text or card.markdown(model), ignore_metadata_errors=True)
    except UnicodeDecodeError:
        raise BadDataError(f"{path} is not UTF-8", "save it as UTF-8") from None
    except (ValueError, YAMLError):
        advice = "mend what stands between its two lines of ---, or take it out"
        raise BadDataError(
            f"the head of {path} is not YAML with names and values", advice
        ) from None
    found = own.data.to_dict()
    tags = found.get("tags") or []
    tags = tags if isinstance(tags, list) else [tags]
    head = found | head | {"tags": tags + [tag for tag in head["tags"] if tag not in tags]}
    return f"---\n{_yaml(hub, head)}\n---\n{card.renamed(own.text.lstrip(), model, HUB + name)}"


def _yaml(hub: ModuleType, head: dict[str, Any]) -> str:
    text: str = hub.CardData(**head).to_yaml()
    return text
