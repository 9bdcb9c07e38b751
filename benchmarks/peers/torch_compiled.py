"""PyTorch with torch.compile around the loss; gradients and updates as eager PyTorch does.

Of an RNN whose length changes only the cell is compiled: one unrolled loop a length would
be compiled again and again.
"""

import torch

from benchmarks.cases import Job
from benchmarks.peers import define_by_run
from benchmarks.peers.define_by_run import leaf, shown


def trained(loss_of, given, start, rate, lib=torch, **options):
    """A step with a compiled loss, over leaves for `start` and tensors for `given`."""
    torch._dynamo.reset()
    weights = [leaf(lib, w) for w in start]
    given = [lib.from_numpy(x) for x in given]
    loss_of = torch.compile(loss_of, dynamic=False, **options)

    def step(*given):
        loss = loss_of(*given, *weights)
        loss.backward()
        define_by_run.descend(torch, weights, rate)
        return loss

    return Job(lambda: step(*given), lambda: [shown(w) for w in weights])


def elements(p, **options):
    def loss_of(x, y, w):
        return define_by_run.twelve_ops(w, x, y).sum()

    return trained(loss_of, (p.x, p.y), p.start, p.rate, **options)


def net(p, **options):
    def loss_of(x, y, w1, w2):
        return (x.mm(w1).clamp(min=0).mm(w2) - y).pow(2).sum()

    return trained(loss_of, (p.x, p.y), p.start, p.rate, **options)


def scan(p, lib=torch, **options):
    h = lib.zeros(*p.y.shape)

    def loss_of(xs, y, *weights):
        return (define_by_run.last_state(xs, h, *weights) - y).square().sum()

    return trained(loss_of, (p.xs, p.y), p.start, p.rate, lib, **options)


def cnn(p, **options):
    F = torch.nn.functional

    def loss_of(x, labels, *weights):
        return F.cross_entropy(define_by_run.convolved(F, x, *weights), labels)

    return trained(loss_of, (p.x, p.labels), p.start, p.rate, **options)


def call(p):
    torch._dynamo.reset()
    add = torch.compile(lambda a, b, c, d: a + b + c + d)
    given = [torch.from_numpy(x) for x in p.sets[0]]
    return Job(lambda: add(*given), lambda: [add(*given).numpy()])


def lengths(p):
    torch._dynamo.reset()
    cell = torch.compile(define_by_run.cell)
    return define_by_run.lengths(torch, p, cell=cell)
