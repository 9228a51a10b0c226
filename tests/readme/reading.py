"""A page taken apart: its headings, its blocks of code, its tables and links."""

from __future__ import annotations

import re
from dataclasses import dataclass
from pathlib import Path

ROOT = Path(__file__).parents[2]
ENGLISH, CHINESE = "README.md", "README.zh-CN.md"
DOCS = tuple(sorted(f"docs/{path.name}" for path in (ROOT / "docs").glob("*.md")))
PAGES = (ENGLISH, CHINESE, *DOCS, "SECURITY.md")
"""Everything that people read before they use the program."""
IN_BOTH = ((ENGLISH, CHINESE), ("docs/failures.md", "docs/failures.zh-CN.md"))
"""Pages that say the same in two languages."""

_FENCE = re.compile(r"^```(\w*)\n(.*?)^```$", re.DOTALL | re.MULTILINE)
_HEADING = re.compile(r"^(#+) (.+)$", re.MULTILINE)
_COMMENT = re.compile(r"(?:^|\s)#\s.*$", re.MULTILINE)


@dataclass(frozen=True)
class Block:
    """One fenced block."""

    section: int
    """The section it stands in, counted from 0; what is before the first is -1."""
    place: int
    """Its place among those of the section, from 0."""
    language: str
    text: str

    @property
    def without_comments(self) -> str:
        """What of it must be the same in every language."""
        return _COMMENT.sub("", self.text)


def text_of(name: str) -> str:
    return (ROOT / name).read_text(encoding="utf-8")


def _parts(name: str) -> list[str]:
    """Return what stands before the first section, then each section without its title."""
    return re.split(r"^## .+$", text_of(name), flags=re.MULTILINE)


def blocks_of(name: str) -> list[Block]:
    return [
        Block(section, place, found[1], found[2])
        for section, part in enumerate(_parts(name), start=-1)
        for place, found in enumerate(_FENCE.finditer(part))
    ]


def headings_of(name: str) -> list[tuple[int, str]]:
    """Return level and title of each heading."""
    prose = _FENCE.sub("", text_of(name))
    return [(len(found[1]), found[2]) for found in _HEADING.finditer(prose)]


def sections_of(name: str) -> list[str]:
    return [title for level, title in headings_of(name) if level == 2]


def tables_of(name: str) -> list[list[list[str]]]:
    """Return the tables: rows of cells, the line under the titles left out."""
    tables: list[list[list[str]]] = []
    inside = False
    for line in _FENCE.sub("", text_of(name)).splitlines():
        if not line.startswith("|"):
            inside = False
            continue
        if not inside:
            tables.append([])
        inside = True
        cells = [cell.strip() for cell in line.strip("|").split("|")]
        if set(cells) != {"---"}:
            tables[-1].append(cells)
    return tables


def table_with(name: str, *titles: str) -> list[list[str]]:
    """Return the page's table whose first titles are these, its titles included."""
    return next(table for table in tables_of(name) if table[0][: len(titles)] == [*titles])


def links_of(name: str) -> list[str]:
    prose = _FENCE.sub("", text_of(name))
    pictures = re.findall(r'(?:src|srcset)="([^"]+)"', prose)
    return pictures + re.findall(r"\]\(([^)\s]+)\)", prose)


def anchors_of(name: str) -> set[str]:
    """Return the anchors that GitHub gives the headings."""
    return {
        re.sub(r"[^\w\- ]", "", title.lower()).replace(" ", "-") for _, title in headings_of(name)
    }
