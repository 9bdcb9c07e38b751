"""Drawings the lessons share: the same every time, and words for who does not see them."""

import os
import subprocess
import sys

import numpy as np
from coursekit import bars, curves, gallery, matrices

ALT = "a description long enough to stand in for it"
FORMULA = [("x", 64, 1000), "@", ("w <1>", 1000, 100)]


def test_matrices_are_drawn_to_one_scale_and_listed():
    drawn = matrices(FORMULA, ALT, scale=0.1)
    assert drawn.text == "x (64, 1000)  @  w <1> (1000, 100)"
    assert 'width="100.0" height="6.4"' in drawn.svg
    assert 'width="10.0" height="100.0"' in drawn.svg
    assert "w &lt;1&gt;" in drawn.svg
    assert drawn.svg == matrices(FORMULA, ALT, scale=0.1).svg


def test_a_gallery_draws_each_dark_pixel_and_each_title():
    images = np.zeros((2, 8, 8))
    images[0, 3, 4], images[1, 0, 0] = 1, 0.5
    drawn = gallery(images, ["3 read as 8", "1"], ALT)
    assert drawn.svg.count('fill="#000000"/>') == 1
    assert drawn.svg.count('fill="#808080"/>') == 1
    assert drawn.text == "3 read as 8\n1"


def test_curves_are_a_chart_with_a_listing_of_their_own_or_a_given_one():
    ys = {"falls": [3, 2, 1], "rises": [1, 2, 3]}
    drawn = curves([0, 1, 2], ys, ALT, xlabel="step")
    assert drawn.chart
    assert "falls: 3 points from 3 to 1" in drawn.text
    assert curves([0, 1, 2], ys, ALT, text="words").text == "words"


def test_bars_are_a_chart_with_a_line_of_text_each_or_a_given_text():
    drawn = bars({"once": 1.0, "twice": 2.0}, ALT, xlabel="times")
    assert drawn.chart
    assert drawn.text == "once: 1\ntwice: 2"
    assert bars({"once": 1.0}, ALT, text="words").text == "words"


def test_importing_the_kit_first_keeps_matrix_products_to_one_thread():
    code = "import coursekit, os; print(os.environ['OPENBLAS_NUM_THREADS'])"
    for given, wanted in ((None, "1"), ("3", "3")):
        env = {k: v for k, v in os.environ.items() if k != "OPENBLAS_NUM_THREADS"}
        env |= {"OPENBLAS_NUM_THREADS": given} if given else {}
        done = subprocess.run(
            [sys.executable, "-c", code], env=env, capture_output=True, text=True
        )
        assert done.stdout.strip() == wanted, done.stderr
