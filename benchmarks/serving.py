"""How soon and how fast many clients of `charrnn serve` get their texts.

    make bench-serving

A server in a process of its own, on this machine; 1, 16, 64 and 256 clients at once, each with a
stream of its own over its own connection: short texts, which NumPy writes, and long ones, which
machine code writes. What counts is the time to the first character, in the middle and for the
slowest tenth, and the characters of all clients together per second. Server and clients share the
processors, as they would not elsewhere.
"""

from __future__ import annotations

import argparse
import asyncio
import json
import os
import re
import statistics
import subprocess
import sys
import tempfile
import time
from pathlib import Path

from timing import keep

from charrnn.config import ModelConfig
from charrnn.network.char_rnn import CharRNN
from charrnn.text.tokenizer import CharTokenizer

CLIENTS = (1, 16, 64, 256)
LENGTHS = (300, 2000)  # characters of a text
ROUNDS = 3  # of which the median counts
CHARACTERS = "".join(map(chr, [10, *range(32, 96)]))


async def client(port: int, seed: int, length: int) -> tuple[float, float]:
    """Seconds until the first character, and until the last."""
    asked = {"prompt": "THE ", "max_tokens": length, "temperature": 0.8, "seed": seed}
    body = json.dumps(asked | {"stream": True}).encode()
    head = (
        f"POST /v1/completions HTTP/1.1\r\nHost: localhost\r\nContent-Length: {len(body)}\r\n\r\n"
    )
    begin = time.perf_counter()
    reader, writer = await asyncio.open_connection("127.0.0.1", port)
    writer.write(head.encode() + body)
    await reader.readuntil(b"data: ")
    first = time.perf_counter() - begin
    await reader.readuntil(b"data: [DONE]")
    last = time.perf_counter() - begin
    writer.close()
    return first, last


async def at_once(port: int, count: int, length: int) -> dict[str, float]:
    """What `count` clients that come together see."""
    begin = time.perf_counter()
    found = await asyncio.gather(*(client(port, seed, length) for seed in range(count)))
    seconds = time.perf_counter() - begin
    firsts = sorted(first for first, _ in found)
    return {
        "first_character_ms": 1000 * statistics.median(firsts),
        "first_character_ms_slowest_tenth": 1000 * firsts[int(0.9 * (count - 1))],
        "characters_per_second": count * length / seconds,
    }


def measured(port: int, count: int, length: int) -> dict[str, float]:
    """The medians of several rounds."""
    rounds = [asyncio.run(at_once(port, count, length)) for _ in range(ROUNDS)]
    return {name: statistics.median(one[name] for one in rounds) for name in rounds[0]}


def main() -> None:
    """Measure, print and keep the results."""
    parser = argparse.ArgumentParser(description=__doc__.partition("\n")[0])
    parser.add_argument("--hidden-size", type=int, default=256)
    arguments = parser.parse_args()
    config = ModelConfig(
        cell="lstm",
        vocab_size=len(CHARACTERS),
        embed_size=64,
        hidden_size=arguments.hidden_size,
        num_layers=2,
    )
    with tempfile.TemporaryDirectory() as folder:
        CharRNN(config).save_pretrained(Path(folder) / "model", CharTokenizer(CHARACTERS))
        server = subprocess.Popen(
            [sys.executable, "-m", "charrnn", "serve", "model", "--port", "0"],
            cwd=folder,
            stderr=subprocess.PIPE,
            text=True,
            env=os.environ,
        )
        assert server.stderr is not None
        port = int(re.findall(r":(\d+)/", server.stderr.readline())[0])
        time.sleep(1)
        try:
            found: dict[str, dict[str, dict[str, float]]] = {}
            for length in LENGTHS:
                asyncio.run(at_once(port, 4, length))  # not counted
                found[str(length)] = {}
                for count in CLIENTS:
                    one = measured(port, count, length)
                    found[str(length)][str(count)] = one
                    print(f"{length:>5} characters, {count:>3} clients  {one}", flush=True)
        finally:
            server.terminate()
            server.communicate()
    keep(
        "serving",
        load=os.getloadavg()[1],  # of the last five minutes: what else the processors had to do
        cell="lstm",
        layers=2,
        hidden_size=arguments.hidden_size,
        clients_by_characters=found,
    )


if __name__ == "__main__":
    main()
