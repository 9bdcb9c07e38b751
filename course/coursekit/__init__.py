"""What the notebooks use to show, check, ask and judge.

The names below are the whole of it. Importing coursekit makes compiled programs run on
the interpreter, which is everywhere and gives the same figures everywhere; a cell that
is about speed chooses its own target.
"""

from . import one_thread as one_thread  # NumPy reads it while it loads: first

# isort: split
import minigrad

from .checking import check, hint
from .claims import claim
from .course_map import course_map
from .data import load_digits, load_names, load_nile, load_sunspots, split_digits
from .display import figure, show
from .drawings import bars, curves, gallery, matrices
from .expect import expect_error
from .measuring import measure, peak_bytes
from .peers import compare
from .predicting import predict
from .progress import progress
from .quizzes import quiz
from .readiness import ready
from .rounding import rounded
from .stepping import stepper
from .training import training

__all__ = [
    "bars",
    "check",
    "claim",
    "compare",
    "course_map",
    "curves",
    "expect_error",
    "figure",
    "gallery",
    "hint",
    "load_digits",
    "load_names",
    "load_nile",
    "load_sunspots",
    "matrices",
    "measure",
    "peak_bytes",
    "predict",
    "progress",
    "quiz",
    "ready",
    "rounded",
    "show",
    "split_digits",
    "stepper",
    "training",
]

minigrad.set_default_target("interpreter")
