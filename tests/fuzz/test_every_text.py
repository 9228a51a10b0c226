"""Every text of an answer, one after the other, through every output there is."""

from __future__ import annotations

import copy
import csv
import json
from dataclasses import replace
from functools import partial
from io import StringIO
from pathlib import Path
from typing import TYPE_CHECKING, Any

import pytest
from prometheus_client.parser import text_string_to_metric_families

from poller.commands.output import RecordLines, metrics_sink, table_sink
from poller.settings import Settings
from poller.settings.flags import taken_by
from poller.text import KnownTokens
from poller.usage.answer import read_answer
from poller.usage.masking import masked_identity
from poller.values import Report, Response, Secret, Snapshot, Usage
from tests.auth_files import NOW, token
from tests.faults.program import leaks, pieces
from tests.fuzz.fuzzing import _harmless
from tests.fuzz.mutating import DATA
from tests.running import record_of

if TYPE_CHECKING:
    from collections.abc import Callable, Iterator

    from poller.deliver.sinks import Sink

pytestmark = pytest.mark.anyio

TOKEN = token("canary")
SECRET = pieces({TOKEN, TOKEN.upper(), TOKEN.lower()})
TEXTS = {
    "a token": TOKEN,
    "a token in capitals": TOKEN.upper(),
    "a piece of a token": TOKEN[100:140],
    "a token within words": f"plan {TOKEN[40:60]} of somebody",
    "another's token": "eyJ" + "hbGciOi" * 20,
    "escape sequences": "\x1b]0;title\x07\x1b[2J\x9b31m\x00\x7f",
    "marks that turn text round": "\u202eevil\u2066\u2028\u2029\ufeff\U000e0041",
    "a formula": "=HYPERLINK(1)",
    "another line": '"} 1\nfake_metric 1\r\n{"schema_version": 1}\r\n',
    "a formula behind a tab": "\t=1+1",
    "half an emoji": "\ud83d",
    "markup": "<script>alert(1)</script>&quot;",
}
SETTINGS = Settings(show_identity=True, raw_json=True, raw_headers=True, extra=True)
SNAPSHOT = Snapshot(NOW, NOW, 1, 1, 1)
REFUSALS: dict[str, Any] = {
    "code": {"error": {"code": "x", "message": "x", "type": "x", "resets_at": 1, "param": "x"}},
    "text": {"error": "x", "detail": "x", "message": "x", "code": "x"},
    "detail": {"detail": {"code": "x", "message": "x", "reason": "x"}, "success": False},
}
STATUSES = (200, 301, 400, 401, 402, 403, 404, 418, 429, 503)
HEADERS = ("retry-after", "date", "content-type", "cf-mitigated", "location", "x-echo")


class Kept:
    """What a sink writes."""

    def __init__(self) -> None:
        self.text = b""

    async def write(self, content: bytes) -> None:
        self.text += content

    async def finish(self) -> None:
        pass

    def close(self) -> None:
        pass


def _record_sink(kept: Kept, **how: Any) -> Sink:
    return RecordLines(replace(SETTINGS, **how)).sink(kept)


OUTPUTS: dict[str, Callable[[Kept], Sink]] = {
    "jsonl": partial(_record_sink, format="jsonl"),
    "csv": partial(_record_sink, format="csv", raw_json=False, raw_headers=False),
    "table": lambda kept: table_sink(
        replace(SETTINGS, format="table", output="x"), kept, clock=lambda: NOW, progress=None
    ),
    "prometheus": lambda kept: metrics_sink(SETTINGS, kept, clock=lambda: NOW),
}


def test_every_output_is_among_these() -> None:
    (option,) = (each for each in taken_by("poll") if each.field == "format")
    assert OUTPUTS.keys() | {"auto"} == {*option.kind.names}  # auto is one of two others


def planted(document: Any, text: str) -> Iterator[Any]:
    """Yield a document again and again, with the text in one place each time."""
    for place in _places(document):
        changed: Any = copy.deepcopy(document)
        owner = changed
        for key in place[:-1]:
            owner = owner[key]
        owner[place[-1]] = text
        yield changed
        if isinstance(owner, dict):  # as a key, too
            owner[text] = owner.pop(place[-1])
            yield changed


def _places(value: Any) -> Iterator[tuple[Any, ...]]:
    members = value.items() if isinstance(value, dict) else enumerate(value)
    for key, member in members:
        yield (key,)
        if isinstance(member, dict | list):
            yield from ((key, *rest) for rest in _places(member))


def responses(text: str) -> Iterator[Response]:
    """Yield every answer that is known, with the text in every place that there is."""
    for path in sorted((DATA / "payloads").glob("*.json")):
        for changed in planted(json.loads(path.read_text(encoding="utf-8"))["answer"], text):
            yield Response(200, (("x-echo", text), (text, "x")), json.dumps(changed).encode())
    for status in STATUSES:
        for document in REFUSALS.values():
            for changed in planted(document, text):
                yield Response(status, (), json.dumps(changed).encode())
        for name in HEADERS:
            yield Response(status, ((name, text),), text.encode("utf-8", "surrogatepass"))


def reports(text: str) -> Iterator[Report]:
    known = KnownTokens()
    known.add([Secret(TOKEN)])
    for number, response in enumerate(responses(text)):
        read = read_answer(
            response, known.mask, observed_at=NOW, keeps_json=True, keeps_headers=True
        )
        usage = read.outcome if isinstance(read.outcome, Usage) else None
        if usage is not None:
            usage = replace(usage, identity=masked_identity(usage.identity, known.mask))
        yield Report(
            position=number,
            account=f"n{number}",
            source="n",
            observed_at=NOW,
            usage=usage,
            failure=None if isinstance(read.outcome, Usage) else read.outcome,
            http_status=response.status,
            attempts=1,
            elapsed_s=0.25,
            identity=usage.identity if usage is not None else Report(0, "", "", NOW).identity,
            raw=read.raw,
            headers=read.headers,
        )


def check(output: str, text: str, *, accounts: int) -> None:
    """Read an output as its readers do."""
    match output:
        case "csv":
            rows = list(csv.reader(StringIO(text, newline="")))
            assert {len(row) for row in rows} == {len(rows[0])}
            assert not [cell for row in rows for cell in row if cell.startswith(tuple("=+-@\t\r"))]
        case "prometheus":
            names = {family.name for family in text_string_to_metric_families(text)}
            assert all(name.startswith("poller_") for name in names)
            assert "poller_account_ok" in names
        case "table":
            assert text.count("\n") > accounts / 4  # failures share a line
        case _:
            assert len([record_of(line) for line in text.splitlines()]) == accounts


@pytest.mark.parametrize("text", TEXTS.values(), ids=TEXTS)
async def test_no_text_does_harm_in_any_output(text: str) -> None:
    come = list(reports(text))
    assert len(come) > 1000
    for output, sink_of in OUTPUTS.items():
        kept = Kept()
        sink = sink_of(kept)
        await sink.begin()
        for report in come:
            await sink.take(report)
        await sink.end(SNAPSHOT)
        sink.close()
        written = kept.text.decode()
        assert leaks(written, SECRET) == []
        assert "hbGciOi" not in written
        assert all(map(_harmless, written.replace("\r\n", "\n").split("\n")))
        check(output, written, accounts=len(come))


def test_the_places_are_all_there_are() -> None:
    document = {"a": 1, "b": [{"c": None}]}
    told = [json.dumps(each) for each in planted(document, "X")]
    assert told == [
        '{"a": "X", "b": [{"c": null}]}',
        '{"b": [{"c": null}], "X": "X"}',
        '{"a": 1, "b": "X"}',
        '{"a": 1, "X": "X"}',
        '{"a": 1, "b": ["X"]}',
        '{"a": 1, "b": [{"c": "X"}]}',
        '{"a": 1, "b": [{"X": "X"}]}',
    ]
    assert Path(DATA / "payloads").is_dir()
