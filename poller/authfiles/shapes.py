"""Bytes of an auth file -> its logins, whatever tool wrote it.

Only tokens meant for OpenAI come out of here: entries of other providers, tokens of other
issuers, and files that are none of the known shapes are passed over, so that their tokens
are never sent anywhere. No text made here holds a piece of a token.
"""

from __future__ import annotations

from itertools import islice
from typing import TYPE_CHECKING, NamedTuple, cast

import orjson

from poller.authfiles.entry import (
    ACCESS_KEYS,
    API_KEY_ONLY,
    API_KEYS,
    FOREIGN,
    ID_KEYS,
    NO_LOGIN,
    REFRESH_KEYS,
    TOKEN_KEYS,
    Entry,
    entry_of,
    held_by,
    judged,
)
from poller.usage.json_values import first_text, mapping, short_text, text
from poller.usage.response import LARGE_BYTES, collector_paused
from poller.values import Credential, Failure, FailureKind

if TYPE_CHECKING:
    from collections.abc import Iterator, Mapping

__all__ = [
    "ACCESS_KEYS",
    "ID_KEYS",
    "REFRESH_KEYS",
    "Login",
    "has_proof",
    "parse",
    "token_places",
]

ACCOUNTS_LIMIT = 1_000
"""Accounts in one file; people keep a few dozen."""
_NAME_LENGTH = 200

_CAMEL = frozenset({"accessToken", "refreshToken", "idToken", "accountId"})
_FLAT_ACCESS = frozenset({"access_token", "accessToken"})
_CODEX_BESIDE = frozenset({"tokens", "auth_mode", "last_refresh", "lastRefreshAt"})
_CODEX_KEYS = _CODEX_BESIDE - {"tokens"} | {"OPENAI_API_KEY"}
_OURS = frozenset({"codex", "openai", "openai-codex", "chatgpt", "oauth"})
_BOM = b"\xef\xbb\xbf"

# Not the first thousand: accounts that are missing from a table are not missed by anybody.
_TOO_MANY = Failure(
    FailureKind.FILE_INVALID,
    f"it holds more than {ACCOUNTS_LIMIT} accounts",
    "split it into several files",
)


class Login(NamedTuple):
    """One account in an auth file."""

    name: str | None
    """Its name in a shape that can hold several, printable, unique in the file; else None."""
    shape: str
    """``codex``, ``camel``, ``cliproxyapi``, ``flat``, ``openclaw``, ``codex-switcher``,
    ``sub2api``, ``codex-multi-auth``, ``hermes``, ``opencode`` or ``pi``."""
    disabled: bool
    """Whether its owner has switched it off."""
    outcome: Credential | Failure
    held: Credential | None = None
    """What it holds, fit to be sent or not; None without an access token or an account id."""
    proven: bool = False
    """Whether a token of it is OpenAI's by its claims, or the file says so: ``type: codex``."""


def parse(content: bytes, *, now: float) -> tuple[Login, ...] | Failure:
    """Return the logins in an auth file's ``content``, one at least; never raises.

    ``now`` is in Unix seconds. A ``Failure`` speaks of the file as a whole:
    ``file_invalid`` and may_work_later where it is no JSON (it may be half written, and good
    when read again), ``file_invalid`` where it is no object, ``no_credentials`` where it
    is no auth file of a known shape, or another service's. A file of more accounts than
    :data:`ACCOUNTS_LIMIT` is one login that is ``file_invalid``.
    """
    if len(content) <= LARGE_BYTES:
        return _logins_in(content, now=now)
    with collector_paused():
        return _logins_in(content, now=now)


def _logins_in(content: bytes, *, now: float) -> tuple[Login, ...] | Failure:
    document = _document(content)
    if isinstance(document, Failure):
        return document
    entries = _accounts_in(document)
    if not entries:
        return _why_none(document)
    if len(entries) > ACCOUNTS_LIMIT:
        proven = any(entry.is_proven for entry in entries)
        return (Login(None, entries[0].shape, disabled=False, outcome=_TOO_MANY, proven=proven),)
    off = document.get("disabled") is True
    if len(entries) == 1 and entries[0].name is None:
        return (_login(None, entries[0], off=off, now=now),)
    return tuple(
        _login(name, entry, off=off, now=now)
        for name, entry in zip(_names(entries), entries, strict=True)
    )


def has_proof(logins: tuple[Login, ...] | Failure) -> bool:
    """Say whether a file proves itself that it is an auth file of ours.

    One that is not called like an auth file, and was not named, counts only then.
    """
    return not isinstance(logins, Failure) and any(login.proven for login in logins)


def token_places(
    document: Mapping[str, object],
) -> list[tuple[Mapping[str, object], Mapping[str, object]]]:
    """Return of each login in a parsed file the object that holds its tokens, and the one around.

    They are the document's own objects, not copies; both are one where the shape is flat.
    A login that stands in two places is returned twice.
    """
    return [(entry.tokens, entry.around) for entry in _found(document)]


def _login(name: str | None, entry: Entry, *, off: bool, now: float) -> Login:
    outcome = judged(entry, now=now)
    held = outcome if isinstance(outcome, Credential) else held_by(entry)
    off = off or entry.is_disabled
    return Login(name, entry.shape, off, outcome, held=held, proven=entry.is_proven)


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


def _accounts_in(document: Mapping[str, object]) -> list[Entry]:
    """Return the accounts in a file, each once; of too many, one more than is allowed."""
    accounts = (
        entry
        for entry in _found(document)
        if (entry.is_account if entry.name is not None else not entry.claims.is_foreign)
    )
    entries = list(islice(accounts, ACCOUNTS_LIMIT + 1))
    return entries if len(entries) < 2 else _without_older_copies(entries)


def _why_none(document: Mapping[str, object]) -> Failure:
    found = list(_found(document))
    if any(entry.claims.is_foreign for entry in found):
        return FOREIGN
    has_api_key = first_text(document, API_KEYS) or any(
        entry.is_api_key or first_text(entry.tokens, API_KEYS) for entry in found
    )
    return API_KEY_ONLY if has_api_key else NO_LOGIN


# Shapes


def _found(document: Mapping[str, object]) -> Iterator[Entry]:
    """Find the logins of a file in every place where a known tool keeps them."""
    if not _is_ours(document.get("type"), document.get("provider")):
        return
    only = _codex(document) or _flat(document)
    if only is not None:
        yield only
        return
    yield from _openclaw(document)
    yield from _listed(document)
    yield from _hermes(document)
    yield from _by_provider(document)


def _is_ours(kind: object, provider: object) -> bool:
    """Say whether neither a ``type`` nor a ``provider`` names somebody else."""
    for told in (kind, provider):
        if told is not None and not (isinstance(told, str) and told.lower() in _OURS):
            return False
    return True


def _codex(document: Mapping[str, object]) -> Entry | None:
    """Find the Codex CLI's own shape, in either spelling; with an API key only, too."""
    tokens = mapping(document.get("tokens")) or {}
    if not tokens and not _has_no_tokens(document):
        return None
    shape = "codex" if _CAMEL.isdisjoint(tokens) else "camel"
    entry = entry_of(shape, tokens, around=document)
    is_codex = not _CODEX_KEYS.isdisjoint(document)
    return entry if is_codex or entry.looks_openai or entry.claims.is_foreign else None


def _has_no_tokens(document: Mapping[str, object]) -> bool:
    """Say whether this is a Codex file without any: logged out, or with an API key only."""
    if not TOKEN_KEYS.isdisjoint(document):
        return False
    others = document.keys() - {"OPENAI_API_KEY"}
    return "auth_mode" in document or (
        "OPENAI_API_KEY" in document and (not others or not others.isdisjoint(_CODEX_BESIDE))
    )


def _flat(document: Mapping[str, object]) -> Entry | None:
    """Find tokens at the top, as CLIProxyAPI, Roo Code, LiteLLM and others keep them."""
    is_cliproxyapi = document.get("type") == "codex"
    if not is_cliproxyapi and _FLAT_ACCESS.isdisjoint(document):
        return None
    entry = entry_of("cliproxyapi" if is_cliproxyapi else "flat", document, around=document)
    return entry if is_cliproxyapi or entry.looks_openai or entry.claims.is_foreign else None


def _openclaw(document: Mapping[str, object]) -> Iterator[Entry]:
    for key, member in (mapping(document.get("profiles")) or {}).items():
        profile = mapping(member)
        if profile is None:
            continue
        provider = profile.get("provider")
        if _is_openai_name(key.partition(":")[0] if provider is None else provider):
            yield entry_of("openclaw", profile, around=profile, name=key)


def _listed(document: Mapping[str, object]) -> Iterator[Entry]:
    """Find the accounts of a list: codex-switcher's, sub2api's, codex-multi-auth's."""
    accounts = document.get("accounts")
    for place, member in enumerate(_members_of(accounts), start=1):
        account = mapping(member)
        if account is None or not _is_ours(None, account.get("provider")):
            continue
        name = text(account, "name") or str(place)
        if "auth_data" in account:
            tokens = mapping(account["auth_data"]) or {}
            yield entry_of("codex-switcher", tokens, around=account, name=name)
        elif "credentials" in account:
            tokens = mapping(account["credentials"]) or {}
            if _is_openai_name(account.get("platform")):
                yield entry_of("sub2api", tokens, around=account, name=name)
        elif not TOKEN_KEYS.isdisjoint(account):
            entry = entry_of("codex-multi-auth", account, around=account, name=name)
            if "activeIndex" in document or entry.claims.is_openai:
                yield entry


def _hermes(document: Mapping[str, object]) -> Iterator[Entry]:
    for key, member in (mapping(document.get("providers")) or {}).items():
        provider = mapping(member)
        if provider is not None and _is_openai_name(key):
            tokens = mapping(provider.get("tokens")) or {}
            yield entry_of("hermes", tokens, around=provider, name=key, is_current=True)
    for key, pool in (mapping(document.get("credential_pool")) or {}).items():
        for place, member in enumerate(_members_of(pool), start=1):
            login = mapping(member)
            if login is not None and _is_openai_name(key):
                name = first_text(login, ("label", "id")) or str(place)
                yield entry_of("hermes", login, around=login, name=name)


def _without_older_copies(entries: list[Entry]) -> list[Entry]:
    """Put the fresher copy of a login in the place of the older one, under its name.

    Hermes keeps the login in use among its providers, and may keep it in its pool as well.
    """
    current = {entry.login_key for entry in entries if entry.is_current}
    if not current:
        return entries
    names = {entry.login_key: entry.name for entry in reversed(entries) if not entry.is_current}
    return [
        entry._replace(name=names.get(entry.login_key, entry.name)) if entry.is_current else entry
        for entry in entries
        if entry.is_current or entry.login_key not in current
    ]


def _by_provider(document: Mapping[str, object]) -> Iterator[Entry]:
    """Find a member named for OpenAI, as opencode and pi keep one for each provider."""
    for key, member in document.items():
        login = mapping(member)
        if login is None or not _is_openai_name(key):
            continue
        if "access" in login or login.get("type") in ("oauth", "api", "api_key"):
            shape = "opencode" if key == "openai" else "pi"
            yield entry_of(shape, login, around=login, name=key)


def _members_of(value: object) -> list[object]:
    return cast("list[object]", value) if isinstance(value, list) else []


def _is_openai_name(provider: object) -> bool:
    """Accept ``openai`` and ``openai-codex…``, but not the likes of ``openai-compatible``."""
    return isinstance(provider, str) and (
        provider == "openai" or provider.startswith("openai-codex")
    )


# Names


def _names(entries: list[Entry]) -> list[str]:
    """Return the entries' names, printable; the second of the same gets ``#2``."""
    taken: set[str] = set()
    times: dict[str, int] = {}
    return [
        _unique(short_text(entry.name, _NAME_LENGTH) or str(place), taken=taken, times=times)
        for place, entry in enumerate(entries, start=1)
    ]


def _unique(wanted: str, *, taken: set[str], times: dict[str, int]) -> str:
    name = wanted
    while name in taken:
        times[wanted] = times.get(wanted, 1) + 1
        number = f"#{times[wanted]}"
        name = f"{wanted[: _NAME_LENGTH - len(number)]}{number}"
    taken.add(name)
    return name
