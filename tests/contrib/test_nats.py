"""The configurations for the NATS server are ones that it takes."""

from __future__ import annotations

import shutil
import subprocess
from typing import TYPE_CHECKING

import pytest

from poller.agents.server_config import server_config
from tests.nats_server import SERVER, needs_nats
from tests.running import ROOT

if TYPE_CHECKING:
    from pathlib import Path

    from tests.conftest import Certificates

pytestmark = needs_nats


@pytest.mark.parametrize("name", ["local.conf", "cluster.conf"])
def test_the_server_takes_it(name: str, tmp_path: Path, certificates: Certificates) -> None:
    shutil.copy(ROOT / "contrib/nats" / name, tmp_path / name)
    (tmp_path / "users.conf").write_text(server_config(["laptop"]))
    for path in tmp_path.iterdir():
        text = path.read_text()
        for theirs, ours in (
            ("/etc/nats/server.pem", certificates.cert_file),
            ("/etc/nats/server-key.pem", certificates.key_file),
            ("/etc/nats/ca.pem", certificates.ca_file),
        ):
            text = text.replace(theirs, ours)
        path.write_text(text)

    told = subprocess.run(
        [SERVER or "", "-t", "-c", str(tmp_path / name)], capture_output=True, check=False
    )

    assert told.returncode == 0, told.stderr
