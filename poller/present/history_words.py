"""What ``poller history`` says beside the tables' words, in English and in Chinese."""
# ruff: noqa: RUF001 - full-width punctuation is what Chinese is written with

from __future__ import annotations

from dataclasses import dataclass


@dataclass(frozen=True, slots=True, kw_only=True)
class HistoryWords:
    """One language. ``{…}`` is filled in; ``one|many`` is chosen by a number."""

    title: str
    window: str
    left: str
    """Over the curve, which shows the least of each part of the time."""
    lowest: str
    per_day: str
    resets: str
    ran_out: str
    nothing: str
    no_figures: str
    file: str

    good: str
    asked: str
    in_windows: str
    forecast: str
    naive: str
    average: str
    brier: str
    calibration: str
    off: str
    held: str
    said: str
    came: str
    few: str
    what_is_naive: str
    too_little: str


_ENGLISH = HistoryWords(
    title="What was left",
    window="window",
    left="left, {span}",
    lowest="lowest",
    per_day="a day",
    resets="resets",
    ran_out="empty",
    nothing="nothing was recorded in this time",
    no_figures="no figures: {names}",
    file="recorded since {since} in {path} ({size})",
    good="How good the forecast would have been",
    asked=": asked once|: asked {count} times",
    in_windows=" in one window, of which {ran_out} ran out"
    "| in {count} windows, of which {ran_out} ran out",
    forecast="forecast",
    naive="naive",
    average="always {percent}%",
    brier="mean squared error (Brier), 0 is best",
    calibration="gap between chance and how often it came",
    off="off by, {lead} before it ran out",
    held="how often its 80 % interval held",
    said="where it said {low}-{high} %: {said} on average",
    came="{came} of {count} came true",
    few="few windows ran out: these figures may be luck",
    what_is_naive="naive: a window empties as fast as since its start; yes or no",
    too_little="{window}: too little is recorded to compare",
)
_CHINESE = HistoryWords(
    title="余量历史",
    window="窗口",
    left="余量，{span}",
    lowest="最低",
    per_day="每天用",
    resets="重置",
    ran_out="用尽",
    nothing="这段时间没有记录",
    no_figures="没有数据：{names}",
    file="自 {since} 起记录在 {path}（{size}）",
    good="预测本来会有多准",
    asked="：问了 {count} 次",
    in_windows="，共 {count} 个窗口，其中 {ran_out} 个用尽",
    forecast="预测",
    naive="简单推算",
    average="总说 {percent}%",
    brier="均方误差（Brier），0 为最好",
    calibration="所说概率与实际频率之差",
    off="用尽前 {lead}，时间误差",
    held="80% 区间的命中率",
    said="说 {low}-{high}% 时：平均 {said}",
    came="{count} 次中有 {came} 成真",
    few="用尽的窗口很少：这些数字可能只是运气",
    what_is_naive="简单推算：按窗口开始以来的速度，只答会或不会",
    too_little="{window}：记录太少，无法比较",
)


def history_words_of(language: str) -> HistoryWords:
    """Return the words of a language: ``en`` or ``zh``."""
    return _CHINESE if language == "zh" else _ENGLISH
