"""The sentences of report and page: choice, pool, forecast, changes, charts."""

from __future__ import annotations

from dataclasses import replace
from typing import TYPE_CHECKING
from unicodedata import bidirectional

from poller.insight.changes import Change, ChangeKind
from poller.insight.choice import Choice, Tier
from poller.present.catalogue import words_of
from poller.present.page_words import page_words_of
from poller.present.shares import amount, share
from poller.present.times import Clock, span
from poller.present.words import code_of
from poller.text import printable
from poller.values import MAY_RUN_OUT, WILL_RUN_OUT, FailureKind

if TYPE_CHECKING:
    from collections.abc import Iterable
    from datetime import tzinfo

    from poller.insight.choice import NoChoice
    from poller.insight.pool import DryRange, Pool, Share
    from poller.insight.standing import Standing
    from poller.present.axis import Axis
    from poller.present.charts import Digest
    from poller.present.overview import Happening
    from poller.values import Forecast, Window

_NAMED = 5
"""Accounts that are named where many changed in the same way."""
_KINDS = {kind.value: kind for kind in FailureKind}


def percent_text(percent: float) -> str:
    """Return ``58 %``; only nothing is 0, and only everything 100."""
    return f"{share(percent, of=100)}\N{NO-BREAK SPACE}%"


def isolated(name: str) -> str:
    """Return a name for the middle of a sentence.

    One that is written from right to left would turn the figures and names beside it, too.
    """
    if any(bidirectional(char) in ("R", "AL") for char in name):
        return f"\N{LEFT-TO-RIGHT ISOLATE}{name}\N{POP DIRECTIONAL ISOLATE}"
    return name


class Teller:
    """Tells in one language and one time zone, as seen from ``now`` (Unix seconds)."""

    def __init__(self, language: str, timezone: tzinfo | None, *, now: float) -> None:
        self.words = words_of(language)
        self.page = page_words_of(language)
        self.clock = Clock(timezone, now=now, words=self.words)
        self.now = now

    def window(self, name: str) -> str:
        """Return what a window is called within a sentence."""
        base, _, number = name.rpartition("_")
        if base in self.page.windows and number.isdecimal():
            return f"{self.page.windows[base]} {number}"
        return self.page.windows.get(name) or printable(self.words.window(name))

    def part(self, name: str) -> str:
        """Return what a window is called of which something is left: ``the week``."""
        return self.page.parts.get(name) or self.window(name)

    def at(self, at: float) -> str:
        """Return a moment: ``16:04`` for today, else with its date."""
        return self.clock.text(at)

    def figure(self, window: Window) -> str:
        """Return what is left of a window, and when it is reset."""
        percent, told = window.remaining_percent, self.page.unknown
        if percent is not None:
            told = self.page.left_now.format(percent=percent_text(percent))
        if window.started is False:
            return f"{told}{self.words.clause}{self.page.unstarted}"
        if window.reset_at is None or window.reset_at <= self.now:
            return told
        return f"{told}{self.words.clause}{self.page.resets_at.format(at=self.at(window.reset_at))}"

    # What is at hand

    def usable(self, pool: Pool) -> str:
        """Return how many can be used, on their plan or on credits."""
        count = pool.usable + pool.on_credits
        certain = count or not (pool.failed or pool.unknown)
        form = self.page.usable if certain else self.page.known_usable
        return form.format(count=count, total=pool.accounts)

    def choice(self, choice: Choice | NoChoice) -> str:
        """Return which account to use now, and why; or why there is none."""
        page = self.page
        if isinstance(choice, Choice):
            return page.use.format(account=isolated(choice.account), reason=self.reason(choice))
        why = [
            page.counted(page.obstacles[obstacle], count)
            for obstacle, count in choice.obstacles.items()
        ]
        told = self.words.clause.join(why) or self.words.no_accounts
        return page.none_usable.format(why=told)

    def reason(self, choice: Choice) -> str:
        """Return why an account is the one to use."""
        page, first = self.page, choice.resets_first
        if choice.tier is Tier.CREDITS:
            return page.costs
        if choice.tier is Tier.NO_WINDOWS:
            return page.no_windows
        left = page.both.join(filter(None, map(self._left_of, choice.windows)))
        if first is None or first.reset_at is None:
            return page.not_begun.format(left=left)
        window = page.single.get(first.name) or self.window(first.name)
        at = self.at(first.reset_at)
        return page.resets_first.format(left=left, window=window, at=at)

    def _left_of(self, window: Window) -> str:
        percent = window.remaining_percent
        if percent is None:
            return ""
        name = self.part(window.name)
        return self.page.left_of.format(percent=percent_text(percent), window=name)

    def back_next(self, standings: Iterable[Standing]) -> str:
        """Return which account comes back first, and when; nothing where no time is known."""
        ahead: list[tuple[float, str]] = []
        for one in standings:
            at = one.usage.usable_at if one.usage is not None and one.report.ok else None
            if at is not None and at > self.now:
                ahead.append((at, one.account))
        if not ahead:
            return ""
        back_at, account = min(ahead)
        until = span(back_at - self.now, self.words)
        return self.page.next_back.format(
            account=isolated(account), at=self.at(back_at), span=until
        )

    # The pool

    def states(self, pool: Pool) -> str:
        """Return how many accounts there are in each state that some are in."""
        words = self.words
        told = [words.usable.format(count=pool.usable + pool.on_credits)]
        if pool.on_credits:
            told[0] += words.bracketed.format(text=words.paying.format(count=pool.on_credits))
        for form, count in (
            (words.unknown, pool.unknown),
            (words.blocked, pool.blocked),
            (words.failed, pool.failed),
        ):
            if count:
                told.append(form.format(count=count))
        return words.clause.join(told)

    def share(self, share: Share) -> str:
        """Return what is left in whole windows: ``6.3 of 9``, or a range."""
        lower, upper, of = amount(share.lower), amount(share.upper), amount(share.of)
        form = self.page.exact if lower == upper else self.page.range
        return form.format(lower=lower, upper=upper, of=of)

    def dry(self, dry: DryRange) -> str:
        """Return when the pool runs dry, and what comes back first."""
        page, soonest, latest = self.page, dry.soonest, dry.latest
        if soonest is None:
            return page.not_dry
        at = self.at(soonest.at)
        if latest is None:
            return page.perhaps_dry.format(at=at)
        if self.at(latest.at) != at:
            return page.dry_range.format(soonest=at, latest=self.at(latest.at))
        if soonest.back_at is None or soonest.account is None:
            return page.dry.format(at=at)
        back = self.at(soonest.back_at)
        return page.dry_until.format(at=at, account=soonest.account, back=back)

    # What is ahead

    def forecast(self, forecast: Forecast, reset_at: float | None) -> list[str]:
        """Return pace and forecast in a sentence each, the forecast first.

        ``reset_at`` is the window's told reset (Unix seconds).
        """
        page, told = self.page, list[str]()
        chance, empty_at = forecast.runs_out_chance, forecast.empty_at_pace
        if chance is not None:
            rough = page.rough if forecast.rough else ""
            told.append(self._chance(forecast, chance) + page.unless_reset + rough)
        if empty_at is None or (reset_at is not None and empty_at >= reset_at):
            told.append(page.lasts_at_pace)
        else:
            told.append(page.empty_at.format(at=self.at(empty_at)) + page.unless_reset)
        return [f"{sentence}{page.stop}" for sentence in told]

    def _chance(self, forecast: Forecast, chance: float) -> str:
        start, end = forecast.runs_out_from, forecast.runs_out_to
        if chance < MAY_RUN_OUT or start is None or end is None:
            return self.page.lasts.format(chance=_chance_text(1 - chance))
        form = self.page.will_run_out if chance >= WILL_RUN_OUT else self.page.may_run_out
        return form.format(chance=_chance_text(chance), start=self.at(start), end=self.at(end))

    def brief(self, forecast: Forecast) -> str:
        """Return the forecast in a few words; the pace where it is all that is told."""
        page, chance = self.page, forecast.runs_out_chance
        start, end = forecast.runs_out_from, forecast.runs_out_to
        if chance is None:
            at = forecast.empty_at_pace
            return "" if at is None else page.brief_empty.format(at=self.clock.short(at))
        if chance < MAY_RUN_OUT or start is None or end is None:
            return page.brief_lasts.format(chance=_chance_text(1 - chance))
        start_at, end_at = self.clock.short(start), self.clock.short(end)
        return page.brief_runs_out.format(chance=_chance_text(chance), start=start_at, end=end_at)

    # What was

    def changes(
        self, happenings: Iterable[Happening], standings: Iterable[Standing]
    ) -> list[tuple[str, str]]:
        """Return when things changed, and what.

        Accounts that failed, or answered again, in the same way and minute are told together.
        A change has no more than the kind of a failure; ``standings`` may know its code.
        """
        failures = {one.account: one.report.failure for one in standings}
        names: dict[tuple[str, Change], list[str]] = {}
        for happening in happenings:
            at, change = happening.at, happening.change
            same = change
            if change.change in (ChangeKind.FAILED, ChangeKind.RESTORED):
                failure, after = failures.get(change.account or ""), change.after
                if failure is not None and failure.kind.value == after:
                    after = self.words.sentence(failure.kind, code_of(failure)).what
                same = Change("", None, change.change, after=after)
            key = ("" if at is None else self.at(at), same)
            names.setdefault(key, []).append(change.account or "")
        return [
            (at, self.change(replace(change, account=self._listed(accounts))))
            for (at, change), accounts in names.items()
        ]

    def _listed(self, names: list[str]) -> str:
        told, count = self.words.comma.join(map(isolated, names[:_NAMED])), len(names)
        more = self.words.more.format(count=count - _NAMED, total=count)
        return told + more if count > _NAMED else told

    def change(self, change: Change) -> str:
        """Return what changed, in a sentence."""
        of_window, of_account = self.page.changes[change.change]
        form = of_account if change.window is None else of_window
        return form.format(
            account=change.account,
            window=self.window(change.window or ""),
            before=self._side(change.before),
            after=self._side(change.after),
            count=change.accounts,
        )

    def _side(self, side: float | str | None) -> str:
        if side is None:
            return self.page.unknown
        if isinstance(side, str):
            kind = _KINDS.get(side)
            return printable(side) if kind is None else self.words.sentence(kind, None).what
        return percent_text(side)

    def chart_title(self, account: str, window: str, axis: Axis) -> str:
        """Return what a chart shows."""
        return self.page.chart.format(
            account=account,
            window=self.window(window),
            since=self.clock.dated(axis.since),
            until=self.clock.dated(axis.until),
        )

    def chart_text(self, digest: Digest, forecast: Forecast | None, reset_at: float | None) -> str:
        """Return what a chart shows in sentences."""
        page, told = self.page, list[str]()
        if digest.left is None or digest.seen_at is None:
            told.append(page.chart_nothing)
        else:
            left = percent_text(digest.left)
            told.append(page.chart_left.format(percent=left, at=self.at(digest.seen_at)))
        if digest.lowest is not None and digest.lowest_at is not None:
            lowest = percent_text(digest.lowest)
            told.append(page.chart_lowest.format(percent=lowest, at=self.at(digest.lowest_at)))
        for form, count in (
            (page.chart_resets, digest.resets),
            (page.chart_gaps, digest.gaps),
            (page.chart_failed, digest.failed_polls),
        ):
            if count:
                told.append(page.counted(form, count))
        if digest.blocked_s > 0:
            told.append(page.chart_blocked.format(span=span(digest.blocked_s, self.words)))
        if forecast is not None:
            told += self.forecast(forecast, reset_at)
        return page.between.join(told)


def _chance_text(chance: float) -> str:
    return percent_text(100 * min(0.99, max(0.01, chance)))
