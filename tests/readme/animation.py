"""Record ``poller watch`` for the README: the real program in a real terminal, as a moving SVG.

``python -m tests.readme.animation FILE`` takes half a minute, and needs tmux. A line that stays
as it is for some frames is drawn once, so that the file stays small.
"""

from __future__ import annotations

import html
import os
import subprocess
import sys
import tempfile
import time
from dataclasses import dataclass
from itertools import groupby, pairwise
from pathlib import Path

from rich.cells import cell_len
from rich.style import Style
from rich.text import Text

from tests.running import POLLER, environment

_COLUMNS, _LINES = 100, 19
_FRAMES, _FRAME_S = 24, 0.7
_ZONE = "America/Los_Angeles"
"""Where it is morning: windows that end beyond midnight have long dates."""
_SPEED = 1_200
"""Of the demo's clock: 14 minutes pass from frame to frame, an afternoon in all."""
_LINE, _CHARACTER, _SIZE, _MARGIN = 20, 8.4, 14, 14
_COLORS = {1: "r", 2: "g", 3: "y"}
"""Classes of the terminal's red, green and yellow."""
_LONGEST_S = 30.0
_STYLE = """\
text{font:14px ui-monospace,SFMono-Regular,Menlo,Consolas,monospace;fill:#1f2328;white-space:pre}
rect{fill:#f6f8fa}.r{fill:#cf222e}.g{fill:#1a7f37}.y{fill:#9a6700}.b{font-weight:700}.d{opacity:.6}
@media(prefers-color-scheme:dark){text{fill:#e6edf3}rect{fill:#161b22}.r{fill:#ff7b72}
.g{fill:#3fb950}.y{fill:#d29922}}
"""


@dataclass(frozen=True)
class Shown:
    """One line of the screen, from one frame until before another."""

    row: int
    first: int
    until: int
    text: Text


def frames() -> list[list[Text]]:
    """Return what the terminal showed, frame by frame and line by line."""
    with tempfile.TemporaryDirectory() as folder:
        terminal = {"TERM": "xterm-256color", "LC_ALL": "C.UTF-8", "TZ": _ZONE}
        env = environment(Path(folder), terminal)

        def tmux(*words: str) -> str:
            command = ["tmux", "-S", f"{folder}/tmux", "-f", os.devnull, *words]
            done = subprocess.run(command, env=env, check=True, capture_output=True, text=True)
            return done.stdout

        size = ("-x", str(_COLUMNS), "-y", str(_LINES))
        watch = (*POLLER, "watch", "--demo", "--demo-speed", str(_SPEED))
        tmux("new-session", "-d", *size, *watch)
        try:
            until = time.monotonic() + _LONGEST_S
            while "asks next at" not in tmux("capture-pane", "-p"):
                if time.monotonic() > until:
                    raise TimeoutError("the table has not come")
                time.sleep(0.1)
            seen: list[list[Text]] = []
            for _ in range(_FRAMES):
                lines = tmux("capture-pane", "-p", "-e").rstrip("\n").split("\n")
                seen.append([Text.from_ansi(line) for line in lines])
                time.sleep(_FRAME_S)
            return seen
        finally:
            tmux("kill-server")


def runs(seen: list[list[Text]]) -> list[Shown]:
    """Return each line as often as it changed."""
    found: list[Shown] = []
    for row in range(_LINES):
        column = [frame[row] if row < len(frame) else Text() for frame in seen]
        at = 0
        for _, same in groupby(column, key=lambda text: text.markup):
            texts = list(same)
            if texts[0].plain.strip():
                found.append(Shown(row, at, at + len(texts), texts[0]))
            at += len(texts)
    return found


def drawing(found: list[Shown], count: int) -> str:
    """Return the SVG; each line is to be seen for as long as it stood there."""
    width, height = _COLUMNS * _CHARACTER + 2 * _MARGIN, _LINES * _LINE + 2 * _MARGIN
    total_s = count * _FRAME_S
    times = sorted({(shown.first, shown.until) for shown in found} - {(0, count)})
    rules = "".join(_rule(first, until, count, total_s) for first, until in times)
    lines = "\n".join(map(_line, found))
    return (
        f'<svg xmlns="http://www.w3.org/2000/svg" viewBox="0 0 {width:.0f} {height}" role="img">\n'
        f"<title>poller watch, an afternoon in seconds</title>\n<style>\n{_STYLE}{rules}</style>\n"
        f'<rect width="100%" height="100%" rx="8"/>\n{lines}\n</svg>\n'
    )


def _rule(first: int, until: int, count: int, total_s: float) -> str:
    name = f"t{first}-{until}"
    start, end = 100 * first / count, 100 * until / count
    shown = f"{start:.2f}%{{visibility:visible}}"
    before = "0%{visibility:hidden}" if first else ""
    after = f"{end:.2f}%{{visibility:hidden}}" if until < count else ""
    frames = f"@keyframes {name}{{{before}{shown}{after}}}"
    return (
        f"{frames}\n.{name}{{visibility:hidden;animation:{name} {total_s:g}s step-end infinite}}\n"
    )


def _line(shown: Shown) -> str:
    y = _MARGIN + (shown.row + 0.75) * _LINE
    always = shown.first == 0 and shown.until == _FRAMES
    name = "" if always else f' class="t{shown.first}-{shown.until}"'
    text, pieces, at = shown.text, "", 0
    cuts = sorted({0, len(text), *(edge for span in text.spans for edge in (span.start, span.end))})
    for start, end in pairwise(cuts):
        part = text.plain[start:end]
        if part.strip():
            x = _MARGIN + (at + cell_len(part) - cell_len(part.lstrip())) * _CHARACTER
            length = cell_len(part.strip()) * _CHARACTER
            told = html.escape(part.strip(), quote=False)
            classes = _classes(text, start)
            pieces += f'<tspan x="{x:.1f}" textLength="{length:.1f}"{classes}>{told}</tspan>'
        at += cell_len(part)
    return f'<text y="{y:g}"{name}>{pieces}</text>'


def _classes(text: Text, place: int) -> str:
    named = [s.style for s in text.spans if s.start <= place < s.end]
    known = [Style.parse(one) if isinstance(one, str) else one for one in named]
    style = Style.combine([Style.null(), *known])
    classes = [_COLORS.get(style.color.number or 0, "")] if style.color else []
    classes += ["b"] if style.bold else []
    classes += ["d"] if style.dim else []
    told = " ".join(filter(None, classes))
    return f' class="{told}"' if told else ""


if __name__ == "__main__":
    seen = frames()
    Path(sys.argv[1]).write_text(drawing(runs(seen), len(seen)))
