"""charrnn cache: what is kept of long texts, and compiled code."""

from __future__ import annotations

from datetime import datetime
from typing import Annotated

import typer

from charrnn.terminal.output import say, write
from charrnn.words import counted

__all__ = ["cache"]


def cache(
    clear: Annotated[bool, typer.Option("--clear", help="Delete these files.")] = False,
) -> None:
    """List what is kept on disk to start sooner: ids of long texts, and compiled code."""
    from charrnn.native.code import compiled
    from charrnn.text import cache as texts

    if clear:
        count = texts.clear() + compiled.clear()
        write(f"deleted {counted(count, 'file')} in {texts.location()}\n")
        return
    paths = texts.entries() + compiled.entries()
    if not paths:
        say(f"nothing is kept in {texts.location()}")
    for path in paths:
        status = path.stat()
        used = datetime.fromtimestamp(status.st_mtime).astimezone()
        write(f"{status.st_size:>15,} bytes, last used {used:%Y-%m-%d %H:%M}  {path}\n")
