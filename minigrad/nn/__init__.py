"""Modules: layers, losses and what holds them, under PyTorch's names."""

from minigrad.nn import functional
