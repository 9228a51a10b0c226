from __future__ import annotations

import socket
from typing import TYPE_CHECKING

import pytest

from poller.process.systemd import tell_systemd

if TYPE_CHECKING:
    from pathlib import Path


@pytest.mark.parametrize("abstract", [False, True])
def test_systemd_is_told(tmp_path: Path, abstract: bool) -> None:
    name = f"@poller-test-{tmp_path.name}" if abstract else str(tmp_path / "socket")
    with socket.socket(socket.AF_UNIX, socket.SOCK_DGRAM) as service_manager:
        service_manager.bind("\0" + name[1:] if abstract else name)
        service_manager.settimeout(5)
        assert tell_systemd("READY=1", environ={"NOTIFY_SOCKET": name})
        assert service_manager.recv(100) == b"READY=1"


@pytest.mark.parametrize("address", ["", "/nowhere/at/all", "relative", "@" + "x" * 300])
def test_where_nobody_listens_nothing_happens(address: str) -> None:
    assert not tell_systemd("READY=1", environ={"NOTIFY_SOCKET": address})
    assert not tell_systemd("READY=1", environ={})
