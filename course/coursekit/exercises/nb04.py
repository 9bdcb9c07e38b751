"""Lesson 04: what a graph really is."""

from __future__ import annotations

import operator
from collections.abc import Callable
from typing import Any

import numpy as np

from minigrad.viz import Diagram

from ..checking import Exercise, Refused, Wrong
from ..quizzes import Question

Reads = dict[str, list[str]]


def draw_graph(rng: np.random.Generator, size: int) -> Reads:
    """A graph without a circle, its names shuffled; the last one made is called r."""
    names = [f"n{i}" for i in rng.permutation(size - 1)] + ["r"]
    reads: Reads = {}
    for i, name in enumerate(names):
        count = min(i, int(rng.integers(1, 4))) if i > 1 else 0
        reads[name] = (
            [names[j] for j in rng.choice(i, count, replace=False)] if i else []
        )
    return {name: reads[name] for name in rng.permutation(names).tolist()}


# -- 04.1 an order ---------------------------------------------------------------------


def order(reads: Reads) -> list[str]:
    found: list[str] = []

    def visit(name: str) -> None:
        if name not in found:
            for source in reads[name]:
                visit(source)
            found.append(name)

    for name in reads:
        visit(name)
    return found


def is_an_order(answer: Any, reads: Reads) -> Any:
    """In words that it is one, or what is wrong with the list."""
    found = answer(reads)
    if found is None or found is ...:
        return found
    if not isinstance(found, (list, tuple)):
        raise Refused("a list of names was expected")
    early = []
    for i, name in enumerate(found):
        if name not in reads:
            raise Refused(f"{name!r} is no name of this graph")
        if name in found[:i]:
            raise Refused(f"{name} stands in your list twice")
        early += [(name, source) for source in reads[name] if source not in found[:i]]
    if early:
        name, source = early[0]
        more = f" ({len(early)} such cases)" if len(early) > 1 else ""
        raise Refused(f"{name} comes before {source}, which it reads{more}")
    if len(found) < len(reads):
        missing = next(name for name in reads if name not in found)
        raise Refused(f"{missing} is missing")
    return "every name once, after what it reads"


def users_first(reads: Reads) -> list[str]:
    found: list[str] = []

    def visit(name: str) -> None:
        if name not in found:
            found.append(name)
            for source in reads[name]:
                visit(source)

    for name in reads:
        visit(name)
    return found


def never_looks(reads: Reads) -> list[str]:
    found: list[str] = []

    def visit(name: str) -> None:
        for source in reads[name]:
            visit(source)
        found.append(name)

    for name in reads:
        visit(name)
    return found


def one_step_back(reads: Reads) -> list[str]:
    found: list[str] = []
    for name in reads:
        found += [other for other in (*reads[name], name) if other not in found]
    return found


def inputs_only(reads: Reads) -> list[str]:
    return [name for name in reads if not reads[name]]


OF_THE_LESSON: Reads = {
    "r": ["p"], "p": ["s", "d"], "d": ["x", "y"], "s": ["x", "y"], "x": [], "y": [],
}  # fmt: skip


def numbered_picture(answer: Any) -> Any:
    reads = OF_THE_LESSON
    found = list(answer(reads))
    picture = Diagram("your order of the lesson's graph")
    for i, name in enumerate(found, 1):
        picture.node(name, f"{i}. {name}", kind="op" if reads[name] else "placeholder")
    for name in found:
        for source in reads[name]:
            picture.edge(source, name)
    return picture.figure()


ORDER = Exercise(
    id="04.1",
    task="order(reads): every name after the names that it reads.",
    reference=order,
    wrong=(
        Wrong(
            lambda reads: list(reads),
            "That is the order in which they were written down, which means nothing "
            "here. Put a name into the list only after all that it reads.",
        ),
        Wrong(
            sorted,
            "The alphabet knows nothing of who reads whom. A name comes after all that "
            "it reads, whatever it is called.",
        ),
        Wrong(
            one_step_back,
            "You look one step back. But what a name reads may read others that have to "
            "come before it: visit those first, in the same way.",
        ),
        Wrong(
            users_first,
            "You put a name down before you visit what it reads. Visit first, then "
            "append.",
        ),
        Wrong(
            lambda reads: users_first(reads)[::-1],
            "Turning a list round is not enough: visited from several starts, a name "
            "may still come too early. Append each name after its sources.",
        ),
        Wrong(
            never_looks,
            "A name that two others read is visited twice. Leave at once if it is in "
            "the list already.",
        ),
        Wrong(
            lambda reads: sorted(reads, key=lambda name: len(reads[name])),
            "How many names it reads says nothing about when it can run. It can run "
            "when they have run.",
        ),
        Wrong(
            inputs_only,
            "Those can run at once. Go on: who can run after them?",
        ),
    ),
    hints=(
        "Ask for one name: what must be in the list before I may append it?",
        "Write a function inside that visits the sources of a name, then appends it.",
        "if name not in found: visit each of reads[name]; then found.append(name)",
    ),
    shows="Your numbers grow along every arrow, whatever order the names came in.",
    cases=lambda rng: [
        (OF_THE_LESSON,),
        *((draw_graph(rng, size),) for size in (6, 7, 9)),
    ],
    run=is_an_order,
    picture=numbered_picture,
)

# -- 04.2 a circle ---------------------------------------------------------------------


def has_circle(reads: Reads) -> bool:
    waiting = dict(reads)
    while waiting:
        ready = [n for n in waiting if not any(s in waiting for s in waiting[n])]
        if not ready:
            return True
        for name in ready:
            del waiting[name]
    return False


def reads_itself(reads: Reads) -> bool:
    return any(name in reads[name] for name in reads)


def in_pairs(reads: Reads) -> bool:
    return any(name in reads[source] for name in reads for source in reads[name])


def met_twice(reads: Reads) -> bool:
    seen: set[str] = set()

    def visit(name: str) -> bool:
        if name in seen:
            return True
        seen.add(name)
        return any(visit(source) for source in reads[name])

    return visit(next(iter(reads)))


def from_the_first(reads: Reads) -> bool:
    def visit(name: str, path: tuple[str, ...]) -> bool:
        if name in path:
            return True
        return any(visit(source, (*path, name)) for source in reads[name])

    return visit(next(iter(reads)), ())


def runs_round(reads: Reads) -> bool:
    def visit(name: str) -> bool:
        return any(visit(source) for source in reads[name])

    return any(visit(name) for name in reads)


def read_by_two(reads: Reads) -> bool:
    sources = [source for name in reads for source in reads[name]]
    return len(set(sources)) < len(sources)


CIRCLE = Exercise(
    id="04.2",
    task="has_circle(reads): can one come back to where one was?",
    reference=has_circle,
    wrong=(
        Wrong(
            reads_itself,
            "You find only nodes that read themselves. A circle may be longer.",
        ),
        Wrong(
            in_pairs,
            "You find circles of one or two nodes. There are longer ones.",
        ),
        Wrong(
            met_twice,
            "You say circle whenever a node is met twice. Two nodes may read the same "
            "one; it is a circle only if it is met twice on one way.",
        ),
        Wrong(
            from_the_first,
            "You start at one node only. The circle may be in a part that it does not "
            "reach.",
        ),
        Wrong(
            runs_round,
            "In a circle this walk never ends. Remember the way that you came, and stop "
            "when you meet a name of it again.",
        ),
        Wrong(
            read_by_two,
            "Two nodes may read the same one. That is no circle: no arrow leads back.",
        ),
        Wrong(lambda reads: False, "There is a circle in some of these graphs."),
        Wrong(lambda reads: True, "Most graphs have none: the first one, for example."),
    ),
    hints=(
        "Try to run the graph: take away every node that can run. What stays?",
        "A node can run when nothing that it reads is waiting. Repeat until no node "
        "can.",
        "If nodes are waiting and none of them is ready, there is a circle.",
    ),
    shows="A graph built line by line has none: a line can only read earlier lines.",
    cases=lambda rng: [
        (graph,)
        for graph in (
            {"r": ["s", "t"], "s": ["x"], "t": ["x"], "x": []},
            {"s": ["x", "s"], "x": []},
            {"s": ["t"], "t": ["s"], "x": []},
            {"s": ["v"], "t": ["s"], "v": ["t"]},
            {"x": [], "r": ["x"], "s": ["v"], "t": ["s"], "v": ["t"]},
            draw_graph(rng, 7),
        )
    ],
)

# -- 04.3 how many nodes ---------------------------------------------------------------


def needed(reads: Reads, wanted: str) -> int:
    return len(on_the_way(reads, wanted))


def on_the_way(reads: Reads, wanted: str) -> set[str]:
    found: set[str] = set()
    todo = [wanted]
    while todo:
        name = todo.pop()
        if name not in found:
            found.add(name)
            todo += reads[name]
    return found


def paths(reads: Reads, wanted: str) -> int:
    return 1 + sum(paths(reads, source) for source in reads[wanted])


NEEDED = Exercise(
    id="04.3",
    task="needed(reads, wanted): the number of nodes on the way to wanted, and itself.",
    reference=needed,
    wrong=(
        Wrong(
            lambda reads, wanted: len(reads),
            "You count the whole graph. Start at wanted and walk against the arrows.",
        ),
        Wrong(
            lambda reads, wanted: len(reads[wanted]),
            "You count what wanted itself reads. What do those read in their turn?",
        ),
        Wrong(
            on_the_way,
            "These are the names. Asked for is how many there are.",
        ),
        Wrong(
            lambda reads, wanted: 1 + len(reads[wanted]),
            "You count one step back only. What do its sources read?",
        ),
        Wrong(
            paths,
            "A node that two others read is counted twice. Remember whom you have met.",
        ),
        Wrong(
            lambda reads, wanted: needed(reads, wanted) - 1,
            "The node itself has to run as well: count it.",
        ),
    ),
    hints=(
        "Begin with a list that holds wanted alone, and a set of those met.",
        "Take a name from the list; if it is new, put all that it reads on the list.",
        "found.add(name); todo += reads[name]; in the end len(found)",
    ),
    shows="This is all that pruning is: what was not met is not there.",
    cases=lambda rng: [
        (graph, name)
        for graph in (draw_graph(rng, 8), draw_graph(rng, 9))
        for name in ("n5", "r")
    ],
)

# -- 04.4 evaluate ---------------------------------------------------------------------

DO: dict[str, Callable[..., float]] = {
    "add": operator.add,
    "sub": operator.sub,
    "mul": operator.mul,
    "div": operator.truediv,
}


def evaluate(graph: dict, wanted: str, values: dict, do: dict) -> Any:
    if wanted not in values:
        op, *reads = graph[wanted]
        operands = [evaluate(graph, name, values, do) for name in reads]
        values[wanted] = do[op](*operands)
    return values[wanted]


def once_each(answer: Any, graph: dict, wanted: str, values: dict) -> Any:
    """Run the answer; refuse it if any operation is carried out more than once."""
    ran: list[tuple] = []

    def noted(name: str) -> Callable[..., float]:
        def do(*operands: float) -> float:
            ran.append((name, *operands))
            return DO[name](*operands)

        return do

    value = answer(graph, wanted, values, {name: noted(name) for name in DO})
    twice = [f"{op}{tuple(rest)}" for op, *rest in ran if ran.count((op, *rest)) > 1]
    if twice:
        raise Refused(f"{twice[0]} was carried out more than once")
    return value


def all_of_it(graph: dict, wanted: str, values: dict, do: dict) -> Any:
    for name in graph:
        evaluate(graph, name, values, do)
    return values[wanted]


def forgets(graph: dict, wanted: str, values: dict, do: dict) -> Any:
    if wanted in values:
        return values[wanted]
    op, *reads = graph[wanted]
    return do[op](*[forgets(graph, name, values, do) for name in reads])


def turned(graph: dict, wanted: str, values: dict, do: dict) -> Any:
    if wanted not in values:
        op, *reads = graph[wanted]
        operands = [turned(graph, name, values, do) for name in reads]
        values[wanted] = do[op](*operands[::-1])
    return values[wanted]


def as_written(graph: dict, wanted: str, values: dict, do: dict) -> Any:
    for name, (op, *reads) in graph.items():
        values[name] = do[op](*[values[source] for source in reads])
    return values[wanted]


def on_names(graph: dict, wanted: str, values: dict, do: dict) -> Any:
    op, *reads = graph[wanted]
    return do[op](*reads)


def forgets_to_return(graph: dict, wanted: str, values: dict, do: dict) -> Any:
    if wanted not in values:
        op, *reads = graph[wanted]
        operands = [forgets_to_return(graph, name, values, do) for name in reads]
        values[wanted] = do[op](*operands)


def gives_all(graph: dict, wanted: str, values: dict, do: dict) -> Any:
    evaluate(graph, wanted, values, do)
    return values


def draw_notes(rng: np.random.Generator) -> list[tuple]:
    first = {
        "r": ("sub", "t", "y"),
        "broken": ("div", "s", "nought"),
        "t": ("mul", "s", "s"),
        "s": ("add", "x", "y"),
        "nought": ("sub", "x", "x"),
    }
    second = {
        "broken": ("div", "x", "nought"),
        "nought": ("sub", "y", "y"),
        "q": ("div", "p", "s"),
        "p": ("mul", "s", "y"),
        "s": ("sub", "x", "y"),
        "r": ("add", "q", "p"),
    }
    x, y = (int(number) for number in rng.choice(range(2, 20), 2, replace=False))
    return [(graph, "r", {"x": x, "y": y}) for graph in (first, second)]


EVALUATE = Exercise(
    id="04.4",
    task="evaluate(graph, wanted, values, do): the number at wanted.",
    reference=evaluate,
    wrong=(
        Wrong(
            all_of_it,
            "You compute every node, and one of them divides by zero. Compute only "
            "what is on the way to wanted.",
        ),
        Wrong(
            forgets,
            "The result is right, but a node that two others read runs twice. Keep "
            "each result in values.",
        ),
        Wrong(
            turned,
            "Keep the operands in the order of the note: x - y is not y - x.",
        ),
        Wrong(
            as_written,
            "The notes are not written in the order in which they can run. Before a "
            "node, evaluate those that it reads.",
        ),
        Wrong(
            on_names,
            "You compute with the names. Their numbers have to be found first: evaluate "
            "each of them.",
        ),
        Wrong(
            forgets_to_return,
            "Inside, your function calls itself, and nothing comes back. Is there a "
            "`return` at the end?",
        ),
        Wrong(
            gives_all,
            "You return the dictionary of all results. Only the number at wanted is "
            "asked for.",
        ),
    ),
    hints=(
        "If wanted is in values, you are done. If not, what does it need first?",
        "op, *reads = graph[wanted], then evaluate each of reads with the same values.",
        "values[wanted] = do[op](*operands); return values[wanted]",
    ),
    shows="You have written a graph machine that forgets nothing and wastes nothing.",
    cases=draw_notes,
    run=once_each,
)

# -- 04.5 the sentence -----------------------------------------------------------------

SENTENCE = Exercise(
    id="04.5",
    task="Three letters: what TensorFlow is, what nodes are, how networks learn.",
    reference=("b", "c", "b"),
    wrong=(
        Wrong(
            ("a", "a", "a"),
            "That is the article's own sentence. None of its three parts held.",
        ),
        Wrong(
            ("a", "c", "b"),
            "The cooling rod ran without any network. What ran it?",
        ),
        Wrong(
            ("b", "a", "b"),
            "What did each node hold, in the lesson's first cell? None. Data is what "
            "travels along the arrows.",
        ),
        Wrong(
            ("b", "b", "b"),
            "A layer is a group of nodes that belong together, such as a product and a "
            "sum. One node is smaller.",
        ),
        Wrong(
            ("b", "c", "a"),
            "Learning by reward exists (reinforcement learning), but it is not the "
            "usual way, and nothing in TensorFlow is made for it in particular.",
        ),
    ),
    hints=(
        "Go back to the cell that prints what each node holds.",
        "The rod answers the first gap, the first cell the second one.",
        "A library that runs graphs; operations; smaller errors on known answers.",
    ),
    shows="One sentence, three repairs, and each rests on something you ran.",
)

EXERCISES = (ORDER, CIRCLE, NEEDED, EVALUATE, SENTENCE)

QUESTIONS = (
    Question(
        "q04.1",
        "A graph is built and nobody has called it. What is inside one of its nodes?",
        {
            "a": (
                "numbers, which become better by training",
                "No number is there before the call. Even a weight is only one kind of "
                "node, and most graphs have none.",
            ),
            "b": (
                "an operation, and which nodes it reads",
                "That and the shape of the result is enough to run it later.",
            ),
            "c": (
                "a compiled function of its own",
                "A node is only a note. Compiling comes later, for the whole graph.",
            ),
        },
        "b",
    ),
    Question(
        "q04.2",
        "broken divides by zero, total does not read it. What does a program for total do?",
        {
            "a": (
                "it fails at broken",
                "It would if the lines ran one after the other, as Python's lines do.",
            ),
            "b": (
                "nothing, compile refuses the graph",
                "It cannot know: the zero comes with the call. And it never even looks "
                "at broken.",
            ),
            "c": (
                "it gives total, and broken never runs",
                "The program starts at its result and takes only what that needs.",
            ),
        },
        "c",
    ),
    Question(
        "q04.3",
        "s = x + y, d = x - y, p = s * d. In which orders may the three be run?",
        {
            "a": (
                "only s, d, p, as they are written",
                "d does not read s. The order of the lines is lost in the graph, and "
                "nobody misses it.",
            ),
            "b": (
                "s, d, p and d, s, p",
                "p needs both, but s and d do not need each other. They could even "
                "run at the same time.",
            ),
            "c": (
                "any order, the machine waits for nothing",
                "p cannot run before the two numbers that it multiplies are there.",
            ),
        },
        "b",
    ),
)
