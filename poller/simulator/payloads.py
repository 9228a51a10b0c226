"""Usage payloads of every plan and shape, computed from the account's ids.

The figures come from a stable hash of user and account id, so a test that knows the ids
can compute the answer it must receive. An account id may set the figures itself:
``work+two_windows:42:5`` has two windows, 42 % and 5 % used.
"""

from __future__ import annotations

import hashlib
import re
from dataclasses import dataclass
from types import MappingProxyType
from typing import TYPE_CHECKING, cast

if TYPE_CHECKING:
    from collections.abc import Callable, Mapping

Payload = dict[str, object]

FIVE_HOURS_S = 18_000
WEEK_S = 604_800
THIRTY_DAYS_S = 2_592_000
BILLING_MONTH_S = 2_628_000

PLAN_USED_UP: Payload = {"type": "rate_limit_reached", "details": "default"}
SPEND_LIMIT_REACHED: Payload = {"type": "workspace_member_usage_limit_reached"}
_SPEND_LIMIT = 12_500

_PINNED = re.compile(r"[^+~]*\+(?P<shape>[a-z_]+)(?P<used>(?::\d+(?:\.\d+)?)*)(?:~.*)?", re.DOTALL)


def payload_of(  # noqa: PLR0913 - who asks, in full
    user_id: str | None,
    account_id: str | None,
    *,
    plan: str | None = None,
    email: str | None = None,
    now: float,
    shape: str | None = None,
) -> Payload:
    """Return the usage payload of one account, as the upstream would send it.

    Ids that are None are left out. ``now`` is Unix seconds. Resets lie on a grid of the
    window's length, so they stay put while ``now`` moves. ``shape`` is a name in
    ``SHAPES`` and overrides the shape named in the account id or drawn for the plan.
    """
    plan = plan or "plus"
    figures = _Figures(_seed(user_id, account_id), _pinned(account_id or "")[1], int(now))
    build = SHAPES[shape or shape_of(user_id, account_id, plan=plan)]
    return complete(build(figures), user_id=user_id, account_id=account_id, plan=plan, email=email)


def complete(
    limits: Payload,
    *,
    user_id: str | None,
    account_id: str | None,
    plan: str,
    email: str | None,
) -> Payload:
    """Return a whole payload around ``limits``; ids that are None are left out."""
    ids = {"user_id": user_id, "account_id": account_id, "email": email}
    return {
        **{key: value for key, value in ids.items() if value is not None},
        "plan_type": plan,
        "rate_limit": None,
        "code_review_rate_limit": None,
        "additional_rate_limits": None,
        "credits": credits_part(),
        "spend_control": {"reached": False, "individual_limit": None},
        "rate_limit_reached_type": None,
        "rate_limit_reset_credits": {"available_count": 0},
        **limits,
    }


def shape_of(user_id: str | None, account_id: str | None, *, plan: str) -> str:
    """Return the shape that the account id names, else one drawn for the plan."""
    named = _pinned(account_id or "")[0]
    if named is not None:
        return named
    shapes = _PLAN_SHAPES.get(plan, ("two_windows",))
    return shapes[_seed(user_id, account_id)[15] % len(shapes)]


def _seed(user_id: str | None, account_id: str | None) -> bytes:
    text = f"{user_id}\0{account_id}".encode(errors="backslashreplace")
    return hashlib.blake2b(text, digest_size=16).digest()


def _pinned(account_id: str) -> tuple[str | None, tuple[float, ...]]:
    if "+" not in account_id:
        return None, ()
    found = _PINNED.fullmatch(account_id)
    if found is None or found["shape"] not in SHAPES:
        return None, ()
    used = found["used"].split(":")[1:]
    return found["shape"], tuple(float(text) if "." in text else int(text) for text in used)


@dataclass(frozen=True, slots=True)
class _Figures:
    """The figures of one account at one time."""

    seed: bytes
    pinned: tuple[float, ...]
    """Used percentages set by the account id, by slot."""
    now: int
    """Unix seconds."""

    def used(self, slot: int, otherwise: float | None = None) -> float:
        """Return the used percentage of one slot: pinned, else ``otherwise``, else 1-97.

        It is a whole number unless pinned: the Codex CLI accepts nothing else.
        """
        if slot < len(self.pinned):
            return self.pinned[slot]
        return 1 + self.seed[slot] * 97 // 256 if otherwise is None else otherwise

    def window(self, slot: int, length_s: int, *, used: float | None = None) -> Payload:
        """Return one window; a window with nothing used resets a whole length from now."""
        percent = self.used(slot, used)
        phase = int.from_bytes(self.seed[4 + slot : 8 + slot]) % length_s
        after = length_s if percent == 0 else length_s - (self.now - phase) % length_s
        return window_part(percent, length_s, reset_after_s=after, now=self.now)


def window_part(used_percent: float, length_s: int, *, reset_after_s: int, now: int) -> Payload:
    """Return one window as payloads write it."""
    return {
        "used_percent": used_percent,
        "limit_window_seconds": length_s,
        "reset_after_seconds": reset_after_s,
        "reset_at": now + reset_after_s,
    }


def limit_part(
    primary: Payload | None, secondary: Payload | None = None, *, blocked: bool = False
) -> Payload:
    """Return a ``rate_limit`` with its one or two windows."""
    return {
        "allowed": not blocked,
        "limit_reached": blocked,
        "primary_window": primary,
        "secondary_window": secondary,
    }


def credits_part(balance: str | None = "0", *, has_credits: bool = False) -> Payload:
    """Return ``credits``; the balance is a decimal string, or None where it is not told."""
    return {
        "has_credits": has_credits,
        "unlimited": False,
        "overage_limit_reached": False,
        "balance": balance,
    }


def _both(figures: _Figures, *, blocked: bool = False, **used: float) -> Payload:
    return limit_part(
        figures.window(0, FIVE_HOURS_S, used=used.get("first")),
        figures.window(1, WEEK_S, used=used.get("second")),
        blocked=blocked,
    )


def _two_windows(figures: _Figures) -> Payload:
    return {"rate_limit": _both(figures)}


def _fresh(figures: _Figures) -> Payload:
    return {"rate_limit": _both(figures, first=0, second=0)}


def _swapped(figures: _Figures) -> Payload:
    return {
        "rate_limit": limit_part(figures.window(0, WEEK_S), figures.window(1, FIVE_HOURS_S)),
    }


def _weekly_only(figures: _Figures) -> Payload:
    return {"rate_limit": limit_part(figures.window(0, WEEK_S))}


def _monthly(figures: _Figures) -> Payload:
    return {
        "rate_limit": limit_part(figures.window(0, THIRTY_DAYS_S)),
        "credits": credits_part(None),
    }


def _monthly_team(figures: _Figures) -> Payload:
    """Return a month beside the all-zero window that some teams get, which means none."""
    nothing: Payload = {
        "used_percent": 0,
        "limit_window_seconds": 0,
        "reset_after_seconds": 0,
        "reset_at": 0,
    }
    return {"rate_limit": limit_part(figures.window(0, BILLING_MONTH_S), nothing)}


def _exhausted(figures: _Figures) -> Payload:
    return {
        "rate_limit": _both(figures, blocked=True, first=100),
        "rate_limit_reached_type": PLAN_USED_UP,
    }


def _exhausted_week(figures: _Figures) -> Payload:
    return {
        "rate_limit": _both(figures, blocked=True, second=100),
        "rate_limit_reached_type": PLAN_USED_UP,
        "rate_limit_reset_credits": {"available_count": 1},
    }


def _on_credits(figures: _Figures) -> Payload:
    return {
        "rate_limit": limit_part(figures.window(0, WEEK_S, used=100)),
        "credits": credits_part(str(1 + figures.seed[12]), has_credits=True),
    }


def _spend(figures: _Figures, *, otherwise: float | None = None, reached: bool = False) -> Payload:
    percent = figures.used(0, otherwise)
    window = figures.window(0, BILLING_MONTH_S, used=percent)
    return spend_parts(percent, window, reached=reached)


def spend_parts(exact_percent: float, window: Payload, *, reached: bool) -> Payload:
    """Return the parts of a payload that describe a spend limit, with credits behind it.

    ``exact_percent`` says how much money is spent; ``window`` gives the percentage and
    the reset that are told.
    """
    used = exact_percent * _SPEND_LIMIT / 100
    percent = cast("float", window["used_percent"])
    individual_limit = {
        "source": "group_based_spend_controls",
        "limit": str(_SPEND_LIMIT),
        "used": f"{used:.2f}",
        "remaining": f"{_SPEND_LIMIT - used:.2f}",
        "used_percent": percent,
        "remaining_percent": 100 - percent,
        "reset_after_seconds": window["reset_after_seconds"],
        "reset_at": window["reset_at"],
    }
    return {
        "credits": credits_part(None, has_credits=True),
        "spend_control": {"reached": reached, "individual_limit": individual_limit},
    }


def _spend_limit(figures: _Figures) -> Payload:
    return _spend(figures)


def _spend_reached(figures: _Figures) -> Payload:
    return {
        **_spend(figures, otherwise=100, reached=True),
        "rate_limit_reached_type": SPEND_LIMIT_REACHED,
    }


def _no_limits(_figures: _Figures) -> Payload:
    return {"credits": credits_part(None)}


def _spark(figures: _Figures) -> Payload:
    spark = limit_part(figures.window(2, FIVE_HOURS_S), figures.window(3, WEEK_S))
    return {"rate_limit": _both(figures), "additional_rate_limits": [spark_part(spark)]}


def spark_part(limit: Payload) -> Payload:
    """Return the additional limit of the Spark model."""
    return {
        "limit_name": "GPT-5.3-Codex-Spark",
        "metered_feature": "codex_bengalfox",
        "rate_limit": limit,
        "normal_model_slug": None,
    }


def _code_review(figures: _Figures) -> Payload:
    return {
        "rate_limit": _both(figures),
        "code_review_rate_limit": limit_part(figures.window(2, WEEK_S)),
    }


SHAPES: Mapping[str, Callable[[_Figures], Payload]] = MappingProxyType(
    {
        "two_windows": _two_windows,
        "fresh": _fresh,
        "swapped": _swapped,
        "weekly_only": _weekly_only,
        "monthly": _monthly,
        "monthly_team": _monthly_team,
        "exhausted": _exhausted,
        "exhausted_week": _exhausted_week,
        "on_credits": _on_credits,
        "spend_limit": _spend_limit,
        "spend_reached": _spend_reached,
        "no_limits": _no_limits,
        "spark": _spark,
        "code_review": _code_review,
    }
)
"""Every shape by name: the parts of the payload that it replaces."""

_PAID = ("two_windows",) * 6 + ("weekly_only",) * 4 + ("swapped", "exhausted", "code_review")
_PLAN_SHAPES: Mapping[str, tuple[str, ...]] = MappingProxyType(
    {
        "free": ("monthly",) * 5 + ("no_limits",),
        "go": ("monthly",),
        "plus": (*_PAID, "exhausted_week", "on_credits"),
        "pro": (*_PAID, "spark", "spark", "spark"),
        "team": (*_PAID, "monthly_team"),
        "business": ("spend_limit",) * 4 + ("spend_reached",),
        "enterprise": ("spend_limit", "no_limits"),
    }
)
