"""Settings of what computes, under PyTorch's names."""

from minigrad.backends import cuda
