"""Model folders from the Hugging Face hub, as a folder in its cache.

    path = download("hf://OWNER/NAME", None, names)    # or hf://OWNER/NAME@REVISION

What comes from there is read like any folder that someone else has made. `huggingface_hub` is
imported only for it.
"""

from __future__ import annotations

import os
from collections.abc import Iterator, Sequence
from contextlib import contextmanager
from pathlib import Path
from types import ModuleType
from typing import TypeGuard

from charrnn.config import HUB
from charrnn.errors import BadDataError, CharRNNError, MissingInputError, UsageError, first_line
from charrnn.folder.untrusted import hub_blobs

__all__ = [
    "calling_the_hub",
    "download",
    "folder_name",
    "imported",
    "is_on_hub",
    "repository",
]

LOG_IN = "log in with `hf auth login`"


def is_on_hub(model: object) -> TypeGuard[str]:
    """Whether a name is that of a model on the hub."""
    return isinstance(model, str) and model.startswith(HUB)


def repository(name: str) -> tuple[str, str | None]:
    """OWNER/NAME and the revision, if there is one, of `hf://OWNER/NAME@REVISION`.

    Raises:
        UsageError: if it is none.
    """
    found, _, revision = name.removeprefix(HUB).partition("@")
    owner, _, rest = found.partition("/")
    if not (owner and rest) or "/" in rest:
        advice = "write OWNER/NAME, as in hf://OWNER/NAME or hf://OWNER/NAME@REVISION"
        raise UsageError(f"{found!r} does not name a model on the hub", advice)
    return found, revision or None


def folder_name(path: Path) -> str:
    """The name of a model: that of its folder, or of a link to it, as the user gave it.

    In the hub's cache, which calls the folder by its commit, it is the name on the hub.
    """
    path = Path(os.path.abspath(path))  # noqa: PTH100 - resolve() would follow links
    return path.parents[1].name.rpartition("--")[2] if hub_blobs(path) else path.name


def download(name: str, revision: str | None, files: Sequence[str], kind: str = "model") -> Path:
    """The folder of a model on the hub; from the cache where that has the newest.

    Args:
        name: hf://OWNER/NAME, or hf://OWNER/NAME@REVISION.
        revision: a branch, a tag or a commit; None for the one in the name, or the newest.
        files: the names of the files that are wanted, if they are there.
        kind: of the repository, as the hub names it.

    Raises:
        UsageError: if the name is none.
        MissingInputError: if there is no such model, or it can't be reached.
        BadDataError: if a file leads out of the cache.
    """
    wanted, named = repository(name)
    hub = imported(name)
    with calling_the_hub(name, hub):
        found = hub.snapshot_download(
            wanted,
            repo_type=kind,
            revision=revision or named,
            allow_patterns=list(files),
            library_name="charrnn",
        )
    cache = Path(hub.constants.HF_HUB_CACHE).resolve()
    for file in Path(found).rglob("*"):  # they are links to files beside the folder
        if not file.resolve().is_relative_to(cache):
            raise BadDataError(f"{file}: a link to somewhere else", "delete it from the cache")
    return Path(found)


def imported(name: str) -> ModuleType:
    """`huggingface_hub`; what is asked of it is kept `quiet`.

    Raises:
        CharRNNError: if it is not installed.
    """
    try:
        import huggingface_hub as hub
        import huggingface_hub.utils
    except ImportError:
        advice = "pip install huggingface_hub"
        raise CharRNNError(
            f"{name} needs huggingface_hub, which is not installed", advice
        ) from None
    return hub


@contextmanager
def quiet(hub: ModuleType) -> Iterator[None]:
    """Let the library show no bars and log nothing, and leave it afterwards as it was."""
    import logging

    logger = logging.getLogger("huggingface_hub")
    level, bars = logger.level, not hub.utils.are_progress_bars_disabled()
    logger.setLevel(logging.CRITICAL)  # the error tells it
    hub.utils.disable_progress_bars()
    try:
        yield
    finally:
        logger.setLevel(level)
        if bars:
            hub.utils.enable_progress_bars()


@contextmanager
def calling_the_hub(name: str, hub: ModuleType) -> Iterator[None]:
    """Tell what goes wrong with the hub in one line, and no more.

    Raises:
        CharRNNError: for whatever it is.
    """
    try:
        with quiet(hub):
            yield
    except hub.errors.HFValidationError as error:
        raise UsageError(f"{name}: {first_line(error)}", "check the name") from None
    except hub.errors.GatedRepoError:
        advice = f"ask for access on its page, then {LOG_IN}"
        raise MissingInputError(
            f"{name} is gated: its owner decides who may have it", advice
        ) from None
    except hub.errors.RepositoryNotFoundError:
        advice = f"check the name; if it is private, {LOG_IN}"
        raise MissingInputError(f"{name} is not on the hub, or private", advice) from None
    except hub.errors.RevisionNotFoundError:
        raise MissingInputError(f"{name} has no such revision", "check its name") from None
    except hub.errors.LocalTokenNotFoundError:
        raise CharRNNError(f"{name}: there is no token", LOG_IN) from None
    except hub.errors.OfflineModeIsEnabled:
        found = f"{name} can't be reached: HF_HUB_OFFLINE is set"
        raise MissingInputError(found, "unset it") from None
    except hub.errors.LocalEntryNotFoundError:
        raise _not_reached(name, offline=hub.constants.is_offline_mode()) from None
    except hub.errors.HfHubHTTPError as error:
        if (status := error.response.status_code) in (401, 403):
            found = "is not accepted" if status == 401 else "may not do this"
            raise CharRNNError(f"{name}: the token {found}", f"{LOG_IN} again") from None
        raise CharRNNError(f"{name}: {first_line(error)}", "try again later") from None
    except (OSError, ValueError, hub.errors.HTTPError) as error:
        if str(error).startswith("Invalid metadata in README.md"):
            found = f"{name}: {' '.join(str(error).split())}"
            advice = "check --license, --language and the head of README.md"
            raise UsageError(found.rstrip("."), advice) from None
        advice = "check the connection"
        raise MissingInputError(f"{name}: {first_line(error)}", advice) from None


def _not_reached(name: str, *, offline: bool) -> MissingInputError:
    if offline:
        found = f"{name} is not in the cache of the hub, and HF_HUB_OFFLINE is set"
        return MissingInputError(found, "unset it, or copy the model folder here")
    return MissingInputError(f"{name} can't be reached", "check the connection")
