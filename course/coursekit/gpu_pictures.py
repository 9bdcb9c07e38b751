"""Lesson 02's pictures: what crosses over, a kernel and its threads, what stands on what."""

from __future__ import annotations

from collections.abc import Sequence

from minigrad import Node
from minigrad.gpu.simulated import ALLOCATE, IN, LAUNCH, Event
from minigrad.gpu.writer import Writer
from minigrad.native.kernels import joins
from minigrad.static.node import PLACEHOLDER, topological
from minigrad.static.plan import make_plan
from minigrad.viz import Diagram, Figure

from .drawings import FILL, INK, svg, words

HOST, DEVICE, STEP, SIDE = 54, 154, 104, 34


def timeline(log: Sequence[Event], caption: str = "") -> Figure:
    """The log from left to right: arrows cross over, boxes run on the device."""
    log = [event for event in log if event.kind != ALLOCATE]
    width = 110 + STEP * len(log)
    drawn = [
        _lane(HOST, "host", width),
        words(16, HOST + 5, "host", 14, anchor="start"),
        _lane(DEVICE, "device", width),
        words(16, DEVICE + 5, "device", 14, anchor="start"),
    ]
    for number, event in enumerate(log):
        x = 140 + STEP * number
        drawn += _launch(x, event) if event.kind == LAUNCH else _crossing(x, event)
    moved = sum(event.kind != LAUNCH for event in log)
    alt = f"Timeline: {moved} transfers and {len(log) - moved} launches, left to right."
    rows = [f"{number}  {event}" for number, event in enumerate(log, 1)]
    return Figure(svg(width, 208, drawn), alt, caption, "\n".join(rows))


def _lane(y: int, name: str, width: int) -> str:
    return f'<path d="M 80 {y} H {width - 12}" stroke="#595959" stroke-width="1"/>'


def _launch(x: int, event: Event) -> list[str]:
    box = (
        f'<rect x="{x - 46}" y="{DEVICE - 16}" width="92" height="32" rx="6" '
        f'fill="#F0E442" stroke="{INK}"/>'
    )
    return [box, words(x, DEVICE + 5, event.what, 13)]


def _crossing(x: int, event: Event) -> list[str]:
    start, end = (HOST, DEVICE) if event.kind == IN else (DEVICE, HOST)
    back = 10 if end < start else -10
    head = f"M {x} {end} l -6 {back} h 12 z"
    arrow = f'<path d="M {x} {start} V {end + back}" stroke="{INK}" stroke-width="3"/>'
    label = words(x + 8, (HOST + DEVICE) / 2 + 5, f"{event.bytes} bytes", 12, "start")
    return [arrow, f'<path d="{head}" fill="{INK}"/>', label]


def kernel_text(y: Node) -> str:
    """The CUDA that minigrad prints for a graph: no GPU and no compiler is needed."""
    inputs = [node for node in topological([y]) if node.op is PLACEHOLDER]
    writer = Writer(make_plan([y], {}, False, joins), inputs, False)
    writer.everything()
    return "\n".join(writer.kernels)


def thread_grid(n: int, threads: int) -> Figure:
    """Blocks of `threads` for `n` numbers; threads without a number are dashed."""
    blocks = -(-n // threads)
    drawn, rows = [], []
    wide = SIDE * threads + 24
    for block in range(blocks):
        x = 16 + block * wide
        drawn.append(words(x, 24, f"block {block}", 14, anchor="start"))
        numbers = range(block * threads, (block + 1) * threads)
        for thread, i in enumerate(numbers):
            idle = i >= n
            look = 'fill="#E0E0E0" stroke-dasharray="4 3"' if idle else f'fill="{FILL}"'
            left = x + SIDE * thread
            drawn.append(
                f'<rect x="{left}" y="34" width="{SIDE}" height="{SIDE}" '
                f'stroke="{INK}" {look}/>'
            )
            middle = left + SIDE / 2
            drawn += [words(middle, 56, str(i), 13), words(middle, 84, str(thread), 11)]
        rows.append(
            f"block {block}: i = "
            + ", ".join(f"{i} (idle)" if i >= n else str(i) for i in numbers)
        )
    spare = blocks * threads - n
    alt = f"{blocks} blocks of {threads} threads for {n} numbers; {spare} threads are idle."
    caption = (
        "In each box is i, the number that this thread takes; under it the thread's "
        "place in its block. Dashed: nothing to do."
    )
    return Figure(svg(8 + blocks * wide, 100, drawn), alt, caption, "\n".join(rows))


def layers() -> Diagram:
    """What stands under one line of Python, on a processor and on NVIDIA's GPUs."""
    here, there = ("processor",), ("GPU",)
    picture = Diagram("what stands under one line")
    picture.node("line", "x @ w", "your line")
    for name, what, scope in (
        ("NumPy", "arrays in C", here),
        ("BLAS", "matrix products: MKL, OpenBLAS, ...", here),
        ("processor", "a few strong cores", here),
        ("CuPy, PyTorch", "arrays on a GPU", there),
        ("cuBLAS, cuDNN", "matrix products; network layers", there),
        ("NCCL", "several GPUs add up their results", there),
        ("CUDA", "kernels for NVIDIA's GPUs", there),
        ("GPU", "thousands of small cores", there),
    ):
        kind = "op" if scope == here else "ghost"
        picture.node(name, name, what, kind=kind, scope=scope)
    for above, below in (
        ("line", "NumPy"), ("NumPy", "BLAS"), ("BLAS", "processor"),
        ("line", "CuPy, PyTorch"), ("CuPy, PyTorch", "cuBLAS, cuDNN"),
        ("CuPy, PyTorch", "NCCL"), ("cuBLAS, cuDNN", "CUDA"), ("NCCL", "CUDA"),
        ("CUDA", "GPU"),
    ):  # fmt: skip
        picture.edge(above, below)
    return picture
