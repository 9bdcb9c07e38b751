"""Functions with a derivative of one's own: the same class text under PyTorch."""

import gc
import weakref

import numpy as np
import pytest

import minigrad as mg
from minigrad.autograd import Function, gradcheck, gradgradcheck
from minigrad.autograd.function import once_differentiable
from minigrad.errors import ArgumentError, GradError, GraphError, ShapeError


def leaf(*values):
    return mg.tensor(np.array(values), requires_grad=True)


def shows(tensor, *values):
    np.testing.assert_allclose(tensor.detach().numpy(), np.array(values))


class Square(Function):
    @staticmethod
    def forward(ctx, x):
        ctx.save_for_backward(x)
        return x * x

    @staticmethod
    def backward(ctx, g):
        (x,) = ctx.saved_tensors
        return 2 * x * g


class Exp(Function):
    @staticmethod
    def forward(ctx, x):
        y = x.exp()
        ctx.save_for_backward(y)
        return y

    @staticmethod
    def backward(ctx, g):
        (y,) = ctx.saved_tensors
        return g * y


class SumAndProduct(Function):
    @staticmethod
    def forward(ctx, a, b, scale):
        product = a * b * scale
        ctx.save_for_backward(a, b, product)
        ctx.scale = scale
        return a + b, product

    @staticmethod
    def backward(ctx, gs, gp):
        a, _, product = ctx.saved_tensors
        return gs + gp * product / a, gs + gp * a * ctx.scale, None


def test_a_function_of_one_s_own_has_its_derivative():
    x = leaf(1.0, 3.0)
    y = Square.apply(x)
    assert y.grad_fn.name() == "SquareBackward"
    y.sum().backward()
    shows(x.grad, 2, 6)


@pytest.mark.parametrize("function", [Square, Exp])
def test_a_differentiable_backward_has_derivatives_of_every_order(function):
    x = leaf(0.5, 1.5)
    assert gradcheck(function.apply, x)
    assert gradgradcheck(function.apply, x)
    assert gradgradcheck(lambda x: function.apply(function.apply(x)), x)


def test_several_outputs_are_one_call_of_backward():
    a, b = leaf(1.0, 2.0), leaf(3.0, 4.0)
    total, product = SumAndProduct.apply(a, b, 10)
    shows(total, 4, 6)
    shows(product, 30, 80)
    (total * product).sum().backward()
    shows(a.grad, 30 + 4 * 30, 80 + 6 * 40)
    assert gradcheck(lambda a, b: SumAndProduct.apply(a, b, 10.0), (a, b))
    assert gradgradcheck(lambda a, b: SumAndProduct.apply(a, b, 10.0), (a, b))


def test_an_output_that_is_not_used_brings_zeros():
    a, b = leaf(1.0, 2.0), leaf(3.0, 4.0)
    total, _ = SumAndProduct.apply(a, b, 10)
    total.sum().backward()
    shows(a.grad, 1, 1)


def test_outputs_of_different_dtypes_get_gradients_of_theirs():
    class Both(Function):
        @staticmethod
        def forward(ctx, x):
            return x * 1, x.float(), x.long()

        @staticmethod
        def backward(ctx, wide, narrow, none):
            assert (wide.dtype, narrow.dtype) == (mg.float64, mg.float32)
            return wide + narrow.double() * 10

    x = leaf(1.0, 2.0)
    wide, narrow, whole = Both.apply(x)
    assert not whole.requires_grad
    (wide.sum() + narrow.sum()).backward()
    shows(x.grad, 11, 11)


def test_needs_input_grad_says_which_inputs_want_one():
    seen = []

    class Mul(Function):
        @staticmethod
        def forward(ctx, a, b, number):
            ctx.save_for_backward(a, b)
            return a * b * number

        @staticmethod
        def backward(ctx, g):
            seen.append(ctx.needs_input_grad)
            a, b = ctx.saved_tensors
            return g * b, g * a, None

    a, b = leaf(2.0), mg.tensor(np.array([5.0]))
    Mul.apply(a, b, 1).sum().backward()
    assert seen == [(True, False, False)]
    shows(a.grad, 5)


def test_setup_context_takes_the_place_of_ctx_in_forward():
    class Scale(Function):
        @staticmethod
        def forward(x, factor):
            return x * factor

        @staticmethod
        def setup_context(ctx, inputs, output):
            ctx.factor = inputs[1]

        @staticmethod
        def backward(ctx, g):
            return g * ctx.factor, None

    x = leaf(1.0)
    Scale.apply(x, 4).sum().backward()
    shows(x.grad, 4)


def test_nothing_is_recorded_where_nothing_requires_a_gradient():
    assert not Square.apply(mg.ones(2)).requires_grad
    with mg.no_grad():
        assert not Square.apply(leaf(1.0)).requires_grad


def test_a_second_backward_names_retain_graph():
    x = leaf(1.0)
    y = Square.apply(x).sum()
    y.backward(retain_graph=True)
    y.backward()
    with pytest.raises(GradError, match="a second time"):
        y.backward()


def test_an_overwritten_saved_tensor_is_caught():
    x = leaf(1.0, 2.0)
    h = x * 1
    y = Square.apply(h)
    h.add_(1)
    with pytest.raises(GradError, match="changed in place"):
        y.sum().backward()
    y = Exp.apply(x)
    y.mul_(2)
    with pytest.raises(GradError, match="changed in place"):
        y.sum().backward()


class Double_(Function):
    @staticmethod
    def forward(ctx, x):
        ctx.mark_dirty(x)
        return x.mul_(2)

    @staticmethod
    def backward(ctx, g):
        return g * 2


def test_an_input_marked_dirty_is_written_in_place(torch):
    x = leaf(1.0, 2.0)
    h = x * 3
    y = Double_.apply(h)
    assert y is h
    shows(h, 6, 12)
    (h * h).sum().backward()
    shows(x.grad, 72, 144)


def test_a_view_marked_dirty_takes_its_base_along():
    x = leaf(1.0, 2.0)
    h = x * 3
    Double_.apply(h[0:1])
    (h * h).sum().backward()
    shows(h, 6, 6)
    shows(x.grad, 72, 36)


def test_a_leaf_marked_dirty_is_refused():
    with pytest.raises(GradError, match="leaf"):
        Double_.apply(leaf(1.0))


def test_a_write_that_was_not_declared_is_noticed():
    class Silent(Function):
        @staticmethod
        def forward(ctx, x):
            return x.mul_(2) + 0

        @staticmethod
        def backward(ctx, g):
            return g * 2

    with pytest.raises(GradError, match="mark_dirty"):
        Silent.apply(leaf(1.0) * 1)


class Same(Function):
    @staticmethod
    def forward(ctx, x):
        return x

    @staticmethod
    def backward(ctx, g):
        return g * 10


class FirstRow(Function):
    @staticmethod
    def forward(ctx, x):
        ctx.n = len(x)
        return x[0]

    @staticmethod
    def backward(ctx, g):
        return mg.stack([g] + [g * 0] * (ctx.n - 1))


def test_an_input_returned_as_it_is_gets_the_function_s_derivative():
    x = leaf(1.0, 2.0)
    y = Same.apply(x)
    assert y is not x
    assert x.is_leaf
    y.sum().backward()
    shows(x.grad, 10, 10)


def test_a_view_made_inside_cannot_be_written_with_grad_on():
    h = leaf(1.0, 2.0) * 1
    for part in (Same.apply(h), FirstRow.apply(h)):
        with pytest.raises(GradError, match="view"):
            part.mul_(2)
    x = mg.tensor(np.ones((2, 2)), requires_grad=True)
    FirstRow.apply(x).sum().backward()
    shows(x.grad, [1, 1], [0, 0])


def test_once_differentiable_gives_a_first_derivative_only():
    class Cube(Function):
        @staticmethod
        def forward(ctx, x):
            ctx.save_for_backward(x)
            return x**3

        @staticmethod
        @once_differentiable
        def backward(ctx, g):
            (x,) = ctx.saved_tensors
            return mg.tensor(3 * x.detach().numpy() ** 2) * g

    x = leaf(2.0)
    Cube.apply(x).sum().backward()
    shows(x.grad, 12)
    (dx,) = mg.autograd.grad(Cube.apply(x).sum(), x, create_graph=True)
    shows(dx, 12)
    with pytest.raises(GradError, match="once_differentiable"):
        dx.sum().backward()


def test_backward_must_return_a_gradient_for_each_argument():
    class Wrong(Function):
        @staticmethod
        def forward(ctx, a, b):
            return a + b

        @staticmethod
        def backward(ctx, g):
            return g

    with pytest.raises(ArgumentError, match="number of gradients"):
        Wrong.apply(leaf(1.0), leaf(2.0)).sum().backward()


def test_a_gradient_of_another_shape_is_refused_and_a_broadcast_one_summed():
    class Bad(Function):
        @staticmethod
        def forward(ctx, x):
            return x.sum()

        @staticmethod
        def backward(ctx, g):
            return mg.ones(3, dtype=g.dtype)

    with pytest.raises(ShapeError, match="Bad"):
        Bad.apply(leaf(1.0, 2.0)).backward()
    x = leaf(1.0)
    Bad.apply(x).backward()
    shows(x.grad, 3)


def test_a_gradient_handed_out_twice_is_not_shared():
    class Add(Function):
        @staticmethod
        def forward(ctx, a, b):
            return a + b

        @staticmethod
        def backward(ctx, g):
            return g, g

    a, b = leaf(1.0, 2.0), leaf(3.0, 4.0)
    Add.apply(a, b).sum().backward()
    assert not np.shares_memory(a.grad.numpy(), b.grad.numpy())
    c = Add.apply(a, a) + a
    a.grad = None
    c.sum().backward()
    shows(a.grad, 3, 3)


@pytest.mark.parametrize("function", [Square, Exp, Same])
def test_a_function_works_while_jit_traces(function):
    w = leaf(1.0, 2.0)

    def step(x):
        loss = (function.apply(w * x) * x).sum()
        return loss, *mg.autograd.grad(loss, w)

    x = mg.tensor(np.array([0.3, 0.7]))
    for ours, expected in zip(mg.jit(step)(x), step(x), strict=True):
        np.testing.assert_allclose(ours.numpy(), expected.detach().numpy())


def test_second_derivatives_and_several_outputs_under_jit():
    def step(a, b):
        total, product = SumAndProduct.apply(a, b, 3.0)
        (da,) = mg.autograd.grad((total * product).sum(), a, create_graph=True)
        return mg.autograd.grad(da.sum(), [a, b])

    a, b = leaf(1.0, 2.0), leaf(0.5, 4.0)
    for ours, expected in zip(mg.jit(step)(a, b), step(a, b), strict=True):
        np.testing.assert_allclose(ours.numpy(), expected.detach().numpy())


def test_a_function_is_not_applied_to_nodes():
    with pytest.raises(GraphError, match="node"):
        Square.apply(mg.placeholder((2,)))


def test_a_function_is_not_instantiated():
    with pytest.raises(TypeError, match="apply"):
        Square()


@pytest.mark.parametrize("function", [Square, Exp, Same])
def test_a_call_leaves_no_reference_cycle(function):
    gc.collect()
    gc.disable()
    try:
        x = leaf(1.0)
        y = function.apply(x)
        record = weakref.ref(y)
        y.sum().backward()
        del y
        assert record() is None
        assert gc.collect() == 0
    finally:
        gc.enable()


def test_the_same_class_text_gives_the_same_numbers_under_pytorch(torch):
    results = []
    for library in (mg, torch):

        class Clip(library.autograd.Function):
            @staticmethod
            def forward(ctx, x, low):
                ctx.save_for_backward(x)
                ctx.low = low
                return x.clamp(min=low)

            @staticmethod
            def backward(ctx, g):
                (x,) = ctx.saved_tensors
                return g * (x > ctx.low) * x, None

        x = library.tensor([1.0, -2.0, 3.0], requires_grad=True)
        y = Clip.apply(x * 2, 0.0)
        (dx,) = library.autograd.grad((y * y).sum(), x, create_graph=True)
        dx.sum().backward()
        results.append((y.tolist(), dx.tolist(), x.grad.tolist()))
    assert results[0] == results[1]
