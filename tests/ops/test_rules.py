"""Derivative rules keep to the notation that means the same for arrays, Tensors, Nodes.

A rule is read here as a syntax tree. What it computes with is either *static* (shapes,
attributes: plain Python values) or a *value* (an array, a Tensor or a Node). On static
things any Python will do; on values only what the lists below name.
"""

import ast
import builtins
import functools
import inspect

import numpy as np
import pytest

from minigrad.ops import TABLE
from minigrad.ops.elementwise import exp, where
from minigrad.ops.op import Op
from minigrad.testing import samples

VALUES = {"g", "y", "a", "b", "c", "rest"}
SHAPES = {"sa", "sb", "shapes", "i"}
METHODS = {"sum", "reshape", "swapaxes"}
PROPERTIES = {"T", "shape", "ndim", "dtype"}
STATIC_PROPERTIES = {"shape", "ndim", "dtype"}
BINARY = (
    ast.Add, ast.Sub, ast.Mult, ast.Div, ast.Pow, ast.MatMult, ast.BitAnd, ast.BitOr,
)  # fmt: skip
UNARY = (ast.USub, ast.Invert)
COMPARISONS = (ast.Eq, ast.NotEq, ast.Lt, ast.LtE, ast.Gt, ast.GtE)


def given(op):
    return [op.vjp] if callable(op.vjp) else op.vjp


RULES = [
    pytest.param(op, rule, id=f"{name}-{i}")
    for name, op in TABLE.items()
    for i, rule in enumerate(given(op))
    if rule is not None
]
INPLACE = [
    pytest.param(op, op.vjp_inplace, id=f"{name}-inplace")
    for name, op in TABLE.items()
    if op.vjp_inplace is not None
]


# --- the syntax tree of a function -------------------------------------------------------


@functools.cache
def tree_of_file(path):
    with open(path, encoding="utf-8") as file:
        return ast.parse(file.read())


def tree_of(fn):
    """The `def` or `lambda` that `fn` was made by, found by where its code stands."""
    code = fn.__code__
    places = [p for p in code.co_positions() if p[0] and p[2] is not None and p[3]]
    line, column = max((p[0], p[2]) for p in places)
    candidates = [
        node
        for node in ast.walk(tree_of_file(code.co_filename))
        if isinstance(node, (ast.Lambda, ast.FunctionDef))
        and [p.arg for p in node.args.args] == list(inspect.signature(fn).parameters)
        and (node.lineno, node.col_offset) <= (line, column)
        and (line, column) < (node.end_lineno, node.end_col_offset)
    ]
    return max(candidates, key=lambda node: (node.lineno, node.col_offset))


# --- the walker --------------------------------------------------------------------------


class Reader:
    """Reads one function; `static` holds the names that are plain Python values."""

    def __init__(self, fn, static):
        self.fn, self.static = fn, set(static)

    def read(self):
        tree = tree_of(self.fn)
        if isinstance(tree, ast.Lambda):
            self.value(tree.body)
            return
        for statement in tree.body:
            self.statement(statement)

    def refuse(self, node):
        text = ast.unparse(node)
        raise AssertionError(
            f"{self.fn.__name__} in {self.fn.__module__}, line {node.lineno}: "
            f"not in the notation of rules: {text}"
        )

    def lookup(self, name):
        if name in self.fn.__globals__:
            return self.fn.__globals__[name]
        return getattr(builtins, name, None)

    def statement(self, node):
        match node:
            case ast.Expr(ast.Constant(str())):
                pass
            case ast.Return(value):
                self.value(value)
            case ast.Assign([ast.Name(name)], value):
                self.value(value)
                if self.is_static(value):
                    self.static.add(name)
            case _:
                self.refuse(node)

    def is_static(self, node):
        """Is this a Python value, whatever the world the rule runs in?"""
        match node:
            case ast.Attribute(_, name) if name in STATIC_PROPERTIES:
                return True
            case ast.Name(name):
                return name in self.static or self.lookup(name) is not None
            case ast.GeneratorExp(_, [loop]):
                inner = Reader(self.fn, self.static | {ast.unparse(loop.target)})
                return self.is_static(loop.iter) and inner.is_static(node.elt)
            case ast.Call(func, args, keywords):
                parts = [func, *args, *(k.value for k in keywords)]
                called = self.called(func)
                return not isinstance(called, Op) and all(map(self.is_static, parts))
            case ast.Lambda():
                return False
        parts = [n for n in ast.iter_child_nodes(node) if isinstance(n, ast.expr)]
        return all(map(self.is_static, parts))

    def called(self, func):
        match func:
            case ast.Name(name):
                return self.lookup(name)
            case ast.Subscript(ast.Name(name)):  # a table of ops, such as VIEWS[view]
                table = self.lookup(name)
                if isinstance(table, dict):
                    return next(iter(table.values()))
        return None

    def value(self, node):
        """Refuse what does not mean the same for arrays, Tensors and Nodes."""
        if self.is_static(node):
            return
        match node:
            case ast.Name(name) if name in VALUES or self.lookup(name) is None:
                return
            case ast.Attribute(inner, name) if name in PROPERTIES:
                self.value(inner)
            case ast.BinOp(left, operator, right) if isinstance(operator, BINARY):
                self.value(left)
                self.value(right)
            case ast.UnaryOp(operator, inner) if isinstance(operator, UNARY):
                self.value(inner)
            case ast.Compare(left, [operator], [right]) if isinstance(
                operator, COMPARISONS
            ):
                self.value(left)
                self.value(right)
            case ast.Subscript(inner, key) if self.is_static(key):
                self.value(inner)
            case ast.IfExp(test, yes, no) if self.is_static(test):
                self.value(yes)
                self.value(no)
            case ast.Starred(inner):
                self.value(inner)
            case ast.Call():
                self.call(node)
            case _:
                self.refuse(node)

    def call(self, node):
        for part in (*node.args, *(k.value for k in node.keywords)):
            self.value(part)
        if isinstance(node.func, ast.Attribute):
            if node.func.attr not in METHODS:
                self.refuse(node)
            self.value(node.func.value)
            return
        called = self.called(node.func)
        if isinstance(called, Op):
            return
        if not inspect.isfunction(called) or called.__module__ != self.fn.__module__:
            self.refuse(node)
        bound = inspect.signature(called).bind(*node.args).arguments
        static = {name for name, arg in bound.items() if self.is_static(arg)}
        Reader(called, static).read()


def read(rule):
    parameters = inspect.signature(rule).parameters
    Reader(rule, set(parameters) - VALUES).read()


# --- the rules ---------------------------------------------------------------------------


@pytest.mark.parametrize(("op", "rule"), RULES)
def test_rules_are_written_in_the_closed_notation(op, rule):
    read(rule)


@pytest.mark.parametrize(("op", "rule"), RULES + INPLACE)
def test_parameter_names_say_what_is_saved_or_name_an_attribute(op, rule):
    attributes = set.intersection(*(set(s.attrs) for s in samples(op)))
    for name, parameter in inspect.signature(rule).parameters.items():
        assert name in VALUES | SHAPES | attributes
        assert parameter.kind is parameter.POSITIONAL_OR_KEYWORD
        assert parameter.default is parameter.empty


@pytest.mark.parametrize(("op", "rule"), RULES + INPLACE)
def test_rules_read_no_more_inputs_than_the_op_has(op, rule):
    fewest = min(len(s.args) for s in samples(op))
    for name in inspect.signature(rule).parameters:
        if name in ("a", "b", "c"):
            assert "abc".index(name) < fewest
        if name in ("sa", "sb"):
            assert ("sa", "sb").index(name) < fewest


def test_sums_and_views_save_nothing_but_shapes():
    for name in ("add", "sub", "neg", "sum", "reshape", "permute", "slice", "put"):
        op = TABLE[name]
        plan = op.plan(tuple(rule is not None for rule in op.vjp))
        assert set(plan.names) <= SHAPES, name


def test_what_is_saved_is_the_output_where_the_rule_can_be_written_with_it():
    for name in ("exp", "tanh", "sigmoid", "sqrt", "relu"):
        assert TABLE[name].plan((True,)).names == ("y",)


def test_a_rule_without_g_is_a_slope_that_g_is_multiplied_by():
    plan, g = TABLE["tanh"].plan((True,)), np.array([2.0, 4.0])
    y = np.array([0.5, 0.0])
    (ct,) = plan.pull(g, plan.pick((), y), {})
    np.testing.assert_array_equal(ct, [1.5, 4.0])
    np.testing.assert_array_equal(g, [2.0, 4.0])


def test_a_slope_is_multiplied_in_the_memory_of_a_g_that_is_owned():
    for name, wanted in (("tanh", (True,)), ("mul", (False, True))):
        plan, x = TABLE[name].plan(wanted), [np.array([0.5, 0.0])] * 2
        g = np.array([2.0, 4.0])
        expected = plan.pull(g, plan.pick(x, x[0]), {})[-1]
        cotangents = plan.pull_owned(g, plan.pick(x, x[0]), {})
        assert cotangents[-1] is g
        np.testing.assert_array_equal(g, expected)


def test_where_several_get_a_cotangent_none_is_written_over_another():
    for name in ("add", "mul", "div"):
        assert TABLE[name].plan((True, True)).pull_owned is None


# --- the walker can fail -----------------------------------------------------------------


def shape_only(shape):
    return tuple(n for n in shape if n != 1)


def value_helper(g, a):
    return g * a.max()


OUTSIDE = {
    "a method that means other things elsewhere": lambda g, a: g * a.max(),
    "a method of arrays only": lambda g: g.transpose(0, 1),
    "NumPy itself": lambda g, a: g * np.sign(a),
    "a function from elsewhere": lambda g, a: inspect.cleandoc(g),
    "a test of a value": lambda g, a: g if a > 0 else 0,
    "and, which asks for one truth": lambda g, a: g * (a and 1),
    "indexing by a value": lambda g, a: g[a],
    "floor division": lambda g, a: g // a,
    "remainder": lambda g, a: g % a,
    "a chain of comparisons": lambda g, a: g * (0 < a < 1),
    "an unknown attribute": lambda g: g.size,
    "a conversion": lambda g: float(g),
    "a list of values": lambda g, a: [g, a],
    "a loop over values": lambda g, rest: sum(r for r in rest),
    "a helper that leaves the notation": lambda g, a: value_helper(g, a),
}

INSIDE = {
    "arithmetic": lambda g, a, b: -g * (a + b) / 2 - a**2 @ b,
    "comparisons and logic": lambda g, a: g * ((a > 0) & ~(a == 1) | (a <= -1)),
    "ops by name": lambda g, a: where(a > 0, exp(g), 0),
    "methods and properties": lambda g, a, axis: (
        g.sum(axis=axis, keepdims=True).reshape(a.shape).swapaxes(-1, -2).T
    ),
    "basic indexing": lambda g, i, axis: g[i : i + 2, ..., None],
    "any Python on shapes": lambda g, sa: g.reshape(shape_only(sa)),
    "a test of something static": lambda g, a, axis: g if a.ndim > len(axis) else g.T,
}


@pytest.mark.parametrize("rule", OUTSIDE.values(), ids=list(OUTSIDE))
def test_the_walker_refuses(rule):
    with pytest.raises(AssertionError, match="not in the notation of rules"):
        read(rule)


@pytest.mark.parametrize("rule", INSIDE.values(), ids=list(INSIDE))
def test_the_walker_accepts(rule):
    read(rule)
