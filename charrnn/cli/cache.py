"""charrnn cache: what is kept on disk."""

from __future__ import annotations

from datetime import datetime
from typing import Annotated

import typer

from charrnn.errors import ReadWriteError, UsageError
from charrnn.terminal.output import say, write
from charrnn.words import counted

__all__ = ["cache"]


def cache(
    every: Annotated[bool, typer.Option("--all", help="List each of these files.")] = False,
    clear: Annotated[bool, typer.Option("--clear", help="Delete these files.")] = False,
) -> None:
    """Show what is kept in the cache folder."""
    from charrnn.native.code import compiled
    from charrnn.text.cache import check, location

    if clear and every:
        raise UsageError("--all lists files, and --clear deletes them all", "give one of them")
    check()
    if clear:
        count, failures = compiled.clear()
        write(f"deleted {counted(count, 'file')} in {location()}\n")
        _refuse_failures(failures)
        return
    kept = compiled.entries()
    if not kept:
        say(f"nothing is kept in {location()}")
    elif every:
        for path, status in kept.items():
            used = datetime.fromtimestamp(status.st_mtime).astimezone()
            write(f"{status.st_size:>15,} bytes, last used {used:%Y-%m-%d %H:%M}  {path}\n")
    else:
        size = sum(status.st_size for status in kept.values()) / 1e6
        write(f"{counted(len(kept), 'file')}, {size:,.1f} MB; in {location()}\n")


def _refuse_failures(failures: list[OSError]) -> None:
    """Name the first of the files that could not be deleted, if there are any.

    Raises:
        ReadWriteError: for all of them.
    """
    if failures:
        first, *others = failures
        more = f", and {counted(len(others), 'other')} likewise" if others else ""
        raise ReadWriteError(
            f"{first.filename}: {first.strerror}{more}",
            "see that you may change its folder and that nothing uses it, then try again",
        )
