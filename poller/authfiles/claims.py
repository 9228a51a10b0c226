"""Read the claims of a token, without verifying anything.

Claims are hints: nothing about security rests on them. Slicing and decoding by hand
takes 10 µs where PyJWT takes 119.
"""

from __future__ import annotations

import math
import re
from binascii import a2b_base64
from functools import lru_cache
from typing import TYPE_CHECKING, NamedTuple

import orjson

from poller.usage.json_values import mapping, text

if TYPE_CHECKING:
    from collections.abc import Mapping

_OPENAI = "https://api.openai.com/auth"
_PROFILE = "https://api.openai.com/profile"
_ISSUER = re.compile(
    r"(?:https://)?(?:[a-z0-9-]+\.)*(?:openai|chatgpt)\.com(?::[0-9]+)?(?:[/?#].*)?",
    re.IGNORECASE | re.DOTALL,
)
"""``https://auth.openai.com`` and its like: the host decides, not how the text ends."""
_ISSUER_LENGTH = 200
_YEAR_10000_AT = 253_402_300_800


class Claims(NamedTuple):
    """What one token says about its login; everything may be missing."""

    account_id: str | None = None
    user_id: str | None = None
    plan: str | None = None
    email: str | None = None
    expires_at: float | None = None
    """Unix seconds; None where the token tells none that can be meant."""
    fedramp: bool = False
    is_openai: bool = False
    """Whether OpenAI's own claim is there, and no other issuer is named."""
    is_foreign: bool = False
    """Whether the token names an issuer that is not OpenAI, whatever else it claims."""


NO_CLAIMS = Claims()


def read_claims(token: str | None) -> Claims:
    """Return the claims of a JWT; of anything else :data:`NO_CLAIMS`. Never raises."""
    payload = None if token is None else _payload(token)
    if payload is None:
        return NO_CLAIMS
    own = mapping(payload.get(_OPENAI))
    openai = payload if own is None else own
    issuer = payload.get("iss")
    is_foreign = issuer is not None and not _is_openai(issuer)
    return Claims(
        account_id=text(openai, "chatgpt_account_id") or text(payload, "chatgpt_account_id"),
        user_id=text(openai, "chatgpt_user_id") or text(openai, "user_id"),
        plan=text(openai, "chatgpt_plan_type"),
        email=text(payload, "email") or _profile_email(payload),
        expires_at=_moment(payload.get("exp")),
        fedramp=openai.get("chatgpt_account_is_fedramp") is True,
        is_openai=own is not None and not is_foreign,
        is_foreign=is_foreign,
    )


def _payload(token: str) -> Mapping[str, object] | None:
    start = token.find(".") + 1
    end = token.find(".", start)
    if not start or end < 0:
        return None
    encoded = token[start:end]
    if "-" in encoded or "_" in encoded:  # rarely: what is encoded is mostly ASCII
        encoded = encoded.replace("-", "+").replace("_", "/")
    try:
        # Padding is left out in tokens; too much of it is ignored.
        content = a2b_base64(f"{encoded}==")
    except ValueError:  # not ASCII, not Base64
        return None
    try:
        return mapping(orjson.loads(content))
    except ValueError:
        return _issuer_alone(content)


def _issuer_alone(content: bytes) -> Mapping[str, object] | None:
    """Return who issued a token whose claims are JSON to others, with half an emoji or Infinity.

    No more is taken from it than what keeps another service's token from being sent.
    """
    import json  # 5 ms that hardly any run needs

    try:
        payload = mapping(json.loads(content))
    except (ValueError, RecursionError):
        return None
    return None if payload is None else {"iss": payload.get("iss")}


def _profile_email(payload: Mapping[str, object]) -> str | None:
    profile = mapping(payload.get(_PROFILE))
    return None if profile is None else text(profile, "email")


def _is_openai(issuer: object) -> bool:
    return isinstance(issuer, str) and len(issuer) <= _ISSUER_LENGTH and _names_openai(issuer)


@lru_cache(maxsize=64)  # hardly any file names another than the one before
def _names_openai(issuer: str) -> bool:
    return _ISSUER.fullmatch(issuer) is not None


def _moment(value: object) -> float | None:
    if isinstance(value, bool) or not isinstance(value, int | float):
        return None
    seconds = float(value)
    return seconds if math.isfinite(seconds) and 0 <= seconds < _YEAR_10000_AT else None
