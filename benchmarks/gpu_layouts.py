"""Which layout of the kernels that stay on a GPU is fastest, beside which its rule takes.

    python benchmarks/gpu_layouts.py [--output layouts.json]

It takes less than a minute. Each part is a process of its own with a time limit, lest a kernel
that waits for ever takes more. Times are microseconds for each step of time, forward and backward;
a layout is its units, lanes, chunk and warps.
"""

from __future__ import annotations

import argparse
import json
import multiprocessing
import os
import sys
import tempfile
import time
import traceback
from collections.abc import Callable
from pathlib import Path
from typing import Any

import torch
from torch import Tensor

from charrnn.cells.gradients import RULES
from charrnn.cells.rules import CELLS
from charrnn.config import ModelConfig
from charrnn.network.stack.gpu import driver, engine
from charrnn.network.stack.gpu.layout import Layout, Limits, Way, best_layout, layouts
from charrnn.network.stack.gpu.source import defines, source
from charrnn.network.stack.recurrent import Recurrent

DEVICE, HALF = "cuda", torch.bfloat16
NAMES = ("lstm", "gru", "rnn")
TIMED = ((256, 32), (384, 32), (512, 32), (512, 64), (768, 32), (1024, 32), (1024, 128))
SHORT, LONG = 32, 160  # steps; a step's time is from their difference
WAYS: tuple[Way, ...] = ("forward", "backward")
NEAR = 1.03  # times as long as the best is near enough
BEGIN = time.monotonic()


def say(*words: object) -> None:
    """Print, and do not wait for more."""
    print(f"[{time.monotonic() - BEGIN:4.0f}s]", *words, flush=True)


def guarded(name: str, limit: float, work: Callable[..., Any], *arguments: Any) -> Any:
    """The result of work done in a process that is killed if it takes too long; None then."""
    read, write = os.pipe()
    child = os.fork()
    if child == 0:
        os.close(read)
        code = 1
        try:
            result = work(*arguments)
            with os.fdopen(write, "w") as out:
                json.dump(result, out)
            code = 0
        except BaseException:
            traceback.print_exc(limit=6)
        finally:
            sys.stdout.flush()
            sys.stderr.flush()
            os._exit(code)
    os.close(write)
    os.set_blocking(read, False)
    end, parts = time.monotonic() + limit, []
    while True:
        try:
            part = os.read(read, 1 << 20)
            if not part:
                break
            parts.append(part)
        except BlockingIOError:
            pass
        if time.monotonic() > end:
            os.kill(child, 9)
            say(f"{name}: KILLED after {limit:.0f} s")
            break
        time.sleep(0.02)
    os.close(read)
    _, status = os.waitpid(child, 0)
    if status:
        say(f"{name}: FAILED with {status}")
        return None
    return json.loads(b"".join(parts))


def facts() -> list[Any]:
    """What the GPU is."""
    name, cudnn = torch.cuda.get_device_name(), torch.backends.cudnn.version()  # type: ignore[no-untyped-call]
    text = f"{name}, torch {torch.__version__}, cuDNN {cudnn}"
    limits = engine.limits(torch.cuda.current_device())
    return [*limits, torch.cuda.get_device_capability(), text]


def compile_one(layout: Layout, capability: tuple[int, int]) -> str:
    """Leave a kernel in the cache; what went wrong."""
    try:
        driver.image(source(layout.cell, layout.way), defines(layout), capability)
    except (OSError, RuntimeError) as error:
        return f"{layout}: {error}"[:1500]
    return ""


def compile_all(wanted: set[Layout], capability: tuple[int, int]) -> None:
    """Fill the cache, on all cores."""
    jobs = [(layout, capability) for layout in sorted(wanted)]
    with multiprocessing.get_context("fork").Pool(min(16, len(os.sched_getaffinity(0)))) as pool:
        for wrong in filter(None, pool.starmap(compile_one, jobs, chunksize=1)):
            say("not compiled:", wrong)
    say(f"{len(jobs)} kernels compiled")


def tried(cell: Any, way: Way, hidden: int, batch: int, limits: Limits) -> set[Layout]:
    """Layouts worth a try: for each number of units those with the fewest lanes, and the best."""
    able = [one for one in layouts(cell, way, hidden, batch, limits) if one.warps > 4]
    found = {best_layout(cell, way, hidden, batch, limits)} - {None}
    for units in (16, 32):
        fewest = min((layout.lanes for layout in able if layout.units == units), default=0)
        found |= {one for one in able if (one.units, one.lanes) == (units, fewest)}
    return {layout for layout in found if layout}


def replayed(work: Callable[[], object], times: int = 3) -> float:
    """Microseconds of work that is recorded as a graph, the best of some replays."""
    stream = torch.cuda.Stream()  # type: ignore[no-untyped-call]
    stream.wait_stream(torch.cuda.current_stream())
    with torch.cuda.stream(stream):
        work()
    torch.cuda.current_stream().wait_stream(stream)
    graph = torch.cuda.CUDAGraph()
    with torch.cuda.graph(graph):
        for _ in range(3):
            work()
    graph.replay()
    best = float("inf")
    for _ in range(times):
        begin, end = (
            torch.cuda.Event(enable_timing=True)  # type: ignore[no-untyped-call]
            for _ in range(2)
        )
        begin.record()
        graph.replay()
        end.record()
        end.synchronize()
        best = min(best, begin.elapsed_time(end) / 3 * 1000)
    return best


def kernel_time(layout: Layout, batch: int, steps: int) -> float:
    """Microseconds of a kernel, with the filling before it."""
    cell, hidden = layout.cell, layout.hidden_size
    gates, kept, rule = CELLS[cell].gates, RULES[cell].kept, RULES[cell]

    def half(*shape: int) -> Tensor:
        return torch.randn(shape, device=DEVICE, dtype=HALF) * 0.3

    w_hh = torch.randn(gates * hidden, hidden, device=DEVICE) * hidden**-0.5
    hs = half(steps + 1, batch, hidden)
    memory = hs.float() if rule.memory else hs
    if layout.way == "forward":
        bias, gx = w_hh[:, 0].contiguous(), half(steps, batch, gates * hidden)
        buffer = hs[1:]
        values = half(steps, batch, kept * hidden) if kept else gx
        tensors: tuple[Tensor, ...] = (w_hh, bias, bias, gx, hs, memory, values)
    else:
        values, d_out = half(steps, batch, max(kept, 1) * hidden), half(steps, batch, hidden)
        dhs = buffer = half(steps, batch, gates * hidden)
        dxs = torch.empty_like(dhs) if rule.split else dhs
        by_state = torch.zeros(2, batch, hidden, device=DEVICE)
        totals = torch.empty(2, batch // layout.lanes, gates * hidden, device=DEVICE)
        tensors = (w_hh, d_out, hs, memory, values, dxs, dhs, *by_state, *totals)

    def work() -> None:
        engine.mark_as_missing(buffer)
        engine.run(layout, steps, batch, tensors)

    return replayed(work)


def time_layouts(cell: Any, shapes: Any, limits: Limits) -> list[Any]:
    """Each layout's time for each step, and its fixed time."""
    rows, chosen_times, worse = [], [], []
    for hidden, batch in shapes:
        own = []
        for way in WAYS:
            chosen, found = best_layout(cell, way, hidden, batch, limits), []
            for layout in sorted(tried(cell, way, hidden, batch, limits)):
                short, long = (kernel_time(layout, batch, steps) for steps in (SHORT, LONG))
                step = (long - short) / (LONG - SHORT)
                found.append((step, layout))
                rows.append(
                    [cell, way, hidden, batch, list(layout[3:]), step, short - SHORT * step]
                )
            found.sort()
            times = {layout: step for step, layout in found}
            own.append(times[chosen] if chosen else float("nan"))
            if chosen and own[-1] > NEAR * found[0][0]:
                text = " ".join(f"{s:.2f}:{'/'.join(map(str, one[3:]))}" for s, one in found[:3])
                name = "/".join(map(str, chosen[3:]))
                worse.append(f"  {way} {hidden}×{batch}: {own[-1]:.2f}:{name}, but {text}")
        chosen_times.append(f"{hidden}×{batch} {own[0]:.2f}+{own[1]:.2f}")
    say(f"{cell} kernels:", "  ".join(chosen_times))
    for line in worse:
        say(line)
    return rows


def time_layers(cell: Any, shapes: Any) -> list[Any]:
    """A whole layer, with its products, forward and backward, beside cuDNN's."""
    rows, texts = [], []
    for hidden, batch in shapes:
        times = {name: layer_time(cell, hidden, batch, name) for name in ("persistent", "torch")}
        rows.append([cell, hidden, batch, times])
        ours, theirs = (f"{f:.2f}+{b:.2f}" for f, b in times.values())
        texts.append(f"{hidden}×{batch} {ours} ({theirs})")
    say(f"{cell} layers (cuDNN's):", "  ".join(texts))
    return rows


def layer_time(cell: Any, hidden: int, batch: int, name: Any) -> tuple[float, float]:
    """Microseconds for each step, forward and backward."""
    torch.manual_seed(1)
    config = ModelConfig(
        cell=cell, vocab_size=2, embed_size=hidden, hidden_size=hidden, num_layers=1
    )
    stack, steps = Recurrent(config).to(DEVICE), 128
    stack.engine = name
    x = torch.randn(steps, batch, hidden, device=DEVICE, requires_grad=True)
    slope = torch.randn(steps, batch, hidden, device=DEVICE, dtype=HALF)

    def forward() -> Tensor:
        with torch.autocast(DEVICE, HALF):
            output: Tensor = stack(x)[0]
        return output

    def both() -> None:
        forward().backward(slope)  # type: ignore[no-untyped-call]
        for weight in (*stack.parameters(), x):
            weight.grad = None

    one = replayed(forward) / steps
    return one, replayed(both) / steps - one


def main() -> None:
    """Time all, and keep it."""
    parser = argparse.ArgumentParser(description=__doc__)
    parser.add_argument("--cells", nargs="+", default=list(NAMES))
    parser.add_argument("--output", type=Path, default=Path("layouts.json"))
    options = parser.parse_args()
    with tempfile.TemporaryDirectory() as folder:
        os.environ["XDG_CACHE_HOME"] = folder
        results = run(options.cells)
    options.output.write_text(json.dumps(results))


def run(cells: list[Any]) -> dict[str, Any]:
    """All results, by their names."""
    found = guarded("facts", 60, facts)
    if found is None:
        sys.exit(1)
    *numbers, capability, name = found
    limits = Limits(*numbers)
    say(name, limits, capability)
    timed = {cell: [s for s in TIMED if runs(cell, *s, limits)] for cell in cells}
    wanted = {
        layout
        for cell in cells
        for shape in timed[cell]
        for way in WAYS
        for layout in tried(cell, way, *shape, limits)
    }
    compile_all(wanted, (capability[0], capability[1]))
    results: dict[str, Any] = {"gpu": name}
    for cell in cells:
        results[f"layers {cell}"] = guarded(f"layers {cell}", 25, time_layers, cell, timed[cell])
        arguments = (cell, timed[cell], limits)
        results[f"layouts {cell}"] = guarded(f"layouts {cell}", 40, time_layouts, *arguments)
    say("done")
    return results


def runs(cell: Any, hidden: int, batch: int, limits: Limits) -> bool:
    """Whether there is a layout for both ways."""
    return all(best_layout(cell, way, hidden, batch, limits) for way in WAYS)


if __name__ == "__main__":
    main()
