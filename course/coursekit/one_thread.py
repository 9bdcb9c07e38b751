"""One thread for matrix products, unless the environment says otherwise.

The course's matrices are small: more threads do not make them faster, but on a busy
machine ten times slower, and how sums are split among them changes the last digits.
"""

import os

for _name in ("OPENBLAS_NUM_THREADS", "MKL_NUM_THREADS", "VECLIB_MAXIMUM_THREADS"):
    os.environ.setdefault(_name, "1")
