from __future__ import annotations

import json
import re
from pathlib import Path
from typing import Any

import pytest
from hypothesis import given
from hypothesis import strategies as st

from poller.authfiles.claims import NO_CLAIMS, read_claims
from poller.authfiles.shapes import Login, parse
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


def flat(**members: Any) -> dict[str, Any]:
    return {"access_token": token(), "refresh_token": "rt_alice", "account_id": "acc-1"} | members


@pytest.mark.parametrize("path", sorted(SHAPES.glob("*.json")), ids=lambda path: path.stem)
def test_every_shape_gives_its_logins(path: Path) -> None:
    case = json.loads(path.read_text())
    text = json.dumps(case["file"])
    for who in ("alice", "bob"):
        text = text.replace(f"<access {who}>", token(who)).replace(f"<id {who}>", token(who, exp=1))
    found = parse(text.encode(), now=NOW)
    assert isinstance(found, tuple)
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
        {"openai": {"type": "api", "key": "sk-made-up"}},
        {"profiles": {"openai:x": {"type": "api_key", "key": "sk-made-up"}}},
    ],
)
def test_api_key_alone_is_no_credential(document: object) -> None:
    failure = refusal(document)
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


def test_expiry_that_is_no_json_number_leaves_the_token_undecoded() -> None:
    assert read_claims(jwt({"exp": float("inf")})) == NO_CLAIMS


def test_plan_is_shown_escaped() -> None:
    assert only(
        codex() | {"tokens": {"access_token": token(chatgpt_plan_type="\x1b[2J")}}
    ).plan == ("\\x1b[2J")


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
def test_what_is_no_json_may_be_half_written(broken: bytes) -> None:
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
def test_json_that_is_no_object_is_invalid_for_good(value: object) -> None:
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


def test_ten_thousand_accounts_of_one_name_take_no_time() -> None:
    found = logins({"accounts": [{"name": "a", "auth_data": None}] * 10_000})
    assert len({login.name for login in found}) == 10_000


def test_one_bad_account_leaves_its_neighbours_alone() -> None:
    document = several("a", "b", "c")
    document["accounts"][1]["auth_data"] = None
    kinds = [isinstance(login.outcome, Credential) for login in logins(document)]
    assert kinds == [True, False, True]


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


@given(json_values)
def test_any_json_gives_logins_or_a_failure(value: Any) -> None:
    found = parse(content(value), now=NOW)
    assert isinstance(found, Failure) or (found and all(isinstance(x, Login) for x in found))


@given(json_values)
def test_any_claims_give_a_credential_or_a_failure(value: Any) -> None:
    found = parse(content(with_tokens(access_token=jwt(value))), now=NOW)
    assert isinstance(found, tuple)


@given(st.binary(max_size=64))
def test_any_bytes_give_logins_or_a_failure(value: bytes) -> None:
    assert isinstance(parse(value, now=NOW), Failure | tuple)


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
