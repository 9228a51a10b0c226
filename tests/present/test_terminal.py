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

from poller.present.terminal import Traits, cells, cut, cut_middle, padded, traits

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


def test_a_file_or_no_stream_at_all_has_a_hundred_cells_and_no_colour() -> None:
    assert traits(io.StringIO(), UTF8) == Traits(color=False, unicode=True, width=100)
    assert traits(None, {}) == Traits(color=False, unicode=False, width=100)
    assert traits(io.StringIO(), UTF8 | {"COLUMNS": "132"}).width == 132


def test_a_pipe_is_as_wide_as_the_terminal_that_standard_error_is_on(terminal: TextIO) -> None:
    code = (
        "import sys; from poller.present.terminal import traits\n"
        "print(traits(sys.stdout, {}).width)"
    )
    command = [sys.executable, "-c", code]
    piped = subprocess.run(command, stdout=subprocess.PIPE, stderr=terminal, check=True)
    assert piped.stdout == b"97\n"
    alone = subprocess.run(command, capture_output=True, check=True)
    assert alone.stdout == b"100\n"


@pytest.mark.parametrize(
    ("color", "environ", "expected"),
    [
        ("auto", {}, False),
        ("auto", {"FORCE_COLOR": "1"}, True),
        ("auto", {"FORCE_COLOR": ""}, False),
        ("auto", {"FORCE_COLOR": "1", "NO_COLOR": "1"}, False),
        ("always", {"NO_COLOR": "1"}, True),
        ("never", {"FORCE_COLOR": "1"}, False),
    ],
)
def test_colour_goes_into_a_file_where_it_is_asked_for(
    color: str, environ: dict[str, str], expected: bool
) -> None:
    assert traits(io.StringIO(), UTF8 | environ, color=color).color == expected


def test_colour_is_left_out_on_a_terminal_where_it_is_refused(terminal: TextIO) -> None:
    assert not traits(terminal, UTF8, color="never").color


def test_wide_characters_take_two_cells() -> None:
    assert cells("abc") == 3
    assert cells("团队-王") == 7
    assert padded("团队", 6) == "团队  "


@given(NAMES, st.integers(1, 40))
def test_what_is_cut_fits_and_says_that_it_was_cut(name: str, width: int) -> None:
    short = cut(name, width, "…")
    assert cells(short) <= width
    assert short == name if cells(name) <= width else short.endswith("…")


@given(NAMES, st.integers(1, 40))
def test_a_name_is_cut_in_its_middle(name: str, width: int) -> None:
    short = cut_middle(name, width, "…")
    assert cells(short) <= width
    assert short == name or "…" in short


@pytest.mark.parametrize(
    ("name", "expected"),
    [
        ("alice-at-work", "ali…rk"),
        ("openai-codex:alice", "ope…ce"),
        ("团队-王小明", "团…明"),
        ("alice", "alice"),
    ],
)
def test_both_ends_of_a_name_stay(name: str, expected: str) -> None:
    assert cut_middle(name, 6, "…") == expected


def test_ascii_names_are_measured_without_a_library() -> None:
    code = (
        "import sys; from poller.present.terminal import cells; cells('alice')\n"
        "import poller.deliver.stdout, poller.present.usage_table, poller.deliver.progress\n"
        "sys.exit('wcwidth' in sys.modules)"
    )
    subprocess.run([sys.executable, "-c", code], check=True)


def test_a_width_beyond_any_screen_is_bounded() -> None:
    for told in ("99999", "9" * 5_000):
        assert traits(None, {"COLUMNS": told}).width == 10_000
