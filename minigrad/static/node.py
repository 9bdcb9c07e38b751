"""Node: define and run. An operation on Nodes computes nothing, it is noted down.

Which problem this solves: a program that is known before it runs can be checked, drawn,
differentiated and rearranged as a whole. A Node is one line of it: the op, the Nodes it
reads, and the shape and dtype the result will have, worked out while the user's own line
is running, so that a mistake is reported there.
"""

from __future__ import annotations

import itertools
import weakref
from collections.abc import Callable, Iterable, Sequence
from operator import is_
from typing import Any, NoReturn

import numpy as np

from minigrad.autodiff import newest_first, sweep
from minigrad.backend import (
    CPU,
    Array,
    as_array,
    device_of,
    get_default_dtype,
    moved,
    on_device,
    placed,
)
from minigrad.eager.cell import Cell, View, views_of
from minigrad.eager.tape import LEAF
from minigrad.eager.tensor import Tensor
from minigrad.errors import (
    GradError,
    GraphError,
    NotYetError,
    ShapeError,
    name_of,
    user_origin,
    user_scope,
)
from minigrad.lessons import CHOOSE, LOOP, SHOW
from minigrad.methods import Methods, split_key
from minigrad.ops import elementwise, shapes
from minigrad.ops.extents import Unknown, is_known
from minigrad.ops.indexing import index_put
from minigrad.ops.movement import put
from minigrad.ops.op import MODE, ORIGIN, Op, on_behalf_of

_next_seq = itertools.count().__next__


class Source:
    """What stands in a Node's `op` slot where nothing is computed."""

    kind = "source"
    view = False

    def __init__(self, name: str, doc: str) -> None:
        self.name, self.doc = name, doc

    def __repr__(self) -> str:
        return f"<{self.name}>"


class Deferred(Source):
    """What stands for derivatives that are taken when all sizes are known.

    One node reads all that `gradients` was given; one for each x then picks its part.
    """

    kind = "deferred"

    def rule(self, i: int) -> bool:
        """Derivatives of it may flow to every float that it reads."""
        return True


PLACEHOLDER = Source("placeholder", "a value that each call is fed")
VARIABLE = Source("variable", "a storage that lives between calls")
CONSTANT = Source("constant", "an array known while building")
GRADIENTS = Deferred("gradients", "derivatives, taken when all sizes are known")
GRADIENT = Deferred("gradient", "one of several derivatives")


# What to do instead, where a Tensor would give a number or keep a gradient.
RUN = f"mg.compile(inputs, node) and call the program; {SHOW}"
INSTEAD = {
    "item": RUN,
    "tolist": RUN,
    "numpy": RUN,
    "nonzero": "mg.where(mask, x, 0) keeps the shape",
    "unique": "mg.where(mask, x, 0) keeps the shape",
    "backward": "mg.gradients(loss, xs) gives nodes",
    "grad": "mg.gradients(loss, xs) gives nodes",
    "requires_grad": "nothing is needed: mg.gradients(loss, x) takes any float node",
    "detach": "mg.stop_gradient(x)",
    "data": "w.get_value() and w.set_value(...) of a variable",
}


class Node(Methods):
    """One operation of a graph; see the module's docstring.

    Nodes are made by `placeholder`, `variable`, `constant` and by every op on Nodes.
    They never change. `value` is a constant's array, a variable's Cell, how to read a
    number that is `live`, or the variable that a gradient is taken by.
    """

    __slots__ = (
        "op", "inputs", "attrs", "shape", "dtype", "origin", "scope", "seq", "name",
        "value", "__weakref__",
    )  # fmt: skip
    _priority = 2

    def __init__(
        self,
        op: Any,
        inputs: tuple[Node, ...],
        attrs: dict,
        shape: Sequence[Any],
        dtype: Any,
        *,
        name: str = "",
        value: Any = None,
        like: Node | None = None,
    ) -> None:
        self.op, self.inputs, self.attrs = op, inputs, attrs
        self.shape, self.dtype = tuple(shape), np.dtype(dtype)
        self.name, self.value = name, value
        self.seq = _next_seq()
        if like is None:
            self.origin = ORIGIN.get() or user_origin()
            self.scope = "" if ORIGIN.get() else user_scope()
        else:
            self.origin, self.scope = like.origin, like.scope

    @classmethod
    def apply(cls, op: Op, args: tuple, attrs: dict) -> Node:
        """Note `op` down; Tensors and arrays among `args` become nodes first."""
        nodes: tuple = tuple(a if shapes.is_number(a) else lift(a) for a in args)
        if op.kind == "elementwise":
            nodes = shapes.cast_operands(op, nodes, _cast_node)
        nodes = tuple(
            constant(np.asarray(n, nodes[0].dtype)) if shapes.is_number(n) else n
            for n in nodes
        )
        shape, dtype = op.infer(op, nodes, attrs)
        return cls(op, nodes, attrs, shape, dtype)

    @property
    def parents(self) -> tuple:
        """The inputs a derivative can flow to, None in the other places."""
        if self.op.kind == "source":
            return ()
        return tuple(
            x if x.dtype.kind == "f" and self.op.rule(i) is not None else None
            for i, x in enumerate(self.inputs)
        )

    def on(self, inputs: tuple[Node, ...]) -> Node:
        """The same operation on other inputs of the same shapes; itself on its own."""
        if len(inputs) == len(self.inputs) and all(map(is_, inputs, self.inputs)):
            return self
        return Node(self.op, inputs, self.attrs, self.shape, self.dtype, like=self)

    # --- a variable's value ------------------------------------------------------------
    def _cell(self, what: str) -> Cell:
        if self.op is not VARIABLE:
            raise GraphError(
                f"{what}: only a variable has a value between calls",
                got=repr(self),
                remedy="make it with mg.variable(value)",
            )
        return self.value

    def get_value(self) -> np.ndarray:
        """A copy of a variable's present value."""
        array = self._cell("get_value").array
        return moved(array, CPU) if on_device(array) else array.copy()

    def set_value(self, value: Any) -> None:
        """Overwrite a variable's value; it is broadcast and cast."""
        cell = self._cell("set_value")
        new = as_array(value.array if isinstance(value, Tensor) else value)
        if new.shape != cell.array.shape:
            raise ShapeError(
                "set_value: a variable keeps its shape",
                expected=str(cell.array.shape),
                got=str(new.shape),
            )
        cell.array[...] = moved(new, device_of(cell.array))
        cell.version += 1

    def assign(self, expr: Any) -> tuple[Node, Node]:
        """The pair (variable, new value), for `compile(updates=[...])`."""
        self._cell("assign")
        return self, lift(expr)

    def put(self, key: Any, value: Any) -> Node:
        """A node like this one with `value` at `[key]`: `x[key] = value` for a graph.

        >>> import minigrad as mg
        >>> x = mg.placeholder((3,))
        >>> mg.compile([x], x.put(0, 7))([1.0, 2.0, 3.0])
        tensor([7., 2., 3.])
        """
        parts, arrays = split_key(key)
        if arrays:
            return index_put(self, value, *arrays, key=parts)
        return put(self, value, view="slice", attrs={"key": parts})

    # --- lessons: a symbol is not a number, and it does not change ---------------------
    def _refuse(self, what: str, remedy: str, kind: type = GraphError) -> NoReturn:
        raise kind(
            f"{what}: a node stands for a number that is not there yet",
            got=f"{name_of(self, 'a node')}, {self!r}",
            remedy=remedy,
        )

    def __bool__(self) -> bool:
        self._refuse("if", CHOOSE)

    def __float__(self) -> float:
        self._refuse("float()", RUN)

    def __int__(self) -> int:
        self._refuse("int()", RUN)

    __index__ = __int__

    def __iter__(self) -> Any:
        self._refuse("for", LOOP)

    def __array__(self, *_: Any, **__: Any) -> Any:
        self._refuse("np.asarray()", RUN)

    def __setitem__(self, key: Any, value: Any) -> None:
        raise GraphError(
            "x[...] = value: a node never changes",
            got=f"{name_of(self, 'a node')}, {self!r}",
            remedy="y = x.put(key, value), or mg.where(mask, value, x)",
        )

    def __getattr__(self, name: str) -> Any:
        """Only called for what is not there: what a Tensor has and a Node cannot."""
        if name in INSTEAD:
            self._refuse(f".{name}", INSTEAD[name], NotYetError)
        if name.endswith("_") and name[0] != "_" and hasattr(Tensor, name):
            plain = name[:-1] if hasattr(Node, name[:-1]) else "where"
            raise NotYetError(
                f".{name}: a node never changes",
                got=f"{name_of(self, 'a node')}, {self!r}",
                remedy=f"y = x.{plain}(...), and updates={{w: y}} for a variable",
            )
        raise AttributeError(f"'Node' object has no attribute {name!r}")

    def __repr__(self) -> str:
        label = f"{self.op.name} {self.name}" if self.name else self.op.name
        return f"<Node {label} {self.shape} {self.dtype}>"


# --- where graphs begin ------------------------------------------------------------------


def placeholder(shape: Sequence[Any], dtype: Any = None, name: str = "") -> Node:
    """A value that every call of the compiled program is fed.

    `shape` is a tuple of sizes, `dtype` the default dtype unless given. A size that is
    None may be another one in each call; two of them are two unknown sizes, but
    `placeholder(x.shape)` has the one of `x`.

        >>> import minigrad as mg
        >>> x = mg.placeholder((2,), name="x")
        >>> mg.compile([x], x * x)(mg.tensor([1.0, 3.0]))
        tensor([1., 9.])
    """
    sizes = tuple(Unknown() if n is None else n for n in shape)
    known = [n for n in sizes if not isinstance(n, Unknown)]
    if not all(isinstance(n, (int, np.integer)) and n >= 0 for n in known):
        raise ShapeError(
            "placeholder: a shape is a tuple of sizes",
            expected="integers >= 0, or None",
            got=str(sizes),
        )
    dtype = np.dtype(dtype or get_default_dtype())
    return Node(PLACEHOLDER, (), {}, sizes, dtype, name=name)


def live(read: Callable[[], float], name: str = "") -> Node:
    """A number that a program fetches by itself, by calling `read`, whenever it runs.

    What a learning rate is to a training step: no argument of it, and yet not frozen.
    """
    return Node(PLACEHOLDER, (), {}, (), np.float64, name=name, value=read)


def stand_in(node: Node, shape: tuple[int, ...] | None = None) -> Node:
    """A placeholder that is fed what `node` would be, of another shape if one is given."""
    shape = node.shape if shape is None else shape
    return Node(PLACEHOLDER, (), {}, shape, node.dtype, name=node.name, like=node)


def is_live(node: Node) -> bool:
    """Does the program itself fetch what this node stands for?"""
    return node.op is PLACEHOLDER and node.value is not None


def variable(value: Any, name: str = "") -> Node:
    """A value that lives between calls and that a program may update.

    `value` (an array, a Tensor, nested lists) is copied; a Tensor's stays on its device.
    Read it back with `get_value()`, overwrite it with `set_value()`.
    """
    if isinstance(value, Tensor):
        array = value.array.copy()
    else:
        array = np.array(value, order="C")
        if array.dtype.kind == "f" and not isinstance(value, np.ndarray):
            array = array.astype(get_default_dtype())
        array = moved(array, placed(None))
    return node_of(Cell.of(array), name)


def constant(value: Any, name: str = "") -> Node:
    """An array that is known while the graph is built."""
    array = moved(as_array(value), CPU)
    return Node(CONSTANT, (), {}, array.shape, array.dtype, name=name, value=array)


def node_of(cell: Cell, name: str = "") -> Node:
    """The one variable node of a storage."""
    node = cell.node and cell.node()
    if node is None:
        array = cell.array
        node = Node(VARIABLE, (), {}, array.shape, array.dtype, name=name, value=cell)
        # The node holds the cell; the way back must be weak or neither would ever go.
        cell.node = weakref.ref(node)
    return node


def lift(value: Any) -> Node:
    """A Node for anything an op may be given: a Tensor is the variable of its storage."""
    if isinstance(value, Node):
        return value
    if isinstance(value, Tensor):
        return _lift_tensor(value)
    if isinstance(value, (Array, np.generic)) or shapes.is_number(value):
        return constant(value)
    if on_device(value):
        return constant(value)
    raise GraphError(
        "this cannot stand in a graph",
        expected="a Node, a Tensor, an array or a number",
        got=type(value).__name__,
    )


def _lift_tensor(t: Tensor) -> Node:
    trace = MODE.get().trace
    if trace is not None:
        return trace.value_of(t)
    views = views_of(t)
    if views:
        return through(views, _lift_tensor(views[-1].base))
    if t.record is not None and t.record is not LEAF:
        raise GraphError(
            "a tensor that carries a tape cannot enter a graph",
            expected="a leaf, such as a weight",
            got=f"{name_of(t, 'the tensor')} {t.shape}, {t.grad_fn!r}",
            remedy="x.detach(), or compute it in the graph as well",
        )
    return node_of(t.cell, name_of(t, ""))


def through(views: Sequence[View], node: Node) -> Node:
    """What `views`, the last one first, show of it."""
    for view in reversed(views):
        node = view.op(node, **view.attrs)
    return node


def _cast_node(value: Any, dtype: np.dtype) -> Node:
    if shapes.is_number(value):
        return constant(shapes.cast_number(value, dtype))
    return elementwise.cast(value, dtype=dtype)


# --- reading and differentiating graphs --------------------------------------------------


def topological(
    outputs: Iterable[Node], stop: Callable[[Node], bool] = lambda node: False
) -> list[Node]:
    """Every node that `outputs` need, inputs before users; does not recurse.

    The walk does not go beyond nodes for which `stop` is true.
    """
    order: list[Node] = []
    seen: set[Node] = set()
    path: list[Node] = []  # from an output down to the node whose inputs are being met
    ahead = [iter(outputs)]
    while ahead:
        for node in ahead[-1]:
            if node not in seen:
                seen.add(node)
                path.append(node)
                ahead.append(iter(() if stop(node) else node.inputs))
                break
        else:
            ahead.pop()
            order += path[-1:]
            del path[-1:]
    return order


def rebuilt(
    outputs: Sequence[Node],
    places: dict[Node, Node],
    better: Callable[[Node], Node] = lambda node: node,
) -> list[Node]:
    """`outputs` over a graph with other nodes in the places of the keys of `places`.

    For every other node stands what `better` makes of it, once its inputs are new.
    """
    new = dict(places)
    for node in topological(outputs, new.__contains__):
        if node not in new:
            new[node] = better(node.on(tuple([new[x] for x in node.inputs])))
    return [new[node] for node in outputs]


def gradients(ys: Any, xs: Any, grad_ys: Any = None) -> Any:
    """Nodes for d(sum of ys)/d(xs): the graph, differentiated, is a graph again.

    `ys` is a Node or a list of them, `xs` a Node, a Tensor (a weight) or a list of them.
    Returns a Node for a single x, else a list; None for an x that `ys` do not depend on,
    as in TensorFlow 1. Gradients of gradients work to any order. Where a placeholder
    has a size that is None they are taken at the first call with each size.

        >>> import minigrad as mg
        >>> x = mg.placeholder(())
        >>> mg.compile([x], mg.gradients(x**3, x))(2.0)
        tensor(12.)
    """
    ys = ys if isinstance(ys, (list, tuple)) else [ys]
    grad_ys = [None] * len(ys) if grad_ys is None else grad_ys
    grad_ys = grad_ys if isinstance(grad_ys, (list, tuple)) else [grad_ys]
    wrt = xs if isinstance(xs, (list, tuple)) else [xs]
    ys = [_float(y, "can be differentiated") for y in ys]
    wrt = [_float(x, "have gradients") for x in wrt]
    if any(
        node.op is PLACEHOLDER and not is_known(node.shape) for node in topological(ys)
    ):
        result = _deferred(ys, wrt, grad_ys)
    else:
        seeds = [(y, _seed(y, g)) for y, g in zip(ys, grad_ys, strict=True)]
        found = sweep(seeds, pull_nodes, set(wrt))
        result = [found[x][0] if x in found else None for x in wrt]
    for x, g in zip(wrt, result):
        if g is not None and x.op is VARIABLE and g.op.kind != "source":
            g.value = x
    return result if isinstance(xs, (list, tuple)) else result[0]


def _deferred(ys: list[Node], xs: list[Node], grad_ys: Sequence[Any]) -> list:
    """Nodes that stand for the gradients until static/specialise.py takes them."""
    seeds = [lift(g) for g in grad_ys if g is not None]
    attrs = {"seeded": tuple(g is not None for g in grad_ys)}
    group = Node(GRADIENTS, (*ys, *seeds, *xs), attrs, (), np.float32)
    reached = set(newest_first(ys))
    return [
        Node(GRADIENT, (group,), {"i": i}, x.shape, x.dtype) if x in reached else None
        for i, x in enumerate(xs)
    ]


def _float(value: Any, what: str) -> Node:
    node = lift(value)
    if node.dtype.kind != "f":
        text = f"gradients: only floats {what}"
        raise GradError(text, expected="a float dtype", got=repr(node))
    return node


def _seed(y: Node, g: Any) -> Node:
    return constant(np.ones(y.shape, y.dtype)) if g is None else lift(g)


def pull_nodes(node: Node, g: Any, owned: bool, wanted: Any) -> Sequence[Any]:
    plan = node.op.plan(wanted)
    with on_behalf_of(node.origin):
        return plan.pull(g, plan.pick(node.inputs, node), node.attrs)
