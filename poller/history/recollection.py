"""Accounts over time: what the history knows of them, and what every new report adds.

This is where a report gets its forecast, and where what was recorded becomes a report again.
"""

from __future__ import annotations

from dataclasses import dataclass, field, replace
from typing import TYPE_CHECKING

from poller.history.database import HistoryMissing, HistoryUnusable
from poller.history.reading import open_reader
from poller.history.standings import OF_FILES, reports_of, standing_after, still_there
from poller.insight.forecast import Outlook
from poller.insight.standing import observations
from poller.insight.standing import standing as standing_of

if TYPE_CHECKING:
    from poller.history.reading import Latest, Reader, StoredAccount
    from poller.insight.standing import Standing
    from poller.values import Forecast, Report

_LONGEST_S, _SHORTEST_S = 28 * 86_400.0, 2 * 86_400.0
_READ_WHOLE = 100
"""So many accounts are read 28 days back, 10 ms each. Of more, less is read of each: all
together take a second or two."""

_MOST_RECALLED = 2000
"""Of so many accounts in a history nothing but the last answer is read: 3 ms each add up."""
_BELIEVED_AFTER_S = 86_400.0
"""How far back looks are read that only say which of the last ones is believed."""


@dataclass(slots=True, eq=False)
class _Remembered:
    """One account: what its stored looks taught, and what was known of it at their end."""

    outlook: Outlook = field(default_factory=Outlook)
    stored: Standing | None = None
    recorded: Standing | None = None
    """The same, with what its file had told by then."""


class Recollection:
    """What is known of accounts over time. Hand it every report, in the order they came.

    An account is read from the file when it is first asked for: do that in a thread where
    an event loop must not wait for a disk.
    """

    def __init__(self, path: str | None, *, now: float, forecasts: bool = True) -> None:
        """Recall the history at ``path``, None where there is none; ``now`` in Unix seconds.

        Without ``forecasts`` little of it is read: enough to know what is believed.
        """
        self._path, self._now = path, now
        self.trouble: str | None = None
        """Why the history cannot be read, for a person. One that is missing is no trouble."""
        self._loaded = False
        self._longest_s = _LONGEST_S if forecasts else _BELIEVED_AFTER_S
        self._since = now - self._longest_s
        self._by_key: dict[str, Latest] = {}
        self._by_label: dict[str, Latest] = {}
        self._remembered: dict[str, _Remembered] = {}
        self._keys: dict[str, str] = {}
        self._standings: dict[str, Standing] = {}
        """What this run's reports told, by label: two files may hold the same login."""

    def note(self, report: Report) -> Report:
        """Add a report; return it with its forecast, where it has figures."""
        label, at, usage = report.account, report.observed_at, report.usage
        before = self.standing(label, report.key)
        looks = {}
        if usage is not None and report.failure is None:
            outlook = self._of(label, report.key).outlook
            looks = outlook.observe(at, observations(usage, at=at))
        self._standings[label] = standing_of(report, before, looks=looks)
        if usage is None:
            return report
        return replace(report, forecast=self.forecast(label, report.key, now=at))

    def standing(self, label: str, key: str | None) -> Standing | None:
        """Return what is known of an account by now; None where nothing ever came of it."""
        known = self._standings.get(label)
        if known is not None and (key is None or known.key in (None, key)):
            return known
        return self._of(label, key).stored

    def recorded(self, label: str, key: str | None) -> Standing | None:
        """Return how an account stood when it was recorded last; None where it never was."""
        return self._of(label, key).recorded

    def forecast(self, label: str, key: str | None, *, now: float) -> dict[str, Forecast]:
        """Return the forecasts of the windows that an account's last answer spoke of."""
        known = self.standing(label, key)
        usage = None if known is None else known.usage
        if usage is None:
            return {}
        names = {window.name for window in usage.windows}
        said = self._of(label, key).outlook.forecast(now)
        return {name: one for name, one in said.items() if name in names}

    def rates(self, label: str, key: str | None, *, now: float) -> dict[str, float]:
        """Return percent an hour that is burnt now of an account's windows, by name."""
        return self._of(label, key).outlook.rates(now)

    def _of(self, label: str, key: str | None) -> _Remembered:
        if not self._loaded:
            self._load()
        key = key or self._keys.get(label)
        if key is not None:
            self._keys[label] = key
        found = self._by_key.get(key or "") or self._by_label.get(label)
        if found is not None and None not in (key, found.account.key) and found.account.key != key:
            found = None  # another login had the same label before
        identity = key or (found.account.key if found else None) or label
        known = self._remembered.get(identity)
        if known is None:
            known = _Remembered() if found is None else self._recalled(found)
            self._remembered[identity] = known
        return known

    def _load(self) -> None:
        self._loaded = True
        if self._path is None:
            return
        stored: list[Latest] = []
        try:
            with open_reader(self._path) as reader:
                stored = reader.latest(now=self._now)
        except HistoryMissing:
            return
        except HistoryUnusable as error:
            self.trouble = str(error)
        share = min(1.0, _READ_WHOLE / max(1, len(stored)))
        self._since = self._now - min(self._longest_s, max(_SHORTEST_S, _LONGEST_S * share))
        for one in sorted(stored, key=lambda one: one.account.last_seen):
            self._by_label[one.account.label] = one
            if one.account.key is not None:
                self._by_key[one.account.key] = one

    def _recalled(self, stored: Latest) -> _Remembered:
        outlook = Outlook()
        if len(self._by_label) <= _MOST_RECALLED:
            try:
                with open_reader(self._path) as reader:
                    outlook = _outlook(reader, stored.account, since=self._since, now=self._now)
            except HistoryUnusable as error:
                self.trouble = str(error)
        reports = list(reports_of(stored))
        not_of_file = [one for one in reports if not _is_of_its_file(one)]
        looks = outlook.looks
        return _Remembered(
            outlook, standing_after(not_of_file, looks), standing_after(reports, looks)
        )


def standings_at(
    reader: Reader, at: float, *, else_first_by: float | None = None
) -> list[Standing]:
    """Return how each account of the history stood at ``at`` (Unix seconds).

    One that nobody asked any more for a day, while others were, is gone. One that nobody had
    seen by then, and somebody by ``else_first_by``, stood as it was seen first.
    """
    found = reader.latest(now=at)
    there = [(one, at) for one in still_there(found)]
    if else_first_by is not None:
        seen = {one.account.id for one in found if one.seen_at}
        later = [
            one
            for one in reader.accounts()
            if one.id not in seen and one.first_seen <= else_first_by
        ]
        # Those that joined in the same round are looked up together.
        for first in sorted({one.first_seen // 60 * 60 + 59 for one in later}):
            joined = {one.id for one in later if first - 60 < one.first_seen <= first}
            there += [(one, first) for one in reader.latest(now=first) if one.account.id in joined]
    accounts: list[Standing] = []
    for one, seen_by in there:
        outlook = _outlook(reader, one.account, since=seen_by - _BELIEVED_AFTER_S, now=seen_by)
        standing = standing_after(reports_of(one), outlook.looks)
        if standing is not None:
            accounts.append(standing)
    return accounts


def _outlook(reader: Reader, account: StoredAccount, *, since: float, now: float) -> Outlook:
    """Return what an account's looks taught from ``since`` to ``now`` (Unix seconds)."""
    outlook = Outlook()
    for name, first, until, looks in reader.recollect(account, since=since):
        if first.at <= now:  # what is later was dated by a wrong clock, or came later
            outlook.recall(name, first, until=min(until, now), looks=looks)
    return outlook


def _is_of_its_file(report: Report) -> bool:
    return report.failure is not None and report.failure.kind in OF_FILES
