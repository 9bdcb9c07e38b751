"""Products of tensors made of the one matrix product: einsum and its relatives.

A contraction of two tensors is a batch of matrix products once their axes are sorted into
four kinds: those both keep (batch), those both have and lose (inner), and each one's own.
"""

from __future__ import annotations

import string
from collections.abc import Iterable, Sequence
from typing import Any

from minigrad.backend import int64
from minigrad.composite import demand_ndim, mm
from minigrad.errors import ArgumentError, ShapeError
from minigrad.ops import linalg, shapes
from minigrad.ops.elementwise import cast
from minigrad.ops.extents import Unknown, agree, product
from minigrad.ops.movement import broadcast_to, diagonal, permute, reshape

Labels = list[Any]
LETTERS = string.ascii_uppercase + string.ascii_lowercase
NUMBERED: dict[Any, str] = {**dict(enumerate(LETTERS)), ...: "..."}


def outer(a: Any, b: Any) -> Any:
    """Every element of `a` times every element of `b`."""
    demand_ndim("outer", (a, b), (1, 1), "two vectors")
    return reshape(a, shape=(-1, 1)) * b


def addmm(a: Any, mat1: Any, mat2: Any, *, beta: float = 1, alpha: float = 1) -> Any:
    """beta * a + alpha * (mat1 @ mat2); with beta = 0 whatever `a` holds is ignored."""
    product = mm(mat1, mat2)
    product = product if alpha == 1 else product * alpha
    if beta == 0:
        return product
    return broadcast_to(a, shape=tuple(product.shape)) * beta + product


def kron(a: Any, other: Any) -> Any:
    """Kronecker's product: every element of `a` times the whole of `other`, side by side."""
    ndim = max(a.ndim, other.ndim)
    left, right = ((1,) * (ndim - x.ndim) + tuple(x.shape) for x in (a, other))
    a = a.reshape(tuple(n for m in left for n in (m, 1)))
    other = other.reshape(tuple(n for m in right for n in (1, m)))
    return (a * other).reshape(tuple(m * n for m, n in zip(left, right, strict=True)))


def tensordot(a: Any, b: Any, dims: Any = 2) -> Any:
    """The sum of products over the last `dims` axes of `a` and the first of `b`.

    `dims` may also be two lists of axes.
    """
    if isinstance(dims, int):
        dims = range(a.ndim - dims, a.ndim), range(dims)
    ours, theirs = (
        [shapes.normalize_axis("tensordot", d, x.ndim) for d in axes]
        for axes, x in zip(dims, (a, b), strict=True)
    )
    if len(ours) != len(theirs):
        raise ShapeError("tensordot: as many axes of each", got=str(dims))
    left: Labels = list(range(a.ndim))
    right: Labels = [a.ndim + i for i in range(b.ndim)]
    for i, j in zip(ours, theirs, strict=True):
        right[j] = left[i]
    kept = [n for n in left if n not in right] + [n for n in right if n not in left]
    return contract("tensordot", [left, right], [a, b], kept)


def einsum(equation: str, *operands: Any) -> Any:
    """Sums of products as an equation says: "ij,jk->ik" is the matrix product."""
    inputs, arrow, output = equation.replace(" ", "").partition("->")
    texts = inputs.split(",")
    if len(texts) != len(operands):
        raise _equation_error(equation, f"{len(operands)} operands")
    terms = [_labels(equation, t, x.ndim) for t, x in zip(texts, operands, strict=True)]
    every = [label for term in terms for label in term]
    dots = sorted({n for n in every if isinstance(n, int)})
    if arrow:
        letters = output.replace("...", "")
        hidden = len(dots) if letters != output else 0  # what "..." stands for may go
        kept = _labels(equation, output, hidden + len(letters))
    else:  # the letters that stand once, in their order
        kept = dots + sorted(n for n in every if n not in dots and every.count(n) == 1)
    if len(set(kept)) != len(kept) or not set(kept) <= set(every):
        raise _equation_error(equation, f"the output {output!r}")
    return contract("einsum", terms, operands, kept)


def spelled(*args: Any) -> tuple[str, tuple]:
    """Equation and operands of einsum, also when given as `a, [0, 1], b, [1, 2], [0, 2]`."""
    if isinstance(args[0], str):
        return args[0], args[1:]
    lists = [*args[1::2], *(args[-1:] if len(args) % 2 else [])]
    try:
        terms = ["".join(NUMBERED[n] for n in labels) for labels in lists]
    except (TypeError, KeyError):
        raise _equation_error(str(lists), "a label that is not 0 to 51") from None
    output = f"->{terms.pop()}" if len(args) % 2 else ""
    return ",".join(terms) + output, args[: len(args) // 2 * 2 : 2]


def _labels(equation: str, term: str, ndim: int) -> Labels:
    """A label for each axis: letters, and -2, -1 for the last that "..." stands for."""
    head, dots, tail = term.partition("...")
    hidden = ndim - len(head) - len(tail)
    letters = set(head + tail) <= set(LETTERS)
    if not letters or hidden < 0 or (hidden and not dots):
        raise _equation_error(equation, f"{term!r} for an operand of {ndim} dims")
    return [*head, *range(-hidden, 0), *tail]


def _equation_error(equation: str, got: str) -> ArgumentError:
    return ArgumentError(
        "einsum: the equation does not fit",
        expected="a letter for each axis, such as 'bij,bjk->bik'",
        got=f"{equation!r} with {got}",
    )


def contract(
    name: str, terms: Sequence[Labels], operands: Sequence[Any], kept: Labels
) -> Any:
    """The product of `operands`, summed over every label that is not in `kept`."""
    extents: dict[Any, int] = {}
    for labels, x in zip(terms, operands, strict=True):
        for label, n in zip(labels, x.shape, strict=True):
            known = extents.setdefault(label, n)
            if known == 1 or (n != 1 and isinstance(known, Unknown)):
                extents[label] = n
            if n != 1 and not agree(n, extents[label]):
                raise ShapeError(
                    f"{name}: sizes differ where axes meet",
                    expected=f"size {extents[label]} or 1, as where it came before",
                    got=f"{shapes.describe_all(operands)}  (size {n})",
                    remedy="transpose the operand, or exchange two of its letters",
                )
    pairs = [_single(t, x) for t, x in zip(terms, operands, strict=True)]
    labels, y = _summed(*pairs[0], _needed(kept, pairs[1:]))
    for i, (others, x) in enumerate(pairs[1:], 2):
        needed = _needed(kept, pairs[i:])
        labels, y = _product(labels, y, others, x, needed, extents)
    labels, y = _summed(labels, y, set(kept))
    axes = tuple(labels.index(n) for n in kept)
    return y if axes == tuple(range(len(axes))) else permute(y, axes=axes)


def _needed(kept: Labels, later: Iterable[tuple]) -> set:
    return set(kept).union(*(labels for labels, _ in later))


def _single(labels: Labels, x: Any) -> tuple[Labels, Any]:
    """A label that stands twice means the diagonal."""
    for label in dict.fromkeys(labels):
        while labels.count(label) > 1:
            i = labels.index(label)
            j = labels.index(label, i + 1)
            x = diagonal(x, offset=0, axis1=i, axis2=j)
            labels = [n for k, n in enumerate(labels) if k not in (i, j)] + [label]
    return labels, x


def _summed(labels: Labels, x: Any, needed: set) -> tuple[Labels, Any]:
    axis = tuple(i for i, n in enumerate(labels) if n not in needed)
    if not axis:
        return labels, x
    return [n for n in labels if n in needed], x.sum(axis=axis, keepdims=False)


def _product(
    left: Labels, a: Any, right: Labels, b: Any, needed: set, extents: dict
) -> tuple[Labels, Any]:
    """The product of two, as a batch of matrix products."""
    left, a = _summed(left, a, needed | set(right))
    right, b = _summed(right, b, needed | set(left))
    if b.dtype != a.dtype and a.dtype.kind != "f":  # integers that were added up
        a, b = (x if x.dtype == int64 else cast(x, dtype=int64) for x in (a, b))
    batch = [n for n in left if n in right and n in needed]
    inner = [n for n in left if n in right and n not in needed]
    rows = [n for n in left if n not in right]
    columns = [n for n in right if n not in left]
    size = dict(zip(left, a.shape, strict=True)), dict(zip(right, b.shape, strict=True))
    for known in size:
        known.update((n, extents[n]) for n in inner)
    a = _grouped(left, a, size[0], batch, rows, inner)
    b = _grouped(right, b, size[1], batch, inner, columns)
    y = linalg.matmul(a, b)
    free = [size[0][n] for n in rows] + [size[1][n] for n in columns]
    return [*batch, *rows, *columns], reshape(y, shape=(*y.shape[:-2], *free))


def _grouped(
    labels: Labels, x: Any, size: dict, batch: Labels, first: Labels, second: Labels
) -> Any:
    """`x` as a batch of matrices, the axes in `first` being the rows."""
    order = [*batch, *first, *second]
    x = permute(x, axes=tuple(labels.index(n) for n in order))
    x = broadcast_to(x, shape=tuple(size[n] for n in order))
    ends = (product(size[n] for n in group) for group in (first, second))
    return reshape(x, shape=(*(size[n] for n in batch), *ends))
