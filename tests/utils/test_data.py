"""Data sets, loaders and how samples are put together, beside PyTorch's."""

import re
import threading
import traceback
from typing import NamedTuple

import numpy as np
import pytest

import minigrad as mg
from minigrad.utils.data import (
    DataLoader,
    Dataset,
    Subset,
    TensorDataset,
    default_collate,
    random_split,
)


class Squares(Dataset):
    """Sample i is i and its square."""

    def __len__(self):
        return 10

    def __getitem__(self, i):
        if not 0 <= i < 10:
            raise IndexError(i)
        return i, float(i * i)


def listed(batches):
    """Nested batches as plain lists."""
    if isinstance(batches, dict):
        return {key: listed(value) for key, value in batches.items()}
    if isinstance(batches, (list, tuple)):
        return [listed(b) for b in batches]
    return batches.tolist() if hasattr(batches, "tolist") else batches


# --- loaders -----------------------------------------------------------------------------


@pytest.mark.parametrize(
    "options",
    [
        {},
        {"batch_size": 4},
        {"batch_size": 4, "drop_last": True},
        {"batch_size": 20},
        {"batch_size": 3, "sampler": [5, 1, 5, 2]},
        {"batch_size": 2, "collate_fn": lambda samples: samples},
    ],
)
def test_batches_are_those_of_pytorch(options, torch):
    ours = DataLoader(Squares(), **options)
    theirs = torch.utils.data.DataLoader(Squares(), **options)
    assert listed(list(ours)) == listed(list(theirs))
    assert len(ours) == len(theirs) == len(list(ours))


def test_shuffling_visits_every_sample_once_in_an_order_of_the_seed():
    def order(seed):
        generator = mg.Generator().manual_seed(seed)
        loader = DataLoader(Squares(), 3, shuffle=True, generator=generator)
        return [[i for x, _ in loader for i in x.tolist()] for _ in range(2)]

    first, second = order(1)
    assert sorted(first) == sorted(second) == list(range(10))
    assert first != second
    assert order(1) == [first, second]
    assert order(2) != [first, second]


def test_shuffling_follows_manual_seed():
    loader = DataLoader(range(50), 50, shuffle=True)
    mg.manual_seed(4)
    (first,) = loader
    mg.manual_seed(4)
    (again,) = loader
    assert first.tolist() == again.tolist() != list(range(50))


def test_without_a_batch_size_samples_come_as_they_are():
    loader = DataLoader(Squares(), batch_size=None)
    assert list(loader)[3] == (3, 9.0)
    assert len(loader) == 10


@pytest.mark.parametrize("options", [{"batch_size": 3}, {"batch_size": None}])
def test_workers_change_nothing_but_who_loads(options):
    alone = list(DataLoader(Squares(), **options))
    several = list(DataLoader(Squares(), num_workers=3, **options))
    assert str(several) == str(alone)
    loaders = set()

    class Watched(Squares):
        def __getitem__(self, i):
            loaders.add(threading.current_thread())
            return super().__getitem__(i)

    next(iter(DataLoader(Watched(), num_workers=1)))
    assert threading.current_thread() not in loaders


@pytest.mark.parametrize("workers", [0, 2])
def test_an_error_in_a_sample_keeps_its_type_and_its_traceback(workers):
    class Broken(Squares):
        def __getitem__(self, i):
            return {}["nobody"]

    with pytest.raises(KeyError, match="nobody") as error:
        next(iter(DataLoader(Broken(), 2, num_workers=workers)))
    lines = "".join(traceback.format_exception(error.value))
    assert 'return {}["nobody"]' in lines


@pytest.mark.parametrize(
    ("options", "error"),
    [
        ({"num_workers": -1}, ValueError),
        ({"batch_size": 0}, ValueError),
        ({"sampler": [1], "shuffle": True}, ValueError),
        ({"batch_size": None, "drop_last": True}, ValueError),
        ({"timeout": 5}, TypeError),
    ],
)
def test_options_that_do_not_go_together_are_refused(options, error):
    with pytest.raises(error):
        DataLoader(Squares(), **options)


def test_a_traced_step_runs_over_a_loader():
    data = TensorDataset(mg.randn(8, 3), mg.randn(8, 1))
    net = mg.nn.Linear(3, 1)
    loss = mg.jit(lambda x, y: ((net(x) - y) ** 2).mean())
    assert len([loss(x, y) for x, y in DataLoader(data, 4)]) == 2
    assert loss.traces == 1


# --- data sets ---------------------------------------------------------------------------


def test_tensor_datasets_and_subsets_are_indexed_by_row():
    data = TensorDataset(mg.arange(4), mg.arange(8).reshape(4, 2))
    assert listed(data[1]) == [1, [2, 3]]
    assert len(data) == 4
    part = Subset(data, [3, 1])
    assert (len(part), listed(part[0])) == (2, [3, [6, 7]])
    with pytest.raises(ValueError, match="Size mismatch"):
        TensorDataset(mg.zeros(3), mg.zeros(4))
    with pytest.raises(NotImplementedError, match="Nothing has no __getitem__"):
        type("Nothing", (Dataset,), {})()[0]


@pytest.mark.parametrize("lengths", [[7, 3], [0.5, 0.5], [0.35, 0.35, 0.3], [10, 0]])
@pytest.mark.filterwarnings("ignore:Length of split")
def test_a_random_split_has_the_sizes_of_pytorch(lengths, torch):
    ours = random_split(Squares(), lengths)
    theirs = torch.utils.data.random_split(Squares(), lengths)
    assert [len(part) for part in ours] == [len(part) for part in theirs]
    assert sorted(i for part in ours for i, _ in part) == list(range(10))


def test_a_random_split_follows_its_generator_and_refuses_wrong_sums():
    first, again = (
        random_split(Squares(), [5, 5], mg.Generator().manual_seed(2))[0].indices
        for _ in range(2)
    )
    assert first == again
    for lengths in ([5, 4], [0.5, 0.6], [-0.5, 1.5]):
        with pytest.raises(ValueError, match=r"Sum of|between 0 and 1"):
            random_split(Squares(), lengths)


# --- putting samples together ------------------------------------------------------------


class Pair(NamedTuple):
    a: float
    b: int


BATCHES = {
    "ints": [1, 2],
    "floats": [1.0, 2.0],
    "bools": [True, False],
    "strings": ["a", "b"],
    "bytes": [b"a", b"b"],
    "arrays": [np.ones(2, np.float32), np.zeros(2, np.float32)],
    "NumPy numbers": [np.float32(1), np.float32(2)],
    "tuples": [(1, 2.0), (3, 4.0)],
    "lists": [[1, [2]], [3, [4]]],
    "dicts": [{"x": 1, "y": (1, "a")}, {"x": 2, "y": (2, "b")}],
    "named tuples": [Pair(1.0, 2), Pair(3.0, 4)],
}


def described(batch):
    if isinstance(batch, dict):
        return {key: described(value) for key, value in batch.items()}
    if isinstance(batch, (list, tuple)):
        return [type(batch).__name__, *map(described, batch)]
    if hasattr(batch, "dtype"):
        return str(batch.dtype).removeprefix("torch."), batch.tolist()
    return batch


@pytest.mark.parametrize("batch", BATCHES.values(), ids=BATCHES)
def test_samples_are_put_together_as_in_pytorch(batch, torch):
    theirs = torch.utils.data.default_collate(batch)
    assert described(default_collate(batch)) == described(theirs)


def test_tensors_are_stacked_on_the_tape():
    x = mg.ones(2, requires_grad=True)
    y = default_collate([x, x * 2])
    assert y.shape == (2, 2)
    y.sum().backward()
    assert x.grad.tolist() == [3, 3]


def test_samples_of_unlike_sizes_or_kinds_are_refused():
    with pytest.raises(RuntimeError, match="equal size"):
        default_collate([[1, 2], [3]])
    with pytest.raises(RuntimeError):
        default_collate([mg.ones(2), mg.ones(3)])
    with pytest.raises(TypeError, match=re.escape("found <class 'object'>")):
        default_collate([object()])
