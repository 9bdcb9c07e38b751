"""A planned graph as one C function, and the Python that calls it.

The function takes one pointer to a block of pointers: arguments, variables, constants,
the plan's buffers, results. It returns 0, or 1 where it refuses to compute (an index out
of range, a result that is not finite): nothing has been written then, and the interpreter
runs the same call and says what is wrong, and on which of the user's lines.
"""

from __future__ import annotations

import sys
from collections.abc import Callable, Sequence
from functools import partial

import numpy as np

from minigrad.eager.cell import Cell
from minigrad.errors import NotNative
from minigrad.native import (
    blas,
    build,
    indexing,
    kernels,
    nested,
    pooling,
    products,
    randomness,
    walks,
    windows,
)
from minigrad.native.accumulate import accumulate
from minigrad.native.convolution import CONVOLUTIONS, convolution
from minigrad.native.entry import Native
from minigrad.native.expressions import CTYPES, Scalars
from minigrad.native.loops import indent, visited
from minigrad.native.lower import SPELT_OUT, lowered
from minigrad.native.memory import Memory, planned
from minigrad.native.pooling import pooled
from minigrad.native.rowwise import row_of, rows, walks_again
from minigrad.native.timers import CLOCK, Timers
from minigrad.static.fuse import Group
from minigrad.static.node import VARIABLE, Node, topological
from minigrad.static.plan import Plan

KERNELS: dict[str, Callable[[kernels.Writer, Node], list[str]]] = {
    "matmul": products.multiplied,
    "gemm": products.multiplied,
    "put": kernels.put,
    "zeros": kernels.zeros,
    "cat": kernels.cat,
    "argmax": walks.argument,
    "argmin": walks.argument,
    "cumsum": walks.cumsum,
    "argsort": walks.argsort,
    "random_uniform": randomness.uniform,
    "random_normal": randomness.normal,
    "random_integers": randomness.integers,
    "windows": windows.windows,
    "overlap": windows.windows,
    "max_at": windows.max_at,
    pooling.LARGEST.name: pooling.largest,
    pooling.SPREAD.name: pooling.spread,
    "index": indexing.index,
    "index_put": indexing.written,
    "index_add": indexing.written,
    "loop": nested.loop,
    "branch": nested.branch,
}


def joins(node: Node) -> bool:
    """May this op run together with others? A convolution may come first."""
    return kernels.joins(node) or node.op.name in CONVOLUTIONS


def obstacle(wanted: Sequence[Node]) -> str:
    """Why these nodes cannot become C, '' if they can."""
    if any(map(nested.is_counted, wanted)):
        return "a stack of unknown height leaves a body or the program"
    for node in topological(wanted):
        known = node.op.kind in ("source", "fact", "item", "control") or node.op.view
        known = known or node.op in SPELT_OUT
        for body in node.op.bodies().values() if node.op.kind == "control" else ():
            if why := obstacle(body):
                return why
        if not (known or joins(node) or node.op.name in KERNELS):
            return f"there is no C for {node.op.name}"
        if node.dtype.name not in CTYPES or not node.dtype.isnative:
            return f"there is no C for {node.dtype}"
        if blas.find() is None and products.is_large(node):
            return "NumPy's BLAS was not found for a large product"
        if node.op is VARIABLE and not _is_regular(node.value.array):
            return "a variable does not lie in memory element by element"
        if node.op.name in ("index", "index_put", "index_add"):
            arrays = node.inputs[1 if node.op.name == "index" else 2 :]
            if any(x.dtype.kind != "i" for x in arrays):
                return f"there is no C for {node.op.name} by {arrays[0].dtype}"
    return ""


def emit(
    inputs: Sequence[Node],
    wanted: Sequence[Node],
    cells: Sequence[Cell],
    check_nan: bool,
    reference: Callable[..., list],
    timed: bool = False,
) -> Native:
    """Plan and compile a graph; the last of `wanted` are the new values of `cells`.

    `reference` runs the calls that the compiled function refuses. If it is `timed`, the
    function takes down how long each step takes. Raises `NotNative`.
    """
    if sys.implementation.name != "cpython":
        raise NotNative("native code reads NumPy's arrays as CPython keeps them")
    if why := obstacle(wanted) or build.explain_absence():
        raise NotNative(why)
    wanted = lowered(accumulate(wanted), pooled)
    if not all(cell.array.flags.writeable for cell in cells):
        raise NotNative("a variable that is updated is read-only")
    final, plan = planned(_Writer, inputs, wanted, cells, check_nan)
    writer = _Writer(plan, inputs, check_nan, timed)
    source = writer.program()
    return Native(writer, source, inputs, final, reference)


def _is_regular(array: np.ndarray) -> bool:
    return array.flags.aligned and all(s % array.itemsize == 0 for s in array.strides)


class _Writer(Memory):
    """The lines of C that compute; `arrays` is what the block points to."""

    def __init__(
        self, plan: Plan, inputs: Sequence[Node], check_nan: bool, timed: bool
    ) -> None:
        super().__init__(plan, inputs, Scalars())
        self.check_nan = check_nan
        self.blas = blas.find()
        self.gemm = self.blas is not None
        self.functions: dict[str, int] = {}
        self.declared: dict[str, str] = {}  # the pointers that the present step uses
        self.written: list[Node] = []
        self.helper: nested.Helper | None = None
        self.said = ""
        self.timers = Timers(self.new("times", "t", None)) if timed else None

    def pointer(self, slot: int, dtype: np.dtype) -> str:
        """The C pointer of an entry of the block, declared in the present step."""
        name, real = self.names[slot], CTYPES[dtype.name]
        line = f"{real} *{name} = p[{slot}];"
        if self.declared.setdefault(name, line) != line:  # memory that changes its type
            name = f"{name}_{real}"
            self.declared[name] = f"{real} *{name} = p[{slot}];"
        return name

    copied = staticmethod(kernels.copied)
    joins = staticmethod(joins)
    row_of = staticmethod(row_of)

    def refuse(self, condition: str) -> str:
        return f"if ({condition}) return 1;"

    early = True
    visit = staticmethod(visited)
    given, words = nested.given, randomness.words

    def choice(self, node: Node, pred: Node, sides: Sequence[list]) -> list[str]:
        test = self.read(pred).at(())
        return [f"if ({test}) {{", *sides[0], "} else {", *sides[1], "}"]

    # --- the text --------------------------------------------------------------------------
    def program(self) -> str:
        first, then = self.everything()
        if self.timers:
            self.arrays[self.timers.slot] = self.timers.memory()
        head = self._head()
        asks = self.helper.declarations if self.helper else []
        body = indent([*asks, *first, *then, "return 0;"])
        return "\n".join([*head, "int program(void **p) {", *body, "}"]) + "\n"

    def steps(self, steps: Sequence[Group]) -> list[str]:
        """The lines of groups one after another, each a block that declares its pointers."""
        lines = []
        for step in steps:
            self.written += step.nodes
            write = partial(self.block, partial(self._step, step), step.nodes)
            lines += self.timers.around(step.label, write) if self.timers else write()
        return lines

    def _step(self, step: Group) -> list[str]:
        first = step.nodes[0]
        if first.op.view or first.op.kind == "item":
            return []
        kernel = KERNELS.get(first.op.name)
        if first.op.name in CONVOLUTIONS:
            lines = convolution(self, step)
        else:
            write = rows if walks_again(step) else kernels.fused
            lines = kernel(self, first) if kernel else write(self, step)
        for node in step.outputs if self.check_nan else ():
            if node.dtype.kind == "f" and node.op.kind != "control":
                test = "!isfinite({x})"
                lines += kernels.refuse_any(self, self.read(node), node.shape, test)
        return lines

    def part(self, write: Callable[[], list[str]], node: Node) -> list[str]:
        return write()

    def block(self, write: Callable[[], list[str]], nodes: Sequence[Node]) -> list[str]:
        outer, self.declared = self.declared, {}
        lines = write()
        declared, self.declared = self.declared, outer
        if not lines:
            return []
        said = [line for line in comments(nodes) if line != self.said]
        self.said = said[-1] if said else self.said
        return [*said, "{", *declared.values(), *lines, "}"]

    def _head(self) -> list[str]:
        lines = [f"#include <{x}.h>" for x in ("math", "stdbool", "stdint", "stddef")]
        nodes = self.written
        kinds = {x.dtype.name for x in nodes if x.op.kind == "contraction"}
        if self.blas is not None and kinds:
            lines += ["enum { ROWS = 101, PLAIN = 111, TURNED = 112 }; /* of CBLAS */"]
            for name in sorted(kinds & set(self.blas.gemm)):
                lines.append(_gemm_pointer(name, self.blas.integer))
                self.functions[_gemm_name(name)] = self.blas.gemm[name]
        lines += self.scalars.declarations() + (CLOCK if self.timers else [])
        return [*lines, ""]


def _gemm_name(dtype: str) -> str:
    return "blas_sgemm" if dtype == "float32" else "blas_dgemm"


def _gemm_pointer(dtype: str, integer: str) -> str:
    """A function pointer, set when the library is loaded."""
    real = CTYPES[dtype]
    args = (
        f"int, int, int, {', '.join([integer] * 3)}, {real}, const {real} *, {integer}"
    )
    args += f", const {real} *, {integer}, {real}, {real} *, {integer}"
    return f"void (*{_gemm_name(dtype)})({args});"


def comments(nodes: Sequence[Node]) -> list[str]:
    """The user's lines that a step computes, without anything that ends a comment."""
    lines = {(id(x.origin.code), x.origin.lasti): x.origin for x in nodes if x.origin}
    found: dict[str, None] = {}
    for origin in lines.values():
        text = "".join(c if c.isprintable() else " " for c in repr(origin))
        text = text.replace("*/", "* /").replace("/*", "/ *").replace("\\", "/")
        found[f"/* {text[:100]} */"] = None
    return list(found)[-3:]
