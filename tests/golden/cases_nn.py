"""More calls for `cases.py`, in the same form: what nn.functional computes."""

import numpy as np
from cases import CASES, case, floats, ints, positive, uniform

before = set(CASES)


def call(name, arrays, label="", order=2, **options):
    """The function `name` of nn.functional on `arrays`, which come before `options`."""

    def fn(t, *xs):
        y = getattr(t.nn.functional, name)(*xs, **options)
        return tuple(y) if isinstance(y, tuple) else y

    text = ", ".join(f"{k}={v}" for k, v in options.items())
    shapes = " ".join(str(a.shape) for a in arrays)
    case(f"F.{name} {shapes} {text}{label}", fn, *arrays, order=order)


# --- convolution -------------------------------------------------------------------------

X, W, B = uniform(2, 4, 5, 6), uniform(6, 4, 3, 2), uniform(6)
CONVOLUTIONS = [
    {},
    {"stride": 2, "padding": 1},
    {"stride": (1, 3), "padding": (0, 2), "dilation": (2, 1)},
    {"padding": "same"},
    {"padding": "same", "dilation": 2},
    {"padding": "valid"},
]
for options in CONVOLUTIONS:
    call("conv2d", (X, W, B), **options)
call("conv2d", (X, W))
call("conv2d", (X[0], W, B), padding=1)
call("conv2d", (X, W[:, :2], B), groups=2, stride=2)
call("conv2d", (X, uniform(8, 1, 3, 3)), groups=4, padding=1)
call("conv1d", (X[0], uniform(3, 5, 2), uniform(3)), stride=2, padding=1, dilation=2)
call("conv1d", (X[0, 0], uniform(3, 5, 4)), padding="same")
call("conv_transpose2d", (X, uniform(4, 3, 3, 2), uniform(3)))
call(
    "conv_transpose2d",
    (X, uniform(4, 3, 3, 2), uniform(6)),
    stride=(2, 3),
    padding=1,
    output_padding=(1, 2),
    groups=2,
    dilation=(1, 2),
)
call("unfold", (X,), kernel_size=(2, 3), dilation=2, padding=1, stride=2)
call("fold", (uniform(2, 12, 12),), output_size=(4, 5), kernel_size=2)
call(
    "fold",
    (uniform(12, 4),),
    output_size=4,
    kernel_size=(2, 3),
    padding=(0, 1),
    stride=(2, 2),
)
for pad in [(1, 2), (1, 0, 0, 2), (-1, 2, 3, -2), (1, 1, 1, 1, 1, 1, 2, 0)]:
    call("pad", (X,), pad=pad)
call("pad", (X,), pad=(2, 1), value=0.5)
for mode in ("reflect", "replicate", "circular"):
    call("pad", (X,), pad=(2, 1, 3, 0), mode=mode)
    call("pad", (X,), pad=(2, -1, -2, 1), mode=mode)
    call("pad", (X[0],), pad=(2, 2), mode=mode)

# --- pooling -----------------------------------------------------------------------------

POOLS = [
    {"kernel_size": 2},
    {"kernel_size": (3, 2), "stride": (1, 2), "padding": 1},
    {"kernel_size": 3, "stride": 2, "ceil_mode": True},
    {"kernel_size": 2, "stride": 3, "padding": 1, "ceil_mode": True},
]
TIES = np.round(uniform(2, 2, 6, 7))
for options in POOLS:
    for x in (X, TIES):
        call("max_pool2d", (x,), " of ties" * (x is TIES), **options)
    call("max_pool2d", (TIES,), return_indices=True, **options)
    call("avg_pool2d", (X,), **options)
    call("avg_pool2d", (X,), count_include_pad=False, **options)
call("max_pool2d", (X[0],), kernel_size=2, stride=1, dilation=2, padding=1)
call("max_pool1d", (X[0],), kernel_size=3, padding=1, return_indices=True)
call("max_pool1d", (X[0, 0],), kernel_size=2, ceil_mode=True)
call(
    "max_pool2d",
    (np.full((1, 1, 3, 3), -np.inf),),
    kernel_size=2,
    padding=1,
    return_indices=True,
    order=0,
)
call(
    "max_pool2d", (np.where(TIES > 1, np.nan, TIES),), " of nan", kernel_size=2, order=0
)
call("avg_pool2d", (X[0],), kernel_size=2, divisor_override=3)
call("avg_pool1d", (X[0],), kernel_size=3, stride=2, padding=1, ceil_mode=True)
call("avg_pool1d", (X[0, 0],), kernel_size=2)
for size in (1, (2, 3), (None, 4), (5, 6), 7):
    call("adaptive_avg_pool2d", (X,), output_size=size)
    call("adaptive_max_pool2d", (X,), output_size=size)
call("adaptive_avg_pool1d", (X[0],), output_size=4)

# --- weights, tables, attention ----------------------------------------------------------

call("linear", (uniform(2, 3, 4), uniform(5, 4), uniform(5)))
call("linear", (uniform(4), uniform(5, 4)))
call("linear", (uniform(3, 4), uniform(4)))
call("bilinear", (uniform(2, 3), uniform(2, 4), uniform(5, 3, 4), uniform(5)))
call("embedding", (ints(2, 0, 2, 1).reshape(2, 2), uniform(3, 4)))
call("embedding", (ints(2, 0, 2, 1), uniform(3, 4)), padding_idx=2)
call("embedding", (ints(2, 0, 2, 1), uniform(3, 4)), padding_idx=-3)
call("one_hot", (ints(2, 0, 1).reshape(3, 1),), num_classes=4)
Q, K, V = uniform(2, 3, 4), uniform(2, 5, 4), uniform(2, 5, 6, seed=3)
call("scaled_dot_product_attention", (Q, K, V))
call("scaled_dot_product_attention", (Q, K, V), scale=0.3)
call("scaled_dot_product_attention", (Q, K, V), is_causal=True)
call("scaled_dot_product_attention", (Q, K, V, uniform(3, 5)))
call("scaled_dot_product_attention", (Q, K, V, uniform(3, 5) > 0), " mask")
call("scaled_dot_product_attention", (Q, K, V, np.zeros((3, 5), bool)), " none")
call("dropout", (Q,), p=0.5, training=False)
call("dropout", (Q,), p=0.0)
call("dropout", (Q,), p=1.0)

# --- normalization -----------------------------------------------------------------------

MEAN, VAR, C = uniform(4, seed=5), positive(4), uniform(4, seed=6)


def running(training, momentum):
    def fn(t, x, mean, var, w, b):
        with t.no_grad():
            mean, var = mean * 1, var * 1
        options = {"training": training, "momentum": momentum}
        return t.nn.functional.batch_norm(x, mean, var, w, b, **options), mean, var

    return fn


for training in (True, False):
    case(
        f"F.batch_norm, training={training}",
        running(training, 0.3),
        X,
        MEAN,
        VAR,
        C,
        B[:4],
    )
case(
    "F.batch_norm (2, 4, 6) plain",
    lambda t, x: t.nn.functional.batch_norm(x, t.tensor(MEAN), t.tensor(VAR)),
    X[:, :, 0],
)  # fmt: skip
case(
    "F.batch_norm without running statistics",
    lambda t, x: t.nn.functional.batch_norm(x, None, None, training=True, eps=0.1),
    uniform(5, 3),
)
case(
    "F.layer_norm with weight and bias",
    lambda t, x, w, b: t.nn.functional.layer_norm(x, (5, 6), w, b),
    X, uniform(5, 6), uniform(5, 6, seed=1),
)  # fmt: skip
call("layer_norm", (X,), normalized_shape=(6,), eps=0.1)
call("group_norm", (X,), num_groups=2)
case(
    "F.group_norm with weight and bias",
    lambda t, x, w, b: t.nn.functional.group_norm(x, 2, w, b),
    X, C, B[:4],
)  # fmt: skip
call("instance_norm", (X,))
for options in ({}, {"p": 1, "dim": 0}, {"p": 3, "dim": -1}, {"eps": 3.0}):
    call("normalize", (uniform(3, 4),), **options)
call("cosine_similarity", (uniform(3, 4), uniform(3, 4, seed=1)))
call("cosine_similarity", (uniform(3, 1, 4), uniform(2, 4, seed=1)), dim=-2)

# --- losses ------------------------------------------------------------------------------

REDUCTIONS = ("mean", "sum", "none")
GUESS, TRUTH = floats(-2, -0.5, 0.5, 1, 3, 0.2), floats(-1, -0.5, 1, 0, 0, 0.1)
for reduction in REDUCTIONS:
    call("mse_loss", (GUESS, TRUTH), reduction=reduction)
    call("l1_loss", (GUESS, TRUTH), reduction=reduction)
    call("smooth_l1_loss", (GUESS, TRUTH), reduction=reduction)
    call("huber_loss", (GUESS, TRUTH), reduction=reduction)
for width in (0.0, 0.3, 2.0):
    call("smooth_l1_loss", (GUESS, TRUTH), beta=width)
    call("huber_loss", (GUESS, TRUTH), delta=width + 0.2)

SCORES, LABELS, COST = uniform(4, 3), ints(2, 0, 0, 1), positive(3)
GRID, PLACES = uniform(2, 3, 2, 2), ints(0, 2, 1, 1, 2, 0, 0, 1).reshape(2, 2, 2)
CHANCES = positive(4, 3) / positive(4, 3).sum(axis=1, keepdims=True)
for name in ("cross_entropy", "nll_loss"):
    for reduction in REDUCTIONS:
        for x, labels in ((SCORES, LABELS), (GRID, PLACES), (SCORES[0], LABELS[0])):
            call(name, (x, np.asarray(labels)), reduction=reduction)
        case(
            f"F.{name} weighted, {reduction}",
            lambda t, x, i, n=name, r=reduction: getattr(t.nn.functional, n)(
                x, i, t.tensor(COST), ignore_index=1, reduction=r
            ),
            SCORES, LABELS,
        )  # fmt: skip
for reduction in REDUCTIONS:
    call("cross_entropy", (SCORES, CHANCES), " chances", reduction=reduction)
    call(
        "cross_entropy",
        (GRID, GRID / 4),
        " chances",
        reduction=reduction,
        label_smoothing=0.2,
    )
    case(
        f"F.cross_entropy of weighted chances, {reduction}",
        lambda t, x, p, w, r=reduction: t.nn.functional.cross_entropy(
            x, p, w, reduction=r, label_smoothing=0.1
        ),
        SCORES, CHANCES, COST,
    )  # fmt: skip
    case(
        f"F.cross_entropy smoothed and weighted, {reduction}",
        lambda t, x, i, r=reduction: t.nn.functional.cross_entropy(
            x, i, t.tensor(COST), ignore_index=0, reduction=r, label_smoothing=0.3
        ),
        GRID, PLACES,
    )  # fmt: skip
    call("cross_entropy", (SCORES, LABELS), reduction=reduction, label_smoothing=0.4)

HALVES = uniform(3, 4, low=0.1, high=0.9)
for reduction in REDUCTIONS:
    call("binary_cross_entropy", (HALVES, HALVES[::-1].copy()), reduction=reduction)
    case(
        f"F.binary_cross_entropy weighted, {reduction}",
        lambda t, x, y, r=reduction: t.nn.functional.binary_cross_entropy(
            x, y, t.tensor(positive(4)), reduction=r
        ),
        HALVES, HALVES[::-1].copy(),
    )  # fmt: skip
    call(
        "binary_cross_entropy_with_logits", (uniform(3, 4), HALVES), reduction=reduction
    )
call("binary_cross_entropy", (floats(0, 0, 1, 1), floats(0, 1, 0, 1)), order=0)
call(
    "binary_cross_entropy_with_logits",
    (floats(-900, -30, 0, 30, 900), floats(0, 1, 0.5, 0, 1)),
)
case(
    "F.binary_cross_entropy_with_logits weighted",
    lambda t, x, y: t.nn.functional.binary_cross_entropy_with_logits(
        x, y, t.tensor(positive(3, 1)), pos_weight=t.tensor(positive(4))
    ),
    uniform(3, 4), HALVES,
)  # fmt: skip
for reduction in ("sum", "none", "batchmean"):
    call("kl_div", (SCORES, CHANCES), reduction=reduction)
    call("kl_div", (SCORES, SCORES - 1), reduction=reduction, log_target=True)

# --- activations -------------------------------------------------------------------------

FAR = floats(-900, -50, -6.5, -3, -1, -0.0, 0, 0.3, 1, 3, 5.9, 6, 50, 900)
ACTIVATIONS = {
    "relu": {}, "leaky_relu": {"negative_slope": 0.2}, "elu": {"alpha": 0.5},
    "selu": {}, "gelu": {"approximate": "tanh"}, "silu": {},
    "mish": {}, "softplus": {"beta": 2, "threshold": 5}, "relu6": {},
    "hardtanh": {"min_val": -2, "max_val": 0.5}, "sigmoid": {}, "tanh": {},
    "logsigmoid": {}, "softmax": {"dim": 0},
    "log_softmax": {"dim": -1},
}  # fmt: skip
for name, options in ACTIVATIONS.items():
    call(name, (FAR,), " far out", order=1, **options)
    call(name, (uniform(3, 4),), **options)
    call(
        name,
        (uniform(),),
        **({"dim": 0} if "soft" in name and "dim" in options else {}),
    )
call("hardswish", (uniform(3, 4),), order=0)
call("prelu", (X, C))
call("prelu", (X, floats(0.2)))

OWN = [name for name in CASES if name not in before]
