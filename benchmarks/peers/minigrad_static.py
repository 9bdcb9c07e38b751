"""minigrad all at once: the graph built by hand, run by the interpreter unless told otherwise.

`lib` makes what is fed and what is trained, on whatever device.
"""

import itertools

import minigrad as mg
from benchmarks.cases import Job
from benchmarks.peers.define_by_run import cell, convolved, cross_entropy, twelve_ops


def descent(inputs, loss, weights, rate, target):
    gradients = mg.gradients(loss, weights)
    updates = {w: w - rate * g for w, g in zip(weights, gradients)}
    return compiled(inputs, loss, target, updates=updates)


def compiled(inputs, outputs, target, **options):
    program = mg.compile(inputs, outputs, target=target, **options)
    if program.target != target:
        raise NotImplementedError(f"{target} leaves this to the {program.target}")
    return program


def chain(p, target="interpreter"):
    # c is fed as well: for a constant c, the compiler would work the gradient out at once.
    x, c = mg.placeholder(p.x.shape), mg.placeholder(p.c.shape)
    y = x
    for _ in range(p.length):
        y = y * c + x
    outputs = [y, *mg.gradients(y.sum(), [x])]
    program = compiled([x, c], outputs, target)
    given = mg.from_numpy(p.x), mg.from_numpy(p.c)
    return Job(lambda: program(*given), lambda: [t.numpy() for t in program(*given)])


def elements(p, target="interpreter", lib=mg):
    x, y = mg.placeholder(p.x.shape), mg.placeholder(p.y.shape)
    (w,) = weights = [lib.variable(w) for w in p.start]
    step = descent([x, y], twelve_ops(w, x, y).sum(), weights, p.rate, target)
    given = lib.from_numpy(p.x), lib.from_numpy(p.y)
    return Job(lambda: step(*given), lambda: [w.get_value()])


def net(p, target="interpreter", lib=mg):
    x, y = mg.placeholder(p.x.shape), mg.placeholder(p.y.shape)
    weights = w1, w2 = [lib.variable(w) for w in p.start]
    loss = (x.mm(w1).clamp(min=0).mm(w2) - y).pow(2).sum()
    step = descent([x, y], loss, weights, p.rate, target)
    given = lib.from_numpy(p.x), lib.from_numpy(p.y)
    return Job(lambda: step(*given), lambda: [w.get_value() for w in weights])


def scan(p, target="interpreter", lib=mg):
    xs, y = mg.placeholder(p.xs.shape), mg.placeholder(p.y.shape)
    weights = [lib.variable(w) for w in p.start]
    h0 = lib.zeros(*p.y.shape)
    h, _ = mg.scan(lambda h, x: (cell(x, h, *weights), None), h0, xs)
    step = descent([xs, y], (h - y).square().sum(), weights, p.rate, target)
    given = lib.from_numpy(p.xs), lib.from_numpy(p.y)
    return Job(lambda: step(*given), lambda: [w.get_value() for w in weights])


def lengths(p, target="interpreter"):
    """A loop that runs as often as a number that is fed says: one program for all."""
    xs, y, n = (
        mg.placeholder(p.xs.shape),
        mg.placeholder(p.y.shape),
        mg.placeholder((), "int64"),
    )
    weights = [mg.variable(w) for w in p.start]

    def body(t, h):
        return t + 1, cell(xs[t], h, *weights)

    start = 0, mg.zeros(*p.y.shape)
    _, h = mg.while_loop(lambda t, h: t < n, body, start, max_iterations=len(p.xs))
    step = descent([xs, y, n], (h - y).square().sum(), weights, p.rate, target)
    given, drawn = (mg.from_numpy(p.xs), mg.from_numpy(p.y)), itertools.cycle(p.lengths)
    return Job(
        lambda: step(*given, next(drawn)), lambda: [w.get_value() for w in weights]
    )


def cnn(p, target="interpreter", lib=mg):
    x, t = mg.placeholder(p.x.shape), mg.placeholder(p.targets.shape)
    weights = [lib.variable(w) for w in p.start]
    loss = cross_entropy(convolved(mg.nn.functional, x, *weights), t)
    step = descent([x, t], loss, weights, p.rate, target)
    given = lib.from_numpy(p.x), lib.from_numpy(p.targets)
    return Job(lambda: step(*given), lambda: [w.get_value() for w in weights])


def call(p, target="interpreter"):
    a, b, c, d = inputs = [mg.placeholder((4,)) for _ in range(4)]
    add = compiled(inputs, a + b + c + d, target)
    given = [mg.from_numpy(x) for x in p.sets[0]]
    return Job(lambda: add(*given), lambda: [add(*given).numpy()])


def call_fresh(p, target="interpreter"):
    a, b, c, d = inputs = [mg.placeholder((4,)) for _ in range(4)]
    add, sets = compiled(inputs, a + b + c + d, target), itertools.cycle(p.sets)
    return Job(lambda: add(*next(sets)), lambda: [add(*p.sets[0]).numpy()])


def softmax(p, target="interpreter"):
    labels = mg.placeholder(p.labels.shape, "int64")
    (w,) = weights = [mg.variable(w) for w in p.start]
    loss = mg.nn.functional.cross_entropy(w, labels)
    step = descent([labels], loss, weights, p.rate, target)
    given = mg.from_numpy(p.labels)
    return Job(lambda: step(given), lambda: [w.get_value()])


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
