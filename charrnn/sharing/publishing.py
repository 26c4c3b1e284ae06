"""A model on the Hugging Face hub: its folder without what only resuming needs, and a page of it.

publish(folder, "OWNER/NAME", license="mit", language=("en",), public=False)
"""

from __future__ import annotations

import math
from collections.abc import Sequence
from pathlib import Path
from tempfile import TemporaryDirectory
from types import ModuleType
from typing import Any

from charrnn.checkpoints import CARD, MANIFEST, MODEL_FILES
from charrnn.config import HUB
from charrnn.errors import BadDataError, UsageError
from charrnn.folder import card
from charrnn.folder.files import write_files
from charrnn.folder.hub import calling_the_hub, folder_name, imported, quiet, repository
from charrnn.folder.record import ModelFolder
from charrnn.folder.resuming import origin_of_run
from charrnn.folder.untrusted import refuse_links

__all__ = ["publish", "publish_page"]

TASK = "text-generation"


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
            for; if the hub refuses the card.
        BadDataError: if the card can't be read, the state of the run is damaged, or a file is a
            link to one that is elsewhere.
        CharRNNError: for whatever goes wrong with the hub.
    """
    hub = imported(HUB + name)
    refuse_links(model.path, MODEL_FILES)
    card_text = _card(hub, model, name, _head(hub, model, name, license, language))
    address = _created(hub, name, "model", public)
    with TemporaryDirectory() as folder, calling_the_hub(HUB + name, hub):
        _stage(Path(folder), model, card_text)
        hub.upload_folder(
            repo_id=name, folder_path=folder, commit_message="A model made with charrnn"
        )
    return address


def publish_page(model: ModelFolder, name: str, page: bytes, *, public: bool) -> str:
    """Upload a page of a model as a static Space of the same name; returns its address.

    Raises:
        UsageError, CharRNNError: as `publish`.
    """
    hub = imported(HUB + name)
    address = _created(hub, name, "space", public)
    with TemporaryDirectory() as folder, calling_the_hub(HUB + name, hub):
        head = {"title": folder_name(model.path), "sdk": "static", "models": [name]}
        about = f"---\n{_yaml(hub, head)}\n---\n\nA page of [{name}](https://hf.co/{name}).\n"
        (Path(folder) / CARD).write_text(about, encoding="utf-8")
        (Path(folder) / "index.html").write_bytes(page)
        hub.upload_folder(
            repo_id=name,
            folder_path=folder,
            repo_type="space",
            commit_message="A page made with charrnn",
        )
    return address


def _created(hub: ModuleType, name: str, kind: str, public: bool) -> str:
    """The address of a repository, made if it is not there; as public as wanted, or refused."""
    repository(HUB + name)
    sdk = {"space_sdk": "static"} if kind == "space" else {}
    with calling_the_hub(HUB + name, hub):
        address = hub.create_repo(name, repo_type=kind, private=not public, exist_ok=True, **sdk)
        private = hub.repo_info(name, repo_type=kind).private
    if not private and not public:
        raise UsageError(f"{name} is there and public", "add --public, or choose another name")
    if private and public:
        advice = "leave out --public, or make it public in its settings on the hub"
        raise UsageError(f"{name} is there and private", advice)
    return str(address)


def _stage(folder: Path, model: ModelFolder, card_text: str) -> None:
    """Copy what is published, with a manifest of it."""
    files = {
        name: (model.path / name).read_bytes()
        for name in MODEL_FILES
        if name != MANIFEST and (model.path / name).is_file()
    }
    write_files(folder, files | {CARD: card_text.encode()})


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
