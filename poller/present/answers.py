"""Why an account is the one to use, and how many are good enough: a sentence each."""

from __future__ import annotations

from typing import TYPE_CHECKING

from poller.insight.choice import NoChoice, Obstacle, Strategy, Tier
from poller.present.answer_words import answer_words_of
from poller.present.page_texts import percent_text
from poller.present.record import utc
from poller.present.times import span

if TYPE_CHECKING:
    from poller.insight.choice import Choice, Count, Wanted
    from poller.present.page_texts import Teller
    from poller.present.sentences import Failures
    from poller.present.words import Words

_CAUSES = 3
"""Kinds of failure that a sentence names; the most frequent first."""


def reason(choice: Choice | NoChoice, wanted: Wanted, teller: Teller, *, failures: Failures) -> str:
    """Return which account to use and why, or why there is none."""
    words = answer_words_of(teller.words.language)
    if isinstance(choice, NoChoice):
        return _why_none(choice, wanted, teller, failures)
    told = teller.reason(choice)
    compared = choice.strategy is Strategy.HEADROOM and choice.candidates > 1
    if choice.tier is Tier.PLAN and compared:
        told = words.most_left.format(reason=told, count=choice.candidates)
    return plain(f"{choice.account}{teller.words.colon}{told}")


def _why_none(choice: NoChoice, wanted: Wanted, teller: Teller, failures: Failures) -> str:
    words, page = answer_words_of(teller.words.language), teller.page
    wordings = {
        **page.obstacles,
        Obstacle.TOO_LITTLE: words.too_little,
        Obstacle.RUNS_OUT: words.runs_out,
    }
    percent = percent_text(wanted.min_remaining)
    for_long = span(wanted.for_s or 0, teller.words)
    because = {Obstacle.FAILED: _causes(failures, teller.words)}
    why = [
        page.counted(wordings[obstacle], count).format(percent=percent, span=for_long)
        + because.get(obstacle, "")
        for obstacle, count in choice.obstacles.items()
    ]
    if choice.back_at is not None and choice.back_account is not None:
        at = teller.at(choice.back_at)
        why.append(words.back_first.format(account=choice.back_account, at=at))
    told = teller.words.clause.join(why) or teller.words.no_accounts
    return plain(words.none_now.format(why=told))


def choice_record(choice: Choice | NoChoice, told: str) -> dict[str, object]:
    """Return a choice for JSON; ``told`` is its reason in words."""
    if isinstance(choice, NoChoice):
        return {
            "account": None,
            "key": None,
            "reason": told,
            "obstacles": {obstacle.value: count for obstacle, count in choice.obstacles.items()},
            "back_at": utc(choice.back_at),
            "back_account": choice.back_account,
        }
    return {
        "account": choice.account,
        "key": choice.key,
        "reason": told,
        "strategy": choice.strategy.value,
        "on": choice.tier.value,
        "candidates": choice.candidates,
    }


def count_text(  # noqa: PLR0913 - what a sentence is made of, each named
    count: Count,
    wanted: Wanted,
    teller: Teller,
    *,
    total: int,
    window: str | None,
    failures: Failures,
) -> str:
    """Return how many of ``total`` accounts are good, and how many have to be."""
    words, page = answer_words_of(teller.words.language), teller.page
    told = page.counted(words.good, total).format(good=count.good)
    if wanted.min_remaining > 0:
        of = words.in_every if window is None else teller.part(window)
        percent = percent_text(wanted.min_remaining)
        told += words.with_left.format(percent=percent, window=of)
    if wanted.for_s is not None:
        told += words.for_long.format(span=span(wanted.for_s, teller.words))
        if not any(wanted.forecasts.values()):
            told += words.no_forecast
    if count.unknown:
        told += words.untold.format(count=count.unknown)
        if count.unknown == len(count.failures):
            told += _causes(failures, teller.words)
    return plain(told + page.counted(words.needed, count.needed))


def _causes(failures: Failures, words: Words) -> str:
    """Return what failed, in brackets; what to do about it where that is the same for all."""
    causes = failures.causes(words)
    told = [what for what, _ in causes[:_CAUSES]]
    if len(causes) == 1:
        told = [f"{causes[0].what}{words.colon}{causes[0].remedy}"]
    elif len(causes) > _CAUSES:
        told.append("...")
    text = answer_words_of(words.language).causes.join(told)
    return words.bracketed.format(text=text) if told else ""


def plain(text: str) -> str:
    """Return a sentence as a terminal of any encoding shows it."""
    return text.replace("\N{NO-BREAK SPACE}", " ")
