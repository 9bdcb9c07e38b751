"""Define by run: Tensors that compute now, and the tape they leave."""

from minigrad.eager import inplace as inplace  # gives Tensor its methods in place
