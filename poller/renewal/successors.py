"""Find the tokens that came for a refresh token which was spent before."""

from __future__ import annotations

from dataclasses import dataclass
from typing import TYPE_CHECKING

from poller.authfiles.files import Content, read
from poller.authfiles.shapes import parse
from poller.renewal.ledger import SpendState, TokenState
from poller.renewal.saving import rescue_files, set_aside
from poller.renewal.tokens import is_same_account, login_key

if TYPE_CHECKING:
    from collections.abc import Iterator

    from poller.renewal.ledger import Ledger
    from poller.values import Credential, Secret

_LONGEST_CHAIN = 1000


@dataclass(frozen=True, slots=True)
class RenewedLogin:
    """The login as some file holds it now."""

    credential: Credential
    refresh_token: Secret
    file: str


def find_renewed_login(  # noqa: PLR0913 - a spent token, and all that tells who inherits
    ledger: Ledger, note: TokenState, *, spent: Secret, like: Credential, path: str, now: float
) -> RenewedLogin | None:
    """Return the login that lives on where ``spent`` was spent; None where none is in sight.

    ``note`` is of ``spent``; ``like`` is the account, ``path`` the file that still holds
    ``spent``: a killed run may have left its new tokens beside that. ``now`` is Unix seconds.
    """
    set_aside(path)
    last = _last(ledger, note, login_key(spent))
    files = (last.file,) if last.file else ()
    candidates = [
        heir
        for file in (*files, *rescue_files(path))
        for heir in logins_in(file, now=now)
        if is_same_account(heir.credential, like)
    ]
    named = (each for each in candidates if login_key(each.refresh_token) == last.successor)
    others = (each for each in candidates if each.refresh_token != spent)
    return next(named, None) or next(others, None)


def _last(ledger: Ledger, note: TokenState, key: str) -> TokenState:
    """Follow the notes to the last one: other copies may have renewed the login since."""
    seen = {key}
    while note.state is SpendState.RENEWED and note.successor not in seen:
        seen.add(note.successor)
        later = ledger.glance(note.successor)
        if later.state is not SpendState.RENEWED or len(seen) > _LONGEST_CHAIN:
            break
        note = later
    return note


def holders(files: tuple[str, ...], refresh_token: Secret, *, now: float) -> tuple[str, ...]:
    """Return those of ``files`` that hold a refresh token; ``now`` is Unix seconds."""
    return tuple(
        file
        for file in files
        if any(each.refresh_token == refresh_token for each in logins_in(file, now=now))
    )


def logins_in(file: str, *, now: float) -> Iterator[RenewedLogin]:
    """Yield the logins of a file that could be refreshed; none where it is no auth file."""
    found = read(file)
    logins = parse(found.content, now=now) if isinstance(found, Content) else found
    if not isinstance(logins, tuple):
        return
    for login in logins:
        held = login.held
        if held is not None and held.refresh_token is not None:
            yield RenewedLogin(held, held.refresh_token, file)
