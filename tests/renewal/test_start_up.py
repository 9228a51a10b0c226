"""A listing passes through this room: it must not pay for the HTTP library."""

from __future__ import annotations

import subprocess
import sys

SCRIPT = "import poller.renewal, sys; print('aiohttp' in sys.modules)"


def test_the_room_is_entered_without_the_http_library() -> None:
    told = subprocess.run([sys.executable, "-c", SCRIPT], capture_output=True, check=True)
    assert told.stdout == b"False\n"
