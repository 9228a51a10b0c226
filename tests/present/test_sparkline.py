from __future__ import annotations

from poller.present.sparkline import sparkline


def test_only_nothing_is_the_lowest_and_only_everything_the_highest() -> None:
    assert sparkline([0, 0.4, 14, 50, 85, 99.9, 100]) == "▁▂▂▄▇▇▇"
    assert sparkline([0, 0.4, 50, 100], unicode=False) == "_.-*"


def test_a_gap_is_a_gap() -> None:
    assert sparkline([100, None, 100]) == "▇ ▇"
    assert sparkline([]) == ""
