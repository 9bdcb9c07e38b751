"""`mg.tape(loss)`: the real tape, as a listing and as a picture."""

import pytest

import minigrad as mg


def test_the_tape_is_listed_in_the_order_in_which_it_ran():
    w = mg.tensor([2.0], requires_grad=True)
    loss = (w * w).sum()
    tape = mg.tape(loss)
    assert [record.op.name for record in tape] == ["mul", "sum"]
    assert len(tape) == 2
    assert str(tape) == mg.show(loss).text
    assert tape.records[-1] is loss.grad_fn


def test_the_tape_shows_its_picture():
    w = mg.tensor([2.0], requires_grad=True)
    tape = mg.tape((w * w).sum())
    assert type(tape.show()) is type(mg.show(w))
    assert tape._repr_html_() == tape.show()._repr_html_()


def test_a_leaf_has_an_empty_tape():
    assert len(mg.tape(mg.ones(2, requires_grad=True))) == 0


def test_a_function_of_one_s_own_is_drawn_by_its_name():
    class Square(mg.autograd.Function):
        @staticmethod
        def forward(ctx, x):
            ctx.save_for_backward(x)
            return x * x

        @staticmethod
        def backward(ctx, g):
            return 2 * ctx.saved_tensors[0] * g

    w = mg.ones(2, requires_grad=True)
    text = str(mg.tape(Square.apply(w).sum()))
    assert "Square" in text
    assert "what forward kept" in text


def test_only_a_tensor_has_a_tape():
    with pytest.raises(TypeError, match="Tensor"):
        mg.tape(3)
