"""Recurrent layers: a cell, applied to one step of a sequence after another.

The cells are plain functions of (input, state, weights), for loops of one's own, eager or
`mg.scan`. The layers do the inputs' part of all steps in one product beforehand, so that
the loop itself only multiplies the state.
"""

from __future__ import annotations

import math
import warnings
from typing import Any

from minigrad.creation import empty, zeros
from minigrad.errors import ArgumentError, ShapeError
from minigrad.nn import functional as F
from minigrad.nn import init
from minigrad.nn.module import Module
from minigrad.nn.parameter import Parameter
from minigrad.nn.utils.rnn import PackedSequence, known
from minigrad.ops.elementwise import relu, sigmoid, tanh
from minigrad.rearrange import cat, stack
from minigrad.static.node import Node, constant

NONLINEARITIES = {"tanh": tanh, "relu": relu}
WEIGHTS = ("weight_ih", "weight_hh", "bias_ih", "bias_hh")

# --- one step ----------------------------------------------------------------------------
# `x` is the input's part of every gate, ready made; `w` (hidden, gates * hidden) and `b`
# make the state's part.


def _affine(h: Any, w: Any, b: Any) -> Any:
    return h @ w if b is None else h @ w + b


def rnn_step(x: Any, h: Any, w: Any, b: Any, nonlinearity: str = "tanh") -> Any:
    return NONLINEARITIES[nonlinearity](x + _affine(h, w, b))


def lstm_step(x: Any, state: tuple, w: Any, b: Any) -> tuple:
    h, c = state
    write, keep, new, show = (x + _affine(h, w, b)).chunk(4, -1)
    c = sigmoid(keep) * c + sigmoid(write) * tanh(new)
    return sigmoid(show) * tanh(c), c


def gru_step(x: Any, h: Any, w: Any, b: Any) -> Any:
    xr, xz, xn = x.chunk(3, -1)
    hr, hz, hn = _affine(h, w, b).chunk(3, -1)
    reset, keep = sigmoid(xr + hr), sigmoid(xz + hz)
    new = tanh(xn + reset * hn)
    return new + keep * (h - new)


# --- cells -------------------------------------------------------------------------------


def rnn_cell(
    x: Any,
    h: Any,
    w_ih: Any,
    w_hh: Any,
    b_ih: Any = None,
    b_hh: Any = None,
    nonlinearity: str = "tanh",
) -> Any:
    """The next state: nonlinearity(w_ih x + b_ih + w_hh h + b_hh).

    `x` is (..., input), `h` (..., hidden), the weights are (hidden, input) and (hidden,
    hidden), as in `RNNCell`.
    """
    return rnn_step(F.linear(x, w_ih, b_ih), h, w_hh.T, b_hh, nonlinearity)


def lstm_cell(
    x: Any, state: tuple, w_ih: Any, w_hh: Any, b_ih: Any = None, b_hh: Any = None
) -> tuple:
    """The next (h, c) of a long short-term memory (Hochreiter and Schmidhuber, 1997).

    The weights hold the rows of the input, forget, cell and output gates, in this order.
    """
    return lstm_step(F.linear(x, w_ih, b_ih), state, w_hh.T, b_hh)


def gru_cell(
    x: Any, h: Any, w_ih: Any, w_hh: Any, b_ih: Any = None, b_hh: Any = None
) -> Any:
    """The next state of a gated recurrent unit (Cho and others, 2014).

    The weights hold the rows of the reset, update and new gates, in this order.
    """
    return gru_step(F.linear(x, w_ih, b_ih), h, w_hh.T, b_hh)


# --- modules -----------------------------------------------------------------------------


class _Recurrent(Module):
    """What cells and layers share: weights for each gate, drawn from ±1/sqrt(hidden)."""

    gates = 1
    nonlinearity = "tanh"
    input_size: int
    hidden_size: int

    def _add_weights(
        self, inputs: int, bias: bool, ending: str, device: Any, dtype: Any
    ) -> None:
        rows = self.gates * self.hidden_size
        sizes = (rows, inputs), (rows, self.hidden_size), (rows,), (rows,)
        for name, size in zip(WEIGHTS, sizes):
            wanted = bias or len(size) == 2
            weight = (
                Parameter(empty(size, device=device, dtype=dtype)) if wanted else None
            )
            self.register_parameter(name + ending, weight)

    def _weights(self, ending: str) -> tuple[Any, Any, Any, Any]:
        w_ih, w_hh, b_ih, b_hh = (self._parameters[name + ending] for name in WEIGHTS)
        return w_ih, w_hh, b_ih, b_hh

    def reset_parameters(self) -> None:
        """Draw all weights afresh."""
        bound = 1 / math.sqrt(self.hidden_size) if self.hidden_size else 0
        for p in self.parameters():
            init.uniform_(p, -bound, bound)

    def _choose(self, nonlinearity: str) -> None:
        if nonlinearity not in NONLINEARITIES:
            raise ArgumentError(
                f"Unknown nonlinearity {nonlinearity!r}", expected="'tanh' or 'relu'"
            )
        self.nonlinearity = nonlinearity

    def _check_width(self, input: Any) -> None:
        if input.shape[-1] != self.input_size:
            raise ShapeError(
                f"{type(self).__name__}: input.size(-1) must be equal to input_size",
                expected=str(self.input_size),
                got=str(tuple(input.shape)),
            )


class _Cell(_Recurrent):
    def __init__(
        self,
        input_size: int,
        hidden_size: int,
        bias: bool = True,
        device: Any = None,
        dtype: Any = None,
    ) -> None:
        super().__init__()
        self.input_size, self.hidden_size, self.bias = input_size, hidden_size, bias
        self._add_weights(input_size, bias, "", device, dtype)
        self.reset_parameters()

    def _begin(self, input: Any, hx: Any) -> Any:
        """`hx`, zeros unless given, if it and the input have the right sizes."""
        if input.ndim not in (1, 2):
            raise ShapeError(
                f"{type(self).__name__}: Expected input to be 1D or 2D, "
                f"got {input.ndim}D instead"
            )
        self._check_width(input)
        size = (*input.shape[:-1], self.hidden_size)
        if hx is None:
            return _zeros(size, input)
        _check_state(hx, size)
        return hx

    def extra_repr(self) -> str:
        bias = "" if self.bias else ", bias=False"
        changed = (
            "" if self.nonlinearity == "tanh" else f", nonlinearity={self.nonlinearity}"
        )
        return f"{self.input_size}, {self.hidden_size}{bias}{changed}"


class RNNCell(_Cell):
    """One step of an RNN: (batch, input), state (batch, hidden) -> next state.

    >>> import minigrad as mg
    >>> cell = mg.nn.RNNCell(3, 4)
    >>> cell(mg.ones(2, 3)).shape
    (2, 4)
    """

    def __init__(
        self,
        input_size: int,
        hidden_size: int,
        bias: bool = True,
        nonlinearity: str = "tanh",
        device: Any = None,
        dtype: Any = None,
    ) -> None:
        super().__init__(input_size, hidden_size, bias, device, dtype)
        self._choose(nonlinearity)

    def forward(self, input: Any, hx: Any = None) -> Any:
        h = self._begin(input, hx)
        return rnn_cell(input, h, *self._weights(""), self.nonlinearity)


class LSTMCell(_Cell):
    """One step of an LSTM: (batch, input), state (h, c) -> next (h, c)."""

    gates = 4

    def forward(self, input: Any, hx: Any = None) -> tuple:
        given = (None, None) if hx is None else hx
        state = tuple(self._begin(input, part) for part in given)
        return lstm_cell(input, state, *self._weights(""))


class GRUCell(_Cell):
    """One step of a GRU: (batch, input), state (batch, hidden) -> next state."""

    gates = 3

    def forward(self, input: Any, hx: Any = None) -> Any:
        return gru_cell(input, self._begin(input, hx), *self._weights(""))


def _zeros(size: tuple[int, ...], like: Any) -> Any:
    """A state to begin with: in a graph built by hand a Node, as all that follows."""
    zero = zeros(size, dtype=like.dtype, device=like.device)
    return constant(zero.array) if isinstance(like, Node) else zero


def _check_state(hx: Any, size: tuple[int, ...]) -> None:
    if tuple(hx.shape) != size:
        raise ShapeError(
            "the state has another shape than the layer and the batch ask for",
            expected=f"hidden size {size}",
            got=str(tuple(hx.shape)),
        )


class RNNBase(_Recurrent):
    """Layers over whole sequences; a subclass gives `step` and how many `parts` a state has.

    Unpadded batches run as packed ones whose every step has all sequences.
    """

    parts = 1

    def __init__(
        self,
        input_size: int,
        hidden_size: int,
        num_layers: int = 1,
        bias: bool = True,
        batch_first: bool = False,
        dropout: float = 0.0,
        bidirectional: bool = False,
        proj_size: int = 0,
        device: Any = None,
        dtype: Any = None,
    ) -> None:
        super().__init__()
        if proj_size:
            raise NotImplementedError("proj_size: projected states are not supported")
        if hidden_size <= 0 or num_layers <= 0:
            raise ArgumentError("hidden_size and num_layers must be greater than zero")
        if not 0 <= dropout <= 1:
            raise ArgumentError("dropout should be a number in range [0, 1]")
        if dropout and num_layers == 1:
            warnings.warn(
                "dropout is applied between layers, and this is a single one",
                UserWarning,
                stacklevel=3,
            )
        self.input_size, self.hidden_size = input_size, hidden_size
        self.num_layers, self.bias, self.batch_first = num_layers, bias, batch_first
        self.dropout, self.bidirectional = float(dropout), bidirectional
        for layer in range(num_layers):
            inputs = hidden_size * len(self._directions) if layer else input_size
            for direction in self._directions:
                self._add_weights(inputs, bias, f"_l{layer}{direction}", device, dtype)
        self.reset_parameters()

    @property
    def _directions(self) -> tuple[str, ...]:
        return ("", "_reverse") if self.bidirectional else ("",)

    def flatten_parameters(self) -> None:
        """Nothing: PyTorch arranges the weights for cuDNN here."""

    def step(self, x: Any, state: tuple, w: Any, b: Any) -> tuple:
        """The next state, a tuple of which the first part is the output."""
        raise NotImplementedError

    def project(self, x: Any, w: Any, b_ih: Any, b_hh: Any) -> tuple[Any, Any]:
        """The inputs' part of every step; the state's bias goes along where it can."""
        x = F.linear(x, w, b_ih)
        return x if b_hh is None else x + b_hh, None

    def forward(self, input: Any, hx: Any = None) -> tuple[Any, Any]:
        """(outputs of the last layer at every step, final state of every layer)."""
        begin = None if hx is None else tuple(hx) if self.parts > 1 else (hx,)
        if isinstance(input, PackedSequence):
            data, sizes, order, back = input
            self._check_width(data)
            output, state = self._run(data, known(sizes).tolist(), begin, order)
            if back is not None:
                state = tuple(part[:, back] for part in state)
            return PackedSequence(output, sizes, order, back), self._handed_out(state)
        if input.ndim not in (2, 3):
            raise ShapeError(
                f"{type(self).__name__}: Expected input to be 2D or 3D, "
                f"got {input.ndim}D instead"
            )
        self._check_width(input)
        single, at = input.ndim == 2, int(self.batch_first)
        if single:
            input, at = input.unsqueeze(1), 0
            begin = begin and tuple(part.unsqueeze(1) for part in begin)
        steps, batch = input.shape[at], input.shape[1 - at]
        rows = input.swapaxes(0, at).reshape(steps * batch, -1)
        output, state = self._run(rows, [batch] * steps, begin)
        output = output.reshape(steps, batch, -1).swapaxes(0, at)
        if single:
            output, state = output.squeeze(1), tuple(part.squeeze(1) for part in state)
        return output, self._handed_out(state)

    def _handed_out(self, state: tuple) -> Any:
        return state if self.parts > 1 else state[0]

    def _run(
        self, rows: Any, sizes: list[int], begin: tuple | None, order: Any = None
    ) -> tuple[Any, tuple]:
        """All layers over packed rows: the packed outputs, the final states."""
        count = self.num_layers * len(self._directions)
        size = (count, sizes[0], self.hidden_size)
        if begin is None:
            begin = (_zeros(size, rows),) * self.parts
        for part in begin:
            _check_state(part, size)
        if order is not None:
            begin = tuple(part[:, order] for part in begin)
        finals: list[tuple] = []
        for layer in range(self.num_layers):
            outputs = []
            if layer and self.dropout:
                rows = F.dropout(rows, self.dropout, self.training)
            for direction in self._directions:
                first = tuple(part[len(finals)] for part in begin)
                w_ih, w_hh, *biases = self._weights(f"_l{layer}{direction}")
                x, b = self.project(rows, w_ih, *biases)
                over = _backwards if direction else _forwards
                ys, final = over(self.step, x, sizes, first, w_hh.T, b)
                outputs.append(cat(ys))
                finals.append(final)
            rows = cat(outputs, -1) if self.bidirectional else outputs[0]
        return rows, tuple(stack(parts) for parts in zip(*finals))

    def extra_repr(self) -> str:
        text = f"{self.input_size}, {self.hidden_size}"
        plain: dict[str, Any] = {"num_layers": 1, "bias": True, "batch_first": False}
        plain |= {"dropout": 0.0, "bidirectional": False}
        changed = {
            k: getattr(self, k) for k, v in plain.items() if getattr(self, k) != v
        }
        return ", ".join([text, *(f"{k}={v}" for k, v in changed.items())])


def _forwards(step: Any, x: Any, sizes: list, state: tuple, *weights: Any) -> tuple:
    """One direction over packed rows; sequences that end hand in their state."""
    ys, ended, start, going = [], [], 0, sizes[0]
    for size in sizes:
        if size < going:
            ended.append(tuple(part[size:] for part in state))
            state = tuple(part[:size] for part in state)
        state = step(x[start : start + size], state, *weights)
        ys.append(state[0])
        start, going = start + size, size
    if ended:
        state = tuple(cat(parts) for parts in zip(state, *ended[::-1]))
    return ys, state


def _backwards(step: Any, x: Any, sizes: list, first: tuple, *weights: Any) -> tuple:
    """The other direction; shorter sequences join in where they begin, at their end."""
    ys, stop, going = [], sum(sizes), sizes[-1]
    state = tuple(part[:going] for part in first) if going < sizes[0] else first
    for size in reversed(sizes):
        if size > going:
            joining = (part[going:size] for part in first)
            state = tuple(cat(pair) for pair in zip(state, joining))
        state = step(x[stop - size : stop], state, *weights)
        ys.append(state[0])
        stop, going = stop - size, size
    return ys[::-1], state


class RNN(RNNBase):
    """h_t = tanh(w_ih x_t + b_ih + w_hh h_(t-1) + b_hh), in layers and both directions.

    Takes (steps, batch, input), (steps, input) or a PackedSequence, with `batch_first`
    (batch, steps, input), and (layers * directions, batch, hidden) to begin with.

        >>> import minigrad as mg
        >>> rnn = mg.nn.RNN(3, 4, num_layers=2)
        >>> output, h = rnn(mg.ones(5, 2, 3))
        >>> output.shape, h.shape
        ((5, 2, 4), (2, 2, 4))
    """

    def __init__(
        self,
        input_size: int,
        hidden_size: int,
        num_layers: int = 1,
        nonlinearity: str = "tanh",
        *args: Any,
        **options: Any,
    ) -> None:
        super().__init__(input_size, hidden_size, num_layers, *args, **options)
        self._choose(nonlinearity)

    def step(self, x: Any, state: tuple, w: Any, b: Any) -> tuple:
        return (rnn_step(x, state[0], w, b, self.nonlinearity),)


class LSTM(RNNBase):
    """Layers of `lstm_cell`; the state is (h, c). Takes what RNN takes."""

    gates, parts = 4, 2

    def step(self, x: Any, state: tuple, w: Any, b: Any) -> tuple:
        return lstm_step(x, state, w, b)


class GRU(RNNBase):
    """Layers of `gru_cell`. Takes what RNN takes."""

    gates = 3

    def step(self, x: Any, state: tuple, w: Any, b: Any) -> tuple:
        return (gru_step(x, state[0], w, b),)

    def project(self, x: Any, w: Any, b_ih: Any, b_hh: Any) -> tuple[Any, Any]:
        return F.linear(x, w, b_ih), b_hh  # the reset gate multiplies b_hh
