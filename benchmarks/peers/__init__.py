"""Who is measured. A peer is a row here and a file with a function per kind of case."""

from __future__ import annotations

from importlib.util import find_spec
from typing import NamedTuple


class Peer(NamedTuple):
    """`module` is the file in this folder, `package` what it needs.

    Where the import is timed already in another row, `import_too` is False.
    """

    title: str
    module: str
    package: str
    import_too: bool = True

    @property
    def installed(self) -> bool:
        return find_spec(self.package) is not None


REFERENCE = "numpy"
PEERS = {
    REFERENCE: Peer("NumPy by hand", "numpy_by_hand", "numpy"),
    "again": Peer("the same again", "numpy_by_hand", "numpy", import_too=False),
    "eager": Peer("minigrad eager", "minigrad_eager", "minigrad"),
    "static": Peer("minigrad static", "minigrad_static", "minigrad", import_too=False),
    "native": Peer("minigrad native", "minigrad_native", "minigrad", import_too=False),
    "c": Peer("C by hand", "c_by_hand", "numpy", import_too=False),
    "jit": Peer("minigrad jit", "minigrad_jit", "minigrad", import_too=False),
    "torch": Peer("PyTorch eager", "torch_eager", "torch"),
}
