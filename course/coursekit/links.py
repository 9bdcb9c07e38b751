"""Relative links, checked without a network: the file is there, and so is the heading."""

from __future__ import annotations

import re
from collections.abc import Iterator
from pathlib import Path

LINK = re.compile(r"(?<!!)\[([^\]]*)\]\(([^)\s]+)\)")
ELSEWHERE = ("http://", "https://", "mailto:")
CODE = re.compile(r"```.*?```|`[^`\n]*`", re.DOTALL)
VAGUE = {"here", "this", "link", "click here"}


def broken(text: str, folder: Path) -> Iterator[str]:
    """What is wrong with the links of a Markdown text that lies in `folder`."""
    prose = CODE.sub("", text)
    for words, target in LINK.findall(prose):
        if words.strip().lower() in VAGUE:
            yield f"[{words}]({target}): the words do not say where it leads"
        if target.startswith(ELSEWHERE):
            continue
        name, _, anchor = target.partition("#")
        path = folder / name if name else None
        if path is not None and not path.exists():
            yield f"{target}: there is no such file"
        elif anchor:
            there = text if path is None else path.read_text(encoding="utf-8")
            if anchor not in anchors(there):
                yield f"{target}: there is no such heading"


def anchors(text: str) -> set[str]:
    """The headings of a Markdown text, as links name them."""
    prose = re.sub(r"```.*?```", "", text, flags=re.DOTALL)
    titles = re.findall(r"^#+ +(.+)$", prose, re.MULTILINE)
    return {re.sub(r"[^\w -]", "", t.lower()).strip().replace(" ", "-") for t in titles}
