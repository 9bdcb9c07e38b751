"""Data sets, and batches of them in order or shuffled, as in PyTorch's `utils.data`."""

from __future__ import annotations

import itertools
import math
from collections import deque
from collections.abc import Callable, Iterable, Iterator, Mapping, Sequence
from typing import Any

import numpy as np

from minigrad.creation import from_numpy, tensor
from minigrad.eager.tensor import Tensor
from minigrad.errors import ShapeError
from minigrad.gpu.device import absence
from minigrad.random import Generator, randperm
from minigrad.rearrange import stack
from minigrad.static.jit import flatten, unflatten


class Dataset:
    """Samples by number; a subclass gives `__getitem__` and, mostly, `__len__`."""

    def __getitem__(self, index: Any) -> Any:
        raise NotImplementedError(f"{type(self).__name__} has no __getitem__")


class TensorDataset(Dataset):
    """Sample i is a tuple of row i of each tensor.

    >>> import minigrad as mg
    >>> data = mg.utils.data.TensorDataset(mg.arange(3), mg.zeros(3, 2))
    >>> data[1]
    (tensor(1), tensor([0., 0.]))
    """

    def __init__(self, *tensors: Any) -> None:
        if len({len(t) for t in tensors}) != 1:
            raise ShapeError(
                "Size mismatch between tensors",
                expected="as many rows in each",
                got=", ".join(str(t.shape) for t in tensors),
            )
        self.tensors = tensors

    def __getitem__(self, index: Any) -> tuple:
        return tuple(t[index] for t in self.tensors)

    def __len__(self) -> int:
        return len(self.tensors[0])


class Subset(Dataset):
    """The samples of another data set that `indices` lists."""

    def __init__(self, dataset: Any, indices: Sequence[int]) -> None:
        self.dataset, self.indices = dataset, indices

    def __getitem__(self, index: int) -> Any:
        return self.dataset[self.indices[index]]

    def __len__(self) -> int:
        return len(self.indices)


def random_split(
    dataset: Any, lengths: Sequence[float], generator: Generator | None = None
) -> list[Subset]:
    """Every sample in exactly one of several Subsets, at random.

    `lengths` are numbers of samples or fractions that add up to 1; what rounding leaves
    over goes to the first ones in turn. Raises ValueError if they do not add up.
    """
    n = len(dataset)
    if math.isclose(sum(lengths), 1) and sum(lengths) <= 1:
        if any(not 0 <= part <= 1 for part in lengths):
            raise ValueError(f"a fraction in {lengths} is not between 0 and 1")
        whole = [math.floor(n * part) for part in lengths]
        rest = n - sum(whole)
        lengths = [
            size + rest // len(whole) + (i < rest % len(whole))
            for i, size in enumerate(whole)
        ]
    if sum(lengths) != n:
        raise ValueError(
            "Sum of input lengths does not equal the length of the input dataset!"
        )
    order = randperm(n, generator=generator).tolist()
    ends = [0, *itertools.accumulate(map(int, lengths))]
    return [Subset(dataset, order[i:j]) for i, j in itertools.pairwise(ends)]


class DataLoader:
    """Batches of a data set: `for x, y in DataLoader(data, 32, shuffle=True)`.

    Samples are put together by `collate_fn`, `default_collate` unless given; the last
    batch may be smaller, or is left out with `drop_last`. `sampler` is anything that
    iterates over sample numbers. With `batch_size=None` samples come one by one. Order
    and numbers depend on `generator` alone, the default one unless given. So many
    `num_workers`, threads here, load ahead; what they raise is raised where the batch
    would have come, with its own traceback. `pin_memory` puts batches where they are
    quicker to bring over to a GPU; without one it does nothing.

        >>> import minigrad as mg
        >>> list(mg.utils.data.DataLoader([1, 2, 3], batch_size=2))
        [tensor([1, 2]), tensor([3])]
    """

    def __init__(
        self,
        dataset: Any,
        batch_size: int | None = 1,
        shuffle: bool = False,
        *,
        sampler: Any = None,
        num_workers: int = 0,
        collate_fn: Callable[[list], Any] | None = None,
        drop_last: bool = False,
        generator: Generator | None = None,
        pin_memory: bool = False,
    ) -> None:
        if num_workers < 0:
            raise ValueError("num_workers option should be non-negative")
        if sampler is not None and shuffle:
            raise ValueError("sampler option is mutually exclusive with shuffle")
        if batch_size is not None and batch_size < 1:
            raise ValueError(f"batch_size should be positive, but got {batch_size}")
        if batch_size is None and drop_last:
            raise ValueError("drop_last needs a batch_size")
        self.dataset, self.batch_size, self.shuffle = dataset, batch_size, shuffle
        self.sampler, self.drop_last, self.generator = sampler, drop_last, generator
        self.num_workers = num_workers
        self.pin_memory = pin_memory and absence() is None
        by_one = (lambda sample: sample) if batch_size is None else default_collate
        self.collate_fn = collate_fn or by_one

    def _order(self) -> Iterable[int]:
        if self.sampler is not None:
            return self.sampler
        n = len(self.dataset)
        return (
            randperm(n, generator=self.generator).tolist() if self.shuffle else range(n)
        )

    def __len__(self) -> int:
        n = len(self.dataset if self.sampler is None else self.sampler)
        size = self.batch_size or 1
        return n // size if self.drop_last else -(-n // size)

    def __iter__(self) -> Iterator[Any]:
        if not self.num_workers:
            return map(self._load, self._keys())
        return self._ahead()

    def _keys(self) -> Iterator[Any]:
        """What to load for each batch: sample numbers, or one of them."""
        order = iter(self._order())
        if self.batch_size is None:
            yield from order
            return
        while indices := list(itertools.islice(order, self.batch_size)):
            if len(indices) == self.batch_size or not self.drop_last:
                yield indices

    def _load(self, key: Any) -> Any:
        single = self.batch_size is None
        samples = self.dataset[key] if single else [self.dataset[i] for i in key]
        batch = self.collate_fn(samples)
        return _pinned(batch) if self.pin_memory else batch

    def _ahead(self) -> Iterator[Any]:
        """The batches in order, two for each worker on their way."""
        from concurrent.futures import ThreadPoolExecutor  # 5 ms without workers

        keys = self._keys()
        with ThreadPoolExecutor(self.num_workers) as pool:
            ahead = itertools.islice(keys, 2 * self.num_workers)
            waiting = deque(pool.submit(self._load, key) for key in ahead)
            try:
                while waiting:
                    batch = waiting.popleft().result()
                    for key in itertools.islice(keys, 1):
                        waiting.append(pool.submit(self._load, key))
                    yield batch
            finally:
                pool.shutdown(cancel_futures=True)


def _pinned(batch: Any) -> Any:
    """A batch with its tensors, also those in dicts and lists, in pinned memory."""
    leaves, form = flatten(batch)
    pinned = [x.pin_memory() if isinstance(x, Tensor) else x for x in leaves]
    return unflatten(pinned, form)


def default_collate(batch: Sequence[Any]) -> Any:
    """A list of samples as one: tensors stacked, numbers as a tensor, dicts of those.

    Tuples and lists of each sample become a list of batches, strings stay as they are. Floats
    become float64, as in PyTorch.
    """
    first = batch[0]
    if isinstance(first, Tensor):
        return stack(list(batch))
    if isinstance(first, (np.ndarray, np.generic)):
        return from_numpy(np.stack(batch))
    if isinstance(first, float):
        return tensor(batch, dtype=np.float64)
    if isinstance(first, int):
        return tensor(batch)
    if isinstance(first, (str, bytes)):
        return batch
    if isinstance(first, Mapping):
        return {
            key: default_collate([sample[key] for sample in batch]) for key in first
        }
    if isinstance(first, Sequence):
        if len({len(sample) for sample in batch}) != 1:
            raise ShapeError("each element in list of batch should be of equal size")
        columns = [default_collate(column) for column in zip(*batch)]
        return type(first)(*columns) if hasattr(first, "_fields") else columns
    raise TypeError(
        "default_collate: batch must contain tensors, numpy arrays, numbers, dicts or "
        f"lists; found {type(first)}"
    )
