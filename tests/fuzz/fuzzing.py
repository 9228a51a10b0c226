"""Put mutated inputs through the program's pure parts, and check all that comes out."""

from __future__ import annotations

import json
import time
import unicodedata
from collections import Counter
from dataclasses import dataclass, field
from functools import cache
from random import Random
from typing import TYPE_CHECKING, Any

import orjson
from jsonschema import Draft202012Validator

from poller.authfiles.shapes import parse
from poller.present.record import serialize
from poller.present.usage_table import UsageTable
from poller.text import KnownTokens
from poller.usage import response as answering
from poller.usage.json_values import ID_LENGTH
from poller.usage.masking import masked_outcome
from poller.usage.raw import raw_headers, raw_json
from poller.values import Credential, Failure, FailureKind, Report, Response, Secret
from tests.auth_files import NOW, token
from tests.fuzz.checking import compiled
from tests.fuzz.mutating import answers, files, mutated
from tests.running import schema

if TYPE_CHECKING:
    from collections.abc import Iterable

    from poller.values import Usage
    from tests.fuzz.checking import Check

VALIDATED_EVERY = 500
"""By jsonschema itself, which takes as long as a hundred by our own check."""
_ROWS = 50
_STATUSES = (401, 402, 403, 404, 418, 429, 500, 503, 301, 204, 0, 999)
_HEADERS = (
    ("retry-after", "2"),
    ("retry-after", "9" * 400),
    ("retry-after", "Sun, 22 Nov 2026 15:04:05 GMT"),
    ("date", "\x1b[31mnonsense"),
    ("content-type", "text/html"),
    ("cf-mitigated", "challenge"),
    ("location", "https://elsewhere.invalid/"),
)
_CREDENTIAL = frozenset(kind for kind in FailureKind if kind.exit_class == 1)
_MINE = Secret(token("fuzz"))


class Surprise(AssertionError):  # noqa: N818 - what a fuzzer looks for
    """Something came out that must not."""


@dataclass
class Figures:
    """What a share of the inputs came to."""

    inputs: int = 0
    kinds: Counter[str] = field(default_factory=Counter[str])
    surprises: list[str] = field(default_factory=list[str])
    slowest_s: float = 0.0

    def add(self, other: Figures) -> None:
        self.inputs += other.inputs
        self.kinds += other.kinds
        self.surprises += other.surprises
        self.slowest_s = max(self.slowest_s, other.slowest_s)


@cache
def _known() -> KnownTokens:
    tokens = KnownTokens()
    tokens.add([_MINE])
    return tokens


@cache
def _fits() -> Check:
    return compiled(schema())


@cache
def _validator() -> Draft202012Validator:
    return Draft202012Validator(schema())


def fuzz_answers(count: int, seed: str) -> Figures:
    """Put so many answers through normalizer, record and table."""
    figures, chance, reports = Figures(count), Random(seed), list[Report]()
    for number in range(count):
        body = mutated(answers(), chance)
        if chance.random() < 0.02:
            body = body.replace(b'"plus"', orjson.dumps(_MINE.reveal()[:80]))
        response = _response(body, chance)
        begun_at = time.process_time()
        try:
            outcome = answering.usage_or_failure(response, observed_at=NOW)
            outcome = masked_outcome(outcome, _known().mask)
            report = _report(outcome, response)
            _check_record(report, raw=number % 8 == 0, thorough=number % VALIDATED_EVERY == 0)
            reports.append(report)
            if len(reports) == _ROWS:
                _check_table(reports)
                reports.clear()
        except Exception as error:  # noqa: BLE001 - that is what is looked for
            figures.surprises.append(f"{type(error).__name__}: {error}: {response.status} {body!r}")
            continue
        figures.slowest_s = max(figures.slowest_s, time.process_time() - begun_at)
        figures.kinds[_kind(outcome)] += 1
    return figures


def _response(body: bytes, chance: Random) -> Response:
    if chance.random() < 0.85:
        return Response(200, (), body)
    headers = chance.sample(_HEADERS, chance.randrange(3))
    return Response(chance.choice(_STATUSES), tuple(headers), body)


def _report(outcome: Usage | Failure, response: Response | None) -> Report:
    return Report(
        position=0,
        account="fuzz",
        source="account/fuzz.auth.json",
        observed_at=NOW,
        usage=None if isinstance(outcome, Failure) else outcome,
        failure=outcome if isinstance(outcome, Failure) else None,
        http_status=None if response is None else response.status,
        attempts=0 if response is None else 1,
        elapsed_s=None if response is None else 0.25,
        raw=None if response is None else raw_json(response.body, _known().mask),
        headers=None if response is None else raw_headers(response.headers, _known().mask),
    )


def _check_record(report: Report, *, raw: bool, thorough: bool) -> None:
    line = serialize(report, show_identity=True, raw_json=raw, raw_headers=raw)
    if not line.endswith(b"\n") or not _harmless(line[:-1].decode()):
        raise Surprise("a record that is no harmless line")
    record = json.loads(line)  # not orjson, which wrote it
    if not _fits()(record):
        raise Surprise(f"a record outside the schema: {record}")
    if thorough:
        _validator().validate(record)
    if _shows_token(line.decode()):
        raise Surprise("a piece of a token")
    if record["ok"] != (record["error"] is None):
        raise Surprise("neither answered nor failed")


def _harmless(text: str) -> bool:
    return text.isprintable() or all(
        char.isprintable() or unicodedata.category(char) == "Zs" for char in text
    )


def _shows_token(text: str) -> bool:
    secret = _MINE.reveal()
    # Whatever piece of twelve there is holds one of these whole.
    return any(
        text[at : at + 12] in secret
        for place in range(0, 80, 6)
        for at in _found(secret[place : place + 6], text)
        for at in range(max(0, at - 6), at + 1)
        if len(text[at : at + 12]) == 12
    )


def _found(piece: str, text: str) -> Iterable[int]:
    at = text.find(piece)
    while at >= 0:
        yield at
        at = text.find(piece, at + 1)


def _check_table(reports: list[Report]) -> None:
    table = UsageTable(extra=True)
    for report in reports:
        table.add(report)
    for width in (20, 80):
        text = "".join(table.render(width=width, color=False, unicode=True, now=NOW))
        if not all(map(_harmless, text.split("\n"))):
            raise Surprise("a table that is not harmless")


def _kind(outcome: Usage | Credential | Failure) -> str:
    return outcome.kind.value if isinstance(outcome, Failure) else "ok"


def fuzz_files(count: int, seed: str) -> Figures:
    """Put so many auth files through the credentials' parser, and their failures into records."""
    figures, chance = Figures(count), Random(seed)
    for number in range(count):
        content = mutated(files(), chance)
        begun_at = time.process_time()
        try:
            found = parse(content, now=NOW)
            outcomes = _checked(found)
            for outcome in outcomes:
                figures.kinds[_kind(outcome)] += 1
                if isinstance(outcome, Failure):
                    thorough = number % VALIDATED_EVERY == 0
                    _check_record(_report(outcome, None), raw=False, thorough=thorough)
        except Exception as error:  # noqa: BLE001 - that is what is looked for
            figures.surprises.append(f"{type(error).__name__}: {error}: {content!r}")
            continue
        figures.slowest_s = max(figures.slowest_s, time.process_time() - begun_at)
    return figures


def _checked(found: Any) -> list[Credential | Failure]:
    """Return the outcomes of a file's logins; every one of them fit to be used."""
    if isinstance(found, Failure):
        _check_failure(found)
        return [found]
    names = [login.name for login in found]
    if not found or len({*names}) != len(names):
        raise Surprise(f"names that tell nothing apart: {names}")
    for login in found:
        if login.name is not None and not (login.name and _harmless(login.name)):
            raise Surprise(f"a name that cannot be shown: {login.name!a}")
        if isinstance(login.outcome, Failure):
            _check_failure(login.outcome)
        else:
            _check_credential(login.outcome)
    return [login.outcome for login in found]


def _check_failure(failure: Failure) -> None:
    if failure.kind not in _CREDENTIAL or not (failure.message and failure.hint):
        raise Surprise(f"a failure that is none of a file's: {failure}")
    if "eyJ" in failure.message + failure.hint + (failure.code or ""):
        raise Surprise("a token in a message")


def _check_credential(credential: Credential) -> None:
    for header in (credential.access_token.reveal(), credential.account_id):
        fits = header.isascii() and header.isprintable() and " " not in header
        if not fits or not 0 < len(header) <= ID_LENGTH:
            raise Surprise("something that fits no header")
    for text in (credential.email, credential.plan):
        if text is not None and not _harmless(text):
            raise Surprise(f"text that cannot be shown: {text!a}")
    if credential.user_id == "" or not isinstance(credential.fedramp, bool):
        raise Surprise("an identity that is none")
    expires_at = credential.expires_at
    if expires_at is not None and not NOW - 60 <= expires_at < 1e12:
        raise Surprise(f"expired, or for ever: {expires_at}")
