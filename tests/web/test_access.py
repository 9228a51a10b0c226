from __future__ import annotations

import asyncio
import re
import ssl
from typing import Any
from urllib.parse import urlencode

import pytest
import trustme

from poller.web.access import LOGIN_LASTS_S, Access
from tests.web.asking import NOW, TOKEN, Answer, Asked, asked

pytestmark = pytest.mark.anyio

WITH_TOKEN = Access(token=TOKEN.encode())
FOLLOWED = {"Sec_Fetch_Mode": "navigate", "Sec_Fetch_Dest": "document"}
FORM = "application/x-www-form-urlencoded"
HTML = {"Accept": "text/html,*/*", "Sec_Fetch_Dest": "document"}


def bearer(token: str) -> dict[str, str]:
    return {"Authorization": f"Bearer {token}"}


@pytest.mark.parametrize(
    ("host", "status"),
    [
        ("localhost", 200),
        ("LOCALHOST:1", 200),
        ("127.0.0.1", 200),
        ("127.9.9.9:80", 200),
        ("[::1]:8765", 200),
        ("quota.example", 200),
        ("Quota.Example:443", 200),
        ("evil.example", 421),
        ("localhost.evil.example", 421),
        ("127.0.0.1.evil.example", 421),
        ("10.0.0.1", 421),
        ("0.0.0.0", 421),
        ("[::]", 421),
        ("", 421),
        ("2130706433", 421),
        ("localhost@evil.example", 421),
        ("\udcff", 421),
        (None, 421),
    ],
)
async def test_only_a_host_that_is_ours_is_answered(host: str | None, status: int) -> None:
    async with asked(Access(allowed_hosts=frozenset({"quota.example"}))) as server:
        assert (await server.ask(Host=host)).status in (status, 400 if status == 421 else status)


async def test_two_hosts_are_none_of_ours() -> None:
    async with asked() as server:
        both = (
            b"GET / HTTP/1.1\r\nHost: localhost\r\nHost: evil.example\r\nConnection: close\r\n\r\n"
        )
        assert re.match(rb"HTTP/1.[01] 4(00|21) ", await server.raw(both))


@pytest.mark.parametrize("target", ["http://localhost/", "http://evil.example/", "*", "evil:80"])
async def test_a_target_that_is_not_a_path_is_not_answered(target: str) -> None:
    async with asked() as server:
        assert (await server.ask(target)).status in (400, 421)


@pytest.mark.parametrize(
    ("path", "status"),
    [
        ("/", 200),
        ("/?a=b", 200),
        ("/api/v1/accounts", 200),
        ("/account/00ff", 200),
        ("/account/00fe", 404),
        ("/account/", 404),
        ("/account/../api/v1/accounts", 404),
        ("/account/00ff/", 404),
        ("/api/v1/accounts/", 404),
        ("/api/v1/./accounts", 404),
        ("/api/v1/%61ccounts", 404),
        ("/API/v1/accounts", 404),
        ("//", 404),
        ("/..", 404),
        ("/%2e%2e/etc/passwd", 404),
        ("/%00", 404),
        ("/login", 404),
    ],
)
async def test_a_path_is_what_it_is_spelled(path: str, status: int) -> None:
    async with asked() as server:
        answer = await server.ask(path)
    assert answer.status == status
    if status == 404:
        assert answer.message


@pytest.mark.parametrize(
    ("headers", "status"),
    [
        ({}, 200),
        ({"Sec_Fetch_Site": "none"}, 200),
        ({"Sec_Fetch_Site": "same-origin"}, 200),
        ({"Sec_Fetch_Site": "cross-site"}, 403),
        ({"Sec_Fetch_Site": "same-site"}, 403),
        ({"Sec_Fetch_Site": "nonsense"}, 403),
        ({"Sec_Fetch_Site": "cross-site", **FOLLOWED}, 200),
        ({"Sec_Fetch_Site": "cross-site", **FOLLOWED, "Sec_Fetch_Dest": "iframe"}, 403),
        ({"Sec_Fetch_Site": "cross-site", **FOLLOWED, "Sec_Fetch_Mode": "no-cors"}, 403),
        ({"Origin": "https://evil.example"}, 403),
        ({"Origin": "null"}, 403),
        ({"Origin": "http://localhost"}, 200),
        ({"Origin": "https://localhost"}, 200),
        ({"Origin": "http://localhost.evil.example"}, 403),
    ],
)
async def test_other_sites_get_nothing_but_links_work(headers: dict[str, str], status: int) -> None:
    async with asked() as server:
        answer = await server.ask("/api/v1/accounts", Host="localhost", **headers)
    assert answer.status == status
    assert "Access-Control-Allow-Origin" not in answer.headers


@pytest.mark.parametrize("method", ["POST", "PUT", "DELETE", "PATCH", "OPTIONS", "TRACE", "ODD"])
async def test_nothing_but_reading_is_answered(method: str) -> None:
    async with asked() as server:
        answer = await server.ask(method=method)
        assert (answer.status, answer.headers.get("Allow")) in ((405, "GET, HEAD"), (400, None))


async def test_a_head_has_the_headers_and_no_body() -> None:
    async with asked() as server:
        whole, head = await server.ask(), await server.ask(method="HEAD")
    assert (head.status, head.body) == (200, b"")
    assert head.headers["Content-Length"] == whole.headers["Content-Length"]


@pytest.mark.parametrize(
    ("path", "headers", "status"),
    [
        ("/", {}, 401),
        ("/api/v1/accounts", {}, 401),
        ("/events", {}, 401),
        ("/nothing/here", {}, 401),
        ("/", bearer(TOKEN), 200),
        ("/", {"Authorization": f"bearer  {TOKEN} "}, 200),
        ("/", bearer(TOKEN[:-1]), 401),
        ("/", bearer(TOKEN + "0"), 401),
        ("/", bearer(""), 401),
        ("/", bearer("\udcff" * 40), 401),
        ("/", {"Authorization": TOKEN}, 401),
        ("/", {"Authorization": f"Basic {TOKEN}"}, 401),
        (f"/?token={'x' * 40}", {}, 401),
        ("/?" + urlencode({"token": TOKEN}), {}, 401),
        ("/?" + urlencode({"access_token": TOKEN}), {}, 401),
        ("/", {"Cookie": f"poller={TOKEN}"}, 401),
        ("/", {"Cookie": f"poller={NOW + 60:.0f}.{'0' * 64}"}, 401),
        ("/", {"Cookie": "poller=.;;=;poller"}, 401),
        ("/", {"Cookie": "poller=\udcff.\udcff"}, 401),
        ("/healthz", {}, 200),
        ("/healthz/", {}, 401),
        ("/login", {}, 200),
    ],
)
async def test_with_a_token_only_who_knows_it_is_answered(
    path: str, headers: dict[str, str], status: int
) -> None:
    async with asked(WITH_TOKEN) as server:
        answer = await server.ask(path, **headers)
    assert answer.status == status
    if status == 401:
        assert answer.headers["WWW-Authenticate"] == "Bearer"
    assert TOKEN.encode() not in answer.body


async def logged_in(server: Asked, token: Any = TOKEN, **headers: Any) -> Answer:
    given = {"Origin": f"http://{server.host}:{server.port}", "Content_Type": FORM}
    body = urlencode({"token": token})
    return await server.ask("/login", method="POST", body=body, **{**given, **headers})


async def test_a_login_is_kept_in_a_cookie_that_is_not_the_token() -> None:
    async with asked(WITH_TOKEN) as server:
        answer = await logged_in(server)
        cookie, *marks = answer.headers["Set-Cookie"].split("; ")
        page = await server.ask(Cookie=f"other=1; {cookie}")
    assert (answer.status, answer.headers["Location"], page.status) == (303, "./", 200)
    assert {"HttpOnly", "SameSite=Strict", "Path=/"} <= {*marks}
    assert "Secure" not in marks
    assert TOKEN not in cookie
    assert re.fullmatch(rf"poller={NOW + LOGIN_LASTS_S:.0f}\.[0-9a-f]{{64}}", cookie)


async def test_a_login_behind_a_proxy_that_speaks_tls_is_never_sent_in_the_clear() -> None:
    access = Access(token=TOKEN.encode(), allowed_hosts=frozenset({"quota.example"}))
    async with asked(access) as server:
        answer = await logged_in(server, Host="quota.example", Origin="https://quota.example")
    assert "Secure" in answer.headers["Set-Cookie"].split("; ")


@pytest.mark.parametrize(
    "spoil",
    [
        lambda value: str(int(value[:10]) + 1) + value[10:],
        lambda value: value[:-1] + ("0" if value[-1] != "0" else "1"),
        lambda value: value.partition(".")[0],
        lambda value: Access(token=b"another" * 6).login_cookie(now=NOW),
        lambda value: WITH_TOKEN.login_cookie(now=NOW - LOGIN_LASTS_S - 1),
    ],
)
async def test_a_cookie_that_is_spoiled_another_s_or_over_lets_nobody_in(spoil: object) -> None:
    assert callable(spoil)
    async with asked(WITH_TOKEN) as server:
        value = WITH_TOKEN.login_cookie(now=NOW)
        assert (await server.ask(Cookie=f"poller={value}")).status == 200
        assert (await server.ask(Cookie=f"poller={spoil(value)}")).status == 401


@pytest.mark.parametrize(
    ("headers", "status"),
    [
        ({"Origin": None}, 403),
        ({"Origin": "null"}, 403),
        ({"Origin": "https://evil.example"}, 403),
        ({"Sec_Fetch_Site": "cross-site"}, 403),
        ({"Sec_Fetch_Site": "cross-site", **FOLLOWED}, 403),
        ({"Content_Type": "application/json"}, 403),
        ({"Host": "evil.example", "Origin": "http://evil.example"}, 421),
    ],
)
async def test_another_site_cannot_log_in(headers: dict[str, str | None], status: int) -> None:
    async with asked(WITH_TOKEN) as server:
        answer = await logged_in(server, **headers)
    assert answer.status == status
    assert "Set-Cookie" not in answer.headers


@pytest.mark.parametrize("token", ["", "wrong", TOKEN[:-1], "x" * 4000, "é" * 40])
async def test_a_wrong_token_is_told_and_logs_nobody_in(token: str) -> None:
    async with asked(WITH_TOKEN) as server:
        answer = await logged_in(server, token)
    assert answer.status == 403
    assert b"wrong" in answer.body
    assert "Set-Cookie" not in answer.headers


async def test_a_token_that_arrives_in_two_pieces_is_one() -> None:
    async with asked(WITH_TOKEN) as server:
        origin, body = f"http://{server.host}:{server.port}", urlencode({"token": TOKEN})
        head = (
            f"POST /login HTTP/1.1\r\nHost: {server.host}:{server.port}\r\nOrigin: {origin}\r\n"
            f"Content-Type: {FORM}\r\nContent-Length: {len(body)}\r\nConnection: close\r\n\r\n"
        )
        reader, writer = await asyncio.open_connection(server.host, server.port)
        writer.write((head + body[:20]).encode())
        await writer.drain()
        await server.ask("/healthz")  # the first piece has been read by then
        writer.write(body[20:].encode())
        answer = await reader.read()
        writer.close()
    assert answer.startswith(b"HTTP/1.1 303 ")


async def test_the_longest_token_can_be_typed_in() -> None:
    token = "+" * 4096
    async with asked(Access(token=token.encode())) as server:
        assert (await logged_in(server, token)).status == 303


async def test_a_form_without_end_is_not_read_to_its_end() -> None:
    async with asked(WITH_TOKEN) as server:
        endless = "token=" + "x" * 1_000_000
        answer = await server.ask(
            "/login",
            method="POST",
            body=endless,
            Origin=f"http://{server.host}:{server.port}",
            Content_Type=FORM,
        )
    assert answer.status == 403


@pytest.mark.parametrize(
    ("path", "login"),
    [("/", "login"), ("/account/00ff?range=7d", "../login"), ("/api/v1/accounts", "../../login")],
)
async def test_who_opens_a_page_without_a_login_is_led_to_it(path: str, login: str) -> None:
    async with asked(WITH_TOKEN) as server:
        answer = await server.ask(path, **HTML)
    assert (answer.status, answer.headers["Location"]) == (303, login)


async def test_a_link_of_another_site_is_asked_for_again_by_a_page_of_ours() -> None:
    # The cookie of a login does not come along from there.
    async with asked(WITH_TOKEN) as server:
        answer = await server.ask(**HTML, Sec_Fetch_Site="cross-site", Sec_Fetch_Mode="navigate")
    assert answer.status == 401
    assert b'http-equiv="refresh"' in answer.body


async def test_over_tls_the_cookie_is_this_host_s_alone() -> None:
    authority = trustme.CA()
    own, trusted = ssl.SSLContext(ssl.PROTOCOL_TLS_SERVER), ssl.create_default_context()
    authority.issue_cert("127.0.0.1").configure_cert(own)
    authority.configure_trust(trusted)
    access = Access(token=TOKEN.encode(), tls=True)
    async with asked(access, tls=own, trusted=trusted) as server:
        answer = await logged_in(server, Origin=f"https://{server.host}:{server.port}")
        cookie = answer.headers["Set-Cookie"]
        page = await server.ask(Cookie=cookie.partition(";")[0])
    assert cookie.startswith("__Host-poller=")
    assert "Secure" in cookie
    assert page.status == 200


@pytest.mark.parametrize(
    "request_",
    [
        b"\x16\x03\x01\x02\x00\x01\x00",
        b"GET / HTTP/9.9\r\n\r\n",
        b"G\x00T / HTTP/1.1\r\n\r\n",
        b"GET / HTTP/1.1\r\nno colon\r\n\r\n",
        b"GET /" + b"x" * 20_000 + b" HTTP/1.1\r\nHost: localhost\r\n\r\n",
        b"GET / HTTP/1.1\r\nHost: localhost\r\nX: " + b"y" * 70_000 + b"\r\n\r\n",
        b"GET /broken HTTP/1.1\r\nHost: localhost\r\nConnection: close\r\n\r\n",
    ],
)
async def test_what_is_no_request_is_answered_without_a_word_of_our_insides(
    request_: bytes, capfd: pytest.CaptureFixture[str]
) -> None:
    async with asked() as server:
        raw = await server.raw(request_)
    if raw:
        assert re.match(rb"HTTP/1.[01] (400|500) ", raw)
        assert b"Server: poller\r\n" in raw
        assert b"aiohttp" not in raw.lower()
        assert b"Traceback" not in raw
    assert capfd.readouterr() == ("", "")


async def test_every_answer_is_kept_from_caches_frames_and_other_sites() -> None:
    async with asked(WITH_TOKEN) as server:
        answers = [await server.ask(path) for path in ("/", "/healthz", "/login", "/x")]
        answers.append(await server.ask("/", **bearer(TOKEN)))
        answers.append(await server.ask("/", Host="evil.example"))
    for answer in answers:
        assert answer.headers["Cache-Control"] == "no-store"
        assert answer.headers["X-Content-Type-Options"] == "nosniff"
        assert answer.headers["Referrer-Policy"] == "same-origin"
        assert answer.headers["Server"] == "poller"
        policy = answer.headers["Content-Security-Policy"]
        assert "frame-ancestors 'none'" in policy
        assert "unsafe" not in policy


async def test_a_token_takes_the_same_time_whatever_of_it_is_right() -> None:
    access, loop = WITH_TOKEN, asyncio.get_running_loop()

    def fastest(given: str) -> float:
        took = []
        for _ in range(300):
            begun_at = loop.time()
            access.is_token(given)
            took.append(loop.time() - begun_at)
        return min(took)

    wrong_at_once, wrong_at_the_end = "x" * len(TOKEN), TOKEN[:-1] + "x"
    assert fastest(wrong_at_the_end) < 3 * fastest(wrong_at_once) + 1e-5
