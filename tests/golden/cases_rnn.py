"""Recurrent layers and cells on the same numbers, for either library."""

import numpy as np

STEPS, BATCH, INPUT, HIDDEN = 5, 4, 3, 2

OPTIONS = {
    "": {},
    "two layers": {"num_layers": 2},
    "both ways, two layers": {"num_layers": 2, "bidirectional": True},
    "batch first": {"batch_first": True},
    "no bias, both ways": {"bias": False, "bidirectional": True},
}
LENGTHS = {"padded": None, "packed": [5, 3, 3, 1], "packed in any order": [2, 5, 1, 4]}
LAYERS = {
    " | ".join(filter(None, (kind, name, lengths, state))): (
        *(kind, options, LENGTHS[lengths], bool(state)),
    )
    for kind in ("RNN", "LSTM", "GRU")
    for name, options in OPTIONS.items()
    for lengths in LENGTHS
    for state in ("", "from a state")
}
LAYERS["RNN | relu"] = ("RNN", {"nonlinearity": "relu"}, None, True)
CELLS = {
    f"{kind}Cell{name}": (f"{kind}Cell", options)
    for kind in ("RNN", "LSTM", "GRU")
    for name, options in {"": {"bias": True}, " without bias": {"bias": False}}.items()
}
CELLS["RNNCell relu"] = ("RNNCell", {"nonlinearity": "relu"})


def set_weights(t, module, rng):
    with t.no_grad():
        for p in module.parameters():
            p.copy_(t.tensor(rng.normal(size=tuple(p.shape))))


def run_layer(t, kind, options, lengths, from_state, compiled=lambda fn: fn):
    """Outputs, final states, and the gradients of a number made of all of them."""
    rng, rnn = np.random.default_rng(0), t.nn.utils.rnn
    first = options.get("batch_first", False)
    module = getattr(t.nn, kind)(INPUT, HIDDEN, **options).double()
    set_weights(t, module, rng)
    count = options.get("num_layers", 1) * (1 + options.get("bidirectional", False))
    size = (BATCH, STEPS, INPUT) if first else (STEPS, BATCH, INPUT)
    x = t.tensor(rng.normal(size=size), requires_grad=True)
    state = [
        t.tensor(rng.normal(size=(count, BATCH, HIDDEN)), requires_grad=True)
        for _ in range(2 if kind == "LSTM" else 1)
    ]

    def run(x, *state):
        given, rows = None, x
        if from_state:
            given = state if kind == "LSTM" else state[0]
        if lengths is not None:
            falling = lengths == sorted(lengths, reverse=True)
            rows = rnn.pack_padded_sequence(x, lengths, first, falling)
        y, final = module(rows, given)
        if lengths is not None:
            y, _ = rnn.pad_packed_sequence(y, first, 0.5, STEPS + 1)
        final = final if kind == "LSTM" else (final,)
        loss = (y * y).sum() + sum((part**3).sum() for part in final)
        wrt = [x, *(state if from_state else ()), *module.parameters()]
        return [y, *final, *t.autograd.grad(loss, wrt)]

    return [y.detach().numpy() for y in compiled(run)(x, *state)]


def run_cell(t, kind, options):
    """Two steps of a cell, with gradients."""
    rng = np.random.default_rng(1)
    cell = getattr(t.nn, kind)(INPUT, HIDDEN, **options).double()
    set_weights(t, cell, rng)
    x = t.tensor(rng.normal(size=(BATCH, INPUT)), requires_grad=True)
    state = cell(x, cell(x))
    parts = state if isinstance(state, tuple) else (state,)
    loss = sum((part**3).sum() for part in parts)
    found = [*parts, *t.autograd.grad(loss, [x, *cell.parameters()])]
    return [y.detach().numpy() for y in found]


ALL = {case: (run_layer, args) for case, args in LAYERS.items()}
ALL |= {case: (run_cell, args) for case, args in CELLS.items()}
KEPT = [case for case, (_, args) in ALL.items() if args[-1]]  # from a state, and cells


def golden(t):
    """What is committed: all numbers of a case in one row."""
    return {case: row(t, case) for case in KEPT}


def row(t, case):
    run, args = ALL[case]
    return np.concatenate([y.ravel() for y in run(t, *args)])
