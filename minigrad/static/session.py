"""TensorFlow 1's way of running a graph, as a thin layer over `Program`."""

from __future__ import annotations

from typing import Any

from minigrad.errors import GraphError
from minigrad.static.node import PLACEHOLDER, Node
from minigrad.static.program import Program, compile


class Session:
    """`Session().run(fetches, feed_dict)`: compile what is asked for, once, and run it.

    A fetch is a Node, or the pair that `variable.assign(expr)` gives, whose new value is
    then committed; lists give lists. Each new combination of fetches and fed
    placeholders makes a Program, which later runs reuse.

        >>> import minigrad as mg
        >>> x, n = mg.placeholder(()), mg.variable(0.0)
        >>> with mg.Session() as session:
        ...     session.run([x * 2, n.assign(n + x)], {x: 3.0})
        [tensor(6.), tensor(3.)]
        >>> n.get_value()
        array(3., dtype=float32)
    """

    def __init__(self) -> None:
        self._programs: dict[tuple, tuple[Program, Any]] = {}

    def run(self, fetches: Any, feed_dict: dict[Node, Any] | None = None) -> Any:
        """The values of `fetches`, given those of the placeholders in `feed_dict`."""
        feeds = feed_dict or {}
        for node in feeds:
            if not isinstance(node, Node) or node.op is not PLACEHOLDER:
                raise GraphError("run: only placeholders can be fed", got=repr(node))
        many = isinstance(fetches, list)
        wanted = fetches if many else [fetches]
        parts = [node for f in wanted for node in (f if type(f) is tuple else (f,))]
        key = (*map(id, parts), None, *map(id, feeds))
        if key not in self._programs:
            updates = [fetch for fetch in wanted if type(fetch) is tuple]
            values = [f[1] if type(f) is tuple else f for f in wanted]
            program = compile(list(feeds), values, updates)
            self._programs[key] = program, parts  # whose ids must stay theirs
        results = self._programs[key][0](*feeds.values())
        return results if many else results[0]

    def __enter__(self) -> Session:
        return self

    def __exit__(self, *_: object) -> None:
        self._programs.clear()
