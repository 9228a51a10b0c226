"""Spend one refresh token: send it once, and save what comes, as one step."""

from __future__ import annotations

import os
from contextlib import suppress
from dataclasses import dataclass, field, replace
from functools import partial
from typing import TYPE_CHECKING, Protocol

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
    from collections.abc import Awaitable, Callable

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


class Refreshes(Protocol):
    """The token endpoint; see :class:`poller.renewal.endpoint.TokenEndpoint`."""

    async def refresh(
        self,
        refresh_token: Secret,
        *,
        timeout_s: float,
        before_sending: Callable[[], Awaitable[None]],
        received: Callable[[Tokens], None],
    ) -> Tokens | Refusal:
        """Send a refresh token once."""
        ...


class Spending:
    """Spends refresh tokens and saves what comes. Nothing may cancel what is begun here."""

    def __init__(self, endpoint: Refreshes, clock: Callable[[], float]) -> None:
        """``clock`` tells Unix seconds."""
        self._endpoint = endpoint
        self._clock = clock

    async def spend(
        self,
        refresh_token: Secret,
        login: StoredLogin,
        *,
        draft: Draft,
        entry: TokenEntry,
        codex_copies: tuple[str, ...],
    ) -> Renewal:
        """Send ``refresh_token`` and put what comes for it into the login's file.

        That token is the login's own or, where copies have renewed it since, a later one.
        ``draft`` and ``entry`` have their disk space. ``codex_copies`` are the Codex CLI's
        own files that hold the same login: they get the new tokens, too.
        """
        got = await self._send(refresh_token, login, draft=draft, entry=entry)
        if isinstance(got, Refusal):
            draft.discard()
            return Renewal(got.failure, sent=got.spent)
        save = partial(self._save, got, login, draft=draft, entry=entry)
        renewal = await run_in_thread(save, abandon_on_cancel=False)
        if renewal.refreshed:
            for path in codex_copies:
                copy = partial(self._save_copy, path, spent=refresh_token, tokens=got)
                await run_in_thread(copy, abandon_on_cancel=False)
        return renewal

    async def _send(
        self, refresh_token: Secret, login: StoredLogin, *, draft: Draft, entry: TokenEntry
    ) -> Tokens | Refusal:
        noted_as_sent = False
        came: Tokens | None = None

        async def before_sending() -> None:
            nonlocal noted_as_sent
            note = TokenState(SpendState.SENT, int(self._clock()), login.path)
            try:
                await run_in_thread(partial(entry.write, note), abandon_on_cancel=False)
            except OSError as error:
                raise RefreshRefusedError(refusals.no_room(os_error_text(error))) from None
            noted_as_sent = True

        def received(tokens: Tokens) -> None:
            """Write the tokens down before anything else: killed here, the next run finds them."""
            nonlocal came
            came = replace(tokens, refresh_token=tokens.refresh_token or refresh_token)
            now = self._clock()
            note = _note_of_received(came, login, now=now)
            with suppress(OSError):  # then the note still says that the token was sent
                entry.write_unsynced(note)
            draft.write_unsynced(login.refresh_token, came, now=now)

        try:
            got = await self._endpoint.refresh(
                refresh_token,
                timeout_s=REPLY_WITHIN_S,
                before_sending=before_sending,
                received=received,
            )
        except RefreshRefusedError as refused:
            return Refusal(refused.failure, spent=False)
        except BaseException:
            if came is None:
                draft.discard()
            raise
        if came is not None:
            return came
        if isinstance(got, Tokens):
            raise AssertionError("tokens that come are received")  # noqa: TRY004 - a bug, not a type
        if noted_as_sent:
            note = _note_of_refusal(got, login, now=self._clock())
            with suppress(OSError):  # likewise
                await run_in_thread(partial(entry.write, note), abandon_on_cancel=False)
        return got

    def _save(
        self, tokens: Tokens, login: StoredLogin, *, draft: Draft, entry: TokenEntry
    ) -> Renewal:
        now = self._clock()
        note = _note_of_received(tokens, login, now=now)
        with suppress(OSError):  # the successor's key, before its file can be found by it
            entry.sync()
        if note.state is SpendState.REJECTED:
            place = rescue(draft, login.refresh_token, tokens, now=now)
            with suppress(OSError):
                entry.write(replace(note, file=place))
            return Renewal(refusals.of_another_login(place), sent=True)
        saved = replace_file(draft, login.refresh_token, tokens, now=now)
        with suppress(OSError):
            entry.write(replace(note, state=SpendState.RENEWED, file=saved.place))
        if saved.failure is not None:
            return Renewal(saved.failure, sent=True)
        return _renewed(login, tokens, sent=True, now=now)

    def _save_copy(self, path: str, *, spent: Secret, tokens: Tokens) -> None:
        """Give the new tokens to the codex that has the same login; its file takes no lock."""
        if obstacle(path, codex_own=()) is not None:
            return
        with suppress(OSError, RefreshRefusedError):
            draft = reserve(path, *read_regular(path))
            replace_file(draft, spent, tokens, now=self._clock())

    def adopt(
        self, renewed: RenewedLogin, login: StoredLogin, *, draft: Draft, entry: TokenEntry
    ) -> Renewal:
        """Give the file the tokens that came for a copy of it, or to a run that was killed."""
        now, theirs = self._clock(), renewed.credential
        tokens = Tokens(
            theirs.access_token, renewed.refresh_token, theirs.id_token, theirs.expires_at
        )
        saved = replace_file(draft, login.refresh_token, tokens, now=now)
        if saved.failure is not None:
            return Renewal(saved.failure)
        if renewed.file in rescue_paths(login.path):
            successor = login_key(renewed.refresh_token)
            with suppress(OSError):
                entry.write(TokenState(SpendState.RENEWED, int(now), login.path, successor))
                os.unlink(renewed.file)
        return _renewed(login, tokens, sent=False, now=now)


def _note_of_received(tokens: Tokens, login: StoredLogin, *, now: float) -> TokenState:
    """Return the note of a token whose successor has come and is not saved yet."""
    if are_anothers(tokens, login.credential):
        return TokenState(SpendState.REJECTED, int(now), f"{login.path}.rescue")
    successor = login_key(tokens.refresh_token or login.refresh_token)
    return TokenState(SpendState.SENT, int(now), login.path, successor)


def _note_of_refusal(refusal: Refusal, login: StoredLogin, *, now: float) -> TokenState:
    """Return the note of a token that brought nothing."""
    failure = refusal.failure
    if failure.kind is FailureKind.LOGIN_REQUIRED:
        return TokenState(SpendState.ENDED, int(now), login.path, code=failure.code or "")
    state = SpendState.SENT if refusal.spent else SpendState.FREE
    return TokenState(state, int(now), login.path)


def _renewed(login: StoredLogin, tokens: Tokens, *, sent: bool, now: float) -> Renewal:
    """Return the credential as the file's next reader will find it."""
    content = rewritten(login.content, login.refresh_token, tokens, now=now) or b""
    logins = parse(content, now=now)
    if isinstance(logins, Failure):
        return Renewal(logins, refreshed=True, sent=sent)
    outcome = next((each.outcome for each in logins if each.name == login.name), refusals.changed())
    return Renewal(outcome, refreshed=True, sent=sent)
