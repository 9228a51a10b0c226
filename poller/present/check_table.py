"""What ``poller history check`` says: how good the forecast was, beside simpler guesses."""

from __future__ import annotations

from itertools import pairwise
from typing import TYPE_CHECKING

from poller.insight.replay import BINS, WINDOWS
from poller.present.history_words import history_words_of
from poller.present.table import BOLD, DIM, PLAIN, YELLOW, drawn, within, wrapped
from poller.present.terminal import cells, padded

if TYPE_CHECKING:
    from collections.abc import Iterator, Mapping

    from poller.insight.replay import Lead, Score
    from poller.present.history_words import HistoryWords
    from poller.present.table import Line
    from poller.present.words import Words

_FEW = 20
"""Windows that ran out; of fewer a single one moves every figure."""
_FEW_TIMES = 5
"""A median of fewer says nothing."""
_FIGURE, _GAP = 9, 2
"""Cells of a column of figures, and between two."""


def render(
    scores: Mapping[str, Score | None], words: Words, *, width: int, color: bool
) -> Iterator[str]:
    """Yield the text in pieces, lines ended; ``scores`` by window, None without any."""
    drawing = _Drawing(words, history_words_of(words.language), width)
    lines = (within(line, width) for line in drawing.lines(scores))
    return drawn(lines, color=color)


def record(name: str, score: Score) -> dict[str, object]:
    """Return one window's score for JSON; hours and shares of 1."""
    return {
        "window": name,
        "asked": score.asked,
        "not_enough_known": score.unsaid,
        "windows": score.cycles,
        "ran_out": score.ran_out,
        "brier": score.brier,
        "brier_naive": score.brier_naive,
        "brier_average": score.brier_average,
        "calibration_error": score.calibration_error,
        "interval_held": score.covered,
        "intervals": score.certain,
        "leads": [
            {
                "hours": lead.hours,
                "count": lead.count,
                "error_hours": lead.error_h,
                "error_hours_naive": lead.naive_error_h,
            }
            for lead in score.leads
        ],
        "chances": [
            {"from": low, "to": high, "count": bin_.count, "said": bin_.said, "came": bin_.came}
            for (low, high), bin_ in zip(pairwise(BINS), score.bins, strict=True)
        ],
    }


class _Drawing:
    def __init__(self, words: Words, own: HistoryWords, width: int) -> None:
        self._words, self._own, self._width = words, own, width

    def lines(self, scores: Mapping[str, Score | None]) -> Iterator[Line]:
        yield from self._sentence(self._own.good, BOLD)
        for name in WINDOWS:
            yield []
            score = scores.get(name)
            if score is None:
                told = self._own.too_little.format(window=self._words.window(name))
                yield from self._sentence(told, PLAIN)
            else:
                yield from self._score(name, score)
        if any(scores.values()):
            yield []
            yield from self._sentence(self._own.what_is_naive, DIM)

    def _score(self, name: str, score: Score) -> Iterator[Line]:
        own, words = self._own, self._words
        asked = words.window(name) + words.counted(own.asked, score.asked)
        asked += words.counted(own.in_windows, score.cycles, ran_out=score.ran_out)
        yield from self._sentence(asked, BOLD)
        if score.ran_out < _FEW:
            yield from self._sentence(own.few, YELLOW)
        came = round(100 * sum(one.count * one.came for one in score.bins) / score.asked)
        rows = [
            ("", [own.forecast, own.naive, own.average.format(percent=came)]),
            (own.brier, [f"{figure:.3f}" for figure in _briers(score)]),
            (own.calibration, [f"{score.calibration_error:.3f}"]),
            *(self._lead(lead) for lead in score.leads if lead.count >= _FEW_TIMES),
        ]
        if score.covered is not None and score.certain >= _FEW_TIMES:
            rows.append((own.held, [f"{100 * score.covered:.0f}%"]))
        lines = [(text, "".join(map(_figure, figures))) for text, figures in rows]
        for (low, high), bin_ in zip(pairwise(BINS), score.bins, strict=True):
            if bin_.count:
                said = own.said.format(
                    low=f"{100 * low:.0f}", high=f"{100 * high:.0f}", said=f"{100 * bin_.said:.0f}%"
                )
                what = own.came.format(came=f"{100 * bin_.came:.0f}%", count=bin_.count)
                lines.append((said, " " * _GAP + what))
        yield from self._beside(lines)

    def _sentence(self, text: str, style: str) -> Iterator[Line]:
        yield from ([(line, style)] for line in wrapped(text, self._width, indent=2))

    def _beside(self, lines: list[tuple[str, str]]) -> Iterator[Line]:
        """Yield texts with their figures beside them, or beneath where that is too wide."""
        first, second = (max(map(cells, column)) for column in zip(*lines, strict=True))
        for text, figures in lines:
            if first + second <= self._width:
                yield [(padded(text, first) + figures, PLAIN)]
            else:
                yield from self._sentence(text, PLAIN)
                yield [(figures, PLAIN)]

    def _lead(self, lead: Lead) -> tuple[str, list[str]]:
        minutes, hours, _ = self._words.units
        long = f"{lead.hours:g}{hours}" if lead.hours >= 1 else f"{lead.hours * 60:.0f}{minutes}"
        told = [lead.error_h or 0.0, lead.naive_error_h or 0.0]
        return self._own.off.format(lead=long), [f"{figure:.1f}{hours}" for figure in told]


def _figure(text: str) -> str:
    return " " * (_GAP + max(0, _FIGURE - cells(text))) + text


def _briers(score: Score) -> tuple[float, float, float]:
    return score.brier, score.brier_naive, score.brier_average
