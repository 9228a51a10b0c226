"""The real server in a real browser: page, live update, login, and axe-core's rules."""

from __future__ import annotations

import os
import re
import subprocess
import sys
from contextlib import contextmanager
from pathlib import Path
from typing import TYPE_CHECKING

import pytest

from tests.running import environment

if TYPE_CHECKING:
    from collections.abc import Iterator

    from tests.browsing.conftest import Chromium, Opened

AXE = Path(__file__).parents[2] / ".venv" / "npm" / "node_modules" / "axe-core" / "axe.min.js"
TOKEN = "0123456789 abcdefghijklmnopqrstuvwxyz"
needs_axe = pytest.mark.skipif(
    not AXE.exists() and not os.environ.get("POLLER_SKIP_NOTHING"), reason="make axe fetches it"
)


@contextmanager
def serving(*words: str, cwd: Path) -> Iterator[str]:
    given = (sys.executable, "-m", "poller", "serve", "--demo", "--listen", "127.0.0.1:0", *words)
    with subprocess.Popen(
        given, cwd=cwd, env=environment(cwd), stderr=subprocess.PIPE, text=True
    ) as process:
        assert process.stderr is not None
        said = process.stderr.readline()
        found = re.search(r"serving at (\S+)", said)
        assert found is not None, said
        try:
            yield found[1]
        finally:
            process.terminate()


@pytest.fixture(scope="module")
def served(tmp_path_factory: pytest.TempPathFactory) -> Iterator[str]:
    with serving("--demo-speed", "600", cwd=tmp_path_factory.mktemp("served")) as url:
        yield url


def well(opened: Opened, url: str) -> None:
    assert opened.complaints == []
    assert [each for each in opened.requests if not each.startswith(url)] == []
    assert opened.overflow == 0


@pytest.mark.parametrize("width", [360, 1280])
@pytest.mark.parametrize("scheme", ["light", "dark"])
def test_the_page_and_an_account_s_page(
    chromium: Chromium, served: str, width: int, scheme: str
) -> None:
    with chromium.opened(served, width=width, color_scheme=scheme) as opened:
        opened.page.wait_for_selector(".accounts tbody tr:nth-child(12)")
        well(opened, served)
        opened.page.click(".accounts tbody a")
        opened.page.wait_for_url("**/account/*")
        opened.page.wait_for_selector("svg")
        for name in ("7", "30"):
            opened.page.click(f'a[href*="range={name}d"]')
            opened.page.wait_for_url(f"**range={name}d")
            opened.page.wait_for_selector("svg")
        well(opened, served)


def test_the_page_follows_what_is_asked(chromium: Chromium, served: str) -> None:
    with chromium.opened(served) as opened:
        opened.page.wait_for_selector(".accounts tbody tr")
        before = opened.page.inner_text("main")
        opened.page.wait_for_function(
            "before => document.querySelector('main').innerText !== before",
            arg=before,
            timeout=30_000,
        )
        well(opened, served)


def test_who_knows_the_token_gets_in_and_stays_in(chromium: Chromium, tmp_path: Path) -> None:
    (tmp_path / "token").write_text(TOKEN)
    with serving("--token-file", "token", cwd=tmp_path) as url, chromium.opened(url) as opened:
        page = opened.page
        page.fill("#token", "not the token")
        page.click("button")
        page.wait_for_selector('[role="alert"]')
        page.fill("#token", TOKEN)
        page.click("button")
        page.wait_for_selector(".accounts")
        page.reload()
        page.wait_for_selector(".accounts")
        assert page.url == url
        assert TOKEN not in page.content()
        assert page.evaluate("document.cookie") == ""


@needs_axe
@pytest.mark.parametrize("scheme", ["light", "dark"])
@pytest.mark.parametrize("path", ["", "account"])
def test_everybody_can_use_it(chromium: Chromium, served: str, scheme: str, path: str) -> None:
    # The page's own policy would keep the rules out.
    with chromium.opened(served, color_scheme=scheme, bypass_csp=True) as opened:
        opened.page.wait_for_selector(".accounts tbody tr:nth-child(12)")
        if path:
            opened.page.click(".accounts tbody a")
            opened.page.wait_for_url("**/account/*")
            opened.page.wait_for_selector("svg")
        assert violations(opened) == []


@needs_axe
def test_everybody_can_log_in(chromium: Chromium, tmp_path: Path) -> None:
    (tmp_path / "token").write_text(TOKEN)
    with (
        serving("--token-file", "token", cwd=tmp_path) as url,
        chromium.opened(url, bypass_csp=True) as opened,
    ):
        opened.page.wait_for_selector("#token")
        assert violations(opened) == []


def violations(opened: Opened) -> list[str]:
    opened.page.add_script_tag(path=AXE)
    found = opened.page.evaluate("axe.run()")
    return [f"{each['id']}: {each['nodes'][0]['html']}" for each in found["violations"]]
