"""Optimizers and learning rate schedules under PyTorch's names."""

from minigrad.optim import lr_scheduler
from minigrad.optim.algorithms import SGD, Adagrad, Adam, AdamW, RMSprop
from minigrad.optim.optimizer import Optimizer
