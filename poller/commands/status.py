"""``poller status``: how the accounts stand, in one line from the history. Nothing is asked."""

from __future__ import annotations

import os
import time
from dataclasses import replace
from typing import TYPE_CHECKING

from poller.commands.language import language_for
from poller.deliver.printing import STDERR, print_out, write_all
from poller.history.database import HistoryUnusable
from poller.history.reading import open_reader
from poller.history.standings import standings_of
from poller.present.catalogue import words_of
from poller.present.statusline import StatusLine
from poller.process.clock import zone_of

if TYPE_CHECKING:
    from poller.insight.standing import Standing
    from poller.process.signals import Interrupts
    from poller.settings import Settings

_MAX_AGE_S, _MAX_AGE_OF_DEMO_S = 900.0, 3600.0
"""The demo's last look is up to 55 minutes ago."""


def status(settings: Settings, interrupts: Interrupts) -> int:  # noqa: ARG001 - as all commands
    """Print the line; return 0, unless nobody can read it.

    Bars run this every few seconds: a history that is missing or broken is a line, too.
    """
    now = time.time()
    line = status_line(_accounts(settings, now), settings, now=now)
    match settings.format:
        case "tmux":
            text = line.tmux
        case "waybar":
            text = line.waybar
        case "json":
            text = line.json
        case _:
            text = line.plain
    return print_out(f"{text}\n")


def status_line(accounts: list[Standing], settings: Settings, *, now: float) -> StatusLine:
    """Return the line about accounts at ``now`` (Unix seconds), as ``settings`` want it."""
    return StatusLine(
        accounts,
        now=now,
        max_age_s=settings.max_age_s
        or (_MAX_AGE_S if settings.demo is None else _MAX_AGE_OF_DEMO_S),
        timezone=zone_of(settings.timezone, os.environ),
        words=words_of(language_for(settings, os.environ), unicode=True),
    )


def _accounts(settings: Settings, now: float) -> list[Standing]:
    if settings.demo is not None:
        from poller.commands.answering import history_of

        with history_of(settings) as path:
            return _accounts(replace(settings, demo=None, history_file=path), now)
    try:
        with open_reader(settings.history_file) as reader:
            return standings_of(reader.latest(now=now))
    except HistoryUnusable as error:
        if not settings.quiet:
            write_all(STDERR, f"poller: {error}\n")
        return []
