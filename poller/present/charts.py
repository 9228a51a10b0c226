"""How one window of an account went, and goes on, as an SVG.

The drawing takes the width it is given, and its text keeps its size: lines and areas are
drawn into a stretched inner drawing, everything else is placed by percent. Colours come
from the page's style sheet by class. What matters is told apart by dash, hatching and sign
as well. Nothing here depends on a script or on ``style`` attributes.
"""

from __future__ import annotations

from dataclasses import dataclass
from html import escape
from itertools import pairwise
from math import isfinite
from typing import TYPE_CHECKING, NamedTuple

from poller.insight.series import GAP_S, JITTER_S
from poller.text import printable
from poller.values import MAY_RUN_OUT

if TYPE_CHECKING:
    from collections.abc import Iterable, Iterator, Sequence

    from poller.insight.series import Span
    from poller.present.axis import Axis
    from poller.values import Forecast

MOST_POINTS = 300
"""Of a curve. More would not be seen."""
_LEAST_SHARE, _LEAST_GAP = 0.004, 0.005
"""Of the axis: shorter times could not be seen, and what lies closer together becomes one."""
_SIGNS_APART = 0.03
"""Likewise: nearer to each other, signs would be a blot."""

_WIDTH = 1000
"""Units of the stretched drawing, from left to right; from top to bottom it has 100."""
_TOP, _HEIGHT = 14, 96
_HALO = 2
"""What the inner drawing is higher, so that no half of a line at its edges is cut off."""
_STRIP_Y, _STRIP_HEIGHT = _TOP + _HEIGHT + 3, 6
_LABELS_Y = _STRIP_Y + _STRIP_HEIGHT + 14
_ALL = _LABELS_Y + 6
_HOUR_S = 3600.0

PATTERNS = (
    '<svg class="patterns" width="0" height="0" aria-hidden="true"><defs>'
    '<pattern id="hatched" width="6" height="6" patternUnits="userSpaceOnUse"'
    ' patternTransform="rotate(45)"><path class="hatch" d="M0 0V6"/></pattern>'
    '<pattern id="dotted" width="5" height="5" patternUnits="userSpaceOnUse">'
    '<circle class="dot" cx="2" cy="2" r="1"/></pattern></defs></svg>'
)
"""What the charts of a page are filled with; stands in it once, before the first."""


@dataclass(frozen=True, slots=True)
class Stretch:
    """A time in which something was so."""

    since: float
    until: float
    """Unix seconds."""
    polls: int = 1
    """How often that was seen."""


@dataclass(frozen=True, slots=True)
class Course:
    """How one window went, and how it is forecast to go on."""

    window: str
    """Its name."""
    window_seconds: float | None
    """Its length, where it was told."""
    spans: tuple[Span, ...]
    """What was seen, in order. Where the next one begins much later, nobody looked."""
    blocked: tuple[Stretch, ...] = ()
    """When the account could not be used, in order."""
    failures: tuple[Stretch, ...] = ()
    """When asking failed, in order."""
    forecast: Forecast | None = None


@dataclass(frozen=True, slots=True)
class Digest:
    """What a chart shows, for a sentence that says the same."""

    left: float | None
    """Percent left, as it was seen last; None where nothing was seen."""
    seen_at: float | None
    lowest: float | None
    lowest_at: float | None
    """When it was seen first; Unix seconds."""
    resets: int
    gaps: int
    blocked_s: float
    failed_polls: int


def digest(course: Course, axis: Axis) -> Digest:
    """Return what the chart of a course shows within the axis."""
    spans = _shown(course.spans, axis)
    lowest = max(spans, key=lambda span: span.used_percent, default=None)
    return Digest(
        left=_left(spans[-1]) if spans else None,
        seen_at=spans[-1].until if spans else None,
        lowest=None if lowest is None else _left(lowest),
        lowest_at=None if lowest is None else max(lowest.since, axis.since),
        resets=len(_resets(spans)),
        gaps=sum(1 for one, other in pairwise(spans) if _apart(one, other)),
        blocked_s=sum(
            min(one.until, axis.until) - max(one.since, axis.since)
            for one in _within(course.blocked, axis)
        ),
        failed_polls=sum(one.polls for one in _within(course.failures, axis)),
    )


def chart(  # noqa: PLR0913 - what is drawn and what is written, each named
    course: Course, axis: Axis, *, ident: str, title: str, text: str, now: str
) -> str:
    """Return the SVG of a course.

    Args:
        course: What to draw.
        axis: The time it is drawn over.
        ident: A word that no other chart of the page has; letters, digits, ``-`` and ``_``.
        title: What it shows, in a few words.
        text: The same as the picture, in sentences, for those who do not see it.
        now: The word for now.
    """
    spans = _shown(course.spans, axis)
    return "".join(
        (
            f'<svg class="chart" width="100%" height="{_ALL}" role="img"',
            f' aria-labelledby="{ident}-t {ident}-d">',
            f'<title id="{ident}-t">{escape(printable(title))}</title>',
            f'<desc id="{ident}-d">{escape(printable(text))}</desc>',
            *_frame(axis, now),
            *(
                f'<rect class="blocked" fill="url(#hatched)" y="{_TOP}" height="{_HEIGHT}"'
                f" {_from_to(*one)}/>"
                for one in _merged(course.blocked, axis)
            ),
            *_drawing(spans, course.forecast, axis),
            *_signs(spans, course.forecast, axis),
            *(
                f'<rect class="failed" y="{_STRIP_Y}" height="{_STRIP_HEIGHT}" {_from_to(*one)}/>'
                for one in _merged(course.failures, axis)
            ),
            "</svg>",
        )
    )


# What is seen within the axis


def _shown(spans: Iterable[Span], axis: Axis) -> list[Span]:
    return [one for one in spans if isfinite(one.used_percent) and _is_within(one, axis)]


def _within(stretches: Iterable[Stretch], axis: Axis) -> list[Stretch]:
    return [one for one in stretches if _is_within(one, axis)]


def _is_within(one: Span | Stretch, axis: Axis) -> bool:
    """Whether it can be seen; what is later than now was dated by a wrong clock."""
    ordered = one.since <= one.until
    return ordered and one.since <= min(axis.until, axis.now) and one.until >= axis.since


def _left(span: Span) -> float:
    return min(100.0, max(0.0, 100 - span.used_percent))


def _apart(one: Span, other: Span) -> bool:
    """Whether nobody looked between two spans."""
    return other.since - one.until > GAP_S


def _resets(spans: Sequence[Span]) -> list[float]:
    """Return when a new cycle was seen first: the level fell, and the reset moved."""
    return [
        other.since
        for one, other in pairwise(spans)
        if other.used_percent < one.used_percent and _moved(one.reset_at, other.reset_at)
    ]


def _moved(end: float | None, other: float | None) -> bool:
    if end is None or other is None:
        return end is not other
    return abs(other - end) > JITTER_S


def _merged(stretches: Iterable[Stretch], axis: Axis) -> list[tuple[float, float]]:
    """Return the shares of the axis that stretches take; each wide enough to be seen."""
    found: list[tuple[float, float]] = []
    for one in _within(stretches, axis):
        start = axis.share(one.since)
        end = max(axis.share(one.until), start + _LEAST_SHARE)
        if found and start - found[-1][1] < _LEAST_GAP:
            found[-1] = (found[-1][0], max(found[-1][1], end))
        else:
            found.append((start, end))
    return found


# The drawing


def _frame(axis: Axis, now: str) -> Iterator[str]:
    for percent in (0, 50, 100):
        y = _y(percent)
        kind = "base" if percent == 0 else "grid"
        yield f'<line class="{kind}" x1="0" x2="100%" y1="{y:g}" y2="{y:g}"/>'
        yield f'<text class="level" x="-6" y="{y + 4:g}">{percent}</text>'
    for tick in axis.ticks:
        x, kind = _percent(axis.share(tick.at)), "day" if tick.is_day else "hour"
        yield f'<line class="{kind}" x1="{x}" x2="{x}" y1="{_TOP}" y2="{_TOP + _HEIGHT}"/>'
        yield f'<text class="{kind}" x="{x}" y="{_LABELS_Y}">{escape(tick.label)}</text>'
    if axis.since <= axis.now <= axis.until:
        x = _percent(axis.share(axis.now))
        yield f'<line class="now" x1="{x}" x2="{x}" y1="{_TOP}" y2="{_STRIP_Y + _STRIP_HEIGHT}"/>'
        yield f'<text class="now" x="{x}" y="10">{escape(printable(now))}</text>'


def _drawing(spans: Sequence[Span], forecast: Forecast | None, axis: Axis) -> Iterator[str]:
    """Yield the inner drawing, stretched to the width: the curve, and what is ahead."""
    yield (
        f'<svg y="{_TOP - _HALO}" width="100%" height="{_HEIGHT + 2 * _HALO}"'
        f' viewBox="0 {-100 * _HALO / _HEIGHT:.4g} {_WIDTH} {100 + 200 * _HALO / _HEIGHT:.4g}"'
        ' preserveAspectRatio="none">'
    )
    curve = _staircase(spans, axis)
    if curve:
        yield f'<path class="curve" d="{curve}"/>'
    if spans and forecast is not None:
        yield from _ahead(spans[-1], forecast, axis)
    yield "</svg>"


def _staircase(spans: Sequence[Span], axis: Axis) -> str:
    """Return the curve as a path: level, then a step; a break where nobody looked."""
    stairs = [_Stair(axis.share(one.since), axis.share(one.until), _left(one)) for one in spans]
    breaks = {
        number + 1 for number, (one, other) in enumerate(pairwise(spans)) if _apart(one, other)
    }
    # A stair takes two points, and one before a break takes a third.
    if 2 * len(stairs) + len(breaks) > MOST_POINTS:
        stairs, breaks = _coarse(stairs, breaks)
    path: list[str] = []
    for number, stair in enumerate(stairs):
        x, y = round(stair.start * _WIDTH), f"{100 - stair.left:.4g}"
        if number == 0 or number in breaks:
            path.append(f"M{x} {y}")
        else:
            path.append(f"H{x}V{y}")
        if number == len(stairs) - 1 or number + 1 in breaks:
            path.append(f"H{max(round(stair.end * _WIDTH), x + 1)}")
    return "".join(path)


class _Stair(NamedTuple):
    start: float
    end: float
    """Shares of the axis."""
    left: float
    """Percent."""


def _coarse(stairs: list[_Stair], breaks: set[int]) -> tuple[list[_Stair], set[int]]:
    """Return so many stairs as can be seen, each at the lowest level within its part.

    A gap within a part could not be seen, and is dropped.
    """
    parts = max(MOST_POINTS // 3, (MOST_POINTS - len(breaks)) // 2)
    kept: list[_Stair] = []
    broken: set[int] = set()
    part = -1
    for number, stair in enumerate(stairs):
        previous, part = part, min(parts - 1, int(stair.start * parts))
        if part == previous:
            start, _, left = kept[-1]
            kept[-1] = _Stair(start, stair.end, min(left, stair.left))
            continue
        if number in breaks:
            broken.add(len(kept))
        kept.append(stair)
    return kept, broken


def _ahead(span: Span, forecast: Forecast, axis: Axis) -> Iterator[str]:
    """Yield the forecast: when it runs out, as a wedge; else the pace up to the reset."""
    left, start = _left(span), span.until
    x, y = _x(axis, start), f"{100 - left:.4g}"
    if _runs_out(forecast) and forecast.runs_out_from and forecast.runs_out_to:
        first, last = _x(axis, forecast.runs_out_from), _x(axis, forecast.runs_out_to)
        yield f'<path class="band" d="M{x} {y}L{first} 100H{last}Z"/>'
        end, level = forecast.runs_out_at or forecast.runs_out_to, 0.0
    else:
        end = axis.until if span.reset_at is None else span.reset_at
        burnt = max(0.0, forecast.percent_per_hour) * max(0.0, end - start) / _HOUR_S
        level = left - burnt
        if level < 0:  # at this pace
            end, level = forecast.empty_at_pace or end, 0.0
    if isfinite(level):
        yield f'<path class="forecast" d="M{x} {y}L{_x(axis, end)} {100 - level:.4g}"/>'


def _signs(spans: Sequence[Span], forecast: Forecast | None, axis: Axis) -> Iterator[str]:
    """Yield what must not be stretched: resets, the last look, when it runs out."""
    signed = -1.0
    for share in map(axis.share, _resets(spans)):
        if share - signed >= _SIGNS_APART:
            signed = share
            yield _reset_sign(share)
    if not spans:
        return
    last = spans[-1]
    x, y = _percent(axis.share(last.until)), _y(_left(last))
    yield f'<circle class="last" cx="{x}" cy="{y:.4g}" r="3.5"/>'
    ahead = last.reset_at
    if ahead is not None and axis.now < ahead <= axis.until:
        share = axis.share(ahead)
        x = _percent(share)
        yield f'<line class="told" x1="{x}" x2="{x}" y1="{_TOP}" y2="{_TOP + _HEIGHT}"/>'
        yield _reset_sign(share)
    ends_at = None if forecast is None or not _runs_out(forecast) else forecast.runs_out_at
    if ends_at is not None and axis.since <= ends_at <= axis.until:
        x = _percent(axis.share(ends_at))
        yield f'<text class="ends" x="{x}" y="{_TOP + _HEIGHT - 2}">▼</text>'


def _reset_sign(share: float) -> str:
    """Return the sign beside a reset: at the bottom, which the curve has just left."""
    y = _TOP + _HEIGHT - 4
    return f'<text class="reset" x="{_percent(share)}" y="{y}">↻</text>'


def _runs_out(forecast: Forecast) -> bool:
    """Whether a window may run out before its reset, or will."""
    chance = forecast.runs_out_chance
    return chance is not None and chance >= MAY_RUN_OUT and forecast.runs_out_to is not None


def _x(axis: Axis, at: float) -> int:
    """Return where a moment stands in the inner drawing, which may be beyond its edges."""
    share = (at - axis.since) / (axis.until - axis.since)
    return round(min(20.0, max(-20.0, share)) * _WIDTH) if isfinite(share) else 20 * _WIDTH


def _y(percent: float) -> float:
    return _TOP + _HEIGHT * (1 - percent / 100)


def _percent(share: float) -> str:
    return f"{share * 100:.4g}%"


def _from_to(start: float, end: float) -> str:
    return f'x="{_percent(start)}" width="{_percent(end - start)}"'
