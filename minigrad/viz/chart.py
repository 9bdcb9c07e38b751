"""Charts with Matplotlib, shown like everything else: picture, words, numbers.

Matplotlib stamps a date and random ids into its SVG and knows nothing of alt texts.
Here the stamps are off, the colours are Okabe and Ito's, every line also has a dash of
its own, and the curve's figures are listed as text.
"""

from __future__ import annotations

import io
import re
from typing import Any

import numpy as np

from ..errors import MissingPackageError
from .figure import Figure

OKABE_ITO = (
    "#0072B2", "#D55E00", "#009E73", "#CC79A7", "#E69F00", "#56B4E9", "#000000",
)  # fmt: skip
DASHES = ("-", "--", "-.", ":", (0, (8, 2, 1, 2, 1, 2)), (0, (1, 3)), (0, (9, 3)))
STYLE: dict[str, Any] = {
    "svg.hashsalt": "minigrad",
    "font.family": "DejaVu Sans",  # comes with Matplotlib
    "font.size": 10,
    "figure.facecolor": "white",
    "axes.grid": True,
    "grid.alpha": 0.4,
}


def _pyplot() -> Any:
    try:
        import matplotlib.pyplot
    except ImportError:
        raise MissingPackageError(
            "chart: Matplotlib is not installed", remedy="pip install matplotlib"
        ) from None
    return matplotlib.pyplot


def new_chart(
    rows: int = 1,
    columns: int = 1,
    size: tuple[float, float] = (6.4, 3.4),
    **options: Any,
) -> tuple[Any, Any]:
    """`(figure, axes)` in the house style; otherwise `matplotlib.pyplot.subplots`."""
    pyplot = _pyplot()
    cycle = pyplot.cycler(color=OKABE_ITO) + pyplot.cycler(linestyle=DASHES)
    with pyplot.rc_context({**STYLE, "axes.prop_cycle": cycle}):
        drawing, axes = pyplot.subplots(
            rows, columns, figsize=size, layout="constrained", **options
        )
    # pyplot must not show it a second time, nor keep it alive.
    pyplot.close(drawing)
    return drawing, axes


def chart(drawing: Any, alt: str, caption: str = "", text: str | None = None) -> Figure:
    """A Matplotlib figure as a `Figure`; `text` replaces the listing of its curves."""
    pyplot = _pyplot()
    listing = describe(drawing) if text is None else text
    with pyplot.rc_context(STYLE), io.StringIO() as out:
        drawing.savefig(out, format="svg", metadata={"Date": None})
        svg = re.sub(r"(?s)<metadata>.*?</metadata>\s*", "", out.getvalue())
    return Figure(svg, alt=alt, caption=caption, text=listing, chart=True)


def describe(drawing: Any) -> str:
    """Axes, and each curve's length, first, last, smallest and largest value."""
    lines = []
    for axes in drawing.axes:
        names = [axes.get_title(), axes.get_xlabel(), axes.get_ylabel()]
        words = [w for w in names if w] or ["axes"]
        scale = ", logarithmic" if axes.get_yscale() == "log" else ""
        lines.append(" / ".join(words) + scale)
        lines += [f"  {_describe_curve(curve)}" for curve in axes.get_lines()]
        lines += [f"  {_describe_bars(bars)}" for bars in axes.containers]
        lines += [f"  picture {im.get_array().shape}" for im in axes.get_images()]
    return "\n".join(lines)


def _describe_curve(curve: Any) -> str:
    y = np.asarray(curve.get_ydata(), dtype=float)
    if y.size == 0:
        return f"{curve.get_label()}: no points"
    ends = f"from {y[0]:.3g} to {y[-1]:.3g}"
    return (
        f"{curve.get_label()}: {y.size} points {ends}, "
        f"smallest {np.nanmin(y):.3g}, largest {np.nanmax(y):.3g}"
    )


def _describe_bars(bars: Any) -> str:
    heights = ", ".join(f"{value:.3g}" for value in getattr(bars, "datavalues", ()))
    return f"{bars.get_label()}: bars {heights}"
