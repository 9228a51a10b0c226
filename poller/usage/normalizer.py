"""Read the usage endpoint's answer, whatever its shape, into a :class:`Usage`.

The endpoint is undocumented and drifts, so every field is optional and judged alone: a
surprise in one never loses the rest. Names, shapes and lengths are those seen in
published captures, in the Codex CLI's own code and in issues of tools that read it too.
Only the keys that are needed are looked up.
"""

from __future__ import annotations

from dataclasses import replace
from operator import itemgetter
from types import MappingProxyType
from typing import TYPE_CHECKING, NamedTuple, cast

from poller.usage.json_values import (
    EARLIEST_AT,
    ID_LENGTH,
    LATEST_AT,
    amount_of,
    mapping,
    moment_of,
    number_of,
    plausible,
    short_text,
)
from poller.values import Credits, Identity, Limit, SpendLimit, Usage, Window

if TYPE_CHECKING:
    from collections.abc import Mapping

_HOUR_S = 3600
_DAY_S = 24 * _HOUR_S
_FIVE_HOUR, _WEEKLY, _MONTHLY = 5 * _HOUR_S, 7 * _DAY_S, 30 * _DAY_S

_CONTAINERS = ("rate_limit", "rate_limits")
_SLOTS = MappingProxyType(
    {
        "primary_window": _FIVE_HOUR,
        "secondary_window": _WEEKLY,
        "tertiary_window": _MONTHLY,
        "five_hour": _FIVE_HOUR,
        "five_hour_limit": _FIVE_HOUR,
        "five_hour_rate_limit": _FIVE_HOUR,
        "primary": _FIVE_HOUR,
        "weekly": _WEEKLY,
        "weekly_limit": _WEEKLY,
        "weekly_rate_limit": _WEEKLY,
        "secondary": _WEEKLY,
        "monthly": _MONTHLY,
        "monthly_limit": _MONTHLY,
        "monthly_window": _MONTHLY,
    }
)
"""Where windows are found, and the length each stands for where it tells none."""
_SLOT_ORDER = tuple(_SLOTS).index
_USUAL = MappingProxyType(
    {_FIVE_HOUR: "five_hour", _WEEKLY: "weekly", _MONTHLY: "monthly", 2_628_000: "monthly"}
)
"""The lengths nearly every answer has; a year's twelfth is the other month."""
_NAMED = (
    ("five_hour", 4 * _HOUR_S, 6 * _HOUR_S),
    ("weekly", 6 * _DAY_S, 8 * _DAY_S),
    ("monthly", 25 * _DAY_S, 32 * _DAY_S),
)
_UNITS = (("d", _DAY_S), ("h", _HOUR_S), ("m", 60), ("s", 1))
_LENGTHS = (("limit_window_seconds", 1), ("window_seconds", 1), ("window_minutes", 60))
_LENGTH_LIMIT_S = 3650 * _DAY_S
_NOT_BEGUN_WITHIN_S = 120
"""How far from its whole length the reset of a window that has not begun may be."""
_PERCENTAGES = ("percent_left", "remaining_percent", "used_percent")
_RESETS = ("reset_at", "resets_at", "reset_time_ms")
_COUNT_LIMIT = 1 << 53
"""Above it a JSON number is not exact."""


def normalize(payload: object, *, observed_at: float) -> Usage | None:
    """Return what a parsed answer says; None where it is no JSON object.

    Total: any parsed JSON gives one of the two, never an exception. ``observed_at`` is
    Unix seconds, for answers that tell a reset only as a time from now.
    """
    if not isinstance(payload, dict):
        return None
    root = cast("dict[str, object]", payload)
    container = _container(root) or {}
    windows = _windows(container, observed_at)
    control = mapping(root.get("spend_control")) or {}
    spend_limit = _spend_limit((control, container, root), observed_at)
    bought = mapping(root.get("credits")) or {}
    verdict = _verdict(root, container, windows, _Spending(control, spend_limit, bought))
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
        credits=_credits(root.get("credits")),
        spend_limit=spend_limit,
        reset_credits=_reset_credits(root.get("rate_limit_reset_credits")),
        identity=Identity(
            # Whole, as they are compared with the credential's.
            short_text(root.get("user_id"), ID_LENGTH),
            short_text(root.get("account_id"), ID_LENGTH),
            short_text(root.get("email"), ID_LENGTH),
        ),
    )


# Windows


def _container(of: Mapping[str, object]) -> Mapping[str, object] | None:
    for key in _CONTAINERS:
        found = of.get(key)
        if isinstance(found, dict):
            return cast("dict[str, object]", found)
    return None


def _windows(container: Mapping[str, object], observed_at: float) -> tuple[Window, ...]:
    """Return the windows, shortest first; names that come again are numbered in slot order."""
    slots = [slot for slot in container if slot in _SLOTS]
    if len(slots) > 1:
        slots.sort(key=_SLOT_ORDER)
    found: list[tuple[int, Window]] = []
    names: dict[str, int] = {}
    for slot in slots:
        figures = container[slot]
        if figures is None:
            continue
        slot_s = _SLOTS[slot]
        window = _window(figures, slot_s, observed_at)
        if window is None:
            continue
        count = names[window.name] = names.get(window.name, 0) + 1
        found.append(
            (window.window_seconds or slot_s, window if count == 1 else _again(window, count))
        )
    if len(found) > 1:
        found.sort(key=itemgetter(0))
    return tuple([window for _, window in found])


def _again(window: Window, count: int) -> Window:
    return replace(window, name=f"{window.name}_{count}")


def _window(value: object, slot_s: int, observed_at: float) -> Window | None:
    """Read a window, or the one that stands in it one level down as ``primary_window``."""
    if not isinstance(value, dict):
        return None
    figures = cast("dict[str, object]", value)
    inner = mapping(figures["primary_window"]) if "primary_window" in figures else None
    if inner is not None:
        window = _window_of(inner, slot_s, observed_at)
        if window is not None:
            return window
    return _window_of(figures, slot_s, observed_at)


def _window_of(figures: Mapping[str, object], slot_s: int, observed_at: float) -> Window | None:
    # The way the upstream mostly writes them comes first, without a call: twice as fast.
    window_seconds = figures.get("limit_window_seconds")
    if type(window_seconds) is not int or not 0 <= window_seconds <= _LENGTH_LIMIT_S:
        window_seconds = _window_s(figures)
    if window_seconds == 0:  # how the upstream spells that there is no such window
        return None
    remaining_percent = _remaining_percent(figures)
    reset_at = figures.get("reset_at")
    if type(reset_at) is not int or not EARLIEST_AT <= reset_at <= LATEST_AT:
        reset_at = _resets_at(figures, observed_at)
    if window_seconds is None and remaining_percent is None and reset_at is None:
        return None
    started = _started(remaining_percent, window_seconds, reset_at, observed_at)
    return Window(
        _name(window_seconds or slot_s), remaining_percent, window_seconds, reset_at, started
    )


def _started(
    remaining_percent: float | None,
    window_seconds: int | None,
    reset_at: int | None,
    observed_at: float,
) -> bool | None:
    """Say whether a window has begun: until then its reset stays its whole length away."""
    if remaining_percent is not None and remaining_percent < 100:
        return True
    if window_seconds is None or reset_at is None:
        return None
    whole_length_away = abs(reset_at - observed_at - window_seconds) <= _NOT_BEGUN_WITHIN_S
    if remaining_percent is None and whole_length_away:
        return None
    return not whole_length_away


def _name(window_seconds: int) -> str:
    if window_seconds in _USUAL:
        return _USUAL[window_seconds]
    for name, least_s, most_s in _NAMED:
        if least_s <= window_seconds <= most_s:
            return name
    unit, unit_s = next(unit for unit in _UNITS if window_seconds % unit[1] == 0)
    return f"{window_seconds // unit_s}{unit}"


def _window_s(figures: Mapping[str, object]) -> int | None:
    for key, unit_s in _LENGTHS:
        value = figures.get(key)
        number = None if value is None else number_of(value)
        if number is not None and 0 <= number * unit_s <= _LENGTH_LIMIT_S:
            return round(number * unit_s)
    return None


def _remaining_percent(figures: Mapping[str, object]) -> float | None:
    for key in _PERCENTAGES:
        value = figures.get(key)
        if type(value) is int and 0 <= value <= 100:
            return float(100 - value if key == "used_percent" else value)
        number = None if value is None else number_of(value)
        if number is None:
            continue
        left = 100 - number if key == "used_percent" else number
        left = 0.0 if left <= 0 else min(left, 100.0)
        return left if left.is_integer() else round(left, 6)
    return None


def _resets_at(figures: Mapping[str, object], observed_at: float) -> int | None:
    for key in _RESETS:
        value = figures.get(key)
        reset_at = None if value is None else moment_of(value)
        if reset_at is not None:
            return reset_at
    after_s = number_of(figures.get("reset_after_seconds"))
    return None if after_s is None or after_s < 0 else plausible(observed_at + after_s)


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
    limits: list[Limit] = []
    if isinstance(additional, list):
        for value in cast("list[object]", additional):
            member = mapping(value)
            if member is not None:
                name, feature = (
                    short_text(member.get("limit_name")),
                    short_text(member.get("metered_feature")),
                )
                limits.append(_limit(name, feature, _container(member), observed_at))
    if review is not None:
        limits.append(_limit("code_review", None, review, observed_at))
    return tuple(limits)


def _limit(
    name: str | None,
    feature: str | None,
    container: Mapping[str, object] | None,
    observed_at: float,
) -> Limit:
    if container is None:
        return Limit(name, feature, None, ())
    windows = _windows(container, observed_at)
    return Limit(name, feature, _usable(container, windows), windows)


def _credits(value: object) -> Credits | None:
    bought = mapping(value)
    if bought is None:
        return None
    has_credits, unlimited = bought.get("has_credits"), bought.get("unlimited")
    return Credits(
        has_credits if isinstance(has_credits, bool) else None,
        unlimited if isinstance(unlimited, bool) else None,
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
            _remaining_percent(stated),
            _resets_at(stated, observed_at),
        )
        if limit != SpendLimit(None, None, None, None, None):
            return limit
    return None


def _reset_credits(value: object) -> int | None:
    stated = mapping(value)
    said = None if stated is None else stated.get("available_count")
    if type(said) is int and 0 <= said < _COUNT_LIMIT:
        return said
    count = number_of(said)
    if count is None or not 0 <= count < _COUNT_LIMIT or not count.is_integer():
        return None
    return int(count)
