"""Scenes on the judge's interface: what an upstream may do, and what is said then."""

from __future__ import annotations

import json
import subprocess
import sys
from pathlib import Path
from typing import Any

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from tests.forecast.stream import Stream, answers

T0 = 1_790_035_200
FIVE_HOURS = 18_000


class Scene:
    """One account with a five-hour window, polled every five minutes."""

    def __init__(self) -> None:
        self.stream = Stream()
        self.now = T0
        self.used = 0.0
        self.reset_at = T0 + FIVE_HOURS

    def poll(self, looks: int, rise: float = 0.0, **told: Any) -> Scene:
        for _ in range(looks):
            self.now += 300
            self.used += rise
            if self.now >= self.reset_at:
                self.used, self.reset_at = 0.5, self.now + FIVE_HOURS - 60
            window = {
                "used_percent": self.used,
                "reset_at": self.reset_at,
                "window_seconds": FIVE_HOURS,
                **told,
            }
            self.line(windows={"five_hour": window})
        return self

    def line(self, **line: Any) -> None:
        self.stream.take({"type": "sample", "account": "a", "t": self.now, **line})

    def ask(self) -> dict[str, Any]:
        *said, done = self.stream.take({"type": "ask", "account": "a", "t": self.now + 1, "id": 7})
        assert done == {"id": 7, "done": True}
        assert len(said) <= 1
        return said[0] if said else {}

    def chance(self) -> float:
        return float(self.ask()["p_out"])


def busy() -> Scene:
    """Two days of work, and half a cycle used up again."""
    scene = Scene()
    for _ in range(9):
        scene.poll(60, 0.8)
    return scene.poll(25, 2)


def test_a_busy_account_is_told_its_chance() -> None:
    said = busy().ask()
    assert said["status"] == "ok"
    assert 0.2 < said["p_out"] < 1
    assert said["lo"] <= said["eta"] <= said["hi"]


def test_nothing_is_said_of_an_account_that_is_new() -> None:
    assert Scene().poll(3, 2).ask() == {"id": 7, "window": "five_hour", "status": "not_enough"}


def test_nothing_is_said_of_a_monthly_window() -> None:
    scene = Scene()
    for look in range(300):
        scene.now += 300
        told = {"used_percent": 0.1 * look, "reset_at": T0 + 2_000_000, "window_seconds": 2_592_000}
        scene.line(windows={"monthly": told})
    assert scene.ask()["status"] == "not_enough"


@pytest.mark.parametrize(
    "told",
    [
        {"used_percent": 2.0, "reset_at": T0 + 10**6},
        {"used_percent": 0, "reset_at": None},
        {"used_percent": None},
        {"used_percent": "broken", "reset_at": {}},
        {"used_percent": 80.0, "reset_at": T0},
        {"used_percent": 99.0},
    ],
    ids=["flapped", "flapped to nothing", "null", "garbage", "stale", "leapt"],
)
def test_one_odd_answer_changes_nothing(told: dict[str, Any]) -> None:
    scene = busy()
    before = scene.chance()
    assert scene.poll(1, 0, **told).chance() == pytest.approx(before, abs=0.05)


def test_an_early_reset_is_believed_at_the_second_look() -> None:
    scene = busy()
    before = scene.chance()
    scene.used, scene.reset_at = 1.0, scene.now + FIVE_HOURS
    assert scene.poll(1).chance() == pytest.approx(before, abs=0.05)
    assert scene.poll(1).chance() < 0.7 * before


@pytest.mark.parametrize(
    "windows",
    [{}, None, {"five_hour": None}, {"five_hour": {"window_seconds": 0}}, {"five_hour": 7}],
    ids=["none", "null", "null window", "all-zero window", "number"],
)
def test_a_window_that_is_not_reported_is_not_spoken_of(windows: Any) -> None:
    scene = busy()
    scene.now += 300
    scene.line(windows=windows)
    assert scene.ask() == {}


def test_a_clock_that_was_set_back_stops_nothing() -> None:
    scene = busy()
    scene.now -= 7200
    assert scene.poll(3, 1).ask()["status"] == "ok"


def test_a_gap_stops_nothing() -> None:
    scene = busy()
    scene.now += 3600
    assert scene.poll(1, 5).ask()["status"] == "ok"


def test_another_plan_is_learnt_anew() -> None:
    scene = busy()
    for plan, used in (("plus", scene.used), ("pro", 20), ("pro", 20)):
        scene.now += 300
        told = {"used_percent": used, "reset_at": scene.reset_at}
        scene.line(plan=plan, windows={"five_hour": told})
    assert scene.ask()["status"] == "not_enough"


def test_accounts_know_nothing_of_one_another() -> None:
    scene = busy()
    said = scene.stream.take({"type": "ask", "account": "b", "t": scene.now, "id": 1})
    assert said == [{"id": 1, "done": True}]


@pytest.mark.parametrize(
    "line",
    [
        "", "{", "null", "[]", "7", '"ask"', "[" * 100_000,
        '{"type":"sample"}', '{"type":"sample","account":["a"],"t":1,"windows":{}}',
        '{"type":"sample","account":"a","t":1e400,"windows":{"five_hour":{}}}',
        '{"type":"sample","account":"a","t":1790035200,"windows":["five_hour"]}',
        '{"type":"sample","account":"a","t":1790035200,"windows":{"x":{"used_percent":true}}}',
        '{"type":"sample","account":"a","t":1790035200,"windows":{"x":{"used_percent":NaN}}}',
        '{"type":"miss","account":"a","t":null}', '{"type":["ask"]}', '{"type":"other","t":1}',
    ],
)  # fmt: skip
def test_a_line_that_makes_no_sense_is_passed_over(line: str) -> None:
    ask = '{"type":"ask","account":"a","t":1790035201,"id":1}'
    assert list(answers([line, ask])) == [[{"id": 1, "done": True}]]


def test_an_ask_without_a_time_is_answered() -> None:
    assert list(answers(['{"type":"ask"}'])) == [[{"id": None, "done": True}]]


json_values = st.recursive(
    st.none() | st.booleans() | st.floats() | st.integers() | st.text(max_size=5),
    lambda inner: (
        st.lists(inner, max_size=3)
        | st.dictionaries(
            st.sampled_from(["five_hour", "used_percent", "reset_at", "window_seconds", "x"]),
            inner,
            max_size=4,
        )
    ),
    max_leaves=5,
)


@settings(max_examples=50, deadline=None)
@given(
    st.lists(
        st.fixed_dictionaries(
            {"type": st.sampled_from(["sample", "ask", "miss"]), "account": json_values},
            optional={"t": json_values, "windows": json_values, "plan": json_values},
        ),
        max_size=5,
    )
)
def test_no_lines_break_the_stream(lines: list[dict[str, Any]]) -> None:
    asks = sum(line["type"] == "ask" for line in lines)
    assert len(list(answers(json.dumps(line) for line in lines))) == asks


def test_the_program_answers_each_ask_before_the_next_line() -> None:
    with subprocess.Popen(
        [sys.executable, "-m", "tests.forecast.stream"],
        stdin=subprocess.PIPE,
        stdout=subprocess.PIPE,
        cwd=Path(__file__).parents[2],
    ) as program:
        assert program.stdin is not None
        assert program.stdout is not None
        for number in range(2):
            program.stdin.write(b'\xff\n{"type":"ask","account":"a","t":1,"id":%d}\n' % number)
            program.stdin.flush()
            assert json.loads(program.stdout.readline()) == {"id": number, "done": True}
        program.stdin.close()
        assert program.wait(10) == 0
