"""What is recorded of refresh tokens, in two places that may say different things."""

from __future__ import annotations

import json
import os
from typing import TYPE_CHECKING

import pytest

from poller.renewal.ledger import Ledger, LockRecords
from poller.renewal.locks import DiskWork
from poller.renewal.token_state import SpendState, TokenState, parse, safer, serialize

if TYPE_CHECKING:
    from collections.abc import Iterator
    from pathlib import Path

KEY, OTHER = "a" * 40, "b" * 40
FREE = TokenState()
NOT_LOOKED_AT = TokenState(SpendState.FREE, 5)
SENT = TokenState(SpendState.SENT, 5)
LIVES_ON = TokenState(SpendState.RENEWED, 5, successor=KEY)
RENEWED = TokenState(SpendState.RENEWED, 5, "/f", OTHER)
ENDED = TokenState(SpendState.ENDED, 5, code="invalid_grant")
REJECTED = TokenState(SpendState.REJECTED, 5)


@pytest.mark.parametrize(
    ("one", "other", "expected"),
    [
        (FREE, FREE, FREE),
        (FREE, SENT, SENT),
        (NOT_LOOKED_AT, SENT, SENT),
        (LIVES_ON, FREE, LIVES_ON),
        (LIVES_ON, SENT, SENT),
        (LIVES_ON, ENDED, ENDED),
        (SENT, RENEWED, RENEWED),
        (SENT, ENDED, ENDED),
        (SENT, REJECTED, REJECTED),
    ],
)
def test_of_two_states_the_one_that_forbids_sending_counts(
    one: TokenState, other: TokenState, expected: TokenState
) -> None:
    assert safer(one, other, key=KEY) == safer(other, one, key=KEY) == expected


@pytest.mark.parametrize("state", [FREE, SENT, LIVES_ON, RENEWED, ENDED, REJECTED])
def test_a_state_is_read_as_it_was_written(state: TokenState) -> None:
    assert parse(serialize(state)) == state
    assert state.may_be_sent(KEY) == (state in (FREE, LIVES_ON))


@pytest.mark.parametrize(
    "content",
    [b"{ torn", b"[]", b"7", b'"sent"', b"{}", b'{"state": "news", "at": 1}', b"\xff", b"[" * 9999],
)
def test_a_record_that_cannot_be_read_means_that_the_token_may_be_spent(content: bytes) -> None:
    assert parse(content) == TokenState(SpendState.SENT)


@pytest.mark.parametrize("at", [-1, 1 << 70, "now", None, 1.5])
def test_a_time_that_cannot_be_meant_is_none(at: object) -> None:
    assert parse(json.dumps({"state": "sent", "at": at}).encode()).at == 0


@pytest.fixture
def lock_records(tmp_path: Path) -> Iterator[LockRecords]:
    descriptor = os.open(tmp_path / "lock", os.O_RDWR | os.O_CREAT, 0o600)
    yield LockRecords(descriptor, "/auth.json")
    os.close(descriptor)


def test_a_lock_records_several_tokens(lock_records: LockRecords) -> None:
    for key, state in ((KEY, SENT), (OTHER, ENDED)):
        lock_records.reserve(key)
        lock_records.write(key, state)
    lock_records.reserve(KEY)
    assert lock_records.read(KEY).spend_state is SpendState.SENT
    assert lock_records.read(OTHER).code == "invalid_grant"
    assert lock_records.read("c" * 40).spend_state is SpendState.FREE


def test_a_lock_with_256_records_forgets_the_oldest(
    lock_records: LockRecords, tmp_path: Path
) -> None:
    keys = [f"{number:040x}" for number in range(260)]
    for at, key in enumerate(keys):
        lock_records.reserve(key)
        lock_records.write(key, TokenState(SpendState.SENT, at + 1))
    states = [lock_records.read(key).spend_state for key in keys]
    assert states == [SpendState.FREE] * 4 + [SpendState.SENT] * 256
    assert (tmp_path / "lock").stat().st_size == 256 * 256


def test_other_content_of_a_lock_is_passed_over(lock_records: LockRecords, tmp_path: Path) -> None:
    (tmp_path / "lock").write_bytes(b"\xff garbage " * 40)
    lock_records.reserve(KEY)
    lock_records.write(KEY, SENT)
    assert lock_records.read(KEY).spend_state is SpendState.SENT
    assert lock_records.read(OTHER).spend_state is SpendState.FREE


@pytest.mark.anyio
async def test_a_state_is_recorded_in_both_places_and_in_the_space_reserved_for_it(
    tmp_path: Path, lock_records: LockRecords
) -> None:
    def size() -> int:
        return sum(each.stat().st_size for each in tmp_path.rglob("*"))

    path = "/folder/\udcff😀" + "x" * 500
    ledger = Ledger(str(tmp_path / "state/logins"))
    with DiskWork() as disk:
        entry = await ledger.entry(KEY, lock_records, disk=disk)
        assert entry.read().spend_state is SpendState.FREE
        entry.reserve(path)
        reserved = size()
        entry.write(TokenState(SpendState.RENEWED, 5, path, OTHER, "c" * 32))
        assert size() == reserved
        assert entry.read() == TokenState(SpendState.RENEWED, 5, path, OTHER, "c" * 32)
    assert ledger.glance(KEY).successor == OTHER
    assert lock_records.read(KEY).successor == OTHER
    assert ledger.glance(OTHER) == FREE
