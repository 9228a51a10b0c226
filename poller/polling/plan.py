"""Which account to ask next, and when: often while its figures move, seldom while they rest.

The plan learns how fast each window fills, and estimates what may have been burnt unseen
since the last answer. It asks when that estimate has been wrong for long enough, more
eagerly where an account may soon be exhausted or low. It knows no clock: every call is
told the time, in Unix seconds.

The constants were found on made-up people (``python -m tests.plan``), since no public
history of usage exists. Most of them can be halved or doubled without much harm.
"""

from __future__ import annotations

import math
from array import array
from random import Random
from types import MappingProxyType
from typing import TYPE_CHECKING

from poller.values import FailureKind

if TYPE_CHECKING:
    from poller.values import Failure, Usage, Window

_HOUR_S = 3600.0
_DAY_S = 24 * _HOUR_S

GAP_S = 1.7
"""Between the end of a request and the start of the next: at most six starts in 10 s."""
LEAST_S = 60.0
MOST_S = 57.0 * 60
"""No answer gets older than an hour, even if two requests in a row fail."""
JITTER = 0.08
BLOCKED_S = 20 * 60.0
FAILED_LIMIT_S = 15 * 60.0
SOONEST_AFTER_RESET_S, LATEST_AFTER_RESET_S = 5.0, 45.0
CLOCK_SLACK_S = 60.0
"""A clock that goes back by more was set back."""
BUDGET_SHARE = 0.9
"""Of the budget that regular requests may plan for; the rest is for what cannot wait."""
BURST_HOURS = 1 / 12
"""Of the budget that may be spent at once."""

UNSEEN_LIMIT = 90.0
"""Percent-seconds of unseen burn after which an account is asked."""
_LOW_PERCENT = 20.0
_NEAR_EMPTY, _NEAR_LOW = 6.0, 5.0
"""How much more unseen burn counts where nothing, or less than 20 %, may be left."""
_MARGIN, _MARGIN_PERCENT = 1.8, 0.6
"""A level may be reached where 1.8 times the estimate and 0.6 percent more would reach it."""

_FAST_S, _SLOW_S = 4 * 60.0, 30 * 60.0
"""Half-lives of the two rates that say how fast a window fills now."""
_SLOW_SHARE = 0.7
_BURST_S = 30 * 60.0
"""How long a burst goes on, on average."""
_IDLE = 1e-5
"""Percent per second; below it nothing is being burnt."""
_PRIOR_S, _IDLE_PRIOR_S, _HOUR_PRIOR_S = 12 * _HOUR_S, 6 * _HOUR_S, 4 * _HOUR_S
"""How long a mean has to be observed to weigh as much as what was assumed before."""
_PRIORS = MappingProxyType({"five_hour": 1.5 / _HOUR_S, "monthly": 0.1 / _HOUR_S})
_PRIOR = 0.3 / _HOUR_S
_MEMORY_DAYS = 28.0
"""Half-life of the means; an hour of the day is observed for an hour a day."""
_AHEAD_S = 30 * 60.0
"""The habit of this hour and of the time so far ahead count alike."""
_ALL, _IDLING = 24, 25
"""Places of the two means that stand behind those of the 24 hours of the day (UTC)."""

_NOISE_PERCENT = 4.0
_MOVED_S = 10 * 60.0
"""Told resets move by minutes: one that comes so much too soon was still announced."""
_LEAP_PERCENT = 40.0
"""A rise in one answer that may be a wrong answer."""
_FLEET_S = 30 * 60.0
"""Two accounts that reset early within this time: the upstream resets everybody."""

_OWNERS = frozenset(
    {
        FailureKind.FILE_MISSING,
        FailureKind.FILE_INVALID,
        FailureKind.NO_CREDENTIALS,
        FailureKind.INVALID_TOKEN,
        FailureKind.TOKEN_EXPIRED,
        FailureKind.LOGIN_REQUIRED,
        FailureKind.REFRESH_REFUSED,
        FailureKind.REFRESH_UNKNOWN,
        FailureKind.UNAUTHORIZED,
    }
)
"""Only the account's owner can heal these, and then its file changes. Where the failure says
that it may pass (a file half written, a 401 without a reason), it is tried again."""

_STEPS = tuple(LEAST_S * 1.06**n for n in range(72))
_GRID = tuple(
    (at, at - before, _BURST_S * (1 - math.exp(-at / _BURST_S)))
    for before, at in zip((0.0, *_STEPS), _STEPS, strict=False)
)
"""Waits to choose from: seconds, seconds since the one before, how long a burst lasts in it."""


def waits_for_file(failure: Failure) -> bool:
    """Say whether asking again is of no use before the account's file changes."""
    return failure.kind in _OWNERS and not failure.may_work_later


class _Burn:
    """How fast one window fills: now, on average, while idle, and by hour of the day."""

    __slots__ = ("at", "fast", "percent", "prior", "reset_at", "seconds", "slow", "used")

    def __init__(self, window: Window, now: float) -> None:
        self.at, self.used, self.reset_at = now, window.used_percent, window.reset_at
        self.fast = self.slow = 0.0
        self.prior = _PRIORS.get(window.name, _PRIOR)
        # Arrays: a float object for each would take five times the memory.
        self.percent, self.seconds = array("d", bytes(26 * 8)), array("d", bytes(26 * 8))

    @property
    def rate(self) -> float:
        """Percent per second now."""
        return max(self.fast, _SLOW_SHARE * self.slow)

    def see(self, window: Window, now: float, *, blocked: bool) -> bool:
        """Take in what an answer tells; return whether the window was reset unannounced.

        ``blocked`` says whether the account was until now: then nothing could be burnt, and
        the time tells nothing about its habits.
        """
        used, before = window.used_percent, self.used
        if used is None:
            return False
        if before is None:
            before = used
        elapsed_s, rise = max(1.0, now - self.at), used - before
        fell = rise < -_NOISE_PERCENT
        early = fell and (self.reset_at or math.inf) > now + _MOVED_S
        if fell and not early:
            rise = used  # all of it was burnt since the reset
        if not 0 < rise < _LEAP_PERCENT:
            rise = 0.0
        if not blocked and before < 100:
            self._remember(rise, elapsed_s)
        kept = 0.5 ** (elapsed_s / _FAST_S)
        self.fast = self.fast * kept + rise * (1 - kept) / elapsed_s
        kept = 0.5 ** (elapsed_s / _SLOW_S)
        self.slow = self.slow * kept + rise * (1 - kept) / elapsed_s
        self.at, self.used, self.reset_at = now, used, window.reset_at
        return early

    def _remember(self, rise: float, elapsed_s: float) -> None:
        self._add(_ALL, rise, elapsed_s, _MEMORY_DAYS * _DAY_S)
        if self.rate < _IDLE:
            self._add(_IDLING, rise, elapsed_s, _MEMORY_DAYS * _DAY_S)
        if elapsed_s < 2 * _HOUR_S:
            hour = int((self.at + elapsed_s / 2) // _HOUR_S) % 24
            self._add(hour, rise, elapsed_s, _MEMORY_DAYS * _HOUR_S)

    def _add(self, place: int, rise: float, elapsed_s: float, half_life_s: float) -> None:
        kept = 0.5 ** (elapsed_s / half_life_s)
        self.percent[place] = self.percent[place] * kept + rise
        self.seconds[place] = self.seconds[place] * kept + elapsed_s

    def _mean(self, place: int, otherwise: float, weight_s: float) -> float:
        return (self.percent[place] + otherwise * weight_s) / (self.seconds[place] + weight_s)

    def _expected(self) -> float:
        """Return percent per second to be expected once the present burst is over."""
        mean = self._mean(_ALL, self.prior, _PRIOR_S)
        hours = [int((self.at + ahead_s) // _HOUR_S) % 24 for ahead_s in (0, _AHEAD_S)]
        habit = sum([self._mean(hour, mean, _HOUR_PRIOR_S) for hour in hours]) / len(hours)
        if self.rate >= _IDLE:
            return habit
        # Who is idle mostly stays so: bursts begin more seldom than they go on.
        return habit * self._mean(_IDLING, mean, _IDLE_PRIOR_S) / mean

    def wait_s(self) -> float:
        """Return after how many seconds enough may have been burnt unseen."""
        left = 100 - (self.used or 0.0)
        if left <= 0:
            return MOST_S
        expected = self._expected()
        burst = max(self.rate - expected, 0.0)
        empty = (left - _MARGIN_PERCENT) / _MARGIN
        low = (left - _LOW_PERCENT - _MARGIN_PERCENT) / _MARGIN if left >= _LOW_PERCENT else left
        unseen = before = 0.0
        for wait_s, step_s, burst_s in _GRID:
            burnt = expected * wait_s + burst * burst_s
            weight = _NEAR_EMPTY if burnt >= empty else _NEAR_LOW if burnt >= low else 1.0
            unseen += weight * (before + burnt) / 2 * step_s
            if unseen >= UNSEEN_LIMIT:
                return wait_s
            before = burnt
        return MOST_S


class _Planned:
    """What the plan knows about one account."""

    __slots__ = ("blocked", "burns", "due_at", "failures", "not_before", "surprised", "wait_s")

    def __init__(self, now: float) -> None:
        self.due_at = self.not_before = now
        """``due_at`` is infinite where the account waits for its file."""
        self.wait_s = math.inf
        """What it would wait if there were no budget; infinite where that is not known."""
        self.failures = 0
        self.blocked = self.surprised = False
        self.burns: dict[str, _Burn] = {}


class Plan:
    """Says which account is due next, and learns from every outcome.

    Requests are made one after another: ask what ``next`` names when it is due, then report
    with ``answered`` or ``failed``. Ask ``next`` at least every 30 s, since that is how the
    plan notices that the clock was set back.
    """

    def __init__(self, budget: float | None = None, seed: int = 0) -> None:
        """Allow ``budget`` requests an hour over all accounts; see :meth:`allow`."""
        self._budget = self._allowed = math.inf
        """Requests an hour: what can be made, and what may be."""
        self._random = Random(seed)  # noqa: S311 - spreads requests, keeps no secret
        self._accounts: dict[str, _Planned] = {}
        self._removed: dict[str, float] = {}
        """When those that were just removed may be asked again, should they come back."""
        self._now = self._ended_at = self._paid_until = -math.inf
        """``_paid_until`` is when all requests so far will be paid by the budget."""
        self._early: tuple[str | None, float] = None, -math.inf
        """The account that was seen to be reset unannounced, and when; None: everybody was."""
        self.allow(budget)

    def allow(self, budget: float | None) -> None:
        """Allow so many requests an hour over all accounts (above 0; None: no limit)."""
        before, self._allowed = self._allowed, budget or math.inf
        # Thousands of accounts are stretched by the gap. It has nothing to pay for, though: a
        # first look asks everybody at once.
        self._budget = min(self._allowed, _HOUR_S / GAP_S)
        if self._paid_until > self._now and before < math.inf:
            self._paid_until = self._now + (self._paid_until - self._now) * before / self._allowed

    def add(self, account: str, now: float) -> None:
        """Have an account asked as soon as may be; one that is known stays as it is."""
        self._note_clock(now)
        if account not in self._accounts:
            self._accounts[account] = _Planned(max(now, self._removed.pop(account, now)))

    def remove(self, account: str) -> None:
        """Forget an account."""
        gone = self._accounts.pop(account, None)
        self._removed = {name: at for name, at in self._removed.items() if at > self._now}
        if gone is not None:
            self._removed[account] = gone.not_before

    def next(self, now: float) -> tuple[str, float] | None:
        """Return who is due next, and when; None where all wait for their files."""
        self._note_clock(now)
        accounts = self._accounts
        account = min(accounts, key=lambda name: accounts[name].due_at, default=None)
        if account is None or accounts[account].due_at == math.inf:
            return None
        saved_s = max(0.0, _HOUR_S * BURST_HOURS - _HOUR_S / self._allowed)
        affordable_at = self._paid_until - saved_s
        return account, max(accounts[account].due_at, self._ended_at + GAP_S, affordable_at)

    def answered(self, account: str, usage: Usage, now: float, *, requests: int = 1) -> None:
        """Learn from an account's figures, which took ``requests``; plan its next request."""
        state = self._note_requests(account, now, requests)
        if state is None:
            return
        state.failures = 0
        early = False
        for window in usage.windows:
            burn = state.burns.get(window.name)
            if burn is None:
                state.burns[window.name] = _Burn(window, now)
            else:
                early |= burn.see(window, now, blocked=state.blocked)
        state.blocked = usage.usable is False
        state.wait_s = wait_s = self._wanted_s(state, usage)
        limit_s = MOST_S * max(1.0, len(self._accounts) / (BUDGET_SHARE * self._budget))
        if not state.blocked:
            wait_s *= max(1.0, self._planned() / (BUDGET_SHARE * self._budget))
        if early and not state.surprised:  # nobody believes it before a second answer agrees
            wait_s = LEAST_S
        state.surprised = early
        state.due_at = self._after_reset(usage, now, now + self._jittered(wait_s, limit_s))
        if early:
            self._note_early_reset(account, now)

    def failed(self, account: str, failure: Failure, now: float, *, requests: int = 1) -> None:
        """Plan when an account is asked again that brought no figures after ``requests``."""
        state = self._note_requests(account, now, requests)
        if state is None:
            return
        state.not_before = now + max(LEAST_S, failure.retry_after_s or 0.0)
        if waits_for_file(failure):
            state.due_at = state.wait_s = math.inf
            return
        state.wait_s = min(LEAST_S * 2**state.failures, FAILED_LIMIT_S)
        state.failures = min(state.failures + 1, 10)
        state.due_at = max(now + self._jittered(state.wait_s, FAILED_LIMIT_S), state.not_before)

    def changed(self, account: str, now: float) -> None:
        """Have an account asked soon, since its file changed.

        Of a change that is noticed during the account's request, tell after its outcome.
        """
        self._note_clock(now)
        state = self._accounts.get(account)
        if state is not None:
            state.due_at = min(state.due_at, max(now, state.not_before))

    def _wanted_s(self, state: _Planned, usage: Usage) -> float:
        if state.blocked:
            return BLOCKED_S
        if usage.on_credits:
            return MOST_S
        waits = [state.burns[window.name].wait_s() for window in usage.windows]
        return min(waits, default=MOST_S)

    def _planned(self) -> float:
        """Return requests an hour if everybody were asked as often as it is worth."""
        return sum([_HOUR_S / state.wait_s for state in self._accounts.values()])

    def _jittered(self, wait_s: float, limit_s: float) -> float:
        return min(max(wait_s * self._random.uniform(1 - JITTER, 1 + JITTER), LEAST_S), limit_s)

    def _after_reset(self, usage: Usage, now: float, due_at: float) -> float:
        """Return ``due_at``, or the time just after a told reset where that matters more."""
        told = [window.reset_at for window in usage.windows if window.used_percent != 0]
        resets = [reset_at for reset_at in (*told, usage.usable_at) if reset_at is not None]
        for reset_at in resets:
            if reset_at <= now < reset_at + BLOCKED_S:
                # The upstream is late: look again in a minute, then when twice as late.
                due_at = min(due_at, now + self._jittered(now - reset_at, BLOCKED_S))
        next_at = min([reset_at for reset_at in resets if reset_at > now], default=math.inf)
        # A request just before the reset would keep the one after it waiting.
        if due_at <= next_at - LATEST_AFTER_RESET_S:
            return due_at
        soonest_s = max(SOONEST_AFTER_RESET_S, now + LEAST_S - next_at)
        return next_at + self._random.uniform(soonest_s, max(LATEST_AFTER_RESET_S, soonest_s))

    def _note_early_reset(self, account: str, now: float) -> None:
        """Have everybody asked at once where the upstream seems to have reset everybody."""
        first, at = self._early
        if abs(now - at) > _FLEET_S:
            self._early = account, now
        elif first not in (None, account):
            self._early = None, now
            for state in self._accounts.values():
                if not state.failures and state.due_at < math.inf:
                    state.due_at = min(state.due_at, max(now, state.not_before))

    def _note_requests(self, account: str, now: float, requests: int) -> _Planned | None:
        """Account for requests that just ended; return whom they were about, if still known."""
        self._note_clock(now)
        self._ended_at = now + max(0, requests - 1) * GAP_S
        self._paid_until = max(self._paid_until, now) + requests * _HOUR_S / self._allowed
        state = self._accounts.get(account)
        if state is None:
            self._removed[account] = now + LEAST_S
        else:
            state.not_before = now + LEAST_S
        return state

    def _note_clock(self, now: float) -> None:
        back_s = self._now - now
        self._now = now
        if not CLOCK_SLACK_S < back_s < math.inf:
            return
        self._ended_at -= back_s
        self._paid_until -= back_s
        self._removed = {name: at - back_s for name, at in self._removed.items()}
        for state in self._accounts.values():
            state.due_at -= back_s
            state.not_before -= back_s
            for burn in state.burns.values():
                burn.at -= back_s
