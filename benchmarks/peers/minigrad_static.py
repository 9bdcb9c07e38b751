"""minigrad all at once: the graph built by hand, run by the interpreter unless told otherwise."""

import itertools

import minigrad as mg
from benchmarks.cases import Job
from benchmarks.peers.define_by_run import cross_entropy, twelve_ops


def descent(inputs, loss, weights, rate, target):
    gradients = mg.gradients(loss, weights)
    updates = {w: w - rate * g for w, g in zip(weights, gradients)}
    return mg.compile(inputs, loss, updates=updates, target=target)


def chain(p, target="interpreter"):
    # c is fed as well: for a constant c, the compiler would work the gradient out at once.
    x, c = mg.placeholder(p.x.shape), mg.placeholder(p.c.shape)
    y = x
    for _ in range(p.length):
        y = y * c + x
    outputs = [y, *mg.gradients(y.sum(), [x])]
    program = mg.compile([x, c], outputs, target=target)
    given = mg.from_numpy(p.x), mg.from_numpy(p.c)
    return Job(lambda: program(*given), lambda: [t.numpy() for t in program(*given)])


def elements(p, target="interpreter"):
    x, y = mg.placeholder(p.x.shape), mg.placeholder(p.y.shape)
    (w,) = weights = [mg.variable(w) for w in p.start]
    step = descent([x, y], twelve_ops(w, x, y).sum(), weights, p.rate, target)
    given = mg.from_numpy(p.x), mg.from_numpy(p.y)
    return Job(lambda: step(*given), lambda: [w.get_value()])


def net(p, target="interpreter"):
    x, y = mg.placeholder(p.x.shape), mg.placeholder(p.y.shape)
    weights = w1, w2 = [mg.variable(w) for w in p.start]
    loss = (x.mm(w1).clamp(min=0).mm(w2) - y).pow(2).sum()
    step = descent([x, y], loss, weights, p.rate, target)
    given = mg.from_numpy(p.x), mg.from_numpy(p.y)
    return Job(lambda: step(*given), lambda: [w.get_value() for w in weights])


def digits(p, target="interpreter"):
    n = p.batches.shape[1]
    x, t = mg.placeholder((n, 64)), mg.placeholder((n, 10))
    weights = w1, b1, w2, b2 = [mg.variable(w) for w in p.start]
    loss = cross_entropy((x.mm(w1) + b1).relu().mm(w2) + b2, t)
    step = descent([x, t], loss, weights, p.rate, target)
    batches = itertools.cycle(p.batches)

    def next_step():
        batch = next(batches)
        return step(p.images[batch], p.targets[batch])

    return Job(next_step, lambda: [w.get_value() for w in weights])
