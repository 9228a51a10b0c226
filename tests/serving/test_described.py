"""The API is what ``/openapi.json`` says of it, whatever it is asked."""

from __future__ import annotations

import subprocess
import sys
from typing import TYPE_CHECKING

from tests.browsing.test_browsing_serve import serving

if TYPE_CHECKING:
    from pathlib import Path

CHECKS = (
    "not_a_server_error,status_code_conformance,"
    "content_type_conformance,response_schema_conformance"
)


def test_the_api_is_what_it_says(tmp_path: Path) -> None:
    words = ("--exclude-path", "/events", "--checks", CHECKS, "-n", "30", "--no-color")
    with serving(cwd=tmp_path) as url:
        done = subprocess.run(
            (f"{sys.prefix}/bin/schemathesis", "run", f"{url}openapi.json", *words),
            check=False,
            capture_output=True,
            text=True,
            cwd=tmp_path,
        )
    assert done.returncode == 0, done.stdout
    assert "6 passed" in done.stdout
