"""One text for every library that speaks PyTorch's language: `lib` is all that differs.

`wrap` is applied to the step; `jit` runs these very functions.
"""

import itertools

from benchmarks.cases import Job


def leaf(lib, array):
    return lib.from_numpy(array.copy()).requires_grad_()


def plain(function):
    return function


def descend(lib, weights, rate):
    with lib.no_grad():
        for w in weights:
            w -= rate * w.grad
            w.grad = None


def op(lib, p):
    a, b = leaf(lib, p.a), leaf(lib, p.b)
    return Job(lambda: a * b, lambda: [(a * b).detach().numpy()])


def chain(lib, p, wrap=plain):
    x, c = leaf(lib, p.x), lib.from_numpy(p.c)

    def run():
        y = x
        for _ in range(p.length):
            y = y * c + x
        y.sum().backward()
        gradient, x.grad = x.grad, None
        return y, gradient

    step = wrap(run)
    return Job(step, lambda: [t.detach().numpy() for t in step()])


def twelve_ops(w, x, y):
    h = (w * x + 0.5).tanh()
    h = (h * h + h) * 0.5
    h = (-h).exp() + 1
    return (1 / h - y).square()


def elements(lib, p, wrap=plain):
    x, y = lib.from_numpy(p.x), lib.from_numpy(p.y)
    w = leaf(lib, p.start[0])

    def train(x, y):
        loss = twelve_ops(w, x, y).sum()
        loss.backward()
        descend(lib, [w], p.rate)
        return loss

    step = wrap(train)
    return Job(lambda: step(x, y), lambda: [w.detach().numpy()])


def net(lib, p, wrap=plain):
    x, y = lib.from_numpy(p.x), lib.from_numpy(p.y)
    weights = w1, w2 = [leaf(lib, w) for w in p.start]

    def train(x, y):
        loss = (x.mm(w1).clamp(min=0).mm(w2) - y).pow(2).sum()
        loss.backward()
        descend(lib, weights, p.rate)
        return loss

    step = wrap(train)
    return Job(lambda: step(x, y), lambda: [w.detach().numpy() for w in weights])


def cross_entropy(z, targets):
    """The mean, from one-hot targets; a library may bring a better one."""
    return (z.logsumexp(1) - (z * targets).sum(1)).mean()


def digits(lib, p, wrap=plain, loss_of=cross_entropy, answers="targets"):
    weights = w1, b1, w2, b2 = [leaf(lib, w) for w in p.start]
    batches = itertools.cycle(p.batches)
    images, answers = p.images, getattr(p, answers)

    def train(x, t):
        loss = loss_of((x.mm(w1) + b1).relu().mm(w2) + b2, t)
        loss.backward()
        descend(lib, weights, p.rate)
        return loss

    step = wrap(train)

    def next_step():
        batch = next(batches)
        return step(lib.from_numpy(images[batch]), lib.from_numpy(answers[batch]))

    return Job(next_step, lambda: [w.detach().numpy() for w in weights])
