from __future__ import annotations

import base64
import json
from collections import Counter
from itertools import islice
from typing import Any

import pytest

from poller.simulator.accounts import auth_file, demo_accounts, jwt, made_up
from poller.simulator.faults import fault_of
from poller.simulator.payloads import SHAPES, payload_of

NOW = 1_790_000_000


def claims_of(token: str) -> Any:
    part = token.split(".")[1]
    return json.loads(base64.urlsafe_b64decode(part + "=" * (-len(part) % 4)))


def tokens_of(content: bytes) -> Any:
    return json.loads(content)["tokens"]


def test_a_token_has_three_parts_and_carries_its_claims() -> None:
    token = jwt({"exp": 1, "name": "学习"})
    assert token.count(".") == 2
    assert claims_of(token) == {"exp": 1, "name": "学习"}
    assert "=" not in token


def test_an_auth_file_is_the_codex_clis() -> None:
    content = json.loads(auth_file(user_id="user-a", account_id="acct-a", expires_at=NOW))
    assert content["auth_mode"] == "chatgpt"
    assert content["OPENAI_API_KEY"] is None
    assert set(content["tokens"]) == {"id_token", "access_token", "refresh_token", "account_id"}
    assert content["tokens"]["refresh_token"].startswith("rt_")
    assert content["last_refresh"].endswith("Z")


def test_an_access_token_names_user_workspace_plan_and_email() -> None:
    file = auth_file(
        user_id="user-a", account_id="acct-a", plan="team", email="a@b.c", expires_at=NOW
    )
    claims = claims_of(tokens_of(file)["access_token"])
    auth = claims["https://api.openai.com/auth"]
    assert (auth["chatgpt_user_id"], auth["chatgpt_account_id"]) == ("user-a", "acct-a")
    assert auth["chatgpt_plan_type"] == "team"
    assert "chatgpt_account_is_fedramp" not in auth
    assert claims["https://api.openai.com/profile"]["email"] == "a@b.c"
    assert claims["exp"] == NOW
    assert 1_000 < len(tokens_of(file)["access_token"]) < 2_500


def test_an_id_token_names_the_same_account() -> None:
    claims = claims_of(
        tokens_of(auth_file(user_id="user-a", account_id="acct-a", expires_at=NOW))["id_token"]
    )
    assert claims["https://api.openai.com/auth"]["chatgpt_account_id"] == "acct-a"
    assert claims["email"] == "user-a@example.com"


def test_a_file_can_be_made_otherwise() -> None:
    content = json.loads(
        auth_file(
            user_id="user-a",
            account_id="acct-a",
            expires_at=NOW,
            fedramp=True,
            refresh_token="rt_mine",
            account_id_in_file=False,
            extra={"OPENAI_API_KEY": "sk-x", "note": 1},
        )
    )
    auth = claims_of(content["tokens"]["access_token"])["https://api.openai.com/auth"]
    assert auth["chatgpt_account_is_fedramp"] is True
    assert content["tokens"]["refresh_token"] == "rt_mine"
    assert "account_id" not in content["tokens"]
    assert (content["OPENAI_API_KEY"], content["note"]) == ("sk-x", 1)


def test_a_file_can_hold_an_opaque_token() -> None:
    file = auth_file(user_id="u", account_id="a", expires_at=NOW, access_token="opaque")
    assert tokens_of(file)["access_token"] == "opaque"


def test_generated_accounts_are_the_same_every_time() -> None:
    assert list(made_up(20, now=NOW, fault_share=0.5)) == list(
        made_up(20, now=NOW, fault_share=0.5)
    )


def test_another_seed_makes_other_accounts() -> None:
    plans = [[a.plan for a in made_up(50, now=NOW, seed=seed)] for seed in (1, 2)]
    assert plans[0] != plans[1]


def test_accounts_are_made_as_they_are_asked_for() -> None:
    first = list(islice(made_up(10**12, now=NOW), 2))
    assert [a.name for a in first] == ["acct-000000", "acct-000001"]


@pytest.mark.parametrize("share", [0.0, 0.05, 0.2, 1.0])
def test_exactly_the_share_asked_for_has_a_fault(share: float) -> None:
    faulty = [a for a in made_up(1_000, now=NOW, fault_share=share) if "~" in a.account_id]
    assert len(faulty) == 1_000 * share


def test_every_fault_of_the_mix_exists() -> None:
    for account in made_up(300, now=NOW, fault_share=1.0):
        fault_of(account.account_id.partition("~")[2])


def test_a_mix_can_be_one_fault() -> None:
    ids = [a.account_id for a in made_up(4, now=NOW, fault_share=0.5, fault_mix=("503x1",))]
    assert ids == ["acct-000000", "acct-000001~503x1", "acct-000002", "acct-000003~503x1"]


def test_members_of_a_team_share_the_account_id_and_nothing_else() -> None:
    accounts = list(made_up(6, now=NOW, team_size=3))
    assert Counter(a.account_id for a in accounts) == {"acct-000000": 3, "acct-000001": 3}
    assert len({a.user_id for a in accounts}) == 6
    assert len({a.auth_file for a in accounts}) == 6


def test_generated_tokens_have_not_expired() -> None:
    for account in made_up(50, now=NOW):
        assert claims_of(tokens_of(account.auth_file)["access_token"])["exp"] > NOW


def test_the_demo_shows_every_plan_shape_and_trouble() -> None:
    accounts = list(demo_accounts(12, now=NOW))
    ids = " ".join(a.account_id for a in accounts)
    for part in ("two_windows", "weekly_only", "monthly", "exhausted", "on_credits", "spend_limit"):
        assert f"+{part}" in ids
    for part in ("~503x1", "~429-after-1x1", "~edge"):
        assert part in ids
    expired = [
        a.name for a in accounts if claims_of(tokens_of(a.auth_file)["access_token"])["exp"] < NOW
    ]
    assert expired == ["old-laptop"]
    assert "学习" in {a.name for a in accounts}


@pytest.mark.parametrize("count", [0, 1, 3, 12, 15])
def test_the_demo_has_as_many_accounts_as_asked_for(count: int) -> None:
    accounts = list(demo_accounts(count, now=NOW))
    assert len(accounts) == len({a.name for a in accounts}) == count


def test_figures_belong_to_user_and_account_together() -> None:
    def limit(user_id: str, account_id: str) -> object:
        return payload_of(user_id, account_id, now=NOW, shape="two_windows")["rate_limit"]

    assert limit("u1", "a1") == limit("u1", "a1")
    assert limit("u1", "a1") != limit("u2", "a1")
    assert limit("u1", "a1") != limit("u1", "a2")


def test_resets_stay_put_while_time_passes() -> None:
    payloads: list[Any] = [
        payload_of("u", "a", now=at, shape="weekly_only") for at in (NOW, NOW + 1)
    ]
    first, second = (p["rate_limit"]["primary_window"] for p in payloads)
    assert first["reset_at"] == second["reset_at"] > NOW
    assert first["reset_after_seconds"] == second["reset_after_seconds"] + 1


def test_a_window_not_begun_resets_a_whole_length_from_now() -> None:
    payload: Any = payload_of("u", "a", now=NOW, shape="fresh")
    assert payload["rate_limit"]["primary_window"]["reset_at"] == NOW + 18_000


def test_an_account_id_can_pin_shape_and_figures() -> None:
    payload: Any = payload_of("u", "work+two_windows:42:5.5~503x1", now=NOW)
    limit = payload["rate_limit"]
    assert limit["primary_window"]["used_percent"] == 42
    assert limit["secondary_window"]["used_percent"] == 5.5
    assert payload["account_id"] == "work+two_windows:42:5.5~503x1"


@pytest.mark.parametrize("account_id", ["a+nonsense:1", "a+", "a+two_windows:x"])
def test_a_pin_that_is_none_is_part_of_the_name(account_id: str) -> None:
    assert payload_of("u", account_id, now=NOW)["account_id"] == account_id


def test_identifiers_not_known_are_left_out() -> None:
    payload = payload_of(None, None, now=NOW)
    assert not {"user_id", "account_id", "email"} & set(payload)


@pytest.mark.parametrize("shape", SHAPES)
def test_every_shape_is_what_the_codex_cli_reads(shape: str) -> None:
    payload: Any = payload_of("u", "a", now=NOW, email="a@b.c", shape=shape)
    json.dumps(payload)
    limits = [payload["rate_limit"], payload["code_review_rate_limit"]]
    limits += [extra["rate_limit"] for extra in payload["additional_rate_limits"] or ()]
    for limit in filter(None, limits):
        assert isinstance(limit["allowed"], bool)
        assert isinstance(limit["limit_reached"], bool)
        for window in filter(None, (limit["primary_window"], limit["secondary_window"])):
            assert all(type(value) is int for value in window.values())
    assert set(payload["credits"]) >= {"has_credits", "unlimited", "balance"}


@pytest.mark.parametrize(
    ("plan", "has_windows"), [("plus", True), ("unheard-of", True), ("business", False)]
)
def test_the_plan_suggests_the_shape(plan: str, has_windows: bool) -> None:
    for index in range(20):
        payload = payload_of("u", f"a{index}", plan=plan, now=NOW)
        assert (payload["rate_limit"] is not None) is has_windows
        assert payload["plan_type"] == plan
