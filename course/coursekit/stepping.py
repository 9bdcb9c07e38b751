"""Walk through something step by step: a tape, a program's stages, any row of pictures.

The frames are drawn beforehand and stored, each folded under its caption, so that they
can be opened one by one where no script runs. Where scripts run they become one picture
with buttons; the arrow keys work too.
"""

from __future__ import annotations

import zlib
from collections.abc import Iterator, Sequence
from dataclasses import replace
from html import escape
from typing import Any

import numpy as np

from minigrad import Program, Tensor, autograd, viz
from minigrad.eager.tape import FREED
from minigrad.profiling import Watch
from minigrad.viz import Diagram, Figure
from minigrad.viz.tape import records, tape_diagram

from .display import Note, display
from .rounding import rounded

__tracebackhide__ = True  # pictures use the names of the learner's frames, not ours


def stepper(thing: Any, title: str = "") -> None:
    """Show `thing` step by step.

    A Tensor's tape is walked forward, then backward with the gradient that arrives at
    each operation; a Program is shown at each of its stages; figures are shown in turn.
    """
    shown = frames(thing)
    title = title or f"{len(shown)} steps"
    rows = [f"  {i}  {frame.caption}" for i, frame in enumerate(shown, 1)]
    display(Note("\n".join([title, *rows]), _html(title, shown)))


def frames(thing: Any) -> list[Figure]:
    """The pictures that `stepper` shows, each with its caption."""
    thing = getattr(thing, "program", thing)
    if isinstance(thing, Tensor):
        return list(_tape_frames(thing))
    if isinstance(thing, Program):
        return [viz.show(thing, stage=name) for name in thing.stages]
    return list(thing)


# --- the tape ----------------------------------------------------------------------------


class _Cotangents(Watch):
    """Notes what arrives at each record while a block sweeps the tape."""

    def __init__(self) -> None:
        self.seen: list[tuple[Any, np.ndarray]] = []

    def backward(self, pull: Any) -> Any:
        pull = super().backward(pull)

        def noted(record: Any, g: Any, *rest: Any) -> Any:
            self.seen.append((record, np.array(g)))
            return pull(record, g, *rest)

        return noted


def _tape_frames(result: Tensor) -> Iterator[Figure]:
    picture, root = tape_diagram(result), result.grad_fn
    order = [] if root is None else records(root)
    names = {node.id: node.lines[0] for node in picture.nodes.values()}
    pending = {id(record) for record in order}
    yield _frame(picture, "before the first line", pending, {})
    for number, record in enumerate(order, 1):
        pending.discard(id(record))
        saved = [line for line in picture.nodes[id(record)].lines if "saved" in line]
        what = ", ".join([f"{names[id(record)]} runs", *saved])
        yield _frame(picture, f"forward {number} of {len(order)}: {what}", pending, {})
    if any(record.saved is FREED for record in order) or result.numel() != 1:
        return  # there is no way back, or it was walked already
    arrived: dict[int, str] = {}
    leaves = [p for r in order for p in r.parents if isinstance(p, Tensor)]
    leaves = list({id(leaf): leaf for leaf in leaves}.values())
    with _Cotangents() as sweep:
        found = autograd.grad(result, leaves, retain_graph=True)
    for number, (record, g) in enumerate(sweep.seen, 1):
        arrived[id(record)] = _short(g)
        what = f"{arrived[id(record)]} arrives at {names[id(record)]}"
        caption = f"backward {number} of {len(sweep.seen)}: {what}"
        yield _frame(picture, caption, pending, arrived)
    arrived |= {id(leaf): _short(g) for leaf, g in zip(leaves, found)}
    ends = ", ".join(f"{names[id(leaf)]} gets {arrived[id(leaf)]}" for leaf in leaves)
    yield _frame(picture, f"the end: {ends}", pending, arrived)


def _short(g: Any) -> str:
    small = np.prod(g.shape) <= 4
    return rounded(g) if small else f"a gradient {tuple(g.shape)}"


def _frame(
    picture: Diagram, caption: str, pending: set[int], arrived: dict[int, str]
) -> Figure:
    """The tape with some operations still to run and some gradients there already."""
    now = replace(picture, nodes=dict(picture.nodes), notes=[])
    for key, node in picture.nodes.items():
        lines = tuple(line for line in node.lines if not line.startswith("grad:"))
        if key in arrived:
            lines, node = (
                (*lines, f"gradient: {arrived[key]}"),
                replace(node, kind="grad"),
            )
        now.nodes[key] = replace(node, lines=lines, computed=key not in pending)
    drawn = now.figure(None, caption)
    return replace(drawn, alt=f"{caption}. {drawn.alt}")


# --- the page ----------------------------------------------------------------------------


def _html(title: str, shown: Sequence[Figure]) -> str:
    steps = "".join(
        f"<details{' open' if i == 0 else ''}><summary>{i + 1} of {len(shown)}: "
        f"{escape(frame.caption)}</summary>{frame._repr_html_()}</details>"
        for i, frame in enumerate(shown)
    )
    mark = f"{zlib.crc32(steps.encode()):08x}"
    return (
        f'<div class="minigrad-stepper" data-stepper="{mark}" role="group" '
        f'aria-label="{escape(title)}">{steps}</div>'
        f"<script>{_SCRIPT.replace('MARK', mark)}</script>"
    )


# Arrow keys belong to JupyterLab unless told otherwise: data-lm-suppress-shortcuts.
_SCRIPT = """
for (const box of document.querySelectorAll(
    '[data-stepper="MARK"]:not([data-ready])')) {
  box.dataset.ready = "yes";
  box.dataset.lmSuppressShortcuts = "true";
  const steps = [...box.querySelectorAll(":scope > details")];
  const bar = document.createElement("p");
  const said = document.createElement("span");
  said.setAttribute("aria-live", "polite");
  let at = 0;
  const go = (to) => {
    at = Math.max(0, Math.min(steps.length - 1, to));
    steps.forEach((step, i) => { step.hidden = i !== at; step.open = i === at; });
    said.textContent = ` step ${at + 1} of ${steps.length}`;
  };
  const moves = {"first": () => 0, "back": () => at - 1, "next": () => at + 1,
                 "last": () => steps.length - 1};
  for (const [label, move] of Object.entries(moves)) {
    const button = document.createElement("button");
    button.type = "button";
    button.textContent = label;
    button.onclick = () => go(move());
    bar.append(button, " ");
  }
  const keys = {ArrowLeft: "back", ArrowRight: "next", Home: "first", End: "last"};
  box.addEventListener("keydown", (event) => {
    if (keys[event.key]) {
      go(moves[keys[event.key]]());
      event.preventDefault();
      event.stopPropagation();
    }
  });
  bar.append(said);
  box.prepend(bar);
  go(0);
}
"""
