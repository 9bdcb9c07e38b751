"""PyTorch's name for where data sets are fed from: `utils.data`."""

from minigrad.utils import data
