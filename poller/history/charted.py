"""An account's history as charts want it."""

from __future__ import annotations

from typing import TYPE_CHECKING

from poller.insight.series import Series, Span
from poller.insight.standing import length_s
from poller.present.charts import Course, Stretch
from poller.present.overview import Past
from poller.values import Window

if TYPE_CHECKING:
    from collections.abc import Mapping

    from poller.history.reading import Reader, StoredAccount
    from poller.values import Forecast

_MOST_WINDOWS = 6
"""Of one account that have a chart: upstreams have been seen to invent names."""


def past_of(
    reader: Reader,
    account: StoredAccount,
    *,
    since: float,
    forecasts: Mapping[str, Forecast],
) -> Past:
    """Return how each window of an account went from ``since`` (Unix seconds) on.

    What is not believed, as an answer that flapped, is shown as what was believed then.
    ``forecasts`` by window; the shortest window comes first.
    """
    blocked = tuple(
        Stretch(state.since, state.until, state.polls)
        for state in reader.states(account, since=since)
        if state.usable == 0
    )
    failures = tuple(
        Stretch(failure.since, failure.until, failure.polls)
        for failure in reader.failures(account, since=since)
    )
    spans: dict[str, list[Span]] = {}
    lengths: dict[str, float] = {}
    known: dict[str, Series] = {}
    for name, first, until, looks in reader.recollect(account, since=since):
        series = known.setdefault(name, Series())
        last = series.observe_span(first, until=until, looks=looks)[-1]
        if last.used_percent is not None:
            figures = Span(first.at, until, last.used_percent, last.reset_at)
            spans.setdefault(name, []).append(figures)
        lengths[name] = length_s(Window(name, None, round(first.window_seconds or 0) or None, None))
    names = sorted(spans, key=lambda name: (lengths[name], name))
    return Past(
        tuple(
            Course(
                name,
                lengths[name] or None,
                tuple(spans[name]),
                blocked,
                failures,
                forecasts.get(name),
            )
            for name in names[:_MOST_WINDOWS]
        )
    )
