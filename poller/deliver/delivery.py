"""How telling an alert ended, and where a webhook's URL is kept."""

from __future__ import annotations

import os
import stat
from contextlib import suppress
from dataclasses import dataclass
from enum import StrEnum
from ipaddress import IPv4Address
from typing import TYPE_CHECKING

from poller.process.patience import has_ended
from poller.process.private_files import is_exposed
from poller.settings import UsageError
from poller.settings.addresses import Address, target_address
from poller.text import os_error_text, printable
from poller.values import Secret

if TYPE_CHECKING:
    from collections.abc import Mapping

    from poller.settings.alert_tables import Alert

ANSWERS_WITHIN_S = 1.0
"""A disk that holds a URL and does not answer for so long is given up."""
_LONGEST_URL = 4096
_WEB = ("http", "https")


class DeliveryResult(StrEnum):
    """How it ended; also what is counted."""

    DELIVERED = "delivered"
    FAILED = "failed"
    """It may work later: it is kept for the next round."""
    REFUSED = "refused"
    """It would be refused again."""
    ENDED = "ended"
    """It took too long, or the program was told to end; it may have been told."""


@dataclass(frozen=True, slots=True)
class Delivery:
    """How one attempt ended."""

    result: DeliveryResult
    why: str = ""
    """For a person; it holds nothing of the URL, nor of what came from outside."""
    again: bool = False
    """Whether the same may work in a moment."""


def failed(why: str, *, again: bool = False) -> Delivery:
    """Return a failure; ``again`` where it may pass in a moment."""
    return Delivery(DeliveryResult.FAILED, why, again)


class NoUrl(Exception):  # noqa: N818 - it says what is the matter
    """There is no URL to use; the message says why, and holds nothing of it."""


@dataclass(frozen=True, slots=True)
class SecretUrl:
    """A webhook's URL. It is a secret: whoever knows it can write there."""

    secret: Secret
    is_web: bool
    """Whether it is http or https; any other scheme is Apprise's."""


def url_of(alert: Alert, environ: Mapping[str, str]) -> SecretUrl:
    """Return an alert's URL, as long as that takes the disk that it is on.

    Raises:
        NoUrl: there is none, or it may not be used.
    """
    if alert.url_file is not None:
        place, text = printable(alert.url_file), _content(alert.url_file)
    else:
        name = alert.url_env or ""
        place, text = f"environment variable {name}", environ.get(name, "")
        if not text:
            raise NoUrl(f"{place}: it is not set")
    url = text.strip()
    scheme, colon, _ = url.partition("://")
    plain = all("!" <= char <= "~" for char in url)
    if not colon or not plain or not scheme or len(url) > _LONGEST_URL:
        raise NoUrl(f"{place}: expected one URL, and nothing else")
    if scheme.lower() not in _WEB:
        return SecretUrl(Secret(url), is_web=False)
    try:
        accepted = target_address(url)
    except UsageError as error:
        raise NoUrl(f"{place}: {error}") from None
    if accepted is None or _is_odd_number(Address(accepted).host):
        raise NoUrl(
            f"{place}: expected an https URL (http only for the addresses 127.x.x.x and [::1])"
        )
    return SecretUrl(Secret(accepted), is_web=True)


def _is_odd_number(host: str) -> bool:
    """Whether the HTTP library takes it for an address, and the system reads it otherwise."""
    if not host.replace(".", "").isdigit():
        return False
    try:
        return str(IPv4Address(host)) != host
    except ValueError:
        return True


def exposed_file(alert: Alert) -> str | None:
    """Return the alert's URL file where others on this machine can read it."""
    path = alert.url_file
    if path is None:
        return None
    found: list[bool] = []
    with suppress(OSError, ValueError):
        has_ended(
            lambda: found.append(is_exposed(path, os.stat(path).st_mode)),
            within_s=ANSWERS_WITHIN_S,
        )
    return printable(path) if True in found else None


def no_answer(alert: Alert) -> NoUrl:
    """Return what is said of a URL's file on such a disk."""
    return NoUrl(f"{printable(alert.url_file or '')}: its disk does not answer")


def _content(path: str) -> str:
    # A FIFO would be waited for.
    waiting = getattr(os, "O_NONBLOCK", 0)
    try:
        with open(os.open(path, os.O_RDONLY | waiting), "rb") as file:
            if not stat.S_ISREG(os.fstat(file.fileno()).st_mode):
                raise NoUrl(f"{printable(path)}: not a regular file")
            return file.read(_LONGEST_URL + 1).decode("ascii", "replace")
    except (OSError, ValueError) as error:
        raise NoUrl(f"{printable(path)}: {os_error_text(error)}") from None
