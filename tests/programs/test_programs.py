"""Programs as PyTorch's tutorials write them print the same numbers under minigrad.

A text is run as it stands, and again with its imports changed. The second run is given
the random numbers of the first: those the program draws, and those weights begin with.
"""

import contextlib
import io
import re
from pathlib import Path

import numpy as np
import pytest

import minigrad as mg

TEXTS = sorted((Path(__file__).parent / "texts").glob("*.py"))
NUMBER = re.compile(r"-?\d+\.\d+(?:e-?\d+)?")
DRAWS = ("rand", "randn", "rand_like", "randn_like")
FILLS = ("uniform_", "normal_", "kaiming_uniform_")


def run(text, path):
    """What a program prints."""
    with contextlib.redirect_stdout(io.StringIO()) as out:
        exec(compile(text, str(path), "exec"), {"__name__": "__main__"})
    return out.getvalue()


def translated(text):
    text = re.sub(r"^import torch$", "import minigrad as torch", text, flags=re.M)
    return re.sub(r"^(import|from) torch\b", r"\1 minigrad", text, flags=re.M)


def record(torch, monkeypatch):
    """Let the list returned collect every random tensor from here on."""
    drawn = []
    for module, names in ((torch, DRAWS), (torch.nn.init, FILLS)):
        for name in names:
            noted = _noted(getattr(module, name), drawn)
            monkeypatch.setattr(module, name, noted)
    return drawn


def _noted(draw, drawn):
    def noted(*args, **kwargs):
        y = draw(*args, **kwargs)
        drawn.append(y.detach().numpy().copy())
        return y

    return noted


def replay(drawn, monkeypatch):
    """Let minigrad draw what was recorded."""
    left = iter(drawn)

    def draw(*_, requires_grad=False, **__):
        return mg.tensor(next(left), requires_grad=requires_grad)

    def fill(tensor, *_, **__):
        with mg.no_grad():
            return tensor.copy_(mg.tensor(next(left).reshape(tensor.shape)))

    for name in DRAWS:
        monkeypatch.setattr(mg, name, draw)
    for name in ("uniform_", "normal_"):
        monkeypatch.setattr(mg.nn.init, name, fill)
    return left


@pytest.mark.parametrize("path", TEXTS, ids=lambda path: path.stem)
def test_a_program_prints_pytorch_s_numbers(torch, path, monkeypatch):
    text = path.read_text()
    torch.manual_seed(0)
    drawn = record(torch, monkeypatch)
    theirs = run(text, path)
    left = replay(drawn, monkeypatch)
    ours = run(translated(text), path)
    assert next(left, None) is None
    # torch.Size([2, 3]) is a tuple here.
    theirs = re.sub(r"torch\.Size\(\[([^\]]*)\]\)", r"(\1)", theirs)
    assert NUMBER.sub("#", ours) == NUMBER.sub("#", theirs)
    np.testing.assert_allclose(
        [float(n) for n in NUMBER.findall(ours)],
        [float(n) for n in NUMBER.findall(theirs)],
        rtol=2e-4,
    )


@pytest.mark.parametrize("path", TEXTS, ids=lambda path: path.stem)
def test_a_program_runs_on_minigrad_alone(path):
    mg.manual_seed(0)
    printed = run(translated(path.read_text()), path)
    numbers = [float(n) for n in NUMBER.findall(printed)]
    assert numbers
    assert np.isfinite(numbers).all()
