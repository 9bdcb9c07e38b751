"""What the notebooks use to show, check, ask and judge.

The names below are the whole of it. Importing coursekit makes compiled programs run on
the interpreter, which is everywhere and gives the same figures everywhere; a cell that
is about speed chooses its own target.
"""

import minigrad

from .checking import check, hint
from .claims import claim
from .data import load_digits, split_digits
from .display import figure, show
from .expect import expect_error
from .peers import side_by_side
from .quizzes import quiz
from .rounding import rounded

__all__ = [
    "check",
    "claim",
    "expect_error",
    "figure",
    "hint",
    "load_digits",
    "quiz",
    "rounded",
    "show",
    "side_by_side",
    "split_digits",
]

minigrad.set_default_target("interpreter")
