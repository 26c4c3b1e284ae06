"""Machine code, written as Python.

    functions of `machine` ──▶ LLVM's language ──compiled──▶ functions of this process

values      integers and vectors of machine code
machine     its functions, loops, memory and threads
compiled    such code, kept in the process and on disk
intrinsics  bytes, exponentials, work across lanes and waiting in such code
amx         the instructions of tiles
"""
