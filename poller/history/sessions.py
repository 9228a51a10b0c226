"""The rate limits that the Codex CLI wrote into its own session files. Read only, offline."""

from __future__ import annotations

import os
import stat
from typing import TYPE_CHECKING

import orjson

from poller.history.observed import Observed, windows_of
from poller.usage.json_values import mapping, moment_of, tokenless_text
from poller.usage.normalizer import normalize

if TYPE_CHECKING:
    from collections.abc import Iterator, Mapping

_MARK = b'"rate_limits"'
_LONGEST_LINE = 1 << 24
"""Bytes; lines hold whole conversations, of which the limits are none."""
_DEEPEST = 50
"""Folders in folders that are looked into; Codex makes three: year, month, day."""
_SLOTS = ("primary", "secondary")
_NESTED_IN = ("payload", "msg", "info")
"""What a line wraps its event in, by version."""


def session_files(folder: str) -> Iterator[str]:
    """Yield the session files below a folder, oldest name first."""
    for where, folders, names in os.walk(folder):
        if where.count(os.sep) - folder.count(os.sep) >= _DEEPEST:
            folders.clear()
        folders.sort()
        for name in sorted(names):
            if name.startswith("rollout-") and name.endswith(".jsonl"):
                yield os.path.join(where, name)


def session_lines(path: str, *, label: str) -> Iterator[Observed]:
    """Yield what one session file tells of the account's limits; never raises."""
    try:
        if not stat.S_ISREG(os.stat(path).st_mode):
            return
        with open(path, "rb") as file:
            while line := file.readline(_LONGEST_LINE):
                seen = _seen_in(line, label) if _MARK in line else None
                if seen is not None:
                    yield seen
    except OSError:
        return


def _seen_in(line: bytes, label: str) -> Observed | None:
    try:
        members = mapping(orjson.loads(line))
    except orjson.JSONDecodeError:
        return None
    limits = None if members is None else _limits_in(members)
    at = None if members is None else moment_of(members.get("timestamp"))
    if limits is None or at is None or limits.get("limit_id") not in (None, "codex"):
        return None
    windows = {slot: _answered(mapping(limits.get(slot))) for slot in _SLOTS}
    plan = limits.get("plan_type")
    usage = normalize({"plan_type": plan, "rate_limits": windows}, observed_at=at)
    seen = () if usage is None else windows_of(usage, at)
    return Observed(label, None, tokenless_text(plan), None, at, at, seen) if seen else None


def _limits_in(members: Mapping[str, object]) -> Mapping[str, object] | None:
    """Return an event's limits, however deep its version wraps them."""
    for _ in range(len(_NESTED_IN) + 1):
        limits = mapping(members.get("rate_limits"))
        if limits is not None:
            return limits
        inner = next((part for key in _NESTED_IN if (part := mapping(members.get(key)))), None)
        if inner is None:
            return None
        members = inner
    return None


def _answered(window: Mapping[str, object] | None) -> Mapping[str, object] | None:
    """Return a window as the usage endpoint would spell it."""
    if window is None or "resets_in_seconds" not in window:
        return window
    return {**window, "reset_after_seconds": window["resets_in_seconds"]}
