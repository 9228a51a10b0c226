"""Put mutated inputs through the program's pure parts, and check all that comes out."""

from __future__ import annotations

import json
import threading
import time
import tracemalloc
import unicodedata
from base64 import b64encode
from collections import Counter
from contextlib import suppress
from dataclasses import dataclass, field
from functools import cache, partial
from random import Random
from typing import TYPE_CHECKING, TypeVar

from jsonschema import Draft202012Validator

from poller.authfiles.claims import read_claims
from poller.authfiles.shapes import Login, parse
from poller.present.record import serialize
from poller.present.usage_table import UsageTable
from poller.text import KnownTokens
from poller.usage import answer as answering
from poller.usage.answer import Answer
from poller.usage.json_values import ID_LENGTH
from poller.usage.masking import masked_identity
from poller.values import (
    Credential,
    Failure,
    FailureKind,
    Identity,
    Report,
    Response,
    Secret,
    Usage,
)
from tests.auth_files import NOW, token
from tests.fuzz.checking import compiled
from tests.fuzz.mutating import answers, files, mutated
from tests.running import schema

if TYPE_CHECKING:
    from collections.abc import Callable, Iterable

    from tests.fuzz.checking import Check

VALIDATED_EVERY = 500
"""By jsonschema itself, which takes as long as a hundred by our own check."""
T = TypeVar("T")

TIME_LIMIT_S, MEMORY_LIMIT, HOLD_LIMIT_S = 0.4, 64 << 20, 0.05
"""For reading one input, whatever it is; the last for how long it may hold up an event loop."""
_MEASURED_EVERY, _MEASURED_FROM = 200, 32 << 10
"""Inputs whose memory and hold are measured, which takes five times as long: some, and all
large ones."""
_HOLD_TRIES = 20
"""A busy machine wakes who looks on too late: the shortest of so many counts."""
_RECORD_LIMIT = 64 << 10
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
    """Of the processor, for reading one input."""
    most_bytes: int = 0
    """Of memory, likewise."""
    longest_hold_s: float = 0.0
    """For which an event loop beside it could not go on, in time of the processor."""
    longest_record: int = 0
    """Bytes, without what is kept raw."""

    def add(self, other: Figures) -> None:
        self.inputs += other.inputs
        self.kinds += other.kinds
        self.surprises += other.surprises
        self.slowest_s = max(self.slowest_s, other.slowest_s)
        self.most_bytes = max(self.most_bytes, other.most_bytes)
        self.longest_hold_s = max(self.longest_hold_s, other.longest_hold_s)
        self.longest_record = max(self.longest_record, other.longest_record)

    def read(self, work: Callable[[], T], *, size: int, number: int, in_thread: bool = True) -> T:
        """Read one input, and measure what it takes; ``in_thread`` says where that is done."""
        begun_s = time.thread_time()
        outcome = work()
        took_s = time.thread_time() - begun_s
        if took_s > TIME_LIMIT_S:  # a collection of all garbage, perhaps, or a busy machine
            begun_s = time.thread_time()
            work()
            took_s = min(took_s, time.thread_time() - begun_s)
        self.slowest_s = max(self.slowest_s, took_s)
        if took_s > TIME_LIMIT_S:
            raise Surprise(f"an input that takes {took_s:.2f} s")
        if not in_thread or number % _MEASURED_EVERY == 0 or size > _MEASURED_FROM:
            self._note_hold(took_s if not in_thread else None, work)
        if number % _MEASURED_EVERY == 0 or size > _MEASURED_FROM:
            tracemalloc.start()
            work()
            _, peak = tracemalloc.get_traced_memory()
            tracemalloc.stop()
            self.most_bytes = max(self.most_bytes, peak)
            if peak > MEMORY_LIMIT:
                raise Surprise(f"an input that takes {peak >> 20} MiB")
        return outcome

    def _note_hold(self, held_s: float | None, work: Callable[[], object]) -> None:
        """Note how long the loop is held: as long as the work takes on it, less beside it."""
        for _ in range(_HOLD_TRIES):
            hold_s = hold_of(work) if held_s is None else held_s
            if hold_s <= HOLD_LIMIT_S:
                break
            begun_s = time.thread_time()
            work()
            held_s = None if held_s is None else time.thread_time() - begun_s
        self.longest_hold_s = max(self.longest_hold_s, hold_s)
        if hold_s > HOLD_LIMIT_S:
            raise Surprise(f"an input that holds the loop for {hold_s:.3f} s")


def hold_of(work: Callable[[], object]) -> float:
    """Return for how long ``work``, in a thread, keeps this one from running, at the longest.

    It is told in the time that the thread had of the processor: what other programs take
    does not count.
    """
    took_s = [0.0]

    def run() -> None:
        begun_s = time.thread_time()
        work()
        took_s[0] = time.thread_time() - begun_s

    thread = threading.Thread(target=run)
    longest_s = seen_s = 0.0
    thread.start()
    while thread.is_alive():
        time.sleep(0.0002)
        with suppress(OSError, TypeError):  # it has ended
            now_s = time.clock_gettime(time.pthread_getcpuclockid(thread.ident or 0))
            longest_s, seen_s = max(longest_s, now_s - seen_s), now_s
    thread.join()
    return max(longest_s, took_s[0] - seen_s)


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
        echo = b""
        if chance.random() < 0.02:
            echo = _echo(chance)
            body = body.replace(b'"plus"', b'"%s"' % echo, 20)  # more would make it too large
        response = _response(body, chance)
        raw = number % 8 == 0 or echo != b""
        try:
            read = figures.read(
                partial(_read, response, raw=raw),
                size=len(body),
                number=number,
                in_thread=answering.belongs_in_thread(response, keeps_json=raw, keeps_headers=raw),
            )
            report = _report(read, response)
            line = _check_record(report, raw=raw, thorough=number % VALIDATED_EVERY == 0)
            _check_raw(read, echo)
            short = line if not raw else _check_record(report, raw=False, thorough=False)
            figures.longest_record = max(figures.longest_record, len(short))
            reports.append(report)
            if len(reports) == _ROWS:
                _check_table(reports)
                reports.clear()
        except Exception as error:  # noqa: BLE001 - that is what is looked for
            figures.surprises.append(f"{type(error).__name__}: {error}: {response.status} {body!r}")
            continue
        figures.kinds[_kind(read.outcome)] += 1
    return figures


def _echo(chance: Random) -> bytes:
    """Return some of a token, in one of the forms that it is promised to be found in."""
    start = chance.randrange(60)
    part = _MINE.reveal()[start : start + chance.randrange(12, 80)].encode()
    return chance.choice(
        (
            part,
            part.upper(),
            part.hex().encode(),
            b64encode(part),
            b64encode(b"ab" + part),
            b"".join(b"%%%02x" % byte for byte in part),
            b"".join(b"&#%d;" % byte for byte in part),
        )
    )


def _read(response: Response, *, raw: bool) -> Answer:
    mask = _known().mask
    return answering.read_answer(response, mask, observed_at=NOW, keeps_json=raw, keeps_headers=raw)


def _response(body: bytes, chance: Random) -> Response:
    if chance.random() < 0.85:
        return Response(200, (), body)
    headers = chance.sample(_HEADERS, chance.randrange(3))
    return Response(chance.choice(_STATUSES), tuple(headers), body)


def _report(read: Answer, response: Response | None) -> Report:
    usage = read.outcome if isinstance(read.outcome, Usage) else None
    identity = Identity() if usage is None else masked_identity(usage.identity, _known().mask)
    return Report(
        position=0,
        account="fuzz",
        source="account/fuzz.auth.json",
        observed_at=NOW,
        usage=usage,
        failure=read.outcome if isinstance(read.outcome, Failure) else None,
        http_status=None if response is None else response.status,
        attempts=0 if response is None else 1,
        elapsed_s=None if response is None else 0.25,
        identity=identity,
        raw=read.raw,
        headers=read.headers,
    )


def _check_record(report: Report, *, raw: bool, thorough: bool) -> bytes:
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
    if not raw and len(line) > _RECORD_LIMIT:
        raise Surprise(f"a record of {len(line)} bytes")
    return line


def _check_raw(read: Answer, echo: bytes) -> None:
    if echo and echo.decode() in f"{read.raw}{read.headers}":
        raise Surprise(f"an echo of a token: {echo!r}")


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
        try:
            found = figures.read(partial(parse, content, now=NOW), size=len(content), number=number)
            outcomes = _checked(found)
            for outcome in outcomes:
                figures.kinds[_kind(outcome)] += 1
                if isinstance(outcome, Failure):
                    thorough = number % VALIDATED_EVERY == 0
                    _check_record(_report(Answer(outcome), None), raw=False, thorough=thorough)
        except Exception as error:  # noqa: BLE001 - that is what is looked for
            figures.surprises.append(f"{type(error).__name__}: {error}: {content!r}")
    return figures


def _checked(found: tuple[Login, ...] | Failure) -> list[Credential | Failure]:
    """Return the outcomes of a file's logins; every one of them fit to be used."""
    if isinstance(found, Failure):
        _check_failure(found)
        return [found]
    names = [login.name for login in found]
    if not found or len({*names}) != len(names):
        raise Surprise(f"names that tell nothing apart: {names}")
    if len(found) > 1000:
        raise Surprise(f"{len(found)} accounts in one file")
    for login in found:
        name = login.name
        if name is not None and not (0 < len(name) <= 200 and _harmless(name)):
            raise Surprise(f"a name that cannot be shown: {name!a}")
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
    if read_claims(credential.access_token.reveal()).is_foreign:
        raise Surprise("a token of another issuer")
    if credential.plan is not None and len(credential.plan) > 200:
        raise Surprise("a plan without end")
    for text in (credential.email, credential.plan):
        if text is not None and not _harmless(text):
            raise Surprise(f"text that cannot be shown: {text!a}")
    if credential.user_id == "" or not isinstance(credential.fedramp, bool):
        raise Surprise("an identity that is none")
    expires_at = credential.expires_at
    if expires_at is not None and not NOW - 60 <= expires_at < 1e12:
        raise Surprise(f"expired, or for ever: {expires_at}")
