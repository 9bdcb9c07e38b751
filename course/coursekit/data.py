"""The course's data: small, beside the notebooks, checked before it is used."""

from __future__ import annotations

import gzip
import hashlib
from typing import Any

import numpy as np

from . import paths

# SHA-256 of the unpacked text, as printed by data/make_digits.py.
CHECKSUMS = {
    "digits.csv.gz": "6ebb3d2fee246a4e99363262ddf8a00a3c41bee6014c373ed9d9216ba7f651b8",
}


def load_digits() -> tuple[np.ndarray, np.ndarray]:
    """Handwritten digits: images (1797, 64) float32 in 0..1, labels (1797,) int64."""
    table = np.loadtxt(
        _read("digits.csv.gz").splitlines(), delimiter=",", dtype=np.int64
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


def _read(name: str) -> str:
    text = gzip.decompress((paths.course() / "data" / name).read_bytes())
    if hashlib.sha256(text).hexdigest() != CHECKSUMS[name]:
        raise ValueError(
            f"data/{name} is damaged: its checksum is not the recorded one"
        )
    return text.decode("ascii")
