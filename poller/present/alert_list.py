"""``poller alerts list``: the rules as people read them, and as one object each."""

from __future__ import annotations

from typing import TYPE_CHECKING, NamedTuple

import orjson

from poller.insight.alert_rules import AlertKind
from poller.present.times import span
from poller.text import printable

if TYPE_CHECKING:
    from collections.abc import Sequence

    from poller.present.words import Words
    from poller.settings.alert_tables import Alert

    Firing = Sequence[tuple[str | None, str, str | None]]


class _Labels(NamedTuple):
    """What stands in front of each line."""

    tells: str
    below: str
    accounts: str
    window: str
    answers: str
    remind: str
    quiet: str
    critical: str
    through: str
    firing: str


_ENGLISH = _Labels(
    *("on", "below", "accounts", "window", "answers in a row", "repeated every", "quiet"),
    *("critical", "told by", "firing"),
)
_CHINESE = _Labels(
    *("事件", "低于", "账号", "窗口", "连续应答", "重复间隔", "安静时段"),
    *("紧急", "方式", "正在提醒"),
)


def as_text(alert: Alert, firing: Firing, trouble: str | None, words: Words) -> str:
    """Return the lines about a rule: what it watches for, how it is told, what fires now.

    ``firing`` are account, change and window; ``trouble`` is why it cannot be told.
    """
    rule = alert.rule
    labels = _CHINESE if words.language == "zh" else _ENGLISH
    on = [kind.value for kind in AlertKind if kind in rule.on]
    lines = [(labels.tells, " ".join(on))]
    if rule.tells(AlertKind.LOW) or rule.tells(AlertKind.POOL_LOW):
        lines.append((labels.below, f"{rule.below:g} %"))
    if rule.accounts:
        lines.append((labels.accounts, words.comma.join(map(printable, rule.accounts))))
    if rule.window is not None:
        lines.append((labels.window, words.window(rule.window)))
    if rule.answers > 1:
        lines.append((labels.answers, str(rule.answers)))
    if rule.remind_s:
        lines.append((labels.remind, span(rule.remind_s, words)))
    if rule.quiet is not None:
        lines.append((labels.quiet, _hours(alert) or ""))
    told_by = printable(alert.place)
    if trouble is not None:
        told_by += words.bracketed.format(text=trouble)
    lines.append((labels.through, told_by))
    if firing:
        told = [
            " ".join(each for each in (account, window and words.window(window), change) if each)
            for account, change, window in firing
        ]
        lines.append((labels.firing, words.comma.join(told)))
    name = printable(rule.name)
    if rule.critical:
        name += words.bracketed.format(text=labels.critical)
    return "\n".join([name, *(f"  {label}{words.colon}{text}" for label, text in lines)])


def as_json(alert: Alert, firing: Firing, trouble: str | None) -> str:
    """Return one line of JSON about a rule; its keys are those of the configuration."""
    rule = alert.rule
    told = {
        "name": rule.name,
        "on": [kind.value for kind in AlertKind if kind in rule.on],
        "below": rule.below,
        "clear": rule.clear,
        "accounts": list(rule.accounts),
        "window": rule.window,
        "for": rule.answers,
        "remind_s": rule.remind_s,
        "severity": "critical" if rule.critical else "warning",
        "quiet": _hours(alert),
        "run": list(alert.run) or None,
        "url_file": alert.url_file,
        "url_env": alert.url_env,
        "style": alert.style,
        "trouble": trouble,
        "firing": [
            {"account": account, "change": change, "window": window}
            for account, change, window in firing
        ],
    }
    return orjson.dumps(told).decode()


def _hours(alert: Alert) -> str | None:
    quiet = alert.rule.quiet
    if quiet is None:
        return None
    return "-".join(f"{minute // 60:02}:{minute % 60:02}" for minute in quiet)
