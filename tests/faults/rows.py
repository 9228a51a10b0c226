"""The fault matrix: a fault is a row, and adding one is a line.

An account's fault stands in its account id, where the simulator reads it; see
``poller.simulator.faults`` for how it is written. Expected is what must be seen from
outside: the kind (None where the account answers), the attempts, the upstream's status.
"""

from __future__ import annotations

from dataclasses import dataclass
from typing import TYPE_CHECKING

from tests.faults import spoiled

if TYPE_CHECKING:
    from collections.abc import Callable


@dataclass(frozen=True)
class Row:
    """One fault, and what must be seen of it from outside."""

    name: str
    fault: str = ""
    """As the simulator reads it; ``{elsewhere}`` stands for another server's address."""
    kind: str | None = None
    attempts: int = 1
    """On fresh connections; over reused ones it may cost one more."""
    status: int | None = None
    code: str | None = None
    says: str = ""
    """A part of the message."""
    gap_s: tuple[float, float] | None = None
    """Between its first two attempts, measured at the server."""
    figures: bool = True
    """Whether an account that answers must have the figures of its ids."""
    spoil: Callable[[str, bytes], None] | None = None
    """Lays something at the path of the auth file, given the good one's bytes."""
    file_name: str | None = None
    flags: tuple[str, ...] = ()
    apart: str = ""
    """Rows that would disturb each other are given different ones."""


def _refused(status: int, kind: str, attempts: int = 1, code: str | None = None) -> Row:
    return Row(f"{status}", f"{status}", kind, attempts, status, code)


_THROTTLED = "rate_limit_exceeded"
_MASKED = "***"

REDIRECTS = (
    *(
        Row(f"{status} to elsewhere", f"{status}-{{elsewhere}}", "redirect", 1, status)
        for status in (301, 302, 303, 307, 308)
    ),
    Row("302 to this server", "302", "redirect", 1, 302),
    Row("307 to a file", "307-file:///etc/passwd", "redirect", 1, 307),
    Row("308 to nonsense", "308-::::", "redirect", 1, 308),
    *(_refused(status, "redirect") for status in (300, 304, 305, 306)),
)

FINAL = (
    *(_refused(status, "http_error") for status in (400, 405, 410, 415, 422, 501)),
    *(_refused(status, "http_error") for status in (201, 204, 206, 418, 451, 600, 999)),
    *(
        Row(f"401 {code}", f"401-{code}", "unauthorized", 1, 401, code)
        for code in ("token_expired", "token_invalidated", "token_revoked", "account_deactivated")
    ),
    Row("401 code in detail", "401-detail=token_revoked", "unauthorized", 1, 401, "token_revoked"),
    _refused(402, "payment_required", code="deactivated_workspace"),
    Row("402 without body", "402-empty", "payment_required", 1, 402),
    _refused(403, "forbidden"),
    Row(
        "403 of another workspace",
        "403-invalid_workspace_selected",
        "forbidden",
        1,
        403,
        "invalid_workspace_selected",
    ),
    Row("403 as html", "403-html", "edge_blocked", 1, 403),
    *(
        Row(f"edge {status}", f"edge-{status}", "edge_blocked", 1, status)
        for status in (200, 403, 429, 503)
    ),
)

ONCE = (
    Row("401 without a code", "401", "unauthorized", 2, 401),
    Row("401 without a body", "401-empty", "unauthorized", 2, 401),
    Row("401 with an unknown code", "401-cosmic_ray", "unauthorized", 2, 401, "cosmic_ray"),
    Row("401 that heals", "401x1", None, 2, 200),
    Row("401 in an unknown encoding", "401-unreadable", "unauthorized", 2, 401),
    _refused(404, "not_found", 2),
    Row("404 as html", "404-html", "not_found", 2, 404),
    Row("404 that heals", "404x1", None, 2, 200),
)

TRANSIENT = (
    *(_refused(status, "server_error", 3) for status in (408, 425, 500, 502, 503, 504)),
    *(_refused(status, "server_error", 3) for status in range(520, 531)),
    Row("502 as html", "502-html", "server_error", 3, 502),
    Row("502 in an unknown encoding", "502-unreadable", "server_error", 3, 502),
    *(
        Row(f"{status} that heals", f"{status}x1", None, 2, 200)
        for status in (408, 425, 500, 502, 503, 504, 522)
    ),
    Row("503 that heals late", "503x2", None, 3, 200),
)

THROTTLED = (
    _refused(429, "rate_limited", 3, code=_THROTTLED),
    Row("429 that heals", "429x1", None, 2, 200),
    *(
        Row(f"retry-after {odd}", f"429-after-{odd}", "rate_limited", 3, 429, _THROTTLED)
        for odd in ("nonsense", "negative", "digits", "empty", "nan", "past")
    ),
    Row("503 retry-after nonsense", "503-after-nonsense", "server_error", 3, 503),
    Row("retry-after 31", "429-after-31", "rate_limited", 1, 429, _THROTTLED, "31 s"),
    Row("retry-after a day", "429-after-86400", "rate_limited", 1, 429, _THROTTLED, "86400 s"),
    Row("retry-after in an hour", "503-after-date-3600", "server_error", 1, 503, says="3600 s"),
)

SHORT = ("--account-deadline", "6")
WAITS = (
    Row("429 after 2", "429-after-2x1", None, 2, 200, gap_s=(2.0, 2.5), apart="waits 1"),
    Row("503 after 2", "503-after-2x1", None, 2, 200, gap_s=(2.0, 2.5), apart="waits 1"),
    Row("429 after a date", "429-after-date-2x1", None, 2, 200, gap_s=(2.0, 3.0), apart="waits 2"),
    Row("503 after a date", "503-after-date-2x1", None, 2, 200, gap_s=(2.0, 3.0), apart="waits 2"),
    Row("429 after 6", "429-after-6", "rate_limited", 1, 429, _THROTTLED, "6 s", flags=SHORT),
    Row("503 after 20", "503-after-20", "server_error", 1, 503, says="20 s", flags=SHORT),
)

BODIES = (
    *(
        Row(body, body, "invalid_response", 2, 200)
        for body in ("empty", "html", "text", "not-json", "nan", "not-utf8", "deep")
    ),
    *(
        Row(body, body, "invalid_response", 1, 200, says="not an object")
        for body in ("null", "list", "number", "string")
    ),
    Row("html that heals", "htmlx1", None, 2, 200),
    Row("wrong types", "wrong-types", None, 1, 200, figures=False),
    Row("marks", "marks", None, 1, 200, figures=False),
    Row("odd json", "odd-json", None, 1, 200),
    *(Row(body, body, None, 1, 200) for body in ("chunked", "no-length", "gzip", "slow-300ms")),
    *(
        Row(body, body, "invalid_response", 1, 200, says="larger than 1 MiB")
        for body in ("big", "gzip-bomb", "endless")
    ),
    Row("as big as may be", "big-1048576", None, 1, 200),
    Row("big where it refuses", "big-3000000", "invalid_response", 1, 200),
    Row("gzip broken", "gzip-broken", "invalid_response", 2, 200, says="gzip"),
    Row("encoding unknown", "encoding-unknown", "invalid_response", 2, 200, says="x-made-up"),
    Row("gzip that heals", "gzip-brokenx1", None, 2, 200),
    Row("cookie", "cookie", None, 1, 200),
    Row("goodbye", "goodbye", None, 1, 200),
)

LOST = (
    *(Row(name, name, "connection_lost", 3) for name in ("reset", "close")),
    *(
        Row(name, name, "connection_lost", 3, 200)
        for name in ("cut", "reset-half", "too-long", "chunked-cut")
    ),
    *(
        Row(f"{name} that heals", f"{name}x1", None, 2, 200)
        for name in ("reset", "close", "cut", "reset-half", "too-long", "chunked-cut")
    ),
)

MALFORMED = (
    *(
        Row(name, name, "protocol", 2)
        for name in (
            *("bad-status-line", "garbage", "bad-header", "bad-length"),
            *("header-big", "headers-many", "headers-endless"),
        )
    ),
    Row("chunked-bad", "chunked-bad", "protocol", 2),
    Row("too-short", "too-short", "protocol", 2),
    Row("malformed that heals", "bad-headerx1", None, 2, 200),
)

IMPATIENT = ("--timeout", "2")
LATE = (
    *(Row(name, name, "timeout", 3, flags=IMPATIENT) for name in ("hang", "drip")),
    *(
        Row(name, name, "timeout", 3, 200, flags=IMPATIENT)
        for name in ("hang-half", "drip-body", "drip-body-50ms")
    ),
    *(
        Row(f"{name} that heals", f"{name}x1", None, 2, 200, flags=IMPATIENT)
        for name in ("hang", "hang-half", "drip", "drip-body", "slow-9s")
    ),
    Row("late for its deadline", "hang", "deadline", 1, flags=("--account-deadline", "1")),
    Row("late for the run", "hang", "deadline", 1, flags=("--deadline", "3"), says="run's"),
    Row(
        "late without retries",
        "hang",
        "timeout",
        1,
        flags=("--timeout", "2", "--retries", "0"),
    ),
    Row("503 without retries", "503", "server_error", 1, 503, flags=("--retries", "0")),
    Row("503 with five retries", "503", "server_error", 6, 503, flags=("--retries", "5")),
)

WHOSE = (
    Row("stranger", "stranger", "identity_mismatch", 2, 200),
    Row("stranger once", "strangerx1", None, 2, 200),
    Row("stranger on a kept connection", "stranger@reused", None, 1, 200),
    Row("refused on a kept connection", "403@reused", None, 1, 200),
    Row("answered twice", "twice", None, 1, 200),
    Row("surplus", "surplus", None, 1, 200),
    Row("anonymous", "anonymous", None, 1, 200),
)

RAW = ("--raw-json", "--raw-headers")
ECHOES = (
    Row("echo", "echo", None, 1, 200, figures=False, flags=RAW),
    Row("echo in a refusal", "echo-401", "unauthorized", 2, 401, _MASKED, flags=RAW),
    Row("echo unasked", "echo", None, 1, 200, figures=False),
    Row("echo in a refusal unasked", "echo-401", "unauthorized", 2, 401, _MASKED),
)

FILES = (
    *(
        Row(name, "", "file_missing", 0, spoil=spoil)
        for name, spoil in (
            ("missing", spoiled.missing),
            ("dangling link", spoiled.dangling_link),
            ("in a folder that is a file", spoiled.below_a_file),
        )
    ),
    *(
        Row(name, "", "file_unreadable", 0, spoil=spoil)
        for name, spoil in (
            ("no permission", spoiled.no_permission),
            ("link loop", spoiled.link_loop),
            ("read error", spoiled.read_error),
        )
    ),
    *(
        Row(name, "", "file_invalid", 0, spoil=spoil)
        for name, spoil in (
            ("a folder", spoiled.folder),
            ("a fifo", spoiled.fifo),
            ("a socket", spoiled.socket_),
            ("a device", spoiled.device),
            ("an endless device", spoiled.endless),
            ("above 1 MiB", spoiled.big),
            ("empty", spoiled.empty),
            ("half written", spoiled.half),
            ("not utf-8", spoiled.wrote(b'{"tokens": "\xff\xfe"}')),
            ("utf-16", spoiled.utf_16),
            ("not json", spoiled.wrote(b"access_token: none")),
            ("two documents", spoiled.twice),
            ("nan", spoiled.wrote(b'{"tokens": {"access_token": NaN}}')),
            ("nested 100,000 deep", spoiled.wrote(b"[" * 100_000 + b"]" * 100_000)),
            ("a list", spoiled.wrote(b"[]")),
            ("null", spoiled.wrote(b"null")),
        )
    ),
    *(
        Row(name, "", None, 1, 200, spoil=spoil)
        for name, spoil in (
            ("utf-8 bom", spoiled.with_bom),
            ("link to a good file", spoiled.link_to_good),
            ("unknown keys", spoiled.with_keys(made_up={"a": [1, None]}, version=7)),
            ("readable by others", spoiled.readable_by_others),
            ("just below 1 MiB", spoiled.padded),
        )
    ),
    *(
        Row(name, "", "no_credentials", 0, spoil=spoil)
        for name, spoil in (
            ("api key only", spoiled.wrote(b'{"OPENAI_API_KEY": "sk-made-up-and-never-valid"}')),
            ("no tokens", spoiled.with_keys(tokens=None)),
            ("no access token", spoiled.with_tokens(access_token=None)),
            ("no account id anywhere", spoiled.without_account_id),
        )
    ),
    *(
        Row(f"token with {name}", "", "invalid_token", 0, spoil=spoiled.with_token(odd))
        for name, odd in (
            *(("cr", "\r"), ("lf", "\n"), ("nul", "\0"), ("blank", " "), ("umlaut", "ü")),
            ("8 KiB", "a" * 8_192),
        )
    ),
    *(
        Row(f"account id with {name}", "", "invalid_token", 0, spoil=spoiled.with_account_id(odd))
        for name, odd in (
            *(("cr lf", "a\r\nX-Evil: 1"), ("nul", "a\0"), ("blank", "a b"), ("umlaut", "ü")),
            ("8 KiB", "a" * 8_193),
        )
    ),
    Row(
        "session token",
        "",
        "invalid_token",
        0,
        spoil=spoiled.with_tokens(access_token="sess-made-up-and-never-valid"),
    ),
    Row("expired", "", "token_expired", 0, spoil=spoiled.expired),
    Row("name with a line break", file_name="a\nb\r.auth.json", status=200),
    Row("name with escapes", file_name="\x1b[31mred\x1b]0;t\x07\u202e.auth.json", status=200),
    Row("name that is not utf-8", file_name="caf\udce9.auth.json", status=200),
)

ROWS: tuple[Row, ...] = (
    *(*REDIRECTS, *FINAL, *ONCE, *TRANSIENT, *THROTTLED, *WAITS),
    *(*BODIES, *LOST, *MALFORMED, *LATE, *WHOSE, *ECHOES, *FILES),
)
"""Every row but those that take another upstream; see ``test_network``."""
