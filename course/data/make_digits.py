"""Make digits.csv.gz again from scikit-learn's copy (needs scikit-learn).

Sixty-four whole numbers 0..16 and the label a row. The checksum is that of the unpacked
text: compressors differ, the numbers do not.
"""

import gzip
import hashlib
from pathlib import Path

import numpy as np
from sklearn.datasets import load_digits

digits = load_digits()
table = np.column_stack([digits.data.astype(int), digits.target])
text = "\n".join(",".join(map(str, row)) for row in table.tolist()) + "\n"
path = Path(__file__).with_name("digits.csv.gz")
with path.open("wb") as raw, gzip.GzipFile("", "wb", 9, raw, mtime=0) as out:
    out.write(text.encode("ascii"))
print(hashlib.sha256(text.encode("ascii")).hexdigest())
