"""Loop and Branch: control flow as nodes with several outputs, and their derivatives.

Which problem this solves: a graph without loops is as long as what it computes. A Loop is
one node whose body is a small graph of its own, run as often as is found out while it
runs; a Branch holds two and runs one. `item` picks one of the results. The derivative of
a Loop is a Loop in the other direction over the gradient of the body, and that of a Branch
a Branch, so both can be differentiated again, to any order.

Both are ops outside the table, one object for each node: as soon as they are applied to
Tensors or Nodes the engine treats them like any op of many arguments.
"""

from __future__ import annotations

import operator
from collections.abc import Callable, Iterable, Sequence
from functools import cached_property, partial, reduce
from typing import Any

import numpy as np

from minigrad.autodiff import sweep
from minigrad.backend import float64, int64
from minigrad.errors import GraphError, user_origin
from minigrad.ops.op import Op, Plan, Value
from minigrad.static.node import (
    Node,
    Source,
    constant,
    pull_nodes,
    rebuilt,
    topological,
)

Replay = Callable[[Sequence[Node], dict], list[Node]]
PARAMETER = Source("parameter", "a value that each run of a body is given")
# Kinds and names of ops whose results are kept for the way back: to compute one again
# takes longer than to write it down and to read it (measured at 16 x 64: 1 to 10 us
# against 0.5).
DEAR = """contraction reduce indexing random control exp log tanh sigmoid sin cos pow
erf sqrt div logsumexp log_softmax cumsum""".split()
SEVERAL = float64  # the dtype written on nodes that stand for several values


class Counted(int):
    """The extent of a stack that is as high as the times a `while` will run."""

    def __repr__(self) -> str:
        return "?"


COUNTED = Counted(0)


def parameter(like: Any, name: str = "", rows: bool = False) -> Node:
    """What stands in a body for a value like this one, or for one of its `rows`."""
    shape = like.shape[1:] if rows else like.shape
    return Node(PARAMETER, (), {}, shape, like.dtype, name=name)


def leaked(node: Node) -> GraphError:
    """What is raised where a value from inside a body is read outside of it."""
    return GraphError(
        "a value made in the body of a loop or a branch is used outside of it",
        expected="values that the body returned",
        got=f"something computed from {node!r}",
        remedy="return it from the body: a carry or a row of ys",
        at=[o for o in (user_origin(), node.origin) if o],
    )


class Bundle:
    """The cotangent of a node with several outputs: what arrived, by output number.

    A stack of unknown height is a Bundle too: its cotangents are never added where they
    arrive, they are added row by row in the loop that reads them.
    """

    __slots__ = ("parts", "shape", "dtype")

    def __init__(
        self, parts: dict[int, tuple], shape: tuple = (), dtype: Any = SEVERAL
    ):
        self.parts, self.shape, self.dtype = parts, shape, dtype

    def __add__(self, other: Bundle) -> Bundle:
        for i, cotangents in other.parts.items():
            self.parts[i] = self.parts.get(i, ()) + cotangents
        return self

    def revived(self, *where: Any) -> Any:
        return next(iter(self.parts.values()))[0].revived(*where)


def total(cotangents: Iterable[Any]) -> Any:
    return reduce(operator.add, cotangents)


class Control(Op):
    """The base of Loop, Branch and item: Ops that are not in the table."""

    def __init__(self, name: str, kind: str, doc: str, **more: Any) -> None:
        slots: dict = {"fn": None, "vjp": self.pull, "sample": None, "infer": _several}
        super().__init__(name, kind=kind, doc=doc, **{**slots, **more})

    def __post_init__(self) -> None:
        """It does not enter the table."""

    def __call__(self, *args: Any, **attrs: Any) -> Any:
        """As any op; one of nothing but arrays, or of nothing at all, is a Node."""
        if any(isinstance(x, Value) for x in args):
            return super().__call__(*args, **attrs)
        return Node.apply(self, args, attrs)

    def plan(self, wanted: tuple[bool, ...]) -> Plan:
        """A rule of several cotangents has one call for all; it may need everything."""
        return Plan(self, ("y", "rest"), _everything, partial(self.pull, wanted))

    def pull(self, wanted: Sequence[bool], g: Any, saved: tuple, attrs: dict) -> tuple:
        raise NotImplementedError


def _several(op: Op, args: tuple, attrs: dict) -> tuple:
    return (), SEVERAL


def _everything(inputs: Sequence[Any], output: Any) -> tuple:
    return output, tuple(inputs)


class _Item(Control):
    """Output `i` of a Loop or a Branch."""

    def plan(self, wanted: tuple[bool, ...]) -> Plan:
        return Plan(self, (), lambda inputs, output: (), partial(self.pull, wanted))

    def pull(self, wanted: Sequence[bool], g: Any, saved: tuple, attrs: dict) -> tuple:
        parts = g.parts[0] if type(g) is Bundle else (g,)
        return (Bundle({attrs["i"]: parts}),)


item = _Item("item", "item", "one of the results of a loop or a branch")
item.infer = lambda op, args, attrs: args[0].op.output(attrs["i"])
stop_gradient = Control(
    "stop_gradient",
    "movement",
    "the value itself, through which no gradient goes",
    fn=lambda a: a[...],
    view=True,
    vjp=(None,),
    infer=lambda op, args, attrs: (args[0].shape, args[0].dtype),
)


class Loop(Control):
    """Run a body again and again: carries go round, xs come in and ys go out by rows.

    `params` are the body's parameters: carries, then a row of each of the xs, then the
    captures. `nexts` are the new carries, `ys` the rows that are stacked. A body runs
    `length` times; or while `pred`, read on the entry carries, is true, at most `limit`
    times; or as often as the last input says. The inputs are those of the parameters; the
    outputs the final carries, the stacks of ys, and what only derivatives read: the
    stacks of entry carries, the number of times that the body ran, and a stack of every
    node of the body.
    """

    def __init__(
        self,
        params: Sequence[Node],
        nexts: Sequence[Node],
        ys: Sequence[Node],
        xs: int = 0,
        *,
        pred: Node | None = None,
        length: int | None = None,
        limit: int | None = None,
        reverse: bool = False,
    ) -> None:
        super().__init__("loop", "control", "a body, run again and again")
        n = len(nexts)
        self.params, self.nexts, self.ys = tuple(params), tuple(nexts), tuple(ys)
        self.carries, self.xs = self.params[:n], self.params[n : n + xs]
        self.captures = self.params[n + xs :]
        self.pred, self.length, self.limit, self.reverse = pred, length, limit, reverse

    @property
    def given(self) -> bool:
        """Is the number of runs an input?"""
        return self.length is None and self.pred is None

    def entry(self, i: int) -> int:
        """The output that stacks what carry `i` was when each run began."""
        return len(self.nexts) + len(self.ys) + i

    @property
    def count(self) -> int:
        """The output that says how often the body ran."""
        return self.entry(len(self.nexts))

    def output(self, i: int) -> tuple[tuple[int, ...], np.dtype]:
        """Shape and dtype of output `i`."""
        if i == self.count:
            return (), int64
        if i < len(self.nexts):
            return self.nexts[i].shape, self.nexts[i].dtype
        row = self.row(i)
        height = COUNTED if self.length is None else self.length
        return (height, *row.shape), row.dtype

    @property
    def test(self) -> tuple[Node, ...]:
        """What is computed first in a round, if that says whether there is one."""
        return () if self.pred is None else (self.pred,)

    @property
    def results(self) -> list[Node]:
        """All that the body computes."""
        return [*self.test, *self.nexts, *self.ys]

    def split(self, results: list[Node], carries: int) -> tuple[list, list, list]:
        """What stands for the test, the new carries and the rows."""
        k = len(self.test)
        return results[:k], results[k : k + carries], results[k + carries :]

    def numbers(
        self, new: Loop, carries: Sequence[int], rows: Sequence[int]
    ) -> dict[int, int]:
        """Which outputs of `new`, a loop with these carries and rows of this, are which."""
        found = {i: k for k, i in enumerate((*carries, *rows))}
        found |= {self.entry(i): new.entry(k) for k, i in enumerate(carries)}
        return {**found, self.count: new.count}

    @cached_property
    def nodes(self) -> list[Node]:
        """All nodes of the body."""
        return topological(self.results)

    def row(self, i: int) -> Node:
        """What the stack that is output `i` has rows of."""
        if i > self.count:
            return self.nodes[i - self.count - 1]
        return (*self.nexts, *self.ys, *self.carries)[i]

    def stack_of(self, node: Node) -> int:
        """The output that stacks `node` of the body."""
        for j, row in enumerate(self.ys):
            if row is node:
                return len(self.nexts) + j
        return self.count + 1 + next(k for k, x in enumerate(self.nodes) if x is node)

    def like(
        self, params: Sequence[Node], results: list[Node], carries: int, xs: int
    ) -> Loop:
        """A loop that runs as often, over another body with these results."""
        test, nexts, ys = self.split(results, carries)
        return Loop(
            params, nexts, ys, xs,
            pred=test[0] if test else None,
            length=self.length, limit=self.limit, reverse=self.reverse,
        )  # fmt: skip

    def over(self, inputs: Sequence[Node], replay: Replay) -> Loop:
        """The same loop over inputs whose sizes are known by now."""
        n, m = len(self.carries), len(self.xs)
        params = [
            parameter(x, rows=n <= k < n + m)
            for k, x in enumerate(inputs[: len(self.params)])
        ]
        body = replay(self.results, dict(zip(self.params, params)))
        new = self.like(params, body, n, m)
        if self.length is not None and m:
            new.length = inputs[n].shape[0]
        return new

    def bodies(self) -> dict[str, list[Node]]:
        """What a run computes, as pictures show it."""
        return {"body": self.results}

    # --- the derivative ------------------------------------------------------------------
    def pull(self, wanted: Sequence[bool], g: Any, saved: tuple, attrs: dict) -> tuple:
        """A Loop in the other direction, over the gradient of the body.

        Its carries are the cotangents of the carries and a sum for each capture; its
        rows the entry carries, the xs, and the cotangents of what was stacked.
        """
        y, inputs = saved[:2]
        n, m = len(self.nexts), len(self.xs)
        back = self._carries_back(g, wanted)
        cotangent = {i: parameter(self.carries[i]) for i in back}
        arrived: list[tuple[Node, Any]] = []  # rows of cotangents, and their stacks
        seeds = [(self.nexts[i], p) for i, p in cotangent.items()]
        for i in self._stacks_with(g):
            for p in self._rows(g.parts[i], self.row(i), arrived):
                seeds.append((self.row(i), p))
        targets = {p for p, want in zip(self.params, wanted) if want}
        found = sweep(seeds, pull_nodes, targets | {self.carries[i] for i in back})
        found = {p: ct for p, (ct, _) in found.items()}

        nexts, starts = [], []
        for i in back:
            parts = g.parts.get(i)
            ct = [found[self.carries[i]]] if self.carries[i] in found else []
            ct += self._rows(g.parts.get(self.entry(i)), self.carries[i], arrived)
            nexts.append(total(ct) if ct else constant(_zeros(self.carries[i])))
            starts.append(total(parts) if parts else _zeros(self.carries[i]))
        summed = [p for p in self.captures if p in found and p in targets]
        sums = [parameter(p) for p in summed]
        nexts += [s + found[p] for s, p in zip(sums, summed)]
        starts += [_zeros(p) for p in summed]
        stacked = [p for p in self.xs if p in found and p in targets]
        if not nexts and not stacked:
            return (None,) * len(inputs)

        ys = [found[p] for p in stacked]
        kept = {node: parameter(node) for node in self._dear([*nexts, *ys])}
        body = rebuilt([*nexts, *ys], kept)
        nexts, ys = body[: len(nexts)], body[len(nexts) :]
        used = set(topological(body))
        rows = [(p, item(y, i=self.stack_of(node))) for node, p in kept.items()]
        entries = [(p, i) for i, p in enumerate(self.carries) if p in used]
        rows += [(p, item(y, i=self.entry(i))) for p, i in entries]
        given = list(zip(self.params[n:], inputs[n:]))
        rows += [(p, x) for p, x in (*given[:m], *arrived) if p in used]
        closed = [(p, x) for p, x in given[m:] if p in used]
        loop = Loop(
            [*cotangent.values(), *sums, *(p for p, _ in (*rows, *closed))],
            nexts, ys, len(rows),
            length=self.length, reverse=not self.reverse,
        )  # fmt: skip
        trips = [inputs[-1]] if self.given else []
        if self.pred is not None:
            trips = [item(y, i=self.count)]
        out = loop(*starts, *(x for _, x in (*rows, *closed)), *trips)

        at = {self.carries[i]: k for k, i in enumerate(back)}
        at |= {p: len(back) + k for k, p in enumerate(summed)}
        at |= {p: len(nexts) + k for k, p in enumerate(stacked)}
        cotangents: list[Any] = [None] * len(inputs)
        for k, (p, want) in enumerate(zip(self.params, wanted)):
            if want and p in at:
                ct = cotangents[k] = item(out, i=at[p])
                if self.length is None and n <= k < n + m:
                    cotangents[k] = Bundle({0: (ct,)}, ct.shape, ct.dtype)
        return tuple(cotangents)

    def _carries_back(self, g: Bundle, wanted: Sequence[bool]) -> list[int]:
        """The carries whose cotangents exist and lead to something wanted."""
        n = len(self.nexts)
        reached = [_reached(node) for node in self.nexts]
        exist = {i for i in range(n) if i in g.parts or self.entry(i) in g.parts}
        from_ys = [_reached(self.row(i)) for i in self._stacks_with(g)]
        exist |= {i for i, p in enumerate(self.carries) if any(p in r for r in from_ys)}
        targets = {p for p, want in zip(self.params, wanted) if want}
        useful = {i for i in range(n) if self.carries[i] in targets}
        useful |= {i for i in range(n) if any(p in targets for p in reached[i])}
        for _ in range(n):  # a carry may reach another only after several runs
            for i in range(n):
                leads = {j for j in range(n) if self.carries[j] in reached[i]}
                exist |= leads if i in exist else set()
                useful |= {i} if leads & useful else set()
        return sorted(exist & useful)

    def _stacks_with(self, g: Bundle) -> list[int]:
        """The stacks for which cotangents came, but for those of entry carries."""
        n = len(self.nexts)
        return [i for i in g.parts if n <= i < self.entry(0) or i > self.count]

    def _dear(self, wanted: Sequence[Node]) -> list[Node]:
        """The nodes of the body that `wanted` reads and that cost more than a look-up."""
        forward = set(self.nodes)
        edge = [x for x in topological(wanted, forward.__contains__) if x in forward]
        changing = {*self.carries, *self.xs}
        dear = []
        for node in edge:
            # Stacks of stacks whose heights differ there are none.
            if node.op.kind == "control" or any(type(n) is Counted for n in node.shape):
                continue
            below = topological([node])
            if any(x.op.name in DEAR or x.op.kind in DEAR for x in below) and any(
                x in changing for x in below
            ):
                dear.append(node)
        return dear

    def _rows(
        self, stacks: tuple | None, row: Node, arrived: list[tuple[Node, Any]]
    ) -> list[Node]:
        """Parameters for a row of the cotangents of a stack."""
        if not stacks:
            return []
        if self.length is not None:
            stacks = (total(stacks),)
        rows = [parameter(row) for _ in stacks]
        arrived += zip(rows, stacks)
        return rows


class Branch(Control):
    """Run one of two bodies over the same parameters, as the first input says."""

    def __init__(
        self, params: Sequence[Node], then: Sequence[Node], otherwise: Sequence[Node]
    ) -> None:
        super().__init__("branch", "control", "one of two bodies")
        self.params, self.sides = tuple(params), (tuple(then), tuple(otherwise))

    def output(self, i: int) -> tuple[tuple[int, ...], np.dtype]:
        """Shape and dtype of output `i`."""
        return self.sides[0][i].shape, self.sides[0][i].dtype

    def over(self, inputs: Sequence[Node], replay: Replay) -> Branch:
        """The same branch over inputs whose sizes are known by now."""
        params = [parameter(x) for x in inputs[1:]]
        sides = [replay(side, dict(zip(self.params, params))) for side in self.sides]
        return Branch(params, *sides)

    def bodies(self) -> dict[str, list[Node]]:
        """The two sides, as pictures show them."""
        return {"if true": list(self.sides[0]), "if false": list(self.sides[1])}

    def pull(self, wanted: Sequence[bool], g: Any, saved: tuple, attrs: dict) -> tuple:
        """A Branch over the gradients of the two bodies."""
        pred, *inputs = saved[1]
        targets = {p for p, want in zip(self.params, wanted[1:]) if want}
        arrived = {i: parameter(self.sides[0][i]) for i in g.parts}
        found = []
        for side in self.sides:
            seeds = [(side[i], p) for i, p in arrived.items()]
            cts = sweep(seeds, pull_nodes, targets)
            found.append({p: ct for p, (ct, _) in cts.items()})
        reached = [p for p in self.params if any(p in side for side in found)]
        if not reached:
            return (None,) * len(wanted)
        sides = [
            [f[p] if p in f else constant(_zeros(p)) for p in reached] for f in found
        ]
        used = set(topological([*sides[0], *sides[1]]))
        given = list(zip(self.params, inputs))
        given += [(p, total(g.parts[i])) for i, p in arrived.items()]
        given = [(p, x) for p, x in given if p in used]
        out = Branch([p for p, _ in given], *sides)(pred, *(x for _, x in given))
        at = {p: k for k, p in enumerate(reached)}
        return (None, *(item(out, i=at[p]) if p in at else None for p in self.params))


def _zeros(like: Node) -> np.ndarray:
    return np.zeros(like.shape, like.dtype)


def _reached(node: Node) -> set[Node]:
    """Everything that a cotangent of `node` is carried to."""
    seen, stack = {node}, [node]
    while stack:
        for parent in stack.pop().parents:
            if parent is not None and parent not in seen:
                seen.add(parent)
                stack.append(parent)
    return seen
