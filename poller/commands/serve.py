"""``poller serve``: poll as ``watch`` does, and show what is known to whoever may look."""

from __future__ import annotations

import asyncio
import os
import socket
import ssl
from functools import partial
from typing import TYPE_CHECKING

import anyio

from poller import __version__
from poller.commands.following import follow
from poller.commands.language import language_for
from poller.commands.served import Served
from poller.deliver.stderr import say
from poller.present.page import Pages
from poller.process import exit_codes
from poller.process.clock import zone_of
from poller.process.systemd import tell_systemd
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


def serve(settings: Settings, interrupts: Interrupts) -> int:
    """Serve until a signal comes; return its exit code."""
    try:
        access, tls = _access(settings), _tls(settings)
        with _listening(settings) as listening:
            anyio.run(partial(_serve, settings, interrupts, access, listening, tls))
    except UsageError as error:
        say(f"poller: {error}")
        return exit_codes.USAGE
    return 128 + (interrupts.number or 0)


async def _serve(
    settings: Settings,
    interrupts: Interrupts,
    access: Access,
    listening: socket.socket,
    tls: ssl.SSLContext | None,
) -> None:
    loop = asyncio.get_running_loop()
    with anyio.CancelScope() as scope:

        def stop(_number: int) -> None:
            loop.call_soon_threadsafe(scope.cancel)

        interrupts.listen(stop)
        async with follow(settings, interrupts, warn=_warn) as following:
            served = Served(following, weights={})
            pages = Pages(
                language_for(settings, os.environ),
                zone_of(settings.timezone, os.environ),
                demo=settings.demo is not None,
            )
            shown = WebLook(pages, following.history_path, settings.show_identity, __version__)
            contents = Contents(served, shown, access, clock=following.clock.time)
            happenings = Happenings(contents.everything)
            served.changed = lambda line: happenings.add("change", line)
            server = WebServer(
                access,
                contents.by_path(),
                login_page=lambda wrong: pages.login(wrong=wrong).encode(),
                happenings=happenings,
                clock=following.clock.time,
            )
            async with serving(server, listening, tls=tls):
                scheme = "http" if tls is None else "https"
                say(f"poller: serving at {scheme}://{_authority(listening)}/")
                tell_systemd("READY=1", environ=os.environ)
                await _pass_on(following, served, contents, happenings)


async def _pass_on(
    following: Following, served: Served, contents: Contents, happenings: Happenings
) -> None:
    """Tell everybody who listens what comes, for ever."""
    async for came in following:
        if isinstance(came, Report):
            served.note(came)
            happenings.add("record", contents.record(came))
        else:
            served.note_round(came)
            happenings.add("round", event_of_round(came))


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
        raise UsageError(
            f"--listen {settings.listen}: {os_error_text(error)}: "
            "choose another port, or end the program that has it"
        ) from None


def _authority(listening: socket.socket) -> str:
    host, port = listening.getsockname()[:2]
    return f"{_bracketed(host)}:{port}"


def _bracketed(host: str) -> str:
    return f"[{host}]" if ":" in host else host


def _warn(sentence: str) -> None:
    say(f"poller: {sentence}")
