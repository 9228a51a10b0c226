"""Settings that a program made, held to what the options take."""

from __future__ import annotations

from typing import TYPE_CHECKING

from poller.settings.options.requests import REQUESTS
from poller.settings.options.watch import WATCH
from poller.settings.resolve import check_every, check_proxy
from poller.settings.value_types import UsageError

if TYPE_CHECKING:
    from poller.settings.model import Settings


class _Fields:
    """What a value is called where no option or file gave it."""

    def __getitem__(self, field: str) -> str:
        return f"settings.{field}"


def check(settings: Settings) -> None:
    """Check how requests are sent.

    Raises:
        UsageError: a value is none that its option takes.
    """
    for option in (*REQUESTS, *WATCH):
        value = getattr(settings, option.field)
        if value == option.default:
            continue
        try:
            option.kind.validate(value)
        except UsageError as error:
            raise UsageError(f"settings.{option.field}: {error}") from None
    check_proxy(settings, _Fields())
    check_every(settings, _Fields())
    if settings.nats is not None:
        raise UsageError("settings.nats: only the command line asks through agents; leave it out")
