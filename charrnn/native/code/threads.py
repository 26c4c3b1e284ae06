"""What machine code asks for to know which of several threads runs it.

Sampling brings threads of its own, see `charrnn.threads`. In training `network.stack.cpu.team` runs
the code and answers.
"""

from __future__ import annotations

from charrnn.native.code.machine import Code
from charrnn.native.code.values import Int

__all__ = ["THREAD_COUNT", "THREAD_NUMBER", "thread_count", "thread_number"]

THREAD_NUMBER, THREAD_COUNT = "charrnn_thread_number", "charrnn_thread_count"


def thread_number(code: Code) -> Int:
    """The number of the thread that runs the code, from 0."""
    return code.call(THREAD_NUMBER)


def thread_count(code: Code) -> Int:
    """How many threads run the code."""
    return code.call(THREAD_COUNT)
