"""Where requests may go: the target, proxies, and the environment's."""

from __future__ import annotations

import ssl
from typing import TYPE_CHECKING

import pytest

from poller.cli import parse
from poller.settings import UsageError
from poller.settings.addresses import proxy_for, token_address
from poller.upstream.exchange import ssl_context

if TYPE_CHECKING:
    from pathlib import Path

    from tests.conftest import Certificates

HTTPS = "https://chatgpt.com/backend-api/wham/usage"


@pytest.fixture(autouse=True)
def nowhere(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    """Stand where no configuration file is."""
    monkeypatch.chdir(tmp_path)
    for name in ("HOME", "XDG_CONFIG_HOME", "LOCALAPPDATA"):
        monkeypatch.setenv(name, str(tmp_path))


def refusal(*argv: str) -> str:
    with pytest.raises(UsageError) as caught:
        parse(argv)
    return str(caught.value)


@pytest.mark.parametrize(
    "url",
    [
        "https://example.com",
        "https://Example.com:8443/a?b=c",
        "https://chatgpt.com./",
        "https://xn--80ak6aa92e.com/",
        "https://[2001:db8::1]/",
        "http://127.0.0.1/",
        "http://127.255.255.254:65535/x",
        "http://[::1]:80/",
    ],
)
def test_a_good_target_is_taken_as_it_stands(url: str) -> None:
    assert parse(["--chatgpt-url", url]).chatgpt_url == url


@pytest.mark.parametrize("flag", ["--chatgpt-url", "--proxy"])
def test_a_scheme_in_capitals_is_the_same_scheme(flag: str) -> None:
    settings = parse([flag, "HTTPS://Example.com:8443"])
    assert "https://Example.com:8443" in (settings.chatgpt_url, settings.proxy)


def test_a_target_in_capitals_keeps_its_ca_file(certificates: Certificates) -> None:
    settings = parse(["--chatgpt-url", "HTTPS://localhost/", "--ca-file", certificates.ca_file])
    context = ssl_context(settings, settings.chatgpt_url, proxy=None)
    assert isinstance(context, ssl.SSLContext)
    names = [str(certificate["subject"]) for certificate in context.get_ca_certs()]
    assert any("trustme" in name for name in names)


@pytest.mark.parametrize(
    "url",
    [
        "",
        "chatgpt.com",
        "//chatgpt.com/",
        "https:chatgpt.com",
        "https:///usage",
        "https://:443/",
        "https://@chatgpt.com/",
        "https://chatgpt.com@evil.example/",
        "https://evil.example?@chatgpt.com",
        "https://chatgpt.com#",
        "https://xn--a/",
        "https://a.xn--zz--zz.com/",
        "https://a..b/",
        f"https://{'a' * 64}.com/",
        "https://chatgpt.com:0/",
        "https://chatgpt.com:65536/",
        "https://chatgpt.com:٤٤/",
        "https://chatgpt.com:/",
        "https://chatgpt.com%2eevil.example/",
        "https://chatgpt。com/",
        "https://chat gpt.com/",
        "https://chatgpt.com/\tx",
        "https://chatgpt.com\\@evil.example/",
        "https://[::1%25eth0]/",
        "https://[::1]evil.example/",
        "https://[v1.a]/",
        "https://[127.0.0.1]/",
        "http://[::1/",
        "http://localhost/",
        "http://127.1/",
        "http://127.0.0.1./",
        "http://127.0.0.01/",
        "http://0177.0.0.1/",
        "http://0x7f.0.0.1/",
        "http://2130706433/",
        "http://[::ffff:127.0.0.1]/",
        "http://0.0.0.0/",
        "http://[::]/",
        "http://127.0.0.1.evil.example/",
        "ftp://127.0.0.1/",
        "file:///etc/passwd",
    ],
)
def test_a_bad_target_is_refused(url: str) -> None:
    assert refusal(f"--chatgpt-url={url}").startswith("--chatgpt-url: expected ")


@pytest.mark.parametrize(
    ("given", "taken"),
    [
        ("http://proxy.example:3128", "http://proxy.example:3128"),
        ("http://proxy.example:3128/", "http://proxy.example:3128"),
        ("proxy.example:3128", "http://proxy.example:3128"),
        ("https://me:p%40ss@[::1]:8443", "https://me:p%40ss@[::1]:8443"),
    ],
)
def test_a_good_proxy_is_taken(given: str, taken: str) -> None:
    assert parse(["--proxy", given]).proxy == taken


@pytest.mark.parametrize(
    "proxy",
    [
        "",
        "http://",
        "http://hunter22 b",
        "http://me:hunter22@a:x",
        "ftp://hunter22",
        "http://a/hunter22",
        "http://a?hunter22",
        "http://a#hunter22",
        "me:hunter22@a/b",
        "me:hunter22://a",
        "http://xn--hunter22",
    ],
)
def test_a_bad_proxy_is_refused_and_not_repeated(proxy: str) -> None:
    told = refusal(f"--proxy={proxy}")
    assert told.startswith("--proxy: expected the URL of a proxy, http://HOST:PORT or https://")
    assert "hunter22" not in told


def test_of_a_refused_proxy_only_the_scheme_is_shown() -> None:
    assert "got a value with the scheme ftp, not shown" in refusal("--proxy=ftp://a")
    assert "got another value, not shown" in refusal("--proxy=a:x")
    assert "got another value, not shown" in refusal("--proxy=me:pass://a")


def test_a_proxy_that_is_not_supported_says_what_to_do() -> None:
    told = refusal("--proxy", "SOCKS5h://me:hunter22@127.0.0.1:1080")
    assert told.startswith("--proxy: socks5h proxies are not supported: give ")
    assert "privoxy" in told
    assert "hunter22" not in told


# Proxies of the environment


@pytest.mark.parametrize(
    ("environ", "expected"),
    [
        ({}, None),
        ({"HTTP_PROXY": "http://a:1", "http_proxy": "http://a:1"}, None),
        ({"HTTPS_PROXY": "http://a:1"}, "http://a:1"),
        ({"HTTPS_PROXY": "http://a:1/"}, "http://a:1"),
        ({"HTTPS_PROXY": " a:1 "}, "http://a:1"),
        ({"ALL_PROXY": "https://a:1"}, "https://a:1"),
        ({"HTTPS_PROXY": "http://a:1", "https_proxy": "http://b:1"}, "http://b:1"),
        ({"HTTPS_PROXY": "http://a:1", "all_proxy": "http://b:1"}, "http://a:1"),
        ({"HTTPS_PROXY": "http://a:1", "all_proxy": "socks5://b:1"}, "http://a:1"),
        ({"https_proxy": "", "ALL_PROXY": "http://b:1"}, "http://b:1"),
        ({"https_proxy": " ", "ALL_PROXY": ""}, None),
    ],
)
def test_the_environments_proxy_is_chosen_as_curl_does(
    environ: dict[str, str],
    expected: str | None,
) -> None:
    assert proxy_for(HTTPS, environ=environ) == expected


@pytest.mark.parametrize(
    ("no_proxy", "url", "excepted"),
    [
        ("*", HTTPS, True),
        ("localhost,*", HTTPS, True),
        ("chatgpt.com", HTTPS, True),
        ("ChatGPT.com.", HTTPS, True),
        (".com", HTTPS, True),
        ("com", HTTPS, True),
        ("*.chatgpt.com", "https://a.chatgpt.com/", True),
        (".chatgpt.com", "https://a.chatgpt.com/", True),
        ("chatgpt.com:443", HTTPS, True),
        ("chatgpt.com:8443", "https://chatgpt.com:8443/", True),
        (".chatgpt.com:8443", "https://a.chatgpt.com:8443/", True),
        ("a b,chatgpt.com", HTTPS, True),
        ("10.0.0.1", "https://10.0.0.1/", True),
        ("::1", "https://[::1]:8443/", True),
        ("[::1]:8443", "https://[::1]:8443/", True),
        ("chatgpt.com:8443", HTTPS, False),
        ("gpt.com", HTTPS, False),
        ("a.chatgpt.com", HTTPS, False),
        ("10.0.0.0/8", "https://10.0.0.1/", False),
        ("", HTTPS, False),
        (",., ,:", HTTPS, False),
        ("[::1]8443,chatgpt.com:x", HTTPS, False),
    ],
)
def test_no_proxy_names_hosts_and_what_is_below_them(
    no_proxy: str,
    url: str,
    *,
    excepted: bool,
) -> None:
    environ = {"HTTPS_PROXY": "http://a:1", "NO_PROXY": no_proxy}
    assert (proxy_for(url, environ=environ) is None) == excepted


def test_the_lower_case_exceptions_win() -> None:
    environ = {"HTTPS_PROXY": "http://a:1", "NO_PROXY": "*", "no_proxy": "example.com"}
    assert proxy_for(HTTPS, environ=environ) == "http://a:1"


def test_a_token_in_clear_goes_through_no_proxy_of_the_environment() -> None:
    environ = {"HTTP_PROXY": "http://a:1", "ALL_PROXY": "http://a:1", "HTTPS_PROXY": "http://a:1"}
    assert proxy_for("http://127.0.0.1:8787/", environ=environ) is None


@pytest.mark.parametrize("name", ["https_proxy", "HTTPS_PROXY", "all_proxy", "ALL_PROXY"])
def test_a_variable_that_is_not_supported_is_named(name: str) -> None:
    with pytest.raises(UsageError) as caught:
        proxy_for(HTTPS, environ={name: "socks5://me:hunter22@127.0.0.1:1080"})
    assert str(caught.value).startswith(f"environment variable {name}: socks5 proxies are not")
    assert "hunter22" not in str(caught.value)


def test_a_variable_with_nonsense_is_named_and_not_repeated() -> None:
    with pytest.raises(UsageError) as caught:
        proxy_for(HTTPS, environ={"HTTPS_PROXY": "gopher://me:hunter22@host"})
    assert str(caught.value) == (
        "environment variable HTTPS_PROXY: expected the URL of a proxy, http://HOST:PORT or "
        "https://HOST:PORT without a path; got a value with the scheme gopher, not shown as it "
        "may hold a password"
    )


def test_an_unsupported_variable_does_not_matter_where_its_host_is_excepted() -> None:
    environ = {"ALL_PROXY": "socks5://127.0.0.1:1080", "NO_PROXY": "chatgpt.com"}
    assert proxy_for(HTTPS, environ=environ) is None


# Where refresh tokens go


@pytest.mark.parametrize(
    "url",
    [
        "https://auth.openai.com/oauth/token",
        "https://AUTH.OpenAI.com/x",
        "https://openai.com/",
        "http://127.0.0.1:8787/oauth/token",
        "http://[::1]:1/",
        "https://127.0.0.1/",
    ],
)
def test_refresh_tokens_go_to_openai_and_to_this_machine(url: str) -> None:
    assert token_address({"CODEX_REFRESH_TOKEN_URL_OVERRIDE": url}) == url


@pytest.mark.parametrize("environ", [{}, {"CODEX_REFRESH_TOKEN_URL_OVERRIDE": " "}])
def test_without_a_word_they_go_where_codex_sends_them(environ: dict[str, str]) -> None:
    assert token_address(environ) is None


@pytest.mark.parametrize(
    "url",
    [
        "https://evil.example/oauth/token",
        "http://auth.openai.com/oauth/token",
        "https://auth.openai.com.evil.example/",
        "https://notopenai.com/",
        "https://auth.openai.com:8443/",
        "https://user@auth.openai.com/",
        "https://auth.openai.com/#x",
        "http://localhost:1/",
        "ftp://127.0.0.1/",
        "nonsense",
        "https://auth.openai.com\\@evil.example/",
    ],
)
def test_refresh_tokens_go_nowhere_else(url: str) -> None:
    with pytest.raises(UsageError, match="nowhere else"):
        token_address({"CODEX_REFRESH_TOKEN_URL_OVERRIDE": url})
