"""``poller alerts``: the rules and what fires now; whether one reaches where it should."""

from __future__ import annotations

import asyncio
import os
import shutil
import sqlite3
import sys
import time
from typing import TYPE_CHECKING

import anyio
import orjson

from poller.commands.alerting import manner_of
from poller.commands.language import words_for
from poller.deliver.delivery import (
    ANSWERS_WITHIN_S,
    DeliveryResult,
    NoUrl,
    exposed_file,
    no_answer,
    url_of,
)
from poller.deliver.printing import print_out, shows_table
from poller.deliver.stderr import say
from poller.history.alert_state import firing
from poller.history.database import (
    HistoryMissing,
    HistoryUnusable,
    default_path,
    error_text,
    open_to_read,
)
from poller.present.alert_list import as_json, as_text
from poller.process.patience import has_ended
from poller.process.stopping import stop_on_signal
from poller.process.threads import UnjoinedThreads
from poller.settings import UsageError
from poller.settings.file import own_file_shown
from poller.settings.quoting import nearest, quoted
from poller.text import printable

if TYPE_CHECKING:
    from poller.deliver.delivery import Delivery
    from poller.process.signals import Interrupts
    from poller.settings import Settings
    from poller.settings.alert_tables import Alert

_UNDELIVERED = 2
"""The exit code of trouble on the way, as of polls."""


def alerts(
    settings: Settings, interrupts: Interrupts, action: str = "list", rule: str | None = None
) -> int:
    """List the rules, or test one; return the exit code.

    Raises:
        UsageError: there is no such rule.
    """
    for alert in settings.alerts:
        exposed = exposed_file(alert)
        if exposed is not None and not settings.quiet:
            say(f"poller: others on this machine can read {exposed}: chmod 600")
    if action == "test":
        return _test(_named(rule, settings), settings, interrupts)
    if rule is not None:
        raise UsageError(f"{quoted(rule)}: one word too many: poller alerts list takes none")
    if not settings.alerts:
        say(f"poller: there are no alert rules: add an [[alert]] table to {own_file_shown()}")
        return 0
    words = words_for(settings, os.environ, stream=sys.stdout)
    as_lines = not shows_table(settings.format)
    told = [
        as_json(alert, fires, trouble) if as_lines else as_text(alert, fires, trouble, words)
        for alert, fires in zip(settings.alerts, _firing(settings), strict=True)
        for trouble in (_trouble(alert),)
    ]
    return print_out(("\n" if as_lines else "\n\n").join(told) + "\n")


def _firing(settings: Settings) -> list[list[tuple[str | None, str, str | None]]]:
    """Return what each rule has told and is not over, as the history has it."""
    path = settings.history_file or ""
    names = [alert.rule.name for alert in settings.alerts]
    if settings.demo is not None and not path:
        return [[] for _ in names]
    try:
        path = path or default_path()
        connection = open_to_read(path)
        try:
            return [firing(connection, name) for name in names]
        finally:
            connection.close()
    except HistoryMissing:
        pass
    except (HistoryUnusable, sqlite3.Error, OSError) as error:
        say(f"poller: {error_text(error, path)}")
    return [[] for _ in names]


def _trouble(alert: Alert) -> str | None:
    """Return why a rule cannot be told, as far as that can be seen without telling it."""
    if alert.run:
        return None if shutil.which(alert.run[0]) else "no such program"
    try:
        if not has_ended(lambda: url_of(alert, os.environ), within_s=ANSWERS_WITHIN_S):
            raise no_answer(alert)
    except NoUrl as error:
        return str(error)
    return None


def _named(name: str | None, settings: Settings) -> Alert:
    names = [alert.rule.name for alert in settings.alerts]
    if name is None:
        raise UsageError(f"NAME: expected the rule to test: {', '.join(names) or 'there is none'}")
    for alert in settings.alerts:
        if alert.rule.name == name:
            return alert
    near = nearest(name, names)
    meant = f"did you mean {near!r}?" if near else f"there are {', '.join(names) or 'none'}"
    raise UsageError(f"{quoted(name)}: no such alert; {meant}")


def _test(alert: Alert, settings: Settings, interrupts: Interrupts) -> int:
    delivery = anyio.run(_deliver, alert, settings, interrupts)
    if delivery is None:
        return 128 + (interrupts.number or 0)
    delivered = delivery.result is DeliveryResult.DELIVERED
    if not delivered:
        say(f"poller: alert {printable(alert.rule.name)}: {delivery.why}")
    code = 0
    if not shows_table(settings.format):
        told = {"rule": alert.rule.name, "result": delivery.result, "why": delivery.why or None}
        code = print_out(f"{orjson.dumps(told).decode()}\n")
    elif delivered:
        code = print_out(f"{printable(alert.rule.name)}: {delivery.result}\n")
    return code or (0 if delivered else _UNDELIVERED)


async def _deliver(alert: Alert, settings: Settings, interrupts: Interrupts) -> Delivery | None:
    """Tell a rule's test; None where a signal came first."""
    from poller.deliver.alerting import Messenger

    asyncio.get_running_loop().set_default_executor(UnjoinedThreads())
    with anyio.CancelScope() as scope:
        stop_on_signal(interrupts, lambda _: scope.cancel())
        messenger = Messenger(settings.alerts, manner_of(settings))
        return await messenger.tell(alert, (), now=time.time())
    return None
