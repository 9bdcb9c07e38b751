"""The course's data: small, beside the notebooks, checked before it is used."""

from __future__ import annotations

import gzip
import hashlib
from typing import Any

import numpy as np

from . import paths

# SHA-256 of the unpacked text, as printed by the scripts in data/.
CHECKSUMS = {
    "digits.csv.gz": "6ebb3d2fee246a4e99363262ddf8a00a3c41bee6014c373ed9d9216ba7f651b8",
    "names.csv.gz": "f80b8bc65a9fb2f03dc0575841522848466beac341918309685d0f7b709491df",
    "nile.csv.gz": "15ee17272bfb03070ca5c71638cba01960bb27270658b7df249e8a57c78e5c13",
    "sunspots.csv.gz": "796149b1e41904c031c8518d42addfe51abd25b7dba921e14bbffefef28d3b7f",
}


def load_digits() -> tuple[np.ndarray, np.ndarray]:
    """Handwritten digits: images (1797, 64) float32 in 0..1, labels (1797,) int64."""
    table = np.loadtxt(
        read("digits.csv.gz").splitlines(), delimiter=",", dtype=np.int64
    )
    return (table[:, :-1] / 16).astype(np.float32), table[:, -1]


def split_digits(
    held_out: int = 360, dtype: Any = np.float32
) -> tuple[np.ndarray, np.ndarray, np.ndarray, np.ndarray]:
    """`(x_train, y_train, x_test, y_test)`, split by one fixed shuffle."""
    images, labels = load_digits()
    images = images.astype(dtype)
    order = np.random.default_rng(0).permutation(len(labels))
    test, train = order[:held_out], order[held_out:]
    return images[train], labels[train], images[test], labels[test]


def load_sunspots() -> tuple[np.ndarray, np.ndarray]:
    """Sunspot numbers 1700-2008: years (309,) int64, yearly means (309,) float64."""
    return _load_series("sunspots.csv.gz")


def load_nile() -> tuple[np.ndarray, np.ndarray]:
    """The Nile at Aswan 1871-1970: years (100,) int64, 10**8 cubic metres a year."""
    return _load_series("nile.csv.gz")


def _load_series(name: str) -> tuple[np.ndarray, np.ndarray]:
    years, values = np.loadtxt(read(name).splitlines(), delimiter=",").T
    return years.astype(np.int64), values


def load_names() -> dict[str, list[str]]:
    """Names of the census of 1990 in lower case, the commonest first.

    The lists are "female" (4,275), "male" (1,219) and "surname" (10,000).
    """
    lists: dict[str, list[str]] = {}
    for row in read("names.csv.gz").splitlines():
        label, name, _share = row.split(",")
        lists.setdefault(label, []).append(name)
    return lists


def read(name: str) -> str:
    """The text of a data file whose checksum is the recorded one."""
    text = gzip.decompress((paths.course() / "data" / name).read_bytes())
    if hashlib.sha256(text).hexdigest() != CHECKSUMS[name]:
        raise ValueError(
            f"data/{name} is damaged: its checksum is not the recorded one"
        )
    return text.decode("ascii")
