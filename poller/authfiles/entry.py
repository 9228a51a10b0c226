"""One login as it stands in an auth file, and what makes it fit to be sent.

No text made here holds a piece of a token.
"""

from __future__ import annotations

from typing import TYPE_CHECKING, NamedTuple

from poller.authfiles.claims import Claims, read_claims
from poller.text import is_visible
from poller.usage.json_values import ID_LENGTH, first_text, short_text, text, tokenless_text
from poller.values import Credential, Failure, FailureKind, Secret

if TYPE_CHECKING:
    from collections.abc import Mapping

EXPIRY_LEEWAY_S = 60
"""How far a clock may be off before a token counts as expired."""

ACCESS_KEYS = ("access_token", "accessToken", "access")
REFRESH_KEYS = ("refresh_token", "refreshToken", "refresh")
ID_KEYS = ("id_token", "idToken")
TOKEN_KEYS = frozenset(ACCESS_KEYS + REFRESH_KEYS + ID_KEYS)
_ACCOUNT_KEYS = ("account_id", "accountId", "chatgpt_account_id", "chatgptAccountId")
API_KEYS = ("OPENAI_API_KEY", "api_key", "apiKey", "key")
_KIND_KEYS = ("type", "auth_type", "auth_mode")
_API_KEY_KINDS = frozenset({"api", "api_key", "apikey", "api-key"})

_LOG_IN = "log in with `codex login` and copy ~/.codex/auth.json here"
API_KEY_ONLY = Failure(
    FailureKind.NO_CREDENTIALS,
    "an API key only: it has no usage to show",
    "run `codex login` and sign in with ChatGPT, then copy ~/.codex/auth.json here",
)
NO_LOGIN = Failure(
    FailureKind.NO_CREDENTIALS,
    "no OpenAI login in it, in any known shape",
    _LOG_IN,
)
FOREIGN = Failure(
    FailureKind.NO_CREDENTIALS,
    "its token was issued by another service, not by OpenAI, and is not sent",
    _LOG_IN,
)
_NO_ACCESS_TOKEN = Failure(FailureKind.NO_CREDENTIALS, "no access token in it", _LOG_IN)
_NO_ACCOUNT_ID = Failure(
    FailureKind.NO_CREDENTIALS,
    "no account id, neither beside the tokens nor in them",
    _LOG_IN,
)
_BROWSER_SESSION = Failure(
    FailureKind.INVALID_TOKEN,
    "a browser session token (sess-…) in place of an access token",
    "such a token never works: run `codex login` and copy ~/.codex/auth.json here",
)


class Entry(NamedTuple):
    """A login as it stands in the file, before it is judged."""

    shape: str
    tokens: Mapping[str, object]
    around: Mapping[str, object]
    """What stands beside the tokens: the e-mail, an API key, the switch."""
    name: str | None
    """As written; its place in a list, from 1, where it has none; None in a file for one."""
    access_token: str | None
    id_token: str | None
    account_id: str | None
    claims: Claims
    """The access token's: it is who asks. The id token's fill its gaps."""
    is_current: bool = False
    """Whether it is the fresher copy of a login that may stand elsewhere in the file, too."""

    def __repr__(self) -> str:
        return f"Entry({self.shape!r}, …)"  # its tokens are not for showing

    @property
    def is_proven(self) -> bool:
        """Whether the file itself says that this is a login of OpenAI's."""
        return self.claims.is_openai or self.shape == "cliproxyapi"

    @property
    def looks_openai(self) -> bool:
        """Whether it may be OpenAI's where its place in the file does not tell."""
        # Dropbox, too, keeps an account_id; OAuth answers saved as they came have a token_type.
        is_saved_answer = "token_type" in self.tokens
        return self.claims.is_openai or (self.account_id is not None and not is_saved_answer)

    @property
    def is_api_key(self) -> bool:
        """Whether it is an API key, wherever it is kept; tokens of OpenAI's count as such."""
        if self.access_token is not None and self.access_token.startswith("sk-"):
            return True
        kinds = (text(self.around, key) or text(self.tokens, key) for key in _KIND_KEYS)
        return not self.claims.is_openai and not _API_KEY_KINDS.isdisjoint(kinds)

    @property
    def is_account(self) -> bool:
        """Whether it is one of the accounts of a file that holds several."""
        held = first_text(self.tokens, (*ACCESS_KEYS, *REFRESH_KEYS, *ID_KEYS))
        return held is not None and not self.is_api_key and not self.claims.is_foreign

    @property
    def login_key(self) -> tuple[str | None, str | None]:
        """What two copies of one login have in common, however old each is."""
        if self.claims.user_id is not None:
            return self.claims.user_id, self.account_id
        return None, first_text(self.tokens, REFRESH_KEYS) or self.access_token

    @property
    def is_disabled(self) -> bool:
        """Whether its owner has switched it off."""
        return self.around.get("disabled") is True or self.around.get("enabled") is False


def entry_of(
    shape: str,
    tokens: Mapping[str, object],
    *,
    around: Mapping[str, object],
    name: str | None = None,
    is_current: bool = False,
) -> Entry:
    """Return the login whose tokens are members of ``tokens``."""
    access_token, id_token = first_text(tokens, ACCESS_KEYS), first_text(tokens, ID_KEYS)
    account_id = first_text(tokens, _ACCOUNT_KEYS)
    claims = read_claims(access_token)
    if not claims.is_openai or None in (account_id, claims.user_id, claims.plan, claims.email):
        claims = _filled(claims, read_claims(id_token))
        if not claims.is_openai and _is_foreign(first_text(tokens, REFRESH_KEYS)):
            claims = claims._replace(is_foreign=True)
    account_id = account_id or claims.account_id
    return Entry(
        shape, tokens, around, name, access_token, id_token, account_id, claims, is_current
    )


def _is_foreign(refresh_token: str | None) -> bool:
    """Say whether a refresh token is one of another service; OpenAI's say nothing."""
    is_jwt = refresh_token is not None and refresh_token.count(".") > 1
    return is_jwt and read_claims(refresh_token).is_foreign


def _filled(access: Claims, identity: Claims) -> Claims:
    return Claims(
        account_id=identity.account_id or access.account_id,
        user_id=access.user_id or identity.user_id,
        plan=access.plan or identity.plan,
        email=access.email or identity.email,
        expires_at=access.expires_at,  # an id token lives for an hour only, and is not sent
        fedramp=access.fedramp or identity.fedramp,
        is_openai=not access.is_foreign and (access.is_openai or identity.is_openai),
        # The id token tells whose an access token is that tells nothing itself.
        is_foreign=access.is_foreign or (identity.is_foreign and not access.is_openai),
    )


def judged(entry: Entry, *, now: float) -> Credential | Failure:
    """Return what is sent for a login, or why nothing is; ``now`` is in Unix seconds."""
    access_token, account_id = entry.access_token, entry.account_id
    if access_token is None or access_token.startswith("sk-"):
        has_api_key = first_text(entry.around, API_KEYS) or first_text(entry.tokens, API_KEYS)
        return API_KEY_ONLY if access_token or has_api_key else _NO_ACCESS_TOKEN
    if account_id is None:
        return _NO_ACCOUNT_ID
    unusable = _unusable(access_token, account_id)
    if unusable is not None:
        return unusable
    if access_token.startswith("sess-"):
        return _BROWSER_SESSION
    expires_at = entry.claims.expires_at
    if expires_at is not None and expires_at + EXPIRY_LEEWAY_S < now:
        return _expired(now - expires_at)
    return _credential(entry, access_token, account_id)


def held_by(entry: Entry) -> Credential | None:
    """Return what a login holds, fit to be sent or not; None where it is incomplete."""
    access_token = _fitting(entry.access_token)
    if access_token is None or entry.account_id is None:
        return None
    return _credential(entry, access_token, entry.account_id)


def _credential(entry: Entry, access_token: str, account_id: str) -> Credential:
    claims = entry.claims
    refresh_token = _fitting(first_text(entry.tokens, REFRESH_KEYS))
    if _is_foreign(refresh_token):
        refresh_token = None
    id_token = _fitting(entry.id_token)
    email = claims.email or text(entry.around, "email")
    return Credential(
        Secret(access_token),
        account_id,
        # Spelled as the answer's are, which they are compared with.
        user_id=short_text(claims.user_id, ID_LENGTH),
        email=short_text(email, ID_LENGTH),
        plan=tokenless_text(claims.plan),
        expires_at=claims.expires_at,
        fedramp=claims.fedramp,
        refresh_token=None if refresh_token is None else Secret(refresh_token),
        id_token=None if id_token is None else Secret(id_token),
    )


def _fitting(token: str | None) -> str | None:
    """Return a token of a length that tokens have; None for others, which cost too much."""
    return token if token is None or len(token) <= ID_LENGTH else None


def _unusable(access_token: str, account_id: str) -> Failure | None:
    """Say what keeps the token or the id out of a header: its length, or what is in it."""
    both = access_token + account_id
    if len(both) <= ID_LENGTH and is_visible(both):  # as nearly all are
        return None
    for what, value in (("access token", access_token), ("account id", account_id)):
        if len(value) > ID_LENGTH:
            wrong = f"is longer than {ID_LENGTH} characters"
        elif not is_visible(value):
            wrong = "holds a space, a line break or another character that none can have"
        else:
            continue
        return Failure(
            FailureKind.INVALID_TOKEN,
            f"the {what} {wrong}",
            "copy the auth file again, whole and unedited, or log in again with `codex login`",
        )
    return None


def _expired(ago_s: float) -> Failure:
    return Failure(
        FailureKind.TOKEN_EXPIRED,
        f"the access token expired {_spoken(ago_s)} ago",
        "let codex renew it (use codex with this login once, then copy its auth.json again), "
        "or log in again with `codex login`",
    )


def _spoken(seconds: float) -> str:
    """Return a length of time, of a minute at least, as people say it."""
    unit, length_s = "minute", 60
    for longer, longer_s in (("hour", 3_600), ("day", 86_400)):
        if seconds >= longer_s:
            unit, length_s = longer, longer_s
    count = int(seconds // length_s)
    return f"{count} {unit}{'' if count == 1 else 's'}"
