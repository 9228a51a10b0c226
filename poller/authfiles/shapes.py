"""Bytes of an auth file -> its logins, whatever tool wrote it.

Only tokens meant for OpenAI come out of here: entries of other providers, and files
that are none of the known shapes, are passed over, so that their tokens are never sent
anywhere. No text made here holds a piece of a token.
"""

from __future__ import annotations

from dataclasses import dataclass
from typing import TYPE_CHECKING, cast

import orjson

from poller.authfiles.claims import Claims, read_claims
from poller.text import is_visible, printable
from poller.usage.json_values import ID_LENGTH, first_text, mapping, short_text, text
from poller.values import Credential, Failure, FailureKind, Secret

if TYPE_CHECKING:
    from collections.abc import Iterator, Mapping

EXPIRY_LEEWAY_S = 60
"""How far a clock may be off before a token counts as expired."""

ACCESS_KEYS = ("access_token", "accessToken", "access")
REFRESH_KEYS = ("refresh_token", "refreshToken", "refresh")
ID_KEYS = ("id_token", "idToken")
_ACCOUNT = ("account_id", "accountId", "chatgpt_account_id", "chatgptAccountId")
_CAMEL = frozenset({"accessToken", "refreshToken", "idToken", "accountId"})
_TOKEN_KEYS = frozenset(ACCESS_KEYS + REFRESH_KEYS + ID_KEYS)
_FLAT_ACCESS = frozenset({"access_token", "accessToken"})
_CODEX_BESIDE = frozenset({"tokens", "auth_mode", "last_refresh", "lastRefreshAt"})
_CODEX_KEYS = _CODEX_BESIDE - {"tokens"} | {"OPENAI_API_KEY"}
_API_KEY = ("OPENAI_API_KEY", "api_key", "apiKey", "key")
_OURS = frozenset({"codex", "openai", "openai-codex", "chatgpt", "oauth"})
_BOM = b"\xef\xbb\xbf"

_LOG_IN = "log in with `codex login` and copy ~/.codex/auth.json here"
_API_KEY_ONLY = Failure(
    FailureKind.NO_CREDENTIALS,
    "an API key only: it has no usage to show",
    "run `codex login` and sign in with ChatGPT, then copy ~/.codex/auth.json here",
)
_NO_LOGIN = Failure(
    FailureKind.NO_CREDENTIALS,
    "no login of OpenAI's in it, in any known shape",
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


@dataclass(frozen=True, slots=True)
class Login:
    """One account in an auth file."""

    name: str | None
    """Its name in a shape that can hold several, printable, unique in the file; else None."""
    shape: str
    """``codex``, ``camel``, ``cliproxyapi``, ``flat``, ``openclaw``, ``codex-switcher``,
    ``opencode`` or ``pi``."""
    disabled: bool
    """Whether its owner has switched it off."""
    outcome: Credential | Failure
    held: Credential | None = None
    """What it holds, fit to be sent or not; None without an access token or an account id."""


def parse(content: bytes, *, now: float) -> tuple[Login, ...] | Failure:
    """Return the logins in an auth file's ``content``, one at least; never raises.

    ``now`` is in Unix seconds. A ``Failure`` speaks of the file as a whole:
    ``file_invalid`` and may_work_later where it is no JSON (it may be half written, and good
    when read again), ``file_invalid`` where it is no object, ``no_credentials`` where it
    is no auth file of a known shape.
    """
    document = _document(content)
    if isinstance(document, Failure):
        return document
    entries = _entries(document)
    if not entries:
        return _not_ours(document)
    off = document.get("disabled") is True
    if len(entries) == 1 and entries[0].name is None:
        return (_login(None, entries[0], off=off, now=now),)
    return tuple(
        _login(name, entry, off=off, now=now)
        for name, entry in zip(_names(entries), entries, strict=True)
    )


def token_places(
    document: Mapping[str, object],
) -> list[tuple[Mapping[str, object], Mapping[str, object]]]:
    """Return of each login in a parsed file the object that holds its tokens, and the one around.

    They are the document's own objects, not copies; both are one where the shape is flat.
    """
    return [(entry.tokens, entry.around) for entry in _entries(document)]


def _login(name: str | None, entry: _Entry, *, off: bool, now: float) -> Login:
    outcome = _judged(entry, now)
    held = outcome if isinstance(outcome, Credential) else _held(entry)
    return Login(name, entry.shape, off or entry.around.get("disabled") is True, outcome, held=held)


def _document(content: bytes) -> Mapping[str, object] | Failure:
    try:
        value: object = orjson.loads(content.removeprefix(_BOM))
    except orjson.JSONDecodeError:  # it holds the whole file: nothing of it leaves here
        return _unparsable(content)
    document = mapping(value)
    if document is None:
        return Failure(
            FailureKind.FILE_INVALID,
            "the file's JSON is not an object",
            "copy the auth file again from its tool",
        )
    return document


def _unparsable(content: bytes) -> Failure:
    what, hint = "is not valid JSON", "copy the auth file again, whole"
    if not content.strip(b"\0 \t\r\n"):
        what = "is empty"
    elif not _is_utf8(content):
        what, hint = "is not UTF-8 text", "save it as UTF-8, or copy it again"
    return Failure(FailureKind.FILE_INVALID, f"the file {what}", hint, may_work_later=True)


def _is_utf8(content: bytes) -> bool:
    try:
        content.decode()
    except UnicodeDecodeError:
        return False
    return True


@dataclass(frozen=True, slots=True, repr=False)
class _Entry:
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

    def is_openai(self) -> bool:
        """Say whether anything but the place where it stands tells that it is OpenAI's."""
        if self.claims.is_openai:
            return True
        # Dropbox, too, keeps an account_id; OAuth answers saved as they came have a token_type.
        is_foreign = self.claims.is_foreign or "token_type" in self.tokens
        return not is_foreign and self.account_id is not None


def _entry(
    shape: str,
    tokens: Mapping[str, object],
    *,
    around: Mapping[str, object],
    name: str | None = None,
) -> _Entry:
    access_token, id_token = first_text(tokens, ACCESS_KEYS), first_text(tokens, ID_KEYS)
    account_id = first_text(tokens, _ACCOUNT)
    claims = read_claims(access_token)
    if None in (account_id, claims.user_id, claims.plan, claims.email):
        claims = _filled(claims, read_claims(id_token))
    account_id = account_id or claims.account_id
    return _Entry(shape, tokens, around, name, access_token, id_token, account_id, claims)


def _filled(access: Claims, identity: Claims) -> Claims:
    return Claims(
        account_id=identity.account_id or access.account_id,
        user_id=access.user_id or identity.user_id,
        plan=access.plan or identity.plan,
        email=access.email or identity.email,
        expires_at=access.expires_at,  # an id token lives for an hour only, and is not sent
        fedramp=access.fedramp or identity.fedramp,
        is_openai=access.is_openai or identity.is_openai,
        is_foreign=access.is_foreign,
    )


def _entries(document: Mapping[str, object]) -> list[_Entry]:
    if not _is_ours(document.get("type"), document.get("provider")):
        return []
    return (
        list(_codex(document))
        or list(_flat(document))
        or [*_openclaw(document), *_codex_switcher(document), *_by_provider(document)]
    )


def _is_ours(kind: object, provider: object) -> bool:
    """Say whether neither a ``type`` nor a ``provider`` names somebody else."""
    for told in (kind, provider):
        if told is not None and not (isinstance(told, str) and told.lower() in _OURS):
            return False
    return True


def _codex(document: Mapping[str, object]) -> Iterator[_Entry]:
    """Find the Codex CLI's own shape, in either spelling; with an API key only, too."""
    tokens = mapping(document.get("tokens")) or {}
    if not tokens and not _has_no_tokens(document):
        return
    shape = "codex" if _CAMEL.isdisjoint(tokens) else "camel"
    entry = _entry(shape, tokens, around=document)
    if not _CODEX_KEYS.isdisjoint(document) or entry.is_openai():
        yield entry


def _has_no_tokens(document: Mapping[str, object]) -> bool:
    """Say whether this is a Codex file without any: logged out, or with an API key only."""
    if not _TOKEN_KEYS.isdisjoint(document):
        return False
    others = document.keys() - {"OPENAI_API_KEY"}
    return "auth_mode" in document or (
        "OPENAI_API_KEY" in document and (not others or not others.isdisjoint(_CODEX_BESIDE))
    )


def _flat(document: Mapping[str, object]) -> Iterator[_Entry]:
    """Find tokens at the top, as CLIProxyAPI, Roo Code, LiteLLM and others keep them."""
    is_cliproxyapi = document.get("type") == "codex"
    if not is_cliproxyapi and _FLAT_ACCESS.isdisjoint(document):
        return
    entry = _entry("cliproxyapi" if is_cliproxyapi else "flat", document, around=document)
    if is_cliproxyapi or entry.is_openai():
        yield entry


def _openclaw(document: Mapping[str, object]) -> Iterator[_Entry]:
    for key, member in (mapping(document.get("profiles")) or {}).items():
        profile = mapping(member)
        if profile is None:
            continue
        provider = profile.get("provider")
        if _is_openai_name(key.partition(":")[0] if provider is None else provider):
            yield _entry("openclaw", profile, around=profile, name=key)


def _codex_switcher(document: Mapping[str, object]) -> Iterator[_Entry]:
    accounts = document.get("accounts")
    if not isinstance(accounts, list):
        return
    for place, member in enumerate(cast("list[object]", accounts), start=1):
        account = mapping(member)
        if account is None or "auth_data" not in account:
            continue
        if _is_ours(None, account.get("provider")):
            tokens = mapping(account["auth_data"]) or {}
            name = text(account, "name") or str(place)
            yield _entry("codex-switcher", tokens, around=account, name=name)


def _by_provider(document: Mapping[str, object]) -> Iterator[_Entry]:
    """Find a member named for OpenAI, as opencode and pi keep one for each provider."""
    for key, member in document.items():
        login = mapping(member)
        if login is None or not _is_openai_name(key):
            continue
        if "access" in login or login.get("type") in ("oauth", "api", "api_key"):
            shape = "opencode" if key == "openai" else "pi"
            yield _entry(shape, login, around=login, name=key)


def _is_openai_name(provider: object) -> bool:
    """Accept ``openai`` and ``openai-codex…``, but not the likes of ``openai-compatible``."""
    return isinstance(provider, str) and (
        provider == "openai" or provider.startswith("openai-codex")
    )


def _names(entries: list[_Entry]) -> list[str | None]:
    """Return the entries' names, printable; the second of the same gets ``#2``."""
    taken: set[str] = set()
    times: dict[str, int] = {}
    return [
        None
        if entry.name is None
        else _unique(printable(entry.name) or str(place), taken=taken, times=times)
        for place, entry in enumerate(entries, start=1)
    ]


def _unique(wanted: str, *, taken: set[str], times: dict[str, int]) -> str:
    name = wanted
    while name in taken:
        times[wanted] = times.get(wanted, 1) + 1
        name = f"{wanted}#{times[wanted]}"
    taken.add(name)
    return name


def _judged(entry: _Entry, now: float) -> Credential | Failure:
    access_token, account_id = entry.access_token, entry.account_id
    if access_token is None:
        has_api_key = first_text(entry.around, _API_KEY) or first_text(entry.tokens, _API_KEY)
        return _API_KEY_ONLY if has_api_key else _NO_ACCESS_TOKEN
    if account_id is None:
        return _NO_ACCOUNT_ID
    unusable = _unusable("access token", access_token) or _unusable("account id", account_id)
    if unusable is not None:
        return unusable
    if access_token.startswith("sess-"):
        return _BROWSER_SESSION
    expires_at = entry.claims.expires_at
    if expires_at is not None and expires_at + EXPIRY_LEEWAY_S < now:
        return _expired(now - expires_at)
    return _credential(entry, access_token, account_id)


def _held(entry: _Entry) -> Credential | None:
    if entry.access_token is None or entry.account_id is None:
        return None
    return _credential(entry, entry.access_token, entry.account_id)


def _credential(entry: _Entry, access_token: str, account_id: str) -> Credential:
    claims = entry.claims
    refresh_token = first_text(entry.tokens, REFRESH_KEYS)
    email = claims.email or text(entry.around, "email")
    return Credential(
        Secret(access_token),
        account_id,
        # Spelled as the answer's are, which they are compared with.
        user_id=short_text(claims.user_id, ID_LENGTH),
        email=short_text(email, ID_LENGTH),
        plan=None if claims.plan is None else printable(claims.plan),
        expires_at=claims.expires_at,
        fedramp=claims.fedramp,
        refresh_token=None if refresh_token is None else Secret(refresh_token),
        id_token=None if entry.id_token is None else Secret(entry.id_token),
    )


def _unusable(what: str, value: str) -> Failure | None:
    """Say what keeps a token or id out of a header: its length, or what is in it."""
    if len(value) > ID_LENGTH:
        wrong = f"is longer than {ID_LENGTH} characters"
    elif is_visible(value):
        return None
    else:
        wrong = "holds a blank, a line break or another character that none can have"
    return Failure(
        FailureKind.INVALID_TOKEN,
        f"the {what} {wrong}",
        "copy the auth file again, whole and unedited, or log in again with `codex login`",
    )


def _not_ours(document: Mapping[str, object]) -> Failure:
    return _API_KEY_ONLY if first_text(document, _API_KEY) else _NO_LOGIN


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
