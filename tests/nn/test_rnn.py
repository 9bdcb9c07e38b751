"""Recurrent cells and layers, packed sequences: PyTorch's results in every mode."""

from pathlib import Path

import numpy as np
import pytest
from cases import unpack
from cases_rnn import ALL, KEPT, LAYERS, row, run_layer

import minigrad as mg
from minigrad import nn
from minigrad.nn.utils import rnn as packing


@pytest.fixture(scope="module")
def golden():
    with np.load(Path(__file__).parents[1] / "golden" / "rnn.npz") as packed:
        return unpack(packed)


def assert_near(ours, theirs):
    for i, (a, b) in enumerate(zip(ours, theirs, strict=True)):
        np.testing.assert_allclose(a, b, rtol=1e-10, atol=1e-11, err_msg=str(i))


@pytest.mark.parametrize("case", KEPT)
def test_outputs_states_and_gradients_are_what_pytorch_gave(case, golden):
    assert_near([row(mg, case)], [golden[case]])


@pytest.mark.parametrize("case", ALL)
def test_outputs_states_and_gradients_are_what_pytorch_gives(torch, case):
    run, args = ALL[case]
    assert_near(run(mg, *args), run(torch, *args))


@pytest.mark.parametrize("case", LAYERS)
def test_jit_equals_eager(case):
    assert_near(
        run_layer(mg, *LAYERS[case], compiled=mg.jit), run_layer(mg, *LAYERS[case])
    )


@pytest.mark.parametrize("kind", ["RNN", "LSTM", "GRU"])
def test_training_under_jit_equals_eager_with_one_trace(kind):
    def train(compiled):
        mg.manual_seed(0)
        model = getattr(nn, kind)(3, 4, num_layers=2)
        opt = mg.optim.Adam(model.parameters(), lr=0.1)
        schedule = mg.optim.lr_scheduler.StepLR(opt, 2, 0.5)

        def step(x):
            opt.zero_grad()
            y, _ = model(x)
            loss = (y - x.sum(-1, keepdim=True)).pow(2).mean()
            loss.backward()
            nn.utils.clip_grad_norm_(model.parameters(), 1.0)
            opt.step()
            return loss

        step, losses = compiled(step), []
        for _ in range(6):
            losses.append(step(mg.randn(5, 2, 3)).item())
            schedule.step()
        return losses, step

    eager, _ = train(lambda step: step)
    traced, step = train(mg.jit)
    np.testing.assert_allclose(traced, eager, rtol=2e-5)
    assert step.traces == 1


@pytest.mark.parametrize("kind", ["RNN", "LSTM", "GRU"])
def test_names_repr_and_draws_are_pytorch_s(torch, kind):
    options = {"num_layers": 2, "bidirectional": True, "dropout": 0.5}
    for size, given in (((3, 4), {}), ((3, 4), options), ((3, 4), {"bias": False})):
        ours = getattr(nn, kind)(*size, **given)
        theirs = getattr(torch.nn, kind)(*size, **given)
        assert repr(ours) == repr(theirs)
        for (a, p), (b, q) in zip(
            ours.named_parameters(), theirs.named_parameters(), strict=True
        ):
            assert (a, p.shape) == (b, tuple(q.shape))
        drawn = nn.utils.parameters_to_vector(ours.parameters()).abs()
        assert 0.4 < drawn.max().item() <= 0.5
    assert repr(nn.RNNCell(3, 4)) == repr(torch.nn.RNNCell(3, 4))
    one = {"nonlinearity": "relu", "bias": False}
    assert repr(nn.RNNCell(3, 4, **one)) == repr(torch.nn.RNNCell(3, 4, **one))


@pytest.mark.parametrize("kind", ["RNN", "LSTM", "GRU"])
def test_one_sequence_without_a_batch_dim(kind):
    layer, x = getattr(nn, kind)(3, 4, bidirectional=True), mg.randn(5, 3)
    for first in (False, True):
        layer.batch_first = first
        batch = x.unsqueeze(0 if first else 1)
        y, state = layer(x)
        whole, final = layer(batch)
        assert y.shape == (5, 8)
        np.testing.assert_array_equal(y.tolist(), whole.reshape(5, 8).tolist())
        parts = state if kind == "LSTM" else (state,)
        finals = final if kind == "LSTM" else (final,)
        for part, other in zip(parts, finals, strict=True):
            assert part.shape == (2, 4)
            np.testing.assert_array_equal(part.tolist(), other.squeeze(1).tolist())
        again, _ = layer(x, state)
        assert again.shape == (5, 8)


def test_a_loop_of_one_s_own_over_a_cell_is_the_layer():
    x = mg.randn(5, 2, 3)
    for kind in ("RNN", "GRU", "LSTM"):
        layer, cell = getattr(nn, kind)(3, 4), getattr(nn, f"{kind}Cell")(3, 4)
        for mine, its in zip(cell.parameters(), layer.parameters(), strict=True):
            mine.data = its.data
        state = None
        for step in x:
            state = cell(step, state)
        _, final = layer(x)
        last = state if kind == "LSTM" else (state,)
        finals = final if kind == "LSTM" else (final,)
        for a, b in zip(last, finals, strict=True):
            np.testing.assert_allclose(a.tolist(), b[0].tolist(), rtol=1e-5, atol=1e-6)


def test_a_layer_builds_a_graph_of_nodes():
    layer, x = nn.LSTM(3, 4), mg.randn(5, 2, 3)
    node = mg.placeholder((5, 2, 3))
    y, (h, _) = layer(node)
    grads = mg.gradients(y.sum(), list(layer.parameters()))
    out = mg.compile([node], [y, h, *grads])(x)
    expected, (state, _) = layer(x)
    expected.sum().backward()
    assert_close = np.testing.assert_allclose
    assert_close(out[0].tolist(), expected.tolist(), rtol=1e-5, atol=1e-6)
    assert_close(out[1].tolist(), state.tolist(), rtol=1e-5, atol=1e-6)
    for a, p in zip(out[2:], layer.parameters(), strict=True):
        assert_close(a.tolist(), p.grad.tolist(), rtol=1e-4, atol=1e-5)


@pytest.mark.parametrize("kind", ["RNN", "LSTM", "GRU"])
def test_a_batch_of_nothing_is_a_batch(kind):
    x = mg.zeros(5, 0, 3, requires_grad=True)
    y, state = getattr(nn, kind)(3, 4, bidirectional=True)(x)
    part = state[0] if kind == "LSTM" else state
    assert (y.shape, part.shape) == ((5, 0, 8), (2, 0, 4))
    y.sum().backward()
    assert x.grad.shape == x.shape


def test_dropout_acts_between_layers_and_in_training_only():
    layer, x = nn.GRU(3, 4, num_layers=2, dropout=1.0), mg.randn(5, 2, 3)
    first = nn.GRU(3, 4)
    first.load_state_dict({k: v for k, v in layer.state_dict().items() if "l0" in k})
    layer.eval()
    a, _ = layer(x)
    layer.train()
    b, h = layer(x)
    assert a.tolist() != b.tolist()
    np.testing.assert_allclose(h[0].tolist(), first(x)[1][0].tolist())


# --- packing -----------------------------------------------------------------------------


@pytest.mark.parametrize("first", [False, True])
@pytest.mark.parametrize("lengths", [[3, 2, 2], [1, 3, 2]])
def test_packing_is_pytorch_s_and_comes_back(torch, first, lengths):
    x = np.random.default_rng(0).normal(size=(3, 3, 2))
    results = []
    for t in (mg, torch):
        rnn = t.nn.utils.rnn
        packed = rnn.pack_padded_sequence(
            t.tensor(x), t.tensor(lengths), first, enforce_sorted=False
        )
        padded, back = rnn.pad_packed_sequence(packed, first, -1.0, total_length=4)
        assert back.tolist() == lengths
        results.append([part.tolist() for part in packed] + [padded.tolist()])
    assert results[0] == results[1]


@pytest.mark.parametrize("first", [False, True])
@pytest.mark.parametrize("side", ["left", "right"])
def test_sequences_are_padded_and_packed_as_in_pytorch(torch, first, side):
    parts = [np.arange(6.0).reshape(3, 2), np.ones((1, 2)), np.zeros((2, 2))]
    results = []
    for t in (mg, torch):
        rnn, sequences = t.nn.utils.rnn, [t.tensor(part) for part in parts]
        padded = rnn.pad_sequence(sequences, first, 7.0, side)
        packed = rnn.pack_sequence(sequences, enforce_sorted=False)
        results.append([padded.tolist(), *(part.tolist() for part in packed)])
    assert results[0] == results[1]


def test_lengths_that_are_fed_to_a_traced_function_are_refused():
    x, lengths = mg.randn(3, 2, 1), mg.tensor([3, 1])
    with pytest.raises(RuntimeError, match="must be known"):
        mg.jit(lambda x, n: packing.pack_padded_sequence(x, n).data)(x, lengths)


# --- refusals ----------------------------------------------------------------------------

X = mg.ones(5, 2, 3)
BAD = {
    "width": (lambda: nn.RNN(4, 2)(X), RuntimeError, "input_size"),
    "dims": (lambda: nn.RNN(3, 2)(mg.ones(1, 5, 2, 3)), ValueError, "2D or 3D"),
    "no step": (lambda: nn.RNN(3, 2)(mg.ones(0, 2, 3)), RuntimeError, "length"),
    "no steps of one": (lambda: nn.LSTM(3, 2)(mg.ones(0, 3)), RuntimeError, "length"),
    "state": (lambda: nn.GRU(3, 2)(X, mg.ones(1, 3, 2)), RuntimeError, "hidden size"),
    "cell width": (lambda: nn.GRUCell(4, 2)(X[0]), RuntimeError, "input_size"),
    "cell dims": (lambda: nn.GRUCell(3, 2)(X), ValueError, "1D or 2D"),
    "cell state": (
        lambda: nn.LSTMCell(3, 2)(X[0], (mg.ones(2, 2), mg.ones(1, 2))),
        RuntimeError,
        "hidden size",
    ),
    "nonlinearity": (lambda: nn.RNN(3, 2, 1, "sin"), ValueError, "nonlinearity"),
    "projection": (lambda: nn.LSTM(3, 2, proj_size=1), NotImplementedError, "proj"),
    "dropout": (lambda: nn.LSTM(3, 2, dropout=2.0), ValueError, "range"),
    "no layer": (lambda: nn.LSTM(3, 2, 0), ValueError, "greater than zero"),
    "not falling": (
        lambda: packing.pack_padded_sequence(X, [1, 2]),
        RuntimeError,
        "decreasing",
    ),
    "too long": (
        lambda: packing.pack_padded_sequence(X, [6, 2]),
        RuntimeError,
        "do not fit",
    ),
    "total length": (
        lambda: packing.pad_packed_sequence(
            packing.pack_padded_sequence(X, [5, 2]), total_length=4
        ),
        ValueError,
        "total_length",
    ),
    "side": (lambda: packing.pad_sequence([X], padding_side="top"), ValueError, "side"),
}


@pytest.mark.parametrize("case", BAD)
def test_bad_arguments_are_refused(case):
    make, error, word = BAD[case]
    with pytest.raises(error) as caught:
        make()
    assert word in str(caught.value).partition("\n  at ")[0]  # this line has it too


def test_dropout_of_a_single_layer_warns():
    with pytest.warns(UserWarning, match="between layers"):
        nn.LSTM(3, 2, dropout=0.5)
