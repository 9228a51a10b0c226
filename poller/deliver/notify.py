"""Webhooks: https alone but on loopback, no redirects, no address that was not meant.

A URL may name a host that whoever owns its name points at this machine's network. So the
addresses are checked that are connected to, and private ones are refused unless the URL
has the address itself. Nothing of a URL is ever told: it is a secret.
"""

from __future__ import annotations

import logging
import ssl
from functools import partial
from ipaddress import IPv4Address, IPv6Address, IPv6Network, ip_address
from typing import TYPE_CHECKING, Any, NamedTuple

import aiohttp
import anyio
import orjson
from aiohttp.abc import AbstractResolver
from yarl import URL

from poller.deliver.delivery import Delivery, DeliveryResult, failed
from poller.process.threads import run_in_thread
from poller.text import os_error_text

if TYPE_CHECKING:
    import socket

    from aiohttp.abc import ResolveResult

    from poller.values import Secret

WEBHOOK_S = 5.0
APPRISE_S = 15.0
"""Apprise itself waits 4 s for a connection and 4 s for an answer, and may ask twice."""
_NTFY_BYTES, _DISCORD_CHARACTERS = 4000, 2000
"""ntfy turns longer texts into attachments, Discord refuses them."""
_TRANSLATED = IPv6Network("64:ff9b::/96")
"""IPv6 addresses of IPv4 ones (RFC 6052)."""


class Posted(NamedTuple):
    """What a webhook is sent."""

    text: str
    """For people."""
    message: bytes
    """For programs: JSON."""
    critical: bool


async def post(
    url: Secret, style: str, posted: Posted, *, ca_file: str | None, within_s: float = WEBHOOK_S
) -> Delivery:
    """Send a message to a webhook. Raises nothing but cancellation."""
    try:
        context = await run_in_thread(partial(_context, ca_file))  # it takes tens of ms
    except OSError as error:  # ssl.SSLError is one
        return failed(f"certificates cannot be read: {os_error_text(error)}")
    headers, body = _STYLES[style](posted)
    resolver = _Resolver()
    connector = aiohttp.TCPConnector(resolver=resolver, ssl=context, force_close=True)
    timeout = aiohttp.ClientTimeout(total=within_s)
    jar = aiohttp.DummyCookieJar()
    sent = {"User-Agent": "poller", **headers}
    try:
        async with (
            aiohttp.ClientSession(connector=connector, timeout=timeout, cookie_jar=jar) as session,
            session.post(
                URL(url.reveal(), encoded=True), data=body, headers=sent, allow_redirects=False
            ) as response,
        ):
            return _meant(response.status)
    except Exception as error:  # noqa: BLE001 - their texts hold the URL: none may leave
        if resolver.refused:
            return failed(
                "its host has a private address: if that is meant, put the address into the URL"
            )
        return failed(_words(error, within_s), again=True)


def _context(ca_file: str | None) -> ssl.SSLContext:
    context = ssl.create_default_context()
    if ca_file is not None:
        context.load_verify_locations(ca_file)
    return context


def _meant(status: int) -> Delivery:
    if 200 <= status < 300:
        return Delivery(DeliveryResult.DELIVERED)
    if status == 429 or status >= 500:
        return failed(f"it answered {status}", again=True)
    why = "redirects are not followed" if 300 <= status < 400 else "it refused the message"
    return Delivery(DeliveryResult.REFUSED, f"it answered {status}: {why}")


def _words(error: Exception, within_s: float) -> str:
    match error:
        case TimeoutError():
            return f"it did not answer within {within_s:g} s"
        case aiohttp.ClientConnectorCertificateError() | aiohttp.ClientConnectorSSLError():
            return "its certificate is not trusted: --ca-file trusts your own"
        case aiohttp.ClientConnectorDNSError():
            return "its host was not found"
        case _:
            return "no connection"


class _Resolver(AbstractResolver):
    """Looks names up as the system does, and leaves out private addresses."""

    def __init__(self) -> None:
        self.refused = False
        self._system = aiohttp.ThreadedResolver()

    async def resolve(
        self, host: str, port: int = 0, family: socket.AddressFamily | int = 0
    ) -> list[ResolveResult]:
        """Return the addresses that may be connected to."""
        found = await self._system.resolve(host, port, family)  # type: ignore[arg-type]
        name = host.lower().rstrip(".")
        if name == "localhost" or name.endswith(".localhost"):  # it is this machine's (RFC 6761)
            return found
        public = [each for each in found if is_public(each["host"])]
        if not public:
            self.refused = True
            raise OSError("no public address")
        return public

    async def close(self) -> None:
        """Let go of nothing."""


def is_public(text: str) -> bool:
    """Whether an address is on the public internet, also where it wraps another one."""
    address: IPv4Address | IPv6Address = ip_address(text.partition("%")[0])
    if isinstance(address, IPv6Address):
        inner = address.ipv4_mapped or address.sixtofour
        if inner is None and address in _TRANSLATED:
            inner = IPv4Address(int(address) & 0xFFFFFFFF)
        if inner is not None:
            address = inner
    return address.is_global and not address.is_multicast


def _json(posted: Posted) -> tuple[dict[str, str], bytes]:
    return {"Content-Type": "application/json"}, posted.message


def _ntfy(posted: Posted) -> tuple[dict[str, str], bytes]:
    priority = "urgent" if posted.critical else "default"
    body = posted.text.encode()[:_NTFY_BYTES].decode(errors="ignore").encode()
    headers = {"Title": "poller", "Priority": priority, "Content-Type": "text/plain; charset=utf-8"}
    return headers, body


def _slack(posted: Posted) -> tuple[dict[str, str], bytes]:
    text = posted.text.replace("&", "&amp;").replace("<", "&lt;").replace(">", "&gt;")
    return {"Content-Type": "application/json"}, orjson.dumps({"text": text})


def _discord(posted: Posted) -> tuple[dict[str, str], bytes]:
    body: dict[str, object] = {
        "content": posted.text[:_DISCORD_CHARACTERS],
        "allowed_mentions": {"parse": []},  # a label such as @everyone calls nobody
    }
    return {"Content-Type": "application/json"}, orjson.dumps(body)


_STYLES = {"json": _json, "ntfy": _ntfy, "slack": _slack, "discord": _discord}


async def notify_by_apprise(url: Secret, text: str, *, within_s: float = APPRISE_S) -> Delivery:
    """Send a text through Apprise, in a thread that is left behind if it takes too long."""
    try:
        with anyio.fail_after(within_s):
            return await run_in_thread(partial(_apprise, url, text), abandon_on_cancel=True)
    except TimeoutError:
        return Delivery(DeliveryResult.ENDED, f"Apprise did not finish within {within_s:g} s")


def _apprise(url: Secret, text: str) -> Delivery:
    try:
        import apprise
    except ImportError:
        return failed(
            "its URL needs Apprise, which is not installed; in poller's folder: "
            "pipx install --force '.[notify]', or pip install '.[notify]'"
        )
    logging.getLogger("apprise").disabled = True  # what it logs holds the URL
    try:
        service: Any = apprise.Apprise()
        if not service.add(url.reveal()):
            return failed("Apprise does not know this kind of URL")
        delivered = bool(service.notify(body=text, title="poller"))
    except Exception as error:  # noqa: BLE001 - its text may hold the URL
        return failed(f"Apprise failed ({type(error).__name__})", again=True)
    if delivered:
        return Delivery(DeliveryResult.DELIVERED)
    return failed("Apprise could not deliver it", again=True)
