"""``poller report``: pool, table and curves as one HTML file, mostly from the history."""

from __future__ import annotations

import os
from dataclasses import dataclass
from typing import TYPE_CHECKING

import anyio

from poller.commands.answering import answered
from poller.commands.language import language_for
from poller.deliver.files import NewFile
from poller.deliver.stderr import say
from poller.deliver.stdout import ResultsLost
from poller.history.charted import past_of
from poller.history.database import HistoryUnusable
from poller.history.reading import open_reader
from poller.history.recollection import standings_at
from poller.insight.changes import changes, gathered
from poller.insight.pool import NO_WEIGHTS
from poller.present.overview import Happening, Past, overview
from poller.present.page import Pages
from poller.process import exit_codes
from poller.process.clock import zone_of

if TYPE_CHECKING:
    from collections.abc import Iterable

    from poller.commands.answering import KnownAccounts
    from poller.insight.changes import Change
    from poller.insight.standing import Standing
    from poller.process.signals import Interrupts
    from poller.settings import Settings

_SINCE_S, _MAX_AGE_S = 7 * 86_400.0, 3600.0


def report(settings: Settings, interrupts: Interrupts) -> int:
    """Write the report; return 0, or the exit code of what kept it from being written."""
    if settings.report_file is None:
        say("poller: -o: say where to write the report: poller report -o FILE")
        return exit_codes.USAGE
    try:
        # Whether it can be written is known before anybody is asked. The draft itself comes
        # as late as can be, as a second signal ends the process wherever it is.
        NewFile(settings.report_file, option="-o").close()
    except ResultsLost as error:
        say(f"poller: {error}")
        return exit_codes.RESULTS_LOST
    return answered(
        settings,
        interrupts,
        _Report(settings, interrupts, settings.report_file).write,
        max_age_s=settings.max_age_s or _MAX_AGE_S,
    )


@dataclass(frozen=True, slots=True)
class _Report:
    settings: Settings
    interrupts: Interrupts
    path: str

    def write(self, known: KnownAccounts) -> int:
        """Write it; return the exit code."""
        settings = self.settings
        since = known.now - (settings.since_s or _SINCE_S)
        pasts, changed = self._remembered(known, since)
        seen = overview(
            known.accounts,
            now=known.now,
            forecasts=known.forecasts,
            rates=known.rates,
            weights=settings.weights or NO_WEIGHTS,
            changes=[Happening(None, change) for change in changed],
            changes_since=since,
        )
        pages = Pages(
            language_for(settings, os.environ),
            zone_of(settings.timezone, os.environ),
            demo=settings.demo is not None,
        )
        try:
            anyio.run(self._save, pages.report(seen, pasts, since=since))
        except ResultsLost as error:
            say(f"poller: {error}")
            return exit_codes.RESULTS_LOST
        return 0 if self.interrupts.number is None else 128 + self.interrupts.number

    def _remembered(
        self, known: KnownAccounts, since: float
    ) -> tuple[dict[str, Past], list[Change]]:
        """Return how each account's windows went, and what changed since then.

        Without a readable history it is nothing; :func:`answered` said why.
        """
        pasts: dict[str, Past] = {}
        before: list[Standing] = []
        try:
            with open_reader(known.history) as reader:
                stored = {one.key or one.label: one for one in reader.accounts()}
                for one in known.accounts:
                    account = stored.get(one.identity)
                    if account is not None:
                        ahead = known.forecasts.get(one.account, {})
                        past = past_of(reader, account, since=since, forecasts=ahead)
                        pasts[one.account] = past
                before = standings_at(reader, since, else_first_by=known.now)
        except HistoryUnusable:
            pass
        asked = {one.identity for one in known.accounts}
        before = [one for one in before if one.identity in asked]
        seen = {one.identity for one in before}
        after = [one for one in known.accounts if one.identity in seen]
        return pasts, gathered(changes(before, after), of=len(after))

    async def _save(self, pieces: Iterable[str]) -> None:
        file = NewFile(self.path, option="-o")
        try:
            for piece in pieces:
                if self.interrupts.number is not None:
                    return
                await file.write(piece.encode("utf-8", "backslashreplace"))
            await file.finish()
        finally:
            file.close()
