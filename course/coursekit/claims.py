"""The article's claims and the verdicts that experiments gave them.

A notebook calls `claim` where its experiment ends. Each call leaves one small file in
the state folder; `python -m coursekit record` merges these into `claims.toml`, which is
committed, and from which the last notebook draws its score card.
"""

from __future__ import annotations

import json
import os
import tempfile
import tomllib
from collections.abc import Callable
from pathlib import Path
from typing import Any

from . import paths

VERDICTS = {
    "V": "verified",
    "D": "dated",
    "O": "overstated",
    "X": "wrong",
    "S": "sourced, not testable",
}


def claim(
    id: str,
    verdict: str,
    evidence: str,
    check: bool | Callable[[], Any] | None = None,
    *,
    source: str = "",
    date: str = "",
) -> None:
    """Record the verdict on claim `id` ("C18").

    V and X need a `check` that can fail: a bool or a callable, true if the evidence
    holds. D and S rest on a `source` and its `date` instead.
    """
    if id not in load():
        raise LookupError(f"claim: {id!r} is not in claims.toml (C1 to C41)")
    if verdict not in VERDICTS:
        raise ValueError(f"claim {id}: verdict {verdict!r} is none of V D O X S")
    if verdict in "VX" and check is None:
        raise ValueError(f"claim {id}: {verdict} needs check=, something that can fail")
    if verdict in "DS" and not (source and date):
        raise ValueError(f"claim {id}: {verdict} needs source= and date=")
    if check is not None and not (check() if callable(check) else check):
        raise AssertionError(f"claim {id}: the check does not hold ({evidence})")
    record = {"verdict": verdict, "evidence": evidence, "source": source, "date": date}
    write_atomically(
        paths.state() / f"{id}.json",
        json.dumps({k: v for k, v in record.items() if v}, indent=1) + "\n",
    )
    print(f"{id}: {VERDICTS[verdict]} ({verdict}). {evidence}")


def load() -> dict[str, dict[str, Any]]:
    """The committed claims, by id."""
    return tomllib.loads((paths.course() / "claims.toml").read_text(encoding="utf-8"))


def recorded() -> dict[str, dict[str, Any]]:
    """What the runs on this machine found, by id."""
    files = sorted(paths.state().glob("C*.json"))
    return {f.stem: json.loads(f.read_text(encoding="utf-8")) for f in files}


def record() -> list[str]:
    """Merge the recorded verdicts into `claims.toml`; the ids that changed."""
    claims, changed = load(), []
    for id, found in recorded().items():
        kept = {key: claims[id][key] for key in ("claim", "notebooks")}
        if claims[id] != kept | found:
            claims[id] = kept | found
            changed.append(id)
    if changed:
        write_atomically(paths.course() / "claims.toml", _toml(claims))
    return changed


def _toml(claims: dict[str, dict[str, Any]]) -> str:
    lines = ["# The article's claims, in our own words, and the verdicts of our runs."]
    lines.append("# Verdicts are written by `python -m coursekit record`.")
    for id in sorted(claims, key=lambda name: int(name[1:])):
        lines += ["", f"[{id}]"]
        # JSON's strings and lists of strings are TOML's.
        rows = claims[id].items()
        lines += [f"{k} = {json.dumps(v, ensure_ascii=False)}" for k, v in rows]
    return "\n".join(lines) + "\n"


def write_atomically(path: Path, text: str) -> None:
    """Write `text` so that nobody ever reads half of it."""
    path.parent.mkdir(parents=True, exist_ok=True)
    handle, draft = tempfile.mkstemp(dir=path.parent, suffix=".part")
    with os.fdopen(handle, "w", encoding="utf-8") as out:
        out.write(text)
    os.chmod(draft, 0o644)
    os.replace(draft, path)
