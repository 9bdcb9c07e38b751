"""The one way anything is shown: a picture that is also words.

A notebook fresh from a clone is untrusted: bare SVG is dropped, a PNG loses its
description, and a screen reader or a terminal sees nothing at all. An `<img>` in an
HTML `<figure>` survives all of these, so every picture goes out as a `Figure`.
"""

from __future__ import annotations

import base64
from dataclasses import dataclass
from html import escape

from ..errors import MinigradError

SHORTEST_ALT = 15


class AltTextError(MinigradError, ValueError):
    """A picture without words that describe it."""


@dataclass(frozen=True, repr=False)
class Figure:
    """A picture (SVG text), the words that stand in for it, and its content as text.

    `svg` is None where nothing could draw it; `missing` then says what to install.
    `chart` marks pictures whose bytes differ between machines (fonts, versions), so
    that a comparison of notebooks may skip the picture and compare the listing.
    """

    svg: str | None
    alt: str
    caption: str
    text: str
    chart: bool = False
    missing: str = ""

    def __post_init__(self) -> None:
        words = self.alt.strip()
        if len(words) < SHORTEST_ALT:
            raise AltTextError(
                "figure: the alt text does not describe the picture",
                expected=f"alt= with at least {SHORTEST_ALT} characters",
                got=repr(words),
                remedy="say what a reader who cannot see the picture must know",
            )

    def __repr__(self) -> str:
        parts = [self.caption, self.text, self.missing]
        return "\n".join(part for part in parts if part)

    def _repr_html_(self) -> str:
        mark = ' data-chart="true"' if self.chart else ""
        caption = f"<figcaption>{escape(self.caption)}</figcaption>"
        figure = f'<figure class="minigrad"{mark}>{self._image()}{caption}</figure>'
        return figure + self._listing()

    def _image(self) -> str:
        if self.svg is None:
            return f"<p>{escape(self.missing)}</p>"
        payload = base64.b64encode(self.svg.encode()).decode()
        alt = escape(" ".join(self.alt.split()))
        return f'<img alt="{alt}" src="data:image/svg+xml;base64,{payload}">'

    def _listing(self) -> str:
        # Without a picture the listing is all there is: show it unfolded.
        unfolded = " open" if self.svg is None else ""
        return (
            f"<details{unfolded}><summary>The same as text</summary>"
            f"<pre>{escape(self.text)}</pre></details>"
        )
