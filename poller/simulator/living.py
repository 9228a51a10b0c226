"""Accounts whose usage moves as people's does: a function of seed, account and time.

Between requests an account is kept where the last answer left it, so that the next one
costs little. That is a cache and no more: a time before it, or an account that was
dropped, is computed again from the start of its season.
"""

from __future__ import annotations

import hashlib
from dataclasses import dataclass, field, replace
from typing import TYPE_CHECKING

from poller.simulator.habits import (
    Person,
    day_of,
    day_starts_at,
    is_monday,
    person,
    season_rng,
    sessions,
)
from poller.simulator.living_shapes import LIVING_SHAPES, LivingShape, Shown
from poller.simulator.payloads import FIVE_HOURS_S, WEEK_S, Payload, complete, shape_of, window_part
from poller.simulator.quota import FULL_PERCENT, Level, empty_level, use
from poller.simulator.seasons import Cycle, EarlyReset, Season, season_of

if TYPE_CHECKING:
    from collections.abc import Iterable, Iterator

    from poller.simulator.accounts import MadeUpAccount

_PLAN_SIZES = (("pro", 2.0), ("go", 3.0))
"""How much larger their windows are than those of Plus and of free accounts."""
_SINGLE_RESET_CHANCE = 0.25
"""That one account alone is reset early, in each of its seasons."""
_PACK = 400.0
"""Credits after a purchase; bought on Mondays, once a fifth is left."""
_MOST_KEPT = 1 << 17
_NO_SEASON = Season(0, 0, 0)


class LivingAccounts:
    """A world of accounts; the same ``seed`` is the same world."""

    def __init__(self, seed: int = 0) -> None:
        self._seed = seed
        self._kept: dict[tuple[str | None, str | None, str, str], _LivingAccount] = {}

    def payload(  # noqa: PLR0913 - who asks, in full
        self,
        user_id: str | None,
        account_id: str | None,
        *,
        plan: str | None = None,
        email: str | None = None,
        now: float,
        shape: str | None = None,
    ) -> Payload:
        """Return the usage payload of one account at ``now`` (Unix seconds).

        The shape is chosen as ``payloads.payload_of`` chooses it.
        """
        plan = plan or "plus"
        shape = shape or shape_of(user_id, account_id, plan=plan)
        account = self._account(user_id, account_id, plan, shape)
        parts = account.shape.parts(account.shown(int(now)))
        return complete(parts, user_id=user_id, account_id=account_id, plan=plan, email=email)

    def _account(
        self, user_id: str | None, account_id: str | None, plan: str, shape: str
    ) -> _LivingAccount:
        key = (user_id, account_id, plan, shape)
        account = self._kept.get(key)
        if account is None:
            if len(self._kept) >= _MOST_KEPT:
                self._kept.clear()  # what is asked for again is computed again, the same
            text = f"{self._seed}\0{user_id}\0{account_id}".encode(errors="backslashreplace")
            who = person(int.from_bytes(hashlib.blake2b(text, digest_size=8).digest()))
            size = dict(_PLAN_SIZES).get(plan, 1.0)
            account = _LivingAccount(self._seed, who, LIVING_SHAPES[shape], size)
            self._kept[key] = account
        return account


def observations(
    account: MadeUpAccount, times: Iterable[float], *, seed: int = 0
) -> Iterator[tuple[float, Payload]]:
    """Yield what a poller would have seen of ``account`` at each of ``times``.

    Times are Unix seconds; a simulator with the same ``seed`` goes on from there. They
    may come in any order, but ascending ones cost much less.
    """
    world = LivingAccounts(seed)
    for at in times:
        yield (
            at,
            world.payload(
                account.user_id,
                account.account_id,
                plan=account.plan,
                email=account.email,
                now=at,
            ),
        )


@dataclass(frozen=True, slots=True)
class _Event:
    """Something that happens to an account: steady use, an early reset, a purchase."""

    start_at: int
    end_at: int
    points_per_hour: float = 0.0
    cleared: tuple[int, ...] = ()
    """Lengths of the windows that are reset at its start, in seconds."""
    buys_credits: bool = False

    def apply(self, shape: LivingShape, level: Level, *, until: int) -> None:
        """Change ``level`` by what has happened until then."""
        level.clear(i for i, meter in enumerate(shape.meters) if meter.length_s in self.cleared)
        if self.buys_credits and level.credits < _PACK / 5:
            level.credits = _PACK
        use(
            shape.meters,
            level,
            start_at=self.start_at,
            end_at=min(self.end_at, until),
            points_per_hour=self.points_per_hour,
        )


@dataclass(slots=True)
class _LivingAccount:
    """One account, carried forward by whole events."""

    seed: int
    """The world's."""
    who: Person
    shape: LivingShape
    plan_size: float
    season: Season = _NO_SEASON
    resets: tuple[EarlyReset, ...] = ()
    """Those of the season, of this account alone or of all."""
    level: Level = field(default_factory=lambda: empty_level(()))
    at: int = 0
    """Until when whole events have been applied."""
    day: int = 0
    coming: list[_Event] = field(default_factory=list[_Event])
    """The events of ``day`` that have not been applied, the next one last."""

    def shown(self, now: int) -> Shown:
        """Return what the account's meters show."""
        if not (self.season.start_at <= now < self.season.end_at and self.at <= now):
            self._start_season(now)
        self._advance(now)
        level = self.level
        if self.coming and self.coming[-1].start_at < now:
            # The event under way is applied to a copy: what is kept must not depend on
            # when the account was asked about.
            level = level.copy()
            self.coming[-1].apply(self.shape, level, until=now)
        return _shown(self.shape, level, now)

    def _start_season(self, now: int) -> None:
        self.season = season_of(self.shape.cycle, now, seed=self.seed, phase=self.who.seed)
        self.resets = (*self.season.resets, *self._own_resets())
        credits_left = _PACK if self.shape.buys_credits else 0.0
        self.level = empty_level(self.shape.meters, credits_left=credits_left)
        self.at = self.season.start_at
        self.day = day_of(self.who, self.at)
        self.coming = self._events()

    def _own_resets(self) -> Iterator[EarlyReset]:
        rng = season_rng(self.who, self.season.number)
        if self.shape.cycle is Cycle.FLEET and rng.random() < _SINGLE_RESET_CHANCE:
            at = rng.randrange(self.season.start_at, self.season.end_at)
            yield EarlyReset(at, rng.choice(((FIVE_HOURS_S, WEEK_S), (FIVE_HOURS_S,), (WEEK_S,))))

    def _advance(self, now: int) -> None:
        """Apply every event that is over."""
        while True:
            while self.coming and self.coming[-1].end_at <= now:
                event = self.coming.pop()
                event.apply(self.shape, self.level, until=event.end_at)
                self.at = event.end_at
            if self.coming or day_starts_at(self.who, self.day + 1) > now:
                return
            self.day += 1
            self.coming = self._events()

    def _events(self) -> list[_Event]:
        """Return the events of ``day`` within the season, the first one last."""
        start_at, end_at = (day_starts_at(self.who, day) for day in (self.day, self.day + 1))
        pace = self.shape.intensity / self.plan_size
        events = [
            _Event(
                max(each.start_at, self.season.start_at), each.end_at, each.points_per_hour * pace
            )
            for each in sessions(self.who, self.day)
            if each.end_at > self.season.start_at
        ]
        if self.shape.buys_credits and is_monday(self.day) and start_at >= self.season.start_at:
            events.append(_Event(start_at, start_at, buys_credits=True))
        for reset in self.resets:
            if start_at <= reset.at < end_at:
                events = [part for event in events for part in _cut(event, reset.at)]
                events.append(_Event(reset.at, reset.at, cleared=reset.cleared))
        return sorted(events, key=lambda event: (event.start_at, event.end_at), reverse=True)


def _cut(event: _Event, at: int) -> Iterator[_Event]:
    """Yield an event, in two parts where ``at`` lies within it."""
    if event.start_at < at < event.end_at:
        yield replace(event, end_at=at)
        yield replace(event, start_at=at)
    else:
        yield event


def _shown(shape: LivingShape, level: Level, now: int) -> Shown:
    used = tuple(level.used_at(i, now) for i in range(len(shape.meters)))
    credits_left = round(level.credits, 2)
    is_full = any(
        meter.blocks and percent >= FULL_PERCENT
        for meter, percent in zip(shape.meters, used, strict=True)
    )
    windows = (
        window_part(
            int(used[i]),  # the Codex CLI accepts whole percentages only
            meter.length_s,
            reset_after_s=(level.reset_at[i] if level.reset_at[i] > now else meter.reset_after(now))
            - now,
            now=now,
        )
        for i, meter in enumerate(shape.meters)
    )
    return Shown(tuple(windows), used, is_full and credits_left <= 0, credits_left)
