"""Several processes that train together, as torchrun starts them or without it."""

from __future__ import annotations

import os
import signal
import socket
import subprocess
import sys
import weakref
from collections.abc import Callable, Sequence
from pathlib import Path

from tests.commands import Copy

__all__ = ["start_ranks", "torchrun"]

TORCHRUN = ("-m", "torch.distributed.run", "--standalone", "--nproc-per-node", "2")


def torchrun(cwd: Path, *command: object) -> subprocess.Popen[str]:
    """Start `python COMMAND` twice, under torchrun."""
    return subprocess.Popen(
        [sys.executable, *TORCHRUN, *map(str, command)],
        cwd=cwd,
        env=os.environ | {"OMP_NUM_THREADS": "1"},
        stdin=subprocess.DEVNULL,
        stdout=subprocess.PIPE,
        stderr=subprocess.PIPE,
        text=True,
        preexec_fn=lambda: signal.signal(signal.SIGINT, signal.default_int_handler),
    )


def start_ranks(
    cwd: Path | Sequence[Path],
    *command: object,
    count: int = 2,
    prepare: Callable[[], object] = bool,
) -> list[Copy]:
    """Start `charrnn COMMAND` so many times, with nothing that looks after the processes.

    Args:
        cwd: where, all of them or each.
        command: its arguments.
        count: how many.
        prepare: is called in each before, where `RANK` is known.
    """
    places = [cwd] * count if isinstance(cwd, Path) else cwd
    held = socket.socket()  # nobody else is given its port, which the first process can still bind
    held.setsockopt(socket.SOL_SOCKET, socket.SO_REUSEADDR, 1)
    held.bind(("127.0.0.1", 0))
    port = held.getsockname()[1]
    settings = {"MASTER_ADDR": "127.0.0.1", "MASTER_PORT": port, "WORLD_SIZE": count}
    settings |= {"LOCAL_WORLD_SIZE": count}
    found = []
    for rank in range(count):
        environment = settings | {"RANK": rank, "LOCAL_RANK": rank}
        text = {name: str(value) for name, value in environment.items()}
        found.append(Copy(places[rank], *command, environment=os.environ | text, prepare=prepare))
    weakref.finalize(found[0], held.close)
    return found
