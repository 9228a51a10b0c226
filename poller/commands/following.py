"""Rounds that never stop and what is known from them: what ``watch`` and ``serve`` share.

:func:`follow` wires it: a demo or real accounts, the session, the rounds, the history. The
:class:`Following` it yields is iterated over: it hands out every `Report` as it comes, with its
``round``, and a `Snapshot` after the last report of each round, and has taken each in before
that: recorded it (all but ``--no-history``), and brought up to date what follows from it:

- ``following.standings()``: how each account of the run stands now (`insight.standing`);
- ``following.forecasts()``: the forecasts of their windows, by label, then by window;
- ``following.trail(standing)``: what was left of an account's first window in the last hours;
- ``following.rounds``: what asks: pause it, ask now, when it asks next, since when the
  upstream looks dead;
- ``following.history``: None with ``--no-history``;
- ``following.alerting``: what tells the alerts, and counts them; None without rules.

What shall happen after reports have been handed out is a callable in ``following.after``. It is
awaited with the reports that came together (the first round whole, then mostly one) and with
how their accounts stood before. It must not raise, and holds up the next reports only.
"""

from __future__ import annotations

import tempfile
from contextlib import AsyncExitStack, asynccontextmanager
from dataclasses import replace
from functools import partial
from typing import TYPE_CHECKING, NamedTuple

import anyio

from poller.commands.alerting import alerting_into, asks_for_all, telling
from poller.commands.demo import living_demo_if_asked_for
from poller.commands.sessions import open_asking
from poller.history.database import HistoryUnusable, default_path
from poller.history.reading import open_reader
from poller.history.recollection import Recollection
from poller.history.store import open_history
from poller.library import rounds
from poller.process.threads import run_in_thread
from poller.text import printable
from poller.values import Report, Snapshot

if TYPE_CHECKING:
    from collections.abc import AsyncGenerator, Awaitable, Callable, Collection, Sequence

    from poller.commands.alerting import BackgroundAlerts
    from poller.commands.demo import PolledWorld
    from poller.deliver.alerting import Alerting
    from poller.history.store import History
    from poller.insight.standing import Standing
    from poller.library import Session
    from poller.polling.rounds import Came, Rounds
    from poller.process.clock import RunsOn
    from poller.process.signals import Interrupts
    from poller.settings import Settings
    from poller.values import Forecast

_DAY_S = 86_400
_RECALLED_WITHIN_S = 5.0
_AFTER_A_SIGNAL_S = 0.5
"""How long a locked history is waited for then: a process that was told to end has 1.8 s."""
TRAIL_STEP_S, TRAIL_STEPS = 900, 32
"""What is kept of the last hours: one figure each quarter of an hour."""


class Batch(NamedTuple):
    """Reports that came together."""

    reports: tuple[Report, ...]
    before: tuple[Standing | None, ...]
    """How the account of each report stood before it; None for one that was not known."""


class Trail:
    """What was left of an account's first window in the last hours."""

    __slots__ = ("_figures", "_step")

    def __init__(self) -> None:
        self._figures: list[int | None] = [None] * TRAIL_STEPS
        """By quarter of an hour, the last one at the end; percent."""
        self._step = 0
        """The quarter of an hour at the end, counted from 1970."""

    def note(self, at: float, left: float | None) -> None:
        """Add what was left at ``at`` (Unix seconds)."""
        step = int(at // TRAIL_STEP_S)
        passed = max(min(step - self._step, TRAIL_STEPS), -TRAIL_STEPS)
        if passed > 0:
            self._figures = self._figures[passed:] + [None] * passed
            self._step = step
        elif passed < -1:  # the clock was set back: what came after is of no time
            self._figures = [*([None] * -passed), *self._figures[:passed]]
            self._step = step
        place = TRAIL_STEPS - 1 + step - self._step
        if left is not None and place >= 0:
            self._figures[place] = round(left)

    def until(self, now: float) -> list[int | None]:
        """Return the figures; None where nobody looked."""
        self.note(now, None)
        return self._figures


class Following:
    """What asks, and what is known; made by :func:`follow`."""

    def __init__(  # noqa: PLR0913 - what it is made of, each named
        self,
        rounds: Rounds,
        session: Session,
        *,
        clock: RunsOn,
        history: History | None,
        history_path: str | None,
        recollection: Recollection,
        trails: dict[str, Trail],
    ) -> None:
        self.rounds, self.session, self.clock, self.history = rounds, session, clock, history
        self.history_path = history_path
        """Where the past is read from; None without a history."""
        self.after: list[Callable[[Batch], Awaitable[None]]] = []
        self.alerting: Alerting | None = None
        self.last_round: Snapshot | None = None
        """The round that ended last, without its reports."""
        self.is_first_round = True
        """Whether what was handed out last belongs to the first look at all accounts."""
        self._recollection = recollection
        self._trails = trails
        """By key, and by label where there is no key."""
        self._standings: dict[str, Standing] = {}
        """By label."""
        self._stream = rounds.each()
        self._reports: list[Report] = []
        self._before: list[Standing | None] = []

    def standings(self) -> list[Standing]:
        """Return how each account of the run stands, in the order they were found."""
        known = (self._standings.get(label) for label in self.rounds.accounts)
        return [one for one in known if one is not None]

    @property
    def asked(self) -> Collection[str]:
        """The labels of all accounts that were asked in this run."""
        return self._standings.keys()

    def forecasts(self) -> dict[str, dict[str, Forecast]]:
        """Return the forecasts of each account's windows now, by label and by window."""
        return {one.account: self.forecast(one) for one in self.standings()}

    def forecast(self, one: Standing) -> dict[str, Forecast]:
        """Return the forecasts of one account's windows now."""
        return self._recollection.forecast(one.account, one.key, now=self.clock.time())

    def rates(self) -> dict[str, dict[str, float]]:
        """Return percent an hour that is burnt now, by label and by window."""
        now = self.clock.time()
        return {
            one.account: self._recollection.rates(one.account, one.key, now=now)
            for one in self.standings()
        }

    def trail(self, one: Standing) -> Sequence[int | None]:
        """Return percent left of its first window, each quarter of an hour until now."""
        trail = self._trails.get(one.identity)
        return () if trail is None else trail.until(self.clock.time())

    def __aiter__(self) -> Following:
        return self

    async def __anext__(self) -> Came:
        if self._batch_is_whole():
            await self.end_batch()
        try:
            came = await self._stream.receive()
        except anyio.EndOfStream:
            raise StopAsyncIteration from None
        self.is_first_round = self.last_round is None
        if isinstance(came, Report):
            return await self._taken(came)
        self._end_round(came)
        return came

    def _batch_is_whole(self) -> bool:
        return self.last_round is not None and not self._stream.statistics().current_buffer_used

    async def end_batch(self) -> None:
        """Have done what shall happen after reports, for those handed out last."""
        if not self._reports:
            return
        batch = Batch(tuple(self._reports), tuple(self._before))
        self._reports, self._before = [], []
        for act in self.after:
            await act(batch)

    async def _taken(self, report: Report) -> Report:
        """Take a report in; return it with its forecast."""
        label = report.account
        kept = replace(report, raw=None, headers=None)
        before = self._standings.get(label)
        if before is None:  # what the history knows is read now
            before = await run_in_thread(partial(self._recollection.recorded, label, report.key))
        forecast = self._recollection.note(kept).forecast
        known = self._recollection.standing(label, report.key)
        if known is not None:
            self._standings[label] = known
            if report.usage is not None and report.usage.windows:
                trail = self._trails.setdefault(known.identity, Trail())
                trail.note(report.observed_at, report.usage.windows[0].remaining_percent)
        self._reports.append(kept)
        self._before.append(before)
        if self.history is not None and self.last_round is not None:
            self.history.record([kept])
        return report if self.history is None else replace(report, forecast=forecast)

    def _end_round(self, snapshot: Snapshot) -> None:
        if self.history is not None:  # of the first round, which is written whole
            reports = self._reports if self.last_round is None else []
            self.history.record(reports, snapshot=snapshot)
        self.last_round = replace(snapshot, reports=())

    async def close(self, interrupts: Interrupts) -> None:
        """Hand over what came of a first round that did not end, and close the history."""
        if self.history is None:
            return
        if self.last_round is None and self._reports:
            self.history.record(self._reports)
        if interrupts.number is not None:
            await self.history.close(within_s=_AFTER_A_SIGNAL_S)


@asynccontextmanager
async def follow(
    settings: Settings, interrupts: Interrupts, *, warn: Callable[[str], None]
) -> AsyncGenerator[Following]:
    """Open all that rounds need, and have them run.

    ``warn`` is called with a sentence for each trouble with the history.

    Raises:
        UsageError: there is nothing to poll, or not what was asked for.
    """
    async with AsyncExitStack() as stack:
        asked = await stack.enter_async_context(living_demo_if_asked_for(settings))
        path, history = settings.history_file, None
        if settings.demo is not None:
            if path is None or settings.no_history:
                folder = stack.enter_context(
                    tempfile.TemporaryDirectory(ignore_cleanup_errors=True)
                )
                path = f"{folder}/history.db"
            history = await stack.enter_async_context(open_history(path, on_trouble=warn))
            await _invent(asked, history)
        now = asked.clock.time()
        session = await stack.enter_async_context(
            open_asking(asked.settings, interrupts, clock=asked.clock.time)
        )
        stream = await stack.enter_async_context(
            rounds(asked.accounts, session=session, clock=asked.clock)
        )
        if settings.demo is None and not settings.no_history:
            path = path or _path_or_trouble(warn)
            if path is not None:
                # Not before there is something to record: opening it makes the file.
                history = await stack.enter_async_context(open_history(path, on_trouble=warn))
        path = path if history is not None else None
        recalled, trails = await _recalled(path, now, warn)
        following = Following(
            stream,
            session,
            clock=asked.clock,
            history=history,
            history_path=path,
            recollection=Recollection(recalled, now=now),
            trails=trails,
        )
        following.alerting = alerting_into(_recorded(history, settings), settings, warn=warn)
        if settings.alerts and history is None:
            warn("alerts are not evaluated without a history: leave out --no-history")
        if following.alerting is not None:
            # Entered last: the history that it goes by is open until it has ended.
            teller = await stack.enter_async_context(telling(following.alerting, asked.clock))
            following.after.append(partial(_tell, teller, following, settings))
        try:
            yield following
            await following.end_batch()
        finally:
            await following.close(interrupts)


def _path_or_trouble(warn: Callable[[str], None]) -> str | None:
    """Return where the user's own history lies; without a home folder nothing is recorded."""
    try:
        return default_path()
    except HistoryUnusable as error:
        warn(str(error))
        return None


def _recorded(history: History | None, settings: Settings) -> History | None:
    """Return the history that alerts go by: nobody is woken for made-up accounts."""
    return None if settings.demo is not None and settings.history_file is None else history


async def _tell(
    teller: BackgroundAlerts, following: Following, settings: Settings, batch: Batch
) -> None:
    accounts = {*following.rounds.accounts} if asks_for_all(settings) else None
    # Who was not asked yet may be somebody known, whose file has another name now.
    if accounts is not None and not accounts.issubset(following.asked):
        accounts = None
    teller.take(batch.reports, accounts)


async def _invent(asked: PolledWorld, history: History) -> None:
    """Begin a demo's history with a week, unless it has begun."""
    if not asked.made_up:
        return
    try:
        if await history.transact(lambda file: file.execute("SELECT 1 FROM account").fetchone()):
            return
        for reports in await run_in_thread(partial(_days_of, asked)):
            history.record(reports)
            await history.transact(lambda _: None)
    except HistoryUnusable:  # said already
        return


def _days_of(asked: PolledWorld) -> list[list[Report]]:
    """Return what a poller would have seen of a demo's accounts in the week before, by day."""
    from poller.commands.invented import week

    days: dict[float, list[Report]] = {}
    for reports in week(asked.made_up, now=asked.clock.time()):
        days.setdefault(reports[0].observed_at // _DAY_S, []).extend(reports)
    return list(days.values())


async def _recalled(
    path: str | None, now: float, warn: Callable[[str], None]
) -> tuple[str | None, dict[str, Trail]]:
    """Return the history that can be read, and the trails in it; None for one that hangs."""
    if path is None:
        return None, {}
    with anyio.move_on_after(_RECALLED_WITHIN_S):
        read = partial(_trails, path, now)
        return path, await run_in_thread(read, abandon_on_cancel=True)
    warn(f"history {printable(path)}: its disk does not answer: it is not read")
    return None, {}


def _trails(path: str, now: float) -> dict[str, Trail]:
    """Return what a history tells of the last hours, by key, by label where there is none."""
    found: dict[str, Trail] = {}
    since = now - TRAIL_STEP_S * TRAIL_STEPS
    try:
        with open_reader(path) as reader:
            for latest in reader.latest(now=now):
                usage, account = latest.usage, latest.account
                if usage is None or not usage.windows:
                    continue
                trail = found[account.key or account.label] = Trail()
                for span in reader.spans(account, window=usage.windows[0].name, since=since):
                    at = max(span.since, since)
                    while at <= span.until:
                        trail.note(at, 100 - span.used_percent)
                        at += TRAIL_STEP_S
    except HistoryUnusable:  # not there yet, or said by who writes it
        return found
    return found
