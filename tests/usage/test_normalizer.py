from __future__ import annotations

import json
import math
from pathlib import Path
from typing import Any

import orjson
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st
from jsonschema import Draft202012Validator

from poller.present.record import record_of, serialize
from poller.text import printable
from poller.usage.masking import masked_identity
from poller.usage.normalizer import normalize
from poller.values import Report, Usage, Window
from tests.running import schema

NOW = 1795361246
"""2026-11-22T15:27:26Z"""
PAYLOADS = sorted((Path(__file__).parent.parent / "data" / "payloads").glob("*.json"))


def usage(answer: object, observed_at: float = NOW) -> Usage:
    read = normalize(answer, observed_at=observed_at)
    assert read is not None
    return read


def window(**figures: object) -> Window | None:
    """Return what becomes of a window in the first slot."""
    windows = usage({"rate_limit": {"primary_window": figures}}).windows
    return windows[0] if windows else None


def remaining(value: object, key: str = "percent_left") -> float | None:
    read = window(**{key: value, "limit_window_seconds": 18000})
    assert read is not None
    return read.remaining_percent


def reset(value: object, key: str = "reset_at") -> int | None:
    read = window(**{key: value, "limit_window_seconds": 18000})
    assert read is not None
    return read.reset_at


@pytest.mark.parametrize("path", PAYLOADS, ids=lambda path: path.stem)
def test_an_answer_as_seen_in_the_wild_says_what_it_says(path: Path) -> None:
    case = json.loads(path.read_bytes())
    read = usage(case["answer"], case["observed_at"])
    report = Report(0, "a", "a.auth.json", case["observed_at"], usage=read, identity=read.identity)
    record = record_of(report, show_identity=True)
    assert {key: record[key] for key in case["expected"]} == case["expected"]


@pytest.mark.parametrize("answer", [None, [], "text", 5, 2.5, True, math.nan, b"{}"])
def test_what_is_no_object_is_no_usage(answer: object) -> None:
    assert normalize(answer, observed_at=NOW) is None


WHOLE = {"plan_type": "plus", "rate_limit": {"allowed": True}, "user_id": "user-1"}


@pytest.mark.parametrize(
    "answer",
    [
        {},
        {"error": {"code": "made_up", "message": "made up"}},
        {"error": "made_up"},
        {"detail": "made up"},
        {"detail": {"code": "made_up"}},
        {"success": False},
        {"message": "ok", "status": 200},
        {"rate_limit_reset_credits": {"available_count": 1}, "individual_limit": {"limit": 1}},
        pytest.param({"error": WHOLE}, id="a usage in an error"),
        pytest.param({"error": None, "detail": WHOLE}, id="a usage in a detail"),
        pytest.param({"success": False, "data": WHOLE}, id="a usage in an envelope"),
        # Of the right names, but of no type that they have.
        {"plan_type": 5, "credits": None, "spend_control": "x", "additional_rate_limits": None},
        {"plan_type": "", "user_id": "", "account_id": 5, "email": None},
        {"rate_limit": "none", "rate_limits": [], "credits": [], "spend_control": True},
        # Whose it is, or that there is nothing, is not enough where it failed.
        {"error": {"code": "made_up"}, "user_id": "user-1"},
        {"error": "made_up", "rate_limit": None},
        {"success": False, "email": "one@example.com"},
        {"detail": "made up", "account_id": "acc-1"},
    ],
)
def test_an_answer_without_anything_of_a_usage_is_none(answer: object) -> None:
    assert normalize(answer, observed_at=NOW) is None


@pytest.mark.parametrize(
    "answer",
    [
        {"rate_limit": None},
        {"rate_limits": None},
        {"rate_limit": {}},
        {"rate_limits": {}},
        {"plan_type": "guest"},
        {"credits": {}},
        {"spend_control": {}},
        {"additional_rate_limits": []},
        {"additional_rate_limits": {}},
        {"user_id": "user-1"},
        {"account_id": "acc-1"},
        {"email": "one@example.com"},
        {"error": None, "detail": "", "success": True, "user_id": "user-1"},
        {"error": {"code": "made_up"}, **WHOLE},
        {"success": False, "credits": {"has_credits": True}},
    ],
)
def test_one_thing_of_a_usage_makes_one(answer: object) -> None:
    assert normalize(answer, observed_at=NOW) is not None


@pytest.mark.parametrize(
    ("value", "expected"),
    [
        (12, 12.0),
        (12.3456789, 12.345679),
        (" 12.5 ", 12.5),
        ("1e1", 10.0),
        (".5", 0.5),
        ("+5", 5.0),
        (0, 0.0),
        ("0", 0.0),
        (-3, 0.0),
        (101, 100.0),
        (True, None),
        (False, None),
        (None, None),
        ("", None),
        ("1_0", None),
        ("١٢", None),
        ("inf", None),
        ("nan", None),
        ("1e999", None),
        ("0x10", None),
        pytest.param("1" * 100_000, None, id="long"),
        ("12%", None),
        ("\ud800", None),
        (math.nan, None),
        (math.inf, None),
        (10**400, None),
        ([12], None),
        ({"value": 12}, None),
    ],
)
def test_a_number_is_one_that_came_as_one_or_as_plain_text(
    value: object, expected: float | None
) -> None:
    assert remaining(value) == expected


def test_zero_percent_is_never_negative_zero() -> None:
    assert str(remaining(-0.0)) == "0.0"


def test_the_first_valid_percentage_counts() -> None:
    read = window(percent_left="?", remaining_percent=0, used_percent=1)
    assert read is not None
    assert read.remaining_percent == 0
    assert remaining(40, "used_percent") == 60


@pytest.mark.parametrize(
    ("value", "expected"),
    [
        (NOW, NOW),
        (NOW + 0.6, NOW + 1),
        (NOW * 1000, NOW),
        (str(NOW), NOW),
        (f"{NOW}999", NOW + 1),
        ("2026-11-22T15:27:26Z", NOW),
        (" 2026-11-22t15:27:26z ", NOW),
        ("2026-11-22T15:27:26", NOW),
        ("2026-11-22T16:27:26.123456789+01:00", NOW),
        ("2026-11-22", NOW - 55646),
        ("2019-12-31T23:59:59Z", None),
        ("2020-01-01T00:00:00Z", 1577836800),
        ("2100-12-31T23:59:59Z", 4133980799),
        ("2101-01-01T00:00:00Z", None),
        ("0001-01-01T00:00:00+14:00", None),
        ("9999-12-31T23:59:59-14:00", None),
        ("tomorrow", None),
        ("2026-11-22T15:27:26Z" + " " * 100, None),
        ("\ud800026-11-22T15:27:26Z", None),
        (0, None),
        (-NOW, None),
        (1e300, None),
        (10**400, None),
        (True, None),
        ([], None),
    ],
)
def test_a_reset_comes_in_seconds_milliseconds_or_iso_8601(
    value: object, expected: int | None
) -> None:
    assert reset(value) == expected


def test_the_first_valid_reset_counts_and_the_time_from_now_comes_last() -> None:
    figures = {"limit_window_seconds": 18000, "reset_after_seconds": 60}
    last = window(**figures, reset_at=0, resets_at="soon", reset_time_ms=(NOW + 5) * 1000)
    assert last is not None
    assert last.reset_at == NOW + 5
    none_valid = window(**figures, reset_at=0, resets_at="soon")
    assert none_valid is not None
    assert none_valid.reset_at == NOW + 60


@pytest.mark.parametrize("after_s", [-1, True, "later", 1e12, None])
def test_a_time_from_now_that_makes_no_sense_is_no_reset(after_s: object) -> None:
    assert reset(after_s, "reset_after_seconds") is None


def test_a_clock_that_is_none_makes_the_time_from_now_unknown() -> None:
    answer = {"rate_limit": {"primary": {"used_percent": 1, "reset_after_seconds": 60}}}
    assert usage(answer, math.nan).windows[0].reset_at is None


@pytest.mark.parametrize(
    ("seconds", "name"),
    [
        (4 * 3600, "five_hour"),
        (6 * 3600, "five_hour"),
        (6 * 86400, "weekly"),
        (8 * 86400, "weekly"),
        (25 * 86400, "monthly"),
        (32 * 86400, "monthly"),
        (3600, "1h"),
        (32400, "9h"),
        (86400, "1d"),
        (5 * 86400, "5d"),
        (900, "15m"),
        (6 * 3600 + 60, "361m"),
        (61, "61s"),
    ],
)
def test_a_window_is_known_by_its_length(seconds: int, name: str) -> None:
    read = window(used_percent=1, limit_window_seconds=seconds)
    assert read == Window(name, 99, seconds, None, started=True)


@pytest.mark.parametrize("length", [None, True, "long", -1, 1e10, math.nan, [], 10**400])
def test_where_the_length_is_no_length_the_slot_decides(length: object) -> None:
    limits = {slot: {"used_percent": 1, "limit_window_seconds": length} for slot in SLOT_NAMES}
    for slot, name in SLOT_NAMES.items():
        assert usage({"rate_limit": {slot: limits[slot]}}).windows == (
            Window(name, 99, None, None, started=True),
        )


SLOT_NAMES = {
    **dict.fromkeys(("primary_window", "five_hour", "five_hour_limit"), "five_hour"),
    **dict.fromkeys(("five_hour_rate_limit", "primary"), "five_hour"),
    **dict.fromkeys(("secondary_window", "weekly", "weekly_limit"), "weekly"),
    **dict.fromkeys(("weekly_rate_limit", "secondary"), "weekly"),
    **dict.fromkeys(("tertiary_window", "monthly", "monthly_limit"), "monthly"),
    "monthly_window": "monthly",
}


def test_an_invalid_length_leaves_the_next_one_its_say() -> None:
    read = window(limit_window_seconds="?", window_seconds=None, window_minutes=15)
    assert read == Window("15m", None, 900, None, started=None)


@pytest.mark.parametrize(
    "figures",
    [
        {},
        {"limit_window_seconds": 0, "used_percent": 5, "reset_at": NOW},
        {"limit_window_seconds": "0", "used_percent": 5},
        {"used_percent": "bad", "reset_at": "bad", "limit_window_seconds": "bad"},
        {"primary_window": {"limit_window_seconds": 0, "used_percent": 7}},
    ],
)
def test_a_window_without_a_figure_or_of_no_length_is_none(figures: dict[str, object]) -> None:
    assert window(**figures) is None


def test_an_empty_container_gives_way_to_no_other() -> None:
    limits = {"primary": {"used_percent": 1}}
    assert usage({"rate_limit": {}, "rate_limits": limits}).windows == ()
    assert usage({"rate_limit": [], "rate_limits": limits}).windows != ()


@pytest.mark.parametrize(
    ("limit", "usable"),
    [
        ({"allowed": True}, True),
        ({"limit_reached": False}, True),
        ({"allowed": True, "limit_reached": True}, False),
        ({"allowed": False, "limit_reached": False}, False),
        ({"allowed": None, "limit_reached": None}, None),
        ({"allowed": "false", "limit_reached": 1}, None),
        ({"primary": {"used_percent": 99}}, True),
        ({"primary": {"used_percent": 100}}, False),
        ({"primary": {"used_percent": 1}, "weekly": {"used_percent": 100}}, False),
        ({"primary": {"used_percent": "?", "reset_at": NOW}}, None),
    ],
)
def test_usable_is_what_the_limit_says_else_what_its_windows_say(
    limit: dict[str, object], usable: bool | None
) -> None:
    assert usage({"rate_limit": limit}).usable is usable
    extra = usage({"additional_rate_limits": [{"rate_limit": limit}]})
    assert (extra.extra_limits[0].usable, extra.usable) == (usable, None)


@pytest.mark.parametrize(
    ("stated", "limited_by"),
    [
        ("a_reason", "a_reason"),
        ({"type": "a_reason"}, "a_reason"),
        ({"type": ""}, "unknown"),
        ({"details": 1}, "unknown"),
        ("", None),
        ({}, None),
        (None, None),
        (5, None),
        (["x"], None),
        pytest.param("x" * 1000, "x" * 200, id="long"),
    ],
)
def test_the_reason_blocks_wherever_it_is_set(stated: object, limited_by: str | None) -> None:
    read = usage({"rate_limit": {"allowed": True}, "rate_limit_reached_type": stated})
    assert (read.limited_by, read.usable) == (limited_by, limited_by is None)


def test_a_spend_limit_that_is_reached_but_not_told_has_no_known_end() -> None:
    read = usage({"spend_control": {"reached": True}})
    assert (read.usable, read.limited_by, read.usable_at) == (False, "spend_limit", None)


def test_of_windows_that_reset_together_the_longest_is_named() -> None:
    spent = {"used_percent": 100, "reset_at": NOW + 60}
    read = usage({"rate_limits": {"five_hour": spent, "weekly": {**spent, "window_minutes": 9999}}})
    assert (read.limited_by, read.usable_at) == ("weekly", NOW + 60)


@pytest.mark.parametrize(
    ("stated", "balance"),
    [
        ("0", "0"),
        ("$1,234.50", "1234.50"),
        ("-$5.00", "-5.00"),
        ("€ 12", "12"),
        (" 250 ", "250"),
        ("+5", "5"),
        (".5", "0.5"),
        ("1e3", "1000"),
        (12.5, "12.5"),
        (250, "250"),
        (250.0, "250"),
        (-3, "-3"),
        (1e22, "10000000000000000000000"),
        (1e-7, "0.0000001"),
        (12345678901234567890, "12345678901234567890"),
        ("12345678901234567890.123", "12345678901234567890.123"),
        ("1,5", None),
        ("12,34.5", None),
        ("1.234,50", None),
        ("1_000", None),
        ("١٢", None),
        ("twelve", None),
        ("", None),
        ("1" * 41, None),
        (1e300, None),
        (10**300, None),
        pytest.param(10**5000, None, id="endless"),
        (math.nan, None),
        (True, None),
        (None, None),
        ({}, None),
    ],
)
def test_an_amount_becomes_a_plain_decimal(stated: object, balance: str | None) -> None:
    bought = usage({"credits": {"balance": stated}}).credits
    assert bought is not None
    assert bought.balance == balance


@pytest.mark.parametrize(
    ("count", "expected"),
    [(0, 0), (3, 3), ("3", 3), (3.0, 3), (2.5, None), (-1, None), (True, None), (1e300, None)],
)
def test_reset_credits_are_counted_in_whole_numbers(count: object, expected: int | None) -> None:
    answer = {"plan_type": "plus", "rate_limit_reset_credits": {"available_count": count}}
    assert usage(answer).reset_credits == expected


def test_the_first_spend_limit_that_holds_a_figure_counts() -> None:
    answer = {
        "spend_control": {"individual_limit": {"source": "group"}},
        "rate_limits": {"individual_limit": {"limit": "many"}},
        "individual_limit": {"limit": 5},
    }
    limit = usage(answer).spend_limit
    assert limit is not None
    assert limit.limit == "5"
    assert usage({"rate_limit": None, "individual_limit": [5]}).spend_limit is None


def test_text_from_outside_is_printable_and_short() -> None:
    read = usage(
        {"plan_type": "\x1b" * 500_000, "email": "a\ud800", "user_id": "", "account_id": 5}
    )
    assert read.plan == "\\x1b" * 50
    assert (read.identity.email, read.identity.user_id) == ("a\\ud800", None)
    assert read.identity.account_id is None


def test_an_endless_depth_is_not_walked() -> None:
    deep: dict[str, Any] = {}
    for _ in range(5000):
        deep = {"primary_window": deep, "rate_limit": deep, "used_percent": 5}
    assert usage(deep).windows == (Window("five_hour", 95, None, None, started=True),)


# Begun or not


@pytest.mark.parametrize(
    ("used", "reset_in_s", "seconds", "started"),
    [
        (0, 18_000, 18_000, False),
        (0, 18_119, 18_000, False),
        (0, 17_881, 18_000, False),
        (0, 17_870, 18_000, True),
        (0, 3_600, 18_000, True),
        (1, 18_000, 18_000, True),
        (0, None, 18_000, None),
        (0, 18_000, None, None),
        (None, 18_000, 18_000, None),
        (None, 3_600, 18_000, True),
        (100, None, None, True),
    ],
)
def test_a_window_has_not_begun_while_its_reset_is_its_whole_length_away(
    used: int | None, reset_in_s: int | None, seconds: int | None, started: bool | None
) -> None:
    figures = {
        "used_percent": used,
        "limit_window_seconds": seconds,
        "reset_at": None if reset_in_s is None else NOW + reset_in_s,
    }
    read = window(**figures)
    assert read is not None
    assert read.started is started


# On credits

SPENT = {"primary_window": {"used_percent": 100, "limit_window_seconds": 604_800}}
USED_UP = {**SPENT, "allowed": False, "limit_reached": True}
ALLOWED = {**SPENT, "allowed": True, "limit_reached": False}
BOUGHT = {"has_credits": True, "unlimited": False, "balance": "12.5"}
UNLIMITED = {"has_credits": False, "unlimited": True, "balance": "0"}


@pytest.mark.parametrize(
    ("rate_limit", "bought", "more", "usable", "on_credits"),
    [
        pytest.param(USED_UP, BOUGHT, {}, True, True, id="credits carry on"),
        pytest.param(ALLOWED, BOUGHT, {}, True, True, id="100 % used and allowed"),
        pytest.param(USED_UP, UNLIMITED, {}, True, True, id="unlimited credits carry on"),
        pytest.param(USED_UP, {**BOUGHT, "balance": None}, {}, True, True, id="no balance told"),
        pytest.param(USED_UP, {**BOUGHT, "balance": "0"}, {}, False, False, id="balance 0"),
        pytest.param(USED_UP, {**BOUGHT, "balance": "$0.00"}, {}, False, False, id="balance $0"),
        pytest.param(
            USED_UP, {**BOUGHT, "overage_limit_reached": True}, {}, False, False, id="overage"
        ),
        pytest.param(
            USED_UP,
            BOUGHT,
            {"rate_limit_reached_type": {"type": "rate_limit_reached"}},
            False,
            False,
            id="the upstream names a reason",
        ),
        pytest.param(
            USED_UP, BOUGHT, {"spend_control": {"reached": True}}, False, False, id="spend limit"
        ),
        pytest.param(USED_UP, {"has_credits": False}, {}, False, False, id="no credits"),
        pytest.param(USED_UP, None, {}, False, False, id="nothing said of credits"),
        pytest.param(SPENT, BOUGHT, {}, False, False, id="nobody says that it may be used"),
        pytest.param(
            {"allowed": True, "primary_window": {"used_percent": 5}},
            BOUGHT,
            {},
            True,
            False,
            id="the plan still covers it",
        ),
        pytest.param(None, UNLIMITED, {}, True, False, id="unlimited and no windows"),
        pytest.param(None, BOUGHT, {}, None, None, id="nothing tells"),
    ],
)
def test_credits_carry_on_where_the_plan_is_used_up(
    rate_limit: object, bought: object, more: dict[str, object], usable: object, on_credits: object
) -> None:
    read = usage({"rate_limit": rate_limit, "credits": bought, **more})
    assert (read.usable, read.on_credits) == (usable, on_credits)
    if usable:
        assert (read.limited_by, read.usable_at) == (None, None)


def test_a_blocked_account_whose_reset_has_passed_says_no_time() -> None:
    past = {"used_percent": 100, "limit_window_seconds": 18_000, "reset_at": NOW - 1}
    read = usage({"rate_limit": {"limit_reached": True, "primary_window": past}})
    assert (read.usable, read.limited_by, read.usable_at) == (False, "five_hour", None)


# Whatever comes

KEYS = (
    *("rate_limit", "rate_limits", "primary_window", "secondary_window", "weekly", "monthly"),
    *("used_percent", "percent_left", "remaining_percent", "limit_window_seconds"),
    *("window_minutes", "reset_at", "reset_time_ms", "reset_after_seconds", "allowed"),
    *("limit_reached", "rate_limit_reached_type", "type", "spend_control", "reached"),
    *("individual_limit", "limit", "used", "remaining", "credits", "balance", "has_credits"),
    *("additional_rate_limits", "limit_name", "metered_feature", "code_review_rate_limit"),
    *("rate_limit_reset_credits", "available_count", "plan_type", "email", "user_id"),
)
LEAVES = (
    st.none()
    | st.booleans()
    | st.integers()
    | st.floats()
    | st.text(st.characters(), max_size=30)
    | st.sampled_from([0, 100, 18000, 604800, NOW, NOW * 1000, "5", "$1,000", 1 << 70, 10**400])
    | st.sampled_from(["2026-11-22T15:27:26Z", "0001-01-01", "1e309", "\ud800", "\u202e"])
)
ANYTHING = st.recursive(
    LEAVES,
    lambda inner: (
        st.lists(inner, max_size=4)
        | st.dictionaries(st.sampled_from(KEYS) | st.text(max_size=5), inner, max_size=8)
    ),
    max_leaves=25,
)
VALID = Draft202012Validator(schema())


def assert_it_makes_a_record(answer: object, observed_at: float) -> None:
    read = normalize(answer, observed_at=observed_at)
    if read is None:
        return
    assert isinstance(answer, dict)
    report = Report(0, "a", "a.auth.json", NOW, usage=read, identity=read.identity)
    record = orjson.loads(serialize(report, show_identity=True))
    VALID.validate(record)
    for text in (record["plan"], record["limited_by"], record["email"]):
        assert text is None or (printable(text) == text and 0 < len(text) <= 200)


@settings(deadline=None)
@given(ANYTHING, st.floats())
def test_anything_at_all_makes_a_record_or_is_refused(answer: object, observed_at: float) -> None:
    assert_it_makes_a_record(answer, observed_at)


@settings(deadline=None)
@given(st.data())
def test_a_mutated_sample_makes_a_record(data: st.DataObject) -> None:
    answer = json.loads(data.draw(st.sampled_from(PAYLOADS)).read_bytes())["answer"]
    for _ in range(data.draw(st.integers(1, 4))):
        mutate(answer, data)
    assert_it_makes_a_record(answer, NOW)


# Bounded, whatever comes


FULL = {
    slot: {"used_percent": 0.123456 + place, "window_minutes": 500_000 + place, "reset_at": NOW}
    for place, slot in enumerate(SLOT_NAMES)
}


def line(read: Usage) -> bytes:
    """Return the record of what a hostile upstream says of an account with a long name."""
    path = "/".join(["\\udcff" * 200] * 5)
    return serialize(
        Report(
            position=0,
            account="\N{OLD PERSIAN SIGN A}" * 200,
            source=printable(path)[:4096],
            observed_at=NOW,
            usage=read,
            identity=masked_identity(read.identity, str),
            machine="m" * 200,
        ),
        show_identity=True,
    )


@pytest.mark.parametrize(
    "letter", ["x", '"', "\\", "é", "工", "\N{OLD PERSIAN SIGN A}", "\x1b", "\ud800"]
)
@pytest.mark.parametrize("windows", [{}, FULL, {"primary": FULL["primary"]}])
@pytest.mark.parametrize("length", [1, 20, 200, 100_000])
def test_a_record_never_takes_more_than_64_kib(letter: str, windows: object, length: int) -> None:
    text = letter * length
    limit = {"limit_name": text, "metered_feature": text, "rate_limit": windows}
    many = 100 if length < 100_000 else 5
    answer: dict[str, object] = {
        "user_id": text,
        "account_id": text,
        "email": text,
        "plan_type": text,
        "rate_limit": windows,
        "rate_limit_reached_type": {"type": text},
        "code_review_rate_limit": windows,
        "additional_rate_limits": [None, 5, *[limit] * many],
        "credits": {"has_credits": True, "balance": "9" * 40},
        "spend_control": {"reached": True, "individual_limit": dict.fromkeys(AMOUNTS, "9" * 40)},
    }
    read = usage(answer)
    assert len(line(read)) <= 64 << 10
    assert len(read.extra_limits) <= 64
    assert read.extra_limits[-1].name == "code_review"
    windows_of_each = [read.windows, *(limit.windows for limit in read.extra_limits)]
    assert max(map(len, windows_of_each)) <= 32
    for each in (
        read.plan,
        read.limited_by,
        read.extra_limits[0].name,
        read.extra_limits[0].feature,
    ):
        assert each is None or len(each) <= 200


AMOUNTS = ("limit", "used", "remaining")


@pytest.mark.parametrize(
    ("members", "review", "kept"), [(64, False, 64), (65, False, 64), (64, True, 63)]
)
def test_the_first_64_extra_limits_are_kept_code_review_among_them(
    members: int, review: bool, kept: int
) -> None:
    limits = [{"limit_name": f"limit {number}"} for number in range(members)]
    answer: Any = {
        "additional_rate_limits": limits,
        "code_review_rate_limit": {} if review else None,
    }
    names = [limit.name for limit in usage(answer).extra_limits]
    assert names == [f"limit {number}" for number in range(kept)] + ["code_review"] * review


def test_extra_limits_that_a_record_has_no_room_for_are_left_out_from_the_first_of_them_on() -> (
    None
):
    long = {"limit_name": "工" * 200, "rate_limit": FULL}
    limits = usage({"additional_rate_limits": [*[long] * 20, {"limit_name": "short"}]}).extra_limits
    assert 5 < len(limits) < 20
    assert {limit.name for limit in limits} == {"工" * 200}


def mutate(answer: Any, data: st.DataObject) -> None:
    """Replace, remove or add one member somewhere in the answer."""
    place = answer
    while True:
        keys = list(place) if isinstance(place, dict) else list(range(len(place)))
        if not keys:
            return
        key = data.draw(st.sampled_from(keys))
        inner = place[key]
        if isinstance(inner, dict | list) and inner and data.draw(st.booleans()):
            place = inner
            continue
        break
    if isinstance(place, dict) and data.draw(st.booleans()):
        moved = place.pop(key) if data.draw(st.booleans()) else place[key]
        place[data.draw(st.sampled_from(KEYS))] = moved
        return
    place[key] = data.draw(ANYTHING)
