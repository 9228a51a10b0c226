"""What the alerts say of one account: used up, low, on credits, its login, its resets."""

from __future__ import annotations

from dataclasses import replace
from typing import TYPE_CHECKING

from poller.insight.alert_notes import Edge, Word, least_left
from poller.insight.alert_rules import AlertKind, Mark, MarkKey
from poller.insight.changes import ChangeKind
from poller.insight.failure_alerts import end_failures, take_failure

if TYPE_CHECKING:
    from collections.abc import Mapping

    from poller.insight.alert_notes import Notes
    from poller.insight.alert_rules import Watched
    from poller.values import Forecast, Usage

LIKELY, UNLIKELY = 0.5, 0.25
"""Chances at which a window is forecast to run out, and no longer."""

_K = AlertKind
_STEP_PERCENT = 10.0
"""What may be burnt between two looks without a doubt."""
_ABSENT_AFTER = 2
"""Answers in a row that must lack a window before it blocks nothing any more."""
_PLAN_AFTER = 2
"""Answers in a row that must tell another plan."""


def take(notes: Notes, one: Watched) -> None:
    """Take what asking an account came to."""
    failure = one.known.report.failure
    if failure is not None:
        take_failure(notes, one, failure.kind)
    elif one.answer is not None and one.known.usage is not None:
        end_failures(notes, one)
        _take_answer(notes, one, one.known.usage, one.answer)


def _take_answer(notes: Notes, one: Watched, believed: Usage, answer: Usage) -> None:
    rule = notes.rule
    _take_exhaustion(notes, one, believed, answer)
    if rule.tells(_K.LOW):
        _take_low(notes, one, believed, answer)
    if rule.tells(_K.CREDITS) and not one.held and believed.on_credits is not None:
        paying = believed.on_credits
        notes.level(one, _K.CREDITS, "", Word(paying, paying, not paying))
    if rule.tells(_K.RUNS_OUT) and one.forecasts is not None:
        _take_forecasts(notes, one, believed, one.forecasts)
    if rule.tells(_K.PLAN_CHANGED) and answer.plan:
        _take_plan(notes, one, answer.plan)
    for each in one.resets:
        told = rule.tells(_K.RESET) and rule.watches(each.window)
        if told and each.change is ChangeKind.RESET:
            notes.tell(one, _K.RESET, each.window, before=each.before, after=each.after)


def _take_exhaustion(notes: Notes, one: Watched, believed: Usage, answer: Usage) -> None:
    left, answered, was = _left(believed), _left(answer), _left(one.before)
    until = believed.usable_at
    for window, percent in left.items():
        if notes.rule.watches(window):
            agrees = answered.get(window, 100.0) <= 0
            before = was.get(window)
            # Whoever is blocked is; what is used up and not blocked may be a flapped answer.
            answers = 1 if answer.usable is False else 2
            word = Word(percent <= 0, agrees, percent > 0, before, percent, until, answers)
            _take_spent(notes, one, window, word)
    # 98 percent used and blocked happens; so does another limit's block.
    blocking = believed.limited_by if believed.limited_by in left else None
    if notes.rule.watches(blocking):
        holds = believed.usable is False and not _any_spent(left)
        agrees = answer.usable is False and not _any_spent(answered)
        over = believed.usable is True or _any_spent(left)
        figures = least_left(one.before), least_left(believed), until
        _take_spent(notes, one, "", Word(holds, agrees, over, *figures), named=blocking)
    for window in notes.windows(one.id, _K.EXHAUSTED):
        if window and window not in left:
            _take_absence(notes, one, believed, window)


def _take_spent(
    notes: Notes, one: Watched, window: str, word: Word, *, named: str | None = None
) -> None:
    """Tell an exhaustion's edge; ``named`` is the window to tell where it is not one's own."""
    key = MarkKey(one.id, _K.EXHAUSTED, window)
    was = notes.mark(key)
    edge = notes.step(key, word)
    if edge is Edge.ENDS and was is not None:
        if was.told_at is not None or notes.rule.tells(_K.BACK):
            _tell_back(notes, one, window or named, word)
    elif edge is not None and notes.rule.tells(_K.EXHAUSTED):
        if edge is Edge.LASTS or not _is_same_block(notes, one, window):
            notes.told.append(notes.told_of(one, _K.EXHAUSTED, window or named, word))
        notes.note_told(key)


def _is_same_block(notes: Notes, one: Watched, window: str) -> bool:
    """Whether what begins was told: 98 percent used and blocked may become 100, or come of it."""
    told = notes.told_before(one.id, _K.EXHAUSTED)
    return "" in told if window else bool(told - {each.window for each in one.resets})


def _take_absence(notes: Notes, one: Watched, believed: Usage, window: str) -> None:
    """Take it that an exhausted window blocks nothing once it is no longer reported."""
    key = MarkKey(one.id, _K.EXHAUSTED, window)
    mark = notes.mark(key)
    if mark is None or not mark.firing or believed.usable is None:
        return
    if mark.agreeing + 1 < _ABSENT_AFTER:
        notes.put(key, replace(mark, agreeing=mark.agreeing + 1))
        return
    notes.put(key, Mark(since=notes.now))
    word = Word(holds=False, agrees=False, over=True, before=0.0, after=least_left(believed))
    if mark.told_at is not None or notes.rule.tells(_K.BACK):
        _tell_back(notes, one, window, word)


def _tell_back(notes: Notes, one: Watched, window: str | None, word: Word) -> None:
    """Tell the end of an exhaustion, if the account can be used on its plan again."""
    usage = one.known.usage
    if usage is None or usage.usable is False or usage.on_credits:
        return
    told = replace(notes.told_of(one, _K.BACK, window, word), until=None)
    if notes.rule.tells(_K.BACK):
        notes.told.append(told)
    else:
        notes.told.append(replace(told, change=_K.EXHAUSTED, over=True))


def _take_low(notes: Notes, one: Watched, believed: Usage, answer: Usage) -> None:
    rule, was, answered = notes.rule, _left(one.before), _left(answer)
    spent_is_low, spent = not rule.tells(_K.EXHAUSTED), _spent(believed)
    for window, left in _left(believed).items():
        if not rule.watches(window):
            continue
        exhausted = notes.mark(MarkKey(one.id, _K.EXHAUSTED, window))
        if not spent_is_low and exhausted is not None and exhausted.firing:
            _forget(notes, MarkKey(one.id, _K.LOW, window))
            continue
        if not spent_is_low and window in spent:  # also at 98 percent and blocked
            continue
        said = answered.get(window, 100.0)
        holds = left < rule.below and (left > 0 or spent_is_low)
        agrees = said < rule.below and (said > 0 or spent_is_low)
        before = was.get(window)
        # A series believes steps of less than 40 percent at once, flapped answers' as well.
        small = before is not None and before - left <= _STEP_PERCENT
        answers = 1 if small or answer.usable is False else 2
        word = Word(holds, agrees, left >= rule.clear, before, left, answers=answers)
        notes.level(one, _K.LOW, window, word)


def _forget(notes: Notes, key: MarkKey) -> None:
    """What has become something else does not fire any more, and is not said to be over."""
    mark = notes.mark(key)
    if mark is None or mark.firing or mark.agreeing:
        notes.put(key, Mark(since=notes.now))


def _take_forecasts(
    notes: Notes, one: Watched, believed: Usage, forecasts: Mapping[str, Forecast]
) -> None:
    spent = _spent(believed)
    for window, left in _left(believed).items():
        if not notes.rule.watches(window):
            continue
        if window in spent:  # it came true
            _forget(notes, MarkKey(one.id, _K.RUNS_OUT, window))
            continue
        forecast = forecasts.get(window)
        chance = 0.0 if forecast is None else forecast.runs_out_chance or 0.0
        until = None if forecast is None else forecast.runs_out_at
        holds = chance >= LIKELY
        word = Word(holds, holds, chance < UNLIKELY, after=left, until=until)
        notes.level(one, _K.RUNS_OUT, window, word)


def _take_plan(notes: Notes, one: Watched, plan: str) -> None:
    key = MarkKey(one.id, _K.PLAN_CHANGED)
    mark = notes.mark(key)
    if mark is None or mark.kept is None:
        notes.put(key, Mark(kept=plan))
    elif plan == mark.kept:
        if mark.agreeing:
            notes.put(key, replace(mark, agreeing=0))
    elif mark.agreeing + 1 < max(notes.rule.answers, _PLAN_AFTER):
        notes.put(key, replace(mark, agreeing=mark.agreeing + 1))
    else:
        notes.tell(one, _K.PLAN_CHANGED, None, before=mark.kept, after=plan)
        notes.put(key, Mark(kept=plan))


def _left(usage: Usage | None) -> dict[str, float]:
    """Return remaining percent by window, where it is known."""
    if usage is None:
        return {}
    return {
        window.name: window.remaining_percent
        for window in usage.windows
        if window.remaining_percent is not None
    }


def _spent(usage: Usage) -> set[str]:
    """Return the windows that are used up; where a block has no such one, the scarcest."""
    left = _left(usage)
    spent = {window for window, percent in left.items() if percent <= 0}
    if not spent and left and usage.usable is False:
        return {min(left, key=lambda window: left[window])}
    return spent


def _any_spent(left: Mapping[str, float]) -> bool:
    return any(percent <= 0 for percent in left.values())
