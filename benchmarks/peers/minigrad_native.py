"""minigrad all at once, as one C function."""

from functools import partial

from benchmarks.peers import minigrad_static

chain = partial(minigrad_static.chain, target="native")
elements = partial(minigrad_static.elements, target="native")
net = partial(minigrad_static.net, target="native")
scan = partial(minigrad_static.scan, target="native")
lengths = partial(minigrad_static.lengths, target="native")
cnn = partial(minigrad_static.cnn, target="native")
call = partial(minigrad_static.call, target="native")
call_fresh = partial(minigrad_static.call_fresh, target="native")
digits = partial(minigrad_static.digits, target="native")
softmax = partial(minigrad_static.softmax, target="native")
