"""What is printed: figures against their targets, each with its mark."""

from __future__ import annotations

import sys
from dataclasses import dataclass


@dataclass(frozen=True, slots=True)
class Target:
    """The most that a figure may be, and what it would be at best."""

    most: float
    moonshot: float | None = None
    unit: str = ""

    def judged(self, figure: float) -> str:
        """Return the target and the moonshot, each with a mark."""
        told = f"at most {self.most:,g}{self.unit} {_mark(figure, self.most)}"
        if self.moonshot is None:
            return told
        return f"{told}  moonshot {self.moonshot:,g}{self.unit} {_mark(figure, self.moonshot)}"


@dataclass(frozen=True, slots=True)
class Floor:
    """The least that a figure may be."""

    least: float

    def judged(self, figure: float) -> str:
        """Return the target with its mark."""
        return f"at least {self.least:g} {'✓' if figure >= self.least else '✗'}"


def say(line: str = "") -> None:
    """Print a line at once."""
    sys.stdout.write(f"{line}\n")
    sys.stdout.flush()


def heading(text: str) -> None:
    """Print the heading of a table."""
    say()
    say(text)
    say("-" * min(100, len(text)))


def _mark(figure: float, most: float) -> str:
    return "✓" if figure <= most else "✗"
