"""The rest of PyTorch's autograd module: modes, anomalies, Jacobians, older spellings."""

import copy
import importlib
import pickle

import numpy as np
import pytest

import minigrad as mg
from minigrad.autograd import Variable, functional, gradcheck
from minigrad.errors import (
    ArgumentError,
    DTypeError,
    GradError,
    IndexingError,
    ShapeError,
)
from minigrad.static.jit import flatten


def leaf(*values):
    return mg.tensor(np.array(values), requires_grad=True)


def shows(tensor, *values):
    np.testing.assert_allclose(tensor.detach().numpy(), np.array(values))


def test_the_modules_are_importable_under_pytorch_s_names():
    for name in ("functional", "function", "grad_mode", "anomaly_mode"):
        importlib.import_module(f"minigrad.autograd.{name}")


# --- modes -------------------------------------------------------------------------------


def test_set_grad_enabled_is_a_call_a_block_and_a_decorator(torch):
    for library in (mg, torch):
        seen = []
        on = library.is_grad_enabled
        library.set_grad_enabled(False)
        seen.append(on())
        library.set_grad_enabled(True)
        with library.set_grad_enabled(False):
            seen.append(on())
        seen.append(on())

        @library.set_grad_enabled(False)
        def inside(on=on):
            return on()

        seen += [on(), inside(), on()]
        assert seen == [False, False, True, True, False, True]


def test_no_grad_decorates_without_brackets():
    @mg.no_grad
    def double(x):
        return x * 2

    assert not double(leaf(1.0)).requires_grad
    assert mg.is_grad_enabled()


def test_one_mode_object_may_be_entered_inside_itself():
    off = mg.no_grad()
    with off:
        with off:
            pass
        assert not mg.is_grad_enabled()
    assert mg.is_grad_enabled()


def test_inference_mode_records_nothing(torch):
    for library in (mg, torch):
        x = library.tensor([1.0], requires_grad=True)
        with library.inference_mode():
            assert not (x * 2).requires_grad
        with library.inference_mode(False):
            assert (x * 2).requires_grad

        @library.inference_mode()
        def double(x):
            return x * 2

        assert not double(x).requires_grad


def test_inference_mode_is_not_left_by_enable_grad_but_by_inference_mode_false(torch):
    for library in (mg, torch):
        with library.inference_mode():
            x = library.ones(2, requires_grad=True)
            with library.enable_grad():
                assert not (x * 2).requires_grad
            with library.inference_mode(False):
                assert not library.is_inference_mode_enabled()
                assert library.is_grad_enabled()
                assert not library.ones(2).is_inference()
            assert library.is_inference_mode_enabled()


LATER = {
    "saved": lambda y, w: y * w,
    "saved as a view": lambda y, w: w * y[0],
    "saved by a product": lambda y, w: w.reshape(1, 2).mm(y.reshape(2, 1)),
    "saved by a function of one's own": lambda y, w: (w + 0).pow(y),
    "added": lambda y, w: y + w,
    "read": lambda y, w: (y * 2 + y[0]).is_inference(),
    "seen": lambda y, w: y[0].is_inference() and y.detach().is_inference(),
    "cloned": lambda y, w: y.clone() * w,
    "copied": lambda y, w: w.data.copy_(y),
    "a factor off the tape": lambda y, w: y * w.detach(),
    "written": lambda y, w: y.add_(1),
    "written through a view": lambda y, w: y[0].mul_(2),
    "written at an index": lambda y, w: y.__setitem__(0, 1.0),
    "filled": lambda y, w: y.zero_(),
    "required": lambda y, w: y.requires_grad_(),
}


@pytest.mark.parametrize("off", [False, True], ids=["grad", "no_grad"])
@pytest.mark.parametrize("use", LATER)
def test_an_inference_tensor_is_later_read_but_not_saved_or_written(torch, use, off):
    outcomes = []
    for library in (torch, mg):
        w = library.ones(2, requires_grad=True)
        with library.inference_mode():
            y = library.ones(2) + 2
            y.mul_(2)
            y[1].add_(1)
        try:
            with library.set_grad_enabled(not off):
                outcomes.append(getattr(LATER[use](y, w), "requires_grad", use))
        except RuntimeError:
            outcomes.append("raises")
            assert library is torch or y.tolist() == [6, 7]  # nothing half written
    assert outcomes[0] == outcomes[1]


def test_random_numbers_drawn_under_inference_mode_leave_the_stream_usable():
    with mg.inference_mode():
        stream = mg.Generator()
        assert mg.rand(2, generator=stream).is_inference()
    assert not mg.rand(2, generator=stream).is_inference()


def test_under_inference_mode_a_module_may_update_its_statistics():
    layer = mg.nn.BatchNorm1d(2)
    with mg.inference_mode():
        layer(mg.randn(4, 2))
    layer(mg.randn(4, 2)).sum().backward()
    assert layer.num_batches_tracked == 2


# --- anomalies ---------------------------------------------------------------------------


def test_an_anomaly_names_the_operation_its_line_and_the_first_nan():
    x = leaf(1.0, 0.0, 4.0)
    with mg.autograd.detect_anomaly():
        y = (x * 0).sqrt()
        loss = (y * 0).sum()
        with pytest.raises(GradError) as caught:
            loss.backward()
    text = str(caught.value)
    assert text.startswith("detect_anomaly: SqrtBackward0 gave nan")
    assert "nan at (0,)" in text
    assert "y = (x * 0).sqrt()" in text
    assert x.grad is None


def test_without_an_anomaly_nothing_changes():
    x = leaf(1.0, 2.0)
    with mg.autograd.detect_anomaly():
        (x * x).sum().backward()
    shows(x.grad, 2, 4)


def test_anomalies_are_found_in_second_derivatives_and_can_be_let_pass():
    x = leaf(0.0)
    with mg.autograd.detect_anomaly(check_nan=False), np.errstate(all="ignore"):
        (x.sqrt() * 0).sum().backward()
    assert np.isnan(x.grad.numpy()).all()
    with mg.autograd.set_detect_anomaly(True), pytest.raises(GradError, match="nan"):
        mg.autograd.grad((x.sqrt() * 0).sum(), x, create_graph=True)
    with np.errstate(all="ignore"):
        (x.sqrt() * 0).sum().backward()  # the block is over


# --- Jacobians ---------------------------------------------------------------------------


def both(torch, call, *arrays):
    """The call under both libraries, as nested lists."""
    results = []
    for library in (mg, torch):
        inputs = tuple(library.tensor(a) for a in arrays)
        inputs = inputs if len(inputs) > 1 else inputs[0]
        results.append(lists(call(library, library.autograd.functional, inputs)))
    return results


def lists(value):
    if isinstance(value, tuple):
        return tuple(lists(v) for v in value)
    return np.round(np.array(value.tolist()), 5).tolist(), tuple(value.shape)


A, B = [1.0, 2.0, 3.0], [0.5, -1.0, 2.0]
CALLS = {
    "jacobian": lambda m, f, x: f.jacobian(lambda x: x * x.sum(), x),
    "jacobian of a matrix": lambda m, f, x: f.jacobian(lambda x: x[:, None] * x, x),
    "jacobian of one number": lambda m, f, x: f.jacobian(lambda x: x.sum(), x),
    "jacobian of a tuple": lambda m, f, x: f.jacobian(lambda x: (x * 2, x.sum()), x),
    "jacobian of a constant": lambda m, f, x: f.jacobian(lambda x: m.ones(2), x),
    "hessian": lambda m, f, x: f.hessian(lambda x: (x**3).sum() * x.sum(), x),
    "vjp": lambda m, f, x: f.vjp(lambda x: x * x.sum(), x, m.tensor(B)),
    "vjp of a number": lambda m, f, x: f.vjp(lambda x: (x * x).sum(), x),
    "jvp": lambda m, f, x: f.jvp(lambda x: x * x.sum(), x, m.tensor(B)),
    "hvp": lambda m, f, x: f.hvp(lambda x: (x**3).sum(), x, m.tensor(B)),
    "vhp": lambda m, f, x: f.vhp(lambda x: (x**3).sum() * x.sum(), x, m.tensor(B)),
}


@pytest.mark.parametrize("call", CALLS.values(), ids=list(CALLS))
def test_functional_agrees_with_pytorch(torch, call):
    ours, theirs = both(torch, call, A)
    assert ours == theirs


PAIRS = {
    "jacobian": lambda m, f, x: f.jacobian(lambda a, b: a * b.sum(), x),
    "jacobian of two": lambda m, f, x: f.jacobian(lambda a, b: (a * b, b * 2), x),
    "hessian": lambda m, f, x: f.hessian(lambda a, b: (a * a * b).sum(), x),
    "vjp": lambda m, f, x: f.vjp(lambda a, b: a * b, x, m.tensor(B)),
    "jvp": lambda m, f, x: f.jvp(lambda a, b: a * b, x, (m.tensor(B), m.tensor(A))),
}


@pytest.mark.parametrize("call", PAIRS.values(), ids=list(PAIRS))
def test_functional_of_two_inputs_agrees_with_pytorch(torch, call):
    ours, theirs = both(torch, call, A, B)
    assert ours == theirs


def test_a_jacobian_can_be_differentiated():
    x = leaf(1.0, 2.0)
    functional.jacobian(lambda x: x**3, x, create_graph=True).sum().backward()
    shows(x.grad, 6, 12)
    assert not functional.jacobian(lambda x: x**3, x).requires_grad


def test_strict_refuses_what_does_not_depend_on_the_input():
    with pytest.raises(GradError, match="strict"):
        functional.jacobian(lambda x: mg.ones(2), leaf(1.0), strict=True)
    with pytest.raises(ShapeError, match="one number"):
        functional.hessian(lambda x: x, leaf(1.0, 2.0))
    with pytest.raises(ShapeError, match="another shape"):
        functional.vjp(lambda x: x, leaf(1.0, 2.0), mg.ones(3))


def test_gradcheck_checks_the_tensors_that_require_a_gradient():
    x, y = leaf(1.0, 2.0), mg.tensor(np.array([3.0, 4.0]))
    assert gradcheck(lambda x, y: x * y.detach(), (x, y))
    assert not gradcheck(lambda x: x.detach() * x, x, raise_exception=False)
    with pytest.raises(RuntimeError, match="gradcheck"):
        gradcheck(lambda x: x.detach() * x, x)
    with pytest.raises(ValueError, match="requires_grad=True"):
        gradcheck(lambda y: y, y)


# --- the article's older spelling --------------------------------------------------------


def test_a_variable_is_a_tensor(torch):
    for library, variable in ((mg, Variable), (torch, torch.autograd.Variable)):
        data = library.ones(2)
        w = variable(data, requires_grad=True)
        assert type(w) is library.Tensor
        assert isinstance(w, variable)
        assert w.requires_grad
        assert w.is_leaf
        w.data[0] = 5
        assert data.tolist() == [5, 1]
        assert not variable(data).requires_grad


def test_indexing_a_0d_tensor_names_item():
    loss = (leaf(1.0, 2.0) ** 2).sum()
    with pytest.raises(IndexingError, match=r"loss.item|\.item\(\)") as caught:
        loss.data[0]
    assert ".data[0]" in str(caught.value)


def test_zeroing_before_the_first_backward_names_today_s_form():
    w = leaf(1.0)
    for zero in (lambda: w.grad.data.zero_(), lambda: w.grad.zero_()):
        with pytest.raises(GradError, match=r"w\.grad is None") as caught:
            zero()
        assert "if w.grad is not None: w.grad.zero_()" in str(caught.value)
        assert isinstance(caught.value, AttributeError)


def test_asking_whether_there_is_a_gradient_is_no_mistake():
    w = leaf(1.0)
    assert w.grad is None
    if w.grad is not None:
        w.grad.zero_()
    assert not hasattr(w.grad, "data")
    assert getattr(w, "grad").__class__ is type(None)  # noqa: B009
    (w * 2).sum().backward()
    w.grad.data.zero_()
    shows(w.grad, 0)


# --- data, devices, dtypes ---------------------------------------------------------------


def test_data_is_an_alias_and_can_be_set(torch):
    for library in (mg, torch):
        w = library.tensor([1.0, 2.0], requires_grad=True)
        w.data = w.data - 0.5
        assert w.tolist() == [0.5, 1.5]
        assert w.is_leaf
        assert w.requires_grad
        other = library.zeros(3)
        w.data = other
        other += 1
        assert w.tolist() == [1, 1, 1]


def test_setting_data_leaves_what_was_saved_alone():
    w = leaf(1.0, 2.0)
    y = (w * w).sum()
    w.data = w.data - 0.5
    y.backward()  # PyTorch takes the new values here and says nothing
    shows(w.grad, 2, 4)


def test_data_keeps_a_result_on_the_tape():
    x = leaf(1.0, 2.0)
    y = x * 3
    y.data = mg.tensor(np.array([10.0, 20.0]))
    (y * y).sum().backward()
    shows(x.grad, 60, 120)


def test_data_of_integers_is_refused_for_a_leaf():
    with pytest.raises(DTypeError, match="float"):
        leaf(1.0).data = mg.tensor([1])


@pytest.mark.filterwarnings("ignore::minigrad.errors.RetraceNotice")
def test_a_jitted_step_sees_data_that_was_set():
    w = mg.tensor([1.0, 2.0], requires_grad=True)
    step = mg.jit(lambda x: w * x)
    x = mg.ones(2)
    shows(step(x), 1, 2)
    w.data = mg.tensor([5.0, 6.0])
    shows(step(x), 5, 6)
    shows(step(x), 5, 6)
    assert step.traces == 2


def test_data_set_inside_jit_is_an_update():
    w = mg.tensor([1.0, 2.0], requires_grad=True)

    @mg.jit
    def step(x):
        w.data = w.data - x
        return (w * 1).sum()

    assert step(mg.ones(2)).item() == 1
    shows(w, 0, 1)
    step(mg.ones(2))
    shows(w, -1, 0)


def test_to_takes_all_of_pytorch_s_forms(torch):
    for library in (mg, torch):
        x = library.tensor([1.5, -2.5])
        other = library.tensor([1], dtype=library.int64)
        double = library.float64
        for y in (
            x.to(double),
            x.to("cpu", double),
            x.to(dtype=double),
            x.to(device="cpu", dtype=double),
            x.to(library.device("cpu"), double, True),
            x.to(double, copy=True),
            x.double(),
            x.type(double),
        ):
            assert y.dtype == double
        assert x.to("cpu") is x
        assert x.to(x.dtype) is x
        assert x.cpu() is x
        assert x.to("cpu", copy=True) is not x
        assert x.to(other).tolist() == x.type_as(other).tolist() == [1, -2]
        assert [str(t.dtype).split(".")[-1] for t in (x.half(), x.int(), x.bool())] == [
            "float16",
            "int32",
            "bool",
        ]
        assert str(x.device) == "cpu"
        assert repr(x.device) == "device(type='cpu')"
        assert x.device == library.device("cpu")


def test_type_names_the_kind_and_casts():
    x = mg.ones(2)
    assert x.type() == "minigrad.FloatTensor"
    assert x.long().type() == "minigrad.LongTensor"
    assert x.type("torch.DoubleTensor").dtype == mg.float64


def test_cuda_is_refused_in_one_sentence(no_gpu):
    x = mg.ones(2)
    for move in (x.cuda, lambda: x.to("cuda"), lambda: x.to("cuda:0", mg.float64)):
        with pytest.raises(RuntimeError, match="no NVIDIA driver"):
            move()
    assert not x.is_cuda
    with pytest.raises(RuntimeError, match="cpu and cuda"):
        mg.device("tpu")
    with pytest.raises(TypeError, match="memory_format"):
        x.to(memory_format=0)


def test_contiguous_copies_where_it_must(torch):
    for library in (mg, torch):
        x = library.arange(6.0).reshape(2, 3).requires_grad_()
        y = x.T
        assert (x.is_contiguous(), y.is_contiguous()) == (True, False)
        assert x.contiguous() is x
        z = y.contiguous()
        assert z.is_contiguous()
        assert (y.stride(), z.stride(), z.stride(0)) == ((1, 3), (2, 1), 2)
        z.sum().backward()
        assert x.grad.tolist() == [[1, 1, 1], [1, 1, 1]]


# --- copies ------------------------------------------------------------------------------


def test_deepcopy_copies_a_leaf_with_its_gradient(torch):
    for library in (mg, torch):
        w = library.tensor([1.0, 2.0], requires_grad=True)
        (w * w).sum().backward()
        both = copy.deepcopy([w, w])
        assert both[0] is both[1]
        new = both[0]
        new.data[0] = 10
        new.grad[0] = 10
        assert w.tolist() == [1, 2]
        assert w.grad.tolist() == [2, 4]
        assert new.grad.tolist() == [10, 4]
        assert new.requires_grad
        assert new.is_leaf
        with pytest.raises(RuntimeError):
            copy.deepcopy(w * 2)


def test_a_tensor_is_pickled_without_its_tape(torch):
    for library in (mg, torch):
        w = library.tensor([1.0, 2.0], requires_grad=True)
        back = pickle.loads(pickle.dumps(w))
        assert back.tolist() == [1, 2]
        assert back.requires_grad
        assert not pickle.loads(pickle.dumps(w.detach())).requires_grad


def test_copy_copy_shares_memory():
    w = leaf(1.0, 2.0)
    other = copy.copy(w)
    other.data[0] = 7
    shows(w, 7, 2)
    assert other.requires_grad


JACOBIANS = {
    "one": (lambda x: (x * x).cumsum(0), (3,)),
    "a matrix": (lambda x: x @ x.t(), (2, 3)),
    "several": (lambda x, y: (x * y.sum(), (y * x[0]).sum(), y), (2,), (3,)),
    "a number": (lambda x: x.sin(), ()),
}


@pytest.mark.parametrize("case", JACOBIANS.values(), ids=JACOBIANS)
def test_jacobians_by_columns_are_those_by_rows(case):
    fn, *shapes = case
    inputs = tuple(mg.randn(*(shape or ((),)), dtype=mg.float64) for shape in shapes)
    jacobian = mg.autograd.functional.jacobian
    rows = jacobian(fn, inputs)
    columns = jacobian(fn, inputs, strategy="forward-mode")
    for a, b in zip(flatten(rows)[0], flatten(columns)[0], strict=True):
        np.testing.assert_allclose(a.numpy(), b.numpy(), rtol=1e-12, strict=True)


def test_hessians_by_columns_are_those_by_rows():
    x, hessian = mg.randn(3, dtype=mg.float64), mg.autograd.functional.hessian

    def fn(x):
        return (x.exp() * x.flip(0)).sum()

    by_rows = hessian(fn, x)
    by_columns = hessian(fn, x, outer_jacobian_strategy="forward-mode")
    np.testing.assert_allclose(by_rows.numpy(), by_columns.numpy(), rtol=1e-12)
    with pytest.raises(ArgumentError, match="no such strategy"):
        hessian(fn, x, outer_jacobian_strategy="sideways")
