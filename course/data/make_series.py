"""Make sunspots.csv.gz and nile.csv.gz again from statsmodels' copies (needs statsmodels).

Each row is a year and its number; the header of the original is left out.
"""

import gzip
import hashlib
from importlib.resources import files
from pathlib import Path

for name in ("sunspots", "nile"):
    original = files("statsmodels") / "datasets" / name / f"{name}.csv"
    rows = original.read_text(encoding="ascii").split()[1:]
    text = ("\n".join(rows) + "\n").encode("ascii")
    path = Path(__file__).with_name(f"{name}.csv.gz")
    with path.open("wb") as raw, gzip.GzipFile("", "wb", 9, raw, mtime=0) as out:
        out.write(text)
    print(path.name, len(rows), hashlib.sha256(text).hexdigest())
