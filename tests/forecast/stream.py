"""The product's forecast on the judge's interface: ``python -m tests.forecast.stream``.

Samples, misses and asks come in, one JSON a line; at each ask one forecast per window goes
out, then a line that says it is done. No line can stop it: what makes no sense is passed over.
"""

from __future__ import annotations

import json
import sys
from math import isfinite
from typing import TYPE_CHECKING, Any

from poller.insight.forecast import Outlook
from poller.insight.series import EXHAUSTED_PERCENT, Look, Observation
from tests.forecast.judging import Said

if TYPE_CHECKING:
    from collections.abc import Iterable, Iterator

    from tests.forecast.judging import Forecasts


def _number(value: object) -> float | None:
    if isinstance(value, bool) or not isinstance(value, int | float | str):
        return None
    try:
        number = float(value)
    except (ValueError, OverflowError):
        return None
    return number if isfinite(number) else None


def _observation(told: object, *, at: float, plan: object) -> Observation | None:
    """Read one window of a sample; None where there is none."""
    if not isinstance(told, dict):
        return None
    length = _number(told.get("window_seconds"))
    if length is not None and length <= 0:
        return None
    return Observation(
        at,
        _number(told.get("used_percent")),
        _number(told.get("reset_at")),
        length,
        plan if isinstance(plan, str) else None,
        told.get("blocked") is True,
    )


class Stream:
    """All accounts of a stream."""

    def __init__(self) -> None:
        self._accounts: dict[str, tuple[Outlook, dict[str, Look]]] = {}

    def take(self, line: dict[str, Any]) -> list[dict[str, Any]]:
        """Take one line; return the answers to an ask."""
        account, at = str(line.get("account")), _number(line.get("t"))
        outlook, looks = self._accounts.setdefault(account, (Outlook(), {}))
        match line.get("type"):
            case "sample" if at is not None:
                self._observe(outlook, looks, line, at)
            case "ask":
                said = [] if at is None else _answers(outlook, looks, at)
                return [{"id": line.get("id"), **each} for each in [*said, {"done": True}]]
        return []

    def _observe(
        self, outlook: Outlook, looks: dict[str, Look], line: dict[str, Any], at: float
    ) -> None:
        windows = line.get("windows") or {}
        if not isinstance(windows, dict):
            return
        plan = line.get("plan", line.get("plan_type"))
        read = {name: _observation(told, at=at, plan=plan) for name, told in windows.items()}
        looks.update(
            outlook.observe(at, {name: seen for name, seen in read.items() if seen is not None})
        )


def _answers(outlook: Outlook, looks: dict[str, Look], at: float) -> Iterator[dict[str, Any]]:
    forecasts = outlook.forecast(at)
    for name, look in looks.items():
        used, reset_at = look.used_percent, look.reset_at
        if used is None or not 0 < used < EXHAUSTED_PERCENT or reset_at is None or reset_at <= at:
            continue
        came = forecasts.get(name)
        if came is None or came.runs_out_chance is None:
            yield {"window": name, "status": "not_enough"}
            continue
        yield {
            "window": name,
            "status": "ok",
            "p_out": came.runs_out_chance,
            "eta": came.runs_out_at,
            "lo": came.runs_out_from,
            "hi": came.runs_out_to,
        }


def answers(lines: Iterable[str]) -> Iterator[list[dict[str, Any]]]:
    """Read a stream's lines and yield the answers to each ask."""
    stream = Stream()
    for text in lines:
        try:
            line = json.loads(text)
        except (ValueError, RecursionError):
            continue
        if isinstance(line, dict):
            came = stream.take(line)
            if came:
                yield came


def forecasts(lines: Iterable[dict[str, Any]]) -> Forecasts:
    """Return what is said at every ask of a stream."""
    stream = Stream()
    return {
        (answer["id"], answer["window"]): Said(
            answer["p_out"], answer["eta"], answer["lo"], answer["hi"]
        )
        for line in lines
        for answer in stream.take(line)
        if answer.get("status") == "ok"
    }


def main() -> None:
    sys.stdin.reconfigure(errors="replace")  # type: ignore[union-attr]
    for came in answers(sys.stdin):
        for answer in came:
            sys.stdout.write(json.dumps(answer) + "\n")
        sys.stdout.flush()


if __name__ == "__main__":
    main()
