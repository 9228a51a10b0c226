"""Spend one refresh token: send it once, and save what comes, as one step."""

from __future__ import annotations

import os
from contextlib import suppress
from dataclasses import dataclass, field, replace
from functools import partial
from typing import TYPE_CHECKING

from poller.authfiles.shapes import parse
from poller.process.threads import run_in_thread
from poller.renewal import refusals
from poller.renewal.beside import read_regular, rescue_paths
from poller.renewal.eligibility import obstacle
from poller.renewal.refusals import RefreshRefusedError
from poller.renewal.rewriting import rewritten
from poller.renewal.saving import replace_file, rescue, reserve
from poller.renewal.token_state import SpendState, TokenState
from poller.renewal.tokens import Refusal, Tokens, are_anothers, login_key
from poller.text import os_error_text
from poller.values import Credential, Failure, FailureKind

if TYPE_CHECKING:
    from collections.abc import Callable

    from poller.renewal.endpoint import TokenEndpoint
    from poller.renewal.ledger import TokenEntry
    from poller.renewal.saving import Draft
    from poller.renewal.successors import RenewedLogin
    from poller.values import Secret

REPLY_WITHIN_S = 20.0
"""For the one request: longer than any poll's, as giving up early may cost a login."""


@dataclass(frozen=True, slots=True)
class Renewal:
    """How one account's renewal ended."""

    outcome: Credential | Failure
    refreshed: bool = False
    """Whether the file was given new tokens."""
    sent: bool = False
    """Whether the refresh token may have been spent."""


@dataclass(frozen=True, slots=True)
class StoredLogin:
    """A login as its auth file held it, read under the file's lock."""

    path: str
    """The file's, real."""
    content: bytes = field(repr=False)
    """All of the file."""
    status: os.stat_result
    name: str | None
    """The account's in a file of several."""
    credential: Credential
    refresh_token: Secret
    """What new tokens take the place of."""


@dataclass(frozen=True, slots=True)
class Spending:
    """Gives one login new tokens. Nothing may cancel what is begun here."""

    endpoint: TokenEndpoint
    clock: Callable[[], float]
    """Tells Unix seconds."""
    login: StoredLogin
    draft: Draft
    """Where the new file is written; its disk space is reserved, as is the entry's."""
    entry: TokenEntry
    """The token that is spent: the login's own or, where copies have renewed it
    since, a later one."""

    async def spend(self, refresh_token: Secret, *, codex_copies: tuple[str, ...]) -> Renewal:
        """Send ``refresh_token`` and put what comes for it into the login's file.

        ``codex_copies`` are the Codex CLI's own files that hold the same login: they get the
        new tokens, too.
        """
        got = await self._send(refresh_token)
        if isinstance(got, Refusal):
            self.draft.discard()
            return Renewal(got.failure, sent=got.spent)
        renewal = await run_in_thread(partial(self._save, got), abandon_on_cancel=False)
        if renewal.refreshed:
            for path in codex_copies:
                save = partial(self._save_copy, path, spent=refresh_token, tokens=got)
                await run_in_thread(save, abandon_on_cancel=False)
        return renewal

    async def _send(self, refresh_token: Secret) -> Tokens | Refusal:
        recorded_as_sent = False
        came: Tokens | None = None

        async def before_sending() -> None:
            nonlocal recorded_as_sent
            sent = TokenState(SpendState.SENT, int(self.clock()), self.login.path)
            try:
                await run_in_thread(partial(self.entry.write, sent), abandon_on_cancel=False)
            except OSError as error:
                raise RefreshRefusedError(refusals.no_room(os_error_text(error))) from None
            recorded_as_sent = True

        def received(tokens: Tokens) -> None:
            """Write the tokens down before anything else: killed here, the next run finds them."""
            nonlocal came
            came = replace(tokens, refresh_token=tokens.refresh_token or refresh_token)
            with suppress(OSError):  # then the record still says that it was sent
                self.entry.write_unsynced(self._state_once_received(came))
            self.draft.write_unsynced(self.login.refresh_token, came, now=self.clock())

        try:
            got = await self.endpoint.refresh(
                refresh_token,
                timeout_s=REPLY_WITHIN_S,
                before_sending=before_sending,
                received=received,
            )
        except RefreshRefusedError as refused:
            return Refusal(refused.failure, spent=False)
        except BaseException:
            if came is None:
                self.draft.discard()
            raise
        if came is not None:
            return came
        if isinstance(got, Tokens):
            raise AssertionError("tokens that come are received")  # noqa: TRY004 - a bug, not a type
        if recorded_as_sent:
            state = self._state_once_refused(got)
            with suppress(OSError):  # likewise
                await run_in_thread(partial(self.entry.write, state), abandon_on_cancel=False)
        return got

    def _save(self, tokens: Tokens) -> Renewal:
        now, spent = self.clock(), self.login.refresh_token
        state = self._state_once_received(tokens)
        with suppress(OSError):  # the successor's key, before its file can be found by it
            self.entry.sync()
        if state.spend_state is SpendState.REJECTED:
            place = rescue(self.draft, spent, tokens, now=now)
            with suppress(OSError):
                self.entry.write(replace(state, file=place))
            return Renewal(refusals.of_another_login(place), sent=True)
        saved = replace_file(self.draft, spent, tokens, now=now)
        with suppress(OSError):
            self.entry.write(replace(state, spend_state=SpendState.RENEWED, file=saved.place))
        if saved.failure is not None:
            return Renewal(saved.failure, sent=True)
        return self._renewed(tokens, sent=True, now=now)

    def _save_copy(self, path: str, *, spent: Secret, tokens: Tokens) -> None:
        """Give the new tokens to the codex that has the same login; its file takes no lock."""
        if obstacle(path, codex_own=()) is not None:
            return
        with suppress(OSError, RefreshRefusedError):
            draft = reserve(path, *read_regular(path))
            replace_file(draft, spent, tokens, now=self.clock())

    def adopt(self, renewed: RenewedLogin) -> Renewal:
        """Give the file the tokens that came for a copy of it, or to a run that was killed."""
        now, theirs = self.clock(), renewed.credential
        tokens = Tokens(
            theirs.access_token, renewed.refresh_token, theirs.id_token, theirs.expires_at
        )
        spent, kept_in = self.login.refresh_token, renewed.file
        saved = replace_file(self.draft, spent, tokens, now=now, kept_in=kept_in)
        if saved.failure is not None:
            return Renewal(saved.failure)
        if renewed.file in rescue_paths(self.login.path):
            successor = login_key(renewed.refresh_token)
            state = TokenState(SpendState.RENEWED, int(now), self.login.path, successor)
            with suppress(OSError):
                self.entry.write(state)
                os.unlink(renewed.file)
        return self._renewed(tokens, sent=False, now=now)

    def _state_once_received(self, tokens: Tokens) -> TokenState:
        """Return the state of a token whose successor has come and is not saved yet."""
        path, now = self.login.path, int(self.clock())
        if are_anothers(tokens, self.login.credential):
            return TokenState(SpendState.REJECTED, now, f"{path}.rescue")
        successor = login_key(tokens.refresh_token or self.login.refresh_token)
        return TokenState(SpendState.SENT, now, path, successor)

    def _state_once_refused(self, refusal: Refusal) -> TokenState:
        """Return the state of a token that brought nothing."""
        path, now, failure = self.login.path, int(self.clock()), refusal.failure
        if failure.kind is FailureKind.LOGIN_REQUIRED:
            return TokenState(SpendState.ENDED, now, path, code=failure.code or "")
        return TokenState(SpendState.SENT if refusal.spent else SpendState.FREE, now, path)

    def _renewed(self, tokens: Tokens, *, sent: bool, now: float) -> Renewal:
        """Return the credential as the file's next reader will find it."""
        login = self.login
        content = rewritten(login.content, login.refresh_token, tokens, now=now) or b""
        logins = parse(content, now=now)
        if isinstance(logins, Failure):
            return Renewal(logins, refreshed=True, sent=sent)
        named = (each.outcome for each in logins if each.name == login.name)
        return Renewal(next(named, refusals.changed()), refreshed=True, sent=sent)
