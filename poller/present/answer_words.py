"""What next, guard, timeline and diff say beside report and page, in English and in Chinese."""
# ruff: noqa: RUF001 - full-width punctuation is what Chinese is written with

from __future__ import annotations

from dataclasses import dataclass


@dataclass(frozen=True, slots=True, kw_only=True)
class AnswerWords:
    """One language. ``{…}`` is filled in; ``one|many`` is chosen by a number."""

    none_now: str
    too_little: str
    """How many accounts have less left than was asked for."""
    runs_out: str
    """How many are forecast to run out within the time that was asked for."""
    back_first: str
    most_left: str

    good: str
    with_left: str
    in_every: str
    for_long: str
    no_forecast: str
    """Where the time that was asked for decided nothing."""
    untold: str
    causes: str
    """Between what failed."""
    needed: str

    ahead: str
    at: str
    window: str
    returns: str
    frees: str
    hour: str
    no_resets: str
    not_dry: str
    no_pace: str
    unchanged: str


ENGLISH_ANSWERS = AnswerWords(
    none_now="no account to use now: {why}",
    too_little="{count} with less than {{percent}} left",
    runs_out="{count} forecast to run out within {{span}}",
    back_first="{account} is back first ({at})",
    most_left="{reason}; the most of {count} accounts",
    good="{{good}} of {count} account can be used|{{good}} of {count} accounts can be used",
    with_left=" with at least {percent} of {window} left",
    in_every="every window",
    for_long=" for {span}",
    no_forecast=" (there is no forecast yet)",
    untold=", {count} unknown",
    causes="; ",
    needed="; {count} is needed|; {count} are needed",
    ahead="Resets of the next {count} hour|Resets of the next {count} hours",
    at="when",
    window="window",
    returns="returns",
    frees="can be used again",
    hour="within the hour from",
    no_resets="no reset is known for this time; --hours N looks further ahead",
    not_dry="At this pace something is left throughout the next hour."
    "|At this pace something is left throughout the next {count} hours.",
    no_pace="How long it lasts is not known yet: that takes some hours of history (--record).",
    unchanged="nothing changed but percentages",
)

CHINESE_ANSWERS = AnswerWords(
    none_now="现在没有可用的账号：{why}",
    too_little="{count} 个剩余不足 {{percent}}",
    runs_out="{count} 个预计在 {{span}} 内用完",
    back_first="最早恢复：{account}（{at}）",
    most_left="{reason}；{count} 个账号中剩余最多",
    good="{count} 个账号中 {{good}} 个可用",
    with_left="（{window}至少剩 {percent}）",
    in_every="每个额度",
    for_long="（可用 {span}）",
    no_forecast="（尚无预测）",
    untold="，{count} 个无法判断",
    causes="；",
    needed="；需要 {count} 个",
    ahead="今后 {count} 小时的重置",
    at="时间",
    window="额度",
    returns="恢复",
    frees="恢复可用",
    hour="该小时内恢复",
    no_resets="这段时间内没有重置；用 --hours N 看得更远",
    not_dry="照此速度，今后 {count} 小时内一直有剩余。",
    no_pace="还无法推算能用多久：需要几小时的历史记录（--record）。",
    unchanged="除百分比外没有变化",
)


def answer_words_of(language: str) -> AnswerWords:
    """Return the words of ``en`` or ``zh``."""
    return CHINESE_ANSWERS if language == "zh" else ENGLISH_ANSWERS
