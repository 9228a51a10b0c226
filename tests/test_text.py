from __future__ import annotations

from concurrent.futures import Future, ThreadPoolExecutor
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
        (f"too little {TOKEN[5:12]} of it", f"too little {TOKEN[5:12]} of it"),
        (f"{TOKEN[:12]} {TOKEN[20:32]}", f"{MASK} {MASK}"),
        (f"{TOKEN} and {TOKEN[-12:]}", f"{MASK} and {MASK}"),
        (f"工作 {TOKEN} \ud800 é", f"工作 {MASK} \ud800 é"),
        (f"first half only: ghijkl{TOKEN[:6]}xyz", f"first half only: ghijkl{TOKEN[:6]}xyz"),
    ],
)
def test_a_token_is_masked_whole_and_in_part(text: str, shown: str) -> None:
    assert masked(text, [TOKEN]) == shown
    assert masked(text.upper(), [TOKEN.lower()]) == shown.upper()


def test_what_touches_a_token_goes_with_it_three_characters_at_most() -> None:
    assert masked(f"plan_{TOKEN}_and_more", [TOKEN]) == f"pl{MASK}d_more"


def test_a_token_too_short_to_have_a_piece_masks_nothing() -> None:
    assert masked("a plan of abcdefghijk and more", ["abcdefghijk"]) == (
        "a plan of abcdefghijk and more"
    )


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


def pieces(text: str) -> set[str]:
    return {text[at : at + PIECE].lower() for at in range(len(text) - PIECE + 1)}


@settings(deadline=None)
@given(
    st.text("abC ", max_size=80),
    st.lists(st.text("aBc", min_size=1, max_size=40), max_size=3),
)
def test_no_piece_of_any_token_survives(text: str, tokens: list[str]) -> None:
    shown = masked(text, tokens)
    for token in tokens:
        assert pieces(token).isdisjoint(pieces(shown))


@settings(deadline=None)
@given(st.data())
def test_a_piece_is_found_wherever_it_is_cut_out_and_put_in(data: st.DataObject) -> None:
    token = data.draw(st.text(st.characters(min_codepoint=0x21, max_codepoint=0x7E), min_size=12))
    start = data.draw(st.integers(0, len(token) - PIECE))
    part = token[start : data.draw(st.integers(start + PIECE, len(token)))]
    part = data.draw(st.sampled_from([part, part.upper(), part.lower()]))
    before, after = data.draw(st.text(max_size=20)), data.draw(st.text(max_size=20))
    shown = masked(f"{before}{part}{after}", [token])
    assert MASK in shown
    assert pieces(token).isdisjoint(pieces(shown))


@settings(deadline=None)
@given(st.text(max_size=100), st.lists(st.text(min_size=12, max_size=100), max_size=3))
def test_a_text_that_shares_nothing_with_a_token_stays_as_it_is(
    text: str, tokens: list[str]
) -> None:
    low = text.lower()
    shares = any(low[at : at + 8] in token.lower() for at in range(len(low)) for token in tokens)
    if not shares and masked(text) == text:
        assert masked(text, tokens) == text


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


def test_tokens_that_begin_alike_are_told_apart() -> None:
    known = KnownTokens()
    header = "eyJhbGciOiJSUzI1NiIsInR5cCI6IkpXVCJ9"
    tokens = [Secret(header + sha256(f"{number}".encode()).hexdigest()) for number in range(40)]
    for token in tokens:
        known.add([token])
    for token in tokens:
        for start in range(20, 60):
            piece = token.reveal()[start : start + PIECE]
            assert known.mask(f"got {piece} !") == "got *** !", (start, piece)


@settings(deadline=None, max_examples=30)
@given(st.data())
def test_known_tokens_mask_as_masked_does(data: st.DataObject) -> None:
    known, tokens = KnownTokens(), list[str]()
    for _ in range(data.draw(st.integers(1, 30))):
        mine = data.draw(st.lists(st.text("abc", max_size=30), max_size=3))
        known.add([Secret(token) for token in mine])
        tokens += mine
        for _ in range(data.draw(st.integers(0, 3))):
            text = data.draw(st.text("abC", max_size=60))
            shown = known.mask(text)
            for token in tokens:
                assert pieces(token).isdisjoint(pieces(shown))


def test_what_is_remembered_is_bounded() -> None:
    known = KnownTokens()
    for number in range(1200):
        known.add(tokens_of(number))
        if number % 3 == 0:
            assert known.mask(f"{number} {tokens_of(number)[1].reveal()[:20]}") == f"{number} ***"
    assert len(known._seen[1]) < 512


@pytest.mark.parametrize("texts", ["few", "many"])
def test_texts_are_masked_in_threads_while_tokens_are_added(texts: str) -> None:
    known = KnownTokens()
    echoes = [tokens_of(number)[0].reveal()[9:40] for number in range(600)]

    def shown(number: int) -> list[str]:
        text = f"plan {echoes[number]}"
        return [known.mask(text), known.mask(f"{number if texts == 'many' else ''} of many plans")]

    with ThreadPoolExecutor(4) as pool:
        asked: list[Future[list[str]]] = []
        for number in range(600):
            known.add(tokens_of(number))
            asked.append(pool.submit(shown, number))
            if number % 50 == 0:
                asked[-1].result()
        found = [future.result() for future in asked]
    assert {one for one, _ in found[-200:]} == {"plan ***"}
    assert all(other.endswith(" of many plans") for _, other in found)
