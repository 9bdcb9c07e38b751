"""The pictures of lesson 02 show what the simulated GPU wrote down."""

import numpy as np
from coursekit.gpu_pictures import kernel_text, layers, thread_grid, timeline

import minigrad as mg
from minigrad.gpu import shim


def test_a_timeline_shows_every_transfer_and_launch():
    with mg.cuda.simulate() as log:
        _ = (mg.tensor([1.0], dtype=mg.float64).to("cuda") + 1).cpu()
    drawn = timeline(log)
    assert drawn.text.splitlines() == [
        "1  to device  (1,), 8 bytes", "2  launch     add", "3  to host    (1,), 8 bytes",
    ]  # fmt: skip
    assert drawn.svg.count("8 bytes") == 2
    assert drawn.svg.count(">add<") == 1


def test_the_text_of_a_kernel_is_the_one_that_a_program_runs():
    x = mg.placeholder((10,), name="x")
    y = 2.0 * x + 1.0
    text = kernel_text(y)
    assert "i < 10" in text
    assert "* 2.0f" in text
    if shim.explain_absence():
        return  # no compiler here
    with mg.cuda.simulate():
        program = mg.compile([x], y, target="cuda")
        assert text in program.source
        doubled = program(np.arange(10, dtype=np.float32)).cpu()
    assert doubled.tolist() == [2 * i + 1 for i in range(10)]


def test_threads_without_a_number_are_dashed():
    drawn = thread_grid(n=10, threads=4)
    assert drawn.svg.count("stroke-dasharray") == 2
    assert drawn.text.splitlines()[-1] == "block 2: i = 8, 9, 10 (idle), 11 (idle)"
    assert "stroke-dasharray" not in thread_grid(n=8, threads=4).svg


def test_what_was_not_run_is_drawn_as_such():
    kinds = {node.id: node.kind for node in layers().nodes.values()}
    assert kinds["BLAS"] == "op"
    assert kinds["GPU"] == kinds["NCCL"] == "ghost"
