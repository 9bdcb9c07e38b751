"""Module itself: what it finds, keeps, refuses, prints; run beside PyTorch's where told."""

import copy
import gc
import pickle
import weakref
from collections import OrderedDict

import numpy as np
import pytest

import minigrad as mg
from minigrad import nn
from minigrad.errors import ModuleError, StateDictError


def make_net(lib):
    """A model with a bit of everything, made under either library."""
    nn = lib.nn

    class Net(nn.Module):
        def __init__(self):
            super().__init__()
            self.size = 3
            self.scale = nn.Parameter(lib.ones(3))
            self.body = nn.Sequential(nn.Linear(3, 3), nn.ReLU(), nn.BatchNorm1d(3))
            self.tied = self.body[0]
            self.empty = None
            self.register_parameter("absent", None)
            self.register_buffer("offset", lib.zeros(3))
            self.register_buffer("scratch", lib.zeros(3), persistent=False)
            self.register_buffer("nothing", None)

        def forward(self, x):
            return self.tied(self.body(x)) * self.scale + self.offset

    return Net()


def names(pairs):
    return [name for name, _ in pairs]


SURVEYS = {
    "parameters": lambda m: names(m.named_parameters()),
    "of its own": lambda m: names(m.named_parameters(recurse=False)),
    "under a prefix": lambda m: names(m.named_parameters("net")),
    "twice": lambda m: names(m.named_parameters(remove_duplicate=False)),
    "buffers": lambda m: names(m.named_buffers()),
    "modules": lambda m: names(m.named_modules()),
    "modules twice": lambda m: names(m.named_modules(remove_duplicate=False)),
    "children": lambda m: names(m.named_children()),
    "state": lambda m: list(m.state_dict()),
    "state under a prefix": lambda m: list(m.state_dict(prefix="a.")),
    "counts": lambda m: [
        len(list(found))
        for found in (m.parameters(), m.buffers(), m.modules(), m.children())
    ],
    "text": repr,
    "a submodule": lambda m: repr(m.get_submodule("body.0")),
    "itself": lambda m: m.get_submodule("") is m,
    "a parameter": lambda m: tuple(m.get_parameter("body.0.weight").shape),
    "a buffer": lambda m: tuple(m.get_buffer("body.2.running_mean").shape),
    "modes": lambda m: [x.training for x in m.eval().modules()],
    "an attribute": lambda m: (m.size, m.empty, m.absent, m.nothing),
}


@pytest.mark.parametrize("survey", SURVEYS.values(), ids=SURVEYS)
def test_what_a_module_finds_is_what_pytorch_finds(survey, torch):
    assert survey(make_net(mg)) == survey(make_net(torch))


def test_a_module_prints_as_a_tree():
    assert (
        repr(make_net(mg))
        == """Net(
  (body): Sequential(
    (0): Linear(in_features=3, out_features=3, bias=True)
    (1): ReLU()
    (2): BatchNorm1d(3, eps=1e-05, momentum=0.1, affine=True, bias=True, track_running_stats=True)
  )
  (tied): Linear(in_features=3, out_features=3, bias=True)
)"""
    )


def test_a_shared_parameter_is_found_once_and_is_in_the_state_under_both_names():
    net = make_net(mg)
    assert "tied.weight" not in names(net.named_parameters())
    state = net.state_dict()
    assert state["tied.weight"].cell is state["body.0.weight"].cell


@pytest.mark.parametrize("owner", ["module", "optimizer"])
def test_zeroed_gradients_stay_the_tensors_they_are(owner):
    net = nn.Linear(2, 1)
    net(mg.ones(1, 2)).sum().backward()
    grad = net.weight.grad
    of = net if owner == "module" else mg.optim.SGD(net.parameters())
    of.zero_grad(set_to_none=False)
    assert net.weight.grad is grad
    assert grad.tolist() == [[0, 0]]


def test_a_call_computes_and_differentiates_with_respect_to_every_parameter():
    net = make_net(mg)
    net(mg.randn(4, 3)).sum().backward()
    assert all(p.grad is not None for p in net.parameters())
    net.zero_grad(set_to_none=False)
    assert all((p.grad == 0).all() for p in net.parameters())
    net.zero_grad()
    assert all(p.grad is None for p in net.parameters())


# --- Parameter ---------------------------------------------------------------------------


def test_a_parameter_prints_as_in_pytorch(torch):
    for shape in ((2,), (2, 3)):
        ours = nn.Parameter(mg.ones(*shape))
        assert repr(ours) == repr(torch.nn.Parameter(torch.ones(*shape)))
    still = repr(torch.nn.Parameter(torch.ones(1), requires_grad=False))
    assert repr(nn.Parameter(mg.ones(1), requires_grad=False)) == still


def test_a_parameter_is_a_leaf_on_the_memory_it_was_given():
    x = mg.ones(2, requires_grad=True)
    p = nn.Parameter(x * 2)
    assert p.is_leaf
    assert p.requires_grad
    y = mg.zeros(2)
    nn.Parameter(y).data.add_(1)
    assert y.tolist() == [1, 1]
    assert type(p * 1) is mg.Tensor
    assert type(p.data) is mg.Tensor
    assert nn.Parameter().shape == (0,)
    with pytest.raises(RuntimeError, match="only floats"):
        nn.Parameter(mg.arange(2))


def test_deepcopy_gives_a_model_of_its_own_with_what_is_shared_still_shared():
    net = make_net(mg)
    net(mg.randn(4, 3)).sum().backward()
    twin = copy.deepcopy(net)
    assert type(twin.scale) is nn.Parameter
    assert twin.tied is twin.body[0]
    assert repr(twin) == repr(net)
    with mg.no_grad():
        twin.scale.zero_()
        twin.body[2].running_mean.fill_(9)
    assert net.scale.tolist() == [1, 1, 1]
    assert 9 not in net.body[2].running_mean.tolist()


def test_a_model_goes_to_another_process_with_its_parameters():
    net = nn.Sequential(nn.Linear(2, 2), nn.BatchNorm1d(2))
    net.append(net[0])
    sent = pickle.loads(pickle.dumps(net))
    assert type(sent[0].weight) is nn.Parameter
    assert sent[2] is sent[0]
    assert repr(sent.state_dict()) == repr(net.state_dict())
    again = copy.copy(net[0].weight)
    assert type(again) is nn.Parameter
    assert again.cell is net[0].weight.cell


# --- attributes --------------------------------------------------------------------------


@pytest.mark.parametrize("value", ["parameter", "module", "buffer"])
def test_parts_before_super_init_are_refused_with_the_remedy(value, torch):
    def build(lib):
        class Net(lib.nn.Module):
            def __init__(self):
                if value == "parameter":
                    self.w = lib.nn.Parameter(lib.ones(1))
                elif value == "module":
                    self.fc = lib.nn.ReLU()
                else:
                    self.register_buffer("b", lib.ones(1))

        return Net()

    with pytest.raises(AttributeError) as theirs:
        build(torch)
    with pytest.raises(AttributeError) as ours:
        build(mg)
    assert str(theirs.value) in str(ours.value)
    assert "super().__init__()" in str(ours.value)


def test_calling_a_module_without_super_init_says_what_is_missing():
    class Net(nn.Module):
        def __init__(self):
            self.size = 1

        def forward(self, x):
            return x

    with pytest.raises(AttributeError, match=r"super\(\).__init__\(\)"):
        Net()(1)


WRONG = {
    "a tensor as a parameter": lambda lib, m: setattr(m, "scale", lib.ones(3)),
    "a module as a parameter": lambda lib, m: setattr(m, "scale", lib.nn.ReLU()),
    "a number as a parameter": lambda lib, m: setattr(m, "scale", 1.0),
    "a number as a module": lambda lib, m: setattr(m, "tied", 1),
    "a number as a buffer": lambda lib, m: setattr(m, "offset", 1),
    "a tensor registered as a parameter": lambda lib, m: m.register_parameter(
        "p", lib.ones(1)
    ),
    "a number registered as a module": lambda lib, m: m.add_module("p", 1),
    "a number registered as a buffer": lambda lib, m: m.register_buffer("p", 1),
    "a dotted name": lambda lib, m: m.register_buffer("a.b", lib.ones(1)),
    "an empty name": lambda lib, m: m.add_module("", lib.nn.ReLU()),
    "a name that is a method": lambda lib, m: m.register_buffer("forward", None),
    "a name that is an attribute": lambda lib, m: m.register_parameter("size", None),
    "a name that is a module": lambda lib, m: m.register_buffer("body", None),
    "an unknown attribute": lambda lib, m: m.nowhere,
    "an unknown attribute deleted": lambda lib, m: delattr(m, "nowhere"),
    "an unknown submodule": lambda lib, m: m.get_submodule("body.7"),
    "a submodule that is none": lambda lib, m: m.get_submodule("scale"),
    "a parameter that is none": lambda lib, m: m.get_parameter("offset"),
    "a buffer that is none": lambda lib, m: m.get_buffer("scale"),
    "a mode that is none": lambda lib, m: m.train("yes"),
    "an integer dtype": lambda lib, m: m.to(lib.int64),
    "no forward": lambda lib, m: lib.nn.Module()(1),
}


@pytest.mark.parametrize("wrong", WRONG.values(), ids=WRONG)
def test_what_pytorch_refuses_is_refused_alike_and_changes_nothing(wrong, torch):
    with pytest.raises(Exception) as theirs:
        wrong(torch, make_net(torch))
    net = make_net(mg)
    before = repr(net), list(net.state_dict())
    with pytest.raises(theirs.type):
        wrong(mg, net)
    assert (repr(net), list(net.state_dict())) == before


def test_a_name_changes_its_kind_as_in_pytorch():
    net = make_net(mg)
    net.size = nn.Parameter(mg.ones(1))  # a plain attribute becomes a parameter
    assert "size" in names(net.named_parameters())
    net.offset = nn.Parameter(mg.ones(3))  # a buffer too
    assert "offset" not in names(net.named_buffers())
    net.scale = None  # a parameter that is not there for now
    assert "scale" not in names(net.named_parameters())
    assert net.scale is None
    net.scale = nn.Parameter(mg.zeros(3))
    assert names(net.named_parameters())[0] == "scale"
    net.tied = None
    del net.body
    assert not hasattr(net, "body")
    assert "body.0.weight" not in net.state_dict()
    net.scratch = nn.Parameter(mg.ones(3))  # it was left out of the state
    assert "scratch" in net.state_dict()
    net.nothing = mg.ones(2)  # a buffer once registered takes a tensor
    assert "nothing" in net.state_dict()


def test_a_module_is_not_hidden_behind_an_attribute_of_its_class():
    # PyTorch takes it, and `net.eval` stays the method.
    with pytest.raises(ModuleError, match="attribute 'eval' already exists"):
        make_net(mg).eval = nn.ReLU()


def test_errors_show_one_sentence_without_quotes_around_it():
    with pytest.raises(KeyError) as error:
        make_net(mg).register_buffer("forward", None)
    assert isinstance(error.value, ModuleError)
    assert str(error.value).startswith("attribute 'forward' already exists\n")


# --- state -------------------------------------------------------------------------------


def test_a_state_dict_is_ordered_detached_and_shares_memory():
    net = make_net(mg)
    state = net.state_dict()
    assert type(state) is OrderedDict
    assert not any(t.requires_grad for t in state.values())
    state["scale"].fill_(5)
    assert net.scale.tolist() == [5, 5, 5]
    assert net.state_dict(keep_vars=True)["scale"] is net.scale


def test_loading_copies_into_the_same_parameters_and_casts():
    net, other = make_net(mg), make_net(mg).double()
    before = [*net.parameters()]
    result = net.load_state_dict(other.state_dict())
    assert repr(result) == "<All keys matched successfully>"
    assert all(a is b for a, b in zip(net.parameters(), before))
    assert net.tied.weight.dtype == mg.float32
    np.testing.assert_allclose(
        net.tied.weight.detach().numpy(), other.tied.weight.detach().numpy(), rtol=1e-6
    )


def test_a_wrong_state_lists_every_key_in_one_error_and_changes_nothing(torch):
    def load(lib, strict=True):
        net = make_net(lib)
        state = net.state_dict()
        state["scale"] = lib.zeros(4)
        state["offset"] = lib.ones(3)
        state["extra.one"] = lib.zeros(1)
        state["extra.two"] = lib.zeros(1)
        del state["tied.weight"], state["tied.bias"]
        return net, lambda: net.load_state_dict(state, strict=strict)

    net, attempt = load(mg)
    with pytest.raises(RuntimeError) as ours:
        attempt()
    with pytest.raises(RuntimeError) as theirs:
        load(torch)[1]()
    for key in ("tied.weight", "tied.bias", "extra.one", "extra.two", "scale", "Net"):
        assert key in str(ours.value)
        assert key in str(theirs.value)
    assert net.offset.tolist() == [0, 0, 0]
    net, attempt = load(mg, strict=False)  # a shape is wrong all the same
    with pytest.raises(StateDictError, match=r"scale \(3,\) from \(4,\)"):
        attempt()
    assert net.offset.tolist() == [0, 0, 0]


def test_without_strict_the_keys_left_alone_are_returned_by_name(torch):
    def load(lib):
        state = make_net(lib).state_dict()
        state["extra"] = state.pop("offset")
        return make_net(lib).load_state_dict(state, strict=False)

    ours, theirs = load(mg), load(torch)
    assert ours.missing_keys == theirs.missing_keys == ["offset"]
    assert ours.unexpected_keys == theirs.unexpected_keys == ["extra"]
    assert f"_{ours!r}" == repr(theirs)


def test_a_value_that_is_no_tensor_is_refused():
    with pytest.raises(StateDictError, match=r"weight \(1, 1\) from 5"):
        nn.Linear(1, 1, bias=False).load_state_dict({"weight": 5})


# --- moving ------------------------------------------------------------------------------


def test_to_keeps_the_parameters_and_leaves_integers_alone():
    net = make_net(mg)
    net(mg.randn(4, 3)).sum().backward()
    before = [*net.parameters()]
    assert net.double() is net
    assert all(a is b for a, b in zip(net.parameters(), before))
    assert {p.dtype for p in net.parameters()} == {mg.float64}
    assert {p.grad.dtype for p in net.parameters()} == {mg.float64}
    assert net.body[2].num_batches_tracked.dtype == mg.int64
    assert net.body[2].running_mean.dtype == mg.float64
    assert net.tied.weight is net.body[0].weight
    net.to("cpu", mg.float32).float().cpu()
    assert {p.dtype for p in net.parameters()} == {mg.float32}
    assert all(p.is_leaf and p.requires_grad for p in net.parameters())
    with pytest.raises(RuntimeError):
        net.to("cuda")


def test_requires_grad_and_apply_reach_everything():
    net, seen = make_net(mg), []
    net.requires_grad_(False)
    assert not any(p.requires_grad for p in net.parameters())
    assert net.apply(lambda m: seen.append(type(m).__name__)) is net
    assert seen == ["Linear", "ReLU", "BatchNorm1d", "Sequential", "Linear", "Net"]


# --- hooks -------------------------------------------------------------------------------


def test_hooks_see_and_may_replace_arguments_and_outputs():
    layer, seen = nn.Identity(), []
    pre = layer.register_forward_pre_hook(lambda m, args: (args[0] + 1,))
    one = layer.register_forward_pre_hook(lambda m, args: args[0] * 10)
    layer.register_forward_hook(lambda m, args, y: seen.append((args[0].item(), m)))
    post = layer.register_forward_hook(lambda m, args, y: y + 0.5)
    assert layer(mg.tensor(1.0)).item() == 20.5
    assert seen == [(20.0, layer)]
    pre.remove()
    assert layer(mg.tensor(1.0)).item() == 10.5
    with post:
        one.remove()
    assert layer(mg.tensor(1.0)).item() == 1


# --- containers --------------------------------------------------------------------------

ROWS = {
    "length": len,
    "an item": lambda m, nn: m[1],
    "the last": lambda m, nn: m[-1],
    "a slice": lambda m, nn: m[1:],
    "a step": lambda m, nn: m[::2],
    "set": lambda m, nn: m.__setitem__(0, nn.Tanh()) or m,
    "del": lambda m, nn: m.__delitem__(0) or m,
    "del slice": lambda m, nn: m.__delitem__(slice(0, 2)) or m,
    "append": lambda m, nn: m.append(nn.Tanh()),
    "extend": lambda m, nn: m.extend([nn.Tanh(), nn.ReLU()]),
    "insert": lambda m, nn: (m.insert(1, nn.Tanh()), m)[1],
    "pop": lambda m, nn: (m.pop(0), m),
    "add": lambda m, nn: m + type(m)(),
    "too far": lambda m, nn: m[3],
    "not far enough": lambda m, nn: m[-4],
    "no module": lambda m, nn: m.append(3),
    "text as index": lambda m, nn: m["0"],
    "listed": lambda m, nn: list(m),
}


@pytest.mark.parametrize("kind", ["Sequential", "ModuleList", "named"])
@pytest.mark.parametrize("act", ROWS)
def test_rows_of_modules_act_as_in_pytorch(act, kind, torch):
    def outcome(nn):
        layers = [nn.Linear(1, 2), nn.ReLU(), nn.Linear(2, 1)]
        if kind == "named":
            row = nn.Sequential(OrderedDict(zip("abc", layers)))
        else:
            row = (
                nn.Sequential(*layers)
                if kind == "Sequential"
                else nn.ModuleList(layers)
            )
        try:
            return repr(ROWS[act](row) if act == "length" else ROWS[act](row, nn))
        except Exception as error:  # which kind, and that both libraries raise it
            return type(error)

    ours, theirs = outcome(nn), outcome(torch.nn)
    if kind == "named" and act == "insert":
        return  # PyTorch looks for names "0", "1", ... and fails with a KeyError
    if isinstance(theirs, type):
        assert issubclass(ours, theirs)
    else:
        assert ours == theirs


def test_a_sequential_is_not_added_to_a_list():
    with pytest.raises(ValueError, match="only a Sequential"):
        nn.Sequential() + [nn.ReLU()]


def test_a_module_dict_acts_as_a_dict(torch):
    def outcome(nn):
        d = nn.ModuleDict({"a": nn.ReLU(), "b": nn.Tanh()})
        d["c"] = nn.Linear(1, 1)
        d.update([("d", nn.GELU())])
        d.update(nn.ModuleDict({"e": nn.ReLU()}))
        gone = d.pop("a")
        del d["b"]
        found = len(d), list(d), list(d.keys()), repr(list(d.values())), repr(gone)
        found += "c" in d, "a" in d, repr(list(d.items())), list(d.state_dict())
        d.clear()
        return *found, repr(d)

    assert outcome(nn) == outcome(torch.nn)
    with pytest.raises(KeyError):
        nn.ModuleDict()["x"]


# --- graphs ------------------------------------------------------------------------------


def test_a_module_on_a_placeholder_builds_a_graph_that_trains_its_parameters():
    mg.manual_seed(0)
    net = nn.Sequential(nn.Linear(3, 4), nn.Tanh(), nn.Linear(4, 1))
    twin = copy.deepcopy(net)
    x, target = mg.placeholder((5, 3)), mg.placeholder((5, 1))
    weights = list(net.parameters())
    loss = nn.MSELoss()(net(x), target)
    grads = mg.gradients(loss, weights)
    updates = {p: p - 0.1 * g for p, g in zip(weights, grads)}
    program = mg.compile([x, target], loss, updates=updates)
    rng = np.random.default_rng(0)
    for _ in range(5):
        feed = [mg.tensor(rng.normal(size=s).astype("f")) for s in ((5, 3), (5, 1))]
        graph_loss = program(*feed)
        twin.zero_grad()
        eager_loss = nn.MSELoss()(twin(feed[0]), feed[1])
        eager_loss.backward()
        with mg.no_grad():
            for p in twin.parameters():
                p -= 0.1 * p.grad
        assert graph_loss.item() == pytest.approx(eager_loss.item(), rel=1e-5)
    for p, q in zip(weights, twin.parameters()):
        np.testing.assert_allclose(p.detach(), q.detach(), rtol=1e-5, atol=1e-6)


def test_jit_traces_a_module_once_for_each_mode_and_goes_back_to_the_first():
    mg.manual_seed(0)
    net, x = nn.Sequential(nn.Linear(3, 3), nn.BatchNorm1d(3)), mg.randn(4, 3)
    f = mg.jit(lambda x: net(x))
    seen = []
    for mode in (True, True, False, True, False):
        net.train(mode)
        before = copy.deepcopy(net)
        np.testing.assert_allclose(f(x).numpy(), before(x).detach().numpy(), atol=1e-6)
        for ours, theirs in zip(net.buffers(), before.buffers()):
            np.testing.assert_allclose(ours.numpy(), theirs.numpy(), rtol=1e-5)
        seen.append(f.traces)
    assert seen == [1, 1, 2, 2, 2]
    assert net[1].num_batches_tracked.item() == 3


def test_a_buffer_assigned_in_a_traced_forward_is_updated_as_in_eager_mode():
    class Average(nn.Module):
        def __init__(self):
            super().__init__()
            self.register_buffer("mean", mg.zeros(2))

        def forward(self, x):
            self.mean = 0.5 * self.mean + 0.5 * x
            return x - self.mean

    eager, traced = Average(), Average()
    f = mg.jit(traced)
    for i in range(3):
        x = mg.full((2,), float(i))
        assert f(x).tolist() == eager(x).tolist()
    assert traced.mean.tolist() == eager.mean.tolist() != [0, 0]
    assert f.traces == 1


def test_a_module_may_be_built_and_used_while_tracing():
    @mg.jit
    def loss(x):
        return nn.CrossEntropyLoss(mg.ones(3))(x, mg.tensor([0, 2]))

    assert loss(mg.zeros(2, 3)).item() == pytest.approx(np.log(3))


def test_jit_of_a_module_itself_works():
    net = nn.Linear(3, 2)
    f, x = mg.jit(net), mg.randn(4, 3)
    np.testing.assert_allclose(f(x).numpy(), net(x).detach().numpy(), rtol=1e-6)
    assert f.traces == 1


def test_a_function_that_sets_the_mode_itself_is_traced_once():
    net, x = nn.Sequential(nn.Linear(3, 3), nn.Dropout(0.9)), mg.ones(2, 3)

    @mg.jit
    def evaluate(x):
        net.eval()
        y = net(x)
        net.train()
        return y

    first = evaluate(x).tolist()
    assert evaluate(x).tolist() == first
    assert evaluate.traces == 1


def test_jit_notices_parts_that_were_exchanged():
    net = nn.Sequential(nn.Linear(2, 1, bias=False))
    f, x = mg.jit(lambda x: net(x)), mg.ones(1, 2)
    f(x)
    net[0].weight = nn.Parameter(mg.full((1, 2), 3.0))
    assert f(x).item() == 6
    net[0] = nn.Identity()
    assert f(x).tolist() == [[1, 1]]
    net.append(nn.Flatten(0))
    assert f(x).tolist() == [1, 1]
    assert f.traces == 4
    assert f(x).tolist() == [1, 1]
    assert f.traces == 4


def test_jit_notices_a_change_of_dtype():
    net = nn.BatchNorm1d(2)
    f = mg.jit(lambda x: net(x))
    f(mg.randn(3, 2))
    net.double()
    x = mg.randn(3, 2).double()
    twin = copy.deepcopy(net)
    np.testing.assert_allclose(f(x).numpy(), twin(x).detach().numpy())
    np.testing.assert_allclose(net.running_mean.numpy(), twin.running_mean.numpy())


def test_a_traced_function_does_not_keep_a_module_alive():
    x = mg.ones(1, 2)

    def call(x):
        return nets[0](x)

    nets, f = [nn.Linear(2, 1)], mg.jit(call)
    f(x)
    gone = weakref.ref(nets.pop())
    gc.collect()
    assert gone() is None


def test_a_hook_runs_while_tracing_only():
    net, seen = nn.Linear(2, 1), []
    net.register_forward_hook(lambda m, args, y: seen.append(y.shape))
    f = mg.jit(net)
    f(mg.ones(3, 2)), f(mg.ones(3, 2))
    assert seen == [(3, 1)]
