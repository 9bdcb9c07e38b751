"""What layers and losses compute, as plain functions: `import minigrad.nn.functional as F`.

Names, arguments and defaults are those of torch.nn.functional. Every function is a
composite over the op table, so it takes Tensors and Nodes, and runs under `mg.jit`.
"""

from typing import TYPE_CHECKING

from minigrad.nn.functional.activation import *
from minigrad.nn.functional.convolution import *
from minigrad.nn.functional.dense import *
from minigrad.nn.functional.loss import *
from minigrad.nn.functional.normalization import *
from minigrad.nn.functional.pooling import *
from minigrad.rearrange import one_hot

if TYPE_CHECKING:
    # A type checker does not follow lists of names that are split from a string.
    from typing import Any

    def __getattr__(name: str) -> Any: ...
