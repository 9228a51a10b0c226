"""How a round is written: lines as they come or a table at the end, and onto what."""

from __future__ import annotations

import os
import sys
from dataclasses import replace
from functools import partial
from typing import TYPE_CHECKING

from poller.deliver.printing import STDOUT, shows_table
from poller.deliver.sinks import Lines, TextAtEnd
from poller.deliver.stdout import Writer
from poller.present.record import serialize
from poller.values import unexpected_failure

if TYPE_CHECKING:
    from collections.abc import Callable, Iterable, Mapping

    from poller.deliver.progress import Progress
    from poller.deliver.sinks import Sink, Writes
    from poller.insight.standing import Standing
    from poller.settings import Settings
    from poller.values import Forecast, Report, Snapshot


def open_output(settings: Settings) -> Writes:
    """Open what the results are written to; raises ResultsLost where that cannot be."""
    if settings.output is None:
        return Writer(STDOUT)
    from poller.deliver.files import NewFile

    return NewFile(settings.output)


def is_table(settings: Settings) -> bool:
    """Whether the results are a table, as asked for or because a person looks."""
    raw = settings.raw_json or settings.raw_headers
    if settings.format == "auto" and (raw or settings.output is not None):
        return False
    return shows_table(settings.format)


def shows_progress(settings: Settings) -> bool:
    """Whether somebody waits in front of a terminal that can redraw a line."""
    return not settings.quiet and sys.stderr.isatty() and os.environ.get("TERM") != "dumb"


def table_sink(
    settings: Settings, writer: Writes, *, clock: Callable[[], float], progress: Progress | None
) -> Sink:
    """Return what writes a round as a table; ``clock`` tells Unix seconds."""
    # Only where a person looks.
    from poller.commands.failing import refresh_of
    from poller.commands.language import language_for
    from poller.present.terminal import traits
    from poller.present.usage_table import UsageTable
    from poller.process.clock import zone_of

    zone = zone_of(settings.timezone, os.environ)
    language = language_for(settings, os.environ)
    weights = settings.weights or {}
    table = UsageTable(zone, extra=settings.extra, language=language, weights=weights)
    stream = sys.stdout if settings.output is None else None
    look = traits(stream, os.environ, color=settings.color)

    def render(_snapshot: Snapshot) -> Iterable[str]:
        return table.render(width=look.width, color=look.color, unicode=look.unicode, now=clock())

    def add(report: Report) -> None:
        table.add(report, refresh=refresh_of(report, settings))

    return TextAtEnd(writer, add=add, render=render, progress=progress)


def metrics_sink(settings: Settings, writer: Writes, *, clock: Callable[[], float]) -> Sink:
    """Return what writes a round as metrics for Prometheus; ``clock`` tells Unix seconds."""
    from poller import __version__
    from poller.insight.pool import NO_WEIGHTS, pool
    from poller.insight.standing import standing
    from poller.present.prometheus import Measured, metrics

    accounts: list[Standing] = []
    forecasts: dict[str, Mapping[str, Forecast]] = {}

    def add(report: Report) -> None:
        accounts.append(standing(report))
        forecasts[report.account] = report.forecast or {}

    def render(snapshot: Snapshot) -> Iterable[str]:
        known = pool(accounts, now=clock(), weights=settings.weights or NO_WEIGHTS)
        measured = Measured(__version__, accounts, known, forecasts=forecasts, last_round=snapshot)
        yield metrics(measured)[0].decode()

    return TextAtEnd(writer, add=add, render=render)


class RecordLines:
    """A round as lines: JSON or CSV."""

    def __init__(self, settings: Settings) -> None:
        self._heading = b""
        self._replaced_report: Report | None = None
        if settings.format == "csv":
            from poller.present import csv

            self._heading, self._serialize = csv.heading(), csv.rows_of
            return
        raw = settings.raw_json or settings.raw_headers
        self._serialize = partial(
            serialize,
            show_identity=settings.show_identity,
            raw_json=settings.raw_json,
            raw_headers=settings.raw_headers,
            indent=raw and settings.output is None and os.isatty(STDOUT),
        )

    def sink(self, writer: Writes) -> Sink:
        """Return what writes each report's lines as it comes."""
        return Lines(writer, self._lines, heading=self._heading)

    def written(self, report: Report) -> Report:
        """Return what was last written for ``report``: a failure where it had no record."""
        written, self._replaced_report = self._replaced_report or report, None
        return written

    def _lines(self, report: Report) -> bytes:
        """Return a report's lines; where that fails, those of its failure."""
        try:
            return self._serialize(report)
        except Exception as error:  # noqa: BLE001 - it shall cost this account alone
            failure = unexpected_failure(error)
            self._replaced_report = replace(
                report, usage=None, raw=None, headers=None, failure=failure
            )
            return self._serialize(self._replaced_report)
