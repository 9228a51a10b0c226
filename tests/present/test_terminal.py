from __future__ import annotations

import io
import os
import pty
import struct
import subprocess
import sys
import termios
from fcntl import ioctl
from typing import TYPE_CHECKING, TextIO

import pytest
from hypothesis import given
from hypothesis import strategies as st

from poller.present.terminal import Traits, cells, cut, cutter, padded, traits

if TYPE_CHECKING:
    from collections.abc import Iterator

UTF8 = {"LANG": "en_US.UTF-8", "TERM": "xterm-256color"}
NAMES = st.text(st.sampled_from("ab-1é中文字ｱ👍❤\ufe0f"), max_size=30)


@pytest.fixture
def terminal() -> Iterator[TextIO]:
    master, slave = pty.openpty()
    ioctl(slave, termios.TIOCSWINSZ, struct.pack("HHHH", 24, 97, 0, 0))
    with os.fdopen(slave, "w", encoding="utf-8") as stream:
        yield stream
    os.close(master)


@pytest.mark.parametrize(
    ("environ", "expected"),
    [
        (UTF8, Traits(color=True, unicode=True, width=97)),
        ({}, Traits(color=True, unicode=True, width=97)),
        (UTF8 | {"NO_COLOR": "1"}, Traits(color=False, unicode=True, width=97)),
        (UTF8 | {"NO_COLOR": ""}, Traits(color=True, unicode=True, width=97)),
        (UTF8 | {"TERM": "dumb"}, Traits(color=False, unicode=False, width=97)),
        (UTF8 | {"LC_ALL": "C"}, Traits(color=False, unicode=False, width=97)),
        ({"LC_CTYPE": "de_DE.utf8", "LANG": "C"}, Traits(color=True, unicode=True, width=97)),
        (UTF8 | {"COLUMNS": "40"}, Traits(color=True, unicode=True, width=40)),
        (UTF8 | {"COLUMNS": "0"}, Traits(color=True, unicode=True, width=97)),
        (UTF8 | {"COLUMNS": "wide"}, Traits(color=True, unicode=True, width=97)),
    ],
)
def test_a_terminal_is_drawn_on_as_it_and_the_environment_allow(
    terminal: TextIO, environ: dict[str, str], expected: Traits
) -> None:
    assert traits(terminal, environ) == expected


def test_a_terminal_that_does_not_tell_its_width_has_eighty_cells(terminal: TextIO) -> None:
    ioctl(terminal.fileno(), termios.TIOCSWINSZ, struct.pack("HHHH", 0, 0, 0, 0))
    assert traits(terminal, UTF8).width == 80

    class Nowhere(io.StringIO):
        def isatty(self) -> bool:
            return True

    assert traits(Nowhere(), UTF8).width == 80


def test_a_pipe_a_file_or_no_stream_at_all_has_eighty_cells_and_no_colour() -> None:
    assert traits(io.StringIO(), UTF8) == Traits(color=False, unicode=True, width=80)
    assert traits(None, {}) == Traits(color=False, unicode=False, width=80)
    assert traits(io.StringIO(), UTF8 | {"COLUMNS": "132"}).width == 132


def test_wide_characters_take_two_cells() -> None:
    assert cells("abc") == 3
    assert cells("团队-王") == 7
    assert padded("团队", 6) == "团队  "


@given(NAMES, st.integers(1, 40))
def test_what_is_cut_fits_and_says_that_it_was_cut(name: str, width: int) -> None:
    short = cut(name, width, "…")
    assert cells(short) <= width
    assert short == name if cells(name) <= width else short.endswith("…")


@given(st.lists(NAMES, max_size=5), st.integers(1, 40))
def test_cut_names_fit_whichever_way_they_are_cut(names: list[str], width: int) -> None:
    way = cutter(names, width, "…")
    for name in names:
        assert cells(way(name)) <= width
        assert way(name) == name or "…" in way(name)


@pytest.mark.parametrize(
    ("names", "expected"),
    [
        (["alice-at-work", "bob-at-home"], ["alice…", "bob-a…"]),
        (["openai-codex:alice", "openai-codex:bob"], ["…alice", "…x:bob"]),
        (["team/x:2026-1-of-many", "team/x:2026-2-of-many"], ["team/…", "team/…"]),
        (["1:same:1", "1:same:2", "2:same:1", "2:same:2"], ["1:s…:1", "1:s…:2", "2:s…:1"]),
    ],
)
def test_names_are_cut_where_it_keeps_them_apart(names: list[str], expected: list[str]) -> None:
    way = cutter(names, 6, "…")
    assert [way(name) for name in names][: len(expected)] == expected


def test_ascii_names_are_measured_without_rich() -> None:
    code = (
        "import sys; from poller.present.terminal import cells; cells('alice')\n"
        "import poller.deliver.stdout, poller.present.usage_table, poller.deliver.progress\n"
        "sys.exit('rich' in sys.modules)"
    )
    subprocess.run([sys.executable, "-c", code], check=True)
