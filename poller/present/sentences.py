"""Failures under a table: whole sentences, the same ones together, with what to do."""

from __future__ import annotations

from collections import Counter
from dataclasses import dataclass
from typing import TYPE_CHECKING, NamedTuple

from poller.present.catalogue import ENGLISH
from poller.present.table import DIM, PLAIN, RED, wrapped
from poller.present.terminal import cut_middle
from poller.present.times import rough_span, span
from poller.present.words import TOLD_BY_MESSAGE, TOLD_BY_STATUS, Sentence, code_of
from poller.text import printable
from poller.values import FailureKind

if TYPE_CHECKING:
    from collections.abc import Iterator

    from poller.present.table import Line
    from poller.present.terminal import Marks
    from poller.present.words import Words
    from poller.values import Failure, Report

IN_PLACE, CODEX_HOME = "in_place", "codex_home"
"""States of a login's renewal that have a remedy of their own."""
_KINDS = tuple(FailureKind)
_MANY = 20
"""Names of logins to mend that are told; of more, their number."""
_SOME = 5
"""Names that are told where the accounts themselves are not to blame."""
_OTHERS_TO_MEND = (FailureKind.UNAUTHORIZED, FailureKind.PAYMENT_REQUIRED, FailureKind.FORBIDDEN)


@dataclass(frozen=True, slots=True)
class _Cause:
    """What failures have in common that are told in one sentence."""

    kind: FailureKind
    code: str | None
    message: str
    """Only where it tells more than the kind."""
    hint: str
    """Likewise."""
    status: int | None
    host_at_fault: bool
    refresh: str | None


class _Named(NamedTuple):
    name: str
    expired_at: float | None
    """When its token expired, where it did."""


class Failures:
    """Collect failures, then say them."""

    def __init__(self) -> None:
        self._names: dict[_Cause, list[_Named]] = {}
        self._waits_s: dict[_Cause, float] = {}
        """The longest that the upstream asked to wait."""

    def add(
        self,
        account: str,
        failure: Failure,
        *,
        status: int | None = None,
        expires_at: float | None = None,
        refresh: str | None = IN_PLACE,
    ) -> None:
        """Keep one account's failure.

        Args:
            account: Its name.
            failure: Why it has no figures.
            status: Of the last answer.
            expires_at: When its token expired, in Unix seconds.
            refresh: Whether ``--refresh`` could renew its login, as ``poller list`` has it.
        """
        cause = _cause(failure, status, refresh=refresh)
        if failure.retry_after_s is not None:
            longest_s = max(failure.retry_after_s, self._waits_s.get(cause, 0.0))
            self._waits_s[cause] = longest_s
        expired_at = expires_at if failure.kind is FailureKind.TOKEN_EXPIRED else None
        self._names.setdefault(cause, []).append(_Named(account, expired_at))

    def add_report(self, report: Report, *, refresh: str | None = IN_PLACE) -> None:
        """Keep a report's failure, if it has one."""
        if report.failure is not None:
            self.add(
                report.account,
                report.failure,
                status=report.http_status,
                expires_at=report.expires_at,
                refresh=refresh,
            )

    @property
    def not_asked(self) -> int:
        """Accounts that were not asked before the run was stopped."""
        counts = self._counts()
        return counts[FailureKind.CANCELLED]

    @property
    def failed(self) -> int:
        """All other accounts."""
        return self._counts().total() - self.not_asked

    def causes(self, words: Words) -> list[Sentence]:
        """Return what failed and what to do about it, without details; the most frequent first."""
        counts: Counter[Sentence] = Counter()
        for cause, accounts in self._names.items():
            what = words.sentence(cause.kind, cause.code).what
            counts[Sentence(what, _catalogued_remedy(cause, words))] += len(accounts)
        return [sentence for sentence, _ in counts.most_common()]

    def lines(self, words: Words, marks: Marks, *, now: float, width: int) -> Iterator[Line]:
        """Yield the sentences by kind, broken into lines of ``width`` cells.

        ``now`` is Unix seconds; with ASCII marks a word stands in place of the sign.
        """
        failed = marks.failed or f"{words.states[3]}:"
        names = _NameList(words, marks, now, most=max(1, width - 4))
        for kind, text in self._sentences(words, names):
            sign, style = (marks.none, DIM) if kind is FailureKind.CANCELLED else (failed, RED)
            lines = wrapped(f"{sign} {text.replace('→', marks.leads_to)}", width, indent=2)
            for number, line in enumerate(lines):
                head = len(sign) if number == 0 else 0
                yield [(line[:head], style), (line[head:], PLAIN)]

    def _counts(self) -> Counter[FailureKind]:
        counts: Counter[FailureKind] = Counter()
        for cause, accounts in self._names.items():
            counts[cause.kind] += len(accounts)
        return counts

    def _sentences(self, words: Words, names: _NameList) -> Iterator[tuple[FailureKind, str]]:
        """Yield a kind and a sentence for each group."""
        groups: dict[tuple[int, str, str], list[_Named]] = {}
        dead = self._of_dead_upstream()
        if dead:
            yield FailureKind.CIRCUIT_OPEN, self._dead(dead, words)
        for cause, accounts in self._names.items():
            if cause in dead:
                continue
            key = (_KINDS.index(cause.kind), self._what(cause, words), _remedy(cause, words))
            groups.setdefault(key, []).extend(accounts)
        for (place, what, remedy), accounts in sorted(groups.items()):
            kind = _KINDS[place]
            yield kind, f"{what}{words.colon}{names.listed(accounts, kind)} → {remedy}"

    def _of_dead_upstream(self) -> set[_Cause]:
        """Return the causes that are one: accounts were given up because of the others."""
        if not any(cause.kind is FailureKind.CIRCUIT_OPEN for cause in self._names):
            return set()
        return {
            cause
            for cause in self._names
            if cause.host_at_fault or cause.kind is FailureKind.CIRCUIT_OPEN
        }

    def _dead(self, causes: set[_Cause], words: Words) -> str:
        counts = {cause: len(self._names[cause]) for cause in self._names if cause in causes}
        given_up = sum(
            count for cause, count in counts.items() if cause.kind is FailureKind.CIRCUIT_OPEN
        )
        asked = {c: n for c, n in counts.items() if c.kind is not FailureKind.CIRCUIT_OPEN}
        why = max(asked or counts, key=lambda cause: counts[cause])
        who = words.counted(words.accounts, sum(counts.values()))
        if asked:
            who += words.bracketed.format(text=words.not_asked_of.format(count=given_up))
        remedy = words.sentence(FailureKind.CIRCUIT_OPEN, None).remedy
        return f"{self._what(why, words)}{words.colon}{who} → {remedy}"

    def _what(self, cause: _Cause, words: Words) -> str:
        return _what(cause, words, wait_s=self._waits_s.get(cause))


def what_failed(failure: Failure, words: Words, *, status: int | None) -> str:
    """Return what failed, as the sentences have it; ``status`` is of the last answer."""
    cause = _cause(failure, status, refresh=IN_PLACE)
    return _what(cause, words, wait_s=failure.retry_after_s)


def _cause(failure: Failure, status: int | None, *, refresh: str | None) -> _Cause:
    tells_more, code = failure.kind in TOLD_BY_MESSAGE, code_of(failure)
    return _Cause(
        failure.kind,
        code if (failure.kind, code) in ENGLISH.by_code else None,
        printable(failure.message) if tells_more else "",
        printable(failure.hint) if tells_more else "",
        status if failure.kind in TOLD_BY_STATUS else None,
        failure.host_at_fault,
        refresh if refresh in (IN_PLACE, CODEX_HOME) else None,
    )


def _what(cause: _Cause, words: Words, *, wait_s: float | None) -> str:
    """Return what failed; a message in another language follows as a detail."""
    what = words.sentence(cause.kind, cause.code).what
    details: list[str] = []
    if cause.status is not None:
        details.append(str(cause.status))
    if wait_s is not None:
        details.append(words.waits.format(span=span(wait_s, words)))
    head, _, detail = cause.message.partition(": ")
    if cause.message and words.messages_fit:
        what = head
    elif cause.message in words.details:
        detail = words.details[cause.message]
    elif head != ENGLISH.sentence(cause.kind, cause.code).what:
        told = (words.details.get(part, part) for part in (head, detail))
        detail = ": ".join(filter(None, told))
    details += [detail] if detail else []
    return what + (words.bracketed.format(text=words.clause.join(details)) if details else "")


def _remedy(cause: _Cause, words: Words) -> str:
    if cause.hint and words.messages_fit:
        return cause.hint
    return _catalogued_remedy(cause, words)


def _catalogued_remedy(cause: _Cause, words: Words) -> str:
    remedy = words.sentence(cause.kind, cause.code).remedy
    if cause.refresh == IN_PLACE or remedy != words.failures[FailureKind.TOKEN_EXPIRED].remedy:
        return remedy
    return words.use_codex if cause.refresh == CODEX_HOME else words.log_in_again


class _NameList:
    """Lists names of accounts; each has ``most`` cells."""

    def __init__(self, words: Words, marks: Marks, now: float, *, most: int) -> None:
        self._words, self._marks, self._now, self._most = words, marks, now, most

    def listed(self, accounts: list[_Named], kind: FailureKind) -> str:
        """Return the names: all that have to be mended one by one, else a few."""
        mend = kind.exit_class == 1 or kind in _OTHERS_TO_MEND
        most = _MANY if mend else _SOME
        words, count = self._words, len(accounts)
        if count > most and kind is FailureKind.CANCELLED:
            return words.counted(words.accounts, count)
        told = words.comma.join(map(self._one, sorted(accounts)[:most]))
        return told + words.more.format(count=count - most, total=count) if count > most else told

    def _one(self, account: _Named) -> str:
        name = cut_middle(account.name, self._most, self._marks.cut)
        if account.expired_at is None:
            return name
        ago = rough_span(max(0.0, self._now - account.expired_at), self._words)
        return name + self._words.bracketed.format(text=self._words.ago.format(span=ago))
