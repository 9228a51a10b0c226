from __future__ import annotations

from zoneinfo import ZoneInfo

import pytest

from poller.process.clock import zone_of


@pytest.mark.parametrize(
    ("name", "environ", "zone"),
    [
        ("Asia/Tokyo", {"TZ": "Europe/Berlin"}, "Asia/Tokyo"),
        (None, {"TZ": "Europe/Berlin"}, "Europe/Berlin"),
        (None, {"TZ": ":Europe/Berlin"}, "Europe/Berlin"),
        (None, {"TZ": "Nowhere/Here"}, None),
        (None, {"TZ": "Europe/Berlin" * 4_000}, None),
        (None, {"TZ": "/etc/localtime"}, None),
        (None, {"TZ": ""}, None),
        (None, {}, None),
    ],
)
def test_a_zone_is_that_named_else_the_environments(
    name: str | None, environ: dict[str, str], zone: str | None
) -> None:
    assert zone_of(name, environ) == (None if zone is None else ZoneInfo(zone))


def test_a_zone_is_found_without_the_systems_files(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr("zoneinfo.TZPATH", ())
    ZoneInfo.clear_cache()
    assert zone_of(None, {"TZ": "Asia/Shanghai"}) is not None
