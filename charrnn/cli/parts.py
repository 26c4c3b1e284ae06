"""Which part of a text models were trained on, how it was read, and what of it was changed."""

from __future__ import annotations

import glob
import os
from collections.abc import Iterator, Mapping, Sequence
from contextlib import suppress
from itertools import chain
from pathlib import Path
from typing import TYPE_CHECKING, Any, TypeVar

import msgspec

from charrnn.config import HUB, STANDARD_INPUT, Reading
from charrnn.errors import BadDataError, ReadWriteError, UsageError
from charrnn.outputs import refuse_inputs
from charrnn.settings import settings_from
from charrnn.terminal.options import option_names
from charrnn.terminal.output import say

if TYPE_CHECKING:
    from charrnn.config import TrainConfig, Unknown
    from charrnn.folder.record import ModelRecord
    from charrnn.text.origin import Origin

__all__ = [
    "reading_of_own",
    "refuse_own_set",
    "refuse_texts_of",
    "say_changed",
    "the_one",
    "trained_on",
]

Part = TypeVar("Part")
OF_FILES = ("encoding", "errors", "text_column")  # how a run read files, that are read as then


def reading_of_own(
    models: Sequence[str | None],
    given: Mapping[str, Any],
    *texts: Sequence[str | Path],
    moved: bool = False,
) -> Reading:
    """How to read texts: the files of a model's training as then, but for what is given.

    Says so where it is another way than the usual one. A part of these files is read as any others
    are: a setting may have been for the rest alone, and would be refused.

    Args:
        models: folders or names.
        given: settings of `Reading` that the user made.
        texts: the sources of each.
        moved: whether they are the text of the training under any name. Under another one, the
            first run that tells counts, but for what has no effect on a file of that name.
    """
    from charrnn.text.origin import place_of

    usual = settings_from(Reading, given)
    places = [{*map(place_of, sources)} for sources in texts if sources]
    every = set[str]().union(*places)
    if any(place.startswith(HUB) or (place == STANDARD_INPUT and not moved) for place in every):
        return usual  # what comes from there may be anything, or another split
    own, first, names = None, None, {*OF_FILES}
    for origin in _origins(models):
        first = first or origin
        if all(place in ({*origin.sources}, {*origin.validation}) for place in places):
            own = origin
            break
    if moved and own is None:
        own, names = first, names.intersection(*map(_used_settings, every))
    if own is None:
        return usual
    then = {name: getattr(own.reading, name) for name in OF_FILES if name in names}
    then = {
        name: value
        for name, value in then.items()
        if name not in given and value not in (getattr(usual, name), "surrogateescape")
    }
    if then:
        told = [f"{option} {then[name]}" for name, option in option_names(then).items()]
        named = ", ".join(str(source) for sources in texts for source in sources)
        say(f"{named}: read as in training, with {' '.join(told)}")
    return msgspec.structs.replace(usual, **then)


def refuse_texts_of(models: Sequence[str | None], path: Path | None, option: str) -> None:
    """Check that nothing is written over a text that models were made from, as far as they tell.

    A file in a folder of texts may be written over: it may have come from an earlier command. One
    that a pattern finds now is taken for one of the texts.

    Args:
        models: folders or names.
        path: where an output goes, if there is one.
        option: that chose the path, for errors.

    Raises:
        UsageError: if it would be.
        MissingInputError: if there is no such model.
    """
    if path is None or not os.path.isfile(path):  # noqa: PTH113 - Path's method fails on long names
        return
    places = (place for origin in _origins(models) for place in origin.sources + origin.validation)
    texts = chain.from_iterable(_files(place) for place in places if Path(place).is_absolute())
    refuse_inputs(path, option, texts, "the model was trained or validated on")


def _files(place: str) -> Iterator[str]:
    """The file at a place, or those that a pattern finds."""
    found = [place] if os.path.lexists(place) else glob.iglob(place, recursive=True)
    return filter(os.path.isfile, found)


def _origins(models: Sequence[str | None]) -> Iterator[Origin]:
    """Where the texts of those models were read whose folders tell."""
    from charrnn.folder.reading import find_model
    from charrnn.folder.resuming import origin_of_run

    for path in map(find_model, models):
        origin = None
        # A model can be used whatever its run's state is like.
        with suppress(BadDataError, ReadWriteError):
            origin = origin_of_run(path)
        if origin is not None:
            yield origin


def _used_settings(place: str) -> frozenset[str]:
    """The settings that have an effect on what its name says that it is."""
    from charrnn.formats.registry import format_of
    from charrnn.text.bundled import BUNDLED

    return frozenset() if place in BUNDLED else format_of(place).settings


def trained_on(records: list[ModelRecord], sha256: str, kind: str, name: str) -> list[TrainConfig]:
    """How models were trained on a text or a list, of which they kept a part for validation.

    Args:
        records: of the models.
        sha256, kind, name: of the text or list.

    Raises:
        UsageError: if it is another one, or a model does not say.
    """
    if any(record.corpus is None or record.corpus.sha256 != sha256 for record in records):
        who = "was" if len(records) == 1 else "all models were"
        found = f"{name} is not, or no longer, the {kind} that {who} trained on"
        raise UsageError(found, "leave --validation out")
    trained = [record.training for record in records if record.training is not None]
    if len(trained) < len(records):  # a network that was read and saved again keeps no record
        found = f"the model does not say which part of {name} was kept for validation"
        raise UsageError(found, "leave --validation out")
    return trained


def refuse_own_set(records: list[ModelRecord], name: str) -> None:
    """Refuse models none of whose text was kept for validation.

    Args:
        records: of the models.
        name: of the text whose kept part is wanted.

    Raises:
        UsageError: if one was validated on a set of its own.
    """
    own = next((record.validation for record in records if record.validation), None)
    if own is not None:
        found = f"the model was validated on a set of its own, {own.name}, not on a part of {name}"
        raise UsageError(found, "give that set as the text, and leave --validation out")


def the_one(parts: set[Part], name: str, why: str = "") -> Part:
    """The part of a text that all models were trained on.

    Args:
        parts: what each model says that it was; at least one.
        name: of the text.
        why: a clause that says what has chosen them, if that is known.

    Raises:
        UsageError: if it differs from model to model.
    """
    if len(parts) > 1:
        raise UsageError(
            f"the models were trained on different parts of {name}{why}",
            "take them one by one, or a text that none has seen",
        )
    return next(iter(parts))


def say_changed(unknown: Unknown, changed: int, characters: int) -> None:
    """Say that so many of a text's characters were changed before it was scored, if any were.

    Fewer characters that are known make a better score: of two models, the one with the smaller
    vocabulary would win.
    """
    if not changed:
        return
    did, figures = "left out", "of the rest"
    if unknown == "replace":
        did, figures = "put others in place of", "of the text with these"
    count = f"{changed:,} of {characters:,} characters"
    say(f"--unknown {unknown} {did} {count}: the figures are {figures}")
