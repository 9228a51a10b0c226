"""The server: one asyncio protocol and no HTTP library, so that it can misbehave.

It answers every account: user, plan and e-mail come from the token's claims, the account
id from its header, the figures from a hash of these (``payloads``, or ``living``), the
fault from the account id's end (``faults``). No token is verified, and nothing is kept
but counts. A healthy response costs no task, and no timer without a latency.
"""

from __future__ import annotations

import asyncio
import ipaddress
import random
import socket
import time
import zlib
from contextlib import asynccontextmanager
from types import MappingProxyType
from typing import TYPE_CHECKING

import orjson

from poller.simulator.broken_responses import surplus
from poller.simulator.connection import Connection
from poller.simulator.counting import AccountCount, Counts, Stats, Waiters, without_secrets
from poller.simulator.faults import Fault, fault_of
from poller.simulator.payloads import SHAPES, Payload, payload_of
from poller.simulator.scripted import FaultContext, ScriptedResponse, http_date
from poller.simulator.tokens import TOKEN_PATH, Logins
from poller.simulator.wire import Caller, Request, VaryingHeaders, caller_of, http_response

if TYPE_CHECKING:
    import ssl
    from collections.abc import AsyncGenerator, Mapping

    from poller.simulator.clock import TellsTime
    from poller.simulator.living import LivingAccounts

PATH = "/backend-api/wham/usage"

_USAGE_PATHS = (b"/wham/usage", b"/api/codex/usage")
_STRANGER = Caller("user-stranger", "acct-stranger", "plus", "stranger@example.com")
_WILDCARDS: Mapping[str, str] = MappingProxyType({"0.0.0.0": "127.0.0.1", "::": "::1"})  # noqa: S104
_BACKLOG = 4_096
_CLOSING = frozenset({400, 413, 431})
"""After these it is unknown where the next request begins."""
_FASTEST, _GZIP = 1, zlib.MAX_WBITS + 16


class Simulator:
    """A made-up upstream at work; ``serve`` makes one."""

    def __init__(  # noqa: PLR0913 - everything a test may want to be different
        self,
        *,
        latency_s: float = 0.0,
        fault: str | None = None,
        figures: Mapping[str, str | Mapping[str, object] | bytes] | None = None,
        surplus: bool = False,
        seed: int = 0,
        now: float | None = None,
        live: bool = False,
        clock: TellsTime = time,
        clock_offset_s: float = 0.0,
        detail: bool = True,
        logins: Logins | None = None,
        host: str = "localhost",
    ) -> None:
        self.logins = logins or Logins(clock=clock)
        """The token endpoint's state and counts."""
        self.url = ""
        """Of the usage endpoint; set once the server listens."""
        self.clock = clock
        self.latency_s = latency_s
        self.surplus = surplus
        self.counts = Counts(detail)
        self.transports: set[asyncio.Transport] = set()
        self.fault = fault
        self._figures: Mapping[str, str | Mapping[str, object] | bytes] = figures or {}
        self._rng = random.Random(seed)
        self._now = now
        self._living = _living(seed) if live else None
        self._host = host.lower()
        self._clock_offset_s = clock_offset_s
        self._dated_at = 0
        self._date = b""
        self._serial = 0
        self._last = self._before = _STRANGER
        self._waiters = Waiters()

    @property
    def origin(self) -> str:
        """Scheme, host and port."""
        return self.url.removesuffix(PATH)

    @property
    def token_url(self) -> str:
        """Of the token endpoint."""
        return self.origin + TOKEN_PATH.decode()

    @property
    def fault(self) -> str | None:
        """The fault of every request, or None; may be set at any time."""
        return self._fault_text

    @fault.setter
    def fault(self, text: str | None) -> None:
        self._fault = None if text is None else fault_of(text)
        self._fault_text = text

    def stats(self, *, headers: bool = True) -> Stats:
        """Return the counts so far."""
        return self.counts.stats(headers=headers, refreshes=self.logins.outcomes)

    def reset_stats(self) -> None:
        """Count from zero again; open connections and requests stay counted."""
        self.counts = self.counts.successor()

    async def reached(self, requests: int) -> None:
        """Return as soon as that many requests have arrived."""
        await self._waiters.until(requests, so_far=self.counts.requests)

    def payload(self, caller: Caller) -> Payload:
        """Return the payload of a healthy response to ``caller`` now.

        Bytes in ``figures`` are not considered.
        """
        now = self.clock.time() if self._now is None else self._now
        pinned = self._pinned(caller)
        build = payload_of if self._living is None else self._living.payload
        payload = build(
            caller.user_id,
            caller.account_id,
            plan=caller.plan,
            email=caller.email,
            now=now,
            shape=pinned if isinstance(pinned, str) else None,
        )
        return (
            payload if pinned is None or isinstance(pinned, str | bytes) else {**payload, **pinned}
        )

    def reply(
        self, request: Request, *, asked: list[str], reused: bool, local_address: str
    ) -> tuple[AccountCount | None, bytes | ScriptedResponse]:
        """Return the response, and the account it is counted under, if any.

        ``asked`` collects the account ids of a connection, ``reused`` says whether it has
        carried a request before, ``local_address`` is its address on this side.
        """
        if not self._is_ours(request.host, local_address):
            return None, self.refusal(421)
        if request.asks_for_counts:
            return None, self._stats_response(request)
        if request.path == TOKEN_PATH:
            return None, self.logins.refresh(request, self._varying())
        self._count_in()
        if not request.path.endswith(_USAGE_PATHS):
            self.counts.other_paths += 1
            return None, self.refusal(404)
        if request.method != b"GET":
            self.counts.other_methods += 1
            return None, self.refusal(405)
        caller = caller_of(request)
        self._remember(caller, asked)
        account, attempt = self.counts.start(caller, request, at_s=self._seen_at_s())
        return account, self._usage(request, caller, attempt=attempt, reused=reused)

    def refusal(self, status: int) -> bytes:
        """Return a response in JSON that says no more than its status."""
        body = orjson.dumps({"error": {"message": f"made up: {status}"}})
        extra = b"Allow: GET\r\n" if status == 405 else b""
        closes = status in _CLOSING
        return http_response(self._varying(), status, body, extra=extra, closes=closes)

    def _is_ours(self, host: str | None, local_address: str) -> bool:
        """Whether a request was sent to a name or address of this machine.

        A web page whose name was pointed at this machine (DNS rebinding) sends that name,
        and every browser sends one.
        """
        if host in {None, "localhost", self._host, local_address}:
            return True
        try:
            return ipaddress.ip_address(str(host)).is_loopback
        except ValueError:
            return False

    def _count_in(self) -> None:
        self.counts.requests += 1
        self.counts.last_request_at_s = time.monotonic()
        self._waiters.note(self.counts.requests)

    def _seen_at_s(self) -> float:
        return self.counts.last_request_at_s or 0.0

    def _remember(self, caller: Caller, asked: list[str]) -> None:
        if caller != self._last:
            self._before, self._last = self._last, caller
        if self.counts.detail:
            if not asked:
                self.counts.connections.append(asked)
            asked.append(caller.account_id or "")

    def _usage(
        self, request: Request, caller: Caller, *, attempt: int, reused: bool
    ) -> bytes | ScriptedResponse:
        if not request.headers.get(b"authorization"):
            return self.refusal(401)
        code = self.logins.objection(request, caller)
        if code is not None:
            body = orjson.dumps({"error": {"code": code, "message": f"made up: {code}"}})
            return http_response(self._varying(), 401, body)
        try:
            fault = self._fault or _own_fault(caller)
            if fault is not None and fault.applies(attempt=attempt, reused=reused):
                return fault.respond(self._context(request, caller, fault.argument))
        except ValueError as error:  # a misspelt fault must not look healthy
            body = orjson.dumps({"error": {"code": "unknown_fault", "message": str(error)}})
            return http_response(self._varying(), 501, body)
        if self.surplus:
            return surplus(self._context(request, caller, ""))
        body, extra = self._body(caller), b""
        if request.takes_gzip:  # as the real one does
            body, extra = zlib.compress(body, _FASTEST, _GZIP), b"Content-Encoding: gzip\r\n"
        return http_response(self._varying(), 200, body, extra=extra, closes=request.closes)

    def _context(self, request: Request, caller: Caller, argument: str) -> FaultContext:
        varying = self._varying()
        return FaultContext(
            argument=argument,
            payload=self.payload(caller),
            body=self._body(caller),
            others_payload=self.payload(self._before),
            authorization=request.headers[b"authorization"].decode("latin-1"),
            dated_at=self._dated_at,
            varying=varying,
            rng=self._rng,
            closes=request.closes,
        )

    def _body(self, caller: Caller) -> bytes:
        pinned = self._pinned(caller)
        return pinned if isinstance(pinned, bytes) else orjson.dumps(self.payload(caller))

    def _pinned(self, caller: Caller) -> str | Mapping[str, object] | bytes | None:
        if not self._figures:
            return None
        by_user = self._figures.get(caller.user_id or "")
        return self._figures.get(caller.account_id or "") if by_user is None else by_user

    def _varying(self) -> VaryingHeaders:
        dated_at = int(self.clock.time() + self._clock_offset_s)
        if dated_at != self._dated_at:
            self._dated_at, self._date = dated_at, http_date(dated_at)
        self._serial += 1
        return VaryingHeaders(self._date, self._serial)

    def _stats_response(self, request: Request) -> bytes:
        if request.path.endswith(b"/reset"):
            self.reset_stats()
        stats = without_secrets(self.stats(headers=b"headers=1" in request.query))
        return http_response(self._varying(), 200, orjson.dumps(stats), closes=request.closes)


def _living(seed: int) -> LivingAccounts:
    from poller.simulator.living import LivingAccounts  # what few runs need

    return LivingAccounts(seed)


def _own_fault(caller: Caller) -> Fault | None:
    _, _, text = (caller.account_id or "").partition("~")
    return fault_of(text) if text else None


@asynccontextmanager
async def serve(  # noqa: PLR0913 - everything a test may want to be different
    *,
    latency_s: float = 0.0,
    host: str = "127.0.0.1",
    port: int = 0,
    ssl_context: ssl.SSLContext | None = None,
    fault: str | None = None,
    figures: Mapping[str, str | Mapping[str, object] | bytes] | None = None,
    surplus: bool = False,
    seed: int = 0,
    now: float | None = None,
    live: bool = False,
    clock: TellsTime = time,
    clock_offset_s: float = 0.0,
    detail: bool = True,
    logins: Logins | None = None,
) -> AsyncGenerator[Simulator]:
    """Serve the usage endpoint on this event loop until the context is left.

    Args:
        latency_s: How long every usage response waits.
        host: Address to listen on; a name is resolved as IPv4.
        port: 0 for a free one.
        ssl_context: A server's, to serve https.
        fault: The fault of every request, whatever its account id says.
        figures: By user id or account id: the name of a shape, keys that replace those
            of the payload, or bytes that are the body.
        surplus: Whether another account's response follows every healthy one.
        seed: Of the living accounts, of the surplus responses' delays and of garbage.
        now: Unix seconds for all payloads; None to follow the clock.
        live: Whether usage moves with time as people's does; otherwise it stands still.
        clock: What payloads, Date headers and tokens take the time from; see
            ``poller.simulator.clock``.
        clock_offset_s: How far the Date headers are off.
        detail: Whether times, headers and connections are kept for the counts.
        logins: The token endpoint's state; None for a lenient one of its own.

    Raises:
        ValueError: ``fault``, or a shape in ``figures``, is unknown.
        OSError: the address cannot be listened on.
    """
    for pinned in (figures or {}).values():
        if isinstance(pinned, str) and pinned not in SHAPES:
            raise ValueError(f"{pinned!r}: unknown shape; see poller.simulator.payloads.SHAPES")
    simulator = Simulator(
        latency_s=latency_s,
        fault=fault,
        figures=figures,
        surplus=surplus,
        seed=seed,
        now=now,
        live=live,
        clock=clock,
        clock_offset_s=clock_offset_s,
        detail=detail,
        logins=logins,
        host=host,
    )
    server = await _listen(simulator, host, port, ssl_context)
    simulator.url = _url(host, server.sockets[0].getsockname()[1], tls=ssl_context is not None)
    try:
        yield simulator
    finally:
        await _close(server, simulator)


async def _listen(
    simulator: Simulator, host: str, port: int, ssl_context: ssl.SSLContext | None
) -> asyncio.Server:
    # One address family: with two, port 0 would pick two different ports.
    family = socket.AF_INET6 if ":" in host else socket.AF_INET
    return await asyncio.get_running_loop().create_server(
        lambda: Connection(simulator),
        host,
        port,
        family=family,
        ssl=ssl_context,
        backlog=_BACKLOG,
    )


def _url(host: str, port: int, *, tls: bool) -> str:
    name = _WILDCARDS.get(host, host)
    scheme = "https" if tls else "http"
    return f"{scheme}://{f'[{name}]' if ':' in name else name}:{port}{PATH}"


async def _close(server: asyncio.Server, simulator: Simulator) -> None:
    """Drop all connections; ``wait_closed`` would wait for those that hang."""
    server.close()
    for transport in tuple(simulator.transports):
        transport.abort()
    for _ in range(3):  # aborted transports are closed in the loop's next rounds
        await asyncio.sleep(0)
