"""Modules: layers, losses and what holds them, under PyTorch's names."""

from minigrad.nn import functional, init, parameter, utils
from minigrad.nn.containers import ModuleDict, ModuleList, Sequential
from minigrad.nn.conv import Conv1d, Conv2d, ConvTranspose2d
from minigrad.nn.linear import Bilinear, Embedding, Identity, Linear
from minigrad.nn.losses import (
    BCELoss,
    BCEWithLogitsLoss,
    CrossEntropyLoss,
    HuberLoss,
    KLDivLoss,
    L1Loss,
    MSELoss,
    NLLLoss,
    SmoothL1Loss,
)
from minigrad.nn.module import Module
from minigrad.nn.normalization import BatchNorm1d, BatchNorm2d, GroupNorm, LayerNorm
from minigrad.nn.parameter import Parameter
from minigrad.nn.rnn import GRU, LSTM, RNN, GRUCell, LSTMCell, RNNBase, RNNCell
from minigrad.nn.stateless import (
    ELU,
    GELU,
    SELU,
    AdaptiveAvgPool2d,
    AvgPool1d,
    AvgPool2d,
    Dropout,
    Flatten,
    Hardtanh,
    LeakyReLU,
    LogSoftmax,
    MaxPool1d,
    MaxPool2d,
    Mish,
    ReLU,
    Sigmoid,
    SiLU,
    Softmax,
    Softplus,
    Tanh,
    Unflatten,
)
