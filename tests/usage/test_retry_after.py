from __future__ import annotations

import time
from typing import TYPE_CHECKING

import pytest
from hypothesis import given
from hypothesis import strategies as st

from poller.usage.retry_after import retry_after
from poller.values import Response

if TYPE_CHECKING:
    from collections.abc import Iterator

NOW = 1_795_361_246.0  # Sun, 22 Nov 2026 15:27:26 GMT


def asked(value: str, date: str | None = None) -> float | None:
    headers = [("retry-after", value)]
    if date is not None:
        headers.append(("date", date))
    return retry_after(Response(429, tuple(headers), b""), now=NOW)


@pytest.mark.parametrize(
    ("value", "wait_s"),
    [
        ("2", 2.0),
        (" 120 ", 120.0),
        ("0", None),
        ("-5", None),
        ("soon", None),
        ("", None),
        ("2.5", None),
        ("9" * 5000, None),
        ("٣", None),
        ("Sun, 22 Nov 2026 15:27:36 GMT", 10.0),
        ("Sunday, 22-Nov-26 15:27:36 GMT", 10.0),
        ("Sun Nov 22 15:27:36 2026", 10.0),
        ("Sun, 22 Nov 2026 15:27:36 -0000", 10.0),
        ("Sun, 22 Nov 2026 15:27:16 GMT", None),
        ("Sun, 99 Nov 2026 15:27:16 GMT", None),
    ],
)
def test_retry_after_is_seconds_or_a_date_and_nonsense_is_absent(
    value: str, wait_s: float | None
) -> None:
    assert asked(value) == wait_s


@pytest.fixture
def in_tokyo(monkeypatch: pytest.MonkeyPatch) -> Iterator[None]:
    with monkeypatch.context() as patched:
        patched.setenv("TZ", "Asia/Tokyo")
        time.tzset()
        yield
    time.tzset()


@pytest.mark.usefixtures("in_tokyo")
@pytest.mark.parametrize("date", ["Sun Nov 22 15:27:36 2026", "Sun, 22 Nov 2026 15:27:36"])
def test_a_date_without_a_zone_is_not_in_the_local_one(date: str) -> None:
    assert asked(date) == 10.0


def test_a_date_is_measured_against_the_answers_own_date() -> None:
    wait_s = asked("Thu, 01 Jan 2026 00:00:07 GMT", date="Thu, 01 Jan 2026 00:00:05 GMT")

    assert wait_s == 2.0


def test_no_retry_after_asks_nothing() -> None:
    assert retry_after(Response(429, (), b""), now=NOW) is None


@given(value=st.text(), date=st.text())
def test_no_text_is_too_strange(value: str, date: str) -> None:
    wait_s = asked(value, date)

    assert wait_s is None or wait_s > 0
