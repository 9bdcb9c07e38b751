"""Convolution through cuDNN, where its package is: the three of `ops/conv.py`.

cuDNN is given a graph of one node and answers with a plan, the algorithm it thinks the
fastest for these shapes, and with how much memory the plan works in. Finding a plan takes
milliseconds, so plans are kept. Without the package, or where cuDNN has no plan, the
windows are laid out as columns and multiplied by cuBLAS.
"""

from __future__ import annotations

import functools
import math
from typing import Any, NamedTuple

from minigrad.gpu.precision import matmul
from minigrad.ops.conv import Window

INSTALL = "pip install nvidia-cudnn-frontend nvidia-cudnn-cu13"
TYPES = {"float16": "HALF", "float32": "FLOAT", "float64": "DOUBLE"}
METHODS = {  # what cuDNN calls each of ours, and its first and second operand
    "conv": ("conv_fprop", "image", "weight"),
    "conv_input": ("conv_dgrad", "loss", "filter"),
    "conv_weight": ("conv_wgrad", "image", "loss"),
}
SIZES = ("pre_padding", "post_padding", "stride", "dilation")
Sizes = tuple[int, ...]


class Description(NamedTuple):
    """A convolution as cuDNN is told of it, and the key under which its plan is kept.

    `operands` are (name, shape), `sizes` how the window slides, by cuDNN's names;
    `exact` is whether float32 may not be rounded to TF32.
    """

    method: str
    dtype: str
    operands: tuple[tuple[str, Sizes], ...]
    output: Sizes
    sizes: tuple[tuple[str, Sizes], ...]
    exact: bool


def describe(
    name: str, a: Sizes, b: Sizes, y: Sizes, dtype: str, window: Window
) -> Description:
    """What the op `name` on arrays of these shapes is to cuDNN.

    cuDNN knows no images of one dim: theirs get a second one of size 1. How many groups
    there are it sees from the channels.
    """
    method, of_a, of_b = METHODS[name]
    before, after = zip(*window.padding)
    sizes = [before, after, window.stride, window.dilation]
    if len(window.kernel) == 1:
        a, b, y = ((*s[:2], 1, *s[2:]) for s in (a, b, y))
        sizes = [(one, *x) for one, x in zip((0, 0, 1, 1), sizes)]
    exact = dtype == "float32" and not matmul.allow_tf32
    operands, named = ((of_a, a), (of_b, b)), tuple(zip(SIZES, sizes))
    return Description(method, dtype, operands, y, named, exact)


def strides(shape: Sizes) -> Sizes:
    """Of an array in C order, counted in elements."""
    return tuple(math.prod(shape[i + 1 :]) for i in range(len(shape)))


class Plan:
    """How cuDNN does one convolution; `workspace` is how many bytes it works in."""

    def __init__(self, cudnn: Any, handle: Any, what: Description) -> None:
        self.cudnn, self.handle = cudnn, handle
        io = getattr(cudnn.data_type, TYPES[what.dtype])
        single = cudnn.data_type.FLOAT if what.dtype == "float16" else io
        self.graph = graph = cudnn.pygraph(
            io_data_type=io,
            intermediate_data_type=single,
            compute_data_type=single,
            handle=handle,
        )
        given = {
            name: graph.tensor(name=name, dim=list(shape), stride=list(strides(shape)))
            for name, shape in what.operands
        }
        sizes = {name: list(size) for name, size in what.sizes}
        y = getattr(graph, what.method)(**given, **sizes)
        y.set_output(True).set_data_type(io)
        y.set_dim(list(what.output)).set_stride(list(strides(what.output)))
        self.tensors = (*given.values(), y)
        self._choose(what.exact)
        self.workspace = graph.get_workspace_size()

    def _choose(self, exact: bool) -> None:
        cudnn, graph = self.cudnn, self.graph
        graph.validate()
        graph.build_operation_graph()
        graph.create_execution_plans([cudnn.heur_mode.A, cudnn.heur_mode.FALLBACK])
        if exact:
            notes = cudnn.numerical_note
            graph.deselect_numeric_notes([notes.TENSOR_CORE, notes.DOWN_CONVERT_INPUTS])
        graph.check_support()
        graph.build_plans()

    def __call__(self, a: Any, b: Any, y: Any, workspace: Any, stream: int) -> None:
        """Let it run on a stream; arrays in C order, `workspace` an array of bytes."""
        self.cudnn.set_stream(handle=self.handle, stream=stream)
        places = (x.data.ptr for x in (a, b, y))
        at = dict(zip(self.tensors, places, strict=True))
        self.graph.execute(at, workspace.data.ptr, handle=self.handle)


@functools.cache
def plan(what: Description, device: int = 0) -> Plan | None:
    """cuDNN's plan on the GPU that is current, `device` its number; None without one."""
    if absence():
        return None
    cudnn, handle = _library(device)
    try:
        return Plan(cudnn, handle, what)
    except (cudnn.cudnnGraphNotSupportedError, RuntimeError):
        return None


@functools.cache
def absence() -> str:
    """Why convolutions do without cuDNN, '' if they do not."""
    try:
        _library()
    except ImportError:
        return f"cuDNN's package is not installed: {INSTALL}"
    except Exception as why:  # no libcudnn, no driver, or they do not fit together
        return f"cuDNN does not start ({why}): {INSTALL}"
    return ""


def version() -> str:
    """Of cuDNN itself."""
    return _library()[0].backend_version_string()


@functools.cache
def _library(device: int = 0) -> tuple[Any, Any]:
    """The package, and a handle of the current device, which has this number."""
    import cudnn

    return cudnn, cudnn.create_handle()
