"""Webhooks, over real connections: what is sent, what counts as heard, what is refused."""

from __future__ import annotations

import json
import socket
import sys
from contextlib import asynccontextmanager
from dataclasses import dataclass, field
from typing import TYPE_CHECKING, Any

import pytest
from aiohttp import web

from poller.deliver import notify
from poller.deliver.delivery import Delivery, DeliveryResult, NoUrl, exposed_file, url_of
from poller.deliver.notify import Posted, is_public, notify_by_apprise, post
from poller.insight.alert_rules import AlertRule
from poller.settings.alert_tables import Alert
from poller.values import Secret

if TYPE_CHECKING:
    import ssl
    from collections.abc import AsyncIterator
    from pathlib import Path

    from tests.conftest import Certificates

pytestmark = pytest.mark.anyio

POSTED = Posted("low: @everyone <!channel> & 学习", b'{"rule": "low"}', critical=False)


@dataclass
class Receiver:
    """A server that writes down what it is sent."""

    url: str = ""
    answers: list[int] = field(default_factory=list)
    """Statuses to come; 200 after the last."""
    came: list[tuple[dict[str, str], bytes]] = field(default_factory=list)


@asynccontextmanager
async def receiver(
    *answers: int, tls: ssl.SSLContext | None = None, location: str = "/"
) -> AsyncIterator[Receiver]:
    there = Receiver(answers=[*answers])

    async def take(request: web.Request) -> web.Response:
        there.came.append((dict(request.headers), await request.read()))
        status = there.answers.pop(0) if there.answers else 200
        return web.Response(status=status, headers={"Location": location, "Set-Cookie": "a=b"})

    app = web.Application()
    app.router.add_route("*", "/{path:.*}", take)
    runner = web.AppRunner(app)
    await runner.setup()
    site = web.TCPSite(runner, "127.0.0.1", 0, ssl_context=tls)
    await site.start()
    assert site._server is not None
    port = site._server.sockets[0].getsockname()[1]  # type: ignore[attr-defined]
    there.url = f"{'http' if tls is None else 'https'}://127.0.0.1:{port}/hook/s3cret"
    try:
        yield there
    finally:
        await runner.cleanup()


async def sent(url: str, style: str = "json", **how: Any) -> Delivery:
    how = {"ca_file": None, **how}
    return await post(Secret(url), style, how.pop("posted", POSTED), **how)


def json_body(there: Receiver) -> Any:
    ((headers, body),) = there.came
    assert headers["Content-Type"] == "application/json"
    return json.loads(body)


async def test_json_is_what_hooks_read() -> None:
    async with receiver() as there:
        assert (await sent(there.url)).result is DeliveryResult.DELIVERED
    assert json_body(there) == {"rule": "low"}


async def test_slack_reads_text_that_calls_no_channel() -> None:
    async with receiver() as there:
        await sent(there.url, "slack")
    assert json_body(there) == {"text": "low: @everyone &lt;!channel&gt; &amp; 学习"}


async def test_discord_reads_text_that_calls_nobody_and_fits() -> None:
    async with receiver(204) as there:
        long = Posted("x" * 5000, b"", critical=False)
        assert (await sent(there.url, "discord", posted=long)).result is DeliveryResult.DELIVERED
    assert json_body(there) == {"content": "x" * 2000, "allowed_mentions": {"parse": []}}


@pytest.mark.parametrize(("critical", "priority"), [(False, "default"), (True, "urgent")])
async def test_ntfy_reads_text_and_a_priority(critical: bool, priority: str) -> None:
    async with receiver() as there:
        await sent(there.url, "ntfy", posted=Posted("学" * 2000, b"", critical))
    ((headers, body),) = there.came
    assert (headers["Title"], headers["Priority"]) == ("poller", priority)
    assert body.decode() == "学" * 1333


@pytest.mark.parametrize(
    ("status", "result", "again"),
    [
        (200, "delivered", False),
        (204, "delivered", False),
        (302, "refused", False),
        (400, "refused", False),
        (404, "refused", False),
        (429, "failed", True),
        (500, "failed", True),
        (503, "failed", True),
    ],
)
async def test_an_answer_says_whether_it_was_heard(status: int, result: str, again: bool) -> None:
    async with receiver(status) as there:
        came = await sent(there.url)
    assert (came.result, came.again) == (result, again)
    assert len(there.came) == 1
    assert result == "delivered" or str(status) in came.why


async def test_redirects_are_not_followed() -> None:
    async with receiver() as elsewhere, receiver(307, location=elsewhere.url) as there:
        came = await sent(there.url)
    assert came.why == "it answered 307: redirects are not followed"
    assert elsewhere.came == []


async def test_certificates_are_verified(certificates: Certificates) -> None:
    async with receiver(tls=certificates.server) as there:
        refused = await sent(there.url)
        assert refused.why == "its certificate is not trusted: --ca-file trusts your own"
        assert there.came == []
        trusted = await sent(there.url, ca_file=certificates.ca_file)
        assert trusted.result is DeliveryResult.DELIVERED


async def test_no_connection_and_no_answer_may_work_later() -> None:
    with socket.create_server(("127.0.0.1", 0)) as silent:
        port = silent.getsockname()[1]
        late = await sent(f"http://127.0.0.1:{port}/s3cret", within_s=0.2)
    gone = await sent(f"http://127.0.0.1:{port}/s3cret")
    assert late == Delivery(DeliveryResult.FAILED, "it did not answer within 0.2 s", again=True)
    assert gone == Delivery(DeliveryResult.FAILED, "no connection", again=True)


async def test_certificates_that_cannot_be_read_are_said(tmp_path: Path) -> None:
    came = await sent("https://127.0.0.1/", ca_file=str(tmp_path / "none"))
    assert came.why == "certificates cannot be read: no such file or directory"


async def test_a_name_that_leads_to_this_network_is_refused(
    monkeypatch: pytest.MonkeyPatch, certificates: Certificates
) -> None:
    """The addresses count that are connected to, whatever the name looks like."""
    async with receiver(tls=certificates.server) as there:
        port = there.url.split(":")[2].split("/")[0]
        played = [(socket.AF_INET, socket.SOCK_STREAM, 6, "", ("127.0.0.1", int(port)))]
        monkeypatch.setattr(socket, "getaddrinfo", lambda *_, **__: played)
        came = await sent(f"https://example.com:{port}/", ca_file=certificates.ca_file)
        assert came.why == (
            "its host has a private address: if that is meant, put the address into the URL"
        )
        # An address in another spelling is looked up as a name is.
        assert "private" in (await sent(f"https://0x7f000001:{port}/")).why
        meant = await sent(f"https://localhost:{port}/", ca_file=certificates.ca_file)
        assert meant.result is DeliveryResult.DELIVERED
        assert len(there.came) == 1


async def test_a_name_that_is_not_found_is_said(monkeypatch: pytest.MonkeyPatch) -> None:
    def unknown(*_: object, **__: object) -> None:
        raise socket.gaierror(socket.EAI_NONAME, "s3cret.example")

    monkeypatch.setattr(socket, "getaddrinfo", unknown)
    came = await sent("https://s3cret.example/")
    assert (came.why, came.again) == ("its host was not found", True)


@pytest.mark.parametrize(
    ("address", "public"),
    [
        ("8.8.8.8", True),
        ("2606:4700::1111", True),
        ("127.0.0.1", False),
        ("10.1.2.3", False),
        ("100.64.0.1", False),
        ("169.254.169.254", False),
        ("0.0.0.0", False),
        ("224.0.0.1", False),
        ("::1", False),
        ("fe80::1%eth0", False),
        ("fd00::1", False),
        ("::ffff:127.0.0.1", False),
        ("::ffff:8.8.8.8", True),
        ("2002:7f00:1::", False),
        ("64:ff9b::a00:1", False),
        ("64:ff9b::808:808", True),
    ],
)
def test_addresses_that_are_not_the_internets_are_known(address: str, public: bool) -> None:
    assert is_public(address) is public


# Where the URL comes from


def alert(**channel: Any) -> Alert:
    return Alert(AlertRule("low"), **channel)


def url(text: str) -> str:
    return url_of(alert(url_env="URL"), {"URL": text}).secret.reveal()


def test_a_url_comes_from_a_file_or_the_environment(tmp_path: Path) -> None:
    place = tmp_path / "url"
    place.write_text("https://ntfy.sh/s3cret\n")
    place.chmod(0o600)
    assert url_of(alert(url_file=str(place)), {}).secret.reveal() == "https://ntfy.sh/s3cret"
    assert exposed_file(alert(url_file=str(place))) is None
    place.chmod(0o640)
    assert exposed_file(alert(url_file=str(place))) == str(place)
    assert exposed_file(alert(url_file=str(tmp_path / "none"))) is None
    assert exposed_file(alert(url_env="URL")) is None
    assert url("HTTPS://ntfy.sh/s3cret ") == "https://ntfy.sh/s3cret"
    assert url("http://127.0.0.1:80/s3cret")
    assert url("https://192.168.1.5/s3cret")


def test_a_url_that_systemd_hands_to_the_service_is_its_own(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    """As ``LoadCredential=`` leaves it since systemd 254, its mode is 0440."""
    place = tmp_path / "ntfy"
    place.write_text("https://ntfy.sh/s3cret\n")
    place.chmod(0o440)
    assert exposed_file(alert(url_file=str(place))) == str(place)
    monkeypatch.setenv("CREDENTIALS_DIRECTORY", str(tmp_path))
    assert exposed_file(alert(url_file=str(place))) is None
    place.chmod(0o444)
    assert exposed_file(alert(url_file=str(place))) == str(place)


@pytest.mark.parametrize(
    "text",
    [
        "",
        "ntfy.sh/s3cret",
        "https://a/s3cret https://b/",
        "https://",
        "http://ntfy.sh/s3cret",
        "http://192.168.1.5/s3cret",
        "http://localhost/s3cret",
        "https://2130706433/s3cret",
        "https://127.1/s3cret",
        "https://user:s3cret@ntfy.sh/",
        "https://ntfy.sh/s3cret#x",
        "https://ntfy.sh/s3crét",
        "https://ntfy.sh/" + "s3cret" * 1000,
    ],
)
def test_what_is_no_such_url_is_refused_without_showing_it(text: str) -> None:
    with pytest.raises(NoUrl) as refused:
        url(text)
    assert str(refused.value).startswith("environment variable URL: ")
    assert "s3cret" not in str(refused.value)
    assert "ntfy.sh" not in str(refused.value)


def test_files_that_hold_no_url_are_said(tmp_path: Path) -> None:
    def why(path: str) -> str:
        with pytest.raises(NoUrl) as refused:
            url_of(alert(url_file=path), {})
        return str(refused.value).replace(str(tmp_path), "")

    assert why(str(tmp_path / "none")) == "/none: no such file or directory"
    assert why(str(tmp_path)) in (": is a directory", ": not a regular file")
    if sys.platform == "linux":
        assert why("/dev/null") == "/dev/null: not a regular file"
    assert why("a\0b") == "a\\x00b: not a valid name"


# Apprise

silent_apprise = pytest.mark.filterwarnings("ignore::DeprecationWarning")


@silent_apprise
async def test_an_apprise_url_is_told_through_apprise() -> None:
    pytest.importorskip("apprise", reason="no apprise here")
    async with receiver() as there:
        place = there.url.removeprefix("http://")
        found = url_of(alert(url_env="URL"), {"URL": f"json://{place}"})
        assert not found.is_web
        came = await notify_by_apprise(found.secret, "low: alice")
        assert came.result is DeliveryResult.DELIVERED
        assert json.loads(there.came[0][1])["message"] == "low: alice"
    failed = await notify_by_apprise(Secret(f"json://{place}"), "low: alice")
    assert (failed.why, failed.again) == ("Apprise could not deliver it", True)


@silent_apprise
async def test_apprise_says_nothing_of_a_url(
    capfd: pytest.CaptureFixture[str], caplog: pytest.LogCaptureFixture
) -> None:
    pytest.importorskip("apprise", reason="no apprise here")
    came = await notify_by_apprise(Secret("nosuch://s3cret/x"), "text")
    assert came.why == "Apprise does not know this kind of URL"
    assert "s3cret" not in "".join(capfd.readouterr()) + caplog.text


async def test_what_to_install_is_said_where_apprise_is_missing(
    monkeypatch: pytest.MonkeyPatch,
) -> None:
    monkeypatch.setitem(sys.modules, "apprise", None)
    came = await notify_by_apprise(Secret("tgram://s3cret/x"), "text")
    assert came == Delivery(
        DeliveryResult.FAILED,
        "its URL needs Apprise, which is not installed; in poller's folder: "
        "pipx install --force '.[notify]', or pip install '.[notify]'",
    )


@silent_apprise
async def test_a_service_that_hangs_is_left_behind() -> None:
    pytest.importorskip("apprise", reason="no apprise here")
    with socket.create_server(("127.0.0.1", 0)) as silent:
        place = f"json://127.0.0.1:{silent.getsockname()[1]}/"
        came = await notify_by_apprise(Secret(place), "text", within_s=0.3)
    assert came.result is DeliveryResult.ENDED
    assert notify.APPRISE_S > notify.WEBHOOK_S
