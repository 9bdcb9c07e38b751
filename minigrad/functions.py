"""Operations as functions, as in `mg.exp(x)`, beside the methods of Tensor and Node."""

from __future__ import annotations

import builtins
import functools
from collections.abc import Callable
from typing import Any

from minigrad import contraction, rearrange
from minigrad.errors import DTypeError
from minigrad.methods import Methods
from minigrad.ops import elementwise
from minigrad.ops.effects import shown
from minigrad.ops.op import MODE, Value


def _function(name: str) -> Callable[..., Any]:
    method = getattr(Methods, name)

    @functools.wraps(method)
    def function(input: Any, *args: Any, **kwargs: Any) -> Any:
        if isinstance(input, Value):
            return getattr(input, name)(*args, **kwargs)
        # The number may come first, as in pow(2, x).
        if name in ARITHMETIC and builtins.any(isinstance(x, Value) for x in args):
            return method(input, *args, **kwargs)
        return _value(input, name)

    return function


def _value(input: Any, name: str) -> Any:
    if isinstance(input, Value):
        return input
    raise DTypeError(
        f"{name}: wants a tensor or a node",
        expected="a Tensor or Node",
        got=type(input).__name__,
        remedy=f"mg.tensor(x).{name}(...)",
    )


ARITHMETIC = "add sub mul div true_divide floor_divide remainder pow".split()
# Every method here is a function of its tensor too, named and documented alike.
METHODS = """
    add sub mul div true_divide floor_divide remainder pow atan2 maximum minimum lerp
    addcmul addcdiv abs neg sign square sqrt rsqrt reciprocal exp exp2 expm1 log log2
    log10 log1p erf sin cos tan asin acos atan sinh cosh floor ceil round trunc frac
    clamp clamp_min clamp_max tanh sigmoid relu elu selu gelu silu mish leaky_relu
    hardtanh softplus eq ne lt le gt ge isnan isinf isfinite logical_and logical_or
    logical_not logical_xor bitwise_and bitwise_or bitwise_not bitwise_xor isclose
    allclose equal sum mean prod var std norm logsumexp amax amin max min argmax
    argmin all any count_nonzero cumsum cumprod softmax log_softmax reshape flatten
    permute transpose squeeze unsqueeze unflatten t movedim moveaxis swapaxes swapdims
    broadcast_to select narrow tile split chunk unbind flip roll diagonal diag tril
    triu gather scatter scatter_add index_select index_add take_along_dim masked_fill
    masked_select sort argsort topk median searchsorted kron outer addmm matmul mm bmm mv dot
""".split()

for _name in METHODS:
    globals()[_name] = _function(_name)


def where(condition: Any, input: Any, other: Any) -> Any:
    """`input` where `condition` is true, else `other`."""
    return elementwise.where(condition, input, other)


def _of_several(fn: Callable[..., Any]) -> Callable[..., Any]:
    """`fn` of tensors one by one, or of a list of them, all of which must be tensors."""

    @functools.wraps(fn)
    def function(tensors: Any, *args: Any, **kwargs: Any) -> Any:
        each = tensors if isinstance(tensors, (tuple, list)) else (tensors, *args)
        for x in each:
            _value(x, fn.__name__)
        return fn(tensors, *args, **kwargs)

    return function


cat, stack = _of_several(rearrange.cat), _of_several(rearrange.stack)
hstack, vstack = _of_several(rearrange.hstack), _of_several(rearrange.vstack)
meshgrid, one_hot, concat = _of_several(rearrange.meshgrid), rearrange.one_hot, cat


def tensordot(a: Any, b: Any, dims: Any = 2) -> Any:
    """The sum of products over the last `dims` axes of `a` and the first of `b`.

    `dims` may also be two lists of axes.
    """
    x, y = _value(a, "tensordot"), _value(b, "tensordot")
    return contraction.tensordot(x, y, dims)


def einsum(equation: Any, *operands: Any) -> Any:
    """Sums of products as an equation says: "ij,jk->ik" is the matrix product.

    `einsum(equation, *operands)`, or with numbers for letters and a list after each
    operand, as in `einsum(a, [0, 1], b, [1, 2], [0, 2])`.
    """
    equation, operands = contraction.spelled(equation, *operands)
    if len(operands) == 1 and isinstance(operands[0], (tuple, list)):
        operands = tuple(operands[0])
    return contraction.einsum(equation, *(_value(x, "einsum") for x in operands))


def print_node(x: Any, message: str = "") -> Any:
    """`x`, whose value is printed behind `message` whenever it has been computed.

    In a graph that you build, and under `jit` in the body of a loop or a branch, use what
    it returns: what nothing needs is never computed. Elsewhere under `jit` it prints at
    every call, eagerly at once. Gradients pass.

        >>> import minigrad as mg
        >>> x = mg.placeholder(())
        >>> y = mg.print_node(x * 2, "twice x:") + 1
        >>> mg.compile([x], y)(3.0)
        twice x: tensor(6.)
        tensor(7.)
    """
    y = shown(x, message=message)
    trace = MODE.get().trace
    if trace is not None:
        trace.effects.append(trace.value_of(y))
    return y


_OTHERS = """
    cat concat einsum hstack meshgrid one_hot print_node stack tensordot vstack where
""".split()
__all__ = METHODS + _OTHERS
