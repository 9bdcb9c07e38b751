"""Run every notebook in a real JupyterLab, as a learner would, and look at the result.

    python tests/course/browser_run.py [--shots FOLDER] [--dark] [NOTEBOOK ...]

Opens each notebook in headless Chromium, runs all its cells and demands: every cell ran,
no error, nothing on the browser's console, every picture there and described, and no
fault that axe finds in the notebook. `.ci/run` does this; `make test` does not, since a
browser is needed. Screenshots go to FOLDER, for human eyes.
"""

import argparse
import json
import os
import shutil
import subprocess
import sys
import tempfile
import time
from concurrent.futures import ThreadPoolExecutor
from functools import partial
from pathlib import Path

ROOT = Path(__file__).resolve().parents[2]
sys.path.insert(0, str(ROOT / "tests/house"))
from fresh_clone import free_port  # noqa: E402

AT_ONCE = 2  # notebooks; each takes about a CPU
BROWSERS = ("chromium", "chromium-browser", "google-chrome")
SETTINGS = {  # all cells in the page at once; no news, no completion pop-ups
    "notebook-extension/tracker": {"windowingMode": "none"},
    "apputils-extension/notification": {"fetchNews": "false", "checkForUpdates": False},
}
PANEL = "jupyterapp.shell.currentWidget"
KERNEL = "window.jupyterapp?.shell.currentWidget?.sessionContext?.session?.kernel"
CELLS = f"[...{PANEL}.content.model.cells].map(c => c.toJSON())"
FIGURES = """[...document.querySelectorAll('.jp-OutputArea-output img')].map(
    i => ({alt: i.alt, width: i.naturalWidth}))"""
# What a notebook holds; around it is JupyterLab, whose faults are not ours to mend.
OURS = {
    "include": [[".jp-RenderedHTMLCommon"]],
    "exclude": [[".jp-collapseHeadingButton"]],
}


def main():
    options = arguments()
    browser = next(filter(None, map(shutil.which, BROWSERS)), None)
    if browser is None:
        sys.exit(f"browser run: none of {', '.join(BROWSERS)} is installed")
    try:
        import playwright  # noqa: F401
    except ImportError:
        sys.exit("browser run: install the package playwright")
    books = [Path(name).stem for name in options.notebooks] or [
        path.stem for path in sorted((ROOT / "course/notebooks").glob("*.ipynb"))
    ]
    with tempfile.TemporaryDirectory(prefix="browser-run-") as folder:
        shutil.copytree(ROOT / "course", Path(folder, "course"))
        port = free_port()
        lab = start_lab(Path(folder), port, options.dark)
        try:
            left = iter(books)  # whoever has done one takes the next
            visitor = partial(visit, browser, port, options.shots)
            with ThreadPoolExecutor(AT_ONCE) as pool:
                faults = sum(pool.map(visitor, [left] * AT_ONCE))
        finally:
            lab.terminate()
            lab.wait()
    print(f"browser run: {len(books)} notebooks, {faults} faults")
    sys.exit(faults > 0)


def arguments():
    parser = argparse.ArgumentParser(description=__doc__.splitlines()[0])
    parser.add_argument("notebooks", nargs="*")
    parser.add_argument("--shots", type=Path, help="where to put screenshots")
    parser.add_argument("--dark", action="store_true", help="in the dark theme")
    return parser.parse_args()


def start_lab(folder, port, dark):
    """JupyterLab with settings of its own, so that nobody's preferences matter."""
    env = os.environ | {
        f"JUPYTER_{kind}_DIR": str(folder / kind) for kind in ("CONFIG", "DATA")
    }
    env["JUPYTER_RUNTIME_DIR"] = str(folder / "runtime")
    env["JUPYTERLAB_SETTINGS_DIR"] = str(folder / "settings")
    env["JUPYTERLAB_WORKSPACES_DIR"] = str(folder / "workspaces")
    env["JUPYTER_PREFER_ENV_PATH"] = "1"
    env["COURSEKIT_STATE"] = str(folder / "state")
    theme = {"theme": "JupyterLab Dark" if dark else "JupyterLab Light"}
    for name, values in (SETTINGS | {"apputils-extension/themes": theme}).items():
        path = folder / "settings/@jupyterlab" / f"{name}.jupyterlab-settings"
        path.parent.mkdir(parents=True, exist_ok=True)
        path.write_text(json.dumps(values))
    command = [sys.executable, "-m", "jupyterlab", "--no-browser", "--allow-root"]
    command += [f"--port={port}", "--ServerApp.port_retries=0", "--ip=127.0.0.1"]
    command += ["--IdentityProvider.token=", "--expose-app-in-browser"]
    log = (folder / "lab.log").open("w")
    return subprocess.Popen(
        command, cwd=folder / "course", env=env, stdout=log, stderr=log
    )


def visit(browser, port, shots, books):
    """Run notebooks in a browser of its own, say what is wrong; how many things.

    Each notebook is a page that shares nothing with others; a browser that has shown
    JupyterLab before shows it in half of the time.
    """
    from playwright.sync_api import sync_playwright

    faults = 0
    with sync_playwright() as playwright:
        chromium = playwright.chromium.launch(
            executable_path=browser, args=["--no-sandbox", "--disable-gpu"]
        )
        for book in books:
            start = time.monotonic()
            found = faults_of_notebook(chromium, port, shots, book)
            spent = f"{time.monotonic() - start:.0f} s"
            print("\n  ".join([book, spent, *(found or ["ok"])]), flush=True)
            faults += len(found)
    return faults


def faults_of_notebook(chromium, port, shots, book):
    page = chromium.new_page(viewport={"width": 1200, "height": 1000})
    said = []
    page.on("console", lambda m: m.type == "error" and said.append(m.text))
    page.on("pageerror", lambda error: said.append(str(error)))
    try:
        open_notebook(page, port, book)
        page.evaluate("() => { jupyterapp.commands.execute('runmenu:run-all') }")
        page.wait_for_function(
            f"""() => {{ const cells = {CELLS}.filter(c => c.cell_type == 'code');
            return {KERNEL}?.status == 'idle' && (cells.every(c => c.execution_count)
                || cells.some(c => c.outputs.some(o => o.output_type == 'error'))) }}""",
            timeout=120_000,
        )
        page.wait_for_timeout(500)  # the last output is drawn
        found = [*faults_of_cells(page.evaluate(CELLS)), *faults_of_page(page)]
        found += faults_of_steppers(page)
        if shots:
            photograph(page, shots, book)
    finally:
        page.close()
    return found + [f"console: {text[:200]}" for text in said]


def open_notebook(page, port, book):
    place = f"workspaces/{book}/tree/notebooks/{book}.ipynb"
    deadline = time.monotonic() + 60
    while True:
        try:
            page.goto(f"http://127.0.0.1:{port}/lab/{place}")
            break
        except Exception:  # the server is not up yet
            if time.monotonic() > deadline:
                raise
            time.sleep(0.5)
    page.wait_for_function(f"() => {KERNEL}?.status == 'idle'", timeout=60_000)
    page.evaluate("() => jupyterapp.commands.execute('application:toggle-left-area')")


def faults_of_cells(cells):
    for cell in cells:
        if cell["cell_type"] == "code":
            name = cell.get("id")
            if not cell["execution_count"]:
                yield f"cell {name} did not run"
            for output in cell["outputs"]:
                if output["output_type"] == "error":
                    yield f"cell {name}: {output['ename']}: {output['evalue']}"


def faults_of_page(page):
    figures = page.evaluate(FIGURES)
    if not figures:
        yield "no picture is seen"
    for figure in figures:
        if not figure["width"] or len(figure["alt"]) < 15:
            yield f"a picture without size or description: {figure}"
    from axe_playwright_python.sync_playwright import Axe

    response = Axe().run(page, context=OURS).response
    if not response["passes"]:
        yield "axe had nothing to look at"
    for fault in response["violations"]:
        nodes = fault["nodes"]
        yield f"axe: {fault['id']} ({len(nodes)}): {fault['help']}: {nodes[0]['html'][:160]}"


def faults_of_steppers(page):
    """Each answers its buttons and the arrow keys."""
    for box in page.query_selector_all(".minigrad-stepper"):
        said = box.query_selector("[aria-live]")
        box.query_selector("button:has-text('next')").click()
        if not said.inner_text().startswith("step 2 of"):
            yield f"a stepper does not answer its buttons: {said.inner_text()}"
        page.keyboard.press("ArrowLeft")
        if not said.inner_text().startswith("step 1 of"):
            yield f"a stepper does not answer the arrow keys: {said.inner_text()}"


def photograph(page, folder, book):
    """The whole notebook, a screenful at a time."""
    folder.mkdir(parents=True, exist_ok=True)
    page.set_viewport_size({"width": 1200, "height": 1500})
    scroll = """top => { const panel = document.querySelector('.jp-WindowedPanel-outer');
        panel.scrollTop = top; return [panel.scrollHeight, panel.clientHeight] }"""
    top, shot, (height, seen) = 0, 0, page.evaluate(scroll, 0)
    while top < height:
        page.evaluate(scroll, top)
        page.wait_for_timeout(300)
        page.screenshot(path=folder / f"{book}-{shot:02}.png")
        top, shot = top + seen - 40, shot + 1


if __name__ == "__main__":
    main()
