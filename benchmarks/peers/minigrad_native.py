"""minigrad all at once, as one C function."""

from functools import partial

from benchmarks.peers import minigrad_static

chain = partial(minigrad_static.chain, target="native")
elements = partial(minigrad_static.elements, target="native")
net = partial(minigrad_static.net, target="native")
digits = partial(minigrad_static.digits, target="native")
