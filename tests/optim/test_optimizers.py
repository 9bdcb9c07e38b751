"""Optimizers: PyTorch's results, one formula in every mode, options, state, refusals."""

import warnings

import numpy as np
import pytest
from cases_optim import SETTINGS, data, loss_of, train

import minigrad as mg
from minigrad.errors import MinigradError

NAMES = ("SGD", "Adam", "AdamW", "RMSprop", "Adagrad")


def weights(*values):
    return [mg.tensor(value, requires_grad=True) for value in values]


def assert_near(ours, theirs, tolerance):
    for a, b in zip(ours, theirs, strict=True):
        np.testing.assert_allclose(a, b, rtol=tolerance, atol=tolerance, strict=True)


# --- the formulas ------------------------------------------------------------------------


@pytest.mark.parametrize("setting", SETTINGS)
def test_20_steps_give_what_pytorch_gave(setting, golden):
    expected = [golden[f"{setting} | {i}"] for i in range(3)]
    assert_near(train(mg, setting), expected, 1e-11)


@pytest.mark.parametrize("dtype", ["float32", "float64"])
@pytest.mark.parametrize("setting", SETTINGS)
def test_20_steps_give_what_pytorch_gives(torch, setting, dtype):
    tolerance = 5e-6 if dtype == "float32" else 1e-11
    assert_near(train(mg, setting, dtype), train(torch, setting, dtype), tolerance)


@pytest.mark.parametrize("dtype", ["float32", "float64"])
@pytest.mark.parametrize("setting", SETTINGS)
def test_jit_equals_eager_while_the_rate_changes_with_one_trace(setting, dtype):
    traced = []
    jitted = train(mg, setting, dtype, lambda f: traced.append(mg.jit(f)) or traced[0])
    # 0-d weights are float32 in eager, and rounded once at the end in the program.
    tolerance = 3e-6 if dtype == "float32" else 1e-12
    assert_near(jitted, train(mg, setting, dtype), tolerance)
    assert traced[0].traces == 1


@pytest.mark.parametrize("setting", SETTINGS)
def test_a_graph_built_by_hand_equals_eager_while_the_rate_changes(setting):
    name, options = SETTINGS[setting]
    arrays, batches = data()
    params = weights(*arrays)
    opt = getattr(mg.optim, name)(params, **options)
    schedule = mg.optim.lr_scheduler.ExponentialLR(opt, 0.95)
    x = mg.placeholder(batches[0].shape, "float64")
    loss = loss_of(x, *params)
    step = mg.compile([x], loss, opt.updates(mg.gradients(loss, params)))
    for batch in batches:
        step(batch)
        schedule.step()
    assert_near([p.detach().numpy() for p in params], train(mg, setting), 1e-12)


@pytest.mark.parametrize("setting", SETTINGS)
def test_a_counted_step_is_the_same_step(setting):
    def counted(step):
        def run(x):
            with mg.count_ops():
                return step(x)

        return run

    assert_near(train(mg, setting, compiled=counted), train(mg, setting), 1e-12)


def test_hand_built_updates_leave_parameters_alone_and_skip_none():
    (w, v), x = weights(np.ones(2), np.ones(2)), mg.placeholder((2,), "float64")
    opt = mg.optim.Adam([w, v])
    (g,) = mg.gradients((x * w).sum(), [w])
    updates = opt.updates([g, None])
    assert w.grad is None
    assert w.tolist() == [1, 1]
    assert mg.static.node.node_of(v.cell) not in updates
    with pytest.raises(ValueError, match="one gradient for each"):
        opt.updates([g])


# --- jit ---------------------------------------------------------------------------------


def jitted(opt, w, **options):
    def step(x):
        (w * x).sum().backward()
        opt.step()
        opt.zero_grad(**options)

    return mg.jit(step)


def test_every_number_may_change_between_runs_and_0_is_another_form():
    def run(compiled):
        (w,) = weights(np.ones(3))
        opt = mg.optim.SGD([w], lr=0.1, momentum=0.9)
        step = jitted(opt, w) if compiled else jitted(opt, w).fn
        for changes in ({}, {"lr": 0.5, "momentum": 0.3}, {"weight_decay": 0.1}, {}):
            opt.param_groups[0].update(changes)
            step(mg.tensor(np.arange(3.0)))
        return w.tolist(), step

    eager, _ = run(compiled=False)
    traced, step = run(compiled=True)
    assert traced == eager
    assert step.traces == 2  # without and with weight decay


def test_momentum_may_begin_after_the_first_run():
    (w,) = weights(np.ones(3))
    opt = mg.optim.SGD([w], lr=0.1)
    step = jitted(opt, w)
    step(mg.ones(3, dtype=mg.float64))
    opt.param_groups[0]["momentum"] = 0.9
    for expected in (0.8, 0.61):
        step(mg.ones(3, dtype=mg.float64))
        np.testing.assert_allclose(w.tolist(), [expected] * 3)
    assert step.traces == 2


@pytest.mark.parametrize("compiled", [lambda step: step, mg.jit], ids=["eager", "jit"])
def test_options_switched_on_in_mid_training_act_as_in_pytorch(torch, compiled):
    changes = [{"momentum": 0.9}, {"dampening": 0.5}, {"dampening": 0}, {"momentum": 0}]
    changes += [{"momentum": 0.8, "dampening": 0.2}, {"lr": 0.02, "maximize": True}]

    def run(t, compiled):
        w = t.tensor(np.ones(3), requires_grad=True)
        opt, x = t.optim.SGD([w], lr=0.1), t.tensor(np.arange(3.0))

        def step():
            opt.zero_grad()
            (w.sin() * x).sum().backward()
            opt.step()

        step = compiled(step)
        for change in changes:
            opt.param_groups[0].update(change)
            for _ in range(3):
                step()
        return w.detach().numpy()

    assert_near([run(mg, compiled)], [run(torch, lambda step: step)], 1e-12)


def test_an_optimizer_of_one_s_own_is_traced_whatever_its_options_are():
    class Descent(mg.optim.Optimizer):
        def __init__(self, params, lr):
            super().__init__(params, {"lr": lr})

        def update(self, p, g, state, group, h):
            p -= g * h.lr

    (w,) = weights(np.ones(2))
    step = jitted(Descent([w], 0.5), w)
    step(mg.ones(2, dtype=mg.float64))
    assert w.tolist() == [0.5, 0.5]


def test_two_optimizers_and_several_steps_fit_in_one_program():
    def run(compiled):
        w, v = weights(np.ones(3), np.ones(3))
        first, second = mg.optim.Adam([w], lr=0.1), mg.optim.RMSprop([v], lr=0.1)

        def step(x):
            for _ in range(2):
                for opt in (first, second):
                    opt.zero_grad()
                    (w * x - v).pow(2).sum().backward()
                    opt.step()

        step = compiled(step)
        for _ in range(3):
            step(mg.tensor(np.arange(3.0)))
        return [w.tolist(), v.tolist(), first.state[w]["step"].item()]

    eager, traced = run(lambda step: step), run(mg.jit)
    assert_near(traced, eager, 1e-12)
    assert eager[2] == 6


def test_gradients_set_to_zero_instead_of_none_are_one_trace():
    (w,) = weights(np.ones(2))
    opt = mg.optim.SGD([w], lr=0.1)
    step = jitted(opt, w, set_to_none=False)
    for expected in (0.9, 0.8):
        step(mg.ones(2, dtype=mg.float64))
        np.testing.assert_allclose(w.tolist(), [expected] * 2)
    assert step.traces == 1


def test_gradients_that_carry_a_tape_are_set_to_zero_off_it():
    (w,) = weights(np.ones(2))
    opt = mg.optim.SGD([w], lr=0.1)
    (w**3).sum().backward(create_graph=True)
    opt.zero_grad(set_to_none=False)
    assert (w.grad.tolist(), w.grad.requires_grad) == ([0, 0], False)


def test_loaded_state_and_new_groups_are_traced_again():
    (w, v) = weights(np.ones(2), np.ones(2))
    opt = mg.optim.Adam([w], lr=0.1)

    def plain(x):
        ((w * x).sum() + (v * x).sum()).backward()
        opt.step()
        w.grad = v.grad = None

    step, x = mg.jit(plain), mg.ones(2, dtype=mg.float64)
    before = opt.state_dict()
    step(x)
    once = w.tolist()
    with mg.no_grad():
        w.fill_(1)
    opt.load_state_dict(before)
    step(x)
    assert w.tolist() == once
    opt.add_param_group({"params": [v]})
    step(x)
    assert v.tolist() == once
    assert opt.state[w]["step"].item() == 2


def test_a_parameter_without_a_gradient_is_skipped():
    w, v = weights(np.ones(2), np.ones(2))
    opt = mg.optim.Adam([w, v], weight_decay=0.1)
    for run in (lambda f: f, mg.jit):
        run(lambda: (w * 2).sum().backward() or opt.step() or opt.zero_grad())()
    assert v.tolist() == [1, 1]
    assert v not in opt.state
    assert opt.state[w]["step"].item() == 2


def test_closures_run_with_the_tape_on_and_their_loss_is_returned():
    (w,) = weights(np.ones(2))
    opt = mg.optim.SGD([w], lr=0.5)

    def closure():
        opt.zero_grad()
        loss = (w * w).sum()
        loss.backward()
        return loss

    with mg.no_grad():
        assert opt.step(closure).item() == 2
    assert w.tolist() == [0, 0]


def test_the_tape_notices_that_a_step_overwrote_a_saved_weight():
    (w,) = weights(np.ones(2))
    opt = mg.optim.SGD([w], lr=0.5)
    loss = (w * w).sum()
    w.grad = mg.ones(2, dtype=mg.float64)
    opt.step()
    with pytest.raises(RuntimeError, match="changed in place"):
        loss.backward()


def test_numpy_numbers_do_not_change_the_dtype_of_the_work():
    (w,) = weights(np.ones(2, np.float32))
    opt = mg.optim.SGD([w], lr=np.float64(0.5))
    w.grad = mg.ones(2)
    opt.step()
    opt.param_groups[0]["lr"] = mg.tensor(0.5)
    opt.step()
    assert (w.dtype, w.tolist()) == (mg.float32, [0, 0])


# --- groups and state --------------------------------------------------------------------


def test_groups_have_options_of_their_own_and_names_are_kept():
    w, v = weights(np.ones(2), np.ones(2))
    opt = mg.optim.SGD([{"params": w}, {"params": [v], "lr": 0.5}], lr=0.1)
    for p in (w, v):
        p.grad = mg.ones(2, dtype=mg.float64)
    opt.step()
    assert (w.tolist(), v.tolist()) == ([0.9, 0.9], [0.5, 0.5])
    opt.zero_grad()
    assert w.grad is None
    named = mg.optim.SGD([("w", w), ("v", v)])
    assert named.param_groups[0]["param_names"] == ["w", "v"]
    assert "lr: 0.1" in repr(opt)
    group = {"params": [mg.ones(1)]}
    opt.add_param_group(group)
    group["lr"] = 7.0
    assert opt.param_groups[2]["lr"] == 7


@pytest.mark.parametrize("setting", SETTINGS)
def test_a_state_dict_of_pytorch_loads_and_training_goes_on_alike(torch, setting):
    name, options = SETTINGS[setting]
    arrays, batches = data()
    theirs = [torch.tensor(a, requires_grad=True) for a in arrays]
    old = getattr(torch.optim, name)(theirs, **options)

    def steps(t, opt, params, chosen):
        for x in chosen:
            opt.zero_grad()
            loss_of(t.tensor(x), *params).backward()
            opt.step()

    steps(torch, old, theirs, batches[:7])
    ours = weights(*(p.detach().numpy() for p in theirs))
    new = getattr(mg.optim, name)(ours)
    saved = old.state_dict()
    saved["state"] = {
        i: {k: mg.tensor(v.numpy()) for k, v in kept.items()}
        for i, kept in saved["state"].items()
    }
    new.load_state_dict(saved)
    assert new.param_groups[0].keys() == old.param_groups[0].keys()
    steps(torch, old, theirs, batches[7:])
    steps(mg, new, ours, batches[7:])
    assert_near(
        [p.detach().numpy() for p in ours], [p.detach().numpy() for p in theirs], 1e-11
    )
    for p, q in zip(ours, theirs, strict=True):
        assert new.state[p].keys() - {"step"} == old.state[q].keys() - {"step"}
        for key, value in old.state[q].items():
            assert_near([new.state[p][key].numpy()], [value.numpy()], 1e-11)
    back = new.state_dict()
    back["state"] = {
        i: {k: torch.tensor(v.numpy()) for k, v in kept.items()}
        for i, kept in back["state"].items()
    }
    old.load_state_dict(back)


@pytest.mark.parametrize("name", NAMES)
def test_a_state_dict_that_does_not_fit_changes_nothing(name):
    w, v = weights(np.ones(2), np.ones(2))
    opt = getattr(mg.optim, name)([w])
    before = opt.state_dict()
    with pytest.raises(ValueError, match="do not match"):
        opt.load_state_dict(getattr(mg.optim, name)([w, v]).state_dict())
    assert opt.state_dict() == before


# --- refusals ----------------------------------------------------------------------------

W = mg.ones(2, requires_grad=True)
BAD = {  # PyTorch's error, where it raises one, and what the lesson names
    "no parameters": (lambda o: o.SGD([]), ValueError, "empty"),
    "a tensor": (lambda o: o.SGD(W), TypeError, "iterable"),
    "a set": (lambda o: o.SGD({W}), TypeError, "order"),
    "a number": (lambda o: o.SGD([1.0]), TypeError, "only optimize Tensors"),
    "a result": (lambda o: o.SGD([W * 2]), ValueError, "non-leaf"),
    "twice": (lambda o: o.SGD([W, W]), ValueError, "more than once"),
    "in two groups": (
        lambda o: o.SGD([{"params": [W]}, {"params": [W]}]),
        ValueError,
        "more than once",
    ),
    "some names": (
        lambda o: o.SGD([("w", W), mg.ones(1)]),
        ValueError,
        "names",
    ),
    "no group": (lambda o: o.SGD([W]).add_param_group([W]), TypeError, "dict"),
    "lr": (lambda o: o.Adam([W], lr=-1.0), ValueError, "learning rate"),
    "lr of a group": (
        lambda o: o.Adam([{"params": [W], "lr": -1.0}]),
        ValueError,
        "learning rate",
    ),
    "eps": (lambda o: o.Adam([W], eps=-1.0), ValueError, "eps"),
    "betas": (lambda o: o.AdamW([W], betas=(0.9, 1.0)), ValueError, "beta"),
    "momentum": (lambda o: o.SGD([W], momentum=-0.5), ValueError, "momentum"),
    "alpha": (lambda o: o.RMSprop([W], alpha=-0.5), ValueError, "alpha"),
    "lr_decay": (lambda o: o.Adagrad([W], lr_decay=-0.5), ValueError, "lr_decay"),
    "decay": (lambda o: o.SGD([W], weight_decay=-0.5), ValueError, "weight_decay"),
    "nesterov": (lambda o: o.SGD([W], nesterov=True), ValueError, "Nesterov"),
}


@pytest.mark.parametrize("case", BAD)
def test_bad_arguments_raise_pytorch_s_error_with_a_lesson(case):
    make, error, word = BAD[case]
    with pytest.raises(error) as caught:
        make(mg.optim)
    assert isinstance(caught.value, MinigradError)
    assert word in str(caught.value).partition("\n  at ")[0]  # this line has it too


@pytest.mark.parametrize("name", ["foreach", "fused", "differentiable"])
def test_other_implementations_are_refused(name):
    with pytest.raises(NotImplementedError, match=name):
        mg.optim.Adagrad([W], **{name: True})
    with warnings.catch_warnings():
        warnings.simplefilter("error")
        mg.optim.Adagrad([W], **{name: False})
