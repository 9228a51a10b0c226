"""The table engine, by itself."""

# ruff: noqa: RUF001 - full-width punctuation is what Chinese is written with

from __future__ import annotations

from functools import partial

import pytest
from hypothesis import given
from hypothesis import strategies as st

from poller.present.table import (
    BOLD,
    NEVER,
    PLAIN,
    RED,
    Column,
    Line,
    Table,
    drawn,
    name_column,
    within,
    wrapped,
)
from poller.present.terminal import cells, cut, padded

SENTENCES = st.text(st.sampled_from("ab -中文，。（）→é"), max_size=80)


def cell(place: int, row: tuple[str, ...], width: int) -> Line:
    return [(padded(cut(row[place], width, "…"), width), PLAIN)]


def column(
    place: int, width: int, priority: float, shorter: Column[tuple[str, ...]] | None = None
) -> Column[tuple[str, ...]]:
    return Column(f"t{place}", width, partial(cell, place), priority, shorter, name=str(place))


def text(line: Line) -> str:
    return "".join(piece for piece, _ in line).rstrip()


def test_columns_stand_side_by_side_while_they_fit() -> None:
    table = Table([column(0, 5, 2), column(1, 4, 1)], width=11)
    assert text(table.titles()) == "t0     t1"
    assert text(table.line(("alice", "plus"))) == "alice  plus"
    assert (table.width, table.room) == (11, 4)


def test_the_lowest_priority_gives_way_first_to_its_shorter_form_then_altogether() -> None:
    columns = [column(0, 5, 9), column(1, 8, 1, column(1, 4, 2))]
    shown = [text(Table(columns, width=width).line(("alice", "business"))) for width in (15, 11, 9)]
    assert shown == ["alice  business", "alice  bus…", "alice"]


def test_columns_of_one_priority_give_way_together() -> None:
    columns = [column(0, 5, 9), column(1, 4, 1), column(2, 4, 1)]
    assert text(Table(columns, width=16).line(("alice", "plus", "free"))) == "alice"


def test_what_is_left_goes_to_those_that_would_grow() -> None:
    names = name_column("name", [20, 3, 3, 3], partial(cell, 0), lead=0)
    table = Table([names, column(1, 4, 50)], width=20)
    assert text(table.line(("an-unusually-long-one", "plus"))) == "an-unusually-…  plus"
    assert table.width_of("1") == 4
    assert table.width_of("2") == 0


def test_the_last_column_has_the_rest_of_the_line() -> None:
    table = Table([column(0, 5, 9), column(1, 0, 1)], width=30)
    assert table.room == 23
    assert text(table.line(("alice", "much to say here"))) == "alice  much to say here"


def test_columns_that_never_give_way_are_cut() -> None:
    forever = name_column("name", [30], partial(cell, 0), lead=0)
    assert text(Table([forever], width=5).line(("a-name-of-its-own",))) == "a-na…"
    both = Table([column(0, 5, NEVER), column(1, 5, NEVER)], width=6)
    assert text(both.line(("alice", "plus"))) == "alice"


@given(SENTENCES, st.integers(4, 60))
def test_a_sentence_is_broken_into_lines_that_fit_and_lose_no_letter(
    sentence: str, width: int
) -> None:
    lines = [*wrapped(sentence, width, indent=2)]
    assert all(cells(line) <= width for line in lines)
    assert "".join("".join(lines).split()) == "".join(sentence.split())


@pytest.mark.parametrize(
    ("sentence", "expected"),
    [
        ("one two three", ["one two", "  three"]),
        ("连不上服务器，检查", ["连不上服", "  务器，", "  检查"]),
        ("", []),
        ("far-too-long-a-word", ["far-too-", "  long-a", "  -word"]),
        ("       。", ["  。"]),
    ],
)
def test_lines_break_between_words_and_before_no_closing_sign(
    sentence: str, expected: list[str]
) -> None:
    assert [*wrapped(sentence, 8, indent=2)] == expected


def test_a_line_is_cut_where_it_is_too_wide() -> None:
    line = [("ab", PLAIN), ("中文", RED), ("more", PLAIN)]
    assert text(within(line, 5, "~")) == "ab中~"
    assert text(within(line, 20)) == "ab中文more"


def test_painting_is_the_terminals_own_colours_and_nothing_at_the_ends() -> None:
    lines = [[("a ", RED), ("", RED), ("b  ", BOLD), ("   ", PLAIN)], [("  ", RED)], []]
    assert "".join(drawn(lines, color=True)) == "\x1b[31ma \x1b[0m\x1b[1mb\x1b[0m\n\n\n"
    assert "".join(drawn(lines, color=False)) == "a b\n\n\n"


def test_a_long_table_is_text_piece_by_piece() -> None:
    lines = [[(f"{number}", PLAIN)] for number in range(3000)]
    pieces = [*drawn(lines, color=True)]
    assert max(map(len, pieces)) < len("".join(pieces)) / 4
    assert "".join(pieces).split() == [str(number) for number in range(3000)]


def test_an_arrow_stays_with_what_it_points_to() -> None:
    assert [*wrapped("it broke → mend it", 10, indent=2)] == ["it broke", "  → mend", "  it"]
    assert [*wrapped("坏了 -> 修好", 8, indent=0)] == ["坏了", "-> 修好"]
