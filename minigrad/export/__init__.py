"""Ways out of this Python process: files that others can read."""

from minigrad.export.saving import load, save
