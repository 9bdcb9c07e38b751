"""From C source to a loaded library: the compiler, and a cache on disk.

Compiling takes a tenth of a second, so what was compiled once is kept. A library is named
by a hash of everything it depends on and stands beside a hash of its own bytes: what was
cut off or written over is built again, not loaded. Several processes may share the
folder: files appear under their names complete or not at all.
"""

from __future__ import annotations

import contextlib
import ctypes
import functools
import importlib.util
import itertools
import os
import platform
import re
import shlex
import stat
import sys
import warnings
from pathlib import Path
from typing import Any

from minigrad.errors import GraphError

FLAGS = (
    "-O2", "-fPIC", "-shared", "-w",
    # What NumPy promises stays promised: NaN, infinities, the order of operations,
    # integers that wrap around. Given up are errno and traps, which nobody reads.
    "-fno-math-errno", "-fno-trapping-math", "-ffp-contract=off", "-fwrapv",
    "-fno-strict-aliasing",  # results of several types share the plan's buffers
)  # fmt: skip
# What not every compiler knows; of each, the first that works. Apple's clang has no -march
# on ARM; OpenMP's threads need a library, its loops over vectors do not; clang finds some
# of the functions of whole vectors that expressions.py declares to gcc by this name.
CHOICES = (
    ("-march=native", "-mcpu=native", ""),
    ("-fopenmp", "-fopenmp-simd", ""),
    ("-fveclib=libmvec", ""),
)
TRIAL = """\
#include <math.h>
float f(float *a, int n) {
  float sum = 0;
#pragma omp parallel for simd reduction(+:sum)
  for (int i = 0; i < n; i++) sum += expf(a[i]);
  return sum;
}
"""
OTHERS_WRITE = 0 if os.name == "nt" else stat.S_IWGRP | stat.S_IWOTH
INSTALL = "install gcc or clang, or run: pip install ziglang"


class NoCompiler(Exception):
    """There is no C compiler here, or it cannot compile the simplest program."""


@functools.cache
def compiler() -> tuple[str, ...]:
    """The command that compiles C: `$CC`, cc, gcc, clang or the package ziglang."""
    given = shlex.split(os.environ.get("CC", ""))
    for command in [given] if given else (["cc"], ["gcc"], ["clang"]):
        if _found(command[0]):
            return tuple(command)
    if given:
        raise NoCompiler(f"$CC names {given[0]}, which is not there")
    if importlib.util.find_spec("ziglang"):
        return sys.executable, "-m", "ziglang", "cc"
    raise NoCompiler("there is no C compiler")


def _found(program: str) -> Path | None:
    """Where it lies on the path; `shutil.which` says so too, 4 ms of imports later."""
    folders = [""] if os.path.dirname(program) else os.get_exec_path()
    endings = ("", ".exe") if os.name == "nt" else ("",)
    places = (Path(x, program + end) for x in folders for end in endings)
    return next((x for x in places if x.is_file() and os.access(x, os.X_OK)), None)


@functools.cache
def command() -> tuple[str, ...]:
    """The compiler with its flags: those that it turned out to know."""
    # another process may have tried them out
    known = cache_folder() / f"{_hash(*compiler(), *FLAGS, _identity())}.flags"
    if not known.is_file():
        _try_out(known)
    return (*compiler(), *FLAGS, *known.read_text().split())


def _try_out(known: Path) -> None:
    error = ""
    for flags in itertools.product(*CHOICES):
        more = list(filter(None, flags))
        with _folder(dir=known.parent) as folder:
            error = _run((*compiler(), *FLAGS, *more), TRIAL, Path(folder, "trial"))
            if not error and _loads(Path(folder, "trial.so")):
                note = Path(folder, "flags")
                note.write_text(" ".join(more))
                os.replace(note, known)
                return
    raise NoCompiler(f"{' '.join(compiler())} does not work: {error.strip()[:300]}")


@functools.cache
def explain_absence() -> str:
    """Why there is no native code here, '' if there is; said once as a warning."""
    try:
        command()
    except NoCompiler as problem:
        why = f"{problem}; programs run in the interpreter. For speed, {INSTALL}"
        warnings.warn(why, RuntimeWarning, stacklevel=2)
        return why
    return ""


def load(source: str, *flags: str) -> ctypes.CDLL:
    """The library made of `source`, from the cache if it was compiled before.

    `flags` for the compiler come after the usual ones.

    Comments do not count: they name lines, and lines move. Raises `GraphError` if the
    compiler refuses the source, which it never should; the file is kept for whoever looks
    into it.
    """
    line = (*command(), *flags)
    bare = re.sub(r"/\*.*?\*/", "", source).splitlines()
    source = "\n".join(text for text in bare if text.strip()) + "\n"
    path = cache_folder() / f"{_hash(source, *line, _identity())}.so"
    if not _is_whole(path):
        _compile(line, source, path)
    return _opened(path)


def _opened(path: Path) -> ctypes.CDLL:
    """Load it, and OpenMP with it, whose threads then leave the CPUs soon.

    gcc's wait for the next loop by spinning, 17 ms where a pause is long, and whoever
    computes meanwhile, as BLAS does with threads of its own, has half of each CPU. Half a
    millisecond bridges the way from loop to loop. What the user has set stays.
    """
    if not os.environ.keys().isdisjoint(("GOMP_SPINCOUNT", "OMP_WAIT_POLICY")):
        return ctypes.CDLL(str(path))
    os.environ["GOMP_SPINCOUNT"] = "10000"
    try:
        return ctypes.CDLL(str(path))
    finally:
        del os.environ["GOMP_SPINCOUNT"]


def _compile(line: tuple[str, ...], source: str, path: Path) -> None:
    with _folder(dir=path.parent) as folder:
        error = _run(line, source, Path(folder, "program"))
        if error:
            kept = path.with_suffix(".c")
            kept.write_text(source)
            raise GraphError(
                "native: the C compiler refused generated code; this is our mistake",
                got=f"{kept}\n{error.strip()[:2000]}",
                remedy='compile(..., target="interpreter") gives the same results',
            )
        library = Path(folder, "program.so")
        digest = Path(folder, "program.hash")
        digest.write_text(_digest(library))
        os.replace(digest, path.with_suffix(".hash"))
        os.replace(library, path)


def _folder(**options: Any) -> Any:
    """A folder that disappears."""
    from tempfile import TemporaryDirectory  # 2 ms, as below

    return TemporaryDirectory(**options)


def _run(line: tuple[str, ...], source: str, stem: Path) -> str:
    """Compile; the compiler's complaint, or ''."""
    import subprocess  # 2 ms that a program from the cache does without

    text = stem.with_suffix(".c")
    text.write_text(source)
    library = str(stem.with_suffix(".so"))
    done = subprocess.run(
        [*line, str(text), "-o", library, "-lm"], capture_output=True, text=True
    )
    return "" if done.returncode == 0 else done.stderr or f"status {done.returncode}"


def _loads(path: Path) -> bool:
    try:
        _opened(path)
    except OSError:
        return False
    return True


def _digest(path: Path) -> str:
    return importlib.util.source_hash(path.read_bytes()).hex()


def _is_whole(path: Path) -> bool:
    """Is the library there, exactly as the compiler left it?"""
    try:
        return path.with_suffix(".hash").read_text() == _digest(path)
    except OSError:
        return False


def _hash(*texts: str) -> str:
    """By which Python knows its own compiled files too; hashlib takes 5 ms to load."""
    return importlib.util.source_hash("\0".join(texts).encode()).hex()


@functools.cache
def _identity() -> str:
    """Which compiler this is, and which processor: asking it its version takes longer."""
    program = compiler()
    file = os.path.realpath(_found(program[0]) or "")
    state = os.stat(file)
    zig = importlib.util.find_spec("ziglang") if "ziglang" in program else None
    place = zig.origin if zig else ""
    return f"{file} {state.st_size} {state.st_mtime_ns} {place} {_processor()}"


@functools.cache
def _processor() -> str:
    """What -march=native depends on: Linux lists processor after processor, all alike."""
    with contextlib.suppress(OSError), open("/proc/cpuinfo") as lines:
        first = itertools.takewhile(str.strip, lines)
        return "".join(x for x in first if x.startswith(("model", "flags", "Features")))
    return platform.platform()


def cache_folder() -> Path:
    """`$MINIGRAD_CACHE`, or minigrad in the user's cache folder; nobody else's to read.

    Whoever can write there can make this process run anything. So a folder of somebody
    else's, or where others may write, is not used, whatever lies in it.
    """
    home = os.environ.get("XDG_CACHE_HOME") or Path.home() / ".cache"
    folder = Path(os.environ.get("MINIGRAD_CACHE") or Path(home, "minigrad"))
    try:
        folder.mkdir(mode=0o700, parents=True, exist_ok=True)
        state = folder.stat()
        alien = hasattr(os, "getuid") and state.st_uid != os.getuid()
        if alien or state.st_mode & OTHERS_WRITE or not os.access(folder, os.W_OK):
            return _private_folder()
    except OSError:
        return _private_folder()
    return folder


@functools.cache
def _private_folder() -> Path:
    """Where nothing can be kept: a folder that goes with the process."""
    return Path(_lifetime().name)


@functools.cache
def _lifetime() -> Any:
    return _folder(prefix="minigrad-")
