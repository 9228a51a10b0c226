"""Programs that some tests need beside Python: a test is skipped where one is missing.

The gate (``.ci/run``) sets ``POLLER_SKIP_NOTHING``: there such a test runs, and fails.
"""

from __future__ import annotations

import os
import shutil

import pytest


def needs(*programs: str) -> pytest.MarkDecorator:
    """Return the mark of a test that needs ``programs``, such as ``promtool``."""
    missing = [name for name in programs if shutil.which(name) is None]
    skip = bool(missing) and not os.environ.get("POLLER_SKIP_NOTHING")
    return pytest.mark.skipif(skip, reason=f"no {', '.join(missing)} here")
