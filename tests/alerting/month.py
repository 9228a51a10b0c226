"""A month of a person with twelve accounts, polled by cron, and what alerts make of it.

Figures are the living simulator's. Over them come answers that flap, single failures,
outages and restarts. ``python -m tests.alerting.month`` says how many messages came.
"""

from __future__ import annotations

import argparse
import sys
import tempfile
from collections import Counter
from dataclasses import dataclass, field, replace
from pathlib import Path
from random import Random
from typing import TYPE_CHECKING

from poller.history.alert_state import AskedRound, evaluate_all, take
from poller.history.database import open_database, transaction
from poller.history.observed import observed
from poller.history.recording import Recorder
from poller.insight.alert_rules import AlertKind, AlertRule
from poller.present.alert_text import event_of
from poller.simulator.accounts import made_up
from poller.simulator.living import LivingAccounts
from poller.simulator.seasons import DAY_S, Cycle, season_of
from poller.usage.identity import account_key
from poller.usage.normalizer import normalize
from poller.values import Failure, FailureKind, Report, Usage

if TYPE_CHECKING:
    from poller.insight.alert_rules import Told
    from poller.simulator.accounts import MadeUpAccount

BEGAN_AT = 1_790_000_000
EVERY_S = 600
DAYS = 30
ACCOUNTS = 12
FLAP_CHANCE = 0.01
LONE_FAILURE_CHANCE = 0.0005
"""After all attempts of a poll."""
SECOND_POLLER_CHANCE = 0.1
RESTART_CHANCE = 1 / 30
OUTAGES = 4
DEFAULT = AlertRule("default")
PATIENT = AlertRule("for 2", answers=2)
RESETS = AlertRule("resets", on=frozenset({AlertKind.EARLY_RESET}))
RULES = DEFAULT, PATIENT, RESETS


@dataclass(frozen=True)
class Heard:
    """A message of one rule in one round."""

    round: int
    rule: str
    told: tuple[Told, ...]


@dataclass
class Month:
    """What came, and what was so."""

    heard: list[Heard] = field(default_factory=list)
    exhausted: dict[tuple[str, str], list[tuple[int, int]]] = field(default_factory=dict)
    """By account and window: the first good look at each exhaustion, and the second."""
    short: set[tuple[str, str, int]] = field(default_factory=set)
    """Those that only one good look saw: account, window, round."""
    outages: list[tuple[int, int]] = field(default_factory=list)
    """First and last round."""
    fleet_resets: list[int] = field(default_factory=list)
    """The first round after it."""
    wrong: list[str] = field(default_factory=list)
    """What was told and was not so."""
    left: dict[tuple[str | None, str | None], float] = field(default_factory=dict)
    """What is really left now, by account and window."""
    restarts: int = 0
    flaps: int = 0
    failures: int = 0

    def messages(self, rule: str) -> list[Heard]:
        return [one for one in self.heard if one.rule == rule]


def flapped(usage: Usage, random: Random) -> Usage:
    """Return a wrong answer: figures of nobody, or a window that is missing."""
    if random.random() < 0.3:
        return replace(usage, windows=usage.windows[1:], usable=True, limited_by=None)
    left = random.choice((2.0, 98.0, 0.0))
    windows = tuple(replace(window, remaining_percent=left) for window in usage.windows)
    return replace(usage, windows=windows, usable=True, limited_by=None, usable_at=None)


def is_so(told: Told, month: Month) -> bool:
    """Whether what is told of a window's level is so."""
    left = month.left.get((told.account, told.window), 0.0)
    if told.over:
        return told.change is not AlertKind.LOW or left >= DEFAULT.clear
    match told.change:
        case AlertKind.EXHAUSTED:
            return left == 0
        case AlertKind.LOW:
            return left < DEFAULT.below
        case AlertKind.BACK:
            return left > 0
    return True


def truth(usage: Usage) -> set[str]:
    return {window.name for window in usage.windows if window.remaining_percent == 0}


def live(path: Path, *, seed: int, days: int = DAYS) -> Month:
    """Live through a month; return what was told."""
    random = Random(seed)
    world = LivingAccounts(seed)
    people = list(made_up(ACCOUNTS, now=BEGAN_AT))
    rounds = days * DAY_S // EVERY_S
    month = Month()
    for part in range(OUTAGES):
        begins = (part * rounds + random.randrange(rounds // 2)) // OUTAGES + 10
        month.outages.append((begins, begins + random.randrange(2, 6)))
    for day in range(days + 1):
        for reset in season_of(Cycle.FLEET, BEGAN_AT + day * DAY_S, seed=seed, phase=0).resets:
            number = (reset.at - BEGAN_AT) // EVERY_S + 1
            if 1 < number < rounds and number not in month.fleet_resets:
                month.fleet_resets.append(number)
    begun: dict[tuple[str, str], int] = {}
    connection = open_database(str(path))
    recorder = Recorder(connection)
    for number in range(rounds):
        outage = any(first <= number <= last for first, last in month.outages)
        pollers = 2 if random.random() < SECOND_POLLER_CHANCE else 1
        for poller in range(pollers):
            if random.random() < RESTART_CHANCE:
                connection.close()
                connection = open_database(str(path))
                recorder = Recorder(connection)
                month.restarts += 1
            at = BEGAN_AT + number * EVERY_S + 20 * poller
            later = [
                look(month, world, one, position, at, number, begun, random, outage=outage)
                for position, one in enumerate(people)
            ]
            seen = [kept for kept in map(observed, later) if kept is not None]
            with transaction(connection):
                recorder.record(seen, live=True)
            labels = {report.account for report in later}
            with transaction(connection):
                asked = AskedRound(later, at + 10, labels)
                due = evaluate_all(connection, RULES, asked)
            for rule in due:
                with transaction(connection):
                    heard = Heard(number, rule, tuple(take(connection, rule)))
                month.heard.append(heard)
                month.wrong += [str(each) for each in heard.told if not is_so(each, month)]
    connection.close()
    return month


def look(  # noqa: PLR0917 - one poll of one account, in full
    month: Month,
    world: LivingAccounts,
    one: MadeUpAccount,
    position: int,
    at: float,
    number: int,
    begun: dict[tuple[str, str], int],
    random: Random,
    *,
    outage: bool,
) -> Report:
    """Return what one poll of one account comes to."""
    seen_at = at + position * 0.3 + random.random() / 4
    payload = world.payload(
        one.user_id, one.account_id, plan=one.plan, email=one.email, now=seen_at
    )
    usage = normalize(payload, observed_at=seen_at)
    assert usage is not None
    for window in usage.windows:
        month.left[one.name, window.name] = window.remaining_percent or 0.0
    key = account_key(one.user_id, one.account_id)
    report = Report(position, one.name, one.name, seen_at, usage, key=key)
    kind = None
    if outage:
        kind = random.choices((FailureKind.SERVER_ERROR, FailureKind.TIMEOUT), (0.9, 0.1))[0]
    elif random.random() < LONE_FAILURE_CHANCE:
        kind = random.choice((FailureKind.CONNECTION_LOST, FailureKind.RATE_LIMITED))
        month.failures += 1
    if kind is not None:
        failure = Failure(kind, "no answer", "wait", may_work_later=True)
        return replace(report, usage=None, failure=failure)
    if number and random.random() < FLAP_CHANCE:
        month.flaps += 1
        return replace(report, usage=flapped(usage, random))
    note(month, begun, one.name, truth(usage), number)
    return report


def note(
    month: Month, begun: dict[tuple[str, str], int], name: str, spent: set[str], number: int
) -> None:
    """Write down what a good look at an account showed."""
    for key in [key for key in begun if key[0] == name and key[1] not in spent]:
        first = begun.pop(key)
        if first >= 0:  # nobody looked a second time
            month.short.add((*key, first))
    for window in spent:
        key = name, window
        if key not in begun:
            begun[key] = number
        elif begun[key] >= 0:
            if begun[key] > 0:
                month.exhausted.setdefault(key, []).append((begun[key], number))
            begun[key] = -1


def counted(month: Month, rule: str) -> str:
    """Say how many messages a rule told, and of what."""
    kinds = Counter(event_of(one.told) for one in month.messages(rule))
    told = ", ".join(f"{count} {kind}" for kind, count in kinds.most_common())
    return f"{rule}: {kinds.total()} messages: {told}"


def main() -> None:
    parser = argparse.ArgumentParser("tests.alerting.month")
    parser.add_argument("--seeds", type=int, default=3)
    parser.add_argument("--days", type=int, default=DAYS)
    asked = parser.parse_args()
    for seed in range(asked.seeds):
        with tempfile.TemporaryDirectory() as folder:
            month = live(Path(folder, "h.db"), seed=seed, days=asked.days)
        exhaustions = sum(map(len, month.exhausted.values()))
        sys.stdout.write(
            f"seed {seed}: {exhaustions} exhaustions, {len(month.outages)} outages, "
            f"{len(month.fleet_resets)} fleet resets, {month.flaps} flaps, "
            f"{month.failures} lone failures, {month.restarts} restarts\n"
        )
        for rule in RULES:
            sys.stdout.write(f"  {counted(month, rule.name)}\n")


if __name__ == "__main__":
    main()
