"""Calls that mean the same under PyTorch and minigrad, with the arrays they are fed.

Each case is a function `(lib, *tensors)`, `lib` being torch or minigrad, and its arrays.
`derive` runs it with first and second derivatives. `make.py` commits what PyTorch gives;
the tests compare minigrad with that always, and with PyTorch itself where installed.
"""

import numpy as np

CASES = {}


def case(name, fn, *arrays, order=2):
    assert name not in CASES, name
    CASES[name] = (fn, arrays, order)


def uniform(*shape, low=-2.0, high=2.0, seed=0):
    rng = np.random.default_rng([seed, *shape])
    return np.asarray(rng.uniform(low, high, shape))


def positive(*shape, seed=1):
    return uniform(*shape, low=0.5, high=2.0, seed=seed)


def floats(*values):
    return np.array(values, np.float64)


def ints(*values):
    return np.array(values, np.int64)


# --- elementwise -------------------------------------------------------------------------


def inside(*shape):
    return uniform(*shape, low=-0.9, high=0.9)


UNARY = {
    "abs": uniform, "neg": uniform, "sign": uniform, "square": uniform, "exp": uniform,
    "sin": uniform, "cos": uniform, "tanh": uniform, "sigmoid": uniform,
    "relu": uniform, "sqrt": positive, "log": positive, "exp2": uniform,
    "expm1": uniform, "log2": positive, "log10": positive, "log1p": inside,
    "rsqrt": positive, "reciprocal": positive, "tan": inside, "asin": inside,
    "acos": inside, "atan": uniform, "sinh": uniform, "cosh": uniform, "erf": uniform,
    "floor": uniform, "ceil": uniform, "round": uniform, "trunc": uniform,
    "frac": uniform,
}  # fmt: skip

for name, draw in UNARY.items():
    for shape in [(3, 4), (), (0, 3)]:
        case(f"{name} {shape}", lambda t, x, n=name: getattr(x, n)(), draw(*shape))
    case(f"lib.{name}", lambda t, x, n=name: getattr(t, n)(x), draw(2, 3))
    case(f"{name}_", lambda t, x, n=name: getattr(x * 1, n + "_")(), draw(2, 3))

KINKS = floats(-1.0, -0.0, 0.0, 1.0, 2.0)
HUGE = floats(-1000.0, -50.0, 50.0, 700.0)
for name in ("abs", "relu", "sign", "floor", "ceil", "round", "trunc", "frac"):
    case(f"{name} at kinks", lambda t, x, n=name: getattr(x, n)(), KINKS)
for name in ("tanh", "sigmoid", "exp", "exp2", "expm1", "erf", "atan", "sinh"):
    case(f"{name} far out", lambda t, x, n=name: getattr(x, n)(), HUGE)
case("log and sqrt at 0", lambda t, x: (x.log(), x.sqrt()), floats(0, 1), order=1)
case("log below 0", lambda t, x: x.log(), floats(-1.0, 2.0))

case("clamp", lambda t, x: x.clamp(min=-1, max=1), floats(-2, -1, 0, 1, 2))
case("clamp of positions", lambda t, x: x.clamp(-1, 1), floats(-2, -1, 0, 1, 2))
case("clamp min", lambda t, x: x.clamp(min=0), KINKS)
case("clamp max", lambda t, x: x.clamp(max=1), KINKS)
case("clamp min above max", lambda t, x: x.clamp(min=1, max=0), KINKS)
case("clamp nan", lambda t, x: x.clamp(min=0), floats(np.nan, 1.0))
case("clamp_", lambda t, x: (x * 1).clamp_(min=0), KINKS)
case(
    "clamp by tensors, ties too",
    lambda t, x, a, b: x.clamp(a, b),
    floats(-2, -1, 0, 1, 2), floats(-1, -1, -1, 1, 0), floats(1, 1, 0, 1, 1),
)  # fmt: skip

BINARY = (
    "add", "sub", "mul", "div", "maximum", "minimum", "atan2", "remainder",
)  # fmt: skip
PAIRS = [
    ((3, 4), (3, 4)), ((3, 4), (4,)), ((4,), (3, 4)), ((3, 1), (1, 4)), ((), (3, 4)),
    ((3, 4), ()), ((2, 1, 3), (4, 1)), ((0, 3), (3,)), ((1, 3), (0, 1)), ((), ()),
]  # fmt: skip
for name in BINARY:
    for a, b in PAIRS:
        case(
            f"{name} {a} {b}",
            lambda t, x, y, n=name: getattr(x, n)(y),
            positive(*a, seed=2),
            positive(*b, seed=3),
        )
for name in ("add", "sub", "mul", "div"):
    case(
        f"{name}_",
        lambda t, x, y, n=name: getattr(x * 1, n + "_")(y),
        positive(2, 3),
        positive(3, seed=4),
    )
case("maximum of ties", lambda t, x, y: x.maximum(y), KINKS, KINKS[::-1].copy())
case("minimum of ties", lambda t, x, y: x.minimum(y), KINKS, KINKS.copy())
case("x with itself", lambda t, x: (x * x, x - x, x / x, x.maximum(x)), positive(3))

SCALARS = {
    "x + 2": lambda t, x: x + 2,
    "2 + x": lambda t, x: 2 + x,
    "x - 0.5": lambda t, x: x - 0.5,
    "2 - x": lambda t, x: 2 - x,
    "x * True": lambda t, x: x * True,
    "2.5 * x": lambda t, x: 2.5 * x,
    "x / 4": lambda t, x: x / 4,
    "2 / x": lambda t, x: 2 / x,
    "-x": lambda t, x: -x,
    "abs(x)": lambda t, x: abs(x),
    "2.0 ** x": lambda t, x: 2.0**x,
    "x ** x": lambda t, x: x**x,
}
for name, fn in SCALARS.items():
    case(name, fn, positive(2, 3))

for exponent in (0, 1, 2, 3, -1, -2, 0.5, 1.5, 2.0):
    case(f"x ** {exponent}", lambda t, x, e=exponent: x**e, positive(3))
    case(f"x.pow_({exponent})", lambda t, x, e=exponent: (x * 1).pow_(e), positive(3))
for exponent in (0, 1, 2, 3):
    whole = floats(-2, -1, 0, 1, 2)
    case(f"x ** {exponent}, 0 too", lambda t, x, e=exponent: x**e, whole)
BASES, EXPONENTS = floats(0, 0, 0, 1, 2, 0.5, 3), floats(0, 1, 2, 0, -1, 0, 1)
case("pow corners", lambda t, a, b: a**b, BASES, EXPONENTS, order=1)
case("pow of negative bases", lambda t, a: a ** t.tensor([2.0, 3.0]), floats(-1.5, -2))
case("0 ** x", lambda t, x: 0**x, floats(0.5, 1, 2), order=1)
case("1 ** x", lambda t, x: 1**x, floats(0.5, 1, 2))

for name in ("eq", "ne", "lt", "le", "gt", "ge"):
    case(name, lambda t, x, y, n=name: getattr(x, n)(y), KINKS, KINKS[::-1].copy())
    case(f"{name} 1", lambda t, x, n=name: getattr(x, n)(1), KINKS)
case("logic", lambda t, x: ((x > 0) & (x < 2), (x > 1) | (x < 0), ~(x > 0)), KINKS)
case("where", lambda t, x, y: t.where(x > 0, x, y), uniform(3, 4), uniform(4, seed=5))
case("where with numbers", lambda t, x: t.where(x > 0, x, 0.0), uniform(3, 4))
case("where with numbers first", lambda t, x: t.where(x > 0, 1, x), uniform(3, 4))
case("where hides", lambda t, x: t.where(x > 0, x * 3, x.exp()), KINKS)
case("casts", lambda t, x: x.to(t.float32).to(t.float64) * x, floats(0.5, 1.5), order=1)
case("float double long", lambda t, x: (x.float(), x.double(), x.long()), KINKS)
case("clone and detach", lambda t, x: x.clone() * x.detach(), uniform(3))

ODD = floats(-np.inf, -7.5, -3, -0.0, 0, 2, 7.5, np.inf, np.nan)
QUESTIONS = ("isnan", "isinf", "isfinite", "logical_not", "sign", "floor", "round")
for name in QUESTIONS:
    case(f"{name} of the odd", lambda t, x, n=name: getattr(t, n)(x), ODD, order=1)
for name in ("logical_and", "logical_or", "logical_xor"):
    case(name, lambda t, x, y, n=name: getattr(x, n)(y), KINKS, ODD[4:])
    # PyTorch keeps the gradient of what logical_and_ overwrote.
    case(f"{name}_", lambda t, x, y, n=name: getattr(x.detach() * 1, n + "_")(y),
         KINKS, ODD[4:])  # fmt: skip
for a, b in [("-7.5", "2"), ("7.5", "-2"), ("6", "2"), ("0", "3"), ("1", "0")]:
    for mode in (None, "trunc", "floor"):
        case(
            f"{a} div {b} {mode}",
            lambda t, x, y, m=mode: (
                t.div(x, y, rounding_mode=m), x.div(y, rounding_mode=m)
            ),
            floats(float(a)), floats(float(b)), order=int(b != "0"),
        )  # fmt: skip
    if b != "0":
        case(f"{a} % {b}", lambda t, x, y: x % y, floats(float(a)), floats(float(b)))
WHOLE = ints(-7, -6, -1, 0, 1, 6, 7)
for n in (2, -2, 3):
    case(
        f"integers by {n}",
        lambda t, x, n=n: (
            x // n, x % n, x.div(n, rounding_mode="trunc"), x.div(n), x.floor_divide(n),
            x.remainder(n), (x * 1).floor_divide_(n), (x * 1).remainder_(n),
        ),
        WHOLE,
    )  # fmt: skip
case("numbers first", lambda t, x: (7 // x, 7 % x, -7 % x, 2**x, t.pow(2, x), t.div(1, x),
     t.remainder(7, x)), ints(1, 2, 3))  # fmt: skip
for n in (7, -7.5):  # PyTorch has no derivative here
    case(f"{n} % x and {n} // x", lambda t, x, n=n: (n % x.detach(), n // x.detach()),
         floats(-2.2, 3.3))  # fmt: skip
case("bits", lambda t, x: (x ^ 5, 5 ^ x, x & 6, 6 & x, x | 9, 9 | x, ~x), WHOLE)
case(
    "bits of flags", lambda t, x: (x ^ True, x ^ ~x, True | x), np.array([True, False])
)
case("atan2 at 0", lambda t, x, y: t.atan2(x, y), KINKS, KINKS * 0, order=1)
case("tangents everywhere", lambda t, x, y: x.atan2(y), uniform(9), uniform(9, seed=2))
case("add and sub with alpha", lambda t, x, y: (
    x.add(y, alpha=2), x.sub(y, alpha=0.5), t.add(x, y, alpha=-1), x.sub(3, alpha=2),
    (x * 1).add_(y, alpha=3), (x * 1).sub_(y, alpha=0.5),
), uniform(3), uniform(3, seed=4))  # fmt: skip
case("alpha of integers", lambda t, x: (x.add(x, alpha=2), x.sub(1, alpha=3)), WHOLE)
for weight in (0, 0.25, 0.75, 1):
    case(f"lerp {weight}", lambda t, x, y, w=weight: (
        x.lerp(y, w), t.lerp(x, y, w), (x * 1).lerp_(y, w)
    ), uniform(3), uniform(2, 3, seed=4)[0])  # fmt: skip
case("lerp by tensors", lambda t, x, y, w: x.lerp(y, w), uniform(3), uniform(2, 3),
     floats(0.25, 0.5, 0.75))  # fmt: skip
case("addcmul and addcdiv", lambda t, x, y, z: (
    x.addcmul(y, z), x.addcdiv(y, z), t.addcmul(x, y, z, value=0.5),
    t.addcdiv(x, y, z, value=-2), (x * 1).addcmul_(y, z, value=3),
    (x * 1).addcdiv_(y, z, value=3),
), uniform(3), uniform(3, seed=4), positive(3))  # fmt: skip
case("addcmul of integers", lambda t, x: x.addcmul(x, x, value=2), WHOLE)
case("round to decimals", lambda t, x: (x.round(decimals=1), x.round(decimals=3),
     t.round(x * 100, decimals=-1)), uniform(7))  # fmt: skip
case(
    "clamp_min and clamp_max",
    lambda t, x: (
        x.clamp_min(0.5),
        x.clamp_max(0.5),
        t.clamp_min(x, 0),
        (x * 1).clamp_min_(1),
        (x * 1).clamp_max_(0),
    ),
    KINKS,
)
case("clamp_ by a tensor", lambda t, x, y: (x * 1).clamp_(min=y), KINKS, -KINKS)
for name in ("exp2", "log1p", "rsqrt", "tan", "reciprocal", "frac", "erf", "square"):
    case(f"{name}_ on the tape", lambda t, x, n=name: getattr(x * x, n + "_")() * x,
         positive(4))  # fmt: skip
for name in ("eq", "ne", "lt", "le", "gt", "ge"):
    case(f"{name}_", lambda t, x, n=name: getattr(x * 1, n + "_")(1), KINKS)
case("i-operators", lambda t, x, y: i_operators(x * 1, y * 1), ints(9, 8), ints(5, 3))
case("i-operators of floats", lambda t, x, y: powers(x * 1, y), positive(3), uniform(3))


def i_operators(x, y):
    x //= 2
    x %= 3
    x **= 2
    y ^= 1
    y &= 6
    y |= 8
    return x, y


def powers(x, y):
    x **= 3
    x %= 2
    x /= y
    return x


FAR = floats(-800, -30, -1, 1, 19, 21, 800)
ACTIVATIONS = {
    "leaky_relu": {"negative_slope": 0.2}, "elu": {"alpha": 0.7}, "selu": {},
    "gelu": {"approximate": "tanh"}, "silu": {}, "mish": {},
    "softplus": {"beta": 2.0, "threshold": 10.0},
    "hardtanh": {"min_val": -0.5, "max_val": 1.0},
}  # fmt: skip
for name, options in ACTIVATIONS.items():
    # Second derivatives: PyTorch's elu has 0 at its kink, its mish nan far out.
    values = {"": uniform(3, 4), " at kinks": KINKS, " far out": FAR}
    for kind, x in values.items():
        order = 1 if kind == " at kinks" or (name, kind) == ("mish", " far out") else 2
        for o in ({}, options)[: 1 + bool(options)]:
            case(f"{name}{kind} {o}",
                 lambda t, x, n=name, o=o: activation(t, n)(x, **o),
                 x, order=order)  # fmt: skip


def activation(lib, name):
    return getattr(lib.nn.functional if lib.__name__ == "torch" else lib, name)


NEAR = floats(1, 1 + 1e-9, 1 + 1e-6, np.inf, np.nan, -np.inf, 0)
OTHER = floats(1, 1, 1, np.inf, np.nan, np.inf, 1e-9)
case("isclose", lambda t, x, y: (t.isclose(x, y), x.isclose(y, rtol=1e-3),
     x.isclose(y, equal_nan=True), y.isclose(x, 0.0, 0.1)), NEAR, OTHER)  # fmt: skip
case(
    "isclose of others", lambda t, x: (x.isclose(x + 1), (x > 0).isclose(x < 0)), WHOLE
)
case("isclose broadcasts", lambda t, x, y: x.isclose(y), uniform(3, 1), uniform(4))
case("allclose and equal", lambda t, x: tuple(t.tensor(a) for a in (
    x.allclose(x), t.allclose(x, x + 1), t.allclose(x, x + 1, atol=2), x.equal(x),
    t.equal(x, x + 1), t.equal(x, x[:2]),
)), KINKS)  # fmt: skip

# --- reductions --------------------------------------------------------------------------

DIMS = [None, 0, -1, 1, (0, 2), (-1, 0), (0, 1, 2)]
for name in ("sum", "mean", "amax", "amin", "logsumexp"):
    for dim in DIMS:
        for keep in (False, True):
            if dim is None:
                if keep or name == "logsumexp":
                    continue
                case(
                    f"{name}()", lambda t, x, n=name: getattr(x, n)(), uniform(3, 2, 4)
                )
                continue
            case(
                f"{name} dim={dim} keepdim={keep}",
                lambda t, x, n=name, d=dim, k=keep: getattr(x, n)(dim=d, keepdim=k),
                uniform(3, 2, 4),
            )
    case(f"{name} of a 0-d", lambda t, x, n=name: getattr(x, n)(0), uniform())
    case(
        f"{name} of one, dim -1", lambda t, x, n=name: getattr(x, n)(-1), uniform(3, 1)
    )
for name in ("sum", "mean", "logsumexp"):
    case(f"{name} of nothing", lambda t, x, n=name: getattr(x, n)(0), uniform(0, 3))
    case(f"{name} beside nothing", lambda t, x, n=name: getattr(x, n)(1), uniform(0, 3))
case("sum with numpy's names", lambda t, x: x.sum(axis=1, keepdims=True), uniform(3, 4))
case("lib.sum", lambda t, x: t.sum(x, 0), uniform(3, 4))
case("logsumexp far out", lambda t, x: x.logsumexp(0), HUGE)
case("logsumexp of -inf", lambda t, x: x.logsumexp(0), floats(-np.inf, 0, 1), order=1)

TIES = np.array([[1.0, 3, 3, 2], [3, 1, 1, 3], [0, 0, 0, 0]])
for name in ("amax", "amin"):
    case(f"{name} ties", lambda t, x, n=name: getattr(x, n)(1), TIES)
    case(f"{name} ties everywhere", lambda t, x, n=name: getattr(x, n)((0, 1)), TIES)
for name in ("max", "min"):
    case(f"{name}() ties", lambda t, x, n=name: getattr(x, n)(), TIES)
    case(f"{name}()", lambda t, x, n=name: getattr(x, n)(), uniform(3, 4))
    for dim in (0, 1, -1):
        case(
            f"{name}({dim})",
            lambda t, x, n=name, d=dim: tuple(getattr(x, n)(d)),
            uniform(3, 4),
        )
    case(
        f"{name} keepdim",
        lambda t, x, n=name: getattr(x, n)(1, True).values,
        uniform(3, 4),
    )
    case(f"{name} ties along a dim", lambda t, x, n=name: tuple(getattr(x, n)(1)), TIES)
    case(f"{name} of two", lambda t, x, y, n=name: getattr(x, n)(y), KINKS, -KINKS)
    arg = f"arg{name}"
    case(f"{arg} ties", lambda t, x, n=arg: (getattr(x, n)(), getattr(x, n)(1)), TIES)
    case(f"{arg} keepdim", lambda t, x, n=arg: getattr(x, n)(0, keepdim=True), TIES)
case("all", lambda t, x: ((x > 0).all(), (x > 0).all(1), (x > 0).all(0, True)), TIES)
case("any", lambda t, x: ((x > 2).any(), (x > 2).any(1), (x > 2).any(0, True)), TIES)
case("all and any of nothing", lambda t, x: (x.all(), x.any()), np.zeros((0, 2), bool))
SPREAD = uniform(3, 2, 4, seed=9)
for name in ("var", "std", "norm"):
    case(f"{name}()", lambda t, x, n=name: (getattr(x, n)(), getattr(t, n)(x)), SPREAD)
    for dim in (0, -1, (0, 2), (-1, 0)):
        for keep in (False, True):
            case(
                f"{name} dim={dim} keepdim={keep}",
                lambda t, x, n=name, d=dim, k=keep: getattr(x, n)(dim=d, keepdim=k),
                SPREAD,
            )
for name in ("var", "std"):
    case(f"{name} corrections", lambda t, x, n=name: (
        getattr(x, n)(0, correction=0), getattr(x, n)(correction=2),
        getattr(x, n)(1, unbiased=False), getattr(x, n)(False), getattr(x, n)(0, False),
        getattr(x, n)(0, False, True), getattr(x, n)((0, 1), True, True),
        getattr(t, n)(x, dim=1, keepdim=True), getattr(x, n)(axis=1),
    ), SPREAD)  # fmt: skip
case("std of equals", lambda t, x: (x.std(1), x.var(1)), TIES)
case("norm of zeros", lambda t, x: x.norm(dim=1), TIES, order=1)
ORDERS = (0, 0.5, 1, 1.5, 2, 3, -1, np.inf, -np.inf, "fro", None)
for p in ORDERS:
    case(f"norm {p}", lambda t, x, p=p: (x.norm(p), x.norm(p, 0)), uniform(3, 4))
    case(f"norm {p} of ties", lambda t, x, p=p: x.norm(p, 1), TIES, order=1)
case("norm of nothing", lambda t, x: (x.norm(), x.norm(1, 0), x.norm(3)), uniform(0, 2))
case("norm with dtype", lambda t, x: x.norm(2, 0, dtype=t.float64),
     uniform(3).astype(np.float32), order=1)  # fmt: skip

ZEROS = {
    "none": floats(1, -2, 3, 0.5, -1.5),
    "one": floats(1, -2, 0, 0.5, -1.5),
    "two": floats(1, 0, 3, 0, -1.5),
    "all": floats(0, 0, 0),
    "first": floats(0, 2, 3),
    "last": floats(2, 3, 0),
}
for name, values in ZEROS.items():
    case(f"prod, zeros: {name}", lambda t, x: (x.prod(), t.prod(x, 0)), values)
    case(f"cumprod, zeros: {name}", lambda t, x: (x.cumprod(0), x.cumsum(0)), values)
for dim in (0, 1, -1):
    for name in ("prod", "cumsum", "cumprod"):
        case(f"{name} {dim}", lambda t, x, n=name, d=dim: getattr(x, n)(d), SPREAD)
case(
    "prod keepdim", lambda t, x: (x.prod(1, True), x.prod(dim=0, keepdim=True)), SPREAD
)
for n in (1, 2, 3, 6, 7, 8):
    case(f"products of {n}", lambda t, x: (x.prod(), x.cumprod(0)), uniform(n))
case("products of nothing", lambda t, x: (x.prod(), x.prod(0), x.prod(1), x.cumsum(0),
     x.cumprod(0), x.cumsum(1), x.cumprod(1)), uniform(0, 3))  # fmt: skip
case("products of a 0-d", lambda t, x: (x.prod(), x.prod(0), x.prod(-1, True),
     x.cumsum(0), x.cumprod(-1)), uniform())  # fmt: skip
COUNTED = {"integers": WHOLE, "flags": WHOLE > 0, "bytes": np.array([3, 200], np.uint8)}
for name, values in COUNTED.items():
    case(f"sums and products of {name}", lambda t, x: (
        x.sum(), x.prod(), x.cumsum(0), x.cumprod(0), x.count_nonzero(),
        x.sum(dtype=t.float32), x.prod(0, dtype=t.float64), x.cumsum(0, dtype=t.int32),
        x.cumprod(0, dtype=t.float32), x.mean(dtype=t.float64), t.sum(x, dtype=t.int32),
        x.softmax(0, dtype=t.float64), x.log_softmax(0, dtype=t.float64),
    ), values)  # fmt: skip
case("sums in another dtype", lambda t, x: (x.sum(dtype=t.float32), x.prod(dtype=t.float32)
     ), uniform(3), order=1)  # fmt: skip
case("count_nonzero", lambda t, x: (x.count_nonzero(), x.count_nonzero(0),
     t.count_nonzero(x, (0, 1)), x.count_nonzero(dim=-1)), TIES)  # fmt: skip
case("all and any along several", lambda t, x: (
    (x > 0).all((0, 1)), (x > 2).any((0, 1), True), x.all(dim=1), x.any(1, True)
), TIES)  # fmt: skip
case("arg of all, kept", lambda t, x: x.argmax(dim=1, keepdim=True), TIES)
case("max keeps names", lambda t, x: (x.max(dim=0).indices, t.min(x, 1).values), TIES)
for dim in (0, 1, -1):
    case(f"softmax {dim}", lambda t, x, d=dim: x.softmax(d), uniform(3, 4))
    case(f"log_softmax {dim}", lambda t, x, d=dim: x.log_softmax(d), uniform(3, 4))
case("softmax far out", lambda t, x: x.softmax(0), HUGE)
case("softmax of -inf", lambda t, x: x.softmax(0), floats(-np.inf, 0, 1), order=1)

# --- shapes ------------------------------------------------------------------------------

SHAPES = {
    "reshape": lambda t, x: x.reshape(6, 4),
    "reshape a tuple": lambda t, x: x.reshape((4, 6)),
    "reshape -1": lambda t, x: x.reshape(2, -1, 2),
    "reshape after permute": lambda t, x: x.permute(2, 0, 1).reshape(-1) * x.sum(),
    "flatten": lambda t, x: x.flatten(),
    "flatten the first": lambda t, x: x.flatten(0, 1),
    "flatten the last": lambda t, x: x.flatten(-2),
    "permute": lambda t, x: x.permute(2, 0, 1),
    "permute back": lambda t, x: x.permute(-1, 0, -2),
    "transpose": lambda t, x: x.transpose(0, 2),
    "transpose back": lambda t, x: x.transpose(-1, -2),
    "swapaxes": lambda t, x: x.swapaxes(0, 1),
    "T": lambda t, x: x[0].T,
    "t": lambda t, x: x[0].t(),
    "unsqueeze": lambda t, x: x.unsqueeze(0) * x.unsqueeze(-1).squeeze(-1),
    "unsqueeze inside": lambda t, x: x.unsqueeze(-2),
    "expand": lambda t, x: x[:1].expand(5, 3, 4),
    "expand -1": lambda t, x: x[:, :1].expand(-1, 5, -1),
    "expand in front": lambda t, x: x.expand(2, *x.shape),
    "broadcast_to": lambda t, x: x.broadcast_to((2, 2, 3, 4)),
    "cat": lambda t, x: t.cat([x, x * 2, x[:, :1]], 1),
    "cat -1": lambda t, x: t.cat([x, x[..., :1]], dim=-1),
    "cat of one": lambda t, x: t.cat([x]),
    "stack": lambda t, x: t.stack([x[0], x[1] * 2], 0),
    "stack -1": lambda t, x: t.stack([x, x * x], dim=-1),
}
for name, fn in SHAPES.items():
    case(name, lambda t, x, f=fn: f(t, x) * 1.5, uniform(2, 3, 4))
ONES = uniform(1, 3, 1)
for dim in (None, 0, -1, 1, (0, 2)):
    given = () if dim is None else (dim,)
    case(f"squeeze {dim}", lambda t, x, g=given: x.squeeze(*g) * 1.5, ONES)
case("transpose of a 0-d", lambda t, x: x.transpose(0, -1) * 2, uniform())
case("sizes", lambda t, x: x * x.size(0) + x.ndim + x.numel() + len(x), uniform(2, 3))

# --- indexing ----------------------------------------------------------------------------

KEYS = {
    "0": np.s_[0],
    "-1": np.s_[-1],
    "1, 2": np.s_[1, 2],
    "1, 2, 3": np.s_[1, 2, 3],
    "1:": np.s_[1:],
    "::2, 1:3": np.s_[::2, 1:3],
    "empty": np.s_[5:],
    "..., 0": np.s_[..., 0],
    "0, ..., -1": np.s_[0, ..., -1],
    "...": np.s_[...],
    "()": (),
    "None": np.s_[None],
    ":, None, 1": np.s_[:, None, 1],
    "..., None": np.s_[..., None],
    "list": np.s_[[0, 1, 1]],
    "two lists": np.s_[[0, 1], [2, 0]],
    "negative list": np.s_[[-1, 0]],
    "slice then list": np.s_[:, [2, 0, 2]],
    "number and list": np.s_[1, [0, 2]],
    "lists apart": np.s_[[0, 1], :, [3, 0]],
    "list and number apart": np.s_[[0, 1], :, 3],
    "list last": np.s_[..., [0, 3]],
    "broadcast lists": np.s_[[[0], [1]], [0, 2]],
    "an empty list": np.s_[np.zeros(0, np.int64)],
    "None and list": np.s_[None, [0, 1]],
}
for name, key in KEYS.items():
    case(f"x[{name}]", lambda t, x, k=key: x[tensors(t, k)] * 2, uniform(2, 3, 4))
    case(
        f"x[{name}] = number",
        lambda t, x, k=key: written(x, tensors(t, k), 0.5),
        uniform(2, 3, 4),
    )
    case(
        f"x[{name}] = tensor",
        lambda t, x, v, k=key: written(x, tensors(t, k), v),
        uniform(2, 3, 4),
        uniform(seed=6),
    )
    if "1, 1" not in name and name != "list" and name != "slice then list":
        case(
            f"x[{name}] *= tensor",
            lambda t, x, v, k=key: multiplied(x, tensors(t, k), v),
            uniform(2, 3, 4),
            uniform(seed=6),
        )


def tensors(lib, key):
    """Index lists as tensors, so that both libraries read them alike."""
    parts = key if isinstance(key, tuple) else (key,)
    made = tuple(
        lib.tensor(np.array(p)) if isinstance(p, (list, np.ndarray)) else p
        for p in parts
    )
    return made if isinstance(key, tuple) else made[0]


def written(x, key, value):
    y = x * 1
    y[key] = value
    return y


def multiplied(x, key, value):
    y = x * x
    y[key] *= value
    return y


case(
    "x[rows] = rows",
    lambda t, x, v: written(x, [0, 2], v),
    uniform(3, 4),
    uniform(2, 4),
)
case("x[0] = row", lambda t, x, v: written(x, 0, v), uniform(3, 4), uniform(4))
case(
    "x[0] = row in ones", lambda t, x, v: written(x, 0, v), uniform(3, 4), uniform(1, 4)
)
case("x[1:, 2:] = row", lambda t, x, v: written(x, np.s_[1:, 2:], v), uniform(3, 4),
     uniform(2))  # fmt: skip
case("x[mask]", lambda t, x: x[x > 0] * 2, uniform(3, 4))
case("x[row mask]", lambda t, x: x[x.sum(1) > 0] * 2, uniform(3, 4))
case("x[mask, 0]", lambda t, x: x[x[:, 0] > 0, 0] * 2, uniform(3, 4))
case("x[no mask]", lambda t, x: x[x > 9] * 2, uniform(3, 4))
case("x[mask] = number", lambda t, x: written(x, x > 0, 0.5), uniform(3, 4))
case("x[mask] = tensor", lambda t, x, v: written(x, x > 0, v), uniform(3, 4), uniform())
case(
    "x[mask] = parts", lambda t, x, v: written(x, x > 1, v), floats(2, 0, 3), uniform(2)
)
case("x[mask] += 1", lambda t, x: added(x, x > 0), uniform(3, 4))
case("a write through views of views", lambda t, x: deep(x), uniform(2, 3, 4))
case(
    "copy_ of a broadcast", lambda t, x, v: (x * 1).copy_(v), uniform(3, 4), uniform(4)
)
case("fill_ and zero_", lambda t, x: ((x * 1).fill_(2) + x, (x * 1).zero_() + x), KINKS)


def added(x, key):
    y = x * x
    y[key] += 1
    return y


def deep(x):
    y = x * x
    y.transpose(0, 2)[1][2:].mul_(3)
    y[1].T[0].tanh_()
    return y


GATHER = {0: [[0, 1, 1], [2, 0, 1]], 1: [[0, 1], [3, 0], [2, 2]], -1: [[0], [3]]}
for dim, index in GATHER.items():
    case(
        f"gather {dim}",
        lambda t, x, i, d=dim: x.gather(d, i) * 2,
        uniform(3, 4),
        np.array(index),
    )

# --- products ----------------------------------------------------------------------------

for a, b in [
    ((2, 3), (3, 4)), ((3,), (3,)), ((3,), (3, 4)), ((2, 3), (3,)), ((5, 2, 3), (5, 3, 4)),
    ((5, 2, 3), (3, 4)), ((2, 3), (5, 3, 4)), ((5, 1, 2, 3), (4, 3, 2)), ((3,), (5, 3, 4)),
    ((5, 2, 3), (3,)), ((2, 0), (0, 3)), ((0, 3), (3, 2)), ((1, 1), (1, 1)),
]:  # fmt: skip
    case(f"{a} @ {b}", lambda t, x, y: x @ y, uniform(*a), uniform(*b, seed=7))
case("mm", lambda t, x, y: x.mm(y), uniform(2, 3), uniform(3, 4))
case("mv", lambda t, x, y: x.mv(y), uniform(2, 3), uniform(3))
case("dot", lambda t, x, y: x.dot(y), uniform(3), uniform(3, seed=8))
case("bmm", lambda t, x, y: x.bmm(y), uniform(2, 3, 4), uniform(2, 4, 3))
case("x @ x.T", lambda t, x: x @ x.T, uniform(3, 2))
case("lib.matmul", lambda t, x, y: t.matmul(x, y), uniform(2, 3), uniform(3, 4))

# --- running a case ----------------------------------------------------------------------


def pack(results):
    """Many small arrays as three: names, dtypes with shapes, and all numbers in a row.

    Every dtype here fits into float64, and one long array takes less than many small.
    """
    arrays = list(results.values())
    forms = [f"{a.dtype} {' '.join(map(str, a.shape))}" for a in arrays]
    data = np.concatenate([a.ravel().astype(np.float64) for a in arrays])
    return {"names": np.array(list(results)), "forms": np.array(forms), "data": data}


def unpack(packed):
    """The inverse of `pack`."""
    results, at = {}, 0
    for name, form in zip(packed["names"], packed["forms"], strict=True):
        dtype, *sizes = form.split()
        shape = tuple(map(int, sizes))
        size = int(np.prod(shape))
        part = packed["data"][at : at + size]
        results[str(name)], at = part.reshape(shape).astype(dtype), at + size
    return results


def derive(lib, fn, arrays, order):
    """The results, and their first and second derivatives, as a dict of arrays."""
    xs = [lib.tensor(a.copy(), requires_grad=a.dtype.kind == "f") for a in arrays]
    ys = fn(lib, *xs)
    ys = ys if isinstance(ys, tuple) else (ys,)
    found = {f"value{i}": y for i, y in enumerate(ys)}
    leaves = [x for x in xs if x.requires_grad]
    for level in range(1, order + 1):
        total = weighted(lib, ys, level)
        if total is not None:
            options = {"create_graph": True, "allow_unused": True}
            ys = lib.autograd.grad(total, leaves, **options)
        else:
            ys = [None] * len(leaves)
        for i, (x, g) in enumerate(zip(leaves, ys, strict=True)):
            # What nothing depends on has derivative zero, not the zero of nan * 0.
            found[f"derivative{level} {i}"] = lib.zeros_like(x) if g is None else g
        ys = [g for g in ys if g is not None]
    # PyTorch has zeros that take no memory, and wants force to show them.
    force = {"force": True} if lib.__name__ == "torch" else {}
    return {key: np.array(y.detach().numpy(**force)) for key, y in found.items()}


def weighted(lib, ys, seed):
    """One sum of all that has a derivative, each element with a weight of its own."""
    ys = [y for y in ys if y.requires_grad]
    total = None
    for i, y in enumerate(ys):
        weights = uniform(*y.shape, low=0.5, high=1.5, seed=10 * seed + i)
        part = (y * lib.tensor(weights)).sum()
        total = part if total is None else total + part
    return total
