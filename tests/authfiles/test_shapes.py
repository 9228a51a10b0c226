from __future__ import annotations

import json
import re
from pathlib import Path
from typing import Any

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from poller.authfiles.claims import NO_CLAIMS, read_claims
from poller.authfiles.shapes import Login, has_proof, parse, token_places
from poller.values import Credential, Failure, FailureKind
from tests.auth_files import LATER, NOW, OPENAI, codex, content, jwt, several, token

SHAPES = Path(__file__).parents[1] / "data" / "auth"


def logins(document: Any) -> tuple[Login, ...]:
    found = parse(content(document), now=NOW)
    assert isinstance(found, tuple), found
    return found


def only(document: Any) -> Credential:
    (login,) = logins(document)
    assert isinstance(login.outcome, Credential), login.outcome
    return login.outcome


def refusal(document: Any) -> Failure:
    (login,) = logins(document)
    assert isinstance(login.outcome, Failure)
    return login.outcome


def whole(document: Any) -> Failure:
    found = parse(document if isinstance(document, bytes) else content(document), now=NOW)
    assert isinstance(found, Failure)
    return found


def with_tokens(**tokens: Any) -> dict[str, Any]:
    document = codex()
    document["tokens"] |= tokens
    return document


def filled(document: Any) -> bytes:
    """Return a fixture with tokens where it says ``<access alice>``."""
    text = json.dumps(document)
    for who in ("alice", "bob"):
        text = text.replace(f"<access {who}>", token(who)).replace(f"<id {who}>", token(who, exp=1))
        text = text.replace(f"<older {who}>", token(who, exp=NOW + 5))
    return text.encode()


def flat(**members: Any) -> dict[str, Any]:
    return {"access_token": token(), "refresh_token": "rt_alice", "account_id": "acc-1"} | members


@pytest.mark.parametrize("path", sorted(SHAPES.glob("*.json")), ids=lambda path: path.stem)
def test_every_shape_gives_its_logins(path: Path) -> None:
    case = json.loads(path.read_text())
    found = parse(filled(case["file"]), now=NOW)
    assert isinstance(found, tuple)
    assert has_proof(found)
    sent = [each.outcome for each in found if isinstance(each.outcome, Credential)]
    assert {each.access_token.reveal() for each in sent} <= {token("alice"), token("bob")}
    assert [
        {
            "name": login.name,
            "shape": login.shape,
            "disabled": login.disabled,
            "account_id": login.outcome.account_id,
            "user_id": login.outcome.user_id,
            "refreshable": login.outcome.refresh_token is not None,
        }
        if isinstance(login.outcome, Credential)
        else {"name": login.name, "shape": login.shape, "kind": login.outcome.kind}
        for login in found
    ] == case["logins"]


def test_codex_file_says_who_it_is() -> None:
    credential = only(codex())
    assert credential.access_token.reveal() == token()
    assert credential.refresh_token is not None
    assert credential.refresh_token.reveal() == "rt_alice"
    assert credential.id_token is not None
    assert credential.account_id == "acc-alice"
    assert credential.user_id == "user-alice"
    assert credential.email == "alice@example.com"
    assert credential.plan == "plus"
    assert credential.expires_at == LATER
    assert credential.fedramp is False


def test_byte_order_mark_and_unknown_keys_do_no_harm() -> None:
    document = content(codex(agent_identity={"x": [1]}, new="key"))
    assert isinstance(parse(b"\xef\xbb\xbf" + document, now=NOW), tuple)


@pytest.mark.parametrize("account_id", [None, "", 5, ["acc"]])
def test_account_id_comes_from_the_id_token_first(account_id: object) -> None:
    document = with_tokens(
        account_id=account_id, id_token=token(chatgpt_account_id="from-id", exp=1)
    )
    assert only(document).account_id == "from-id"


@pytest.mark.parametrize("id_token", [None, "", 7, "nonsense", "a.b.c", "ä.ö.ü", "a.W10.c", "a.b"])
def test_account_id_comes_from_the_access_token_otherwise(id_token: object) -> None:
    assert only(with_tokens(account_id=None, id_token=id_token)).account_id == "acc-alice"


def test_account_id_at_the_top_of_the_claims_counts_too() -> None:
    document = with_tokens(account_id=None, id_token=jwt({"chatgpt_account_id": "top"}))
    document["tokens"]["access_token"] = "opaque"
    assert only(document).account_id == "top"


def test_id_token_fills_what_the_access_token_leaves_open() -> None:
    id_token = jwt({"email": "a@b.c", OPENAI: {"user_id": "u", "chatgpt_plan_type": "pro"}})
    credential = only(with_tokens(access_token=jwt({"exp": LATER}), id_token=id_token))
    assert (credential.user_id, credential.plan, credential.email) == ("u", "pro", "a@b.c")


def test_access_token_says_who_asks_where_the_id_token_is_another_logins() -> None:
    assert only(with_tokens(id_token=token("bob"))).user_id == "user-alice"


def test_fedramp_needs_the_claim_to_be_true() -> None:
    yes = token(chatgpt_account_is_fedramp=True)
    text = token(chatgpt_account_is_fedramp="true")
    assert only(with_tokens(access_token=yes)).fedramp is True
    assert only(with_tokens(access_token=text)).fedramp is False


def test_email_beside_the_tokens_counts_where_no_claim_has_one() -> None:
    assert only(flat(access_token="opaque", email="a\x1b@b.c")).email == "a\\x1b@b.c"


@pytest.mark.parametrize(
    "mode", ["apikey", "personalAccessToken", "agentIdentity", "bedrockApiKey", None, 5]
)
def test_tokens_that_are_there_count_whatever_the_mode_says(mode: object) -> None:
    assert only(codex(auth_mode=mode, OPENAI_API_KEY="sk-made-up")).account_id == "acc-alice"


@pytest.mark.parametrize(
    "document",
    [
        {"auth_mode": "apikey", "OPENAI_API_KEY": "sk-made-up", "tokens": None},
        {"OPENAI_API_KEY": "sk-made-up"},
        {"auth_mode": "chatgpt", "tokens": {"access_token": "sk-made-up", "account_id": "acc-1"}},
    ],
)
def test_api_key_alone_is_not_a_credential(document: object) -> None:
    failure = refusal(document)
    assert failure.kind is FailureKind.NO_CREDENTIALS
    assert "API key" in failure.message
    assert "ChatGPT" in failure.hint


HERMES_KEY = {"auth_type": "api_key", "access_token": "made-up", "account_id": "acc-1"}


@pytest.mark.parametrize(
    "document",
    [
        {"openai": {"type": "api", "key": "sk-made-up"}},
        {"profiles": {"openai:x": {"type": "api_key", "key": "sk-made-up"}}},
        {"accounts": [{"name": "a", "auth_data": {"type": "api_key", "key": "sk-made-up"}}]},
        {"accounts": [{"platform": "openai", "credentials": {"api_key": "sk-made-up"}}]},
        {"credential_pool": {"openai": [HERMES_KEY, HERMES_KEY]}},
    ],
)
def test_api_keys_alone_in_a_file_of_several_are_not_credentials(document: object) -> None:
    failure = whole(document)
    assert failure.kind is FailureKind.NO_CREDENTIALS
    assert "API key" in failure.message
    assert "ChatGPT" in failure.hint


def test_api_key_among_other_settings_is_no_auth_file_but_explained() -> None:
    failure = whole({"OPENAI_API_KEY": "sk-made-up", "ANTHROPIC_API_KEY": "x"})
    assert failure.kind is FailureKind.NO_CREDENTIALS
    assert "API key" in failure.message


@pytest.mark.parametrize("access_token", [None, "", 5, [], {}])
def test_no_access_token_is_no_credential(access_token: object) -> None:
    failure = refusal(with_tokens(access_token=access_token))
    assert failure.kind is FailureKind.NO_CREDENTIALS
    assert "access token" in failure.message


@pytest.mark.parametrize("tokens", [None, {}, 5, "x", []])
def test_codex_file_without_tokens_is_one_login_without_credentials(tokens: object) -> None:
    assert refusal(codex(tokens=tokens)).kind is FailureKind.NO_CREDENTIALS


def test_no_account_id_anywhere_is_no_credential() -> None:
    failure = refusal(with_tokens(access_token="opaque", id_token=None, account_id=None))
    assert failure.kind is FailureKind.NO_CREDENTIALS
    assert "account id" in failure.message


@pytest.mark.parametrize("bad", ["x y", "a\r\nb", "a\nb", "a\0b", "a\tb", "é", "x" * 8193, "\x7f"])
@pytest.mark.parametrize("key", ["access_token", "account_id"])
def test_what_fits_no_header_is_refused(key: str, bad: str) -> None:
    failure = refusal(with_tokens(**{key: bad}))
    assert failure.kind is FailureKind.INVALID_TOKEN
    assert key.replace("_", " ") in failure.message
    assert bad not in failure.message + failure.hint


def test_token_of_8192_characters_is_tried() -> None:
    assert only(with_tokens(access_token="x" * 8192)).expires_at is None


def test_browser_session_token_never_works() -> None:
    failure = refusal(with_tokens(access_token="sess-0123456789abcdef"))
    assert failure.kind is FailureKind.INVALID_TOKEN
    assert "never works" in failure.hint
    assert "0123" not in repr(failure)


@pytest.mark.parametrize(
    ("ago_s", "said"),
    [
        (61, "1 minute ago"),
        (3 * 60, "3 minutes ago"),
        (3600, "1 hour ago"),
        (3 * 86400 + 5, "3 days ago"),
    ],
)
def test_expired_token_is_refused_with_how_long_ago(ago_s: int, said: str) -> None:
    failure = refusal(codex(exp=NOW - ago_s))
    assert failure.kind is FailureKind.TOKEN_EXPIRED
    assert said in failure.message
    assert failure.may_work_later is False


def test_expiry_has_a_minute_of_leeway() -> None:
    assert only(codex(exp=NOW - 60)).expires_at == NOW - 60


@pytest.mark.parametrize("exp", [None, "soon", "1", True, [], -5, 1e300, 10**30])
def test_token_with_a_nonsense_expiry_is_tried(exp: object) -> None:
    assert only(codex(exp=exp)).expires_at is None


def test_expiry_that_is_not_a_json_number_leaves_the_token_undecoded() -> None:
    assert read_claims(jwt({"exp": float("inf")})) == NO_CLAIMS


def test_plan_is_shown_escaped_cut_and_without_a_token() -> None:
    def plan(told: str) -> str | None:
        return only(codex(tokens={"access_token": token(chatgpt_plan_type=told)})).plan

    assert plan("\x1b[2J") == "\\x1b[2J"
    assert plan("\x1b" * 500) == "\\x1b" * 50
    assert plan(f"plan {jwt({})}") == "plan ***"


@pytest.mark.parametrize(
    "broken",
    [
        b"",
        b" \n",
        b"\0\0\0",
        b"{",
        b'{"tokens": {"access_token": "eyJ',
        b"{} {}",
        b'{"exp": NaN}',
        b'{"exp": 1e999}',
        b"\xff\xfe{\x00}\x00",
        b'{"a": "\xed\xa0\x80"}',
        b'{"a": "\\ud800"}',
        b"[" * 100_000,
        b'{"a":' * 100_000,
        b"nope",
    ],
)
def test_anything_but_json_may_be_half_written(broken: bytes) -> None:
    failure = whole(broken)
    assert failure.kind is FailureKind.FILE_INVALID
    assert failure.may_work_later is True


def test_messages_tell_empty_from_encoding_from_syntax() -> None:
    said = {whole(broken).message for broken in (b"", b"\xff", b"{")}
    assert said == {
        "the file is empty",
        "the file is not UTF-8 text",
        "the file is not valid JSON",
    }


@pytest.mark.parametrize("value", [None, 1, "text", [], [{}], True])
def test_json_that_is_not_an_object_stays_invalid(value: object) -> None:
    failure = whole(value)
    assert failure.kind is FailureKind.FILE_INVALID
    assert failure.may_work_later is False


@pytest.mark.parametrize(
    "foreign",
    [
        {},
        {"name": "left-pad", "version": "1.0.0"},
        {"version": 1, "profiles": {}},
        {"version": 1, "accounts": []},
        {"version": 1, "accounts": {"a": 1}},
        {"accounts": [5, {"name": "x"}, {"name": "x", "auth_data": {}, "provider": "anthropic"}]},
        {"profiles": {"openai-codex:x": 5, "anthropic:x": {"access": "a", "accountId": "b"}}},
        {
            "profiles": {
                "openai-codex:x": {"provider": "anthropic", "access": "a", "accountId": "b"}
            }
        },
        {"profiles": {"openai-compatible:x": {"access": "a", "accountId": "b"}}},
        {"anthropic": {"type": "oauth", "access": "a", "refresh": "b", "accountId": "c"}},
        {"openrouter": {"type": "oauth", "access": "a", "accountId": "c"}},
        {"openai": {"apiKey": "x", "model": "y"}},
        {"openai": "sk-made-up"},
        {"access_token": "ya29", "refresh_token": "1//", "token_type": "Bearer", "scope": "x"},
        {"access_token": "sl.x", "account_id": "dbid:x", "token_type": "bearer"},
        {"access_token": "x"},
        {"accounts": [{"accessToken": "x", "refreshToken": "y", "accountId": "z"}]},
        {"accounts": [{"credentials": {"access_token": "x", "account_id": "y"}}]},
        {"providers": {"anthropic": {"tokens": {"access_token": "x", "account_id": "y"}}}},
        {"credential_pool": {"openrouter": [{"access_token": "x", "account_id": "y"}]}},
        flat(type="gemini"),
        flat(type="claude"),
        flat(type="qwen"),
        flat(type=5),
        flat(provider="anthropic"),
        flat(access_token=jwt({"iss": "https://accounts.google.com", "exp": LATER})),
        {"type": "claude", "tokens": codex()["tokens"]},
        {"tokens": {"colour": {"primary": "#fff"}}},
        {"tokens": {"access_token": "x", "refresh_token": "y"}},
        {"type": "service_account", "project_id": "x", "private_key": "y"},
    ],
)
def test_other_providers_tokens_are_never_taken(foreign: object) -> None:
    failure = whole(foreign)
    assert failure.kind is FailureKind.NO_CREDENTIALS
    assert failure.may_work_later is False


@pytest.mark.parametrize("kind", ["codex", "oauth", "openai-codex", "OAuth", None])
def test_flat_file_of_ours_counts(kind: str | None) -> None:
    assert only(flat(type=kind)).account_id == "acc-1"


def test_flat_file_without_account_id_counts_where_the_claims_are_openais() -> None:
    assert only({"accessToken": token()}).account_id == "acc-alice"
    assert only({"access_token": "opaque", "id_token": token()}).account_id == "acc-alice"


def test_flat_file_that_says_codex_counts_without_more() -> None:
    assert refusal({"type": "codex"}).kind is FailureKind.NO_CREDENTIALS


def test_only_openais_entries_of_a_file_for_all_providers_come_out() -> None:
    document = {
        "anthropic": {"type": "oauth", "access": "never", "accountId": "x"},
        "openai": {"type": "oauth", "access": token(), "accountId": "acc-1", "expires": 0},
        "openai-codex": {"type": "oauth", "access": token("bob")},
        "google": 5,
    }
    assert [login.name for login in logins(document)] == ["openai", "openai-codex"]


def test_provider_decides_where_an_openclaw_profile_has_one() -> None:
    profile = {"provider": "openai-codex", "access": token()}
    assert logins({"profiles": {"mine": profile}})[0].name == "mine"


def test_names_in_a_file_never_collide() -> None:
    found = logins(several("a", "a", "a#2", "", "a", "b\x1b"))
    assert [login.name for login in found] == ["a", "a#2", "a#2#2", "4", "a#3", "b\\x1b"]


def test_profile_without_a_name_gets_its_number() -> None:
    found = logins({"profiles": {"": {"provider": "openai", "access": token()}}})
    assert found[0].name == "1"


@pytest.mark.parametrize("name", ["a", "a" * 64_000, "\x1b" * 64_000, "工" * 300, "", "\ud800"])
def test_names_of_any_length_are_cut_and_told_apart(name: str) -> None:
    document = several("x", "y", "z")
    for account in document["accounts"][:2]:
        account["name"] = name
    text = json.dumps(document).encode()
    if name == "\ud800":  # which is no name, and no JSON to everybody
        assert isinstance(parse(text, now=NOW), Failure)
        return
    found = parse(text, now=NOW)
    assert isinstance(found, tuple)
    names = [login.name or "" for login in found]
    assert len({*names}) == 3
    assert all(0 < len(each) <= 200 and each.isprintable() for each in names)


def many(count: int, **more: Any) -> dict[str, Any]:
    account = {"name": "a", "auth_data": {"access_token": "x", "account_id": "acc-1"} | more}
    return {"accounts": [account] * count}


def test_a_thousand_accounts_of_one_name_are_told_apart() -> None:
    found = logins(many(1_000))
    assert len({login.name for login in found}) == 1_000


@pytest.mark.parametrize(("id_token", "proven"), [("x", False), (token(), True)])
def test_a_file_of_more_accounts_is_refused_whole(id_token: str, proven: bool) -> None:
    (login,) = logins(many(1_001, id_token=id_token))
    assert isinstance(login.outcome, Failure)
    assert login.outcome.kind is FailureKind.FILE_INVALID
    assert "1000" in login.outcome.message
    assert (login.name, login.held, login.proven) == (None, None, proven)


def test_accounts_that_are_none_do_not_count_to_a_thousand() -> None:
    document = many(1_000)
    document["accounts"] += [{"name": "key", "auth_data": {"key": "sk-made-up"}}] * 5_000
    assert len(logins(document)) == 1_000


def test_api_keys_and_entries_without_a_token_beside_logins_are_passed_over() -> None:
    document = several("a", "b", "c", "d")
    document["accounts"][1]["auth_data"] = None
    document["accounts"][2]["auth_data"] = {"type": "api_key", "key": "sk-made-up"}
    assert [login.name for login in logins(document)] == ["a", "d"]


def test_one_bad_account_leaves_its_neighbours_alone() -> None:
    document = several("a", "b", "c")
    document["accounts"][1]["auth_data"] = {"refresh_token": "rt_made-up"}
    kinds = [isinstance(login.outcome, Credential) for login in logins(document)]
    assert kinds == [True, False, True]


# Whose tokens they are

GOOGLE = jwt({"iss": "https://accounts.google.com", "exp": LATER, OPENAI: {"user_id": "u"}})
NAMELESS = jwt({"user_id": "u", "chatgpt_plan_type": "plus", "email": "u@example.com"})
"""It names no issuer, and leaves no gap that the id token would fill."""


@pytest.mark.parametrize(
    "issuer",
    [
        "https://accounts.google.com",
        "https://openai.com.evil.example",
        "https://evil.example/openai.com",
        "https://evil.example/.openai.com",
        "https://evilopenai.com",
        "https://openai.com@evil.example",
        "https://openai.com:443@evil.example/",
        "http://auth.openai.com",
        "openai",
        "",
        "x" * 100_000,
        7,
        ["https://auth.openai.com"],
    ],
)
def test_a_token_of_another_issuer_is_never_openais(issuer: object) -> None:
    claims = read_claims(jwt({"iss": issuer, OPENAI: {"chatgpt_account_id": "acc-1"}}))
    assert (claims.is_openai, claims.is_foreign) == (False, True)


@pytest.mark.parametrize(
    "issuer",
    [
        "https://auth.openai.com",
        "https://auth.openai.com/",
        "https://auth0.openai.com/",
        "https://AUTH.OpenAI.com:443/x?y#z",
        "auth.openai.com",
        "https://chatgpt.com",
        None,
    ],
)
def test_openais_issuers_are_known_by_their_host(issuer: str | None) -> None:
    claims = read_claims(jwt({"iss": issuer, OPENAI: {"chatgpt_account_id": "acc-1"}}))
    assert (claims.is_openai, claims.is_foreign) == (True, False)


@pytest.mark.parametrize(
    "document",
    [
        with_tokens(access_token=GOOGLE),
        with_tokens(access_token="opaque", id_token=GOOGLE),
        flat(access_token=GOOGLE),
        flat(type="codex", access_token=GOOGLE),
        flat(access_token="opaque", id_token=GOOGLE),
        flat(access_token=NAMELESS, id_token=GOOGLE),
        with_tokens(access_token="opaque", refresh_token=GOOGLE, id_token=None),
        flat(access_token="opaque", refresh_token=GOOGLE),
        {"openai": {"type": "oauth", "access": "opaque", "refresh": GOOGLE, "accountId": "acc-1"}},
        {"openai": {"type": "oauth", "access": GOOGLE, "accountId": "acc-1"}},
        {"openai-codex": {"type": "oauth", "access": GOOGLE, "accountId": "acc-1"}},
        {"profiles": {"openai-codex:x": {"access": GOOGLE, "accountId": "acc-1"}}},
        {"accounts": [{"auth_data": {"access_token": GOOGLE, "account_id": "acc-1"}}]},
        {"accounts": [{"platform": "openai", "credentials": {"access_token": GOOGLE}}]},
        {"activeIndex": 0, "accounts": [{"accessToken": GOOGLE, "accountId": "acc-1"}]},
        {"providers": {"openai-codex": {"tokens": {"access_token": GOOGLE}}}},
        {"credential_pool": {"openai-codex": [{"access_token": GOOGLE}]}},
    ],
)
def test_a_token_of_another_issuer_loses_in_every_shape(document: object) -> None:
    failure = whole(document)
    assert failure.kind is FailureKind.NO_CREDENTIALS
    assert "issued by another service" in failure.message


def test_an_entry_of_another_issuer_is_passed_over_beside_others() -> None:
    document = several("a", "b")
    document["accounts"][0]["auth_data"]["access_token"] = GOOGLE
    assert [login.name for login in logins(document)] == ["b"]


def test_an_access_token_of_openais_counts_whatever_lies_beside_it() -> None:
    assert only(with_tokens(account_id=None, id_token=GOOGLE)).account_id == "acc-alice"


def test_tokens_that_are_longer_than_any_are_left_out() -> None:
    long = "x" * 8_193
    assert only(with_tokens(refresh_token=long)).refresh_token is None
    assert only(with_tokens(id_token=long)).id_token is None
    (login,) = logins(with_tokens(access_token=long))
    assert login.held is None
    assert only(with_tokens(refresh_token=long[1:])).refresh_token is not None


def test_a_refresh_token_of_another_issuer_is_never_sent() -> None:
    assert only(with_tokens(refresh_token=GOOGLE)).refresh_token is None


@pytest.mark.parametrize(
    ("document", "proven"),
    [
        (codex(), True),
        (flat(), True),
        (flat(access_token="opaque", id_token=token()), True),
        (flat(type="codex", access_token="opaque"), True),
        ({"type": "codex"}, True),
        (codex(exp=1), True),
        (several("a"), True),
        (flat(access_token="opaque"), False),
        (flat(type="oauth", access_token="opaque"), False),
        (
            flat(access_token="access-sandbox-11111111-2222", account_id="vzeNDwK7KQIm4yEog683"),
            False,
        ),
        (flat(access_token=jwt({"sub": "x"})), False),
        (codex(tokens={"access_token": "opaque", "account_id": "acc-1"}), False),
        ({"OPENAI_API_KEY": "sk-made-up"}, False),
        ({"openai": {"type": "oauth", "access": "opaque", "accountId": "x"}}, False),
        (many(3), False),
    ],
)
def test_a_file_proves_itself_by_a_token_of_openais_or_by_saying_codex(
    document: object, proven: bool
) -> None:
    found = logins(document)
    assert has_proof(found) is proven
    assert [login.proven for login in found] == [proven] * len(found)


def test_a_file_that_is_not_an_auth_file_proves_nothing() -> None:
    assert not has_proof(whole({"name": "left-pad"}))
    assert not has_proof(whole(flat(access_token=GOOGLE)))


# Hermes


def hermes(provider: dict[str, Any] | None, *pool: dict[str, Any]) -> dict[str, Any]:
    providers = {} if provider is None else {"openai-codex": {"tokens": provider}}
    return {"providers": providers, "credential_pool": {"openai-codex": [*pool]}}


def tokens_of(who: str, refresh: str = "rt_1", **more: Any) -> dict[str, Any]:
    return {"access_token": token(who), "refresh_token": refresh, **more}


@pytest.mark.parametrize(
    ("document", "expected"),
    [
        (hermes(tokens_of("a", "rt_2"), tokens_of("a", label="work")), [("work", "rt_2")]),
        (
            hermes(tokens_of("a", "rt_2"), tokens_of("b", label="x"), tokens_of("a", id="a1")),
            [("a1", "rt_2"), ("x", "rt_1")],
        ),
        (
            hermes(tokens_of("c", "rt_2"), tokens_of("a"), tokens_of("b")),
            [("openai-codex", "rt_2"), ("1", "rt_1"), ("2", "rt_1")],
        ),
        # One user, two workspaces: two accounts.
        (
            hermes(tokens_of("a", "rt_2", account_id="acc-1"), tokens_of("a", account_id="acc-2")),
            [("openai-codex", "rt_2"), ("1", "rt_1")],
        ),
        # Nothing tells whose an opaque token is but its refresh token.
        (
            hermes(
                {"access_token": "new", "refresh_token": "rt_1", "account_id": "acc-1"},
                {"access_token": "old", "refresh_token": "rt_1", "account_id": "acc-1", "id": "a"},
                {"access_token": "old", "refresh_token": "rt_2", "account_id": "acc-1", "id": "b"},
            ),
            [("a", "rt_1"), ("b", "rt_2")],
        ),
        (hermes({}, tokens_of("a", label="work")), [("work", "rt_1")]),
        (hermes(None, tokens_of("a"), tokens_of("a")), [("1", "rt_1"), ("2", "rt_1")]),
    ],
)
def test_of_two_copies_of_a_login_the_fresher_one_counts(
    document: object, expected: list[tuple[str, str]]
) -> None:
    found = logins(document)
    held = [each.held.refresh_token if each.held else None for each in found]
    refresh_tokens = ["" if each is None else each.reveal() for each in held]
    assert [*zip([each.name for each in found], refresh_tokens, strict=True)] == expected


def test_the_tokens_of_both_copies_have_their_places() -> None:
    document = hermes(tokens_of("a"), tokens_of("a", label="work"))
    places = token_places(document)
    assert [tokens is around for tokens, around in places] == [False, True]
    assert places[0][0] is document["providers"]["openai-codex"]["tokens"]
    assert places[1][0] is document["credential_pool"]["openai-codex"][0]


def test_switched_off_is_said_in_two_ways() -> None:
    document = several("a", "b", "c")
    document["accounts"][0]["enabled"] = False
    document["accounts"][1]["enabled"] = True
    assert [login.disabled for login in logins(document)] == [True, False, False]


@pytest.mark.parametrize("document", [codex(disabled=True), flat(disabled=True)])
def test_file_that_is_switched_off_says_so(document: object) -> None:
    assert [login.disabled for login in logins(document)] == [True]


def test_switch_stands_at_the_file_or_at_the_account() -> None:
    document = several("a", "b")
    document["accounts"][0]["disabled"] = True
    document["accounts"][1]["disabled"] = "true"
    assert [login.disabled for login in logins(document)] == [True, False]
    assert [login.disabled for login in logins(document | {"disabled": True})] == [True, True]


def test_no_failure_holds_a_piece_of_a_token() -> None:
    secret = "rt_SECRETSECRETSECRET"
    for document in (
        with_tokens(access_token=secret + "\n", refresh_token=secret),
        with_tokens(access_token=secret, account_id=secret + "\n"),
        codex(exp=1) | {"OPENAI_API_KEY": secret},
        {"auth_mode": "apikey", "OPENAI_API_KEY": secret},
    ):
        assert "SECRET" not in repr([login.outcome for login in logins(document)])
    assert "SECRET" not in repr(parse(b'{"a": "' + secret.encode(), now=NOW))
    assert "SECRET" not in repr(logins(with_tokens(access_token=secret)))


KEYS = [
    "tokens",
    "access_token",
    "account_id",
    "accountId",
    "access",
    "id_token",
    "profiles",
    "accounts",
    "auth_data",
    "openai",
    "openai-codex",
    "type",
    "provider",
    "disabled",
    "name",
    "OPENAI_API_KEY",
    "auth_mode",
    "exp",
    "email",
    "iss",
    "key",
    "https://api.openai.com/auth",
    "https://api.openai.com/profile",
    *("providers", "credential_pool", "credentials", "platform", "label", "enabled"),
    *("accessToken", "refreshToken", "activeIndex", "auth_type"),
]
json_values = st.recursive(
    st.none() | st.booleans() | st.integers() | st.floats(allow_nan=False) | st.text(),
    lambda inner: (
        st.lists(inner, max_size=3)
        | st.dictionaries(
            st.sampled_from(KEYS) | st.text(max_size=5),
            inner,
            max_size=4,
        )
    ),
    max_leaves=12,
)


@settings(deadline=None)
@given(json_values)
def test_any_json_gives_logins_or_a_failure(value: Any) -> None:
    found = parse(content(value), now=NOW)
    assert isinstance(found, Failure) or (found and all(isinstance(x, Login) for x in found))


@settings(deadline=None)
@given(json_values)
def test_any_claims_give_a_credential_or_a_failure(value: Any) -> None:
    found = parse(content(with_tokens(access_token=jwt(value))), now=NOW)
    is_foreign = isinstance(value, dict) and value.get("iss") is not None
    assert isinstance(found, Failure) == is_foreign


@pytest.mark.parametrize("odd", [float("inf"), float("nan"), "\ud83d", int("9" * 400)])
def test_an_issuer_counts_in_claims_that_only_others_can_read(odd: Any) -> None:
    foreign = jwt({"iss": "https://accounts.google.com", "odd": odd})
    assert isinstance(parse(content(with_tokens(access_token=foreign)), now=NOW), Failure)
    ours = jwt({"iss": "https://auth.openai.com", "odd": odd, "exp": int("9" * 400)})
    assert not isinstance(parse(content(with_tokens(access_token=ours)), now=NOW), Failure)


@settings(deadline=None)
@given(st.binary(max_size=64))
def test_any_bytes_give_logins_or_a_failure(value: bytes) -> None:
    assert isinstance(parse(value, now=NOW), Failure | tuple)


@settings(deadline=None)
@given(st.integers(0, len(content(codex()))), st.binary(max_size=2))
def test_codex_file_cut_or_garbled_anywhere_never_raises(at: int, put: bytes) -> None:
    whole_file = content(codex())
    for broken in (whole_file[:at], whole_file[:at] + put + whole_file[at + len(put) :]):
        assert isinstance(parse(broken, now=NOW), Failure | tuple)


def test_every_message_is_lower_case_without_a_full_stop() -> None:
    for failure in (
        whole(b""),
        whole(b"\xff"),
        whole([]),
        whole({}),
        refusal(codex(exp=1)),
        refusal(codex(tokens=None)),
        refusal(with_tokens(access_token="sess-x")),
        refusal(with_tokens(access_token="a b")),
    ):
        for said in (failure.message, failure.hint):
            assert re.match(r"[a-z]", said), said
            assert not said.endswith("."), said
