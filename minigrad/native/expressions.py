"""Scalar code: one element of an op, in C's (and CUDA's) words.

The table writes an op's element once, as in `c="tanh(a)"`. Here names become operands,
numbers and functions get the dtype that is computed in. Everything that depends on the
dialect is in the tables of this file.
"""

from __future__ import annotations

import re
from typing import Any

import numpy as np

from minigrad.static.node import Node

CTYPES = {
    "float32": "float",
    "float64": "double",
    "int64": "int64_t",
    "int32": "int32_t",
    "uint8": "uint8_t",
    "bool": "bool",
}

# Functions of libm. For those glibc has a version for whole vectors (libmvec, at most
# 4 ulp off, NaN and infinities as they should be); a loop calls it once it is told so.
VECTOR = """\
exp exp2 expm1 log log2 log10 log1p sin cos tan asin acos atan sinh cosh tanh erf atan2
pow""".split()
ROUNDING = {"floor": "floor", "ceil": "ceil", "round": "rint", "trunc": "trunc"}
MATH = {
    **{name: name for name in VECTOR},
    **ROUNDING,
    "sqrt": "sqrt",
    "abs": "fabs",
}

# Functions that C lacks, by name and by whether they are of floats ("f") or integers.
HELPERS = {
    ("floor_divide", "f"): """\
static inline T floor_divide_T(T a, T b) {
  T rest = fmod(a, b), whole = (a - rest) / b;
  if (b == 0) return a / b;
  if (rest != 0 && (rest < 0) != (b < 0)) whole -= 1;
  if (whole == 0) return copysign(0, a / b);
  return floor(whole) + (whole - floor(whole) > 0.5);
}""",
    ("remainder", "f"): """\
static inline T remainder_T(T a, T b) {
  T rest = fmod(a, b);
  if (rest == 0) return copysign(0, b);
  return (rest < 0) != (b < 0) ? rest + b : rest;
}""",
    ("floor_divide", "i"): """\
static inline T floor_divide_T(T a, T b) {
  if (b == 0) return 0; /* refused after the loop */
  if (b + 1 == 0) return -a;
  return a / b - (a % b != 0 && (a < 0) != (b < 0));
}""",
    ("remainder", "i"): """\
static inline T remainder_T(T a, T b) {
  if (b == 0 || b + 1 == 0) return 0; /* 0 is refused after the loop */
  return a % b != 0 && (a < 0) != (b < 0) ? a % b + b : a % b;
}""",
    ("pow", "i"): """\
static inline T pow_T(T a, T b) {
  T y = 1;
  for (; b > 0; b >>= 1, a *= a) if (b & 1) y *= a;
  return y;
}""",
    ("abs", "i"): """\
static inline T abs_T(T a) { return a < 0 ? -a : a; }""",
}
REFUSED = {"floor_divide": "b == 0", "remainder": "b == 0", "pow": "b < 0"}  # integers

TOKEN = re.compile(r"\d+\.\d*(?:e[+-]?\d+)?|[A-Za-z_]\w*|~")


class Scalars:
    """Expressions, and what has to be declared for them."""

    def __init__(self) -> None:
        self.vectors: set[str] = set()
        self.helpers: dict[str, str] = {}

    def expression(self, node: Node, operands: list[str], template: str = "") -> str:
        """One element of `node`, given C names of its operands' elements."""
        inputs = node.inputs
        dtype = (
            node.dtype if node.op.dtype == "first" or not inputs else inputs[-1].dtype
        )
        names = dict(zip("abc", operands, strict=False))
        if node.op.name == "cast" and inputs[0].dtype.kind == "b":
            # So gcc keeps to masks; a bool that becomes a float costs five times that.
            return f"{operands[0]} ? {literal(1, dtype)} : {literal(0, dtype)}"

        def word(match: re.Match) -> str:
            text = match.group()
            if text in names:
                return names[text]
            if text in node.attrs:
                return literal(node.attrs[text], dtype)
            if text[0].isdigit():
                return literal(float(text), dtype)
            if text == "~":
                return "!" if dtype.kind == "b" else "~"
            return self.function(text, dtype)

        return TOKEN.sub(word, template or node.op.c)

    def function(self, name: str, dtype: np.dtype) -> str:
        """What the function `name` of the table is called for this dtype."""
        ctype = CTYPES[dtype.name]
        kind = "f" if dtype.kind == "f" else "i"
        if (name, kind) in HELPERS:
            own = f"{name}_{ctype}"
            text = re.sub(r"\b(T|(?<=_)T)\b|(?<=_)T\b", ctype, HELPERS[name, kind])
            if ctype == "float":
                text = re.sub(r"\b(fmod|floor|copysign)(?=\()", r"\1f", text)
            self.helpers[own] = text
            return own
        if kind == "i":
            return "" if name in ROUNDING else name
        own = MATH[name] + ("f" if ctype == "float" else "")
        if name in VECTOR:
            self.vectors.add(own)
        return own

    def declarations(self) -> list[str]:
        """The lines that must stand before the code that uses these expressions."""
        lines = []
        if self.vectors:
            lines += [
                "#if defined(__x86_64__) && defined(__GLIBC__) && !defined(__clang__)",
                "#if __GLIBC_PREREQ(2, 35) /* whole vectors at once, from libmvec */",
            ]
            for name in sorted(self.vectors):
                real = "float" if name.endswith("f") and name != "erf" else "double"
                several = 2 if name.startswith(("pow", "atan2")) else 1
                declared = f"{real} {name}({', '.join([real] * several)});"
                lines.append(f'__attribute__((simd("notinbranch"))) {declared}')
            lines += ["#endif", "#endif"]
        return lines + [
            line for own in self.helpers.values() for line in own.split("\n")
        ]


def literal(value: Any, dtype: np.dtype) -> str:
    """A number in the source that reads back as exactly `value` in `dtype`."""
    if dtype.kind == "b":
        return str(int(bool(value)))
    if dtype.kind != "f":
        number = int(value)
        text = f"{number}LL" if abs(number) >= 1 << 31 else str(number)
        if number == -(1 << 63):
            text = f"{number + 1}LL - 1"
        return f"({text})" if number < 0 else text
    number = dtype.type(value)
    if np.isnan(number):
        return "NAN"
    if np.isinf(number):
        return "INFINITY" if number > 0 else "(-INFINITY)"
    text = str(number) + ("f" if dtype.name == "float32" else "")
    return f"({text})" if np.signbit(number) else text
