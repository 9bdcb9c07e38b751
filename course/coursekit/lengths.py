"""Charts of lessons 10 and 11: what the length of a sequence costs."""

from __future__ import annotations

from collections import Counter
from collections.abc import Mapping, Sequence

import numpy as np

from minigrad.viz import Figure, chart, new_chart
from minigrad.viz.chart import OKABE_ITO

from .drawings import curves
from .measuring import Measured


def padding_chart(lengths: Sequence[int], alt: str, caption: str = "") -> Figure:
    """How many sequences have which length; and the area that padding fills up."""
    counts, longest = Counter(lengths), max(lengths)
    drawing, (left, right) = new_chart(columns=2)
    left.bar(list(counts), list(counts.values()), color=OKABE_ITO[0])
    left.set(xlabel="length", ylabel="how many", xticks=range(0, longest + 1, 2))
    height = np.sort(lengths)
    place = np.arange(len(height))
    right.fill_between(place, height, color=OKABE_ITO[0], label="letters")
    hatched = {"hatch": "///", "edgecolor": "black", "linewidth": 0}
    right.fill_between(
        place, height, longest, facecolor=OKABE_ITO[4], label="padding", **hatched
    )
    right.set(xlabel="sequence, the shortest first", ylabel="steps")
    right.legend(loc="lower center", bbox_to_anchor=(0.5, 1), ncols=2)
    rows = [f"length {n}: {counts[n]}" for n in sorted(counts)]
    rows.append(f"steps: {sum(lengths)} for letters, {padding(lengths)} for padding")
    return chart(drawing, alt, caption, "\n".join(rows))


def padding(lengths: Sequence[int]) -> int:
    """How many steps are padding if all are made as long as the longest."""
    return max(lengths) * len(lengths) - sum(lengths)


def growth(found: Mapping[int, Measured], what: str, caption: str) -> Figure:
    """`what`, "seconds" or "peaks", of several ways over the length they were given."""
    rows = [getattr(measured, what) for measured in found.values()]
    ys = {name: [row[name] for row in rows] for name in rows[0]}
    unit = {"seconds": "seconds", "peaks": "bytes"}[what]
    axes = {"xlabel": "longest word", "ylabel": f"{unit} (log axis)", "yscale": "log"}
    alt = f"{unit} over the longest word, a curve for each of: {', '.join(ys)}."
    return curves(list(found), ys, alt, caption, **axes)
