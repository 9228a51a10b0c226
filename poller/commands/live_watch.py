"""``poller watch`` on a terminal: the table that stays up to date, and its keys."""

from __future__ import annotations

import math
import os
import sys
import time
from typing import TYPE_CHECKING

import anyio

from poller.commands.language import language_for
from poller.deliver.printing import STDOUT
from poller.deliver.screen import Screen
from poller.present.catalogue import words_of
from poller.present.live_view import CHANGED_FOR_S, LiveAccount, LiveView, Viewing
from poller.present.live_words import live_words
from poller.present.terminal import traits
from poller.present.times import Clock
from poller.process.clock import zone_of
from poller.values import Report

if TYPE_CHECKING:
    from collections.abc import Callable

    from poller.commands.following import Following
    from poller.insight.standing import Standing
    from poller.process.signals import Interrupts
    from poller.settings import Settings
    from poller.values import Snapshot

_LEAST_S, _MOST_S = 0.1, 1.0
"""Between two screens; after one that took long, three times as long as it took."""
_MINUTE_S = 60
_WITHIN_A_DAY_S = 12 * 3600.0
_SAID_S = 5.0
"""How long an answer to a key stands (real seconds)."""


class LiveWatch:
    """One screen, from its opening to its end."""

    def __init__(
        self,
        settings: Settings,
        following: Following,
        *,
        interrupts: Interrupts,
        ends: Callable[[Report | Snapshot], bool],
    ) -> None:
        """``ends`` says whether what came is what is waited for."""
        self.hung_up = False
        """Whether the terminal went away."""
        self._following, self._interrupts, self._ends = following, interrupts, ends
        look = traits(sys.stdout, os.environ, color=settings.color)
        language = language_for(settings, os.environ)
        self._zone = zone_of(settings.timezone, os.environ)
        self._live, self._words = live_words(language), words_of(language, unicode=look.unicode)
        self._view = LiveView(
            timezone=self._zone,
            language=language,
            extra=settings.extra,
            color=look.color,
            unicode=look.unicode,
            weights=settings.weights or {},
        )
        self._wanted = Viewing()
        self._page, self._last_top = 1, 0
        self._changed_at: dict[str, float] = {}
        self._fingerprints: dict[str, object] = {}
        self._dirty = anyio.Event()
        self._over = False
        self._said, self._said_until = "", -math.inf
        self._warning = ""

    async def run(self) -> None:
        """Show the table until a key, a signal or what came ends it."""
        screen = Screen(
            STDOUT, on_key=self._on_key, on_redraw=self._redraw, on_hangup=self._on_hangup
        )
        self._interrupts.before_end = screen.leave
        screen.open()
        try:
            async with anyio.create_task_group() as tasks:
                tasks.start_soon(self._take)
                while not self._over:
                    took_s = self._draw(screen)
                    await anyio.sleep(min(max(_LEAST_S, 3 * took_s), _MOST_S))
                    await self._until_something_changes()
                tasks.cancel_scope.cancel()
        finally:
            screen.close()

    def warn(self, line: str) -> None:
        """Show a sentence until the next one comes; trouble with the history, while it lasts."""
        history = self._following.history
        if history is None or line != history.trouble:
            self._warning = line
        self._redraw()

    async def _take(self) -> None:
        async for came in self._following:
            if isinstance(came, Report):
                self._note(came)
            if self._ends(came):
                break
            self._redraw()
        self._end()

    def _note(self, report: Report) -> None:
        usage, failure = report.usage, report.failure
        figures = () if usage is None else tuple(w.remaining_percent for w in usage.windows)
        state = None if usage is None else usage.usable
        fingerprint = figures, state, None if failure is None else failure.kind
        before = self._fingerprints.setdefault(report.account, fingerprint)
        if before != fingerprint:
            self._fingerprints[report.account] = fingerprint
            self._changed_at[report.account] = report.observed_at

    # Drawing

    def _draw(self, screen: Screen) -> float:
        """Show what is known now; return the CPU seconds that took."""
        began_at = time.thread_time()
        following = self._following
        width, height = screen.size
        accounts = [self._watched(one) for one in following.standings()]
        drawn = self._view.draw(
            accounts,
            self._wanted,
            said=self._says(),
            now=following.clock.time(),
            width=width,
            height=height,
        )
        self._page, self._last_top = max(1, drawn.page), drawn.last_top
        screen.show(drawn.lines)
        return time.thread_time() - began_at

    def _watched(self, one: Standing) -> LiveAccount:
        following = self._following
        return LiveAccount(
            one,
            following.forecast(one),
            following.trail(one),
            self._changed_at.get(one.account, -math.inf),
        )

    def _says(self) -> str:
        """Return what the last line says: what is waited for, or what there is to know."""
        rounds, live = self._following.rounds, self._live
        if time.monotonic() < self._said_until:
            return self._said
        told: list[str] = []
        if rounds.paused:
            told.append(live.paused)
        elif rounds.dead_since is not None:
            told.append(live.dead.format(time=self._time(rounds.dead_since)))
        elif self._following.last_round is None:
            told.append(live.first_look)
        elif (at := rounds.asks_next_at) is not None:
            told.append(live.asks_next.format(time=self._time(at)))
        else:
            told.append(live.nobody)
        history = self._following.history
        trouble = None if history is None else history.trouble
        return "  ".join([*told, trouble or self._warning])

    def _time(self, at: float) -> str:
        from datetime import UTC, datetime

        now = self._following.clock.time()
        if abs(at - now) > _WITHIN_A_DAY_S:  # a time alone would be taken for today's
            return Clock(self._zone, now=now, words=self._words).text(at)
        return f"{datetime.fromtimestamp(at, UTC).astimezone(self._zone):%H:%M:%S}"

    async def _until_something_changes(self) -> None:
        now, speed = self._following.clock.time(), self._following.clock.speed
        waits_s = [(_MINUTE_S - now % _MINUTE_S) / speed]
        expiries = [at + CHANGED_FOR_S - now for at in self._changed_at.values()]
        waits_s += [left_s / speed for left_s in expiries if left_s > 0]
        if self._said_until > time.monotonic():
            waits_s.append(self._said_until - time.monotonic())
        with anyio.move_on_after(min(waits_s)):
            await self._dirty.wait()
        self._dirty = anyio.Event()

    def _redraw(self) -> None:
        self._dirty.set()

    def _end(self) -> None:
        self._over = True
        self._redraw()

    def _on_hangup(self) -> None:
        self.hung_up = True
        self._end()

    # Keys

    def _on_key(self, key: str) -> None:
        wanted = self._wanted
        if wanted.help:
            wanted.help = False
        elif wanted.typing:
            self._type(key)
        else:
            self._do(key)
        self._redraw()

    def _type(self, key: str) -> None:
        wanted = self._wanted
        match key:
            case "escape":
                wanted.filter, wanted.typing = "", False
            case "enter":
                wanted.typing = False
            case "backspace":
                wanted.filter = wanted.filter[:-1]
            case _ if len(key) == 1:
                wanted.filter += key
                wanted.top = 0
            case _:
                self._scroll(key)

    def _do(self, key: str) -> None:
        wanted, rounds = self._wanted, self._following.rounds
        match key:
            case "q":
                self._end()
            case "r":
                self._ask_now()
            case "s":
                wanted.sort = (wanted.sort + 1) % len(self._live.sorts)
            case "S":
                wanted.reversed = not wanted.reversed
            case "/":
                wanted.typing = True
            case "escape":
                wanted.filter = ""
            case "e":
                wanted.attention = not wanted.attention
            case "p":
                rounds.pause(paused=not rounds.paused)
            case "?":
                wanted.help = True
            case _:
                self._scroll(key)

    def _scroll(self, key: str) -> None:
        wanted = self._wanted
        steps = {"up": -1, "down": 1, "page up": -self._page, "page down": self._page}
        if key in steps:
            wanted.top = min(max(0, wanted.top + steps[key]), self._last_top)
        elif key in ("g", "home"):
            wanted.top = 0
        elif key in ("G", "end"):
            wanted.top = self._last_top

    def _ask_now(self) -> None:
        rounds, now = self._following.rounds, self._following.clock.time()
        may_at = rounds.ask_now()
        if rounds.paused:
            said = self._live.paused
        elif may_at is None:
            said = self._live.nobody
        elif may_at <= now:
            said = self._live.asks_now
        else:
            said = self._live.may_ask.format(time=self._time(may_at))
        self._said, self._said_until = said, time.monotonic() + _SAID_S
