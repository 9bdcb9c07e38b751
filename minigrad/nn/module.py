"""Module: weights, buffers and other modules under names, as in PyTorch.

Which problem this solves: a model is a function with state, and the state must be found
again, by optimizers, by files, by `model.eval()`. A Module keeps three tables apart from
its plain attributes; everything else here walks over them.
"""

from __future__ import annotations

import itertools
import weakref
from collections import OrderedDict, namedtuple
from collections.abc import Callable, Iterator, Mapping
from typing import Any

import numpy as np

from minigrad.autograd.hooks import RemovableHandle
from minigrad.conversions import destination
from minigrad.eager.cell import REBOUND
from minigrad.eager.tensor import Tensor
from minigrad.errors import DTypeError, ModuleError, StateDictError
from minigrad.nn.parameter import Parameter
from minigrad.nn.utils.parameters import zero_grads
from minigrad.ops.op import MODE, mode

_next_key = itertools.count().__next__


class IncompatibleKeys(namedtuple("IncompatibleKeys", "missing_keys unexpected_keys")):
    """What `load_state_dict(strict=False)` left alone."""

    __slots__ = ()

    def __repr__(self) -> str:
        return super().__repr__() if any(self) else "<All keys matched successfully>"


class Module:
    """The base of layers and models; a subclass gives `__init__` and `forward`.

    Parameters, Modules and registered buffers assigned to attributes are found by
    `parameters()`, `state_dict()`, `to()` and the rest, however deep they are.

        >>> import minigrad as mg
        >>> class Net(mg.nn.Module):
        ...     def __init__(self):
        ...         super().__init__()
        ...         self.scale = mg.nn.Parameter(mg.ones(2))
        ...     def forward(self, x):
        ...         return x * self.scale
        >>> net = Net()
        >>> [name for name, _ in net.named_parameters()]
        ['scale']
        >>> net(mg.ones(2)).shape
        (2,)
    """

    training: bool
    _parameters: dict[str, Any]
    _modules: dict[str, Any]
    _buffers: dict[str, Any]
    _unsaved: set[str]  # the buffers that state_dict leaves out
    _forward_pre_hooks: dict[int, Callable[..., Any]]
    _forward_hooks: dict[int, Callable[..., Any]]

    def __init__(self) -> None:
        tables: tuple[str, ...] = (*TABLES, "_forward_pre_hooks", "_forward_hooks")
        self.__dict__.update({name: {} for name in tables})
        self.__dict__.update(training=True, _unsaved=set())

    def forward(self, *args: Any, **kwargs: Any) -> Any:
        """What a call computes; every subclass has its own."""
        raise NotImplementedError(
            f'Module [{type(self).__name__}] is missing the required "forward" function'
        )

    def __call__(self, *args: Any, **kwargs: Any) -> Any:
        trace = MODE.get().trace
        if trace is not None:
            trace.saw_module(self)
        for hook in list(self._forward_pre_hooks.values()):
            changed = hook(self, args)
            if changed is not None:
                args = changed if isinstance(changed, tuple) else (changed,)
        y = self.forward(*args, **kwargs)
        for hook in list(self._forward_hooks.values()):
            changed = hook(self, args, y)
            y = y if changed is None else changed
        return y

    def built_in(self) -> tuple:
        """What a traced call takes for granted: the mode, and what there is inside."""
        tensors = (*self._parameters.values(), *self._buffers.values())
        cells = (None if t is None else t.cell for t in tensors)
        inner = (None if m is None else weakref.ref(m) for m in self._modules.values())
        return self.training, *cells, *inner

    # --- attributes ----------------------------------------------------------------------
    def __getattr__(self, name: str) -> Any:  # what is not a plain attribute
        for table in TABLES:  # every use of a weight comes here: no calls
            inside = self.__dict__.get(table)
            if inside is not None and name in inside:
                return inside[name]
        forgotten = "" if "_modules" in self.__dict__ else ": " + _NOT_BEGUN
        raise AttributeError(
            f"'{type(self).__name__}' object has no attribute '{name}'{forgotten}"
        )

    def __setattr__(self, name: str, value: Any) -> None:
        table = self._table_of(name)
        if isinstance(value, Parameter):
            table = "_parameters"
        elif isinstance(value, Module) and table != "_parameters":
            table = "_modules"
        trace = MODE.get().trace
        if trace is not None and name == "training":
            trace.saw_module(self)  # as it is on entry
        if table is None:
            object.__setattr__(self, name, value)
            REBOUND[0] += 1
        elif trace is not None and _alike(self._buffers.get(name), value):
            with mode(grad=False):  # the program writes the storage that it knows
                self._buffers[name].copy_(value)
        else:
            self._put(table, name, value)

    def __delattr__(self, name: str) -> None:
        table = self._table_of(name)
        if table is None:
            object.__delattr__(self, name)
        else:
            del self.__dict__[table][name]
            self._unsaved.discard(name)
        REBOUND[0] += 1

    def __dir__(self) -> list[str]:
        inside = (name for table in TABLES for name in self.__dict__.get(table, ()))
        return sorted({*object.__dir__(self), *inside})

    def _table_of(self, name: str) -> str | None:
        return next((t for t in TABLES if name in self.__dict__.get(t, ())), None)

    def _put(self, table: str, name: str, value: Any) -> None:
        """Enter `value` in a table under a name that nothing else has from then on."""
        kind, plural, wanted = TABLES[table]
        if table not in self.__dict__:
            raise ModuleError(
                f"cannot assign {plural} before Module.__init__() call",
                remedy=_NOT_BEGUN,
            )
        if value is not None and not isinstance(value, wanted):
            raise ModuleError(
                f"cannot assign '{type(value).__name__}' as {kind} '{name}'",
                expected=f"{wanted.__name__} or None",
                got=type(value).__name__,
                remedy=f"nn.Parameter(value), or self.{name}.data = value"
                if wanted is Parameter
                else "",
            )
        if not isinstance(name, str) or not name or "." in name:
            raise ModuleError(
                f'{kind} name can\'t be "" or contain "."', got=repr(name)
            )
        if hasattr(type(self), name):
            raise ModuleError(f"attribute '{name}' already exists")
        for other in (self.__dict__, *(self.__dict__[t] for t in TABLES if t != table)):
            other.pop(name, None)
        if table != "_buffers":
            self._unsaved.discard(name)
        self.__dict__[table][name] = value
        REBOUND[0] += 1

    def _put_new(self, table: str, name: str, value: Any) -> None:
        taken = self._table_of(name)
        if name in self.__dict__ or taken not in (None, table):
            raise ModuleError(f"attribute '{name}' already exists")
        self._put(table, name, value)

    def register_parameter(self, name: str, param: Parameter | None) -> None:
        """Add a parameter, or None where there could be one."""
        self._put_new("_parameters", name, param)

    def register_buffer(
        self, name: str, tensor: Tensor | None, persistent: bool = True
    ) -> None:
        """Add state that is no parameter, such as a running mean.

        With `persistent=False` it is left out of `state_dict()`.
        """
        self._put_new("_buffers", name, tensor)
        (self._unsaved.discard if persistent else self._unsaved.add)(name)

    def add_module(self, name: str, module: Module | None) -> None:
        """Add a module under a name that need not be an identifier."""
        self._put_new("_modules", name, module)

    register_module = add_module

    # --- what there is inside ------------------------------------------------------------
    def named_modules(
        self, memo: set | None = None, prefix: str = "", remove_duplicate: bool = True
    ) -> Iterator[tuple[str, Module]]:
        """This module and all inside it with their paths, each once."""
        memo = set() if memo is None else memo
        if self in memo:
            return
        if remove_duplicate:
            memo.add(self)
        yield prefix, self
        for name, module in self._modules.items():
            if module is not None:
                yield from module.named_modules(
                    memo, _path(prefix, name), remove_duplicate
                )

    def modules(self) -> Iterator[Module]:
        """This module and all inside it, each once."""
        return (module for _, module in self.named_modules())

    def named_children(self) -> Iterator[tuple[str, Module]]:
        """The modules directly inside this one, each once."""
        seen = {None}
        for name, module in self._modules.items():
            if module not in seen:
                seen.add(module)
                yield name, module

    def children(self) -> Iterator[Module]:
        """The modules directly inside this one, each once."""
        return (module for _, module in self.named_children())

    def _named(
        self, table: str, prefix: str, recurse: bool, remove_duplicate: bool
    ) -> Iterator[tuple[str, Any]]:
        seen = {None}
        places = self.named_modules(prefix=prefix, remove_duplicate=remove_duplicate)
        for at, module in places if recurse else [(prefix, self)]:
            for name, t in module.__dict__[table].items():
                if t not in seen:
                    if remove_duplicate:
                        seen.add(t)
                    yield _path(at, name), t

    def named_parameters(
        self, prefix: str = "", recurse: bool = True, remove_duplicate: bool = True
    ) -> Iterator[tuple[str, Any]]:
        """All parameters with their paths; one that is shared comes once."""
        return self._named("_parameters", prefix, recurse, remove_duplicate)

    def parameters(self, recurse: bool = True) -> Iterator[Any]:
        """All parameters, each once: what an optimizer is given."""
        return (p for _, p in self.named_parameters(recurse=recurse))

    def named_buffers(
        self, prefix: str = "", recurse: bool = True, remove_duplicate: bool = True
    ) -> Iterator[tuple[str, Any]]:
        """All buffers with their paths, each once."""
        return self._named("_buffers", prefix, recurse, remove_duplicate)

    def buffers(self, recurse: bool = True) -> Iterator[Any]:
        """All buffers, each once."""
        return (b for _, b in self.named_buffers(recurse=recurse))

    def get_submodule(self, target: str) -> Module:
        """The module at a path like "encoder.0"; raises AttributeError."""
        module = self
        for name in target.split(".") if target else []:
            module = getattr(module, name)
            if not isinstance(module, Module):
                raise AttributeError(f"`{name}` is not an nn.Module")
        return module

    def get_parameter(self, target: str) -> Any:
        """The parameter at a path like "encoder.0.weight"; raises AttributeError."""
        return self._get("_parameters", "Parameter", target)

    def get_buffer(self, target: str) -> Any:
        """The buffer at a path like "norm.running_mean"; raises AttributeError."""
        return self._get("_buffers", "buffer", target)

    def _get(self, table: str, kind: str, target: str) -> Any:
        path, _, name = target.rpartition(".")
        module = self.get_submodule(path)
        if getattr(module, name) is not None and module._table_of(name) != table:
            raise AttributeError(f"`{name}` is not a {kind}")
        return getattr(module, name)

    # --- to and from files ---------------------------------------------------------------
    def _saved(self) -> Iterator[tuple[str, Any]]:
        """Everything that makes up the state, under every name it has."""
        for at, module in self.named_modules(remove_duplicate=False):
            for table in (module._parameters, module._buffers):
                for name, t in table.items():
                    if t is not None and name not in module._unsaved:
                        yield _path(at, name), t

    def state_dict(
        self,
        *,
        destination: dict[str, Any] | None = None,
        prefix: str = "",
        keep_vars: bool = False,
    ) -> dict[str, Any]:
        """Parameters and persistent buffers by path, sharing memory with the module.

        With `keep_vars` they are the parameters themselves, else detached.
        """
        state = OrderedDict() if destination is None else destination
        for key, t in self._saved():
            state[prefix + key] = t if keep_vars else t.detach()
        return state

    def load_state_dict(
        self, state_dict: Mapping[str, Any], strict: bool = True
    ) -> IncompatibleKeys:
        """Copy a `state_dict()` into this module; all of it or, on an error, nothing.

        With `strict=False` keys that only one side has are left alone. Raises
        `StateDictError`, which lists every key that does not fit.
        """
        ours = dict(self._saved())
        missing = [key for key in ours if key not in state_dict]
        unexpected = [key for key in state_dict if key not in ours]
        both = [key for key in ours if key in state_dict]
        unlike = [
            f"{key} {ours[key].shape} from {_shape(state_dict[key])}"
            for key in both
            if ours[key].shape != _shape(state_dict[key])
        ]
        if unlike or (strict and (missing or unexpected)):
            raise StateDictError(type(self).__name__, missing, unexpected, unlike)
        with mode(grad=False):
            for key in both:
                ours[key].copy_(state_dict[key])
        return IncompatibleKeys(missing, unexpected)

    # --- changes to everything inside ----------------------------------------------------
    def train(self, mode: bool = True) -> Any:
        """Let dropout and batch norm, however deep inside, do what training needs."""
        if not isinstance(mode, bool):
            raise ValueError("training mode is expected to be boolean")
        for module in self.modules():
            module.training = mode
        return self

    def eval(self) -> Any:
        """Let dropout and batch norm do what use after training needs."""
        return self.train(False)

    def apply(self, fn: Callable[[Module], Any]) -> Any:
        """Call `fn` with every module inside, then with this one."""
        for module in self.children():
            module.apply(fn)
        fn(self)
        return self

    def requires_grad_(self, requires_grad: bool = True) -> Any:
        """Let all parameters want a gradient (or not)."""
        for p in self.parameters():
            p.requires_grad_(requires_grad)
        return self

    def zero_grad(self, set_to_none: bool = True) -> None:
        """Forget all gradients, or with `set_to_none=False` fill them with zeros."""
        zero_grads(self.parameters(), set_to_none)

    def to(self, *args: Any, **kwargs: Any) -> Any:
        """Parameters and buffers on another device, floats in another dtype.

        The parameters stay the same objects, so an optimizer keeps them.
        """

        where, *_ = destination(args, kwargs)

        def moved(t: Tensor) -> Tensor:
            if not t.is_floating_point():
                return t if where is None else t.to(where)
            y = t.to(*args, **kwargs)
            if not y.is_floating_point():
                raise DTypeError(
                    "nn.Module.to only accepts floating point dtypes", got=str(y.dtype)
                )
            return y

        return self._apply(moved)

    def float(self) -> Any:
        """In float32."""
        return self.to(np.float32)

    def double(self) -> Any:
        """In float64."""
        return self.to(np.float64)

    def half(self) -> Any:
        """In float16."""
        return self.to(np.float16)

    def cpu(self) -> Any:
        """On the CPU."""
        return self.to("cpu")

    def cuda(self, device: Any = None) -> Any:
        """On the GPU."""
        return self.to("cuda" if device is None else device)

    def _apply(self, fn: Callable[[Any], Any]) -> Any:
        with mode(grad=False):
            for p in self.parameters():
                new = fn(p.detach())
                grad = None if p.grad is None else fn(p.grad)
                if new.cell is not p.cell:  # a storage of its own
                    p.grad = None
                    p.data, p.grad = new, grad
            for module in self.modules():
                for name, b in module._buffers.items():
                    if b is not None:
                        module._put("_buffers", name, fn(b))
        return self

    # --- hooks ---------------------------------------------------------------------------
    def register_forward_pre_hook(self, hook: Callable[..., Any]) -> RemovableHandle:
        """Call `hook(module, args)` before every forward; it may return other args."""
        return _add(self._forward_pre_hooks, hook)

    def register_forward_hook(self, hook: Callable[..., Any]) -> RemovableHandle:
        """Call `hook(module, args, output)` after; it may return another output."""
        return _add(self._forward_hooks, hook)

    # --- text ----------------------------------------------------------------------------
    def extra_repr(self) -> str:
        """What stands between the brackets before the modules inside."""
        return ""

    def __repr__(self) -> str:
        extra = self.extra_repr()
        lines = extra.split("\n") if extra else []
        parts = [f"({name}): {m!r}" for name, m in self._modules.items()]
        return tree(type(self).__name__, lines, parts)


def tree(name: str, lines: list[str], parts: list[str]) -> str:
    """`Name(...)` with the text of what is inside on lines of its own."""
    if not parts and len(lines) <= 1:
        return f"{name}({''.join(lines)})"
    inside = [*lines, *(part.replace("\n", "\n  ") for part in parts)]
    return f"{name}(\n  " + "\n  ".join(inside) + "\n)"


def _path(prefix: str, name: str) -> str:
    return f"{prefix}.{name}" if prefix else name


def _shape(value: Any) -> Any:
    return tuple(value.shape) if isinstance(value, (Tensor, np.ndarray)) else value


def _alike(old: Any, new: Any) -> bool:
    both = type(old) is Tensor and type(new) is Tensor  # not a Parameter instead
    return both and (old.shape, old.dtype) == (new.shape, new.dtype)


def _add(hooks: dict[int, Callable[..., Any]], hook: Any) -> RemovableHandle:
    key = _next_key()
    hooks[key] = hook
    return RemovableHandle(hooks, key)


_NOT_BEGUN = "call super().__init__() first"
# The table of each kind, what one is called, the word in PyTorch's sentence, and its type.
TABLES: dict[str, tuple[str, str, type]] = {
    "_parameters": ("parameter", "parameters", Parameter),
    "_modules": ("child module", "module", Module),
    "_buffers": ("buffer", "buffer", Tensor),
}
