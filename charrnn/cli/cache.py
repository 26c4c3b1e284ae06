"""charrnn cache: what is kept of long texts."""

from __future__ import annotations

from datetime import datetime
from typing import Annotated

import typer

from charrnn.terminal.output import say, write

__all__ = ["cache"]


def cache(
    clear: Annotated[bool, typer.Option("--clear", help="Delete these files.")] = False,
) -> None:
    """List what is kept on disk to start sooner on long texts."""
    from charrnn.text import cache as kept

    if clear:
        count = kept.clear()
        write(f"deleted {count} file{'' if count == 1 else 's'} in {kept.location()}\n")
        return
    if not kept.entries():
        say(f"nothing is kept in {kept.location()}")
    for path in kept.entries():
        status = path.stat()
        used = datetime.fromtimestamp(status.st_mtime).astimezone()
        write(f"{status.st_size:>15,} bytes, last used {used:%Y-%m-%d %H:%M}  {path}\n")
