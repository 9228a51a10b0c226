"""A folder of a user without rights."""

from __future__ import annotations

import os
import tempfile
from pathlib import Path
from typing import TYPE_CHECKING

import pytest

if TYPE_CHECKING:
    from collections.abc import Iterator

NOBODY = 65_534


@pytest.fixture
def nobodys() -> Iterator[Path]:
    """Return a folder of a user without rights, and be that user, where this is root."""
    own = os.geteuid()
    with tempfile.TemporaryDirectory() as name:
        folder = Path(name)
        if own == 0:
            os.chown(folder, NOBODY, NOBODY)
            os.seteuid(NOBODY)
        yield folder
        os.seteuid(own)
        folder.chmod(0o700)
