"""Gradients of expressions, hooks, functions of one's own: PyTorch's `autograd` module."""

from minigrad.autograd import functional, graph
from minigrad.autograd.anomaly_mode import detect_anomaly, set_detect_anomaly
from minigrad.autograd.checking import gradcheck, gradgradcheck
from minigrad.autograd.function import Function
from minigrad.autograd.grad_mode import (
    enable_grad,
    inference_mode,
    is_grad_enabled,
    is_inference,
    is_inference_mode_enabled,
    no_grad,
    set_grad_enabled,
)
from minigrad.autograd.gradients import backward, grad
from minigrad.autograd.hooks import RemovableHandle
from minigrad.autograd.variable import Variable
