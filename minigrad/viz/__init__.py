"""Pictures: diagrams, charts and the one helper, `Figure`, that shows them."""

from .chart import chart, new_chart
from .diagram import Diagram
from .figure import AltTextError, Figure

__all__ = ["AltTextError", "Diagram", "Figure", "chart", "new_chart"]
