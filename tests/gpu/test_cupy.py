"""What minigrad asks of arrays on a device is what CuPy has, without a GPU to run it.

Every call that the table makes on the simulated device is made once more on arrays of
CuPy whose memory nobody owns. Without a driver a call that CuPy knows ends when it first
needs one; a function, argument or method that CuPy lacks is an error of another kind.
"""

import numpy as np
import pytest

import minigrad as mg
from minigrad.autograd.checking import grad_or_zeros, leaf
from minigrad.gpu.simulated import (
    CREATORS,
    FACTS,
    FUNCTIONS,
    Module,
    SimulatedArray,
)
from minigrad.ops import TABLE
from minigrad.testing import samples, wanted

cupy = pytest.importorskip("cupy")
if mg.cuda.is_available():  # then the tests marked gpu say more
    pytest.skip("CuPy has a driver here", allow_module_level=True)

METHODS = """
    __getitem__ __setitem__ all any argmax argmin astype copy cumsum diagonal dot
    fill item max mean min nonzero prod reshape std sum swapaxes take tolist
    transpose var view __len__ __bool__
""".split()


def unowned(x):
    """`x` with every simulated array in it as an array of CuPy without memory."""
    if isinstance(x, SimulatedArray):
        return _array(x._values)
    if isinstance(x, (tuple, list)):
        return type(x)(map(unowned, x))
    if isinstance(x, dict):
        return {key: unowned(value) for key, value in x.items()}
    return x


def _array(x):
    memory = cupy.cuda.memory
    held = memory.UnownedMemory(x.ctypes.data, max(x.nbytes, 1), x, device_id=0)
    pointer = memory.MemoryPointer(held, 0)
    return cupy.ndarray(x.shape, x.dtype, pointer, strides=x.strides)


@pytest.fixture
def calls(monkeypatch):
    """(text, call on CuPy) for each different call made on the simulated device."""
    made = {}

    def note(text, args, options, call):
        if text not in made:
            made[text] = (call, args, options)

    def record(owner, name, repeat):
        inside = getattr(owner, name)

        def recording(self, *args, **options):
            note(*repeat(self, name, args, options))
            return inside(self, *args, **options)

        monkeypatch.setattr(owner, name, recording)

    def ufunc(self, _, args, options):
        function, method, *operands = args
        text = f"{function.__name__}.{method}{_kinds(operands, options)}"
        options = {**options, "out": options["out"][0]} if "out" in options else options
        return text, operands, options, getattr(function, method)

    def function(self, _, args, options):
        func, _, operands, keywords = args
        text = f"np.{func.__name__}{_kinds(operands, keywords)}"
        return text, operands, keywords, func

    def method(self, name, args, options):
        text = f"ndarray.{name}{_kinds((self, *args), options)}"
        return (
            text,
            (self, *args),
            options,
            lambda x, *a, **k: getattr(x, name)(*a, **k),
        )

    def of_module(self, name):
        inside = find(self, name)
        if not callable(inside) or isinstance(inside, type):
            return inside

        def recording(*args, **options):
            text = f"cupy.{name}{_kinds(args, options)}"
            note(text, args, options, getattr(cupy, name, None))
            return inside(*args, **options)

        return recording

    find = Module.__getattr__
    monkeypatch.setattr(Module, "__getattr__", of_module)
    record(SimulatedArray, "__array_ufunc__", ufunc)
    record(SimulatedArray, "__array_function__", function)
    for name in METHODS:
        record(SimulatedArray, name, method)
    return made


def _kinds(args, options):
    def kind(x):
        if isinstance(x, SimulatedArray):
            return f"{x.dtype.name}{x.ndim}" + "?" * (not x.size)
        if isinstance(x, (tuple, list)):
            return "(" + ",".join(map(kind, x)) + ")"
        return type(x).__name__ if isinstance(x, (int, float, np.generic)) else str(x)

    texts = [*map(kind, args), *(f"{k}={kind(v)}" for k, v in options.items())]
    return "(" + ", ".join(texts) + ")"


def refused(calls):
    """What CuPy does not know, with what it says."""
    found = []
    for text, (call, args, options) in calls.items():
        try:
            call(*unowned(tuple(args)), **unowned(options))
        except cupy.cuda.runtime.CUDARuntimeError:
            pass
        except Exception as error:
            if "cublas" not in str(error):  # which a product asks for first
                found.append(f"{text}: {type(error).__name__}: {error}")
    return found


def test_what_the_simulated_device_offers_cupy_has():
    for name in FUNCTIONS | CREATORS | FACTS:
        assert callable(getattr(cupy, name)), name
    for name in vars(SimulatedArray):
        assert name[0] == "_" or hasattr(cupy.ndarray, name), name


@pytest.mark.parametrize("op", TABLE.values(), ids=list(TABLE))
def test_cupy_has_every_call_that_an_op_makes(op, calls):
    with mg.cuda.simulate():
        for sample in samples(op):
            for dtype in (np.float32, np.float64):
                xs = [leaf(a) for a in sample.astype(dtype).args]
                on = [x.to("cuda") for x in xs]
                y = op(*on, **sample.attrs)
                which = [on[i] for i in wanted(op, sample.args)]
                if which and y.dtype.kind == "f":
                    (y * y).sum().backward(retain_graph=True)
                    grad_or_zeros((y * y).sum(), which, create_graph=True)
        assert refused(calls) == []
