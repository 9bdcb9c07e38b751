"""A figure is seen, read aloud, compared and printed without its picture."""

import base64
import re

import pytest

from minigrad.viz import AltTextError, Figure

ALT = 'A "square" & a circle <side by side>'


def figure(**changes):
    parts = {"svg": "<svg/>", "alt": ALT, "caption": "Two < shapes", "text": "1  a & b"}
    return Figure(**{**parts, **changes})


def test_html_is_figure_img_figcaption_and_the_listing():
    payload = base64.b64encode(b"<svg/>").decode()
    assert figure()._repr_html_() == (
        '<figure class="minigrad">'
        '<img alt="A &quot;square&quot; &amp; a circle &lt;side by side&gt;" '
        f'src="data:image/svg+xml;base64,{payload}">'
        "<figcaption>Two &lt; shapes</figcaption></figure>"
        "<details><summary>The same as text</summary><pre>1  a &amp; b</pre></details>"
    )


def test_plain_text_is_the_caption_and_the_listing():
    assert repr(figure()) == "Two < shapes\n1  a & b"


def test_without_a_renderer_the_listing_stands_open_and_says_what_to_install():
    shown = figure(svg=None, missing="pip install a-renderer")
    assert "<img" not in shown._repr_html_()
    assert "<details open>" in shown._repr_html_()
    assert "pip install a-renderer" in shown._repr_html_()
    assert repr(shown).endswith("pip install a-renderer")


@pytest.mark.parametrize("alt", ["", "image", " " * 40, "short"])
def test_a_picture_without_a_description_is_refused(alt):
    with pytest.raises(AltTextError, match="at least 15 characters"):
        figure(alt=alt)


def test_only_charts_are_marked_for_masking():
    assert "data-chart" not in figure()._repr_html_()
    assert re.match(r'<figure class="minigrad" data-chart="true"><img ',
                    figure(chart=True)._repr_html_())  # fmt: skip
