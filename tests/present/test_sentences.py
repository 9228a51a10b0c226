"""Failures under a table."""

# ruff: noqa: RUF001 - full-width punctuation is what Chinese is written with

from __future__ import annotations

from dataclasses import replace

import pytest

from poller.present.catalogue import CHINESE, ENGLISH
from poller.present.sentences import Failures
from poller.present.terminal import ASCII, UNICODE
from poller.values import Failure, FailureKind

NOW = 1_790_000_000.0
DAY_S = 86_400
REFUSED = Failure(
    FailureKind.CONNECT,
    "could not connect: connection refused",
    "check the network or firewall",
    host_at_fault=True,
)
TOO_OFTEN = Failure(FailureKind.RATE_LIMITED, "429", "less", host_at_fault=True)
GIVEN_UP = Failure(FailureKind.CIRCUIT_OPEN, "not asked: the upstream looks dead", "try later")
EXPIRED = Failure(FailureKind.TOKEN_EXPIRED, "the access token expired 1 day ago", "let codex")
STOPPED = Failure(FailureKind.CANCELLED, "stopped by SIGINT before it was done", "run again")


def said(failures: Failures, *, width: int = 200, chinese: bool = False) -> list[str]:
    lines = failures.lines(CHINESE if chinese else ENGLISH, UNICODE, now=NOW, width=width)
    return ["".join(text for text, _ in line) for line in lines]


def kept(failure: Failure, *names: str, status: int | None = None) -> Failures:
    failures = Failures()
    for name in names:
        failures.add(name, failure, status=status)
    return failures


def test_logins_that_expired_are_told_together_each_with_its_time() -> None:
    failures = Failures()
    failures.add("old-laptop", EXPIRED, expires_at=NOW - 1.5 * DAY_S)
    failures.add("mac-mini", EXPIRED, expires_at=NOW - 3 * DAY_S)
    (told,) = said(failures)
    assert told == (
        "✗ token expired: mac-mini (3 days ago), old-laptop (1 day ago)"
        " → poller --refresh, or log in with codex and copy again"
    )
    (told,) = said(failures, chinese=True)
    assert told == (
        "✗ token 已过期：mac-mini（3 天前）、old-laptop（1 天前）"
        " → poller --refresh，或用 codex 登录再复制"
    )


def test_a_login_that_cannot_be_refreshed_is_not_told_to_be() -> None:
    failures = Failures()
    failures.add("alice", EXPIRED, expires_at=NOW + 1, refresh="hard_link")
    assert said(failures) == [
        "✗ token expired: alice (less than a minute ago) → log in with codex and copy again"
    ]


def test_codex_own_login_is_renewed_by_codex() -> None:
    refused = Failure(FailureKind.UNAUTHORIZED, "refused", "log in")
    closed = replace(refused, code="account_deactivated")
    failures = Failures()
    for name, failure in (("a", EXPIRED), ("b", refused), ("c", closed)):
        failures.add(name, failure, refresh="codex_home")
    assert [told.partition(" → ")[2] for told in said(failures)] == [
        "use codex once with this login, or log in again",
        "remove the file; nothing brings it back from here",
        "use codex once with this login, or log in again",
    ]


def test_without_an_expiry_there_is_no_time_to_tell() -> None:
    assert said(kept(EXPIRED, "alice"))[0].startswith("✗ token expired: alice → poller --refresh")


def test_a_message_that_tells_more_is_told_in_english_and_follows_in_chinese() -> None:
    empty = Failure(FailureKind.FILE_INVALID, "the file is empty", "copy the auth file again")
    failures = kept(empty, "bob")
    failures.add("alice", Failure(FailureKind.FILE_INVALID, "a folder, not a file", "see --help"))
    assert said(failures) == [
        "✗ a folder, not a file: alice → see --help",
        "✗ the file is empty: bob → copy the auth file again",
    ]
    assert said(kept(empty, "bob"), chinese=True) == [
        "✗ 不是完整的登录文件（空文件）：bob → 重新完整复制一份"
    ]
    unknown = Failure(FailureKind.FILE_INVALID, "it holds more than 9 accounts", "split it")
    assert said(kept(unknown, "bob"), chinese=True) == [
        "✗ 不是完整的登录文件（it holds more than 9 accounts）：bob → 重新完整复制一份"
    ]


@pytest.mark.parametrize(
    ("kind", "message", "told"),
    [
        (FailureKind.CONNECTION_LOST, "the connection was lost", "连接中断"),
        (
            FailureKind.CONNECTION_LOST,
            "the connection was lost: the answer was cut short",
            "连接中断（响应不完整）",
        ),
        (
            FailureKind.CONNECT,
            "could not connect: 127.0.0.1:9: connection refused",
            "连不上服务器（127.0.0.1:9: connection refused）",
        ),
        (
            FailureKind.PROXY,
            "could not connect to the proxy: connection refused",
            "代理连不上或拒绝服务（连接被拒绝）",
        ),
    ],
)
def test_chinese_does_not_say_in_english_what_it_has_said(
    kind: FailureKind, message: str, told: str
) -> None:
    failures = kept(Failure(kind, message, "try"), "bob")
    assert said(failures, chinese=True)[0].startswith(f"✗ {told}：bob → ")


def test_a_429_of_which_no_more_is_known_says_nothing_of_the_quota() -> None:
    remembered = Failure(FailureKind.RATE_LIMITED, "429", "wait", may_work_later=True)
    assert said(kept(remembered, "a")) == [
        "✗ turned away for now: a → try again later, and poll less often"
    ]
    assert said(kept(replace(remembered, code="usage_limit_reached"), "a"))[0].startswith(
        "✗ quota used up, "
    )
    assert said(kept(TOO_OFTEN, "a"))[0].startswith("✗ asked too often, the quota is not used up: ")


def test_the_status_and_the_longest_wait_are_told_in_both() -> None:
    failures = kept(Failure(FailureKind.SERVER_ERROR, "trouble", "later"), "alice", status=503)
    failures.add("bob", Failure(FailureKind.SERVER_ERROR, "trouble", "later"), status=502)
    for wait_s in (60.0, 300.0, 5.0):
        slower = replace(TOO_OFTEN, retry_after_s=wait_s)
        failures.add(f"c{wait_s:g}", slower)
    asked, *others = said(failures)
    assert asked == (
        "✗ asked too often, the quota is not used up (it asks to wait 5 min): c300, c5, c60"
        " → poll less often, or with --rate"
    )
    assert others == [
        "✗ upstream error (502): bob → try again later",
        "✗ upstream error (503): alice → try again later",
    ]
    assert said(failures, chinese=True)[0].startswith(
        "✗ 问得太频繁，不影响额度（要求等待 5 分钟）："
    )


def test_forty_accounts_of_a_dead_upstream_are_one_sentence() -> None:
    failures = kept(REFUSED, *(f"a{number}" for number in range(8)))
    failures.add("slow", Failure(FailureKind.TIMEOUT, "no answer", "wait", host_at_fault=True))
    for number in range(31):
        failures.add(f"b{number}", GIVEN_UP)
    assert failures.failed == 40
    (told,) = said(failures)
    assert told == (
        "✗ could not connect (connection refused): 40 accounts (31 of them not asked)"
        " → try again later, or wait longer with --patience"
    )
    assert said(failures, chinese=True)[0].endswith(
        "40 个账号（其中 31 个没有查询） → 稍后再试，或调大 --patience"
    )


def test_accounts_that_were_given_up_alone_say_so() -> None:
    (told,) = said(kept(GIVEN_UP, "alice"))
    assert told == (
        "✗ not asked, the upstream looks dead: 1 account"
        " → try again later, or wait longer with --patience"
    )


def test_failures_that_are_not_the_upstreams_are_told_apart() -> None:
    failures = kept(GIVEN_UP, "alice")
    failures.add("bob", EXPIRED)
    assert [line.split(":")[0] for line in said(failures)] == [
        "✗ not asked, the upstream looks dead",
        "✗ token expired",
    ]


def test_of_many_accounts_that_are_not_to_blame_some_are_named() -> None:
    failures = kept(REFUSED, *(f"a{number}" for number in range(9)))
    assert "a0, a1, a2, a3, a4 and 4 more → " in said(failures)[0]
    assert "：a0、a1、a2、a3、a4 等共 9 个 → " in said(failures, chinese=True)[0]


def test_of_logins_to_mend_twenty_are_named() -> None:
    names = [f"a{number:02}" for number in range(25)]
    assert f"{', '.join(names[:20])} and 5 more → " in said(kept(EXPIRED, *names), width=500)[0]


@pytest.mark.parametrize(
    ("count", "told"), [(2, "a0, a1"), (5, "a0, a1, a2, a3, a4"), (2988, "2988 accounts")]
)
def test_accounts_that_were_not_asked_are_one_line(count: int, told: str) -> None:
    failures = kept(STOPPED, *(f"a{number}" for number in range(count)))
    assert (failures.failed, failures.not_asked) == (0, count)
    assert said(failures, width=80) == [f"– stopped before they were asked: {told} → run again"]


def test_failures_stand_in_the_order_of_their_kinds() -> None:
    failures = kept(STOPPED, "a")
    failures.add("b", Failure(FailureKind.TLS, "no trusted connection", "trust it"))
    failures.add("c", Failure(FailureKind.FILE_MISSING, "no such file", "check the path"))
    assert [line.split(":")[0] for line in said(failures)] == [
        "✗ no such file",
        "✗ no trusted connection",
        "– stopped before they were asked",
    ]


def test_the_upstreams_code_counts_only_where_it_has_a_sentence() -> None:
    failures = Failures()
    for name, code in (("a", "one"), ("b", "two"), ("c", "account_deactivated")):
        failures.add(name, Failure(FailureKind.UNAUTHORIZED, "no", "no", code))
    assert [line.split(" → ")[0] for line in said(failures)] == [
        "✗ account closed: c",
        "✗ token refused: a, b",
    ]


def test_without_unicode_a_word_stands_for_the_sign() -> None:
    (line,) = kept(STOPPED, "alice").lines(ENGLISH, ASCII, now=NOW, width=80)
    assert "".join(text for text, _ in line) == (
        "- stopped before they were asked: alice -> run again"
    )
    (line,) = kept(EXPIRED, "alice").lines(ENGLISH, ASCII, now=NOW, width=90)
    assert line[0][0] == "failed:"


def test_text_from_outside_cannot_steer_the_terminal() -> None:
    odd = Failure(FailureKind.FILE_INVALID, "\x1b[2J", "\u202ehint")
    assert all(line.isprintable() for line in said(kept(odd, "alice")))
