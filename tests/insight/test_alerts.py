"""Rules over made-up rounds: what is told, once, and what is not."""

from __future__ import annotations

from dataclasses import dataclass, field, replace
from typing import TYPE_CHECKING, Any
from zoneinfo import ZoneInfo

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from poller.insight.alert_rules import AlertKind, AlertRule, QuietHours, Watched
from poller.insight.alerts import evaluate
from poller.insight.changes import ChangeKind, changes
from poller.insight.forecast import Outlook
from poller.insight.series import Observation
from poller.insight.standing import Standing, standing
from poller.values import FailureKind, Forecast, Report
from tests.known_accounts import FRESH, NOW, answered, failed, silent

if TYPE_CHECKING:
    from collections.abc import Iterable

    from poller.insight.alert_rules import Mark, MarkKey, Told

EVERY_S = 300.0
RESETS = (ChangeKind.RESET, ChangeKind.EARLY_RESET)
BOUGHT: dict[str, Any] = {"credits": {"has_credits": True, "unlimited": False, "balance": "5"}}
REACHED: dict[str, Any] = {"rate_limit_reached_type": "workspace_member_credits_depleted"}
TIMEOUT, SERVER, EXPIRED = (
    FailureKind.TIMEOUT,
    FailureKind.SERVER_ERROR,
    FailureKind.TOKEN_EXPIRED,
)
ALL = frozenset(AlertKind) - {AlertKind.INCIDENT, AlertKind.FLEET_RESET}


def on(*words: str, **more: Any) -> AlertRule:
    return AlertRule("rule", on=frozenset(map(AlertKind, words)), **more)


@dataclass
class Follower:
    """Evaluates one rule round after round, as the history would have it done."""

    rule: AlertRule
    marks: dict[MarkKey, Mark] = field(default_factory=dict)
    ids: dict[str, int] = field(default_factory=dict)
    outlooks: dict[int, Outlook] = field(default_factory=dict)
    known: dict[int, tuple[Standing, float | None]] = field(default_factory=dict)
    quiet: bool = False

    def round(
        self,
        *reports: Report,
        gone: Iterable[str] = (),
        forecasts: dict[str, Forecast] | None = None,
    ) -> list[Told]:
        """Return what the rule tells after these reports; others are there unasked."""
        watched = {self.id_of(each.account): self.watched(each, forecasts) for each in reports}
        now = max(
            [each.observed_at for each in reports]
            + [one.report.observed_at for one, _ in self.known.values()]
        )
        for id_, (one, _) in self.known.items():
            watched.setdefault(id_, Watched(id_, one, fresh=False))
        left = [watched.pop(self.ids[name]) for name in gone]
        told, changed = evaluate(
            *(self.rule, list(watched.values()), self.marks),
            now=now,
            gone=left,
            reminds=not self.quiet,
        )
        self.marks |= changed
        return told

    def id_of(self, name: str) -> int:
        return self.ids.setdefault(name, len(self.ids) + 1)

    def watched(self, report: Report, forecasts: dict[str, Forecast] | None) -> Watched:
        id_ = self.id_of(report.account)
        before, at = self.known.get(id_, (None, None))
        if before is not None:
            before = replace(before, answered_at=at)
        if report.usage is None:
            known = standing(report, before)
            self.known[id_] = known, at
            return Watched(id_, known)
        usage = report.usage
        seen = {
            window.name: Observation(
                *(report.observed_at, window.used_percent, window.reset_at),
                window.window_seconds,
                blocked=usage.usable is False,
            )
            for window in usage.windows
        }
        looks = self.outlooks.setdefault(id_, Outlook()).observe(report.observed_at, seen)
        looks = {name: look for name, look in looks.items() if name in seen}
        held = any(look.held for look in looks.values())
        known = standing(report, before, looks=looks)
        self.known[id_] = known, at if held and before else known.answered_at
        found = changes([before], [known]) if before else []
        resets = tuple(each for each in found if each.change in RESETS)
        old = before.usage if before else None
        return Watched(id_, known, True, usage, held, old, resets, forecasts)


def told(found: Iterable[Told]) -> list[str]:
    """Return what is told, in short: ``a exhausted five_hour``, ``a low weekly over``."""
    return [
        " ".join(
            word
            for word in (each.account, each.change, each.window, "over" if each.over else None)
            if word
        )
        for each in found
    ]


def at(number: int) -> float:
    return NOW + number * EVERY_S


def five(used: float | None, number: int, **more: Any) -> Report:
    """Return an answer of account a in a round; its five hours end three hours after the first."""
    return answered("a", five=(used, 3 - number * EVERY_S / 3600), at=at(number), **more)


def week(used: float | None, number: int, **more: Any) -> Report:
    return answered("a", week=(used, 50 - number * EVERY_S / 3600), at=at(number), **more)


def down(number: int, kind: FailureKind = TIMEOUT, name: str = "a") -> Report:
    return failed(name, kind, at=at(number))


DEFAULT = AlertRule("rule")
BLOCKED_98 = {"allowed": False}

SCENES: dict[str, tuple[AlertRule, list[Report], list[list[str]]]] = {
    "the first look is a baseline": (DEFAULT, [five(100, 0), five(100, 1)], [[], []]),
    "an exhaustion is told once, and its end once": (
        DEFAULT,
        [five(50, 0), five(100, 1), five(100, 2), answered("a", five=FRESH, at=at(37))],
        [[], ["a exhausted five_hour"], [], ["a back five_hour"]],
    ),
    "the end of an exhaustion is told also of one that was there before": (
        DEFAULT,
        [five(100, 0), answered("a", five=FRESH, at=at(37))],
        [[], ["a back five_hour"]],
    ),
    "without back in on, it says that the exhaustion is over": (
        on("exhausted"),
        [five(50, 0), five(100, 1), answered("a", five=FRESH, at=at(37))],
        [[], ["a exhausted five_hour"], ["a exhausted five_hour over"]],
    ),
    "without back in on, the end of what was not told is not told": (
        on("exhausted"),
        [five(100, 0), answered("a", five=FRESH, at=at(37))],
        [[], []],
    ),
    "back alone tells the end alone": (
        on("back"),
        [five(50, 0), five(100, 1), answered("a", five=FRESH, at=at(37))],
        [[], [], ["a back five_hour"]],
    ),
    "five hours are not back while the week blocks": (
        DEFAULT,
        [
            answered("a", five=(50, 3), week=(97, 50)),
            answered("a", five=(100, 2.9), week=(100, 49.9), at=at(1)),
            answered("a", five=FRESH, week=(100, 47), at=at(37)),
            answered("a", five=FRESH, week=FRESH, at=at(700)),
        ],
        [
            [],
            ["a exhausted five_hour", "a exhausted weekly"],
            [],
            ["a back weekly"],
        ],
    ),
    "98 percent used and blocked is exhausted": (
        DEFAULT,
        [week(80, 0), week(83, 1, **BLOCKED_98), week(83, 2)],
        [[], ["a exhausted"], ["a back"]],
    ),
    "when 98 become 100 percent it is told already": (
        DEFAULT,
        [
            five(80, 0),
            five(83, 1, **BLOCKED_98),
            five(100, 2),
            answered("a", five=FRESH, at=at(37)),
        ],
        [[], ["a exhausted"], [], ["a back five_hour"]],
    ),
    "nor is it news when 100 become 98": (
        DEFAULT,
        [
            five(80, 0),
            five(100, 1),
            *(five(98, n, **BLOCKED_98) for n in range(2, 7)),
            answered("a", five=FRESH, at=at(37)),
        ],
        [[], ["a exhausted five_hour"], [], [], [], [], [], ["a back"]],
    ),
    "but it is when the window was reset and something else blocks": (
        DEFAULT,
        [five(80, 0), five(100, 1), answered("a", five=FRESH, at=at(37), **REACHED)],
        [[], ["a exhausted five_hour"], ["a exhausted"]],
    ),
    "a block by a spent window is told with that window": (
        DEFAULT,
        [week(97, 0, **REACHED), week(97, 1)],
        [[], ["a back"]],
    ),
    "carrying on on credits is not being back": (
        on("exhausted", "back", "credits"),
        [week(97, 0), week(100, 1, **BOUGHT), week(100, 2, **BOUGHT), week(100, 3, **BOUGHT)],
        [[], ["a credits"], ["a exhausted weekly"], []],
    ),
    "a flapped answer tells nothing": (
        replace(DEFAULT, on=ALL),
        [week(40, 0), week(40, 1), week(98, 2, allowed=True), week(40, 3), week(41, 4)],
        [[], [], [], [], []],
    ),
    "nor does one that shows less": (
        replace(DEFAULT, on=ALL),
        [week(95, 0), week(2, 1), week(95, 2), week(96, 3)],
        [[], [], [], []],
    ),
    "low fires below its bound, and clears above another": (
        on("low"),
        [
            *(
                answered("a", five=(used, 3 - n / 12), at=at(n))
                for n, used in enumerate((86, 91, 89))
            ),
            answered("a", five=(86, 5), at=at(37)),
            answered("a", five=(84, 9.5), at=at(98)),
        ],
        [[], ["a low five_hour"], [], [], ["a low five_hour over"]],
    ),
    "what is used up is low where exhausted is not told": (
        on("low"),
        [five(50, 0), five(100, 1), answered("a", five=FRESH, at=at(37))],
        [[], ["a low five_hour"], ["a low five_hour over"]],
    ),
    "what becomes exhausted is low no more, and only comes back": (
        DEFAULT,
        [five(86, 0), five(95, 1), five(100, 2), answered("a", five=FRESH, at=at(37))],
        [[], ["a low five_hour"], ["a exhausted five_hour"], ["a back five_hour"]],
    ),
    "a window that the rule is not about tells nothing": (
        replace(DEFAULT, window="weekly"),
        [
            answered("a", five=(50, 3), week=(50, 50)),
            answered("a", five=(100, 3), week=(91, 50), at=at(1)),
            answered("a", five=(100, 3), week=(92, 50), at=at(2)),
        ],
        [[], ["a low weekly"], []],
    ),
    "two answers in a row have to agree where for says so": (
        replace(DEFAULT, answers=2),
        [five(86, 0), five(95, 1), five(96, 2)],
        [[], [], ["a low five_hour"]],
    ),
    "a large step is told at the second answer": (
        on("low"),
        [five(60, 0), five(92, 1), five(93, 2)],
        [[], [], ["a low five_hour"]],
    ),
    "what is used up and not blocked is told at the second answer": (
        DEFAULT,
        [five(96, 0), five(100, 1, allowed=True), five(100, 2, allowed=True)],
        [[], [], ["a exhausted five_hour"]],
    ),
    "answers count, believed or not": (
        replace(DEFAULT, answers=2),
        [week(40, 0), week(97, 1, allowed=True), week(97, 2, allowed=True)],
        [[], [], ["a low weekly"]],
    ),
    "one answer that disagrees starts again": (
        replace(DEFAULT, answers=2),
        [five(86, 0), five(91, 1), five(89, 2), five(91, 3), five(92, 4)],
        [[], [], [], [], ["a low five_hour"]],
    ),
    "a failed poll between them does not": (
        replace(DEFAULT, answers=2),
        [five(86, 0), five(95, 1), down(2), five(95, 3)],
        [[], [], [], ["a low five_hour"]],
    ),
    "failures are told once, and their end": (
        DEFAULT,
        [five(50, 0), down(1), down(2, SERVER), five(50, 3)],
        [[], ["a failed"], [], ["a failed over"]],
    ),
    "a login that ended is login, not failed": (
        DEFAULT,
        [five(50, 0), down(1, EXPIRED), down(2, EXPIRED), five(50, 3)],
        [[], ["a login"], [], ["a login over"]],
    ),
    "restored takes the place of over, once": (
        on("failed", "login", "restored"),
        [five(50, 0), down(1), down(2, EXPIRED), five(50, 3)],
        [[], ["a failed"], ["a login"], ["a restored"]],
    ),
    "restored alone tells the end alone": (
        on("restored"),
        [five(50, 0), down(1), five(50, 2)],
        [[], [], ["a restored"]],
    ),
    "restored is not told of what was not told": (
        on("failed", "restored", answers=2),
        [five(50, 0), down(1), five(50, 2)],
        [[], [], []],
    ),
    "a failed poll is no baseline": (
        DEFAULT,
        [down(0), down(1), five(100, 2), five(100, 3)],
        [[], [], [], []],
    ),
    "a failed poll changes nothing else": (
        DEFAULT,
        [five(95, 0), down(1), five(100, 2)],
        [[], ["a failed"], ["a failed over", "a exhausted five_hour"]],
    ),
    "a run that was stopped asked nobody": (
        DEFAULT,
        [five(50, 0), down(1, FailureKind.CANCELLED), five(50, 2)],
        [[], [], []],
    ),
    "what rules do not tell is silent": (
        on("low"),
        [five(50, 0), down(1), five(50, 2)],
        [[], [], []],
    ),
    "a told reset": (
        on("reset"),
        [five(50, 0), answered("a", five=FRESH, at=at(37))],
        [[], ["a reset five_hour"]],
    ),
    "an early reset is believed at the second look": (
        on("early_reset", "reset"),
        [week(50, 0), answered("a", week=FRESH, at=at(1)), answered("a", week=FRESH, at=at(2))],
        [[], [], ["a early_reset weekly"]],
    ),
    "another plan is believed at the second answer": (
        on("plan_changed"),
        [
            five(50, 0),
            five(50, 1, plan="pro"),
            five(50, 2),
            five(50, 3, plan="pro"),
            five(50, 4, plan="pro"),
            five(50, 5, plan="pro"),
        ],
        [[], [], [], [], ["a plan_changed"], []],
    ),
    "credits begin and end": (
        on("credits"),
        [
            week(100, 0, **BOUGHT),
            answered("a", week=(3, 100), at=at(700)),
            answered("a", week=(100, 99), at=at(710), **BOUGHT),
            answered("a", week=(100, 99 - 10 / 12), at=at(720), **BOUGHT),
            answered("a", week=FRESH, at=at(1300)),
            answered("a", week=FRESH, at=at(1301)),
        ],
        [[], [], [], ["a credits"], [], ["a credits over"]],
    ),
    "an exhausted window that is no longer reported blocks nothing, at the second answer": (
        DEFAULT,
        [
            answered("a", five=(50, 3), week=(30, 50)),
            answered("a", five=(100, 3), week=(30, 50), at=at(1), allowed=False),
            answered("a", week=(30, 50), at=at(2)),
            answered("a", five=(100, 3), week=(30, 50), at=at(3), allowed=False),
            answered("a", week=(30, 50), at=at(4)),
            answered("a", week=(30, 50), at=at(5)),
            answered("a", week=(30, 50), at=at(6)),
        ],
        [[], ["a exhausted five_hour"], [], [], [], ["a back five_hour"], []],
    ),
    "nor is the end of one that was not told": (
        on("exhausted"),
        [
            answered("a", five=(100, 3), week=(30, 50)),
            *(answered("a", week=(30, 50), at=at(n)) for n in (1, 2)),
        ],
        [[], [], []],
    ),
    "an answer of which nothing is told ends nothing": (
        on("exhausted"),
        [five(50, 0), five(100, 1), silent("a", at=at(2)), silent("a", at=at(3))],
        [[], ["a exhausted five_hour"], [], []],
    ),
    "a window without a figure changes nothing": (
        DEFAULT,
        [five(86, 0), five(None, 1), five(95, 2), five(95, 3)],
        [[], [], [], ["a low five_hour"]],
    ),
    "reminders come as often as they are asked for, also of failures": (
        replace(DEFAULT, remind_s=600),
        [five(86, 0), five(95, 1), five(95, 2), five(96, 3), down(4), down(5), down(6)],
        [
            [],
            ["a low five_hour"],
            [],
            ["a low five_hour"],
            ["a failed"],
            [],
            ["a failed"],
        ],
    ),
    "a reminder is of what was told": (
        replace(DEFAULT, remind_s=60),
        [five(100, 0), five(100, 1), five(100, 2)],
        [[], [], []],
    ),
    "an exhaustion is told again as long as it lasts": (
        replace(DEFAULT, remind_s=60),
        [five(50, 0), five(100, 1), five(100, 2)],
        [[], ["a exhausted five_hour"], ["a exhausted five_hour"]],
    ),
    "accounts that the rule is not about are not told": (
        replace(DEFAULT, accounts=("team-*",)),
        [five(50, 0), five(100, 1)],
        [[], []],
    ),
}


@pytest.mark.parametrize("scene", SCENES)
def test_a_rule_tells_what_it_should(scene: str) -> None:
    rule, reports, expected = SCENES[scene]
    follower = Follower(rule)
    assert [told(follower.round(report)) for report in reports] == expected


def test_a_report_that_says_nothing_at_all_changes_nothing() -> None:
    follower = Follower(DEFAULT)
    follower.round(five(50, 0))
    assert follower.round(Report(0, "a", "a.json", at(1))) == []


def test_what_is_told_has_its_figures() -> None:
    follower = Follower(DEFAULT)
    follower.round(five(50, 0))
    (exhausted,) = follower.round(five(100, 1))
    assert (exhausted.before, exhausted.after, exhausted.at) == (50, 0, at(1))
    assert exhausted.until == NOW + 3 * 3600
    (back,) = follower.round(answered("a", five=FRESH, at=at(37)))
    assert (back.before, back.after, back.until) == (0, 100, None)


def test_a_step_back_of_the_clock_does_not_stop_the_reminders() -> None:
    follower = Follower(replace(DEFAULT, remind_s=86_400))
    follower.round(five(50, 0))
    assert told(follower.round(five(100, 1))) == ["a exhausted five_hour"]
    follower.known.clear()
    assert told(follower.round(answered("a", five=(100, 30), at=at(-400)))) == [
        "a exhausted five_hour"
    ]


def test_nothing_is_told_again_in_quiet_hours() -> None:
    follower = Follower(replace(DEFAULT, remind_s=60), quiet=True)
    follower.round(five(50, 0))
    assert told(follower.round(five(100, 1))) == ["a exhausted five_hour"]
    assert follower.round(five(100, 2)) == []
    follower.quiet = False
    assert told(follower.round(five(100, 3))) == ["a exhausted five_hour"]


# Forecasts


def forecast(chance: float | None) -> dict[str, Forecast]:
    return {
        "five_hour": Forecast(
            percent_per_hour=30,
            empty_at_pace=NOW + 7200,
            runs_out_chance=chance,
            runs_out_from=NOW,
            runs_out_at=NOW + 3600,
            runs_out_to=NOW + 7200,
            hours=10,
            rises=10,
            rough=True,
        )
    }


def test_a_window_that_will_probably_run_out_is_told_and_that_it_lasts_after_all() -> None:
    follower = Follower(on("runs_out"))
    chances = (0.3, 0.6, 0.4, 0.2, 0.7)
    came = [
        follower.round(five(50 + n, n), forecasts=forecast(chance))
        for n, chance in enumerate(chances)
    ]
    assert [told(each) for each in came] == [
        [],
        ["a runs_out five_hour"],
        [],
        ["a runs_out five_hour over"],
        ["a runs_out five_hour"],
    ]
    assert (came[1][0].after, came[1][0].until) == (49, NOW + 3600)


def test_a_forecast_that_came_true_is_not_said_to_be_over() -> None:
    follower = Follower(on("runs_out"))
    follower.round(five(50, 0), forecasts=forecast(0.1))
    assert told(follower.round(five(55, 1), forecasts=forecast(0.9))) == ["a runs_out five_hour"]
    assert follower.round(five(100, 2), forecasts={}) == []
    assert follower.round(answered("a", five=FRESH, at=at(37)), forecasts={}) == []


def test_one_that_ends_in_a_block_at_98_percent_came_true() -> None:
    follower = Follower(on("runs_out"))
    follower.round(five(50, 0), forecasts=forecast(0.1))
    assert told(follower.round(five(95, 1), forecasts=forecast(0.9))) == ["a runs_out five_hour"]
    assert follower.round(five(98, 2, **BLOCKED_98), forecasts=forecast(0.1)) == []
    assert follower.round(answered("a", five=FRESH, at=at(37)), forecasts={}) == []


def test_without_a_forecast_nothing_is_over() -> None:
    follower = Follower(on("runs_out", window="weekly"))
    follower.round(five(50, 0), forecasts=forecast(0.1))
    assert follower.round(five(55, 1), forecasts=forecast(0.9)) == []
    assert follower.round(five(55, 2)) == []


# All together

NAMES = [f"n{number}" for number in range(10)]


def fleet(number: int, *failing: FailureKind, used: float = 50) -> list[Report]:
    """Return a round of ten accounts, of which the first ones fail."""
    reports = [answered(name, week=(used, 50 - number / 12), at=at(number)) for name in NAMES]
    for index, kind in enumerate(failing):
        reports[index] = failed(NAMES[index], kind, at=at(number))
    return reports


@pytest.mark.parametrize("rule", [DEFAULT, on("low"), on("failed", "restored"), on("incident")])
def test_a_failure_that_most_accounts_share_is_one_incident(rule: AlertRule) -> None:
    follower = Follower(rule)
    assert follower.round(*fleet(0)) == []
    (incident,) = follower.round(*fleet(1, *[SERVER] * 6))
    assert (incident.change, incident.accounts, incident.after) == ("incident", 6, "server_error")
    assert incident.account is None
    assert follower.round(*fleet(2, *[TIMEOUT] * 9)) == []
    assert follower.round(*fleet(3, *[SERVER] * 4)) == []
    assert told(follower.round(*fleet(4))) == ["incident over"]
    assert follower.round(*fleet(5)) == []


def test_fewer_are_told_each_in_one_message() -> None:
    follower = Follower(DEFAULT)
    follower.round(*fleet(0))
    assert told(follower.round(*fleet(1, *[SERVER] * 5))) == [f"n{n} failed" for n in range(5)]


def test_what_a_breaker_kept_from_being_asked_is_part_of_the_incident() -> None:
    follower = Follower(DEFAULT)
    follower.round(*fleet(0))
    kinds = [TIMEOUT] * 3 + [FailureKind.CIRCUIT_OPEN] * 3 + [EXPIRED]
    assert told(follower.round(*fleet(1, *kinds))) == ["incident", "n6 login"]
    follower = Follower(DEFAULT)
    follower.round(*fleet(0))
    (incident,) = follower.round(*fleet(1, *[FailureKind.CIRCUIT_OPEN] * 8))
    assert incident.after == "circuit_open"


def test_failures_that_were_told_become_part_of_an_incident() -> None:
    follower = Follower(DEFAULT)
    follower.round(*fleet(0))
    assert told(follower.round(*fleet(1, SERVER))) == ["n0 failed"]
    assert told(follower.round(*fleet(2, *[SERVER] * 7))) == ["incident"]
    assert told(follower.round(*fleet(3))) == ["incident over"]


def test_who_fails_alone_after_an_incident_is_told() -> None:
    follower = Follower(DEFAULT)
    follower.round(*fleet(0))
    follower.round(*fleet(1, *[SERVER] * 7))
    assert told(follower.round(*fleet(2, SERVER))) == ["incident over"]
    assert told(follower.round(*fleet(3, SERVER))) == ["n0 failed"]
    assert told(follower.round(*fleet(4))) == ["n0 failed over"]


def test_a_login_that_ends_during_an_incident_is_told() -> None:
    follower = Follower(DEFAULT)
    follower.round(*fleet(0))
    follower.round(*fleet(1, *[SERVER] * 7))
    assert told(follower.round(*fleet(2, EXPIRED, *[SERVER] * 7))) == ["n0 login"]
    assert told(follower.round(*fleet(3, EXPIRED))) == ["incident over"]


def test_an_incident_is_told_again_as_often_as_asked() -> None:
    follower = Follower(replace(DEFAULT, remind_s=600))
    follower.round(*fleet(0))
    for number, expected in ((1, ["incident"]), (2, []), (3, ["incident"]), (4, [])):
        assert told(follower.round(*fleet(number, *[SERVER] * 7))) == expected


def test_an_outage_at_the_first_look_is_no_incident() -> None:
    follower = Follower(DEFAULT)
    assert follower.round(*fleet(0, *[SERVER] * 10)) == []
    assert follower.round(*fleet(1)) == []


def test_accounts_asked_one_by_one_share_an_incident_too() -> None:
    follower = Follower(DEFAULT)
    follower.round(*fleet(0))
    came = [told(follower.round(one)) for one in fleet(1, *[SERVER] * 10)]
    assert [each for each in came if each] == [["incident"]]
    assert came[5] == ["incident"]


def test_they_share_it_also_where_a_rule_waits_for_several_answers() -> None:
    follower = Follower(replace(DEFAULT, answers=3))
    follower.round(*fleet(0))
    looks = [one for number in (1, 2, 3) for one in fleet(number, *[SERVER] * 10)]
    assert [each for one in looks if (each := told(follower.round(one)))] == [["incident"]]
    follower = Follower(replace(DEFAULT, answers=2))
    follower.round(*fleet(0))
    looks = [one for number in (1, 2) for one in fleet(number, SERVER)]
    assert [each for one in looks if (each := told(follower.round(one)))] == [["n0 failed"]]


def test_one_of_many_that_fails_is_told_once_the_others_answer_or_time_has_passed() -> None:
    follower = Follower(DEFAULT)
    follower.round(*fleet(0))
    assert follower.round(failed("n0", SERVER, at=at(1))) == []
    came = [told(follower.round(one)) for one in fleet(2)[1:]]
    assert [each for each in came if each] == [["n0 failed"]]
    assert came[4] == ["n0 failed"]
    follower = Follower(DEFAULT)
    follower.round(*fleet(0))
    assert follower.round(failed("n0", SERVER, at=at(1))) == []
    assert follower.round(failed("n0", SERVER, at=at(2))) == []
    assert told(follower.round(failed("n0", SERVER, at=at(3)))) == ["n0 failed"]


def early(number: int, count: int) -> list[Report]:
    """Return a round in which the first ones were reset early."""
    reports = fleet(number)
    for index in range(count):
        reports[index] = answered(NAMES[index], week=FRESH, at=at(number))
    return reports


@pytest.mark.parametrize("rule", [DEFAULT, on("early_reset"), on("fleet_reset"), on("failed")])
def test_an_early_reset_of_most_accounts_is_one_fleet_reset(rule: AlertRule) -> None:
    follower = Follower(rule)
    follower.round(*fleet(0))
    assert follower.round(*early(1, 6)) == []
    (reset,) = follower.round(*early(2, 6))
    assert (reset.change, reset.window, reset.accounts) == ("fleet_reset", "weekly", 6)
    assert follower.round(*early(3, 8)) == []
    assert follower.round(*early(4, 8)) == []


def test_fewer_early_resets_are_told_each() -> None:
    follower = Follower(on("early_reset"))
    follower.round(*fleet(0))
    follower.round(*early(1, 2))
    assert told(follower.round(*early(2, 2))) == ["n0 early_reset weekly", "n1 early_reset weekly"]
    assert follower.round(*early(3, 2)) == []


def test_early_resets_of_several_windows_name_none() -> None:
    follower = Follower(on("early_reset"))
    both = [
        [answered(name, five=(40, 3), week=(50, 40), at=at(0)) for name in NAMES],
        *(
            [answered(name, five=FRESH, week=FRESH, at=at(number)) for name in NAMES]
            for number in (1, 2)
        ),
    ]
    came = [follower.round(*reports) for reports in both]
    assert [told(each) for each in came] == [[], [], ["fleet_reset"]]


def test_early_resets_seen_one_by_one_are_one_fleet_reset() -> None:
    follower = Follower(on("early_reset"))
    follower.round(*fleet(0))
    came = [told(follower.round(one)) for number in (1, 2) for one in early(number, 10)]
    assert [each for each in came if each] == [["fleet_reset weekly"]]


def test_one_early_reset_is_told_once_the_others_were_not() -> None:
    follower = Follower(on("early_reset"))
    follower.round(*fleet(0))
    came = [told(follower.round(one)) for number in (1, 2, 3) for one in early(number, 1)]
    assert [each for each in came if each] == [["n0 early_reset weekly"]]


# Who is there, the pool


def test_accounts_that_appear_and_go_are_told() -> None:
    follower = Follower(on("appeared", "gone"))
    assert follower.round(answered("a", week=(40, 50))) == []
    (appeared,) = follower.round(answered("b", week=(60, 50), at=at(1)))
    assert (appeared.account, appeared.change, appeared.after) == ("b", "appeared", 40)
    (gone,) = follower.round(gone=["a"])
    assert (gone.account, gone.change, gone.before) == ("a", "gone", 60)
    assert follower.round(gone=["a"]) == []
    assert told(follower.round(answered("a", week=(40, 50), at=at(3)))) == ["a appeared"]


def test_a_failed_poll_makes_no_account_appear_nor_does_an_unknown_one_go() -> None:
    follower = Follower(on("appeared", "gone"))
    follower.round(answered("a", week=(40, 50)))
    assert follower.round(failed("b", at=at(1))) == []
    assert follower.round(gone=["b"]) == []
    follower.round(failed("a", EXPIRED, at=at(2)))
    (gone,) = follower.round(gone=["a"])
    assert gone.before == "token_expired"


def test_rules_that_do_not_tell_who_is_there_are_silent() -> None:
    follower = Follower(DEFAULT)
    follower.round(answered("a", week=(40, 50)))
    assert follower.round(answered("b", week=(40, 50), at=at(1))) == []
    assert follower.round(gone=["b"]) == []


def test_the_pool_is_low_once_all_of_its_range_is() -> None:
    follower = Follower(on("pool_low", remind_s=3600))
    assert follower.round(*fleet(0, used=80)) == []
    (low,) = follower.round(*fleet(1, used=93))
    assert (low.change, low.window, low.after, low.accounts) == ("pool_low", "weekly", 7, 10)
    assert follower.round(*fleet(2, used=95)) == []
    assert follower.round(*fleet(3, *[SERVER] * 2, used=95)) == []
    assert told(follower.round(*fleet(13, used=95))) == ["pool_low weekly"]
    fresh = [answered(name, week=(10, 168), at=at(700)) for name in NAMES]
    assert told(follower.round(*fresh)) == ["pool_low weekly over"]


def test_a_pool_that_was_low_before_is_not_said_to_be_low_no_more() -> None:
    follower = Follower(on("pool_low"))
    follower.round(*fleet(0, used=95))
    assert follower.round(*(answered(name, week=(10, 168), at=at(700)) for name in NAMES)) == []


def test_the_pool_is_judged_by_answers_alone_and_by_the_rules_window() -> None:
    follower = Follower(on("pool_low", window="five_hour"))
    follower.round(*fleet(0, used=80))
    assert follower.round(*fleet(1, used=95)) == []
    follower = Follower(on("pool_low"))
    follower.round(*fleet(0, used=80))
    assert told(follower.round(*fleet(1, *[EXPIRED] * 10))) == ["incident"]


# Quiet hours


@pytest.mark.parametrize(
    ("quiet", "hour", "held"),
    [
        (QuietHours(22 * 60, 7 * 60), 23, True),
        (QuietHours(22 * 60, 7 * 60), 3, True),
        (QuietHours(22 * 60, 7 * 60), 7, False),
        (QuietHours(22 * 60, 7 * 60), 21, False),
        (QuietHours(12 * 60, 14 * 60), 13, True),
        (QuietHours(12 * 60, 14 * 60), 14, False),
        (None, 3, False),
    ],
)
def test_quiet_hours_are_local_and_may_go_over_midnight(
    quiet: QuietHours | None, hour: int, held: bool
) -> None:
    midnight = 1_790_028_000.0  # 2026-09-22 00:00 in Berlin
    rule = AlertRule("rule", quiet=quiet)
    when = midnight + hour * 3600
    assert rule.holds_back(when, ZoneInfo("Europe/Berlin")) is held
    assert replace(rule, critical=True).holds_back(when, ZoneInfo("Europe/Berlin")) is False


# Whatever comes

REPORTS = st.one_of(
    st.tuples(
        st.just("answer"),
        st.one_of(st.none(), st.floats(0, 100)),
        st.one_of(st.none(), st.floats(-10, 200)),
        st.sampled_from([None, True, False]),
        st.sampled_from(["plus", "pro"]),
    ),
    st.tuples(st.just("failure"), st.sampled_from(FailureKind)),
)


@settings(max_examples=30, deadline=None)
@given(st.lists(st.lists(REPORTS, min_size=1, max_size=7), max_size=20), st.integers(1, 3))
def test_nothing_is_over_that_did_not_begin_and_nothing_begins_twice(
    rounds: list[list[tuple[Any, ...]]], answers: int
) -> None:
    words = {"low", "login", "failed", "credits", "pool_low", "incident", "runs_out"}
    follower = Follower(on(*words, answers=answers))
    firing: set[tuple[str | None, str, str | None]] = set()
    for number, each in enumerate(rounds):
        for one in follower.round(
            *(report_of(f"n{i}", number, *how) for i, how in enumerate(each))
        ):
            key = one.account, one.change.value, one.window
            assert one.change in words
            assert (key in firing) is one.over
            if one.over:
                firing.remove(key)
                continue
            firing.add(key)
            if one.change is AlertKind.INCIDENT:  # it tells them from now on
                firing = {other for other in firing if other[1] not in ("login", "failed")}


def report_of(name: str, number: int, what: str, *how: Any) -> Report:
    if what == "failure":
        return failed(name, how[0], at=at(number))
    used, hours, allowed, plan = how
    return answered(name, week=(used, hours), allowed=allowed, plan=plan, at=at(number))
