"""The course from the command line.

python -m coursekit doctor             what is there, and what to install
python -m coursekit check NOTEBOOK...  run notebooks; which exercises are solved?
python -m coursekit progress           what was solved, if you asked to keep it
python -m coursekit record             merge the last runs' verdicts into claims.toml
python -m coursekit record-peers       run the programs of peers/ in their own libraries
"""

from __future__ import annotations

import re
import sys
from pathlib import Path

from minigrad.__main__ import doctor

from . import claims, data, paths, peers
from .progress import progress


def main(arguments: list[str]) -> int:
    command, rest = (arguments or ["help"])[0], arguments[1:]
    if command == "check" and rest:
        lost = [name for name in rest if not Path(name).is_file()]
        if lost:
            print(f"check: there is no notebook {', '.join(lost)}")
            return 2
        return max(check(Path(name)) for name in rest)
    if rest or command not in COMMANDS:
        print(__doc__)
        return 2
    COMMANDS[command]()
    return 0


def examine() -> None:
    """One line each: the library's own doctor, the notebooks, the data."""
    print(doctor())
    notebooks = sorted(path.stem for path in paths.course().glob("notebooks/*.ipynb"))
    print(f"notebooks  {', '.join(notebooks)}")
    for name in data.CHECKSUMS:
        data.read(name)
    print(f"data       {len(data.CHECKSUMS)} files, checksums right")


def check(path: Path) -> int:
    """Run a notebook in its folder and print each exercise's verdict; 0 if all solved."""
    import nbformat
    from nbclient import NotebookClient

    notebook = nbformat.read(path, as_version=4)
    folder = {"metadata": {"path": str(path.parent)}}
    client = NotebookClient(notebook, allow_errors=True, resources=folder, timeout=120)
    client.execute()
    texts = [
        output.get("text", "") or "\n".join(output.get("traceback", []))
        for cell in notebook.cells
        for output in cell.get("outputs", [])
    ]
    said = re.findall(
        r"^(\d\d\.\d+): (right|not yet|not attempted)", "\n".join(texts), re.MULTILINE
    )
    failed = sum(
        output.output_type == "error"
        for cell in notebook.cells
        for output in cell.get("outputs", [])
    )
    print(path.name, *(f"  {id}  {verdict}" for id, verdict in said), sep="\n")
    if failed:
        print(f"  {failed} cells end in an error")
    return int(failed > 0 or any(verdict != "right" for _, verdict in said))


def record() -> None:
    changed = claims.record()
    print(f"claims.toml: {', '.join(changed)} changed" if changed else "no change")


def record_peers() -> None:
    written = peers.record()
    print(f"written: {', '.join(written) or 'nothing, no peer is installed'}")


COMMANDS = {
    "doctor": examine,
    "progress": progress,
    "record": record,
    "record-peers": record_peers,
}

if __name__ == "__main__":
    sys.exit(main(sys.argv[1:]))
