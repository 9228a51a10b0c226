"""Find the tokens that came for a refresh token that was spent before."""

from __future__ import annotations

import os
from contextlib import suppress
from dataclasses import dataclass
from typing import TYPE_CHECKING

from poller.authfiles.shapes import parse
from poller.renewal.beside import read_own, read_regular, rescue_paths
from poller.renewal.refusals import RefreshRefusedError
from poller.renewal.saving import set_draft_aside
from poller.renewal.tokens import is_same_account, login_key

if TYPE_CHECKING:
    from collections.abc import Callable, Iterator

    from poller.renewal.token_state import TokenState
    from poller.values import Credential, Secret

_LONGEST_CHAIN = 1000


@dataclass(frozen=True, slots=True)
class RenewedLogin:
    """A login as some file holds it now."""

    credential: Credential
    refresh_token: Secret
    file: str


def find_renewed_login(
    state: TokenState,
    *,
    state_of: Callable[[str], TokenState],
    account: Credential,
    path: str,
    now: float,
) -> RenewedLogin | None:
    """Return the login that replaced a spent token; None where no file holds it.

    ``state`` is the spent token's, and ``state_of`` returns that of any other by its key. A
    login is believed only where its refresh token has the key that was recorded as successor:
    anybody can put a file there. ``account`` is whose login it is, ``path`` the auth file that
    still holds the spent token, ``now`` Unix seconds.

    Raises:
        RefreshRefusedError: what lies in the draft's place may be somebody else's.
        OSError: the folder cannot be read or written.
    """
    set_draft_aside(path)
    if not state.successor:
        return None
    last = _last(state, state_of)
    candidates = [each for file in rescue_paths(path) for each in _rescued(file, now=now)]
    if last.file:
        candidates += logins_in(last.file, now=now)
    found = (
        each
        for each in candidates
        if login_key(each.refresh_token) == last.successor
        and is_same_account(each.credential, account)
    )
    return next(found, None)


def _last(state: TokenState, state_of: Callable[[str], TokenState]) -> TokenState:
    """Follow the successors to the last one: copies may have renewed the login since."""
    seen = set[str]()
    while state.successor not in seen and len(seen) < _LONGEST_CHAIN:
        seen.add(state.successor)
        later = state_of(state.successor)
        if not later.successor:
            break
        state = later
    return state


def holders(files: tuple[str, ...], refresh_token: Secret, *, now: float) -> tuple[str, ...]:
    """Return those of ``files`` that hold a refresh token; ``now`` is Unix seconds."""
    return tuple(
        file
        for file in files
        if any(each.refresh_token == refresh_token for each in logins_in(file, now=now))
    )


def logins_in(file: str, *, now: float) -> Iterator[RenewedLogin]:
    """Yield the logins with a refresh token in a file; none where it is no auth file."""
    with suppress(OSError, ValueError):
        content, _ = read_regular(os.path.realpath(file))
        yield from _logins(content, file, now=now)


def _rescued(file: str, *, now: float) -> Iterator[RenewedLogin]:
    with suppress(OSError, RefreshRefusedError):  # a stranger's file is passed over
        yield from _logins(read_own(file) or b"", file, now=now)


def _logins(content: bytes, file: str, *, now: float) -> Iterator[RenewedLogin]:
    logins = parse(content, now=now)
    if isinstance(logins, tuple):
        for login in logins:
            held = login.held
            if held is not None and held.refresh_token is not None:
                yield RenewedLogin(held, held.refresh_token, file)
