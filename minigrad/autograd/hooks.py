"""Hooks: functions that see, and may replace, a gradient on its way back.

Gradients of values in between live in the sweep and nowhere else; a hook is how to look
at one, `retain_grad()` how to keep it. The sweep itself knows of no hooks: the first one
puts `sweep_with_hooks` in its place.
"""

from __future__ import annotations

import itertools
import weakref
from collections.abc import Callable
from typing import Any

from minigrad.autodiff import sweep
from minigrad.eager import tape
from minigrad.eager.cell import journal, parent_of
from minigrad.eager.tensor import Tensor, wrap
from minigrad.errors import GradError, ShapeError, name_of
from minigrad.ops.op import MODE, Value

_next_key = itertools.count().__next__
# Which tensors keep their gradient, by id: a Tensor's == compares elements.
_retaining: dict[int, weakref.ref[Tensor]] = {}


class RemovableHandle:
    """What `register_hook` returns: `handle.remove()`, or a `with` block, takes it off."""

    def __init__(self, hooks: dict[int, Callable[..., Any]], key: int) -> None:
        self._hooks, self.id = hooks, key

    def remove(self) -> None:
        self._hooks.pop(self.id, None)

    def __enter__(self) -> RemovableHandle:
        return self

    def __exit__(self, *_: object) -> None:
        self.remove()


def register_hook(self: Tensor, hook: Callable[[Tensor], Any]) -> RemovableHandle:
    """Call `hook(gradient)` whenever a gradient of this tensor has been computed.

    What the hook returns, if not None, takes the gradient's place. Raises `GradError`
    for a tensor that does not require a gradient.

        >>> import minigrad as mg
        >>> x = mg.tensor([1.0, 2.0], requires_grad=True)
        >>> handle = x.register_hook(lambda g: g * 10)
        >>> (x * x).sum().backward()
        >>> x.grad
        tensor([20., 40.])
    """
    element = _element(self, "register_hook")
    if not hasattr(element, "hooks"):
        element.hooks = {}
    tape.SWEEP[0] = sweep_with_hooks
    key = _next_key()
    element.hooks[key] = hook
    return RemovableHandle(element.hooks, key)


def retain_grad(self: Tensor) -> None:
    """Keep the gradient of this tensor in `.grad` although it is not a leaf."""
    if _element(self, "retain_grad") is not self:
        tape.SWEEP[0] = sweep_with_hooks
        key = id(self)
        _retaining[key] = weakref.ref(self, lambda _: _retaining.pop(key, None))


def _element(t: Tensor, what: str) -> Any:
    element = parent_of(t)
    if element is None:
        raise GradError(
            f"{what}: this tensor does not require a gradient",
            expected="requires_grad=True",
            got=f"{name_of(t, 'the tensor')} {t.shape}",
        )
    return element


def sweep_with_hooks(seeds: Any, pull: Any, targets: set | None = None) -> dict:
    """`sweep`, with the hooks of each element called when its cotangent is complete."""
    keepers = _keepers()
    seen: dict[Any, Any] = {}

    def arrived(element: Any, g: Any) -> Any:
        hooks = getattr(element, "hooks", None)
        if hooks:
            g = seen[element] = _call(hooks, g)
        for t in keepers.get(element, ()):
            _keep(t, g)
        return g

    def pull_with_hooks(element: Any, g: Any, owned: bool, wanted: Any) -> Any:
        new = arrived(element, g)
        return pull(element, new, owned and new is g and element not in keepers, wanted)

    found = sweep(seeds, pull_with_hooks, targets)
    for element, (g, owned) in found.items():
        if not element.parents:  # a leaf: nothing was pulled through it
            new = arrived(element, g)
        else:
            new = seen.get(element, g)
        found[element] = new, owned and new is g
    return found


def _keepers() -> dict[Any, list[Tensor]]:
    """The tensors that keep their gradient, by what stands for them on the tape now."""
    keepers: dict[Any, list[Tensor]] = {}
    for ref in list(_retaining.values()):
        t = ref()
        if t is not None and t.record is not None and t.view_of is None:
            keepers.setdefault(parent_of(t), []).append(t)
        elif t is not None and t.version == t.cell.written:  # not a view left behind
            keepers.setdefault(t.record, []).append(t)
    return keepers


def _call(hooks: dict[int, Callable[..., Any]], g: Any) -> Any:
    shown = g if isinstance(g, Tensor) else wrap(_copy(g))
    for hook in list(hooks.values()):
        result = hook(shown)
        if result is None:
            continue
        if not isinstance(result, Tensor) or result.shape != shown.shape:
            raise ShapeError(
                "hook: what it returned cannot take the gradient's place",
                expected=f"None or a tensor {shown.shape}",
                got=str(getattr(result, "shape", type(result).__name__)),
            )
        shown = result.to(shown.dtype)
    return shown if isinstance(g, Tensor) else raw(shown)


def raw(t: Tensor) -> Any:
    """What rules are fed for `t`: a Node in a trace, else an array others may hold too."""
    trace = MODE.get().trace
    return t.array[...] if trace is None else trace.value_of(t)


def _copy(g: Any) -> Any:
    return g if isinstance(g, Value) else g.copy(order="C")


def _keep(t: Tensor, g: Any) -> None:
    journal(t)
    new = g if isinstance(g, Tensor) else wrap(_copy(g))
    t._grad = new if t._grad is None else t._grad + new


Tensor.register_hook = register_hook
Tensor.retain_grad = retain_grad
Tensor.retains_grad = property(lambda self: id(self) in _retaining)
