"""After a round: evaluate the rules, tell what they say, keep what could not be told.

Nothing here costs a record, holds up polling, or changes an exit code.
"""

from __future__ import annotations

import os
from collections import Counter
from dataclasses import dataclass
from functools import partial
from typing import TYPE_CHECKING, TypeVar

import anyio

from poller.deliver.delivery import (
    ANSWERS_WITHIN_S,
    Delivery,
    DeliveryResult,
    NoUrl,
    exposed_file,
    failed,
    no_answer,
    url_of,
)
from poller.deliver.hooks import run_hook
from poller.history.alert_state import AskedRound, evaluate_all, put_back, take
from poller.history.database import HistoryUnusable
from poller.present.alert_text import event_of, message, sentence
from poller.process.threads import run_in_thread
from poller.values import FailureKind

if TYPE_CHECKING:
    import sqlite3
    from collections.abc import Callable, Collection, Iterable, Mapping, Sequence
    from datetime import tzinfo

    from poller.deliver.delivery import SecretUrl
    from poller.history.store import History
    from poller.insight.alert_rules import Told
    from poller.settings.alert_tables import Alert
    from poller.values import Report

T = TypeVar("T")

_AT_ONCE = 4
_AGAIN_AFTER_S = (1.0, 3.0)
"""Waits before the two more tries."""
_REST_S = 60.0
"""How long a rule that could not be told is let alone, where rounds follow one another fast."""
_LOCKED_TRIES, _PUT_BACK_TRIES = 4, 20
"""Each waits half a second for who else writes the history. What is not evaluated now is
evaluated in the next round; what is not put back is lost."""
_PUT_BACK_S = 1.0


@dataclass(frozen=True, slots=True, kw_only=True)
class Manner:
    """How alerts are told."""

    zone: tzinfo | None
    """Of quiet hours and times; None is local time."""
    language: str
    """``en`` or ``zh``."""
    ca_file: str | None = None
    """Certificates trusted besides the system's."""
    again_after_s: tuple[float, ...] = _AGAIN_AFTER_S
    rest_s: float = _REST_S


class Messenger:
    """Tells what a rule has to say, in its way."""

    def __init__(self, alerts: Iterable[Alert], manner: Manner) -> None:
        self._manner = manner
        urls = {alert.url_env for alert in alerts}
        self._environ = {name: value for name, value in os.environ.items() if name not in urls}
        """What hooks see: the other rules' URLs are none of their business."""
        self.counts: Counter[str] = Counter()
        """How many notifications ended how: ``delivered``, ``failed``, ``refused``, ``ended``."""
        self.in_flight: set[str] = set()
        """Rules of which it is not known whether they were heard."""
        self._reading: set[str] = set()
        """Rules whose URL is being read, in threads that may have been given up."""

    async def tell(self, alert: Alert, told: Sequence[Told], *, now: float) -> Delivery:
        """Deliver a message; nothing told is a test. What fails is tried twice more."""
        manner, rule = self._manner, alert.rule
        text = sentence(rule.name, told, now=now, zone=manner.zone, language=manner.language)
        body = message(rule.name, told, text=text, at=now)
        waits = iter(manner.again_after_s)
        while True:
            self.in_flight.add(rule.name)
            delivery = await self._attempt(alert, told, text, body)
            self.in_flight.discard(rule.name)
            wait_s = next(waits, None)
            if not delivery.again or wait_s is None:
                self.counts[delivery.result.value] += 1
                return delivery
            await anyio.sleep(wait_s)

    async def _attempt(
        self, alert: Alert, told: Sequence[Told], text: str, body: bytes
    ) -> Delivery:
        rule = alert.rule
        if alert.run:
            words = {"{text}": text, "{rule}": rule.name, "{event}": event_of(told)}
            program, *others = alert.run
            return await run_hook(
                (program, *(_filled(word, words) for word in others)), body, environ=self._environ
            )
        try:
            url = await self._url_of(alert)
        except NoUrl as error:
            return failed(str(error))
        from poller.deliver import notify  # it takes long to load

        if not url.is_web:
            return await notify.notify_by_apprise(url.secret, text)
        posted = notify.Posted(text, body, rule.critical)
        return await notify.post(
            url.secret, alert.style or "json", posted, ca_file=self._manner.ca_file
        )

    async def _url_of(self, alert: Alert) -> SecretUrl:
        """Raises NoUrl."""
        name = alert.rule.name
        if name in self._reading:
            raise no_answer(alert)

        def read() -> SecretUrl:
            try:
                return url_of(alert, os.environ)
            finally:
                self._reading.discard(name)

        self._reading.add(name)
        try:
            with anyio.fail_after(ANSWERS_WITHIN_S):
                return await run_in_thread(read, abandon_on_cancel=True)
        except TimeoutError:
            raise no_answer(alert) from None


class Alerting:
    """The alerts of a program that polls once or again and again."""

    def __init__(
        self,
        alerts: Sequence[Alert],
        history: History,
        *,
        manner: Manner,
        warn: Callable[[str], None],
        weights: Mapping[str, float] | None = None,
    ) -> None:
        """``warn`` is called with a sentence for a person; ``weights`` are the pool's."""
        self._alerts = {alert.rule.name: alert for alert in alerts}
        self._history = history
        self._manner = manner
        self._warn = warn
        self._weights = weights or {}
        self._messenger = Messenger(alerts, manner)
        self._four = anyio.Semaphore(_AT_ONCE)
        self._turns = {name: anyio.Lock() for name in self._alerts}
        """One message of a rule after the other: what is over is not told before it began."""
        self._rests_until: dict[str, float] = {}
        self._said: dict[str, str] = {}
        """What was said of each rule, so that it is said once."""
        for alert in alerts:
            exposed = exposed_file(alert)
            if exposed is not None:
                warn(f"others on this machine can read {exposed}: chmod 600")

    @property
    def counts(self) -> Mapping[str, int]:
        """How many notifications ended how, by :class:`DeliveryResult`."""
        return self._messenger.counts

    async def tell(
        self, reports: Sequence[Report], *, now: float, accounts: Collection[str] | None = None
    ) -> None:
        """Evaluate the rules, and deliver what they tell; as :meth:`evaluate` says."""
        due = await self.evaluate(reports, now=now, accounts=accounts)
        async with anyio.create_task_group() as tasks:
            for name in due:
                tasks.start_soon(self.deliver, name, now)

    async def evaluate(
        self, reports: Sequence[Report], *, now: float, accounts: Collection[str] | None = None
    ) -> list[str]:
        """Return the rules that have something to tell after reports that are recorded.

        Raises nothing but cancellation.

        Args:
            reports: What came, and was handed over to the history before.
            now: Unix seconds.
            accounts: The labels of all accounts there are; None where only some were asked.
        """
        asked = [
            each
            for each in reports
            if each.failure is None or each.failure.kind is not FailureKind.CANCELLED
        ]
        rules = [alert.rule for alert in self._alerts.values()]
        round_ = AskedRound(asked, now, accounts, self._manner.zone, self._weights)
        return await self._transact(partial(evaluate_all, rules=rules, asked=round_)) or []

    async def deliver(self, name: str, now: float) -> None:
        """Deliver what a rule has to tell; raises nothing but cancellation."""
        alert = self._alerts[name]
        async with self._turns[name], self._four:
            if anyio.current_time() < self._rests_until.get(name, 0.0):
                return
            told = await self._transact(partial(take, rule=name))
            if not told:  # another poller was faster
                return
            try:
                delivery = await self._messenger.tell(alert, told, now=now)
            except anyio.get_cancelled_exc_class():
                if name not in self._messenger.in_flight:
                    with anyio.move_on_after(_PUT_BACK_S, shield=True):
                        await self._put_back(name, told, now)
                raise
            await self._note(name, delivery, told, now)

    async def _note(self, name: str, delivery: Delivery, told: Sequence[Told], now: float) -> None:
        kept = ""
        if delivery.result is DeliveryResult.FAILED:
            await self._put_back(name, told, now)
            self._rests_until[name] = anyio.current_time() + self._manner.rest_s
            kept = "; kept for the next round"
        if delivery.result is DeliveryResult.DELIVERED:
            self._said.pop(name, None)
        elif self._said.get(name) != delivery.why:
            self._said[name] = delivery.why
            self._warn(f"alert {name}: {delivery.why}{kept}")

    async def _put_back(self, name: str, told: Sequence[Told], now: float) -> None:
        work = partial(put_back, rule=name, told=told, now=now)
        await self._transact(work, tries=_PUT_BACK_TRIES)

    async def _transact(
        self, work: Callable[[sqlite3.Connection], T], *, tries: int = _LOCKED_TRIES
    ) -> T | None:
        """Do a transaction, also where others write; None where the history takes none."""
        trouble = ""
        for _ in range(tries):
            try:
                return await self._history.transact(work)
            except HistoryUnusable as error:
                trouble = str(error)
            except Exception as error:  # noqa: BLE001 - it shall cost nothing but the alerts
                self._warn(
                    f"alerts: a bug in this program: {type(error).__name__}; please report it"
                )
                return None
        if trouble != self._history.trouble:
            self._warn(f"alerts: {trouble}")
        return None


def _filled(word: str, words: Mapping[str, str]) -> str:
    """Return a hook's word with what stands in braces filled in, once."""
    for name, text in words.items():
        before, found, after = word.partition(name)
        if found:
            return f"{_filled(before, words)}{text}{_filled(after, words)}"
    return word
