"""Errors that teach: what was expected, what came, the likeliest remedy, the user's line.

Every error minigrad raises on bad input is one of the classes below. Each is also the
built-in that a PyTorch or NumPy user would catch. The text has one layout:

    ShapeError: mm: the inner sizes differ
      expected  a (m, k) @ b (k, n)
      got       x (64, 1000) @ w2 (100, 10)
      remedy    did you mean x.mm(w1)?   w1 is (1000, 100)
      at        cell 7, line 3:  y = x.mm(w2)
"""

from __future__ import annotations

import linecache
import os
import sys
from functools import cache
from types import CodeType, FrameType
from typing import Any

_PACKAGE = os.path.dirname(os.path.abspath(__file__)) + os.sep
_COMPOSITES = {
    os.path.join(_PACKAGE, *name.split("/"))
    for name in (
        "formulas.py", "composite.py", "rearrange.py", "contraction.py",
        "nn/functional/activation.py", "nn/functional/convolution.py",
        "nn/functional/dense.py", "nn/functional/loss.py",
        "nn/functional/normalization.py", "nn/functional/pooling.py",
    )
}  # fmt: skip


class Origin:
    """Where in the user's program something was made: a code object and an instruction.

    A frame would keep every local of the learner alive, a string costs formatting for
    each op; a code object with an instruction offset costs two pointers and is turned
    into `file:line: source` only when somebody looks.
    """

    __slots__ = ("code", "lasti")

    def __init__(self, code: CodeType, lasti: int) -> None:
        self.code, self.lasti = code, lasti

    @property
    def filename(self) -> str:
        return self.code.co_filename

    @property
    def line(self) -> int:
        # co_positions has one entry per instruction, two bytes each.
        for i, position in enumerate(self.code.co_positions()):
            if 2 * i >= self.lasti:
                return position[0] or self.code.co_firstlineno
        return self.code.co_firstlineno

    @property
    def source(self) -> str:
        return linecache.getline(self.filename, self.line).strip()

    def __repr__(self) -> str:
        return f"{_place(self.filename)}line {self.line}:  {self.source}"


def _place(filename: str) -> str:
    """`cell 7, ` in a notebook, `net.py, ` in a file."""
    ipython = sys.modules.get("IPython")
    shell = ipython.get_ipython() if ipython else None
    if shell is not None:
        # The kernel gives each cell a file name of its own and remembers its number.
        number = getattr(shell.compile, "_filename_map", {}).get(filename)
        if number is not None:
            return f"cell {number}, "
    return f"{os.path.basename(filename)}, "


@cache
def _is_our_file(name: str) -> bool:
    return name.startswith((_PACKAGE, "<minigrad"))


def is_ours(frame: FrameType) -> bool:
    return _is_our_file(frame.f_code.co_filename)


def user_frame() -> FrameType | None:
    """The innermost frame that is not minigrad's own."""
    frame: FrameType | None = sys._getframe(1)
    while frame is not None and _is_our_file(frame.f_code.co_filename):
        frame = frame.f_back
    return frame


def user_scope() -> str:
    """The composite (softmax, mm, ...) that the user called, "" if an op directly."""
    scope = ""
    frame: FrameType | None = sys._getframe(1)
    while frame is not None and is_ours(frame):
        code = frame.f_code
        if code.co_filename in _COMPOSITES and not code.co_name.startswith("_"):
            scope = code.co_name
        frame = frame.f_back
    return scope


def user_origin() -> Origin | None:
    """The `Origin` of the user's line that is running now."""
    frame = user_frame()
    return Origin(frame.f_code, frame.f_lasti) if frame else None


def user_names() -> dict[str, Any]:
    """Names the user sees at the running line: globals, then locals over them."""
    frame = user_frame()
    return {**frame.f_globals, **frame.f_locals} if frame else {}


def name_of(value: Any, default: str) -> str:
    """What the user calls `value` at the running line, or `default`."""
    for name, other in user_names().items():
        if other is value and not name.startswith("_"):
            return name
    return default


class MinigradError(Exception):
    """The common base of minigrad's errors; builds the message."""

    def __init__(
        self,
        what: str,
        *,
        expected: str = "",
        got: str = "",
        remedy: str = "",
        at: Origin | list[Origin] | None = None,
    ) -> None:
        origins = at if isinstance(at, list) else [at or user_origin()]
        self.what = what
        # Several nodes of one line are one place to look at.
        places = {repr(o): o for o in origins if o is not None}
        self.origins = list(places.values())[:3]
        rows = [("expected", expected), ("got", got), ("remedy", remedy)]
        rows += [("at", repr(o)) for o in self.origins]
        lines = [f"  {label:<9} {text}" for label, text in rows if text]
        super().__init__("\n".join([what, *lines]))

    def also_at(self, origin: Origin | None) -> MinigradError:
        """Itself, naming one more line of the user's."""
        known = map(repr, self.origins)
        if origin is not None and len(self.origins) < 3 and repr(origin) not in known:
            self.origins.append(origin)
            self.args = (f"{self}\n  at        {origin!r}",)
        return self


class ShapeError(MinigradError, RuntimeError, ValueError):
    """Sizes do not fit together."""


class DTypeError(MinigradError, RuntimeError, TypeError):
    """Element types do not fit together."""


class IndexingError(MinigradError, IndexError, ValueError):
    """An index or a dim is out of range or of the wrong type."""


class ArgumentError(MinigradError, RuntimeError, ValueError):
    """Arguments that each would do do not go together."""


class GradError(MinigradError, RuntimeError):
    """A derivative was asked for that the tape or the graph cannot give."""


class MissingGradError(GradError, AttributeError):
    """Something was done with a `.grad` that is None."""


class GraphError(MinigradError, RuntimeError, TypeError):
    """A symbolic value was used as a number, or a graph was put together wrongly."""


class NotYetError(GraphError, AttributeError):
    """A symbolic value has no such attribute; the text says what to use instead."""


class FeedError(MinigradError, TypeError, ValueError):
    """A compiled program was called with arguments that do not fit its placeholders."""


class NotFiniteError(MinigradError, FloatingPointError):
    """A result is NaN or infinite where that was to be watched."""


class RetraceNotice(UserWarning):
    """A function under `jit` was traced again; the text says what changed."""


class DeviceError(MinigradError, RuntimeError, TypeError):
    """A device that is not there, or two where one was expected."""


class OutOfMemoryError(DeviceError, MemoryError):
    """A device has no room for another array."""


class MissingPackageError(MinigradError, ImportError):
    """An optional package is not installed."""


class NotNative(Exception):
    """A graph cannot become native code here; the text says why."""


class ModuleError(MinigradError, AttributeError, TypeError, KeyError):
    """A module was given a part that it cannot hold under that name."""

    __str__ = Exception.__str__  # KeyError's would put the text in quotes


class StateDictError(MinigradError, RuntimeError):
    """A saved state does not fit the module that it is loaded into."""

    def __init__(
        self, name: str, missing: list[str], unexpected: list[str], unlike: list[str]
    ) -> None:
        rows = {"missing": missing, "unexpected": unexpected, "other shape": unlike}
        found = [f"{kind}: {', '.join(keys)}" for kind, keys in rows.items() if keys]
        super().__init__(
            f"Error(s) in loading state_dict for {name}; nothing was changed",
            expected="every key of the module, in its shape, and no other",
            got=("\n" + " " * 12).join(found),
            remedy="strict=False leaves out keys that only one side has"
            if not unlike
            else "build the module with the sizes that were saved",
        )


class FormatError(MinigradError, ValueError):
    """A file is damaged, or of a kind that is not read here."""
