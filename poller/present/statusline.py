"""How the accounts stand, in one line for a status bar. Little is loaded: bars ask often.

The line is ``codex 6/10 alice 58%``: so many of the accounts can be used, this one is the one
to use now, and so much is left of it. ``?2`` and ``!1`` after that are accounts of which
nothing is known, and that failed. Of old figures only their age is told: ``codex ? 40m``.
"""

from __future__ import annotations

import json
from html import escape
from typing import TYPE_CHECKING

from poller.insight.choice import ENOUGH_PERCENT, Choice, Tier, Wanted, choose
from poller.insight.pool import pool
from poller.present.catalogue import ENGLISH
from poller.present.shares import LITTLE_PERCENT, share
from poller.present.terminal import cut_middle
from poller.present.times import Clock

if TYPE_CHECKING:
    from collections.abc import Iterable, Iterator
    from datetime import tzinfo

    from poller.insight.choice import NoChoice
    from poller.insight.standing import Standing
    from poller.present.words import Words
    from poller.values import Window

_NAME, _NAME_TOLD = 16, 32
"""Cells of an account's name in the line, and in a tooltip."""
_MOST_TOLD = 30
"""Accounts in a tooltip; a taller one leaves the screen."""
_STYLES = {"low": "fg=black,bg=yellow", "blocked": "fg=white,bg=red", "unknown": "dim"}
"""Of tmux, by level. With a background of their own, as the bar's is green unless set."""
_AGES = ((86_400, "d"), (3600, "h"), (60, "m"), (1, "s"))


class StatusLine:
    """How accounts stand at one moment."""

    def __init__(
        self,
        accounts: Iterable[Standing],
        *,
        now: float,
        max_age_s: float,
        timezone: tzinfo | None = None,
        words: Words = ENGLISH,
    ) -> None:
        """``now`` is in Unix seconds; figures are old where none is from within ``max_age_s``."""
        self._accounts = list(accounts)
        self._now, self._words = now, words
        self._clock = Clock(timezone, now=now, words=words)
        self._seen_at = max((one.report.observed_at for one in self._accounts), default=None)
        self._age_s = None if self._seen_at is None else max(0.0, now - self._seen_at)
        self._stale = self._age_s is None or self._age_s > max_age_s
        self._pool = pool(self._accounts, now=now)
        self._choice = self._choose()
        self._remaining = self._remaining_percent()

    @property
    def plain(self) -> str:
        """The line itself."""
        if self._stale:
            return "codex ?" if self._age_s is None else f"codex ? {_age(self._age_s)}"
        parts = ["codex"]
        several = self._pool.accounts > 1
        if several:
            parts.append(f"{self._pool.usable + self._pool.on_credits}/{self._pool.accounts}")
        if isinstance(self._choice, Choice):
            if several:
                parts.append(_short(self._choice.account, _NAME))
            if self._choice.tier is Tier.CREDITS:
                parts.append(self._words.on_credits)
            elif self._remaining is not None:
                parts.append(f"{share(self._remaining, of=100)}%")
        elif self._choice.back_at is not None:
            parts.append(self._words.back.format(at=self._clock.short(self._choice.back_at)))
        elif not several and self._pool.blocked:
            parts.append("0%")
        if self._pool.unknown:
            parts.append(f"?{self._pool.unknown}")
        if self._pool.failed:
            parts.append(f"!{self._pool.failed}")
        return " ".join(parts)

    @property
    def tmux(self) -> str:
        """The line, coloured where little is left; nothing in it is a format of tmux's."""
        text, style = self.plain.replace("#", "##"), _STYLES.get(self._level)
        return f"#[{style}]{text}#[default]" if style else text

    @property
    def waybar(self) -> str:
        """A JSON object as Waybar's custom modules take it, and i3status-rust likewise."""
        told = list(self._tooltip())
        module: dict[str, object] = {
            "text": escape(self.plain, quote=False),
            "tooltip": escape("\n".join(told), quote=False),
            "class": self._level,
            "alt": self._level,
        }
        if not self._stale and self._remaining is not None:
            module["percentage"] = share(self._remaining, of=100)
        return json.dumps(module, ensure_ascii=False)

    @property
    def json(self) -> str:
        """A JSON object with what the line is made of; times as in records."""
        from poller.present.record import utc  # only here: it takes 18 ms to load

        best, choice = None, self._choice
        if isinstance(choice, Choice):
            left = self._remaining
            best = {"account": choice.account, "key": choice.key, "remaining_percent": left}
        return json.dumps(
            {
                "schema_version": 1,
                "text": self.plain,
                "level": self._level,
                "stale": self._stale,
                "seen_at": None if self._seen_at is None else utc(int(self._seen_at)),
                "age_s": None if self._age_s is None else round(self._age_s),
                "accounts": self._pool.accounts,
                "usable": self._pool.usable,
                "on_credits": self._pool.on_credits,
                "unknown": self._pool.unknown,
                "blocked": self._pool.blocked,
                "failed": self._pool.failed,
                "best": best,
                "back_at": None if isinstance(choice, Choice) else utc(choice.back_at),
            },
            ensure_ascii=False,
        )

    @property
    def _level(self) -> str:
        if self._stale:
            return "unknown"
        if not isinstance(self._choice, Choice):
            return "blocked" if self._pool.blocked else "unknown"
        if self._choice.tier is Tier.NO_WINDOWS:
            return "ok"
        return "low" if (self._remaining or 0) < LITTLE_PERCENT else "ok"

    def _choose(self) -> Choice | NoChoice:
        found = choose(self._accounts, Wanted(ENOUGH_PERCENT), now=self._now)
        if isinstance(found, Choice) and found.tier is Tier.PLAN:
            return found
        # Little is left of any: still rather that than credits.
        return choose(self._accounts, Wanted(), now=self._now)

    def _remaining_percent(self) -> float | None:
        choice = self._choice
        if not isinstance(choice, Choice):
            return 0.0 if self._pool.blocked else None
        figures = (window.remaining_percent for window in choice.windows)
        return min((figure for figure in figures if figure is not None), default=None)

    def _tooltip(self) -> Iterator[str]:
        for one in self._accounts[:_MOST_TOLD]:
            name = _short(one.account, _NAME_TOLD)
            if one.report.failure is not None:
                yield f"{name}: {self._words.sentence(one.report.failure.kind, None).what}"
                continue
            usage = one.usage
            told = [] if usage is None else list(map(self._window, usage.windows))
            if usage is not None and usage.on_credits:
                told.append(self._words.on_credits)
            yield f"{name}: {self._words.comma.join(told) or '?'}"
        left = len(self._accounts) - _MOST_TOLD
        if left > 0:
            yield self._words.more.format(count=left).strip()

    def _window(self, window: Window) -> str:
        passed = window.reset_at is not None and window.reset_at <= self._now
        left = None if passed else window.remaining_percent
        told = "?" if left is None else f"{share(left, of=100)}%"
        name = self._words.window(window.name, short=True)
        at = "" if passed or window.reset_at is None else f" {self._clock.short(window.reset_at)}"
        return f"{name} {told}{at}"


def _short(name: str, width: int) -> str:
    # Half the cells are enough for any characters, and to measure them takes 20 ms at first.
    return name if 2 * len(name) <= width else cut_middle(name, width, "…")


def _age(seconds: float) -> str:
    length_s, unit = next((each for each in _AGES if seconds >= each[0]), _AGES[-1])
    return f"{int(seconds // length_s)}{unit}"
