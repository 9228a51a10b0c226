"""Which login tokens belong to, and when they are needed."""

from __future__ import annotations

from dataclasses import replace
from typing import Any

import pytest

from poller.renewal.tokens import is_due, is_newer, is_same_account, login_key
from poller.values import Credential, Secret
from tests.auth_files import NOW

ONE = Credential(Secret("at_one"), "acc", user_id="user", expires_at=NOW + 1000)


def test_a_login_is_named_by_its_refresh_token_without_giving_it_away() -> None:
    assert login_key(Secret("rt_x")) == login_key(Secret("rt_x")) != login_key(Secret("rt_y"))
    assert "rt_x" not in login_key(Secret("rt_x"))


@pytest.mark.parametrize(
    ("expires_in_s", "due"), [(-10, True), (299, True), (301, False), (None, False)]
)
def test_a_token_is_due_five_minutes_before_its_end(expires_in_s: Any, due: bool) -> None:
    at = None if expires_in_s is None else NOW + expires_in_s
    assert is_due(replace(ONE, expires_at=at), now=NOW) is due


@pytest.mark.parametrize(
    ("changes", "newer"),
    [
        ({"access_token": Secret("at_two")}, True),
        ({}, False),
        ({"access_token": Secret("at_two"), "expires_at": NOW + 100}, False),
        ({"access_token": Secret("at_two"), "expires_at": NOW + 900}, False),
        ({"access_token": Secret("at_two"), "expires_at": NOW + 2000}, True),
        ({"access_token": Secret("at_two"), "expires_at": None}, True),
    ],
)
def test_a_newer_token_is_another_that_lasts_longer(changes: Any, newer: bool) -> None:
    assert is_newer(replace(ONE, **changes), ONE, now=NOW) is newer


def test_an_account_is_its_user_and_its_workspace() -> None:
    assert is_same_account(ONE, replace(ONE, access_token=Secret("at_two")))
    assert is_same_account(ONE, replace(ONE, user_id=None))
    assert not is_same_account(ONE, replace(ONE, user_id="other"))
    assert not is_same_account(ONE, replace(ONE, account_id="other"))
