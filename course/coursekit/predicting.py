"""Say what you expect before you run it, and be told how it turned out."""

from __future__ import annotations

from dataclasses import dataclass
from typing import Any

import numpy as np

from .rounding import as_array, rounded


@dataclass
class Prediction:
    """What was asked and what was said; see `predict`."""

    question: str
    said: Any

    def turned_out(self, value: Any) -> None:
        """Compare with what the run gave; `...` means that nothing was predicted."""
        came = value if isinstance(value, (str, tuple)) else rounded(value)
        if self.said is ...:
            print(f"{self.question} {came}. Next time, say first what you expect.")
            return
        right = np.array_equal(as_array(self.said), as_array(value))
        verdict = "as you said" if right else f"you said {self.said}"
        print(f"{self.question} {came}: {verdict}.")


def predict(question: str, said: Any = ...) -> Prediction:
    """Note what you expect: `p = predict("How many ops ran?", 2)`.

    Later `p.turned_out(value)` compares it. Write `...` to leave it open.

        >>> predict("How much is 2 + 2?", 5).turned_out(4)
        How much is 2 + 2? 4: you said 5.
    """
    return Prediction(question, said)
