"""tinygrad on the CPU: a TinyJit a step, whose weights it assigns."""

from tinygrad import Tensor, TinyJit

from benchmarks.cases import Job
from benchmarks.peers.define_by_run import last_state, twelve_ops


def trained(loss_of, given, start, rate):
    """A step down `loss_of(weights, *given())`."""
    weights = [Tensor(w.copy()).realize() for w in start]

    @TinyJit
    def train(*given):
        loss = loss_of(weights, *given)
        for w, g in zip(weights, loss.gradient(*weights)):
            w.assign(w - rate * g)
        return loss.realize(*weights)

    return Job(lambda: train(*given()).item(), lambda: [w.numpy() for w in weights])


def always(*arrays):
    tensors = [Tensor(x).realize() for x in arrays]
    return lambda: tensors


def elements(p):
    def loss_of(weights, x, y):
        return twelve_ops(weights[0], x, y).sum()

    return trained(loss_of, always(p.x, p.y), p.start, p.rate)


def net(p):
    def loss_of(weights, x, y):
        w1, w2 = weights
        return ((x @ w1).relu() @ w2 - y).square().sum()

    return trained(loss_of, always(p.x, p.y), p.start, p.rate)


def scan(p):
    """A loop is unrolled: tinygrad has none."""

    def loss_of(weights, xs, y):
        rows = [xs[t] for t in range(xs.shape[0])]
        return (last_state(rows, Tensor.zeros(*y.shape), *weights) - y).square().sum()

    return trained(loss_of, always(p.xs, p.y), p.start, p.rate)


def cnn(p):
    def loss_of(weights, x, labels):
        k1, b1, k2, b2, w, b = weights
        h = x.conv2d(k1, b1, padding=1).relu()
        h = h.conv2d(k2, b2, padding=1).relu().max_pool2d(2)
        z = h.flatten(1) @ w.T + b
        return z.sparse_categorical_crossentropy(labels)

    return trained(loss_of, always(p.x, p.labels), p.start, p.rate)


def call(p):
    add = TinyJit(lambda a, b, c, d: (a + b + c + d).realize())
    given = [Tensor(x).realize() for x in p.sets[0]]
    return Job(lambda: add(*given), lambda: [add(*given).numpy()])
