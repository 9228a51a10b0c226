from __future__ import annotations

from hashlib import sha256

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from poller.text import MASK, PIECE, KnownTokens, masked, printable
from poller.values import Secret

TOKEN = "abcdefghijklmnopqrstuvwxyz0123456789"


@pytest.mark.parametrize(
    ("text", "shown"),
    [
        ("", ""),
        ("plain", "plain"),
        ("工作账号 é", "工作账号 é"),
        ("wide\u3000blank and\xa0hard", "wide\u3000blank and\xa0hard"),
        ("\x1b[31mred", "\\x1b[31mred"),
        ("a\nb\tc\x7f", "a\\x0ab\\x09c\\x7f"),
        ("\x9b31m", "\\x9b31m"),
        ("\u202eevil\u2066", "\\u202eevil\\u2066"),
        ("\u2028\u2029\ufeff\u200b", "\\u2028\\u2029\\ufeff\\u200b"),
        ("\U000e0001", "\\U000e0001"),
        ("caf\udce9.json", "caf\\xe9.json"),
        ("\ud800", "\\ud800"),
    ],
)
def test_what_could_steer_a_terminal_is_spelled_out(text: str, shown: str) -> None:
    assert printable(text) == shown


@settings(deadline=None)
@given(st.text(st.characters()))
def test_what_is_printable_stays_so_and_can_be_encoded(text: str) -> None:
    shown = printable(text)
    assert printable(shown) == shown
    shown.encode()


@pytest.mark.parametrize(
    ("text", "shown"),
    [
        ("short", "short"),
        ("nothing of the kind in here", "nothing of the kind in here"),
        (TOKEN, MASK),
        (f"got {TOKEN}!", f"got {MASK}!"),
        (f"part {TOKEN[5:17]} of it", f"part {MASK} of it"),
        (f"too little {TOKEN[5:16]} of it", f"too little {TOKEN[5:16]} of it"),
        (f"{TOKEN[:12]}{TOKEN[20:32]}", MASK * 2),
        (f"{TOKEN} and {TOKEN[-12:]}", f"{MASK} and {MASK}"),
        (f"first half only: ghijkl{TOKEN[:6]}xyz", f"first half only: ghijkl{TOKEN[:6]}xyz"),
    ],
)
def test_a_token_is_masked_whole_and_in_part(text: str, shown: str) -> None:
    assert masked(text, [TOKEN.lower()]) == shown
    assert masked(text.upper(), [TOKEN.lower()]) == shown.upper()


@pytest.mark.parametrize(
    ("text", "shown"),
    [
        ("bearer eyJhbGciOiJI.eyJzdWIi.c2ln-_ here", "bearer *** here"),
        ("rt_0123456789abc", "***"),
        ("token sess-0123456789.", "token ***"),
        ("key=sk-0123456789", "key=***"),
        ("the task-force-limit is reached", "the task-force-limit is reached"),
    ],
)
def test_what_is_shaped_like_a_token_is_masked_whosever_it_is(text: str, shown: str) -> None:
    assert masked(text, ()) == shown


@settings(deadline=None)
@given(
    st.text("abc", min_size=0, max_size=60),
    st.lists(st.text("abc", min_size=1, max_size=40), max_size=3),
)
def test_no_piece_of_any_secret_survives(text: str, values: list[str]) -> None:
    shown = masked(text, values)
    for value in values:
        for start in range(len(value) - PIECE + 1):
            assert value[start : start + PIECE] not in shown
    if not any(text[i : i + PIECE] in value for value in values for i in range(len(text) - 11)):
        assert shown == text


def tokens_of(number: int) -> list[Secret]:
    return [Secret(sha256(f"{number} {kind}".encode()).hexdigest() * 8) for kind in ("a", "r")]


@pytest.mark.parametrize("accounts", [1, 16, 17, 255, 600])
def test_a_text_is_checked_against_the_tokens_of_every_account_seen_lately(accounts: int) -> None:
    known = KnownTokens()
    for number in range(accounts):
        known.add(tokens_of(number))
    for number in range(max(0, accounts - 256), accounts, 7):
        for secret in tokens_of(number):
            piece = secret.reveal()[101:141]
            assert known.mask(f"plan {piece} x") == "plan *** x"
            assert known.mask(f"{number} {piece.upper()}") == f"{number} ***"


def test_many_unknown_texts_are_checked_as_thoroughly_as_a_few() -> None:
    known = KnownTokens()
    for number in range(300):
        known.add(tokens_of(number))
        for each in range(5):
            assert known.mask(f"a limit of number {number} {each}").startswith("a limit")
        echo = tokens_of(max(0, number - 200))[1].reveal()[7:19]
        assert known.mask(f"limit {number} {echo}") == f"limit {number} ***"


def test_a_text_that_was_clean_is_checked_again_against_later_tokens() -> None:
    known = KnownTokens()
    (secret, _) = tokens_of(1)
    text = secret.reveal()[:20]
    assert known.mask(text) == text
    known.add([secret])
    assert known.mask(text) == MASK
