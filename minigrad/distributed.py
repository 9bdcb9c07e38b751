"""Several processes that train one model together, each on a GPU and data of its own.

    RANK=0 WORLD_SIZE=2 CUDA_VISIBLE_DEVICES=0 python train.py &
    RANK=1 WORLD_SIZE=2 CUDA_VISIBLE_DEVICES=1 python train.py

In `train.py`: `init()`, then `broadcast` the model's parameters from process 0, and after
each `backward()` `average_gradients`; a compiled or traced step takes `DataParallel()` as
its strategy instead. Started without these variables the same program runs by itself, on
a GPU or not.
"""

from __future__ import annotations

import os
from collections.abc import Iterable, Sequence
from operator import attrgetter
from typing import Any

from minigrad.autograd import no_grad
from minigrad.eager.tensor import Tensor, from_array
from minigrad.errors import GradError, GraphError
from minigrad.ops import comm
from minigrad.ops.comm import GROUP
from minigrad.ops.op import on_behalf_of
from minigrad.rearrange import cat
from minigrad.static.node import PLACEHOLDER, Node, rebuilt, topological
from minigrad.static.plan import nbytes


def init(rank: int | None = None, world_size: int | None = None) -> None:
    """Join the group; `RANK`, `WORLD_SIZE`, `MASTER_ADDR`, `MASTER_PORT` say which.

    One process alone needs no GPU. Several are connected by NCCL and wait here for each
    other; raises `DeviceError` where there is no GPU or no NCCL.

        >>> import minigrad as mg
        >>> mg.distributed.init()
        >>> mg.distributed.rank(), mg.distributed.world_size()
        (0, 1)

    Source: PyTorch's torch.distributed.init_process_group.
    """
    own = int(os.environ.get("RANK", 0)) if rank is None else rank
    size = int(os.environ.get("WORLD_SIZE", 1)) if world_size is None else world_size
    if not 0 <= own < size:
        raise ValueError(f"init: there is no process {own} of {size}")
    destroy()
    if size > 1:
        from minigrad.gpu.nccl import Group

        host = os.environ.get("MASTER_ADDR", "127.0.0.1")
        GROUP.set(Group(own, size, host, int(os.environ.get("MASTER_PORT", 29500))))


def destroy() -> None:
    """Leave the group; this process is by itself again."""
    GROUP.get().leave()
    GROUP.set(comm.Group())


def rank() -> int:
    """The number of this process, 0 if it is by itself."""
    return GROUP.get().rank


def world_size() -> int:
    """How many processes there are."""
    return GROUP.get().size


def all_reduce(x: Any) -> Any:
    """`x` becomes its sum over all processes, in place as in PyTorch; returns it.

    A node cannot be overwritten; of it there is a new one. Gradients pass. Raises
    `GradError` for a leaf that requires grad and `DeviceError` for tensors on the CPU.

        >>> import minigrad as mg
        >>> mg.distributed.all_reduce(mg.ones(3))  # by itself: 1 of 1
        tensor([1., 1., 1.])

    Source: PyTorch's torch.distributed.all_reduce.
    """
    total = comm.all_reduce(x)
    return x.copy_(total) if isinstance(x, Tensor) else total


def broadcast(x: Tensor, src: int = 0) -> Tensor:
    """Every process's `x` becomes that of process `src`; returns it. No gradient passes.

        >>> import minigrad as mg
        >>> layer = mg.nn.Linear(2, 3)
        >>> for parameter in layer.parameters():
        ...     _ = mg.distributed.broadcast(parameter)

    Source: PyTorch's torch.distributed.broadcast.
    """
    with no_grad():
        return x.copy_(from_array(GROUP.get().share(x.concrete("broadcast"), src)))


def average_gradients(parameters: Iterable[Tensor]) -> None:
    """Every parameter's gradient becomes the mean of what the processes have.

    With losses that are means over equally many examples, a step is then the one that a
    single process would take on all of them. Works in a function under `jit`. Raises
    `GradError` where a parameter has no gradient: all processes must exchange the same.

        >>> import minigrad as mg
        >>> w = mg.ones(2, requires_grad=True)
        >>> (w * w).sum().backward()
        >>> mg.distributed.average_gradients([w])
        >>> w.grad
        tensor([2., 2.])
    """
    wanted = [p for p in parameters if p.requires_grad]
    gradients = [p.grad for p in wanted if p.grad is not None]
    if len(gradients) < len(wanted):
        raise GradError(
            "average_gradients: a parameter has no gradient",
            remedy="call it after backward(), and let every process use all parameters",
        )
    with no_grad():
        for gradient in gradients:
            gradient.copy_(comm.all_reduce(gradient) / world_size())


class DataParallel:
    """A strategy of `compile` and `jit`: every process trains on data of its own.

    It rewrites the graph: each gradient that an update uses becomes the mean over the
    processes. Those of up to `together` bytes each travel together, as one array: what an
    exchange costs at least is paid once, and large ones are not copied for it.
    `program.show("graph")` is the graph before, `program.show("strategy")` the one after.
    With losses that are means over equally many examples a step is then the one that a
    single process would take on all of them, if all have started with the same weights:
    `broadcast` them. Outputs, such as the loss, stay those of each process.

    Raises `GraphError` for an update that depends on data in another way, such as the
    running statistics of batch norm: it would differ from process to process. What is fed
    and has no dims, such as a learning rate, counts as the same in all.

        >>> import minigrad as mg
        >>> x, w = mg.placeholder((2, 3)), mg.variable(mg.ones(3))
        >>> loss = (x @ w).mean()
        >>> step = mg.compile(
        ...     [x], loss, updates={w: w - 0.1 * mg.gradients(loss, w)},
        ...     strategy=mg.distributed.DataParallel(),
        ... )
        >>> step(mg.ones(2, 3)), w.get_value()
        (tensor(3.), array([0.9, 0.9, 0.9], dtype=float32))

    Source: PyTorch's torch.nn.parallel.DistributedDataParallel.
    """

    def __init__(self, together: int = 1 << 20) -> None:
        self.together = together

    def __call__(self, outputs: Sequence[Node], updates: dict[Any, Node]) -> list[Node]:
        """What is to be computed instead of the outputs and the new values."""
        found = filter(_is_gradient, topological(updates.values(), stop=_is_gradient))
        groups: dict[Any, list[Node]] = {}
        for g in sorted(found, key=attrgetter("seq")):
            small = nbytes(g) <= self.together
            groups.setdefault(g.dtype if small else g.seq, []).append(g)
        means: dict[Node, Node] = {}
        for gradients in groups.values():
            with on_behalf_of(gradients[0].origin):
                means |= zip(gradients, _means(gradients))
        new = rebuilt(list(updates.values()), means)
        for cell, node in zip(updates, new):
            _check_alike(cell, node)
        return [*outputs, *new]


def _is_gradient(node: Node) -> bool:
    """Did somebody ask for this derivative by a variable?"""
    return node.op.kind != "source" and node.value is not None


def _means(gradients: list[Node]) -> list[Node]:
    """The mean of each over all processes, by one exchange."""
    if len(gradients) == 1:
        return [comm.all_reduce(gradients[0]) / world_size()]
    flat = comm.all_reduce(cat([g.reshape((-1,)) for g in gradients])) / world_size()
    means, start = [], 0
    for g in gradients:
        end = start + nbytes(g) // g.dtype.itemsize
        means.append(flat[start:end].reshape(g.shape))
        start = end
    return means


def _check_alike(cell: Any, node: Node) -> None:
    """The new value of a variable may not be another in each process."""
    for x in topological([node], stop=lambda x: x.op is comm.all_reduce):
        if x.op is PLACEHOLDER and x.shape:
            name = cell.node().name or "a variable"
            raise GraphError(
                f"DataParallel: {name} would differ from process to process",
                expected="updates that depend on the data through gradients alone",
                got=f"a new value that depends on {x!r}",
                remedy="take the mean: mg.distributed.all_reduce(value) / world_size()",
                at=node.origin,
            )
