"""What a rule tells: one sentence for people, one object for programs."""
# ruff: noqa: RUF001 - full-width punctuation is what Chinese is written with

from __future__ import annotations

from types import MappingProxyType
from typing import TYPE_CHECKING, NamedTuple

import orjson

from poller.insight.alert_rules import AlertKind
from poller.present.catalogue import words_of
from poller.present.record import utc
from poller.present.times import Clock
from poller.text import printable
from poller.values import SCHEMA_VERSION, FailureKind

if TYPE_CHECKING:
    from collections.abc import Mapping, Sequence
    from datetime import tzinfo

    from poller.insight.alert_rules import Told
    from poller.present.words import Words

SEVERAL, TEST = "several", "test"
_NAMED = 12
"""Accounts that a sentence names of one kind."""
_K = AlertKind


class _Phrases(NamedTuple):
    """One language."""

    said: Mapping[tuple[AlertKind, bool], str]
    """By change, and whether it is over; ``{}`` stands for the accounts and their figures."""
    left: str
    back_at: str
    about: str
    joined: str
    test: str


_ENGLISH = _Phrases(
    said=MappingProxyType(
        {
            (_K.EXHAUSTED, False): "used up: {}",
            (_K.EXHAUSTED, True): "can be used again: {}",
            (_K.BACK, False): "can be used again: {}",
            (_K.LOW, False): "low: {}",
            (_K.LOW, True): "no longer low: {}",
            (_K.LOGIN, False): "log in again: {}",
            (_K.LOGIN, True): "logged in again: {}",
            (_K.FAILED, False): "no answer: {}",
            (_K.FAILED, True): "answering again: {}",
            (_K.RESTORED, False): "answering again: {}",
            (_K.RESET, False): "reset: {}",
            (_K.EARLY_RESET, False): "reset early: {}",
            (_K.PLAN_CHANGED, False): "plan changed: {}",
            (_K.APPEARED, False): "new: {}",
            (_K.GONE, False): "gone: {}",
            (_K.CREDITS, False): "spending credits: {}",
            (_K.CREDITS, True): "no longer spending credits: {}",
            (_K.RUNS_OUT, False): "will probably run out: {}",
            (_K.RUNS_OUT, True): "lasts after all: {}",
            (_K.POOL_LOW, False): "low across all accounts: {}",
            (_K.POOL_LOW, True): "no longer low across all accounts: {}",
            (_K.INCIDENT, False): "an outage: {}",
            (_K.INCIDENT, True): "the outage is over: {}",
            (_K.FLEET_RESET, False): "reset early together: {}",
        }
    ),
    left="{window} {percent} left",
    back_at="back {at}",
    about="about {at}",
    joined="; ",
    test="a test of the alert {rule}: nothing has changed",
)
_CHINESE = _Phrases(
    said=MappingProxyType(
        {
            (_K.EXHAUSTED, False): "已用完：{}",
            (_K.EXHAUSTED, True): "又可使用：{}",
            (_K.BACK, False): "又可使用：{}",
            (_K.LOW, False): "余量不足：{}",
            (_K.LOW, True): "余量已恢复：{}",
            (_K.LOGIN, False): "需要重新登录：{}",
            (_K.LOGIN, True): "已重新登录：{}",
            (_K.FAILED, False): "没有应答：{}",
            (_K.FAILED, True): "恢复应答：{}",
            (_K.RESTORED, False): "恢复应答：{}",
            (_K.RESET, False): "已重置：{}",
            (_K.EARLY_RESET, False): "提前重置：{}",
            (_K.PLAN_CHANGED, False): "套餐已变：{}",
            (_K.APPEARED, False): "新账号：{}",
            (_K.GONE, False): "已不在：{}",
            (_K.CREDITS, False): "开始消耗点数：{}",
            (_K.CREDITS, True): "不再消耗点数：{}",
            (_K.RUNS_OUT, False): "很可能用完：{}",
            (_K.RUNS_OUT, True): "看来够用：{}",
            (_K.POOL_LOW, False): "全部账号合计余量不足：{}",
            (_K.POOL_LOW, True): "全部账号合计余量已恢复：{}",
            (_K.INCIDENT, False): "服务中断：{}",
            (_K.INCIDENT, True): "服务已恢复：{}",
            (_K.FLEET_RESET, False): "一起提前重置：{}",
        }
    ),
    left="{window} 剩 {percent}",
    back_at="{at} 恢复",
    about="约 {at}",
    joined="；",
    test="提醒 {rule} 的测试：没有任何变化",
)


def event_of(told: Sequence[Told]) -> str:
    """Return the word for a message: the change that all of it tells, else ``several``."""
    kinds = {(each.change, each.over) for each in told}
    if not kinds:
        return TEST
    return told[0].change.value if len(kinds) == 1 else SEVERAL


def message(rule: str, told: Sequence[Told], *, text: str, at: float) -> bytes:
    """Return what a hook reads and a webhook is sent: one line of JSON.

    ``at`` is when it is told, in Unix seconds.
    """
    changes = [
        {
            "account": each.account,
            "key": each.key,
            "change": each.change.value,
            "over": each.over,
            "window": each.window,
            "before": each.before,
            "after": each.after,
        }
        for each in told
    ]
    return orjson.dumps(
        {
            "schema_version": SCHEMA_VERSION,
            "rule": rule,
            "event": event_of(told),
            "at": utc(int(at)),
            "text": text,
            "changes": changes,
        }
    )


def sentence(
    rule: str, told: Sequence[Told], *, now: float, zone: tzinfo | None, language: str
) -> str:
    """Return what is told, for people. It never begins with a dash: programs take it as a word.

    ``zone`` None is local time.
    """
    phrases = _CHINESE if language == "zh" else _ENGLISH
    words = words_of(language)
    if not told:
        return phrases.test.format(rule=printable(rule))
    clock = Clock(zone, now=now, words=words)
    kinds: dict[tuple[AlertKind, bool], list[Told]] = {}
    for each in _still_so(told):
        kinds.setdefault((each.change, each.over), []).append(each)
    said: list[str] = []
    for kind, those in kinds.items():
        names = _named(those, phrases, words, clock)
        more = len(names) - _NAMED
        shown = words.comma.join(names[:_NAMED])
        if more > 0:
            shown += words.more.format(count=more)
        said.append(phrases.said[kind].format(shown))
    return phrases.joined.join(said)


_ENDS = frozenset({_K.BACK, _K.RESTORED, _K.APPEARED})
"""Changes that are themselves the end of another one."""
_SUBJECTS = MappingProxyType(
    {
        _K.BACK: _K.EXHAUSTED,
        _K.RESTORED: _K.FAILED,
        _K.LOGIN: _K.FAILED,
        _K.APPEARED: _K.GONE,
    }
)
"""What two changes of an account are both about."""
_UNTIL_SPENT = (_K.LOW, _K.RUNS_OUT)
"""What is said of a window until it is used up."""


def _still_so(told: Sequence[Told]) -> list[Told]:
    """Return what nothing later contradicts or repeats: it may have been held back for hours."""
    kept: list[Told] = []
    ends: dict[tuple[object, ...], bool] = {}
    said: set[tuple[object, ...]] = set()
    for each in reversed(told):
        account = each.key or each.account  # which may have been renamed meanwhile
        about = _SUBJECTS.get(each.change, each.change)
        # An account that is back is so whatever was used up of it.
        window = None if about is _K.EXHAUSTED else each.window
        is_end = each.over or each.change in _ENDS
        last = ends.setdefault((account, about, window), is_end)
        itself = account, each.change, each.window
        spent = (account, _K.EXHAUSTED, each.window)
        if last is not is_end or itself in said or (each.change in _UNTIL_SPENT and spent in said):
            continue
        said |= {itself, (account, about, each.window)}
        kept.append(each)
    return kept[::-1]


def _named(told: Sequence[Told], phrases: _Phrases, words: Words, clock: Clock) -> list[str]:
    """Return each account with its figures, in the order they came."""
    accounts: dict[str | None, list[str]] = {}
    for each in told:
        told_now = _figures(each, phrases, words, clock)
        # What two windows share, as when the account is back, stands after both.
        before = [one for one in accounts.get(each.account, ()) if one not in told_now]
        accounts[each.account] = [*before, *told_now]
    return [
        words.clause.join(figures)
        if name is None
        else name + (words.bracketed.format(text=words.clause.join(figures)) if figures else "")
        for name, figures in accounts.items()
    ]


def _figures(each: Told, phrases: _Phrases, words: Words, clock: Clock) -> list[str]:
    window = "" if each.window is None else words.window(each.window)
    percent = f"{each.after:.0f} %" if isinstance(each.after, float | int) else ""
    left = phrases.left.format(window=window, percent=percent).strip() if percent else window
    match each.change:
        case AlertKind.EXHAUSTED if not each.over:
            back = (
                [] if each.until is None else [phrases.back_at.format(at=clock.short(each.until))]
            )
            return [window, *back] if window else back
        case AlertKind.RUNS_OUT:
            about = [] if each.until is None else [phrases.about.format(at=clock.short(each.until))]
            return [left, *about] if not each.over else [left]
        case AlertKind.PLAN_CHANGED:
            return [f"{each.before} → {each.after}"]
        case AlertKind.LOGIN | AlertKind.FAILED | AlertKind.RESTORED | AlertKind.GONE:
            return [] if each.over else _kind(each.after or each.before, words)
        case AlertKind.INCIDENT:
            count = words.counted(words.accounts, each.accounts)
            return [count, *_kind(each.after or each.before, words)]
        case AlertKind.FLEET_RESET:
            return [words.counted(words.accounts, each.accounts), *([window] if window else [])]
        case AlertKind.RESET | AlertKind.EARLY_RESET:
            return [window]
        case _:
            return [left] if left else []


def _kind(kind: object, words: Words) -> list[str]:
    """Return the words for a kind of failure; a gone account may have had figures instead."""
    return [words.failures[FailureKind(kind)].what] if isinstance(kind, str) else []
