"""Whether the kernels that stay on a GPU are right there, and which of their layouts is fastest.

    python benchmarks/gpu_layouts.py [--quick] [--output layouts.json]

It takes a minute and a half. Each part is a process of its own with a time limit, lest a kernel
that waits for ever takes more. Times are microseconds for each step of time.
"""

from __future__ import annotations

import argparse
import json
import multiprocessing
import os
import sys
import time
import traceback
from collections.abc import Callable
from pathlib import Path
from typing import Any

import torch
from torch import Tensor

from charrnn.cells.gradients import RULES
from charrnn.cells.rules import CELLS
from charrnn.network.stack.gpu import driver, engine
from charrnn.network.stack.gpu.layout import Layout, Limits, layouts, plan
from charrnn.network.stack.gpu.source import defines, source
from charrnn.network.stack.loops import LOOPS
from charrnn.network.stack.recurrent import Recurrent
from charrnn.network.stack.sequences import sequence

DEVICE, HALF = "cuda", torch.bfloat16
NAMES = ("lstm", "gru", "rnn")
TIMED = ((256, 32), (384, 32), (512, 32), (512, 64), (768, 32), (1024, 32), (1024, 128))
CHECKED = (
    (128, 8, 20),
    (256, 32, 40),
    (352, 24, 11),
    (384, 64, 9),
    (512, 64, 20),
    (768, 40, 7),
    (1024, 32, 10),
    (1024, 128, 10),
)
SHORT, LONG = 32, 160  # steps; a step's time is from their difference
IMAGES: dict[tuple[str, tuple[str, ...]], bytes] = {}
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
    found = engine.limits()
    major, minor = torch.cuda.get_device_capability()
    name, cudnn = torch.cuda.get_device_name(), torch.backends.cudnn.version()
    return [*found, f"sm_{major}{minor}", f"{name} torch {torch.__version__} cudnn {cudnn}"]


def options(layout: Layout, arch: str) -> tuple[str, ...]:
    """As the driver gives them."""
    constants = [f"-D{name}={value}" for name, value in defines(layout).items()]
    return (f"--gpu-architecture={arch}", "--std=c++17", *constants)


def compile_one(job: tuple[str, tuple[str, ...]]) -> bytes | str:
    """An image, or what went wrong."""
    try:
        return driver._compile(*job)
    except Exception as error:
        return repr(error)


def compile_all(wanted: list[Layout], arch: str) -> None:
    """Fill IMAGES, on all cores."""
    jobs = [(source(layout.cell, layout.way), options(layout, arch)) for layout in wanted]
    jobs = list(dict.fromkeys(jobs))
    with multiprocessing.get_context("fork").Pool(min(16, len(os.sched_getaffinity(0)))) as pool:
        for job, image in zip(jobs, pool.map(compile_one, jobs, chunksize=1), strict=True):
            if isinstance(image, str):
                say("not compiled:", image[:1500])
            else:
                IMAGES[job] = image
    plain = driver._compile

    def kept(text: str, given: Any) -> bytes:
        job = (text, tuple(given))
        return IMAGES[job] if job in IMAGES else plain(text, given)

    driver._compile = kept


def tried(cell: Any, way: Any, hidden: int, batch: int, limits: Limits) -> list[Layout]:
    """Layouts worth a try: those with the fewest lanes for each block, some with twice as many."""
    able = list(layouts(cell, way, hidden, batch, limits))
    found = []
    for units in (16, 32):
        fewest = min((layout.lanes for layout in able if layout.units == units), default=0)
        for layout in able:
            twice = layout.lanes == 2 * fewest and units == layout.chunk == 16
            if layout.units == units and (layout.lanes == fewest or twice):
                found.append(layout)
    chosen = plan(cell, way, hidden, batch, limits)
    return sorted(set(found) | ({chosen} if chosen else set()))


# ------------------------------------------------------------------------------- correctness
def leaves_of(cell: Any, hidden: int, batch: int, steps: int) -> list[Tensor]:
    """x, weights and state of a layer, all of bfloat16's values where they are multiplied."""
    rows, parts = CELLS[cell].gates * hidden, len(CELLS[cell].state)
    generator = torch.Generator(DEVICE).manual_seed(hidden + batch)

    def draw(*shape: int, scale: float = 1.0) -> Tensor:
        drawn = torch.randn(shape, generator=generator, device=DEVICE) * scale
        return drawn.bfloat16().float().requires_grad_()

    return [
        draw(steps, batch, 64),
        draw(rows, 64, scale=0.1),
        draw(rows, hidden, scale=hidden**-0.5),
        draw(rows, scale=0.3),
        draw(rows, scale=0.3),
        *(draw(batch, hidden, scale=0.5) for _ in range(parts)),
    ]


def gradients(cell: Any, dtype: Any, leaves: list[Tensor], steps: Any) -> list[Tensor]:
    """Outputs, states after, and gradients of a loss of all of them."""
    outputs = sequence(cell, dtype, leaves[0], leaves[1:5], leaves[5:], None, steps)
    loss = sum((o.to(leaves[0].dtype) * _weights(o)).sum() for o in outputs)
    return [*outputs, *torch.autograd.grad(loss, leaves)]


def _weights(like: Tensor) -> Tensor:
    flat = torch.arange(like.numel(), device=like.device, dtype=torch.float64)
    return (flat * 0.7).sin().view_as(like).to(torch.float32 if like.dtype == HALF else like.dtype)


def error(one: Tensor, other: Tensor) -> float:
    """Relative to the norm."""
    return float((one.detach().double() - other.detach()).norm() / other.detach().norm())


def wait() -> None:
    """Until all is done."""
    torch.cuda.synchronize()


def check(cell: Any, shapes: Any) -> list[Any]:
    """Errors of the kernels and of loops in bfloat16 by float64, and whether bits repeat."""
    rows = []
    for hidden, batch, steps in shapes:
        leaves = leaves_of(cell, hidden, batch, steps)
        doubled = [leaf.detach().double().requires_grad_() for leaf in leaves]
        exact = gradients(cell, torch.float64, doubled, LOOPS)
        begin = time.monotonic()
        fast = gradients(cell, HALF, leaves, engine.PERSISTENT)
        wait()
        first = time.monotonic() - begin
        again = gradients(cell, HALF, leaves, engine.PERSISTENT)
        slow = gradients(cell, HALF, leaves, LOOPS)
        ours = [error(f, e) for f, e in zip(fast, exact, strict=True)]
        theirs = [error(s, e) for s, e in zip(slow, exact, strict=True)]
        same = all(torch.equal(f, a) for f, a in zip(fast, again, strict=True))
        worst = max(f / max(s, 1e-3) for f, s in zip(ours, theirs, strict=True))
        bad = "" if same and worst < 1.5 else "  <<<<<<<< WRONG"
        dw = -len(leaves) + 2
        say(
            f"{cell} H {hidden} B {batch} T {steps}: hs {ours[0]:.4f} ({theirs[0]:.4f}) "
            f"dw_hh {ours[dw]:.4f} ({theirs[dw]:.4f}) worst {worst:.2f} of loops' "
            f"same bits {same} first {first:.2f}s{bad}"
        )
        rows.append([cell, hidden, batch, steps, ours, theirs, same])
    return rows


def check_graph() -> str:
    """Whether a layer can be recorded, gives the same in replays, and NaNs don't make it wait."""
    leaves = leaves_of("lstm", 256, 32, 16)
    expected = gradients("lstm", HALF, leaves, engine.PERSISTENT)
    wait()
    stream = torch.cuda.Stream()
    with torch.cuda.stream(stream):
        gradients("lstm", HALF, leaves, engine.PERSISTENT)
    wait()
    graph = torch.cuda.CUDAGraph()
    with torch.cuda.graph(graph):
        found = gradients("lstm", HALF, leaves, engine.PERSISTENT)
    for _ in range(20):
        graph.replay()
    wait()
    same = all(torch.equal(f, e) for f, e in zip(found, expected, strict=True))
    with torch.no_grad():
        leaves[0][3] = float("nan")
    broken = gradients("lstm", HALF, leaves, engine.PERSISTENT)
    wait()
    nan = bool(broken[0][3:].isnan().all()) and not bool(broken[0][:3].isnan().any())
    return f"in a graph: same bits {same}; NaN goes through {nan}"


# ------------------------------------------------------------------------------------ timing
def replayed(work: Callable[[], object], times: int = 3) -> float:
    """Microseconds of work that is recorded as a graph, the best of some replays."""
    stream = torch.cuda.Stream()
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
        begin, end = (torch.cuda.Event(enable_timing=True) for _ in range(2))
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
    rows = []
    for hidden, batch in shapes:
        for way in ("forward", "backward"):
            chosen = plan(cell, way, hidden, batch, limits)
            found = []
            for layout in tried(cell, way, hidden, batch, limits):
                short, long = (kernel_time(layout, batch, steps) for steps in (SHORT, LONG))
                step = (long - short) / (LONG - SHORT)
                found.append((step, short - SHORT * step, layout))
                rows.append([cell, way, hidden, batch, list(layout[3:]), step, found[-1][1]])
            found.sort()
            own = next(((s, f) for s, f, layout in found if layout == chosen), None)
            text = " ".join(f"{s:.2f}:{'/'.join(map(str, one[3:]))}" for s, _, one in found[:4])
            if own is not None and chosen is not None:
                mine = f"{own[0]:.2f}+{own[1]:.0f} {'/'.join(map(str, chosen[3:]))}"
                say(f"{cell} {way[:3]} {hidden}×{batch} of {len(found)}: chosen {mine} | {text}")
    return rows


def time_layers(cell: Any, shapes: Any) -> list[Any]:
    """A whole layer, with its products, forward and backward."""
    rows = []
    for hidden, batch in shapes:
        times = {}
        for name, dtype in (("persistent", HALF), ("torch", HALF), ("torch", torch.float16)):
            key = f"{name} {str(dtype)[6:]}"
            try:
                times[key] = layer_time(cell, hidden, batch, name, dtype)
            except RuntimeError as failed:
                say(cell, hidden, batch, key, "failed:", str(failed).partition("\n")[0])
        text = "  ".join(f"{key} {f:.2f}+{b:.2f}={f + b:.2f}" for key, (f, b) in times.items())
        say(f"{cell} layer {hidden}×{batch} µs/step fwd+bwd: {text}")
        rows.append([cell, hidden, batch, times])
    return rows


def layer_time(
    cell: Any, hidden: int, batch: int, name: Any, dtype: torch.dtype
) -> tuple[float, float]:
    """Microseconds for each step, forward and backward."""
    torch.manual_seed(1)
    stack, steps = Recurrent(cell, hidden, hidden).to(DEVICE), 128
    stack.engine = name
    x = torch.randn(steps, batch, hidden, device=DEVICE, requires_grad=True)
    slope = torch.randn(steps, batch, hidden, device=DEVICE, dtype=dtype)

    def forward() -> Tensor:
        with torch.autocast(DEVICE, dtype):
            output: Tensor = stack(x)[0]
        return output

    def both() -> None:
        forward().backward(slope)
        for weight in (*stack.parameters(), x):
            weight.grad = None

    one = replayed(forward) / steps
    return one, replayed(both) / steps - one


def time_all(cell: Any, limits: Limits) -> list[Any]:
    """Layers, and the layouts of their kernels."""
    return [time_layers(cell, TIMED), time_layouts(cell, TIMED, limits)]


def main() -> None:
    """Check, then time."""
    parser = argparse.ArgumentParser(description=__doc__)
    parser.add_argument("--quick", action="store_true", help="check alone")
    parser.add_argument("--cells", nargs="+", default=list(NAMES))
    parser.add_argument("--output", type=Path, default=Path("layouts.json"))
    options = parser.parse_args()
    found = guarded("facts", 60, facts)
    if found is None:
        sys.exit(1)
    *numbers, arch, name = found
    limits = Limits(*numbers)
    say(name, limits, arch)
    wanted = []
    for cell in options.cells:
        shapes = [*((h, b) for h, b, _ in CHECKED), (256, 32)]
        for hidden, batch in shapes:
            for way in ("forward", "backward"):
                layout = plan(cell, way, hidden, batch, limits)
                wanted += [layout] if layout else []
                if layout is None:
                    say("no layout for", cell, way, hidden, batch)
        if not options.quick:
            for hidden, batch in TIMED:
                for way in ("forward", "backward"):
                    wanted += tried(cell, way, hidden, batch, limits)
    compile_all(wanted, arch)
    say(f"{len(IMAGES)} kernels compiled")
    results: dict[str, Any] = {"gpu": name}
    results["graph"] = guarded("graph", 25, check_graph)
    say(results["graph"])
    if results["graph"] is None:
        say("once more, with launches that don't ask for room for all blocks at once")
        library = driver._driver()
        library.cuLaunchCooperativeKernel = lambda *given: library.cuLaunchKernel(*given, None)
        results["graph"] = guarded("graph", 25, check_graph)
        say(results["graph"])
    for cell in options.cells:
        able = [
            s
            for s in CHECKED
            if all(plan(cell, w, *s[:2], limits) for w in ("forward", "backward"))
        ]
        results[f"check {cell}"] = guarded(f"check {cell}", 25, check, cell, able)
    if not options.quick:
        for cell in options.cells:
            results[f"times {cell}"] = guarded(f"times {cell}", 60, time_all, cell, limits)
            options.output.write_text(json.dumps(results))
    say("done")


if __name__ == "__main__":
    main()
