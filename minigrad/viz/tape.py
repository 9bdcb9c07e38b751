"""The tape behind a Tensor: what ran, what each step saved, and where gradients end.

Read from the records themselves, the ones that `backward()` will walk. Records know only
what came before them, so the drawing starts at the tensor and finds the rest.
"""

from __future__ import annotations

from collections.abc import Iterator

from ..eager.tape import FREED, Record
from ..eager.tensor import Tensor
from ..ops.op import INPUT_NAMES
from .diagram import Diagram
from .figure import Figure
from .names import Names, short, size

SHAPE_OF = {"sa": "shape of a", "sb": "shape of b", "ctx": "what forward kept"}


class Tape:
    """What `mg.tape(loss)` returns: the records, their listing, and the picture.

    Printing it, or ending a notebook cell with it, shows it; `records` are in the order
    in which they ran, `show()` is the picture alone.
    """

    def __init__(self, tensor: Tensor) -> None:
        root = tensor.grad_fn
        self.records = [] if root is None else records(root)
        self._figure = tape_diagram(tensor).figure(None, None)

    def __len__(self) -> int:
        return len(self.records)

    def __iter__(self) -> Iterator[Record]:
        return iter(self.records)

    def show(self) -> Figure:
        """The picture, as `mg.show(tensor)` gives it."""
        return self._figure

    def __repr__(self) -> str:
        return self._figure.text

    def _repr_html_(self) -> str:
        return self._figure._repr_html_()


def tape(tensor: Tensor) -> Tape:
    """The tape behind a Tensor: what `tensor.backward()` will walk.

    >>> import minigrad as mg
    >>> w = mg.tensor([2.0], requires_grad=True)
    >>> print(mg.tape((w * w).sum()))
    the tape of the result (3 nodes, 3 edges)
      1  w    leaf       (1,), grad: not computed
      2  mul  operation  (1,), saved: a, b         from 1 (a), 1 (b)
      3  sum  output     (), saved: shape of a     from 2
    """
    if not isinstance(tensor, Tensor):
        raise TypeError(f"tape: wants a Tensor, not {type(tensor).__name__}")
    return Tape(tensor)


def tape_diagram(tensor: Tensor) -> Diagram:
    """Every record that `tensor.backward()` walks, and the leaves that it reaches."""
    names = Names()
    picture = Diagram(f"the tape of {names.of(tensor, 'the result')}")
    root = tensor.grad_fn
    if root is None:
        kind = "leaf" if tensor.requires_grad else "constant"
        return picture.node(id(tensor), *_leaf_lines(tensor, names), kind=kind)
    order = records(root)
    for record in order:
        for parent in record.parents:
            is_leaf = parent is not None and type(parent) is not Record
            if is_leaf and id(parent) not in picture.nodes:
                picture.node(id(parent), *_leaf_lines(parent, names), kind="leaf")
        lines = _record_lines(record, names, tensor if record is root else None)
        picture.node(id(record), *lines, kind="output" if record is root else "op")
        _draw_arrows(picture, record)
    if any(name in INPUT_NAMES for r in order for name in r.plan.names):
        picture.notes.append(
            "Saved values are named as in the rules: a and b are the first and second "
            "input of an operation, y is its output"
        )
    return picture


def records(root: Record) -> list[Record]:
    """All records under `root`, in the order in which they ran."""
    found, stack = {root}, [root]
    while stack:
        for parent in stack.pop().parents:
            if type(parent) is Record and parent not in found:
                found.add(parent)
                stack.append(parent)
    return sorted(found, key=lambda record: record.seq)


def _record_lines(record: Record, names: Names, result: Tensor | None) -> list[str]:
    name = names.of(result) or names.given(record)
    label = f"{name} = {record.op.name}" if name else record.op.name
    saved = ", ".join(SHAPE_OF.get(n, n) for n in sorted(record.plan.names))
    if record.saved is FREED:
        saved = "freed"
    return [label, size(record), *([f"saved: {saved}"] if saved else [])]


def _leaf_lines(leaf: Tensor, names: Names) -> list[str]:
    lines = [names.of(leaf, "leaf" if leaf.requires_grad else "tensor"), size(leaf)]
    if not leaf.requires_grad:
        return [*lines, "no tape: nothing here requires a gradient"]
    # Looking must not tell a running trace that the program reads this gradient.
    grad = leaf._grad
    if grad is None:
        # Never 0: a gradient that was not computed yet is not a number.
        return [*lines, "grad: not computed"]
    return [*lines, f"grad: {short(grad.array) or size(grad)}"]


def _draw_arrows(picture: Diagram, record: Record) -> None:
    """From what a record was fed; labelled where an op has several inputs."""
    several = len(record.parents) > 1
    for i, parent in enumerate(record.parents):
        if parent is not None:
            label = INPUT_NAMES[i] if several and i < len(INPUT_NAMES) else ""
            picture.edge(id(parent), id(record), label)
