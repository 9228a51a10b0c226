"""Metrics for Prometheus: what is known of accounts, as text. Names are those of docs/serve.md."""

from __future__ import annotations

from dataclasses import dataclass, field
from math import isfinite
from typing import TYPE_CHECKING

from prometheus_client.core import CounterMetricFamily, GaugeMetricFamily, HistogramMetricFamily
from prometheus_client.exposition import choose_encoder
from prometheus_client.registry import Collector

if TYPE_CHECKING:
    from collections.abc import Iterable, Iterator, Mapping, Sequence

    from prometheus_client.metrics_core import Metric

    from poller.insight.pool import Pool
    from poller.insight.standing import Standing
    from poller.values import Forecast, Report, Snapshot, Window

ROUND_BUCKETS_S = (0.1, 0.25, 0.5, 1.0, 2.5, 5.0, 10.0, 30.0, 60.0, 300.0)
"""Upper bounds of the histogram of rounds, in seconds."""


@dataclass(frozen=True, slots=True)
class Counted:
    """What a program that polls again and again has counted since its start."""

    requests: Mapping[str, int]
    """Requests by result: ``ok``, a kind of failure, or ``retried``: one that was repeated."""
    notifications: Mapping[str, int]
    """Messages of alerts by result."""
    rounds_s: Sequence[int]
    """Rounds by length: as many as end in each of ``ROUND_BUCKETS_S``, and those beyond."""
    rounds_total_s: float
    """Length of all rounds together."""


@dataclass(frozen=True, slots=True)
class Measured:
    """Everything that the metrics say."""

    version: str
    accounts: Sequence[Standing]
    pool: Pool
    last_round: Snapshot | None = None
    forecasts: Mapping[str, Mapping[str, Forecast]] = field(
        default_factory=dict[str, "Mapping[str, Forecast]"]
    )
    """By account and window."""
    counts: Counted | None = None
    """None for one round: a file that is written anew each time holds no counters."""


def metrics(measured: Measured, *, accept: str = "") -> tuple[bytes, str]:
    """Return the metrics, UTF-8, and their media type.

    It is Prometheus' text format; OpenMetrics where ``accept``, the request's header, asks
    for it.
    """
    encode, media_type = choose_encoder(accept)
    return encode(_Collector(measured)), media_type


class _Collector(Collector):
    """Stands for a registry: the library's own adds the process and Python."""

    def __init__(self, measured: Measured) -> None:
        self._measured = measured

    def collect(self) -> Iterator[Metric]:
        measured = self._measured
        yield from _of_windows(measured)
        yield from _of_accounts(measured)
        yield from _of_pool(measured.pool)
        yield from _of_rounds(measured.last_round)
        yield _gauge(
            "poller_build_info",
            "This program's version.",
            ("version",),
            [((measured.version,), 1.0)],
        )
        if measured.counts is not None:
            yield from _of_counts(measured.counts)


def _of_windows(measured: Measured) -> Iterator[Metric]:
    windows = [
        ((report.account, window.name), window)
        for report in _answered(measured)
        for window in (report.usage.windows if report.usage else ())
    ]
    labels = ("account", "window")
    yield _gauge(
        "poller_window_used_ratio",
        "Used part of a window, 0 to 1.",
        labels,
        ((of, _used(window)) for of, window in windows),
    )
    yield _gauge(
        "poller_window_reset_timestamp_seconds",
        "When a window resets, in Unix seconds; absent while it has not started.",
        labels,
        ((of, None if window.started is False else window.reset_at) for of, window in windows),
    )
    yield _gauge(
        "poller_window_length_seconds",
        "Length of a window.",
        labels,
        ((of, window.window_seconds) for of, window in windows),
    )
    yield _gauge(
        "poller_extra_limit_used_ratio",
        "Used part of a window of an extra limit, 0 to 1.",
        ("account", "limit", "window"),
        _extra(measured),
    )
    yield _gauge(
        "poller_forecast_runs_out_ratio",
        "Chance that a window runs out before its reset, 0 to 1.",
        labels,
        (
            ((report.account, window), forecast.runs_out_chance)
            for report in _answered(measured)
            for window, forecast in measured.forecasts.get(report.account, {}).items()
        ),
    )


def _of_accounts(measured: Measured) -> Iterator[Metric]:
    reports = [one.report for one in measured.accounts]
    of_account = ("account",)
    yield _gauge(
        "poller_account_ok",
        "Whether the account answered when it was last asked.",
        of_account,
        (((report.account,), float(report.ok)) for report in reports),
    )
    usages = [((report.account,), report.usage) for report in _answered(measured) if report.usage]
    yield _gauge(
        "poller_account_usable",
        "Whether the account can be used, on its plan or on credits; absent if unknown.",
        of_account,
        ((of, usage.usable) for of, usage in usages),
    )
    yield _gauge(
        "poller_account_on_credits",
        "Whether the plan is used up and bought credits carry on.",
        of_account,
        ((of, usage.on_credits) for of, usage in usages),
    )
    yield _gauge(
        "poller_credits_balance",
        "Credits that are left.",
        of_account,
        ((of, _decimal(usage.credits.balance)) for of, usage in usages if usage.credits),
    )
    yield _gauge(
        "poller_account_info",
        "What else is known of the account.",
        ("account", "key", "plan", "machine"),
        (
            ((one.account, one.key or "", _plan(one), one.report.machine or ""), 1.0)
            for one in measured.accounts
        ),
    )
    yield _gauge(
        "poller_account_failure",
        "The kind of failure of an account that did not answer.",
        ("account", "kind"),
        (
            ((report.account, report.failure.kind.value), 1.0)
            for report in reports
            if report.failure is not None
        ),
    )
    yield _gauge(
        "poller_account_observed_timestamp_seconds",
        "When the account last answered, in Unix seconds.",
        of_account,
        (((one.account,), one.answered_at) for one in measured.accounts),
    )
    yield _gauge(
        "poller_token_expiry_timestamp_seconds",
        "When the account's access token expires, in Unix seconds.",
        of_account,
        (((report.account,), report.expires_at) for report in reports),
    )


def _of_pool(pool: Pool) -> Iterator[Metric]:
    states = ("usable", "on_credits", "unknown", "blocked", "failed")
    yield _gauge(
        "poller_pool_accounts",
        "Accounts by state.",
        ("state",),
        (((state,), float(getattr(pool, state))) for state in states),
    )
    yield _gauge(
        "poller_pool_remaining_windows",
        "What all accounts have left together, in whole windows.",
        ("window", "bound"),
        (
            ((name, bound), value)
            for name, share in pool.windows.items()
            for bound, value in (("lower", share.lower), ("upper", share.upper))
        ),
    )


def _of_rounds(last: Snapshot | None) -> Iterator[Metric]:
    if last is None:
        return
    yield _gauge(
        "poller_last_round_timestamp_seconds",
        "When the last round ended, in Unix seconds.",
        (),
        [((), last.ended_at)],
    )
    yield _gauge(
        "poller_last_round_duration_seconds",
        "How long the last round took.",
        (),
        [((), max(0.0, last.ended_at - last.started_at))],
    )


def _of_counts(counts: Counted) -> Iterator[Metric]:
    yield _counter("poller_requests", "Requests sent, by result.", counts.requests)
    yield _counter("poller_notifications", "Alert messages, by result.", counts.notifications)
    reached, buckets = 0, list[tuple[str, float]]()
    for bound, rounds in zip((*ROUND_BUCKETS_S, float("inf")), counts.rounds_s, strict=True):
        reached += rounds
        buckets.append(("+Inf" if bound == float("inf") else str(bound), reached))
    yield HistogramMetricFamily(
        "poller_round_duration_seconds",
        "Length of rounds.",
        buckets=buckets,
        sum_value=counts.rounds_total_s,
    )


def _answered(measured: Measured) -> Iterator[Report]:
    """Yield the latest report of each account that answered: a failure tells no figures."""
    return (one.report for one in measured.accounts if one.report.ok)


def _extra(measured: Measured) -> Iterator[tuple[tuple[str, ...], float | None]]:
    """Yield one value for each name: where two limits share one, that of which more is used."""
    most: dict[tuple[str, ...], float] = {}
    for report in _answered(measured):
        for limit in report.usage.extra_limits if report.usage else ():
            for window in limit.windows:
                of = (report.account, limit.name or limit.feature or "", window.name)
                used = _used(window)
                if used is not None:
                    most[of] = max(used, most.get(of, 0.0))
    yield from most.items()


def _plan(one: Standing) -> str:
    return (one.usage and one.usage.plan) or ""


def _used(window: Window) -> float | None:
    used = window.used_percent
    return None if used is None else round(used / 100, 8)


def _decimal(text: str | None) -> float | None:
    try:
        value = float(text or "")
    except ValueError:
        return None
    return value if isfinite(value) else None


def _gauge(
    name: str,
    what: str,
    labels: Sequence[str],
    values: Iterable[tuple[Sequence[str], float | None]],
) -> Metric:
    """Return a gauge; values that are unknown are absent."""
    family = GaugeMetricFamily(name, what, labels=labels)
    for of, value in values:
        if value is not None:
            family.add_metric(of, float(value))
    return family


def _counter(name: str, what: str, by_result: Mapping[str, int]) -> Metric:
    family = CounterMetricFamily(name, what, labels=("result",))
    for result, count in sorted(by_result.items()):
        family.add_metric((result,), count)
    return family
