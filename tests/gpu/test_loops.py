"""Loops whose number of rounds only the data tell, in C and in CUDA."""

import numpy as np

import minigrad as mg


def test_a_loop_in_a_loop_has_stacks_that_each_round_fills_anew(compiled):
    def f(x):
        def body(h, v):
            inner = mg.while_loop(lambda a: a.sum() < 50.0, lambda a: a * a + v, h)
            return inner * 0.01, inner.sum()

        h, sums = mg.scan(body, x, mg.stack([x, x * 2, x * 40]))
        return (h * h).sum() + (sums * sums).sum()

    x = mg.placeholder((4,), mg.float64)
    outputs = [f(x), mg.gradients(f(x), x)]
    program = compiled([x], outputs)
    expected = mg.compile([x], outputs, target="interpreter")
    for start in (1.0, 0.4, 20.0):
        feed = np.full(4, start)
        for got, want in zip(program(feed), expected(feed), strict=True):
            np.testing.assert_allclose(got.cpu().numpy(), want.numpy(), rtol=1e-10)
