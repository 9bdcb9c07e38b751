"""Make names.csv.gz again from the package `names` 0.3.0 (its source distribution).

    pip download --no-deps --no-binary :all: names==0.3.0
    python make_names.py names-0.3.0.tar.gz

A row is a list (female, male, surname), a name in lower case and its share of the people
in that list in percent, in the order of the census: the commonest first. Of the 88,799
surnames the first 10,000 are kept; the others are borne by few.
"""

import gzip
import hashlib
import sys
import tarfile
from pathlib import Path

LISTS = {"female": "female.first", "male": "male.first", "surname": "all.last"}
SURNAMES = 10_000

rows = []
with tarfile.open(sys.argv[1]) as archive:
    for label, ending in LISTS.items():
        member = archive.extractfile(f"names-0.3.0/names/dist.{ending}")
        assert member is not None
        lines = member.read().decode("ascii").splitlines()
        for line in lines[: SURNAMES if label == "surname" else None]:
            name, share, *_ = line.split()
            rows.append(f"{label},{name.lower()},{float(share):g}")
text = ("\n".join(rows) + "\n").encode("ascii")
path = Path(__file__).with_name("names.csv.gz")
with path.open("wb") as raw, gzip.GzipFile("", "wb", 9, raw, mtime=0) as out:
    out.write(text)
print(path.name, len(rows), hashlib.sha256(text).hexdigest())
