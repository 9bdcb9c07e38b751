"""Tools around modules, under PyTorch's names."""

from minigrad.nn.utils import rnn
from minigrad.nn.utils.parameters import (
    clip_grad_norm_,
    clip_grad_value_,
    parameters_to_vector,
    vector_to_parameters,
)
