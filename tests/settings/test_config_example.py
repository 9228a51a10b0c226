"""``config.example.toml``: complete, and nothing but the defaults."""

from __future__ import annotations

import re
import tomllib
from pathlib import Path
from typing import TYPE_CHECKING

from poller.cli import parse
from poller.insight.alert_rules import AlertRule, QuietHours
from poller.settings import Settings
from poller.settings.options import OPTIONS

if TYPE_CHECKING:
    import pytest

EXAMPLE = Path(__file__).parents[2] / "config.example.toml"
ALERTS = "# Alerts: "
"""What stands after it is an example of tables that are no options."""
_KEY = re.compile(r"^(?:# )?(\w+) = ", re.MULTILINE)
_COMMENTED_KEY = re.compile(r"^# (?=\w+ = )", re.MULTILINE)


def sections() -> dict[str, str]:
    options = EXAMPLE.read_text().partition(ALERTS)[0]
    parts = re.split(r"^\[(\w+)\]$", options, flags=re.MULTILINE)
    return dict(zip(parts[1::2], parts[2::2], strict=True))


def test_the_example_has_every_key_in_its_section_and_in_order() -> None:
    told = {name: _KEY.findall(text) for name, text in sections().items()}
    assert told == {name: [o.key for o in options] for name, options in OPTIONS.items()}


def test_the_example_equals_the_defaults() -> None:
    assert parse(["--config", str(EXAMPLE)]) == Settings()


def test_a_key_stands_commented_out_where_it_has_no_default() -> None:
    live = tomllib.loads(EXAMPLE.read_text())
    for name, options in OPTIONS.items():
        assert list(live[name]) == [o.key for o in options if o.default is not None]


def test_every_key_has_a_comment_before_it() -> None:
    for text in sections().values():
        for block in re.split(r"\n\n+", text.strip()):
            assert re.match(r"# [\"\w].*[ .]", block)
            assert _KEY.search(block)


def test_what_is_commented_out_is_a_good_example(
    tmp_path: Path,
    monkeypatch: pytest.MonkeyPatch,
) -> None:
    monkeypatch.chdir(tmp_path)
    Path("company.pem").touch()
    Path("all.toml").write_text(_COMMENTED_KEY.sub("", EXAMPLE.read_text()))
    Path("real.toml").write_text(Path("all.toml").read_text().replace("demo = 12", ""))
    assert parse(["--config", "all.toml"]).demo == 12
    real = parse(["--config", "real.toml"])
    assert real.proxy == "http://127.0.0.1:7890"
    for options in OPTIONS.values():
        for option in options:
            if option.default is None and option.key != "demo":
                assert getattr(real, option.field) is not None


def test_the_example_of_an_alert_is_one(tmp_path: Path) -> None:
    lines = EXAMPLE.read_text().partition(ALERTS)[2].splitlines()
    table = [line.removeprefix("#   ") for line in lines if line.startswith("#   ")]
    (tmp_path / "alerts.toml").write_text("\n".join(table))
    (alert,) = parse(["--config", str(tmp_path / "alerts.toml")]).alerts
    assert alert.rule == AlertRule(
        "low", accounts=("team-*",), window="weekly", quiet=QuietHours(22 * 60, 7 * 60)
    )
    assert alert.run == ("/usr/bin/notify-send", "poller", "{text}")


def test_five_hours_may_be_called_as_the_table_calls_them(tmp_path: Path) -> None:
    rule = '[[alert]]\nname = "low"\nrun = ["true"]\nwindow = "5h"\n'
    (tmp_path / "alerts.toml").write_text(rule)
    (alert,) = parse(["--config", str(tmp_path / "alerts.toml")]).alerts
    assert alert.rule.window == "five_hour"


def test_every_flag_has_its_key() -> None:
    for options in OPTIONS.values():
        for option in options:
            if option.flags:
                assert option.flags[-1] == f"--{option.key.replace('_', '-')}"


def test_the_example_fits_the_screen() -> None:
    assert all(len(line) <= 90 for line in EXAMPLE.read_text().splitlines())
