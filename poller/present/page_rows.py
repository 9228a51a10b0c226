"""The table of report and page: one row an account, ready to be put into a template."""

from __future__ import annotations

from dataclasses import dataclass
from typing import TYPE_CHECKING, NamedTuple

from poller.present.page_texts import percent_text
from poller.present.sentences import what_failed
from poller.present.shares import LITTLE_PERCENT, share
from poller.present.terminal import UNICODE
from poller.present.usage_rows import (
    SPEND_LIMIT,
    Places,
    State,
    is_used_up,
    limit_name,
    note_of,
    ordered,
    row_of,
)

if TYPE_CHECKING:
    from collections.abc import Callable, Iterable, Mapping

    from poller.insight.standing import Standing
    from poller.present.page_texts import Teller
    from poller.present.usage_rows import Row
    from poller.values import Forecast, Limit, Window

_SIGNS = {
    State.ON_PLAN: ("usable", UNICODE.usable),
    State.ON_CREDITS: ("paying", UNICODE.usable),
    State.UNKNOWN: ("unknown", UNICODE.unknown),
    State.BLOCKED: ("blocked", UNICODE.blocked),
}
"""The style sheet's class, and the sign."""


class Cell(NamedTuple):
    """One window of an account."""

    name: str
    """Empty where it is the column's own."""
    percent: str
    width: int | None
    """Of its bar, in percent; None where nobody tells."""
    little: bool
    reset: str
    """When it is reset; empty where nobody tells, or that has passed."""
    forecast: str
    doubted: str = ""
    """What the last answer said instead, while no other one agrees."""


class LimitRow(NamedTuple):
    """A limit beside the account's own."""

    name: str
    kind: str
    """A class of the style sheet: usable, unknown, blocked."""
    sign: str
    state: str
    back: str
    """When it can be used again; empty where it can, or nobody tells."""
    cells: tuple[Cell, ...]


@dataclass(frozen=True, slots=True)
class AccountRow:
    """One row."""

    account: str
    href: str
    """Empty where there is no page or section of its own."""
    plan: str
    kind: str
    """A class of the style sheet: usable, paying, unknown, blocked, failed."""
    sign: str
    state: str
    note: str
    """When it is back, what it lives on, why it failed."""
    age: str
    """When the figures were told; empty where they are fresh."""
    cells: tuple[Cell | None, ...]
    """By column."""
    others: tuple[Cell, ...]
    """Windows that have no column."""
    limits: tuple[LimitRow, ...]
    """Those beside its own; none where the figures are a history's, which does not keep them."""


@dataclass(frozen=True, slots=True)
class AccountTable:
    """All of them: titles of the columns, and the rows in order."""

    columns: tuple[str, ...]
    titles: tuple[str, ...]
    """Of the windows that a column is for, without its guests."""
    rows: tuple[AccountRow, ...]


def account_table(
    standings: Iterable[Standing],
    teller: Teller,
    *,
    forecasts: Mapping[str, Mapping[str, Forecast]],
    href: Callable[[Standing], str],
) -> AccountTable:
    """Return the table: answered accounts in the order of the tables, then those that failed.

    ``forecasts`` by account and window. ``href`` is where an account's own page or section
    is; empty where it has none.
    """
    places = Places()
    answered: list[Row] = []
    failed: list[tuple[str, str, Row | None, Standing]] = []
    named: dict[str, Standing] = {}
    for one in standings:
        row = None if one.usage is None else row_of(one.account, one.usage, places)
        failure = one.report.failure
        if failure is not None or row is None:
            kind = "" if failure is None else failure.kind.value
            failed.append((kind, one.account, row, one))
        else:
            answered.append(row)
            named[one.account] = one
    places.settle()
    maker = _Maker(places, teller, forecasts, href)
    rows = [maker.row(named[row.account], row) for row in ordered(answered)]
    failed.sort(key=lambda each: each[:2])
    rows += [maker.row(one, row) for _, _, row, one in failed]
    titles = tuple(map(teller.words.window, places.columns))
    return AccountTable(tuple(map(maker.title, places.columns)), titles, tuple(rows))


def _has_passed(row: Row, now: float) -> bool:
    """Whether what blocked an account is over, so that only the next answer tells."""
    return row.state is State.BLOCKED and row.usable_at is not None and row.usable_at <= now


class _Maker:
    def __init__(
        self,
        places: Places,
        teller: Teller,
        forecasts: Mapping[str, Mapping[str, Forecast]],
        href: Callable[[Standing], str],
    ) -> None:
        self._places, self._teller = places, teller
        self._forecasts, self._href = forecasts, href

    def title(self, column: str) -> str:
        words, guests = self._teller.words, self._places.guests
        if guests and column == self._places.columns[-1]:
            other = words.window(guests[0]) if len(guests) == 1 else words.other
            return words.either.format(one=words.window(column), other=other)
        return words.window(column)

    def row(self, one: Standing, row: Row | None) -> AccountRow:
        teller, page = self._teller, self._teller.page
        failure = one.report.failure
        cells: tuple[Cell | None, ...] = (None,) * len(self._places.columns)
        others: tuple[Cell, ...] = ()
        if row is not None:
            found, rest = self._places.of(row.shape)
            cells = tuple(
                None if index < 0 else self._own_cell(one, row.windows[index], column)
                for index, column in zip(found, self._places.columns, strict=True)
            )
            others = tuple(self._own_cell(one, row.windows[index], "") for index in rest)
        if failure is not None:
            kind, sign, state = "failed", UNICODE.failed, page.failed
            note = what_failed(failure, teller.words, status=one.report.http_status)
        elif row is None or _has_passed(row, teller.now):
            kind, sign, state, note = "unknown", UNICODE.unknown, page.unknown, ""
        else:
            kind, sign = _SIGNS[row.state]
            state, note = self._state(row), self._note(row)
        return AccountRow(
            one.account,
            self._href(one),
            "" if row is None or row.plan is None else row.plan,
            kind,
            sign,
            state,
            note,
            self._age(one),
            cells,
            others,
            () if row is None else tuple(map(self._limit, row.extra_limits)),
        )

    def _limit(self, limit: Limit) -> LimitRow:
        usable, unknown, blocked, _ = self._teller.words.states
        back = ""
        if is_used_up(limit):
            kind, sign, state = "blocked", UNICODE.blocked, blocked
            ends = [w.reset_at for w in limit.windows if w.remaining_percent == 0 and w.reset_at]
            if ends and max(ends) > self._teller.now:
                back = self._back(max(ends))
        elif limit.usable:
            kind, sign, state = "usable", UNICODE.usable, usable
        else:
            kind, sign, state = "unknown", UNICODE.unknown, unknown
        cells = tuple(self._cell(window, "", "") for window in limit.windows)
        name = limit_name(limit, self._teller.words, UNICODE.cut)
        return LimitRow(name, kind, sign, state, back, cells)

    def _state(self, row: Row) -> str:
        usable, unknown, blocked, _ = self._teller.words.states
        return {State.UNKNOWN: unknown, State.BLOCKED: blocked}.get(row.state, usable)

    def _note(self, row: Row) -> str:
        words, note, back = self._teller.words, note_of(row, self._teller.words), ""
        if row.limited_by == SPEND_LIMIT:
            note = words.spent
        if row.state is State.BLOCKED and row.usable_at is not None:
            back = self._back(row.usable_at)
        return words.clause.join(filter(None, (note, back)))

    def _back(self, at: float) -> str:
        return self._teller.page.blocked_until.format(at=self._teller.at(at))

    def _age(self, one: Standing) -> str:
        teller, page = self._teller, self._teller.page
        if one.answered_at is None:
            return page.never_answered if one.report.failure is None else ""
        if one.report.failure is None and one.fresh(teller.now):
            return ""
        return page.answered.format(at=teller.at(one.answered_at))

    def _own_cell(self, one: Standing, window: Window, column: str) -> Cell:
        forecast = self._forecasts.get(one.account, {}).get(window.name)
        told = "" if forecast is None or not one.report.ok else self._teller.brief(forecast)
        return self._cell(window, column, told)._replace(doubted=self._doubted(one, window))

    def _doubted(self, one: Standing, window: Window) -> str:
        percent = one.unconfirmed.get(window.name)
        if percent is None:
            return ""
        return self._teller.page.doubted.format(percent=percent_text(percent))

    def _cell(self, window: Window, column: str, forecast: str) -> Cell:
        teller, percent = self._teller, window.remaining_percent
        reset = ""
        if window.started is False:
            reset = teller.page.unstarted
        elif window.reset_at is not None and window.reset_at > teller.now:
            reset = teller.at(window.reset_at)
        return Cell(
            "" if window.name == column else teller.words.window(window.name),
            "?" if percent is None else percent_text(percent),
            None if percent is None else share(percent, of=100),
            percent is not None and percent < LITTLE_PERCENT,
            reset,
            forecast,
        )
