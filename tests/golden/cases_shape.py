"""More calls for `cases.py`, in the same form: shapes, positions, order, contractions."""

import numpy as np
from cases import CASES, case, floats, ints, uniform, written

before = set(CASES)

# --- views and copies --------------------------------------------------------------------

SHAPES = {
    "view": lambda t, x: x.view(6, 4),
    "view -1": lambda t, x: x.view(-1),
    "view after slice": lambda t, x: x[1:].view(3, 2, 2),
    "unflatten": lambda t, x: x.unflatten(2, (2, 2)),
    "unflatten -1": lambda t, x: x.unflatten(-1, (-1, 1, 2)),
    "unflatten first": lambda t, x: t.unflatten(x, 0, (1, 2)),
    "expand_as": lambda t, x: x[:, :1].expand_as(x),
    "movedim": lambda t, x: x.movedim(0, 2),
    "movedim back": lambda t, x: t.movedim(x, -1, 0),
    "movedim two": lambda t, x: x.movedim((0, 1), (2, 0)),
    "moveaxis": lambda t, x: x.moveaxis((2, 0), (0, 1)),
    "swapdims": lambda t, x: x.swapdims(0, -1),
    "mT": lambda t, x: x.mT,
    "diagonal": lambda t, x: x.diagonal(),
    "diagonal 1": lambda t, x: x.diagonal(1, 1, 2),
    "diagonal -1": lambda t, x: x.diagonal(-1, dim1=-1, dim2=0),
    "diagonal far": lambda t, x: t.diagonal(x, 7, 0, 1),
    "select": lambda t, x: x.select(1, -1),
    "narrow": lambda t, x: x.narrow(2, 1, 2),
    "narrow from the end": lambda t, x: t.narrow(x, -1, -2, 1),
    "narrow to nothing": lambda t, x: x.narrow(0, 2, 0),
    "split": lambda t, x: x.split(2, 1),
    "split sizes": lambda t, x: t.split(x, [1, 0, 3], dim=-1),
    "chunk": lambda t, x: x.chunk(3, 2),
    "chunk in too many": lambda t, x: t.chunk(x, 5),
    "unbind": lambda t, x: x.unbind(),
    "unbind -1": lambda t, x: t.unbind(x, -1),
    "repeat": lambda t, x: x.repeat(1, 2, 3),
    "repeat in front": lambda t, x: x.repeat((2, 1, 1, 2)),
    "repeat no times": lambda t, x: x.repeat(0, 1, 1),
    "tile": lambda t, x: x.tile(2),
    "tile in front": lambda t, x: t.tile(x, (2, 1, 2, 1)),
    "flip": lambda t, x: x.flip(0),
    "flip two": lambda t, x: x.flip(-1, 0),
    "flip a tuple": lambda t, x: t.flip(x, (1,)),
    "roll": lambda t, x: x.roll(1, 0),
    "roll two": lambda t, x: t.roll(x, (-1, 5), (1, 2)),
    "roll flat": lambda t, x: x.roll(3),
    "tril": lambda t, x: x.tril(),
    "tril -1": lambda t, x: t.tril(x, -1),
    "triu": lambda t, x: x.triu(),
    "triu 2": lambda t, x: x.triu(diagonal=2),
    "diag of a matrix": lambda t, x: x[0].diag(1),
    "diag of a vector": lambda t, x: t.diag(x[0, 0], -2),
    "hstack": lambda t, x: t.hstack([x, x[:, :1] * 2]),
    "hstack vectors": lambda t, x: t.hstack((x[0, 0], x[1, 1, :2])),
    "hstack numbers": lambda t, x: t.hstack((x.sum(), x[0, 0, 0])),
    "vstack": lambda t, x: t.vstack([x, x[:1]]),
    "vstack vectors": lambda t, x: t.vstack((x[0, 0], x[1, 1])),
    "cat with nothing": lambda t, x: t.cat([x, t.zeros(0, dtype=x.dtype)], -1),
    "meshgrid": lambda t, x: t.meshgrid(x[0, 0], x[0, :, 0], indexing="ij"),
    "meshgrid xy": lambda t, x: t.meshgrid(x[0, 0], x[0, :, 0], x.sum(), indexing="xy"),
}
for name, fn in SHAPES.items():
    case(name, lambda t, x, f=fn: scaled(f(t, x)), uniform(2, 3, 4))


def scaled(ys):
    """All of them, no longer views of what they were made of."""
    return tuple(y * 1.5 for y in ys) if isinstance(ys, (tuple, list)) else ys * 1.5


EDGES = {
    "flip of a 0-d": (lambda t, x: x.flip(0), ()),
    "roll of a 0-d": (lambda t, x: x.roll(1), ()),
    "repeat of a 0-d": (lambda t, x: x.repeat(2, 3), ()),
    "sort of a 0-d": (lambda t, x: tuple(x.sort()), ()),
    "topk of a 0-d": (lambda t, x: tuple(x.topk(1)), ()),
    "gather from a 0-d": (lambda t, x: x.gather(0, t.tensor([0, 0])), ()),
    "gather by a 0-d": (lambda t, x: x.gather(0, t.tensor(1)), (3,)),
    "index_select of a 0-d": (lambda t, x: x.index_select(0, t.tensor([0])), ()),
    "flip of nothing": (lambda t, x: x.flip(1), (2, 0, 3)),
    "roll of nothing": (lambda t, x: x.roll(2, 1), (2, 0, 3)),
    "split of nothing": (lambda t, x: x.split(2, 1), (2, 0, 3)),
    "chunk of nothing": (lambda t, x: x.chunk(2, 1), (2, 0, 3)),
    "sort of nothing": (lambda t, x: tuple(x.sort(1)), (2, 0, 3)),
    "diagonal of nothing": (lambda t, x: x.diagonal(), (0, 3)),
    "tril of nothing": (lambda t, x: x.tril(), (0, 3)),
    "einsum of nothing": (lambda t, x: t.einsum("ij,kj->ik", x, x), (3, 0)),
}
for name, (fn, shape) in EDGES.items():
    case(name, lambda t, x, f=fn: scaled(f(t, x)), uniform(*shape))


def through(view):
    """A write through a view of a result, seen in the whole."""

    def fn(t, x):
        y = x * x
        part = view(y)
        part.mul_(3)
        part.copy_(part * 0.5 + 1)
        return y + 1

    return fn


VIEWS = {
    "diagonal": lambda y: y.diagonal(),
    "diagonal of a part": lambda y: y[:, 1:].diagonal(1, 2, 0),
    "mT": lambda y: y.mT,
    "movedim": lambda y: y.movedim(0, -1),
    "select": lambda y: y.select(1, 2),
    "narrow": lambda y: y.narrow(-1, 1, 2),
    "unflatten": lambda y: y.unflatten(2, (2, 2))[..., 0],
    "view": lambda y: y.view(4, 6)[1],
    "diagonal of a transpose": lambda y: y.mT.diagonal(0, 1, 2)[1],
}
for name, view in VIEWS.items():
    case(
        f"a write through {name}",
        lambda t, x, v=view: through(v)(t, x),
        uniform(2, 3, 4),
    )

# --- keys --------------------------------------------------------------------------------

KEYS = {
    "(0, 0),": lambda t: ((0, 0),),
    "True": lambda t: True,
    "False": lambda t: False,
    "[]": lambda t: [],
    "range": lambda t: range(2),
    "list in list": lambda t: [[0, 1], [1, 2]],
    "tensors in list": lambda t: [t.tensor([0, 1]), t.tensor([1, 1])],
    "bools": lambda t: [True, False],
    "0-d tensor": lambda t: t.tensor(1),
    "0-d mask": lambda t: t.tensor(True),
    "None, True": lambda t: (None, True),
    "number, list": lambda t: (-1, t.tensor([-1, 0, 0])),
    "mask then slice": lambda t: (t.tensor([True, False]), slice(1, None)),
    "slice then mask": lambda t: (slice(None), t.tensor([True, False, True])),
    "mask of two dims": lambda t: t.tensor([[True, False, True], [False, False, True]]),
    "mask and list": lambda t: (t.tensor([True, True]), t.tensor([0, 2])),
    "list, slice, list": lambda t: ([0, 1], slice(None, None, 2), [3, 0]),
    "..., list, None": lambda t: (..., [0, 3], None),
}
for name, key in KEYS.items():
    case(f"x[{name}] of many kinds", lambda t, x, k=key: x[k(t)] * 2, uniform(2, 3, 4))
    case(
        f"x[{name}] = 2 of many kinds",
        lambda t, x, k=key: written(x, k(t), 2),
        uniform(2, 3, 4),
    )

# --- positions ---------------------------------------------------------------------------

COLUMNS = np.array([[0, 1, 1], [3, 3, 0]])
SOURCE = uniform(3, 4, seed=9)
for name in ("scatter", "scatter_add"):
    case(
        f"{name} 0",
        lambda t, x, i, s, n=name: getattr(x, n)(0, i, s[:2]),
        uniform(3, 4), np.array([[0, 1, 2, 0], [2, 2, 0, 1]]), SOURCE,
    )  # fmt: skip
case(
    "scatter_add that repeats",
    lambda t, x, i, s: t.scatter_add(x, 1, i, s[:2, :3]),
    uniform(3, 4), COLUMNS, SOURCE,
)  # fmt: skip
case(
    "scatter of a number",
    lambda t, x, i: x.scatter(-1, i, 0.5),
    uniform(3, 4), COLUMNS,
)  # fmt: skip
case(
    "scatter_ and scatter_add_",
    lambda t, x, i, s: (x * x).scatter_(1, i[:, :1], s[:2, :1]).scatter_add_(1, i, s[:2, :3]) * x,
    uniform(3, 4), COLUMNS, SOURCE,
)  # fmt: skip
case(
    "index_select",
    lambda t, x, i: (x.index_select(0, i), t.index_select(x, -1, i)),
    uniform(3, 4), ints(2, 0, 2),
)  # fmt: skip
case("index_select a 0-d", lambda t, x: x.index_select(1, t.tensor(2)), uniform(3, 4))
case(
    "index_add",
    lambda t, x, i, s: (x.index_add(0, i, s), t.index_add(x, 0, i, s, alpha=2)),
    uniform(4, 3), ints(2, 0, 2), uniform(3, 3),
)  # fmt: skip
case(
    "index_add_",
    lambda t, x, i, s: (x * x).index_add_(-1, i, s) * x,
    uniform(3, 4), ints(2, 0, 2), uniform(3, 3),
)  # fmt: skip
case(
    "take_along_dim",
    lambda t, x, i: (x.take_along_dim(i, 1), t.take_along_dim(x, i)),
    uniform(3, 4), ints(3, 1).reshape(1, 2),
)  # fmt: skip
case(
    "masked_fill",
    lambda t, x: (x.masked_fill(x > 0, 2), t.masked_fill(x, x[0] > 0, x.sum())),
    uniform(3, 4),
)
case(
    "masked_fill that grows",
    lambda t, x: x.masked_fill(t.ones(2, 3) > 0, -np.inf),
    uniform(3),
    order=1,
)
case("masked_fill_", lambda t, x: (x * x).masked_fill_(x > 0, 2) * x, uniform(3, 4))
case("masked_fill of integers", lambda t, x: x.masked_fill(x > 1, 7), ints(0, 1, 2))
case(
    "masked_select",
    lambda t, x: (x.masked_select(x > 0) * 2, t.masked_select(x, x[0] > 0) * x.sum()),
    uniform(3, 4),
)
case("tril_ and triu_", lambda t, x: (x * x).tril_().triu_(-1) * x, uniform(3, 3))
case(
    "tril of nan",
    lambda t, x: x.tril(),
    floats(np.nan, np.inf, 1, 2).reshape(2, 2),
    order=1,
)
case(
    "nonzero",
    lambda t, x: (x.nonzero(), *t.nonzero(x, as_tuple=True)),
    np.array([[0.0, 1, 0], [2, 0, -1]]),
)
case(
    "unique",
    lambda t, x: (x.unique(), *t.unique(x, return_inverse=True, return_counts=True)),
    ints(3, 1, 2, 3, 1, 1).reshape(2, 3),
)
case("unique rows", lambda t, x: x.unique(dim=0), np.array([[1, 2], [0, 5], [1, 2]]))

# --- order -------------------------------------------------------------------------------

TIES = np.array([[1.0, 3, 3, 2], [3, 1, 1, 3], [0, 0, 0, 0]])
for down in (False, True):
    for dim in (0, 1, -1):
        case(
            f"sort {dim} descending={down}",
            lambda t, x, d=dim, k=down: scaled(x.sort(d, k)),
            uniform(3, 4),
        )
    case(
        f"stable sort of ties descending={down}",
        lambda t, x, k=down: tuple(t.sort(x, stable=True, descending=k)),
        TIES,
    )
    case(
        f"argsort of ties descending={down}",
        lambda t, x, k=down: x.argsort(dim=1, descending=k, stable=True),
        TIES,
    )
    case(
        f"sort of nan descending={down}",
        lambda t, x, k=down: tuple(x.sort(descending=k)),
        floats(3, np.nan, -np.inf, 1),
        order=1,
    )
    case(
        f"topk largest={down}",
        lambda t, x, k=down: scaled(x.topk(2, largest=k)),
        uniform(3, 4),
    )
case("topk 0", lambda t, x: scaled(t.topk(x, 3, 0)), uniform(3, 4))
case("topk of none", lambda t, x: scaled(x.topk(0)), uniform(3, 4))
case("names", lambda t, x: (x.sort().values, x.topk(1).indices), uniform(3, 4))
case(
    "sort of integers and bools",
    lambda t, x: (*x.sort(), *(x > 1).sort(stable=True)),
    ints(2, 0, 3, 1),
)

# --- contractions ------------------------------------------------------------------------

case("outer", lambda t, x, y: (x.outer(y), t.outer(y, x)), uniform(3), uniform(2))
case(
    "addmm",
    lambda t, b, x, y: (t.addmm(b, x, y), b.addmm(x, y, beta=0.5, alpha=2)),
    uniform(4), uniform(2, 3), uniform(3, 4),
)  # fmt: skip
case(
    "addmm that forgets",
    lambda t, b, x, y: t.addmm(b, x, y, beta=0),
    floats(np.nan), uniform(2, 3), uniform(3, 4), order=1,
)  # fmt: skip
for dims in (0, 1, 2, ([1, 0], [0, 1]), ([-1], [0])):
    case(
        f"tensordot {dims}",
        lambda t, x, y, d=dims: t.tensordot(x, y, d),
        uniform(3, 3), uniform(3, 3, seed=5),
    )  # fmt: skip
case(
    "tensordot of more",
    lambda t, x, y: t.tensordot(x, y, dims=([2, 0], [1, 2])),
    uniform(2, 3, 4), uniform(5, 4, 2),
)  # fmt: skip
EINSUMS = {
    "ij,jk": [(2, 3), (3, 4)], "ij,jk->ik": [(2, 3), (3, 4)], "ij,jk->ki": [(2, 3), (3, 4)],
    "bij,bjk->bik": [(2, 3, 4), (2, 4, 5)], "bij,bkj->bik": [(2, 3, 4), (2, 5, 4)],
    "bhqd,bhkd->bhqk": [(2, 2, 3, 4), (2, 2, 5, 4)], "i,j->ij": [(3,), (2,)],
    "i,i": [(3,), (3,)], "i,i->i": [(3,), (3,)], "ij->ji": [(2, 3)], "ij->": [(2, 3)],
    "ij->j": [(2, 3)], "ii": [(3, 3)], "ii->i": [(3, 3)], "iij->j": [(3, 3, 2)],
    "ba": [(2, 3)], "ij,ij->": [(2, 3), (2, 3)], "ij,kl->ijkl": [(2, 3), (1, 2)],
    "...ij,...jk->...ik": [(2, 3, 4), (5, 2, 4, 2)], "...i,i": [(2, 3), (3,)],
    "i...->...": [(2, 3, 2)], "...": [(2, 3)], "...ii->...i": [(2, 3, 3)],
    "b n d , d e -> b n e": [(2, 3, 4), (4, 2)], "ij,jk,kl->il": [(2, 3), (3, 4), (4, 2)],
    "i,ij,j": [(2,), (2, 3), (3,)], "ij,j,j->i": [(2, 3), (3,), (3,)],
    "ij,jk->ik with ones": [(2, 1), (3, 4)], "bi,bi->b with ones": [(1, 3), (2, 3)],
    "ai,bi,ci->abc with ones": [(2, 1), (2, 1), (2, 3)], ",i->i": [(), (3,)],
}  # fmt: skip
for equation, shapes in EINSUMS.items():
    case(
        f"einsum {equation}",
        lambda t, *xs, e=equation: t.einsum(e.split(" with")[0], *xs) * 2,
        *(uniform(*shape, seed=i) for i, shape in enumerate(shapes)),
    )
NORMS = {
    "2": {}, "ord 2": {"ord": 2}, "1": {"ord": 1}, "3": {"ord": 3}, "inf": {"ord": np.inf},
    "-inf": {"ord": -np.inf}, "0": {"ord": 0}, "half": {"ord": 0.5},
}  # fmt: skip
for name, options in NORMS.items():
    case(
        f"norm of a vector {name}",
        lambda t, x, o=options: t.linalg.norm(x, **o),
        uniform(4),
    )
    case(
        f"norm along a dim {name}",
        lambda t, x, o=options: t.linalg.norm(x, dim=1, keepdim=True, **o),
        uniform(3, 4),
    )
for order in ("fro", 1, -1, np.inf, -np.inf):
    case(
        f"norm of a matrix {order}",
        lambda t, x, o=order: (t.linalg.norm(x[0], o), t.linalg.norm(x, o, dim=(2, 0))),
        uniform(2, 3, 4),
    )
case("norm of a tensor", lambda t, x: t.linalg.norm(x), uniform(2, 3, 2))
case(
    "norm of rows",
    lambda t, x: t.linalg.vector_norm(x, 2, dim=(0, 2)),
    uniform(2, 3, 2),
)
case("norm at 0", lambda t, x: t.linalg.norm(x), floats(0, 0), order=1)

OWN = [name for name in CASES if name not in before]
