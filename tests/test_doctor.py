"""`python -m minigrad doctor` says what is there and never fails."""

import importlib.metadata
import subprocess
import sys

from minigrad import __main__ as command


def test_the_doctor_has_one_line_for_each_thing():
    run = subprocess.run(
        [sys.executable, "-m", "minigrad", "doctor"], capture_output=True, text=True
    )
    assert run.returncode == 0, run.stderr
    assert run.stderr == ""
    lines = run.stdout.splitlines()
    assert [line.split()[0] for line in lines] == list(command.CHECKS)


def test_a_check_that_fails_says_so_and_the_others_go_on(monkeypatch):
    def broken():
        raise OSError("no such\nlibrary")

    monkeypatch.setitem(command.CHECKS, "GPU", broken)
    lines = command.doctor().splitlines()
    assert len(lines) == len(command.CHECKS)
    assert "GPU       could not tell (OSError: no such library)" in lines


def test_what_is_missing_names_what_to_install(monkeypatch):
    monkeypatch.setattr(command.shutil, "which", lambda name: None)
    monkeypatch.setattr(command.build, "_found", lambda name: None)
    monkeypatch.setattr(command.importlib.util, "find_spec", lambda name: None)
    monkeypatch.setattr(command.build, "compiler", command.build.compiler.__wrapped__)
    monkeypatch.delenv("CC", raising=False)
    for name in ("compiler", "pictures", "charts", "MPI", "ONNX", "saving"):
        assert "install" in command.CHECKS[name]()


def test_every_part_of_a_gpu_that_is_missing_names_what_to_install(monkeypatch):
    absent = dict.fromkeys(("cupy", "cudnn", "cupy.cuda", "cupy_backends.cuda.libs"))
    for name in absent:
        monkeypatch.setitem(sys.modules, name, None)
    monkeypatch.setattr(command.importlib.util, "find_spec", lambda name: None)
    for module in (command.cublas, command.cudnn, command.nccl, command.nvrtc):
        for cached in ("absence", "library", "_library"):
            function = getattr(module, cached, None)
            plain = getattr(function, "__wrapped__", function)
            monkeypatch.setattr(module, cached, plain, raising=False)
    monkeypatch.setattr(command.nvrtc, "PACKAGE", "a-package-that-is-not-there")
    for name in ("CuPy", "cuBLAS", "cuDNN", "NVRTC", "NCCL"):
        assert command.CHECKS[name]().startswith("none: ")
        assert "pip install" in command.CHECKS[name]()


def test_versions_of_the_parts_are_those_of_their_packages():
    nvrtc = command.CHECKS["NVRTC"]()
    if "none" not in nvrtc:
        found = importlib.metadata.version("nvidia-cuda-nvrtc")
        assert found.startswith(nvrtc)


def test_it_names_the_compiler_that_native_code_uses(monkeypatch):
    monkeypatch.setattr(command.build, "compiler", lambda: ("env", "gcc", "-O1"))
    assert command.CHECKS["compiler"]().startswith("env gcc -O1 (/")


def test_another_command_prints_how_it_is_used(capsys):
    assert command.main(["cure"]) == 2
    assert "usage: python -m minigrad doctor" in capsys.readouterr().err
