"""Tables, and data sets from the hub, read with `datasets`, which is imported only for them."""

from __future__ import annotations

import glob
import logging
from collections.abc import Iterator
from pathlib import Path

from charrnn.config import Reading
from charrnn.decoding.pieces import Piece
from charrnn.errors import BadDataError, CharRNNError, MissingInputError, UsageError

__all__ = ["HUB", "hub_rows", "is_table", "table_rows"]

BUILDERS = {".jsonl": "json", ".csv": "csv", ".parquet": "parquet"}  # what `datasets` calls them
HUB = "hf://"


def is_table(path: Path) -> bool:
    """Whether a file is a table, by its name; it may be a `.gz`."""
    return _builder(path) is not None


def _builder(path: Path) -> str | None:
    return BUILDERS.get(Path(path.name.removesuffix(".gz")).suffix)


def table_rows(path: Path, reading: Reading) -> Iterator[Piece]:
    """The rows of a table, each a document."""
    builder = _builder(path)
    assert builder is not None
    options: dict[str, object] = {"data_files": glob.escape(str(path))}
    if builder == "csv":
        # Without these, pandas reads texts such as "NA" as missing and "007" as the number 7.
        as_text = {reading.text_column or "text": str}
        options |= {"keep_default_na": False, "converters": as_text, "encoding": reading.encoding}
    return _rows(str(path), builder, None, "train", options, reading.text_column)


def hub_rows(source: str, reading: Reading) -> Iterator[Piece]:
    """The rows of a data set, each a document."""
    owner, _, rest = source.removeprefix(HUB).partition("/")
    name, _, config = rest.partition("/")
    if not (owner and name):
        advice = "write hf://OWNER/NAME or hf://OWNER/NAME/CONFIG"
        raise UsageError(f"{source} does not name a data set", advice)
    return _rows(source, f"{owner}/{name}", config or None, reading.split, {}, reading.text_column)


def _rows(
    name: str,
    dataset: str,
    config: str | None,
    split: str,
    options: dict[str, object],
    column: str | None,
) -> Iterator[Piece]:
    """The rows of one column; streamed, so that no copy of a private text stays in a cache."""
    import datasets

    datasets.disable_progress_bars()
    datasets.logging.set_verbosity(datasets.logging.CRITICAL)  # it also raises what it logs
    datasets.config.HF_UPDATE_DOWNLOAD_COUNTS = False  # else it reports even local tables
    # It logs a warning for each attempt to reach the hub; the error at the end is enough.
    logging.getLogger("huggingface_hub").setLevel(logging.ERROR)
    try:
        for row in datasets.load_dataset(dataset, config, split=split, streaming=True, **options):
            text = row.get(column or "text")
            if isinstance(text, str):
                yield Piece(name, text)
            elif text is not None or (column or "text") not in row:
                raise UsageError(
                    f"{name}: no text in a column {column or 'text'}",
                    f"choose --text-column from {', '.join(row)}",
                )
    except CharRNNError:
        raise
    except StopIteration:  # `datasets` raises it for an empty .jsonl
        return
    except (FileNotFoundError, ConnectionError) as error:
        reason = _first_line(error)
        raise MissingInputError(f"{name}: {reason}", "check the name and the connection") from None
    except (OSError, ValueError, RuntimeError, datasets.exceptions.DatasetsError) as error:
        raise BadDataError(f"{name}: {_first_line(error)}", "check the data set") from None


def _first_line(error: Exception) -> str:
    return (str(error) or type(error).__name__).splitlines()[0].rstrip(".")
