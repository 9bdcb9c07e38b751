"""The lessons in order, and which of them are there."""

from __future__ import annotations

from minigrad.viz import Figure

from . import paths
from .drawings import FILL, INK, svg, words

PARTS = {
    "First steps": {
        "00": "Start here",
        "01": "Tensors you already know",
        "02": "The same code on another device",
    },
    "Two ways to compute": {
        "03": "Line by line and all at once",
        "04": "What a graph really is",
        "05": "Reusing memory safely",
        "06": "The tape: backward and zero",
        "07": "Make it better first",
    },
    "Networks": {
        "08": "The article's network",
        "09": "Control flow runs once",
        "10": "A recurrent net, plain for and if",
        "11": "The same with a loop node",
    },
    "In earnest": {
        "12": "When it breaks: which line?",
        "13": "Ship it: other languages",
        "14": "The verdict on the article",
    },
}
WIDTH, HEIGHT, ROW = 156, 84, 128


def is_there(number: str) -> bool:
    """Whether the notebook of lesson `number` exists."""
    return any((paths.course() / "notebooks").glob(f"{number}_*.ipynb"))


def course_map(here: str = "00") -> Figure:
    """All lessons as cards, a row a part; `here` is the lesson that is open."""
    drawn, rows = [], []
    for row, (part, lessons) in enumerate(PARTS.items()):
        top = 12 + row * ROW
        drawn.append(words(12, top + 16, part, 15, anchor="start"))
        for column, (number, title) in enumerate(lessons.items()):
            there = number == here or is_there(number)
            note = (
                "you are here" if number == here else "" if there else "not there yet"
            )
            drawn += _card(12 + column * (WIDTH + 12), top + 26, number, title, note)
            rows.append(f"{number}  {title}" + (f"  ({note})" if note else ""))
    missing = sum("not there yet" in row for row in rows)
    alt = (
        f"Map of the course: {len(rows)} lessons in {len(PARTS)} parts, you are at 00."
    )
    caption = "The course. Dashed cards are lessons that are not there yet."
    width = 12 + max(map(len, PARTS.values())) * (WIDTH + 12)
    drawing = svg(width, len(PARTS) * ROW + 8, drawn)
    return Figure(drawing, alt, caption if missing else "The course.", "\n".join(rows))


def _card(x: int, y: int, number: str, title: str, note: str) -> list[str]:
    fill = {"": "#FFFFFF", "you are here": FILL}.get(note, "#E0E0E0")
    dashes = ' stroke-dasharray="6 4"' if note == "not there yet" else ""
    thick = 3 if note == "you are here" else 1.5
    box = (
        f'<rect x="{x}" y="{y}" width="{WIDTH}" height="{HEIGHT}" rx="8" fill="{fill}" '
        f'stroke="{INK}" stroke-width="{thick}"{dashes}/>'
    )
    lines = [number, *_halves(title)]
    drawn = [
        words(x + WIDTH / 2, y + 19 + 17 * i, line, 13) for i, line in enumerate(lines)
    ]
    return [box, *drawn, words(x + WIDTH / 2, y + 76, note, 12)]


def _halves(title: str) -> list[str]:
    """At most two lines, broken where they come out most alike."""
    if len(title) <= 18:
        return [title]
    parts = title.split()
    cuts = [(" ".join(parts[:i]), " ".join(parts[i:])) for i in range(1, len(parts))]
    return list(min(cuts, key=lambda cut: max(map(len, cut))))
