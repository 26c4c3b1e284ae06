"""Parquet, through pyarrow, which is imported only for it."""

from __future__ import annotations

from collections.abc import Generator, Iterator, Sequence
from typing import Any

from charrnn.config import Reading
from charrnn.decoding.containers import ExpansionLimit, Source
from charrnn.decoding.pieces import Piece
from charrnn.errors import BadDataError, UsageError, first_line
from charrnn.formats.tables.columns import column_of, documents, refuse_doubled

__all__ = ["records", "rows"]

ROWS = 256  # read at a time
ANEW = "write it anew as text if that is what you want"


def rows(source: Source, reading: Reading) -> Iterator[Piece]:
    """The rows of a table, each a document.

    Raises:
        BadDataError: if it is broken, or grows past all reason.
        MissingColumnError: if it has no such column.
    """
    return documents(source.name, records(source, [column_of(reading)]), reading)


def records(
    source: Source, columns: Sequence[str] | None
) -> Generator[dict[str, object], None, None]:
    """The rows of a table; of columns that are not wanted, the names alone.

    Args:
        source: the table.
        columns: those that are wanted, as paths with dots; None for all.

    Raises:
        BadDataError: if it is broken, or grows past all reason.
        UsageError: without the package pyarrow.
    """
    try:
        import pyarrow as pa
        from pyarrow import parquet
    except ImportError:
        advice = "pip install pyarrow, or save it as .csv"
        raise UsageError(
            f"{source.name}: .parquet files need the package pyarrow", advice
        ) from None

    assert source.path is not None, "the registry sees to it"
    size = source.path.stat().st_size
    try:
        schema = parquet.read_schema(source.path)
        names = schema.names
        wanted = [_within(names, column) for column in (names if columns is None else columns)]
        known = [name for name in dict.fromkeys(wanted) if name is not None]
        refuse_doubled(source.name, names, known)
        # Of a text that stands in many rows the file may hold one copy; so may the memory.
        texts = [name for name in known if pa.types.is_string(schema.field(name).type)]
        with parquet.ParquetFile(source.path, read_dictionary=texts) as file:
            if not known:
                yield from [dict.fromkeys(names)] * min(1, file.metadata.num_rows)
                return
            expanded, compressed = _largest(file.metadata)
            ExpansionLimit(source.name, lambda: compressed, ANEW).add(expanded)
            limit = ExpansionLimit(source.name, lambda: size, ANEW)
            for batch in file.iter_batches(ROWS, columns=known):
                for number in range(batch.num_rows):  # one at a time: each may be long
                    row = {name: batch.column(name)[number].as_py() for name in known}
                    limit.add(sum(len(cell) for cell in row.values() if isinstance(cell, str)))
                    yield dict.fromkeys(names) | row
    except (pa.ArrowException, OSError, OverflowError, ValueError) as error:  # the latter for dates
        raise BadDataError(f"{source.name}: {first_line(error)}", "check the table") from None


def _within(names: Sequence[str], path: str) -> str | None:
    """The column at which a path of names begins; None if there is none."""
    return next((name for name in (path, path.partition(".")[0]) if name in names), None)


def _largest(metadata: Any) -> tuple[int, int]:
    """The bytes of the largest part that is read at once: expanded, and in the file."""
    parts = [
        metadata.row_group(group).column(column)
        for group in range(metadata.num_row_groups)
        for column in range(metadata.num_columns)
    ]
    sizes = [(part.total_uncompressed_size, part.total_compressed_size) for part in parts]
    return max(sizes, default=(0, 0))
