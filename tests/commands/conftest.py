"""Commands that ask nobody are run in this process."""

from __future__ import annotations

from functools import partial
from typing import TYPE_CHECKING

import pytest

from tests.running import ran_here

if TYPE_CHECKING:
    from collections.abc import Callable
    from pathlib import Path

    from tests.running import Ended


@pytest.fixture
def here(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch, capfdbinary: pytest.CaptureFixture[bytes]
) -> Callable[..., Ended]:
    """Return what runs a command in an empty folder, and returns what it left behind."""
    monkeypatch.chdir(tmp_path)
    for name in ("HOME", "XDG_CONFIG_HOME", "XDG_STATE_HOME"):
        monkeypatch.setenv(name, str(tmp_path))
    monkeypatch.setenv("LC_ALL", "C")
    return partial(ran_here, capfdbinary)
