"""The log of a simulated device: what crossed over, what was launched, what was taken."""

from __future__ import annotations

from dataclasses import dataclass

IN, OUT, LAUNCH, ALLOCATE = "to device", "to host", "launch", "allocate"


@dataclass(frozen=True)
class Event:
    """One line of the log; `bytes` is what crosses over or is taken, 0 for a launch."""

    kind: str
    what: str
    bytes: int = 0

    def __str__(self) -> str:
        size = f", {self.bytes} bytes" if self.bytes else ""
        return f"{self.kind:<9}  {self.what}{size}"


class Log(list):
    """The events of a simulated device in their order."""

    def of(self, *kinds: str) -> list[Event]:
        """The events of some kinds: "to device", "to host", "launch", "allocate"."""
        return [event for event in self if event.kind in kinds]

    @property
    def transfers(self) -> int:
        """How often data crossed over, either way."""
        return len(self.of(IN, OUT))

    @property
    def launches(self) -> int:
        """How many kernels were launched."""
        return len(self.of(LAUNCH))

    @property
    def moved(self) -> int:
        """The bytes that crossed over."""
        return sum(event.bytes for event in self.of(IN, OUT))

    def __str__(self) -> str:
        return "\n".join(map(str, self.of(IN, OUT, LAUNCH)))
