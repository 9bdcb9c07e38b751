"""Lesson 10's chart: what it costs to make sequences of all lengths equally long."""

from __future__ import annotations

from collections import Counter
from collections.abc import Sequence

import numpy as np

from minigrad.viz import Figure, chart, new_chart
from minigrad.viz.chart import OKABE_ITO


def padding_chart(lengths: Sequence[int], alt: str, caption: str = "") -> Figure:
    """How many sequences have which length; and the area that padding fills up."""
    counts, longest = Counter(lengths), max(lengths)
    drawing, (left, right) = new_chart(columns=2)
    left.bar(list(counts), list(counts.values()), color=OKABE_ITO[0])
    left.set(xlabel="length", ylabel="how many", xticks=range(0, longest + 1, 2))
    height = np.sort(lengths)
    place = np.arange(len(height))
    right.fill_between(place, height, color=OKABE_ITO[0], label="letters")
    right.fill_between(
        place, height, longest, color=OKABE_ITO[4], hatch="///", label="padding"
    )
    right.set(xlabel="sequence, the shortest first", ylabel="steps")
    right.legend(loc="lower center", bbox_to_anchor=(0.5, 1), ncols=2)
    rows = [f"length {n}: {counts[n]}" for n in sorted(counts)]
    rows.append(f"steps: {sum(lengths)} for letters, {padding(lengths)} for padding")
    return chart(drawing, alt, caption, "\n".join(rows))


def padding(lengths: Sequence[int]) -> int:
    """How many steps are padding if all are made as long as the longest."""
    return max(lengths) * len(lengths) - sum(lengths)
