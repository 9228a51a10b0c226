"""One login's renewal, from taking its locks to its new credential."""

from __future__ import annotations

import logging
import os
import time
from contextlib import AsyncExitStack
from dataclasses import dataclass, field
from functools import partial
from typing import TYPE_CHECKING, Protocol
from weakref import WeakValueDictionary

import anyio

from poller.authfiles.shapes import parse
from poller.process.own_folders import codex_files
from poller.process.threads import run_in_thread
from poller.renewal import refusals
from poller.renewal.beside import lock_path, read_regular
from poller.renewal.eligibility import CodexHome, obstacle
from poller.renewal.ledger import Ledger, LockRecords, own_folder
from poller.renewal.locks import DiskWork, lock
from poller.renewal.refusals import RefreshRefusedError
from poller.renewal.rewriting import can_be_rewritten
from poller.renewal.saving import reserve
from poller.renewal.spending import Renewal, Spending, StoredLogin
from poller.renewal.successors import RenewedLogin, find_renewed_login, holders
from poller.renewal.token_state import SpendState, safer
from poller.renewal.tokens import is_due, is_newer, is_same_account, login_key
from poller.settings import UsageError
from poller.settings.addresses import proxy_for, token_address
from poller.text import os_error_text
from poller.values import Credential, Failure

if TYPE_CHECKING:
    from collections.abc import Awaitable, Callable, Mapping

    from poller.authfiles.read import Account
    from poller.renewal.endpoint import TokenEndpoint
    from poller.renewal.ledger import TokenEntry
    from poller.renewal.token_state import TokenState
    from poller.settings import Settings
    from poller.values import Secret

TOKEN_URL = "https://auth.openai.com/oauth/token"  # noqa: S105 - an address
_LONGEST_CHAIN = 100
_log = logging.getLogger("poller")


class ExitGuard(Protocol):
    """Keeps the process from ending in the middle; see :mod:`poller.process.signals`."""

    def hold(self) -> bool:
        """Ask for it; False where the process is leaving already."""
        ...

    def release(self) -> None:
        """Let the process end."""
        ...


@dataclass(frozen=True, slots=True)
class Renewals:
    """Renews the logins of one run; made by :func:`renewals_for`."""

    endpoint: TokenEndpoint
    ledger: Ledger
    codex: CodexHome = field(default_factory=CodexHome)
    exit_guard: ExitGuard | None = None
    clock: Callable[[], float] = time.time
    """Tells Unix seconds."""
    turns: WeakValueDictionary[str, anyio.Lock] = field(
        default_factory=WeakValueDictionary[str, anyio.Lock]
    )

    def turn(self, key: str) -> anyio.Lock:
        """Return the lock by which this run's own accounts take turns, however long that takes."""
        turn = self.turns.get(key)
        if turn is None:
            turn = self.turns[key] = anyio.Lock()
        return turn

    def is_due(self, credential: Credential) -> bool:
        """Return whether a token is to be renewed before it is sent."""
        return is_due(credential, now=self.clock())

    async def renew(self, account: Account, stale: Credential, *, within_s: float) -> Renewal:
        """Renew the login that ``stale`` is, or was, in the account's file.

        Waits ``within_s`` at most for others; what is begun by then is finished. Failures:
        ``refresh_locked``, ``refresh_refused``, ``refresh_unsaved``, ``refresh_unknown``,
        ``login_required``, those of reading the file, and of a request that was not sent.
        """
        renewal = Renewal(refusals.locked())
        with DiskWork() as disk:
            with anyio.move_on_after(within_s) as waiting:
                one = _OneRenewal(self, account, stale, disk, waiting)
                renewal = await one.renew()
            if disk.hangs:
                renewal = Renewal(refusals.disk_hangs())
        if isinstance(renewal.outcome, Failure):
            _log.info("%s: not renewed: %s", account.label, renewal.outcome.kind)
        else:
            what = "renewed" if renewal.refreshed else "its file held a newer token"
            _log.info("%s: %s", account.label, what)
        return renewal


@dataclass(frozen=True, slots=True)
class _OneRenewal:
    """The renewal of one login."""

    run: Renewals
    account: Account
    stale: Credential
    """What has failed or is due."""
    disk: DiskWork
    waiting: anyio.CancelScope
    """Ends the wait for others."""

    async def renew(self) -> Renewal:
        try:
            path = await self.disk.run(self._checked_path)
            async with AsyncExitStack() as turns:
                await turns.enter_async_context(self.run.turn(path))
                lock_records = LockRecords(await lock(lock_path(path), disk=self.disk), path)
                found = await self.disk.run(partial(self._read, path))
                if isinstance(found, Credential):
                    return Renewal(found)
                return await self._follow(found, lock_records, turns)
        except RefreshRefusedError as refused:
            return Renewal(refused.failure)
        except OSError as error:
            return Renewal(refusals.no_room(os_error_text(error)))

    def _checked_path(self) -> str:
        """Return the file's real path, where the file may be refreshed."""
        codex = self.run.codex
        path = os.path.realpath(self.account.path or "")
        what = obstacle(path, codex_own=codex.files if codex.is_protected else ())
        if what is not None:
            raise RefreshRefusedError(refusals.obstructed(what))
        return path

    def _read(self, path: str) -> StoredLogin | Credential:
        """Read the file under its lock. A credential is one that somebody else has renewed."""
        try:
            content, status = read_regular(path)
        except OSError as error:
            raise RefreshRefusedError(refusals.unreadable(os_error_text(error))) from None
        if not can_be_rewritten(content):
            raise RefreshRefusedError(refusals.intricate())
        now = self.run.clock()
        logins = parse(content, now=now)
        if isinstance(logins, Failure):
            raise RefreshRefusedError(logins)
        login = next((each for each in logins if each.name == self.account.login), None)
        held = None if login is None else login.held
        if login is None or held is None or not is_same_account(held, self.stale):
            raise RefreshRefusedError(refusals.changed())
        if isinstance(login.outcome, Credential) and is_newer(held, self.stale, now=now):
            return login.outcome
        if held.refresh_token is None:
            raise RefreshRefusedError(refusals.no_token())
        return StoredLogin(path, content, status, login.name, held, held.refresh_token)

    async def _follow(
        self, login: StoredLogin, lock_records: LockRecords, turns: AsyncExitStack
    ) -> Renewal:
        """Follow a login to the refresh token that is alive, and spend that one."""
        refresh_token = login.refresh_token
        for _ in range(_LONGEST_CHAIN):
            key = login_key(refresh_token)
            await turns.enter_async_context(self.run.turn(key))
            entry = await self.run.ledger.entry(key, lock_records, disk=self.disk)
            state = entry.read()
            if state.spend_state is SpendState.FREE:
                return await self._spend(refresh_token, login, entry)
            search = partial(self._find, state, login, lock_records)
            renewed = await self.disk.run(search)
            if renewed is not None and self._is_good(renewed.credential):
                return await self._adopt(renewed, login, entry)
            if state.may_be_sent(key):  # it was spent, and the upstream lets it live on
                return await self._spend(refresh_token, login, entry)
            if renewed is None or renewed.refresh_token == refresh_token:
                return Renewal(refusals.spent_before(state, login.path))
            refresh_token = renewed.refresh_token
        return Renewal(refusals.no_token())

    def _find(
        self, state: TokenState, login: StoredLogin, lock_records: LockRecords
    ) -> RenewedLogin | None:
        def state_of(key: str) -> TokenState:
            return safer(self.run.ledger.glance(key), lock_records.read(key), key=key)

        return find_renewed_login(
            state,
            state_of=state_of,
            account=login.credential,
            path=login.path,
            now=self.run.clock(),
        )

    def _is_good(self, credential: Credential) -> bool:
        is_new = credential.access_token != self.stale.access_token
        return is_new and not is_due(credential, now=self.run.clock())

    async def _adopt(self, renewed: RenewedLogin, login: StoredLogin, entry: TokenEntry) -> Renewal:
        spending = await self._prepare(login, entry)
        adopt = partial(spending.adopt, renewed)
        return await self._unsplit(spending, lambda: run_in_thread(adopt, abandon_on_cancel=False))

    async def _spend(self, refresh_token: Secret, login: StoredLogin, entry: TokenEntry) -> Renewal:
        codex_copies = await self.disk.run(partial(self._codex_copies, login, refresh_token))
        if codex_copies and self.run.codex.is_protected:
            return Renewal(refusals.obstructed("codex_copy"))
        spending = await self._prepare(login, entry)
        _log.info("%s: sending its refresh token", self.account.label)
        return await self._unsplit(
            spending, partial(spending.spend, refresh_token, codex_copies=codex_copies)
        )

    def _codex_copies(self, login: StoredLogin, refresh_token: Secret) -> tuple[str, ...]:
        """Return Codex's own files that hold the same login: a refresh would log Codex out."""
        files = map(os.path.realpath, self.run.codex.files)
        others = tuple(file for file in files if file != login.path)
        return holders(others, refresh_token, now=self.run.clock())

    async def _prepare(self, login: StoredLogin, entry: TokenEntry) -> Spending:
        """Reserve the disk space for all that will be written."""

        def reserve_all() -> Spending:
            entry.reserve(login.path)
            draft = reserve(login.path, login.content, login.status)
            if self.disk.is_left:  # nobody waits for it any more
                draft.discard()
            return Spending(self.run.endpoint, self.run.clock, login, draft, entry)

        return await self.disk.run(reserve_all)

    async def _unsplit(self, spending: Spending, work: Callable[[], Awaitable[Renewal]]) -> Renewal:
        """Do `work` such that neither cancellation nor deadline nor signal ends it halfway.

        It has bounds of its own: the request's, and the disk's patience.
        """
        guard = self.run.exit_guard
        renewal = Renewal(refusals.leaving())
        if guard is not None and not guard.hold():
            spending.draft.discard()
            return renewal
        self.waiting.deadline = float("inf")
        try:
            with anyio.CancelScope(shield=True):
                renewal = await work()
        finally:
            if guard is not None:
                guard.release()
        return renewal


def renewals_for(
    settings: Settings, *, environ: Mapping[str, str], exit_guard: ExitGuard | None = None
) -> Renewals:
    """Return what renews the logins of a run that asks for it.

    Raises:
        UsageError: ``CODEX_REFRESH_TOKEN_URL_OVERRIDE`` points where no token may go, the
            proxy or the certificates cannot be used, or no home folder is known.
    """
    from poller.renewal.endpoint import TokenEndpoint  # the HTTP library, which few runs need here

    folder = own_folder()
    if folder is None:
        raise UsageError(
            "--refresh: no home folder is known to record spent tokens in: set HOME or "
            "XDG_STATE_HOME to an absolute path"
        )
    url = token_address(environ) or TOKEN_URL
    is_https = url[:6].lower() == "https:"
    proxy = (settings.proxy or proxy_for(url, environ=environ)) if is_https else None
    endpoint = TokenEndpoint(settings, url=url, proxy=proxy)
    codex = CodexHome(codex_files(environ), is_protected=not settings.refresh_codex_home)
    return Renewals(endpoint, Ledger(folder), codex=codex, exit_guard=exit_guard)
