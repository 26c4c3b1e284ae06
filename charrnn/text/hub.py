"""Data sets from the hub, read with `datasets`, which is imported only for them."""

from __future__ import annotations

import logging
from collections.abc import Generator, Iterator
from contextlib import contextmanager
from typing import Any

from charrnn.config import HUB, Reading
from charrnn.errors import BadDataError, MissingInputError, UsageError, first_line

__all__ = ["hub_records"]


def hub_records(source: str, reading: Reading) -> Generator[Any, None, None]:
    """The rows of a data set as they stand, with the names of classes that it has as numbers.

    Raises:
        MissingInputError: if there is none of this name, or no connection.
        UsageError: for a name that can be none.
    """
    owner, _, rest = source.removeprefix(HUB).partition("/")
    name, _, config = rest.partition("/")
    if not (owner and name):
        advice = "write hf://OWNER/NAME or hf://OWNER/NAME/CONFIG"
        raise UsageError(f"{source} does not name a data set", advice)
    return _rows(source, f"{owner}/{name}", config, reading.split)


def _rows(name: str, dataset: str, config: str, split: str) -> Generator[Any, None, None]:
    """The rows; streamed, so that no copy of a private text stays in a cache."""
    import datasets

    try:
        with _quiet():
            found = datasets.load_dataset(dataset, config or None, split=split, streaming=True)
            rows, features = iter(found), found.features or {}
        while True:
            with _quiet():
                row = next(rows, None)
            if row is None:
                return
            yield {name: _named(value, features.get(name)) for name, value in row.items()}
    except StopIteration:  # `datasets` raises it for an empty .jsonl
        return
    except (FileNotFoundError, ConnectionError) as error:
        reason = first_line(error)
        raise MissingInputError(f"{name}: {reason}", "check the name and the connection") from None
    except (OSError, ValueError, RuntimeError, datasets.exceptions.DatasetsError) as error:
        raise BadDataError(f"{name}: {first_line(error)}", "check the data set") from None


def _named(value: Any, feature: Any) -> Any:
    """A value as people read it: a class by its name, and None where its number says "unknown"."""
    import datasets

    if isinstance(feature, datasets.ClassLabel):
        return feature.int2str(value) if isinstance(value, int) and value >= 0 else None
    if isinstance(feature, datasets.List) and isinstance(value, list):
        return [_named(one, feature.feature) for one in value]
    return value


@contextmanager
def _quiet() -> Iterator[None]:
    """Keep `datasets` and the hub's library quiet, and leave them afterwards as they were."""
    import datasets

    loggers = [logging.getLogger(name) for name in ("datasets", "huggingface_hub")]
    levels = [logger.level for logger in loggers]
    bars = not datasets.are_progress_bars_disabled()
    counts = datasets.config.HF_UPDATE_DOWNLOAD_COUNTS
    loggers[0].setLevel(logging.CRITICAL)  # it also raises what it logs
    loggers[1].setLevel(logging.ERROR)  # a warning for each attempt; the error at the end is enough
    datasets.disable_progress_bars()
    datasets.config.HF_UPDATE_DOWNLOAD_COUNTS = False  # else it reports even local tables
    try:
        yield
    finally:
        for logger, level in zip(loggers, levels, strict=True):
            logger.setLevel(level)
        datasets.config.HF_UPDATE_DOWNLOAD_COUNTS = counts
        if bars:
            datasets.enable_progress_bars()
