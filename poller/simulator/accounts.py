"""Made-up accounts: their names, tokens and auth files, each the same every time.

Nothing here reads or writes: an account is a value, its file a string of bytes. The
tokens have the claims, the length and the look of real ones; their signatures are noise.
"""

from __future__ import annotations

import base64
import hashlib
import uuid
from dataclasses import dataclass
from datetime import UTC, datetime
from typing import TYPE_CHECKING

import orjson

if TYPE_CHECKING:
    from collections.abc import Iterator, Mapping, Sequence

ACCESS_TOKEN_LIFE_S = 10 * 86_400
"""Access tokens live about ten days, id tokens an hour."""
ID_TOKEN_LIFE_S = 3_600

FAULT_MIX = (
    *("503x1",) * 5,
    *("503-after-1x1",) * 3,
    *("429-after-1x1",) * 3,
    *("500x1", "502x1", "401x1", "404x1"),
    *("resetx1",) * 2,
    *("closex1", "cutx1", "slow-400ms", "slow-800ms"),
    *("401-token_invalidated", "402", "403", "edge"),
)
"""What goes wrong in a bad hour, in realistic proportions; most of it heals."""

_CLIENT_ID = "app_EMoamEEZ73f0CkXaXp7hrann"
_ISSUER = "https://auth.openai.com"
_JWT_HEADER = {"alg": "RS256", "kid": "19344e65-bbc9-44d1-a9d0-f957b079bd0e", "typ": "JWT"}
_SIGNATURE_BYTES = 512
_PLANS = ("plus", "plus", "pro", "plus", "team", "free", "plus", "business", "go", "pro")


@dataclass(frozen=True, slots=True)
class MadeUpAccount:
    """One account that does not exist at OpenAI."""

    name: str
    """The file's stem: ``<name>.auth.json``."""
    user_id: str
    account_id: str
    """May end in ``+shape:used`` and ``~fault``, which tell the server what to answer."""
    email: str
    plan: str
    auth_file: bytes
    """An auth file as the Codex CLI writes it."""


def jwt(claims: Mapping[str, object]) -> str:
    """Return a token of three parts that carries ``claims``; its signature is noise."""
    body = orjson.dumps(dict(claims))
    signature = hashlib.shake_256(body).digest(_SIGNATURE_BYTES)
    return f"{_unpadded(orjson.dumps(_JWT_HEADER))}.{_unpadded(body)}.{_unpadded(signature)}"


def _unpadded(part: bytes) -> str:
    return base64.urlsafe_b64encode(part).rstrip(b"=").decode()


def access_claims(  # noqa: PLR0913 - one keyword per claim
    user_id: str,
    account_id: str | None,
    *,
    plan: str | None = "plus",
    email: str | None = None,
    expires_at: float,
    fedramp: bool = False,
) -> dict[str, object]:
    """Return the claims of an access token; ``expires_at`` is Unix seconds."""
    issued_at = int(expires_at) - ACCESS_TOKEN_LIFE_S
    return {
        "aud": ["https://api.openai.com/v1"],
        "client_id": _CLIENT_ID,
        "exp": int(expires_at),
        "https://api.openai.com/auth": _auth_claim(user_id, account_id, plan=plan, fedramp=fedramp),
        "https://api.openai.com/profile": {"email": email, "email_verified": True},
        "iat": issued_at,
        "iss": _ISSUER,
        "jti": _uuid("jti", user_id, str(issued_at)),
        "nbf": issued_at,
        "pwd_auth_time": issued_at * 1000,
        "scp": ["openid", "profile", "email", "offline_access"],
        "session_id": f"authsess_{_noise('session', user_id, length=24)}",
        "sub": f"auth0|{_noise('sub', user_id, length=24)}",
    }


def _auth_claim(
    user_id: str, account_id: str | None, *, plan: str | None, fedramp: bool
) -> dict[str, object]:
    claim: dict[str, object] = {
        "chatgpt_account_id": account_id,
        "chatgpt_account_user_id": f"{user_id}__{account_id}",
        "chatgpt_compute_residency": "no_constraint",
        "chatgpt_plan_type": plan,
        "chatgpt_user_id": user_id,
        "user_id": user_id,
    }
    if fedramp:
        claim["chatgpt_account_is_fedramp"] = True
    return {key: value for key, value in claim.items() if value is not None}


def auth_file(  # noqa: PLR0913 - one keyword per thing that differs between files
    *,
    user_id: str,
    account_id: str,
    plan: str | None = "plus",
    email: str | None = None,
    expires_at: float,
    fedramp: bool = False,
    refresh_token: str | None = None,
    access_token: str | None = None,
    account_id_in_file: bool = True,
    extra: Mapping[str, object] | None = None,
) -> bytes:
    """Return an auth file as the Codex CLI writes it.

    ``expires_at`` is the access token's, in Unix seconds. ``access_token`` and
    ``refresh_token`` replace the made-up ones. Without ``account_id_in_file`` only the
    claims hold the account id. ``extra`` adds or replaces keys at the root.
    """
    email = f"{user_id}@example.com" if email is None else email
    claims = access_claims(
        user_id, account_id, plan=plan, email=email, expires_at=expires_at, fedramp=fedramp
    )
    tokens: dict[str, object] = {
        "id_token": jwt(_id_claims(claims, email)),
        "access_token": jwt(claims) if access_token is None else access_token,
        "refresh_token": refresh_token
        or refresh_token_of(user_id, account_id, plan=plan, email=email),
        "account_id": account_id,
    }
    if not account_id_in_file:
        del tokens["account_id"]
    issued = datetime.fromtimestamp(int(expires_at) - ACCESS_TOKEN_LIFE_S, UTC)
    content: dict[str, object] = {
        "auth_mode": "chatgpt",
        "OPENAI_API_KEY": None,
        "tokens": tokens,
        "last_refresh": f"{issued:%Y-%m-%dT%H:%M:%S}.123456789Z",
        **(extra or {}),
    }
    return orjson.dumps(content, option=orjson.OPT_INDENT_2)


def _id_claims(claims: Mapping[str, object], email: str) -> dict[str, object]:
    issued_at = int(str(claims["iat"]))
    return {
        "aud": [_CLIENT_ID],
        "auth_provider": "password",
        "email": email,
        "email_verified": True,
        "exp": issued_at + ID_TOKEN_LIFE_S,
        "https://api.openai.com/auth": claims["https://api.openai.com/auth"],
        "iat": issued_at,
        "iss": _ISSUER,
        "sub": claims["sub"],
    }


def refresh_token_of(  # noqa: PLR0913 - one keyword per thing that it says
    user_id: str,
    account_id: str | None,
    *,
    plan: str | None = "plus",
    email: str | None = None,
    generation: int = 0,
    fault: str = "",
) -> str:
    """Return a refresh token that tells the made-up token endpoint whose login it is.

    ``fault`` says how the endpoint misbehaves; see ``poller.simulator.tokens``.
    """
    login = orjson.dumps([user_id, account_id, plan, email, generation])
    return f"rt_{_unpadded(login)}{'~' if fault else ''}{fault}"


def _digest(*parts: str) -> bytes:
    text = "\0".join(parts).encode(errors="backslashreplace")
    return hashlib.blake2b(text, digest_size=64).digest()


def _noise(*parts: str, length: int) -> str:
    return _unpadded(_digest(*parts))[:length]


def _uuid(*parts: str) -> str:
    return str(uuid.UUID(bytes=_digest(*parts)[:16], version=4))


def made_up(  # noqa: PLR0913 - one keyword per thing that differs between populations
    count: int,
    *,
    now: float,
    fault_share: float = 0.0,
    seed: int = 0,
    fault_mix: Sequence[str] = FAULT_MIX,
    team_size: int = 1,
    life_s: int = ACCESS_TOKEN_LIFE_S,
) -> Iterator[MadeUpAccount]:
    """Yield ``count`` accounts, lazily, each a function of its index and ``seed``.

    ``now`` is Unix seconds. Exactly ``fault_share`` of them (0-1, evenly spread) have a
    fault of ``fault_mix`` in their account id. ``team_size`` accounts in a row share an
    account id, as members of a team do, and differ in the user id only. Tokens live up
    to ``life_s``, an hour at least.
    """
    for index in range(count):
        faulty = int((index + 1) * fault_share) > int(index * fault_share)
        draw = int.from_bytes(_digest("made-up", str(seed), str(index))[:4])
        fault = f"~{fault_mix[draw % len(fault_mix)]}" if faulty else ""
        yield _account(
            f"acct-{index:06d}",
            f"user-{index:06d}",
            f"acct-{index // team_size:06d}{fault}",
            plan="team" if team_size > 1 else _PLANS[draw // 256 % len(_PLANS)],
            expires_at=now + 3_600 + draw % (life_s - 3_600),
        )


def _account(
    name: str, user_id: str, account_id: str, *, plan: str, expires_at: float
) -> MadeUpAccount:
    email = f"{user_id.removeprefix('user-').lower()}@example.com"
    return MadeUpAccount(
        name,
        user_id,
        account_id,
        email,
        plan,
        auth_file(
            user_id=user_id, account_id=account_id, plan=plan, email=email, expires_at=expires_at
        ),
    )


_DEMO = (
    ("work", "plus", "+two_windows:42:5"),
    ("personal", "plus", "+weekly_only:37"),
    ("team-lead", "team", "+two_windows:8:61"),
    ("学习", "free", "+monthly:24"),
    ("weekend", "plus", "+exhausted:100:16"),
    ("side-project", "plus", "+on_credits:100"),
    ("acme", "business", "+spend_limit:1"),
    ("research", "pro", "+spark:68:29:3:46"),
    ("old-laptop", "plus", ""),
    ("flaky", "plus", "+two_windows:15:33~503x1"),
    ("busy", "pro", "+two_windows:71:80~429-after-1x1"),
    ("café-wifi", "plus", "~edge"),
)
"""Name, plan, and the end of the account id; the token of ``old-laptop`` has expired."""


def demo_accounts(count: int, *, now: float, life_s: int = 6 * 86_400) -> Iterator[MadeUpAccount]:
    """Yield the accounts of the demo: twelve to look at, then generated ones.

    ``now`` is Unix seconds, ``life_s`` how long their tokens live: a demo in which time
    runs fast needs more. They show every plan and shape, and four kinds of trouble: an
    expired token, a 503 that heals, a 429 with Retry-After, a block at the edge.
    """
    for name, plan, suffix in _DEMO[:count]:
        yield _account(
            name,
            f"user-{_noise('demo', name, length=24)}",
            f"{_uuid('demo', name)}{suffix}",
            plan=plan,
            expires_at=now + (-86_400 if name == "old-laptop" else life_s),
        )
    yield from made_up(max(0, count - len(_DEMO)), now=now, life_s=max(life_s, ACCESS_TOKEN_LIFE_S))
