from __future__ import annotations

import json
import threading
import time
from typing import TYPE_CHECKING

from poller.authfiles.find import in_memory
from poller.authfiles.listing import accounts_in
from poller.authfiles.read import AuthFile
from poller.values import Credential, Failure, FailureKind
from tests.running import account, made_up

if TYPE_CHECKING:
    from pathlib import Path

    import pytest

NOW = time.time()


def file_at(path: Path, label: str) -> AuthFile:
    return AuthFile(label, str(path), str(path))


def test_the_accounts_of_each_file_are_told(tmp_path: Path) -> None:
    good = account("alice")
    (tmp_path / "alice.auth.json").write_bytes(good.auth_file)
    (tmp_path / "empty.auth.json").write_text(json.dumps({"tokens": None}))
    files = [
        file_at(tmp_path / f"{name}.auth.json", name) for name in ("alice", "empty", "missing")
    ]
    alice, empty, missing = accounts_in(files, now=NOW, within_s=5)
    assert alice is not None
    assert [(one.label, isinstance(one.outcome, Credential)) for one in alice] == [("alice", True)]
    for accounts, kind in (
        (empty, FailureKind.NO_CREDENTIALS),
        (missing, FailureKind.FILE_MISSING),
    ):
        assert accounts is not None
        (one,) = accounts
        assert isinstance(one.outcome, Failure)
        assert one.outcome.kind is kind


def test_a_file_that_may_be_half_written_is_left_to_patience(tmp_path: Path) -> None:
    (tmp_path / "alice.auth.json").write_text('{"tokens": {"access_')
    assert accounts_in([file_at(tmp_path / "alice.auth.json", "alice")], now=NOW, within_s=5) == [
        None
    ]


def test_a_file_that_does_not_answer_holds_up_nobody(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    """A drive that is gone: reading never returns."""
    gone = threading.Event()
    monkeypatch.setattr("poller.authfiles.read.read", lambda _: gone.wait(20))
    files = [
        *made_up([account("alice")]),
        file_at(tmp_path / "slow", "slow"),
        *made_up([account("bob")]),
    ]
    alice, slow, bob = accounts_in(files, now=NOW, within_s=0.2)
    gone.set()
    assert alice is not None
    assert slow is bob is None


def test_labels_are_unique_among_files_that_hold_several() -> None:
    one = json.loads(account("one").auth_file)["tokens"]
    profiles = {
        name: {
            "type": "oauth",
            "provider": "openai-codex",
            "access": one["access_token"],
            "accountId": one["account_id"],
        }
        for name in ("x", "y")
    }
    several = json.dumps({"version": 1, "profiles": profiles}).encode()
    files = in_memory([("both", several), ("both:x", account("z").auth_file)])
    both, other = accounts_in(files, now=NOW, within_s=5)
    assert both is not None
    assert other is not None
    assert [one.label for one in both] == ["both:x#2", "both:y"]
    assert [one.label for one in other] == ["both:x"]
