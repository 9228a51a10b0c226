"""The program as a library, and the only wiring of a round: the commands use it, too."""

from __future__ import annotations

import asyncio
import os
import time
from collections.abc import AsyncIterable
from contextlib import asynccontextmanager
from functools import partial
from typing import TYPE_CHECKING

from poller.authfiles.read import AuthFile
from poller.polling.account import Attempts
from poller.polling.breaker import Breaker, UpstreamHealth
from poller.polling.feed import open_feed
from poller.polling.policy import Pace
from poller.polling.scheduler import open_round
from poller.process.clock import SystemClock
from poller.settings import Settings, UsageError
from poller.settings.addresses import proxy_for
from poller.settings.checking import check
from poller.text import KnownTokens
from poller.upstream.client import open_client

if TYPE_CHECKING:
    from collections.abc import AsyncGenerator, AsyncIterator, Awaitable, Callable, Iterable
    from contextlib import AbstractAsyncContextManager

    from poller.polling.files import Files
    from poller.polling.parts import HandsOutAccounts, MakesAttempts
    from poller.polling.rounds import Rounds
    from poller.polling.stream import Reports
    from poller.process.clock import RunsOn
    from poller.renewal import Renewals
    from poller.renewal.renewals import ExitGuard

    Named = str | os.PathLike[str] | AuthFile
    OpensFeed = Callable[
        [Iterable[Named] | AsyncIterable[Named]], AbstractAsyncContextManager[HandsOutAccounts]
    ]
    FindsFiles = Callable[[tuple[Named, ...], Settings], Awaitable[Files]]


_SYSTEM_CLOCK = SystemClock()


class Session:
    """What outlives a round: kept connections, pauses, the breaker, the rate, known tokens.

    Made by :func:`open_session`; hand it to one :func:`poll` after the other.
    """

    def __init__(
        self,
        settings: Settings,
        attempts: MakesAttempts,
        *,
        open_feed: OpensFeed,
        clock: Callable[[], float],
        files: FindsFiles | None = None,
    ) -> None:
        """``open_feed`` and ``attempts`` decide where a round asks: here, or elsewhere."""
        self.settings = settings
        self.clock = clock
        self.health = UpstreamHealth(Breaker(settings.patience_s))
        self.attempts = attempts
        self.open_feed = open_feed
        self.files = files
        """What rounds begin with, and how they find it again."""
        self.is_closed = False

    @property
    def clock_offset_s(self) -> float | None:
        """How far this machine's clock is ahead of the upstream's; None before an answer."""
        return self.attempts.clock_offset_s


@asynccontextmanager
async def open_session(
    settings: Settings | None = None,
    *,
    clock: Callable[[], float] = time.time,
    exit_guard: ExitGuard | None = None,
) -> AsyncGenerator[Session]:
    """Open what several rounds share; its connections are closed at the end.

    ``clock`` tells Unix seconds. ``exit_guard`` keeps the process from ending in the
    middle of a refresh.

    Raises:
        UsageError: ``settings`` say what their options do not take, or ask for a proxy,
            certificates or a refresh that cannot be had.
    """
    settings = settings or Settings()
    check(settings)
    try:
        asyncio.get_running_loop()
    except RuntimeError:
        raise RuntimeError(
            "poller needs asyncio's event loop: it does not run under trio"
        ) from None
    feed = partial(open_feed, settings=settings, clock=clock)
    async with open_attempts(settings, clock=clock, exit_guard=exit_guard) as attempts:
        session = Session(settings, attempts, open_feed=feed, clock=clock)
        try:
            yield session
        finally:
            session.is_closed = True


@asynccontextmanager
async def open_attempts(
    settings: Settings,
    *,
    clock: Callable[[], float] = time.time,
    exit_guard: ExitGuard | None = None,
) -> AsyncGenerator[Attempts]:
    """Open what asks for accounts from this machine; see :func:`open_session`."""
    proxy = settings.proxy or proxy_for(settings.chatgpt_url, environ=os.environ)
    async with open_client(settings, proxy=proxy) as client:
        yield Attempts(
            client,
            settings,
            tokens=KnownTokens(),
            pace=None if settings.rate is None else Pace(settings.rate),
            renewals=_renewals(settings, exit_guard),
            clock=clock,
        )


@asynccontextmanager
async def poll(
    accounts: Iterable[Named] | AsyncIterable[Named] = (),
    settings: Settings | None = None,
    *,
    session: Session | None = None,
) -> AsyncGenerator[Reports]:
    """Poll accounts; hand out the stream of their reports, one per account, as they come.

    Needs asyncio's event loop, through anyio or not. Leaving the context early cancels
    what is in flight. A slow reader slows the polling; nothing is printed, and nothing
    written but by ``settings.refresh``.

    Args:
        accounts: Names, shell-style patterns or paths of auth files, as on the command
            line, in place of the settings' own; a ``PathLike`` is a path whatever it
            looks like. Without any here and there, all that the settings' folders hold.
            An asynchronous iterable is polled as it comes; a name in it that matches
            nothing is a report of its own, ``file_missing``. What it raises is raised at
            the end of the context, after the reports of what had come.
        settings: Of the requests, and where to look; its defaults without one. Of the
            output's, ``raw_json`` and ``raw_headers`` keep each answer in its report, and
            ``ordered`` keeps the reports in input order.
        session: What earlier rounds have learnt, in place of ``settings``.

    Raises:
        UsageError: there is nothing to poll, or not what was asked for; before any
            request is sent. What goes wrong with an account is in its report.
    """
    if session is None:
        async with open_session(settings) as own, poll(accounts, session=own) as reports:
            yield reports
        return
    _check_accounts(accounts)
    asked = _settings_of(session, settings)
    source = _AsyncAccounts(accounts) if isinstance(accounts, AsyncIterable) else None
    async with (
        session.open_feed(accounts if source is None else source) as feed,
        open_round(feed, session.attempts, session.health, asked) as reports,
    ):
        try:
            yield reports
        finally:
            reports.leave()
    if source is not None and source.raised is not None:
        raise source.raised


@asynccontextmanager
async def rounds(
    accounts: Iterable[Named] = (),
    settings: Settings | None = None,
    *,
    session: Session | None = None,
    clock: RunsOn = _SYSTEM_CLOCK,
) -> AsyncGenerator[Rounds]:
    """Poll accounts again and again; hand out the stream of rounds, which never ends.

    The first look asks every account at once, as :func:`poll` does. After that
    ``settings.every`` is the time in seconds between two requests for one account, spread
    evenly over the accounts. With ``auto``, its default, a plan asks when it matters: often
    while an account's figures move, once an hour while they rest, one request after the
    other; ``settings.budget`` is how many requests an hour all may cost (12 each).

    Iterating gives a :class:`Snapshot` each time every account was asked once more, with the
    latest report of each account; ``each()`` is the stream of all reports as they come. Each
    report has its ``round``. Auth files that are new, changed or gone are noticed within a
    minute. A login that only its owner can heal is not asked again before its file changes:
    its failure is repeated, with 0 attempts. Leaving the context cancels what is in flight.

    Args:
        accounts: As :func:`poll` takes them, but for asynchronous iterables.
        settings: As :func:`poll` takes them.
        session: What earlier rounds have learnt, in place of ``settings``.
        clock: What times and waits are told by; given with a session, it is the session's.

    Raises:
        UsageError: there is nothing to poll, or not what was asked for; before any
            request is sent.
    """
    if session is None:
        async with (
            open_session(settings, clock=clock.time) as own,
            rounds(accounts, session=own, clock=clock) as stream,
        ):
            yield stream
        return
    # What a single round does not need.
    from poller.polling.every import Every
    from poller.polling.files import files_of_rounds
    from poller.polling.plan import Plan
    from poller.polling.rounds import Rounds, Upstream, open_rounds
    from poller.polling.turns import PlannedTurns

    _check_accounts(accounts)
    asked = _settings_of(session, settings)
    files = await (session.files or files_of_rounds)(tuple(accounts), asked)
    upstream = Upstream(session.open_feed, session.attempts, session.health, asked)
    seed = int.from_bytes(os.urandom(4))
    if isinstance(asked.every, str):
        planned = PlannedTurns(Plan(asked.budget, seed), fixed_budget=asked.budget is not None)
        made = Rounds(files, planned, upstream, clock=clock, turn_clock=clock.time)
    else:
        every = Every(asked.every, at_once=asked.concurrency, seed=seed)
        made = Rounds(files, every, upstream, clock=clock, turn_clock=clock.steady)
    session.health.breaker.rounds_follow = True
    async with open_rounds(made) as stream:
        yield stream


class _AsyncAccounts:
    """An asynchronous iterable of accounts; what it raises is kept until they are reported."""

    raised: Exception | None = None

    def __init__(self, accounts: AsyncIterable[Named]) -> None:
        self._accounts = accounts

    async def __aiter__(self) -> AsyncIterator[Named]:
        try:
            async for account in self._accounts:
                if not isinstance(account, AuthFile):
                    os.fspath(account)  # a TypeError for what names no account
                yield account
        except Exception as error:  # noqa: BLE001 - the caller's, and raised there
            self.raised = error


def _check_accounts(accounts: object) -> None:
    """Refuse one name in place of a list: it would be taken for a list of its letters."""
    if isinstance(accounts, str | bytes):
        raise UsageError(f"accounts: expected a list of names: [{accounts!r}], got {accounts!r}")


def _settings_of(session: Session, settings: Settings | None) -> Settings:
    if settings is not None:
        raise UsageError("settings: a session has its own; hand over one of the two")
    if session.settings.demo is not None:
        raise UsageError("settings.demo: only the command line has made-up accounts; leave it out")
    if session.is_closed:
        raise UsageError("session: it is closed: use it inside the block that opened it")
    return session.settings


def _renewals(settings: Settings, exit_guard: ExitGuard | None) -> Renewals | None:
    if not settings.refresh:
        return None
    from poller.renewal import renewals_for  # what few runs need

    return renewals_for(settings, environ=os.environ, exit_guard=exit_guard)
