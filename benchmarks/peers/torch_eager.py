"""PyTorch, line by line, with its own fused cross entropy."""

from functools import partial

import torch

from benchmarks.peers import define_by_run

op = partial(define_by_run.op, torch)
chain = partial(define_by_run.chain, torch)
elements = partial(define_by_run.elements, torch)
net = partial(define_by_run.net, torch)
digits = partial(
    define_by_run.digits,
    torch,
    loss_of=torch.nn.functional.cross_entropy,
    answers="labels",
)
rnn = partial(define_by_run.rnn, torch)
lengths = partial(define_by_run.lengths, torch)
cnn = partial(define_by_run.cnn, torch)
softmax = partial(define_by_run.softmax, torch)
