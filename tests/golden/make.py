"""Write the committed results of PyTorch: `python tests/golden/make.py`.

Needs the version of PyTorch that pyproject.toml names under `reference`.
"""

import pathlib

import cases_optim
import cases_rnn
import numpy as np
import torch
from cases import CASES, derive, pack
from cases_module import CASES as MODULES
from cases_module import run
from cases_nn import OWN as NN
from cases_shape import OWN as SHAPE

HERE = pathlib.Path(__file__).parent
FILES = dict.fromkeys(SHAPE, "shape.npz") | dict.fromkeys(NN, "nn.npz")
NAMES = ("uint8", "int32", "int64", "float32", "float64", "bool")


def operands():
    """Tensors of every dtype, 1-d and 0-d, and Python numbers, by name."""
    found = {"True": True, "2": 2, "2.5": 2.5}
    for name in NAMES:
        dtype = getattr(torch, name)
        found[f"{name} 1-d"] = torch.ones(2, dtype=dtype)
        found[f"{name} 0-d"] = torch.ones((), dtype=dtype)
    return found


def promotion():
    """`{"add": [[left, right, dtype or "raises"], ...]}` for every pair of operands."""
    table = {}
    for op in ("add", "sub", "mul", "div", "pow", "maximum", "where", "eq"):
        rows = table[op] = []
        for left, a in operands().items():
            for right, b in operands().items():
                if isinstance(a, torch.Tensor) or isinstance(b, torch.Tensor):
                    rows.append((left, right, result_dtype(op, a, b)))
    return {op: np.array(rows) for op, rows in table.items()}


def result_dtype(op, a, b):
    signs = {"add": "+", "sub": "-", "mul": "*", "div": "/", "pow": "**", "eq": "=="}
    try:
        if op == "where":
            y = torch.where(torch.ones(2, dtype=torch.bool), a, b)
        elif op == "maximum":
            y = torch.maximum(a, b)
        else:
            y = eval(f"a {signs[op]} b")
    except (RuntimeError, TypeError):
        return "raises"
    return str(y.dtype).removeprefix("torch.")


def main():
    torch.set_num_threads(1)
    results = {"ops.npz": {}, "shape.npz": {}, "nn.npz": {}, "module.npz": {}}
    for name, (fn, arrays, order) in CASES.items():
        for key, array in derive(torch, fn, arrays, order).items():
            results[FILES.get(name, "ops.npz")][f"{name} | {key}"] = array
    for name in MODULES:
        for key, array in run(torch, name).items():
            results["module.npz"][f"{name} | {key}"] = array
    results |= {"optim.npz": cases_optim.golden(torch)}
    results |= {"rnn.npz": cases_rnn.golden(torch)}
    for file, found in results.items():
        np.savez_compressed(HERE / file, **pack(found))
    np.savez_compressed(HERE / "promotion.npz", **promotion())
    (HERE / "VERSION").write_text(torch.__version__.partition("+")[0] + "\n")


if __name__ == "__main__":
    main()
