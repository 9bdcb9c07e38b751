"""minigrad: the tape and the graph in one small engine, written to be read.

    import minigrad as mg

Eager mode has PyTorch's names, static mode Theano's and TensorFlow's.
"""

from typing import TYPE_CHECKING, Any

from minigrad import (
    autograd,
    backends,
    copying,
    cuda,
    distributed,
    errors,
    linalg,
    nn,
    optim,
    random,
    twins,
    utils,
)
from minigrad.autograd import (
    enable_grad,
    inference_mode,
    is_grad_enabled,
    is_inference,
    is_inference_mode_enabled,
    no_grad,
    set_grad_enabled,
)
from minigrad.backend import (
    bool_,
    device,
    float16,
    float32,
    float64,
    get_default_device,
    get_default_dtype,
    int32,
    int64,
    set_default_device,
    set_default_dtype,
    uint8,
)
from minigrad.backend import bool_ as bool
from minigrad.backend import float16 as half
from minigrad.backend import float32 as float
from minigrad.backend import float64 as double
from minigrad.backend import int32 as int
from minigrad.backend import int64 as long
from minigrad.creation import *
from minigrad.eager.tensor import Tensor
from minigrad.export import load, save
from minigrad.functions import *
from minigrad.functions import print_node as Print
from minigrad.profiling import count_ops, profile
from minigrad.random import *
from minigrad.static.control import cond, foldl, scan, stop_gradient, while_loop
from minigrad.static.jit import jit
from minigrad.static.node import Node, constant, gradients, placeholder, variable
from minigrad.static.program import Program, compile, set_default_target
from minigrad.static.session import Session
from minigrad.viz import show, tape

if TYPE_CHECKING:
    # Most of these names are made in loops that a type checker cannot follow.
    def __getattr__(name: str) -> Any: ...
