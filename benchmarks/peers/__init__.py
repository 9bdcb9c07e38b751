"""Who is measured. A peer is a row here and a file with a function per kind of case."""

from __future__ import annotations

import shutil
from importlib.util import find_spec
from typing import NamedTuple


class Peer(NamedTuple):
    """`module` is the file in this folder, `package` and `command` what it needs.

    Where import, memory and the like are measured already in another row, `once` is False.
    `before` is what its import needs.
    """

    title: str
    module: str
    package: str
    import_too: bool = True
    once: bool = True
    command: str = ""
    before: str = ""

    @property
    def installed(self) -> bool:
        command = not self.command or shutil.which(self.command)
        return bool(command) and find_spec(self.package) is not None

    @property
    def is_other(self) -> bool:
        """Another library: neither ours nor written by hand."""
        return self.package not in ("minigrad", "numpy")


REFERENCE = "numpy"
PEERS = {
    REFERENCE: Peer("NumPy by hand", "numpy_by_hand", "numpy"),
    "again": Peer("the same again", "numpy_by_hand", "numpy", False, once=False),
    "eager": Peer("minigrad eager", "minigrad_eager", "minigrad"),
    "static": Peer("minigrad static", "minigrad_static", "minigrad", False),
    "native": Peer("minigrad native", "minigrad_native", "minigrad", False),
    "jit": Peer("minigrad jit", "minigrad_jit", "minigrad", False),
    "c": Peer("C by hand", "c_by_hand", "numpy", False),
    "torch": Peer("PyTorch eager", "torch_eager", "torch"),
    "compiled": Peer("torch.compile", "torch_compiled", "torch", False),
    "jax": Peer("jax.jit", "jax_jit", "jax"),
    "tf": Peer("tf.function", "tf_function", "tensorflow"),
    "pytensor": Peer("PyTensor", "pytensor_c", "pytensor", command="g++"),
    "mygrad": Peer("MyGrad", "mygrad_eager", "mygrad"),
    "dezero": Peer(
        "DeZero", "dezero_eager", "dezero", before="import numpy; numpy.int = int; "
    ),
    "autograd": Peer("autograd", "autograd_numpy", "autograd"),
    "tinygrad": Peer("tinygrad", "tinygrad_jit", "tinygrad", command="clang"),
}
