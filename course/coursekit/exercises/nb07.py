"""Lesson 07: define once, run many, make it better first."""

from __future__ import annotations

from typing import Any

import numpy as np

import minigrad as mg

from ..checking import Exercise, Refused, Wrong
from ..display import figure
from ..quizzes import Question

Line = tuple[str, ...]

# -- 07.1 fold -------------------------------------------------------------------------


def is_constant(node: Any) -> bool:
    return node.op.name == "constant"


def fold(node: Any) -> Any:
    if all(is_constant(source) for source in node.inputs):
        values = [source.value for source in node.inputs]
        return mg.constant(node.op.fn(*values, **node.attrs))
    return None


def half_known(x: Any, table: np.ndarray) -> Any:
    """A graph that holds as many operations on constants as on x."""
    known = mg.constant(table)
    return x * mg.exp(known).sum(dim=0) + mg.sqrt(known * known).max()


def fold_and_count(answer: Any, table: np.ndarray, values: np.ndarray) -> Any:
    """What is computed with the answer as the only rewrite, and the operations left."""

    def guarded(node: Any) -> Any:
        try:
            better = answer(node)
        except Exception as error:
            where = f"the node {node.op.name}, with {len(node.inputs)} inputs"
            raise Refused(f"it raises {type(error).__name__} at {where}") from error
        if better is ...:
            raise NotAttempted
        if better is node:
            raise Refused("the node itself came back: return None to leave it alone")
        if better is not None and not isinstance(better, mg.Node):
            raise Refused(f"a node or None was expected, not {type(better).__name__}")
        return better

    x = mg.placeholder(values.shape, values.dtype, name="x")
    try:
        program = mg.compile([x], half_known(x, table), rewrites=[guarded])
    except NotAttempted:
        return ...
    return {"operations left": len(program.ops), "result": program(values)}


class NotAttempted(Exception):
    """The stub's `...` came back from inside `compile`."""


def never_returns(node: Any) -> None:
    if all(is_constant(source) for source in node.inputs):
        fold(node)


def folds_any(node: Any) -> Any:
    known = [source.value for source in node.inputs if is_constant(source)]
    return mg.constant(node.op.fn(*known, **node.attrs)) if known else None


def folds_elementwise(node: Any) -> Any:
    return fold(node) if node.op.kind == "elementwise" else None


def folds_bare(node: Any) -> Any:
    if all(is_constant(source) for source in node.inputs):
        return node.op.fn(*[source.value for source in node.inputs], **node.attrs)
    return None


def folds_single(node: Any) -> Any:
    return fold(node) if len(node.inputs) == 1 else None


def keeps_node(node: Any) -> Any:
    return fold(node) if all(map(is_constant, node.inputs)) else node


def forgets_attributes(node: Any) -> Any:
    if all(is_constant(source) for source in node.inputs):
        return mg.constant(node.op.fn(*[source.value for source in node.inputs]))
    return None


def draw_tables(rng: np.random.Generator) -> list[tuple]:
    cases = []
    for rows in (2, 3):
        table = rng.uniform(0.5, 1.5, size=(rows, 4)).astype(np.float32)
        cases.append((table, rng.normal(size=4).astype(np.float32)))
    return cases


def folded_picture(answer: Any) -> Any:
    x = mg.placeholder((4,), name="x")
    table = np.ones((2, 4), np.float32)
    program = mg.compile([x], half_known(x, table), rewrites=[answer])
    return figure(program.show("optimized"))


FOLD = Exercise(
    id="07.1",
    task="fold(node): a constant if all inputs are constants, else None.",
    reference=fold,
    wrong=(
        Wrong(
            never_returns,
            "Nothing is ever folded: None comes back each time. Is a return missing?",
        ),
        Wrong(
            folds_any,
            "One known input is not enough: all of them must be constants.",
        ),
        Wrong(
            folds_bare,
            "You return the bare array. A graph is made of nodes: mg.constant(array).",
        ),
        Wrong(
            keeps_node,
            "To leave a node as it is, return None. Else compile tries again and again.",
        ),
        Wrong(
            forgets_attributes,
            "A sum has to be told along which axis. That stands in node.attrs: "
            "node.op.fn(*values, **node.attrs).",
        ),
        Wrong(
            folds_elementwise,
            "You fold only what works number by number. A sum of constants is known too.",
        ),
        Wrong(
            folds_single,
            "You fold only nodes with one input. A product of two constants is known "
            "too.",
        ),
    ),
    hints=(
        "First decide: are all of node.inputs constants? If not, return None.",
        "The inputs' numbers: [source.value for source in node.inputs].",
        "return mg.constant(node.op.fn(*values, **node.attrs))",
    ),
    shows="compile ran your rewrite at every node: what was known has become one oval.",
    cases=draw_tables,
    run=fold_and_count,
    picture=folded_picture,
)

# -- 07.2 merge ------------------------------------------------------------------------

DO = {"add": np.add, "sub": np.subtract, "mul": np.multiply}


def merge(lines: list[Line]) -> list[Line]:
    seen: dict[Line, str] = {}
    instead: dict[str, str] = {}
    kept = []
    for name, op, *reads in lines:
        key = (op, *[instead.get(source, source) for source in reads])
        if key in seen:
            instead[name] = seen[key]
        else:
            seen[key] = name
            kept.append((name, *key))
    return kept


def run_lines(lines: list[Line], x: float, y: float) -> float:
    values = {"x": x, "y": y}
    for name, op, *reads in lines:
        missing = [source for source in reads if source not in values]
        if missing:
            raise Refused(f"{name} reads {missing[0]}, and no line before makes it")
        values[name] = DO[op](*[values[source] for source in reads])
    return values[lines[-1][0]]


def merged_and_run(answer: Any, lines: list[Line], x: float, y: float) -> Any:
    """The result on random inputs, and how many lines there are."""
    kept = answer(lines)
    if kept is None or kept is ...:
        return kept
    if not isinstance(kept, (list, tuple)) or not kept:
        raise Refused("a list of lines was expected")
    return {"result": run_lines(list(kept), x, y), "lines": len(kept)}


def drops_only(lines: list[Line]) -> list[Line]:
    seen: set[tuple] = set()
    return [line for line in lines if not (line[1:] in seen or seen.add(line[1:]))]  # type: ignore[func-returns-value]


def looks_before_renaming(lines: list[Line]) -> list[Line]:
    seen: dict[Line, str] = {}
    instead: dict[str, str] = {}
    kept = []
    for name, *rest in lines:
        if tuple(rest) in seen:
            instead[name] = seen[tuple(rest)]
        else:
            seen[tuple(rest)] = name
            op, *reads = rest
            kept.append((name, op, *[instead.get(s, s) for s in reads]))
    return kept


def ignores_operation(lines: list[Line]) -> list[Line]:
    seen: dict[tuple, str] = {}
    instead: dict[str, str] = {}
    kept = []
    for name, op, *reads in lines:
        key = tuple(instead.get(source, source) for source in reads)
        if key in seen:
            instead[name] = seen[key]
        else:
            seen[key] = name
            kept.append((name, op, *key))
    return kept


def ignores_order(lines: list[Line]) -> list[Line]:
    seen: dict[tuple, str] = {}
    instead: dict[str, str] = {}
    kept = []
    for name, op, *reads in lines:
        now = [instead.get(source, source) for source in reads]
        key = (op, *sorted(now))
        if key in seen:
            instead[name] = seen[key]
        else:
            seen[key] = name
            kept.append((name, op, *now))
    return kept


PROGRAMS: list[list[Line]] = [
    [
        ("s", "add", "x", "y"),
        ("t", "add", "x", "y"),
        ("p", "mul", "s", "s"),
        ("q", "mul", "t", "s"),
        ("d", "sub", "p", "y"),
        ("r", "add", "q", "d"),
    ],
    [
        ("a", "sub", "x", "y"),
        ("b", "sub", "y", "x"),
        ("c", "sub", "x", "y"),
        ("d", "mul", "x", "y"),
        ("e", "add", "x", "y"),
        ("f", "mul", "a", "d"),
        ("g", "mul", "c", "d"),
        ("h", "add", "f", "g"),
        ("i", "add", "b", "e"),
        ("r", "mul", "h", "i"),
    ],
]

MERGE = Exercise(
    id="07.2",
    task="merge(lines): no line computes what an earlier one has computed.",
    reference=merge,
    wrong=(
        Wrong(
            lambda lines: list(lines),
            "The result is right, but every repetition is still there.",
        ),
        Wrong(
            drops_only,
            "You drop a repeated line, but others still read it by its name. Note who "
            "stands in for it.",
        ),
        Wrong(
            looks_before_renaming,
            "First replace the names that a line reads, then ask whether the line is a "
            "repetition. A repetition may show only then.",
        ),
        Wrong(
            ignores_operation,
            "x + y and x * y read the same names and are not the same. The operation "
            "belongs to the key.",
        ),
        Wrong(
            ignores_order,
            "x - y is not y - x. Keep the order of what is read.",
        ),
    ),
    hints=(
        "Keep a dictionary from (operation, what is read) to the name of the first line.",
        "Keep a second dictionary from each dropped name to the one that stands in.",
        "For each line: replace its reads, build the key, then look it up.",
    ),
    shows="The numbers are the same on random inputs, and no work is done twice.",
    cases=lambda rng: [
        (lines, *map(float, rng.integers(2, 30, 2))) for lines in PROGRAMS
    ],
    run=merged_and_run,
)

# -- 07.3 break-even -------------------------------------------------------------------


def break_even(building: int, by_line: int, by_graph: int) -> int:
    saving = by_line - by_graph
    return -1 if saving <= 0 else -(-building // saving)


BREAK_EVEN = Exercise(
    id="07.3",
    task="break_even(building, by_line, by_graph): calls until the graph has paid.",
    reference=break_even,
    wrong=(
        Wrong(
            lambda building, by_line, by_graph: -(-building // by_line),
            "The program's calls cost something too. What counts is what each call "
            "saves.",
        ),
        Wrong(
            lambda building, by_line, by_graph: (
                -1 if by_line <= by_graph else building // (by_line - by_graph)
            ),
            "You round down. After that many calls the graph has not quite paid yet.",
        ),
        Wrong(
            lambda building, by_line, by_graph: (
                -1 if by_line <= by_graph else building / (by_line - by_graph)
            ),
            "Calls are whole numbers: round up.",
        ),
        Wrong(
            lambda building, by_line, by_graph: -(-building // (by_line - by_graph)),
            "If the program is no faster, it never pays: return -1.",
        ),
        Wrong(
            lambda building, by_line, by_graph: (
                -1 if by_line <= by_graph else building // (by_line - by_graph) + 1
            ),
            "Where the division leaves no rest, you are one call too late.",
        ),
    ),
    hints=(
        "After k calls: k * by_line on the one side. What is on the other?",
        "building + k * by_graph <= k * by_line. Solve for k.",
        "k is building / (by_line - by_graph), rounded up; -1 if nothing is saved.",
    ),
    shows="The dearer the building, the more calls it needs; a loop of training has them.",
    cases=lambda rng: [
        (6000, 28, 9),
        (5000, 30, 5),
        (900, 10, 12),
        (int(rng.integers(1000, 9000)), 40, 17),
        (800, 7, 7),
    ],
)

# -- 07.4 unsafe -----------------------------------------------------------------------

REWRITES: dict[str, tuple[Any, Any]] = {
    "a": (lambda x: x - x, lambda x: 0 * np.ones_like(x)),
    "b": (lambda x: x * 1, lambda x: x),
    "c": (lambda x: x * 0, lambda x: np.zeros_like(x)),
    "d": (lambda x: np.negative(np.negative(x)), lambda x: x),
    "e": (lambda x: np.sqrt(x * x), lambda x: x),
    "f": (lambda x: x + x, lambda x: 2 * x),
}


def lying() -> set[str]:
    """The rewrites that change the result for some float."""
    x = np.array([-2.0, 0.0, 3.0, np.inf, -np.inf, np.nan])
    with np.errstate(all="ignore"):
        return {
            letter
            for letter, (old, new) in REWRITES.items()
            if not np.array_equal(old(x), new(x), equal_nan=True)
        }


UNSAFE = Exercise(
    id="07.4",
    task="A set of letters: which rewrites change the result for some x?",
    reference={"a", "c", "e"},
    wrong=(
        Wrong(
            set(),
            "Each looks harmless in algebra. Try x = inf and x = -2.",
        ),
        Wrong(
            {"e"},
            "e is one of them, for x = -2. Now try x = inf: what are inf - inf and "
            "inf * 0?",
        ),
        Wrong(
            {"a", "c"},
            "a and c lie for inf. But try x = -2 in the others as well.",
        ),
        Wrong(
            {"a", "e"},
            "a and e are right. What is inf * 0? Ask NumPy: np.inf * 0.",
        ),
        Wrong(
            {"c", "e"},
            "c and e are right. What is inf - inf? Ask NumPy: np.inf - np.inf.",
        ),
        Wrong(
            {"a", "c", "e", "f"},
            "x + x and 2 * x are the same float, even for inf and nan.",
        ),
        Wrong(
            {"a", "b", "c", "d", "e", "f"},
            "b, d and f are safe: to multiply by one, to double or to turn the sign "
            "twice loses nothing.",
        ),
    ),
    hints=(
        "Try each one with x = -2, x = 0 and x = inf.",
        "np.inf - np.inf and np.inf * 0 are nan. The root of a square is never negative.",
        "Three of them lie: two for inf, one for negative numbers.",
    ),
    shows="Algebra is about numbers; a rewrite must also hold for inf, nan and signs.",
    run=lambda answer: set(answer) if isinstance(answer, (list, tuple)) else answer,
)

EXERCISES = (FOLD, MERGE, BREAK_EVEN, UNSAFE)

QUESTIONS = (
    Question(
        "q07.1",
        "(x - m) / s stands twice in your lines. How often does the program compute it?",
        {
            "a": (
                "twice, as it is written",
                "So it is line by line. The program sees that both notes say the same.",
            ),
            "b": (
                "once, and both readers get the result",
                "Equal operations on equal inputs have equal results, so one is enough.",
            ),
            "c": (
                "never: it is known while building",
                "It depends on x, which comes with the call. Only what depends on "
                "constants alone is known before.",
            ),
        },
        "b",
    ),
    Question(
        "q07.2",
        "A compiled program is faster than the lines. When should you compile?",
        {
            "a": (
                "always",
                "Compiling takes time as well. For one call it usually costs more than "
                "it saves.",
            ),
            "b": (
                "only if the arrays are large",
                "On the contrary: for small arrays each call wins the most, compared "
                "with its length.",
            ),
            "c": (
                "when the same graph is called often enough",
                "The time for compiling is paid once; each call pays some of it back.",
            ),
        },
        "c",
    ),
    Question(
        "q07.3",
        "You add two arrays in minigrad, and the same two in NumPy. Where is the "
        "difference largest?",
        {
            "a": (
                "with one number in each",
                "The cost of a call is the same for all sizes. With one number there is "
                "hardly anything else.",
            ),
            "b": (
                "with a million numbers in each",
                "There the adding itself takes nearly all the time, and both do it "
                "alike.",
            ),
            "c": (
                "it is the same share for all sizes",
                "A library's own work does not grow with the array, so its share "
                "shrinks.",
            ),
        },
        "a",
    ),
)
