"""Modules that hold modules: in a row, in a list, in a dict."""

from __future__ import annotations

import operator
from collections import OrderedDict
from collections.abc import Iterable, Iterator, Mapping, MutableMapping
from typing import Any

from minigrad.nn.module import Module, tree


class _Row(Module):
    """What Sequential and ModuleList share: modules under the names "0", "1", ..."""

    def _like(self, modules: dict[str, Any]) -> Any:
        raise NotImplementedError

    def _keys(self, at: int | slice) -> list[str]:
        keys = list(self._modules)
        if isinstance(at, slice):
            return keys[at]
        i = operator.index(at)
        if not -len(keys) <= i < len(keys):
            raise IndexError(f"index {i} is out of range")
        return [keys[i]]

    def _fill(self, modules: Iterable[Any]) -> None:
        """Hold `modules` instead, numbered afresh."""
        modules = list(modules)
        self._modules.clear()
        for module in modules:
            self.append(module)

    def __len__(self) -> int:
        return len(self._modules)

    def __iter__(self) -> Iterator[Any]:
        return iter(list(self._modules.values()))

    def __getitem__(self, at: int | slice) -> Any:
        found = {key: self._modules[key] for key in self._keys(at)}
        return self._like(found) if isinstance(at, slice) else found.popitem()[1]

    def __setitem__(self, at: int, module: Module) -> None:
        setattr(self, self._keys(operator.index(at))[0], module)

    def __delitem__(self, at: int | slice) -> None:
        gone = self._keys(at)
        self._fill(m for key, m in self._modules.items() if key not in gone)

    def append(self, module: Module) -> Any:
        """Add a module at the end."""
        self.add_module(str(len(self)), module)
        return self

    def extend(self, modules: Iterable[Module]) -> Any:
        """Add modules at the end."""
        for module in list(modules):
            self.append(module)
        return self

    def insert(self, index: int, module: Module) -> Any:
        """Add a module before position `index`."""
        modules = list(self)
        if not -len(modules) <= index <= len(modules):
            raise IndexError(f"Index out of range: {index}")
        modules.insert(index, module)
        self._fill(modules)
        return self

    def pop(self, at: int | slice) -> Any:
        """Take out a module, or the modules of a slice."""
        module = self[at]
        del self[at]
        return module

    def __add__(self, other: Iterable[Module]) -> Any:
        return type(self)().extend(self).extend(self._check_addable(other))

    def __iadd__(self, other: Iterable[Module]) -> Any:
        return self.extend(self._check_addable(other))

    def _check_addable(self, other: Any) -> Any:
        return other


class Sequential(_Row):
    """Modules called one after another, each with what the one before gave.

    Takes modules, or an OrderedDict of them to name them.

        >>> import minigrad as mg
        >>> net = mg.nn.Sequential(mg.nn.Flatten(), mg.nn.Identity())
        >>> net(mg.ones(2, 3, 4)).shape
        (2, 12)
        >>> net
        Sequential(
          (0): Flatten(start_dim=1, end_dim=-1)
          (1): Identity()
        )
    """

    def __init__(self, *modules: Any) -> None:
        super().__init__()
        if len(modules) == 1 and isinstance(modules[0], OrderedDict):
            for name, module in modules[0].items():
                self.add_module(name, module)
        else:
            self.extend(modules)

    def _like(self, modules: dict[str, Any]) -> Any:
        return type(self)(OrderedDict(modules))  # which keep their names

    def _check_addable(self, other: Any) -> Any:
        if not isinstance(other, Sequential):
            raise ValueError(f"only a Sequential can be added, not {type(other)}")
        return other

    def forward(self, x: Any) -> Any:
        for module in self:
            x = module(x)
        return x


class ModuleList(_Row):
    """A list of modules whose parameters are found; `forward` is up to its owner."""

    def __init__(self, modules: Iterable[Module] | None = None) -> None:
        super().__init__()
        self.extend(modules or ())

    def _like(self, modules: dict[str, Any]) -> Any:
        return type(self)(modules.values())

    def __repr__(self) -> str:
        """Neighbours that print alike are counted: `(0-2): 3 x Linear(...)`."""
        runs: list[tuple[str, int, int]] = []
        for i, text in enumerate(map(repr, self)):
            if runs and runs[-1][0] == text:
                runs[-1] = text, runs[-1][1], i
            else:
                runs.append((text, i, i))
        parts = [
            f"({i}): {text}" if i == j else f"({i}-{j}): {j - i + 1} x {text}"
            for text, i, j in runs
        ]
        return tree(type(self).__name__, [], parts)


class ModuleDict(Module):
    """A dict of modules whose parameters are found; `forward` is up to its owner."""

    def __init__(self, modules: Any = None) -> None:
        super().__init__()
        self.update(modules or {})

    def __getitem__(self, name: str) -> Any:
        return self._modules[name]

    def __setitem__(self, name: str, module: Module) -> None:
        self.add_module(name, module)

    def __delitem__(self, name: str) -> None:
        delattr(self, name)

    def __len__(self) -> int:
        return len(self._modules)

    def __iter__(self) -> Iterator[str]:
        return iter(self._modules)

    # The rest is what any mapping makes of these.
    __contains__ = Mapping.__contains__
    keys, values, items = Mapping.keys, Mapping.values, Mapping.items
    update, pop = MutableMapping.update, MutableMapping.pop

    def clear(self) -> None:
        """Take out all modules."""
        for name in list(self):
            del self[name]
