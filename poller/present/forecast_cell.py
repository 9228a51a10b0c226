"""The forecast of an account in a cell of the table: ``lasts``, ``67 % week``, ``empty ~15:40``."""

from __future__ import annotations

from typing import TYPE_CHECKING

from poller.present.shares import share
from poller.values import MAY_RUN_OUT

if TYPE_CHECKING:
    from collections.abc import Mapping

    from poller.present.times import Clock
    from poller.present.words import Words
    from poller.values import Forecast, Window


def forecast_texts(
    forecasts: Mapping[str, Forecast] | None,
    windows: tuple[Window, ...],
    words: Words,
    clock: Clock,
) -> tuple[str, str]:
    """Return what is forecast of the window that is likeliest to run out, and that in short.

    Of windows of which only the pace is told, the one that is empty first is told where that
    is before its reset, and no other one may run out. Empty where nothing is forecast.
    """
    if not forecasts:
        return "", ""
    chances = [
        (one.runs_out_chance, name)
        for name, one in forecasts.items()
        if one.runs_out_chance is not None
    ]
    chance, name = max(chances, default=(None, ""))
    if chance is not None and chance >= MAY_RUN_OUT:
        percent = f"{share(chance * 100, of=100)} %"
        return f"{percent} {words.window(name, short=True)}", percent
    resets = {window.name: window.reset_at for window in windows}
    ends = [
        one.empty_at_pace
        for name, one in forecasts.items()
        if one.runs_out_chance is None
        and one.empty_at_pace is not None
        and one.empty_at_pace < (resets.get(name) or 0)
    ]
    if ends:
        told = words.empty_about.format(at=clock.short(min(ends)))
        return told, told
    return (words.lasts, words.lasts) if chance is not None else ("", "")
