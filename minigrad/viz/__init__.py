"""Pictures: `show`, the diagrams and charts behind it, and the one helper, `Figure`."""

from .adapters import show
from .chart import chart, new_chart
from .diagram import Diagram
from .figure import AltTextError, Figure

__all__ = ["AltTextError", "Diagram", "Figure", "chart", "new_chart", "show"]
