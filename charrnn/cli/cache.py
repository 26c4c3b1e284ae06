"""charrnn cache: what is kept on disk."""

from __future__ import annotations

import os
from collections.abc import Collection
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
    """Show what is cached: ids of long texts, compiled code."""
    from charrnn.native.code import compiled
    from charrnn.text import cache as texts

    if clear and every:
        raise UsageError("--all lists files, and --clear deletes them all", "give one of them")
    texts.check()
    if clear:
        cleared = [texts.clear(), compiled.clear()]
        count = sum(one.number for one in cleared)
        write(f"deleted {counted(count, 'file')} in {texts.location()}\n")
        _refuse_failures([failure for one in cleared for failure in one.failures])
        return
    kept = {"ids of long texts": texts.entries(), "compiled code": compiled.entries()}
    if not any(kept.values()):
        say(f"nothing is kept in {texts.location()}")
        return
    if every:
        for path, status in (entry for files in kept.values() for entry in files.items()):
            used = datetime.fromtimestamp(status.st_mtime).astimezone()
            write(f"{status.st_size:>15,} bytes, last used {used:%Y-%m-%d %H:%M}  {path}\n")
        return
    sums = [f"{kind}: {_sum(files.values())}" for kind, files in kept.items() if files]
    write(f"{'; '.join(sums)}; in {texts.location()}\n")


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


def _sum(found: Collection[os.stat_result]) -> str:
    size = sum(status.st_size for status in found) / 1e6
    return f"{counted(len(found), 'file')}, {size:,.1f} MB"
