"""What is printed: figures against their targets, each with its mark."""

from __future__ import annotations

import sys
from dataclasses import dataclass


@dataclass(frozen=True, slots=True)
class Target:
    """What a figure may be: at most so much (or at least), and what it would be at best."""

    bound: float
    moonshot: float | None = None
    is_least: bool = False

    def judged(self, figure: float) -> str:
        """Return the target and the moonshot, each with a mark."""
        word = "at least" if self.is_least else "at most"
        told = f"{word} {self.bound:,g} {self._mark(figure, self.bound)}"
        if self.moonshot is None:
            return told
        return f"{told}  moonshot {self.moonshot:,g} {self._mark(figure, self.moonshot)}"

    def _mark(self, figure: float, bound: float) -> str:
        reached = figure >= bound if self.is_least else figure <= bound
        return "✓" if reached else "✗"


@dataclass(frozen=True, slots=True)
class Verdict:
    """One figure that the program must reach."""

    what: str
    figure: float
    target: Target
    unit: str = ""

    @property
    def line(self) -> str:
        """The verdict as it is printed."""
        shown = f"{self.figure:,.0f}" if abs(self.figure) >= 100 else f"{self.figure:.2f}"
        unit = f" {self.unit}" if self.unit else ""
        return f"{self.what:78} {shown + unit:>11}  {self.target.judged(self.figure)}"


def say(line: str = "") -> None:
    """Print a line at once."""
    sys.stdout.write(f"{line}\n")
    sys.stdout.flush()


def heading(text: str) -> None:
    """Print the heading of a table."""
    say()
    say(text)
    say("-" * len(text))
