"""Modules that are built alike under PyTorch and minigrad, with what they are fed.

`run` trains and uses one: outputs, gradients, buffers. Its weights and cotangents are
drawn from the case's name, so both libraries start from the same numbers.
"""

import zlib

import numpy as np

CASES = {}
rng = np.random.default_rng(7)


def case(name, build, *arrays):
    CASES[name] = (build, arrays)


def x(*shape):
    return rng.uniform(-2, 2, shape)


def classes(n, *shape):
    return rng.integers(0, n, shape)


case("Linear", lambda nn: nn.Linear(4, 3), x(5, 4))
case("Linear without bias", lambda nn: nn.Linear(4, 3, bias=False), x(2, 5, 4))
case("Linear of a vector", lambda nn: nn.Linear(4, 3), x(4))
case("Bilinear", lambda nn: nn.Bilinear(4, 3, 2), x(5, 4), x(5, 3))
case("Identity", lambda nn: nn.Identity(54, unused=1), x(5, 4))
case("Embedding", lambda nn: nn.Embedding(6, 3), classes(6, 2, 4))
case(
    "Embedding with padding",
    lambda nn: nn.Embedding(4, 3, padding_idx=-2),
    classes(4, 9),
)

case("Conv1d", lambda nn: nn.Conv1d(2, 3, 3), x(2, 2, 7))
case("Conv1d same", lambda nn: nn.Conv1d(2, 4, 4, padding="same"), x(2, 2, 7))
case("Conv2d", lambda nn: nn.Conv2d(2, 3, 3), x(2, 2, 5, 6))
case(
    "Conv2d in groups",
    lambda nn: nn.Conv2d(4, 6, (3, 2), (2, 1), (1, 0), (1, 2), groups=2, bias=False),
    x(2, 4, 6, 6),
)
case("Conv2d of one image", lambda nn: nn.Conv2d(2, 3, 3, padding="valid"), x(2, 5, 5))
case(
    "ConvTranspose2d",
    lambda nn: nn.ConvTranspose2d(4, 2, 3, 2, 1, output_padding=1, groups=2),
    x(2, 4, 3, 4),
)
case("MaxPool1d", lambda nn: nn.MaxPool1d(3, 2), x(2, 3, 8))
case("MaxPool2d", lambda nn: nn.MaxPool2d(2), x(2, 3, 5, 6))
case("MaxPool2d padded", lambda nn: nn.MaxPool2d((3, 2), 2, 1), x(2, 3, 5, 6))
case("AvgPool1d", lambda nn: nn.AvgPool1d(3, stride=2, padding=1), x(2, 3, 8))
case("AvgPool2d", lambda nn: nn.AvgPool2d(2), x(2, 3, 5, 6))
case("AdaptiveAvgPool2d", lambda nn: nn.AdaptiveAvgPool2d((2, 3)), x(2, 3, 5, 6))

case("BatchNorm1d", lambda nn: nn.BatchNorm1d(3), x(5, 3), x(4, 3))
case("BatchNorm1d of sequences", lambda nn: nn.BatchNorm1d(3), x(2, 3, 5))
case("BatchNorm1d, the mean", lambda nn: nn.BatchNorm1d(3, momentum=None), x(5, 3))
case("BatchNorm1d not affine", lambda nn: nn.BatchNorm1d(3, affine=False), x(5, 3))
case(
    "BatchNorm1d without statistics",
    lambda nn: nn.BatchNorm1d(3, track_running_stats=False),
    x(5, 3),
)
case("BatchNorm2d", lambda nn: nn.BatchNorm2d(3, 1e-3, 0.3), x(3, 3, 4, 2))
case("LayerNorm", lambda nn: nn.LayerNorm(4), x(5, 3, 4))
case("LayerNorm of two dims", lambda nn: nn.LayerNorm([3, 4], bias=False), x(5, 3, 4))
case(
    "LayerNorm fixed", lambda nn: nn.LayerNorm(4, elementwise_affine=False), x(5, 3, 4)
)
case("GroupNorm", lambda nn: nn.GroupNorm(2, 4), x(3, 4, 5))
case("GroupNorm fixed", lambda nn: nn.GroupNorm(2, 4, affine=False), x(3, 4, 2, 3))

for (
    name
) in "ReLU LeakyReLU ELU SELU GELU SiLU Softplus Mish Hardtanh Sigmoid Tanh".split():
    case(name, lambda nn, name=name: getattr(nn, name)(), x(3, 5))
case("LeakyReLU 0.3", lambda nn: nn.LeakyReLU(0.3), x(3, 5))
case("ELU 2", lambda nn: nn.ELU(alpha=2.0), x(3, 5))
case("GELU tanh", lambda nn: nn.GELU("tanh"), x(3, 5))
case("Softplus 2", lambda nn: nn.Softplus(2, threshold=1), x(3, 5))
case("Hardtanh 0 1", lambda nn: nn.Hardtanh(0, 1), x(3, 5))
case("Softmax", lambda nn: nn.Softmax(dim=1), x(3, 5))
case("LogSoftmax", lambda nn: nn.LogSoftmax(-1), x(3, 5))
case("Flatten", lambda nn: nn.Flatten(), x(3, 2, 2))
case("Flatten from 0", lambda nn: nn.Flatten(0, 1), x(3, 2, 2))
case("Unflatten", lambda nn: nn.Unflatten(1, (2, 3)), x(3, 6))

for reduction in ("mean", "sum", "none"):
    options = {"reduction": reduction}
    for name in ("MSELoss", "L1Loss", "SmoothL1Loss", "HuberLoss"):
        case(
            f"{name} {reduction}",
            lambda nn, n=name, o=options: getattr(nn, n)(**o),
            x(4, 3),
            x(4, 3),
        )
    case(
        f"NLLLoss {reduction}",
        lambda nn, o=options: nn.NLLLoss(**o),
        x(4, 3),
        classes(3, 4),
    )
    case(
        f"CrossEntropyLoss {reduction}",
        lambda nn, o=options: nn.CrossEntropyLoss(**o),
        x(4, 3, 2),
        classes(3, 4, 2),
    )
    case(
        f"BCELoss {reduction}",
        lambda nn, o=options: nn.BCELoss(**o),
        abs(x(4)) / 2,
        abs(x(4)) / 2,
    )
    case(
        f"BCEWithLogitsLoss {reduction}",
        lambda nn, o=options: nn.BCEWithLogitsLoss(**o),
        x(4),
        abs(x(4)) / 2,
    )
    case(
        f"KLDivLoss {reduction}",
        lambda nn, o=options: nn.KLDivLoss(**o),
        x(4, 3),
        abs(x(4, 3)),
    )
case("SmoothL1Loss 0.5", lambda nn: nn.SmoothL1Loss(beta=0.5), x(4, 3), x(4, 3))
case("HuberLoss 0.5", lambda nn: nn.HuberLoss(delta=0.5), x(4, 3), x(4, 3))
case("KLDivLoss of logs", lambda nn: nn.KLDivLoss(log_target=True), x(4, 3), x(4, 3))
case(
    "CrossEntropyLoss smoothed",
    lambda nn: nn.CrossEntropyLoss(ignore_index=1, label_smoothing=0.1),
    x(6, 3),
    classes(3, 6),
)
case(
    "CrossEntropyLoss of probabilities",
    lambda nn: nn.CrossEntropyLoss(),
    x(4, 3),
    abs(x(4, 3)),
)


class Residual:
    """Made under either library: a block with a shared layer and a branch."""

    def __new__(cls, nn):
        class Net(nn.Module):
            def __init__(self):
                super().__init__()
                self.inner = nn.Sequential(
                    nn.Linear(4, 4), nn.Tanh(), nn.BatchNorm1d(4)
                )
                self.again = self.inner[0]
                self.heads = nn.ModuleDict({"a": nn.Linear(4, 2), "b": nn.Linear(4, 1)})

            def forward(self, x):
                y = x + self.again(self.inner(x))
                return self.heads["a"](y) * self.heads["b"](y)

        return Net()


case("a residual net", Residual, x(6, 4))
case(
    "a convolutional net",
    lambda nn: nn.Sequential(
        nn.Conv2d(1, 3, 3, padding=1),
        nn.BatchNorm2d(3),
        nn.ReLU(),
        nn.MaxPool2d(2),
        nn.Dropout(0.0),
        nn.Flatten(),
        nn.Linear(12, 2),
        nn.LogSoftmax(dim=1),
    ),
    x(3, 1, 4, 4),
)


def drawn(key, shape):
    seed = zlib.crc32(key.encode())
    return np.random.default_rng(seed).uniform(0.2, 1.2, shape)


def prepared(lib, name):
    """The module of a case in float64, its state drawn from the case's name."""
    module = CASES[name][0](lib.nn).double()
    state = module.state_dict()
    for key, t in state.items():
        if "float" in str(t.dtype):
            state[key] = lib.tensor(drawn(f"{name} {key}", tuple(t.shape)))
    module.load_state_dict(state)
    return module


def run(lib, name, step=None):
    """Two training steps and one call after: every number that comes of it, by name."""
    module, found = prepared(lib, name), {}
    arrays = CASES[name][1]
    floats = [a.dtype.kind == "f" for a in arrays]
    several = name == "BatchNorm1d"  # two batches, not two arguments
    batches = [(a,) for a in arrays] if several else [arrays, arrays]

    def train(*inputs):
        y = module(*inputs)
        y.backward(lib.tensor(drawn(name, tuple(y.shape))))
        return (y, *(t.grad for t in inputs if t.requires_grad))

    train = train if step is None else step(train)
    for at, batch in enumerate(batches):
        inputs = [lib.tensor(a, requires_grad=f) for a, f in zip(batch, floats)]
        for i, t in enumerate(train(*inputs)):
            found[f"train {at} {i}"] = t.detach().numpy()
    for key, p in module.named_parameters():
        found[f"grad {key}"] = p.grad.numpy()
    for key, b in module.named_buffers():
        found[f"buffer {key}"] = b.numpy()
    module.eval()
    if list(module.buffers()):
        found["eval"] = module(*map(lib.tensor, batches[0])).detach().numpy()
    return found
