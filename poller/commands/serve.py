"""``poller serve``: poll as ``watch`` does, and show what is known to whoever may look."""

from __future__ import annotations

import asyncio
import errno
import os
import socket
import ssl
from dataclasses import dataclass
from typing import TYPE_CHECKING

import anyio

from poller import __version__
from poller.commands.ending import ended_by
from poller.commands.following import follow
from poller.commands.language import language_for
from poller.commands.running import keeping_status, noticed, within_limits
from poller.commands.served import Served
from poller.deliver.stderr import say, say_named, saying_what_is_logged
from poller.present.page import Pages
from poller.process.clock import zone_of
from poller.process.stopping import stop_on_signal
from poller.process.systemd import tell_systemd
from poller.process.threads import UnjoinedThreads
from poller.settings import UsageError
from poller.settings.addresses import Address, listening_address
from poller.text import os_error_text, printable
from poller.values import Report
from poller.web.access import Access
from poller.web.contents import Contents, WebLook, event_of_round
from poller.web.events import Happenings
from poller.web.server import WebServer, serving

if TYPE_CHECKING:
    from poller.commands.following import Following
    from poller.process.signals import Interrupts
    from poller.settings import Settings

_LEAST_TOKEN, _MOST_TOKEN = 32, 4096
_NOT_BOUND = {
    errno.EADDRINUSE: "choose another port, or end the program that has it",
    errno.EACCES: "choose a port above 1023",
}
"""What to do where an address cannot be listened at, by the system's reason."""


def serve(settings: Settings, interrupts: Interrupts) -> int:
    """Serve until a signal comes; return its exit code."""
    try:
        access, tls = _access(settings), _tls(settings)
        with _listening(settings) as listening:
            site = _Site(within_limits(settings), interrupts, access, listening, tls)
            anyio.run(site.run)
    except BaseException as error:  # noqa: BLE001 - the last resort
        if interrupts.number is None or isinstance(error, UsageError):
            return ended_by(error)
    return 128 + (interrupts.number or 0)


@dataclass(frozen=True, slots=True)
class _Site:
    """One run of the command."""

    settings: Settings
    interrupts: Interrupts
    access: Access
    listening: socket.socket
    tls: ssl.SSLContext | None

    async def run(self) -> None:
        """Poll and serve until a signal comes."""
        settings = self.settings
        asyncio.get_running_loop().set_default_executor(UnjoinedThreads())
        with saying_what_is_logged(settings.verbose, say_named), anyio.CancelScope() as scope:
            stop_on_signal(self.interrupts, lambda _: scope.cancel())
            async with (
                follow(settings, self.interrupts, warn=self._warn) as following,
                keeping_status(following, settings, warn=self._warn),
            ):
                await self._serve(following)

    async def _serve(self, following: Following) -> None:
        settings, clock = self.settings, following.clock.time
        language = language_for(settings, os.environ)
        zone = zone_of(settings.timezone, os.environ)
        pages = Pages(language, zone, demo=settings.demo is not None)
        served = Served(following, weights=settings.weights or {})
        look = WebLook(pages, following.history_path, __version__, settings.show_identity)
        contents = Contents(served, look, self.access, clock=clock)
        happenings = Happenings(contents.everything)
        served.changed = lambda line: happenings.add("change", line)
        server = WebServer(
            self.access,
            contents.by_path(),
            login_page=lambda wrong: pages.login(wrong=wrong).encode(),
            happenings=happenings,
            clock=clock,
        )
        async with serving(server, self.listening, tls=self.tls):
            scheme = "http" if self.tls is None else "https"
            if not settings.quiet:
                say(f"poller: serving at {scheme}://{_authority(self.listening)}/")
            tell_systemd("READY=1", environ=os.environ)
            async for came in following:
                if isinstance(came, Report):
                    served.note(came)
                    happenings.add("record", contents.record(came))
                    continue
                served.note_round(came)
                happenings.add("round", event_of_round(came))
                if following.is_first_round:
                    for line in noticed(following, settings):
                        self._warn(line)

    def _warn(self, line: str) -> None:
        if not self.settings.quiet:
            say(f"poller: {line}")


def _access(settings: Settings) -> Access:
    host, _ = listening_address(settings.listen)
    has_tls = settings.tls_cert is not None
    if host != "localhost" and not Address(f"http://{_bracketed(host)}/").is_loopback:
        if settings.token_file is None:
            raise UsageError(
                f"--listen {settings.listen}: other machines could read it all: add --token-file"
            )
        if not has_tls and not settings.plain_http:
            raise UsageError(
                f"--listen {settings.listen}: the token would be sent in the clear: add --tls-cert "
                "and --tls-key, or --plain-http where a proxy in front speaks TLS"
            )
    token = None if settings.token_file is None else _token(settings.token_file)
    return Access(token, has_tls, frozenset(settings.allow_hosts))


def _token(path: str) -> bytes:
    try:
        with open(path, "rb") as file:
            token = file.read(_MOST_TOKEN + 1).strip()
    except OSError as error:
        raise UsageError(
            f"--token-file {printable(path)}: {os_error_text(error)}: name a readable file"
        ) from None
    if not _LEAST_TOKEN <= len(token) <= _MOST_TOKEN:
        raise UsageError(
            f"--token-file {printable(path)}: a token has {_LEAST_TOKEN} to {_MOST_TOKEN} "
            f"characters, this one has {len(token)}"
        )
    return token


def _tls(settings: Settings) -> ssl.SSLContext | None:
    if settings.tls_cert is None and settings.tls_key is None:
        return None
    if settings.tls_cert is None or settings.tls_key is None:
        raise UsageError("--tls-cert and --tls-key: one does nothing without the other: give both")
    context = ssl.SSLContext(ssl.PROTOCOL_TLS_SERVER)
    try:
        context.load_cert_chain(settings.tls_cert, settings.tls_key, password="")
    except (OSError, ValueError) as error:  # an SSLError is an OSError; it names no file
        why = os_error_text(error) if isinstance(error, OSError) else "not readable"
        raise UsageError(
            f"--tls-cert {printable(settings.tls_cert)}, --tls-key {printable(settings.tls_key)}: "
            f"{why}: name a certificate and its key as PEM, the key without a password"
        ) from None
    return context


def _listening(settings: Settings) -> socket.socket:
    """Bind the address before anything is polled."""
    host, port = listening_address(settings.listen)
    host = "127.0.0.1" if host == "localhost" else host
    family = socket.AF_INET6 if ":" in host else socket.AF_INET
    try:
        return socket.create_server((host, port), family=family, backlog=128)
    except OSError as error:
        number = error.errno or 0
        why = os.strerror(number).lower()  # its own text has the address in Python's words
        remedy = _NOT_BOUND.get(number, "name an address that this machine has")
        raise UsageError(f"--listen {settings.listen}: {why}: {remedy}") from None


def _authority(listening: socket.socket) -> str:
    host, port = listening.getsockname()[:2]
    return f"{_bracketed(host)}:{port}"


def _bracketed(host: str) -> str:
    return f"[{host}]" if ":" in host else host
