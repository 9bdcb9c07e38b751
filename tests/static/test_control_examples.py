"""Loops of the documentation of Theano, TensorFlow, JAX and PyTorch, with their results.

Each is written with our functions and run in every world; the page is named beside it.
"""

import numpy as np
import pytest

import minigrad as mg

from .everywhere import everywhere, gradients_everywhere

FLOATS = np.float32


def check(got, expected, tol=1e-5):
    np.testing.assert_allclose(got, expected, rtol=tol, atol=tol)


@pytest.mark.parametrize("k", [2, 4])
def test_power_by_repeated_products(k):
    # Theano, library/scan: "Simple loop with accumulation: computing A^k".
    def power(a):
        ones = a * 0.0 + 1.0
        return mg.scan(lambda prior, _: (prior * a, None), ones, None, length=k)[0]

    a = np.arange(10, dtype=FLOATS)
    check(everywhere(power, a), a**k)


def test_polynomial_from_its_coefficients():
    # Theano, library/scan: "Iterating over the first dimension of a tensor"; 19.0.
    def polynomial(coefficients, x):
        terms = mg.scan(
            lambda power, c: (power * x, c * power), x * 0.0 + 1.0, coefficients
        )[1]
        return terms.sum()

    assert everywhere(polynomial, FLOATS([1, 0, 2]), FLOATS(3)) == 19.0
    _, slope = gradients_everywhere(polynomial, FLOATS([1, 0, 2]), FLOATS(3))
    assert slope == 12.0  # d/dx (1 + 2 x^2)


def test_sums_up_to_fifteen():
    # Theano, library/scan: "Simple accumulation into a scalar, ditching lambda".
    def sums(numbers):
        return mg.scan(lambda total, x: (total + x,) * 2, 0, numbers)[1]

    expected = [0, 1, 3, 6, 10, 15, 21, 28, 36, 45, 55, 66, 78, 91, 105]
    check(everywhere(sums, np.arange(15)), expected)


def test_tanh_of_each_row():
    # Theano, tutorial/loop: "Computing tanh(x(t).dot(W) + b) elementwise".
    def rows(x, w, b):
        return mg.scan(lambda _, v: (None, (v @ w + b).tanh()), None, x)[1]

    x, w, b = np.eye(2, dtype=FLOATS), np.ones((2, 2), FLOATS), FLOATS([1, 2])
    check(everywhere(rows, x, w, b), [[0.96402758, 0.99505475]] * 2)


def test_recurrence_that_reads_its_input_backwards():
    # Theano, tutorial/loop: x(t) = tanh(x(t - 1).dot(W) + y(t).dot(U) + p(T - t).dot(V)).
    def recurrence(x, w, y, u, p, v):
        body = lambda h, row: ((h @ w + row[0] @ u + row[1] @ v).tanh(),) * 2
        return mg.scan(body, x, (y, p.flip(0)))[1]

    x = np.zeros(2, FLOATS)
    x[1] = 1
    w = np.ones((2, 2), FLOATS)
    y = np.ones((5, 2), FLOATS)
    y[0, :] = -3
    p = np.ones((5, 2), FLOATS)
    p[0, :] = 3
    got = everywhere(recurrence, x, w, y, w, p, w)
    h, by_hand = x, []
    for t in range(5):
        h = np.tanh(h @ w + y[t] @ w + p[4 - t] @ w)
        by_hand.append(h)
    check(got, by_hand)
    check(got[0], [-0.99505475, -0.99505475])  # the page's first row


def test_map_of_squares_and_of_powers():
    # riptutorial, theano: "loops with theano": [1, 4, 9, 16, 25] and [1, 2, 9, 64, 625].
    def squares(x):
        return mg.scan(lambda _, v: (None, v * v), None, x)[1]

    def powers(x, y):
        return mg.scan(lambda _, v: (None, v[0] ** v[1]), None, (x, y))[1]

    check(everywhere(squares, np.arange(1, 6)), [1, 4, 9, 16, 25])
    check(everywhere(powers, np.arange(1, 6), np.arange(5)), [1, 2, 9, 64, 625])


def test_counting_to_ten():
    # TensorFlow, tf.while_loop: "Example": i < 10, i + 1. JAX, jax.lax.while_loop alike.
    def count(i):
        return mg.while_loop(lambda i: i < 10, lambda i: [i + 1], [i])[0]

    assert everywhere(count, np.int64(0)) == 10
    assert everywhere(count, np.int64(12)) == 12


def test_sum_of_squares():
    # TensorFlow, tf.while_loop: sumSquare2(10) is 285.
    def sum_squares(n):
        condition = lambda i, _: i < n
        return mg.while_loop(condition, lambda i, r: (i + 1, r + i * i), [0, 0])[1]

    assert everywhere(sum_squares, np.int64(10)) == 285


def test_nested_loop_variables():
    # TensorFlow, tf.while_loop: "Example with nesting and a namedtuple", its (i, (j, k)).
    def nested(i, j, k):
        return mg.while_loop(
            lambda i, jk: i < 10, lambda i, jk: (i + 1, (jk[0] + jk[1], jk[0] - jk[1])),
            (i, (j, k)),
        )  # fmt: skip

    i, j, k = everywhere(nested, np.int64(0), np.int64(1), np.int64(2))
    assert (i, j, k) == (10, 32, 64)


def test_running_sums_from_both_ends():
    # TensorFlow, tf.scan: [1, 3, 6, 10, 15, 21] and [21, 20, 18, 15, 11, 6].
    def sums(x, reverse):
        return mg.scan(lambda s, v: (s + v,) * 2, 0, x, reverse=reverse)[1]

    numbers = np.arange(1, 7)
    check(everywhere(lambda x: sums(x, False), numbers), [1, 3, 6, 10, 15, 21])
    check(everywhere(lambda x: sums(x, True), numbers), [21, 20, 18, 15, 11, 6])


def test_fibonacci_with_a_pair_as_carry():
    # TensorFlow, tf.scan: "fibonaccis": [1, 1, 2, 3, 5, 8, 13, 21, 34, 55, 89, 144].
    def fibonacci(a, b):
        step = lambda c, _: ((c[1], c[0] + c[1]), c[1])
        return mg.scan(step, (a, b), None, length=12)[1]

    expected = [1, 1, 2, 3, 5, 8, 13, 21, 34, 55, 89, 144]
    check(everywhere(fibonacci, np.int64(0), np.int64(1)), expected)


def test_sum_by_folding():
    # TensorFlow, tf.foldl: elems = [1, 2, 3, 4, 5, 6], sum == 21.
    def folded(x):
        return mg.foldl(lambda a, v: a + v, x, 0)

    assert everywhere(folded, np.arange(1, 7)) == 21


@pytest.mark.parametrize(("x", "y", "expected"), [(2, 5, 34), (5, 2, 25)])
def test_one_of_two_products(x, y, expected):
    # TensorFlow, tf.cond: x * 17 if x < y else y + 23; the page's 34 for 2 and 5.
    def choice(x, y):
        return mg.cond(x < y, lambda: x * 17, lambda: y + 23)

    assert everywhere(choice, np.int64(x), np.int64(y)) == expected


@pytest.mark.parametrize(("start", "expected"), [(1.0, 2.0), (-1.0, -2.0)])
def test_one_more_or_one_less(start, expected):
    # JAX, "Control flow and logical operators": lax.cond(pred, x + 1, x - 1, operand).
    def choice(x):
        return mg.cond((x > 0).all(), lambda x: x + 1, lambda x: x - 1, x)

    assert everywhere(choice, FLOATS([start])) == [expected]
    gradient = gradients_everywhere(lambda x: choice(x).sum(), FLOATS([start]))
    assert gradient == [1.0]


def test_counting_loop_as_fori():
    # JAX, "Control flow and logical operators": fori_loop(0, 10, lambda i, x: x + i, 0).
    def fori(x):
        return mg.while_loop(lambda i, x: i < 10, lambda i, x: (i + 1, x + i), (0, x))[
            1
        ]

    assert everywhere(fori, np.int64(0)) == 45


def test_cumulative_sum_of_rows():
    # PyTorch, higher_order_ops/scan: tensor([10.]) and [[0.], [1.], [3.], [6.], [10.]].
    def cumulative(x):
        return mg.scan(lambda c, v: (c + v, c + v), mg.zeros(1), x)

    last, sums = everywhere(cumulative, np.arange(5, dtype=FLOATS))
    check(last, [10])
    check(sums, [[0], [1], [3], [6], [10]])


def test_logistic_map():
    # Strogatz, "Nonlinear Dynamics and Chaos", 10.2: r = 2.8 settles at 1 - 1 / r; the
    # derivative there goes to d(1 - 1 / r) / dr = 1 / r^2.
    def settle(r):
        step = lambda x, _: (r * x * (1 - x), None)
        return mg.scan(step, r * 0.0 + 0.2, None, length=200)[0]

    check(everywhere(settle, np.float64(2.8)), 1 - 1 / 2.8)
    check(gradients_everywhere(settle, np.float64(2.8))[0], 1 / 2.8**2)


@pytest.mark.parametrize(("start", "steps"), [(1, 0), (6, 8), (27, 111), (97, 118)])
def test_collatz_steps(start, steps):
    # OEIS A006577: steps to reach 1 in the 3x + 1 problem.
    def collatz(n):
        def step(n, count):
            half = lambda n: n // 2
            return mg.cond(n % 2 == 0, half, lambda n: 3 * n + 1, n), count + 1

        return mg.while_loop(lambda n, _: n != 1, step, (n, 0))[1]

    assert everywhere(collatz, np.int64(start)) == steps


def test_square_root_by_newton():
    # JAX issues and textbooks: iterate until the residual is small; the gradient of the
    # result is that of the square root.
    def root(a):
        away = lambda x: ((x * x - a) ** 2).sum() > 1e-20
        return mg.while_loop(away, lambda x: (x + a / x) * 0.5, a * 0.5 + 0.5)

    check(everywhere(root, np.float64(2)), np.sqrt(2))
    check(gradients_everywhere(root, np.float64(2))[0], 0.5 / np.sqrt(2))


def test_greatest_common_divisor():
    # Euclid, Elements VII.2.
    def gcd(a, b):
        return mg.while_loop(lambda a, b: b != 0, lambda a, b: (b, a % b), (a, b))[0]

    assert everywhere(gcd, np.int64(1071), np.int64(462)) == 21
