"""Auth files with made-up tokens, as tests need them."""

from __future__ import annotations

import base64
import json
from typing import Any

OPENAI = "https://api.openai.com/auth"
PROFILE = "https://api.openai.com/profile"
NOW = 1_790_000_000.0
LATER = 4_000_000_000
"""An ``exp`` that no test outlives."""


def jwt(claims: Any) -> str:
    """Return a token with these claims, signed by nobody."""

    def part(value: Any) -> str:
        return base64.urlsafe_b64encode(json.dumps(value).encode()).rstrip(b"=").decode()

    return f"{part({'alg': 'RS256'})}.{part(claims)}.c2lnbmF0dXJl"


def token(who: str = "alice", *, exp: Any = LATER, **auth: Any) -> str:
    """Return an access token of a user."""
    own = {
        "chatgpt_account_id": f"acc-{who}",
        "chatgpt_user_id": f"user-{who}",
        "chatgpt_plan_type": "plus",
    }
    return jwt(
        {
            "iss": "https://auth.openai.com",
            "exp": exp,
            OPENAI: own | auth,
            PROFILE: {"email": f"{who}@example.com"},
        }
    )


def codex(who: str = "alice", *, exp: Any = LATER, **beside: Any) -> dict[str, Any]:
    """Return the Codex CLI's own file, for one user."""
    return {
        "auth_mode": "chatgpt",
        "OPENAI_API_KEY": None,
        "tokens": {
            "id_token": token(who, exp=1),
            "access_token": token(who, exp=exp),
            "refresh_token": f"rt_{who}",
            "account_id": f"acc-{who}",
        },
        "last_refresh": "2026-09-21T08:00:00.123456789Z",
    } | beside


def several(*names: str, **beside: Any) -> dict[str, Any]:
    """Return a codex-switcher file with these accounts."""
    accounts = [
        {"name": name, "auth_mode": "chat_gpt", "auth_data": codex(name)["tokens"]}
        for name in names
    ]
    return {"version": 1, "accounts": accounts} | beside


def content(document: Any) -> bytes:
    """Return a document as a file's bytes."""
    return json.dumps(document).encode()
