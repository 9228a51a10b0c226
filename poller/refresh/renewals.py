"""One login's renewal, step by step; a step that is begun is not split from the next."""

from __future__ import annotations

import os
import time
from contextlib import AsyncExitStack, contextmanager, suppress
from dataclasses import dataclass, replace
from functools import partial
from typing import TYPE_CHECKING, Protocol, TypeVar
from weakref import WeakValueDictionary

import anyio
from anyio import to_thread

from poller.accounts.files import Content, read
from poller.core.credentials import parse
from poller.core.model import Credential, Failure, FailureKind
from poller.core.refresh import (
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
from poller.core.rewriting import rewritten
from poller.core.value import value
from poller.refresh import refusals, whose
from poller.refresh.ledger import Ledger, Note, Page, State, own_folder
from poller.refresh.locks import WAIT_S, lock
from poller.refresh.saving import Reserved, commit, leftovers, reserve, words
from poller.refresh.successors import Heir, find_heir
from poller.settings.addresses import proxy_for, token_address
from poller.upstream.tokens import NotSentError, TokenEndpoint

if TYPE_CHECKING:
    from collections.abc import Callable, Generator, Mapping

    from poller.accounts import Account
    from poller.core.model import Secret
    from poller.settings import Settings

T = TypeVar("T")

ANSWER_WITHIN_S = 20.0
"""For the one request: longer than any poll's, as giving up early may cost a login."""
_LONGEST_CHAIN = 100


class Door(Protocol):
    """Keeps the process from being ended halfway; see :class:`poller.interrupts.Interrupts`."""

    def hold(self) -> bool:
        """Ask for it; False where the process is leaving already."""
        ...

    def release(self) -> None:
        """Let go."""
        ...


@value()
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
    content: bytes
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
        codex_own: tuple[str, ...] = (),
        door: Door | None = None,
        clock: Callable[[], float] = time.time,
    ) -> None:
        """``codex_own`` are files that are refused; ``clock`` tells Unix seconds."""
        self._endpoint = endpoint
        self._ledger = ledger
        self._codex_own = codex_own
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
        what = whose.obstacle(path, codex_own=self._codex_own)
        if what is not None:
            return Renewal(refusals.obstructed(what))
        with anyio.move_on_after(within_s) as waiting:
            async with AsyncExitStack() as locks:
                try:
                    await self._take_file(path, locks)
                    found = await _off_loop(partial(self._read, path, account, stale))
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

    async def _take_page(self, refresh_token: Secret, locks: AsyncExitStack) -> Page:
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
            if note.state is State.ENDED:
                return Renewal(login_required(note.code))
            if note.state is State.FREE:
                return await self._spend(held, refresh_token, page, waiting)
            heir = await _off_loop(partial(self._heir, held, note, refresh_token))
            if heir is not None and self._is_good(heir.credential, held.stale):
                return await self._adopt(held, heir, page, waiting)
            if note.successor == login_key(refresh_token):  # the upstream lets it live on
                return await self._spend(held, refresh_token, page, waiting)
            if heir is None:
                return Renewal(refusals.lost(note))
            refresh_token = heir.refresh_token
        return Renewal(refusals.no_token())

    def _heir(self, held: _Held, note: Note, spent: Secret) -> Heir | None:
        return find_heir(
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
        self, held: _Held, heir: Heir, page: Page, waiting: anyio.CancelScope
    ) -> Renewal:
        """Give the file the tokens that came for a copy of it, or to a run that was killed."""
        theirs = heir.credential
        tokens = Tokens(theirs.access_token, heir.refresh_token, theirs.id_token, theirs.expires_at)
        with self._shielded(waiting) as may:
            if not may:
                return Renewal(refusals.leaving())
            reserved = await _off_loop(partial(_reserve, held, page))
            return await _off_loop(
                partial(self._install, held, reserved, page, tokens=tokens, heir=heir)
            )

    def _install(
        self, held: _Held, reserved: Reserved, page: Page, *, tokens: Tokens, heir: Heir
    ) -> Renewal:
        now = self._clock()
        saved = commit(reserved, held.refresh_token, tokens, now=now)
        if saved.failure is not None:
            return Renewal(saved.failure)
        if heir.file in leftovers(held.path):
            note = Note(State.RENEWED, int(now), held.path, login_key(heir.refresh_token))
            with suppress(OSError):
                page.write(note)
                os.unlink(heir.file)
        return _renewed(held, tokens, sent=False, now=now)

    async def _spend(
        self, held: _Held, refresh_token: Secret, page: Page, waiting: anyio.CancelScope
    ) -> Renewal:
        """Reserve, send once, save: from the first byte sent to the last byte saved as one."""
        with self._shielded(waiting) as may:
            if not may:
                return Renewal(refusals.leaving())
            reserved = await _off_loop(partial(_reserve, held, page))
            try:
                got = await self._ask(held, refresh_token, page)
            except BaseException:
                reserved.discard()
                raise
            if isinstance(got, Refusal):
                reserved.discard()
                return Renewal(got.failure, sent=got.spent)
            save = partial(self._save, held, reserved, page, spent=refresh_token, tokens=got)
            return await _off_loop(save)

    async def _ask(self, held: _Held, refresh_token: Secret, page: Page) -> Tokens | Refusal:
        def before_sending() -> None:
            try:
                page.write(Note(State.SENT, int(self._clock()), held.path))
            except OSError as error:
                raise NotSentError(words(error)) from None

        body = request_body(refresh_token)
        try:
            answer = await self._endpoint.send(
                body, timeout_s=ANSWER_WITHIN_S, before_sending=before_sending
            )
        except NotSentError as error:
            return Refusal(refusals.no_room(str(error)), spent=False)
        got = read_tokens(answer.outcome, sent=answer.sent, now=self._clock())
        if isinstance(got, Refusal) and answer.sent:
            with suppress(OSError):  # it says already that the token may have been spent
                page.write(self._note_of(got, held))
        return got

    def _note_of(self, refusal: Refusal, held: _Held) -> Note:
        """Return what to note of a token that brought nothing."""
        failure, at = refusal.failure, int(self._clock())
        if failure.kind is FailureKind.LOGIN_REQUIRED:
            return Note(State.ENDED, at, held.path, code=failure.code or "")
        return Note(State.SENT if refusal.spent else State.FREE, at, held.path)

    def _save(
        self, held: _Held, reserved: Reserved, page: Page, *, spent: Secret, tokens: Tokens
    ) -> Renewal:
        now = self._clock()
        # A copy may have slept through renewals: its own refresh token is not the one spent.
        tokens = replace(tokens, refresh_token=tokens.refresh_token or spent)
        saved = commit(reserved, held.refresh_token, tokens, now=now)
        successor = login_key(tokens.refresh_token or spent)
        with suppress(OSError):
            page.write(Note(State.RENEWED, int(now), saved.place, successor))
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
    codex_own = () if settings.refresh_codex_home else whose.codex_files(environ)
    return Renewals(endpoint, Ledger(own_folder()), codex_own=codex_own, door=door)


class _LockedError(Exception):
    """Another process held on to a lock."""


def _got(held: T | None) -> T:
    if held is None:
        raise _LockedError
    return held


def _reserve(held: _Held, page: Page) -> Reserved:
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


async def _off_loop(work: Callable[[], T]) -> T:
    """Do ``work`` in a thread, to its end; on the loop where no thread is to be had.

    The limiter is its own: threads that hang in reading other files must not keep new
    tokens from the disk.
    """
    try:
        return await to_thread.run_sync(work, limiter=anyio.CapacityLimiter(1))
    except RuntimeError as error:
        if "new thread" not in str(error):
            raise
        return work()
