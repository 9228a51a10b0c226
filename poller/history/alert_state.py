"""What alert rules remember, in the history: one transaction evaluates all of them.

What is believed is worked out from the looks that the history has, those of other pollers
included; what is told lies in an outbox until somebody takes it. So two pollers tell
everything once, and so does one that is started anew.
"""

from __future__ import annotations

import json
from dataclasses import asdict, dataclass, field, replace
from typing import TYPE_CHECKING, Any

from poller.history.reading import Reader
from poller.insight.alert_rules import AlertKind, Mark, MarkKey, Told, Watched
from poller.insight.alerts import evaluate
from poller.insight.changes import ChangeKind, changes
from poller.insight.forecast import Outlook
from poller.insight.series import GAP_S, Observation, Series
from poller.insight.standing import Standing, standing
from poller.values import Failure, FailureKind, Report, Usage, Window

if TYPE_CHECKING:
    import sqlite3
    from collections.abc import Collection, Iterable, Mapping, Sequence
    from datetime import tzinfo

    from poller.history.reading import StoredAccount
    from poller.insight.alert_rules import AlertRule
    from poller.insight.series import Look
    from poller.values import Forecast

MOST_KEPT = 200
"""Changes that wait to be told, by rule; more push out the oldest."""

_SPANS = 24
"""Of a window, the last ones: what is believed depends on the last few looks alone."""
_FORECAST_S = 35 * 86_400
_FORGOTTEN_S = 30 * 86_400
"""How long an account that is gone may come back as the same."""
_CLOCK_SET_BACK_S = 3600.0
"""A report older than the last by less came late; by more, the clock was set back."""
_UNSTEADY_ACCOUNTS, _UNSTEADY_S = 3, 86_400
"""So many accounts that one label first had within a day are one whose id changes."""
_ALL, _SEEN, _OUTBOX = "", "seen", "outbox"
_RESETS = (ChangeKind.RESET, ChangeKind.EARLY_RESET)


@dataclass(frozen=True, slots=True)
class AskedRound:
    """What a round came to, and what there is."""

    reports: Sequence[Report]
    now: float
    """Unix seconds."""
    accounts: Collection[str] | None = None
    """The labels of all accounts there are; None where only some were asked for."""
    zone: tzinfo | None = None
    """Of quiet hours; None is local time."""
    weights: Mapping[str, float] = field(default_factory=dict[str, float])
    """Of plans in the pool."""


def evaluate_all(
    connection: sqlite3.Connection, rules: Iterable[AlertRule], asked: AskedRound
) -> list[str]:
    """Evaluate rules after a round that is recorded already; return those that have to tell.

    To be done in a transaction of the caller's.
    """
    rules = list(rules)
    forecasts = any(rule.tells(AlertKind.RUNS_OUT) for rule in rules)
    watched, gone = _Accounts(connection, asked, forecasts=forecasts).seen()
    due: list[str] = []
    for rule in rules:
        quiet = rule.holds_back(asked.now, asked.zone)
        told, changed = evaluate(
            *(rule, watched, _marks(connection, rule.name)),
            now=asked.now,
            gone=gone,
            weights=asked.weights,
            reminds=not quiet,
        )
        _write(connection, rule.name, changed)
        waiting = _append(connection, rule.name, told, asked.now)
        if waiting and not quiet:
            due.append(rule.name)
    return due


def take(connection: sqlite3.Connection, rule: str) -> list[Told]:
    """Take what a rule has to tell out of its outbox: nobody else will tell it."""
    kept = _kept(connection, rule, _OUTBOX)
    connection.execute("DELETE FROM alert_state WHERE rule = ? AND change = ?", (rule, _OUTBOX))
    return [_told(each) for each in kept]


def put_back(connection: sqlite3.Connection, rule: str, told: Sequence[Told], now: float) -> None:
    """Keep what could not be delivered for the next round, before what came since."""
    since = take(connection, rule)
    _append(connection, rule, [*told, *since], now)


def firing(connection: sqlite3.Connection, rule: str) -> list[tuple[str | None, str, str | None]]:
    """Return label, change and window of what a rule has told and is not over."""
    rows = connection.execute(
        "SELECT label, change, window FROM alert_state LEFT JOIN account ON id = account_id "
        "WHERE rule = ? AND firing AND told_at IS NOT NULL ORDER BY label, change, window",
        (rule,),
    )
    return [(label, change, window or None) for label, change, window in rows]


def _marks(connection: sqlite3.Connection, rule: str) -> dict[MarkKey, Mark]:
    rows = connection.execute(
        "SELECT account_id, change, window, firing, agreeing, since, told_at, kept "
        "FROM alert_state WHERE rule = ?",
        (rule,),
    )
    return {MarkKey(*row[:3]): Mark(bool(row[3]), *row[4:]) for row in rows}


def _write(connection: sqlite3.Connection, rule: str, marks: Mapping[MarkKey, Mark]) -> None:
    connection.executemany(
        "INSERT OR REPLACE INTO alert_state VALUES (?, ?, ?, ?, ?, ?, ?, ?, ?)",
        [
            (rule, *key, mark.firing, mark.agreeing, mark.since, mark.told_at, mark.kept)
            for key, mark in marks.items()
        ],
    )


def _append(
    connection: sqlite3.Connection, rule: str, told: Sequence[Told], now: float
) -> list[Any]:
    """Put what is told into a rule's outbox; return all that lies there."""
    waiting = _kept(connection, rule, _OUTBOX)
    if told:
        waiting = [*waiting, *map(asdict, told)][-MOST_KEPT:]
        kept = Mark(since=now, kept=json.dumps(waiting))
        _write(connection, rule, {MarkKey(0, _OUTBOX): kept})
    return waiting


def _kept(connection: sqlite3.Connection, rule: str, change: str) -> list[Any]:
    row = connection.execute(
        "SELECT kept FROM alert_state WHERE rule = ? AND account_id = 0 AND change = ?",
        (rule, change),
    ).fetchone()
    return [] if row is None else json.loads(row[0])


def _told(kept: dict[str, Any]) -> Told:
    kept["change"] = AlertKind(kept["change"])
    return Told(**kept)


_FORGET = "DELETE FROM alert_state WHERE account_id = ?"
_LAST_BLOCKS = (
    "SELECT since, until FROM state WHERE account_id = ? AND usable = 0 AND since <= ? "
    "ORDER BY since DESC LIMIT ?"
)
_LAST_SPANS = (
    "SELECT since, until, polls, used_percent, reset_at, window_seconds FROM series "
    "JOIN span ON series_id = id WHERE account_id = ? AND window = ? AND since <= ? "
    "ORDER BY since DESC LIMIT ?"
)


class _Accounts:
    """The accounts of a round, and what is believed of each."""

    def __init__(
        self, connection: sqlite3.Connection, asked: AskedRound, *, forecasts: bool
    ) -> None:
        self._db = connection
        self._asked = asked
        self._forecasts = forecasts
        self._seen = _marks(connection, _ALL)
        self._reader = Reader(connection)
        self._stored = {one.id: one for one in self._reader.accounts()}
        self._by_key: dict[str, int] = {}
        self._by_label: dict[str, list[StoredAccount]] = {}
        """All that had a label, the one that was seen last at the end."""
        for one in sorted(self._stored.values(), key=lambda one: one.last_seen):
            if one.key is not None:
                self._by_key[one.key] = one.id
            self._by_label.setdefault(one.label, []).append(one)

    def seen(self) -> tuple[list[Watched], list[Watched]]:
        """Return the accounts that there are, and those that were there before."""
        reports: dict[int, Report] = {}
        for report in self._asked.reports:
            ids = self._ids(report)
            other = reports.get(ids[0]) if ids else None
            # Two files may hold the same login: an answer tells more than a failure.
            if ids and (other is None or not other.ok):
                reports[ids[0]] = report
        here: list[Watched] = []
        marks: dict[MarkKey, Mark] = {}
        for id_, report in reports.items():
            last = self._seen.get(MarkKey(id_, _SEEN))
            before = None if last is None else _standing_in(last.kept)
            watched = self._watched(id_, report, before)
            here.append(watched)
            if watched.fresh:
                # An answer that is doubted is not what the next one is compared with.
                doubted = before if watched.held else None
                at = watched.known.answered_at if doubted is None else doubted.answered_at
                kept = _kept_of(watched.known, at)
                marks[MarkKey(id_, _SEEN)] = Mark(since=report.observed_at, kept=kept)
        _write(self._db, _ALL, marks)
        gone: list[Watched] = []
        taken = {report.account for report in self._asked.reports}
        """Labels that were seen later of another account: its file holds another login now."""
        for key, mark in sorted(self._seen.items(), key=lambda item: -(item[1].since or 0)):
            known = None if key.account in reports else _standing_in(mark.kept)
            if known is None:
                continue
            one = Watched(key.account, known, fresh=False)
            seen_s = abs(self._asked.now - known.report.observed_at)
            labels = self._asked.accounts
            is_replaced = known.account in taken
            taken.add(known.account)
            if is_replaced:
                continue
            if known.account in labels if labels is not None else seen_s <= GAP_S:
                here.append(one)
            elif labels is not None:
                gone.append(one)
                if seen_s > _FORGOTTEN_S:
                    self._db.execute(_FORGET, (key.account,))
        return here, gone

    def _ids(self, report: Report) -> list[int]:
        """Return what the history calls an account, first what it is remembered by."""
        labelled = self._by_label.get(report.account, [])
        now = self._asked.now
        new = [one for one in labelled if abs(now - one.first_seen) < _UNSTEADY_S]
        if len(new) >= _UNSTEADY_ACCOUNTS:  # an id that changes with every answer
            return sorted(one.id for one in labelled)
        if report.key is not None:
            id_ = self._by_key.get(report.key)
            return [] if id_ is None else [id_]
        return [one.id for one in labelled[-1:]]

    def _watched(self, id_: int, report: Report, before: Standing | None) -> Watched:
        if before is not None:
            late_s = before.report.observed_at - report.observed_at
            if 0 <= late_s < _CLOCK_SET_BACK_S:
                same = replace(before.report, account=report.account)
                return Watched(id_, replace(before, report=same), fresh=False)
        if report.failure is not None or report.usage is None:
            return Watched(id_, standing(report, before))
        looks = self._looks(self._ids(report), report.usage, int(report.observed_at))
        known = standing(report, before, looks=looks)
        found = [] if before is None else changes([before], [known])
        return Watched(
            *(id_, known),
            answer=report.usage,
            held=any(look.held for look in looks.values()),
            before=None if before is None else before.usage,
            resets=tuple(one for one in found if one.change in _RESETS),
            forecasts=self._forecast(id_, report) if self._forecasts else None,
        )

    def _looks(self, ids: Sequence[int], usage: Usage, at: int) -> dict[str, Look]:
        """Return what the windows' series make of the answer at ``at``, which is recorded."""
        blocks = [
            block
            for id_ in ids
            for block in self._db.execute(_LAST_BLOCKS, (id_, at, _SPANS)).fetchall()
        ]
        looks: dict[str, Look] = {}
        for window in usage.windows:
            rows = [
                row
                for id_ in ids
                for row in self._db.execute(_LAST_SPANS, (id_, window.name, at, _SPANS)).fetchall()
            ]
            series = Series()
            for row in sorted(rows, key=lambda row: row[0])[-_SPANS:]:
                since, until, polls, used, reset_at, length = row
                blocked = any(begins <= since <= ends for begins, ends in blocks)
                first = Observation(since, used, reset_at, length, blocked=blocked)
                looks[window.name] = _last_look(series, first, min(until, at), polls)
        return looks

    def _forecast(self, id_: int, report: Report) -> Mapping[str, Forecast]:
        if report.forecast is not None:
            return report.forecast
        at = report.observed_at
        account, outlook = self._stored[id_], Outlook()
        for name, first, until, looks in self._reader.recollect(account, since=at - _FORECAST_S):
            outlook.recall(name, first, until=until, looks=looks)
        return outlook.forecast(at)


def _last_look(series: Series, first: Observation, until: float, polls: int) -> Look:
    if until <= first.at:
        return series.observe(first)
    return series.observe_span(first, until=until, looks=max(2, polls))[-1]


# What was known of an account at the last evaluation, as it is kept


def _kept_of(known: Standing, answered_at: float | None) -> str:
    failure, usage = known.report.failure, known.usage
    value: dict[str, Any] = {
        "account": known.account,
        "key": known.key,
        "at": known.report.observed_at,
        "failure": None if failure is None else failure.kind.value,
        "may_work_later": failure is not None and failure.may_work_later,
        "answered_at": answered_at,
    }
    if usage is not None:
        value["usage"] = {
            "plan": usage.plan,
            "usable": usage.usable,
            "limited_by": usage.limited_by,
            "usable_at": usage.usable_at,
            "on_credits": usage.on_credits,
            "windows": [asdict(window) for window in usage.windows],
        }
    return json.dumps(value)


def _standing_in(kept: str | None) -> Standing | None:
    if kept is None:
        return None
    value = json.loads(kept)
    usage = None
    if "usage" in value:
        told = value["usage"]
        windows = tuple(Window(**window) for window in told.pop("windows"))
        usage = Usage(**told, windows=windows)
    failure = None
    if value["failure"] is not None:
        kind = FailureKind(value["failure"])
        failure = Failure(kind, "", "", may_work_later=value["may_work_later"])
    report = Report(0, value["account"], "", value["at"], usage, failure, key=value["key"])
    return Standing(report, value["key"], usage, value["answered_at"])
