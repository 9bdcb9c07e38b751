"""The same texts on a GPU: who is measured there, and how steps are timed.

Steps are queued and waited for together, as in training. Where `SIMULATE` is set in the
environment, minigrad runs on its simulated device and the others on the CPU: that tries
the program out and measures nothing.
"""

from __future__ import annotations

import os
import time
from collections.abc import Callable
from contextlib import ExitStack
from functools import partial
from types import ModuleType, SimpleNamespace
from typing import Any, NamedTuple

from benchmarks.harness import Make, Runner
from benchmarks.peers import Peer, define_by_run

SIMULATE = "MINIGRAD_BENCHMARK_SIMULATE"
KINDS = ("elements", "net", "rnn", "scan", "cnn", "tf32")
SAMPLE, MOST = 0.01, 1000  # seconds of steps that are waited for together; how many


def is_simulated() -> bool:
    return SIMULATE in os.environ


# --- timing ------------------------------------------------------------------------------


class Sample(NamedTuple):
    """Seconds a step takes, by the clock on the wall and by the GPU's own events."""

    wall: float
    event: float | None


class GpuRunner(Runner):
    """What one peer's process does, on request; steps are timed in bunches."""

    def wait(self) -> None:
        self.peer.wait()

    def samples(self, case: Any, seconds: float) -> list[Sample]:
        """As many as fit, two at least, after a few steps that warm up."""
        step = self.jobs[case.name].step
        rough = self._sample(step, 3).wall
        calls = max(1, min(MOST, int(SAMPLE / max(rough, 1e-9))))
        end, samples = time.perf_counter() + seconds, []
        while len(samples) < 2 or time.perf_counter() < end:
            samples.append(self._sample(step, calls))
        return samples

    def _sample(self, step: Callable[[], Any], calls: int) -> Sample:
        start, end = self.peer.mark(), self.peer.mark()
        self.peer.wait()
        began = time.perf_counter()
        start.record()
        for _ in range(calls):
            step()
        end.record()
        self.peer.wait()
        wall = (time.perf_counter() - began) / calls
        event = self.peer.between(start, end)
        return Sample(wall, event and event / calls)

    def bandwidth(self, size: int) -> float:
        """Bytes a second that a copy of `size` floats moves, read and written."""
        a, b = (self.peer.home.zeros(size) for _ in range(2))
        best = min(self._sample(lambda: b.copy_(a), 5).wall for _ in range(5))
        return 2 * 4 * size / best

    def describe(self) -> dict[str, str]:
        """What the peer computes on, and its version."""
        return self.peer.about


class Mark:
    """Stands for an event where there are none."""

    def record(self) -> None:
        pass


# --- who is measured ---------------------------------------------------------------------


class Moved:
    """A library in PyTorch's language whose new tensors are somewhere else."""

    def __init__(self, lib: ModuleType, where: str) -> None:
        self.lib, self.where = lib, where

    def __getattr__(self, name: str) -> Any:
        return getattr(self.lib, name)

    def from_numpy(self, array: Any) -> Any:
        return self.lib.from_numpy(array).to(self.where)

    def zeros(self, *shape: int) -> Any:
        return self.lib.zeros(*shape, device=self.where)

    def variable(self, array: Any) -> Any:
        return self.lib.variable(self.from_numpy(array))


def _peer(functions: Any, home: Moved, *args: Any, **options: Any) -> SimpleNamespace:
    """The functions of a module, with the clock of where `home` puts its tensors."""
    made = {
        kind: partial(getattr(functions, kind), *args, **options)
        for kind in KINDS
        if hasattr(functions, kind)
    }
    if "net" in made:
        made["tf32"] = partial(_rounded, made["net"], home)
    clock = SimpleNamespace(wait=lambda: None, mark=Mark, between=lambda *_: None)
    name = "CPU"
    if home.where == "cuda":
        clock.wait = home.cuda.synchronize
        clock.mark = partial(home.cuda.Event, enable_timing=True)
        clock.between = lambda start, end: start.elapsed_time(end) / 1000
        name = home.cuda.get_device_name()
    about = {"device": name, "version": getattr(home, "__version__", "(checkout)")}
    return SimpleNamespace(**made, **vars(clock), home=home, about=about)


def _rounded(make: Callable[[Any], Any], home: Moved, problem: Any) -> Any:
    """A net in TF32. The switch stays as it is then, so no other case comes after."""
    if hasattr(home, "config"):
        home.config.update("jax_default_matmul_precision", "tensorfloat32")
    elif hasattr(home, "backends"):
        home.backends.cuda.matmul.allow_tf32 = True
    return make(problem)


_kept = ExitStack()  # until the process ends


def _minigrad() -> Moved:
    import minigrad as mg

    if is_simulated():
        _kept.enter_context(mg.cuda.simulate())
    return Moved(mg, "cuda")


def eager() -> SimpleNamespace:
    lib = _minigrad()
    return _peer(define_by_run, lib, lib)


def jit() -> SimpleNamespace:
    lib = _minigrad()
    return _peer(define_by_run, lib, lib, wrap=lib.jit)


def static() -> SimpleNamespace:
    from benchmarks.peers import minigrad_static

    lib = _minigrad()
    return _peer(minigrad_static, lib, target="cuda", lib=lib)


def _torch() -> Moved:
    import torch

    torch.backends.cuda.matmul.allow_tf32 = False  # all compute in full float32
    torch.backends.cudnn.allow_tf32 = False
    return Moved(torch, "cpu" if is_simulated() else "cuda")


def torch_eager() -> SimpleNamespace:
    lib = _torch()
    return _peer(define_by_run, lib, lib)


def torch_compiled() -> SimpleNamespace:
    from benchmarks.peers import torch_compiled

    lib = _torch()
    how = {"backend": "eager"} if is_simulated() else {"mode": "reduce-overhead"}
    return _peer(torch_compiled, lib, lib=lib, **how)


def jax() -> SimpleNamespace:
    os.environ["XLA_PYTHON_CLIENT_PREALLOCATE"] = "false"  # others want memory too
    import jax

    from benchmarks.peers import jax_jit

    jax.config.update("jax_default_matmul_precision", "highest")
    jax_jit.done = lambda result: result  # steps are queued here
    peer = _peer(jax_jit, Moved(jax, "cpu"))
    peer.wait = lambda: (
        jax.numpy.zeros(()) + 1
    ).block_until_ready()  # after all before
    peer.about = {"device": str(jax.devices()[0]), "version": jax.__version__}
    return peer


def _numpy() -> SimpleNamespace:
    from benchmarks.peers import numpy_by_hand

    return _peer(numpy_by_hand, Moved(numpy_by_hand, "cpu"))


GPU_PEERS: dict[str, tuple[Peer, Callable[[], SimpleNamespace]]] = {
    "numpy": (Peer("NumPy by hand, on the CPU", "", "numpy"), _numpy),
    "eager": (Peer("minigrad eager", "", "minigrad"), eager),
    "static": (Peer("minigrad static", "", "minigrad"), static),
    "jit": (Peer("minigrad jit", "", "minigrad"), jit),
    "torch": (Peer("PyTorch eager", "", "torch"), torch_eager),
    "compiled": (Peer("torch.compile, CUDA graphs", "", "torch"), torch_compiled),
    "jax": (Peer("jax.jit", "", "jax"), jax),
}


def runner_of(name: str) -> Make:
    """What makes the runner of a peer, in a process of its own."""
    return partial(_load, name)


def _load(name: str) -> GpuRunner:
    return GpuRunner(GPU_PEERS[name][1]())
