"""Recurrent layers: a cell, applied to one step of a sequence after another.

Three kinds (plain, long short-term memory, gated) say what one step is; two uses are made
of each: a cell, for loops of one's own, and layers over whole sequences. The layers do the
inputs' part of all steps in one product beforehand, so that the loop itself only
multiplies the state.
"""

from __future__ import annotations

import itertools
import warnings
from collections.abc import Callable, Iterator
from typing import Any

from minigrad.creation import zeros
from minigrad.errors import ArgumentError, ShapeError
from minigrad.nn import functional as F
from minigrad.nn.linear import Weighted
from minigrad.nn.utils.rnn import PackedSequence, known
from minigrad.ops.elementwise import relu, sigmoid, tanh
from minigrad.ops.shapes import demand_shape
from minigrad.options import Options
from minigrad.rearrange import cat, stack
from minigrad.static.node import Node, constant

NONLINEARITIES = {"tanh": tanh, "relu": relu}
WEIGHTS = ("weight_ih", "weight_hh", "bias_ih", "bias_hh")


class _Recurrent(Options, Weighted):
    """What all share: weights for each gate, drawn from ±1/sqrt(hidden), and a state."""

    gates = 1
    parts = 1  # of a state, which is a tuple unless it has one
    nonlinearity = "tanh"
    shown: tuple[str, ...] = ()  # options that are printed where they are not as usual

    def __init__(self, *args: Any, **options: Any) -> None:
        super().__init__()
        given = self.given(args, options)
        where = {name: given.pop(name) for name in ("device", "dtype")}
        vars(self).update(given)
        self._check_options()
        rows = self.gates * self.hidden_size
        biases = (rows,) if self.bias else None
        for ending, inputs in self._places():
            shapes = (rows, inputs), (rows, self.hidden_size), biases, biases
            self._add({n + ending: shape for n, shape in zip(WEIGHTS, shapes)}, **where)
        self.reset_parameters()

    def _fan_in(self) -> int:
        return self.hidden_size

    def _check_options(self) -> None:
        if self.nonlinearity not in NONLINEARITIES:
            raise ArgumentError(
                f"Unknown nonlinearity {self.nonlinearity!r}",
                expected="'tanh' or 'relu'",
            )

    def _places(self) -> Iterator[tuple[str, int]]:
        """The ending of the names of each set of weights, and the size of its inputs."""
        raise NotImplementedError

    def step(self, x: Any, state: tuple, w: Any, b: Any) -> tuple:
        """The next state, a tuple of which the first part is the output.

        `x` is the input's part of every gate, ready made; `w` (hidden, gates * hidden)
        and `b` make the state's part.
        """
        raise NotImplementedError

    def _weights(self, ending: str = "") -> tuple[Any, Any, Any, Any]:
        w_ih, w_hh, b_ih, b_hh = [self._parameters[name + ending] for name in WEIGHTS]
        return w_ih, w_hh.T, b_ih, b_hh

    def _check(self, input: Any, *dims: int) -> None:
        if input.ndim not in dims:
            wanted = " or ".join(f"{n}D" for n in dims)
            raise ShapeError(
                f"{type(self).__name__}: Expected input to be {wanted}, "
                f"got {input.ndim}D instead"
            )
        if input.shape[-1] != self.input_size:
            raise ShapeError(
                f"{type(self).__name__}: input.size(-1) must be equal to input_size",
                expected=str(self.input_size),
                got=str(tuple(input.shape)),
            )

    def _state(self, hx: Any, size: tuple[int, ...], like: Any) -> tuple:
        """The parts of `hx`, zeros unless given: in a graph built by hand Nodes."""
        if hx is None:
            zero: Any = zeros(size, dtype=like.dtype, device=like.device)
            zero = constant(zero.array) if isinstance(like, Node) else zero
            return (zero,) * self.parts
        state = tuple(hx) if self.parts > 1 else (hx,)
        for part in state:
            lesson = "the state has another batch, layers or hidden size"
            demand_shape(f"{type(self).__name__}: {lesson}", "hx", part, size)
        return state

    def _handed_out(self, state: tuple) -> Any:
        return state if self.parts > 1 else state[0]

    def extra_repr(self) -> str:
        usual = self.options.parameters
        values = {name: getattr(self, name) for name in self.shown if name in usual}
        changed = [f"{k}={v}" for k, v in values.items() if v != usual[k].default]
        return ", ".join([str(self.input_size), str(self.hidden_size), *changed])


# --- three kinds -------------------------------------------------------------------------


def _affine(h: Any, w: Any, b: Any) -> Any:
    return h @ w if b is None else h @ w + b


class _Plain(_Recurrent):
    """nonlinearity(w_ih x + b_ih + w_hh h + b_hh)."""

    def step(self, x: Any, state: tuple, w: Any, b: Any) -> tuple:
        (h,) = state
        return (NONLINEARITIES[self.nonlinearity](x + _affine(h, w, b)),)


class _LongShort(_Recurrent):
    """Long short-term memory (Hochreiter and Schmidhuber, 1997); the state is (h, c).

    The weights hold the rows of the input, forget, cell and output gates, in this order.
    """

    gates, parts = 4, 2

    def step(self, x: Any, state: tuple, w: Any, b: Any) -> tuple:
        h, c = state
        write, keep, new, show = (x + _affine(h, w, b)).chunk(4, -1)
        c = sigmoid(keep) * c + sigmoid(write) * tanh(new)
        return sigmoid(show) * tanh(c), c


class _Gated(_Recurrent):
    """A gated recurrent unit (Cho and others, 2014).

    The weights hold the rows of the reset, update and new gates, in this order.
    """

    gates = 3

    def step(self, x: Any, state: tuple, w: Any, b: Any) -> tuple:
        (h,) = state
        xr, xz, xn = x.chunk(3, -1)
        hr, hz, hn = _affine(h, w, b).chunk(3, -1)
        reset, keep = sigmoid(xr + hr), sigmoid(xz + hz)
        new = tanh(xn + reset * hn)
        return (new + keep * (h - new),)


# --- cells -------------------------------------------------------------------------------


class _Cell(
    _Recurrent, options="input_size, hidden_size, bias=True, device=None, dtype=None"
):
    shown = ("bias", "nonlinearity")

    def _places(self) -> Iterator[tuple[str, int]]:
        yield "", self.input_size

    def forward(self, input: Any, hx: Any = None) -> Any:
        self._check(input, 1, 2)
        state = self._state(hx, (*input.shape[:-1], self.hidden_size), input)
        w_ih, w_hh, b_ih, b_hh = self._weights()
        x = F.linear(input, w_ih, b_ih)
        return self._handed_out(self.step(x, state, w_hh, b_hh))


class RNNCell(
    _Plain,
    _Cell,
    options="input_size, hidden_size, bias=True, nonlinearity='tanh', device=None, "
    "dtype=None",
):
    """One step of an RNN: (batch, input), state (batch, hidden) -> next state.

    >>> import minigrad as mg
    >>> cell = mg.nn.RNNCell(3, 4)
    >>> cell(mg.ones(2, 3)).shape
    (2, 4)
    """


class LSTMCell(_LongShort, _Cell):
    """One step of an LSTM: (batch, input), state (h, c) -> next (h, c)."""


class GRUCell(_Gated, _Cell):
    """One step of a GRU: (batch, input), state (batch, hidden) -> next state."""


# --- layers ------------------------------------------------------------------------------


LAYERS = (
    "bias=True, batch_first=False, dropout=0.0, bidirectional=False, proj_size=0, "
    "device=None, dtype=None"
)


class RNNBase(_Recurrent, options=f"input_size, hidden_size, num_layers=1, {LAYERS}"):
    """Layers over whole sequences.

    Unpadded batches run as packed ones whose every step has all sequences.
    """

    shown = ("num_layers", "bias", "batch_first", "dropout", "bidirectional")
    bias_ahead = True  # the state's bias can be added to the inputs' part

    def _check_options(self) -> None:
        super()._check_options()
        if self.proj_size:
            raise NotImplementedError("proj_size: projected states are not supported")
        if self.hidden_size <= 0 or self.num_layers <= 0:
            raise ArgumentError("hidden_size and num_layers must be greater than zero")
        if not 0 <= self.dropout <= 1:
            raise ArgumentError("dropout should be a number in range [0, 1]")
        self.dropout = float(self.dropout)
        if self.dropout and self.num_layers == 1:
            warnings.warn(
                "dropout is applied between layers, and this is a single one",
                UserWarning,
                stacklevel=3,
            )

    def _places(self) -> Iterator[tuple[str, int]]:
        width = self.hidden_size * len(self._directions)
        for layer in range(self.num_layers):
            for direction in self._directions:
                yield f"_l{layer}{direction}", width if layer else self.input_size

    @property
    def _directions(self) -> tuple[str, ...]:
        return ("", "_reverse") if self.bidirectional else ("",)

    def flatten_parameters(self) -> None:
        """Nothing: PyTorch arranges the weights for cuDNN here."""

    def forward(self, input: Any, hx: Any = None) -> tuple[Any, Any]:
        """(outputs of the last layer at every step, final state of every layer)."""
        if isinstance(input, PackedSequence):
            rows, lengths, order, back = input
            self._check(rows, rows.ndim)
            output, state = self._run(rows, known(lengths).tolist(), hx, order)
            if back is not None:
                state = self._each(state, lambda part: part[:, back])
            return PackedSequence(output, lengths, order, back), state
        self._check(input, 2, 3)
        at = int(self.batch_first)
        if input.ndim == 2:  # a batch of one
            if hx is not None:
                hx = self._each(hx, lambda part: part.unsqueeze(1))
            output, state = self.forward(input.unsqueeze(1 - at), hx)
            return output.squeeze(1 - at), self._each(
                state, lambda part: part.squeeze(1)
            )
        steps, batch = input.shape[at], input.shape[1 - at]
        if steps == 0:
            raise ShapeError(
                f"{type(self).__name__}: Expected sequence length to be larger than 0"
            )
        rows = input.swapaxes(0, at).reshape(steps * batch, self.input_size)
        output, state = self._run(rows, [batch] * steps, hx)
        return output.reshape(steps, batch, output.shape[1]).swapaxes(0, at), state

    def _each(self, hx: Any, fn: Callable[[Any], Any]) -> Any:
        return tuple(map(fn, hx)) if self.parts > 1 else fn(hx)

    def _run(
        self, rows: Any, sizes: list[int], hx: Any, order: Any = None
    ) -> tuple[Any, Any]:
        """All layers over packed rows: the packed outputs, the final states."""
        count = self.num_layers * len(self._directions)
        begin = self._state(hx, (count, sizes[0], self.hidden_size), rows)
        if order is not None:
            begin = tuple(part[:, order] for part in begin)
        finals: list[tuple] = []
        for layer in range(self.num_layers):
            outputs = []
            if layer and self.dropout:
                rows = F.dropout(rows, self.dropout, self.training)
            for direction in self._directions:
                first = tuple(part[len(finals)] for part in begin)
                w_ih, w_hh, b_ih, b_hh = self._weights(f"_l{layer}{direction}")
                x = F.linear(rows, w_ih, b_ih)
                if self.bias_ahead and b_hh is not None:
                    x, b_hh = x + b_hh, None
                ys, final = self._along(x, sizes, first, w_hh, b_hh, bool(direction))
                outputs.append(cat(ys))
                finals.append(final)
            rows = cat(outputs, -1) if self.bidirectional else outputs[0]
        return rows, self._handed_out(tuple(stack(parts) for parts in zip(*finals)))

    def _along(
        self, x: Any, sizes: list[int], state: tuple, w: Any, b: Any, backwards: bool
    ) -> tuple[list, tuple]:
        """One direction over packed rows; sequences without such a step wait."""
        ys, waiting, going = [], (), sizes[0]
        steps = list(zip(sizes, itertools.accumulate(sizes)))
        for size, stop in reversed(steps) if backwards else steps:
            if size != going:
                state, going = _joined(state, waiting), size
                waiting = tuple(part[size:] for part in state)
                state = tuple(part[:size] for part in state)
            state = self.step(x[stop - size : stop], state, w, b)
            ys.append(state[0])
        return ys[::-1] if backwards else ys, _joined(state, waiting)


def _joined(state: tuple, waiting: tuple) -> tuple:
    return tuple(map(cat, zip(state, waiting))) if waiting else state


class RNN(
    _Plain,
    RNNBase,
    options=f"input_size, hidden_size, num_layers=1, nonlinearity='tanh', {LAYERS}",
):
    """h_t = tanh(w_ih x_t + b_ih + w_hh h_(t-1) + b_hh), in layers and both directions.

    Takes (steps, batch, input), (steps, input) or a PackedSequence, with `batch_first`
    (batch, steps, input), and (layers * directions, batch, hidden) to begin with.

        >>> import minigrad as mg
        >>> rnn = mg.nn.RNN(3, 4, num_layers=2)
        >>> output, h = rnn(mg.ones(5, 2, 3))
        >>> output.shape, h.shape
        ((5, 2, 4), (2, 2, 4))
    """


class LSTM(_LongShort, RNNBase):
    """Layers of `LSTMCell`; the state is (h, c). Takes what RNN takes."""


class GRU(_Gated, RNNBase):
    """Layers of `GRUCell`. Takes what RNN takes."""

    bias_ahead = False  # the reset gate multiplies it
