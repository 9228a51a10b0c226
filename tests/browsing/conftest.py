"""A real browser, and pages of made-up accounts to open in it."""

from __future__ import annotations

import os
from contextlib import contextmanager
from dataclasses import dataclass, field
from typing import TYPE_CHECKING, Any

import pytest

if TYPE_CHECKING:
    from collections.abc import Generator, Iterator

    from playwright.sync_api import Browser, Page

CHROMIUM = "/usr/bin/chromium"
FLAGS = (
    *("--no-sandbox", "--disable-gpu", "--disable-quic", "--no-first-run"),
    *("--disable-background-networking", "--disable-component-update", "--disable-sync"),
)


@dataclass
class Opened:
    """A page, and what went wrong in it."""

    page: Page
    complaints: list[str] = field(default_factory=list[str])
    """What its console said."""
    requests: list[str] = field(default_factory=list[str])

    @property
    def overflow(self) -> int:
        """Pixels that have to be scrolled sideways."""
        wider = "document.documentElement.scrollWidth - document.documentElement.clientWidth"
        return int(self.page.evaluate(wider))

    def smallest_text(self) -> float:
        """Return the height of the smallest letters that are drawn, in pixels."""
        return float(
            self.page.evaluate(
                """() => Math.min(...[...document.querySelectorAll("body *, svg text")]
                     .filter((one) => one.checkVisibility() &&
                       [...one.childNodes].some((node) => node.nodeType === 3 && node.data.trim()))
                     .map((one) => parseFloat(getComputedStyle(one).fontSize) *
                       (one.getScreenCTM?.()?.a ?? 1)))"""
            )
        )


class Chromium:
    """Opens pages as a phone or a desk would."""

    def __init__(self, browser: Browser) -> None:
        self._browser = browser

    @contextmanager
    def opened(self, url: str, *, width: int = 1280, **traits: Any) -> Iterator[Opened]:
        """Open a page; ``traits`` are the context's, as ``color_scheme``."""
        context = self._browser.new_context(viewport={"width": width, "height": 800}, **traits)
        page = context.new_page()
        seen = Opened(page)
        page.on("console", lambda message: seen.complaints.append(message.text))
        page.on("pageerror", lambda error: seen.complaints.append(str(error)))
        page.on("request", lambda request: seen.requests.append(request.url))
        page.goto(url)
        try:
            yield seen
        finally:
            context.close()


def pytest_collection_modifyitems(items: list[pytest.Item]) -> None:
    """Keep the tests of a file together, so that each file starts one browser."""
    for item in items:
        if item.path.parent.name == "browsing":
            item.add_marker(pytest.mark.xdist_group(item.path.name))


@pytest.fixture(scope="module")
def chromium() -> Generator[Chromium]:
    """Start a browser for the tests of a file.

    It must not outlive them: its event loop counts as running in this thread, so that no
    asynchronous test could be run beside it.
    """
    if not os.access(CHROMIUM, os.X_OK) and not os.environ.get("POLLER_SKIP_NOTHING"):
        pytest.skip(f"no browser at {CHROMIUM}")
    api = pytest.importorskip("playwright.sync_api")
    with api.sync_playwright() as playwright:
        browser = playwright.chromium.launch(executable_path=CHROMIUM, args=list(FLAGS))
        yield Chromium(browser)
        browser.close()
