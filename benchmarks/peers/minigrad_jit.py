"""minigrad's eager steps, traced once and run as a program by the interpreter."""

from functools import partial

import minigrad as mg
from benchmarks.peers import define_by_run

wrap = partial(mg.jit, target="interpreter")
chain = partial(define_by_run.chain, mg, wrap=wrap)
elements = partial(define_by_run.elements, mg, wrap=wrap)
net = partial(define_by_run.net, mg, wrap=wrap)
digits = partial(define_by_run.digits, mg, wrap=wrap)
cnn = partial(define_by_run.cnn, mg, wrap=wrap)
softmax = partial(define_by_run.softmax, mg, wrap=wrap)
