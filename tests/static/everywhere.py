"""One function in every world: eager, under jit, and as a graph with and without rewrites."""

import numpy as np

import minigrad as mg
from minigrad.static.jit import flatten


def _arrays(tree):
    return [x.detach().cpu().numpy() for x in flatten(tree)[0]]


def everywhere(fn, *arrays, tol=1e-6):
    """The results of `fn`, after a check that all ways of running it give them."""
    arrays = [np.asarray(a) for a in arrays]
    expected = _arrays(fn(*map(mg.tensor, arrays)))
    traced = _arrays(mg.jit(fn)(*map(mg.tensor, arrays)))
    nodes = [mg.placeholder(a.shape, a.dtype) for a in arrays]
    built = flatten(fn(*nodes))[0]
    plain = mg.compile(nodes, built, rewrites=())
    for results in (traced, _arrays(mg.compile(nodes, built)(*arrays)),
                    _arrays(plain(*arrays)), _arrays(plain(*arrays))):  # fmt: skip
        for x, y in zip(results, expected, strict=True):
            assert x.dtype == y.dtype
            np.testing.assert_allclose(x, y, rtol=tol, atol=tol)
    return expected if len(expected) > 1 else expected[0]


def gradients_everywhere(fn, *arrays, tol=1e-6):
    """The gradients of a scalar `fn`, after the same check."""
    arrays = [np.asarray(a) for a in arrays]

    def grads(*values):
        y = fn(*values)
        return mg.autograd.grad(y, list(values))

    leaves = [mg.tensor(a, requires_grad=True) for a in arrays]
    expected = _arrays(grads(*leaves))
    traced = _arrays(mg.jit(grads)(*leaves))
    nodes = [mg.placeholder(a.shape, a.dtype) for a in arrays]
    built = mg.gradients(fn(*nodes), nodes)
    for results in (traced, _arrays(mg.compile(nodes, built)(*arrays)),
                    _arrays(mg.compile(nodes, built, rewrites=())(*arrays))):  # fmt: skip
        for x, y in zip(results, expected, strict=True):
            np.testing.assert_allclose(x, y, rtol=tol, atol=tol)
    return expected
