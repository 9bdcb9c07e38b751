"""minigrad line by line: the tape."""

from functools import partial

import minigrad as mg
from benchmarks.peers import define_by_run

op = partial(define_by_run.op, mg)
chain = partial(define_by_run.chain, mg)
elements = partial(define_by_run.elements, mg)
net = partial(define_by_run.net, mg)
digits = partial(define_by_run.digits, mg)
rnn = partial(define_by_run.rnn, mg)
lengths = partial(define_by_run.lengths, mg)
cnn = partial(define_by_run.cnn, mg)
softmax = partial(define_by_run.softmax, mg)
