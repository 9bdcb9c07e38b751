"""Sequences of different lengths in one batch: padded, and packed without the padding.

A packed batch lists the rows of all first steps, then those of all second steps, and so
on, the longest sequence first: at each step the sequences that go on are the first few
rows, so that nothing is ever computed for padding.
"""

from __future__ import annotations

from collections.abc import Sequence
from typing import Any, NamedTuple

import numpy as np

from minigrad.creation import full, tensor
from minigrad.errors import ArgumentError, GraphError
from minigrad.ops.op import MODE
from minigrad.rearrange import cat, stack
from minigrad.static.node import CONSTANT


class PackedSequence(NamedTuple):
    """What `pack_padded_sequence` returns and RNN, LSTM and GRU take.

    `data` (all steps, ...) holds the rows, `batch_sizes` how many belong to each step;
    `sorted_indices` and `unsorted_indices` lead from the caller's order to that of
    falling lengths, and back.
    """

    data: Any
    batch_sizes: Any
    sorted_indices: Any = None
    unsorted_indices: Any = None


def known(indices: Any) -> np.ndarray:
    """The numbers in a Tensor, which lay out a batch and so cannot wait for a run."""
    trace = MODE.get().trace
    if trace is None:
        return np.asarray(indices)
    node = trace.value_of(indices)
    if getattr(node, "op", CONSTANT) is not CONSTANT:
        raise GraphError(
            "the lengths of packed sequences must be known while jit traces",
            expected="lengths as a list, packed inside the function",
            got=repr(node),
        )
    return np.asarray(getattr(node, "value", node))


def pack_padded_sequence(
    input: Any, lengths: Any, batch_first: bool = False, enforce_sorted: bool = True
) -> PackedSequence:
    """Pack a padded batch (steps, batch, ...), whose sequences have these lengths.

    With `batch_first` the batch is (batch, steps, ...). The lengths must fall unless
    `enforce_sorted` is False. Raises `RuntimeError` for lengths that do not fit.

        >>> import minigrad as mg
        >>> batch = mg.tensor([[1.0, 2.0], [3.0, 0.0]])  # (steps, batch)
        >>> packed = mg.nn.utils.rnn.pack_padded_sequence(batch, [2, 1])
        >>> packed.data, packed.batch_sizes
        (tensor([1., 2., 3.]), tensor([2, 1]))
    """
    if batch_first:
        input = input.swapaxes(0, 1)
    steps, batch = input.shape[:2]
    each = known(lengths).astype(np.int64)
    if each.shape != (batch,) or each.min() < 1 or each.max() > steps:
        raise ArgumentError(
            "pack_padded_sequence: the lengths do not fit the batch",
            expected=f"{batch} lengths from 1 to {steps}",
            got=str(each.tolist()),
        )
    order, back = np.argsort(-each, kind="stable"), None
    if not enforce_sorted:
        back = np.argsort(order)
    elif (np.diff(each) > 0).any():
        raise ArgumentError(
            "`lengths` array must be sorted in decreasing order when `enforce_sorted` "
            "is True",
            got=str(each.tolist()),
            remedy="enforce_sorted=False sorts them, and undoes it afterwards",
        )
    goes_on = np.arange(each.max())[:, None] < each[order]  # (steps, batch)
    rows = np.broadcast_to(np.arange(steps)[:, None] * batch + order, (steps, batch))
    data = input.reshape(steps * batch, *input.shape[2:])[rows[: each.max()][goes_on]]
    indices = () if back is None else (tensor(order), tensor(back))
    return PackedSequence(data, tensor(goes_on.sum(1)), *indices)


def pad_packed_sequence(
    sequence: PackedSequence,
    batch_first: bool = False,
    padding_value: float = 0.0,
    total_length: int | None = None,
) -> tuple[Any, Any]:
    """The inverse of `pack_padded_sequence`: the padded batch, and the lengths."""
    data, sizes = sequence.data, known(sequence.batch_sizes)
    steps, batch = len(sizes), sizes[0]
    total = steps if total_length is None else total_length
    if total < steps:
        raise ArgumentError(
            "pad_packed_sequence: total_length is less than the longest sequence",
            expected=f"at least {steps}",
            got=str(total),
        )
    goes_on = np.arange(batch) < np.pad(sizes, (0, total - steps))[:, None]
    rows = np.where(goes_on, np.cumsum(goes_on).reshape(goes_on.shape) - 1, len(data))
    if sequence.unsorted_indices is not None:
        back = known(sequence.unsorted_indices)
        rows, goes_on = rows[:, back], goes_on[:, back]
    padding = full(
        (1, *data.shape[1:]), padding_value, dtype=data.dtype, device=data.device
    )
    padded = cat([data, padding])[rows.T if batch_first else rows]
    return padded, tensor(goes_on.sum(0))


def pad_sequence(
    sequences: Sequence[Any],
    batch_first: bool = False,
    padding_value: float = 0.0,
    padding_side: str = "right",
) -> Any:
    """Sequences (steps, ...) of different lengths as one padded batch."""
    if padding_side not in ("left", "right"):
        raise ArgumentError("padding_side should be either 'right' or 'left'")
    longest = max(len(s) for s in sequences)
    padded = []
    for s in sequences:
        size = (longest - len(s), *s.shape[1:])
        parts = [s, full(size, padding_value, dtype=s.dtype, device=s.device)]
        padded.append(cat(parts if padding_side == "right" else parts[::-1]))
    return stack(padded, 0 if batch_first else 1)


def pack_sequence(
    sequences: Sequence[Any], enforce_sorted: bool = True
) -> PackedSequence:
    """Sequences (steps, ...) of different lengths, packed."""
    lengths = [len(s) for s in sequences]
    padded = pad_sequence(sequences)
    return pack_padded_sequence(padded, lengths, enforce_sorted=enforce_sorted)
