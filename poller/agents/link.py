"""One connection to a NATS server that comes back by itself, and what both sides do over it.

nats-py is imported where it is used, here and in a few files beside: it takes longer to load
than the rest of the program.
"""

from __future__ import annotations

import asyncio
import contextlib
import logging
import os
import re
import ssl
import time
from contextlib import asynccontextmanager
from dataclasses import dataclass
from typing import TYPE_CHECKING, Any, Protocol

import orjson

from poller.agents.login import login_in, login_of, without_login
from poller.settings import UsageError
from poller.text import printable
from poller.usage.json_values import mapping

if TYPE_CHECKING:
    from collections.abc import AsyncGenerator, Awaitable, Callable, Mapping

    from poller.settings import Settings

    Took = Callable[["Arrived"], Awaitable[None]]

logger = logging.getLogger("poller")

RETRY_S = 0.5
"""Between two attempts to reach the server."""
_PING_S = 3.0
_PINGS_LOST = 2
"""So many unanswered: the connection is given up, and a new one is made."""
_STORE_AGAIN_S = 3.0
"""After so long without a word a message is sent to be stored again."""
_STORED_WITHIN_S = 900.0
"""After so long nobody waits for it any more."""
_IS_STRANGER = re.compile("issuer|self-signed|self signed")
_BUFFER = 8 * 1024 * 1024
"""Bytes that wait for a server that is away."""
_TURNED_OUT = "it refuses the login; give the right one with --creds FILE"
_RESET = "connection reset"
_NO_TLS = "the server offers no TLS"
_NO_RIGHT = re.compile(
    r'permissions violation for (subscription|publish) to "?([^"]*?)[.0-9]*(?:"|$)'
)
"""What the server says, in lower case, where a login may not listen, or publish, to a subject; an
acknowledgement's ends in numbers of its own."""
_WARNINGS = 16
"""That are said, each once; what they name may be somebody else's invention."""
NATS_IS_MISSING = (
    "NATS is not installed; in poller's folder: "
    "pipx install --force '.[nats]', or pip install '.[nats]'"
)


class Arrived(Protocol):
    """A message as nats-py hands it over."""

    @property
    def subject(self) -> str:
        """Where it was sent to; of one that was pulled, where it had been stored."""
        ...

    @property
    def reply(self) -> str:
        """Where an answer goes."""
        ...

    @property
    def data(self) -> bytes:
        """Its content."""
        ...

    @property
    def headers(self) -> Mapping[str, str] | None:
        """Its headers; of the server's own messages, the status."""
        ...


@dataclass(slots=True)
class _Unstored:
    subject: str
    payload: bytes
    begun_at: float
    sent_at: float
    """Monotonic seconds, both; the last time."""
    stored: Callable[[], Awaitable[None]] | None


class Link:
    """A connection to the server; made by :func:`open_link`."""

    def __init__(self, client: object, inbox: str, *, waits: bool) -> None:
        """``client`` is nats-py's, whose types say too little; ``waits`` means for ever."""
        self.client: Any = client
        self.is_up = False
        self.is_closed = asyncio.Event()
        """Set where the server wants nothing of us any more."""
        self.is_refused = False
        """Whether the login may not listen to what it has to."""
        self.last_error = ""
        self.back: Callable[[], Awaitable[None]] | None = None
        """Awaited each time the connection has come back."""
        self._inbox = f"{inbox}.{os.urandom(8).hex()}"
        self._waits, self._said, self._was_up = waits, False, False
        self._warned: set[str] = set()
        self._store_trouble = ""
        self._unstored: dict[str, _Unstored] = {}

    @property
    def servers_known(self) -> int:
        """How many servers there are, as far as they have told."""
        return len(self.client.servers)

    async def begin(self) -> None:
        """Listen for what the server says of messages that are to be stored."""
        await self.hear(f"{self._inbox}.stored.*", self._on_stored)

    async def close(self) -> None:
        """Leave the server."""
        self.is_closed.set()
        with contextlib.suppress(Exception):  # it is left, whatever state it is in
            async with asyncio.timeout(1.0):
                await self.client.close()

    def inbox(self, name: str) -> str:
        """Return an inbox of this connection."""
        return f"{self._inbox}.{name}"

    async def hear(self, subject: str, took: Took) -> None:
        """Await ``took`` with each message to ``subject``, one after the other."""
        await self.client.subscribe(subject, cb=took)

    async def send(self, subject: str, payload: bytes = b"", *, reply: str = "") -> None:
        """Send a message that may get lost."""
        from nats.errors import Error

        with contextlib.suppress(Error, OSError):
            await self.client.publish(subject, payload, reply=reply)

    async def store(
        self,
        subject: str,
        payload: bytes,
        *,
        id: str,  # noqa: A002 - what it is
        stored: Callable[[], Awaitable[None]] | None = None,
    ) -> None:
        """Send a message until the server has stored it, then await ``stored``.

        The server stores a message of the same id once, for two minutes.
        """
        now = time.monotonic()
        self._unstored[id] = _Unstored(subject, payload, now, now, stored)
        await self._send_to_store(id)

    def forget(self, id: str) -> None:  # noqa: A002 - likewise
        """Send a message that was to be stored no more."""
        self._unstored.pop(id, None)

    async def store_again(self, *, now: float) -> None:
        """Send what the server has not confirmed for a while; call it every second."""
        for id_, one in tuple(self._unstored.items()):
            if now - one.begun_at > _STORED_WITHIN_S:
                self.forget(id_)
            elif now - one.sent_at > _STORE_AGAIN_S:
                await self._send_to_store(id_)

    async def _send_to_store(self, id_: str) -> None:
        from nats.errors import Error

        one = self._unstored.get(id_)
        if one is None:  # stored meanwhile
            return
        one.sent_at = time.monotonic()
        if len(one.payload) > self.client.max_payload:
            self.forget(id_)
            most = self.client.max_payload
            self._warn_once(
                f"the NATS server takes {most} bytes a message: raise max_payload there"
            )
            return
        with contextlib.suppress(Error, OSError):
            await self.client.publish(
                one.subject,
                one.payload,
                reply=f"{self._inbox}.stored.{id_}",
                headers={"Nats-Msg-Id": id_},
            )

    async def _on_stored(self, message: Arrived) -> None:
        try:
            answer = mapping(orjson.loads(message.data))
        except orjson.JSONDecodeError:  # nobody there to store it, as long as the stream is not
            return
        if answer is None:
            return
        trouble = _trouble_in(answer)
        if trouble != self._store_trouble:
            self._store_trouble = trouble
            if trouble:
                logger.warning("the NATS server cannot store messages: %s; trying again", trouble)
        if trouble or "seq" not in answer:
            return
        one = self._unstored.pop(message.subject.rpartition(".")[2], None)
        if one is not None and one.stored is not None:
            await one.stored()

    async def on_error(self, error: Exception) -> None:
        """Remember what the last trouble was; say once what a server is waited for."""
        if (missing := _NO_RIGHT.search(str(error).lower())) is not None:
            self._note_missing_right(missing[1], printable(missing[2])[:200])
            return
        words = _words(error)
        if words == _RESET and self.last_error != _RESET:  # may hide a refusal: the next one tells
            self.last_error = self.last_error or _RESET
            return
        self.last_error = words
        is_known = self._was_up and _is_away(error)  # said already
        if self._waits and not self.is_up and not self._said and not is_known:
            self._said = True
            logger.warning("no NATS server yet: %s; waiting for it", words)

    def _note_missing_right(self, what: str, subject: str) -> None:
        """Say once that the login may not do what it has to; an agent that hears nothing ends."""
        if what == "subscription":
            self.is_refused = True
            if self._waits:
                return
        does = "listen" if what == "subscription" else what
        self._warn_once(
            f"the NATS server does not let this login {does} to {subject}: "
            "poller agent --server-config NAME... prints the rights it needs"
        )

    def _warn_once(self, text: str) -> None:
        if text not in self._warned and len(self._warned) < _WARNINGS:
            self._warned.add(text)
            logger.warning("%s", text)

    async def on_down(self) -> None:
        """Take note that the server is away."""
        self.is_up, self._said, self._was_up = False, False, True
        if not self.is_closed.is_set():
            logger.warning("the NATS server is away; waiting for it")

    async def on_up(self) -> None:
        """Take note that the server is back."""
        self.is_up, self.last_error = True, ""
        logger.warning("the NATS server is back")
        for id_ in tuple(self._unstored):
            await self._send_to_store(id_)
        if self.back is not None:
            await self.back()

    async def on_closed(self) -> None:
        """Take note that the server has turned us out."""
        self.is_closed.set()


@asynccontextmanager
async def open_link(
    settings: Settings, *, name: str, inbox: str, within_s: float | None
) -> AsyncGenerator[Link]:
    """Connect to the servers of ``settings.nats``; close at the end.

    Raises:
        UsageError: the credentials cannot be used, or no server answers ``within_s``
            seconds; None waits for ever.
    """
    given = (settings.nats or "").split(",")
    servers = [without_login(address) for address in given]
    wants_tls = settings.nats_ca is not None or any(each.startswith("tls:") for each in servers)
    try:
        from nats.errors import Error

        client = _new_client(wants_tls=wants_tls)
    except ImportError:
        raise UsageError(NATS_IS_MISSING) from None
    how = login_in(settings.creds) or login_of(given)
    link = Link(client, inbox, waits=within_s is None)
    try:
        async with asyncio.timeout(within_s):
            await client.connect(
                servers,
                name=name,
                error_cb=link.on_error,
                disconnected_cb=link.on_down,
                reconnected_cb=link.on_up,
                closed_cb=link.on_closed,
                connect_timeout=5,
                reconnect_time_wait=RETRY_S,
                max_reconnect_attempts=-1,
                ping_interval=_PING_S,
                max_outstanding_pings=_PINGS_LOST,
                tls=_tls(settings) if wants_tls else None,
                inbox_prefix=inbox,
                pending_size=_BUFFER,
                **how,
            )
    except (TimeoutError, Error, OSError) as error:
        why = link.last_error or _words(error)
        await link.close()
        shown = ", ".join(servers)
        waited = f" within {within_s:g} s" if within_s is not None else ""
        raise UsageError(f"no NATS server at {shown}{waited}: {why}") from None
    link.is_up = True
    try:
        await link.begin()
        yield link
    finally:
        await link.close()


def _new_client(*, wants_tls: bool) -> Any:  # noqa: ANN401 - nats-py's types say too little
    """Return a client that is not connected yet."""
    from nats.aio.client import Client as NatsClient
    from nats.errors import Error

    class TlsFirst(NatsClient):
        """Sends no login, nor what proves one, before TLS where that is insisted on.

        Leaves a connection that could not be begun: nats-py's own way to leave it waits for ever
        where TLS has failed, and so never tries again.
        """

        async def _process_connect_init(self) -> None:
            try:
                await super()._process_connect_init()
            except BaseException:
                if self._transport is not None:
                    self._transport.close()  # type: ignore[no-untyped-call]
                    self._transport = None
                raise

        def _connect_command(self) -> bytes:
            if wants_tls and not self._server_info.get("tls_required"):
                raise Error(_NO_TLS)
            return super()._connect_command()

    return TlsFirst()


def _trouble_in(answer: Mapping[str, object]) -> str:
    """Return why a message was not stored; empty where it was."""
    error = answer.get("error")
    if error is None:
        return ""
    return printable(str((mapping(error) or {}).get("description")))[:200]


def _is_away(error: BaseException) -> bool:
    """Say whether there is nobody to connect to; a server that is not wanted is another matter."""
    return isinstance(error, OSError | TimeoutError) and not isinstance(error, ssl.SSLError)


def _words(error: BaseException) -> str:
    match error:
        case ConnectionRefusedError():
            return "connection refused"
        case ConnectionResetError() | BrokenPipeError():
            return _RESET
        case TimeoutError():
            return "no answer"
        case ssl.SSLCertVerificationError(verify_message=why):
            why = why[:1].lower() + why[1:].rstrip(".")
            hint = "; name its authority's with --nats-ca FILE" if _IS_STRANGER.search(why) else ""
            return f"its certificate is not trusted: {why}{hint}"
        case ssl.SSLError(reason=str(why)):
            return f"no TLS connection: {why.replace('_', ' ').lower()}"
        case OSError(strerror=str(text)):
            return text.lower()
        case _:
            text = str(error).removeprefix("nats: ").strip("' ") or type(error).__name__
            return _TURNED_OUT if "authorization" in text.lower() else printable(text)[:200]


def _tls(settings: Settings) -> ssl.SSLContext:
    try:
        context = ssl.create_default_context()
        if settings.nats_ca is not None:
            context.load_verify_locations(settings.nats_ca)
    except (OSError, ssl.SSLError):
        raise UsageError(
            f"--nats-ca: {printable(settings.nats_ca or '')} holds no certificate (PEM)"
        ) from None
    return context
