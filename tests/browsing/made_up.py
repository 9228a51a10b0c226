"""What there is to see of made-up accounts that lived for a week."""

from __future__ import annotations

from functools import cache
from tempfile import TemporaryDirectory
from typing import NamedTuple
from zoneinfo import ZoneInfo

from poller.commands.invented import record_week
from poller.history.charted import past_of
from poller.history.reading import open_reader
from poller.history.standings import standings_of
from poller.insight.changes import changes
from poller.insight.forecast import Outlook
from poller.present.overview import Happening, Overview, Past, overview
from poller.present.page import Pages

NOW = 1_790_000_000.0
WEEK_S = 7 * 86_400


class Seen(NamedTuple):
    overview: Overview
    pasts: dict[str, Past]


@cache
def seen(count: int) -> Seen:
    """Return what is known of ``count`` accounts after a week."""
    with TemporaryDirectory() as folder:
        path = f"{folder}/history.db"
        record_week(path, count, now=NOW)
        pasts: dict[str, Past] = {}
        forecasts = {}
        with open_reader(path) as reader:
            for account in reader.accounts():
                outlook = Outlook()
                for name, first, until, looks in reader.recollect(account):
                    outlook.recall(name, first, until=until, looks=looks)
                ahead = forecasts[account.label] = outlook.forecast(NOW)
                pasts[account.label] = past_of(reader, account, since=NOW - WEEK_S, forecasts=ahead)
            accounts = standings_of(reader.latest(now=NOW))
            before = standings_of(reader.latest(now=NOW - 86_400))
    changed = [Happening(None, change) for change in changes(before, accounts)]
    known = overview(
        accounts, now=NOW, forecasts=forecasts, changes=changed, changes_since=NOW - 86_400
    )
    return Seen(known, pasts)


def pages(language: str = "en") -> Pages:
    return Pages(language, ZoneInfo("Europe/Berlin"))


def report(count: int, language: str = "en") -> str:
    known, pasts = seen(count)
    return "".join(pages(language).report(known, pasts, since=NOW - WEEK_S))
