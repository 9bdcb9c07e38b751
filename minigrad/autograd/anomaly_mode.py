"""Finding where a NaN came from: `with mg.autograd.detect_anomaly(): ...`"""

from __future__ import annotations

from bisect import bisect_right
from collections.abc import Callable
from typing import Any

import numpy as np

from minigrad.autodiff import Part
from minigrad.backend import CPU, moved
from minigrad.eager import tape
from minigrad.eager.tape import Record
from minigrad.errors import GradError, Origin, user_origin
from minigrad.ops.op import INPUT_NAMES, MODE, Op
from minigrad.profiling import Watch


class detect_anomaly(Watch):
    """Stop a `backward()` at the first derivative that gives NaN, and say where it is.

    The block notes the line of every operation, so put the forward pass inside as well.
    Raises `GradError`, which names the operation, its line and the first NaN.

        >>> import minigrad as mg
        >>> x = mg.tensor([1.0, 0.0], requires_grad=True)
        >>> with mg.autograd.detect_anomaly():
        ...     y = (x.sqrt() * x).sum()
        ...     # y.backward() here would raise: SqrtBackward0 gave nan
    """

    def __init__(self, check_nan: bool = True) -> None:
        self.check_nan = check_nan
        self._seqs: list[int] = []  # when each noted operation began, in tape order
        self._lines: list[Origin | None] = []

    def around(self, op: Op, run: Callable[..., Any], args: tuple, kwargs: dict) -> Any:
        self._seqs.append(tape.next_seq())
        self._lines.append(user_origin())
        return run(*args, **kwargs)

    def backward(self, pull: Callable[..., Any]) -> Callable[..., Any]:
        pull = super().backward(pull)
        if not self.check_nan:
            return pull

        def checked(record: Record, g: Any, owned: bool, wanted: Any) -> Any:
            came_in = _first_nan(g)
            saved = record.saved
            with np.errstate(all="ignore"):  # what follows says more than a warning
                cotangents = pull(record, g, owned, wanted)
            for i, ct in enumerate(cotangents):
                ct = ct.whole() if type(ct) is Part else ct
                at = None if ct is None else _first_nan(ct)
                if at is not None:
                    raise self._found(record, i, at, came_in, saved)
            return cotangents

        return checked

    def _found(
        self, record: Record, i: int, at: tuple, came_in: tuple | None, saved: tuple
    ) -> GradError:
        name = INPUT_NAMES[i] if i < len(INPUT_NAMES) else f"argument {i}"
        notes = [f"nan at {at} of the gradient of {name}"]
        if came_in is not None:
            notes.append("the gradient that came in was nan already")
        for label, value in zip(record.plan.names, saved):
            value = moved(value, CPU)
            fits = isinstance(value, np.ndarray) and value.ndim == len(at)
            if fits and all(k < n for k, n in zip(at, value.shape)):
                notes.append(f"there {label} is {value[at]:.6g}")
        return GradError(
            f"detect_anomaly: {record.name()} gave nan",
            expected="numbers",
            got=", ".join(notes),
            at=[o for o in (self._line(record), user_origin()) if o],
        )

    def _line(self, record: Record) -> Origin | None:
        place = bisect_right(self._seqs, record.seq) - 1
        return record.origin or (self._lines[place] if place >= 0 else None)


def _first_nan(ct: Any) -> tuple | None:
    array = moved(getattr(ct, "array", ct), CPU)
    if not isinstance(array, np.ndarray):
        return None  # a Node of a trace: there is no number yet
    wrong = np.isnan(array)
    return tuple(map(int, np.argwhere(wrong)[0])) if wrong.any() else None


class set_detect_anomaly(detect_anomaly):
    """`detect_anomaly` switched on or off from here on; as a `with` block, for its length."""

    def __init__(self, mode: bool, check_nan: bool = True) -> None:
        super().__init__(check_nan)
        self._before = MODE.get()
        if mode:
            super().__enter__()
        elif isinstance(self._before.watch, detect_anomaly):
            MODE.set(self._before._replace(watch=self._before.watch._outer))

    def __enter__(self) -> set_detect_anomaly:
        return self

    def __exit__(self, *_: object) -> None:
        MODE.set(MODE.get()._replace(watch=self._before.watch))
