"""The compiler and the cache: whole files only, safe to share, absent without drama."""

import os
import shutil
import stat
import subprocess
import sys
import warnings
from pathlib import Path

import numpy as np
import pytest

import minigrad as mg
from minigrad.errors import GraphError
from minigrad.native import blas, build

ROOT = Path(__file__).parents[2]
SOURCE = "int program(void **p) { return 7; }\n"


@pytest.fixture
def cache(tmp_path, monkeypatch):
    folder = tmp_path / "cache"
    monkeypatch.setenv("MINIGRAD_CACHE", str(folder))
    return folder


@pytest.fixture
def no_compiler(monkeypatch):
    """As on a machine that has none."""
    monkeypatch.setattr(build, "command", refuse)
    build.explain_absence.cache_clear()
    yield
    build.explain_absence.cache_clear()


def refuse():
    raise build.NoCompiler("there is no C compiler")


def test_what_was_compiled_once_is_loaded_from_the_cache(cache, monkeypatch):
    assert build.load(SOURCE).program(None) == 7
    monkeypatch.setattr(build, "_compile", None)
    assert build.load(SOURCE).program(None) == 7
    assert {p.suffix for p in cache.iterdir()} <= {".so", ".hash", ".flags"}


def test_lines_that_move_do_not_compile_again(cache):
    build.load(f"/* line 3 */\n{SOURCE}")
    build.load(f"/* line 4 */\n{SOURCE}")
    assert len(list(cache.glob("*.so"))) == 1


def test_a_compiler_is_tried_out_once(cache, monkeypatch):
    build.command.cache_clear()
    line = build.command()
    build.command.cache_clear()
    monkeypatch.setattr(build, "_run", None)
    assert build.command() == line


@pytest.fixture
def anew(cache):
    """Nothing is known of any compiler, before and after."""
    known = build.compiler, build.command, build._identity, build.explain_absence
    for function in known:
        function.cache_clear()
    yield
    for function in known:
        function.cache_clear()


def test_the_compiler_may_be_named_with_flags_and_spaces(anew, monkeypatch, tmp_path):
    real = shutil.which(build.compiler()[0])
    build.compiler.cache_clear()
    link = tmp_path / "my own" / "compiler of C"
    link.parent.mkdir()
    link.write_text(f'#!/bin/sh\nexec "{real}" "$@"\n')
    link.chmod(0o755)
    monkeypatch.setenv("CC", f'"{link}" -DSEVEN=7 "-DTEXT=a b"')
    assert build.compiler() == (str(link), "-DSEVEN=7", "-DTEXT=a b")
    assert build.load("int program(void **p) { return SEVEN; }\n").program(None) == 7


@pytest.mark.parametrize(
    ("name", "why"), [("/no/such/cc", "which is not there"), ("false", "does not work")]
)
def test_a_compiler_that_fails_is_named_and_the_interpreter_runs(
    anew, monkeypatch, name, why
):
    monkeypatch.setenv("CC", name)
    x = mg.placeholder((2,))
    with pytest.warns(RuntimeWarning, match=rf"{why}.*pip install ziglang"):
        program = mg.compile([x], x * 2, target="native")
    assert program.target == "interpreter"
    assert name in program.fallback
    assert program(np.ones(2)).tolist() == [2, 2]


def test_the_cache_is_private(cache):
    build.load(SOURCE)
    assert stat.S_IMODE(cache.stat().st_mode) == 0o700


def test_other_flags_are_another_library(cache, monkeypatch):
    build.load(SOURCE)
    line = build.command()
    monkeypatch.setattr(build, "command", lambda: (*line, "-DX"))
    build.load(SOURCE)
    assert len(list(cache.glob("*.so"))) == 2


SPOILED = {
    "cut": lambda library, digest: (library[: len(library) // 2], digest),
    "empty": lambda library, digest: (b"", digest),
    "changed": lambda library, digest: (library[:-1] + b"?", digest),
    "without a hash": lambda library, digest: (library, b""),
    "with half a hash": lambda library, digest: (library, digest[:8]),
}


@pytest.mark.parametrize("spoil", SPOILED)
def test_a_library_that_is_not_whole_is_built_again(cache, spoil):
    build.load(SOURCE)
    (library,), (digest,) = cache.glob("*.so"), cache.glob("*.hash")
    spoiled = SPOILED[spoil](library.read_bytes(), digest.read_bytes())
    library.unlink()  # it is mapped: change a copy
    for file, content in zip((library, digest), spoiled):
        file.write_bytes(content)
    assert build.load(SOURCE).program(None) == 7
    assert build._is_whole(library)


def forge(monkeypatch):
    """Put a library of the right name and hash there that does something else."""
    honest = build._compile
    with monkeypatch.context() as patch:
        patch.setattr(
            build,
            "_compile",
            lambda line, source, path: honest(line, source.replace("7", "666"), path),
        )
        build.load(SOURCE)
    assert build.load(SOURCE).program(None) == 666, "else this proves nothing"


HOSTILE = {
    "where the group may write": lambda folder: folder.chmod(0o770),
    "where all may write": lambda folder: folder.chmod(0o707),
    "that is a link to such a one": lambda folder: (
        folder.rename(folder.with_name("real")),
        folder.symlink_to(folder.with_name("real")),
        folder.chmod(0o777),
    ),
}


@pytest.mark.parametrize("make", HOSTILE)
def test_nothing_is_loaded_from_a_folder(cache, make, monkeypatch):
    forge(monkeypatch)
    HOSTILE[make](cache)
    assert build.load(SOURCE).program(None) == 7


def test_nothing_is_loaded_from_a_folder_of_somebody_else(cache, monkeypatch):
    forge(monkeypatch)
    me = os.getuid()
    monkeypatch.setattr(os, "getuid", lambda: me + 1)
    assert build.load(SOURCE).program(None) == 7


def test_many_processes_may_share_a_cache(cache):
    script = (
        "import numpy as np, minigrad as mg; x = mg.placeholder((3,));"
        "print(mg.compile([x], (x * 2).sum(), target='native')(np.ones(3)).item())"
    )
    env = os.environ | {"PYTHONPATH": str(ROOT)}
    command = [sys.executable, "-c", script]
    running = [
        subprocess.Popen(command, env=env, stdout=subprocess.PIPE) for _ in range(4)
    ]
    assert [p.communicate()[0] for p in running] == [b"6.0\n"] * 4
    assert len(list(cache.glob("*.so"))) == 1


def test_a_cache_that_cannot_be_written_does_not_matter(monkeypatch, tmp_path):
    blocked = tmp_path / "file"
    blocked.write_text("")
    monkeypatch.setenv("MINIGRAD_CACHE", str(blocked / "cache"))
    assert build.load(SOURCE).program(None) == 7


def test_without_a_compiler_one_notice_says_what_to_install(no_compiler):
    x = mg.placeholder((2,))
    with pytest.warns(RuntimeWarning, match="pip install ziglang"):
        program = mg.compile([x], x * 2, target="native")
    assert program.target == "interpreter"
    assert "no C compiler" in program.fallback
    assert program(np.ones(2)).tolist() == [2, 2]
    with warnings.catch_warnings():
        warnings.simplefilter("error")
        mg.compile([x], x * 3, target="native")


def test_code_that_the_compiler_refuses_is_kept_and_named(cache):
    with pytest.raises(GraphError, match="our mistake") as caught:
        build.load("int program(void **p) { return nonsense; }\n")
    (kept,) = cache.glob("*.c")
    assert kept.name in str(caught.value)
    assert "nonsense" in str(caught.value)
    assert "interpreter" in str(caught.value)


def test_an_op_without_c_sends_the_whole_program_to_the_interpreter():
    x = mg.placeholder((2,), mg.float16)
    program = mg.compile([x], x * 2, target="native")
    assert program.target == "interpreter"
    assert program.fallback == "there is no C for float16"
    assert program(np.ones(2, np.float16)).tolist() == [2, 2]


def test_without_numpys_blas_small_products_are_loops_and_large_ones_are_left(
    monkeypatch,
):
    monkeypatch.setattr(blas, "find", lambda: None)
    a = np.random.default_rng(0).normal(size=(100, 100)).astype(np.float32)
    for n, target in ((30, "native"), (100, "interpreter")):
        x = mg.placeholder((n, n))
        program = mg.compile([x], x @ x, target="native")
        assert program.target == target
        np.testing.assert_allclose(
            program(a[:n, :n]).numpy(), a[:n, :n] @ a[:n, :n], rtol=1e-4, atol=1e-4
        )
    assert "BLAS" in program.fallback


def test_memory_that_is_read_only_is_never_written():
    array = np.zeros(2, np.float32)
    array.flags.writeable = False
    w = mg.from_numpy(array)
    step = mg.compile(
        [], None, updates={w: mg.constant(np.ones(2, np.float32))}, target="native"
    )
    assert step.fallback == "a variable that is updated is read-only"
    with pytest.raises((GraphError, ValueError)):
        step()
    assert array.tolist() == [0, 0]


REFUSED = (
    "incompatible-pointer-types",
    "int-conversion",
    "implicit-function-declaration",
)


def test_nothing_is_written_that_newer_compilers_refuse(cache, monkeypatch):
    monkeypatch.setattr(build, "FLAGS", tuple(x for x in build.FLAGS if x != "-w"))
    line = (*build.compiler(), *build.FLAGS, *(f"-Werror={x}" for x in REFUSED))
    monkeypatch.setattr(build, "command", lambda: line)
    x, w = mg.placeholder((3,)), mg.variable(np.ones((3, 3), "f"))
    y = (x @ w).tanh()
    program = mg.compile([x], [y, y.sum()], updates={w: w + y}, target="native")
    assert program.target == "native"


@pytest.mark.parametrize(
    ("given", "taken"), [({}, "10000"), ({"GOMP_SPINCOUNT": "7"}, "7")]
)
def test_threads_do_not_spin_for_long_unless_the_user_says_so(given, taken):
    code = (
        "import os, numpy as np, minigrad as mg; x = mg.placeholder((10**6,));"
        "before = dict(os.environ);"
        "mg.compile([x], x.tanh(), target='native')(np.ones(10**6, np.float32));"
        "assert before == dict(os.environ)"
    )
    env = os.environ | {"OMP_DISPLAY_ENV": "verbose"} | given
    done = subprocess.run(
        [sys.executable, "-c", code],
        env=env,
        text=True,
        capture_output=True,
        check=True,
    )
    if "GOMP_" not in done.stderr:
        pytest.skip("the compiler's OpenMP is not gcc's")
    assert f"GOMP_SPINCOUNT = '{taken}'" in done.stderr
