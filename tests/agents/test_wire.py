"""What crosses the wire: it comes out as it went in, and what is no message is none."""

from __future__ import annotations

from dataclasses import replace
from typing import Any

import orjson
import pytest
from hypothesis import given
from hypothesis import strategies as st

from poller.agents.reading import decoded
from poller.agents.wire import (
    AttemptState,
    Call,
    Job,
    JobLimits,
    JobResult,
    ListedAccount,
    Listing,
    Message,
    Presence,
    Welcome,
    encoded,
    login_digest,
    without_folders,
)
from poller.present.record import serialize
from poller.values import (
    Credits,
    Failure,
    FailureKind,
    Identity,
    Limit,
    Report,
    Retry,
    SpendLimit,
    Usage,
    Window,
)

RUN, ID = "b" * 16, "a" * 32
WINDOW = Window("five_hour", 58.5, 18_000, 1_790_000_000, started=True)
USAGE = Usage(
    plan="plus",
    usable=True,
    windows=(WINDOW, Window("weekly", None, None, None)),
    extra_limits=(Limit("GPT-5.3-Codex-Spark", "codex_bengalfox", None, (WINDOW,)),),
    credits=Credits(has_credits=True, unlimited=False, balance="12.5"),
    spend_limit=SpendLimit("10", "2", "8", 80.0, 1_790_000_000),
    reset_credits=3,
    on_credits=False,
)
FAILURE = Failure(
    FailureKind.RATE_LIMITED,
    "too many requests (429)",
    "wait",
    code="slow_down",
    retry_now=Retry.THROTTLED,
    retry_after_s=2.5,
    host_at_fault=True,
    may_work_later=True,
)
STATE = AttemptState(2, 3, needs_confirmation=True, was_reread=True, refreshed=True)
JOB = Job(
    ID, RUN, "team", True, "a/alice.auth.json", None, 1.7e9, 12.5, JobLimits(15, 2, 60), STATE
)
RESULT = JobResult(ID, RUN, USAGE, STATE, 0.25, 200, "0123456789abcdef", 1.8e9)
MESSAGES: list[Message] = [
    JOB,
    Job(ID, RUN, "one", False, "alice", login_digest("x"), 1.7e9, None, JobLimits(1, 0, 9), STATE),
    RESULT,
    JobResult(ID, RUN, FAILURE, AttemptState()),
    JobResult(ID, RUN, USAGE, STATE, identity=Identity("u", "a", "e@example.com"), raw={"a": [1]}),
    Listing(RUN, RUN, 0, False, (ListedAccount("alice", "0123456789abcdef", 1.8e9),)),
    Listing(RUN, RUN, 1, True, (), "no accounts"),
    Presence(RUN, 1.7e9, 1.7e9, 8, ("team",), (RUN,), leaves=True),
    Call(RUN, ends=True),
    Welcome(RUN, 1.7e9, "POLLER_OWN", "own-one", "2026-11-22T10:00:00Z", lists=True),
]


@pytest.mark.parametrize("message", MESSAGES, ids=lambda message: type(message).__name__)
def test_a_message_comes_out_as_it_went_in(message: Message) -> None:
    assert decoded(encoded(message)) == message


def test_who_an_account_is_never_goes_along_with_its_figures() -> None:
    named = Usage(plan="plus", identity=Identity("user-1", "acct-1", "alice@example.com"))
    sent = encoded(JobResult(ID, RUN, named, STATE))
    assert b"user-1" not in sent
    assert b"acct-1" not in sent
    assert b"example.com" not in sent


def test_a_failure_names_files_without_their_folders() -> None:
    failure = Failure(
        FailureKind.REFRESH_REFUSED,
        "/home/alice/account/a.auth.json cannot be locked (busy); they are in /var/b.rescue",
        "",
    )
    told = without_folders(failure).message
    assert told == "a.auth.json cannot be locked (busy); they are in b.rescue"
    plain = Failure(FailureKind.CONNECT, "127.0.0.1:443 refused it, 1/2 tries", "")
    assert without_folders(plain) is plain


def test_what_an_answer_kept_as_it_came_cannot_be_told_is_told_as_a_bug() -> None:
    told = decoded(encoded(JobResult(ID, RUN, USAGE, STATE, raw={"a": "\ud800"})))
    assert isinstance(told, JobResult)
    assert isinstance(told.outcome, Failure)
    assert told.outcome.kind is FailureKind.INTERNAL


def test_texts_of_others_cannot_steer_a_terminal_or_smuggle_a_token() -> None:
    plan = "\x1b[2J" + "eyJhbGciOiJIUzI1NiJ9.eyJzdWIiOiIxIn0.abcdefgh"
    told = decoded(encoded(JobResult(ID, RUN, Usage(plan=plan), STATE)))
    assert isinstance(told, JobResult)
    assert isinstance(told.outcome, Usage)
    assert told.outcome.plan == "\\x1b[2J***"


def test_what_an_agent_tells_of_an_account_fits_its_record() -> None:
    window = Window("weekly", 1.0, 604_800, 1_790_000_000, started=True)
    named = tuple(replace(window, name=f"w{number}") for number in range(9_000))
    limits = tuple(Limit("n" * 200, "f" * 200, True, named[:40]) for _ in range(200))
    usage = Usage(windows=named, extra_limits=limits, reset_credits=10**18)
    told = decoded(encoded(JobResult(ID, RUN, usage, STATE)))
    assert isinstance(told, JobResult)
    assert isinstance(told.outcome, Usage)
    assert len(told.outcome.windows) == 32
    assert told.outcome.reset_credits is None
    report = Report(0, "m/a", "m/a", 1_790_000_000.0, usage=told.outcome)
    assert len(serialize(report)) <= 64 << 10


def test_a_wait_that_no_retry_asks_for_is_none() -> None:
    limited = Failure(FailureKind.RATE_LIMITED, "m", "h", retry_after_s=9.0)
    for retry, wait_s in ((Retry.NEVER, None), (Retry.ONCE, None), (Retry.THROTTLED, 9.0)):
        outcome = replace(limited, retry_now=retry)
        told = decoded(encoded(JobResult("a" * 32, "b" * 16, outcome, AttemptState())))
        assert isinstance(told, JobResult)
        assert isinstance(told.outcome, Failure)
        assert told.outcome.retry_after_s == wait_s


@pytest.mark.parametrize("payload", [b"", b"{", b"[]", b"null", b'{"t": []}', b'{"t": "Job"}'])
def test_anything_but_a_message_is_ignored(payload: bytes) -> None:
    assert decoded(payload) is None


_ANYTHING = st.recursive(
    st.none() | st.booleans() | st.integers(-(10**15), 10**15) | st.floats() | st.text(max_size=30),
    lambda inner: st.lists(inner, max_size=3) | st.dictionaries(st.text(max_size=9), inner),
    max_leaves=6,
)


def _places(value: Any, path: tuple[Any, ...] = ()) -> list[tuple[Any, ...]]:
    inner = (
        value.items()
        if isinstance(value, dict)
        else enumerate(value)
        if isinstance(value, list)
        else ()
    )
    return [path, *(place for key, one in inner for place in _places(one, (*path, key)))][
        1 if not path else 0 :
    ]


@given(message=st.sampled_from(MESSAGES), value=_ANYTHING, chance=st.randoms())
def test_one_wrong_field_never_raises(message: Message, value: Any, chance: Any) -> None:
    content = orjson.loads(encoded(message))
    *way, last = chance.choice(_places(content))
    where = content
    for step in way:
        where = where[step]
    where[last] = value
    told = decoded(orjson.dumps(content))
    assert told is None or type(told) is type(message)
