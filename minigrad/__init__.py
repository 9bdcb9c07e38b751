"""minigrad: the tape and the graph in one small engine, written to be read.

    import minigrad as mg

Eager mode has PyTorch's names, static mode Theano's and TensorFlow's.
"""

from minigrad import autograd, copying, errors, random
from minigrad.autograd import (
    enable_grad,
    inference_mode,
    is_grad_enabled,
    no_grad,
    set_grad_enabled,
)
from minigrad.backend import (
    bool_,
    device,
    float16,
    float32,
    float64,
    get_default_dtype,
    int32,
    int64,
    set_default_dtype,
    uint8,
)
from minigrad.creation import (
    arange,
    as_tensor,
    eye,
    from_numpy,
    full,
    ones,
    ones_like,
    tensor,
    zeros,
    zeros_like,
)
from minigrad.eager.tensor import Tensor
from minigrad.functions import (
    abs,
    add,
    all,
    amax,
    amin,
    any,
    argmax,
    argmin,
    bmm,
    cat,
    clamp,
    cos,
    div,
    dot,
    exp,
    flatten,
    gather,
    log,
    log_softmax,
    logsumexp,
    matmul,
    max,
    maximum,
    mean,
    min,
    minimum,
    mm,
    mul,
    mv,
    neg,
    permute,
    pow,
    relu,
    reshape,
    sigmoid,
    sign,
    sin,
    softmax,
    sqrt,
    square,
    squeeze,
    stack,
    sub,
    sum,
    tanh,
    transpose,
    unsqueeze,
    where,
)
from minigrad.profiling import count_ops, profile
from minigrad.random import Generator, manual_seed, rand, randint, randn, randperm
from minigrad.static.node import Node, constant, gradients, placeholder, variable
from minigrad.static.program import Program, compile, set_default_target
from minigrad.static.session import Session
from minigrad.static.trace import jit
from minigrad.viz import show, tape
