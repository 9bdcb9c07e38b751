"""One text for every library that speaks PyTorch's language: `lib` is all that differs.

`wrap` is applied to the step; `jit` runs these very functions.
"""

import itertools

from benchmarks.cases import Job


def leaf(lib, array):
    return lib.from_numpy(array.copy()).requires_grad_()


def shown(t):
    return t.detach().cpu().numpy()


def plain(function):
    return function


def descend(lib, weights, rate):
    with lib.no_grad():
        for w in weights:
            w -= rate * w.grad
            w.grad = None


def op(lib, p):
    a, b = leaf(lib, p.a), leaf(lib, p.b)
    return Job(lambda: a * b, lambda: [shown(a * b)])


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
    return Job(step, lambda: [shown(t) for t in step()])


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
    return Job(lambda: step(x, y), lambda: [shown(w)])


def net(lib, p, wrap=plain):
    x, y = lib.from_numpy(p.x), lib.from_numpy(p.y)
    weights = w1, w2 = [leaf(lib, w) for w in p.start]

    def train(x, y):
        loss = (x.mm(w1).clamp(min=0).mm(w2) - y).pow(2).sum()
        loss.backward()
        descend(lib, weights, p.rate)
        return loss

    step = wrap(train)
    return Job(lambda: step(x, y), lambda: [shown(w) for w in weights])


def cell(x, h, wx, wh, b):
    return (x @ wx + h @ wh + b).tanh()


def last_state(xs, h, *weights, cell=cell):
    for x in xs:
        h = cell(x, h, *weights)
    return h


def _recurrent(lib, p, **options):
    """The training step on given rows, and the weights it trains."""
    y, h0 = lib.from_numpy(p.y), lib.zeros(*p.y.shape)
    weights = [leaf(lib, w) for w in p.start]

    def train(xs):
        loss = (last_state(xs, h0, *weights, **options) - y).square().sum()
        loss.backward()
        descend(lib, weights, p.rate)
        return loss

    return train, lambda: [shown(w) for w in weights]


def rnn(lib, p, wrap=plain):
    train, result = _recurrent(lib, p)
    step, xs = wrap(train), lib.from_numpy(p.xs)
    return Job(lambda: step(xs), result)


def lengths(lib, p, **options):
    step, result = _recurrent(lib, p, **options)
    xs, drawn = lib.from_numpy(p.xs), itertools.cycle(p.lengths)
    return Job(lambda: step(xs[: next(drawn)]), result)


def convolved(F, x, k1, b1, k2, b2, w, b):
    h = F.relu(F.conv2d(x, k1, b1, padding=1))
    h = F.max_pool2d(F.relu(F.conv2d(h, k2, b2, padding=1)), 2)
    return F.linear(h.flatten(1), w, b)


def cnn(lib, p, wrap=plain):
    F = lib.nn.functional
    x, labels = lib.from_numpy(p.x), lib.from_numpy(p.labels)
    weights = [leaf(lib, w) for w in p.start]

    def train(x, labels):
        loss = F.cross_entropy(convolved(F, x, *weights), labels)
        loss.backward()
        descend(lib, weights, p.rate)
        return loss

    step = wrap(train)
    return Job(lambda: step(x, labels), lambda: [shown(w) for w in weights])


def softmax(lib, p, wrap=plain):
    labels, w = lib.from_numpy(p.labels), leaf(lib, p.start[0])

    def train(labels):
        loss = lib.nn.functional.cross_entropy(w, labels)
        loss.backward()
        descend(lib, [w], p.rate)
        return loss

    step = wrap(train)
    return Job(lambda: step(labels), lambda: [w.detach().numpy()])


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

    return Job(next_step, lambda: [shown(w) for w in weights])
