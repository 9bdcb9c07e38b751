"""Does `make lab` serve the course to somebody who has just cloned it?

Clones HEAD into a temporary folder and runs `make lab` there, headless on loopback, with
an empty HOME and an environment that holds only what reaches the package index. `.ci/run`
runs this; `make test` does not, since it downloads everything the course needs once more.
"""

import json
import os
import re
import signal
import socket
import subprocess
import sys
import tempfile
import time
import urllib.error
import urllib.request
from pathlib import Path

ROOT = Path(__file__).resolve().parents[2]
INSTALL_AND_START = 420  # seconds; a slow line takes minutes, a hang takes for ever
TOKEN = "fresh-clone"
RUN_A_CELL = """
from jupyter_client.manager import run_kernel
with run_kernel(kernel_name="python3") as kernel:
    cell = "import sys, minigrad, coursekit; print(sys.prefix)"
    kernel.execute_interactive(cell, timeout=60)
"""
REACHES_THE_INDEX = re.compile(r"(PIP|UV|SSL|REQUESTS)_|\w+_proxy$", re.IGNORECASE)


def main():
    with tempfile.TemporaryDirectory(prefix="fresh-clone-") as folder:
        clone, home = Path(folder, "minigrad"), Path(folder, "home")
        home.mkdir()
        subprocess.run(["git", "clone", "--quiet", ROOT, clone], check=True)
        env = clean_environment(home)
        port = free_port()
        lab = start_lab(clone, env, port)
        try:
            wait_until_up(lab, port)
            look_around(clone, port)
            run_a_cell(clone, env)
        finally:
            stop(lab)
        assert git_status(clone) == "", f"left behind:\n{git_status(clone)}"
    print("fresh clone: 1 passed, 0 failed")


def clean_environment(home):
    # A python3 that needs no HOME of its own, as a version manager's shim would.
    path = f"{sys.base_prefix}/bin:{os.environ['PATH']}"
    reach = {k: v for k, v in os.environ.items() if REACHES_THE_INDEX.match(k)}
    return {"HOME": str(home), "PATH": path, "LANG": "C.UTF-8"} | reach


def start_lab(clone, env, port):
    arguments = f"--no-browser --port={port} --ServerApp.port_retries=0"
    arguments += f" --IdentityProvider.token={TOKEN}"
    if os.geteuid() == 0:
        arguments += " --allow-root"
    command = ["make", "lab", f"LAB_ARGS={arguments}"]
    return subprocess.Popen(command, cwd=clone, env=env, start_new_session=True)


def wait_until_up(lab, port):
    deadline = time.monotonic() + INSTALL_AND_START
    while True:
        try:
            return ask(port, "api/status")
        except (urllib.error.URLError, ConnectionError):
            assert lab.poll() is None, f"make lab ended with status {lab.returncode}"
            assert time.monotonic() < deadline, "make lab did not come up in time"
            time.sleep(0.5)


def look_around(clone, port):
    """Every notebook is served, and the page that shows it opens."""
    served = {item["name"] for item in ask(port, "api/contents/notebooks")["content"]}
    notebooks = sorted(path.name for path in clone.glob("course/notebooks/*.ipynb"))
    assert notebooks, "the course has no notebook"
    assert set(notebooks) <= served
    for name in notebooks:
        cells = ask(port, f"api/contents/notebooks/{name}")["content"]["cells"]
        assert cells, f"{name} is empty"
    ask(port, f"lab/tree/notebooks/{notebooks[0]}", parse=False)
    print(f"make lab serves {', '.join(notebooks)}", flush=True)


def run_a_cell(clone, env):
    """The kernel that every notebook names is the clone's own, and knows the course."""
    command = [clone / ".venv/bin/python", "-c", RUN_A_CELL]
    run = subprocess.run(
        command, env=env, capture_output=True, text=True, timeout=90, check=False
    )
    assert run.stdout.strip() == str(clone / ".venv"), run.stdout + run.stderr


def ask(port, path, parse=True):
    request = urllib.request.Request(
        f"http://127.0.0.1:{port}/{path}",
        headers={"Authorization": f"token {TOKEN}"},
    )
    direct = urllib.request.build_opener(urllib.request.ProxyHandler({}))
    with direct.open(request, timeout=30) as answer:
        body = answer.read()
    return json.loads(body) if parse else body


def stop(lab):
    """End the whole process group: make, the shell, the server and its kernels."""
    for wish, patience in ((signal.SIGTERM, 15), (signal.SIGKILL, 5)):
        try:
            os.killpg(lab.pid, wish)
            lab.wait(patience)
        except subprocess.TimeoutExpired:
            continue
        except ProcessLookupError:
            return


def git_status(clone):
    status = ["git", "status", "--porcelain"]
    return subprocess.run(status, cwd=clone, capture_output=True, text=True).stdout


def free_port():
    with socket.socket() as probe:
        probe.bind(("127.0.0.1", 0))
        return probe.getsockname()[1]


if __name__ == "__main__":
    main()
