"""What people copy: rules and a board for the metrics, checked by Prometheus' own tool."""

from __future__ import annotations

import re
import subprocess
from pathlib import Path
from typing import Any

import orjson
import pytest

from poller.insight.pool import pool
from poller.insight.standing import standings
from poller.present.prometheus import Counted, Measured, metrics
from tests.known_accounts import NOW, answered, failed
from tests.parts import needs
from tests.present.test_prometheus import COUNTS

CONTRIB = Path(__file__).parents[2] / "contrib"
BOARD = CONTRIB / "grafana" / "poller.json"
_NAME = re.compile(r"\bpoller_\w+")

needs_promtool = needs("promtool")


def promtool(*words: str, given: bytes = b"", cwd: Path = CONTRIB / "prometheus") -> str:
    done = subprocess.run(
        ["promtool", *words], input=given, check=False, capture_output=True, cwd=cwd
    )
    assert done.returncode == 0, done.stdout.decode() + done.stderr.decode()
    return (done.stdout + done.stderr).decode()


def text(counts: Counted | None = COUNTS) -> bytes:
    bought = {"has_credits": True, "unlimited": False, "balance": "5"}
    accounts = standings([answered("alice", five=(42, 1), credits=bought), failed("bob")])
    measured = Measured("1", accounts, pool(accounts, now=NOW), counts=counts)
    return metrics(measured)[0]


def names() -> set[str]:
    """Return the names of all metrics, also of those that have no value just now."""
    found = set(re.findall(r"^# TYPE (\w+)", text().decode(), re.MULTILINE))
    rounds = {"poller_last_round_timestamp_seconds", "poller_last_round_duration_seconds"}
    return found | rounds | {"poller_round_duration_seconds_bucket"}


def expressions() -> list[str]:
    board: dict[str, Any] = orjson.loads(BOARD.read_bytes())
    queries = [
        query["definition"] for query in board["templating"]["list"] if "definition" in query
    ]
    targets = [target["expr"] for panel in board["panels"] for target in panel["targets"]]
    assert len(targets) > 10
    return [*targets, *(re.sub(r"label_values\((\w+), \w+\)", r"\1", query) for query in queries)]


@needs_promtool
@pytest.mark.parametrize("counts", [COUNTS, None])
def test_the_metrics_are_well_made(counts: Counted | None) -> None:
    assert promtool("check", "metrics", given=text(counts)) == ""


@needs_promtool
def test_the_rules_do_what_they_say() -> None:
    promtool("check", "rules", "alerts.yml")
    promtool("test", "rules", "alerts_test.yml")


@needs_promtool
def test_every_expression_of_the_board_can_be_parsed(tmp_path: Path) -> None:
    filled = [each.replace("$account", ".*") for each in expressions()]
    rules = [{"record": f"board:{n}", "expr": expr} for n, expr in enumerate(filled)]
    (tmp_path / "board.yml").write_bytes(
        orjson.dumps({"groups": [{"name": "board", "rules": rules}]})
    )
    promtool("check", "rules", "board.yml", cwd=tmp_path)


def test_every_metric_of_the_board_and_of_the_rules_is_known() -> None:
    rules = (CONTRIB / "prometheus" / "alerts.yml").read_text()
    used = {name for each in (*expressions(), rules) for name in _NAME.findall(each)}
    assert used - names() == set()
