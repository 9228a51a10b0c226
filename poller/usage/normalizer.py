"""Read the usage endpoint's answer, whatever its shape, into a :class:`Usage`.

The endpoint is undocumented and drifts, so every field is optional and judged alone: a
surprise in one never loses the rest. Names, shapes and lengths are those seen in
published captures, in the Codex CLI's own code and in issues of tools that read it too.
Only the keys that are needed are looked up, and whatever an answer holds, what comes out
is bounded: a usage takes less than 48 KiB in a record.
"""

from __future__ import annotations

from itertools import islice
from typing import TYPE_CHECKING, NamedTuple, cast

import orjson

from poller.usage.json_values import (
    ID_LENGTH,
    amount_of,
    mapping,
    number_of,
    short_text,
    text,
    truth,
)
from poller.usage.windows import (
    CONTAINERS,
    container_of,
    remaining_percent,
    resets_at,
    windows_of,
)
from poller.values import Credits, Identity, Limit, SpendLimit, Usage, Window

if TYPE_CHECKING:
    from collections.abc import Iterable, Mapping

_COUNT_LIMIT = 1 << 53
"""Above it a JSON number is not exact."""

_EXTRA_LIMITS = 64
"""At most so many limits beside the account's own; two or three have been seen."""
_EXTRA_LIMITS_BYTES = 32 << 10
"""What they may take in a record together."""
_LIMIT_BYTES, _WINDOW_BYTES = 64, 192
"""What a limit takes in a record without its texts and windows, and a window at most."""


def normalize(payload: object, *, observed_at: float) -> Usage | None:
    """Return what a parsed answer says; None where it is no usage.

    Total: any parsed JSON gives one of the two, never an exception. ``observed_at`` is
    Unix seconds, for answers that tell a reset only as a time from now.
    """
    root = mapping(payload)
    if root is None:
        return None
    container = container_of(root)
    if container is None:
        if not _is_usage(root):
            return None
        container = dict[str, object]()
    windows = windows_of(container, observed_at)
    control = mapping(root.get("spend_control")) or {}
    spend_limit = _spend_limit((control, container, root), observed_at)
    bought = mapping(root.get("credits"))
    verdict = _verdict(root, container, windows, _Spending(control, spend_limit, bought or {}))
    if verdict.usable_at is not None and verdict.usable_at <= observed_at:
        verdict = verdict._replace(usable_at=None)  # blocked all the same: nobody knows until when
    return Usage(
        plan=short_text(root.get("plan_type")),
        usable=verdict.usable,
        on_credits=None if verdict.usable is None else verdict.on_credits,
        limited_by=verdict.limited_by,
        usable_at=verdict.usable_at,
        windows=windows,
        extra_limits=_extra_limits(root, observed_at),
        credits=None if bought is None else _credits(bought),
        spend_limit=spend_limit,
        reset_credits=_reset_credits(root.get("rate_limit_reset_credits")),
        identity=Identity(
            # Whole, as they are compared with the credential's.
            short_text(root.get("user_id"), ID_LENGTH),
            short_text(root.get("account_id"), ID_LENGTH),
            short_text(root.get("email"), ID_LENGTH),
        ),
    )


def _is_usage(root: Mapping[str, object]) -> bool:
    """Say whether an answer without windows holds anything else that a usage does.

    A whole answer may say no more than whose it is, or that there are no limits. Where it
    says that it failed, too, that is not enough: ``{"error": …, "user_id": …}`` is none.
    """
    if text(root, "plan_type") is not None:
        return True
    if isinstance(root.get("credits"), dict) or isinstance(root.get("spend_control"), dict):
        return True
    if isinstance(root.get("additional_rate_limits"), list | dict):
        return True
    if root.get("error") or root.get("detail") or root.get("success") is False:
        return False
    has_no_limits = any(key in root and root[key] is None for key in CONTAINERS)
    return has_no_limits or any(text(root, key) for key in ("user_id", "account_id", "email"))


# Blocked or not


class _Verdict(NamedTuple):
    usable: bool | None
    limited_by: str | None = None
    usable_at: int | None = None
    on_credits: bool = False


class _Spending(NamedTuple):
    """What an answer says of money."""

    control: Mapping[str, object]
    limit: SpendLimit | None
    bought: Mapping[str, object]
    """The credits, as they came."""

    @property
    def spent(self) -> bool:
        """Whether the spend limit is reached."""
        return self.control.get("reached") is True

    def carries_on(self) -> bool:
        """Say whether bought credits pay for what the plan no longer covers."""
        bought = self.bought
        if self.spent or bought.get("overage_limit_reached") is True:
            return False
        if bought.get("unlimited") is True:
            return True
        balance = number_of(amount_of(bought.get("balance")))
        return bought.get("has_credits") is True and (balance is None or balance > 0)


_FREE, _UNKNOWN = _Verdict(usable=True), _Verdict(usable=None)
_ON_CREDITS = _Verdict(usable=True, on_credits=True)


def _verdict(
    root: Mapping[str, object],
    container: Mapping[str, object],
    windows: tuple[Window, ...],
    spending: _Spending,
) -> _Verdict:
    """Say whether an account can be used; ``rate_limit`` speaks of its plan alone."""
    reason = _reason(root.get("rate_limit_reached_type"))
    usable = _usable(container, windows)
    exhausted = [window for window in windows if window.remaining_percent == 0]
    if usable and not exhausted and reason is None and not spending.spent:
        return _FREE  # as most accounts are
    if reason is None and spending.carries_on():
        said_so = container.get("allowed") is not None or container.get("limit_reached") is not None
        if said_so and (usable is False or exhausted):
            return _ON_CREDITS
        if usable is None and not windows and spending.bought.get("unlimited") is True:
            return _FREE
    if spending.spent or reason is not None:
        usable = False
    if usable is None and spending.limit is not None:
        # nothing left, and nobody says whether that blocks: not known
        usable = None if spending.limit.remaining_percent == 0 else True
    if usable is not False:
        return _FREE if usable else _UNKNOWN
    resets = [window.reset_at for window in exhausted]
    if spending.spent:
        resets.append(spending.limit.reset_at if spending.limit is not None else None)
    known = [reset_at for reset_at in resets if reset_at is not None]
    usable_at = max(known) if known and len(known) == len(resets) else None
    return _Verdict(usable, _limited_by(exhausted, reason, spent=spending.spent), usable_at)


def _usable(container: Mapping[str, object], windows: tuple[Window, ...]) -> bool | None:
    """Say what a limit alone tells: its own word, else whether its windows have anything left.

    98 % used and blocked happens, and so does 100 % used and allowed.
    """
    allowed, reached = container.get("allowed"), container.get("limit_reached")
    if allowed is False or reached is True:
        return False
    if allowed is True or reached is False:
        return True
    known = [w.remaining_percent for w in windows if w.remaining_percent is not None]
    return min(known) > 0 if known else None


def _reason(value: object) -> str | None:
    """Return why the upstream says it blocks; None where it says nothing."""
    if not value:
        return None
    stated = mapping(value)
    if stated is not None:
        return short_text(stated.get("type")) or "unknown"
    return short_text(value)


def _limited_by(exhausted: list[Window], reason: str | None, *, spent: bool) -> str:
    if exhausted:  # of several that reset together, the longest
        return max(exhausted, key=lambda w: (w.reset_at or 0, w.window_seconds or 0)).name
    return "spend_limit" if spent else reason or "unknown"


# Beside the account's own limit


def _extra_limits(root: Mapping[str, object], observed_at: float) -> tuple[Limit, ...]:
    additional = root.get("additional_rate_limits")
    review = mapping(root.get("code_review_rate_limit"))
    if not additional and review is None:
        return ()
    last = () if review is None else (_limit("code_review", None, review, observed_at),)
    found = cast("list[object]", additional) if isinstance(additional, list) else []
    limits = (
        _limit(
            short_text(member.get("limit_name")),
            short_text(member.get("metered_feature")),
            container_of(member),
            observed_at,
        )
        for value in found
        if (member := mapping(value)) is not None
    )
    return limits_for_record(limits, last)


def limits_for_record(limits: Iterable[Limit], last: tuple[Limit, ...] = ()) -> tuple[Limit, ...]:
    """Return the first limits, as many as a record has room for; ``last`` come last."""
    kept: list[Limit] = []
    left = _EXTRA_LIMITS_BYTES - sum(map(_bytes_in_record, last))
    for limit in islice(limits, _EXTRA_LIMITS - len(last)):
        left -= _bytes_in_record(limit)
        if left < 0:
            break
        kept.append(limit)
    return (*kept, *last)


def _bytes_in_record(limit: Limit) -> int:
    texts = len(orjson.dumps((limit.name, limit.feature)))
    return _LIMIT_BYTES + texts + _WINDOW_BYTES * len(limit.windows)


def _limit(
    name: str | None,
    feature: str | None,
    container: Mapping[str, object] | None,
    observed_at: float,
) -> Limit:
    if container is None:
        return Limit(name, feature, None, ())
    windows = windows_of(container, observed_at)
    return Limit(name, feature, _usable(container, windows), windows)


def _credits(bought: Mapping[str, object]) -> Credits:
    return Credits(
        truth(bought.get("has_credits")),
        truth(bought.get("unlimited")),
        amount_of(bought.get("balance")),
    )


def _spend_limit(places: tuple[Mapping[str, object], ...], observed_at: float) -> SpendLimit | None:
    """Return the first spend limit that holds a figure; nothing is derived but the percentage."""
    for place in places:
        stated = mapping(place.get("individual_limit")) if "individual_limit" in place else None
        if stated is None:
            continue
        limit = SpendLimit(
            amount_of(stated.get("limit")),
            amount_of(stated.get("used")),
            amount_of(stated.get("remaining")),
            remaining_percent(stated),
            resets_at(stated, observed_at),
        )
        if limit != SpendLimit(None, None, None, None, None):
            return limit
    return None


def _reset_credits(value: object) -> int | None:
    stated = mapping(value)
    return None if stated is None else whole_count(stated.get("available_count"))


def whole_count(said: object) -> int | None:
    """Return a whole number, not below 0, that JSON can hold exactly."""
    if type(said) is int and 0 <= said < _COUNT_LIMIT:
        return said
    count = number_of(said)
    if count is None or not 0 <= count < _COUNT_LIMIT or not count.is_integer():
        return None
    return int(count)
