"""One login's renewal, step by step; a step that is begun is not split from the next."""

from __future__ import annotations

import os
import time
from contextlib import AsyncExitStack, contextmanager, suppress
from dataclasses import dataclass, field, replace
from functools import partial
from typing import TYPE_CHECKING, Protocol, TypeVar
from weakref import WeakValueDictionary

import anyio

from poller.authfiles.files import Content, read
from poller.authfiles.shapes import parse
from poller.renewal import eligibility, refusals
from poller.renewal.eligibility import CodexOwn
from poller.renewal.endpoint import Answer, NotSentError, TokenEndpoint
from poller.renewal.ledger import Ledger, SpendState, TokenEntry, TokenState, own_folder
from poller.renewal.locks import WAIT_S, lock
from poller.renewal.rewriting import rewritten
from poller.renewal.saving import (
    Reserved,
    replace_file,
    rescue_files,
    reserve,
    words,
    write_unsynced,
)
from poller.renewal.successors import RenewedLogin, find_renewed_login, holders
from poller.renewal.threads import off_loop
from poller.renewal.tokens import (
    TOKEN_URL,
    Refusal,
    Tokens,
    is_due,
    is_newer,
    is_same_account,
    login_key,
    login_required,
    read_tokens,
    request_body,
)
from poller.settings.addresses import proxy_for, token_address
from poller.values import Credential, Failure, FailureKind

if TYPE_CHECKING:
    from collections.abc import Callable, Generator, Mapping

    from poller.authfiles.read import Account
    from poller.settings import Settings
    from poller.values import Response, Secret

T = TypeVar("T")

_NO_CODEX = CodexOwn()
ANSWER_WITHIN_S = 20.0
"""For the one request: longer than any poll's, as giving up early may cost a login."""
_LONGEST_CHAIN = 100


class Door(Protocol):
    """Keeps the process from ending halfway; see `poller.process.signals`."""

    def hold(self) -> bool:
        """Ask for it; False where the process is leaving already."""
        ...

    def release(self) -> None:
        """Let go."""
        ...


@dataclass(frozen=True, slots=True)
class Renewal:
    """What became of one account's renewal."""

    outcome: Credential | Failure
    refreshed: bool = False
    """Whether the file was given new tokens."""
    sent: bool = False
    """Whether the refresh token may have been spent."""


@dataclass(frozen=True, slots=True)
class _Held:
    """A login in its file, as read under the lock."""

    path: str
    content: bytes = field(repr=False)
    credential: Credential
    refresh_token: Secret
    """What new tokens take the place of."""
    stale: Credential
    """What failed; mostly the same credential."""
    name: str | None
    """The account's in a file of several."""


class Renewals:
    """Renews the logins of one run; made by :func:`renewals_for`."""

    def __init__(
        self,
        endpoint: TokenEndpoint,
        ledger: Ledger,
        *,
        codex: CodexOwn = _NO_CODEX,
        door: Door | None = None,
        clock: Callable[[], float] = time.time,
    ) -> None:
        """``clock`` tells Unix seconds."""
        self._endpoint = endpoint
        self._ledger = ledger
        self._codex = codex
        self._door = door
        self._clock = clock
        self._turns: WeakValueDictionary[str, anyio.Lock] = WeakValueDictionary()

    def is_due(self, credential: Credential) -> bool:
        """Say whether a token is to be renewed before it is sent."""
        return is_due(credential, now=self._clock())

    async def renew(self, account: Account, stale: Credential, *, within_s: float) -> Renewal:
        """Renew the login that ``stale`` is, or was, in the account's file.

        Waits ``within_s`` at most for others; what is begun by then is ended. Failures:
        ``refresh_locked``, ``refresh_refused``, ``refresh_unsaved``, ``refresh_unknown``,
        ``login_required``, those of reading the file, and of a request that was not sent.
        """
        path = os.path.realpath(account.path or "")  # noqa: ASYNC240 - a few µs
        what = eligibility.obstacle(path, codex_own=self._codex.files if self._codex.spared else ())
        if what is not None:
            return Renewal(refusals.obstructed(what))
        with anyio.move_on_after(within_s) as waiting:
            async with AsyncExitStack() as locks:
                try:
                    await self._take_file(path, locks)
                    found = await off_loop(partial(self._read, path, account, stale))
                    if isinstance(found, Renewal):
                        return found
                    return await self._renew(found, locks, waiting)
                except _LockedError:
                    return Renewal(refusals.locked())
                except OSError as error:
                    return Renewal(refusals.no_room(words(error)))
        return Renewal(refusals.locked())

    async def _take_file(self, path: str, locks: AsyncExitStack) -> None:
        await locks.enter_async_context(self._turn(path))
        folder, name = os.path.split(path)
        place = os.path.join(folder, f".{name}.lock")
        locks.enter_context(_got(await lock(place, within_s=WAIT_S, like=os.stat(path))))

    async def _take_page(self, refresh_token: Secret, locks: AsyncExitStack) -> TokenEntry:
        key = login_key(refresh_token)
        await locks.enter_async_context(self._turn(key))
        page = _got(await self._ledger.page(key, within_s=WAIT_S))
        return locks.enter_context(page)

    def _turn(self, key: str) -> anyio.Lock:
        """Return what this run's own accounts take turns by, however long that takes."""
        turn = self._turns.get(key)
        if turn is None:
            turn = self._turns[key] = anyio.Lock()
        return turn

    def _read(self, path: str, account: Account, stale: Credential) -> _Held | Renewal:
        """Read the file again under its lock: somebody else may have renewed it."""
        found = read(path)
        logins = parse(found.content, now=self._clock()) if isinstance(found, Content) else found
        if isinstance(found, Failure) or isinstance(logins, Failure):
            return Renewal(logins if isinstance(logins, Failure) else refusals.changed())
        login = next((each for each in logins if each.name == account.login), None)
        if login is None or login.held is None or not is_same_account(login.held, stale):
            return Renewal(refusals.changed())
        held = login.held
        if isinstance(login.outcome, Credential) and is_newer(held, stale, now=self._clock()):
            return Renewal(login.outcome)
        if held.refresh_token is None:
            return Renewal(refusals.no_token())
        return _Held(path, found.content, held, held.refresh_token, stale, login.name)

    async def _renew(
        self, held: _Held, locks: AsyncExitStack, waiting: anyio.CancelScope
    ) -> Renewal:
        """Follow a login to the refresh token that is alive, and spend that one."""
        refresh_token = held.refresh_token
        for _ in range(_LONGEST_CHAIN):
            page = await self._take_page(refresh_token, locks)
            note = page.read()
            if note.state is SpendState.ENDED:
                return Renewal(login_required(note.code))
            if note.state is SpendState.FREE:
                return await self._spend(held, refresh_token, page, waiting)
            heir = await off_loop(partial(self._heir, held, note, refresh_token))
            if heir is not None and self._is_good(heir.credential, held.stale):
                return await self._adopt(held, heir, page, waiting)
            if note.successor == login_key(refresh_token):  # the upstream lets it live on
                return await self._spend(held, refresh_token, page, waiting)
            if heir is None:
                return Renewal(refusals.lost(note, held.path))
            refresh_token = heir.refresh_token
        return Renewal(refusals.no_token())

    def _heir(self, held: _Held, note: TokenState, spent: Secret) -> RenewedLogin | None:
        return find_renewed_login(
            self._ledger,
            note,
            spent=spent,
            like=held.credential,
            path=held.path,
            now=self._clock(),
        )

    def _is_good(self, credential: Credential, stale: Credential) -> bool:
        return credential.access_token != stale.access_token and not self.is_due(credential)

    async def _adopt(
        self, held: _Held, heir: RenewedLogin, page: TokenEntry, waiting: anyio.CancelScope
    ) -> Renewal:
        """Give the file the tokens that came for a copy of it, or to a run that was killed."""
        theirs = heir.credential
        tokens = Tokens(theirs.access_token, heir.refresh_token, theirs.id_token, theirs.expires_at)
        with self._shielded(waiting) as may:
            if not may:
                return Renewal(refusals.leaving())
            reserved = await off_loop(partial(_reserve, held, page))
            return await off_loop(
                partial(self._install, held, reserved, page, tokens=tokens, heir=heir)
            )

    def _install(
        self,
        held: _Held,
        reserved: Reserved,
        page: TokenEntry,
        *,
        tokens: Tokens,
        heir: RenewedLogin,
    ) -> Renewal:
        now = self._clock()
        saved = replace_file(reserved, held.refresh_token, tokens, now=now)
        if saved.failure is not None:
            return Renewal(saved.failure)
        if heir.file in rescue_files(held.path):
            note = TokenState(
                SpendState.RENEWED, int(now), held.path, login_key(heir.refresh_token)
            )
            with suppress(OSError):
                page.write(note)
                os.unlink(heir.file)
        return _renewed(held, tokens, sent=False, now=now)

    async def _spend(
        self, held: _Held, refresh_token: Secret, page: TokenEntry, waiting: anyio.CancelScope
    ) -> Renewal:
        """Reserve, send once, save: from the first byte sent to the last byte saved as one."""
        twins = await off_loop(partial(self._twins, held, refresh_token))
        if twins and self._codex.spared:
            return Renewal(refusals.obstructed("codex_copy"))
        with self._shielded(waiting) as may:
            if not may:
                return Renewal(refusals.leaving())
            reserved = await off_loop(partial(_reserve, held, page))
            got = await self._ask(held, reserved, page, refresh_token)
            if isinstance(got, Refusal):
                reserved.discard()
                return Renewal(got.failure, sent=got.spent)
            save = partial(self._save, held, reserved, page, spent=refresh_token, tokens=got)
            renewal = await off_loop(save)
            if twins and renewal.refreshed:
                await off_loop(partial(self._save_twins, twins, refresh_token, got))
            return renewal

    def _twins(self, held: _Held, refresh_token: Secret) -> tuple[str, ...]:
        """Return codex's own files that hold the same login: a refresh would log codex out."""
        others = tuple(file for file in self._codex.files if file != held.path)
        return holders(others, refresh_token, now=self._clock())

    def _save_twins(self, twins: tuple[str, ...], spent: Secret, tokens: Tokens) -> None:
        """Give the new tokens to the codex that has the same login; its file takes no lock."""
        for twin in twins:
            found = read(twin)
            with suppress(OSError):
                if isinstance(found, Content):
                    replace_file(reserve(twin, found.content), spent, tokens, now=self._clock())

    async def _ask(
        self, held: _Held, reserved: Reserved, page: TokenEntry, refresh_token: Secret
    ) -> Tokens | Refusal:
        came: list[Tokens] = []

        async def before_sending() -> None:
            note = TokenState(SpendState.SENT, int(self._clock()), held.path)
            try:
                await off_loop(partial(page.write, note))
            except OSError as error:
                raise NotSentError(words(error)) from None

        def received(response: Response) -> None:
            """Write new tokens down before anything else: killed here, the next run finds them."""
            now = self._clock()
            got = read_tokens(response, sent=True, now=now)
            if isinstance(got, Tokens):
                came.append(replace(got, refresh_token=got.refresh_token or refresh_token))
                write_unsynced(reserved, held.refresh_token, came[0], now=now)

        try:
            answer = await self._endpoint.send(
                request_body(refresh_token),
                timeout_s=ANSWER_WITHIN_S,
                before_sending=before_sending,
                received=received,
            )
        except NotSentError as error:
            return Refusal(refusals.no_room(str(error)), spent=False)
        except BaseException:
            if not came:
                reserved.discard()
            raise
        return came[0] if came else await self._refused(held, page, answer)

    async def _refused(self, held: _Held, page: TokenEntry, answer: Answer) -> Refusal:
        """Return why nothing came, and note it."""
        got = read_tokens(answer.outcome, sent=answer.sent, now=self._clock())
        if isinstance(got, Tokens):  # those that came were taken as they were received
            raise AssertionError  # noqa: TRY004 - a bug, not a type
        if answer.sent:
            with suppress(OSError):  # it says already that the token may have been spent
                await off_loop(partial(page.write, self._note_of(got, held)))
        return got

    def _note_of(self, refusal: Refusal, held: _Held) -> TokenState:
        """Return what to note of a token that brought nothing."""
        failure, at = refusal.failure, int(self._clock())
        if failure.kind is FailureKind.LOGIN_REQUIRED:
            return TokenState(SpendState.ENDED, at, held.path, code=failure.code or "")
        return TokenState(SpendState.SENT if refusal.spent else SpendState.FREE, at, held.path)

    def _save(
        self, held: _Held, reserved: Reserved, page: TokenEntry, *, spent: Secret, tokens: Tokens
    ) -> Renewal:
        now = self._clock()
        # A copy may have slept through renewals: its own refresh token is not the one spent.
        saved = replace_file(reserved, held.refresh_token, tokens, now=now)
        successor = login_key(tokens.refresh_token or spent)
        with suppress(OSError):
            page.write(TokenState(SpendState.RENEWED, int(now), saved.place, successor))
        if saved.failure is not None:
            return Renewal(saved.failure, sent=True)
        return _renewed(held, tokens, sent=True, now=now)

    @contextmanager
    def _shielded(self, waiting: anyio.CancelScope) -> Generator[bool]:
        """Let neither cancellation nor deadline nor signal end this halfway.

        What is in it has its own bounds: the request, and the disk's patience.
        """
        if self._door is not None and not self._door.hold():
            yield False
            return
        waiting.deadline = float("inf")
        try:
            with anyio.CancelScope(shield=True):
                yield True
        finally:
            if self._door is not None:
                self._door.release()


def renewals_for(
    settings: Settings, *, environ: Mapping[str, str], door: Door | None = None
) -> Renewals | None:
    """Return what renews the logins of a run; None where it was not asked for.

    Raises:
        UsageError: ``CODEX_REFRESH_TOKEN_URL_OVERRIDE`` points where no token may go, or
            the proxy or the certificates will not do.
    """
    if not settings.refresh:
        return None
    url = token_address(environ) or TOKEN_URL
    is_https = url[:6].lower() == "https:"
    proxy = (settings.proxy or proxy_for(url, environ=environ)) if is_https else None
    endpoint = TokenEndpoint(settings, url=url, proxy=proxy)
    codex = CodexOwn(eligibility.codex_files(environ), spared=not settings.refresh_codex_home)
    return Renewals(endpoint, Ledger(own_folder()), codex=codex, door=door)


class _LockedError(Exception):
    """Another process held on to a lock."""


def _got(held: T | None) -> T:
    if held is None:
        raise _LockedError
    return held


def _reserve(held: _Held, page: TokenEntry) -> Reserved:
    page.reserve(held.path)
    return reserve(held.path, held.content)


def _renewed(held: _Held, tokens: Tokens, *, sent: bool, now: float) -> Renewal:
    """Return the credential as the file's next reader will find it."""
    content = rewritten(held.content, held.refresh_token, tokens, now=now) or b""
    logins = parse(content, now=now)
    if isinstance(logins, Failure):
        return Renewal(logins, refreshed=True, sent=sent)
    outcome = next((each.outcome for each in logins if each.name == held.name), refusals.changed())
    return Renewal(outcome, refreshed=True, sent=sent)
