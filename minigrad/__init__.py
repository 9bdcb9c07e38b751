"""minigrad: the tape and the graph in one small engine, written to be read.

    import minigrad as mg

Eager mode has PyTorch's names, static mode Theano's and TensorFlow's.
"""

from typing import TYPE_CHECKING, Any

from minigrad import autograd, copying, errors, linalg, random
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
    get_default_device,
    get_default_dtype,
    int32,
    int64,
    set_default_device,
    set_default_dtype,
    uint8,
)
from minigrad.creation import *
from minigrad.eager.tensor import Tensor
from minigrad.functions import *
from minigrad.profiling import count_ops, profile
from minigrad.random import *
from minigrad.static.jit import jit
from minigrad.static.node import Node, constant, gradients, placeholder, variable
from minigrad.static.program import Program, compile, set_default_target
from minigrad.static.session import Session
from minigrad.viz import show, tape

if TYPE_CHECKING:
    # Most of these names are made in loops that a type checker cannot follow.
    def __getattr__(name: str) -> Any: ...
